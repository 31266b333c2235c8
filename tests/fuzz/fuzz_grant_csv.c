/*
 * fuzz_grant_csv.c: files that operators import: CSV, JSON, Postfix's. Whatever they hold, each entry is taken or named with a line
 * of the file; and a row that was read is read again as it was when it is written.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "admin/csv.h"
#include "admin/grant_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static size_t count_lines(const uint8_t *input, size_t size)
{
	size_t lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += input[i] == '\n';
	return lines;
}

static void check_line(const size_t *lines, size_t line)
{
	if (line == 0 || line > *lines)
		abort();
}

static int take(void *owner, size_t line, json_t *grant)
{
	check_line(owner, line);
	json_decref(grant);
	return 0;
}

static int refuse(void *owner, size_t line, const char *name, const char *problem)
{
	(void)name;
	check_line(owner, line);
	if (problem[0] == '\0')
		abort();
	return 0;
}

static void check_same(const struct csv_row *one, const struct csv_row *other)
{
	if (one->count != other->count)
		abort();
	for (size_t i = 0; i < one->count; i++) {
		if (strcmp(csv_cell(one, i), csv_cell(other, i)) != 0)
			abort();
	}
}

static void check_row(const struct csv_row *row)
{
	struct csv_row again = {0};
	struct bytes out = {0};
	struct reason reason;
	struct csv csv;
	/* not in the first line, where a byte order mark is none of it */
	bool done = csv_write_cell(&out, true, "first") && csv_write_end(&out);

	for (size_t i = 0; i < row->count; i++)
		done = done && csv_write_cell(&out, i == 0, csv_cell(row, i));
	if (!done || !csv_write_end(&out))
		abort();
	csv_init(&csv, (const char *)out.data, out.size);
	if (csv_next(&csv, &again, &reason) != CSV_ROW)
		abort();
	/* a row of one empty cell is an empty line */
	if (csv_next(&csv, &again, &reason) == CSV_ROW)
		check_same(row, &again);
	else if (row->count != 1 || csv_cell(row, 0)[0] != '\0')
		abort();
	csv_row_fini(&again);
	bytes_fini(&out);
}

static void check_rows(const char *text, size_t size)
{
	struct csv_row row = {0};
	struct reason reason;
	enum csv_result result;
	struct csv csv;

	csv_init(&csv, text, size);
	while ((result = csv_next(&csv, &row, &reason)) != CSV_END) {
		if (result == CSV_ROW)
			check_row(&row);
	}
	csv_row_fini(&row);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	size_t lines = count_lines(input, size);
	const struct grant_file_reader reader = {&lines, take, refuse};
	char *text = malloc(size + 1);

	if (text == NULL)
		return 0;
	memcpy(text, input, size);
	if (grant_file_read(text, size, &reader) != 0 ||
		grant_file_read_postfix("main.cf", text, size, &reader) != 0)
		abort();
	check_rows(text, size);
	free(text);
	return 0;
}
