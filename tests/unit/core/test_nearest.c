#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/nearest.h"

static const char *nearest_of(const char *wanted, const char *const *names)
{
	struct nearest nearest;

	nearest_init(&nearest, wanted);
	for (; *names != NULL; names++)
		nearest_offer(&nearest, *names);
	return nearest.best;
}

static const char *const names[] = {"max_message", "max_recipients", "max", "first", "tls", NULL};

static void one_slip_is_found(void **state)
{
	(void)state;
	assert_string_equal(nearest_of("max_mesage", names), "max_message"); /* left out */
	assert_string_equal(nearest_of("max_messsage", names), "max_message"); /* too many */
	assert_string_equal(nearest_of("max-message", names), "max_message"); /* changed */
	assert_string_equal(nearest_of("max_messaeg", names), "max_message"); /* swapped */
	assert_string_equal(nearest_of("tsl", names), "tls");
}

static void the_nearest_of_several_wins(void **state)
{
	static const char *const near[] = {"busy_mxa", "busy_ma", "busy_max", "busy_maxi", NULL};

	(void)state;
	assert_string_equal(nearest_of("busy_max", near), "busy_max");
	assert_string_equal(nearest_of("busy_maxi_", near), "busy_maxi");
}

static void what_is_far_is_not_offered(void **state)
{
	struct nearest nearest;
	struct nearest_hint hint;
	char long_name[200];

	(void)state;
	assert_null(nearest_of("hostname", names));
	assert_null(nearest_of("x", names));
	assert_null(nearest_of("", names));
	memset(long_name, 'm', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_null(nearest_of(long_name, names));
	nearest_init(&nearest, "x");
	assert_string_equal(nearest_format(&nearest, &hint), "");
}

static void hint_quotes_the_name(void **state)
{
	struct nearest nearest;
	struct nearest_hint hint;

	(void)state;
	nearest_init(&nearest, "frist");
	nearest_offer(&nearest, "first");
	assert_string_equal(nearest_format(&nearest, &hint), " (did you mean 'first'?)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_slip_is_found),
		cmocka_unit_test(the_nearest_of_several_wins),
		cmocka_unit_test(what_is_far_is_not_offered),
		cmocka_unit_test(hint_quotes_the_name),
	};

	return cmocka_run_group_tests_name("core/nearest", tests, NULL, NULL);
}
