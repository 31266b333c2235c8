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

static const struct record_field client_fields[] = {
	[1] = RECORD_NUMBER(ledger_client, first_unix_ms),
	[2] = RECORD_NUMBER(ledger_client, last_unix_ms),
	[3] = RECORD_NUMBER(ledger_client, sessions),
	[4] = RECORD_NUMBER(ledger_client, sessions_without_quit),
	[5] = RECORD_NUMBER(ledger_client, messages),
	[6] = RECORD_NUMBER(ledger_client, recipients),
	[7] = RECORD_NUMBER(ledger_client, bytes),
	[8] = RECORD_NUMBER(ledger_client, refusals),
	[9] = RECORD_NUMBER(ledger_client, refused_unix_ms),
	[10] = RECORD_ARRAY(ledger_client, refusal),
	[11] = RECORD_NUMBER(ledger_client, preflights),
	[12] = RECORD_NUMBER(ledger_client, partials),
	[13] = RECORD_NUMBER(ledger_client, resends),
	[14] = RECORD_ARRAY(ledger_client, tls_version),
	[15] = RECORD_ARRAY(ledger_client, tls_cipher),
	[16] = RECORD_ARRAY(ledger_client, auth),
	[17] = RECORD_ARRAY(ledger_client, profile),
	[18] = RECORD_NUMBER(ledger_client, message_id),
	[19] = RECORD_NUMBER(ledger_client, message_unix_ms),
	[20] = RECORD_ARRAY(ledger_client, message_from),
	[21] = RECORD_ARRAY(ledger_client, message_listener),
	[22] = RECORD_ARRAY(ledger_client, account),
};

static const struct record_field helo_fields[] = {
	[1] = RECORD_ARRAY(ledger_helo, name),
	[2] = RECORD_NUMBER(ledger_helo, count),
	[3] = RECORD_NUMBER(ledger_helo, last_unix_ms),
};

static const struct record_field quirk_fields[] = {
	[1] = RECORD_NUMBER(ledger_quirk, number),
	[2] = RECORD_NUMBER(ledger_quirk, count),
	[3] = RECORD_NUMBER(ledger_quirk, last_unix_ms),
	[4] = RECORD_ARRAY(ledger_quirk, example),
};

static const struct record_layout client_layout = RECORD_LAYOUT(client_fields);
static const struct record_layout helo_layout = RECORD_LAYOUT(helo_fields);
static const struct record_layout quirk_layout = RECORD_LAYOUT(quirk_fields);

static uint64_t seed_of(const char *address)
{
	return XXH3_64bits(address, strlen(address));
}

/* ---- encode ---- */

bool ledger_encode(const struct ledger_client *client, struct bytes *out)
{
	size_t start = out->size;
	bool done = record_begin(out) && record_put_members(out, &client_layout, client);

	for (size_t i = 0; i < client->helo_count && done; i++)
		done = record_put_struct(out, FIELD_HELO, &helo_layout, &client->helos[i]);
	for (size_t i = 0; i < client->quirk_count && done; i++)
		done = record_put_struct(out, FIELD_QUIRK, &quirk_layout, &client->quirks[i]);
	if (!done) {
		out->size = start;
		return false;
	}
	record_seal(out->data + start, out->size - start, RECORD_VERSION, seed_of(client->address));
	return true;
}

/* ---- decode ---- */

static int take_quirk(struct ledger_client *client, struct record_span span)
{
	struct ledger_client change = {.quirk_count = 1};
	struct ledger_quirk quirk = {0};

	if (record_take_members(&quirk_layout, span, &quirk, NULL, NULL) < 0)
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
		else if (number == FIELD_HELO && client->helo_count < LEDGER_HELOS_MAX)
			rc = record_take_members(&helo_layout, value,
				&client->helos[client->helo_count++], NULL, NULL);
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
	if (rc == 0)
		rc = record_take_members(&client_layout, fields, client, NULL, NULL);
	if (rc < 0)
		ledger_client_close(&client);
	else
		*out = client;
	return rc;
}
