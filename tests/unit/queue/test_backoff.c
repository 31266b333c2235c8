#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue/backoff.h"

static void rests_double_up_to_the_greatest(void **state)
{
	static const int64_t expected[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(backoff_host_ms(1000, 60000, i + 1, 0), expected[i]);
		assert_int_equal(backoff_retry_ms(1000, 60000, i + 1, 0), expected[i]);
		assert_int_equal(backoff_unknown_ms(1000, 60000, i + 1, 0), expected[i]);
	}
}

static void jitter_shortens_by_a_quarter_at_most(void **state)
{
	uint64_t seed = 1;
	int64_t least = 60000, most = 0;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		int64_t ms = backoff_host_ms(1000, 60000, 9, backoff_random(&seed));

		assert_in_range(ms, 45000, 60000);
		least = ms < least ? ms : least;
		most = ms > most ? ms : most;
	}
	assert_true(least < 46000 && most > 59000);
}

static void an_unknown_outcome_waits_at_least_the_first_wait(void **state)
{
	uint64_t seed = 2;

	(void)state;
	for (unsigned i = 0; i < 2000; i++)
		assert_in_range(
			backoff_unknown_ms(60000, 3600000, 1, backoff_random(&seed)), 60000, 75000);
}

static void odd_figures_give_a_wait_all_the_same(void **state)
{
	(void)state;
	assert_int_equal(backoff_host_ms(1000, 60000, 0, 0), 1000);
	assert_int_equal(backoff_host_ms(5000, 1000, 3, 0), 5000);
	assert_int_equal(backoff_host_ms(0, 0, 3, UINT64_MAX), 1);
	assert_int_equal(backoff_host_ms(1, INT64_MAX, 4000000000u, 0), INT64_MAX);
	assert_true(backoff_host_ms(1, INT64_MAX, 4000000000u, UINT64_MAX) > INT64_MAX / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rests_double_up_to_the_greatest),
		cmocka_unit_test(jitter_shortens_by_a_quarter_at_most),
		cmocka_unit_test(an_unknown_outcome_waits_at_least_the_first_wait),
		cmocka_unit_test(odd_figures_give_a_wait_all_the_same),
	};

	return cmocka_run_group_tests_name("queue/backoff", tests, NULL, NULL);
}
