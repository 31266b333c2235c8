#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/field.h"

#define NOW_MS UINT64_C(1795381697000)

static struct field_terms terms = {.charset = "iso-8859-1", .domain = "example.edu"};
static bool address_eightbit;

/* Without quirks the value stays. */
static void check(
	enum field_kind kind, const char *value, const char *wanted, const char *wanted_quirks)
{
	struct quirk_set found = {{0, 0}};
	char quirks[QUIRK_TEXT_SIZE];
	struct bytes out = {0};
	int done;

	address_eightbit = false;
	done = field_repair(
		kind, value, strlen(value), &terms, NOW_MS, &found, &address_eightbit, &out);
	assert_true(bytes_append(&out, "", 1));
	if (done != (wanted != NULL) || strcmp((char *)out.data, wanted != NULL ? wanted : "") != 0)
		fail_msg("[%s] became [%s]", value, out.data);
	assert_string_equal(quirk_set_format(&found, quirks), wanted_quirks);
	bytes_fini(&out);
}

static void what_is_well_formed_stays(void **state)
{
	static const char *const values[] = {" a@b.c", " <a@b.c>", " A B <a@b.c>",
		" \"A, B\" <a@b.c>,\r\n\tc@d.e (C)", " =?utf-8?Q?M=C3=BCller?= <m@x.de>",
		" undisclosed-recipients:;", " Team: A <a@b.c>, d@e.f; , g@h.i",
		" John Q. Public <j@x.de>", " a@[10.1.2.3], b@[IPv6:::1]",
		" \"a b\"@c.d, \"a@b\"@c.d", " a@b.c,,d@e.f", " (c) a (c) @ (c) b . c (c)",
		" A <@x,@y:a@b.c>", " \"a\\\"b\" <a@b.c>", " \"Fo;o: <b>\" <a@b.c>",
		" =?utf-8?Q?M=C3=BCller=2C?=\r\n =?utf-8?Q?_Hans?= <m@x.de>"};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		check(FIELD_ADDRESSES, values[i], NULL, "");
		check(FIELD_FROM, values[i], NULL, "");
	}
}

static void a_display_name_with_8bit_is_encoded(void **state)
{
	(void)state;
	check(FIELD_ADDRESSES, " Hans M\xc3\xbcller <m@x.de>",
		" Hans =?utf-8?Q?M=C3=BCller?= <m@x.de>", "Q-75");
	check(FIELD_ADDRESSES, " \"M\xc3\xbcller, Hans\" <m@x.de>, b@c.d",
		" =?utf-8?Q?M=C3=BCller=2C_Hans?= <m@x.de>, b@c.d", "Q-75");
	check(FIELD_ADDRESSES, " M\xfcller, Hans <m@x.de>",
		" =?iso-8859-1?Q?M=FCller=2C_Hans?= <m@x.de>", "Q-75");
	check(FIELD_FROM, " M\xfcller, Hans <m@x.de>",
		" =?iso-8859-1?Q?M=FCller=2C_Hans?= <m@x.de>", "Q-74 Q-75");
	check(FIELD_ADDRESSES, " Hans M\xfcller m@x.de", " Hans =?iso-8859-1?Q?M=FCller?= <m@x.de>",
		"Q-75");
	check(FIELD_ADDRESSES, " m@x.de (B\xfcro (3))", " m@x.de (=?iso-8859-1?Q?B=FCro_=283=29?=)",
		"Q-75");
	check(FIELD_ADDRESSES, " Gr\xfcn: a@b.c; , B <b@c.d>",
		" =?iso-8859-1?Q?Gr=FCn?=: a@b.c; , B <b@c.d>", "Q-75");
	check(FIELD_ADDRESSES, " M\xfcller: B <b@c.d>", " =?iso-8859-1?Q?M=FCller=3A_B?= <b@c.d>",
		"Q-75");
}

static void a_mere_name_becomes_an_empty_group(void **state)
{
	(void)state;
	check(FIELD_ADDRESSES, " B\xfcro 3, a@b.c", " =?iso-8859-1?Q?B=FCro?= 3:;, a@b.c", "Q-75");
	check(FIELD_ADDRESSES, " Front Desk", NULL, "");
	check(FIELD_ADDRESSES, " All: B\xfcro;", " All: =?iso-8859-1?Q?B=FCro?=;", "Q-75");
}

static void an_address_without_a_domain_gets_one(void **state)
{
	(void)state;
	check(FIELD_ADDRESSES, " bob", " bob@example.edu", "Q-39");
	check(FIELD_ADDRESSES, " bob, c@d.e, Eve <eve>",
		" bob@example.edu, c@d.e, Eve <eve@example.edu>", "Q-39");
	check(FIELD_ADDRESSES, " bob (B\xfcro)", " bob@example.edu (=?iso-8859-1?Q?B=FCro?=)",
		"Q-39 Q-75");
	check(FIELD_ADDRESSES, " scanner@", " scanner@example.edu", "Q-39");
	check(FIELD_ADDRESSES, " bob, Alice <a@b.c>", " bob@example.edu, Alice <a@b.c>", "Q-39");
	check(FIELD_FROM, " printer", " printer@example.edu", "Q-39 Q-74");
	check(FIELD_FROM, " Printer 3 <printer>", " Printer 3 <printer@example.edu>", "Q-39 Q-74");
}

static void a_name_with_a_comma_is_not_made_two_addresses(void **state)
{
	(void)state;
	check(FIELD_ADDRESSES, " Smith, John <j@x.de>", NULL, "");
	check(FIELD_FROM, " Smith, John <j@x.de>", " \"Smith, John\" <j@x.de>", "Q-74");
}

static void a_from_that_can_be_understood_is_put_right(void **state)
{
	(void)state;
	check(FIELD_FROM, " Scanner s@x.de", " Scanner <s@x.de>", "Q-74");
	check(FIELD_FROM, " s@x.de <s@x.de>", " \"s@x.de\" <s@x.de>", "Q-74");
	check(FIELD_FROM, " <s@x.de> Scanner", " Scanner <s@x.de>", "Q-74");
	check(FIELD_FROM, " A \"B <s@x.de>", " \"A \\\"B\" <s@x.de>", "Q-74");
	check(FIELD_FROM, " s@x.de;", " s@x.de", "Q-74");
	check(FIELD_FROM, " a@b.c; d@e.f", " a@b.c, d@e.f", "Q-74");
}

static void a_from_without_an_address_cannot_be_used(void **state)
{
	static const char *const values[] = {"", " ", " <>", " Scanner <>", " Canon Scanner",
		" \"Scanner\"", " a@b@c", " <a b@c.d>", " B\xfcro", " <\xfc@x.de>", " <@x.de>",
		" a@b.c, <>", " (only a comment)", " A <a@b.c> B"};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct quirk_set found = {{0, 0}};
		struct bytes out = {0};

		if (field_repair(FIELD_FROM, values[i], strlen(values[i]), &terms, NOW_MS, &found,
			    &address_eightbit, &out) != 1 ||
			out.size != 0 || !quirk_set_has(&found, QUIRK_FROM))
			fail_msg(
				"used: [%s] as [%.*s]", values[i], (int)out.size, (char *)out.data);
		bytes_fini(&out);
	}
}

static void a_mere_name_in_a_group_stays_one(void **state)
{
	(void)state;
	terms.smtputf8 = true;
	check(FIELD_ADDRESSES, " e:\xc3\xbc,\xff,n x@z;",
		" e: \"\xc3\xbc\", =?iso-8859-1?B?/yxu?= <x@z>;", "Q-75");
	check(FIELD_ADDRESSES, " e: \"\xc3\xbc\", =?iso-8859-1?B?/yxu?= <x@z>;", NULL, "");
	terms.smtputf8 = false;
}

/* No encoding carries it. */
static void an_address_with_8bit_becomes_text(void **state)
{
	(void)state;
	check(FIELD_ADDRESSES, " a@x.de, M <m\xc3\xbcller@x.de>",
		" a@x.de, =?utf-8?Q?M_=3Cm=C3=BCller=40x=2Ede=3E?=:;", "Q-75");
	assert_false(address_eightbit);
	check(FIELD_ADDRESSES, " <a@b\xfcro.de>", " =?iso-8859-1?Q?=3Ca=40b=FCro=2Ede=3E?=:;",
		"Q-75");
}

static void an_address_with_8bit_that_may_stay_is_told(void **state)
{
	(void)state;
	terms.keeps_addresses = true;
	check(FIELD_ADDRESSES, " <m\xc3\xbcller@x.de>", NULL, "");
	assert_true(address_eightbit);
	check(FIELD_ADDRESSES, " M\xc3\xbcller <m\xc3\xbcller@x.de>",
		" =?utf-8?Q?M=C3=BCller?= <m\xc3\xbcller@x.de>", "Q-75");
	assert_true(address_eightbit);
	check(FIELD_ADDRESSES, " M\xc3\xbcller <muller@x.de>",
		" =?utf-8?Q?M=C3=BCller?= <muller@x.de>", "Q-75");
	assert_false(address_eightbit);
	/* a route is of the address */
	check(FIELD_ADDRESSES, " M\xc3\xbcller <@m\xc3\xbc.de:m@x.de>",
		" =?utf-8?Q?M=C3=BCller?= <@m\xc3\xbc.de:m@x.de>", "Q-75");
	assert_true(address_eightbit);
	terms.keeps_addresses = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_well_formed_stays),
		cmocka_unit_test(a_display_name_with_8bit_is_encoded),
		cmocka_unit_test(a_mere_name_becomes_an_empty_group),
		cmocka_unit_test(an_address_without_a_domain_gets_one),
		cmocka_unit_test(a_name_with_a_comma_is_not_made_two_addresses),
		cmocka_unit_test(a_from_that_can_be_understood_is_put_right),
		cmocka_unit_test(a_from_without_an_address_cannot_be_used),
		cmocka_unit_test(a_mere_name_in_a_group_stays_one),
		cmocka_unit_test(an_address_with_8bit_becomes_text),
		cmocka_unit_test(an_address_with_8bit_that_may_stay_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
