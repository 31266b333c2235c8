#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/bytes.h"

static void grows_and_keeps_what_was_there(void **state)
{
	struct bytes bytes = {0};

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		uint8_t byte = (uint8_t)i;

		assert_true(bytes_append(&bytes, &byte, 1));
	}
	assert_int_equal(bytes.size, 10000);
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(bytes.data[i], (uint8_t)i);
	bytes_fini(&bytes);
	assert_null(bytes.data);
	assert_int_equal(bytes.size, 0);
}

static void text_and_printf_append(void **state)
{
	struct bytes bytes = {0};

	(void)state;
	assert_true(bytes_append_text(&bytes, "a"));
	assert_true(bytes_printf(&bytes, "%d-%s", 42, "x"));
	assert_true(bytes_append(&bytes, NULL, 0));
	assert_int_equal(bytes.size, 5);
	assert_memory_equal(bytes.data, "a42-x", 5);
	bytes_fini(&bytes);
}

static void a_printf_longer_than_the_room_grows_it(void **state)
{
	struct bytes bytes = {0};

	(void)state;
	assert_true(bytes_printf(&bytes, "%1000d", 7));
	assert_int_equal(bytes.size, 1000);
	assert_int_equal(bytes.data[999], '7');
	bytes_fini(&bytes);
}

static void consume_takes_from_the_front(void **state)
{
	struct bytes bytes = {0};

	(void)state;
	assert_true(bytes_append_text(&bytes, "hello"));
	bytes_consume(&bytes, 2);
	assert_int_equal(bytes.size, 3);
	assert_memory_equal(bytes.data, "llo", 3);
	bytes_consume(&bytes, 0);
	assert_int_equal(bytes.size, 3);
	bytes_consume(&bytes, 3);
	assert_int_equal(bytes.size, 0);
	bytes_consume(&bytes, 1);
	assert_int_equal(bytes.size, 0);
	bytes_fini(&bytes);
}

static void clear_keeps_the_memory(void **state)
{
	struct bytes bytes = {0};
	const uint8_t *before;

	(void)state;
	assert_true(bytes_append_text(&bytes, "hello"));
	before = bytes.data;
	bytes_clear(&bytes);
	assert_int_equal(bytes.size, 0);
	assert_ptr_equal(bytes.data, before);
	bytes_fini(&bytes);
}

static void an_absurd_size_is_refused_and_changes_nothing(void **state)
{
	struct bytes bytes = {0};

	(void)state;
	assert_true(bytes_append_text(&bytes, "x"));
	assert_false(bytes_reserve(&bytes, SIZE_MAX));
	assert_false(bytes_reserve(&bytes, SIZE_MAX / 2));
	assert_int_equal(bytes.size, 1);
	assert_int_equal(bytes.data[0], 'x');
	bytes_fini(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_keeps_what_was_there),
		cmocka_unit_test(text_and_printf_append),
		cmocka_unit_test(a_printf_longer_than_the_room_grows_it),
		cmocka_unit_test(consume_takes_from_the_front),
		cmocka_unit_test(clear_keeps_the_memory),
		cmocka_unit_test(an_absurd_size_is_refused_and_changes_nothing),
	};

	return cmocka_run_group_tests_name("core/bytes", tests, NULL, NULL);
}
