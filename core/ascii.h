/*
 * ascii.h: letters and digits of ASCII, without a locale: mail is bytes.
 */
#ifndef SLUICE_CORE_ASCII_H
#define SLUICE_CORE_ASCII_H

#include <stdbool.h>
#include <stddef.h>

static inline bool ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline bool ascii_is_alnum(char c)
{
	char lower = ascii_lower(c);

	return ascii_is_digit(c) || (lower >= 'a' && lower <= 'z');
}

/* Equal but for case; `b` is a C string of our own. */
static inline bool ascii_equals(const char *a, size_t a_size, const char *b)
{
	size_t i;

	for (i = 0; i < a_size && b[i] != '\0'; i++)
		if (ascii_lower(a[i]) != ascii_lower(b[i]))
			return false;
	return i == a_size && b[i] == '\0';
}

/* `text` begins with `prefix`, but for case. */
static inline bool ascii_begins(const char *text, size_t size, const char *prefix)
{
	size_t i;

	for (i = 0; i < size && prefix[i] != '\0'; i++)
		if (ascii_lower(text[i]) != ascii_lower(prefix[i]))
			return false;
	return prefix[i] == '\0';
}

#endif
