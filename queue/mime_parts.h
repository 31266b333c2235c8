/*
 * mime_parts.h: what the files of the MIME reader share; nobody else includes it.
 *
 *   mime.c            the bytes that come, cut into lines
 *   mime_structure.c  what a line means: header, text, delimiter; parts begin and end
 *   mime_field.c      the open header field, and those that say what the part is
 *   mime_measure.c    what is in a text
 *
 * Functions that return bool: false without memory, or when a call said so.
 */
#ifndef SLUICE_QUEUE_MIME_PARTS_H
#define SLUICE_QUEUE_MIME_PARTS_H

#include "core/bytes.h"
#include "queue/mime.h"
#include "queue/mime_measure.h"

#define MIME_DELIMITER_BYTES_MAX (MIME_BOUNDARY_MAX + 64) /* a longer line is none */
#define MIME_TYPE_FIRST          "text/plain"
#define MIME_TYPE_MESSAGE        "message/rfc822"

/* A header line, or what may be a delimiter line: whole, or its first bytes where it is over its limit. */
struct mime_line {
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
	bool in_header; /* of the mime_innermost part; else in its text */
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

static inline struct mime_part *mime_innermost(struct mime *mime)
{
	return &mime->parts[mime->levels - 1];
}

/* Without the line end. */
static inline size_t mime_bare_size(const char *text, size_t size)
{
	if (size > 0 && text[size - 1] == '\n')
		size--;
	return size > 0 && text[size - 1] == '\r' ? size - 1 : size;
}

/* ---- mime_structure.c ---- */

bool mime_begin_part(struct mime *mime, uint64_t at, const char *type);
bool mime_end_part(struct mime *mime);
/* Whatever is open in the innermost part ends at `end`, behind which a delimiter stands, or nothing. */
bool mime_end_content(struct mime *mime, uint64_t end, bool is_delimiter);
/* `line` is whole, or the first FIELD_BYTES_MAX bytes of it. */
bool mime_take_header_line(struct mime *mime, const struct mime_line *line);
/* A line of a text that begins with "-", or with NULs. */
bool mime_take_text_line(struct mime *mime, const struct mime_line *line);
/* Bytes of the open text, at `at`. */
bool mime_take_text(struct mime *mime, uint64_t at, const char *bytes, size_t size);

/* ---- mime_field.c ---- */

bool mime_field_begin(
	struct mime *mime, const struct mime_line *line, size_t indent, size_t name_size);
/* Bytes of the open field: counted, looked at, and kept up to the limit. */
bool mime_field_grow(struct mime *mime, const char *text, size_t size, bool is_in_run);
/* What is to be there when the run is gone. */
bool mime_field_keep(struct mime *mime);
/* Tells of the open field, if there is one. */
bool mime_field_end(struct mime *mime);

#endif
