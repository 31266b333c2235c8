/*
 * csv.h: rows of comma-separated values, read and written. RFC 4180.
 *
 * Reading is strict: a quote stands only around a whole cell, or doubled within one. A row that breaks the rules is named
 * with its line, and reading goes on behind it, so that all broken rows are named at once. Line ends are CRLF or LF; empty lines
 * and a byte order mark at the front are passed over; a separator other than the comma is not guessed.
 *
 * A program that opens such a file runs a cell that begins with = + - @ as a formula. Writing puts an apostrophe before those,
 * and before an apostrophe that stands before one of these; reading takes exactly that one away again. So what was written
 * comes back as it was.
 *
 * Threads: one. Owner: the text stays the caller's; csv_row_fini frees a row.
 * Limits: CSV_COLUMNS_MAX cells and CSV_ROW_BYTES in a row.
 */
#ifndef SLUICE_ADMIN_CSV_H
#define SLUICE_ADMIN_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"
#include "core/reason.h"

#define CSV_COLUMNS_MAX 64
#define CSV_ROW_BYTES   (1u << 20)

struct csv {
	const char *at, *end;
	size_t line; /* that the next row begins in */
};

struct csv_row {
	size_t line; /* that it began in; counts from 1 */
	size_t count;
	struct bytes text; /* the cells, each with a NUL */
	size_t starts[CSV_COLUMNS_MAX];
};

enum csv_result { CSV_ROW, CSV_END, CSV_BROKEN, CSV_NO_MEMORY };

void csv_init(struct csv *csv, const char *text, size_t size);
/* Replaces the row. CSV_BROKEN: `reason` says what is wrong with row->line. */
enum csv_result csv_next(struct csv *csv, struct csv_row *row, struct reason *reason);
const char *csv_cell(const struct csv_row *row, size_t number);
void csv_row_fini(struct csv_row *row);

/* With the comma before it, but for the first of a row. */
bool csv_write_cell(struct bytes *out, bool is_first, const char *text)
	__attribute__((warn_unused_result));
bool csv_write_end(struct bytes *out) __attribute__((warn_unused_result));

#endif
