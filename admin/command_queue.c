#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin/command.h"
#include "admin/listing.h"
#include "admin/printable.h"
#include "admin/relative.h"
#include "admin/table.h"

/* ---- depth ---- */

static const struct table_column destination_columns[] = {
	{"UPSTREAM", false, 0},
	{"HOST", false, 0},
	{"MESSAGES", true, 0},
	{"STATE", false, 0},
	{"NEXT", false, 0},
	{"LAST REPLY", false, 0},
};

static void print_states(const json_t *queue)
{
	char messages[LISTING_COUNT_SIZE], size[PRINTABLE_NUMBER_SIZE];
	char recipients[PRINTABLE_NUMBER_SIZE], age[RELATIVE_SIZE];
	uint64_t count = member_number(queue, "messages");
	const char *name;
	const json_t *number;
	json_t *states = json_object_get(queue, "states");

	printf("%s, %s, %s recipient%s", listing_count(count, messages),
		printable_size(member_number(queue, "bytes"), size),
		printable_number(member_number(queue, "recipients"), recipients),
		member_number(queue, "recipients") == 1 ? "" : "s");
	if (count > 0)
		printf(", the oldest %s old",
			relative_format_span(member_number(queue, "oldest_seconds"), age));
	putchar('\n');
	json_object_foreach(states, name, number)
	{
		char text[PRINTABLE_NUMBER_SIZE], held[LISTING_HELD_SIZE] = "";

		if (strcmp(name, "held") == 0)
			listing_held(queue, held);
		printf("  %-11s %9s%s%s\n", name,
			printable_number((uint64_t)json_integer_value(number), text),
			held[0] ? "  " : "", held);
	}
}

static void print_destinations(const json_t *destinations)
{
	struct table table;
	const json_t *one;
	size_t i;

	table_init(&table, destination_columns, 6, table_screen_width(stdout));
	json_array_foreach(destinations, i, one)
	{
		char number[PRINTABLE_NUMBER_SIZE], relative[RELATIVE_SIZE];

		table_cell(&table, member_text(one, "upstream"));
		table_cell(&table, member_text(one, "host"));
		table_cell(&table, printable_number(member_number(one, "messages"), number));
		table_cell(&table, member_text(one, "state"));
		table_cell(&table, command_relative(member_time(one, "next_attempt"), relative));
		table_cell(&table, member_text(one, "last_reply"));
	}
	table_flush(&table, stdout);
	table_fini(&table);
}

int command_queue(struct invocation *invocation)
{
	json_t *answer = NULL;
	int code = command_ask(invocation, "GET", "/v1/queue", &answer);

	if (code == 0 && !invocation->json) {
		print_states(answer);
		putchar('\n');
		print_destinations(json_object_get(answer, "destinations"));
	}
	json_decref(answer);
	return code;
}

/* ---- list ---- */

static int print_page(struct invocation *invocation, const json_t *messages, void *owner)
{
	struct table *table = owner;
	const json_t *message;
	size_t i;

	if (invocation->json || json_array_size(messages) == 0)
		return 0;
	json_array_foreach(messages, i, message) listing_table_add(table, message);
	table_flush(table, stdout);
	/* whoever read this (head, a pager) may be gone */
	return ferror(stdout) ? EX_IOERR : 0;
}

int command_queue_list(struct invocation *invocation)
{
	const struct listing listing = listing_messages(invocation);
	struct table table;
	uint64_t count;
	int code;

	listing_table_init(&table);
	code = listing_walk(invocation, &listing, print_page, &table, &count);
	table_fini(&table);
	return code == 0 && count == 0 ? listing_nothing(invocation) : code;
}

/* ---- content ---- */

/* What a terminal would take for a command is escaped, line by line. */
static void print_to_terminal(FILE *from)
{
	char line[1024];

	while (fgets(line, sizeof(line), from) != NULL) {
		size_t size = strlen(line);
		bool ended = size > 0 && line[size - 1] == '\n';

		size -= ended;
		size -= size > 0 && line[size - 1] == '\r';
		line[size] = '\0';
		printable_print(stdout, line);
		if (ended)
			putchar('\n');
	}
}

static void print_as_it_is(FILE *from)
{
	char block[16384];
	size_t size;

	while ((size = fread(block, 1, sizeof(block), from)) > 0)
		fwrite(block, 1, size, stdout);
}

/*
 * The text is taken whole before any of it is shown: a pager would keep the relay's socket waiting, and a text that turns
 * out to be damaged at its end is not shown as if it were whole.
 */
static int fetch_content(struct invocation *invocation, const char *path, FILE *file)
{
	struct client_reply reply = {0};
	struct reason reason;
	int code = client_fetch(invocation->relay, path, file, &reply, &reason);

	if (code != 0)
		fprintf(stderr, "sluice: %s\n", reason.text);
	else if (reply.status != 200)
		code = command_explain(invocation, &reply);
	bytes_fini(&reply.body);
	if (code != 0)
		return code;
	rewind(file);
	if (table_screen_width(stdout) > 0)
		print_to_terminal(file);
	else
		print_as_it_is(file);
	return 0;
}

int command_queue_content(struct invocation *invocation)
{
	struct bytes path = {0};
	FILE *file;
	int code = EX_OSERR;

	if (invocation->argument_count != 1)
		return command_misused(invocation, "say which message, by its id");
	file = tmpfile();
	if (file == NULL) {
		perror("sluice: cannot make a temporary file");
		return EX_CANTCREAT;
	}
	if (bytes_append_text(&path, "/v1/queue/messages/") &&
		client_append_encoded(&path, invocation->arguments[0]) &&
		bytes_append_text(&path, "/content") &&
		bytes_append_text(&path, invocation->received ? "?as=received" : "") &&
		bytes_append(&path, "", 1))
		code = fetch_content(invocation, (const char *)path.data, file);
	bytes_fini(&path);
	fclose(file);
	return code;
}
