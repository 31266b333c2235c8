#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/auth.h"
#include "smtp/sasl.h"

static void base64_is_read_strictly(void **state)
{
	static const struct {
		const char *text;
		int size; /* -1: refused */
	} rows[] = {
		{"", 0},
		{"AGEAYg==", 4},
		{"YWI=", 2},
		{"YWJj", 3},
		{"YWJ", -1},
		{"YWJj\n", -1},
		{"YW Jj", -1},
		{"YWJjYW J", -1},
		{"YWJ-", -1},
		{"-WJj", -1},
		{"=", -1},
		{"====", -1},
		{"YQ==YQ==", -1},
		{"Y===", -1},
		{"YWJ_", -1},
		{"YWJ\xc3", -1},
	};
	char out[SASL_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ssize_t got = sasl_decode(rows[i].text, strlen(rows[i].text), out);

		if (got != rows[i].size)
			fail_msg("\"%s\" gave %zd", rows[i].text, got);
		if (got >= 0)
			assert_int_equal(out[got], '\0');
	}
	assert_int_equal(sasl_decode("AGEAYg==", 8, out), 4);
	assert_memory_equal(out, "\0a\0b", 5);
	assert_int_equal(sasl_decode("YW\0j", 4, out), -1);
}

static void longest_line_fits(void **state)
{
	static char text[SASL_LINE_BYTES + 4], out[SASL_BYTES];

	(void)state;
	memset(text, 'A', sizeof(text));
	assert_int_equal(sasl_decode(text, SASL_LINE_BYTES, out), SASL_LINE_BYTES / 4 * 3);
	assert_int_equal(sasl_decode(text, SASL_LINE_BYTES + 4, out), -1);
}

#define MESSAGE(text) text, sizeof(text) - 1

static void fields_of_plain_are_found(void **state)
{
	static const struct {
		const char *message;
		size_t size;
		enum sasl_fault strict, lenient;
		bool odd;
		const char *name, *password;
	} rows[] = {
		{MESSAGE("\0anna\0secret"), SASL_SOUND, SASL_SOUND, false, "anna", "secret"},
		{MESSAGE("anna\0anna\0secret"), SASL_SOUND, SASL_SOUND, true, "anna", "secret"},
		{MESSAGE("root\0anna\0secret"), SASL_OTHER_NAME, SASL_OTHER_NAME, true, NULL, NULL},
		{MESSAGE("ann\0anna\0secret"), SASL_OTHER_NAME, SASL_OTHER_NAME, true, NULL, NULL},
		{MESSAGE("anna\0secret"), SASL_MALFORMED, SASL_SOUND, true, "anna", "secret"},
		{MESSAGE("\0anna\0secret\0"), SASL_MALFORMED, SASL_SOUND, true, "anna", "secret"},
		/* a password must never be taken for a name, which is logged */
		{MESSAGE("anna\0secret\0"), SASL_OTHER_NAME, SASL_SOUND, true, "anna", "secret"},
		{MESSAGE("\0anna\0sec\0ret"), SASL_MALFORMED, SASL_MALFORMED, false, NULL, NULL},
		{MESSAGE("\0anna\0secret\0\0"), SASL_MALFORMED, SASL_MALFORMED, false, NULL, NULL},
		{MESSAGE("\0anna"), SASL_MALFORMED, SASL_SOUND, true, "", "anna"},
		{MESSAGE("\0anna\0"), SASL_SOUND, SASL_SOUND, false, "anna", ""},
		{MESSAGE("\0\0"), SASL_SOUND, SASL_SOUND, false, "", ""},
		{MESSAGE("anna"), SASL_MALFORMED, SASL_MALFORMED, false, NULL, NULL},
		{MESSAGE(""), SASL_MALFORMED, SASL_MALFORMED, false, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int lenient = 0; lenient < 2; lenient++) {
			struct sasl_plain plain;
			enum sasl_fault fault = sasl_plain_parse(
				rows[i].message, rows[i].size, lenient == 1, &plain);

			if (fault != (lenient ? rows[i].lenient : rows[i].strict))
				fail_msg("row %zu, %d: %d", i, lenient, (int)fault);
			if (fault != SASL_SOUND)
				continue;
			assert_int_equal(plain.odd, rows[i].odd);
			assert_int_equal(plain.name_size, strlen(rows[i].name));
			assert_memory_equal(plain.name, rows[i].name, plain.name_size);
			assert_int_equal(plain.password_size, strlen(rows[i].password));
			assert_memory_equal(plain.password, rows[i].password, plain.password_size);
		}
	}
}

static void names_are_text(void **state)
{
	char longest[AUTH_NAME_SIZE];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_true(sasl_is_name(MESSAGE("anna")));
	assert_true(sasl_is_name(MESSAGE("anna@example.edu")));
	assert_true(sasl_is_name(MESSAGE("J\xc3\xb6rg")));
	assert_true(sasl_is_name(longest, AUTH_NAME_SIZE - 1));
	assert_false(sasl_is_name(longest, AUTH_NAME_SIZE));
	assert_false(sasl_is_name(MESSAGE("")));
	assert_false(sasl_is_name(MESSAGE("an\0na")));
	assert_false(sasl_is_name(MESSAGE("an\nna")));
	assert_false(sasl_is_name(MESSAGE("an\x7fna")));
	assert_false(sasl_is_name(MESSAGE("J\xf6rg")));
	assert_false(sasl_is_name(MESSAGE("an\xe2\x80\xaena"))); /* turns what follows */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_is_read_strictly),
		cmocka_unit_test(longest_line_fits),
		cmocka_unit_test(fields_of_plain_are_found),
		cmocka_unit_test(names_are_text),
	};

	return cmocka_run_group_tests_name("smtp/sasl", tests, NULL, NULL);
}
