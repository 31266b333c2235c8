/* fuzz_dovecot.c: the input as lines of Dovecot's authentication protocol, each read within its bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/auth_dovecot_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void check_line(const uint8_t *bytes, size_t size)
{
	char *line = malloc(size > 0 ? size : 1); /* so that a byte too many is found */
	struct dovecot_line read;

	if (line == NULL)
		return;
	if (size > 0)
		memcpy(line, bytes, size);
	dovecot_line_read(line, size, &read);
	if (read.verb > DOVECOT_BAD || memchr(read.why, '\0', sizeof(read.why)) == NULL)
		abort();
	if (read.verb == DOVECOT_OK && (size < 4 || memcmp(line, "OK\t", 3) != 0))
		abort();
	if ((read.temporary || read.why[0] != '\0') && read.verb != DOVECOT_FAIL)
		abort();
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	while (size > 0) {
		const uint8_t *end = memchr(input, '\n', size);
		size_t line_size = end != NULL ? (size_t)(end - input) : size;

		check_line(input, line_size);
		line_size += end != NULL;
		input += line_size;
		size -= line_size;
	}
	return 0;
}
