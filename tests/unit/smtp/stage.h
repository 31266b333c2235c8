/*
 * stage.h: a store, a delivery without its thread, and a hostile upstream, for one test.
 */
#ifndef SLUICE_TESTS_UNIT_SMTP_STAGE_H
#define SLUICE_TESTS_UNIT_SMTP_STAGE_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/config.h"
#include "queue/message.h"
#include "queue/plan.h"
#include "queue/store.h"
#include "smtp/delivery.h"
#include "tests/unit/smtp/hostile.h"

#define STAGE_JOBS    64
#define STAGE_WAIT_MS 10000

struct stage_test {
	char folder[64];
	struct store *store;
	struct id_source *ids;
	struct mailbox *inbox;
	struct config *config;
	struct delivery *delivery;
	struct hostile hostile;
	struct job *back[STAGE_JOBS]; /* in the order in which they came back */
	size_t back_count;
};

static inline void stage_done(void *owner, struct job *job)
{
	struct stage_test *test = owner;

	assert_true(test->back_count < STAGE_JOBS);
	for (size_t i = 0; i < test->back_count; i++)
		assert_ptr_not_equal(test->back[i], job);
	test->back[test->back_count++] = job;
}

/* Time-outs of an upstream that a test waits for, and of one that has much to do. */
#define STAGE_HASTY \
	" connect_timeout = 2s\n command_timeout = 1s\n data_timeout = 1s\n dot_timeout = 1s\n"
#define STAGE_PATIENT                                                                          \
	" connect_timeout = 30s\n command_timeout = 30s\n data_timeout = 30s\n dot_timeout = " \
	"30s\n"

static inline void stage_write_config(struct stage_test *test, const char *options)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/sluice.conf", test->folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file,
		"hostname = relay.test\n"
		"data_dir = %s/data\n"
		"postmaster = postmaster@relay.test\n"
		"listen in { address = {\"127.0.0.1:2525\"} networks = {\"127.0.0.0/8\"} }\n"
		"upstream campus {\n hosts = {\"127.0.0.1:%u\"}\n%s%s\n}\n"
		"route \"*\" { upstream = campus }\n",
		test->folder, test->hostile.port,
		strstr(options, "dot_timeout") != NULL ? "" : STAGE_HASTY, options);
	assert_int_equal(fclose(file), 0);
}

/* `options` are lines of the upstream section. */
static inline void stage_open(struct stage_test *test, const char *options,
	const char *const *scripts, size_t script_count)
{
	struct store_options store_options = {.max_bytes = 64u << 20};
	struct delivery_options delivery_options;
	char path[128];
	struct reason reason;

	*test = (struct stage_test){0};
	signal(SIGPIPE, SIG_IGN);
	snprintf(test->folder, sizeof(test->folder), "/tmp/sluice-stage-XXXXXX");
	assert_non_null(mkdtemp(test->folder));
	hostile_open(&test->hostile, scripts, script_count);
	stage_write_config(test, options);
	snprintf(path, sizeof(path), "%s/sluice.conf", test->folder);
	if (config_load(path, &test->config, &reason) < 0)
		fail_msg("%s", reason.text);
	store_options.data_dir = test->config->data_dir;
	if (store_open(&store_options, &test->store, &reason) < 0)
		fail_msg("%s", reason.text);
	assert_int_equal(store_upstream_number(test->store, test->config->upstreams[0].name,
				 &test->config->upstreams[0].number),
		0);
	test->ids = id_source_open(&clock_system, 0);
	test->inbox = mailbox_open(STAGE_JOBS);
	delivery_options = (struct delivery_options){.store = test->store,
		.clock = &clock_system,
		.ids = test->ids,
		.inbox = test->inbox,
		.done = stage_done,
		.scheduler = test};
	if (delivery_open(&test->delivery, &delivery_options, &reason) < 0)
		fail_msg("%s", reason.text);
}

static inline void stage_free_job(struct job *job)
{
	envelope_close(&job->envelope);
	message_close(&job->bounces);
	config_close(&job->config);
	free(job->recipients);
	free(job);
}

static inline void stage_close(struct stage_test *test)
{
	char command[128];

	delivery_close(&test->delivery);
	for (size_t i = 0; i < test->back_count; i++)
		stage_free_job(test->back[i]);
	hostile_close(&test->hostile);
	mailbox_close(&test->inbox);
	id_source_close(&test->ids);
	store_close(&test->store);
	config_close(&test->config);
	snprintf(command, sizeof(command), "rm -rf %s", test->folder);
	assert_int_equal(system(command), 0);
}

/* ---- messages and jobs ---- */

struct stage_message {
	const char *from;
	const char *const *to;
	size_t to_count;
	const char *text;
	size_t text_size; /* 0: strlen */
	uint32_t flags;
	const struct plan *plan; /* or NULL */
	bool damaged; /* its checksum is wrong */
	const char *lapsed; /* it is held for a lapsed grant, for this reason */
};

static inline void stage_set_plan(struct envelope *envelope, const struct plan *plan)
{
	struct bytes encoded = {0};

	if (plan == NULL)
		return;
	assert_true(plan_encode(plan, &encoded));
	envelope->plan = envelope_text_sized(envelope, encoded.data, encoded.size);
	envelope->plan_size = encoded.size;
	bytes_fini(&encoded);
}

static inline void stage_put_text(
	struct store_batch *batch, struct envelope *envelope, const void *from, size_t size)
{
	struct text text = {0};
	struct text_piece *pieces;

	assert_true(text_append(&text, from, size));
	envelope->size_bytes = size;
	envelope->checksum = text_checksum(&text);
	envelope->chunk_count = text.piece_count;
	pieces = text_take(&text, true);
	for (struct text_piece *piece = pieces; piece != NULL; piece = piece->next)
		assert_int_equal(store_append(batch, envelope->id, piece->sequence, piece->data,
					 piece->size),
			0);
	text_pieces_free(&pieces);
	text_fini(&text);
}

/* Stores it; gives its id. */
static inline uint64_t stage_put(struct stage_test *test, const struct stage_message *message)
{
	struct envelope *envelope = envelope_new(message->to_count);
	struct store_batch *batch;
	uint64_t id = id_next(test->ids);

	assert_non_null(envelope);
	assert_int_equal(store_begin(test->store, &batch), 0);
	envelope->id = envelope->body_id = id;
	envelope->flags = message->flags;
	envelope->received_unix_ms = clock_unix_ms(&clock_system);
	envelope->lane = LANE_NORMAL;
	envelope->reverse_path = message->from;
	envelope->client = "192.0.2.1";
	envelope->helo = "client.test";
	envelope->listener = "in";
	for (size_t i = 0; i < message->to_count; i++) {
		envelope->recipients[i].address = message->to[i];
		envelope->recipients[i].state = RECIPIENT_WAITING;
		envelope->recipients[i].upstream = test->config->upstreams[0].number;
		envelope->recipients[i].due_unix_ms = envelope->received_unix_ms;
		envelope->recipients[i].reason = message->lapsed;
		if (message->lapsed != NULL)
			envelope->recipients[i].state = RECIPIENT_HELD;
	}
	envelope->hold_kind = message->lapsed != NULL ? HOLD_LAPSED : HOLD_ORDINARY;
	stage_set_plan(envelope, message->plan);
	stage_put_text(batch, envelope, message->text,
		message->text_size != 0 ? message->text_size : strlen(message->text));
	envelope->checksum += message->damaged;
	assert_int_equal(store_add(batch, envelope), 0);
	assert_int_equal(store_commit(&batch), 0);
	envelope_close(&envelope);
	return id;
}

static inline struct job *stage_job(struct stage_test *test, uint64_t id)
{
	struct job *job = calloc(1, sizeof(*job));

	assert_non_null(job);
	job->letter.read = delivery_job_read;
	job->id = id;
	job->config = config_share(test->config);
	job->upstream = &test->config->upstreams[0];
	job->upstream_number = job->upstream->number;
	job->host = &job->upstream->hosts[0];
	job->host_key = 1;
	job->connections_allowed = 1;
	job->now_unix_ms = job->due_unix_ms = clock_unix_ms(&clock_system);
	return job;
}

static inline void stage_push(struct stage_test *test, struct job *job)
{
	assert_true(mailbox_push(test->inbox, &job->letter));
}

/* Turns delivery until so many jobs came back. */
static inline void stage_await(struct stage_test *test, size_t count)
{
	int64_t until = clock_mono_ms(&clock_system) + STAGE_WAIT_MS;

	while (test->back_count < count) {
		if (clock_mono_ms(&clock_system) > until)
			fail_msg("%zu of %zu jobs came back", test->back_count, count);
		assert_int_equal(delivery_step(test->delivery, 50), 0);
	}
}

static const char *const stage_one[] = {"to@example.edu"};
static const char stage_text[] = "Subject: test\r\n\r\nHello\r\n";

static inline struct stage_message stage_simple(void)
{
	return (struct stage_message){
		.from = "from@example.org", .to = stage_one, .to_count = 1, .text = stage_text};
}

/* One job with a message, from push to its return. */
static inline struct job *stage_deliver(
	struct stage_test *test, const struct stage_message *message)
{
	struct job *job = stage_job(test, stage_put(test, message));

	stage_push(test, job);
	stage_await(test, test->back_count + 1);
	return job;
}

#endif
