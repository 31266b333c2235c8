#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "queue/usage.h"

#define DAY UINT64_C(86400000)
#define NOW (20000 * DAY + 5000)

static void days_are_kept_for_thirty_and_sums_for_ever(void **state)
{
	struct usage *usage = usage_new(USAGE_GRANT, "printers");

	(void)state;
	for (unsigned day = 0; day < 40; day++) {
		usage_count(usage, NOW + day * DAY, 2, 100);
		usage_count(usage, NOW + day * DAY + 1, 1, 50);
	}
	assert_int_equal(usage->messages, 80);
	assert_int_equal(usage->recipients, 120);
	assert_int_equal(usage->bytes, 6000);
	assert_int_equal(usage->first_unix_ms, NOW);
	assert_int_equal(usage->last_unix_ms, NOW + 39 * DAY + 1);
	assert_int_equal(usage->day_count, USAGE_DAYS);
	assert_int_equal(usage_on(usage, 20009).messages, 0);
	assert_int_equal(usage_on(usage, 20010).messages, 2);
	assert_int_equal(usage_on(usage, 20039).recipients, 3);
	usage_count(usage, NOW + 60 * DAY, 1, 1);
	assert_int_equal(usage_on(usage, 20030).messages, 0);
	assert_int_equal(usage_on(usage, 20031).messages, 2);
	usage_close(&usage);
}

static void a_day_ahead_of_the_clock_is_forgotten(void **state)
{
	struct usage *usage = usage_new(USAGE_GRANT, "printers");

	(void)state;
	usage_count(usage, NOW + 365 * DAY, 1, 1);
	usage->messages_full_unix_us = (NOW + 365 * DAY) * 1000 + 700;
	usage_set_back(usage, NOW);
	assert_true(usage->messages_full_unix_us == NOW * 1000 + 700);
	usage_count(usage, NOW, 1, 1);
	assert_int_equal(usage->day_count, 1);
	assert_int_equal(usage->days[0].day, 20000);
	usage_close(&usage);
}

static void a_record_gives_back_what_it_was_made_of(void **state)
{
	struct usage *usage = usage_new(USAGE_ACCOUNT, "anna"), *copy = NULL;
	struct bytes record = {0};

	(void)state;
	for (unsigned day = 0; day < 35; day++)
		usage_count(usage, NOW + day * DAY, day, UINT64_C(1) << 40);
	assert_true(usage_see_recipient(usage, 20034, "a@example.edu"));
	usage->unmarked_bulk = 3;
	usage->paced = 4;
	usage->held = 5;
	usage->told_day = 20033;
	usage->messages_full_unix_us = UINT64_MAX - 1;
	usage->recipients_full_unix_us = 77;
	assert_true(usage_encode(usage, &record));
	assert_int_equal(usage_decode(USAGE_ACCOUNT, "anna", record.data, record.size, &copy), 0);
	assert_memory_equal(copy->sketch, usage->sketch, USAGE_SKETCH_BYTES);
	assert_true(copy->kind == usage->kind && copy->told_day == 20033);
	assert_true(copy->unmarked_bulk == 3 && copy->paced == 4 && copy->held == 5);
	assert_true(copy->messages_full_unix_us == UINT64_MAX - 1);
	assert_true(copy->recipients_full_unix_us == 77);
	assert_true(copy->messages == 35 && copy->recipients == usage->recipients);
	assert_true(copy->bytes == usage->bytes && copy->first_unix_ms == NOW);
	assert_true(copy->last_unix_ms == usage->last_unix_ms);
	assert_int_equal(copy->day_count, USAGE_DAYS);
	for (size_t i = 0; i < USAGE_DAYS; i++)
		assert_true(copy->days[i].day == usage->days[i].day &&
			    copy->days[i].bytes == usage->days[i].bytes &&
			    copy->days[i].recipients == usage->days[i].recipients);
	usage_close(&copy);
	/* it is this one's, and whole */
	assert_int_equal(
		usage_decode(USAGE_GRANT, "anna", record.data, record.size, &copy), -EBADMSG);
	assert_int_equal(
		usage_decode(USAGE_ACCOUNT, "bert", record.data, record.size, &copy), -EBADMSG);
	for (size_t size = 0; size < record.size; size += 7)
		assert_int_equal(
			usage_decode(USAGE_ACCOUNT, "anna", record.data, size, &copy), -EBADMSG);
	bytes_fini(&record);
	usage_close(&usage);
}

static uint32_t distinct_of(unsigned count, unsigned times)
{
	struct usage *usage = usage_new(USAGE_GRANT, "g");
	char address[64];
	uint32_t distinct;

	for (unsigned i = 0; i < count * times; i++) {
		snprintf(address, sizeof(address), "User%u@Example.edu", i % count);
		if (i >= count)
			address[0] = 'u';
		assert_true(usage_see_recipient(usage, 7, address));
	}
	distinct = usage_distinct(usage, 7);
	assert_int_equal(usage_distinct(usage, 8), 0);
	assert_true(usage_see_recipient(usage, 8, "one@example.edu"));
	assert_int_equal(usage_distinct(usage, 8), 1);
	usage_close(&usage);
	return distinct;
}

static void distinct_recipients_are_counted_about(void **state)
{
	static const unsigned counts[] = {1, 2, 10, 50, 500, 2000, 5000, 50000};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint32_t distinct = distinct_of(counts[i], 3);

		assert_true(distinct + counts[i] / 10 >= counts[i]);
		assert_true(distinct <= counts[i] + counts[i] / 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(days_are_kept_for_thirty_and_sums_for_ever),
		cmocka_unit_test(a_day_ahead_of_the_clock_is_forgotten),
		cmocka_unit_test(a_record_gives_back_what_it_was_made_of),
		cmocka_unit_test(distinct_recipients_are_counted_about),
	};

	return cmocka_run_group_tests_name("queue/usage", tests, NULL, NULL);
}
