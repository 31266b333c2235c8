#include <errno.h>
#include <stdlib.h>

#include "core/bytes.h"
#include "queue/writer_parts.h"

/* What a step of a drop takes off: 1 MB of pages freed, well within a group. */
#define DROP_STEP_PIECES 16

/* The revision that a change which removes the message is known by; a stored envelope that was changed has 1 at least. */
#define REVISION_REMOVED 0

bool writer_brings_new_mail(const struct writer_request *request)
{
	return request->verb == WRITER_APPEND ||
	       (request->verb == WRITER_ADD &&
		       (request->message->envelope->flags & ENVELOPE_LOCAL) == 0);
}

static bool brings_own_mail(const struct writer_request *request)
{
	return (request->verb == WRITER_ADD || request->verb == WRITER_CHANGE ||
		       request->verb == WRITER_REGISTER) &&
	       request->message != NULL && !writer_brings_new_mail(request);
}

static bool has_room(const struct writer *writer, const struct writer_request *request)
{
	if (writer_brings_new_mail(request))
		return !writer->room.shut;
	if (request->verb == WRITER_LEDGER ||
		(request->verb == WRITER_REGISTER && registry_is_long(request->registry)))
		return !writer->room.shut;
	return !brings_own_mail(request) || !writer->room.over_reserve;
}

static int append_pieces(
	struct store_batch *batch, uint64_t body_id, const struct text_piece *piece, size_t *bytes)
{
	for (; piece != NULL; piece = piece->next) {
		int rc = store_append(batch, body_id, piece->sequence, piece->data, piece->size);

		if (rc < 0)
			return rc;
		*bytes += piece->size;
	}
	return 0;
}

static int apply_append(struct store_batch *batch, struct writer_request *request, size_t *bytes)
{
	request->wrote = true;
	return append_pieces(batch, request->id, request->pieces, bytes);
}

/* ---- second copies (repeats.h) ---- */

/* Still queued for all, or delivered: one that ended otherwise was forgotten. */
static bool is_on_its_way(struct store_batch *batch, uint64_t id)
{
	struct envelope *envelope = NULL;
	int rc = store_get(batch, id, &envelope);
	bool good = rc == 0 || rc == -ENOENT;

	for (size_t i = 0; rc == 0 && i < envelope->recipient_count; i++) {
		enum recipient_state state = envelope->recipients[i].state;

		good &= !recipient_is_final(&envelope->recipients[i]) ||
			state == RECIPIENT_DELIVERED;
	}
	envelope_close(&envelope);
	return good;
}

static bool is_second_copy(
	struct writer *writer, struct store_batch *batch, struct writer_request *request)
{
	const struct message_repeat *repeat = &request->message->repeat;
	uint64_t first;

	if (repeat->key == 0)
		return false;
	first = repeats_find(writer->repeats, repeat->key, clock_mono_ms(writer->clock));
	if (first == 0 || first == request->message->envelope->id || !is_on_its_way(batch, first))
		return false;
	request->first_id = first;
	return true;
}

/* Once swapped it stays so, though the request may be run again. */
static void choose_name(struct writer *writer, struct writer_request *request)
{
	const struct message_repeat *repeat = &request->message->repeat;
	struct envelope *envelope = request->message->envelope;

	if (repeat->name == 0 || repeat->renamed_plan == NULL ||
		!repeats_is_other(writer->repeats, repeat->name, repeat->content))
		return;
	envelope->plan = repeat->renamed_plan;
	envelope->plan_size = repeat->renamed_plan_size;
	envelope->quirks = repeat->renamed_quirks;
	request->renamed = true;
}

static void remember(struct writer *writer, const struct message *message)
{
	const struct message_repeat *repeat = &message->repeat;

	if (repeat->key != 0)
		repeats_put(writer->repeats, message->envelope->id, repeat->key);
	if (repeat->name != 0)
		repeats_put_name(writer->repeats, repeat->name, repeat->content);
}

void writer_settle_repeat(struct writer *writer, const struct writer_request *request)
{
	const struct message_repeat *repeat;

	if (request->verb != WRITER_ADD)
		return;
	repeat = &request->message->repeat;
	if (request->result == 0) {
		if (request->first_id != 0)
			repeats_heard(writer->repeats, request->first_id);
		return;
	}
	if (repeat->key != 0)
		repeats_del(writer->repeats, request->message->envelope->id);
	if (repeat->name != 0)
		repeats_del_name(writer->repeats, repeat->name, repeat->content);
}

static bool was_delivered(const struct envelope *envelope)
{
	for (size_t i = 0; i < envelope->recipient_count; i++)
		if (envelope->recipients[i].state != RECIPIENT_DELIVERED)
			return false;
	return true;
}

/* ---- the verbs ---- */

/* The envelope goes first: a taken id is refused by that very write, before there is a trace of the message. */
static int apply_add(struct writer *writer, struct store_batch *batch,
	struct writer_request *request, size_t *bytes)
{
	const struct message *message = request->message;
	int rc;

	if ((message->envelope->flags & ENVELOPE_PARTIAL) != 0 &&
		!writer_room_partial(writer, message->envelope)) {
		request->result = -EDQUOT;
		return 0;
	}
	request->first_id = 0;
	if (is_second_copy(writer, batch, request))
		return 0;
	rc = writer_pace_judge(writer, batch, request);
	if (rc == -EAGAIN)
		request->result = rc;
	if (rc < 0)
		return rc == -EAGAIN ? 0 : rc;
	choose_name(writer, request);
	rc = store_add(batch, message->envelope);
	if (rc == -EEXIST) {
		request->result = rc;
		return 0;
	}
	if (rc < 0)
		return rc;
	request->wrote = true;
	writer_pace_count(writer, request);
	remember(writer, message);
	return append_pieces(batch, message->envelope->body_id, message->pieces, bytes);
}

static int add_messages(struct store_batch *batch, const struct message *message, size_t *bytes)
{
	for (; message != NULL; message = message->next) {
		int rc = store_add(batch, message->envelope);

		if (rc == 0)
			rc = append_pieces(
				batch, message->envelope->body_id, message->pieces, bytes);
		if (rc < 0)
			return rc;
		*bytes += WRITER_REQUEST_BYTES;
	}
	return 0;
}

static int store_changed(struct writer *writer, struct store_batch *batch,
	struct writer_request *request, const struct envelope *before, struct envelope *after,
	size_t *bytes)
{
	if (envelope_is_done(after)) {
		if (!was_delivered(after))
			repeats_del(writer->repeats, after->id);
		request->expected_revision = REVISION_REMOVED;
		*bytes += before->size_bytes;
		return store_remove(batch, before);
	}
	after->revision = before->revision + 1;
	if (after->revision == REVISION_REMOVED)
		after->revision++;
	request->expected_revision = after->revision;
	return store_change(batch, before, after);
}

/* Asks for the change. 0: to be stored; 1: the request ends here without a trace; negative: the batch is spoiled. */
static int ask_change(struct store_batch *batch, struct writer_request *request,
	struct envelope **before, struct envelope **after)
{
	int rc = store_get(batch, request->id, before);

	if (rc == 0)
		rc = store_get(batch, request->id, after);
	if (store_spoiled(batch) != 0)
		return store_spoiled(batch);
	if (rc == 0)
		rc = request->change(*after, request->argument);
	if (rc < 0)
		request->result = rc;
	return rc != 0;
}

static int apply_change(struct writer *writer, struct store_batch *batch,
	struct writer_request *request, size_t *bytes)
{
	struct envelope *before = NULL, *after = NULL;
	int rc = ask_change(batch, request, &before, &after);

	if (rc == 0 && after != NULL) {
		request->wrote = true;
		rc = add_messages(batch, request->message, bytes);
		if (rc == 0)
			rc = store_changed(writer, batch, request, before, after, bytes);
	}
	envelope_close(&before);
	envelope_close(&after);
	return rc < 0 ? rc : 0;
}

/* Without room what is left of it is dropped: the mail in the batch goes on. */
static int apply_ledger(struct store_batch *batch, struct writer_request *request, size_t *bytes)
{
	for (const struct ledger_client *client = request->clients; client != NULL;
		client = client->next) {
		ssize_t size = store_merge_client(batch, client);

		if (store_spoiled(batch) != 0)
			return store_spoiled(batch);
		if (size < 0) {
			request->result = (int)size;
			return 0;
		}
		request->wrote = true;
		*bytes += (size_t)size;
	}
	return 0;
}

static int apply_register(struct store_batch *batch, struct writer_request *request, size_t *bytes)
{
	int rc = store_register(
		batch, request->registry, &request->journal_number, &request->refused);

	if (store_spoiled(batch) != 0)
		return store_spoiled(batch);
	request->result = rc;
	if (rc < 0)
		return 0;
	request->wrote = true;
	for (const struct registry_change *change = request->registry; change != NULL;
		change = change->next)
		*bytes += change->size + sizeof(struct registry_entry);
	return add_messages(batch, request->message, bytes);
}

int writer_apply(struct writer *writer, struct store_batch *batch, struct writer_request *request,
	size_t *bytes)
{
	request->result = 0;
	request->wrote = false;
	*bytes += WRITER_REQUEST_BYTES;
	if (!has_room(writer, request)) {
		request->result = -ENOSPC;
		return 0;
	}
	switch (request->verb) {
	case WRITER_APPEND:
		return apply_append(batch, request, bytes);
	case WRITER_ADD:
		return apply_add(writer, batch, request, bytes);
	case WRITER_CHANGE:
		return apply_change(writer, batch, request, bytes);
	case WRITER_LEDGER:
		return apply_ledger(batch, request, bytes);
	case WRITER_REGISTER:
		return apply_register(batch, request, bytes);
	case WRITER_DROP:
	case WRITER_UNHEARD:
	case WRITER_CALL:
		break; /* have their own way */
	}
	return 0;
}

int writer_apply_drop(struct store_batch *batch, struct writer_request *request)
{
	ssize_t count = store_drop_text(batch, request->id, DROP_STEP_PIECES);

	request->wrote = count > 0;
	request->result = 0;
	/* its message is there after all: the commit was unknown, and the client went away */
	if (count == -EEXIST) {
		request->result = -EEXIST;
		return 1;
	}
	return count < 0 ? (int)count : count < DROP_STEP_PIECES;
}

static int look_up_envelope(struct writer *writer, uint64_t id, uint32_t *revision)
{
	struct envelope *envelope = NULL;
	int rc = store_view_get(writer->view, id, &envelope);

	if (rc == 0)
		*revision = envelope->revision;
	envelope_close(&envelope);
	return rc == 0 ? 1 : rc == -ENOENT ? 0 : rc;
}

static int look_up_pieces(struct writer *writer, uint64_t body_id, const struct text_piece *piece)
{
	uint8_t *bytes = malloc(STORE_PIECE_BYTES);
	int found = bytes != NULL ? 1 : -ENOMEM;

	for (; found == 1 && piece != NULL; piece = piece->next) {
		ssize_t size = store_view_piece(writer->view, body_id, piece->sequence, bytes);

		if (size == -ENOENT)
			found = 0;
		else if (size < 0)
			found = (int)size;
	}
	free(bytes);
	return found;
}

/*
 * Only the writer changes the store, and the change found its message there when it ran: if the message is gone, or has come
 * to the expected revision or past it (by a later request of the same batch), the change is stored.
 */
static int look_up_change(struct writer *writer, const struct writer_request *request)
{
	uint32_t revision = 0;
	int found = look_up_envelope(writer, request->id, &revision);

	if (found < 0)
		return found;
	if (found == 1 && (request->expected_revision == REVISION_REMOVED ||
				  revision < request->expected_revision))
		return 0;
	for (const struct message *message = request->message; message != NULL;
		message = message->next) {
		found = look_up_envelope(writer, message->envelope->id, &revision);
		if (found != 1)
			return found;
	}
	return 1;
}

/*
 * Each change has its line in the journal, in the same commit, and only the writer writes: what was stored last is the last line.
 * Records cannot tell: a later request of the batch may have changed them again, or taken them away.
 */
static int look_up_register(struct writer *writer, const struct writer_request *request)
{
	uint64_t last;
	int rc = store_view_journal_end(writer->view, &last);

	return rc < 0 ? rc : last >= request->journal_number;
}

int writer_look_up(struct writer *writer, const struct writer_request *request)
{
	uint32_t revision;

	switch (request->verb) {
	case WRITER_APPEND:
		return look_up_pieces(writer, request->id, request->pieces);
	case WRITER_ADD:
		return look_up_envelope(writer, request->message->envelope->id, &revision);
	case WRITER_CHANGE:
		return look_up_change(writer, request);
	case WRITER_LEDGER:
		return 1; /* it cannot be told; facts may be lost, and are not counted twice */
	case WRITER_REGISTER:
		return look_up_register(writer, request);
	case WRITER_DROP:
	case WRITER_UNHEARD:
	case WRITER_CALL:
		break;
	}
	return 0;
}
