/*
 * fuzz_authors.c: the addresses of a From, whatever it is: they are few, whole texts; and an address that is planted between blanks
 * anywhere in it is found, or the field counts as more than anybody reads.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "queue/authors.h"

#define PLANTED "boss@example.edu"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void check(const char *value, size_t size, bool is_planted)
{
	struct authors authors = {0};
	const char *text = NULL;
	enum author_kind kind;
	bool found = false;
	size_t count = 0;

	if (!authors_take(&authors, AUTHOR_FROM, value, size))
		abort();
	while ((text = authors_next(&authors, text, &kind)) != NULL) {
		found |= strcmp(text, PLANTED) == 0;
		count++;
		if (kind < AUTHOR_FROM || kind > AUTHOR_DOMAIN || text[0] == '\0' ||
			(kind != AUTHOR_DOMAIN && strchr(text, '@') == NULL))
			abort();
	}
	if (count != authors.count || count > AUTHORS_MAX || authors.list.size > AUTHORS_BYTES ||
		(is_planted && !found && !authors.is_over))
		abort();
	authors_fini(&authors);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static const char planted[] = " " PLANTED " ";
	size_t at = size > 0 ? input[0] * size / 256 : 0, room = strlen(planted);
	char *value = malloc(size + room);

	if (value == NULL)
		abort();
	if (size > 0)
		memcpy(value, input, size);
	check(value, size, false);
	memmove(value + at + room, value + at, size - at);
	memcpy(value + at, planted, room);
	check(value, size + room, true);
	free(value);
	return 0;
}
