/*
 * fuzz_users.c: a users file's text: every line is an account, bad, or nothing, and what is found can be found again.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/account.h"
#include "smtp/auth_accounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

struct lines {
	size_t bad, last;
};

static void note_bad_line(void *context, size_t line, const char *wrong)
{
	struct lines *lines = context;

	if (line == 0 || wrong == NULL)
		abort();
	lines->bad++;
	lines->last = line > lines->last ? line : lines->last;
}

/* The same lines, one by one: those that are taken have a name that may be one, and are known. */
static size_t check_lines(const char *text, size_t size, const struct auth_accounts *accounts)
{
	size_t entries = 0;

	for (const char *at = text, *end = text + size; at < end;) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		struct account_entry entry;
		char name[ACCOUNT_NAME_SIZE];
		const char *wrong;

		if (line_end == NULL)
			line_end = end;
		if (account_parse_line(at, (size_t)(line_end - at), &entry, &wrong) ==
			ACCOUNT_ENTRY) {
			if (account_name_wrong(entry.name, entry.name_size) != NULL)
				abort();
			memcpy(name, entry.name, entry.name_size);
			name[entry.name_size] = '\0';
			if (strlen(name) != entry.name_size ||
				auth_accounts_dummy(accounts, name)[0] != '$')
				abort();
			entries++;
		}
		at = line_end + 1;
	}
	return entries;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct lines lines = {0};
	struct reason reason;
	struct auth_accounts *accounts =
		auth_accounts_parse((const char *)input, size, note_bad_line, &lines, &reason);
	size_t entries;

	if (accounts == NULL)
		return 0;
	entries = check_lines((const char *)input, size, accounts);
	if (auth_accounts_count(accounts) > entries || lines.last > size + 1)
		abort();
	auth_accounts_close(&accounts);
	return 0;
}
