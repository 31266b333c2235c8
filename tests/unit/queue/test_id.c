#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/id.h"

static void ids_follow_the_clock(void **state)
{
	struct clock_turned turned;
	struct id_source *ids;

	(void)state;
	clock_turned_init(&turned, 1000);
	ids = id_source_open(&turned.clock, 0);
	assert_int_equal(id_next(ids), 1000000);
	clock_turned_advance(&turned, 5);
	assert_int_equal(id_next(ids), 1005000);
	id_source_close(&ids);
	assert_null(ids);
}

static void a_clock_that_stands_still_gives_no_id_twice(void **state)
{
	struct clock_turned turned;
	struct id_source *ids;

	(void)state;
	clock_turned_init(&turned, 1000);
	ids = id_source_open(&turned.clock, 0);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(id_next(ids), 1000000 + i);
	id_source_close(&ids);
}

static void a_clock_set_back_goes_on_behind_the_last_id(void **state)
{
	struct clock_turned turned;
	struct id_source *ids;

	(void)state;
	clock_turned_init(&turned, 1000);
	ids = id_source_open(&turned.clock, 7000000);
	assert_int_equal(id_next(ids), 7000001);
	turned.unix_us_now = 5;
	assert_int_equal(id_next(ids), 7000002);
	turned.unix_us_now = 8000000;
	assert_int_equal(id_next(ids), 8000000);
	id_source_close(&ids);
}

#define THREADS    4
#define PER_THREAD 20000

struct taker {
	pthread_t thread;
	struct id_source *ids;
	uint64_t *taken;
};

static void *take_ids(void *argument)
{
	struct taker *taker = argument;

	for (size_t i = 0; i < PER_THREAD; i++)
		taker->taken[i] = id_next(taker->ids);
	return NULL;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void threads_never_get_the_same_id_and_each_sees_them_rise(void **state)
{
	struct id_source *ids = id_source_open(&clock_system, 0);
	uint64_t *all = calloc(THREADS * PER_THREAD, sizeof(*all));
	struct taker takers[THREADS];

	(void)state;
	assert_non_null(all);
	for (size_t i = 0; i < THREADS; i++) {
		takers[i] = (struct taker){.ids = ids, .taken = all + i * PER_THREAD};
		assert_int_equal(pthread_create(&takers[i].thread, NULL, take_ids, &takers[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(takers[i].thread, NULL);
	for (size_t i = 0; i < THREADS; i++)
		for (size_t j = 1; j < PER_THREAD; j++)
			assert_true(takers[i].taken[j] > takers[i].taken[j - 1]);
	qsort(all, THREADS * PER_THREAD, sizeof(*all), compare_ids);
	for (size_t i = 1; i < THREADS * PER_THREAD; i++)
		assert_true(all[i] != all[i - 1]);
	free(all);
	id_source_close(&ids);
}

static void text_has_14_digits_and_is_ordered_like_the_number(void **state)
{
	char one[ID_TEXT_SIZE], other[ID_TEXT_SIZE];

	(void)state;
	assert_string_equal(id_format(0x0A1B2C3D4E5F60, one), "0A1B2C3D4E5F60");
	assert_string_equal(id_format(0xF000000000000000, one), "F000000000000000");
	assert_string_equal(id_format(0x0100000000000000, one), "100000000000000");
	assert_string_equal(id_format(0, one), "00000000000000");
	assert_string_equal(id_format(UINT64_MAX, other), "FFFFFFFFFFFFFFFF");
	id_format(0xFF, one);
	id_format(0x100, other);
	assert_int_equal(strlen(one), 14);
	assert_true(strcmp(one, other) < 0);
}

static void text_is_read_back_in_either_case(void **state)
{
	char text[ID_TEXT_SIZE];
	uint64_t id = 0;

	(void)state;
	assert_int_equal(id_parse(id_format(0x0A1B2C3D4E5F60, text), &id), 0);
	assert_int_equal(id, 0x0A1B2C3D4E5F60);
	assert_int_equal(id_parse("a1b2c3d4e5f60", &id), 0);
	assert_int_equal(id, 0x0A1B2C3D4E5F60);
	assert_int_equal(id_parse("ffffffffffffffff", &id), 0);
	assert_int_equal(id, UINT64_MAX);
}

static void what_is_no_id_is_refused_and_changes_nothing(void **state)
{
	static const char *const wrong[] = {
		"", "g", "12 ", " 12", "0x12", "-1", "+1", "00000000000000012", "12\n"};
	uint64_t id = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(id_parse(wrong[i], &id), -1);
		assert_int_equal(id, 42);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_follow_the_clock),
		cmocka_unit_test(a_clock_that_stands_still_gives_no_id_twice),
		cmocka_unit_test(a_clock_set_back_goes_on_behind_the_last_id),
		cmocka_unit_test(threads_never_get_the_same_id_and_each_sees_them_rise),
		cmocka_unit_test(text_has_14_digits_and_is_ordered_like_the_number),
		cmocka_unit_test(text_is_read_back_in_either_case),
		cmocka_unit_test(what_is_no_id_is_refused_and_changes_nothing),
	};

	return cmocka_run_group_tests_name("queue/id", tests, NULL, NULL);
}
