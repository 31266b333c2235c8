#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "queue/field.h"
#include "queue/mime_parts.h"

#define LEVELS_FIRST 2

/* ---- parts ---- */

bool mime_begin_part(struct mime *mime, uint64_t at, const char *type)
{
	struct mime_part *part;

	if (mime->levels == mime->room) {
		unsigned room = mime->room > 0 ? mime->room * 2 : LEVELS_FIRST;
		struct mime_part *parts = realloc(mime->parts, room * sizeof(*parts));

		if (parts == NULL)
			return false;
		mime->parts = parts;
		mime->room = room;
	}
	part = &mime->parts[mime->levels];
	memset(part, 0, sizeof(*part));
	part->depth = mime->levels++;
	part->header_at = at;
	memcpy(part->type, type, strlen(type) + 1); /* MIME_TYPE_FIRST or MIME_TYPE_MESSAGE */
	mime->in_header = true;
	mime->indent = 0;
	mime->count++;
	return mime->calls->begin(mime->owner, part);
}

static void begin_text(struct mime *mime, enum mime_place place, uint64_t at)
{
	mime->in_header = false;
	mime->place = place;
	mime->text_at = at;
	mime->measure = (struct mime_measure){0};
	mime->at_line_start = true;
	mime->held_end = 0;
}

static bool is_identity(enum mime_encoding encoding)
{
	return encoding != MIME_BASE64 && encoding != MIME_QUOTED;
}

static bool is_message_type(const char *type)
{
	return strcmp(type, MIME_TYPE_MESSAGE) == 0 || strcmp(type, "message/global") == 0;
}

static enum mime_shape choose_shape(struct mime_part *part)
{
	bool is_multipart = strncmp(part->type, "multipart/", 10) == 0 && part->boundary_size > 0;
	bool is_message = is_message_type(part->type) && is_identity(part->encoding);

	if ((is_multipart || is_message) && part->depth + 1 == MIME_DEPTH_MAX) {
		part->is_too_deep = true;
		return MIME_LEAF;
	}
	return is_multipart ? MIME_MULTIPART : is_message ? MIME_MESSAGE : MIME_LEAF;
}

/* The mime_innermost part's header is over, and its body begins at `body_at`. */
static bool end_header(struct mime *mime, uint64_t fields_end, uint64_t body_at, bool has_body)
{
	struct mime_part *part = mime_innermost(mime);

	part->fields_end = fields_end;
	part->body_at = body_at;
	part->has_blank_line = body_at > fields_end;
	part->has_body = has_body;
	part->shape = has_body ? choose_shape(part) : MIME_LEAF;
	if (part->shape == MIME_MESSAGE && mime->count == MIME_PARTS_MAX) {
		mime->has_too_many = true;
		part->shape = MIME_LEAF;
	}
	bytes_clear_above(&mime->field, MIME_KEPT_BYTES);
	if (!mime->calls->header(mime->owner, part))
		return false;
	part->body_line = NULL;
	if (part->shape == MIME_MESSAGE)
		return mime_begin_part(mime, body_at, MIME_TYPE_FIRST);
	if (part->shape == MIME_MULTIPART)
		mime->delimiters++;
	begin_text(mime, part->shape == MIME_MULTIPART ? MIME_PREAMBLE : MIME_BODY, body_at);
	return true;
}

/* ---- texts ---- */

static bool tell_text(struct mime *mime, uint64_t at, const char *bytes, size_t size)
{
	return size == 0 || mime->calls->text == NULL ||
	       mime->calls->text(mime->owner, mime_innermost(mime), at, bytes, size);
}

static bool tell_held_end(struct mime *mime, uint64_t at)
{
	size_t size = mime->held_end;

	mime->held_end = 0;
	return tell_text(mime, at - size, "\r\n", size);
}

/* Bytes of the open text, at `at`. A last CRLF is held back: it may belong to a delimiter. */
bool mime_take_text(struct mime *mime, uint64_t at, const char *bytes, size_t size)
{
	unsigned char end = 0;

	if (size == 0)
		return true;
	mime_measure_take(&mime->measure, bytes, size);
	mime->at_line_start = bytes[size - 1] == '\n';
	if (mime->calls->text == NULL)
		return true;
	if (mime->held_end == 1 && size == 1 && *bytes == '\n') {
		mime->held_end = 2;
		return true;
	}
	if (mime->held_end > 0 && !tell_held_end(mime, at))
		return false;
	if (mime->delimiters > 0 && bytes[size - 1] == '\r')
		end = 1;
	else if (mime->delimiters > 0 && size > 1 && memcmp(bytes + size - 2, "\r\n", 2) == 0)
		end = 2;
	mime->held_end = end;
	return tell_text(mime, at, bytes, size - end);
}

static bool end_text(struct mime *mime, uint64_t end)
{
	struct mime_text text = {.place = mime->place, .at = mime->text_at, .end = end};

	mime_measure_end(&mime->measure);
	text.eightbit_bytes = mime->measure.eightbit_bytes;
	text.has_nul = mime->measure.has_nul;
	text.has_long_line = mime->measure.has_long_line;
	text.is_utf8 = !mime->measure.is_not_utf8;
	text.measure = &mime->measure;
	return mime->calls->text_end(mime->owner, mime_innermost(mime), &text);
}

/* ---- structure ---- */

/* Whatever is open in the mime_innermost part ends at `end`, behind which a delimiter stands, or nothing. */
bool mime_end_content(struct mime *mime, uint64_t end, bool is_delimiter)
{
	uint64_t text_end = end;

	if (mime->in_header)
		return mime_field_end(mime) && end_header(mime, end, end, false);
	if (is_delimiter)
		text_end = end >= mime->text_at + 2 ? end - 2 : mime->text_at;
	if (!is_delimiter && mime->held_end > 0 && !tell_held_end(mime, end))
		return false;
	return end_text(mime, text_end);
}

bool mime_end_part(struct mime *mime)
{
	struct mime_part *part = mime_innermost(mime);

	if (part->shape == MIME_MULTIPART && !part->is_closed)
		mime->delimiters--;
	if (!mime->calls->end(mime->owner, part))
		return false;
	mime->levels--;
	return true;
}

static size_t copy_without_nuls(const char *from, size_t size, char *out)
{
	size_t left = 0;

	for (size_t i = 0; i < size; i++)
		if (from[i] != '\0')
			out[left++] = from[i];
	return left;
}

/* The level whose delimiter the line is, or -1. */
static int find_delimiter(const struct mime *mime, const struct mime_line *line, bool *is_last)
{
	const char *text = line->text;
	char without[MIME_DELIMITER_BYTES_MAX];
	size_t size = line->size;

	if (mime->delimiters == 0 || size >= MIME_DELIMITER_BYTES_MAX)
		return -1;
	if (mime->drops_nuls && memchr(text, '\0', size) != NULL) {
		size = copy_without_nuls(text, size, without);
		text = without;
	}
	size = mime_bare_size(text, size);
	if (size <= 2 || text[0] != '-' || text[1] != '-')
		return -1;
	while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
		size--;
	for (int level = (int)mime->levels - 1; level >= 0; level--) {
		const struct mime_part *part = &mime->parts[level];
		size_t rest = size - 2 - part->boundary_size;

		if (part->shape != MIME_MULTIPART || part->is_closed ||
			size < 2 + part->boundary_size ||
			memcmp(text + 2, part->boundary, part->boundary_size) != 0)
			continue;
		*is_last = rest == 2 && memcmp(text + 2 + part->boundary_size, "--", 2) == 0;
		if (rest == 0 || *is_last)
			return level;
	}
	return -1;
}

static bool take_delimiter(struct mime *mime, const struct mime_line *line, int level, bool is_last)
{
	uint64_t next = line->at + line->size;
	struct mime_part *part;
	bool has_part;

	mime->parts[level].has_parts = true;
	if (!mime_end_content(mime, line->at, true))
		return false;
	if (mime->drops_nuls && memchr(line->text, '\0', line->size) != NULL &&
		!mime->calls->nul_line(mime->owner, line->at, line->size))
		return false;
	while ((int)mime->levels - 1 > level)
		if (!mime_end_part(mime))
			return false;
	part = mime_innermost(mime);
	if (is_last) {
		part->is_closed = true;
		mime->delimiters--;
		begin_text(mime, MIME_EPILOGUE, next);
		return true;
	}
	has_part = mime->count < MIME_PARTS_MAX;
	if (has_part)
		return mime_begin_part(mime, next,
			strcmp(part->type, "multipart/digest") == 0 ? MIME_TYPE_MESSAGE
								    : MIME_TYPE_FIRST);
	mime->has_too_many = true;
	mime->delimiters = 0;
	for (unsigned i = 0; i < mime->levels; i++)
		mime->parts[i].is_closed = true;
	begin_text(mime, MIME_EPILOGUE, next);
	return true;
}

/* A line of a text that begins with "-", or with NULs. */
bool mime_take_text_line(struct mime *mime, const struct mime_line *line)
{
	bool is_last;
	int level = find_delimiter(mime, line, &is_last);

	if (level >= 0)
		return take_delimiter(mime, line, level, is_last);
	return mime_take_text(mime, line->at, line->text, line->size);
}

/* ---- header lines ---- */

static size_t count_blanks(const char *text, size_t size)
{
	size_t i = 0;

	while (i < size && (text[i] == ' ' || text[i] == '\t'))
		i++;
	return i;
}

static bool is_mbox_line(const struct mime *mime, const struct mime_line *line)
{
	return mime->levels == 1 && mime->mbox_size == 0 && !mime->parts[0].has_fields &&
	       !mime->has_field && line->size > 5 && memcmp(line->text, "From ", 5) == 0;
}

/* A line that begins with blanks: the open field goes on, or, at the top of the whole, an indented field begins. */
static bool take_blank_line_start(
	struct mime *mime, const struct mime_line *line, size_t nuls, bool *is_taken)
{
	size_t blanks = nuls + count_blanks(line->text + nuls, line->size - nuls), name_size;

	*is_taken = true;
	if (mime->levels == 1 && (!mime->has_field || mime->indent == blanks)) {
		name_size = field_name_size(line->text + blanks, line->size - blanks);
		if (name_size > 0) {
			mime->indent = blanks;
			return mime_field_begin(mime, line, blanks, name_size);
		}
	}
	if (mime->has_field)
		return mime_field_grow(mime, line->text, line->size, line->is_in_run);
	*is_taken = false;
	return true;
}

/* The header is over without an empty line, and the line is its body's first. */
static bool take_body_line(struct mime *mime, const struct mime_line *line)
{
	if (!mime_field_end(mime))
		return false;
	mime_innermost(mime)->body_line = line->text;
	mime_innermost(mime)->body_line_size = line->size;
	if (!end_header(mime, line->at, line->at, true))
		return false;
	/* a message in a message: its header begins with this line, and ends before it */
	while (mime->in_header)
		if (!end_header(mime, line->at, line->at, true))
			return false;
	return mime_take_text_line(mime, line);
}

/* NULs that begin a line, and are read as if they were not there. */
static size_t count_nuls(const struct mime *mime, const char *text, size_t size)
{
	size_t i = 0;

	while (mime->drops_nuls && i < size && text[i] == '\0')
		i++;
	return i;
}

static bool take_empty_line(struct mime *mime, const struct mime_line *line, size_t nuls)
{
	if (!mime_field_end(mime))
		return false;
	if (nuls > 0 && !mime->calls->nul_line(mime->owner, line->at, nuls))
		return false;
	return end_header(mime, line->at + nuls, line->at + line->size, true);
}

/* `line` is whole, or the first FIELD_BYTES_MAX bytes of it. */
bool mime_take_header_line(struct mime *mime, const struct mime_line *line)
{
	size_t bare = mime_bare_size(line->text, line->size), name_size;
	size_t nuls = count_nuls(mime, line->text, bare);
	bool is_taken = false, is_last, is_whole = line->text[line->size - 1] == '\n';
	int level = find_delimiter(mime, line, &is_last);

	if (level >= 0)
		return take_delimiter(mime, line, level, is_last);
	if (bare == nuls && is_whole)
		return take_empty_line(mime, line, nuls);
	if (line->text[nuls] == ' ' || line->text[nuls] == '\t') {
		if (!take_blank_line_start(mime, line, nuls, &is_taken))
			return false;
	} else if ((name_size = field_name_size(line->text + nuls, bare - nuls)) > 0) {
		is_taken = true;
		if (!mime_field_begin(mime, line, nuls, name_size))
			return false;
	} else if (is_mbox_line(mime, line) && is_whole) {
		mime->mbox_size = line->size;
		memcpy(mime->mbox_line, line->text,
			line->size < sizeof(mime->mbox_line) ? line->size
							     : sizeof(mime->mbox_line));
		mime->mbox_eightbit = utf8_has_eightbit(line->text, line->size);
		return true;
	}
	if (!is_taken)
		return take_body_line(mime, line);
	mime->in_tail = !is_whole;
	mime->field_long |= bare > MIME_LINE_BYTES;
	return true;
}
