/*
 * The backend of Dovecot: one connection to its authentication socket, kept, with many questions on it at a time.
 *
 *	away ──ask──► greeting ──DONE──► ready
 *	  ▲               │                │
 *	  └── closed, or says what it may not: each question is asked once more, on a new connection ──┘
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/log.h"
#include "smtp/auth_backend.h"
#include "smtp/auth_dovecot_line.h"
#include "smtp/auth_socket.h"

#define AT_ONCE 32
#define VERSION 1

enum link { LINK_AWAY, LINK_GREETING, LINK_READY };

struct dovecot;

struct slot {
	struct dovecot *dovecot;
	struct auth_question *question; /* NULL: free */
	struct loop_timer timer;
	uint32_t number; /* of AUTH on this connection; 0: not sent yet */
	int64_t sent_mono_ms;
	bool again; /* a connection was lost with it */
};

struct dovecot {
	struct auth_backend backend; /* first */
	const struct auth_host *host;
	char *path;
	int64_t timeout_ms;
	enum link link;
	struct stat socket; /* as it was when the connection was opened */
	unsigned links_lost; /* who calls out looks whether it is still the same */
	int fd;
	struct loop_watch watch;
	bool has_version, has_plain; /* of its greeting */
	uint32_t last_number;
	int64_t heard_mono_ms;
	struct bytes
		out; /* room for all questions from the start: it never moves, and so leaves no password behind */
	char in[DOVECOT_LINE_MAX];
	size_t got;
	struct slot slots[AT_ONCE];
	size_t used;
	bool given_up;
};

static struct dovecot *dovecot_of(struct auth_backend *backend)
{
	return (struct dovecot *)(void *)backend;
}

static bool has_room(const struct auth_backend *backend)
{
	return ((const struct dovecot *)(const void *)backend)->used < AT_ONCE;
}

/* ---- the end of a question ---- */

static void end(struct slot *slot, enum auth_verdict verdict)
{
	struct auth_question *question = slot->question;

	loop_timer_clear(slot->dovecot->host->loop, &slot->timer);
	slot->question = NULL;
	slot->dovecot->used--;
	question->answered(question, verdict);
}

static void tell_failure(const struct dovecot *dovecot, const char *why)
{
	struct log_quoted quoted;

	log_event_limited(LOG_WARNING, "dovecot_unavailable", "path=%s why=\"%s\"", dovecot->path,
		log_text(&quoted, why));
}

/* ---- the connection ---- */

static void wipe_out(struct dovecot *dovecot)
{
	explicit_bzero(dovecot->out.data, dovecot->out.size);
	bytes_clear(&dovecot->out);
}

static void hang_up(struct dovecot *dovecot)
{
	if (dovecot->link == LINK_AWAY)
		return;
	loop_watch_remove(dovecot->host->loop, &dovecot->watch);
	close(dovecot->fd);
	dovecot->link = LINK_AWAY;
	dovecot->links_lost++;
	wipe_out(dovecot);
	dovecot->got = 0;
	for (size_t i = 0; i < AT_ONCE; i++)
		dovecot->slots[i].number = 0;
}

/* Those that had their second chance, or all of them, are answered. */
static void end_questions(struct dovecot *dovecot, bool all)
{
	bool over[AT_ONCE];

	/* a question that comes while others end is not one of them */
	for (size_t i = 0; i < AT_ONCE; i++) {
		struct slot *slot = &dovecot->slots[i];

		over[i] = slot->question != NULL && (all || slot->again);
		slot->again = slot->question != NULL;
	}
	for (size_t i = 0; i < AT_ONCE; i++)
		if (over[i])
			end(&dovecot->slots[i], AUTH_VERDICT_UNAVAILABLE);
}

static void open_link(struct dovecot *dovecot);

static void lose(struct dovecot *dovecot, const char *why)
{
	bool was_greeting = dovecot->link == LINK_GREETING;

	if (dovecot->used > 0)
		tell_failure(dovecot, why);
	hang_up(dovecot);
	end_questions(dovecot, was_greeting);
	if (dovecot->used > 0 && dovecot->link == LINK_AWAY)
		open_link(dovecot);
}

/* False: it is lost. */
static bool write_some(struct dovecot *dovecot)
{
	size_t sent = 0;

	while (sent < dovecot->out.size) {
		ssize_t rc = send(dovecot->fd, dovecot->out.data + sent, dovecot->out.size - sent,
			MSG_NOSIGNAL);

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc < 0 && errno == EAGAIN)
			break;
		if (rc < 0) {
			lose(dovecot, strerror(errno));
			return false;
		}
		sent += (size_t)rc;
	}
	if (sent == dovecot->out.size) {
		wipe_out(dovecot);
	} else {
		size_t left = dovecot->out.size - sent;

		bytes_consume(&dovecot->out, sent);
		explicit_bzero(dovecot->out.data + left, sent);
	}
	loop_watch_change(dovecot->host->loop, &dovecot->watch,
		EPOLLIN | (dovecot->out.size > 0 ? EPOLLOUT : 0));
	return true;
}

/* What was not sent yet on this connection. */
static void send_questions(struct dovecot *dovecot)
{
	for (size_t i = 0; i < AT_ONCE; i++) {
		struct slot *slot = &dovecot->slots[i];
		char line[DOVECOT_AUTH_MAX], peer[ADDRESS_TEXT_SIZE];
		size_t size;

		if (slot->question == NULL || slot->number != 0)
			continue;
		if (++dovecot->last_number == 0)
			dovecot->last_number = 1;
		slot->number = dovecot->last_number;
		slot->sent_mono_ms = loop_now_ms(dovecot->host->loop);
		size = dovecot_line_write_auth(line, slot->number, slot->question->account,
			slot->question->password, address_format_host(slot->question->peer, peer));
		if (!bytes_append(&dovecot->out, line, size))
			slot->number = 0; /* it waits for its time to be over */
		explicit_bzero(line, sizeof(line));
	}
	write_some(dovecot);
}

/* ---- what it says ---- */

static struct slot *find(struct dovecot *dovecot, uint32_t number)
{
	for (size_t i = 0; i < AT_ONCE; i++)
		if (dovecot->slots[i].question != NULL && dovecot->slots[i].number == number)
			return &dovecot->slots[i];
	return NULL;
}

static void take_answer(struct dovecot *dovecot, const struct dovecot_line *line)
{
	struct slot *slot = line->number != 0 ? find(dovecot, line->number) : NULL;
	enum auth_verdict verdict = AUTH_VERDICT_WRONG;

	if (slot == NULL) /* its time was over */
		return;
	if (line->verb == DOVECOT_OK && !line->refused)
		verdict = AUTH_VERDICT_RIGHT;
	else if ((line->verb == DOVECOT_FAIL && line->temporary) || line->verb == DOVECOT_CONT)
		verdict = AUTH_VERDICT_UNAVAILABLE;
	if (verdict == AUTH_VERDICT_UNAVAILABLE)
		tell_failure(dovecot, line->verb == DOVECOT_CONT ? "PLAIN is not enough for it"
				      : line->why[0] != '\0'     ? line->why
								 : "it could not tell");
	end(slot, verdict);
}

/* NULL, or what is wrong with it. */
static const char *take_line(struct dovecot *dovecot, const char *text, size_t size)
{
	struct dovecot_line line;

	dovecot_line_read(text, size, &line);
	switch (line.verb) {
	case DOVECOT_VERSION:
		dovecot->has_version = line.number == VERSION;
		return dovecot->has_version ? NULL : "another version of the protocol";
	case DOVECOT_MECH:
		dovecot->has_plain = dovecot->has_plain || line.plain;
		return NULL;
	case DOVECOT_DONE:
		if (!dovecot->has_version)
			return "no version of the protocol";
		if (!dovecot->has_plain)
			return "it does not offer PLAIN";
		dovecot->link = LINK_READY;
		send_questions(dovecot);
		return NULL;
	case DOVECOT_OK:
	case DOVECOT_FAIL:
	case DOVECOT_CONT:
		if (dovecot->link != LINK_READY)
			return "an answer before its greeting";
		take_answer(dovecot, &line);
		return NULL;
	case DOVECOT_OTHER:
		return NULL;
	case DOVECOT_BAD:
		break;
	}
	return "a line that is none";
}

/* NULL, or what is wrong. Each line may lose the connection: then the rest is nobody's. */
static const char *take_lines(struct dovecot *dovecot)
{
	unsigned links_lost = dovecot->links_lost;
	size_t at = 0;

	for (;;) {
		const char *line = dovecot->in + at;
		const char *wrong, *line_end = memchr(line, '\n', dovecot->got - at);

		if (line_end == NULL)
			break;
		wrong = take_line(dovecot, line, (size_t)(line_end - line));
		if (wrong != NULL)
			return wrong;
		if (dovecot->links_lost != links_lost)
			return NULL;
		at += (size_t)(line_end - line) + 1;
	}
	memmove(dovecot->in, dovecot->in + at, dovecot->got - at);
	dovecot->got -= at;
	return dovecot->got == sizeof(dovecot->in) ? "a line too long" : NULL;
}

static void read_some(struct dovecot *dovecot)
{
	ssize_t rc = recv(
		dovecot->fd, dovecot->in + dovecot->got, sizeof(dovecot->in) - dovecot->got, 0);
	const char *wrong;

	if (rc < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (rc <= 0) {
		lose(dovecot, rc == 0 ? "closed the connection" : strerror(errno));
		return;
	}
	dovecot->heard_mono_ms = loop_now_ms(dovecot->host->loop);
	dovecot->got += (size_t)rc;
	wrong = take_lines(dovecot);
	if (wrong != NULL)
		lose(dovecot, wrong);
}

static void take_events(void *owner, uint32_t events)
{
	struct dovecot *dovecot = owner;

	if ((events & EPOLLOUT) != 0 && !write_some(dovecot))
		return;
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		read_some(dovecot);
}

/*
 * A Dovecot that was restarted has another socket there, and its old process goes on answering, by what it knew, for as long as
 * somebody is connected.
 */
static bool is_outdated(const struct dovecot *dovecot)
{
	const struct stat *was = &dovecot->socket;
	struct stat now;

	return stat(dovecot->path, &now) < 0 || now.st_dev != was->st_dev ||
	       now.st_ino != was->st_ino || now.st_ctim.tv_sec != was->st_ctim.tv_sec ||
	       now.st_ctim.tv_nsec != was->st_ctim.tv_nsec;
}

static void open_link(struct dovecot *dovecot)
{
	int rc;

	if (stat(dovecot->path, &dovecot->socket) < 0)
		dovecot->socket = (struct stat){0}; /* connecting says why */
	rc = auth_socket_open(dovecot->path);

	if (rc >= 0) {
		dovecot->fd = rc;
		rc = loop_watch_add(dovecot->host->loop, &dovecot->watch, dovecot->fd, EPOLLIN);
		if (rc < 0)
			close(dovecot->fd);
	}
	if (rc < 0) {
		tell_failure(dovecot, strerror(-rc));
		end_questions(dovecot, true);
		return;
	}
	dovecot->link = LINK_GREETING;
	dovecot->has_version = dovecot->has_plain = false;
	dovecot->heard_mono_ms = loop_now_ms(dovecot->host->loop);
	if (bytes_printf(&dovecot->out, "VERSION\t%d\t1\nCPID\t%d\n", VERSION, (int)getpid()))
		write_some(dovecot);
}

/* ---- questions ---- */

/* One that takes long is its own affair; a connection on which nothing came since is lost. */
static void end_late(void *owner)
{
	struct slot *slot = owner;
	struct dovecot *dovecot = slot->dovecot;
	bool silent = dovecot->link != LINK_READY || slot->number == 0 ||
		      dovecot->heard_mono_ms < slot->sent_mono_ms;
	unsigned links_lost = dovecot->links_lost;

	tell_failure(dovecot, "no answer in time");
	end(slot, AUTH_VERDICT_UNAVAILABLE);
	if (silent && dovecot->link != LINK_AWAY && dovecot->links_lost == links_lost)
		lose(dovecot, "nothing is heard from it");
}

static void ask(struct auth_backend *backend, struct auth_question *question)
{
	struct dovecot *dovecot = dovecot_of(backend);
	struct loop *loop = dovecot->host->loop;
	struct slot *slot = dovecot->slots;

	if (dovecot->given_up) {
		question->answered(question, AUTH_VERDICT_UNAVAILABLE);
		return;
	}
	while (slot->question != NULL)
		slot++;
	dovecot->used++;
	*slot = (struct slot){
		.dovecot = dovecot,
		.question = question,
		.timer = {.owner = slot, .fire = end_late},
	};
	loop_timer_set(loop, &slot->timer, loop_now_ms(loop) + dovecot->timeout_ms);
	if (dovecot->link == LINK_READY && is_outdated(dovecot))
		hang_up(dovecot);
	if (dovecot->link == LINK_AWAY)
		open_link(dovecot);
	else if (dovecot->link == LINK_READY)
		send_questions(dovecot);
}

static void configure(struct auth_backend *backend, const struct config *config)
{
	struct dovecot *dovecot = dovecot_of(backend);
	char *path = NULL;

	dovecot->timeout_ms = config->auth_timeout_ms;
	if (strcmp(dovecot->path, config->auth_dovecot) == 0)
		return;
	path = strdup(config->auth_dovecot);
	if (path == NULL) {
		log_event(LOG_ERROR, "auth_reload_failed",
			"hint=\"logins keep the old socket; reload again\"");
		return;
	}
	free(dovecot->path);
	dovecot->path = path;
	hang_up(dovecot);
	if (dovecot->used > 0)
		open_link(dovecot);
}

static void give_up(struct auth_backend *backend)
{
	struct dovecot *dovecot = dovecot_of(backend);

	dovecot->given_up = true;
	end_questions(dovecot, true);
}

static void close_dovecot(struct auth_backend *backend)
{
	struct dovecot *dovecot = dovecot_of(backend);

	hang_up(dovecot);
	bytes_fini(&dovecot->out);
	free(dovecot->path);
	free(dovecot);
}

static const struct auth_backend_kind kind = {
	.name = "dovecot",
	.has_room = has_room,
	.ask = ask,
	.configure = configure,
	.give_up = give_up,
	.close = close_dovecot,
};

struct auth_backend *auth_dovecot_open(
	const struct auth_host *host, const struct config *config, struct reason *reason)
{
	struct dovecot *dovecot = calloc(1, sizeof(*dovecot));

	if (dovecot != NULL) {
		dovecot->backend.kind = &kind;
		dovecot->host = host;
		dovecot->timeout_ms = config->auth_timeout_ms;
		dovecot->watch = (struct loop_watch){.owner = dovecot, .ready = take_events};
		dovecot->path = strdup(config->auth_dovecot);
		if (dovecot->path != NULL &&
			bytes_reserve(&dovecot->out, (size_t)(AT_ONCE + 1) * DOVECOT_AUTH_MAX))
			return &dovecot->backend;
		close_dovecot(&dovecot->backend);
	}
	reason_set(reason, "auth: out of memory");
	return NULL;
}
