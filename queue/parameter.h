/*
 * parameter.h: "token; name=value; …", as in Content-Type: RFC 2045 5.1, 2231. What is not well-formed is read as far as it
 * can be: values in quotes that do not end, blanks in values without quotes, semicolons too many.
 *
 * Threads: any. Nothing is copied: a parameter points into the text.
 */
#ifndef SLUICE_QUEUE_PARAMETER_H
#define SLUICE_QUEUE_PARAMETER_H

#include <stdbool.h>
#include <stddef.h>

struct parameter {
	const char *at, *end; /* all of it: from its ";" to the next one */
	const char *name;
	size_t name_size;
	const char *value; /* quotes included; NULL: there is no "=" */
	size_t value_size; /* blanks behind it not; comments behind it, where it has no quotes */
};

/* The first ";", or the end. */
const char *parameter_first(const char *text, const char *end);

/* The parameter whose ";" is at `at`; its `end` is where the next one begins. False: there is none. */
bool parameter_next(const char *at, const char *end, struct parameter *out);

/* The next byte of a value without its quotes, backslashes and what stands behind it; -1: it is over. *at begins at 0. */
int parameter_byte(const struct parameter *parameter, size_t *at);

#endif
