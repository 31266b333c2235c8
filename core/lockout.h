/*
 * lockout.h: who may not log in for a while, because of wrong passwords: as the admin thread asks for it, and lifts it.
 *
 * Threads: a request is the desk's (smtp/auth.h) from its push until it comes back to `answer_to`.
 */
#ifndef SLUICE_CORE_LOCKOUT_H
#define SLUICE_CORE_LOCKOUT_H

#include <stddef.h>
#include <stdint.h>

#include "core/mailbox.h"

#define LOCKOUT_WHO_SIZE 256

enum lockout_kind { LOCKOUT_ADDRESS, LOCKOUT_ACCOUNT };
#define LOCKOUT_KIND_COUNT 2

struct lockout {
	enum lockout_kind kind;
	char who[LOCKOUT_WHO_SIZE];
	unsigned wrong; /* passwords that it took */
	int64_t age_ms, left_ms; /* since it began, until it ends */
};

struct lockout_request {
	struct letter letter;
	struct mailbox *answer_to; /* has room for it */
	letter_read_fn *answered; /* runs at the asker's when it comes back */
	char who[LOCKOUT_WHO_SIZE]; /* whose to lift; "": list them */
	char by[64]; /* who lifts, for the log */
	struct lockout *list; /* the asker's, of `room`; the latest first */
	size_t room;
	size_t total; /* may be more than there is room for */
	size_t lifted;
};

#endif
