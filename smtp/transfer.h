/*
 * transfer.h: speaks mail transactions (outgoing.h) on an open upstream connection, pipelined (RFC 2920).
 *
 *   1. `next` is asked for a transaction when none is under way, or, where upstream offers PIPELINING, when the final
 *      dot of the one before has been written and its reply is awaited: its MAIL then goes out behind that dot.
 *   2. Commands and text are gathered in one buffer and sent in one call.
 *   3. Replies are matched by their order alone, so one that nobody waits for breaks the connection.
 *   4. `done` is called once for each transaction that `next` gave.
 *   5. `broken` is called last, once: the connection is to be closed. Nothing that broke is ever used again.
 *
 * Threads: the loop's. Owner: a transaction is its giver's, and must live until `done`. Limits: config_upstream's
 * timeouts for each stage; replies as response.h; no allocation after transfer_open but for a refusal's text.
 */
#ifndef SLUICE_SMTP_TRANSFER_H
#define SLUICE_SMTP_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/config.h"
#include "core/loop.h"
#include "smtp/outgoing.h"
#include "smtp/upstream.h"

struct transfer;

struct transfer_options {
	struct loop *loop;
	struct upstream *upstream; /* open; stays the caller's */
	const struct config_upstream *config;
	uint8_t *scratch; /* STORE_PIECE_BYTES, shared by all transfers of the thread */
	void *owner;
	struct outgoing *(*next)(void *owner); /* NULL: nothing to do */
	void (*done)(void *owner, struct outgoing *outgoing);
	void (*broken)(void *owner, bool polite); /* polite: it may be said QUIT */
};

struct transfer *transfer_open(const struct transfer_options *options); /* NULL without memory */
/* Nothing is called any more; transactions that were under way are the caller's. */
void transfer_close(struct transfer **transfer);

/* There may be something to do: asks `next`. */
void transfer_wake(struct transfer *transfer);
bool transfer_is_idle(const struct transfer *transfer);
/* It awaits the reply to a final dot, and a transaction could be put behind it. */
bool transfer_has_room(const struct transfer *transfer);
/* Breaks it off: what is under way is over as REPLY_DROPPED, then `broken` is called. */
void transfer_cut(struct transfer *transfer);

#endif
