/*
 * comment.h: blanks, folding and comments between the tokens of a structured field. RFC 5322 3.2.2.
 *
 * Threads: any. Limits: a comment that does not end within COMMENT_BYTES_MAX is none, and is left standing.
 */
#ifndef SLUICE_QUEUE_COMMENT_H
#define SLUICE_QUEUE_COMMENT_H

#include <stdbool.h>
#include <stddef.h>

#define COMMENT_BYTES_MAX 2048 /* so that a field full of "(" costs no square of it */

static inline bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The size of the comment that begins at `at`, parentheses included; 0: it does not end. */
size_t comment_size(const char *at, const char *end);

/* The same of a quoted string. */
size_t quoted_size(const char *at, const char *end);

/* Where the next token begins. */
const char *comment_skip(const char *at, const char *end);

#endif
