#include "smtp/handshake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/log.h"
#include "core/metrics.h"
#include "core/tls.h"
#include "smtp/deadline.h"
#include "smtp/greeting.h"
#include "smtp/manners.h"
#include "smtp/notice.h"
#include "smtp/session.h"
#include "smtp/tls_past.h"

#define RECORD_HANDSHAKE 0x16 /* the first byte of TLS; RFC 8446 5.1 */
#define SSLV2_HELLO      0x80 /* of a greeting in the form of SSL 2.0; RFC 5246 E.2 */

struct ssl_ctx_st *handshake_context(const struct session *session)
{
	return tls_set_context(
		session->shared->tls, (size_t)(session->listener - session->config->listeners));
}

/* Whether TLS has failed with this client, as often as is enough. */
static bool is_bad(const struct session *session)
{
	return session->policy->lenient &&
	       tls_past_is_bad(session->shared->tls_past, session->client, session->helo);
}

bool handshake_is_offered(const struct session *session)
{
	return session->listener->tls != LISTENER_TLS_OFF && !conn_is_tls(&session->channel.conn) &&
	       handshake_context(session) != NULL && !is_bad(session);
}

/* ---- how it begins ---- */

static void begin(struct session *session, enum handshake_cause cause)
{
	int64_t now = session_now_ms(session), timeout_ms = session->listener->command_timeout_ms;

	session->handshake.cause = cause;
	session->handshake.end_mono_ms =
		now + (timeout_ms < HANDSHAKE_MS ? timeout_ms : HANDSHAKE_MS);
	session->handshake.hello_end_mono_ms = 0;
	session_move(session, SESSION_HANDSHAKE);
}

void handshake_start(struct session *session)
{
	begin(session, HANDSHAKE_STARTTLS);
}

/* The first byte, left where it is. 0: there is none yet; -1: nor will there be one. */
static int peek(const struct session *session)
{
	unsigned char first;
	ssize_t got = recv(session->channel.conn.fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);

	if (got == 1)
		return first != 0 ? first : 1; /* neither is TLS */
	return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 0 : -1;
}

static bool is_hello(int first)
{
	return first == RECORD_HANDSHAKE || (first > 0 && (first & SSLV2_HELLO) != 0);
}

bool handshake_open(struct session *session)
{
	bool is_implicit = session->listener->tls == LISTENER_TLS_IMPLICIT;
	struct handshake *handshake = &session->handshake;

	if (handshake_context(session) == NULL)
		return false;
	if (!is_implicit && peek(session) != RECORD_HANDSHAKE &&
		!tls_past_is_first(session->shared->tls_past, session->client))
		return false;
	begin(session, is_implicit ? HANDSHAKE_IMPLICIT : HANDSHAKE_FIRST);
	if (!is_implicit)
		handshake->hello_end_mono_ms = session_now_ms(session) + HANDSHAKE_FIRST_MS;
	else if (session->policy->lenient && session->listener->auth != LISTENER_AUTH_REQUIRED)
		handshake->hello_end_mono_ms = session_now_ms(session) + HANDSHAKE_SILENCE_MS;
	return true;
}

/* ---- how it ends ---- */

/* What waits in the socket is read in a turn of its own: its edge may have been told already. */
static void go_on(struct session *session)
{
	session->channel.readable = true;
	deadline_restart(session);
	session_put_off(session);
}

/* TLS was awaited, and did not come. */
static void go_on_in_clear(struct session *session)
{
	if (session->handshake.cause == HANDSHAKE_IMPLICIT)
		session_quirk(session, QUIRK_PLAIN_TO_TLS_PORT, NULL, 0);
	session_move(session, SESSION_NEW);
	manners_open(session);
	greeting_banner(session);
	go_on(session);
}

/* On a lenient listener it counts against the client, and is told when it is enough. */
static void note_failure(struct session *session, const char *why)
{
	if (!session->policy->lenient)
		return;
	session_quirk(session, QUIRK_TLS_FAILS, why, strlen(why));
	if (tls_past_note_failure(session->shared->tls_past, session->client, session->helo))
		log_event(LOG_WARNING, "starttls_hidden",
			"client=%s listener=%s why=\"%s\" "
			"hint=\"its TLS failed twice in a row: it is not offered to it any more\"",
			session->client, session->listener->name, why);
}

static void fail(struct session *session, enum metric reason, const char *why)
{
	char text[128];

	metric_add(reason, 1);
	log_event_limited(LOG_NOTICE, "tls_failed", "client=%s listener=%s why=\"%s\"",
		session->client, session->listener->name, why);
	snprintf(text, sizeof(text), "TLS failed: %.100s", why);
	note_failure(session, why);
	notice_closed(session, text);
	session_move(session, SESSION_CLOSING);
}

/* Without memory it counts as none. */
static void keep_certificate(struct session *session)
{
	char fingerprint[CONN_FINGERPRINT_SIZE];

	if (conn_fingerprint(&session->channel.conn, fingerprint))
		session->certificate = strdup(fingerprint);
}

static void finish(struct session *session)
{
	const struct conn *conn = &session->channel.conn;
	int bits;

	keep_certificate(session);
	/* who shows a certificate may get a grant for it: its fingerprint is to be found */
	log_event(session->certificate != NULL ? LOG_INFO : LOG_DEBUG, "tls",
		"client=%s listener=%s version=%s cipher=%s certificate=%s", session->client,
		session->listener->name, conn_tls_version(conn), conn_tls_cipher(conn, &bits),
		session->certificate != NULL ? session->certificate : "none");
	notice_tls(session);
	if (session->policy->lenient)
		tls_past_note_success(session->shared->tls_past, session->client, session->helo);
	session_move(session, SESSION_NEW);
	if (session->handshake.cause != HANDSHAKE_STARTTLS)
		greeting_banner(session);
	go_on(session);
}

/* ---- its steps ---- */

/* Where TLS comes first, whether it does. True: it goes on. */
static bool await_hello(struct session *session)
{
	int first = peek(session);

	if (first < 0)
		session_move(session, SESSION_CLOSING); /* it only tried the door */
	else if (is_hello(first))
		return true;
	else if (first == 0)
		return false;
	else if (session->handshake.hello_end_mono_ms != 0)
		go_on_in_clear(session);
	else
		fail(session, METRIC_TLS_FAILED_PROTOCOL, "no TLS to a TLS port");
	return false;
}

static bool start_tls(struct session *session)
{
	struct ssl_ctx_st *context = handshake_context(session);

	if (session->handshake.cause != HANDSHAKE_STARTTLS && !await_hello(session))
		return false;
	if (context != NULL && conn_start_tls(&session->channel.conn, context) == 0)
		return true;
	session_move(session, SESSION_CLOSING); /* nothing could be said: it awaits TLS */
	return false;
}

void handshake_step(struct session *session)
{
	const char *why = "";

	if (channel_is_blocked(&session->channel))
		return;
	if (!conn_is_tls(&session->channel.conn) && !start_tls(session))
		return;
	if (session->shared->handshake_steps == HANDSHAKE_STEPS_MAX) {
		session_put_off(session);
		return;
	}
	session->shared->handshake_steps++;
	switch (conn_handshake(&session->channel.conn, &why)) {
	case CONN_HANDSHAKE_DONE:
		finish(session);
		break;
	case CONN_HANDSHAKE_WAITS:
		break;
	case CONN_HANDSHAKE_REFUSED:
		fail(session, METRIC_TLS_FAILED_ALERT, why);
		break;
	case CONN_HANDSHAKE_WRONG:
		fail(session, METRIC_TLS_FAILED_PROTOCOL, why);
		break;
	case CONN_HANDSHAKE_CLOSED:
		fail(session, METRIC_TLS_FAILED_CLOSED, why);
		break;
	}
}

/* ---- its time ---- */

static bool awaits_hello(const struct session *session)
{
	return session->handshake.hello_end_mono_ms != 0 && !conn_is_tls(&session->channel.conn);
}

int64_t handshake_due_ms(const struct session *session)
{
	return awaits_hello(session) ? session->handshake.hello_end_mono_ms
				     : session->handshake.end_mono_ms;
}

void handshake_time_out(struct session *session)
{
	if (awaits_hello(session)) {
		go_on_in_clear(session);
		return;
	}
	metric_add(METRIC_SESSIONS_TIMED_OUT, 1);
	session_count_refusal(session, TROUBLE_TIMED_OUT);
	fail(session, METRIC_TLS_FAILED_TIMED_OUT, "the handshake took too long");
}
