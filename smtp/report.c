#include "smtp/report.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "queue/id.h"
#include "queue/schedule.h"
#include "smtp/route.h"

static void make_ascii(uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((bytes[i] < ' ' || bytes[i] > '~') && bytes[i] != '\r' && bytes[i] != '\n')
			bytes[i] = '?';
}

static bool append_text(const struct report *report, struct bytes *out)
{
	const char *hostname = report->config->hostname;
	char date[CLOCK_RFC5322_SIZE], id[ID_TEXT_SIZE];
	bool good = bytes_printf(out,
		"From: Mail relay %s <postmaster@%s>\r\n"
		"To: <%s>\r\n"
		"Subject: %s\r\n"
		"Date: %s\r\n"
		"Message-ID: <%s@%s>\r\n"
		"Auto-Submitted: auto-generated\r\n"
		"MIME-Version: 1.0\r\n"
		"Content-Type: text/plain; charset=us-ascii\r\n"
		"\r\n"
		"This is the mail relay %s.\r\n"
		"\r\n"
		"%s",
		hostname, hostname, report->config->postmaster, report->subject,
		clock_format_rfc5322(report->now_unix_ms, date), id_format(report->id, id),
		hostname, hostname, report->body);

	if (good)
		make_ascii(out->data, out->size);
	return good;
}

static bool fill_recipient(const struct report *report, struct envelope *envelope)
{
	const struct config_upstream *upstream =
		route_find(report->config, report->config->postmaster);
	struct recipient *recipient = &envelope->recipients[0];

	recipient->address = envelope_text(envelope, report->config->postmaster);
	recipient->verdict = VERDICT_SKIPPED;
	recipient->state = RECIPIENT_WAITING;
	recipient->due_unix_ms = report->now_unix_ms;
	recipient->upstream = UPSTREAM_FIRST;
	if (upstream != NULL) {
		recipient->upstream = upstream->number;
	} else {
		recipient->state = RECIPIENT_HELD;
		recipient->reason = "no route for postmaster";
		recipient->held_unix_ms = report->now_unix_ms;
		recipient->due_unix_ms += (uint64_t)report->config->queue_lifetime_ms;
	}
	return recipient->address != NULL;
}

static bool fill_envelope(const struct report *report, struct envelope *envelope)
{
	envelope->id = envelope->body_id = report->id;
	envelope->flags = ENVELOPE_LOCAL | ENVELOPE_TO_POSTMASTER;
	envelope->received_unix_ms = report->now_unix_ms;
	envelope->lane = LANE_ALERT;
	envelope->reverse_path = "";
	envelope->client = "local";
	envelope->listener = "local";
	envelope->helo = envelope_text(envelope, report->config->hostname);
	envelope->bucket = schedule_bucket(NULL, envelope->client);
	return envelope->helo != NULL && fill_recipient(report, envelope);
}

static bool fill_message(const struct report *report, struct message *message)
{
	struct bytes bytes = {0};
	struct text text = {0};
	bool good = fill_envelope(report, message->envelope) && append_text(report, &bytes) &&
		    text_append(&text, bytes.data, bytes.size);

	if (good) {
		message->envelope->size_bytes = text.size_bytes;
		message->envelope->checksum = text_checksum(&text);
		message->envelope->chunk_count = text.piece_count;
		if (memmem(bytes.data, bytes.size, "\n.", 2) != NULL)
			message->envelope->flags |= ENVELOPE_HAS_DOTS;
		message->pieces = text_take(&text, true);
	}
	bytes_fini(&bytes);
	text_fini(&text);
	return good;
}

struct message *report_write(const struct report *report)
{
	struct message *message = calloc(1, sizeof(*message));

	if (message == NULL)
		return NULL;
	message->envelope = envelope_new(1);
	if (message->envelope == NULL || !fill_message(report, message))
		message_close(&message);
	return message;
}
