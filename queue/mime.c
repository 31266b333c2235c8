#include "queue/mime.h"

#include <stdlib.h>
#include <string.h>

#include "core/ascii.h"
#include "core/bytes.h"
#include "core/utf8.h"
#include "queue/field.h"
#include "queue/mime_measure.h"

#define DELIMITER_BYTES_MAX (MIME_BOUNDARY_MAX + 64) /* a longer line is none */
#define LEVELS_FIRST        2
#define TYPE_FIRST          "text/plain"
#define TYPE_MESSAGE        "message/rfc822"

/* A header line, or what may be a delimiter line: whole, or its first bytes where it is over its limit. */
struct line {
	const char *text;
	size_t size; /* line end included */
	uint64_t at;
	bool is_in_run; /* else it was gathered */
};

struct mime {
	const struct mime_calls *calls;
	void *owner;
	uint64_t at; /* the offset of the next byte */
	struct mime_part *parts; /* those that are open, outermost first */
	unsigned levels, room;
	unsigned count;
	unsigned delimiters; /* multiparts whose delimiters are looked for */
	bool has_too_many;
	bool in_header; /* of the innermost part; else in its text */
	uint64_t mbox_size;
	char mbox_line[MIME_SAMPLE_BYTES];
	bool mbox_eightbit;
	bool drops_nuls;
	size_t indent; /* of the whole's fields */

	struct bytes line; /* what came of a line that is not whole yet */
	uint64_t line_at;
	bool in_tail; /* of a header line longer than its limit */

	/* the open field */
	bool has_field;
	uint64_t field_at, field_size;
	size_t field_name_size, field_indent;
	const char *field_run; /* its bytes, in what is being taken; NULL: in `field` */
	size_t field_kept;
	struct bytes field;
	bool field_eightbit, field_nul, field_long, field_nul_indent;

	/* the open text */
	enum mime_place place;
	uint64_t text_at;
	struct mime_measure measure;
	bool at_line_start;
	unsigned char held_end; /* bytes of a CRLF that may be the next delimiter's */
};

static struct mime_part *innermost(struct mime *mime)
{
	return &mime->parts[mime->levels - 1];
}

/* ---- parts ---- */

static bool begin_part(struct mime *mime, uint64_t at, const char *type)
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
	memcpy(part->type, type, strlen(type) + 1); /* TYPE_FIRST or TYPE_MESSAGE */
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
	return strcmp(type, TYPE_MESSAGE) == 0 || strcmp(type, "message/global") == 0;
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

/* The innermost part's header is over, and its body begins at `body_at`. */
static bool end_header(struct mime *mime, uint64_t fields_end, uint64_t body_at, bool has_body)
{
	struct mime_part *part = innermost(mime);

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
		return begin_part(mime, body_at, TYPE_FIRST);
	if (part->shape == MIME_MULTIPART)
		mime->delimiters++;
	begin_text(mime, part->shape == MIME_MULTIPART ? MIME_PREAMBLE : MIME_BODY, body_at);
	return true;
}

/* ---- fields ---- */

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
	memcpy(part->type, part->is_type_clear ? type : TYPE_FIRST,
		part->is_type_clear ? sizeof type : sizeof TYPE_FIRST);
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
	read_type(innermost(mime), value, size);
}

static bool close_field(struct mime *mime)
{
	struct mime_part *part = innermost(mime);
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

static size_t bare_size(const char *text, size_t size)
{
	if (size > 0 && text[size - 1] == '\n')
		size--;
	return size > 0 && text[size - 1] == '\r' ? size - 1 : size;
}

/* Bytes of the open field: counted, looked at, and kept up to the limit. */
static bool grow_field(struct mime *mime, const char *text, size_t size, bool is_in_run)
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

static bool open_field(struct mime *mime, const struct line *line, size_t indent, size_t name_size)
{
	if (!close_field(mime))
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
	return grow_field(mime, line->text + indent, line->size - indent, line->is_in_run);
}

/* What is to be there when the run is gone. */
static bool keep_field(struct mime *mime)
{
	if (!mime->has_field || mime->field_run == NULL)
		return true;
	if (!bytes_append(&mime->field, mime->field_run, mime->field_kept))
		return false;
	mime->field_run = NULL;
	return true;
}

/* ---- texts ---- */

static bool tell_text(struct mime *mime, uint64_t at, const char *bytes, size_t size)
{
	return size == 0 || mime->calls->text == NULL ||
	       mime->calls->text(mime->owner, innermost(mime), at, bytes, size);
}

static bool tell_held_end(struct mime *mime, uint64_t at)
{
	size_t size = mime->held_end;

	mime->held_end = 0;
	return tell_text(mime, at - size, "\r\n", size);
}

/* Bytes of the open text, at `at`. A last CRLF is held back: it may belong to a delimiter. */
static bool take_text(struct mime *mime, uint64_t at, const char *bytes, size_t size)
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
	return mime->calls->text_end(mime->owner, innermost(mime), &text);
}

/* ---- structure ---- */

/* Whatever is open in the innermost part ends at `end`, behind which a delimiter stands, or nothing. */
static bool end_content(struct mime *mime, uint64_t end, bool is_delimiter)
{
	uint64_t text_end = end;

	if (mime->in_header)
		return close_field(mime) && end_header(mime, end, end, false);
	if (is_delimiter)
		text_end = end >= mime->text_at + 2 ? end - 2 : mime->text_at;
	if (!is_delimiter && mime->held_end > 0 && !tell_held_end(mime, end))
		return false;
	return end_text(mime, text_end);
}

static bool end_part(struct mime *mime)
{
	struct mime_part *part = innermost(mime);

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
static int find_delimiter(const struct mime *mime, const struct line *line, bool *is_last)
{
	const char *text = line->text;
	char without[DELIMITER_BYTES_MAX];
	size_t size = line->size;

	if (mime->delimiters == 0 || size >= DELIMITER_BYTES_MAX)
		return -1;
	if (mime->drops_nuls && memchr(text, '\0', size) != NULL) {
		size = copy_without_nuls(text, size, without);
		text = without;
	}
	size = bare_size(text, size);
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

static bool take_delimiter(struct mime *mime, const struct line *line, int level, bool is_last)
{
	uint64_t next = line->at + line->size;
	struct mime_part *part;
	bool has_part;

	mime->parts[level].has_parts = true;
	if (!end_content(mime, line->at, true))
		return false;
	if (mime->drops_nuls && memchr(line->text, '\0', line->size) != NULL &&
		!mime->calls->nul_line(mime->owner, line->at, line->size))
		return false;
	while ((int)mime->levels - 1 > level)
		if (!end_part(mime))
			return false;
	part = innermost(mime);
	if (is_last) {
		part->is_closed = true;
		mime->delimiters--;
		begin_text(mime, MIME_EPILOGUE, next);
		return true;
	}
	has_part = mime->count < MIME_PARTS_MAX;
	if (has_part)
		return begin_part(mime, next,
			strcmp(part->type, "multipart/digest") == 0 ? TYPE_MESSAGE : TYPE_FIRST);
	mime->has_too_many = true;
	mime->delimiters = 0;
	for (unsigned i = 0; i < mime->levels; i++)
		mime->parts[i].is_closed = true;
	begin_text(mime, MIME_EPILOGUE, next);
	return true;
}

/* A line of a text that begins with "-", or with NULs. */
static bool take_text_line(struct mime *mime, const struct line *line)
{
	bool is_last;
	int level = find_delimiter(mime, line, &is_last);

	if (level >= 0)
		return take_delimiter(mime, line, level, is_last);
	return take_text(mime, line->at, line->text, line->size);
}

/* ---- header lines ---- */

static size_t count_blanks(const char *text, size_t size)
{
	size_t i = 0;

	while (i < size && (text[i] == ' ' || text[i] == '\t'))
		i++;
	return i;
}

static bool is_mbox_line(const struct mime *mime, const struct line *line)
{
	return mime->levels == 1 && mime->mbox_size == 0 && !mime->parts[0].has_fields &&
	       !mime->has_field && line->size > 5 && memcmp(line->text, "From ", 5) == 0;
}

/* A line that begins with blanks: the open field goes on, or, at the top of the whole, an indented field begins. */
static bool take_blank_line_start(
	struct mime *mime, const struct line *line, size_t nuls, bool *is_taken)
{
	size_t blanks = nuls + count_blanks(line->text + nuls, line->size - nuls), name_size;

	*is_taken = true;
	if (mime->levels == 1 && (!mime->has_field || mime->indent == blanks)) {
		name_size = field_name_size(line->text + blanks, line->size - blanks);
		if (name_size > 0) {
			mime->indent = blanks;
			return open_field(mime, line, blanks, name_size);
		}
	}
	if (mime->has_field)
		return grow_field(mime, line->text, line->size, line->is_in_run);
	*is_taken = false;
	return true;
}

/* The header is over without an empty line, and the line is its body's first. */
static bool take_body_line(struct mime *mime, const struct line *line)
{
	if (!close_field(mime))
		return false;
	innermost(mime)->body_line = line->text;
	innermost(mime)->body_line_size = line->size;
	if (!end_header(mime, line->at, line->at, true))
		return false;
	/* a message in a message: its header begins with this line, and ends before it */
	while (mime->in_header)
		if (!end_header(mime, line->at, line->at, true))
			return false;
	return take_text_line(mime, line);
}

/* NULs that begin a line, and are read as if they were not there. */
static size_t count_nuls(const struct mime *mime, const char *text, size_t size)
{
	size_t i = 0;

	while (mime->drops_nuls && i < size && text[i] == '\0')
		i++;
	return i;
}

static bool take_empty_line(struct mime *mime, const struct line *line, size_t nuls)
{
	if (!close_field(mime))
		return false;
	if (nuls > 0 && !mime->calls->nul_line(mime->owner, line->at, nuls))
		return false;
	return end_header(mime, line->at + nuls, line->at + line->size, true);
}

/* `line` is whole, or the first FIELD_BYTES_MAX bytes of it. */
static bool take_header_line(struct mime *mime, const struct line *line)
{
	size_t bare = bare_size(line->text, line->size), name_size;
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
		if (!open_field(mime, line, nuls, name_size))
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

/* ---- the run ---- */

struct run {
	const char *at, *end;
	uint64_t offset; /* of `at` */
};

static void pass(struct run *run, size_t size)
{
	run->at += size;
	run->offset += size;
}

/* Behind the limit of a header line: only counted. */
static bool take_tail(struct mime *mime, struct run *run)
{
	const char *lf = memchr(run->at, '\n', (size_t)(run->end - run->at));
	size_t size = (size_t)((lf != NULL ? lf + 1 : run->end) - run->at);
	bool grown = grow_field(mime, run->at, size, false);

	mime->in_tail = lf == NULL;
	pass(run, size);
	return grown;
}

/*
 * The next line, whole or its first `limit` bytes: from the run, or from what was gathered; false: there is no more of it
 * in the run. What is gathered is the caller's to clear.
 */
static bool next_line(struct mime *mime, struct run *run, size_t limit, struct line *line, bool *ok)
{
	size_t kept = mime->line.size, size = (size_t)(run->end - run->at);
	const char *lf;

	if (size > limit - kept)
		size = limit - kept;
	lf = memchr(run->at, '\n', size);
	if (lf != NULL)
		size = (size_t)(lf + 1 - run->at);
	*ok = true;
	if (kept == 0 && (lf != NULL || size == limit)) {
		*line = (struct line){run->at, size, run->offset, true};
		pass(run, size);
		return true;
	}
	if (kept == 0)
		mime->line_at = run->offset;
	*ok = bytes_append(&mime->line, run->at, size);
	pass(run, size);
	*line = (struct line){(char *)mime->line.data, mime->line.size, mime->line_at, false};
	return *ok && (lf != NULL || mime->line.size == limit);
}

/* Where the NULs before `at` begin, if they begin a line; else NULL. */
static const char *find_line_start(const struct mime *mime, const struct run *run, const char *at)
{
	while (mime->drops_nuls && at > run->at && at[-1] == '\0')
		at--;
	return (at > run->at ? at[-1] == '\n' : mime->at_line_start) ? at : NULL;
}

/* The next "-" that begins a line, or the NULs before it, or the run's end. */
static const char *find_dash(const struct mime *mime, const struct run *run)
{
	const char *at = run->at, *start;

	if (mime->delimiters == 0)
		return run->end;
	while ((at = memchr(at, '-', (size_t)(run->end - at))) != NULL) {
		start = find_line_start(mime, run, at);
		if (start != NULL)
			return start;
		while (at < run->end && *at == '-')
			at++;
	}
	start = run->end[-1] == '\0' ? find_line_start(mime, run, run->end) : NULL;
	return start != NULL ? start : run->end;
}

static bool take_some(struct mime *mime, struct run *run)
{
	struct line line;
	const char *dash;
	bool ok;

	if (mime->in_tail)
		return take_tail(mime, run);
	if (!mime->in_header && mime->line.size == 0) {
		dash = find_dash(mime, run);
		ok = take_text(mime, run->offset, run->at, (size_t)(dash - run->at));
		pass(run, (size_t)(dash - run->at));
		if (!ok || run->at == run->end)
			return ok;
	}
	if (!next_line(
		    mime, run, mime->in_header ? FIELD_BYTES_MAX : DELIMITER_BYTES_MAX, &line, &ok))
		return ok;
	ok = mime->in_header ? take_header_line(mime, &line) : take_text_line(mime, &line);
	bytes_clear_above(&mime->line, MIME_KEPT_BYTES);
	return ok;
}

struct mime *mime_open(const struct mime_calls *calls, void *owner, uint64_t base)
{
	struct mime *mime = calloc(1, sizeof(*mime));

	if (mime == NULL)
		return NULL;
	mime->calls = calls;
	mime->owner = owner;
	mime->at = base;
	return mime;
}

void mime_close(struct mime **mime)
{
	if (*mime == NULL)
		return;
	bytes_fini(&(*mime)->line);
	bytes_fini(&(*mime)->field);
	free((*mime)->parts);
	free(*mime);
	*mime = NULL;
}

/* The whole begins with the first byte, or at the end of none: so that opening cannot fail in a call. */
static bool begin_whole(struct mime *mime)
{
	return mime->count > 0 || begin_part(mime, mime->at, TYPE_FIRST);
}

bool mime_take(struct mime *mime, const void *bytes, size_t size)
{
	struct run run = {bytes, (const char *)bytes + size, mime->at};

	if (!begin_whole(mime))
		return false;
	while (run.at < run.end)
		if (!take_some(mime, &run))
			return false;
	mime->at = run.offset;
	return keep_field(mime);
}

/* A last line without an end. */
static bool take_rest(struct mime *mime)
{
	struct line line = {(char *)mime->line.data, mime->line.size, mime->line_at, false};

	if (mime->line.size == 0)
		return true;
	return mime->in_header ? take_header_line(mime, &line) : take_text_line(mime, &line);
}

bool mime_end(struct mime *mime)
{
	if (!begin_whole(mime) || !take_rest(mime) || !end_content(mime, mime->at, false))
		return false;
	while (mime->levels > 0)
		if (!end_part(mime))
			return false;
	return true;
}

uint64_t mime_mbox_size(const struct mime *mime)
{
	return mime->mbox_size;
}

const char *mime_mbox_line(const struct mime *mime, size_t *size)
{
	*size = mime->mbox_size < sizeof(mime->mbox_line) ? (size_t)mime->mbox_size
							  : sizeof(mime->mbox_line);
	return mime->mbox_line;
}

bool mime_mbox_has_eightbit(const struct mime *mime)
{
	return mime->mbox_eightbit;
}

void mime_drop_nuls(struct mime *mime)
{
	mime->drops_nuls = true;
}

bool mime_has_too_many(const struct mime *mime)
{
	return mime->has_too_many;
}
