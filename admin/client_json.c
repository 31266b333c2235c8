#include "admin/client_json.h"

#include <stdio.h>
#include <string.h>

#include "queue/id.h"

#define NEVER_SENT_SESSIONS 3 /* so many that greeted and sent nothing are no accident */

static bool has_profile(const struct ledger_client *client)
{
	return client->profile[0] != '\0' && strcmp(client->profile, "default") != 0;
}

/* Lines that end in CR alone are not answered without a profile: nobody else leaves a CR as example (smtp/manners.h). */
static bool ends_lines_in_cr(const struct ledger_client *client)
{
	const struct ledger_quirk *quirk = ledger_find_quirk(client, QUIRK_COMMAND_LINE_ENDS);

	return quirk != NULL && strcmp(quirk->example, "\r") == 0;
}

/* It never came to MAIL, and it was not we who refused it for good. */
static bool goes_after_greeting(const struct ledger_client *client)
{
	return client->messages == 0 && client->preflights == 0 && client->partials == 0 &&
	       client->helo_count > 0 && client->refusal[0] != '5' &&
	       client->sessions_without_quit >= NEVER_SENT_SESSIONS;
}

/* What profile (smtp/device.h) may help, by what the client shows; quirks that a profile notes are dealt with by it. */
const char *client_hint(const struct ledger_client *client)
{
	if (goes_after_greeting(client))
		return has_profile(client)
			       ? "It still greets and goes without a message: try another profile, "
				 "as "
				 "ups-card, old-firmware or no-extensions."
			       : "It greets and goes without a message, so it may stumble over the "
				 "reply to EHLO: try profile = ups-card, old-firmware or "
				 "no-extensions.";
	if (ends_lines_in_cr(client) && !has_profile(client))
		return "It ends commands with a CR alone, so that they are never complete: "
		       "profile = netcat-script helps it, or gsm-modem where it reads only one "
		       "line of a reply.";
	return NULL;
}

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

static void write_refusals(struct json *json, const struct ledger_client *client)
{
	json_write_number(json, "refusals", client->refusals);
	if (client->refusals == 0) {
		json_write_null(json, "last_refusal");
		return;
	}
	json_open_object(json, "last_refusal");
	json_write_time(json, "time", client->refused_unix_ms);
	json_write_text(json, "reason", client->refusal);
	json_close(json);
}

static void write_security(struct json *json, const struct ledger_client *client)
{
	if (client->tls_version[0] != '\0') {
		json_open_object(json, "tls");
		json_write_text(json, "version", client->tls_version);
		json_write_text(json, "cipher", client->tls_cipher);
		json_close(json);
	} else {
		json_write_null(json, "tls");
	}
	json_write_text(json, "auth", or_null(client->auth));
	json_write_text(json, "profile", or_null(client->profile));
}

static void write_helos(struct json *json, const struct ledger_client *client)
{
	json_open_list(json, "helo");
	for (size_t i = 0; i < client->helo_count; i++) {
		json_open_object(json, NULL);
		json_write_text(json, "name", client->helos[i].name);
		json_write_number(json, "count", client->helos[i].count);
		json_write_time(json, "last", client->helos[i].last_unix_ms);
		json_close(json);
	}
	json_close(json);
}

static void write_quirk(struct json *json, const struct ledger_quirk *quirk, bool report)
{
	const struct quirk_row *row = quirk_row(quirk->number);
	char number[16];

	if (row == NULL)
		return;
	snprintf(number, sizeof(number), "Q-%02u", quirk->number);
	json_open_object(json, NULL);
	json_write_text(json, "quirk", number);
	json_write_text(json, "name", row->name);
	json_write_number(json, "count", quirk->count);
	json_write_time(json, "last", quirk->last_unix_ms);
	if (report) {
		json_write_text(json, "example", or_null(quirk->example));
		json_write_text(json, "done", row->done);
		json_write_text(json, "advice", row->advice);
	}
	json_close(json);
}

static void write_last_message(struct json *json, const struct ledger_client *client)
{
	char id[ID_TEXT_SIZE];

	if (client->message_id == 0) {
		json_write_null(json, "last_message");
		return;
	}
	json_open_object(json, "last_message");
	json_write_text(json, "id", id_format(client->message_id, id));
	json_write_time(json, "time", client->message_unix_ms);
	json_write_text(json, "from", client->message_from);
	json_write_text(json, "listener", client->message_listener);
	json_close(json);
}

void client_write(
	struct json *json, const char *name, const struct ledger_client *client, bool report)
{
	json_open_object(json, name);
	json_write_text(json, "address", client->address);
	json_write_text(json, "account", or_null(client->account));
	json_write_time(json, "first_seen", client->first_unix_ms);
	json_write_time(json, "last_seen", client->last_unix_ms);
	json_write_number(json, "sessions", client->sessions);
	json_write_number(json, "sessions_without_quit", client->sessions_without_quit);
	json_write_number(json, "messages", client->messages);
	json_write_number(json, "recipients", client->recipients);
	json_write_number(json, "bytes", client->bytes);
	write_refusals(json, client);
	json_write_number(json, "preflights", client->preflights);
	json_write_number(json, "partials", client->partials);
	json_write_number(json, "resends", client->resends);
	write_security(json, client);
	write_helos(json, client);
	json_open_list(json, "quirks");
	for (size_t i = 0; i < client->quirk_count; i++)
		write_quirk(json, &client->quirks[i], report);
	json_close(json);
	write_last_message(json, client);
	if (report)
		json_write_text(json, "hint", client_hint(client));
	json_close(json);
}
