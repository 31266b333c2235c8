#include "admin/fact.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "admin/printable.h"
#include "admin/table.h"

#define NAME_COLUMNS  10
#define LABEL_COLUMNS 13
#define TEXT_COLUMNS  20 /* a screen that has fewer left is not worth breaking lines for */

/* How many bytes of the text a line of so many columns holds; it breaks at blanks where there are any. */
static size_t fit(const char *text, size_t columns)
{
	size_t most = printable_cut(text, columns), size = most;

	if (text[most] == '\0')
		return most;
	while (size > 0 && text[size] != ' ')
		size--;
	return size > 0 ? size : most;
}

static void print_text(const char *text, size_t indent)
{
	size_t width = table_screen_width(stdout);

	if (width < indent + TEXT_COLUMNS) {
		puts(text);
		return;
	}
	for (;;) {
		size_t size = fit(text, width - indent);

		printf("%.*s\n", (int)size, text);
		text += size;
		text += strspn(text, " ");
		if (*text == '\0')
			return;
		printf("%*s", (int)indent, "");
	}
}

static void print_harmless(const char *text, size_t indent)
{
	struct bytes safe = {0};
	bool made = printable_append(&safe, text) && bytes_append(&safe, "", 1);

	print_text(made ? (const char *)safe.data : "", indent);
	bytes_fini(&safe);
}

void fact_print(const char *name, const char *format, ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("%-*s", NAME_COLUMNS, name);
	print_harmless(text, NAME_COLUMNS);
}

void fact_print_note(const char *label, const char *text)
{
	printf("%*s%-*s", NAME_COLUMNS, "", LABEL_COLUMNS, label);
	print_harmless(text, NAME_COLUMNS + LABEL_COLUMNS);
}
