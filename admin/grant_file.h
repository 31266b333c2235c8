/*
 * grant_file.h: reads grants out of files: CSV, JSON, and Postfix's networks and maps; each as an object of grant_field.h's members.
 *
 *	CSV      a header line with names of fields, and a grant a line (csv.h)
 *	JSON     {"grants": […]}, a list, or one grant; one behind the other, as sluice grant export --json prints them
 *	Postfix  postfix.h; each network becomes an approved grant for any sender, its owner unknown
 *
 * What cannot be read is named with its line, and reading goes on, so that all is named at once.
 *
 * Threads: one. Errors: a code of sysexits(3), which taking a grant may give too; 0 when the file was read to its end, also
 * with problems.
 * Limits: GRANT_FILE_BYTES.
 */
#ifndef SLUICE_ADMIN_GRANT_FILE_H
#define SLUICE_ADMIN_GRANT_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"
#include "core/reason.h"

#define GRANT_FILE_BYTES (256u << 20)

struct grant_file_reader {
	void *owner;
	/* A grant from this line, the callee's; of JSON the line that its document begins in. 0, or the code to end with. */
	int (*take)(void *owner, size_t line, json_t *grant);
	/* `name` of the grant, or what it is about; "" where there is none. */
	int (*refuse)(void *owner, size_t line, const char *name, const char *problem);
};

/* "-": standard input. 0, or a code of sysexits(3) with a reason. */
int grant_file_load(const char *path, struct bytes *out, struct reason *reason);

int grant_file_read(const char *text, size_t size, const struct grant_file_reader *reader);
/* `path` is named in the grants' purpose. */
int grant_file_read_postfix(
	const char *path, const char *text, size_t size, const struct grant_file_reader *reader);

#endif
