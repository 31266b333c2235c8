#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/config_options.h"
#include "smtp/device.h"

/* core/ holds the names for the configuration, as it may not look into smtp/. */
static void configuration_knows_each_profile_by_its_number(void **state)
{
	size_t i = 0;

	(void)state;
	for (; device_at(i) != NULL; i++) {
		assert_non_null(config_device_choices[i].name);
		assert_string_equal(config_device_choices[i].name, device_at(i)->name);
		assert_int_equal(config_device_choices[i].value, i);
		assert_ptr_equal(device_find(device_at(i)->name), device_at(i));
	}
	assert_null(config_device_choices[i].name);
	assert_null(device_find("no-such"));
}

static void default_has_no_traits_and_the_others_some_and_a_meaning(void **state)
{
	(void)state;
	assert_string_equal(device_at(0)->name, "default");
	assert_int_equal(device_at(0)->traits, 0);
	for (size_t i = 1; device_at(i) != NULL; i++) {
		assert_int_not_equal(device_at(i)->traits, 0);
		assert_true(strlen(device_at(i)->meaning) > 10);
	}
}

static void traits_that_nothing_else_shows_have_their_quirk(void **state)
{
	(void)state;
	assert_int_equal(device_trait_quirk(DEVICE_BANNER_SMTP), 5);
	assert_int_equal(device_trait_quirk(DEVICE_SINGLE_LINE_EHLO), 7);
	assert_int_equal(device_trait_quirk(DEVICE_EHLO_502), 8);
	assert_int_equal(device_trait_quirk(DEVICE_PLAIN_CODES), 59);
	assert_int_equal(device_trait_quirk(DEVICE_AUTH_EQUALS), 89);
	assert_int_equal(device_trait_quirk(DEVICE_LONE_CR), 0);
	assert_int_equal(device_trait_quirk(DEVICE_HIDE_SIZE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(configuration_knows_each_profile_by_its_number),
		cmocka_unit_test(default_has_no_traits_and_the_others_some_and_a_meaning),
		cmocka_unit_test(traits_that_nothing_else_shows_have_their_quirk),
	};

	return cmocka_run_group_tests_name("smtp/device", tests, NULL, NULL);
}
