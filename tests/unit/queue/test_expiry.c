#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue/expiry.h"

#define DAY   86400000LL
#define START 1700000000000ULL

/* Both clocks go on for `ms` in steps of a second; `unix_ahead` is what the wall clock is ahead of the boot clock. */
static void go_on(struct expiry *expiry, int64_t *boot_ms, uint64_t unix_ahead, int64_t ms)
{
	for (int64_t end = *boot_ms + ms; *boot_ms < end; *boot_ms += 1000)
		expiry_observe(expiry, *boot_ms, unix_ahead + (uint64_t)*boot_ms);
}

static uint64_t proven(const struct expiry *expiry, int64_t boot_ms, uint64_t unix_ahead)
{
	int64_t since;

	return expiry_proven(expiry, boot_ms, unix_ahead + (uint64_t)boot_ms, &since);
}

static void nothing_is_proven_before_the_distance_is_over(void **state)
{
	struct expiry expiry;
	int64_t boot_ms = 0;

	(void)state;
	expiry_init(&expiry, 5 * DAY);
	go_on(&expiry, &boot_ms, START, EXPIRY_DISTANCE_MS);
	assert_int_equal(proven(&expiry, EXPIRY_DISTANCE_MS - 1, START), 0);
	assert_int_equal(proven(&expiry, EXPIRY_DISTANCE_MS, START), START);
}

static void the_proven_time_follows_the_clock(void **state)
{
	struct expiry expiry;
	int64_t boot_ms = 0;
	uint64_t now;

	(void)state;
	expiry_init(&expiry, 5 * DAY);
	go_on(&expiry, &boot_ms, START, DAY / 4);
	now = START + (uint64_t)boot_ms;
	assert_true(proven(&expiry, boot_ms, START) <= now - EXPIRY_DISTANCE_MS);
	assert_true(proven(&expiry, boot_ms, START) >= now - 2 * EXPIRY_DISTANCE_MS);
}

static void a_jump_of_a_year_that_is_put_right_proves_nothing(void **state)
{
	struct expiry expiry;
	int64_t boot_ms = 0;

	(void)state;
	expiry_init(&expiry, 5 * DAY);
	go_on(&expiry, &boot_ms, START, EXPIRY_DISTANCE_MS * 2);
	go_on(&expiry, &boot_ms, START + 365 * DAY, EXPIRY_DISTANCE_MS - 1000);
	assert_true(proven(&expiry, boot_ms, START + 365 * DAY) < START + DAY);
	go_on(&expiry, &boot_ms, START, EXPIRY_DISTANCE_MS * 2);
	assert_true(proven(&expiry, boot_ms, START) < START + DAY);
}

static void a_clock_set_back_takes_its_proof_with_it(void **state)
{
	struct expiry expiry;
	int64_t boot_ms = 0;

	(void)state;
	expiry_init(&expiry, 5 * DAY);
	go_on(&expiry, &boot_ms, START + 365 * DAY, EXPIRY_DISTANCE_MS * 2);
	assert_true(proven(&expiry, boot_ms, START + 365 * DAY) > START + 364 * DAY);
	assert_true(proven(&expiry, boot_ms, START) < START + DAY);
}

static void a_sleep_of_a_day_is_one_reading(void **state)
{
	struct expiry expiry;
	int64_t boot_ms = 0;

	(void)state;
	expiry_init(&expiry, 5 * DAY);
	go_on(&expiry, &boot_ms, START, EXPIRY_DISTANCE_MS);
	boot_ms += DAY;
	expiry_observe(&expiry, boot_ms, START + (uint64_t)boot_ms);
	assert_true(proven(&expiry, boot_ms, START) < START + DAY);
}

static void a_short_lifetime_has_a_short_distance(void **state)
{
	struct expiry expiry;

	(void)state;
	expiry_init(&expiry, 5000);
	assert_int_equal(expiry.distance_ms, 500);
	expiry_init(&expiry, 1);
	assert_true(expiry.distance_ms > 0);
	expiry_set_lifetime(&expiry, 5 * DAY);
	assert_int_equal(expiry.distance_ms, EXPIRY_DISTANCE_MS);
}

static void it_says_when_it_wants_the_next_reading(void **state)
{
	struct expiry expiry;

	(void)state;
	expiry_init(&expiry, 8000);
	assert_int_equal(expiry_observe(&expiry, 0, START), 100);
	assert_int_equal(expiry_observe(&expiry, 30, START), 70);
	assert_int_equal(expiry.count, 1);
	assert_int_equal(expiry_observe(&expiry, 100, START), 100);
	assert_int_equal(expiry.count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_proven_before_the_distance_is_over),
		cmocka_unit_test(the_proven_time_follows_the_clock),
		cmocka_unit_test(a_jump_of_a_year_that_is_put_right_proves_nothing),
		cmocka_unit_test(a_clock_set_back_takes_its_proof_with_it),
		cmocka_unit_test(a_sleep_of_a_day_is_one_reading),
		cmocka_unit_test(a_short_lifetime_has_a_short_distance),
		cmocka_unit_test(it_says_when_it_wants_the_next_reading),
	};

	return cmocka_run_group_tests_name("queue/expiry", tests, NULL, NULL);
}
