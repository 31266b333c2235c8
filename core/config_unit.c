#include "core/config_unit.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/config.h"

struct unit {
	const char *name;
	uint64_t times;
};

/* Largest first; the last row ends the list and stands for a number without a unit. */
static const struct unit size_units[] = {
	{"GB", UINT64_C(1) << 30}, {"MB", UINT64_C(1) << 20}, {"KB", 1024}, {"B", 1}, {"", 1}};
static const struct unit duration_units[] = {
	{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {"", 0}};

/* Digits, then one of the units, and nothing else. Results stay within int64_t. */
static int parse(const char *text, const struct unit *units, uint64_t *out)
{
	const char *at = text;
	uint64_t number = 0;

	for (; *at >= '0' && *at <= '9'; at++) {
		if (number > (uint64_t)INT64_MAX / 10)
			return -1;
		number = number * 10 + (uint64_t)(*at - '0');
	}
	if (at == text)
		return -1;
	while (strcmp(units->name, at) != 0)
		if (*units++->name == '\0')
			return -1;
	if (units->times == 0) {
		*out = 0;
		return number == 0 ? 0 : -1; /* without a unit a duration says nothing, but 0 */
	}
	if (number > (uint64_t)INT64_MAX / units->times)
		return -1;
	*out = number * units->times;
	return 0;
}

static char *format(uint64_t value, const struct unit *units, char *out)
{
	while (units->times > 1 && (value == 0 || value % units->times != 0))
		units++;
	snprintf(out, CONFIG_UNIT_TEXT_SIZE, "%" PRIu64 "%s", value / units->times, units->name);
	return out;
}

int config_parse_size(const char *text, uint64_t *bytes)
{
	return parse(text, size_units, bytes);
}

int config_parse_duration(const char *text, int64_t *ms)
{
	uint64_t value;

	if (parse(text, duration_units, &value) < 0)
		return -1;
	*ms = (int64_t)value;
	return 0;
}

char *config_format_size(uint64_t bytes, char *out)
{
	return format(bytes, size_units, out);
}

char *config_format_duration(int64_t ms, char *out)
{
	return format((uint64_t)ms, duration_units, out);
}

/* ---- a time of the week ---- */

#define MINUTES_A_DAY 1440

static const char weekdays[] = "MonTueWedThuFriSatSun";

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

int config_parse_week(const char *text, int *minute)
{
	int day = 0, hour, past;

	*minute = CONFIG_WEEK_OFF;
	if (strcmp(text, "off") == 0)
		return 0;
	if (strlen(text) != strlen("Mon 08:00") || text[3] != ' ' || text[6] != ':' ||
		!is_digit(text[4]) || !is_digit(text[5]) || !is_digit(text[7]) ||
		!is_digit(text[8]))
		return -1;
	while (day < 7 && strncasecmp(text, weekdays + (ptrdiff_t)day * 3, 3) != 0)
		day++;
	hour = (text[4] - '0') * 10 + text[5] - '0';
	past = (text[7] - '0') * 10 + text[8] - '0';
	if (day == 7 || hour > 23 || past > 59)
		return -1;
	*minute = day * MINUTES_A_DAY + hour * 60 + past;
	return 0;
}

char *config_format_week(int minute, char *out)
{
	if (minute == CONFIG_WEEK_OFF)
		snprintf(out, CONFIG_UNIT_TEXT_SIZE, "off");
	else
		snprintf(out, CONFIG_UNIT_TEXT_SIZE, "%.3s %02d:%02d",
			weekdays + (ptrdiff_t)(minute / MINUTES_A_DAY) * 3,
			minute % MINUTES_A_DAY / 60, minute % 60);
	return out;
}
