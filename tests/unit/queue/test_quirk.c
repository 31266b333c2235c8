#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/metrics.h"
#include "queue/quirk.h"

#define NAME_MAX_BYTES 50 /* it stands in a listing */

static void check_sentence(unsigned number, const char *text)
{
	size_t size = strlen(text);

	if (size < 10 || text[size - 1] != '.')
		fail_msg("Q-%02u: no full stop: %s", number, text);
	if (strstr(text, ". ") != NULL)
		fail_msg("Q-%02u: more than one sentence: %s", number, text);
	if (text[0] < 'A' || text[0] > 'Z')
		fail_msg("Q-%02u: begins without a capital: %s", number, text);
}

static void check_row(unsigned number, const struct quirk_row *row)
{
	if (strlen(row->name) > NAME_MAX_BYTES || strchr(row->name, '.') != NULL)
		fail_msg("Q-%02u: not a name: %s", number, row->name);
	assert_in_range(row->place, QUIRK_AT_CONNECTION, QUIRK_AT_LOGIN);
	assert_in_range(row->stand, QUIRK_HANDLED, QUIRK_LATER);
	check_sentence(number, row->done);
	if (row->advice != NULL)
		check_sentence(number, row->advice);
}

static void every_number_but_two_has_a_row(void **state)
{
	(void)state;
	for (unsigned number = 0; number < QUIRK_COUNT; number++) {
		const struct quirk_row *row = quirk_row(number);

		if (number == 0 || number == 29)
			assert_null(row);
		else if (row == NULL)
			fail_msg("Q-%02u has no row", number);
		else
			check_row(number, row);
	}
	assert_null(quirk_row(QUIRK_COUNT));
	assert_true(QUIRK_COUNT <= METRIC_QUIRK_MAX);
}

static void no_two_have_the_same_name(void **state)
{
	(void)state;
	for (unsigned one = 1; one < QUIRK_COUNT; one++)
		for (unsigned other = one + 1; other < QUIRK_COUNT; other++)
			if (quirk_row(one) != NULL && quirk_row(other) != NULL)
				assert_string_not_equal(
					quirk_row(one)->name, quirk_row(other)->name);
}

static void nothing_comes_later(void **state)
{
	(void)state;
	for (unsigned number = 1; number < QUIRK_COUNT; number++)
		if (quirk_row(number) != NULL && quirk_row(number)->stand == QUIRK_LATER)
			fail_msg("Q-%02u stands wrong", number);
}

static void a_set_is_written_in_order_and_read_again(void **state)
{
	struct quirk_set set = {{0, 0}}, again;
	char text[QUIRK_TEXT_SIZE];

	(void)state;
	assert_string_equal(quirk_set_format(&set, text), "");
	quirk_set_add(&set, 110);
	quirk_set_add(&set, 5);
	quirk_set_add(&set, 64);
	assert_string_equal(quirk_set_format(&set, text), "Q-05 Q-64 Q-110");
	quirk_set_parse(text, &again);
	assert_memory_equal(&set, &again, sizeof(set));
	quirk_set_parse("Q-0 Q-999 nonsense Q- Q-12", &again);
	assert_string_equal(quirk_set_format(&again, text), "Q-12");
	quirk_set_parse(NULL, &again);
	assert_true(quirk_set_is_empty(&again));
}

static void the_next_of_a_set_is_found_in_either_word(void **state)
{
	struct quirk_set set = {{0, 0}};

	(void)state;
	assert_int_equal(quirk_set_next(&set, 0), 0);
	quirk_set_add(&set, 63);
	quirk_set_add(&set, 64);
	quirk_set_add(&set, 110);
	assert_int_equal(quirk_set_next(&set, 0), 63);
	assert_int_equal(quirk_set_next(&set, 63), 64);
	assert_int_equal(quirk_set_next(&set, 64), 110);
	assert_int_equal(quirk_set_next(&set, 110), 0);
	assert_int_equal(quirk_set_next(&set, 127), 0);
}

static void a_set_of_all_fits_its_text(void **state)
{
	struct quirk_set set = {{0, 0}}, again;
	char text[QUIRK_TEXT_SIZE];

	(void)state;
	for (unsigned number = 1; number < QUIRK_COUNT; number++)
		quirk_set_add(&set, number);
	quirk_set_parse(quirk_set_format(&set, text), &again);
	assert_memory_equal(&set, &again, sizeof(set));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_number_but_two_has_a_row),
		cmocka_unit_test(no_two_have_the_same_name),
		cmocka_unit_test(nothing_comes_later),
		cmocka_unit_test(a_set_is_written_in_order_and_read_again),
		cmocka_unit_test(the_next_of_a_set_is_found_in_either_word),
		cmocka_unit_test(a_set_of_all_fits_its_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
