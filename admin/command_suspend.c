/* sluice client suspend, resume, suspended. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin/command.h"
#include "admin/listing.h"
#include "admin/printable.h"
#include "admin/relative.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* ---- suspend, resume ---- */

static void print_count(const json_t *answer, const char *member, const char *text)
{
	char number[LISTING_COUNT_SIZE];
	uint64_t count = member_number(answer, member);

	if (count > 0)
		printf("%s %s\n", listing_count(count, number), text);
}

static void print_answer(const json_t *answer)
{
	bool suspended = json_is_true(json_object_get(answer, "suspended"));

	printable_print(stdout, member_text(answer, "who"));
	puts(suspended ? " is suspended." : " is resumed.");
	print_count(answer, "held", "held.");
	print_count(answer, "deleted", "deleted.");
	print_count(answer, "released", "released.");
	print_count(answer, "delivering",
		"with upstream at this moment; what upstream does not take is held or deleted "
		"when it comes back.");
	if (!json_is_true(json_object_get(answer, "in_force")))
		fputs("It is stored, and not yet in force everywhere; that comes by itself.\n",
			stderr);
	else if (json_object_get(answer, "held") == NULL)
		fputs("The queue is still being gone through; that goes on by itself, also after a "
		      "restart.\n",
			stderr);
}

static int act_on(struct invocation *invocation, const char *who)
{
	const char *word = strrchr(invocation->command->words, ' ') + 1;
	const struct parameter parameters[] = {
		{"queue", invocation->purge  ? "purge"
			  : invocation->hold ? "hold"
					     : NULL},
		{"reason", invocation->reason},
	};
	struct bytes route = {0}, path = {0};
	json_t *answer = NULL;
	int code = EX_OSERR;

	if (bytes_append_text(&route, "/v1/clients/") && client_append_encoded(&route, who) &&
		bytes_printf(&route, "/%s", word) && bytes_append(&route, "", 1) &&
		command_make_path(&path, (const char *)route.data, parameters, COUNT(parameters)))
		code = command_ask(invocation, "POST", (const char *)path.data, &answer);
	if (code == 0 && !invocation->json)
		print_answer(answer);
	json_decref(answer);
	bytes_fini(&route);
	bytes_fini(&path);
	return code;
}

/* The command's last word is the act. */
int command_client_act(struct invocation *invocation)
{
	int worst = 0;

	if (invocation->argument_count == 0)
		return command_misused(
			invocation, "say who: an address, a network, account:NAME or grant:NAME");
	if (invocation->hold && invocation->purge)
		return command_misused(invocation, "--hold or --purge, not both");
	for (size_t i = 0; i < invocation->argument_count; i++) {
		int code = act_on(invocation, invocation->arguments[i]);

		if (code > worst)
			worst = code;
	}
	return worst;
}

/* ---- suspended ---- */

static const struct table_column columns[] = {
	{"WHO", false, 0},
	{"SINCE", false, 0},
	{"BY", false, 0},
	{"QUEUE", false, 0},
	{"REASON", false, 0},
};

static int list_page(struct invocation *invocation, const json_t *suspensions, void *owner)
{
	struct table *table = owner;
	const json_t *suspension;
	size_t i;

	if (invocation->json || json_array_size(suspensions) == 0)
		return 0;
	json_array_foreach(suspensions, i, suspension)
	{
		bool automatic = json_is_true(json_object_get(suspension, "automatic"));
		char relative[RELATIVE_SIZE];

		table_cell(table, member_text(suspension, "who"));
		table_cell(table, command_relative(member_time(suspension, "since"), relative));
		table_cell(table, automatic ? "the relay" : member_text(suspension, "by"));
		table_cell(table, member_text(suspension, "queue"));
		table_cell(table, member_text(suspension, "reason"));
	}
	table_flush(table, stdout);
	return ferror(stdout) ? EX_IOERR : 0;
}

int command_client_suspended(struct invocation *invocation)
{
	const struct listing listing = {.route = "/v1/suspensions", .member = "suspensions"};
	struct table table;
	uint64_t count;
	int code;

	table_init(&table, columns, COUNT(columns), table_screen_width(stdout));
	code = listing_walk(invocation, &listing, list_page, &table, &count);
	table_fini(&table);
	if (code != 0 || count > 0)
		return code;
	if (!invocation->json)
		fputs("Nobody is suspended.\n", stderr);
	return COMMAND_NOTHING_MATCHED;
}
