/*
 * transfer.h: speaks mail transactions on an open upstream connection (RFC 5321 3.3, RFC 2920).
 *
 * One transaction:
 *
 *	ENVELOPE ──354──► TEXT ──all of it, proven──► DOT ──reply──► OVER
 *	   │   └─354, but nobody accepted─► LONE_DOT ──reply──► OVER
 *	   └─refused─► OVER          any ──dropped, timed out, unexpected──► OVER, and the connection is broken
 *
 *   1. `next` is asked for a transaction when none is under way, or, where upstream offers PIPELINING, when the final
 *      dot of the one before has been written and its reply is awaited: its MAIL then goes out behind that dot.
 *   2. With PIPELINING all of MAIL, RCPT and DATA are one write; without, each waits for the reply to the one before.
 *   3. After 354 the text goes out piece by piece from the store. The final dot follows only after reader_next has said
 *      that the text is proven; a read that fails breaks the connection before it.
 *   4. `done` is called once for each transaction, with the stage and the reply that decided, and what became of each
 *      recipient. Replies are matched by their order alone, so one that nobody waits for breaks the connection.
 *   5. `broken` is called last, once: the connection is to be closed. Nothing that broke is ever used again.
 *
 * Threads: the loop's. Owner: a transaction is its giver's, and must live until `done`. Limits: config_upstream's
 * timeouts for each stage; replies as response.h; no allocation after transfer_open but for a refusal's text.
 */
#ifndef SLUICE_SMTP_TRANSFER_H
#define SLUICE_SMTP_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "core/loop.h"
#include "queue/envelope.h"
#include "queue/job.h"
#include "queue/reader.h"
#include "queue/reply.h"
#include "smtp/response.h"
#include "smtp/upstream.h"

enum outgoing_state {
	OUTGOING_NONE,
	OUTGOING_ENVELOPE,
	OUTGOING_TEXT,
	OUTGOING_DOT,
	OUTGOING_LONE_DOT,
	OUTGOING_OVER,
};
#define OUTGOING_STATE_COUNT 6

struct outgoing {
	/* asked */
	struct envelope *envelope;
	struct job_recipient *recipients; /* whose `index` tells the address */
	size_t recipient_count; /* at least 1 */
	struct store_view *view;

	/* what became of it: beside each recipient's effect (job.h), what decided for the message */
	enum reply_stage stage;
	enum reply_class class;
	char reply[JOB_REPLY_SIZE];
	char status[RESPONSE_STATUS_SIZE];
	int read_error; /* the text could not be read: 0 or -errno */

	/* transfer's */
	enum outgoing_state state;
	struct reader reader;
	bool on_idle; /* its connection had been idle, after others */
	bool behind; /* it followed others on its connection */
	bool reset; /* RSET goes first */
	bool refused; /* MAIL was */
	size_t written, answered; /* commands */
	unsigned accepted;
	uint64_t dot_at; /* in the stream: the first octet of the final dot */
	bool line_start; /* the text is at the start of a line */
	bool carriage; /* its last byte was CR */
};

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

/* There may be something to do: asks `next`. Not to be called from its callbacks. */
void transfer_wake(struct transfer *transfer);
bool transfer_is_idle(const struct transfer *transfer);
/* It awaits the reply to a final dot, and a transaction could be put behind it. */
bool transfer_has_room(const struct transfer *transfer);
/* Breaks it off: what is under way is over as REPLY_DROPPED, then `broken` is called. */
void transfer_cut(struct transfer *transfer);

/* May it stand in a command: no control byte, nothing over 127, not too long. */
bool transfer_address_is_clean(const char *address);

#endif
