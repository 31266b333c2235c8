/*
 * settle.h: what a job's outcome changes in the envelope: a plain function, run by the writer on the stored record.
 *
 *   1. Meant are the recipients of the job's upstream that are waiting or deferred and were due; no other is touched.
 *   2. One that was told by itself (ACCEPTED, FAIL, DEFER, SPLIT) goes that way.
 *   3. The others go the way of the message, as the reply table says. Two ways are not gone on the message's word alone:
 *      DONE and FAIL, nor is anybody bounced because the lifetime is over. Who was not told by itself did not get the
 *      text and has no bounce, and simply stays due.
 *   4. A failure for good of a notice to postmaster is a hold and an alarm: never a bounce.
 *   5. Every hold has a reason and an end.
 *   6. What upstream said is added to the history.
 *
 * Deterministic: the same outcome on the same record gives the same result, so that who asked for it can work out what
 * was stored; the writer's revision keeps it from being applied twice.
 * Errors: -ENOMEM leaves the envelope half changed; the caller drops it.
 */
#ifndef SLUICE_QUEUE_SETTLE_H
#define SLUICE_QUEUE_SETTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/envelope.h"
#include "queue/job.h"
#include "queue/reply.h"

#define SETTLE_UNKNOWNS_MAX 5 /* outcomes lost from the final dot on; then it is held */

struct settle {
	uint16_t upstream;
	uint64_t due_unix_ms; /* recipients due by then were meant */
	uint64_t now_unix_ms;
	const struct job_recipient *recipients;
	size_t recipient_count;
	enum reply_stage stage;
	enum message_effect effect; /* on those not told by themselves */
	bool expired; /* past the lifetime: nothing was tried, and those told FAIL have their bounce */
	bool lapsed; /* expired in another way: meant are those that are held for their grant */
	const char *
		hold_reason; /* not NULL: all that are meant are held for it, but for those told by themselves */
	const char *host; /* where it was tried, or NULL */
	const char *reply, *status; /* the message's; may be "" */
	int64_t retry_first_ms, retry_max_ms;
	int64_t hold_ms; /* how long a hold lasts */
	uint64_t random;
};

/* Whether the outcome would change nothing: it is only unclaimed then. */
bool settle_is_free(const struct settle *settle);

/* 0: changed; 1: nothing to do; -ENOMEM. */
int settle_apply(struct envelope *envelope, const struct settle *settle);

/* A waiting, deferred or scanning recipient is held, and the message's hold is an ordinary one. The reason is kept by the envelope; -ENOMEM. */
int settle_hold(struct envelope *envelope, struct recipient *recipient, const char *reason,
	uint64_t now_unix_ms, uint64_t until_unix_ms);

/*
 * All of the message that is not final or in quarantine is held for the one reason, also what was held already (since when, is
 * kept). -ENOMEM; 1: there is nothing to hold.
 */
int settle_hold_message(struct envelope *envelope, enum hold_kind kind, const char *reason,
	uint64_t now_unix_ms, uint64_t until_unix_ms);

/* Behind a release: the kind of hold goes with the last that was held. */
void settle_forget_kind(struct envelope *envelope);

/* A held one goes on: it waits, or is scanned if it has no verdict. Returns for how long it was held. */
uint64_t settle_release(struct recipient *recipient, uint64_t now_unix_ms);

#endif
