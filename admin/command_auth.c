#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#include "admin/command.h"
#include "admin/printable.h"
#include "admin/relative.h"
#include "admin/table.h"

static const struct table_column columns[] = {
	{"WHO", false, 0},
	{"KIND", false, 0},
	{"WRONG", true, 0},
	{"SINCE", false, 0},
	{"UNTIL", false, 0},
};

static void print_lockouts(const json_t *lockouts)
{
	struct table table;
	const json_t *lockout;
	size_t i;

	table_init(
		&table, columns, sizeof(columns) / sizeof(columns[0]), table_screen_width(stdout));
	json_array_foreach(lockouts, i, lockout)
	{
		char relative[RELATIVE_SIZE];

		table_cell(&table, member_text(lockout, "who"));
		table_cell(&table, member_text(lockout, "kind"));
		table_printf(&table, "%" PRIu64, member_number(lockout, "wrong"));
		table_cell(&table, command_relative(member_time(lockout, "since"), relative));
		table_cell(&table, command_relative(member_time(lockout, "until"), relative));
	}
	table_flush(&table, stdout);
	table_fini(&table);
}

int command_auth_lockouts(struct invocation *invocation)
{
	json_t *answer = NULL;
	int code = command_ask(invocation, "GET", "/v1/lockouts", &answer);

	if (code == 0 && !invocation->json) {
		const json_t *lockouts = json_object_get(answer, "lockouts");
		uint64_t total = member_number(answer, "total");

		if (total > 0)
			print_lockouts(lockouts);
		else
			fputs("Nobody is locked out.\n", stderr);
		if (total > json_array_size(lockouts))
			printf("and %" PRIu64 " more\n", total - json_array_size(lockouts));
	}
	if (code == 0 && member_number(answer, "total") == 0)
		code = COMMAND_NOTHING_MATCHED;
	json_decref(answer);
	return code;
}

static int unlock(struct invocation *invocation, const char *who)
{
	struct bytes path = {0};
	json_t *answer = NULL;
	int code = EX_OSERR;

	if (bytes_append_text(&path, "/v1/lockouts/") && client_append_encoded(&path, who) &&
		bytes_append(&path, "", 1))
		code = command_ask(invocation, "DELETE", (const char *)path.data, &answer);
	if (code == 0 && !invocation->json) {
		fputs("unlocked ", stdout);
		printable_print(stdout, member_text(answer, "unlocked"));
		fputc('\n', stdout);
	}
	bytes_fini(&path);
	json_decref(answer);
	return code;
}

int command_auth_unlock(struct invocation *invocation)
{
	int worst = 0;

	if (invocation->argument_count == 0)
		return command_misused(invocation,
			"say who, as sluice auth lockouts shows it: an account or an address");
	for (size_t i = 0; i < invocation->argument_count; i++) {
		int code = unlock(invocation, invocation->arguments[i]);

		if (code > worst)
			worst = code;
	}
	return worst;
}
