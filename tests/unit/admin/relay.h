/*
 * relay.h: a relay without SMTP for the tests of the admin socket: store, writer and scheduler with their threads, a
 * delivery that only keeps its jobs, and a client that speaks HTTP by hand.
 */
#ifndef SLUICE_TESTS_UNIT_ADMIN_RELAY_H
#define SLUICE_TESTS_UNIT_ADMIN_RELAY_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "admin/api.h"
#include "admin/ask.h"
#include "core/listen.h"
#include "core/reload.h"
#include "queue/id.h"
#include "queue/scheduler.h"
#include "tests/unit/await.h"

#define RELAY_HOST "127.0.0.1:2599"

struct relay {
	char folder[64], socket_path[96], config_path[96];
	struct config *config;
	struct store *store;
	struct mailbox *scheduler_inbox, *delivery_inbox, *answers;
	struct writer *writer;
	struct scheduler *scheduler;
	struct api *api;
	struct registrar *registrar; /* a test's; NULL: nothing has to come into force */
	int listen_fd;
	uint16_t upstream;
	uint64_t next_id;
};

/* ---- start and stop ---- */

/* Jobs stay in delivery's inbox until a test takes them. */
static inline void relay_keep_job(struct letter *letter, void *context)
{
	(void)letter;
	(void)context;
}

static inline void relay_write_config(struct relay *relay)
{
	FILE *file = fopen(relay->config_path, "w");

	assert_non_null(file);
	fprintf(file,
		"hostname = relay.example.edu\ndata_dir = %s\nadmin_socket = %s\n"
		"postmaster = postmaster@example.edu\n"
		"queue { max_size = 1GB }\n"
		"listen door { address = {\"127.0.0.1:2598\"} networks = {\"127.0.0.0/8\"} }\n"
		"upstream campus { hosts = {\"" RELAY_HOST "\"} }\n"
		"route \"*\" { upstream = campus }\n"
		"retry { busy_first = 60s  busy_max = 60s }\n",
		relay->folder, relay->socket_path);
	assert_int_equal(fclose(file), 0);
}

static inline void relay_open_queue(struct relay *relay)
{
	const struct store_options options = {
		.data_dir = relay->folder, .max_bytes = relay->config->queue_max_bytes};
	struct reason reason;

	if (store_open(&options, &relay->store, &reason) < 0)
		fail_msg("%s", reason.text);
	assert_int_equal(store_upstream_number(relay->store, "campus", &relay->upstream), 0);
	relay->config->upstreams[0].number = relay->upstream;
	relay->scheduler_inbox = mailbox_open(1024);
	relay->delivery_inbox = mailbox_open(1024);
	relay->answers = mailbox_open(1024);
	relay->writer = writer_open(relay->store, &clock_system, 4096, relay->scheduler_inbox);
	assert_non_null(relay->writer);
	assert_int_equal(writer_start(relay->writer, &reason), 0);
}

static inline void relay_open_scheduler(struct relay *relay)
{
	const struct scheduler_options options = {
		.store = relay->store,
		.writer = relay->writer,
		.clock = &clock_system,
		.config = relay->config,
		.inbox = relay->scheduler_inbox,
		.delivery = relay->delivery_inbox,
		.delivery_read = relay_keep_job,
		.delivery_credits = 16,
	};
	struct reason reason;

	if (scheduler_open(&relay->scheduler, &options, &reason) < 0)
		fail_msg("%s", reason.text);
	/* nothing is handed out but where a test wants it */
	assert_int_equal(scheduler_pause(relay->scheduler, RELAY_HOST, true), 0);
}

/* Main as the admin socket sees it, on the scheduler's thread: refuses a reload when `relay_refusal` says why. */
static const char *relay_refusal;

static inline void relay_answer_reload(struct letter *letter, void *context)
{
	struct reload_request *request = LETTER_OF(letter, struct reload_request, letter);

	(void)context;
	request->result = relay_refusal != NULL ? -EINVAL : 0;
	if (relay_refusal != NULL)
		reason_set(&request->reason, "%s", relay_refusal);
	letter->read = request->answered;
	assert_true(mailbox_push(request->answer_to, letter));
}

static inline void relay_start_api(struct relay *relay, struct mailbox *scheduler)
{
	const struct api_options options = {
		.store = relay->store,
		.writer = relay->writer,
		.scheduler = scheduler,
		.clock = &clock_system,
		.config = relay->config,
		.listen_fd = relay->listen_fd,
		.registrar = relay->registrar,
		.main = scheduler,
		.reload = relay_answer_reload,
	};
	struct reason reason;

	if (api_start(&relay->api, &options, &reason) < 0)
		fail_msg("%s", reason.text);
}

/* All but the scheduler's thread. */
static inline void relay_open(struct relay *relay)
{
	struct reason reason;

	*relay = (struct relay){.next_id = 0x1000};
	snprintf(relay->folder, sizeof(relay->folder), "/tmp/sluice-api-XXXXXX");
	assert_non_null(mkdtemp(relay->folder));
	snprintf(relay->socket_path, sizeof(relay->socket_path), "%s/admin.sock", relay->folder);
	snprintf(relay->config_path, sizeof(relay->config_path), "%s/conf", relay->folder);
	relay_write_config(relay);
	if (config_load(relay->config_path, &relay->config, &reason) < 0)
		fail_msg("%s", reason.text);
	relay_open_queue(relay);
	relay_open_scheduler(relay);
	relay->listen_fd = listen_open_path(relay->socket_path, 0660, -1, &reason);
	if (relay->listen_fd < 0)
		fail_msg("%s", reason.text);
}

static inline void relay_start(struct relay *relay)
{
	struct reason reason;

	relay_open(relay);
	assert_int_equal(scheduler_start(relay->scheduler, &reason), 0);
	relay_start_api(relay, relay->scheduler_inbox);
}

/* Gives back what delivery has, as if the host did not take connections. */
static inline size_t relay_fail_jobs(struct relay *relay)
{
	struct letter *letter;
	size_t count = 0;

	while ((letter = mailbox_pop(relay->delivery_inbox)) != NULL) {
		struct job *job = LETTER_OF(letter, struct job, letter);

		job->stage = STAGE_CONNECT;
		job->class = REPLY_BUSY;
		snprintf(job->reply, sizeof(job->reply), "421 4.7.0 I'm busy");
		snprintf(job->status, sizeof(job->status), "4.7.0");
		scheduler_job_done(relay->scheduler, job);
		count++;
	}
	return count;
}

static inline void relay_stop(struct relay *relay)
{
	static const char *const files[] = {
		"data.mdb", "lock.mdb", "lock", "new", "conf", "admin.sock"};
	char path[128];

	api_stop(relay->api);
	api_close(&relay->api);
	close(relay->listen_fd);
	relay_fail_jobs(relay);
	scheduler_stop(relay->scheduler, 5000);
	writer_stop(relay->writer);
	scheduler_close(&relay->scheduler);
	writer_close(&relay->writer);
	mailbox_close(&relay->scheduler_inbox);
	mailbox_close(&relay->delivery_inbox);
	mailbox_close(&relay->answers);
	store_close(&relay->store);
	config_close(&relay->config);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", relay->folder, files[i]);
		unlink(path);
	}
	rmdir(relay->folder);
}

/* ---- messages ---- */

struct relay_message {
	const char *from, *to, *client;
	size_t size;
	enum recipient_state state; /* 0: waiting */
	uint64_t due_unix_ms;
	const char *reason;
	const void *plan; /* encoded, or NULL */
	size_t plan_size;
};

struct relay_added {
	struct writer_request request;
	bool answered;
};

static inline void relay_answered(struct letter *letter, void *context)
{
	(void)context;
	LETTER_OF(letter, struct relay_added, request.letter)->answered = true;
}

static inline void relay_read_answers(struct relay *relay)
{
	struct letter *letter;

	while ((letter = mailbox_pop(relay->answers)) != NULL)
		letter->read(letter, NULL);
}

static inline char relay_text_at(size_t at)
{
	return (char)('a' + (at * 7 + at / 1000) % 26);
}

static inline struct message *relay_make(struct relay *relay, const struct relay_message *wanted)
{
	struct message *message = calloc(1, sizeof(*message));
	struct envelope *envelope = envelope_new(1);
	size_t size = wanted->size ? wanted->size : 100;
	char *bytes = malloc(size);
	struct text text = {0};

	assert_true(message != NULL && envelope != NULL && bytes != NULL);
	for (size_t i = 0; i < size; i++)
		bytes[i] = relay_text_at(i);
	assert_true(text_append(&text, bytes, size));
	free(bytes);
	envelope->id = envelope->body_id = relay->next_id++;
	envelope->size_bytes = size;
	envelope->checksum = text_checksum(&text);
	envelope->chunk_count = text.piece_count;
	envelope->received_unix_ms = clock_unix_ms(&clock_system);
	envelope->lane = LANE_NORMAL;
	envelope->reverse_path = wanted->from ? wanted->from : "from@example.org";
	envelope->client = wanted->client ? wanted->client : "192.0.2.1";
	envelope->helo = "client.example.org";
	envelope->listener = "door";
	envelope->recipients[0].address = wanted->to ? wanted->to : "to@example.edu";
	envelope->recipients[0].state = wanted->state ? wanted->state : RECIPIENT_WAITING;
	envelope->recipients[0].verdict = VERDICT_CLEAN;
	envelope->recipients[0].upstream = relay->upstream;
	envelope->recipients[0].due_unix_ms =
		wanted->due_unix_ms ? wanted->due_unix_ms : envelope->received_unix_ms;
	envelope->recipients[0].reason = wanted->reason;
	envelope->plan = wanted->plan;
	envelope->plan_size = wanted->plan_size;
	message->envelope = envelope;
	message->pieces = text_take(&text, true);
	text_fini(&text);
	return message;
}

/* Adds `count` alike, in batches. Returns the first one's id. */
static inline uint64_t relay_add(
	struct relay *relay, const struct relay_message *wanted, size_t count)
{
	uint64_t first = relay->next_id;

	while (count > 0) {
		size_t batch = count < 500 ? count : 500;
		struct relay_added *added = calloc(batch, sizeof(*added));

		assert_non_null(added);
		for (size_t i = 0; i < batch; i++) {
			added[i].request = (struct writer_request){
				.letter.read = relay_answered,
				.answer_to = relay->answers,
				.verb = WRITER_ADD,
				.message = relay_make(relay, wanted),
			};
			writer_submit(relay->writer, &added[i].request);
		}
		for (size_t i = 0; i < batch; i++) {
			AWAIT((relay_read_answers(relay), added[i].answered));
			assert_int_equal(added[i].request.result, 0);
			message_close(&added[i].request.message);
		}
		free(added);
		count -= batch;
	}
	return first;
}

static inline int relay_delete_all(struct envelope *envelope, void *argument)
{
	(void)argument;
	for (size_t i = 0; i < envelope->recipient_count; i++)
		envelope->recipients[i].state = RECIPIENT_DELETED;
	return 0;
}

/* Behind the scheduler's back, as an outcome would. */
static inline void relay_remove(struct relay *relay, uint64_t id)
{
	struct relay_added change = {.request = {
					     .letter.read = relay_answered,
					     .answer_to = relay->answers,
					     .verb = WRITER_CHANGE,
					     .id = id,
					     .change = relay_delete_all,
				     }};

	writer_submit(relay->writer, &change.request);
	AWAIT((relay_read_answers(relay), change.answered));
	assert_int_equal(change.request.result, 0);
}

/* ---- HTTP by hand ---- */

struct relay_reply {
	int status; /* 0: closed without a status line */
	char *head, *body; /* ended by a NUL */
	size_t body_size;
	json_t *json; /* or NULL */
};

static inline int relay_connect(const struct relay *relay)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = 20};

	assert_true(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", relay->socket_path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* False: the other side closed. */
static inline bool relay_send(int fd, const void *from, size_t size)
{
	const char *at = from;

	while (size > 0) {
		ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		at += sent;
		size -= (size_t)sent;
	}
	return true;
}

/* All that comes until the other side closes. */
static inline void relay_receive(int fd, struct relay_reply *reply)
{
	char *all = NULL;
	size_t size = 0, room = 0;
	ssize_t got;
	char *end;

	*reply = (struct relay_reply){0};
	do {
		if (size + 65536 > room) {
			room = room * 2 + 131072;
			all = realloc(all, room);
			assert_non_null(all);
		}
		got = recv(fd, all + size, 65536, 0);
		size += got > 0 ? (size_t)got : 0;
	} while (got > 0);
	all[size] = '\0';
	reply->head = all;
	end = memmem(all, size, "\r\n\r\n", 4);
	if (strncmp(all, "HTTP/1.1 ", 9) != 0 || end == NULL)
		return;
	reply->status = atoi(all + 9);
	*end = '\0';
	reply->body = end + 4;
	reply->body_size = size - (size_t)(reply->body - all);
	reply->json = json_loadb(reply->body, reply->body_size, JSON_REJECT_DUPLICATES, NULL);
}

static inline void relay_reply_fini(struct relay_reply *reply)
{
	json_decref(reply->json);
	free(reply->head);
	*reply = (struct relay_reply){0};
}

/* One request on a connection of its own. */
static inline void relay_ask(
	const struct relay *relay, const char *method, const char *path, struct relay_reply *reply)
{
	char request[2048];
	int fd = relay_connect(relay);
	int size = snprintf(request, sizeof(request),
		"%s %s HTTP/1.1\r\nHost: sluice\r\nConnection: close\r\n\r\n", method, path);

	assert_true(relay_send(fd, request, (size_t)size));
	relay_receive(fd, reply);
	close(fd);
}

/* The JSON of an answer with that status; the caller's. */
static inline json_t *relay_json(
	const struct relay *relay, const char *method, const char *path, int status)
{
	struct relay_reply reply;
	json_t *json;

	relay_ask(relay, method, path, &reply);
	if (reply.status != status)
		fail_msg("%s %s: %d %s", method, path, reply.status, reply.body ? reply.body : "");
	assert_non_null(reply.json);
	json = json_incref(reply.json);
	relay_reply_fini(&reply);
	return json;
}

static inline const char *relay_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static inline long long relay_number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

#endif
