#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "queue/field.h"

#define NONE INT64_MIN

static int64_t parse(const char *text)
{
	int64_t unix_s;

	return field_date_parse(text, strlen(text), &unix_s) == 0 ? unix_s : NONE;
}

static void a_date_of_rfc_5322_is_read(void **state)
{
	(void)state;
	assert_int_equal(parse(" Fri, 21 Nov 1997 09:55:06 -0600"), 880127706);
	assert_int_equal(parse("1 Jan 1970 00:00:00 +0000"), 0);
	assert_int_equal(parse("Thu, 29 Feb 2024 23:59:60 +0000"), 1709251200);
	assert_int_equal(parse("Sun, 22 Nov 2026 21:08 +0530"), 1795361880);
	assert_int_equal(parse("Sun, 22 Nov 2026 21:08:17 +0000 (Coordinated (Universal) Time)"),
		1795381697);
	assert_int_equal(parse("Sun,\r\n 22 nov 2026 21:08:17 -0000"), 1795381697);
	assert_int_equal(parse("31 Dec 9999 23:59:59 +0000"), 253402300799);
}

static void an_obsolete_date_is_read(void **state)
{
	(void)state;
	assert_int_equal(parse("21 Nov 97 09:55:06 GMT"), 880106106);
	assert_int_equal(parse("21 Nov 97 09:55:06 EST"), 880106106 + 5 * 3600);
	assert_int_equal(parse("21 Nov 97 09:55:06 pdt"), 880106106 + 7 * 3600);
	assert_int_equal(parse("21 Nov 97 09:55:06 Z"), 880106106);
	assert_int_equal(parse("21 Nov 097 09:55:06 A"), 880106106);
	assert_int_equal(parse("Fri (day) , 21 Nov 1997 09(comment): 55 :06 -0600"), 880127706);
	assert_int_equal(parse("1 Jan 49 00:00 UT"), 2493072000);
}

static void what_is_no_date_is_refused(void **state)
{
	static const char *const texts[] = {"", "now", "2026-11-22T21:08:17Z",
		"Sun, 22 Nov 2026 21:08:17", "Sun, 22 Nov 2026", "22 Nov 2026 21:08:17 MEZ",
		"22 Nov 2026 21:08:17 J", "So, 22 Nov 2026 21:08:17 +0000",
		"22 Dez 2026 21:08:17 +0000", "31 Nov 2026 21:08:17 +0000",
		"29 Feb 2026 21:08:17 +0000", "0 Nov 2026 21:08:17 +0000",
		"22 Nov 2026 24:08:17 +0000", "22 Nov 2026 21:60:17 +0000",
		"22 Nov 2026 21:08:61 +0000", "22 Nov 2026 21:08:17 +0060",
		"22 Nov 2026 21:08:17 +000", "22 Nov 2026 21:08:17 +00000",
		"22 Nov 2026 21:08:17 + 0000", "22 Nov 20266 21:08:17 +0000",
		"22 Nov 6 21:08:17 +0000", "22 Nov 2026 21:08:17 +0000 x",
		"22 Nov 2026 21:08:17 +0000 (", "Sun 22 Nov 2026 21:08:17 +0000",
		"Sun, 22 Nov 1899 21:08:17 +0000", "22 Nov 2026 21.08.17 +0000"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (parse(texts[i]) != NONE)
			fail_msg("read: %s", texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_date_of_rfc_5322_is_read),
		cmocka_unit_test(an_obsolete_date_is_read),
		cmocka_unit_test(what_is_no_date_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
