#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/printable.h"
#include "admin/table.h"

static const struct table_column columns[] = {
	{"ID", false, 0}, {"SIZE", true, 0}, {"FROM", false, 8}, {"WHY", false, 0}};

static void fill_row(
	struct table *table, const char *id, const char *size, const char *from, const char *why)
{
	table_cell(table, id);
	table_cell(table, size);
	table_cell(table, from);
	table_cell(table, why);
}

static char *flush_to_text(struct table *table)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	assert_non_null(to);
	table_flush(table, to);
	fclose(to);
	return text;
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
	struct table table;
	char *text;

	(void)state;
	table_init(&table, columns, 4, 0);
	fill_row(&table, "0A1B", "4.0 KB", "a@b", "busy");
	fill_row(&table, "0A1B2C", "12 B", NULL, "");
	text = flush_to_text(&table);
	assert_string_equal(text, "ID        SIZE  FROM  WHY\n"
				  "0A1B    4.0 KB  a@b   busy\n"
				  "0A1B2C    12 B        \n");
	free(text);
	table_fini(&table);
}

static void titles_are_printed_once_and_pages_keep_the_widths(void **state)
{
	struct table table;
	char *text;

	(void)state;
	table_init(&table, columns, 4, 0);
	fill_row(&table, "longest", "1", "a", "b");
	free(flush_to_text(&table));
	fill_row(&table, "x", "2", "a", "b");
	text = flush_to_text(&table);
	assert_string_equal(text, "x           2  a     b\n");
	free(text);
	table_fini(&table);
}

static void long_cells_are_cut_to_their_column(void **state)
{
	struct table table;
	char *text;

	(void)state;
	table_init(&table, columns, 4, 0);
	fill_row(&table, "1", "2", "abcdefghijk",
		"gr\xc3\xbc\xc3\x9f"
		"e");
	text = flush_to_text(&table);
	assert_non_null(strstr(text, "abcdefg~  gr"));
	free(text);
	table_fini(&table);
}

static void rows_are_cut_at_the_width_of_the_screen(void **state)
{
	struct table table;
	char *text;

	(void)state;
	table_init(&table, columns, 4, 20);
	fill_row(&table, "0A1B2C", "12 B", "a@b", "a reason that is too long");
	text = flush_to_text(&table);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		assert_true(printable_width(line) <= 20);
	free(text);
	table_fini(&table);
}

static void a_narrow_screen_loses_no_column(void **state)
{
	struct table table;
	char *text;

	(void)state;
	table_init(&table, columns, 4, 30);
	fill_row(&table, "0A1B2C", "12 B", "a@b", "upstream busy");
	text = flush_to_text(&table);
	assert_string_equal(text, "ID      SIZE  FROM\n    WHY\n"
				  "0A1B2C  12 B  a@b \n    upstream busy\n");
	free(text);
	table_fini(&table);
}

static void what_a_peer_sent_cannot_steer_the_terminal(void **state)
{
	struct table table;
	char *text;

	(void)state;
	table_init(&table, columns, 4, 0);
	fill_row(&table, "1", "2", "\x1b[2J", "a\r\nb\xff\xc2\x9b\xe2\x80\xae");
	text = flush_to_text(&table);
	assert_non_null(strstr(text, "\\x1b[2J"));
	assert_non_null(strstr(text, "a\\x0d\\x0ab\\xff\\u{009b}\\u{202e}"));
	free(text);
	table_fini(&table);
}

static void sizes_are_shown_in_powers_of_1024(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *shown;
	} cases[] = {{0, "0 B"}, {1023, "1023 B"}, {1024, "1.0 KB"}, {4301, "4.2 KB"},
		{1048575, "1.0 MB"}, {52428800, "50.0 MB"}, {200ULL << 30, "200 GB"},
		{UINT64_MAX, "16.0 EB"}};
	char text[PRINTABLE_NUMBER_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(printable_size(cases[i].bytes, text), cases[i].shown);
}

static void numbers_are_grouped_by_thousands(void **state)
{
	char text[PRINTABLE_NUMBER_SIZE];

	(void)state;
	assert_string_equal(printable_number(0, text), "0");
	assert_string_equal(printable_number(999, text), "999");
	assert_string_equal(printable_number(1000, text), "1,000");
	assert_string_equal(printable_number(UINT64_MAX, text), "18,446,744,073,709,551,615");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
		cmocka_unit_test(titles_are_printed_once_and_pages_keep_the_widths),
		cmocka_unit_test(long_cells_are_cut_to_their_column),
		cmocka_unit_test(rows_are_cut_at_the_width_of_the_screen),
		cmocka_unit_test(a_narrow_screen_loses_no_column),
		cmocka_unit_test(what_a_peer_sent_cannot_steer_the_terminal),
		cmocka_unit_test(sizes_are_shown_in_powers_of_1024),
		cmocka_unit_test(numbers_are_grouped_by_thousands),
	};

	return cmocka_run_group_tests_name("admin/table", tests, NULL, NULL);
}
