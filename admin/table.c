#include "admin/table.h"

#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "admin/printable.h"

#define GAP        "  "
#define INDENT     ((size_t)4) /* of a row's second line */
#define LAST_LEAST 24

void table_init(struct table *table, const struct table_column *columns, size_t column_count,
	size_t screen_width)
{
	*table = (struct table){
		.columns = columns,
		.column_count = column_count < TABLE_COLUMNS_MAX ? column_count : TABLE_COLUMNS_MAX,
		.screen_width = screen_width,
	};
	for (size_t i = 0; i < table->column_count; i++)
		table->widths[i] = printable_width(columns[i].title);
}

/* The cell that ends at the end of `cells` is cut, ended and measured. */
static void end_cell(struct table *table, size_t start)
{
	size_t column = table->cell_count % table->column_count;
	size_t most = table->columns[column].max_width;
	char *cell;
	size_t width;

	if (!bytes_append(&table->cells, "", 1)) {
		table->failed = true;
		return;
	}
	cell = (char *)table->cells.data + start;
	width = printable_width(cell);
	if (most > 1 && width > most) {
		size_t kept = printable_cut(cell, most - 1);

		/* the mark that it was cut is one column, and as many bytes as there were at least */
		cell[kept] = '~';
		cell[kept + 1] = '\0';
		table->cells.size = start + kept + 2;
		width = most;
	}
	if (width > table->widths[column])
		table->widths[column] = width;
	table->cell_count++;
}

void table_cell(struct table *table, const char *text)
{
	size_t start = table->cells.size;

	if (table->failed)
		return;
	if (text != NULL && !printable_append(&table->cells, text)) {
		table->failed = true;
		return;
	}
	end_cell(table, start);
}

void table_printf(struct table *table, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	table_cell(table, text);
}

static void print_padding(FILE *to, size_t columns)
{
	for (; columns > 0; columns--)
		fputc(' ', to);
}

/* Prints a cell within the `room` columns that the row has left; returns how many it took. */
static size_t print_cell(
	const struct table *table, FILE *to, size_t column, const char *text, size_t room)
{
	size_t width = printable_width(text);
	size_t padding = width < table->widths[column] ? table->widths[column] - width : 0;
	bool last = column + 1 == table->column_count;

	if (padding + width > room) {
		size_t shown = printable_cut(text, room);

		fwrite(text, 1, shown, to);
		return room;
	}
	if (table->columns[column].right)
		print_padding(to, padding);
	fputs(text, to);
	if (!table->columns[column].right && !last)
		print_padding(to, padding);
	return padding + width;
}

/* How much of a column has to fit into a line; the last one may be cut. */
static size_t wanted_width(const struct table *table, size_t column)
{
	size_t width = table->widths[column];

	return column + 1 == table->column_count && width > LAST_LEAST ? LAST_LEAST : width;
}

static void print_row(const struct table *table, FILE *to, const char *const *cells)
{
	size_t screen = table->screen_width ? table->screen_width : SIZE_MAX;
	size_t indent = screen > 2 * INDENT ? INDENT : 0;
	size_t room = screen;

	for (size_t i = 0; i < table->column_count; i++) {
		if (i > 0 && wanted_width(table, i) + strlen(GAP) > room) {
			fputc('\n', to);
			print_padding(to, indent);
			room = screen - indent;
		} else if (i > 0) {
			fputs(GAP, to);
			room -= strlen(GAP);
		}
		room -= print_cell(table, to, i, cells[i], room);
	}
	fputc('\n', to);
}

void table_flush(struct table *table, FILE *to)
{
	const char *cells[TABLE_COLUMNS_MAX] = {NULL};
	const char *cell = (const char *)table->cells.data;

	if (table->failed || table->column_count == 0)
		return;
	if (!table->titled) {
		for (size_t i = 0; i < table->column_count; i++)
			cells[i] = table->columns[i].title;
		print_row(table, to, cells);
		table->titled = true;
	}
	for (size_t i = 0; i < table->cell_count; i++) {
		cells[i % table->column_count] = cell;
		cell += strlen(cell) + 1;
		if ((i + 1) % table->column_count == 0)
			print_row(table, to, cells);
	}
	table->cell_count = 0;
	bytes_clear(&table->cells);
}

bool table_failed(const struct table *table)
{
	return table->failed;
}

void table_fini(struct table *table)
{
	bytes_fini(&table->cells);
}

size_t table_screen_width(FILE *to)
{
	struct winsize size;

	if (!isatty(fileno(to)))
		return 0;
	if (ioctl(fileno(to), TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return 80;
	return size.ws_col;
}
