#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"

#define NOV_22_2026_MS \
	UINT64_C(1795341600123) /* date -u -d @1795341600: Sun Nov 22 10:00:00 UTC 2026 */

static void rfc3339_has_milliseconds_and_is_in_utc(void **state)
{
	char text[CLOCK_RFC3339_SIZE];

	(void)state;
	assert_string_equal(clock_format_rfc3339(NOV_22_2026_MS, text), "2026-11-22T10:00:00.123Z");
	assert_string_equal(clock_format_rfc3339(0, text), "1970-01-01T00:00:00.000Z");
	assert_string_equal(
		clock_format_rfc3339(UINT64_C(951782399999), text), "2000-02-28T23:59:59.999Z");
	assert_string_equal(
		clock_format_rfc3339(UINT64_C(951782400000), text), "2000-02-29T00:00:00.000Z");
}

static void rfc5322_is_english_and_in_utc(void **state)
{
	char text[CLOCK_RFC5322_SIZE];

	(void)state;
	assert_string_equal(clock_format_rfc5322(NOV_22_2026_MS, text),
		"Sun, 22 Nov 2026 10:00:00 +0000 (UTC)");
	assert_string_equal(clock_format_rfc5322(0, text), "Thu, 1 Jan 1970 00:00:00 +0000 (UTC)");
	assert_string_equal(clock_format_rfc5322(UINT64_C(253402300799000), text),
		"Fri, 31 Dec 9999 23:59:59 +0000 (UTC)");
}

static void formats_do_not_follow_the_time_zone(void **state)
{
	char text[CLOCK_RFC3339_SIZE];

	(void)state;
	setenv("TZ", "America/New_York", 1);
	tzset();
	assert_string_equal(clock_format_rfc3339(NOV_22_2026_MS, text), "2026-11-22T10:00:00.123Z");
	unsetenv("TZ");
	tzset();
}

static void a_turned_clock_stands_still_until_it_is_turned(void **state)
{
	struct clock_turned turned;
	int64_t mono_ms, boot_ms;

	(void)state;
	clock_turned_init(&turned, 5000);
	mono_ms = clock_mono_ms(&turned.clock);
	boot_ms = clock_boot_ms(&turned.clock);
	assert_int_equal(clock_unix_ms(&turned.clock), 5000);
	assert_int_equal(clock_unix_us(&turned.clock), 5000000);
	clock_turned_advance(&turned, 1500);
	assert_int_equal(clock_unix_ms(&turned.clock), 6500);
	assert_int_equal(clock_mono_ms(&turned.clock), mono_ms + 1500);
	assert_int_equal(clock_boot_ms(&turned.clock), boot_ms + 1500);
}

static void the_systems_clock_agrees_with_time(void **state)
{
	uint64_t before = (uint64_t)time(NULL);
	uint64_t now = clock_unix_us(&clock_system) / 1000000;
	int64_t mono_ms = clock_mono_ms(&clock_system);

	(void)state;
	assert_in_range(now, before - 1, (uint64_t)time(NULL) + 1);
	assert_true(clock_mono_ms(&clock_system) >= mono_ms);
	assert_true(clock_boot_ms(&clock_system) >= mono_ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc3339_has_milliseconds_and_is_in_utc),
		cmocka_unit_test(rfc5322_is_english_and_in_utc),
		cmocka_unit_test(formats_do_not_follow_the_time_zone),
		cmocka_unit_test(a_turned_clock_stands_still_until_it_is_turned),
		cmocka_unit_test(the_systems_clock_agrees_with_time),
	};

	return cmocka_run_group_tests_name("core/clock", tests, NULL, NULL);
}
