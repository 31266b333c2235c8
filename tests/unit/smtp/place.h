/*
 * place.h: the server without its threads: one worker's service on a loop that is stepped and a clock that is turned, a
 * real store behind a writer that is stepped too, and clients over socket pairs.
 */
#ifndef SLUICE_TESTS_UNIT_SMTP_PLACE_H
#define SLUICE_TESTS_UNIT_SMTP_PLACE_H

#include <fcntl.h>
#include <sys/socket.h>

#include "tests/unit/queue/scene.h"

#include "core/log.h"
#include "core/loop.h"
#include "core/metrics.h"
#include "queue/id.h"
#include "smtp/server.h"
#include "smtp/session.h"

#define PLACE_MAP     (64u << 20)
#define PLACE_CREDITS 4

enum { PLACE_STANDARD, PLACE_FRAGILE }; /* the listeners */

struct place {
	struct scene scene;
	struct config *config;
	struct admission *admission;
	struct id_source *ids;
	struct server *server;
	struct loop *loop;
	struct mailbox *inbox;
	void *service;
	bool writer_rests; /* place_turn leaves the writer alone */
	int forced_result; /* 0, or what the next answer of the writer is changed to */
};

static inline struct config *place_config(const char *extra)
{
	char path[] = "/tmp/sluice-place-XXXXXX";
	FILE *file = fdopen(mkstemp(path), "w");
	struct config *config;
	struct reason reason;

	assert_non_null(file);
	fprintf(file,
		"hostname = relay.example.edu\n"
		"data_dir = /nonexistent\n"
		"admin_socket = /nonexistent/admin.sock\n"
		"listen plain { address = {\"127.0.0.1:25\"} networks = {\"192.0.2.0/24\", "
		"\"127.0.0.0/8\"}\n"
		"  max_message = 1MB  max_bad_commands = 5  %s }\n"
		"listen devices { address = {\"127.0.0.1:26\"} networks = {\"192.0.2.0/24\"}\n"
		"  profile = fragile  max_message = 1MB  max_bad_commands = 5  %s }\n"
		"client \"192.0.2.101\" { profile = netcat-script }\n"
		"client \"192.0.2.102\" { profile = gsm-modem  charset = iso-8859-2  domain = "
		"lab.example.edu }\n"
		"client \"192.0.2.103\" { profile = old-firmware }\n"
		"upstream campus { hosts = {\"192.0.2.99:25\"} }\n"
		"route \"example.edu\" { upstream = campus }\n",
		extra, extra);
	fclose(file);
	if (config_load(path, &config, &reason) < 0)
		fail_msg("%s", reason.text);
	unlink(path);
	return config;
}

/* `auth` NULL: nobody can log in. */
static inline void place_open_with(struct place *place, uint64_t map_bytes, struct auth *auth)
{
	struct admission_limits limits[] = {
		{.total = 500, .address = 500}, {.total = 500, .address = 500, .reserves = true}};
	struct server_options options;

	log_set_level(LOG_ERROR);
	*place = (struct place){0};
	scene_open(&place->scene, map_bytes);
	place->config = place_config("");
	place->config->upstreams[0].number = place->scene.upstream;
	place->admission = admission_open(1000, limits, 2, &clock_system);
	place->ids = id_source_open(&place->scene.turned.clock, 0);
	options = (struct server_options){.config = place->config,
		.writer = place->scene.writer,
		.ids = place->ids,
		.admission = place->admission,
		.clock = &place->scene.turned.clock,
		.auth = auth,
		.worker_credits = PLACE_CREDITS};
	place->server = server_open(&options);
	place->loop = loop_open(&place->scene.turned.clock);
	place->inbox = mailbox_open(PLACE_CREDITS + AUTH_CREDITS + 2);
	assert_true(place->server != NULL && place->loop != NULL && place->inbox != NULL);
	place->service = smtp_service.begin(place->server, 0, place->loop, place->inbox);
	assert_non_null(place->service);
}

static inline void place_open(struct place *place, uint64_t map_bytes)
{
	place_open_with(place, map_bytes, NULL);
}

static inline struct session_shared *place_shared(struct place *place)
{
	return place->service;
}

/* As if TLS had been set up in the session that was opened last. */
static inline void place_protect(struct place *place)
{
	static struct conn_transport protected_transport;
	struct session *session = LIST_FIRST(&place_shared(place)->sessions);

	protected_transport = *session->channel.conn.transport;
	protected_transport.is_tls = true;
	session->channel.conn.transport = &protected_transport;
}

static inline void place_turn(struct place *place)
{
	for (int i = 0; i < 12; i++) {
		struct letter *letter;

		while ((letter = mailbox_pop(place->inbox)) != NULL) {
			if (place->forced_result != 0)
				LETTER_OF(letter, struct writer_request, letter)->result =
					place->forced_result;
			place->forced_result = 0;
			letter->read(letter, place->service);
		}
		smtp_service.turned(place->service);
		assert_int_equal(loop_step(place->loop, 0), 0);
		if (!place->writer_rests)
			writer_step(place->scene.writer);
	}
}

static inline void place_advance(struct place *place, int64_t ms)
{
	clock_turned_advance(&place->scene.turned, ms);
	place_turn(place);
}

static inline size_t place_sessions(struct place *place)
{
	return smtp_service.sessions(place->service);
}

/* Every session is over, and has given its place back. */
static inline void place_close(struct place *place)
{
	place->writer_rests = false;
	smtp_service.cut(place->service);
	place_turn(place);
	assert_int_equal(place_sessions(place), 0);
	assert_int_equal(admission_count(place->admission), 0);
	smtp_service.end(place->service);
	mailbox_close(&place->inbox);
	loop_close(&place->loop);
	server_close(&place->server);
	id_source_close(&place->ids);
	admission_close(&place->admission);
	config_close(&place->config);
	scene_close(&place->scene);
}

/* ---- clients ---- */

struct client {
	struct place *place;
	int fd;
};

static inline void client_open_from(
	struct client *client, struct place *place, unsigned listener, const char *peer)
{
	struct accepted *accepted = calloc(1, sizeof(*accepted));
	int pair[2];

	assert_non_null(accepted);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	client->place = place;
	client->fd = pair[0];
	accepted->fd = pair[1];
	accepted->listener = listener;
	assert_int_equal(address_parse(peer, &accepted->peer), 0);
	assert_int_equal(
		admission_enter(place->admission, listener, &accepted->peer, &accepted->ticket),
		ADMISSION_IN);
	smtp_service.opened(place->service, accepted);
}

static inline void client_leave(struct client *client)
{
	close(client->fd);
	client->fd = -1;
	place_turn(client->place);
}

static inline void client_say_sized(struct client *client, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size > 0) {
		ssize_t sent = send(client->fd, at, size, MSG_NOSIGNAL);

		if (sent < 0) {
			assert_int_equal(errno, EAGAIN);
			place_turn(client->place);
			continue;
		}
		at += sent;
		size -= (size_t)sent;
	}
}

static inline void client_say(struct client *client, const char *text)
{
	client_say_sized(client, text, strlen(text));
}

/* All that is there now, as a string that lasts until the next call. */
static inline const char *client_hear(struct client *client)
{
	static char heard[1 << 20];
	size_t size = 0;
	ssize_t got;

	place_turn(client->place);
	while ((got = recv(client->fd, heard + size, sizeof(heard) - 1 - size, 0)) > 0) {
		size += (size_t)got;
		place_turn(client->place);
	}
	heard[size] = '\0';
	return heard;
}

/* The lines of a dialogue: what is said, what is heard. */
static inline void client_check(struct client *client, const char *say, const char *wanted)
{
	client_say(client, say);
	assert_string_equal(client_hear(client), wanted);
}

/* One line comes that begins with these codes. */
static inline void client_check_code(struct client *client, const char *say, const char *code)
{
	const char *heard, *end;

	client_say(client, say);
	heard = client_hear(client);
	end = strstr(heard, "\r\n");
	if (end == NULL || end[2] != '\0' || strncmp(heard, code, strlen(code)) != 0)
		fail_msg("to \"%s\" it said \"%s\", not one line that begins with %s", say, heard,
			code);
}

static inline bool client_is_closed(struct client *client)
{
	char byte;
	ssize_t got;

	place_turn(client->place);
	got = recv(client->fd, &byte, 1, MSG_PEEK);
	return got == 0 || (got < 0 && errno == ECONNRESET);
}

#define BANNER   "220 relay.example.edu ESMTP Sluice\r\n"
#define ENVELOPE "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.edu>\r\nDATA\r\n"
#define GO_AHEAD "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n"

/* Greeted, and between two messages. */
static inline void client_open(struct client *client, struct place *place, unsigned listener)
{
	client_open_from(client, place, listener, "192.0.2.1:4711");
	assert_string_equal(client_hear(client), BANNER);
	client_check(client, "HELO client.example\r\n", "250 relay.example.edu\r\n");
}

/* ---- the store ---- */

static inline uint64_t place_count(struct place *place)
{
	struct store_counts counts;

	assert_int_equal(store_view_counts(place->scene.view, &counts), 0);
	return counts.messages;
}

/* The oldest message, or NULL. */
static inline struct envelope *place_first(struct place *place)
{
	struct envelope *envelope = NULL;

	assert_true(store_view_list(place->scene.view, 0, &envelope, 1) >= 0);
	return envelope;
}

/* A message's text behind its Received field; the caller frees it. */
static inline char *place_text(struct place *place, const struct envelope *envelope, size_t *size)
{
	char *text = malloc(envelope->size_bytes + STORE_PIECE_BYTES + 1), *body;
	struct reader reader;
	size_t at = 0;
	ssize_t got;

	assert_non_null(text);
	reader_init(&reader, place->scene.view, envelope, READ_EIGHTBIT);
	while ((got = reader_next(&reader, text + at)) > 0)
		at += (size_t)got;
	assert_int_equal(got, 0);
	reader_fini(&reader);
	assert_int_equal(at, envelope->size_bytes);
	text[at] = '\0';
	assert_memory_equal(text, "Received: from client.example (", 31);
	body = strstr(text, "(UTC)\r\n");
	assert_non_null(body);
	body += strlen("(UTC)\r\n");
	*size = at - (size_t)(body - text);
	memmove(text, body, *size + 1);
	return text;
}

#endif
