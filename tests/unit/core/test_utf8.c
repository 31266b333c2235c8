#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/utf8.h"

static void a_byte_over_127_is_found_wherever_it_stands(void **state)
{
	char text[300];

	(void)state;
	memset(text, 0x7f, sizeof(text));
	for (size_t size = 0; size <= 200; size++) {
		assert_false(utf8_has_eightbit(text + size % 9, size));
		for (size_t at = 0; at < size; at++) {
			text[size % 9 + at] = (char)0x80;
			assert_true(utf8_has_eightbit(text + size % 9, size));
			text[size % 9 + at] = 0x7f;
		}
	}
}

static void a_byte_behind_the_text_is_not_looked_at(void **state)
{
	char text[300];

	(void)state;
	memset(text, 0xff, sizeof(text));
	for (size_t size = 0; size <= 200; size++) {
		memset(text + 7, 'a', size);
		assert_false(utf8_has_eightbit(text + 7, size));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_byte_over_127_is_found_wherever_it_stands),
		cmocka_unit_test(a_byte_behind_the_text_is_not_looked_at),
	};

	return cmocka_run_group_tests_name("core/utf8", tests, NULL, NULL);
}
