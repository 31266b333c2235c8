#include <string.h>

#include "core/ascii.h"
#include "core/utf8.h"
#include "queue/field.h"
#include "queue/mime_parts.h"

/* ---- fields that say what the part is ---- */

/* "base64", in whatever quotes, comments and blanks. */
static enum mime_encoding read_encoding(const char *value, size_t size)
{
	static const struct {
		const char *name;
		enum mime_encoding encoding;
	} names[] = {
		{"7bit", MIME_SEVENBIT},
		{"8bit", MIME_EIGHTBIT},
		{"binary", MIME_BINARY},
		{"base64", MIME_BASE64},
		{"quoted-printable", MIME_QUOTED},
	};
	size_t from = 0, to;

	while (from < size && (uint8_t)value[from] <= ' ')
		from++;
	from += from < size && value[from] == '"';
	for (to = from; to < size && (uint8_t)value[to] > ' ' && strchr("\";(", value[to]) == NULL;)
		to++;
	if (to == from)
		return MIME_NONE;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (ascii_equals(value + from, to - from, names[i].name))
			return names[i].encoding;
	return MIME_UNKNOWN;
}

static void read_type(struct mime_part *part, const void *value, size_t size)
{
	char type[MIME_TYPE_SIZE];
	int boundary;

	part->has_type_field = true;
	part->boundary_size = 0;
	part->is_type_clear = field_content_type(value, size, type, sizeof type);
	memcpy(part->type, part->is_type_clear ? type : MIME_TYPE_FIRST,
		part->is_type_clear ? sizeof type : sizeof MIME_TYPE_FIRST);
	part->has_charset = field_parameter(value, size, "charset", type, sizeof type) > 0;
	if (strncmp(part->type, "multipart/", 10) != 0)
		return;
	boundary = field_parameter(value, size, "boundary", part->boundary, sizeof part->boundary);
	if (boundary > 0 && boundary < MIME_BOUNDARY_MAX &&
		!utf8_has_eightbit(part->boundary, (size_t)boundary))
		part->boundary_size = (size_t)boundary;
}

/* Of two the first one counts. */
static void read_content_field(struct mime_part *part, const struct mime_field *field)
{
	if (field->is_cut || ascii_lower(*field->name) != 'c')
		return;
	if (!part->has_type_field && ascii_equals(field->name, field->name_size, "content-type"))
		read_type(part, field->value, (size_t)field->value_size);
	if (!part->has_encoding_field &&
		ascii_equals(field->name, field->name_size, "content-transfer-encoding")) {
		part->has_encoding_field = true;
		part->encoding = read_encoding(field->value, (size_t)field->value_size);
	}
}

void mime_retype(struct mime *mime, const void *value, size_t size)
{
	read_type(mime_innermost(mime), value, size);
}

/* ---- the open field ---- */

bool mime_field_end(struct mime *mime)
{
	struct mime_part *part = mime_innermost(mime);
	const char *text = mime->field_run != NULL ? mime->field_run : (char *)mime->field.data;
	struct mime_field field = {
		.at = mime->field_at,
		.size = mime->field_size,
		.name = text,
		.name_size = mime->field_name_size,
		.indent = mime->field_indent,
		.has_nul_indent = mime->field_nul_indent,
		.is_cut = mime->field_size > mime->field_kept,
		.has_eightbit = mime->field_eightbit,
		.has_nul = mime->field_nul,
		.has_long_line = mime->field_long,
	};
	size_t colon;

	if (!mime->has_field)
		return true;
	mime->has_field = false;
	part->has_fields = true;
	colon = (size_t)((char *)memchr(text, ':', mime->field_kept) - text);
	field.value = text + colon + 1;
	field.value_at = field.at + colon + 1;
	field.value_size = field.size - colon - 1;
	if (!field.is_cut && field.value_size > 0 && field.value[field.value_size - 1] == '\n')
		field.value_size--;
	if (!field.is_cut && field.value_size > 0 && field.value[field.value_size - 1] == '\r')
		field.value_size--;
	read_content_field(part, &field);
	return mime->calls->field(mime->owner, part, &field);
}

/* Bytes of the open field: counted, looked at, and kept up to the limit. */
bool mime_field_grow(struct mime *mime, const char *text, size_t size, bool is_in_run)
{
	size_t keep = FIELD_BYTES_MAX - mime->field_kept;

	if (keep > size)
		keep = size;
	mime->field_eightbit |= utf8_has_eightbit(text, size);
	mime->field_nul |= memchr(text, '\0', size) != NULL;
	mime->field_size += size;
	if (mime->field_run == NULL || !is_in_run) {
		if (mime->field_run != NULL &&
			!bytes_append(&mime->field, mime->field_run, mime->field_kept))
			return false;
		mime->field_run = NULL;
		if (keep > 0 && !bytes_append(&mime->field, text, keep))
			return false;
	}
	mime->field_kept += keep;
	return true;
}

bool mime_field_begin(
	struct mime *mime, const struct mime_line *line, size_t indent, size_t name_size)
{
	if (!mime_field_end(mime))
		return false;
	bytes_clear_above(&mime->field, MIME_KEPT_BYTES);
	mime->has_field = true;
	mime->field_at = line->at + indent;
	mime->field_size = 0;
	mime->field_kept = 0;
	mime->field_name_size = name_size;
	mime->field_indent = indent;
	mime->field_run = line->is_in_run ? line->text + indent : NULL;
	mime->field_eightbit = mime->field_nul = mime->field_long = false;
	mime->field_nul_indent = indent > 0 && *line->text == '\0';
	return mime_field_grow(mime, line->text + indent, line->size - indent, line->is_in_run);
}

/* What is to be there when the run is gone. */
bool mime_field_keep(struct mime *mime)
{
	if (!mime->has_field || mime->field_run == NULL)
		return true;
	if (!bytes_append(&mime->field, mime->field_run, mime->field_kept))
		return false;
	mime->field_run = NULL;
	return true;
}
