#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/resource.h>

#include "core/descriptors.h"
#include "core/parking.h"

enum { THREADS = 2 };

static struct config_upstream upstreams[] = {
	{.host_count = 2, .max_connections = 20}, {.host_count = 1, .max_connections = 100}};

static const struct config config = {
	.workers = 2,
	.scan_workers = 4,
	.max_connections = 10000,
	.upstreams = upstreams,
	.upstream_count = 2,
};

static void where_there_are_enough_the_configuration_counts(void **state)
{
	struct descriptor_shares shares = descriptors_share(1 << 20, &config, THREADS);

	(void)state;
	assert_int_equal(shares.clients, 10000);
	assert_int_equal(shares.parked, PARKING_MAX);
}

/* What clients, parked or in, leave is enough for every delivery. */
static void clients_leave_the_deliveries_theirs(void **state)
{
	(void)state;
	for (size_t limit = 400; limit < 20000; limit += 100) {
		struct descriptor_shares shares = descriptors_share(limit, &config, THREADS);

		assert_true(shares.clients + THREADS * shares.parked + 140 < limit);
		assert_in_range(shares.clients, 1, 10000);
	}
}

static void many_deliveries_leave_clients_something(void **state)
{
	struct config_upstream huge = {.host_count = 100, .max_connections = 1000};
	struct config greedy = config;
	struct descriptor_shares shares;

	(void)state;
	greedy.upstreams = &huge;
	greedy.upstream_count = 1;
	shares = descriptors_share(4096, &greedy, THREADS);
	assert_in_range(shares.clients, 1500, 2048);
}

static void a_tiny_limit_is_no_reason_to_take_nobody(void **state)
{
	struct descriptor_shares shares = descriptors_share(64, &config, THREADS);

	(void)state;
	assert_int_equal(shares.clients, 1);
	assert_int_equal(shares.parked, 1);
}

static void the_limit_is_raised_as_far_as_it_goes(void **state)
{
	struct rlimit old, now;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	now = old;
	now.rlim_cur = 256;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
	assert_int_equal(descriptors_raise_limit(), old.rlim_max);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
	assert_int_equal(now.rlim_cur, old.rlim_max);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_there_are_enough_the_configuration_counts),
		cmocka_unit_test(clients_leave_the_deliveries_theirs),
		cmocka_unit_test(many_deliveries_leave_clients_something),
		cmocka_unit_test(a_tiny_limit_is_no_reason_to_take_nobody),
		cmocka_unit_test(the_limit_is_raised_as_far_as_it_goes),
	};

	return cmocka_run_group_tests_name("core/descriptors", tests, NULL, NULL);
}
