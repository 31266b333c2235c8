#include "queue/writer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/metrics.h"
#include "queue/writer_parts.h"

#define LOOK_FOR_ROOM_EVERY_MS 250 /* while it is full: somebody else may have made room */
#define DROPS_REST_MS          1000

/* ---- answers ---- */

void writer_answer(struct writer *writer, struct writer_request *request)
{
	writer_settle_repeat(writer, request);
	request->next = NULL;
	if (request->answer_to == NULL)
		request->letter.read(&request->letter, NULL);
	else if (!mailbox_push(request->answer_to, &request->letter))
		log_panic("writer: no room for an answer; somebody spends credits that it has not");
}

void writer_answer_first(struct writer *writer, size_t count)
{
	for (size_t i = 0; i < count; i++)
		writer_answer(writer, writer->group[i]);
	writer->group_count -= count;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is moved */
	memmove(writer->group, writer->group + count, writer->group_count * sizeof(*writer->group));
	writer->alone_count -= count < writer->alone_count ? count : writer->alone_count;
}

void writer_nudge(struct writer *writer)
{
	if (writer->work != NULL)
		mailbox_nudge(writer->work);
}

/* ---- batches ---- */

struct batch_end {
	size_t tried; /* of the group's first */
	bool committed; /* its commit was tried */
};

static int commit(struct store_batch **batch, size_t items)
{
	int rc = store_commit(batch);

	if (rc == 0) {
		metric_add(METRIC_COMMITS, 1);
		metric_add(METRIC_COMMIT_ITEMS, items);
		return 0;
	}
	metric_add(METRIC_COMMITS_FAILED, 1);
	log_event_limited(
		LOG_ERROR, "commit_failed", "error=%s requests=%zu", strerrorname_np(-rc), items);
	return rc;
}

/* A call has no part in a batch: it waits until it is the group's first. */
static int apply_group(struct writer *writer, struct store_batch *batch, size_t limit,
	size_t *tried, size_t *items)
{
	size_t bytes = 0;

	for (*tried = 0; *tried < limit && bytes < WRITER_GROUP_BYTES;) {
		struct writer_request *request = writer->group[*tried];
		int rc;

		if (request->verb == WRITER_CALL)
			break;
		++*tried;
		rc = writer_apply(writer, batch, request, &bytes);
		if (rc < 0)
			return rc;
		*items += request->wrote;
	}
	return 0;
}

/* The group's first in one batch, up to `limit` of them. */
static int run_batch(struct writer *writer, size_t limit, struct batch_end *end)
{
	struct store_batch *batch = NULL;
	size_t items = 0;
	int rc = store_begin(writer->store, &batch);

	*end = (struct batch_end){.tried = limit};
	writer->room.partials = writer->room.partial_bytes = 0;
	if (rc < 0)
		return rc;
	rc = apply_group(writer, batch, limit, &end->tried, &items);
	if (rc == 0 && items > 0)
		rc = writer_pace_save(writer, batch);
	if (rc < 0 || items == 0) {
		store_abort(&batch);
		writer_pace_forget(writer);
		return rc;
	}
	end->committed = true;
	rc = commit(&batch, items);
	if (rc < 0) {
		writer_pace_forget(writer);
		return rc;
	}
	writer_pace_saved(writer);
	writer_heal_over(writer);
	writer_nudge(writer);
	return 0;
}

/* One batch each; what fails now has its own result. */
static size_t run_alone(struct writer *writer)
{
	size_t answered = 0;

	while (writer->alone_count > 0 && writer->group[0]->verb != WRITER_CALL) {
		struct batch_end end;
		int rc = run_batch(writer, 1, &end);

		if (rc == -EIO) {
			writer_heal_begin(writer, 1, end.committed);
			break;
		}
		if (rc == -ENOSPC)
			writer_room_none(writer);
		if (rc < 0)
			writer->group[0]->result = rc;
		writer_answer_first(writer, 1);
		answered++;
	}
	return answered;
}

static size_t run_group(struct writer *writer)
{
	struct batch_end end;
	int rc = run_batch(writer, writer->group_count, &end);

	if (rc == 0) {
		writer_answer_first(writer, end.tried);
		return end.tried;
	}
	if (rc == -EIO) {
		writer_heal_begin(writer, end.tried, end.committed);
		return writer_heal_step(writer);
	}
	if (rc == -ENOSPC)
		writer_room_none(writer);
	writer->alone_count = end.tried;
	return run_alone(writer);
}

static size_t run_call(struct writer *writer)
{
	struct writer_request *request = writer->group[0];

	request->result = writer_is_stopping(writer)
				  ? -ECANCELED
				  : request->call(writer->store, request->argument);
	writer_answer_first(writer, 1);
	return 1;
}

/* ---- drops ---- */

void writer_answer_drops(struct writer *writer, int result)
{
	while (writer->drops.first != NULL) {
		struct writer_request *request = writer_line_pop(&writer->drops);

		request->result = result;
		writer_answer(writer, request);
	}
}

/* 1: the text is gone, 0: more is left, negative: nothing was dropped. */
static int drop_some(struct writer *writer, struct writer_request *request)
{
	struct store_batch *batch = NULL;
	int done = store_begin(writer->store, &batch), rc;

	if (done < 0)
		return done;
	done = writer_apply_drop(batch, request);
	if (done < 0 || !request->wrote) {
		store_abort(&batch);
		return done;
	}
	rc = commit(&batch, 1);
	return rc < 0 ? rc : done;
}

/* One step of the drop that waits longest. */
static size_t step_drop(struct writer *writer)
{
	struct writer_request *request = writer->drops.first;
	int rc;

	if (request == NULL ||
		(!writer_ends_drops(writer) &&
			clock_mono_ms(writer->clock) < writer->drops_rest_until_mono_ms))
		return 0;
	rc = drop_some(writer, request);
	if (rc < 0 && rc != -EIO && !writer_ends_drops(writer)) {
		/* no room or no memory just now: nobody waits for a drop */
		writer->drops_rest_until_mono_ms = clock_mono_ms(writer->clock) + DROPS_REST_MS;
		return 0;
	}
	writer_line_pop(&writer->drops);
	if (rc == 0) {
		writer_line_push(&writer->drops, request);
		return 1;
	}
	if (rc < 0)
		request->result = rc; /* the rest is swept at the next start */
	writer_answer(writer, request);
	if (rc == -EIO)
		writer_heal_begin(writer, writer->alone_count, false);
	return 1;
}

/* ---- steps ---- */

size_t writer_step(struct writer *writer)
{
	size_t moved = 0;

	writer_room_look(writer);
	if (writer->heal.state != WRITER_WORKING)
		return writer_heal_step(writer);
	writer_take(writer);
	if (writer->group_count > 0) {
		if (writer->group[0]->verb == WRITER_CALL)
			moved = run_call(writer);
		else if (writer->alone_count > 0)
			moved = run_alone(writer);
		else
			moved = run_group(writer);
	}
	if (writer->heal.state == WRITER_WORKING)
		moved += step_drop(writer);
	return moved;
}

static int min_wait(int wait_ms, int64_t other_ms)
{
	if (other_ms < 0)
		other_ms = 0;
	return wait_ms < 0 || other_ms < wait_ms ? (int)other_ms : wait_ms;
}

/* How long the thread may sleep when nothing is pushed: -1: for good. */
static int idle_ms(const struct writer *writer)
{
	int64_t now = clock_mono_ms(writer->clock);
	int wait_ms = -1;

	if (writer->heal.state != WRITER_WORKING)
		return min_wait(wait_ms, writer->heal.next_mono_ms - now);
	if (writer->room.shut)
		wait_ms = min_wait(wait_ms, LOOK_FOR_ROOM_EVERY_MS);
	if (writer->drops.first != NULL)
		wait_ms = min_wait(wait_ms, writer->drops_rest_until_mono_ms - now);
	return wait_ms;
}

static void sleep_until_pushed(struct writer *writer)
{
	struct pollfd inbox = {.fd = mailbox_fd(writer->inbox), .events = POLLIN};

	/* while it heals it reads no requests, so that a push is no reason to wake */
	if (writer->heal.state == WRITER_HEALING) {
		poll(NULL, 0, idle_ms(writer));
		return;
	}
	if (!mailbox_rest(writer->inbox))
		return;
	poll(&inbox, 1, idle_ms(writer));
	mailbox_wake(writer->inbox);
}

static bool is_done(const struct writer *writer)
{
	return writer->group_count == 0 && writer->drops.first == NULL &&
	       writer->small.first == NULL && writer->rest.first == NULL &&
	       mailbox_depth(writer->inbox) == 0;
}

static void *run(void *argument)
{
	struct writer *writer = argument;

	for (;;) {
		bool stopping = writer_is_stopping(writer);

		if (writer_step(writer) > 0)
			continue;
		if (stopping && is_done(writer))
			return NULL;
		sleep_until_pushed(writer);
	}
}

/* ---- from outside ---- */

struct writer *writer_open(
	struct store *store, const struct clock *clock, size_t capacity, struct mailbox *work)
{
	struct writer *writer = calloc(1, sizeof(*writer));

	if (writer == NULL)
		return NULL;
	writer->store = store;
	writer->clock = clock;
	writer->work = work;
	atomic_init(&writer->full, false);
	atomic_init(&writer->drops_end, false);
	atomic_init(&writer->stopping, false);
	writer->inbox = mailbox_open(capacity);
	writer->repeats = repeats_open();
	writer->pace = writer_pace_open();
	if (writer->inbox == NULL || writer->repeats == NULL || writer->pace == NULL ||
		store_view_open(store, &writer->view) < 0)
		writer_close(&writer);
	return writer;
}

void writer_close(struct writer **writer)
{
	if (writer == NULL || *writer == NULL)
		return;
	store_view_close(&(*writer)->view);
	mailbox_close(&(*writer)->inbox);
	repeats_close(&(*writer)->repeats);
	writer_pace_close(&(*writer)->pace);
	free(*writer);
	*writer = NULL;
}

int writer_start(struct writer *writer, struct reason *reason)
{
	int rc = pthread_create(&writer->thread, NULL, run, writer);

	if (rc != 0)
		return reason_set(reason, "writer: no thread: %s", strerrordesc_np(rc));
	pthread_setname_np(writer->thread, "writer");
	writer->started = true;
	return 0;
}

void writer_stop(struct writer *writer)
{
	if (!writer->started)
		return;
	atomic_store_explicit(&writer->stopping, true, memory_order_release);
	mailbox_nudge(writer->inbox);
	pthread_join(writer->thread, NULL);
	writer->started = false;
}

void writer_end_drops(struct writer *writer)
{
	atomic_store_explicit(&writer->drops_end, true, memory_order_relaxed);
	mailbox_nudge(writer->inbox);
}

bool writer_ends_drops(const struct writer *writer)
{
	return atomic_load_explicit(&writer->drops_end, memory_order_relaxed) ||
	       writer_is_stopping(writer);
}

bool writer_is_stopping(const struct writer *writer)
{
	return atomic_load_explicit(&writer->stopping, memory_order_acquire);
}

void writer_submit(struct writer *writer, struct writer_request *request)
{
	if (!mailbox_push(writer->inbox, &request->letter))
		log_panic("writer: the inbox is full; somebody spends credits that it has not");
}

bool writer_is_full(const struct writer *writer)
{
	return atomic_load_explicit(&writer->full, memory_order_relaxed);
}
