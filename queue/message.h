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
#include "queue/text.h"

struct message {
	struct message *next;
	struct envelope *envelope;
	struct text_piece *pieces; /* not yet in the store; sequences follow those that are */
};

/* Frees the whole list. */
void message_close(struct message **message);

#endif
