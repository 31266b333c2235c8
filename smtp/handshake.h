/*
 * handshake.h: a session on its way into TLS. RFC 3207, RFC 8314.
 *
 *   1. It begins behind our 220 to STARTTLS (verb_starttls.c), with the connection on a listener with implicit TLS, or with a
 *      client that greets with TLS where our banner would come first. The session is in HANDSHAKE: no command is read.
 *   2. Where TLS comes first, the first byte is waited for and looked at, and left in the socket. What is no TLS is
 *      answered in clear on a fragile listener, and so is silence for HANDSHAKE_SILENCE_MS there; else the session ends. A client
 *      of a plaintext port that is known to greet with TLS has HANDSHAKE_FIRST_MS for it, and then the banner.
 *   3. Steps, whenever the socket is ready. They cost a signature, so a worker makes HANDSHAKE_STEPS_MAX of them in a turn, and
 *      then the other sessions have theirs.
 *   4. Done: behind STARTTLS the session is NEW, what was said in clear is forgotten; else the banner is sent.
 *      Failed, or not done after HANDSHAKE_MS: the session ends without a word, as nothing can be said any more. On a
 *      fragile listener it counts against the client (tls_past.h).
 *
 * Threads: the session's worker's.
 */
#ifndef SLUICE_SMTP_HANDSHAKE_H
#define SLUICE_SMTP_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

#define HANDSHAKE_MS         30000 /* or command_timeout, where that is less */
#define HANDSHAKE_SILENCE_MS 3000
#define HANDSHAKE_FIRST_MS   200
#define HANDSHAKE_STEPS_MAX  4

struct session;
struct ssl_ctx_st;

enum handshake_cause {
	HANDSHAKE_STARTTLS,
	HANDSHAKE_IMPLICIT, /* the listener's */
	HANDSHAKE_FIRST, /* the client's: it may be plain as well */
};

struct handshake {
	enum handshake_cause cause;
	int64_t end_mono_ms;
	int64_t hello_end_mono_ms; /* until then TLS comes or plain text is assumed; 0: does not matter */
};

/* What this session would begin TLS with; NULL: it cannot. */
struct ssl_ctx_st *handshake_context(const struct session *session);
/* Whether EHLO offers STARTTLS. */
bool handshake_is_offered(const struct session *session);

/* The session opens. True: TLS comes first, or may; false: it begins with the banner. */
bool handshake_open(struct session *session);
/* STARTTLS was taken; the 220 is about to leave. */
void handshake_start(struct session *session);

/* In HANDSHAKE, the replies have left: goes on. */
void handshake_step(struct session *session);
/* In HANDSHAKE: when time is over, and what happens then. */
int64_t handshake_due_ms(const struct session *session);
void handshake_time_out(struct session *session);

#endif
