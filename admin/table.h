/*
 * table.h: aligned columns on a terminal or in a file.
 *
 * Cells are filled row by row and printed by table_flush; a long listing is flushed page by page, its columns only grow.
 * Cells are made harmless (printable.h). On a terminal that is too narrow a row goes on in a second line, in
 * the same place for all rows; only the last column is cut.
 *
 * Threads: one. Errors: without memory the table fails and prints nothing more; table_failed says so.
 */
#ifndef SLUICE_ADMIN_TABLE_H
#define SLUICE_ADMIN_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/bytes.h"

#define TABLE_COLUMNS_MAX 12

struct table_column {
	const char *title;
	bool right; /* numbers */
	size_t max_width; /* longer cells are cut; 0: not */
};

struct table {
	const struct table_column *columns;
	size_t column_count;
	size_t widths[TABLE_COLUMNS_MAX];
	struct bytes cells; /* each ended by a NUL, row by row */
	size_t cell_count;
	size_t screen_width; /* 0: endless */
	bool titled; /* the titles have been printed */
	bool failed;
};

void table_init(struct table *table, const struct table_column *columns, size_t column_count,
	size_t screen_width);
void table_cell(struct table *table, const char *text); /* NULL: empty */
void table_printf(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Prints the full rows, and the titles before the first. */
void table_flush(struct table *table, FILE *to);
bool table_failed(const struct table *table);
void table_fini(struct table *table);

/* How wide the terminal is that `to` writes to; 0: it is none. */
size_t table_screen_width(FILE *to);

#endif
