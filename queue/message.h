/*
 * message.h: a new message that wants to become durable: its envelope and what is still in memory of its text.
 *
 * Intake makes one of a client's message, bounce and digest writers make theirs whole. A list of them (next) can go to
 * the store in one transaction with the change that caused them.
 * Owner: message_close frees the envelope and the pieces.
 */
#ifndef SLUICE_QUEUE_MESSAGE_H
#define SLUICE_QUEUE_MESSAGE_H

#include "queue/envelope.h"
#include "queue/pace.h"
#include "queue/text.h"

/*
 * By what a second copy of a client's message is known (queue/repeats.h), and how the message is stored when its Message-ID is
 * that of another: the plan and the quirks that take the place of the envelope's. They live with the envelope.
 */
struct message_repeat {
	uint64_t key; /* 0: it is not looked for */
	uint64_t name; /* 0: it has no Message-ID that could be another's */
	uint64_t content;
	const void *renamed_plan;
	size_t renamed_plan_size;
	const char *renamed_quirks;
};

struct message {
	struct message *next;
	struct message_repeat repeat;
	struct pace_terms pace;
	bool is_daily; /* of ours: where such a one was stored today for the envelope's grant, it is refused with -EAGAIN */
	struct envelope *envelope;
	struct text_piece *pieces; /* not yet in the store; sequences follow those that are */
};

/* Frees the whole list. */
void message_close(struct message **message);

#endif
