#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/config.h"
#include "core/config_unit.h"

static void sizes_are_powers_of_1024(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} rows[] = {{"0", 0}, {"0GB", 0}, {"17", 17}, {"17B", 17}, {"1KB", 1024},
		{"50MB", 52428800}, {"20GB", UINT64_C(21474836480)},
		{"9223372036854775807", INT64_MAX}, {"8589934591GB", UINT64_C(8589934591) << 30}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t bytes = 99;

		assert_int_equal(config_parse_size(rows[i].text, &bytes), 0);
		assert_true(bytes == rows[i].bytes);
	}
}

static void durations_need_their_unit(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {{"0", 0}, {"1ms", 1}, {"1s", 1000}, {"90s", 90000}, {"5m", 300000},
		{"1h", 3600000}, {"5d", 432000000}, {"9223372036854775807ms", INT64_MAX}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t ms = 99;

		assert_int_equal(config_parse_duration(rows[i].text, &ms), 0);
		assert_true(ms == rows[i].ms);
	}
}

static void anything_else_is_refused(void **state)
{
	static const char *const sizes[] = {"", "MB", "-1", "+1", " 1", "1 ", "1 MB", "1mb", "1M",
		"1TB", "1.5GB", "0x10", "9223372036854775808", "8589934592GB",
		"99999999999999999999999999"};
	static const char *const durations[] = {
		"", "s", "5", "-5s", "5 s", "5S", "5min", "1w", "1h30m", "106751991168d"};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t bytes;

		assert_int_equal(config_parse_size(sizes[i], &bytes), -1);
	}
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		int64_t ms;

		assert_int_equal(config_parse_duration(durations[i], &ms), -1);
	}
}

static void formatting_takes_the_largest_whole_unit(void **state)
{
	char text[CONFIG_UNIT_TEXT_SIZE];

	(void)state;
	assert_string_equal(config_format_size(0, text), "0B");
	assert_string_equal(config_format_size(1023, text), "1023B");
	assert_string_equal(config_format_size(52428800, text), "50MB");
	assert_string_equal(config_format_size(UINT64_C(1) << 40, text), "1024GB");
	assert_string_equal(config_format_duration(0, text), "0ms");
	assert_string_equal(config_format_duration(90000, text), "90s");
	assert_string_equal(config_format_duration(86400000, text), "1d");
}

static void what_is_formatted_reads_back(void **state)
{
	char text[CONFIG_UNIT_TEXT_SIZE];

	(void)state;
	for (uint64_t value = 1; value < (UINT64_C(1) << 60); value = value * 3 + 1) {
		uint64_t bytes;
		int64_t ms;

		assert_int_equal(config_parse_size(config_format_size(value, text), &bytes), 0);
		assert_true(bytes == value);
		assert_int_equal(
			config_parse_duration(config_format_duration((int64_t)value, text), &ms),
			0);
		assert_true((uint64_t)ms == value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(durations_need_their_unit),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(formatting_takes_the_largest_whole_unit),
		cmocka_unit_test(what_is_formatted_reads_back),
	};

	return cmocka_run_group_tests_name("core/config_unit", tests, NULL, NULL);
}
