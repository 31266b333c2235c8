/* One grant told to a person, and which one decides. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin/command.h"
#include "admin/fact.h"
#include "admin/printable.h"
#include "admin/relative.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* ---- show ---- */

static bool has(const json_t *grant, const char *name)
{
	return member_text(grant, name)[0] != '\0';
}

/* Values with commas between them; `otherwise` without any. */
static void print_list(
	const char *title, const json_t *grant, const char *name, const char *otherwise)
{
	const json_t *list = json_object_get(grant, name), *item;
	struct bytes text = {0};
	bool done = true;
	size_t i;

	json_array_foreach(list, i, item) done =
		done && bytes_append_text(&text, i > 0 ? ", " : "") &&
		bytes_append_text(&text, json_string_value(item) ? json_string_value(item) : "");
	if (done && bytes_append(&text, "", 1) && json_array_size(list) > 0)
		fact_print(title, "%s", (const char *)text.data);
	else if (otherwise != NULL)
		fact_print(title, "%s", otherwise);
	bytes_fini(&text);
}

static void print_text(const char *title, const json_t *grant, const char *name)
{
	if (has(grant, name))
		fact_print(title, "%s", member_text(grant, name));
}

static void print_life(const json_t *grant)
{
	const char *life = member_text(grant, "life");
	uint64_t expires_ms = member_time(grant, "expires"), since_ms = member_time(grant, "since");
	char relative[RELATIVE_SIZE], since[RELATIVE_SIZE];

	if (strcmp(life, "requested") == 0)
		fact_print("life",
			"requested %s; it does nothing until it is approved: sluice grant approve "
			"%s",
			command_relative(since_ms, since), member_text(grant, "name"));
	else if (strcmp(life, "suspended") == 0 || strcmp(life, "revoked") == 0)
		fact_print("life", "%s %s: %s", life, command_relative(since_ms, since),
			member_text(grant, "reason"));
	else
		fact_print("life", "%s; it %s on %.10s (%s)%s%s", life,
			strcmp(life, "lapsed") == 0 ? "ended" : "ends",
			member_text(grant, "expires"), command_relative(expires_ms, relative),
			strcmp(life, "approved") == 0 ? "" : "; to go on: sluice grant renew ",
			strcmp(life, "approved") == 0 ? "" : member_text(grant, "name"));
}

static void print_who(const json_t *grant)
{
	fact_print("owner", "%s",
		has(grant, "owner") ? member_text(grant, "owner")
				    : "UNKNOWN: nobody answers for it. To name one: sluice grant "
				      "change NAME --owner ADDRESS");
	print_text("contact", grant, "contact");
	print_text("purpose", grant, "purpose");
	print_text("device", grant, "device");
	print_list("networks", grant, "networks", NULL);
	print_list("accounts", grant, "accounts", NULL);
	print_list("certs", grant, "certificates", NULL);
}

static void print_special(const json_t *grant)
{
	static const struct {
		const char *member, *text;
	} flags[] = {
		{"replaces_null", "MAIL FROM:<> of ordinary mail becomes its mailbox"},
		{"takes_any_auth",
			"any login from its networks is answered yes, and means nothing"},
		{"auth_in_clear", "its accounts may log in without TLS where a listener lets them"},
	};

	for (size_t i = 0; i < COUNT(flags); i++) {
		if (json_is_true(json_object_get(grant, flags[i].member)))
			fact_print("", "%s", flags[i].text);
	}
}

static void print_rights(const json_t *grant)
{
	bool rewrites = strcmp(member_text(grant, "spoof"), "rewrite") == 0;
	char messages[PRINTABLE_NUMBER_SIZE], recipients[PRINTABLE_NUMBER_SIZE];

	print_list("senders", grant, "senders", "any outside our own domains");
	print_list("From", grant, "header_froms", "as the senders");
	fact_print("others", rewrites ? "rewritten to %s" : "refused%s",
		rewrites ? member_text(grant, "mailbox") : "");
	if (!rewrites)
		print_text("mailbox", grant, "mailbox");
	print_special(grant);
	fact_print("to", "%s",
		strcmp(member_text(grant, "reach"), "internal") == 0 ? "our own domains only"
								     : "anywhere");
	fact_print("lane", "%s", member_text(grant, "lane"));
	if (member_number(grant, "messages_per_hour") > 0)
		fact_print("rate", "%s messages an hour",
			printable_number(member_number(grant, "messages_per_hour"), messages));
	if (member_number(grant, "recipients_per_hour") > 0)
		fact_print("rate", "%s recipients an hour",
			printable_number(member_number(grant, "recipients_per_hour"), recipients));
}

static void print_use(const json_t *grant)
{
	const json_t *usage = json_object_get(grant, "usage");
	uint64_t last_ms = member_time(usage, "last");
	char number[PRINTABLE_NUMBER_SIZE], bulk[PRINTABLE_NUMBER_SIZE],
		size[PRINTABLE_NUMBER_SIZE];
	char relative[RELATIVE_SIZE];

	if (member_number(grant, "messages_per_day") > 0)
		fact_print("expected", "%s messages a day",
			printable_number(member_number(grant, "messages_per_day"), number));
	if (json_is_object(usage) && last_ms == 0)
		fact_print("used", "never");
	if (last_ms > 0) {
		fact_print("used", "%s messages a day of late, last %s",
			printable_number(member_number(usage, "messages_per_day"), number),
			command_relative(last_ms, relative));
		fact_print("", "in all %s messages, %s",
			printable_number(member_number(usage, "messages"), number),
			printable_size(member_number(usage, "bytes"), size));
	}
	if (member_number(usage, "unmarked_bulk") > 0)
		fact_print("", "bulk mail without List-Unsubscribe: %s messages",
			printable_number(member_number(usage, "unmarked_bulk"), bulk));
	if (json_is_true(json_object_get(grant, "unused")))
		fact_print("",
			"nobody uses it; to end it: sluice grant revoke %s --reason \"not used\"",
			member_text(grant, "name"));
}

static void print_history(const json_t *grant)
{
	char relative[RELATIVE_SIZE];

	fact_print("created", "%s, by %s",
		command_relative(member_time(grant, "created"), relative),
		member_text(grant, "created_by"));
	if (has(grant, "approved"))
		fact_print("approved", "%s, by %s",
			command_relative(member_time(grant, "approved"), relative),
			member_text(grant, "approved_by"));
	fact_print("log", "sluice grant log %s", member_text(grant, "name"));
}

static int show(struct invocation *invocation, const char *name, bool first)
{
	struct bytes path = {0};
	json_t *grant = NULL;
	int code = EX_OSERR;

	if (bytes_append_text(&path, "/v1/grants/") && client_append_encoded(&path, name) &&
		bytes_append(&path, "", 1))
		code = command_ask(invocation, "GET", (const char *)path.data, &grant);
	if (code == 0 && !invocation->json) {
		if (!first)
			putchar('\n');
		fact_print("grant", "%s", member_text(grant, "name"));
		print_life(grant);
		print_who(grant);
		print_rights(grant);
		print_use(grant);
		print_history(grant);
	}
	bytes_fini(&path);
	json_decref(grant);
	return code;
}

int command_grant_show(struct invocation *invocation)
{
	int worst = 0;

	if (invocation->argument_count == 0)
		return command_misused(
			invocation, "say which grant, as sluice grant list shows it");
	for (size_t i = 0; i < invocation->argument_count; i++) {
		int code = show(invocation, invocation->arguments[i], i == 0);

		if (code > worst)
			worst = code;
	}
	return worst;
}

/* ---- explain ---- */

static void print_answer(const json_t *answer)
{
	static const struct {
		const char *answer, *text;
	} texts[] = {
		{"none", "no grant names it; what the listener says of networks and logins holds"},
		{"yes", "it may send"},
		{"sender", "it may send, but not as this sender"},
		{"lapsed", "its grant has lapsed"},
		{"suspended", "its grant is suspended: refused"},
		{"revoked", "its grant was revoked: refused"},
	};
	const json_t *suspension = json_object_get(answer, "suspension");

	fact_print("client", "%s%s%s", member_text(answer, "client"),
		has(answer, "account") ? ", account " : "", member_text(answer, "account"));
	if (json_is_string(json_object_get(answer, "from")))
		fact_print("from", "<%s>%s", member_text(answer, "from"),
			json_is_true(json_object_get(answer, "ours")) ? ", in our domains" : "");
	if (json_is_object(suspension))
		fact_print("suspended", "%s, by %s: %s; nothing is taken, whatever its grants say",
			member_text(suspension, "who"), member_text(suspension, "by"),
			member_text(suspension, "reason"));
	for (size_t i = 0; i < COUNT(texts); i++) {
		if (strcmp(texts[i].answer, member_text(answer, "answer")) == 0)
			fact_print("answer", "%s", texts[i].text);
	}
}

static void print_listener(const json_t *listener)
{
	static const struct {
		const char *answer, *text;
	} texts[] = {
		{"taken", "taken"},
		{"held", "taken and held"},
		{"login", "530: it has to log in first"},
		{"refused", "550"},
	};
	const json_t *way;
	char ways[64] = "";
	size_t i, size = 0;

	json_array_foreach(json_object_get(listener, "ways"), i, way) size +=
		(size_t)snprintf(ways + size, sizeof(ways) - size, "%s%s",
			i == 0 ? ", by " : " and ", json_string_value(way));
	for (i = 0; i < COUNT(texts); i++) {
		if (strcmp(texts[i].answer, member_text(listener, "answer")) != 0)
			continue;
		fact_print("there", "%s: %s%s%s%s%s%s", member_text(listener, "listener"),
			texts[i].text, i < 2 ? ways : "", has(listener, "sender") ? ", as " : "",
			member_text(listener, "sender"), has(listener, "text") ? ": " : "",
			member_text(listener, "text"));
	}
}

static void print_candidate(const json_t *candidate)
{
	bool decides = json_is_true(json_object_get(candidate, "decides"));

	fact_print(decides ? "decides" : "not", "%s (%s), by its %s %s",
		member_text(candidate, "name"), member_text(candidate, "life"),
		member_text(candidate, "level"), member_text(candidate, "match"));
	fact_print("", "%s", member_text(candidate, "why"));
}

int command_grant_explain(struct invocation *invocation)
{
	const struct parameter parameters[] = {
		{"client", invocation->argument_count > 0 ? invocation->arguments[0] : NULL},
		{"from", invocation->argument_count > 1 ? invocation->arguments[1] : NULL},
		{"account", invocation->fields[FIELD_ACCOUNTS]},
		{"certificate", invocation->fields[FIELD_CERTIFICATES]},
	};
	struct bytes path = {0};
	json_t *answer = NULL;
	const json_t *candidate, *listener;
	int code = EX_OSERR;
	size_t i;

	if (invocation->argument_count == 0)
		return command_misused(invocation,
			"say which client, by its address, and as whom it sends: sluice grant "
			"explain 10.1.2.3 printer@example.edu");
	if (command_make_path(&path, "/v1/grants/explain", parameters, COUNT(parameters)))
		code = command_ask(invocation, "GET", (const char *)path.data, &answer);
	if (code == 0 && !invocation->json) {
		print_answer(answer);
		json_array_foreach(json_object_get(answer, "listeners"), i, listener)
			print_listener(listener);
		json_array_foreach(json_object_get(answer, "candidates"), i, candidate)
			print_candidate(candidate);
	}
	bytes_fini(&path);
	json_decref(answer);
	return code;
}
