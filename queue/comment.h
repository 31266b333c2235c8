/*
 * comment.h: blanks, folding and comments between the tokens of a structured field. RFC 5322 3.2.2.
 *
 * Threads: any. Limits: a comment or quoted string that does not end within COMMENT_BYTES_MAX is none, nor is one nested
 * deeper than COMMENT_DEPTH_MAX.
 */
#ifndef SLUICE_QUEUE_COMMENT_H
#define SLUICE_QUEUE_COMMENT_H

#include <stdbool.h>
#include <stddef.h>

#define COMMENT_BYTES_MAX \
	2048 /* both, so that a field full of "(" or quotes costs no square of it */
#define COMMENT_DEPTH_MAX 16

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

/* The size of the quoted string, comment or quoted pair that begins at `at`; 1: another byte. */
size_t comment_token_size(const char *at, const char *end);

/* The first `wanted` outside quotes and comments, or the end. */
const char *comment_find(const char *at, const char *end, char wanted);

#endif
