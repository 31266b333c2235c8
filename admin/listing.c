#include "admin/listing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "admin/printable.h"
#include "admin/relative.h"

#define PAGE_LIMIT 500
#define AFTER_SIZE 512

static const struct table_column columns[] = {
	{"ID", false, 0},
	{"AGE", true, 0},
	{"SIZE", true, 0},
	{"STATE", false, 0},
	{"FROM", false, 32},
	{"TO", false, 36},
	{"NEXT", false, 0},
	{"WHY", false, 0},
};

/* ---- pages ---- */

static int parse_limit(const struct invocation *invocation, uint64_t *limit)
{
	char *end;

	*limit = UINT64_MAX;
	if (invocation->limit == NULL)
		return 0;
	*limit = strtoull(invocation->limit, &end, 10);
	if (invocation->limit[0] < '0' || invocation->limit[0] > '9' || *end != '\0' || *limit == 0)
		return command_misused(
			invocation, "--limit %s: expected a number from 1", invocation->limit);
	return 0;
}

static int ask_page(struct invocation *invocation, const struct listing *listing, uint64_t left,
	const char *after, json_t **answer)
{
	struct parameter parameters[LISTING_PARAMETERS_MAX + 2];
	struct bytes path = {0};
	char limit[24];
	int code = EX_OSERR;

	snprintf(limit, sizeof(limit), "%" PRIu64, left < PAGE_LIMIT ? left : PAGE_LIMIT);
	parameters[0] = (struct parameter){"limit", limit};
	parameters[1] = (struct parameter){"after", after[0] != '\0' ? after : NULL};
	memcpy(parameters + 2, listing->parameters, sizeof(listing->parameters));
	if (command_make_path(&path, listing->route, parameters, LISTING_PARAMETERS_MAX + 2))
		code = command_ask(invocation, "GET", (const char *)path.data, answer);
	bytes_fini(&path);
	return code;
}

int listing_walk(struct invocation *invocation, const struct listing *listing,
	listing_page_fn *page, void *owner, uint64_t *count)
{
	char after[AFTER_SIZE] = "";
	uint64_t limit;
	int code = parse_limit(invocation, &limit);

	*count = 0;
	while (code == 0 && *count < limit) {
		json_t *answer = NULL;
		const json_t *items;
		const char *next;

		code = ask_page(invocation, listing, limit - *count, after, &answer);
		items = json_object_get(answer, listing->member);
		next = member_text(answer, "next");
		if (code == 0)
			code = page(invocation, items, owner);
		*count += json_array_size(items);
		/* the same place twice would be an endless walk */
		if (next[0] == '\0' || strcmp(next, after) == 0)
			limit = *count;
		snprintf(after, sizeof(after), "%s", next);
		json_decref(answer);
	}
	return code;
}

struct listing listing_messages(const struct invocation *invocation)
{
	return (struct listing){
		.route = "/v1/queue/messages",
		.member = "messages",
		.parameters = {{"state", invocation->state}, {"from", invocation->from},
			{"to", invocation->to}, {"client", invocation->client},
			{"held", invocation->held}, {"grant", invocation->grant}},
	};
}

/* ---- rows ---- */

void listing_table_init(struct table *table)
{
	table_init(
		table, columns, sizeof(columns) / sizeof(columns[0]), table_screen_width(stdout));
}

/* The first attempt that is due of all recipients; of a held message, when the hold ends. */
static uint64_t next_time(const json_t *message, const char **prefix)
{
	const json_t *recipient;
	uint64_t first = 0;
	size_t i;

	*prefix = "";
	json_array_foreach(json_object_get(message, "recipients"), i, recipient)
	{
		uint64_t time = member_time(recipient, "next_attempt");

		if (time == 0) {
			time = member_time(recipient, "held_until");
			if (time != 0)
				*prefix = "ends ";
		}
		if (time != 0 && (first == 0 || time < first))
			first = time;
	}
	return first;
}

static void add_recipients(struct table *table, const json_t *message)
{
	const json_t *recipients = json_object_get(message, "recipients");
	size_t count = json_array_size(recipients);
	const char *first = member_text(json_array_get(recipients, 0), "address");

	if (count > 1)
		table_printf(table, "%.24s +%zu", first, count - 1);
	else
		table_cell(table, first);
}

void listing_table_add(struct table *table, const json_t *message)
{
	const char *from = member_text(message, "from");
	const char *prefix;
	uint64_t received_ms = member_time(message, "received"), now_ms = command_now_ms();
	uint64_t next_ms = next_time(message, &prefix);
	char age[RELATIVE_SIZE], size[PRINTABLE_NUMBER_SIZE], relative[RELATIVE_SIZE];

	table_cell(table, member_text(message, "id"));
	table_cell(table,
		relative_format_age(now_ms > received_ms ? (now_ms - received_ms) / 1000 : 0, age));
	table_cell(table, printable_size(member_number(message, "size"), size));
	table_cell(table, member_text(message, "state"));
	table_cell(table, from[0] != '\0' ? from : "<>");
	add_recipients(table, message);
	table_printf(table, "%s%s", prefix, command_relative(next_ms, relative));
	table_cell(table, member_text(message, "reason"));
}

char *listing_count(uint64_t count, char *out)
{
	char number[PRINTABLE_NUMBER_SIZE];

	snprintf(out, LISTING_COUNT_SIZE, "%s message%s", printable_number(count, number),
		count == 1 ? "" : "s");
	return out;
}

char *listing_held(const json_t *answer, char *out)
{
	json_t *held = json_object_get(answer, "held");
	size_t used = 0;
	const char *kind;
	json_t *count;

	out[0] = '\0';
	json_object_foreach(held, kind, count)
	{
		char number[PRINTABLE_NUMBER_SIZE];

		if (json_integer_value(count) > 0 && used < LISTING_HELD_SIZE)
			used += (size_t)snprintf(out + used, LISTING_HELD_SIZE - used, "%s%s %s",
				used > 0 ? ", " : "",
				printable_number((uint64_t)json_integer_value(count), number),
				kind);
	}
	return out;
}

int listing_nothing(const struct invocation *invocation)
{
	bool open = invocation->state == NULL && invocation->from == NULL &&
		    invocation->to == NULL && invocation->client == NULL;

	if (!invocation->json)
		fputs(open ? "The queue is empty.\n" : "No message matches.\n", stderr);
	return COMMAND_NOTHING_MATCHED;
}
