/*
 * handoff.h: brings one message's text and envelope to the writer, and its answer back.
 *
 *   1. handoff_take gathers canonical text (it is the dot stream's sink).
 *   2. handoff_advance: once HANDOFF_APPEND_BYTES are in memory and no request is under way, the full pieces go to the
 *      writer (WRITER_APPEND) while more text arrives. handoff_is_full: so much waits that its session reads no more.
 *   3. handoff_add: the rest and the envelope go (WRITER_ADD). Its answer 0 means durable.
 *   4. Refused (-ENOSPC): handoff_again submits the same request once more, or handoff_give_up takes it back.
 *   5. handoff_drop: a message that will not come leaves pieces in the store: they are swept (WRITER_DROP).
 * A small message is one request.
 *
 * Threads: the worker's; `answered` is called there. Owner: embedded in a transaction, which must live until the
 * answer; one request under way at a time.
 * Limits: memory of a message is at most HANDOFF_HELD_BYTES, what one read brings, and one request.
 */
#ifndef SLUICE_SMTP_HANDOFF_H
#define SLUICE_SMTP_HANDOFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/intake.h"
#include "queue/message.h"
#include "queue/text.h"

#define HANDOFF_APPEND_BYTES ((size_t)2 * 65520)
#define HANDOFF_HELD_BYTES   (2 * HANDOFF_APPEND_BYTES)

struct handoff;
typedef void handoff_answered_fn(struct handoff *handoff);

struct handoff {
	struct writer_request request;
	struct intake *intake;
	handoff_answered_fn *answered;
	void *owner;
	uint64_t id;
	struct text text;
	bool under_way; /* the writer, or the intake's queue, has the request */
	bool leaves_pieces; /* pieces stand in the store without an envelope */
};

void handoff_init(struct handoff *handoff, struct intake *intake, uint64_t id,
	handoff_answered_fn *answered, void *owner);
/* Not while a request is under way. Zero-initialised is valid. */
void handoff_fini(struct handoff *handoff);

bool handoff_take(void *handoff, const void *bytes, size_t size);
void handoff_advance(struct handoff *handoff);
bool handoff_is_full(const struct handoff *handoff);

/* Takes the envelope over; `repeat` and `pace` are copied, NULL: none. False without memory: nothing was submitted, the envelope is closed. */
bool handoff_add(struct handoff *handoff, struct envelope *envelope,
	const struct message_repeat *repeat, const struct pace_terms *pace)
	__attribute__((warn_unused_result));
/* Its answer says that it is a second copy of request.first_id, and nothing of it was stored. */
bool handoff_is_copy(const struct handoff *handoff);
void handoff_again(struct handoff *handoff);
/* Frees what the refused request held and what is in memory of the text. */
void handoff_give_up(struct handoff *handoff);
/* True: a request is under way that sweeps; false: there is nothing to sweep. */
bool handoff_drop(struct handoff *handoff);

#endif
