/*
 * account.h: a line of the users file: "name:hash", the hash as crypt(5) has it.
 *
 *	# comment
 *	anna:$y$j9T$…
 *	printer-17@example.edu:!$y$j9T$…      locked: it may not log in
 *
 * A name is compared byte by byte. "!" or "*" in front of the hash, or alone, locks the account. Lines may end in CRLF.
 * Threads: any. Owner: an entry points into the line.
 * Limits: ACCOUNT_NAME_SIZE, ACCOUNT_HASH_SIZE.
 */
#ifndef SLUICE_CORE_ACCOUNT_H
#define SLUICE_CORE_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>

#define ACCOUNT_NAME_SIZE 256 /* with the NUL */
#define ACCOUNT_HASH_SIZE 384 /* with the NUL; crypt(3)'s CRYPT_OUTPUT_SIZE */

struct account_entry {
	const char *name;
	size_t name_size;
	const char *hash; /* without what locks it; may be empty then */
	size_t hash_size;
	bool locked;
};

enum account_line {
	ACCOUNT_NOTHING, /* empty, or a comment */
	ACCOUNT_ENTRY,
	ACCOUNT_BAD,
};

/* `size` bytes without the line's end. ACCOUNT_BAD: *wrong says what was expected. */
enum account_line account_parse_line(
	const char *line, size_t size, struct account_entry *out, const char **wrong);

/* NULL: it may be an account's name; else what was expected. */
const char *account_name_wrong(const char *name, size_t size);

/* The salt and cost of a hash that costs what a new one does, for crypt(3); NULL: the system gives none. */
char *account_new_setting(char out[ACCOUNT_HASH_SIZE]);

#endif
