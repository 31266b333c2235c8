#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/repair.h"

#define ROOM (REPAIR_ROOM_MIN + 7)

/* Applies it, the text given in portions, and with little room. */
static void apply(const struct plan *plan, const char *text, size_t size, size_t portion,
	bool sevenbit, struct bytes *out)
{
	const uint8_t *from = (const uint8_t *)text, *end = from + size, *part;
	struct bytes encoded = {0};
	struct repair repair;
	uint8_t room[ROOM];

	out->size = 0;
	assert_true(plan_encode(plan, &encoded));
	assert_int_equal(repair_init(&repair, encoded.data, encoded.size, size, sevenbit), 0);
	for (;;) {
		uint8_t *to = room;
		size_t there = (size_t)(end - from);

		part = from + (there < portion ? there : portion);
		repair_run(&repair, &from, part, &to, room + sizeof(room));
		assert_true(bytes_append(out, room, (size_t)(to - room)));
		if (from == end && to == room)
			break;
	}
	assert_true(repair_is_done(&repair));
	repair_fini(&repair);
	bytes_fini(&encoded);
}

/* The same in any portions. */
static void assert_applied(const struct plan *plan, const char *text, size_t size, bool sevenbit,
	const char *expected, size_t expected_size)
{
	static const size_t portions[] = {SIZE_MAX, 1, 2, 3, 57, 999};
	struct bytes out = {0};

	for (size_t i = 0; i < sizeof(portions) / sizeof(portions[0]); i++) {
		apply(plan, text, size, portions[i], sevenbit, &out);
		assert_int_equal(out.size, expected_size);
		if (expected_size > 0)
			assert_memory_equal(out.data, expected, expected_size);
	}
	bytes_fini(&out);
}

static void check(enum plan_act act, const char *text, const char *expected)
{
	struct plan plan = {0};

	assert_true(plan_add(&plan, act, PLAN_ALWAYS, 0, strlen(text), NULL, 0));
	assert_applied(&plan, text, strlen(text), false, expected, strlen(expected));
	plan_fini(&plan);
}

/* `count` times a byte. */
static const char *run(char *at, char byte, size_t count)
{
	memset(at, byte, count);
	at[count] = '\0';
	return at;
}

static void text_without_an_edit_is_copied(void **state)
{
	static const char text[] = "a\0b\r\n\xff";
	struct plan plan = {0};

	(void)state;
	assert_applied(&plan, text, sizeof(text), false, text, sizeof(text));
	assert_applied(&plan, "", 0, false, "", 0);
}

static void text_is_put_in_taken_out_and_exchanged(void **state)
{
	struct plan plan = {0};

	(void)state;
	assert_true(plan_add(&plan, PLAN_REPLACE, PLAN_ALWAYS, 0, 0, "<", 1));
	assert_true(plan_add(&plan, PLAN_REPLACE, PLAN_ALWAYS, 0, 1, "first", 5));
	assert_true(plan_add(&plan, PLAN_REPLACE, PLAN_ALWAYS, 0, 0, "!", 1));
	assert_true(plan_add(&plan, PLAN_REPLACE, PLAN_ALWAYS, 3, 2, "", 0));
	assert_true(plan_add(&plan, PLAN_REPLACE, PLAN_ALWAYS, 7, 0, ">", 1));
	assert_applied(&plan, "abcdefg", 7, false, "<first!bcfg>", 12);
	plan_fini(&plan);
}

static void large_insertion_goes_through_little_room(void **state)
{
	char *text = malloc(100001);
	struct plan plan = {0};

	(void)state;
	assert_non_null(text);
	run(text, 'x', 100000);
	assert_true(plan_add(&plan, PLAN_REPLACE, PLAN_ALWAYS, 0, 2, text, 100000));
	assert_applied(&plan, "ab", 2, false, text, 100000);
	plan_fini(&plan);
	free(text);
}

static void edits_of_the_other_way_are_left_out(void **state)
{
	struct plan plan = {0};

	(void)state;
	assert_true(plan_add(&plan, PLAN_REPLACE, PLAN_EIGHTBIT, 0, 1, "eight", 5));
	assert_true(plan_add(&plan, PLAN_REPLACE, PLAN_SEVENBIT, 0, 2, "seven", 5));
	assert_true(plan_add(&plan, PLAN_REPLACE, PLAN_ALWAYS, 2, 0, "+", 1));
	assert_true(plan_add(&plan, PLAN_REPLACE, PLAN_SEVENBIT, 3, 0, "7", 1));
	assert_applied(&plan, "abc", 3, false, "eightb+c", 8);
	assert_applied(&plan, "abc", 3, true, "seven+c7", 8);
	plan_fini(&plan);
}

static void nuls_are_stripped_from_the_range_alone(void **state)
{
	struct plan plan = {0};

	(void)state;
	assert_true(plan_add(&plan, PLAN_STRIP, PLAN_ALWAYS, 2, 6, NULL, 0));
	assert_applied(&plan, "\0a\0b\0\0c\0\0d", 10, false, "\0abc\0d", 6);
	plan_fini(&plan);
}

/* ---- quoted-printable: RFC 2045 6.7 ---- */

static void quoted_printable_encodes_what_must_be(void **state)
{
	(void)state;
	check(PLAN_QUOTED_PRINTABLE, "", "");
	check(PLAN_QUOTED_PRINTABLE, "plain, with.marks!\r\n", "plain, with.marks!\r\n");
	check(PLAN_QUOTED_PRINTABLE, "1=2 \xc3\xa4\r\n", "1=3D2 =C3=A4\r\n");
	check(PLAN_QUOTED_PRINTABLE, "a b \r\n\t\r\n ", "a b=20\r\n=09\r\n=20");
	check(PLAN_QUOTED_PRINTABLE, "a\rb\nc\r", "a=0Db=0Ac=0D");
	check(PLAN_QUOTED_PRINTABLE, " \r", " =0D");
}

static void quoted_printable_drops_nuls(void **state)
{
	struct plan plan = {0};

	(void)state;
	assert_true(plan_add(&plan, PLAN_QUOTED_PRINTABLE, PLAN_ALWAYS, 0, 7, NULL, 0));
	assert_applied(&plan, "\0a\0\0\r\0\n", 7, false, "a\r\n", 3);
	plan_fini(&plan);
}

static void quoted_printable_has_no_line_over_76(void **state)
{
	char text[200], expected[400];

	(void)state;
	run(text, 'x', 75);
	check(PLAN_QUOTED_PRINTABLE, text, text);
	run(text, 'x', 80);
	run(expected, 'x', 75);
	strcat(expected, "=\r\nxxxxx");
	check(PLAN_QUOTED_PRINTABLE, text, expected);
	run(text, 'x', 74);
	strcat(text, "\xe4\r\n");
	run(expected, 'x', 74);
	strcat(expected, "=\r\n=E4\r\n");
	check(PLAN_QUOTED_PRINTABLE, text, expected);
}

/* ---- base64: RFC 2045 6.8 ---- */

static void base64_is_in_lines_of_76(void **state)
{
	char text[200];

	(void)state;
	check(PLAN_BASE64, "", "");
	check(PLAN_BASE64, "a", "YQ==\r\n");
	check(PLAN_BASE64, "ab\r\n", "YWINCg==\r\n");
	run(text, '\xff', 58);
	check(PLAN_BASE64, text,
		"//////////////////////////////////////////////////////////////////////////"
		"//\r\n/w==\r\n");
}

static void base64_keeps_nuls(void **state)
{
	struct plan plan = {0};

	(void)state;
	assert_true(plan_add(&plan, PLAN_BASE64, PLAN_ALWAYS, 1, 3, NULL, 0));
	assert_applied(&plan, "x\0\0\0y", 5, false, "xAAAA\r\ny", 8);
	plan_fini(&plan);
}

/* ---- lines that are too long ---- */

static void line_of_998_is_left_and_one_of_999_is_broken(void **state)
{
	static const struct {
		enum plan_act act;
		size_t first;
		const char *join;
	} cases[] = {
		{PLAN_FOLD, 998, "\r\n "},
		{PLAN_CUT_QUOTED, 75, "=\r\n"},
		{PLAN_CUT_BASE64, 76, "\r\n"},
	};
	char text[2000], expected[4000], *at;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		run(text, 'x', 998);
		strcat(text, "\r\n");
		check(cases[i].act, text, text);
		text[998] = '\0';
		check(cases[i].act, text, text);
		run(text, 'x', 999);
		strcat(text, "\r\ny\r\n");
		at = expected;
		size_t left = 999;
		for (; left > (i == 0 ? 998 : 76); left -= cases[i].first) {
			run(at, 'x', cases[i].first);
			strcat(at, cases[i].join);
			at += strlen(at);
		}
		run(at, 'x', left);
		strcat(at, "\r\ny\r\n");
		check(cases[i].act, text, expected);
	}
}

static void fold_breaks_before_the_last_blank_that_fits(void **state)
{
	char text[3000], expected[3000];

	(void)state;
	run(text, 'x', 1500);
	text[10] = ' ';
	text[600] = '\t';
	memcpy(expected, text, 600);
	memcpy(expected + 600, "\r\n", 2);
	strcpy(expected + 602, text + 600);
	check(PLAN_FOLD, text, expected);
}

/* Blanks that begin or end a line would leave one of blanks alone, which some take for the header's end. */
static void fold_leaves_no_line_of_blanks(void **state)
{
	char text[3000], expected[3000];

	(void)state;
	run(text, 'x', 1000);
	text[0] = text[1] = ' ';
	text[998] = text[999] = ' ';
	strcat(text, "\r\n");
	memcpy(expected, text, 997);
	strcpy(expected + 997, "\r\n x  \r\n");
	check(PLAN_FOLD, text, expected);
}

static void fold_breaks_no_character(void **state)
{
	char text[1200], expected[1200];

	(void)state;
	run(text, 'x', 996);
	strcat(text, "\xe2\x82\xac more\r\n");
	text[999 + 1] = 'x';
	text[999] = 'x';
	run(expected, 'x', 996);
	strcat(expected, "\r\n \xe2\x82\xacxxore\r\n");
	strcpy(text + 999, "xxore\r\n");
	check(PLAN_FOLD, text, expected);
}

static void cut_quoted_escapes_8bit(void **state)
{
	char line[600];
	struct plan plan = {0};
	struct bytes out = {0};

	(void)state;
	check(PLAN_CUT_QUOTED, "caf=C3=A9 \xe9=\r\n", "caf=C3=A9 =E9=\r\n");
	/* short before it is escaped */
	memset(line, 0xe9, sizeof(line));
	assert_true(plan_add(&plan, PLAN_CUT_QUOTED, PLAN_ALWAYS, 0, sizeof(line), NULL, 0));
	apply(&plan, line, sizeof(line), SIZE_MAX, false, &out);
	assert_int_equal(out.size, sizeof(line) * 3 + 23 * 3);
	assert_memory_equal(out.data + 75, "=\r\n=E9", 6);
	plan_fini(&plan);
	bytes_fini(&out);
}

static void cut_quoted_breaks_no_escape(void **state)
{
	char text[1200];
	struct plan plan = {0};
	struct bytes out = {0};

	(void)state;
	for (size_t shift = 0; shift < 3; shift++) {
		run(text, 'x', shift);
		while (strlen(text) < 1100)
			strcat(text, "=E4");
		assert_true(
			plan_add(&plan, PLAN_CUT_QUOTED, PLAN_ALWAYS, 0, strlen(text), NULL, 0));
		apply(&plan, text, strlen(text), SIZE_MAX, false, &out);
		assert_true(bytes_append(&out, "", 1));
		for (const char *at = strstr((char *)out.data, "=\r\n"); at != NULL;
			at = strstr(at + 1, "=\r\n"))
			assert_true(memcmp(at - 3, "=E4", 3) == 0 && at[3] == '=');
		plan_fini(&plan);
	}
	bytes_fini(&out);
}

static void only_the_long_lines_of_a_range_are_cut(void **state)
{
	char text[3000], expected[3000];

	(void)state;
	strcpy(text, "short\r\n\r\n");
	run(text + strlen(text), 'A', 1000);
	strcat(text, "\r\nshort\r\n");
	strcpy(expected, "short\r\n\r\n");
	for (size_t i = 0; i < 13; i++) {
		run(expected + strlen(expected), 'A', 76);
		strcat(expected, "\r\n");
	}
	run(expected + strlen(expected), 'A', 1000 - 13 * 76);
	strcat(expected, "\r\nshort\r\n");
	check(PLAN_CUT_BASE64, text, expected);
}

static void estimate_is_near(void **state)
{
	char text[5000];
	struct plan plan = {0};
	struct bytes out = {0}, encoded = {0};
	struct repair repair;
	uint64_t estimate;

	(void)state;
	run(text, 'x', 4000);
	assert_true(plan_add(&plan, PLAN_REPLACE, PLAN_ALWAYS, 0, 10, "a header field", 14));
	assert_true(plan_add(&plan, PLAN_BASE64, PLAN_ALWAYS, 100, 3000, NULL, 0));
	assert_true(plan_encode(&plan, &encoded));
	assert_int_equal(repair_init(&repair, encoded.data, encoded.size, 4000, false), 0);
	estimate = repair_estimate(&repair);
	apply(&plan, text, 4000, SIZE_MAX, false, &out);
	assert_in_range(estimate, out.size, out.size + 78);
	repair_fini(&repair);
	plan_fini(&plan);
	bytes_fini(&out);
	bytes_fini(&encoded);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_without_an_edit_is_copied),
		cmocka_unit_test(text_is_put_in_taken_out_and_exchanged),
		cmocka_unit_test(large_insertion_goes_through_little_room),
		cmocka_unit_test(edits_of_the_other_way_are_left_out),
		cmocka_unit_test(nuls_are_stripped_from_the_range_alone),
		cmocka_unit_test(quoted_printable_encodes_what_must_be),
		cmocka_unit_test(quoted_printable_drops_nuls),
		cmocka_unit_test(quoted_printable_has_no_line_over_76),
		cmocka_unit_test(base64_is_in_lines_of_76),
		cmocka_unit_test(base64_keeps_nuls),
		cmocka_unit_test(line_of_998_is_left_and_one_of_999_is_broken),
		cmocka_unit_test(fold_breaks_before_the_last_blank_that_fits),
		cmocka_unit_test(fold_leaves_no_line_of_blanks),
		cmocka_unit_test(fold_breaks_no_character),
		cmocka_unit_test(cut_quoted_escapes_8bit),
		cmocka_unit_test(cut_quoted_breaks_no_escape),
		cmocka_unit_test(only_the_long_lines_of_a_range_are_cut),
		cmocka_unit_test(estimate_is_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
