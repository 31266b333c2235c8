#include "smtp/grant_mail.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/config_unit.h"
#include "smtp/own_mail.h"

#define TEXTS_SHOWN  5
#define SUBJECT_SIZE 192

const char *grant_mail_day(uint64_t unix_ms, char out[GRANT_DAY_SIZE])
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(out, GRANT_DAY_SIZE, "%Y-%m-%d %H:%M UTC", &tm);
	return out;
}

/* ---- a grant ---- */

static bool append_texts(
	const struct grant_texts *texts, const char *what, bool *is_first, struct bytes *out)
{
	bool good = true;

	for (size_t i = 0; good && i < texts->count && i < TEXTS_SHOWN; i++) {
		good = bytes_printf(out, "%s%s%s", *is_first ? "" : ", ", what, texts->items[i]);
		*is_first = false;
	}
	if (good && texts->count > TEXTS_SHOWN)
		good = bytes_printf(out, " and %zu more", texts->count - TEXTS_SHOWN);
	return good;
}

bool grant_mail_append_system(const struct grant *grant, struct bytes *out)
{
	bool is_first = true;

	return append_texts(&grant->networks, "", &is_first, out) &&
	       append_texts(&grant->accounts, "account ", &is_first, out) &&
	       append_texts(&grant->certificates, "certificate ", &is_first, out);
}

static bool append_row(struct bytes *out, const char *title, const char *text)
{
	return text[0] == '\0' || bytes_printf(out, "  %-10s %s\n", title, text);
}

static bool append_usage(const struct grant_usage *usage, struct bytes *out)
{
	char day[GRANT_DAY_SIZE];

	if (!usage->is_known)
		return true;
	if (usage->last_unix_ms == 0)
		return append_row(out, "Used:", "never");
	return bytes_printf(out,
		       "  %-10s %" PRIu64 " messages to %" PRIu64 " recipients, about %" PRIu64
		       " messages a day\n",
		       "Used:", usage->messages, usage->recipients, usage->messages_per_day) &&
	       append_row(out, "Last used:", grant_mail_day(usage->last_unix_ms, day));
}

static bool append_grant(
	const struct grant *grant, const struct grant_usage *usage, struct bytes *out)
{
	char day[GRANT_DAY_SIZE];

	return append_row(out, "Grant:", grant->name) &&
	       append_row(out, grant->state == GRANT_REVOKED ? "Revoked:" : "Ends:",
		       grant_mail_day(grant->state == GRANT_REVOKED ? grant->state_unix_ms
								    : grant->expires_unix_ms,
			       day)) &&
	       append_row(out, "Reason:", grant->reason) &&
	       bytes_printf(out, "  %-10s ", "System:") && grant_mail_append_system(grant, out) &&
	       bytes_append_text(out, "\n") && append_row(out, "Device:", grant->device) &&
	       append_row(out, "Purpose:", grant->purpose) &&
	       append_row(out, "Owner:", grant->owner[0] != '\0' ? grant->owner : "unknown") &&
	       append_row(out, "Contact:", grant->contact) &&
	       (usage == NULL || append_usage(usage, out));
}

/* ---- what is told ---- */

static const struct {
	unsigned notice;
	const char *one, *many; /* of the subject: "Relay grant NAME …", "N relay grants …" */
} subjects[] = {
	{GRANT_TOLD_30_DAYS, "ends within 30 days", "end within 30 days"},
	{GRANT_TOLD_7_DAYS, "ends within 7 days", "end within 7 days"},
	{GRANT_TOLD_1_DAY, "ends within a day", "end within a day"},
	{GRANT_TOLD_LAPSED, "has ended", "have ended"},
	{GRANT_TOLD_ENDED, "has ended: mail is refused", "have ended: mail is refused"},
	{GRANT_TOLD_REVOKED, "was revoked", "were revoked"},
};

static void write_subject(const struct grant_case *cases, size_t count, char subject[SUBJECT_SIZE])
{
	size_t which = 0;

	while (subjects[which].notice != cases[0].notice)
		which++;
	if (count == 1)
		snprintf(subject, SUBJECT_SIZE, "Relay grant %s %s", cases[0].grant->name,
			subjects[which].one);
	else
		snprintf(subject, SUBJECT_SIZE, "%zu relay grants %s", count, subjects[which].many);
}

static bool append_intro(const struct config *config, const struct grant *grant, struct bytes *out)
{
	return bytes_printf(out,
		       "This is the mail relay %s.\n"
		       "\n"
		       "A relay grant is the permission of a system (a printer, a server, an\n"
		       "application) to send mail through this relay. ",
		       config->hostname) &&
	       bytes_append_text(out,
		       grant->owner[0] != '\0'
			       ? "You are named as the owner\nof what is listed below.\n"
			       : "For what is listed below\nno owner is known, so this goes to "
				 "postmaster.\n");
}

static bool append_event(const struct config *config, unsigned notice, struct bytes *out)
{
	char grace[CONFIG_UNIT_TEXT_SIZE];

	config_format_duration(config->grace_ms, grace);
	switch (notice) {
	case GRANT_TOLD_REVOKED:
		return bytes_append_text(out, "\nIt was revoked by the operators of this relay. "
					      "From now on its mail is\nrefused, and what waits "
					      "for a renewal goes back to its sender.\n");
	case GRANT_TOLD_ENDED:
		return bytes_append_text(out, "\nIt has ended and was not renewed in time. From "
					      "now on its mail is refused,\nand what was held goes "
					      "back to its sender.\n");
	case GRANT_TOLD_LAPSED:
		return bytes_printf(out,
			"\nIt has ended. Its mail is still taken, but held here and not "
			"delivered, for\n%s from its end. A renewal sends on what is held; "
			"without one it goes back\nto its sender then, and mail is refused.\n",
			grace);
	default:
		break;
	}
	if (config->grace_ms == 0)
		return bytes_append_text(
			out, "\nIt ends soon. From then on mail of the system is refused.\n");
	return bytes_printf(out,
		"\nIt ends soon. From then on mail of the system is held here and not "
		"delivered,\nand %s later it is refused.\n",
		grace);
}

static bool append_advice(const struct config *config, unsigned notice, struct bytes *out)
{
	if (notice == GRANT_TOLD_REVOKED)
		return bytes_printf(out,
			"\nIf this is not right, write to %s and name the grant.\n",
			config->helpdesk);
	return bytes_printf(out,
		"\nIf the system is still needed, write to %s, name the grant, and\nask for it to "
		"be renewed. If it is not needed any more, say so too: then it is\nclosed, and "
		"nobody can misuse it.\n",
		config->helpdesk);
}

static bool append_commands(const struct grant_case *cases, size_t count, struct bytes *out)
{
	bool good;

	if (cases[0].notice == GRANT_TOLD_REVOKED)
		return true;
	good = bytes_printf(out, "\nFor the operators of the relay; to renew %s:\n\n",
		count == 1 ? "it" : "them");
	for (size_t i = 0; good && i < count; i++)
		good = bytes_printf(out, "  sluice grant renew %s%s\n", cases[i].grant->name,
			cases[i].grant->owner[0] != '\0' ? "" : " --ownerless");
	return good;
}

int grant_mail_write(const struct config *config, const struct grant_case *cases, size_t count,
	uint64_t now_unix_ms, uint64_t id, struct message **out)
{
	char subject[SUBJECT_SIZE];
	struct bytes text = {0};
	bool good = append_intro(config, cases[0].grant, &text) &&
		    append_event(config, cases[0].notice, &text) &&
		    append_advice(config, cases[0].notice, &text);
	int rc = -ENOMEM;

	*out = NULL;
	for (size_t i = 0; good && i < count; i++)
		good = bytes_append_text(&text, "\n") &&
		       append_grant(cases[i].grant, &cases[i].usage, &text);
	good = good && append_commands(cases, count, &text) && bytes_append(&text, "", 1);
	write_subject(cases, count, subject);
	if (good)
		rc = own_mail_write(&(struct own_mail){.config = config,
					    .to = cases[0].grant->owner,
					    .subject = subject,
					    .text = (char *)text.data,
					    .now_unix_ms = now_unix_ms},
			id, out);
	bytes_fini(&text);
	return rc;
}

/* ---- Q-84 ---- */

int grant_mail_write_oversize(const struct config *config, const struct grant *grant,
	const char *client, uint64_t size_bytes, uint64_t limit_bytes, uint64_t now_unix_ms,
	uint64_t id, struct message **out)
{
	char subject[SUBJECT_SIZE], size[CONFIG_UNIT_TEXT_SIZE], limit[CONFIG_UNIT_TEXT_SIZE];
	struct bytes text = {0};
	int rc = -ENOMEM;

	*out = NULL;
	snprintf(size, sizeof(size), "%.1f MB", (double)size_bytes / (1 << 20));
	snprintf(limit, sizeof(limit), "%.1f MB", (double)limit_bytes / (1 << 20));
	snprintf(subject, sizeof(subject), "A message of %s was too large for the relay",
		grant->name);
	if (bytes_printf(&text,
		    "This is the mail relay %s.\n"
		    "\n"
		    "The system below tried to send a message of %s. At most %s go through\n"
		    "here, and in mail a file takes a third more than on a disk. The message was\n"
		    "refused for good, and nobody has got it; the system may not have shown that.\n"
		    "\n"
		    "What helps, on a scanner or multi-function printer: fewer pages in one\n"
		    "message, a lower resolution (300 or 200 dpi), black and white in place of\n"
		    "colour, a stronger compression, or its own limit for the size of messages\n"
		    "set below %s, so that it divides them itself. If larger messages are\n"
		    "needed, write to %s.\n"
		    "\n",
		    config->hostname, size, limit, limit, config->helpdesk) &&
		append_row(&text, "From:", client) && append_grant(grant, NULL, &text) &&
		bytes_append_text(&text, "\nOf this you are told once a day at most.\n") &&
		bytes_append(&text, "", 1))
		rc = own_mail_write(&(struct own_mail){.config = config,
					    .to = grant->owner,
					    .subject = subject,
					    .text = (char *)text.data,
					    .now_unix_ms = now_unix_ms},
			id, out);
	if (rc == 0) {
		(*out)->is_daily = true;
		(*out)->envelope->grant = envelope_text((*out)->envelope, grant->name);
		if ((*out)->envelope->grant == NULL) {
			message_close(out);
			rc = -ENOMEM;
		}
	}
	bytes_fini(&text);
	return rc;
}
