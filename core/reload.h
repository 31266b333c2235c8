/*
 * reload.h: a new configuration, or the old one stays.
 *
 * The way of a reload:
 *   1. SIGHUP asks for it, or a request of the admin socket. One is under way at a time; who asks meanwhile waits for the
 *      next one, and all who wait share it, so that a storm of signals costs two.
 *   2. Main reads the file. A bad one, or one that changes what only a restart can change, is refused with its reason.
 *   3. The writer gives numbers to upstreams that are new.
 *   4. Back on main: new sessions and the admin socket get the new configuration; open sessions keep theirs.
 *   5. The scheduler takes it and sends the letter back: it is done, and who asked is told. A refusal at any step is told
 *      at once.
 *
 * Threads: main's; a request comes by its inbox and goes back to the asker's.
 */
#ifndef SLUICE_CORE_RELOAD_H
#define SLUICE_CORE_RELOAD_H

#include <sys/queue.h>

#include "core/mailbox.h"
#include "core/reason.h"

struct daemon;
struct reload;

/* Somebody asks on another thread. It is main's from its push until it comes back. */
struct reload_request {
	struct letter letter;
	struct mailbox *answer_to; /* has room for it */
	letter_read_fn *answered; /* runs at the asker's when it comes back */
	int result; /* 0; -EINVAL: refused, -ECANCELED: the daemon is stopping; `reason` tells */
	struct reason reason;
	STAILQ_ENTRY(reload_request) entry; /* main's */
};

struct reload *reload_open(struct daemon *daemon);
/* When the writer's and the scheduler's threads have ended. */
void reload_close(struct reload **reload);

void reload_start(struct reload *reload);
/* The `read` of a request's letter; `context` is the daemon. */
letter_read_fn reload_read_request;
/* The daemon stops: tells all who still wait. */
void reload_stop(struct reload *reload);

#endif
