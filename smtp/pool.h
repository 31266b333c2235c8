/*
 * pool.h: the connections to one host, and the tasks that wait for one.
 *
 *   1. pool_push puts a task behind the others. pool_turn then gives work to idle connections, opens new ones as long
 *      as the job allows, and lets connections that await a final dot's reply take one more behind it.
 *   2. A connection takes the next task itself when it can (smtp/transfer asks for it).
 *   3. A task that met a used-up connection goes back to the front; the idle connections, which are as old, are closed.
 *   4. When what happened rests the host (queue/reply), the tasks that still wait go back untried.
 *   5. A connection that cannot be opened: the first task that waits carries the failure back, the others go untried;
 *      but where other connections deliver, the host is full, and the others go on waiting for these.
 *      Where opportunistic TLS failed in the handshake, it is opened in clear instead, for CLEAR_MS.
 *
 * Threads: delivery's. Owner: the pool's tasks and connections are its own; `over` takes a task away.
 */
#ifndef SLUICE_SMTP_POOL_H
#define SLUICE_SMTP_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/loop.h"
#include "queue/store.h"
#include "smtp/dialer.h"
#include "smtp/task.h"

#define POOL_CLEAR_MS      600000
#define POOL_DELIVERING_MS 60000 /* without a message taken for so long, nothing delivers */

struct pool;

/* What all pools of a delivery share. */
struct pool_ground {
	struct loop *loop;
	struct dialer *dialer;
	struct store_view *view;
	uint8_t *scratch; /* STORE_PIECE_BYTES */
	void *owner;
	void (*over)(void *owner, struct task *task);
};

/* For the host that the job names. NULL without memory. */
struct pool *pool_open(const struct pool_ground *ground, const struct job *job);
void pool_close(struct pool **pool); /* after pool_cut */

uint32_t pool_key(const struct pool *pool);
void pool_push(struct pool *pool, struct task *task);
void pool_turn(struct pool *pool);

/* Nothing waits, nothing is open, nothing is remembered. */
bool pool_is_empty(const struct pool *pool);
/* No task waits or is under way. */
bool pool_is_quiet(const struct pool *pool);

/* Gives back what waits and closes what is idle; what is under way goes on. */
void pool_drain(struct pool *pool);
/* Closes everything; all tasks come back. */
void pool_cut(struct pool *pool);

#endif
