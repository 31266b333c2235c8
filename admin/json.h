/*
 * json.h: writes JSON into a growing run of bytes, member by member; no tree is built.
 *
 * Text may be a peer's bytes: quotes, backslashes and control characters (C1 and direction marks too) are escaped, and
 * each byte that is not UTF-8 becomes \ufffd. So the result is always valid JSON, and safe to show on a terminal.
 * `name` is the member's, and NULL in a list and at the top.
 *
 * Threads: one. Owner: the caller's `out`.
 * Errors: without memory, or nested deeper than JSON_DEPTH_MAX, the writer fails and stays so; json_end tells.
 */
#ifndef SLUICE_ADMIN_JSON_H
#define SLUICE_ADMIN_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

#define JSON_DEPTH_MAX 16

struct json {
	struct bytes *out;
	char closers[JSON_DEPTH_MAX];
	unsigned depth;
	bool comma; /* something stands before the next one */
	bool failed;
};

void json_begin(struct json *json, struct bytes *out);
/* Adds the last line end. False: it failed, or something is still open; `out` is then not to be used. */
bool json_end(struct json *json) __attribute__((warn_unused_result));

void json_open_object(struct json *json, const char *name);
void json_open_list(struct json *json, const char *name);
void json_close(struct json *json); /* what was opened last */

/* NULL is written as null. */
void json_write_text(struct json *json, const char *name, const char *text);
void json_write_text_sized(struct json *json, const char *name, const void *text, size_t size);
void json_write_number(struct json *json, const char *name, uint64_t number);
/* A value that is JSON already. */
void json_write_raw(struct json *json, const char *name, const void *value, size_t size);
/* Three decimals. */
void json_write_real(struct json *json, const char *name, double number);
void json_write_bool(struct json *json, const char *name, bool value);
void json_write_null(struct json *json, const char *name);
/* RFC 3339 in UTC; 0 is null. */
void json_write_time(struct json *json, const char *name, uint64_t unix_ms);

#endif
