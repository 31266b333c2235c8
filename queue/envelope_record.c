/*
 * The record of an envelope (record.h), seeded with the id. A text that is NULL is left out. A recipient or a line of
 * history is a field that holds fields. The tables below say which field is which member.
 *
 * Version 2 has a plan. It must not be dropped by one that does not know it, or the text would go out unrepaired; a record
 * without one is of version 1. The kind of a hold may be dropped: a version that does not know it knows no grants either, and
 * the hold ends as any of its holds does.
 */
#include "queue/envelope.h"

#include <errno.h>
#include <string.h>

#include "queue/envelope_arena.h"
#include "queue/record.h"

#define RECORD_VERSION      1
#define RECORD_VERSION_PLAN 2

enum field_kind {
	FIELD_NONE, /* not a member of this struct */
	FIELD_NUMBER,
	FIELD_TEXT,
	FIELD_BYTES,
};

struct field {
	enum field_kind kind;
	uint8_t width; /* of a number */
	uint16_t offset;
	uint16_t size_offset; /* of bytes: the size_t beside their pointer */
};

#define NUMBER(type, member)                                                                       \
	{                                                                                          \
		FIELD_NUMBER, sizeof(((struct type *)0)->member), offsetof(struct type, member), 0 \
	}
#define TEXT(type, member)                                      \
	{                                                       \
		FIELD_TEXT, 0, offsetof(struct type, member), 0 \
	}
#define BYTES(type, member, size_member)                                                          \
	{                                                                                         \
		FIELD_BYTES, 0, offsetof(struct type, member), offsetof(struct type, size_member) \
	}

#define FIELD_RECIPIENT 19
#define FIELD_ATTEMPT   20

static const struct field envelope_fields[] = {
	[1] = NUMBER(envelope, body_id),
	[2] = NUMBER(envelope, revision),
	[3] = NUMBER(envelope, flags),
	[4] = NUMBER(envelope, size_bytes),
	[5] = NUMBER(envelope, checksum),
	[6] = NUMBER(envelope, chunk_count),
	[7] = NUMBER(envelope, received_unix_ms),
	[8] = NUMBER(envelope, stopped_ms),
	[9] = NUMBER(envelope, expiry_seen_unix_ms),
	[10] = NUMBER(envelope, lane),
	[11] = NUMBER(envelope, bucket),
	[12] = TEXT(envelope, reverse_path),
	[13] = TEXT(envelope, client),
	[14] = TEXT(envelope, helo),
	[15] = TEXT(envelope, listener),
	[16] = TEXT(envelope, account),
	[17] = TEXT(envelope, grant),
	[18] = TEXT(envelope, quirks),
	[21] = BYTES(envelope, plan, plan_size),
	[22] = NUMBER(envelope, hold_kind),
};

static const struct field recipient_fields[] = {
	[1] = TEXT(recipient, address),
	[2] = NUMBER(recipient, state),
	[3] = NUMBER(recipient, verdict),
	[4] = NUMBER(recipient, score),
	[5] = TEXT(recipient, threat),
	[6] = NUMBER(recipient, upstream),
	[7] = NUMBER(recipient, attempts),
	[8] = NUMBER(recipient, unknowns),
	[9] = NUMBER(recipient, due_unix_ms),
	[10] = NUMBER(recipient, held_unix_ms),
	[11] = TEXT(recipient, host),
	[12] = TEXT(recipient, reason),
	[13] = TEXT(recipient, status),
};

static const struct field attempt_fields[] = {
	[1] = NUMBER(attempt, first_unix_ms),
	[2] = NUMBER(attempt, last_unix_ms),
	[3] = NUMBER(attempt, times),
	[4] = TEXT(attempt, host),
	[5] = TEXT(attempt, what),
};

struct layout {
	const struct field *fields;
	size_t count;
};

#define LAYOUT(table)                                     \
	{                                                 \
		table, sizeof(table) / sizeof((table)[0]) \
	}
static const struct layout envelope_layout = LAYOUT(envelope_fields);
static const struct layout recipient_layout = LAYOUT(recipient_fields);
static const struct layout attempt_layout = LAYOUT(attempt_fields);

/* ---- encode ---- */

static const void *read_pointer(const void *from, const struct field *field)
{
	return *(const void *const *)(const void *)((const char *)from + field->offset);
}

static bool put_member(
	struct bytes *out, unsigned number, const struct field *field, const void *from)
{
	const void *bytes;
	size_t size;

	switch (field->kind) {
	case FIELD_NUMBER:
		return record_put_number(
			out, number, (const char *)from + field->offset, field->width);
	case FIELD_TEXT:
		bytes = read_pointer(from, field);
		size = bytes != NULL ? strlen(bytes) : 0;
		break;
	case FIELD_BYTES:
		size = *(const size_t *)(const void *)((const char *)from + field->size_offset);
		bytes = size > 0 ? read_pointer(from, field) : NULL;
		break;
	default:
		return true;
	}
	return bytes == NULL || record_put_bytes(out, number, bytes, size);
}

static bool put_members(struct bytes *out, const struct layout *layout, const void *from)
{
	bool done = true;

	for (unsigned number = 1; number < layout->count && done; number++)
		done = put_member(out, number, &layout->fields[number], from);
	return done;
}

static bool put_nested(
	struct bytes *out, unsigned number, const struct layout *layout, const void *from)
{
	size_t start;

	return record_begin_nested(out, number, &start) && put_members(out, layout, from) &&
	       record_end_nested(out, start);
}

bool envelope_encode(const struct envelope *envelope, struct bytes *out)
{
	size_t start = out->size, i;
	bool done = record_begin(out) && put_members(out, &envelope_layout, envelope);

	for (i = 0; i < envelope->recipient_count && done; i++)
		done = put_nested(
			out, FIELD_RECIPIENT, &recipient_layout, &envelope->recipients[i]);
	for (i = 0; i < envelope->history_count && done; i++)
		done = put_nested(out, FIELD_ATTEMPT, &attempt_layout, &envelope->history[i]);
	if (!done) {
		out->size = start;
		return false;
	}
	record_seal(out->data + start, out->size - start,
		envelope->plan_size > 0 ? RECORD_VERSION_PLAN : RECORD_VERSION, envelope->id);
	return true;
}

/* ---- decode ---- */

static int take_member(struct envelope *envelope, const struct layout *layout, unsigned number,
	struct record_span value, void *to)
{
	const struct field *field;
	const char *text;

	if (number >= layout->count || layout->fields[number].kind == FIELD_NONE)
		return 0; /* a later version's */
	field = &layout->fields[number];
	if (field->kind == FIELD_NUMBER)
		return record_get_number(value, (char *)to + field->offset, field->width)
			       ? 0
			       : -EBADMSG;
	text = envelope_text_sized(envelope, value.at, record_span_size(value));
	if (text == NULL)
		return -ENOMEM;
	*(const char **)(void *)((char *)to + field->offset) = text;
	if (field->kind == FIELD_BYTES)
		*(size_t *)(void *)((char *)to + field->size_offset) = record_span_size(value);
	return 0;
}

static int take_nested(
	struct envelope *envelope, const struct layout *layout, struct record_span span, void *to)
{
	struct record_span value;
	unsigned number;
	int found, rc;

	while ((found = record_next(&span, &number, &value)) > 0) {
		rc = take_member(envelope, layout, number, value, to);
		if (rc < 0)
			return rc;
	}
	return found < 0 ? -EBADMSG : 0;
}

static int take_fields(struct envelope *envelope, struct record_span span)
{
	size_t recipients = 0;
	struct record_span value;
	unsigned number;
	int rc = 0;

	while (rc == 0 && record_next(&span, &number, &value) > 0) {
		if (number == FIELD_RECIPIENT) {
			rc = take_nested(envelope, &recipient_layout, value,
				&envelope->recipients[recipients++]);
		} else if (number == FIELD_ATTEMPT) {
			if (envelope->history_count == ENVELOPE_HISTORY_MAX)
				continue;
			rc = take_nested(envelope, &attempt_layout, value,
				&envelope->history[envelope->history_count++]);
		} else {
			rc = take_member(envelope, &envelope_layout, number, value, envelope);
		}
	}
	return rc;
}

/* The checksum tells damage; this tells a record that no code of ours can have meant. */
static bool is_sound(const struct envelope *envelope)
{
	const struct recipient *recipient;
	size_t i;

	if (envelope->reverse_path == NULL || (unsigned)envelope->lane >= LANE_COUNT ||
		(unsigned)envelope->hold_kind >= HOLD_KIND_COUNT)
		return false;
	for (i = 0; i < envelope->recipient_count; i++) {
		recipient = &envelope->recipients[i];
		if (recipient->address == NULL || recipient->state < RECIPIENT_SCANNING ||
			(unsigned)recipient->state >= RECIPIENT_STATE_COUNT)
			return false;
	}
	return true;
}

int envelope_decode(uint64_t id, const void *record, size_t size, struct envelope **out)
{
	size_t recipients = 0, attempts = 0;
	struct envelope *envelope;
	struct record_span fields, span, value;
	unsigned number;
	int found, rc;

	if (!record_open(record, size, RECORD_VERSION_PLAN, id, &fields))
		return -EBADMSG;
	span = fields;
	while ((found = record_next(&span, &number, &value)) > 0) {
		recipients += number == FIELD_RECIPIENT;
		attempts += number == FIELD_ATTEMPT;
	}
	if (found < 0)
		return -EBADMSG;
	/* A text's end takes no more than its field's head took: the record's size is room enough. */
	envelope = envelope_new_with_room(
		recipients, size + (attempts > 0 ? ENVELOPE_HISTORY_ROOM : 0));
	if (envelope == NULL)
		return -ENOMEM;
	envelope->id = id;
	if (attempts > 0)
		envelope->history = envelope_history_new(envelope); /* there is room */
	rc = take_fields(envelope, fields);
	if (rc == 0 && !is_sound(envelope))
		rc = -EBADMSG;
	if (rc < 0)
		envelope_close(&envelope);
	else
		*out = envelope;
	return rc;
}
