/*
 * The record of a client (record.h), seeded with its address. An empty text is left out. A HELO name or a quirk is a field that
 * holds fields. The tables below say which field is which member.
 */
#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "queue/ledger.h"
#include "queue/record.h"

#define RECORD_VERSION 1

#define FIELD_HELO  40
#define FIELD_QUIRK 41

struct field {
	uint16_t size; /* of the member; 0: none */
	bool is_text;
	size_t offset;
};

#define NUMBER(type, member)                                                             \
	{                                                                                \
		sizeof(((struct type *)0)->member), false, offsetof(struct type, member) \
	}
#define TEXT(type, member)                                                              \
	{                                                                               \
		sizeof(((struct type *)0)->member), true, offsetof(struct type, member) \
	}

static const struct field client_fields[] = {
	[1] = NUMBER(ledger_client, first_unix_ms),
	[2] = NUMBER(ledger_client, last_unix_ms),
	[3] = NUMBER(ledger_client, sessions),
	[4] = NUMBER(ledger_client, sessions_without_quit),
	[5] = NUMBER(ledger_client, messages),
	[6] = NUMBER(ledger_client, recipients),
	[7] = NUMBER(ledger_client, bytes),
	[8] = NUMBER(ledger_client, refusals),
	[9] = NUMBER(ledger_client, refused_unix_ms),
	[10] = TEXT(ledger_client, refusal),
	[11] = NUMBER(ledger_client, preflights),
	[12] = NUMBER(ledger_client, partials),
	[13] = NUMBER(ledger_client, resends),
	[14] = TEXT(ledger_client, tls_version),
	[15] = TEXT(ledger_client, tls_cipher),
	[16] = TEXT(ledger_client, auth),
	[17] = TEXT(ledger_client, profile),
	[18] = NUMBER(ledger_client, message_id),
	[19] = NUMBER(ledger_client, message_unix_ms),
	[20] = TEXT(ledger_client, message_from),
	[21] = TEXT(ledger_client, message_listener),
	[22] = TEXT(ledger_client, account),
};

static const struct field helo_fields[] = {
	[1] = TEXT(ledger_helo, name),
	[2] = NUMBER(ledger_helo, count),
	[3] = NUMBER(ledger_helo, last_unix_ms),
};

static const struct field quirk_fields[] = {
	[1] = NUMBER(ledger_quirk, number),
	[2] = NUMBER(ledger_quirk, count),
	[3] = NUMBER(ledger_quirk, last_unix_ms),
	[4] = TEXT(ledger_quirk, example),
};

struct layout {
	const struct field *fields;
	size_t count;
};

#define LAYOUT(table)                                     \
	{                                                 \
		table, sizeof(table) / sizeof((table)[0]) \
	}
static const struct layout client_layout = LAYOUT(client_fields);
static const struct layout helo_layout = LAYOUT(helo_fields);
static const struct layout quirk_layout = LAYOUT(quirk_fields);

static uint64_t seed_of(const char *address)
{
	return XXH3_64bits(address, strlen(address));
}

/* ---- encode ---- */

static bool put_text(struct bytes *out, unsigned number, const char *text, size_t size)
{
	return size == 0 || record_put_bytes(out, number, text, size);
}

static bool put_members(struct bytes *out, const struct layout *layout, const void *from)
{
	bool done = true;

	for (unsigned number = 1; number < layout->count && done; number++) {
		const struct field *field = &layout->fields[number];
		const char *member = (const char *)from + field->offset;

		if (field->is_text)
			done = put_text(out, number, member, strnlen(member, field->size));
		else if (field->size > 0)
			done = record_put_number(out, number, member, field->size);
	}
	return done;
}

static bool put_nested(
	struct bytes *out, unsigned number, const struct layout *layout, const void *from)
{
	size_t start;

	return record_begin_nested(out, number, &start) && put_members(out, layout, from) &&
	       record_end_nested(out, start);
}

bool ledger_encode(const struct ledger_client *client, struct bytes *out)
{
	size_t start = out->size;
	bool done = record_begin(out) && put_members(out, &client_layout, client);

	for (size_t i = 0; i < client->helo_count && done; i++)
		done = put_nested(out, FIELD_HELO, &helo_layout, &client->helos[i]);
	for (size_t i = 0; i < client->quirk_count && done; i++)
		done = put_nested(out, FIELD_QUIRK, &quirk_layout, &client->quirks[i]);
	if (!done) {
		out->size = start;
		return false;
	}
	record_seal(out->data + start, out->size - start, RECORD_VERSION, seed_of(client->address));
	return true;
}

/* ---- decode ---- */

static bool take_member(const struct field *field, struct record_span value, void *member)
{
	if (!field->is_text)
		return record_get_number(value, member, field->size);
	ledger_put_text(member, field->size, value.at, record_span_size(value));
	return true;
}

/* What it does not know it passes over: a later version's, or nested. */
static bool take_members(const struct layout *layout, struct record_span span, void *to)
{
	struct record_span value;
	unsigned number;
	int found;

	while ((found = record_next(&span, &number, &value)) > 0)
		if (number < layout->count && layout->fields[number].size > 0 &&
			!take_member(&layout->fields[number], value,
				(char *)to + layout->fields[number].offset))
			return false;
	return found == 0;
}

static int take_quirk(struct ledger_client *client, struct record_span span)
{
	struct ledger_client change = {.quirk_count = 1};
	struct ledger_quirk quirk = {0};

	if (!take_members(&quirk_layout, span, &quirk))
		return -EBADMSG;
	if (quirk_row(quirk.number) == NULL)
		return 0;
	change.quirks = &quirk;
	return ledger_merge(client, &change) ? 0 : -ENOMEM;
}

static int take_nested(struct ledger_client *client, struct record_span span)
{
	struct record_span value;
	unsigned number;
	int rc = 0;

	while (rc == 0 && record_next(&span, &number, &value) > 0) {
		if (number == FIELD_QUIRK)
			rc = take_quirk(client, value);
		else if (number == FIELD_HELO && client->helo_count < LEDGER_HELOS_MAX &&
			 !take_members(&helo_layout, value, &client->helos[client->helo_count++]))
			rc = -EBADMSG;
	}
	return rc;
}

int ledger_decode(const char *address, const void *record, size_t size, struct ledger_client **out)
{
	struct ledger_client *client;
	struct record_span fields;
	int rc;

	if (!record_open(record, size, RECORD_VERSION, seed_of(address), &fields))
		return -EBADMSG;
	client = ledger_client_new(address);
	if (client == NULL)
		return -ENOMEM;
	rc = take_nested(client, fields);
	if (rc == 0 && !take_members(&client_layout, fields, client))
		rc = -EBADMSG;
	if (rc < 0)
		ledger_client_close(&client);
	else
		*out = client;
	return rc;
}
