#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue/repeats.h"

static struct repeats *repeats;

static int setup(void **state)
{
	(void)state;
	repeats = repeats_open();
	return repeats == NULL;
}

static int teardown(void **state)
{
	(void)state;
	repeats_close(&repeats);
	return 0;
}

static void only_what_was_not_heard_is_found(void **state)
{
	(void)state;
	repeats_put(repeats, 1, 10);
	repeats_put(repeats, 2, 10);
	assert_int_equal(repeats_find(repeats, 10, 0), 0);
	repeats_unheard(repeats, 1, 0);
	assert_int_equal(repeats_find(repeats, 10, 0), 1);
	assert_int_equal(repeats_find(repeats, 11, 0), 0);
	repeats_heard(repeats, 1);
	assert_int_equal(repeats_find(repeats, 10, 0), 0);
	repeats_unheard(repeats, 2, 0);
	repeats_del(repeats, 2);
	assert_int_equal(repeats_find(repeats, 10, 0), 0);
	repeats_unheard(repeats, 2, 0);
	assert_int_equal(repeats_find(repeats, 10, 0), 0);
}

static void an_hour_ends_it_and_each_lost_answer_begins_it_anew(void **state)
{
	(void)state;
	repeats_put(repeats, 1, 10);
	repeats_unheard(repeats, 1, 1000);
	assert_int_equal(repeats_find(repeats, 10, 1000 + REPEATS_MS), 1);
	assert_int_equal(repeats_find(repeats, 10, 1001 + REPEATS_MS), 0);
	repeats_heard(repeats, 1);
	repeats_unheard(repeats, 1, REPEATS_MS);
	assert_int_equal(repeats_find(repeats, 10, 1001 + REPEATS_MS), 1);
}

static void the_oldest_goes_when_it_is_full(void **state)
{
	(void)state;
	for (uint64_t id = 1; id <= 3 * (uint64_t)REPEATS_MAX; id++) {
		repeats_put(repeats, id, id + 7);
		repeats_unheard(repeats, id, 0);
		repeats_put_name(repeats, id, 1);
	}
	for (uint64_t id = 1; id <= 3 * (uint64_t)REPEATS_MAX; id++) {
		bool kept = id > 2 * (uint64_t)REPEATS_MAX;

		assert_int_equal(repeats_find(repeats, id + 7, 0), kept ? id : 0);
		assert_int_equal(repeats_is_other(repeats, id, 2), kept);
	}
}

/* Each of them has the same key, as of a device that always sends the same. */
static void many_with_one_key_are_kept_apart(void **state)
{
	(void)state;
	for (uint64_t id = 1; id <= 2 * (uint64_t)REPEATS_MAX; id++)
		repeats_put(repeats, id, 5);
	assert_int_equal(repeats_find(repeats, 5, 0), 0);
	repeats_unheard(repeats, 2 * (uint64_t)REPEATS_MAX - 1, 0);
	assert_int_equal(repeats_find(repeats, 5, 0), 2 * (uint64_t)REPEATS_MAX - 1);
}

static void a_name_with_another_content_is_anothers(void **state)
{
	(void)state;
	assert_false(repeats_is_other(repeats, 3, 1));
	repeats_put_name(repeats, 3, 1);
	assert_false(repeats_is_other(repeats, 3, 1));
	assert_true(repeats_is_other(repeats, 3, 2));
	assert_false(repeats_is_other(repeats, 4, 2));
	repeats_put_name(repeats, 3, 2);
	assert_false(repeats_is_other(repeats, 3, 1));
	assert_false(repeats_is_other(repeats, 3, 2));
	repeats_del_name(repeats, 3, 1);
	repeats_del_name(repeats, 3, 2);
	assert_false(repeats_is_other(repeats, 3, 9));
	for (uint64_t content = 1; content < 100; content++)
		repeats_put_name(repeats, 3, content);
	assert_true(repeats_is_other(repeats, 3, 1));
	assert_false(repeats_is_other(repeats, 3, 99));
}

static void keys_differ_in_every_part(void **state)
{
	uint64_t key = repeats_key("192.0.2.1", "a@b", "c@d", 4, 9);

	(void)state;
	assert_int_equal(key, repeats_key("192.0.2.1", "a@b", "c@d", 4, 9));
	assert_int_not_equal(key, repeats_key("192.0.2.2", "a@b", "c@d", 4, 9));
	assert_int_not_equal(key, repeats_key("192.0.2.1", "a@c", "c@d", 4, 9));
	assert_int_not_equal(key, repeats_key("192.0.2.1", "a@b", "c@e", 4, 9));
	assert_int_not_equal(key, repeats_key("192.0.2.1", "a@b", "c@d", 4, 8));
	assert_int_not_equal(repeats_name("192.0.2.1", 5), repeats_name("192.0.2.2", 5));
	assert_int_not_equal(repeats_name("192.0.2.1", 5), repeats_name("192.0.2.1", 6));
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		EACH(only_what_was_not_heard_is_found),
		EACH(an_hour_ends_it_and_each_lost_answer_begins_it_anew),
		EACH(the_oldest_goes_when_it_is_full),
		EACH(many_with_one_key_are_kept_apart),
		EACH(a_name_with_another_content_is_anothers),
		EACH(keys_differ_in_every_part),
	};

	return cmocka_run_group_tests_name("queue/repeats", tests, NULL, NULL);
}
