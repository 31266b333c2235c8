/*
 * auth_backend.h: who keeps the accounts: the users file (auth_users), and whoever else is asked instead.
 *
 * The desk asks one question after the other, as many at a time as the backend has room for; each is answered later, or before
 * `ask` returns. A backend brings its own descriptors, timers and letters to the desk's loop and inbox.
 *
 * Threads: all calls on the desk's thread. Owner: a question and its texts stay the desk's; from `ask` to its answer the
 * backend may read it and use `entry`.
 * Errors: a backend that is out of reach answers AUTH_VERDICT_UNAVAILABLE, soon: every question has an end.
 */
#ifndef SLUICE_SMTP_AUTH_BACKEND_H
#define SLUICE_SMTP_AUTH_BACKEND_H

#include <bsd/sys/queue.h>
#include <stdbool.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/helper.h"
#include "core/loop.h"
#include "core/mailbox.h"
#include "core/reason.h"

enum auth_verdict {
	AUTH_VERDICT_RIGHT,
	AUTH_VERDICT_WRONG, /* unknown and locked accounts too; takes as long as a wrong password */
	AUTH_VERDICT_UNAVAILABLE,
};

struct auth_question {
	const char *account;
	const char *password;
	const struct address *peer;
	void (*answered)(struct auth_question *question, enum auth_verdict verdict);
	TAILQ_ENTRY(auth_question) entry; /* the backend's, while it is asked */
};

TAILQ_HEAD(auth_question_list, auth_question);

/* What the desk lends. Letters to `inbox`: AUTH_BACKEND_LETTERS at a time. */
struct auth_host {
	struct loop *loop;
	struct mailbox *inbox;
	const struct clock *clock;
	struct helper *helper; /* with auth.pam, else NULL */
};

#define AUTH_BACKEND_LETTERS 128 /* two a hashing thread, of which there are 64 at most */

/* First in each backend's struct. */
struct auth_backend {
	const struct auth_backend_kind *kind;
};

struct auth_backend_kind {
	const char *name;
	bool (*has_room)(const struct auth_backend *backend); /* for one more question */
	void (*ask)(struct auth_backend *backend, struct auth_question *question);
	/*
	 * Called before each look into the cache of right answers: true, when answers that were given may not hold any more. NULL:
	 * never.
	 */
	bool (*refresh)(struct auth_backend *backend);
	/* A reload. What cannot be taken is said in the log, and the old stays. */
	void (*configure)(struct auth_backend *backend, const struct config *config);
	/* The end is near: what is under way, or comes still, is answered UNAVAILABLE, now. NULL: answers never take long. */
	void (*give_up)(struct auth_backend *backend);
	/* No question is under way. */
	void (*close)(struct auth_backend *backend);
};

/* The users file, and threads that hash (auth_users.c). NULL with a reason. */
struct auth_backend *auth_users_open(
	const struct auth_host *host, const struct config *config, struct reason *reason);

/* PAM, in the helper process (auth_pam.c). NULL with a reason. */
struct auth_backend *auth_pam_open(
	const struct auth_host *host, const struct config *config, struct reason *reason);

/* saslauthd's socket (auth_saslauthd.c). NULL with a reason. */
struct auth_backend *auth_saslauthd_open(
	const struct auth_host *host, const struct config *config, struct reason *reason);

/* Dovecot's authentication socket (auth_dovecot.c). NULL with a reason. */
struct auth_backend *auth_dovecot_open(
	const struct auth_host *host, const struct config *config, struct reason *reason);

#endif
