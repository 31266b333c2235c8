/*
 * worker.h: threads that own client sessions, each with its own event loop and inbox.
 *
 * A worker knows nothing of SMTP: it pops accepted clients from the job ring and gives them to the service, runs the
 * loop that the service's sessions put their descriptors and timers in, and hands on what arrives in its inbox.
 *
 * One turn:
 *   1. inbox: every letter is read with the service's context (a writer's answer to a session of this worker).
 *   2. job ring: up to 16 new clients go to service->opened.
 *   3. service->turned: the service's end of turn (sends gathered requests, retries sessions that waited for credit).
 *   4. sleep in the loop until a descriptor, a timer, or a push or nudge to the inbox.
 *
 * Threads: start, stop by the main thread; the callbacks run on the worker's. Owner: a session belongs to one worker
 * from opened to its end.
 * Stop, after the acceptors' (nothing is pushed to the job ring any more):
 *   1. On each worker's thread what is left in the job ring is opened, then service->stopping is called.
 *   2. Turns go on until service->sessions says 0 or the deadline is over.
 *   3. Over the deadline service->cut closes what is left without a reply, and turns go on until the requests that those
 *      sessions had under way have come back (service->sessions says 0): the writer answers each in bounded time, and
 *      memory that it still writes to cannot be freed. Then service->end.
 */
#ifndef SLUICE_CORE_WORKER_H
#define SLUICE_CORE_WORKER_H

#include <stddef.h>
#include <stdint.h>

#include "core/acceptor.h"
#include "core/clock.h"
#include "core/loop.h"
#include "core/mailbox.h"
#include "core/reason.h"
#include "core/ring.h"

struct worker_service {
	/* On the worker's thread, before its first turn; returns the context of the calls below and of letters, NULL fails the start. */
	void *(*begin)(void *service, unsigned worker, struct loop *loop, struct mailbox *inbox);
	void (*opened)(void *context, struct accepted *accepted);
	void (*turned)(void *context);
	void (*stopping)(void *context); /* close what is idle, let transactions in flight finish */
	size_t (*sessions)(
		void *context); /* still open, or closed with a request still under way */
	void (*end)(void *context); /* after the last turn; closes what is left without a reply */
	/* The stop's deadline is over: close all without a reply. NULL: `end` follows at once. */
	void (*cut)(void *context);
};

struct worker_pool;

/* `inbox_capacity` holds the sum of the credits of what answers this worker. */
int worker_pool_start(struct worker_pool **out, const struct worker_service *service,
	void *service_data, unsigned count, size_t inbox_capacity, struct ring *jobs,
	const struct clock *clock, struct reason *reason);
/* `deadline_ms` from now. NULL and a pointer to NULL are accepted. */
void worker_pool_stop(struct worker_pool **pool, int64_t deadline_ms);

struct mailbox *const *worker_pool_inboxes(const struct worker_pool *pool);

#endif
