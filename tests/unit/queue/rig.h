/*
 * rig.h: a scheduler without its thread, between a real store and writer and a delivery that is the test itself.
 *
 * rig_turn runs scheduler and writer until nothing moves any more; the jobs that came out stand in rig->jobs, oldest
 * first, until rig_reply or rig_deliver brings them back.
 */
#ifndef SLUICE_TESTS_UNIT_QUEUE_RIG_H
#define SLUICE_TESTS_UNIT_QUEUE_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/log.h"
#include "core/mailbox.h"
#include "queue/schedule.h"
#include "queue/scheduler.h"
#include "queue/store.h"
#include "queue/writer.h"

#define RIG_CREDITS 256
#define RIG_START   1700000000000ULL
#define RIG_DAY     86400000LL

#define RIG_ONE_HOST "upstream campus { hosts = {\"127.0.0.1:2501\"} max_connections = 10 }\n"
#define RIG_TWO_HOSTS                                                                              \
	"upstream campus { hosts = {\"127.0.0.1:2501\", \"127.0.0.1:2502\"} max_connections = 10 " \
	"}\n"

struct rig {
	char dir[64];
	struct clock_turned turned;
	struct store *store;
	struct store_view *view;
	struct mailbox *inbox, *delivery;
	struct writer *writer;
	struct config *config;
	struct scheduler *scheduler;
	struct job *jobs[RIG_CREDITS];
	size_t job_count;
	size_t handed_out; /* since the start */
	struct scan_job *scans[RIG_CREDITS];
	size_t scan_count;
	uint64_t next_id;
	int64_t wait_ms; /* what the last step wanted */
};

static inline struct config *rig_config(const struct rig *rig, const char *more)
{
	struct config *config;
	struct reason reason;
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/conf", rig->dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file,
		"hostname = relay.example.edu\ndata_dir = \"%s\"\nadmin_socket = \"%s/admin\"\n"
		"postmaster = postmaster@example.edu\n"
		"listen handoff { address = {\"127.0.0.1:2525\"} networks = {\"127.0.0.0/8\"} }\n"
		"%sroute \"*\" { upstream = campus }\n",
		rig->dir, rig->dir, more);
	fclose(file);
	if (config_load(path, &config, &reason) < 0)
		fail_msg("%s", reason.text);
	unlink(path);
	for (size_t i = 0; i < config->upstream_count; i++)
		assert_int_equal(store_upstream_number(rig->store, config->upstreams[i].name,
					 &config->upstreams[i].number),
			0);
	return config;
}

static inline void rig_scan(void *rig, struct scan_job *job)
{
	struct rig *to = rig;

	to->scans[to->scan_count++] = job;
}

static inline void rig_take_job(struct letter *letter, void *context)
{
	struct rig *rig = context;

	rig->jobs[rig->job_count++] = LETTER_OF(letter, struct job, letter);
	rig->handed_out++;
}

/* `clock`: NULL is the one that the test turns. */
static inline void rig_open_on(struct rig *rig, const char *more, const struct clock *clock)
{
	struct scheduler_options options = {0};
	struct store_options store_options = {.max_bytes = 256u << 20};
	struct reason reason;

	log_set_level(LOG_ERROR + 1);
	*rig = (struct rig){.next_id = 1};
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/sluice-rig-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	store_options.data_dir = rig->dir;
	clock_turned_init(&rig->turned, RIG_START);
	if (clock == NULL)
		clock = &rig->turned.clock;
	if (store_open(&store_options, &rig->store, &reason) < 0)
		fail_msg("%s", reason.text);
	assert_int_equal(store_view_open(rig->store, &rig->view), 0);
	rig->inbox = mailbox_open(1024);
	rig->delivery = mailbox_open(RIG_CREDITS);
	rig->writer = writer_open(rig->store, clock, 1024, rig->inbox);
	rig->config = rig_config(rig, more);
	options.store = rig->store;
	options.writer = rig->writer;
	options.clock = clock;
	options.config = rig->config;
	options.inbox = rig->inbox;
	options.delivery = rig->delivery;
	options.delivery_read = rig_take_job;
	options.delivery_credits = RIG_CREDITS;
	options.scan = rig_scan;
	options.scanner = rig;
	options.scan_credits = RIG_CREDITS;
	assert_int_equal(scheduler_open(&rig->scheduler, &options, &reason), 0);
}

static inline void rig_open(struct rig *rig, const char *more)
{
	rig_open_on(rig, more, NULL);
}

static inline void rig_close(struct rig *rig)
{
	static const char *const files[] = {"data.mdb", "lock.mdb", "lock", "new"};
	char path[96];

	scheduler_close(&rig->scheduler);
	writer_close(&rig->writer);
	config_close(&rig->config);
	store_view_close(&rig->view);
	store_close(&rig->store);
	mailbox_close(&rig->inbox);
	mailbox_close(&rig->delivery);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", rig->dir, files[i]);
		unlink(path);
	}
	rmdir(rig->dir);
}

/* ---- messages ---- */

static inline struct envelope *rig_message(struct rig *rig, const char *client, size_t recipients)
{
	struct envelope *envelope = envelope_new(recipients);

	assert_non_null(envelope);
	envelope->id = envelope->body_id = rig->next_id++;
	envelope->received_unix_ms = clock_unix_ms(&rig->turned.clock);
	envelope->lane = LANE_NORMAL;
	envelope->bucket = schedule_bucket(NULL, client);
	envelope->reverse_path = "a@example.edu";
	envelope->client = client;
	envelope->helo = client;
	envelope->listener = "handoff";
	for (size_t i = 0; i < recipients; i++) {
		envelope->recipients[i].address = "b@example.edu";
		envelope->recipients[i].state = RECIPIENT_WAITING;
		envelope->recipients[i].verdict = VERDICT_CLEAN;
		envelope->recipients[i].upstream = rig->config->upstreams[0].number;
		envelope->recipients[i].due_unix_ms = envelope->received_unix_ms;
	}
	return envelope;
}

static inline uint64_t rig_put(struct rig *rig, struct envelope *envelope)
{
	struct store_batch *batch;
	uint64_t id = envelope->id;

	assert_int_equal(store_begin(rig->store, &batch), 0);
	assert_int_equal(store_add(batch, envelope), 0);
	assert_int_equal(store_commit(&batch), 0);
	envelope_close(&envelope);
	return id;
}

static inline uint64_t rig_add(struct rig *rig, const char *client)
{
	return rig_put(rig, rig_message(rig, client, 1));
}

static inline void rig_add_many(struct rig *rig, const char *client, enum lane lane, size_t count)
{
	struct store_batch *batch = NULL;

	for (size_t i = 0; i < count; i++) {
		struct envelope *envelope = rig_message(rig, client, 1);

		if (i % 2000 == 0 && batch != NULL)
			assert_int_equal(store_commit(&batch), 0);
		if (batch == NULL)
			assert_int_equal(store_begin(rig->store, &batch), 0);
		envelope->lane = lane;
		assert_int_equal(store_add(batch, envelope), 0);
		envelope_close(&envelope);
	}
	assert_int_equal(store_commit(&batch), 0);
}

/* NULL when it is gone. */
static inline struct envelope *rig_look(struct rig *rig, uint64_t id)
{
	struct envelope *envelope = NULL;
	int rc = store_view_get(rig->view, id, &envelope);

	assert_true(rc == 0 || rc == -ENOENT);
	return envelope;
}

static inline bool rig_is_gone(struct rig *rig, uint64_t id)
{
	struct envelope *envelope = rig_look(rig, id);
	bool gone = envelope == NULL;

	envelope_close(&envelope);
	return gone;
}

/* A copy of its first recipient; the texts in it are not to be looked at. */
static inline struct recipient rig_recipient(struct rig *rig, uint64_t id)
{
	struct envelope *envelope = rig_look(rig, id);
	struct recipient recipient;

	assert_non_null(envelope);
	recipient = envelope->recipients[0];
	envelope_close(&envelope);
	return recipient;
}

static inline size_t rig_left(struct rig *rig)
{
	struct store_counts counts;

	assert_int_equal(store_view_counts(rig->view, &counts), 0);
	return counts.messages;
}

/* ---- turns ---- */

static inline void rig_step(struct rig *rig)
{
	struct letter *letter;

	rig->wait_ms = scheduler_step(rig->scheduler);
	while ((letter = mailbox_pop(rig->delivery)) != NULL)
		letter->read(letter, rig);
}

static inline void rig_turn(struct rig *rig)
{
	do
		rig_step(rig);
	while (writer_step(rig->writer) > 0 || rig->wait_ms == 0 || mailbox_depth(rig->inbox) > 0);
}

static inline void rig_advance(struct rig *rig, int64_t ms)
{
	clock_turned_advance(&rig->turned, ms);
	rig_turn(rig);
}

/* Goes on in steps of `step_ms` as a running scheduler would. */
static inline void rig_live(struct rig *rig, int64_t ms, int64_t step_ms)
{
	for (; ms > 0; ms -= step_ms)
		rig_advance(rig, step_ms);
}

/* ---- the fake delivery ---- */

static inline struct job *rig_pop(struct rig *rig)
{
	struct job *job;

	assert_true(rig->job_count > 0);
	job = rig->jobs[0];
	memmove(rig->jobs, rig->jobs + 1, --rig->job_count * sizeof(rig->jobs[0]));
	return job;
}

static inline void rig_read(struct rig *rig, struct job *job)
{
	job->read_error = store_view_get(rig->view, job->id, &job->envelope);
	assert_true(job->read_error == 0 || job->read_error == -ENOENT);
	if (job->envelope != NULL)
		job->recipients = calloc(job->envelope->recipient_count, sizeof(*job->recipients));
}

static inline bool rig_is_meant(const struct job *job, const struct recipient *recipient)
{
	if (job->lapsed)
		return recipient->state == RECIPIENT_HELD;
	return recipient->upstream == job->upstream_number &&
	       (recipient->state == RECIPIENT_WAITING || recipient->state == RECIPIENT_DEFERRED) &&
	       recipient->due_unix_ms <= job->due_unix_ms;
}

/* Brings the oldest job back with this reply to the message; `effect` for each recipient that was meant. */
static inline void rig_reply_each(struct rig *rig, enum reply_stage stage, enum reply_class class,
	const char *reply, enum recipient_effect effect)
{
	struct job *job = rig_pop(rig);

	rig_read(rig, job);
	job->stage = stage;
	job->class = class;
	snprintf(job->reply, sizeof(job->reply), "%s", reply);
	for (size_t i = 0; job->envelope != NULL && i < job->envelope->recipient_count; i++)
		if (effect != RECIPIENT_UNCHANGED &&
			rig_is_meant(job, &job->envelope->recipients[i]))
			job->recipients[job->recipient_count++] = (struct job_recipient){
				.index = i, .effect = effect, .reply = reply};
	scheduler_job_done(rig->scheduler, job);
}

static inline void rig_reply(
	struct rig *rig, enum reply_stage stage, enum reply_class class, const char *reply)
{
	rig_reply_each(rig, stage, class, reply, RECIPIENT_UNCHANGED);
}

static inline void rig_deliver(struct rig *rig)
{
	rig_reply_each(rig, STAGE_DOT, REPLY_POSITIVE, "250 2.0.0 ok", RECIPIENT_ACCEPTED);
}

static inline void rig_deliver_all(struct rig *rig)
{
	while (rig->job_count > 0)
		rig_deliver(rig);
}

static inline struct host_report rig_host(struct rig *rig, size_t number)
{
	struct host_report reports[8];

	assert_true(scheduler_hosts(rig->scheduler, reports, 8) > number);
	return reports[number];
}

/* Delivers until the queue is empty; returns how many turns that took. */
static inline unsigned rig_drain(struct rig *rig)
{
	unsigned turns = 0;

	do {
		rig_deliver_all(rig);
		rig_turn(rig);
		turns++;
	} while (rig->job_count > 0);
	return turns;
}

#endif
