/*
 * The record of an envelope (record.h), seeded with the id. A text that is NULL is left out. A recipient or a line of
 * history is a field that holds fields. The tables below say which field is which member.
 *
 * Version 2 has a plan. It must not be dropped by one that does not know it, or the text would go out unrepaired; a record
 * without one is of version 1. Version 3 has a kind of hold: its rows in the schedule are others (schedule.h), which one that
 * does not know it would neither find nor take away.
 */
#include "queue/envelope.h"

#include <errno.h>
#include <string.h>

#include "queue/envelope_arena.h"
#include "queue/record.h"

#define RECORD_VERSION      1
#define RECORD_VERSION_PLAN 2
#define RECORD_VERSION_KIND 3

#define FIELD_RECIPIENT 19
#define FIELD_ATTEMPT   20

static const struct record_field envelope_fields[] = {
	[1] = RECORD_NUMBER(envelope, body_id),
	[2] = RECORD_NUMBER(envelope, revision),
	[3] = RECORD_NUMBER(envelope, flags),
	[4] = RECORD_NUMBER(envelope, size_bytes),
	[5] = RECORD_NUMBER(envelope, checksum),
	[6] = RECORD_NUMBER(envelope, chunk_count),
	[7] = RECORD_NUMBER(envelope, received_unix_ms),
	[8] = RECORD_NUMBER(envelope, stopped_ms),
	[9] = RECORD_NUMBER(envelope, expiry_seen_unix_ms),
	[10] = RECORD_NUMBER(envelope, lane),
	[11] = RECORD_NUMBER(envelope, bucket),
	[12] = RECORD_TEXT(envelope, reverse_path),
	[13] = RECORD_TEXT(envelope, client),
	[14] = RECORD_TEXT(envelope, helo),
	[15] = RECORD_TEXT(envelope, listener),
	[16] = RECORD_TEXT(envelope, account),
	[17] = RECORD_TEXT(envelope, grant),
	[18] = RECORD_TEXT(envelope, quirks),
	[21] = RECORD_BYTES(envelope, plan, plan_size),
	[22] = RECORD_NUMBER(envelope, hold_kind),
};

static const struct record_field recipient_fields[] = {
	[1] = RECORD_TEXT(recipient, address),
	[2] = RECORD_NUMBER(recipient, state),
	[3] = RECORD_NUMBER(recipient, verdict),
	[4] = RECORD_NUMBER(recipient, score),
	[5] = RECORD_TEXT(recipient, threat),
	[6] = RECORD_NUMBER(recipient, upstream),
	[7] = RECORD_NUMBER(recipient, attempts),
	[8] = RECORD_NUMBER(recipient, unknowns),
	[9] = RECORD_NUMBER(recipient, due_unix_ms),
	[10] = RECORD_NUMBER(recipient, held_unix_ms),
	[11] = RECORD_TEXT(recipient, host),
	[12] = RECORD_TEXT(recipient, reason),
	[13] = RECORD_TEXT(recipient, status),
};

static const struct record_field attempt_fields[] = {
	[1] = RECORD_NUMBER(attempt, first_unix_ms),
	[2] = RECORD_NUMBER(attempt, last_unix_ms),
	[3] = RECORD_NUMBER(attempt, times),
	[4] = RECORD_TEXT(attempt, host),
	[5] = RECORD_TEXT(attempt, what),
};

static const struct record_layout envelope_layout = RECORD_LAYOUT(envelope_fields);
static const struct record_layout recipient_layout = RECORD_LAYOUT(recipient_fields);
static const struct record_layout attempt_layout = RECORD_LAYOUT(attempt_fields);

/* ---- encode ---- */

static uint8_t version_of(const struct envelope *envelope)
{
	if (envelope->hold_kind != HOLD_ORDINARY)
		return RECORD_VERSION_KIND;
	return envelope->plan_size > 0 ? RECORD_VERSION_PLAN : RECORD_VERSION;
}

bool envelope_encode(const struct envelope *envelope, struct bytes *out)
{
	size_t start = out->size, i;
	bool done = record_begin(out) && record_put_members(out, &envelope_layout, envelope);

	for (i = 0; i < envelope->recipient_count && done; i++)
		done = record_put_struct(
			out, FIELD_RECIPIENT, &recipient_layout, &envelope->recipients[i]);
	for (i = 0; i < envelope->history_count && done; i++)
		done = record_put_struct(
			out, FIELD_ATTEMPT, &attempt_layout, &envelope->history[i]);
	if (!done) {
		out->size = start;
		return false;
	}
	record_seal(out->data + start, out->size - start, version_of(envelope), envelope->id);
	return true;
}

/* ---- decode ---- */

static int put_text(void *owner, void *member, const void *bytes, size_t size)
{
	const char *text = envelope_text_sized(owner, bytes, size);

	*(const char **)member = text;
	return text != NULL ? 0 : -ENOMEM;
}

static int take_fields(struct envelope *envelope, struct record_span span)
{
	size_t recipients = 0;
	struct record_span value;
	unsigned number;
	int rc = 0;

	while (rc == 0 && record_next(&span, &number, &value) > 0) {
		if (number == FIELD_RECIPIENT) {
			rc = record_take_members(&recipient_layout, value,
				&envelope->recipients[recipients++], put_text, envelope);
		} else if (number == FIELD_ATTEMPT) {
			if (envelope->history_count == ENVELOPE_HISTORY_MAX)
				continue;
			rc = record_take_members(&attempt_layout, value,
				&envelope->history[envelope->history_count++], put_text, envelope);
		} else {
			rc = record_take_member(
				&envelope_layout, number, value, envelope, put_text, envelope);
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

	if (!record_open(record, size, RECORD_VERSION_KIND, id, &fields))
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
