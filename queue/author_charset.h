/*
 * author_charset.h: what a reader sees of an encoded-word's bytes, by its charset (RFC 2047, RFC 1468, RFC 1843), as far as it
 * may be an address: ASCII, and the letters of full width that look like it.
 *
 *   - a superset of ASCII, as UTF-8, ISO 8859 and Windows code pages: the bytes as they are
 *   - two bytes for a character (EUC, GB, Big5, Shift_JIS), also those that switch (ISO 2022, HZ): switches are taken away, letters of
 *     full width are ASCII, other characters of two bytes are a blank
 *   - all else, as UTF-7, UTF-16, EBCDIC, or a name that only one library knows: the bytes as they are, and `is_hidden`, unless they
 *     are letters, digits and blanks alone
 *
 * Threads: any. Nothing is kept.
 */
#ifndef SLUICE_QUEUE_AUTHOR_CHARSET_H
#define SLUICE_QUEUE_AUTHOR_CHARSET_H

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"

/* Appends it to `out`; `is_hidden` is only ever set. False without memory. */
bool author_charset_read(const char *charset, size_t charset_size, const void *text, size_t size,
	struct bytes *out, bool *is_hidden) __attribute__((warn_unused_result));

#endif
