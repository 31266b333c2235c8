#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/rates.h"
#include "admin/relative.h"
#include "core/clock.h"

#define NOW_MS 1795341600000ULL /* 2026-11-22T10:00:00Z */

static void assert_shown(int64_t distance_ms, const char *expected)
{
	char text[RELATIVE_SIZE];

	assert_string_equal(
		relative_format((uint64_t)((int64_t)NOW_MS + distance_ms), NOW_MS, text), expected);
}

static void times_are_told_as_a_distance(void **state)
{
	(void)state;
	assert_shown(0, "now");
	assert_shown(999, "now");
	assert_shown(-999, "now");
	assert_shown(12000, "in 12s");
	assert_shown(-59999, "59s ago");
	assert_shown(-60000, "1m ago");
	assert_shown(-3 * 60000, "3m ago");
	assert_shown(3600000, "in 1h");
	assert_shown(-86400000LL * 4, "4d ago");
}

static void the_farthest_time_still_fits(void **state)
{
	char text[RELATIVE_SIZE];

	(void)state;
	assert_string_equal(relative_format(UINT64_MAX, 0, text), "in 213503982334d");
	assert_string_equal(relative_format_span(UINT64_MAX, text), "213503982334601d 7h");
}

static void spans_have_two_units(void **state)
{
	char text[RELATIVE_SIZE];

	(void)state;
	assert_string_equal(relative_format_span(0, text), "0s");
	assert_string_equal(relative_format_span(59, text), "59s");
	assert_string_equal(relative_format_span(185, text), "3m 5s");
	assert_string_equal(relative_format_span(180, text), "3m");
	assert_string_equal(relative_format_span(3600 * 5 + 60 * 20 + 9, text), "5h 20m");
	assert_string_equal(relative_format_span(86400 * 2 + 59, text), "2d");
}

static void times_are_read_as_the_socket_writes_them(void **state)
{
	char text[CLOCK_RFC3339_SIZE];
	uint64_t read_ms;

	(void)state;
	assert_int_equal(relative_parse_time("2026-11-22T10:00:00Z", &read_ms), 0);
	assert_int_equal(read_ms, NOW_MS);
	assert_int_equal(relative_parse_time("2026-11-22T10:00:00.123456Z", &read_ms), 0);
	assert_int_equal(read_ms, NOW_MS + 123);
	for (uint64_t ms = 1; ms < 4102444800000; ms += 86399123457) {
		assert_int_equal(relative_parse_time(clock_format_rfc3339(ms, text), &read_ms), 0);
		assert_int_equal(read_ms, ms);
	}
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const bad[] = {"", "tomorrow", "2026-11-22", "2026-11-22T10:00:00",
		"2026-11-22T10:00:00+01:00", "2026-13-22T10:00:00Z", "2026-11-22T24:00:00Z",
		"2026-11-22T10:00:00.Z", "2026-11-22T10:00:00Zz", "1969-12-31T23:59:59Z"};
	uint64_t read_ms;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(relative_parse_time(bad[i], &read_ms), -1);
}

static void a_rate_is_the_growth_over_the_last_minute(void **state)
{
	struct rates rates = {0};
	struct rates_sample now = {.mono_ms = 200000, .received = 2000, .delivered = 1000};
	struct rates_report report;

	(void)state;
	/* 10 received a second up to 100 s, 20 afterwards */
	for (int64_t ms = 0; ms < 200000; ms += RATES_STEP_MS) {
		uint64_t seconds = (uint64_t)ms / 1000;
		const struct rates_sample sample = {
			.mono_ms = ms,
			.received = seconds < 100 ? seconds * 10 : 1000 + (seconds - 100) * 20,
			.delivered = seconds * 5,
		};

		rates_add(&rates, &sample);
	}
	now.received = 3000;
	report = rates_report(&rates, &now);
	assert_float_equal(report.window_seconds, 62, 0.001);
	assert_float_equal(report.received_per_second, 20, 0.001);
	assert_float_equal(report.delivered_per_second, 5, 0.001);
}

static void without_a_past_there_is_no_rate(void **state)
{
	struct rates rates = {0};
	const struct rates_sample now = {.mono_ms = 5000, .received = 10};
	struct rates_report report = rates_report(&rates, &now);

	(void)state;
	assert_float_equal(report.received_per_second, 0, 0);
	rates_add(&rates, &now);
	report = rates_report(&rates, &now);
	assert_float_equal(report.received_per_second, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_told_as_a_distance),
		cmocka_unit_test(the_farthest_time_still_fits),
		cmocka_unit_test(spans_have_two_units),
		cmocka_unit_test(times_are_read_as_the_socket_writes_them),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(a_rate_is_the_growth_over_the_last_minute),
		cmocka_unit_test(without_a_past_there_is_no_rate),
	};

	return cmocka_run_group_tests_name("admin/relative", tests, NULL, NULL);
}
