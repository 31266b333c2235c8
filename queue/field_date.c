/*
 * A date is read token by token, comments and folding between any two of them aside: that is RFC 5322 4.3, of which 3.3 is
 * a part. What a reader downstream could not read either is no date: a month or day by another name, a zone by an unknown one.
 */
#include <string.h>

#include "core/ascii.h"
#include "queue/comment.h"
#include "queue/field.h"

struct scan {
	const char *at, *end;
};

static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
static const char days[] = "montuewedthufrisatsun";

static const struct zone {
	const char *name;
	int hours;
} zones[] = {
	{"ut", 0},
	{"gmt", 0},
	{"est", -5},
	{"edt", -4},
	{"cst", -6},
	{"cdt", -5},
	{"mst", -7},
	{"mdt", -6},
	{"pst", -8},
	{"pdt", -7},
};

static void skip(struct scan *scan)
{
	scan->at = comment_skip(scan->at, scan->end);
}

static bool take(struct scan *scan, char wanted)
{
	skip(scan);
	if (scan->at == scan->end || *scan->at != wanted)
		return false;
	scan->at++;
	return true;
}

/* The letters at the front; 0: none. */
static size_t word_size(struct scan *scan)
{
	size_t size = 0;

	skip(scan);
	while (size < (size_t)(scan->end - scan->at) && ascii_is_alnum(scan->at[size]) &&
		!ascii_is_digit(scan->at[size]))
		size++;
	return size;
}

/* One of the names of three letters that stand in `list`; -1: another word. */
static int take_name(struct scan *scan, const char *list)
{
	if (word_size(scan) != 3)
		return -1;
	for (int i = 0; *list != '\0'; i++, list += 3) {
		char name[4] = {list[0], list[1], list[2], '\0'};

		if (ascii_equals(scan->at, 3, name)) {
			scan->at += 3;
			return i;
		}
	}
	return -1;
}

/* Digits, `least` to `most` of them; -1: not so. Returns how many. */
static int take_number(struct scan *scan, int least, int most, int *out)
{
	int count = 0;

	skip(scan);
	for (*out = 0; count <= most && scan->at < scan->end && ascii_is_digit(*scan->at); count++)
		*out = *out * 10 + (*scan->at++ - '0');
	return count >= least && count <= most ? count : -1;
}

static bool take_year(struct scan *scan, int *year)
{
	int digits = take_number(scan, 2, 4, year);

	if (digits == 2)
		*year += *year < 50 ? 2000 : 1900;
	else if (digits == 3)
		*year += 1900;
	return digits > 0 && *year >= 1900;
}

static bool take_time(struct scan *scan, int64_t *seconds)
{
	int hour, minute, second = 0;

	if (take_number(scan, 2, 2, &hour) < 0 || !take(scan, ':') ||
		take_number(scan, 2, 2, &minute) < 0)
		return false;
	if (take(scan, ':') && take_number(scan, 2, 2, &second) < 0)
		return false;
	*seconds = hour * 3600 + minute * 60 + second;
	return hour < 24 && minute < 60 && second <= 60;
}

static bool take_zone(struct scan *scan, int64_t *east)
{
	size_t size = word_size(scan);
	int sign, number;

	if (size == 0) {
		sign = take(scan, '+') ? 1 : take(scan, '-') ? -1 : 0;
		if (sign == 0 || scan->at == scan->end || !ascii_is_digit(*scan->at) ||
			take_number(scan, 4, 4, &number) < 0)
			return false;
		*east = (int64_t)sign * (number / 100 * 3600 + number % 100 * 60);
		return number % 100 < 60;
	}
	*east = 0;
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		if (ascii_equals(scan->at, size, zones[i].name)) {
			*east = (int64_t)zones[i].hours * 3600;
			scan->at += size;
			return true;
		}
	/* the military ones were often given with the wrong sign: 4.3 takes them for -0000 */
	return size == 1 && ascii_lower(*scan->at++) != 'j';
}

static bool is_day(int year, int month, int day)
{
	static const int8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return day >= 1 && day <= lengths[month] + (month == 1 && is_leap);
}

/* Days since 1970-01-01; the year begins in March, so that its last day is the odd one. */
static int64_t days_since_1970(int year, int month, int day)
{
	int64_t y = month < 2 ? year - 1 : year;
	int64_t m = (month + 10) % 12;

	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
}

int field_date_parse(const void *value, size_t size, int64_t *unix_s)
{
	struct scan scan = {value, (const char *)value + size};
	int day, month, year;
	int64_t seconds, east;

	if (word_size(&scan) > 0 && (take_name(&scan, days) < 0 || !take(&scan, ',')))
		return -1;
	if (take_number(&scan, 1, 2, &day) < 0)
		return -1;
	month = take_name(&scan, months);
	if (month < 0 || !take_year(&scan, &year) || !is_day(year, month, day))
		return -1;
	if (!take_time(&scan, &seconds) || !take_zone(&scan, &east))
		return -1;
	skip(&scan);
	if (scan.at != scan.end)
		return -1;
	*unix_s = days_since_1970(year, month, day) * 86400 + seconds - east;
	return 0;
}
