/*
 * suspended.h: what becomes of a message in the queue while who handed it over is suspended.
 *
 * A message is its client's (address), its account's and its grant's: whichever of them is suspended, it is. Mail that the relay
 * wrote itself is nobody's.
 *
 *	held      what is scanned, waits, is deferred or paced is held (HOLD_SUSPENDED), with the reason and an end.
 *	          What an operator held, what waits for a lapsed grant or for an approval stays as it is: when that is
 *	          over, it is found before it is delivered (task.h).
 *	deleted   all that is not final, in quarantine too
 *	released  held for a suspension that is over: it goes on. Recipients of the same message that were held for
 *	          another reason go with them.
 *
 * It follows from the table and the record alone, so that it can be done again, in any order, until nothing is left to do.
 *
 * Threads: any; values only.
 */
#ifndef SLUICE_QUEUE_SUSPENDED_H
#define SLUICE_QUEUE_SUSPENDED_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/envelope.h"
#include "queue/permits.h"

/* Why it is not delivered; texts are the table's. */
struct suspended {
	const char *kind; /* "grant " or "" */
	const char *who;
	const char *reason;
	bool purges;
};

/* False: nobody of it is suspended. */
bool suspended_find(
	const struct permits *permits, const struct envelope *envelope, struct suspended *out);

enum suspended_deed { SUSPENDED_NOTHING, SUSPENDED_HOLD, SUSPENDED_DELETE, SUSPENDED_RELEASE };

/* What is to be done to it. */
enum suspended_deed suspended_deed(const struct permits *permits, const struct envelope *envelope);
/* Does it; 0, 1: there is nothing to do, -ENOMEM. */
int suspended_apply(const struct permits *permits, struct envelope *envelope, uint64_t now_unix_ms,
	uint64_t until_unix_ms);

#endif
