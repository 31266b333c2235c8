#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue/pace.h"

#define NOW     UINT64_C(1700000000000000)
#define SECOND  UINT64_C(1000000)
#define HOUR    (3600 * SECOND)
#define HOUR_MS PACE_HOUR_MS

static void who_keeps_to_the_rate_of_an_hour_is_never_paced(void **state)
{
	uint64_t full = 0;

	(void)state;
	for (unsigned i = 0; i < 600; i++)
		assert_true(pace_take(&full, 600, 1, HOUR_MS, NOW) == NOW);
	for (unsigned i = 1; i <= 1200; i++) /* one each six seconds from then on */
		assert_true(pace_take(&full, 600, 1, HOUR_MS, NOW + i * 6 * SECOND) ==
			    NOW + i * 6 * SECOND);
}

static void what_is_over_goes_on_one_by_one_as_the_bucket_fills(void **state)
{
	uint64_t full = 0;

	(void)state;
	for (unsigned i = 0; i < 7; i++)
		assert_true(pace_take(&full, 7, 1, HOUR_MS, NOW) == NOW);
	for (unsigned i = 1; i <= 20; i++) {
		uint64_t permitted = pace_take(&full, 7, 1, HOUR_MS, NOW);

		assert_true(permitted <= NOW + i * HOUR / 7);
		assert_true(permitted + 30 >= NOW + i * HOUR / 7); /* a microsecond each is lost */
	}
}

static void a_burst_is_at_least_one(void **state)
{
	uint64_t full = 0;

	(void)state;
	assert_true(pace_take(&full, 60, 1, 1000, NOW) == NOW);
	assert_true(pace_take(&full, 60, 1, 1000, NOW) == NOW + 60 * SECOND);
	assert_true(pace_take(&full, 60, 1, 1000, NOW) == NOW + 120 * SECOND);
	assert_true(pace_take(&full, 60, 1, 1000, NOW + 240 * SECOND) == NOW + 240 * SECOND);
}

static void more_than_a_bucket_at_once_waits_for_the_rest_and_not_for_ever(void **state)
{
	uint64_t full = 0;

	(void)state;
	assert_true(pace_take(&full, 100, 150, HOUR_MS, NOW) == NOW + HOUR / 2);
	assert_true(pace_take(&full, 100, 50, HOUR_MS, NOW) == NOW + HOUR);
}

static void nobody_is_put_off_beyond_the_limit(void **state)
{
	uint64_t full = 0, permitted = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		permitted = pace_take(&full, 1, 10000, HOUR_MS, NOW);
	assert_true(permitted == NOW + (uint64_t)PACE_MAX_MS * 1000);
	/* and the debt is no greater than that */
	assert_true(pace_take(&full, 1, 1, HOUR_MS, permitted + HOUR) == permitted + HOUR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_keeps_to_the_rate_of_an_hour_is_never_paced),
		cmocka_unit_test(what_is_over_goes_on_one_by_one_as_the_bucket_fills),
		cmocka_unit_test(a_burst_is_at_least_one),
		cmocka_unit_test(more_than_a_bucket_at_once_waits_for_the_rest_and_not_for_ever),
		cmocka_unit_test(nobody_is_put_off_beyond_the_limit),
	};

	return cmocka_run_group_tests_name("queue/pace", tests, NULL, NULL);
}
