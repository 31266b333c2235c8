#include "queue/grant_notice.h"

#include <errno.h>
#include <time.h>

#include "queue/record.h"

#define DAY_MS          INT64_C(86400000)
#define MINUTES_A_DAY   1440
#define MARK_VERSION    1
#define MARK_SEED       UINT64_C(0x6d61726b) /* "mark" */
#define MARK_FIELD_TIME 1

/* ---- an owner ---- */

/* Those of an expiry, in the order in which they come. */
static const struct {
	unsigned notice;
	int64_t days_before;
} moments[] = {
	{GRANT_TOLD_30_DAYS, 30}, {GRANT_TOLD_7_DAYS, 7}, {GRANT_TOLD_1_DAY, 1},
	{GRANT_TOLD_LAPSED, 0}, {GRANT_TOLD_ENDED, 0}, /* and the grace */
};
#define MOMENT_COUNT (sizeof(moments) / sizeof(moments[0]))

static uint64_t moment_of(const struct grant *grant, size_t which, int64_t grace_ms)
{
	uint64_t before_ms = (uint64_t)(moments[which].days_before * DAY_MS);

	if (moments[which].notice == GRANT_TOLD_ENDED)
		return grant->expires_unix_ms + (uint64_t)grace_ms;
	return grant->expires_unix_ms > before_ms ? grant->expires_unix_ms - before_ms : 0;
}

static bool is_stale(uint64_t moment_unix_ms, uint64_t now_unix_ms)
{
	return moment_unix_ms + (uint64_t)GRANT_STALE_MS <= now_unix_ms;
}

/* Told, or one that comes behind it. */
static bool is_told(const struct grant *grant, unsigned notice)
{
	return (grant->told & ~(uint32_t)GRANT_TOLD_REVOKED & ~(notice - 1)) != 0;
}

unsigned grant_notice_due(
	const struct grant *grant, uint64_t now_unix_ms, int64_t grace_ms, uint64_t *next_unix_ms)
{
	unsigned due = GRANT_NOTICE_NONE;
	uint64_t due_unix_ms = 0;

	*next_unix_ms = UINT64_MAX;
	if (grant->state == GRANT_REVOKED)
		return (grant->told & GRANT_TOLD_REVOKED) == 0 &&
				       !is_stale(grant->state_unix_ms, now_unix_ms)
			       ? GRANT_TOLD_REVOKED
			       : GRANT_NOTICE_NONE;
	if (grant->state != GRANT_APPROVED || grant->expires_unix_ms == 0)
		return GRANT_NOTICE_NONE;
	for (size_t i = 0; i < MOMENT_COUNT; i++) {
		uint64_t moment_unix_ms = moment_of(grant, i, grace_ms);

		if (moment_unix_ms > now_unix_ms) {
			*next_unix_ms = moment_unix_ms;
			break;
		}
		due = moments[i].notice;
		due_unix_ms = moment_unix_ms;
	}
	if (due == GRANT_NOTICE_NONE || is_told(grant, due) ||
		(due == GRANT_TOLD_ENDED && is_stale(due_unix_ms, now_unix_ms)))
		return GRANT_NOTICE_NONE;
	return due;
}

uint32_t grant_notice_add(uint32_t told, unsigned notice)
{
	if (notice == GRANT_TOLD_REVOKED)
		return told | GRANT_TOLD_REVOKED;
	return told | notice | (notice - 1);
}

/* ---- the week ---- */

/* That time of that day; days beyond the month's are taken on. */
static time_t find_time(const struct tm *date, int minute_of_day)
{
	/* summer time first: of a time that comes twice it is the first */
	for (int is_dst = 1; is_dst >= 0; is_dst--) {
		struct tm tm = {.tm_year = date->tm_year,
			.tm_mon = date->tm_mon,
			.tm_mday = date->tm_mday,
			.tm_hour = minute_of_day / 60,
			.tm_min = minute_of_day % 60,
			.tm_isdst = is_dst};
		time_t time = mktime(&tm);
		struct tm back;

		if (is_dst == 0 || (time != (time_t)-1 && localtime_r(&time, &back) != NULL &&
					   back.tm_isdst > 0 &&
					   back.tm_hour * 60 + back.tm_min == minute_of_day))
			return time;
	}
	return (time_t)-1;
}

uint64_t week_minute_before(int week_minute, uint64_t now_unix_ms)
{
	time_t now = (time_t)(now_unix_ms / 1000), found;
	int day = week_minute / MINUTES_A_DAY;
	struct tm date;

	localtime_r(&now, &date);
	date.tm_mday -= (date.tm_wday + 6 - day) % 7;
	found = find_time(&date, week_minute % MINUTES_A_DAY);
	if (found > now) {
		date.tm_mday -= 7;
		found = find_time(&date, week_minute % MINUTES_A_DAY);
	}
	return found > 0 ? (uint64_t)found * 1000 : 0;
}

bool grant_mark_encode(uint64_t unix_ms, struct bytes *out)
{
	size_t start = out->size;

	if (!record_begin(out) ||
		!record_put_number(out, MARK_FIELD_TIME, &unix_ms, sizeof(unix_ms)))
		return false;
	record_seal(out->data + start, out->size - start, MARK_VERSION, MARK_SEED);
	return true;
}

int grant_mark_decode(const void *record, size_t size, uint64_t *unix_ms)
{
	struct record_span fields, value;
	unsigned number;

	*unix_ms = 0;
	if (!record_open(record, size, MARK_VERSION, MARK_SEED, &fields))
		return -EBADMSG;
	while (record_next(&fields, &number, &value) > 0)
		if (number == MARK_FIELD_TIME &&
			!record_get_number(value, unix_ms, sizeof(*unix_ms)))
			return -EBADMSG;
	return 0;
}
