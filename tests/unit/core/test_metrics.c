#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "core/metrics.h"

static bool ends_with(const char *text, const char *end)
{
	return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static void every_metric_has_a_name_by_the_rules(void **state)
{
	(void)state;
	for (unsigned i = 0; i < METRIC_COUNT; i++) {
		const struct metric_info *info = metric_info(i);

		assert_non_null(info->name);
		assert_non_null(info->label);
		assert_true(info->help != NULL && ends_with(info->help, "."));
		assert_memory_equal(info->name, "sluice_", 7);
		assert_int_equal(strspn(info->name, "abcdefghijklmnopqrstuvwxyz0123456789_"),
			strlen(info->name));
		assert_int_equal(ends_with(info->name, "_total"), info->kind == METRIC_COUNTER);
	}
}

/* The text format wants the samples of a name together, with one help and type, and no sample twice. */
static void samples_of_one_name_stand_together(void **state)
{
	(void)state;
	for (unsigned i = 0; i < METRIC_COUNT; i++) {
		const struct metric_info *one = metric_info(i);

		for (unsigned j = i + 1; j < METRIC_COUNT; j++) {
			const struct metric_info *other = metric_info(j);

			if (strcmp(one->name, other->name) != 0)
				continue;
			assert_string_equal(metric_info(j - 1)->name, one->name);
			assert_string_equal(one->help, other->help);
			assert_int_equal(one->kind, other->kind);
			assert_string_not_equal(one->label, other->label);
		}
	}
}

static void counters_add_and_gauges_go_both_ways(void **state)
{
	(void)state;
	assert_int_equal(metric_value(METRIC_COMMITS), 0);
	metric_add(METRIC_COMMITS, 1);
	metric_add(METRIC_COMMITS, 41);
	assert_int_equal(metric_value(METRIC_COMMITS), 42);
	metric_set(METRIC_STORE_FULL, 5);
	metric_subtract(METRIC_STORE_FULL, 4);
	assert_int_equal(metric_value(METRIC_STORE_FULL), 1);
	assert_int_equal(metric_value(METRIC_COMMIT_ITEMS), 0);
}

static void *add_many(void *argument)
{
	(void)argument;
	for (int i = 0; i < 100000; i++)
		metric_add(METRIC_DELIVERED, 1);
	return NULL;
}

static void threads_lose_no_count(void **state)
{
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(metric_value(METRIC_DELIVERED), 400000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_metric_has_a_name_by_the_rules),
		cmocka_unit_test(samples_of_one_name_stand_together),
		cmocka_unit_test(counters_add_and_gauges_go_both_ways),
		cmocka_unit_test(threads_lose_no_count),
	};

	return cmocka_run_group_tests_name("core/metrics", tests, NULL, NULL);
}
