#include "smtp/auth_accounts.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/account.h"

/* Both texts are the copy's, and end with NUL. */
struct account {
	const char *name;
	const char *hash; /* "": locked, and without one */
	bool locked;
	uint32_t line;
};

struct auth_accounts {
	char *text;
	struct account *items; /* by name */
	size_t count, room;
	uint64_t seed; /* of the choice of dummies */
	char new_setting[ACCOUNT_HASH_SIZE]; /* the dummy of a file without a hash */
};

void auth_accounts_close(struct auth_accounts **accounts)
{
	if (accounts == NULL || *accounts == NULL)
		return;
	free((*accounts)->items);
	free((*accounts)->text);
	free(*accounts);
	*accounts = NULL;
}

static int add(struct auth_accounts *accounts, const struct account_entry *entry, size_t line)
{
	char *text = accounts->text;

	if (accounts->count == accounts->room) {
		size_t room = accounts->room * 2 + 64;
		struct account *grown = realloc(accounts->items, room * sizeof(*grown));

		if (grown == NULL)
			return -1;
		accounts->items = grown;
		accounts->room = room;
	}
	/* what ends a name and a hash in the text is a colon and a line's end: there is room for the NULs */
	text[entry->name + entry->name_size - text] = '\0';
	text[entry->hash + entry->hash_size - text] = '\0';
	accounts->items[accounts->count++] =
		(struct account){entry->name, entry->hash, entry->locked, (uint32_t)line};
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct account *left = a, *right = b;
	int order = strcmp(left->name, right->name);

	return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

static int compare_name(const void *name, const void *item)
{
	return strcmp(name, ((const struct account *)item)->name);
}

/* Of those of one name the first line's stays. */
static void drop_repeated(struct auth_accounts *accounts, auth_bad_line_fn *bad_line, void *context)
{
	size_t kept = 0;

	for (size_t i = 0; i < accounts->count; i++) {
		if (kept > 0 &&
			strcmp(accounts->items[kept - 1].name, accounts->items[i].name) == 0)
			bad_line(context, accounts->items[i].line,
				"expected a name that no line before has");
		else
			accounts->items[kept++] = accounts->items[i];
	}
	accounts->count = kept;
}

static int read_lines(struct auth_accounts *accounts, size_t size, auth_bad_line_fn *bad_line,
	void *context, struct reason *reason)
{
	const char *at = accounts->text, *end = at + size;

	for (size_t line = 1; at < end; line++) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		struct account_entry entry;
		enum account_line kind;
		const char *wrong;

		if (line_end == NULL)
			line_end = end;
		kind = account_parse_line(at, (size_t)(line_end - at), &entry, &wrong);
		at = line_end + 1;
		if (kind == ACCOUNT_BAD)
			bad_line(context, line, wrong);
		if (kind != ACCOUNT_ENTRY)
			continue;
		if (accounts->count == AUTH_ACCOUNTS_MAX)
			return reason_set(reason, "more than %d accounts", AUTH_ACCOUNTS_MAX);
		if (add(accounts, &entry, line) < 0)
			return reason_set(reason, "out of memory");
	}
	return 0;
}

struct auth_accounts *auth_accounts_parse(const char *text, size_t size, auth_bad_line_fn *bad_line,
	void *context, struct reason *reason)
{
	struct auth_accounts *accounts = calloc(1, sizeof(*accounts));

	if (accounts != NULL)
		accounts->text = malloc(size + 1);
	if (accounts == NULL || accounts->text == NULL) {
		reason_set(reason, "out of memory");
		auth_accounts_close(&accounts);
		return NULL;
	}
	memcpy(accounts->text, text, size);
	accounts->text[size] = '\0';
	if (getrandom(&accounts->seed, sizeof(accounts->seed), 0) < 0 ||
		account_new_setting(accounts->new_setting) == NULL) {
		reason_set(reason, "the system gives no random numbers or no method to hash with");
		auth_accounts_close(&accounts);
		return NULL;
	}
	if (read_lines(accounts, size, bad_line, context, reason) < 0) {
		auth_accounts_close(&accounts);
		return NULL;
	}
	if (accounts->count > 0)
		qsort(accounts->items, accounts->count, sizeof(*accounts->items), compare);
	drop_repeated(accounts, bad_line, context);
	return accounts;
}

size_t auth_accounts_count(const struct auth_accounts *accounts)
{
	return accounts->count;
}

const char *auth_accounts_hash(const struct auth_accounts *accounts, const char *name)
{
	const struct account *account = accounts->count == 0
						? NULL
						: bsearch(name, accounts->items, accounts->count,
							  sizeof(*accounts->items), compare_name);

	return account != NULL && !account->locked ? account->hash : NULL;
}

/* FNV-1a. */
static uint64_t number_of(uint64_t seed, const char *name)
{
	uint64_t number = seed ^ UINT64_C(0xcbf29ce484222325);

	for (; *name != '\0'; name++)
		number = (number ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	return number ^ number >> 32;
}

const char *auth_accounts_dummy(const struct auth_accounts *accounts, const char *name)
{
	uint64_t number = number_of(accounts->seed, name);

	for (size_t i = 0; i < accounts->count; i++) {
		const struct account *account = &accounts->items[(number + i) % accounts->count];

		if (account->hash[0] != '\0')
			return account->hash;
	}
	return accounts->new_setting;
}
