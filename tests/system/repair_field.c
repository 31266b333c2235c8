/*
 * repair_field.c: field_repair for the system tests: a line "KIND HEX" in, "DONE HEX" out, so that another implementation
 * of RFC 2047 and 5322 can judge many values at little cost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/field.h"

static size_t read_hex(const char *hex, unsigned char *out)
{
	size_t size = 0;
	unsigned byte;

	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		out[size++] = (unsigned char)byte;
	return size;
}

int main(void)
{
	static char line[4 * FIELD_BYTES_MAX];
	static unsigned char value[2 * FIELD_BYTES_MAX];
	const struct field_terms terms = {.charset = "windows-1252", .domain = "example.edu"};

	while (fgets(line, sizeof(line), stdin) != NULL) {
		struct quirk_set found = {{0, 0}};
		struct bytes out = {0};
		bool address_eightbit = false;
		char *hex;
		enum field_kind kind = (enum field_kind)strtol(line, &hex, 10);
		size_t size = read_hex(hex + 1, value);

		printf("%d ", field_repair(kind, value, size, &terms, UINT64_C(1795381697000),
				      &found, &address_eightbit, &out));
		for (size_t i = 0; i < out.size; i++)
			printf("%02x", out.data[i]);
		printf("\n");
		fflush(stdout);
		bytes_fini(&out);
	}
	return 0;
}
