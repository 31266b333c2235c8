/*
 * The backend of saslauthd: a connection for each question, on the desk's loop.
 */
#include "smtp/auth_saslauthd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "smtp/auth_socket.h"

#define AT_ONCE 16 /* it has five processes usually; the others wait in its socket */
#define SERVICE "smtp"
#define ALERT   "NO [ALERT]" /* it could not tell: whom it asks did not answer */

/* ---- bytes ---- */

static size_t put(uint8_t *out, size_t at, const char *text, size_t size)
{
	out[at++] = (uint8_t)(size >> 8);
	out[at++] = (uint8_t)size;
	memcpy(out + at, text, size);
	return at + size;
}

ssize_t auth_saslauthd_write(
	const char *account, const char *password, uint8_t out[SASLAUTHD_REQUEST_MAX])
{
	/* as Cyrus SASL does it: what follows the last @ is the realm */
	const char *at_sign = strrchr(account, '@');
	size_t user_size = at_sign != NULL ? (size_t)(at_sign - account) : strlen(account);
	const char *realm = at_sign != NULL ? at_sign + 1 : "";
	size_t size = 0;

	if (user_size > SASLAUTHD_TEXT_MAX || strlen(realm) > SASLAUTHD_TEXT_MAX ||
		strlen(password) > SASLAUTHD_TEXT_MAX)
		return -1;
	size = put(out, size, account, user_size);
	size = put(out, size, password, strlen(password));
	size = put(out, size, SERVICE, strlen(SERVICE));
	return (ssize_t)put(out, size, realm, strlen(realm));
}

enum saslauthd_answer auth_saslauthd_read(
	const uint8_t *bytes, size_t size, enum auth_verdict *verdict)
{
	const char *text = (const char *)bytes + 2;
	size_t length;

	if (size < 2)
		return SASLAUTHD_MORE;
	length = (size_t)bytes[0] << 8 | bytes[1];
	if (length < 2 || length > SASLAUTHD_ANSWER_MAX - 2)
		return SASLAUTHD_BAD;
	if (size < 2 + length)
		return SASLAUTHD_MORE;
	if (memcmp(text, "OK", 2) == 0 && (length == 2 || text[2] == ' ' || text[2] == '\0'))
		*verdict = AUTH_VERDICT_RIGHT;
	else if (length >= strlen(ALERT) && memcmp(text, ALERT, strlen(ALERT)) == 0)
		*verdict = AUTH_VERDICT_UNAVAILABLE;
	else if (memcmp(text, "NO", 2) == 0)
		*verdict = AUTH_VERDICT_WRONG;
	else
		return SASLAUTHD_BAD;
	return SASLAUTHD_COMPLETE;
}

/* ---- the backend ---- */

struct saslauthd;

struct slot {
	struct saslauthd *saslauthd;
	struct auth_question *question; /* NULL: free */
	struct loop_watch watch;
	struct loop_timer timer;
	int fd;
	uint8_t request[SASLAUTHD_REQUEST_MAX];
	size_t size, sent;
	uint8_t answer[SASLAUTHD_ANSWER_MAX];
	size_t got;
};

struct saslauthd {
	struct auth_backend backend; /* first */
	const struct auth_host *host;
	char *path;
	int64_t timeout_ms;
	struct slot slots[AT_ONCE];
	size_t used;
	bool given_up;
};

static struct saslauthd *saslauthd_of(struct auth_backend *backend)
{
	return (struct saslauthd *)(void *)backend;
}

static bool has_room(const struct auth_backend *backend)
{
	return ((const struct saslauthd *)(const void *)backend)->used < AT_ONCE;
}

static void end(struct slot *slot, enum auth_verdict verdict)
{
	struct saslauthd *saslauthd = slot->saslauthd;
	struct auth_question *question = slot->question;

	if (slot->fd >= 0) {
		loop_watch_remove(saslauthd->host->loop, &slot->watch);
		close(slot->fd);
	}
	loop_timer_clear(saslauthd->host->loop, &slot->timer);
	explicit_bzero(slot->request, sizeof(slot->request));
	slot->question = NULL;
	saslauthd->used--;
	question->answered(question, verdict);
}

static void fail(struct slot *slot, const char *why)
{
	log_event_limited(LOG_WARNING, "saslauthd_unavailable", "path=%s why=\"%s\"",
		slot->saslauthd->path, why);
	end(slot, AUTH_VERDICT_UNAVAILABLE);
}

static void end_late(void *owner)
{
	fail(owner, "no answer in time");
}

/* False: the slot has ended. */
static bool write_some(struct slot *slot)
{
	while (slot->sent < slot->size) {
		ssize_t rc = send(slot->fd, slot->request + slot->sent, slot->size - slot->sent,
			MSG_NOSIGNAL);

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc < 0 && errno == EAGAIN)
			return true;
		if (rc < 0) {
			fail(slot, strerror(errno));
			return false;
		}
		slot->sent += (size_t)rc;
		if (slot->sent == slot->size) {
			explicit_bzero(slot->request, sizeof(slot->request));
			loop_watch_change(slot->saslauthd->host->loop, &slot->watch, EPOLLIN);
		}
	}
	return true;
}

static void read_some(struct slot *slot)
{
	enum saslauthd_answer state = SASLAUTHD_MORE;
	enum auth_verdict verdict;
	ssize_t rc = recv(slot->fd, slot->answer + slot->got, sizeof(slot->answer) - slot->got, 0);

	if (rc < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (rc < 0) {
		fail(slot, strerror(errno));
		return;
	}
	slot->got += (size_t)rc;
	state = auth_saslauthd_read(slot->answer, slot->got, &verdict);
	if (state == SASLAUTHD_COMPLETE && verdict == AUTH_VERDICT_UNAVAILABLE)
		fail(slot, "it has no answer from whom it asks");
	else if (state == SASLAUTHD_COMPLETE)
		end(slot, verdict);
	else if (state == SASLAUTHD_BAD)
		fail(slot, "an answer that is none");
	else if (rc == 0)
		fail(slot, "closed without an answer");
}

static void take_events(void *owner, uint32_t events)
{
	struct slot *slot = owner;

	if ((events & EPOLLOUT) != 0 && !write_some(slot))
		return;
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		read_some(slot);
}

static void begin(struct slot *slot)
{
	struct saslauthd *saslauthd = slot->saslauthd;
	struct loop *loop = saslauthd->host->loop;
	int rc = auth_socket_open(saslauthd->path);

	slot->fd = rc < 0 ? -1 : rc;
	slot->sent = slot->got = 0;
	slot->watch = (struct loop_watch){.owner = slot, .ready = take_events};
	slot->timer = (struct loop_timer){.owner = slot, .fire = end_late};
	if (rc >= 0) {
		rc = loop_watch_add(loop, &slot->watch, slot->fd, EPOLLIN | EPOLLOUT);
		if (rc < 0) {
			close(slot->fd);
			slot->fd = -1;
		}
	}
	if (rc < 0)
		fail(slot, strerror(-rc));
	else
		loop_timer_set(loop, &slot->timer, loop_now_ms(loop) + saslauthd->timeout_ms);
}

static void ask(struct auth_backend *backend, struct auth_question *question)
{
	struct saslauthd *saslauthd = saslauthd_of(backend);
	struct slot *slot = saslauthd->slots;
	ssize_t size;

	if (saslauthd->given_up) {
		question->answered(question, AUTH_VERDICT_UNAVAILABLE);
		return;
	}
	while (slot->question != NULL)
		slot++;
	size = auth_saslauthd_write(question->account, question->password, slot->request);
	if (size < 0) { /* it cannot be right there */
		question->answered(question, AUTH_VERDICT_WRONG);
		return;
	}
	saslauthd->used++;
	slot->saslauthd = saslauthd;
	slot->question = question;
	slot->size = (size_t)size;
	begin(slot);
}

static void configure(struct auth_backend *backend, const struct config *config)
{
	struct saslauthd *saslauthd = saslauthd_of(backend);
	char *path = strdup(config->auth_saslauthd);

	saslauthd->timeout_ms = config->auth_timeout_ms;
	if (path == NULL) {
		log_event(LOG_ERROR, "auth_reload_failed",
			"hint=\"logins keep the old socket; reload again\"");
		return;
	}
	free(saslauthd->path);
	saslauthd->path = path;
}

static void give_up(struct auth_backend *backend)
{
	struct saslauthd *saslauthd = saslauthd_of(backend);

	saslauthd->given_up = true;
	for (size_t i = 0; i < AT_ONCE; i++)
		if (saslauthd->slots[i].question != NULL)
			end(&saslauthd->slots[i], AUTH_VERDICT_UNAVAILABLE);
}

static void close_saslauthd(struct auth_backend *backend)
{
	struct saslauthd *saslauthd = saslauthd_of(backend);

	free(saslauthd->path);
	free(saslauthd);
}

static const struct auth_backend_kind kind = {
	.name = "saslauthd",
	.has_room = has_room,
	.ask = ask,
	.configure = configure,
	.give_up = give_up,
	.close = close_saslauthd,
};

struct auth_backend *auth_saslauthd_open(
	const struct auth_host *host, const struct config *config, struct reason *reason)
{
	struct saslauthd *saslauthd = calloc(1, sizeof(*saslauthd));

	if (saslauthd != NULL) {
		saslauthd->backend.kind = &kind;
		saslauthd->host = host;
		saslauthd->timeout_ms = config->auth_timeout_ms;
		saslauthd->path = strdup(config->auth_saslauthd);
		if (saslauthd->path != NULL)
			return &saslauthd->backend;
		free(saslauthd);
	}
	reason_set(reason, "auth: out of memory");
	return NULL;
}
