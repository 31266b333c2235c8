/*
 * relative.h: times as people say them: "3m ago", "in 12s".
 *
 * Threads: any. Units: milliseconds since 1970.
 */
#ifndef SLUICE_ADMIN_RELATIVE_H
#define SLUICE_ADMIN_RELATIVE_H

#include <stdint.h>

#define RELATIVE_SIZE 32

/* An RFC 3339 time in UTC ("2026-11-22T10:00:00.123Z", the fraction may be missing). 0, or -1 when it is none. */
int relative_parse_time(const char *text, uint64_t *unix_ms);

/* "now", "in 12s", "3m ago". Returns `out` (RELATIVE_SIZE bytes). */
char *relative_format(uint64_t unix_ms, uint64_t now_unix_ms, char *out);
/* "12s", "3m", "5h", "4d": one unit, rounded down. */
char *relative_format_age(uint64_t seconds, char *out);
/* "12s", "3m 5s", "5h 20m", "4d 3h": two units. */
char *relative_format_span(uint64_t seconds, char *out);

#endif
