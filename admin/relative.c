#include "admin/relative.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct unit {
	uint64_t seconds;
	char letter;
} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};

#define UNIT_COUNT (sizeof(units) / sizeof(units[0]))

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool parse_digits(const char **text, int count, int *out)
{
	*out = 0;
	for (; count > 0; count--, (*text)++) {
		if (!is_digit(**text))
			return false;
		*out = *out * 10 + (**text - '0');
	}
	return true;
}

static bool parse_char(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

/* Digits behind the point count down from 100 ms; those behind the third say nothing. */
static bool parse_fraction(const char **text, unsigned *ms)
{
	unsigned weight = 100;

	*ms = 0;
	if (**text != '.')
		return true;
	for ((*text)++; is_digit(**text); (*text)++) {
		*ms += (unsigned)(**text - '0') * weight;
		weight /= 10;
	}
	return is_digit((*text)[-1]);
}

int relative_parse_time(const char *text, uint64_t *unix_ms)
{
	struct tm tm = {0};
	unsigned ms;
	time_t seconds;

	if (!parse_digits(&text, 4, &tm.tm_year) || !parse_char(&text, '-') ||
		!parse_digits(&text, 2, &tm.tm_mon) || !parse_char(&text, '-') ||
		!parse_digits(&text, 2, &tm.tm_mday) || !parse_char(&text, 'T') ||
		!parse_digits(&text, 2, &tm.tm_hour) || !parse_char(&text, ':') ||
		!parse_digits(&text, 2, &tm.tm_min) || !parse_char(&text, ':') ||
		!parse_digits(&text, 2, &tm.tm_sec) || !parse_fraction(&text, &ms) ||
		strcmp(text, "Z") != 0)
		return -1;
	if (tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
		tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	seconds = timegm(&tm);
	*unix_ms = (uint64_t)seconds * 1000 + ms;
	return 0;
}

/* The greatest unit that goes into it; seconds for less than one. */
static size_t find_unit(uint64_t seconds)
{
	size_t i = 0;

	while (i < UNIT_COUNT - 1 && seconds < units[i].seconds)
		i++;
	return i;
}

char *relative_format_age(uint64_t seconds, char *out)
{
	const struct unit *unit = &units[find_unit(seconds)];

	snprintf(out, RELATIVE_SIZE, "%" PRIu64 "%c", seconds / unit->seconds, unit->letter);
	return out;
}

char *relative_format_span(uint64_t seconds, char *out)
{
	size_t first = find_unit(seconds);
	const struct unit *unit = &units[first];
	uint64_t rest = seconds % unit->seconds;

	if (first == UNIT_COUNT - 1 || rest < units[first + 1].seconds)
		return relative_format_age(seconds, out);
	snprintf(out, RELATIVE_SIZE, "%" PRIu64 "%c %" PRIu64 "%c", seconds / unit->seconds,
		unit->letter, rest / units[first + 1].seconds, units[first + 1].letter);
	return out;
}

char *relative_format(uint64_t unix_ms, uint64_t now_unix_ms, char *out)
{
	bool ahead = unix_ms > now_unix_ms;
	uint64_t distance_ms = ahead ? unix_ms - now_unix_ms : now_unix_ms - unix_ms;
	char age[RELATIVE_SIZE - 8];
	char span[RELATIVE_SIZE];

	if (distance_ms < 1000) {
		snprintf(out, RELATIVE_SIZE, "now");
		return out;
	}
	snprintf(age, sizeof(age), "%s", relative_format_age(distance_ms / 1000, span));
	snprintf(out, RELATIVE_SIZE, ahead ? "in %s" : "%s ago", age);
	return out;
}
