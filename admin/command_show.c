#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin/command.h"
#include "admin/fact.h"
#include "admin/printable.h"
#include "admin/relative.h"
#include "admin/table.h"
#include "queue/quirk.h"

static const struct table_column recipient_columns[] = {
	{"RECIPIENT", false, 0},
	{"STATE", false, 0},
	{"UPSTREAM", false, 0},
	{"HOST", false, 0},
	{"ATTEMPTS", true, 0},
	{"NEXT", false, 0},
	{"WHY", false, 0},
};

static const struct table_column history_columns[] = {
	{"FIRST", false, 0},
	{"LAST", false, 0},
	{"TIMES", true, 0},
	{"HOST", false, 0},
	{"WHAT", false, 0},
};

static void print_time(const char *name, uint64_t unix_ms, const char *written, const char *more)
{
	char relative[RELATIVE_SIZE];

	if (unix_ms != 0)
		fact_print(name, "%s (%s)%s", written, command_relative(unix_ms, relative), more);
}

static void print_quirk(bool first, const char *number)
{
	struct quirk_set set;
	const struct quirk_row *row;

	quirk_set_parse(number, &set);
	row = quirk_row(quirk_set_next(&set, 0));
	fact_print(first ? "quirks" : "", "%s %s", number, row != NULL ? row->name : "");
}

static void print_quirks(const json_t *message)
{
	const json_t *quirks = json_object_get(message, "quirks");
	const json_t *quirk;
	size_t i;

	if (json_array_size(quirks) == 0)
		return;
	json_array_foreach(quirks, i, quirk) print_quirk(i == 0, json_string_value(quirk));
}

/* What is held waits for a person, who is told what there is to do. */
static void print_way_out(const json_t *message)
{
	const char *id = member_text(message, "id");

	if (strcmp(member_text(message, "state"), "held") != 0)
		return;
	fact_print("to do", "look at it: sluice queue content %s", id);
	fact_print("", "send it on: sluice queue release %s", id);
	fact_print("", "remove it:  sluice queue delete %s", id);
}

static void print_facts(const json_t *message)
{
	const char *reason = member_text(message, "reason");
	const char *account = member_text(message, "account");
	const char *helo = member_text(message, "helo");
	char size[PRINTABLE_NUMBER_SIZE];

	fact_print("message", "%s", member_text(message, "id"));
	fact_print("state", "%s%s%s", member_text(message, "state"), reason[0] ? ": " : "", reason);
	print_time(
		"received", member_time(message, "received"), member_text(message, "received"), "");
	fact_print("client", "%s%s%s, said %s, on listener %s", member_text(message, "client"),
		account[0] ? ", account " : "", account, helo[0] ? helo : "no name",
		member_text(message, "listener"));
	fact_print("from", "<%s>", member_text(message, "from"));
	if (member_text(message, "grant")[0] != '\0')
		fact_print("grant", "%s", member_text(message, "grant"));
	fact_print("size", "%s, lane %s", printable_size(member_number(message, "size"), size),
		member_text(message, "lane"));
	print_time("expires", member_time(message, "expires"), member_text(message, "expires"), "");
	print_quirks(message);
	print_way_out(message);
}

static void add_next(struct table *table, const json_t *recipient)
{
	uint64_t held_until_ms = member_time(recipient, "held_until");
	char relative[RELATIVE_SIZE];

	if (held_until_ms != 0)
		table_printf(table, "ends %s", command_relative(held_until_ms, relative));
	else
		table_cell(
			table, command_relative(member_time(recipient, "next_attempt"), relative));
}

static void print_recipients(const json_t *recipients)
{
	struct table table;
	const json_t *one;
	size_t i;

	table_init(&table, recipient_columns, 7, table_screen_width(stdout));
	json_array_foreach(recipients, i, one)
	{
		table_cell(&table, member_text(one, "address"));
		table_cell(&table, member_text(one, "state"));
		table_cell(&table, member_text(one, "upstream"));
		table_cell(&table, member_text(one, "host"));
		table_printf(&table, "%" PRIu64, member_number(one, "attempts"));
		add_next(&table, one);
		table_cell(&table, member_text(one, "reason"));
	}
	table_flush(&table, stdout);
	table_fini(&table);
}

static void print_history(const json_t *history)
{
	struct table table;
	const json_t *one;
	size_t i;

	if (json_array_size(history) == 0)
		return;
	putchar('\n');
	table_init(&table, history_columns, 5, table_screen_width(stdout));
	json_array_foreach(history, i, one)
	{
		char relative[RELATIVE_SIZE];

		table_cell(&table, command_relative(member_time(one, "first"), relative));
		table_cell(&table, command_relative(member_time(one, "last"), relative));
		table_printf(&table, "%" PRIu64, member_number(one, "times"));
		table_cell(&table, member_text(one, "host"));
		table_cell(&table, member_text(one, "what"));
	}
	table_flush(&table, stdout);
	table_fini(&table);
}

static int show(struct invocation *invocation, const char *id, bool first)
{
	struct bytes path = {0};
	json_t *message = NULL;
	int code = EX_OSERR;

	if (bytes_append_text(&path, "/v1/queue/messages/") && client_append_encoded(&path, id) &&
		bytes_append(&path, "", 1))
		code = command_ask(invocation, "GET", (const char *)path.data, &message);
	if (code == 0 && !invocation->json) {
		if (!first)
			putchar('\n');
		print_facts(message);
		putchar('\n');
		print_recipients(json_object_get(message, "recipients"));
		print_history(json_object_get(message, "history"));
	}
	bytes_fini(&path);
	json_decref(message);
	return code;
}

int command_queue_show(struct invocation *invocation)
{
	int worst = 0;

	if (invocation->argument_count == 0)
		return command_misused(invocation, "say which message, by its id");
	for (size_t i = 0; i < invocation->argument_count; i++) {
		int code = show(invocation, invocation->arguments[i], i == 0);

		if (code > worst)
			worst = code;
	}
	return worst;
}
