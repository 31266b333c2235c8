/*
 * writer_take.c: what goes into the next group. A client waits for the 250 of its small message: it passes what waits before
 * it, which may be tens of megabytes of others' texts, or messages that are removed. Nothing else changes its order, and a
 * message's own requests come one after the other's answer.
 */
#include <string.h>

#include "queue/writer_parts.h"

/* ---- lines ---- */

void writer_line_push(struct writer_line *line, struct writer_request *request)
{
	request->next = NULL;
	if (line->last != NULL)
		line->last->next = request;
	else
		line->first = request;
	line->last = request;
}

struct writer_request *writer_line_pop(struct writer_line *line)
{
	struct writer_request *request = line->first;

	line->first = request->next;
	if (line->first == NULL)
		line->last = NULL;
	return request;
}

/* ---- sizes ---- */

static size_t pieces_bytes(const struct text_piece *piece)
{
	size_t bytes = 0;

	for (; piece != NULL; piece = piece->next)
		bytes += piece->size;
	return bytes;
}

/* Only what belongs to the verb is looked at; the rest of a request may be left from its last use. */
static size_t text_bytes(const struct writer_request *request)
{
	size_t bytes = 0;

	if (request->verb == WRITER_APPEND)
		return pieces_bytes(request->pieces);
	if (request->verb != WRITER_ADD && request->verb != WRITER_CHANGE)
		return 0;
	for (const struct message *message = request->message; message != NULL;
		message = message->next)
		bytes += pieces_bytes(message->pieces);
	return bytes;
}

static bool is_small(const struct writer_request *request)
{
	return request->verb == WRITER_ADD && text_bytes(request) <= STORE_PIECE_BYTES;
}

/* ---- the group ---- */

static void sort_inbox(struct writer *writer)
{
	struct letter *letter;

	while ((letter = mailbox_pop(writer->inbox)) != NULL) {
		struct writer_request *request = LETTER_OF(letter, struct writer_request, letter);

		if (request->verb == WRITER_DROP) {
			writer_line_push(&writer->drops, request);
		} else if (request->verb == WRITER_UNHEARD) {
			repeats_unheard(writer->repeats, request->id, clock_mono_ms(writer->clock));
			writer_answer(writer, request);
		} else {
			writer_line_push(
				is_small(request) ? &writer->small : &writer->rest, request);
		}
	}
}

/* What was left of the last group makes way for `count` requests; but a call has waited until it is the first. */
static size_t make_way(struct writer *writer, size_t count)
{
	if (writer->group_count == 0 || writer->alone_count > 0 ||
		writer->group[0]->verb == WRITER_CALL)
		return writer->group_count;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is moved */
	memmove(writer->group + count, writer->group, writer->group_count * sizeof(*writer->group));
	return 0;
}

/* Small ones, as many as `room` and `most_bytes` allow. */
static void take_small(struct writer *writer, size_t room, size_t most_bytes, size_t *bytes)
{
	size_t count = 0, taken_bytes = 0, at;

	for (const struct writer_request *request = writer->small.first;
		request != NULL && count < room && taken_bytes < most_bytes;
		request = request->next) {
		taken_bytes += text_bytes(request);
		count++;
	}
	at = make_way(writer, count);
	for (size_t i = 0; i < count; i++)
		writer->group[at + i] = writer_line_pop(&writer->small);
	writer->group_count += count;
	*bytes += taken_bytes;
}

static void take_rest(struct writer *writer, size_t *bytes)
{
	while (writer->rest.first != NULL && writer->group_count < WRITER_GROUP_MAX &&
		*bytes < WRITER_GROUP_BYTES) {
		struct writer_request *request = writer_line_pop(&writer->rest);

		*bytes += text_bytes(request);
		writer->group[writer->group_count++] = request;
	}
}

/* Where both wait the small ones have half a group, so that the others get on too. */
void writer_take(struct writer *writer)
{
	bool others_wait = writer->group_count > 0;
	size_t bytes = 0, room, share;

	sort_inbox(writer);
	others_wait |= writer->rest.first != NULL;
	share = others_wait ? 2 : 1;
	room = WRITER_GROUP_MAX - writer->group_count;
	if (room > WRITER_GROUP_MAX / share)
		room = WRITER_GROUP_MAX / share;
	take_small(writer, room, WRITER_GROUP_BYTES / share, &bytes);
	bytes = 0;
	for (size_t i = 0; i < writer->group_count; i++)
		bytes += text_bytes(writer->group[i]);
	take_rest(writer, &bytes);
}
