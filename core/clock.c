#include "core/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t system_unix_us(const struct clock *clock)
{
	struct timespec now;

	(void)clock;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int64_t system_mono_ms(const struct clock *clock)
{
	(void)clock;
	return read_ms(CLOCK_MONOTONIC);
}

static int64_t system_boot_ms(const struct clock *clock)
{
	(void)clock;
	return read_ms(CLOCK_BOOTTIME);
}

const struct clock clock_system = {
	.unix_us = system_unix_us,
	.mono_ms = system_mono_ms,
	.boot_ms = system_boot_ms,
};

static uint64_t turned_unix_us(const struct clock *clock)
{
	return ((const struct clock_turned *)clock)->unix_us_now;
}

static int64_t turned_mono_ms(const struct clock *clock)
{
	return ((const struct clock_turned *)clock)->mono_ms_now;
}

void clock_turned_init(struct clock_turned *turned, uint64_t unix_ms)
{
	turned->clock.unix_us = turned_unix_us;
	turned->clock.mono_ms = turned_mono_ms;
	turned->clock.boot_ms = turned_mono_ms;
	turned->unix_us_now = unix_ms * 1000;
	turned->mono_ms_now = 1000;
}

void clock_turned_advance(struct clock_turned *turned, int64_t ms)
{
	turned->unix_us_now += (uint64_t)ms * 1000;
	turned->mono_ms_now += ms;
}

char *clock_format_rfc3339(uint64_t unix_ms, char *out)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm;
	size_t size;

	gmtime_r(&seconds, &tm);
	/* none of these conversions depends on the locale */
	size = strftime(out, CLOCK_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + size, CLOCK_RFC3339_SIZE - size, ".%03uZ", (unsigned)(unix_ms % 1000));
	return out;
}

char *clock_format_rfc5322(uint64_t unix_ms, char *out)
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	snprintf(out, CLOCK_RFC5322_SIZE, "%s, %d %s %04d %02d:%02d:%02d +0000 (UTC)",
		days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], (tm.tm_year + 1900) % 10000,
		tm.tm_hour, tm.tm_min, tm.tm_sec);
	return out;
}
