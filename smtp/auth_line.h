/*
 * auth_line.h: one worker's requests to the auth desk, within its credits.
 *
 * A session has at most one under way, a worker at most AUTH_CREDITS. What is over that waits here, and its session says
 * nothing meanwhile; who goes before its turn came is never asked about. As queue/intake.h, for another desk.
 *
 * Threads: the worker's. Owner: an errand is its session's, and must live while it is under way.
 */
#ifndef SLUICE_SMTP_AUTH_LINE_H
#define SLUICE_SMTP_AUTH_LINE_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/mailbox.h"
#include "smtp/auth.h"

enum auth_errand_place { AUTH_ERRAND_HOME, AUTH_ERRAND_WAITS, AUTH_ERRAND_UNDER_WAY };

struct auth_errand {
	struct auth_request request; /* the session fills it */
	enum auth_errand_place place; /* the line's, as the next */
	TAILQ_ENTRY(auth_errand) entry;
};

TAILQ_HEAD(auth_errands, auth_errand);

struct auth_line {
	struct auth *auth; /* NULL: nobody can log in */
	struct mailbox *inbox;
	size_t credits; /* left */
	struct auth_errands waiting;
};

void auth_line_init(struct auth_line *line, struct auth *auth, struct mailbox *inbox);

/* Its answer comes to the worker's inbox as the request's letter. */
void auth_line_submit(struct auth_line *line, struct auth_errand *errand);
/* When the answer is read: gives the credit back, and sends the next that waits. */
void auth_line_answered(struct auth_line *line, struct auth_errand *errand);
/* Its session goes. True: it may be freed; false: it is under way, and its answer will come. */
bool auth_line_cancel(struct auth_line *line, struct auth_errand *errand);

#endif
