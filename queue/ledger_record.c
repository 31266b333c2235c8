/*
 * The record of a client:
 *
 *	version (1 byte) · checksum (4 bytes, XXH3 of all that follows, seeded with that of the address) · fields
 *	field: number (1 byte) · length (2 bytes) · bytes
 *
 * A number is big-endian without leading zero bytes, and left out when it is 0; an empty text is left out. A HELO name or a
 * quirk is a field that holds fields. The tables below say which field is which member; a field number is never given
 * to something else.
 */
#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "queue/ledger.h"

#define RECORD_VERSION    1
#define RECORD_HEAD_BYTES 5
#define FIELD_HEAD_BYTES  3

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

static uint32_t sum_of(const char *address, const uint8_t *record, size_t size)
{
	return (uint32_t)XXH3_64bits_withSeed(record + RECORD_HEAD_BYTES, size - RECORD_HEAD_BYTES,
		XXH3_64bits(address, strlen(address)));
}

/* ---- encode ---- */

static bool put_field(struct bytes *out, unsigned number, const void *value, size_t size)
{
	uint8_t head[FIELD_HEAD_BYTES] = {(uint8_t)number, (uint8_t)(size >> 8), (uint8_t)size};

	return size == 0 ||
	       (bytes_append(out, head, sizeof(head)) && bytes_append(out, value, size));
}

static uint64_t read_number(const void *member, size_t size)
{
	return size == sizeof(uint16_t) ? *(const uint16_t *)member : *(const uint64_t *)member;
}

static bool put_number(struct bytes *out, unsigned number, uint64_t value)
{
	uint8_t digits[8];
	size_t size = 0;

	for (unsigned shift = 64; shift > 0; shift -= 8)
		if (size > 0 || value >> (shift - 8) != 0)
			digits[size++] = (uint8_t)(value >> (shift - 8));
	return put_field(out, number, digits, size);
}

static bool put_members(struct bytes *out, const struct layout *layout, const void *from)
{
	bool done = true;

	for (unsigned number = 1; number < layout->count && done; number++) {
		const struct field *field = &layout->fields[number];
		const char *member = (const char *)from + field->offset;

		if (field->is_text)
			done = put_field(out, number, member, strnlen(member, field->size));
		else if (field->size > 0)
			done = put_number(out, number, read_number(member, field->size));
	}
	return done;
}

/* The length is known behind it. */
static bool put_nested(
	struct bytes *out, unsigned number, const struct layout *layout, const void *from)
{
	uint8_t head[FIELD_HEAD_BYTES] = {(uint8_t)number};
	size_t start = out->size, size;

	if (!bytes_append(out, head, sizeof(head)) || !put_members(out, layout, from))
		return false;
	size = out->size - start - sizeof(head);
	out->data[start + 1] = (uint8_t)(size >> 8);
	out->data[start + 2] = (uint8_t)size;
	return true;
}

bool ledger_encode(const struct ledger_client *client, struct bytes *out)
{
	static const uint8_t no_head[RECORD_HEAD_BYTES];
	size_t start = out->size;
	bool done = bytes_append(out, no_head, sizeof(no_head)) &&
		    put_members(out, &client_layout, client);
	uint32_t sum;

	for (size_t i = 0; i < client->helo_count && done; i++)
		done = put_nested(out, FIELD_HELO, &helo_layout, &client->helos[i]);
	for (size_t i = 0; i < client->quirk_count && done; i++)
		done = put_nested(out, FIELD_QUIRK, &quirk_layout, &client->quirks[i]);
	if (!done) {
		out->size = start;
		return false;
	}
	sum = sum_of(client->address, out->data + start, out->size - start);
	out->data[start] = RECORD_VERSION;
	for (unsigned i = 0; i < 4; i++)
		out->data[start + 1 + i] = (uint8_t)(sum >> (24 - 8 * i));
	return true;
}

/* ---- decode ---- */

struct span {
	const uint8_t *at, *end;
};

/* 1: a field; 0: none left; -1: cut off. */
static int next_field(struct span *span, unsigned *number, struct span *value)
{
	size_t size;

	if (span->at == span->end)
		return 0;
	if (span->end - span->at < FIELD_HEAD_BYTES)
		return -1;
	*number = span->at[0];
	size = (size_t)span->at[1] << 8 | span->at[2];
	span->at += FIELD_HEAD_BYTES;
	if (size > (size_t)(span->end - span->at))
		return -1;
	*value = (struct span){span->at, span->at + size};
	span->at += size;
	return 1;
}

static bool take_member(const struct field *field, struct span value, void *member)
{
	size_t size = (size_t)(value.end - value.at);
	uint64_t number = 0;

	if (field->is_text) {
		ledger_put_text(member, field->size, value.at, size);
		return true;
	}
	if (size > field->size)
		return false;
	while (value.at < value.end)
		number = number << 8 | *value.at++;
	if (field->size == sizeof(uint16_t))
		*(uint16_t *)member = (uint16_t)number;
	else
		*(uint64_t *)member = number;
	return true;
}

/* What it does not know it passes over: a later version's, or nested. */
static bool take_members(const struct layout *layout, struct span span, void *to)
{
	struct span value;
	unsigned number;
	int found;

	while ((found = next_field(&span, &number, &value)) > 0)
		if (number < layout->count && layout->fields[number].size > 0 &&
			!take_member(&layout->fields[number], value,
				(char *)to + layout->fields[number].offset))
			return false;
	return found == 0;
}

static int take_quirk(struct ledger_client *client, struct span span)
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

static int take_nested(struct ledger_client *client, struct span span)
{
	struct span value;
	unsigned number;
	int rc = 0;

	while (rc == 0 && next_field(&span, &number, &value) > 0) {
		if (number == FIELD_QUIRK)
			rc = take_quirk(client, value);
		else if (number == FIELD_HELO && client->helo_count < LEDGER_HELOS_MAX &&
			 !take_members(&helo_layout, value, &client->helos[client->helo_count++]))
			rc = -EBADMSG;
	}
	return rc;
}

static bool is_whole(const char *address, const uint8_t *record, size_t size)
{
	uint32_t sum = 0;

	if (size < RECORD_HEAD_BYTES || record[0] == 0 || record[0] > RECORD_VERSION)
		return false;
	for (unsigned i = 0; i < 4; i++)
		sum = sum << 8 | record[1 + i];
	return sum == sum_of(address, record, size);
}

int ledger_decode(const char *address, const void *record, size_t size, struct ledger_client **out)
{
	const uint8_t *bytes = record;
	struct ledger_client *client;
	struct span fields;
	int rc;

	if (!is_whole(address, bytes, size))
		return -EBADMSG;
	client = ledger_client_new(address);
	if (client == NULL)
		return -ENOMEM;
	fields = (struct span){bytes + RECORD_HEAD_BYTES, bytes + size};
	rc = take_nested(client, fields);
	if (rc == 0 && !take_members(&client_layout, fields, client))
		rc = -EBADMSG;
	if (rc < 0)
		ledger_client_close(&client);
	else
		*out = client;
	return rc;
}
