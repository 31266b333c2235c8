#include "admin/grant_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin/csv.h"
#include "admin/grant_field.h"
#include "admin/postfix.h"
#include "core/nearest.h"

#define BLOCK  65536
#define BLANKS " \t\r\n"

/* ---- files ---- */

static int load(FILE *file, const char *path, struct bytes *out, struct reason *reason)
{
	size_t size = BLOCK;

	while (size == BLOCK) {
		if (out->size > GRANT_FILE_BYTES) {
			reason_set(
				reason, "%s is over %u bytes; divide it", path, GRANT_FILE_BYTES);
			return EX_DATAERR;
		}
		if (!bytes_reserve(out, BLOCK)) {
			reason_set(reason, "out of memory");
			return EX_OSERR;
		}
		size = fread(out->data + out->size, 1, BLOCK, file);
		out->size += size;
	}
	if (!ferror(file))
		return 0;
	reason_set(reason, "cannot read %s: %s", path, strerror(errno));
	return EX_NOINPUT;
}

int grant_file_load(const char *path, struct bytes *out, struct reason *reason)
{
	bool is_input = strcmp(path, "-") == 0;
	FILE *file = is_input ? stdin : fopen(path, "re");
	int code;

	if (file == NULL) {
		reason_set(reason, "cannot open %s: %s", path, strerror(errno));
		return EX_NOINPUT;
	}
	code = load(file, path, out, reason);
	if (!is_input)
		fclose(file);
	return code;
}

/* ---- CSV ---- */

struct table_columns {
	const struct grant_field *fields[CSV_COLUMNS_MAX]; /* NULL: the name */
	size_t count, name;
};

/* False: the header says what no grant has, which was named. */
static bool read_header(
	const struct csv_row *row, struct table_columns *columns, struct reason *reason)
{
	bool has_name = false;

	columns->count = row->count;
	for (size_t i = 0; i < row->count; i++) {
		const char *title = csv_cell(row, i);
		struct nearest_hint hint;
		bool is_name = strcmp(title, "name") == 0;

		columns->fields[i] = grant_field_find(title);
		if (columns->fields[i] == NULL && !is_name) {
			reason_set(reason, "the header: there is no field \"%.100s\"%s", title,
				grant_field_near(title, &hint));
			return false;
		}
		for (size_t before = 0; before < i; before++) {
			if (strcmp(csv_cell(row, before), title) == 0) {
				reason_set(reason, "the header has \"%.100s\" twice", title);
				return false;
			}
		}
		if (is_name)
			columns->name = i;
		has_name = has_name || is_name;
	}
	if (!has_name)
		reason_set(reason, "the header: there is no column \"name\"; expected names of "
				   "fields, as sluice grant export writes them");
	return has_name;
}

/* NULL: `reason` says why. */
static json_t *read_row(
	const struct csv_row *row, const struct table_columns *columns, struct reason *reason)
{
	json_t *grant = json_object();

	if (row->count != columns->count) {
		reason_set(
			reason, "it has %zu cells, and the header %zu", row->count, columns->count);
		json_decref(grant);
		return NULL;
	}
	for (size_t i = 0; i < row->count; i++) {
		const struct grant_field *field = columns->fields[i];
		const char *cell = csv_cell(row, i);
		json_t *value =
			field != NULL ? grant_field_parse(field, cell, reason) : json_string(cell);

		if (value == NULL || json_object_set_new(grant,
					     field != NULL ? field->name : "name", value) < 0) {
			json_decref(grant);
			return NULL;
		}
	}
	return grant;
}

static int take_row(const struct grant_file_reader *reader, const struct csv_row *row,
	const struct table_columns *columns)
{
	struct reason reason = {"out of memory"};
	json_t *grant = read_row(row, columns, &reason);

	if (grant == NULL)
		return reader->refuse(
			reader->owner, row->line, csv_cell(row, columns->name), reason.text);
	return reader->take(reader->owner, row->line, grant);
}

static int read_csv(const char *text, size_t size, const struct grant_file_reader *reader)
{
	struct table_columns columns = {.count = 0};
	struct csv_row row = {0};
	struct reason reason;
	enum csv_result result;
	struct csv csv;
	int code = 0;

	csv_init(&csv, text, size);
	while (code == 0 && (result = csv_next(&csv, &row, &reason)) != CSV_END) {
		if (result == CSV_NO_MEMORY)
			code = EX_OSERR;
		else if (result == CSV_BROKEN)
			code = reader->refuse(reader->owner, row.line, "", reason.text);
		else if (columns.count > 0)
			code = take_row(reader, &row, &columns);
		else if (!read_header(&row, &columns, &reason)) {
			code = reader->refuse(reader->owner, row.line, "", reason.text);
			break; /* without a header nothing below it says anything */
		}
	}
	csv_row_fini(&row);
	return code;
}

/* ---- JSON ---- */

static int take_document(
	const struct grant_file_reader *reader, size_t line, const json_t *document)
{
	const json_t *grants = json_object_get(document, "grants"), *grant;
	int code = 0;
	size_t i;

	if (json_is_array(document))
		grants = document;
	if (grants == NULL)
		return reader->take(reader->owner, line, json_incref((json_t *)document));
	if (!json_is_array(grants))
		return reader->refuse(reader->owner, line, "", "\"grants\": expected a list");
	json_array_foreach(grants, i, grant)
	{
		if (code == 0)
			code = reader->take(reader->owner, line, json_incref((json_t *)grant));
	}
	return code;
}

/* Lines count on over the documents. */
static int read_json(const char *text, size_t size, const struct grant_file_reader *reader)
{
	const char *end = text + size;
	size_t line = 1;
	int code = 0;

	while (code == 0) {
		json_error_t error;
		json_t *document;
		size_t used;

		for (; text < end && strchr(BLANKS, *text) != NULL && *text != '\0'; text++)
			line += *text == '\n';
		if (text == end)
			break;
		document = json_loadb(text, (size_t)(end - text),
			JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &error);
		if (document == NULL)
			return reader->refuse(
				reader->owner, line + (size_t)error.line - 1, "", error.text);
		code = take_document(reader, line, document);
		json_decref(document);
		used = (size_t)error.position;
		for (size_t i = 0; i < used; i++)
			line += text[i] == '\n';
		text += used;
	}
	return code;
}

int grant_file_read(const char *text, size_t size, const struct grant_file_reader *reader)
{
	size_t blanks = 0;

	while (blanks < size && text[blanks] != '\0' && strchr(BLANKS, text[blanks]) != NULL)
		blanks++;
	if (blanks < size && (text[blanks] == '{' || text[blanks] == '['))
		return read_json(text, size, reader);
	return read_csv(text, size, reader);
}

/* ---- Postfix ---- */

struct postfix_file {
	const struct grant_file_reader *reader;
	const char *path;
	int code;
};

/* "postfix-10.1.2.0_24": each network has one name. */
static void name_network(const char *network, char *out, size_t size)
{
	snprintf(out, size, "postfix-%s", network);
	for (; *out != '\0'; out++)
		*out = *out == '/' ? '_' : *out == ':' ? '-' : *out;
}

static bool allow(void *owner, size_t line, const char *network)
{
	struct postfix_file *file = owner;
	char name[POSTFIX_NETWORK_SIZE + 16], purpose[256];
	json_t *grant;

	name_network(network, name, sizeof(name));
	snprintf(purpose, sizeof(purpose), "from Postfix: %.200s:%zu", file->path, line);
	grant = json_pack("{s:s, s:[s], s:[s], s:s, s:s}", "name", name, "networks", network,
		"senders", "*", "state", "approved", "purpose", purpose);
	file->code =
		grant != NULL ? file->reader->take(file->reader->owner, line, grant) : EX_OSERR;
	return file->code == 0;
}

static bool refuse(void *owner, size_t line, const char *what, const char *why)
{
	struct postfix_file *file = owner;

	file->code = file->reader->refuse(file->reader->owner, line, what, why);
	return file->code == 0;
}

int grant_file_read_postfix(
	const char *path, const char *text, size_t size, const struct grant_file_reader *reader)
{
	struct postfix_file file = {reader, path, 0};
	const struct postfix_reader postfix = {&file, allow, refuse};

	if (!postfix_read(text, size, &postfix) && file.code == 0)
		return EX_OSERR;
	return file.code;
}
