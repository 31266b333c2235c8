#include "smtp/bounce.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "queue/reader.h"
#include "queue/schedule.h"
#include "smtp/dsn.h"
#include "smtp/route.h"

bool bounce_is_due(const struct envelope *envelope)
{
	return !(envelope->flags & ENVELOPE_TO_POSTMASTER);
}

/* ---- who is told ---- */

struct addressee {
	const char *address;
	const struct config_upstream *upstream; /* NULL: not even postmaster has a route */
	const char *postmaster_because; /* NULL: it is the sender */
};

static struct addressee choose_addressee(const struct bounce *bounce)
{
	const struct envelope *envelope = bounce->envelope;
	struct addressee to = {.address = envelope->reverse_path};

	if (envelope->flags & ENVELOPE_BOUNCE)
		to.postmaster_because = "the message was itself a report of undelivered "
					"mail, and those are never answered with another.";
	else if (to.address[0] == '\0')
		to.postmaster_because = "the message names no sender who could be told.";
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

static int fill_recipient(
	const struct bounce *bounce, struct envelope *envelope, const struct addressee *to)
{
	struct recipient *recipient = &envelope->recipients[0];

	recipient->address = envelope_text(envelope, to->address);
	recipient->verdict = VERDICT_SKIPPED;
	recipient->state = RECIPIENT_WAITING;
	recipient->due_unix_ms = bounce->now_unix_ms;
	if (to->upstream != NULL) {
		recipient->upstream = to->upstream->number;
	} else {
		recipient->state = RECIPIENT_HELD;
		recipient->upstream = UPSTREAM_FIRST;
		recipient->reason = "no route for postmaster";
		recipient->held_unix_ms = bounce->now_unix_ms;
		recipient->due_unix_ms += (uint64_t)bounce->config->queue_lifetime_ms;
	}
	return recipient->address != NULL ? 0 : -ENOMEM;
}

static int fill_envelope(const struct bounce *bounce, uint64_t id, const struct addressee *to,
	struct envelope *envelope)
{
	envelope->id = envelope->body_id = id;
	envelope->flags = ENVELOPE_LOCAL | ENVELOPE_BOUNCE |
			  (to->postmaster_because != NULL ? ENVELOPE_TO_POSTMASTER : 0);
	envelope->received_unix_ms = bounce->now_unix_ms;
	envelope->lane = LANE_ALERT;
	envelope->reverse_path = "";
	envelope->client = "local";
	envelope->listener = "local";
	envelope->helo = envelope_text(envelope, bounce->config->hostname);
	envelope->bucket = schedule_bucket(NULL, envelope->client);
	if (envelope->helo == NULL)
		return -ENOMEM;
	return fill_recipient(bounce, envelope, to);
}

static int fill_text(struct message *message, const struct bytes *from)
{
	struct envelope *envelope = message->envelope;
	struct text text = {0};
	int rc = -ENOMEM;

	if (text_append(&text, from->data, from->size)) {
		envelope->size_bytes = text.size_bytes;
		envelope->checksum = text_checksum(&text);
		envelope->chunk_count = text.piece_count;
		message->pieces = text_take(&text, true);
		if (memmem(from->data, from->size, "\n.", 2) != NULL)
			envelope->flags |= ENVELOPE_HAS_DOTS;
		rc = 0;
	}
	text_fini(&text);
	return rc;
}

int bounce_write(const struct bounce *asked, uint64_t id, struct store_view *view, uint8_t *scratch,
	struct message **out)
{
	struct addressee to = choose_addressee(asked);
	struct bounce bounce = *asked;
	struct message *message = calloc(1, sizeof(*message));
	struct bytes headers = {0}, text = {0};
	int rc = -ENOMEM;

	*out = NULL;
	bounce.postmaster_because = to.postmaster_because;
	if (message != NULL)
		message->envelope = envelope_new(1);
	if (message == NULL || message->envelope == NULL)
		goto out;
	rc = read_headers(&bounce, view, scratch, &headers);
	if (rc < 0)
		goto out;
	rc = fill_envelope(&bounce, id, &to, message->envelope);
	if (rc == 0 && !bounce_format(&bounce, id, to.address, headers.data, headers.size, &text))
		rc = -ENOMEM;
	if (rc == 0)
		rc = fill_text(message, &text);
	if (rc == 0) {
		*out = message;
		message = NULL;
	}
out:
	message_close(&message);
	bytes_fini(&headers);
	bytes_fini(&text);
	return rc;
}
