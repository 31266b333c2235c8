#include "core/clock.h"

#include <stdio.h>
#include <string.h>
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

static char *put_number(char *out, int number, size_t digits)
{
	for (size_t i = digits; i-- > 0; number /= 10)
		out[i] = (char)('0' + number % 10);
	return out + digits;
}

/* Once a message: printf would take three times as long. */
char *clock_format_rfc5322(uint64_t unix_ms, char *out)
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t seconds = (time_t)(unix_ms / 1000);
	char *at = out;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	at = stpcpy(at, days[tm.tm_wday]);
	at = stpcpy(at, ", ");
	at = put_number(at, tm.tm_mday, tm.tm_mday < 10 ? 1 : 2);
	*at++ = ' ';
	at = stpcpy(at, months[tm.tm_mon]);
	*at++ = ' ';
	at = put_number(at, (tm.tm_year + 1900) % 10000, 4);
	*at++ = ' ';
	at = put_number(at, tm.tm_hour, 2);
	*at++ = ':';
	at = put_number(at, tm.tm_min, 2);
	*at++ = ':';
	at = put_number(at, tm.tm_sec, 2);
	stpcpy(at, " +0000 (UTC)");
	return out;
}
