/* Lists: the grants, and the log of their changes. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin/command.h"
#include "admin/listing.h"
#include "admin/printable.h"
#include "admin/relative.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const struct table_column columns[] = {
	{"NAME", false, 0},
	{"SYSTEM", false, 32},
	{"OWNER", false, 32},
	{"LANE", false, 0},
	{"LIFE", false, 0},
	{"DAYS LEFT", true, 0},
	{"EXPECTED", true, 0},
	{"USED", true, 0},
	{"LAST USED", false, 0},
	{"PURPOSE", false, 0},
};

struct grants {
	struct table table;
	uint64_t unused, ownerless;
};

static void add_system(struct table *table, const json_t *grant)
{
	static const char *const members[] = {"networks", "accounts", "certificates"};
	const char *first = "";
	size_t count = 0;

	for (size_t i = 0; i < COUNT(members); i++) {
		const json_t *list = json_object_get(grant, members[i]);

		if (count == 0 && json_array_size(list) > 0)
			first = json_string_value(json_array_get(list, 0));
		count += json_array_size(list);
	}
	if (count > 1)
		table_printf(table, "%.40s +%zu", first != NULL ? first : "", count - 1);
	else
		table_cell(table, first);
}

/* 0 is shown only where it says something. */
static void add_number(struct table *table, const json_t *object, const char *name, bool zero)
{
	const json_t *number = json_object_get(object, name);
	char text[PRINTABLE_NUMBER_SIZE];
	bool shown = json_is_integer(number) && (zero || json_integer_value(number) > 0);

	table_cell(table, shown ? printable_number(member_number(object, name), text) : "");
}

static void add_grant(struct grants *grants, const json_t *grant)
{
	struct table *table = &grants->table;
	const char *owner = member_text(grant, "owner");
	const json_t *usage = json_object_get(grant, "usage");
	uint64_t last_ms = member_time(usage, "last");
	char relative[RELATIVE_SIZE];

	table_cell(table, member_text(grant, "name"));
	add_system(table, grant);
	table_cell(table, owner[0] != '\0' ? owner : "UNKNOWN");
	table_cell(table, member_text(grant, "lane"));
	table_cell(table, member_text(grant, "life"));
	add_number(table, grant, "days_left", true);
	add_number(table, grant, "messages_per_day", false);
	add_number(table, usage, "messages_per_day", true);
	table_cell(table, last_ms > 0             ? command_relative(last_ms, relative)
			  : json_is_object(usage) ? "never"
						  : "");
	table_cell(table, member_text(grant, "purpose"));
	grants->unused += json_is_true(json_object_get(grant, "unused"));
	grants->ownerless += owner[0] == '\0';
}

static int list_page(struct invocation *invocation, const json_t *items, void *owner)
{
	struct grants *grants = owner;
	const json_t *grant;
	size_t i;

	if (invocation->json || json_array_size(items) == 0)
		return 0;
	json_array_foreach(items, i, grant) add_grant(grants, grant);
	table_flush(&grants->table, stdout);
	return ferror(stdout) ? EX_IOERR : 0;
}

/* What an operator should look at. */
static void print_advice(const struct grants *grants)
{
	char count[PRINTABLE_NUMBER_SIZE];

	if (grants->unused > 0)
		printf("\n%s not used for 90 days or more: sluice grant list --unused. To end one: "
		       "sluice grant revoke NAME --reason \"not used\"\n",
			printable_number(grants->unused, count));
	if (grants->ownerless > 0)
		printf("\n%s without an owner: sluice grant list --owner unknown. To name one: "
		       "sluice grant change NAME --owner ADDRESS\n",
			printable_number(grants->ownerless, count));
}

int command_grant_list(struct invocation *invocation)
{
	const struct listing listing = {
		.route = "/v1/grants",
		.member = "grants",
		.parameters = {{"state", invocation->expiring ? "expiring" : invocation->state},
			{"owner", invocation->fields[FIELD_OWNER]},
			{"network", invocation->fields[FIELD_NETWORKS]}, {"text", invocation->text},
			{"unused", invocation->unused ? "1" : NULL}},
	};
	struct grants grants = {0};
	bool is_open = true;
	uint64_t count;
	int code;

	if (invocation->expiring && invocation->state != NULL)
		return command_misused(invocation, "--expiring and --state do not go together");
	for (size_t i = 0; i < COUNT(listing.parameters); i++)
		is_open = is_open && listing.parameters[i].value == NULL;
	table_init(&grants.table, columns, COUNT(columns), table_screen_width(stdout));
	code = listing_walk(invocation, &listing, list_page, &grants, &count);
	table_fini(&grants.table);
	if (code != 0)
		return code;
	if (!invocation->json && count > 0)
		print_advice(&grants);
	if (!invocation->json && count == 0)
		fputs(is_open ? "There is no grant yet. sluice grant add makes one, sluice grant "
				"import takes a list.\n"
			      : "No grant matches.\n",
			stderr);
	return count > 0 ? 0 : COMMAND_NOTHING_MATCHED;
}

/* ---- log ---- */

static const struct table_column log_columns[] = {
	{"TIME", false, 0},
	{"GRANT", false, 0},
	{"ACT", false, 0},
	{"WHO", false, 0},
	{"WHY", false, 0},
};

static int log_page(struct invocation *invocation, const json_t *entries, void *owner)
{
	struct table *table = owner;
	const json_t *entry;
	size_t i;

	if (invocation->json || json_array_size(entries) == 0)
		return 0;
	json_array_foreach(entries, i, entry)
	{
		table_cell(table, member_text(entry, "time"));
		if (json_is_string(json_object_get(entry, "client")))
			table_printf(table, "client %s", member_text(entry, "client"));
		else
			table_cell(table, member_text(entry, "grant"));
		table_cell(table, member_text(entry, "act"));
		table_cell(table, member_text(entry, "who"));
		table_cell(table, member_text(entry, "why"));
	}
	table_flush(table, stdout);
	return ferror(stdout) ? EX_IOERR : 0;
}

int command_grant_log(struct invocation *invocation)
{
	struct listing listing = {.route = "/v1/grants/log", .member = "entries"};
	struct bytes route = {0};
	struct table table;
	uint64_t count;
	int code = 0;

	if (invocation->argument_count > 0) {
		if (!bytes_append_text(&route, "/v1/grants/") ||
			!client_append_encoded(&route, invocation->arguments[0]) ||
			!bytes_append(&route, "/log", sizeof("/log")))
			code = EX_OSERR;
		listing.route = (const char *)route.data;
	}
	table_init(&table, log_columns, COUNT(log_columns), table_screen_width(stdout));
	if (code == 0)
		code = listing_walk(invocation, &listing, log_page, &table, &count);
	table_fini(&table);
	bytes_fini(&route);
	if (code != 0 || count > 0)
		return code;
	if (!invocation->json)
		fputs("No grant was changed yet.\n", stderr);
	return COMMAND_NOTHING_MATCHED;
}
