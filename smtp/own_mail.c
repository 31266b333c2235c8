#include "smtp/own_mail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/utf8.h"
#include "queue/id.h"
#include "queue/schedule.h"
#include "queue/store.h"
#include "smtp/path.h"
#include "smtp/response.h"
#include "smtp/route.h"

#define ADDRESS_TEXT 900
#define SUBJECT_SIZE 500
#define SOFT_COLUMNS 75 /* quoted-printable: 76 with the "=" */

/* ---- text ---- */

bool own_mail_append_to(const char *to, struct bytes *out)
{
	char address[ADDRESS_TEXT];

	if (path_has_eightbit(to, strlen(to)) && utf8_is_valid(to, strlen(to)))
		return bytes_append_text(out, "To: undisclosed-recipients:;\r\n");
	return bytes_printf(out, "To: <%s>\r\n", response_clean(address, sizeof(address), to));
}

bool own_mail_append_quoted(struct bytes *out, const uint8_t *text, size_t size)
{
	size_t column = 0;

	for (size_t i = 0; i < size; i++) {
		uint8_t byte = text[i];
		bool at_end = i + 2 < size && text[i + 1] == '\r' && text[i + 2] == '\n';
		bool literal =
			byte >= ' ' && byte <= '~' && byte != '=' && !(byte == ' ' && at_end);

		if (byte == '\r' && i + 1 < size && text[i + 1] == '\n') {
			if (!bytes_append(out, "\r\n", 2))
				return false;
			column = 0;
			i++;
			continue;
		}
		if (column + (literal ? 1 : 3) > SOFT_COLUMNS) {
			if (!bytes_append(out, "=\r\n", 3))
				return false;
			column = 0;
		}
		if (literal ? !bytes_append(out, &byte, 1) : !bytes_printf(out, "=%02X", byte))
			return false;
		column += literal ? 1 : 3;
	}
	return true;
}

static bool append_crlf(struct bytes *out, const char *text)
{
	while (*text != '\0') {
		size_t size = strcspn(text, "\n");

		if (!bytes_append(out, text, size) || !bytes_append(out, "\r\n", 2))
			return false;
		text += size + (text[size] == '\n');
	}
	return true;
}

static bool append_text(struct bytes *out, const char *text)
{
	bool is_ascii = !path_has_eightbit(text, strlen(text));
	struct bytes whole = {0};
	bool good =
		append_crlf(&whole, text) &&
		bytes_printf(out,
			"MIME-Version: 1.0\r\n"
			"Content-Type: text/plain; charset=%s\r\n"
			"Content-Transfer-Encoding: %s\r\n"
			"\r\n",
			is_ascii ? "us-ascii" : "utf-8", is_ascii ? "7bit" : "quoted-printable") &&
		(is_ascii ? bytes_append(out, whole.data, whole.size)
			  : own_mail_append_quoted(out, whole.data, whole.size));

	bytes_fini(&whole);
	return good;
}

/* ---- envelope ---- */

static int fill_recipient(const struct config *config, const char *to, uint64_t now_unix_ms,
	struct envelope *envelope)
{
	const struct config_upstream *upstream = route_find(config, to);
	struct recipient *recipient = &envelope->recipients[0];

	recipient->address = envelope_text(envelope, to);
	recipient->verdict = VERDICT_SKIPPED;
	recipient->state = RECIPIENT_WAITING;
	recipient->due_unix_ms = now_unix_ms;
	if (upstream != NULL) {
		recipient->upstream = upstream->number;
	} else {
		recipient->state = RECIPIENT_HELD;
		recipient->upstream = UPSTREAM_FIRST;
		recipient->reason = "no route for postmaster";
		recipient->held_unix_ms = now_unix_ms;
		recipient->due_unix_ms += (uint64_t)config->queue_lifetime_ms;
	}
	return recipient->address != NULL ? 0 : -ENOMEM;
}

static int fill_envelope(const struct config *config, uint64_t id, uint32_t flags, const char *to,
	uint64_t now_unix_ms, struct envelope *envelope)
{
	envelope->id = envelope->body_id = id;
	envelope->flags = ENVELOPE_LOCAL | flags;
	envelope->received_unix_ms = now_unix_ms;
	envelope->lane = LANE_ALERT;
	envelope->reverse_path = "";
	envelope->client = "local";
	envelope->listener = "local";
	envelope->helo = envelope_text(envelope, config->hostname);
	envelope->bucket = schedule_bucket(NULL, envelope->client);
	if (envelope->helo == NULL)
		return -ENOMEM;
	return fill_recipient(config, to, now_unix_ms, envelope);
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

int own_mail_make(const struct config *config, uint64_t id, uint32_t flags, const char *to,
	uint64_t now_unix_ms, const struct bytes *text, struct message **out)
{
	struct message *message = calloc(1, sizeof(*message));
	int rc = -ENOMEM;

	*out = NULL;
	if (message != NULL)
		message->envelope = envelope_new(1);
	if (message != NULL && message->envelope != NULL)
		rc = fill_envelope(config, id, flags, to, now_unix_ms, message->envelope);
	if (rc == 0)
		rc = fill_text(message, text);
	if (rc < 0)
		message_close(&message);
	*out = message;
	return rc;
}

int own_mail_write(const struct own_mail *mail, uint64_t id, struct message **out)
{
	const struct config *config = mail->config;
	const char *to = mail->to;
	bool is_lost = to[0] != '\0' && route_find(config, to) == NULL;
	char date[CLOCK_RFC5322_SIZE], name[ID_TEXT_SIZE], lost[ADDRESS_TEXT];
	char subject[SUBJECT_SIZE];
	struct bytes text = {0}, body = {0};
	int rc = -ENOMEM;

	if (is_lost || to[0] == '\0')
		to = config->postmaster;
	*out = NULL;
	if ((!is_lost || bytes_printf(&body,
				 "(This was to go to %s, but no route of the relay leads there.)\n"
				 "\n",
				 response_clean(lost, sizeof(lost), mail->to))) &&
		bytes_printf(&body, "%s", mail->text) && bytes_append(&body, "", 1) &&
		bytes_printf(&text,
			"Date: %s\r\n"
			"From: Postmaster <%s>\r\n",
			clock_format_rfc5322(mail->now_unix_ms, date), config->postmaster) &&
		own_mail_append_to(to, &text) &&
		bytes_printf(&text,
			"Subject: %s\r\n"
			"Message-ID: <%s.notice@%s>\r\n"
			"Auto-Submitted: auto-generated\r\n",
			response_clean(subject, sizeof(subject), mail->subject),
			id_format(id, name), config->hostname) &&
		append_text(&text, (char *)body.data))
		rc = own_mail_make(config, id,
			to == config->postmaster ? ENVELOPE_TO_POSTMASTER : 0, to,
			mail->now_unix_ms, &text, out);
	bytes_fini(&text);
	bytes_fini(&body);
	return rc;
}
