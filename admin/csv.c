#include "admin/csv.h"

#include <string.h>

#include "core/utf8.h"

#define MARK "\xef\xbb\xbf" /* the byte order mark in UTF-8 */

void csv_init(struct csv *csv, const char *text, size_t size)
{
	*csv = (struct csv){.at = text, .end = text + size, .line = 1};
	if (size >= strlen(MARK) && memcmp(text, MARK, strlen(MARK)) == 0)
		csv->at += strlen(MARK);
}

const char *csv_cell(const struct csv_row *row, size_t number)
{
	return number < row->count ? (const char *)row->text.data + row->starts[number] : "";
}

void csv_row_fini(struct csv_row *row)
{
	bytes_fini(&row->text);
	*row = (struct csv_row){0};
}

/* ---- reading ---- */

/* How long the line end is that stands here; 0: none does. */
static size_t line_end(const struct csv *csv)
{
	if (csv->at < csv->end && *csv->at == '\n')
		return 1;
	if (csv->end - csv->at >= 2 && csv->at[0] == '\r' && csv->at[1] == '\n')
		return 2;
	return 0;
}

static void skip_line(struct csv *csv)
{
	const char *end =
		csv->at < csv->end ? memchr(csv->at, '\n', (size_t)(csv->end - csv->at)) : NULL;

	csv->at = end != NULL ? end + 1 : csv->end;
	csv->line++;
}

static void skip_empty_lines(struct csv *csv)
{
	while (line_end(csv) > 0)
		skip_line(csv);
}

static bool starts_formula(char c)
{
	return c != '\0' && strchr("=+-@\t\r", c) != NULL;
}

/* An apostrophe here may be one that writing put there. */
static bool needs_apostrophe(const char *text)
{
	return starts_formula(text[0]) ||
	       (text[0] == '\'' && (starts_formula(text[1]) || text[1] == '\''));
}

static enum csv_result put(struct csv_row *row, char c, struct reason *reason)
{
	if (row->text.size >= CSV_ROW_BYTES) {
		reason_set(reason, "it has over %u bytes; is a quote not closed?", CSV_ROW_BYTES);
		return CSV_BROKEN;
	}
	if (c == '\0') {
		reason_set(reason, "it has a NUL");
		return CSV_BROKEN;
	}
	return bytes_append(&row->text, &c, 1) ? CSV_ROW : CSV_NO_MEMORY;
}

static enum csv_result read_plain(struct csv *csv, struct csv_row *row, struct reason *reason)
{
	enum csv_result result = CSV_ROW;

	while (result == CSV_ROW && csv->at < csv->end && *csv->at != ',' && line_end(csv) == 0) {
		if (*csv->at == '"') {
			reason_set(reason,
				"there is a quote inside cell %zu; a cell with quotes stands in "
				"quotes, and has them doubled",
				row->count);
			return CSV_BROKEN;
		}
		result = put(row, *csv->at++, reason);
	}
	return result;
}

/* Behind the opening quote, up to what follows the closing one. */
static enum csv_result read_quoted(struct csv *csv, struct csv_row *row, struct reason *reason)
{
	enum csv_result result = CSV_ROW;

	while (result == CSV_ROW) {
		if (csv->at == csv->end) {
			reason_set(reason, "the quote of cell %zu is not closed", row->count);
			return CSV_BROKEN;
		}
		if (*csv->at == '"') {
			csv->at++;
			if (csv->at == csv->end || *csv->at != '"')
				break;
		}
		csv->line += *csv->at == '\n';
		result = put(row, *csv->at++, reason);
	}
	if (result == CSV_ROW && csv->at < csv->end && *csv->at != ',' && line_end(csv) == 0) {
		reason_set(
			reason, "there is text behind the closing quote of cell %zu", row->count);
		return CSV_BROKEN;
	}
	return result;
}

static enum csv_result read_cell(struct csv *csv, struct csv_row *row, struct reason *reason)
{
	size_t start = row->text.size;
	enum csv_result result;
	char *cell;

	if (row->count == CSV_COLUMNS_MAX) {
		reason_set(reason, "it has over %d cells", CSV_COLUMNS_MAX);
		return CSV_BROKEN;
	}
	row->starts[row->count++] = start;
	if (csv->at < csv->end && *csv->at == '"') {
		csv->at++;
		result = read_quoted(csv, row, reason);
	} else {
		result = read_plain(csv, row, reason);
	}
	if (result != CSV_ROW)
		return result;
	if (!bytes_append(&row->text, "", 1))
		return CSV_NO_MEMORY;
	cell = (char *)row->text.data + start;
	if (!utf8_is_valid(cell, strlen(cell))) {
		reason_set(reason, "cell %zu is not UTF-8", row->count);
		return CSV_BROKEN;
	}
	if (cell[0] == '\'' && needs_apostrophe(cell + 1)) {
		memmove(cell, cell + 1, strlen(cell));
		row->text.size--;
	}
	return CSV_ROW;
}

static enum csv_result read_row(struct csv *csv, struct csv_row *row, struct reason *reason)
{
	enum csv_result result = read_cell(csv, row, reason);

	while (result == CSV_ROW && csv->at < csv->end && *csv->at == ',') {
		csv->at++;
		result = read_cell(csv, row, reason);
	}
	return result;
}

enum csv_result csv_next(struct csv *csv, struct csv_row *row, struct reason *reason)
{
	struct csv start;
	enum csv_result result;

	skip_empty_lines(csv);
	bytes_clear(&row->text);
	row->count = 0;
	row->line = csv->line;
	if (csv->at == csv->end)
		return CSV_END;
	start = *csv;
	result = read_row(csv, row, reason);
	/* What a quote that was left open took along is looked at again, from the next line on. */
	if (result == CSV_BROKEN && (csv->at == csv->end || row->text.size >= CSV_ROW_BYTES))
		*csv = start;
	skip_line(csv);
	return result;
}

/* ---- writing ---- */

bool csv_write_cell(struct bytes *out, bool is_first, const char *text)
{
	bool quoted = strpbrk(text, ",\"\r\n") != NULL || text[0] == ' ' ||
		      (text[0] != '\0' && text[strlen(text) - 1] == ' ');
	bool done = is_first || bytes_append(out, ",", 1);

	if (quoted)
		done = done && bytes_append(out, "\"", 1);
	if (needs_apostrophe(text))
		done = done && bytes_append(out, "'", 1);
	for (; done && *text != '\0'; text++)
		done = bytes_append(out, text, 1) && (*text != '"' || bytes_append(out, text, 1));
	return done && (!quoted || bytes_append(out, "\"", 1));
}

bool csv_write_end(struct bytes *out)
{
	return bytes_append(out, "\r\n", 2);
}
