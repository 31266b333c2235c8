#include "smtp/bounce.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "queue/reader.h"
#include "smtp/dsn.h"
#include "smtp/own_mail.h"
#include "smtp/route.h"

bool bounce_is_due(const struct envelope *envelope)
{
	return !(envelope->flags & ENVELOPE_TO_POSTMASTER);
}

/* ---- who is told ---- */

struct addressee {
	const char *address; /* of the envelope, of the grant, or of the configuration */
	const struct config_upstream *upstream; /* NULL: not even postmaster has a route */
	const char *postmaster_because; /* NULL: it is not postmaster */
	bool is_owner;
};

struct grant *bounce_read_grant(struct store_view *view, const struct envelope *envelope)
{
	struct registry_item item = {0};
	struct grant *grant = NULL;

	if (envelope->grant != NULL &&
		store_view_registered(view, REGISTRY_GRANT, envelope->grant, &item) == 0)
		(void)grant_decode(item.name, item.revision, item.record, item.size, &grant);
	registry_item_fini(&item);
	return grant;
}

static bool is_from_fragile(const struct config *config, const struct envelope *envelope)
{
	for (size_t i = 0; i < config->listener_count; i++)
		if (strcmp(config->listeners[i].name, envelope->listener) == 0)
			return config->listeners[i].profile == PROFILE_FRAGILE;
	return false;
}

/* The device's own: its mailbox, or a sender that the grant names one by one. */
static bool is_own_address(const struct grant *grant, const char *address)
{
	const char *pattern = grant_find_pattern(&grant->senders, address);

	return (pattern != NULL && strchr(pattern, '*') == NULL) ||
	       grant_pattern_match(grant->mailbox, address) != 0;
}

/* Bulk has somebody who reads what comes back. */
static bool is_of_device(const struct bounce *bounce, const struct grant *grant)
{
	const struct envelope *envelope = bounce->envelope;

	return grant != NULL && envelope->lane != LANE_BULK &&
	       (grant->device[0] != '\0' || is_from_fragile(bounce->config, envelope)) &&
	       is_own_address(grant, envelope->reverse_path);
}

static void choose_owner(
	const struct bounce *bounce, const struct grant *grant, struct addressee *to)
{
	to->address = grant->owner;
	if (grant->owner[0] == '\0')
		to->postmaster_because = "the sender is a device, and its grant has no owner.";
	else if (is_own_address(grant, grant->owner))
		to->postmaster_because =
			"the sender is a device, and its grant names it as its own "
			"owner.";
	else
		to->upstream = route_find(bounce->config, grant->owner);
	to->is_owner = to->upstream != NULL;
	if (to->upstream == NULL && to->postmaster_because == NULL)
		to->postmaster_because = "the sender is a device, and no route leads to its owner.";
}

/* `grant`: the message's, or NULL. */
static struct addressee choose_addressee(const struct bounce *bounce, const struct grant *grant)
{
	const struct envelope *envelope = bounce->envelope;
	struct addressee to = {.address = envelope->reverse_path};

	if (envelope->flags & ENVELOPE_BOUNCE)
		to.postmaster_because = "the message was itself a report of undelivered "
					"mail, and those are never answered with another.";
	else if (to.address[0] == '\0')
		to.postmaster_because = "the message names no sender who could be told.";
	else if (is_of_device(bounce, grant))
		choose_owner(bounce, grant, &to);
	else
		to.upstream = route_find(bounce->config, to.address);
	if (to.upstream != NULL)
		return to;
	if (to.postmaster_because == NULL)
		to.postmaster_because = "no route leads to the sender.";
	to.address = bounce->config->postmaster;
	to.upstream = route_find(bounce->config, to.address);
	return to;
}

/* ---- the original headers ---- */

/* Where the headers end: behind the CRLF of their last line. SIZE_MAX: not yet. */
static size_t find_headers_end(const uint8_t *text, size_t size, size_t from)
{
	if (from == 0 && size >= 2 && memcmp(text, "\r\n", 2) == 0)
		return 0;
	for (size_t at = from; at + 4 <= size; at++)
		if (memcmp(text + at, "\r\n\r\n", 4) == 0)
			return at + 2;
	return SIZE_MAX;
}

/* Cuts behind the last whole line within the limit. */
static size_t cut_at_line(const uint8_t *text, size_t size)
{
	while (size > 0 && text[size - 1] != '\n')
		size--;
	return size;
}

static int read_headers(const struct bounce *bounce, struct store_view *view, uint8_t *scratch,
	struct bytes *headers)
{
	struct reader reader;
	size_t end = SIZE_MAX;
	ssize_t size = 1;

	/* A header of UTF-8 is shown encoded, where it can be: the report is ASCII. */
	reader_init(&reader, view, bounce->envelope,
		bounce->envelope->flags & ENVELOPE_SMTPUTF8 ? READ_SEVENBIT : READ_EIGHTBIT);
	while (end == SIZE_MAX && headers->size < BOUNCE_HEADERS_MAX) {
		size_t seen = headers->size > 3 ? headers->size - 3 : 0;

		size = reader_next(&reader, scratch);
		if (size <= 0)
			break;
		if (!bytes_append(headers, scratch, (size_t)size)) {
			size = -ENOMEM;
			break;
		}
		end = find_headers_end(headers->data, headers->size, seen);
	}
	reader_fini(&reader);
	if (size < 0)
		return (int)size;
	if (end == SIZE_MAX || end > BOUNCE_HEADERS_MAX)
		end = cut_at_line(headers->data,
			headers->size < BOUNCE_HEADERS_MAX ? headers->size : BOUNCE_HEADERS_MAX);
	headers->size = end;
	return 0;
}

/* ---- the message ---- */

bool bounce_format(const struct bounce *bounce, uint64_t id, const char *to, const void *headers,
	size_t headers_size, struct bytes *out)
{
	char boundary[ID_TEXT_SIZE + 16] = "sluice-";

	id_format(id, boundary + strlen(boundary));
	return dsn_append_header(bounce, id, to, boundary, out) &&
	       dsn_append_explanation(bounce, boundary, out) &&
	       dsn_append_status(bounce, boundary, out) &&
	       dsn_append_headers(headers, headers_size, boundary, out);
}

int bounce_write(const struct bounce *asked, uint64_t id, struct store_view *view, uint8_t *scratch,
	struct message **out)
{
	struct grant *grant = bounce_read_grant(view, asked->envelope);
	struct addressee to = choose_addressee(asked, grant);
	struct bounce bounce = *asked;
	struct bytes headers = {0}, text = {0};
	int rc;

	*out = NULL;
	bounce.postmaster_because = to.postmaster_because;
	bounce.owner_of = to.is_owner ? grant->name : NULL;
	rc = read_headers(&bounce, view, scratch, &headers);
	if (rc == 0 && !bounce_format(&bounce, id, to.address, headers.data, headers.size, &text))
		rc = -ENOMEM;
	if (rc == 0)
		rc = own_mail_make(bounce.config, id,
			ENVELOPE_BOUNCE |
				(to.postmaster_because != NULL ? ENVELOPE_TO_POSTMASTER : 0),
			to.address, bounce.now_unix_ms, &text, out);
	grant_close(&grant);
	bytes_fini(&headers);
	bytes_fini(&text);
	return rc;
}
