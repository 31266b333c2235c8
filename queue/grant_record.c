/*
 * The record of a grant (record.h), seeded with its name. A text of a list is a field of its own. The table below says which
 * field is which member.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "queue/grant.h"
#include "queue/record.h"

#define RECORD_VERSION 1

static const struct record_field grant_fields[] = {
	[1] = RECORD_NUMBER(grant, state),
	[2] = RECORD_TEXT(grant, owner),
	[3] = RECORD_TEXT(grant, contact),
	[4] = RECORD_TEXT(grant, purpose),
	[5] = RECORD_TEXT(grant, device),
	[6] = RECORD_NUMBER(grant, spoof),
	[7] = RECORD_TEXT(grant, mailbox),
	[8] = RECORD_FLAG(grant, replaces_null),
	[9] = RECORD_FLAG(grant, takes_any_auth),
	[10] = RECORD_FLAG(grant, auth_in_clear),
	[11] = RECORD_NUMBER(grant, reach),
	[12] = RECORD_NUMBER(grant, lane),
	[13] = RECORD_NUMBER(grant, messages_per_hour),
	[14] = RECORD_NUMBER(grant, recipients_per_hour),
	[15] = RECORD_NUMBER(grant, messages_per_day),
	[16] = RECORD_TEXT(grant, created_by),
	[17] = RECORD_TEXT(grant, approved_by),
	[18] = RECORD_NUMBER(grant, created_unix_ms),
	[19] = RECORD_NUMBER(grant, approved_unix_ms),
	[20] = RECORD_NUMBER(grant, expires_unix_ms),
	[21] = RECORD_TEXT(grant, reason),
	[22] = RECORD_NUMBER(grant, state_unix_ms),
	[23] = RECORD_NUMBER(grant, told),
	[30] = RECORD_FLAG(grant, purges),
};
static const struct record_layout grant_layout = RECORD_LAYOUT(grant_fields);

/* Lists: each text a field. */
static const struct {
	unsigned number;
	size_t offset;
} lists[] = {
	{40, offsetof(struct grant, networks)},
	{41, offsetof(struct grant, accounts)},
	{42, offsetof(struct grant, certificates)},
	{43, offsetof(struct grant, senders)},
	{44, offsetof(struct grant, header_froms)},
};
#define LIST_COUNT (sizeof(lists) / sizeof(lists[0]))

static struct grant_texts *list_of(const struct grant *grant, size_t which)
{
	return (struct grant_texts *)(void *)((char *)grant + lists[which].offset);
}

static uint64_t seed_of(const char *name)
{
	return XXH3_64bits(name, strlen(name));
}

bool grant_encode(const struct grant *grant, struct bytes *out)
{
	size_t start = out->size;
	bool done = record_begin(out) && record_put_members(out, &grant_layout, grant);

	for (size_t i = 0; i < LIST_COUNT; i++) {
		const struct grant_texts *texts = list_of(grant, i);

		for (size_t at = 0; at < texts->count && done; at++)
			done = record_put_bytes(
				out, lists[i].number, texts->items[at], strlen(texts->items[at]));
	}
	if (!done) {
		out->size = start;
		return false;
	}
	record_seal(out->data + start, out->size - start, RECORD_VERSION, seed_of(grant->name));
	return true;
}

static int put_text(void *owner, void *member, const void *bytes, size_t size)
{
	char *text = strndup(bytes, size);
	bool done = text != NULL && grant_set_text(member, text);

	(void)owner;
	free(text);
	return done ? 0 : -ENOMEM;
}

static int take_texts(struct grant *grant, unsigned number, struct record_span value)
{
	char *text;
	bool done;

	for (size_t i = 0; i < LIST_COUNT; i++) {
		if (lists[i].number != number)
			continue;
		if (list_of(grant, i)->count >= GRANT_TEXTS_MAX)
			return -EBADMSG;
		text = strndup((const char *)value.at, record_span_size(value));
		done = text != NULL && grant_add_text(list_of(grant, i), text);
		free(text);
		return done ? 0 : -ENOMEM;
	}
	return 0;
}

static int take_fields(struct grant *grant, struct record_span span)
{
	struct record_span value;
	unsigned number;
	int found, rc = 0;

	while (rc == 0 && (found = record_next(&span, &number, &value)) != 0) {
		if (found < 0)
			return -EBADMSG;
		rc = record_take_member(&grant_layout, number, value, grant, put_text, NULL);
		if (rc == 0)
			rc = take_texts(grant, number, value);
	}
	return rc;
}

/* The checksum tells damage; this tells a record that no code of ours can have meant. */
static bool is_sound(const struct grant *grant)
{
	return grant->state >= GRANT_REQUESTED && grant->state <= GRANT_REVOKED &&
	       (unsigned)grant->spoof <= GRANT_REWRITE &&
	       (unsigned)grant->reach <= GRANT_INTERNAL && (unsigned)grant->lane < LANE_COUNT;
}

int grant_decode(
	const char *name, uint32_t revision, const void *record, size_t size, struct grant **out)
{
	struct record_span fields;
	struct grant *grant;
	int rc;

	if (strlen(name) >= GRANT_NAME_SIZE ||
		!record_open(record, size, RECORD_VERSION, seed_of(name), &fields))
		return -EBADMSG;
	grant = grant_new(name);
	if (grant == NULL)
		return -ENOMEM;
	grant->revision = revision;
	grant->state = 0;
	grant->lane = 0;
	rc = take_fields(grant, fields);
	if (rc == 0 && !is_sound(grant))
		rc = -EBADMSG;
	if (rc < 0)
		grant_close(&grant);
	else
		*out = grant;
	return rc;
}
