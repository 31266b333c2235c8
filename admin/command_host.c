#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin/command.h"
#include "admin/relative.h"
#include "admin/table.h"

static const struct table_column columns[] = {
	{"HOST", false, 0},
	{"UPSTREAM", false, 0},
	{"STATE", false, 0},
	{"IN USE", true, 0},
	{"DELIVERED", true, 0},
	{"BUSY", true, 0},
	{"NEXT", false, 0},
	{"LAST REPLY", false, 0},
};

static void add_host(struct table *table, const json_t *host)
{
	bool paused = json_is_true(json_object_get(host, "paused"));
	char relative[RELATIVE_SIZE];

	table_cell(table, member_text(host, "host"));
	table_cell(table, member_text(host, "upstream"));
	table_cell(table, paused ? "paused" : member_text(host, "state"));
	table_printf(table, "%" PRIu64 "/%" PRIu64, member_number(host, "in_flight"),
		member_number(host, "connections_allowed"));
	table_printf(table, "%" PRIu64, member_number(host, "delivered"));
	table_printf(table, "%" PRIu64, member_number(host, "busy_times"));
	table_cell(table, command_relative(member_time(host, "next_attempt"), relative));
	table_cell(table, member_text(host, "last_reply"));
}

static void print_hosts(const json_t *hosts)
{
	struct table table;
	const json_t *host;
	size_t i;

	table_init(
		&table, columns, sizeof(columns) / sizeof(columns[0]), table_screen_width(stdout));
	json_array_foreach(hosts, i, host) add_host(&table, host);
	table_flush(&table, stdout);
	table_fini(&table);
}

int command_host_list(struct invocation *invocation)
{
	json_t *answer = NULL;
	int code = command_ask(invocation, "GET", "/v1/hosts", &answer);

	if (code == 0 && !invocation->json)
		print_hosts(json_object_get(answer, "hosts"));
	json_decref(answer);
	return code;
}

static int set_host(struct invocation *invocation, const char *host, const char *act)
{
	struct bytes path = {0};
	json_t *answer = NULL;
	int code = EX_OSERR;

	if (bytes_append_text(&path, "/v1/hosts/") && client_append_encoded(&path, host) &&
		bytes_printf(&path, "/%s", act) && bytes_append(&path, "", 1))
		code = command_ask(invocation, "POST", (const char *)path.data, &answer);
	if (code == 0 && !invocation->json)
		print_hosts(json_object_get(answer, "hosts"));
	bytes_fini(&path);
	json_decref(answer);
	return code;
}

/* pause and resume; the command's last word is the act. */
int command_host_set(struct invocation *invocation)
{
	const char *act = strrchr(invocation->command->words, ' ') + 1;
	int worst = 0;

	if (invocation->argument_count == 0)
		return command_misused(invocation, "say which host, as sluice host list shows it");
	for (size_t i = 0; i < invocation->argument_count; i++) {
		int code = set_host(invocation, invocation->arguments[i], act);

		if (code > worst)
			worst = code;
	}
	return worst;
}
