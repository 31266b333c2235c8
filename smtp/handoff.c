#include "smtp/handoff.h"

#include <errno.h>
#include <stdlib.h>

#include "queue/message.h"

void handoff_init(struct handoff *handoff, struct intake *intake, uint64_t id,
	handoff_answered_fn *answered, void *owner)
{
	*handoff =
		(struct handoff){.intake = intake, .answered = answered, .owner = owner, .id = id};
}

/* A request that came back holds what it carried until it is freed here or submitted again. */
static void free_cargo(struct handoff *handoff)
{
	message_close(&handoff->request.message);
	text_pieces_free(&handoff->request.pieces);
}

void handoff_fini(struct handoff *handoff)
{
	free_cargo(handoff);
	text_fini(&handoff->text);
}

bool handoff_is_copy(const struct handoff *handoff)
{
	const struct writer_request *request = &handoff->request;

	return request->verb == WRITER_ADD && request->result == 0 && request->first_id != 0;
}

/* On the worker's thread, from its inbox. */
static void read_answer(struct letter *letter, void *context)
{
	struct writer_request *request = LETTER_OF(letter, struct writer_request, letter);
	struct handoff *handoff = request->argument;

	(void)context;
	intake_answered(handoff->intake);
	handoff->under_way = false;
	if (request->result == 0)
		free_cargo(handoff);
	/*
	 * -EIO is unknown: an envelope may own the pieces, so only those that cannot have one are swept. A second copy of a
	 * message gets no envelope, and its pieces are nobody's.
	 */
	if (handoff_is_copy(handoff)) {
		handoff->answered(handoff);
		return;
	}
	if (request->result == 0 || request->result == -EIO || request->verb == WRITER_DROP)
		handoff->leaves_pieces = request->verb == WRITER_APPEND;
	handoff->answered(handoff);
}

static void submit(struct handoff *handoff, enum writer_verb verb)
{
	struct writer_request *request = &handoff->request;

	request->letter.read = read_answer;
	request->argument = handoff;
	request->verb = verb;
	request->id = handoff->id;
	request->result = 0;
	handoff->under_way = true;
	intake_submit(handoff->intake, request);
}

bool handoff_take(void *owner, const void *bytes, size_t size)
{
	struct handoff *handoff = owner;

	return text_append(&handoff->text, bytes, size);
}

void handoff_advance(struct handoff *handoff)
{
	if (handoff->under_way || handoff->text.held_bytes < HANDOFF_APPEND_BYTES)
		return;
	handoff->request.pieces = text_take(&handoff->text, false);
	submit(handoff, WRITER_APPEND);
}

bool handoff_is_full(const struct handoff *handoff)
{
	return handoff->under_way && handoff->text.held_bytes >= HANDOFF_HELD_BYTES;
}

bool handoff_add(struct handoff *handoff, struct envelope *envelope,
	const struct message_repeat *repeat, const struct pace_terms *pace)
{
	struct message *message = calloc(1, sizeof(*message));

	if (message == NULL) {
		envelope_close(&envelope);
		return false;
	}
	message->envelope = envelope;
	if (repeat != NULL)
		message->repeat = *repeat;
	if (pace != NULL)
		message->pace = *pace;
	message->pieces = text_take(&handoff->text, true);
	handoff->request.message = message;
	submit(handoff, WRITER_ADD);
	return true;
}

void handoff_again(struct handoff *handoff)
{
	submit(handoff, handoff->request.verb);
}

void handoff_give_up(struct handoff *handoff)
{
	handoff_fini(handoff);
}

bool handoff_drop(struct handoff *handoff)
{
	if (!handoff->leaves_pieces)
		return false;
	submit(handoff, WRITER_DROP);
	return true;
}
