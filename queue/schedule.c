#include "queue/schedule.h"

#include <string.h>
#include <xxhash.h>

uint16_t schedule_upstream(const struct recipient *recipient)
{
	switch (recipient->state) {
	case RECIPIENT_SCANNING:
		return UPSTREAM_SCAN;
	case RECIPIENT_WAITING:
	case RECIPIENT_DEFERRED:
		return recipient->upstream;
	case RECIPIENT_HELD:
	case RECIPIENT_QUARANTINED:
		return UPSTREAM_HOLD;
	default:
		return 0;
	}
}

size_t schedule_rows(const struct envelope *envelope, struct schedule_row *rows)
{
	const struct recipient *recipient;
	size_t count = 0, i, row;
	uint16_t upstream;
	uint64_t due;

	for (i = 0; i < envelope->recipient_count; i++) {
		recipient = &envelope->recipients[i];
		upstream = schedule_upstream(recipient);
		if (upstream == 0)
			continue;
		if (upstream == UPSTREAM_HOLD && (envelope->flags & ENVELOPE_PARTIAL) != 0)
			upstream = UPSTREAM_PARTIAL;
		else if (recipient->state == RECIPIENT_HELD && envelope->hold_kind != HOLD_ORDINARY)
			upstream = (uint16_t)(UPSTREAM_KINDS + envelope->hold_kind);
		due = upstream == UPSTREAM_SCAN ? envelope->received_unix_ms
						: recipient->due_unix_ms;
		for (row = 0; row < count && rows[row].upstream != upstream; row++)
			;
		if (row == count) {
			rows[count++] = (struct schedule_row){.upstream = upstream,
				.lane = envelope->lane,
				.bucket = envelope->bucket,
				.due_unix_ms = due,
				.id = envelope->id};
		} else if (due < rows[row].due_unix_ms) {
			rows[row].due_unix_ms = due;
		}
	}
	return count;
}

enum recipient_state schedule_state(const struct envelope *envelope)
{
	enum recipient_state first = 0, state;
	size_t i;

	/* The states stand in this order in the enum. */
	for (i = 0; i < envelope->recipient_count; i++) {
		state = envelope->recipients[i].state;
		if (!recipient_is_final(&envelope->recipients[i]) && (first == 0 || state < first))
			first = state;
	}
	return first;
}

uint32_t schedule_bucket(const char *account, const char *client)
{
	const char *name = account != NULL ? account : client;

	return name == NULL ? 0 : (uint32_t)XXH3_64bits(name, strlen(name));
}
