#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin/command.h"
#include "admin/fact.h"
#include "admin/listing.h"
#include "admin/printable.h"
#include "admin/relative.h"

static const struct table_column columns[] = {
	{"ADDRESS", false, 0},
	{"LAST SEEN", false, 0},
	{"MESSAGES", true, 0},
	{"QUIRKS", true, 0},
	{"REFUSALS", true, 0},
	{"HELO", false, 0},
};

/* ---- list ---- */

/* The name that it said last. */
static const char *last_helo(const json_t *client)
{
	const char *name = "";
	const json_t *helo;
	uint64_t last = 0;
	size_t i;

	json_array_foreach(json_object_get(client, "helo"), i, helo)
	{
		if (member_time(helo, "last") >= last) {
			last = member_time(helo, "last");
			name = member_text(helo, "name");
		}
	}
	return name;
}

static void add_client(struct table *table, const json_t *client)
{
	char text[PRINTABLE_NUMBER_SIZE], relative[RELATIVE_SIZE];

	table_cell(table, member_text(client, "address"));
	table_cell(table, command_relative(member_time(client, "last_seen"), relative));
	table_cell(table, printable_number(member_number(client, "messages"), text));
	table_printf(table, "%zu", json_array_size(json_object_get(client, "quirks")));
	table_cell(table, printable_number(member_number(client, "refusals"), text));
	table_cell(table, last_helo(client));
}

static int list_page(struct invocation *invocation, const json_t *clients, void *owner)
{
	struct table *table = owner;
	const json_t *client;
	size_t i;

	if (invocation->json || json_array_size(clients) == 0)
		return 0;
	json_array_foreach(clients, i, client) add_client(table, client);
	table_flush(table, stdout);
	return ferror(stdout) ? EX_IOERR : 0;
}

int command_client_list(struct invocation *invocation)
{
	const struct listing listing = {
		.route = "/v1/clients",
		.member = "clients",
		.parameters = {{"quirk", invocation->quirk}},
	};
	struct table table;
	uint64_t count;
	int code;

	table_init(
		&table, columns, sizeof(columns) / sizeof(columns[0]), table_screen_width(stdout));
	code = listing_walk(invocation, &listing, list_page, &table, &count);
	table_fini(&table);
	if (code != 0 || count > 0)
		return code;
	if (!invocation->json)
		fputs(invocation->quirk != NULL ? "No client has it.\n"
						: "No client has connected yet.\n",
			stderr);
	return COMMAND_NOTHING_MATCHED;
}

/* ---- show ---- */

#define TIMES_SIZE (PRINTABLE_NUMBER_SIZE + 8)

/* "once", "1,234 times" */
static const char *times(const json_t *object, const char *name, char *out)
{
	char number[PRINTABLE_NUMBER_SIZE];
	uint64_t count = member_number(object, name);

	if (count == 1)
		return "once";
	snprintf(out, TIMES_SIZE, "%s times", printable_number(count, number));
	return out;
}

static void print_helos(const json_t *client)
{
	const json_t *helo;
	size_t i;

	json_array_foreach(json_object_get(client, "helo"), i, helo)
	{
		char count[TIMES_SIZE], relative[RELATIVE_SIZE];

		fact_print(i == 0 ? "says" : "", "%s (%s, last %s)", member_text(helo, "name"),
			times(helo, "count", count),
			command_relative(member_time(helo, "last"), relative));
	}
}

static void print_who(const json_t *client)
{
	const char *account = member_text(client, "account");
	const json_t *tls = json_object_get(client, "tls");
	char first[RELATIVE_SIZE], last[RELATIVE_SIZE];

	fact_print("client", "%s%s%s", member_text(client, "address"),
		account[0] ? ", account " : "", account);
	print_helos(client);
	fact_print("seen", "last %s, first %s",
		command_relative(member_time(client, "last_seen"), last),
		command_relative(member_time(client, "first_seen"), first));
	if (json_is_object(tls))
		fact_print(
			"tls", "%s, %s", member_text(tls, "version"), member_text(tls, "cipher"));
	if (member_text(client, "auth")[0] != '\0')
		fact_print("auth", "%s", member_text(client, "auth"));
	fact_print("profile", "%s", member_text(client, "profile"));
}

static void print_last_message(const json_t *client)
{
	const json_t *message = json_object_get(client, "last_message");
	char relative[RELATIVE_SIZE];

	if (json_is_object(message))
		fact_print("last", "%s, %s, from <%s>, on listener %s", member_text(message, "id"),
			command_relative(member_time(message, "time"), relative),
			member_text(message, "from"), member_text(message, "listener"));
}

static void print_refusals(const json_t *client)
{
	const json_t *refusal = json_object_get(client, "last_refusal");
	char count[TIMES_SIZE], relative[RELATIVE_SIZE];

	if (json_is_object(refusal))
		fact_print("refused", "%s, last %s: %s", times(client, "refusals", count),
			command_relative(member_time(refusal, "time"), relative),
			member_text(refusal, "reason"));
	if (strstr(member_text(refusal, "reason"), " 5.7.1 ") != NULL)
		fact_print("", "who may: sluice grant explain %s", member_text(client, "address"));
}

/* What is no fault of anybody's when it is rare: only what there is. */
static void print_oddities(const json_t *client)
{
	static const struct {
		const char *member, *text;
	} counts[] = {
		{"sessions_without_quit", "sessions without QUIT:"},
		{"preflights", "pre-flights:"},
		{"partials", "messages without an end, held:"},
		{"resends", "resends recognised:"},
	};
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint64_t count = member_number(client, counts[i].member);
		char number[PRINTABLE_NUMBER_SIZE];

		if (count == 0)
			continue;
		fact_print("", "%s %s", counts[i].text, printable_number(count, number));
	}
}

static void print_what(const json_t *client)
{
	char messages[PRINTABLE_NUMBER_SIZE], recipients[PRINTABLE_NUMBER_SIZE];
	char sessions[PRINTABLE_NUMBER_SIZE], size[PRINTABLE_NUMBER_SIZE];

	fact_print("sent", "messages %s, recipients %s, size %s, sessions %s",
		printable_number(member_number(client, "messages"), messages),
		printable_number(member_number(client, "recipients"), recipients),
		printable_size(member_number(client, "bytes"), size),
		printable_number(member_number(client, "sessions"), sessions));
	print_oddities(client);
	if (member_number(client, "partials") > 0)
		fact_print("", "to see them: sluice queue list --state held --client %s",
			member_text(client, "address"));
	print_last_message(client);
	print_refusals(client);
}

static void print_quirk(const json_t *quirk)
{
	char count[TIMES_SIZE], relative[RELATIVE_SIZE], title[32];
	const char *example = member_text(quirk, "example");
	const char *advice = member_text(quirk, "advice");

	snprintf(title, sizeof(title), "%s", member_text(quirk, "quirk"));
	putchar('\n');
	fact_print(title, "%s (%s, last %s)", member_text(quirk, "name"),
		times(quirk, "count", count),
		command_relative(member_time(quirk, "last"), relative));
	if (example[0] != '\0')
		fact_print_note("it sent:", example);
	fact_print_note("Sluice does:", member_text(quirk, "done"));
	if (advice[0] != '\0')
		fact_print_note("you could:", advice);
}

static void print_report(const json_t *client)
{
	const json_t *quirks = json_object_get(client, "quirks"), *quirk;
	const char *hint = member_text(client, "hint");
	size_t i;

	print_who(client);
	print_what(client);
	if (json_array_size(quirks) == 0)
		puts(member_number(client, "messages") > 0
				? "\nNothing is wrong with what it sends."
				: "\nIt has sent no message yet, and nothing wrong.");
	json_array_foreach(quirks, i, quirk) print_quirk(quirk);
	if (hint[0] != '\0') {
		putchar('\n');
		fact_print("hint", "%s", hint);
		fact_print("", "In the configuration: client \"%s\" { profile = … }",
			member_text(client, "address"));
	}
}

static int show(struct invocation *invocation, const char *address, bool first)
{
	struct bytes path = {0};
	json_t *client = NULL;
	int code = EX_OSERR;

	if (bytes_append_text(&path, "/v1/clients/") && client_append_encoded(&path, address) &&
		bytes_append(&path, "", 1))
		code = command_ask(invocation, "GET", (const char *)path.data, &client);
	if (code == 0 && !invocation->json) {
		if (!first)
			putchar('\n');
		print_report(client);
	}
	bytes_fini(&path);
	json_decref(client);
	return code;
}

int command_client_show(struct invocation *invocation)
{
	int worst = 0;

	if (invocation->argument_count == 0)
		return command_misused(
			invocation, "say which client, as sluice client list shows it");
	for (size_t i = 0; i < invocation->argument_count; i++) {
		int code = show(invocation, invocation->arguments[i], i == 0);

		if (code > worst)
			worst = code;
	}
	return worst;
}
