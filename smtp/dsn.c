#include "smtp/dsn.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/utf8.h"
#include "smtp/own_mail.h"
#include "smtp/path.h"
#include "smtp/response.h"

#define ADDRESS_TEXT 900 /* a path of 256 bytes, each two of them as \x{7FF} */
#define LINE_COLUMNS 72
#define EXPIRED      "4.4.7"
#define UNDEFINED    "5.0.0"

static const char *status_of(const struct bounce *bounce, const struct bounce_recipient *recipient)
{
	if (bounce->expired)
		return EXPIRED;
	return recipient->status != NULL && recipient->status[0] == '5' ? recipient->status
									: UNDEFINED;
}

static bool has_text(const char *text)
{
	return text != NULL && text[0] != '\0';
}

/* What an SMTP server said begins with its code; what does not is our own word. */
static bool is_reply(const char *text)
{
	return strspn(text, "0123456789") == 3 && (text[3] == ' ' || text[3] == '\0');
}

/* RFC 6531, and not only bytes over 127. */
static bool is_international(const char *address)
{
	return path_has_eightbit(address, strlen(address)) &&
	       utf8_is_valid(address, strlen(address));
}

/* utf-8-addr-xtext (RFC 6533 3): what is not ASCII, and what the form itself needs, as \x{HEX}. */
static char *write_xtext(const char *address, char *out)
{
	size_t size = strlen(address), at = 0;
	char *end = out;
	uint32_t code;

	while (at < size && end - out < ADDRESS_TEXT - 16) {
		at += utf8_next(address + at, size - at, &code);
		if (code > ' ' && code <= '~' && strchr("\\+=", (int)code) == NULL)
			*end++ = (char)code;
		else
			end += sprintf(end, "\\x{%" PRIX32 "}", code);
	}
	*end = '\0';
	return out;
}

/* A sender's or recipient's address; it is bytes as the client sent them. */
static const char *clean_address(const char *address, char *out)
{
	return is_international(address) ? write_xtext(address, out)
					 : response_clean(out, ADDRESS_TEXT, address);
}

bool dsn_append_header(const struct bounce *bounce, uint64_t id, const char *to,
	const char *boundary, struct bytes *out)
{
	char date[CLOCK_RFC5322_SIZE], name[ID_TEXT_SIZE];
	const char *hostname = bounce->config->hostname;

	return bytes_printf(out,
		       "Date: %s\r\n"
		       "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n",
		       clock_format_rfc5322(bounce->now_unix_ms, date), hostname) &&
	       own_mail_append_to(to, out) &&
	       bytes_printf(out,
		       "Subject: %s\r\n"
		       "Message-ID: <%s.bounce@%s>\r\n"
		       "Auto-Submitted: auto-replied\r\n"
		       "MIME-Version: 1.0\r\n"
		       "Content-Type: multipart/report; report-type=delivery-status;\r\n"
		       "\tboundary=\"%s\"\r\n"
		       "\r\n"
		       "This is a report in MIME format.\r\n",
		       bounce->postmaster_because != NULL
			       ? "Undelivered mail, and nobody to return it to"
			       : "Undelivered mail returned to sender",
		       id_format(id, name), hostname, boundary);
}

/* ---- for people ---- */

/* What a sender can do about it, by the start of the status; the first that fits. */
static const struct advice {
	const char *status;
	const char *text;
} advices[] = {
	{"4.4.7",
		"The receiving mail system could not be reached, or did not take the message, for "
		"the whole time that this relay keeps trying. Send it again later, or ask the "
		"receiver's mail administrators."},
	{"5.1.", "Check the address for a typing error and send the message again. If it is right, "
		 "ask the receiver by another way whether it still exists."},
	{"5.2.2", "The receiver's mailbox is full. Tell the receiver by another way, and send the "
		  "message again later."},
	{"5.2.3",
		"The message is too large for the receiver. Send a smaller one, or a link to what "
		"it holds."},
	{"5.3.4",
		"The message is too large for the receiving mail system. Send a smaller one, or a "
		"link to what it holds."},
	{"5.6.7", "Only addresses in plain ASCII reach this receiver. Use one, if the receiver or "
		  "you "
		  "have it beside the other."},
	{"5.6.", "The receiving mail system does not take a message of this form. Ask its mail "
		 "administrators, and quote the reason."},
	{"5.7.", "The receiving mail system's rules forbid it. Ask its mail administrators, and "
		 "quote what it said."},
	{"", "Read what the receiving mail system said. If that does not help, ask its mail "
	     "administrators, and quote it."},
};

static const char *advise(const char *status)
{
	const struct advice *advice = advices;

	while (strncmp(status, advice->status, strlen(advice->status)) != 0)
		advice++;
	return advice->text;
}

/* Words in lines of LINE_COLUMNS, each behind `indent`. A word that is longer stands alone. */
static bool append_wrapped(struct bytes *out, const char *indent, const char *text)
{
	size_t column = 0;

	while (*text != '\0') {
		size_t word = strcspn(text, " ");
		bool starts = column == 0;

		if (!starts && column + 1 + word > LINE_COLUMNS) {
			if (!bytes_append_text(out, "\r\n"))
				return false;
			column = 0;
			starts = true;
		}
		if (!bytes_append_text(out, starts ? indent : " ") ||
			!bytes_append(out, text, word))
			return false;
		column += word + (starts ? strlen(indent) : 1);
		text += word;
		text += strspn(text, " ");
	}
	return bytes_append_text(out, "\r\n");
}

/* Why somebody who never sent it hears of it. */
static bool append_why_told(const struct bounce *bounce, struct bytes *out)
{
	if (bounce->owner_of != NULL)
		return bytes_printf(out,
			"\r\nThe sender is a device. This report goes to you as the owner of "
			"its\r\n"
			"relay grant, %s.\r\n",
			bounce->owner_of);
	return bounce->postmaster_because == NULL ||
	       (bytes_append_text(
			out, "\r\nThis report goes to postmaster and not to a sender:\r\n") &&
		       append_wrapped(out, "", bounce->postmaster_because));
}

static bool append_intro(const struct bounce *bounce, struct bytes *out)
{
	char date[CLOCK_RFC5322_SIZE], from[ADDRESS_TEXT];
	const char *sender = bounce->envelope->reverse_path;

	return bytes_printf(out,
		       "This is the mail relay %s.\r\n"
		       "\r\n"
		       "It accepted a message from <%s>\r\n"
		       "on %s, and could not deliver it.\r\n",
		       bounce->config->hostname, clean_address(sender, from),
		       clock_format_rfc5322(bounce->envelope->received_unix_ms, date)) &&
	       (bounce->recipient_count < bounce->envelope->recipient_count
			       ? bytes_append_text(out,
					 "This report is only about the receivers named below.\r\n")
			       : true) &&
	       append_why_told(bounce, out);
}

static bool append_failure(
	const struct bounce *bounce, const struct bounce_recipient *recipient, struct bytes *out)
{
	char address[ADDRESS_TEXT];
	const char *status = status_of(bounce, recipient);
	bool good = bytes_printf(
		out, "\r\nNot delivered to <%s>:\r\n", clean_address(recipient->address, address));

	if (good && bounce->expired)
		good = append_wrapped(out, "  ", "The delivery time expired.");
	if (good && has_text(recipient->reply))
		good = append_wrapped(out, "  ",
			       bounce->expired              ? "What was said last:"
			       : is_reply(recipient->reply) ? "The receiving mail system said:"
							    : "The reason:") &&
		       append_wrapped(out, "    ", recipient->reply);
	return good && bytes_append_text(out, "\r\n") && append_wrapped(out, "  ", advise(status));
}

bool dsn_append_explanation(const struct bounce *bounce, const char *boundary, struct bytes *out)
{
	bool good = bytes_printf(out,
			    "\r\n--%s\r\n"
			    "Content-Type: text/plain; charset=us-ascii\r\n"
			    "Content-Description: Notification\r\n"
			    "\r\n",
			    boundary) &&
		    append_intro(bounce, out);

	for (size_t i = 0; good && i < bounce->recipient_count; i++)
		good = append_failure(bounce, &bounce->recipients[i], out);
	return good;
}

/* ---- for programs ---- */

static bool append_remote(const struct bounce *bounce, struct bytes *out)
{
	const char *host = bounce->host, *colon;

	if (host == NULL)
		return true;
	colon = strrchr(host, ':');
	return bytes_printf(out, "Remote-MTA: dns; %.*s\r\n",
		(int)(colon != NULL ? (size_t)(colon - host) : strlen(host)), host);
}

/* Only what an SMTP server said is of type smtp (RFC 3464 2.3.6). */
static bool append_diagnostic(const char *reply, struct bytes *out)
{
	return !has_text(reply) || bytes_printf(out, "Diagnostic-Code: %s; %s\r\n",
					   is_reply(reply) ? "smtp" : "X-Sluice", reply);
}

static bool append_recipient(
	const struct bounce *bounce, const struct bounce_recipient *recipient, struct bytes *out)
{
	char date[CLOCK_RFC5322_SIZE], address[ADDRESS_TEXT];

	return bytes_printf(out,
		       "\r\n"
		       "Final-Recipient: %s; %s\r\n"
		       "Action: failed\r\n"
		       "Status: %s\r\n",
		       is_international(recipient->address) ? "utf-8" : "rfc822",
		       clean_address(recipient->address, address), status_of(bounce, recipient)) &&
	       append_remote(bounce, out) && append_diagnostic(recipient->reply, out) &&
	       (bounce->expired || /* the end of a lifetime is no attempt */
		       bytes_printf(out, "Last-Attempt-Date: %s\r\n",
			       clock_format_rfc5322(bounce->now_unix_ms, date)));
}

bool dsn_append_status(const struct bounce *bounce, const char *boundary, struct bytes *out)
{
	char date[CLOCK_RFC5322_SIZE], name[ID_TEXT_SIZE];
	bool good = bytes_printf(out,
		"\r\n--%s\r\n"
		"Content-Type: message/delivery-status\r\n"
		"Content-Description: Delivery report\r\n"
		"\r\n"
		"Reporting-MTA: dns; %s\r\n"
		"X-Sluice-Queue-Id: %s\r\n"
		"Arrival-Date: %s\r\n",
		boundary, bounce->config->hostname, id_format(bounce->envelope->id, name),
		clock_format_rfc5322(bounce->envelope->received_unix_ms, date));

	for (size_t i = 0; good && i < bounce->recipient_count; i++)
		good = append_recipient(bounce, &bounce->recipients[i], out);
	return good;
}

/* ---- the original headers ---- */

/* Whether they can stand as they are: printable ASCII, lines that SMTP takes. */
static bool is_plain(const uint8_t *text, size_t size)
{
	size_t column = 0;

	for (size_t i = 0; i < size; i++) {
		column = text[i] == '\n' ? 0 : column + 1;
		if (column > 990 || text[i] > '~' ||
			(text[i] < ' ' && text[i] != '\t' && text[i] != '\r' && text[i] != '\n'))
			return false;
	}
	return true;
}

bool dsn_append_headers(const void *headers, size_t size, const char *boundary, struct bytes *out)
{
	bool plain = is_plain(headers, size);
	bool global = !plain && path_has_eightbit(headers, size) && utf8_is_valid(headers, size);

	return bytes_printf(out,
		       "\r\n--%s\r\n"
		       "Content-Type: %s\r\n"
		       "Content-Description: Undelivered message headers\r\n"
		       "%s"
		       "\r\n",
		       boundary, global ? "message/global-headers" : "text/rfc822-headers",
		       plain ? "" : "Content-Transfer-Encoding: quoted-printable\r\n") &&
	       (size == 0 || (plain ? bytes_append(out, headers, size)
				    : own_mail_append_quoted(out, headers, size))) &&
	       bytes_printf(out, "\r\n--%s--\r\n", boundary);
}
