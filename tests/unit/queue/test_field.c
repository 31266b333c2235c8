#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/field.h"

#define NOW_MS UINT64_C(1795381697000) /* 2026-11-22 */

static const struct field_terms terms = {.charset = "windows-1252", .domain = "example.edu"};
static const struct field_terms utf8_terms = {.charset = "windows-1252",
	.domain = "example.edu",
	.smtputf8 = true,
	.keeps_addresses = true};
static struct quirk_set found;
static bool address_eightbit;
static char quirks[QUIRK_TEXT_SIZE];

static void repair(const struct field_terms *with, enum field_kind kind, const void *value,
	size_t size, const char *wanted, const char *wanted_quirks)
{
	struct bytes out = {0};
	int done;

	found = (struct quirk_set){{0, 0}};
	address_eightbit = false;
	done = field_repair(kind, value, size, with, NOW_MS, &found, &address_eightbit, &out);
	assert_true(bytes_append(&out, "", 1));
	assert_int_equal(done, wanted != NULL);
	assert_string_equal(out.data, wanted != NULL ? wanted : "");
	assert_string_equal(quirk_set_format(&found, quirks), wanted_quirks);
	bytes_fini(&out);
}

static void stays(enum field_kind kind, const char *value)
{
	repair(&terms, kind, value, strlen(value), NULL, "");
}

static void becomes(
	enum field_kind kind, const char *value, const char *wanted, const char *wanted_quirks)
{
	repair(&terms, kind, value, strlen(value), wanted, wanted_quirks);
}

static void a_kind_is_known_by_name(void **state)
{
	(void)state;
	assert_int_equal(field_kind("FROM", 4), FIELD_FROM);
	assert_int_equal(field_kind("Resent-To", 9), FIELD_ADDRESSES);
	assert_int_equal(field_kind("content-Type", 12), FIELD_CONTENT_TYPE);
	assert_int_equal(field_kind("List-Id", 7), FIELD_TOKENS);
	assert_int_equal(field_kind("Subject", 7), FIELD_UNSTRUCTURED);
	assert_int_equal(field_kind("To-", 3), FIELD_UNSTRUCTURED);
	assert_int_equal(field_kind("", 0), FIELD_UNSTRUCTURED);
}

static void a_field_line_has_a_name(void **state)
{
	(void)state;
	assert_int_equal(field_name_size("Subject: x", 10), 7);
	assert_int_equal(field_name_size("Subject \t: x", 12), 7);
	assert_int_equal(field_name_size("A:", 2), 1);
	assert_int_equal(field_name_size(": x", 3), 0);
	assert_int_equal(field_name_size(" A: x", 5), 0);
	assert_int_equal(field_name_size("Hello there: x", 14), 0);
	assert_int_equal(field_name_size("Gr\xc3\xbc\xc3\x9f: x", 9), 0);
	assert_int_equal(field_name_size("Subject", 7), 0);
}

static void text_with_8bit_becomes_encoded_words(void **state)
{
	(void)state;
	becomes(FIELD_UNSTRUCTURED, " Scan von B\xc3\xbcro 3", " Scan von =?utf-8?Q?B=C3=BCro?= 3",
		"Q-75");
	becomes(FIELD_UNSTRUCTURED, " Scan von B\xfcro 3", " Scan von =?windows-1252?Q?B=FCro?= 3",
		"Q-75");
	becomes(FIELD_UNSTRUCTURED, "B\xfcro", " =?windows-1252?Q?B=FCro?=", "Q-75");
	/* blanks between two encoded-words would be lost */
	becomes(FIELD_UNSTRUCTURED, " \xc3\xa4  \xc3\xb6 x \xc3\xbc",
		" =?utf-8?B?w6QgIMO2?= x =?utf-8?B?w7w=?=", "Q-75");
}

static void encoded_words_that_are_there_stay(void **state)
{
	(void)state;
	stays(FIELD_UNSTRUCTURED, " =?utf-8?Q?B=C3=BCro?=  x");
	becomes(FIELD_UNSTRUCTURED, " =?utf-8?Q?B=C3=BCro?= Scan\xfc",
		" =?utf-8?Q?B=C3=BCro?= =?windows-1252?Q?_Scan=FC?=", "Q-75");
	becomes(FIELD_UNSTRUCTURED, " Scan\xfc =?utf-8?Q?B=C3=BCro?= x",
		" =?windows-1252?Q?Scan=FC_?= =?utf-8?Q?B=C3=BCro?= x", "Q-75");
	/* wrongly encoded: the bytes are what its charset says */
	becomes(FIELD_UNSTRUCTURED,
		" =?iso-8859-1?Q?Sch\xf6ne_Gr=FC\xdf"
		"e?=",
		" =?iso-8859-1?Q?Sch=F6ne_Gr=FC=DFe?=", "Q-75");
}

static void long_text_is_cut_between_characters(void **state)
{
	char value[1 + 3 * 40 + 1] = " ";
	struct bytes out = {0};

	(void)state;
	for (int i = 0; i < 40; i++)
		strcat(value, "\xe2\x82\xac");
	found = (struct quirk_set){{0, 0}};
	assert_int_equal(field_repair(FIELD_UNSTRUCTURED, value, strlen(value), &terms, NOW_MS,
				 &found, &address_eightbit, &out),
		1);
	assert_true(bytes_append(&out, "", 1));
	assert_string_equal(out.data,
		" =?utf-8?B?4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs?=\r\n"
		" =?utf-8?B?4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs?=\r\n"
		" =?utf-8?B?4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs4oKs?=\r\n"
		" =?utf-8?B?4oKs?=");
	bytes_fini(&out);
}

static void a_nul_is_taken_out(void **state)
{
	(void)state;
	repair(&terms, FIELD_UNSTRUCTURED, " a\0b c", 6, " ab c", "Q-71");
	repair(&terms, FIELD_ADDRESSES, " a\0@b.c", 7, " a@b.c", "Q-71");
	repair(&terms, FIELD_UNSTRUCTURED, " \0\xfc", 3, " =?windows-1252?Q?=FC?=", "Q-71 Q-75");
	repair(&terms, FIELD_DATE, " 22 Nov 2026 2\0001:08 GMT", 23, " 22 Nov 2026 21:08 GMT",
		"Q-71");
}

static void a_date_that_lies_cannot_be_used(void **state)
{
	(void)state;
	stays(FIELD_DATE, " Sun, 22 Nov 2026 21:08:17 +0000");
	stays(FIELD_DATE, " Sat, 28 Nov 2026 21:08:17 +0000");
	stays(FIELD_DATE, " Mon, 1 Jan 2001 00:00:00 +0000");
	becomes(FIELD_DATE, " Sun, 31 Dec 2000 23:59:59 +0000", "", "Q-73");
	becomes(FIELD_DATE, " Mon, 30 Nov 2026 21:08:17 +0000", "", "Q-73");
	becomes(FIELD_DATE, " Sun, 22 Nov 2026 21:08:17", "", "Q-73");
	becomes(FIELD_DATE, "", "", "Q-73");
	becomes(FIELD_DATE, " 22 Nov 2026 21:08 GMT (\xdcrzeit)",
		" 22 Nov 2026 21:08 GMT\r\n (=?windows-1252?Q?=DCrzeit?=)", "Q-75");
}

static void a_message_id_is_one_id_in_brackets(void **state)
{
	(void)state;
	stays(FIELD_MESSAGE_ID, " <a.b@c>");
	stays(FIELD_MESSAGE_ID, "\r\n <a@b@c> (once)");
	becomes(FIELD_MESSAGE_ID, " a@b", "", "Q-72");
	becomes(FIELD_MESSAGE_ID, " <a b@c>", "", "Q-72");
	becomes(FIELD_MESSAGE_ID, " <a@b> <c@d>", "", "Q-72");
	becomes(FIELD_MESSAGE_ID, " <ab>", "", "Q-72");
	becomes(FIELD_MESSAGE_ID, " <@b>", "", "Q-72");
	becomes(FIELD_MESSAGE_ID, " <a@>", "", "Q-72");
	becomes(FIELD_MESSAGE_ID, " <a@b", "", "Q-72");
	becomes(FIELD_MESSAGE_ID, " <\xfc@b>", "", "Q-72");
	becomes(FIELD_MESSAGE_ID, "", "", "Q-72");
}

static void parameters_with_8bit_become_rfc_2231(void **state)
{
	(void)state;
	stays(FIELD_CONTENT_TYPE, " text/plain; charset=utf-8; name=\"a b\"");
	becomes(FIELD_CONTENT_OTHER, " attachment; filename=\"B\xc3\xbcro 1.pdf\"; size=3",
		" attachment;\r\n filename*=utf-8''B%C3%BCro%201.pdf; size=3", "Q-75");
	becomes(FIELD_CONTENT_TYPE, " application/pdf; name=B\xfcro 1.pdf",
		" application/pdf;\r\n name*=windows-1252''B%FCro%201.pdf", "Q-75");
	becomes(FIELD_CONTENT_OTHER, " inline; filename*=utf-8''B\xc3\xbcro",
		" inline; filename*=utf-8''B%C3%BCro", "Q-75");
	becomes(FIELD_CONTENT_TYPE, " text/plain; charset=utf-8 (f\xfcr alle)",
		" text/plain; charset=utf-8\r\n (=?windows-1252?Q?f=FCr_alle?=)", "Q-75");
}

static void an_empty_charset_is_left_out(void **state)
{
	(void)state;
	becomes(FIELD_CONTENT_TYPE, " text/plain; charset=", " text/plain", "Q-88");
	becomes(FIELD_CONTENT_TYPE, " text/plain; charset=\"\"; format=flowed",
		" text/plain; format=flowed", "Q-88");
	becomes(FIELD_CONTENT_TYPE, " text/plain; CHARSET = ;name=x", " text/plain;name=x", "Q-88");
	stays(FIELD_CONTENT_OTHER, " x; charset=");
}

static void tokens_are_not_encoded(void **state)
{
	(void)state;
	becomes(FIELD_TOKENS, " from x (B\xfcro) by \xfc; y",
		" from x (=?windows-1252?Q?B=FCro?=) by ?; y", "Q-75");
	stays(FIELD_DKIM, " v=1; d=\xfc");
}

static void raw_utf8_stays_where_the_client_said_smtputf8(void **state)
{
	(void)state;
	repair(&utf8_terms, FIELD_UNSTRUCTURED, " B\xc3\xbcro", 6, NULL, "");
	repair(&utf8_terms, FIELD_UNSTRUCTURED, " B\xfcro \xc3\xbc", 8,
		" =?windows-1252?Q?B=FCro?= \xc3\xbc", "Q-75");
	repair(&utf8_terms, FIELD_FROM, " \xc3\xbc <\xc3\xbc@x>", 10, NULL, "");
	assert_true(address_eightbit);
	repair(&utf8_terms, FIELD_CONTENT_TYPE, " a/b; name=\xc3\xbc", 13, NULL, "");
}

/* Python, for one, takes the line end for a part of the boundary. */
static void no_line_begins_in_a_quoted_string(void **state)
{
	(void)state;
	becomes(FIELD_CONTENT_TYPE,
		" multipart/mixed; boundary=\"a long boundary of several words, that has more "
		"bytes than a line is to have\"; name=\xfc",
		" multipart/mixed;\r\n boundary=\"a long boundary of several words, that has more "
		"bytes than a line is to have\";"
		"\r\n name*=windows-1252''%FC",
		"Q-75");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kind_is_known_by_name),
		cmocka_unit_test(a_field_line_has_a_name),
		cmocka_unit_test(text_with_8bit_becomes_encoded_words),
		cmocka_unit_test(encoded_words_that_are_there_stay),
		cmocka_unit_test(long_text_is_cut_between_characters),
		cmocka_unit_test(a_nul_is_taken_out),
		cmocka_unit_test(a_date_that_lies_cannot_be_used),
		cmocka_unit_test(a_message_id_is_one_id_in_brackets),
		cmocka_unit_test(parameters_with_8bit_become_rfc_2231),
		cmocka_unit_test(an_empty_charset_is_left_out),
		cmocka_unit_test(tokens_are_not_encoded),
		cmocka_unit_test(raw_utf8_stays_where_the_client_said_smtputf8),
		cmocka_unit_test(no_line_begins_in_a_quoted_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
