#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/csv.h"

/* All rows as "line:cell|cell\n", broken ones as "line!reason\n". */
static void expect_rows_sized(const char *text, size_t size, const char *rows)
{
	struct bytes out = {0};
	struct csv_row row = {0};
	struct reason reason;
	struct csv csv;
	enum csv_result result;

	csv_init(&csv, text, size);
	while ((result = csv_next(&csv, &row, &reason)) != CSV_END) {
		assert_true(bytes_printf(&out, "%zu%c", row.line, result == CSV_ROW ? ':' : '!'));
		for (size_t i = 0; result == CSV_ROW && i < row.count; i++)
			assert_true(
				bytes_printf(&out, "%s%s", i > 0 ? "|" : "", csv_cell(&row, i)));
		if (result == CSV_BROKEN)
			assert_true(bytes_append_text(&out, reason.text));
		assert_true(bytes_append_text(&out, "\n"));
	}
	assert_true(bytes_append(&out, "", 1));
	assert_string_equal((const char *)out.data, rows);
	csv_row_fini(&row);
	bytes_fini(&out);
}

static void expect_rows(const char *text, const char *rows)
{
	expect_rows_sized(text, strlen(text), rows);
}

static void cells_are_split_at_commas_outside_quotes(void **state)
{
	(void)state;
	expect_rows("a,b,,d\r\n\"x,1\",\"say \"\"hi\"\"\",\"\"\n", "1:a|b||d\n2:x,1|say \"hi\"|\n");
	expect_rows("last", "1:last\n");
	expect_rows("a,", "1:a|\n");
	expect_rows("", "");
}

static void lines_are_counted_as_an_editor_does(void **state)
{
	(void)state;
	expect_rows("\xef\xbb\xbfname\r\n\r\n\n\"two\nlines\"\nfive\n",
		"1:name\n4:two\nlines\n6:five\n");
}

static void each_broken_row_is_named_and_the_others_are_read(void **state)
{
	(void)state;
	expect_rows("ok\nse\"t\n\"a\"b,c\nok\n\xff\xfe\nok\n",
		"1:ok\n"
		"2!there is a quote inside cell 1; a cell with quotes stands in quotes, and has "
		"them "
		"doubled\n"
		"3!there is text behind the closing quote of cell 1\n"
		"4:ok\n"
		"5!cell 1 is not UTF-8\n"
		"6:ok\n");
}

static void an_open_quote_does_not_hide_the_rows_behind_it(void **state)
{
	(void)state;
	expect_rows("a\n\"open,x\nb\n", "1:a\n2!the quote of cell 1 is not closed\n3:b\n");
}

static void a_row_has_limits(void **state)
{
	char *text = malloc(CSV_ROW_BYTES + 16);

	(void)state;
	assert_non_null(text);
	memset(text, ',', CSV_COLUMNS_MAX);
	memcpy(text + CSV_COLUMNS_MAX, "\nb\n", 3);
	expect_rows_sized(text, CSV_COLUMNS_MAX + 3, "1!it has over 64 cells\n2:b\n");
	memset(text, 'x', CSV_ROW_BYTES + 8);
	memcpy(text + CSV_ROW_BYTES + 8, "\nb\n", 3);
	expect_rows_sized(text, CSV_ROW_BYTES + 11,
		"1!it has over 1048576 bytes; is a quote not closed?\n2:b\n");
	expect_rows_sized("a\0b\nc", 5, "1!it has a NUL\n2:c\n");
	free(text);
}

static void what_is_written_comes_back_as_it_was(void **state)
{
	static const char *const cells[] = {"plain", "", "a,b", "say \"hi\"", "=1+1", "+49 30",
		"-x", "@home", "'", "''", "'=x", "'s-Hertogenbosch", "''=", " padded ", "Grüße",
		"*", "'+", "two\nlines"};
	const size_t count = sizeof(cells) / sizeof(cells[0]);
	struct bytes out = {0};
	struct csv_row row = {0};
	struct reason reason;
	struct csv csv;

	(void)state;
	for (size_t i = 0; i < count; i++)
		assert_true(csv_write_cell(&out, i == 0, cells[i]));
	assert_true(csv_write_end(&out));
	csv_init(&csv, (const char *)out.data, out.size);
	assert_int_equal(csv_next(&csv, &row, &reason), CSV_ROW);
	assert_int_equal(row.count, count);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(csv_cell(&row, i), cells[i]);
	csv_row_fini(&row);
	bytes_fini(&out);
}

static void no_cell_is_a_formula(void **state)
{
	static const char *const cells[] = {"=cmd()", "+1", "-1", "@a", "\tx", "\rx"};

	(void)state;
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
		struct bytes out = {0};

		assert_true(csv_write_cell(&out, true, cells[i]));
		assert_int_equal(out.data[out.data[0] == '"'], '\'');
		bytes_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_are_split_at_commas_outside_quotes),
		cmocka_unit_test(lines_are_counted_as_an_editor_does),
		cmocka_unit_test(each_broken_row_is_named_and_the_others_are_read),
		cmocka_unit_test(an_open_quote_does_not_hide_the_rows_behind_it),
		cmocka_unit_test(a_row_has_limits),
		cmocka_unit_test(what_is_written_comes_back_as_it_was),
		cmocka_unit_test(no_cell_is_a_formula),
	};

	return cmocka_run_group_tests_name("admin/csv", tests, NULL, NULL);
}
