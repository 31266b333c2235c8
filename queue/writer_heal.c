#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/log.h"
#include "queue/writer_parts.h"

#define WAIT_FIRST_MS       10
#define WAIT_MAX_MS         1000
#define BROKEN_TRY_EVERY_MS 1000

static int64_t next_wait(struct writer_heal *heal)
{
	int64_t wait = heal->wait_ms;

	heal->wait_ms = wait * 2 < WAIT_MAX_MS ? wait * 2 : WAIT_MAX_MS;
	return wait;
}

void writer_heal_begin(struct writer *writer, size_t tried, bool committed)
{
	struct writer_heal *heal = &writer->heal;
	int64_t now = clock_mono_ms(writer->clock);

	heal->state = WRITER_HEALING;
	heal->unknown_count = committed ? tried : 0;
	writer->alone_count = tried;
	if (heal->until_mono_ms != 0) {
		/* it was healed, and failed again before anything was stored */
		heal->next_mono_ms = now + next_wait(heal);
		return;
	}
	heal->since_mono_ms = now;
	heal->until_mono_ms = now + WRITER_HEAL_MS;
	heal->next_mono_ms = now;
	heal->wait_ms = WAIT_FIRST_MS;
}

void writer_heal_over(struct writer *writer)
{
	writer->heal.until_mono_ms = 0;
	writer->heal.rounds = 0;
}

/*
 * The further commit that says that the disk keeps again what it is given, and with it what it was given before. The first
 * commit after a reopen writes, even when its batch has changed nothing.
 */
static int make_durable(struct writer *writer)
{
	struct store_batch *batch = NULL;
	int rc;

	if (store_reopen(writer->store, &writer->heal.reason) < 0)
		return -EIO;
	rc = store_begin(writer->store, &batch);
	if (rc == 0)
		rc = store_commit(&batch);
	if (rc < 0)
		reason_set(&writer->heal.reason, "a commit to try the store failed: %s",
			strerrorname_np(-rc));
	return rc;
}

static void healed(struct writer *writer)
{
	struct writer_heal *heal = &writer->heal;

	log_event(LOG_NOTICE, "store_healed", "after_ms=%" PRId64,
		clock_mono_ms(writer->clock) - heal->since_mono_ms);
	heal->state = WRITER_WORKING;
	heal->given_up = false;
	heal->unknown_count = 0;
	heal->rounds++;
	writer->room.looked = false;
}

/* Which of the group are stored. False: it cannot be told now. */
static bool look_up_group(struct writer *writer, bool *stored)
{
	for (size_t i = 0; i < writer->group_count; i++) {
		const struct writer_request *request = writer->group[i];
		int found = 0;

		if (i < writer->heal.unknown_count && request->wrote)
			found = writer_look_up(writer, request);
		if (found < 0) {
			reason_set(&writer->heal.reason, "a look-up failed: %s",
				strerrorname_np(-found));
			return false;
		}
		stored[i] = found == 1;
	}
	return true;
}

/* What is known not to be in the store can be refused for good if it is new mail; the rest is said to be unknown. */
static void refuse(struct writer *writer, struct writer_request *request, bool unknown)
{
	request->result = !unknown && writer_brings_new_mail(request) ? -ENOSPC : -EIO;
	writer_answer(writer, request);
}

/*
 * Answers what is stored; the rest stays in the group, to be done again alone. What failed once more when it was done again,
 * and has been at it for too long, is given up, so that one bad request does not hold up all others.
 */
static void settle_group(struct writer *writer, const bool *stored)
{
	struct writer_heal *heal = &writer->heal;
	bool too_late = heal->rounds > 0 && clock_mono_ms(writer->clock) >= heal->until_mono_ms;
	size_t tried = writer->alone_count, count = writer->group_count, kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct writer_request *request = writer->group[i];

		if (!stored[i] && !(too_late && i < tried)) {
			writer->group[kept++] = request;
			continue;
		}
		if (i < tried)
			writer->alone_count--;
		if (stored[i]) {
			request->result = 0;
			writer_answer(writer, request);
		} else {
			refuse(writer, request, false);
		}
	}
	writer->group_count = kept;
	writer_nudge(writer);
	if (too_late)
		writer_heal_over(writer); /* the next one has its own time */
}

static void give_up(struct writer *writer)
{
	struct writer_heal *heal = &writer->heal;
	size_t unknown_count = heal->unknown_count;

	log_event(LOG_ERROR, "store_broken", "requests=%zu reason=\"%s\"", writer->group_count,
		heal->reason.text);
	heal->state = WRITER_BROKEN;
	heal->given_up = true;
	heal->unknown_count = 0;
	heal->next_mono_ms = clock_mono_ms(writer->clock) + BROKEN_TRY_EVERY_MS;
	writer_heal_over(writer);
	writer_room_look(writer); /* before the answers: who asks then finds it shut */
	for (size_t i = 0; i < writer->group_count; i++)
		refuse(writer, writer->group[i], i < unknown_count && writer->group[i]->wrote);
	writer->group_count = writer->alone_count = 0;
}

static size_t heal_group(struct writer *writer)
{
	struct writer_heal *heal = &writer->heal;
	bool stored[WRITER_GROUP_MAX];
	size_t count = writer->group_count;

	if (make_durable(writer) == 0 && look_up_group(writer, stored)) {
		settle_group(writer, stored);
		healed(writer);
		return count;
	}
	if (clock_mono_ms(writer->clock) >= heal->until_mono_ms) {
		give_up(writer);
		return count;
	}
	heal->next_mono_ms = clock_mono_ms(writer->clock) + next_wait(heal);
	return 0;
}

/* New mail is refused, nothing of it is in the store; what has to be stored waits for another round of healing. */
static size_t take_while_broken(struct writer *writer)
{
	int64_t now = clock_mono_ms(writer->clock);
	size_t kept = 0, answered = 0;

	writer_take(writer);
	for (size_t i = 0; i < writer->group_count; i++) {
		struct writer_request *request = writer->group[i];

		if (writer_brings_new_mail(request) || request->verb == WRITER_CALL ||
			request->verb == WRITER_LEDGER) {
			refuse(writer, request, false);
			answered++;
		} else {
			writer->group[kept++] = request;
		}
	}
	writer->group_count = kept;
	if (writer_ends_drops(writer))
		writer_answer_drops(writer, -EIO);
	if (kept > 0) {
		writer_heal_begin(writer, 0, false);
		if (writer_is_stopping(writer))
			writer->heal.until_mono_ms = now;
	}
	return answered;
}

size_t writer_heal_step(struct writer *writer)
{
	struct writer_heal *heal = &writer->heal;
	int64_t now = clock_mono_ms(writer->clock);

	if (heal->state == WRITER_BROKEN) {
		if (now < heal->next_mono_ms)
			return take_while_broken(writer);
		heal->next_mono_ms = now + BROKEN_TRY_EVERY_MS;
		if (make_durable(writer) < 0)
			return take_while_broken(writer);
		healed(writer);
		writer_room_look(writer);
		return 1;
	}
	return now < heal->next_mono_ms ? 0 : heal_group(writer);
}
