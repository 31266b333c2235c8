/*
 * auth.h: whether a password is right: one request of a session, answered later. RFC 4954, 4616.
 *
 * The way of a request:
 *   1. A session has account and password (verb_auth.c) and submits. It reads nothing until the answer.
 *   2. The desk (one thread) looks at lock-outs (auth_guard), then at what it knows (auth_cache), then asks the accounts' keeper: the
 *      users file by hashing threads, or PAM's helper process, or saslauthd's or Dovecot's socket. Its queue is bounded;
 *      beyond it the request waits at its worker.
 *   3. The answer comes to the worker's inbox as the request's letter. A wrong one takes as long for an unknown account as for a
 *      wrong password, and says how long the session holds its reply: the delay grows with each wrong one.
 *
 * Threads: auth_submit from workers; the letter is read on the asker's thread. Owner: the request is auth's until its letter is
 * read. The password is wiped before the letter goes back.
 * Limits: AUTH_NAME_SIZE, AUTH_PASSWORD_SIZE; one request a session under way.
 */
#ifndef SLUICE_SMTP_AUTH_H
#define SLUICE_SMTP_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/lockout.h"
#include "core/mailbox.h"
#include "core/reason.h"
#include "smtp/auth_backend.h"

#define AUTH_NAME_SIZE     256 /* RFC 4616 has no limit; with the NUL */
#define AUTH_PASSWORD_SIZE 512
#define AUTH_CREDITS       64 /* requests that a worker may have under way */

enum auth_result {
	AUTH_RIGHT,
	AUTH_WRONG, /* 535 5.7.8; for an unknown account too */
	AUTH_LOCKED, /* the account or the address is locked out: answered as AUTH_WRONG, logged as what it is */
	AUTH_UNAVAILABLE, /* 454 4.7.0: who keeps the accounts does not answer */
};

struct auth_request {
	struct letter letter; /* `read` is what the asker wants called, on its own thread */
	struct mailbox *answer_to;
	char account[AUTH_NAME_SIZE]; /* UTF-8 without control characters */
	char password[AUTH_PASSWORD_SIZE];
	struct address peer;
	bool fragile; /* of a fragile listener: it waits rather than being told AUTH_UNAVAILABLE for load */
	enum auth_result result;
	int64_t delay_ms; /* how long the reply is held */

	/* auth's */
	struct auth *auth;
	struct letter desk_letter; /* on its way in */
	struct auth_question question;
	unsigned cleared; /* times that the cache was, when it was asked */
	int64_t due_mono_ms; /* the end of its wait */
	TAILQ_ENTRY(auth_request) entry;
};

struct auth;

/* What the helper process runs for auth; NULL: nothing with this configuration. */
helper_run_fn *const *auth_helper_kinds(const struct config *config, size_t *count);

/* NULL in `config` no auth section: *out is NULL, and nobody can log in. `helper` may be NULL. -1 with a reason. */
int auth_start(struct auth **out, struct config *config, const struct clock *clock, size_t credits,
	struct helper *helper, struct reason *reason);
/*
 * Before the workers stop, once: the backends that may take long are not waited for any more; who asks them is answered
 * AUTH_UNAVAILABLE.
 */
void auth_hurry(struct auth *auth);
/* What is under way is answered AUTH_UNAVAILABLE. After the workers have stopped. */
void auth_stop(struct auth **auth);

/* Never blocks, never fails: by the credits there is room. */
void auth_submit(struct auth *auth, struct auth_request *request);

/* Where who is locked out is asked for (core/lockout.h), and how the letter is read; a few dozen at a time. */
struct mailbox *auth_inbox(struct auth *auth);
letter_read_fn auth_read_lockouts;

/* A reload. Takes its own reference. */
void auth_configure(struct auth *auth, struct config *config);

#endif
