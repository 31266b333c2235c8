/*
 * path_span.h: a part of a command line, and walks over it that take a quoted string or an escaped byte for one step.
 *
 * Threads: any, values only. Owner: nobody; it points into the line.
 */
#ifndef SLUICE_SMTP_PATH_SPAN_H
#define SLUICE_SMTP_PATH_SPAN_H

#include <stdbool.h>
#include <stddef.h>

struct path_span {
	const char *at, *end;
};

size_t path_span_size(struct path_span span);
bool path_span_is_blank(char c);
/* Without the blanks around it. */
struct path_span path_span_trim(struct path_span span);

/*
 * The byte behind the one at `at`, or behind the whole quoted string or escaped byte that begins there. A quote that never
 * ends is none; as every other behind it is escaped then, one walk looks for its end only once.
 */
const char *path_span_step(const char *at, const char *end);
/* The first and the last `c` outside of quotes; NULL: none. */
const char *path_span_find(struct path_span span, char c);
const char *path_span_find_last(struct path_span span, char c);
/* Anywhere, in quotes too. */
bool path_span_has(struct path_span span, char c);

#endif
