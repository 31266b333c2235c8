/*
 * mime.h: reads a text's header fields and MIME structure as it streams by. RFC 5322 2.2, RFC 2045, 2046.
 *
 *   1. The text is a part, at depth 0. `begin` tells of it, then `field` of each of its header fields, then `header`: what it
 *      is now stands in struct mime_part.
 *   2. A leaf has one text, its body. A multipart has a preamble, parts one level deeper, each told from `begin` to `end`,
 *      and an epilogue. A message/rfc822 that is not encoded has one part, the message in it.
 *   3. `text` (which may be NULL) gets such a text's bytes as they come; `text_end` tells where it stood and what was in it.
 *   4. `end` tells that the part is over. mime_end ends what is still open.
 *
 *	message ── header ─┬─ body
 *	                   └─ preamble ─ part … part ─ epilogue       part = message
 *
 * A header ends at an empty line, or before the first line that is no field (then the body has no empty line before it, and
 * begins with that line). At the top of the whole a "From " line of mbox is passed over, and fields may be indented.
 * A delimiter line is "--", the boundary, "--" or nothing, and blanks: no more (RFC 2046 would have the rest ignored; others
 * do not). The line end before it is the delimiter's. The delimiter of an outer multipart ends the inner ones.
 *
 * Line ends are canonical (smtp/dotstream.h); with others nothing breaks, but lines are not what they seem.
 * Threads: the owner's. Owner: mime_close. Errors: false without memory, or when a call said so; then nothing more is to be
 * given. Cost: each byte of a body is looked at by memchr for NUL and "-", 8 at a time for the eighth bit, and line
 * ends only once in 1,000 bytes. No body is kept; a header field is, when it does not lie whole in what was given.
 * Limits: below. What is too deep is a leaf, behind too many parts no delimiter is seen (`has_too_many`).
 */
#ifndef SLUICE_QUEUE_MIME_H
#define SLUICE_QUEUE_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/mime_measure.h"

#define MIME_DEPTH_MAX    20 /* levels, the whole included */
#define MIME_PARTS_MAX    1000
#define MIME_BOUNDARY_MAX 200 /* RFC 2046 5.1.1 allows 70 */
#define MIME_TYPE_SIZE    80
#define MIME_KEPT_BYTES   4096 /* of a field's memory, once the field is over */
#define MIME_LINE_BYTES   998 /* RFC 5322 2.1.1, without CRLF */

enum mime_shape { MIME_LEAF, MIME_MULTIPART, MIME_MESSAGE };

enum mime_encoding {
	MIME_NONE, /* no Content-Transfer-Encoding */
	MIME_SEVENBIT,
	MIME_EIGHTBIT,
	MIME_BINARY,
	MIME_BASE64,
	MIME_QUOTED,
	MIME_UNKNOWN, /* taken for none */
};

/* One header field. Offsets count from the text's first byte. */
struct mime_field {
	uint64_t at, size; /* from its name to its last CRLF, and that */
	uint64_t value_at, value_size; /* from behind the colon, without the last CRLF */
	const char *name;
	size_t name_size;
	const char *value; /* value_size bytes; fewer where `is_cut` */
	size_t indent; /* blanks, or NULs, before the name, and before `at` */
	bool has_nul_indent;
	bool is_cut; /* over FIELD_BYTES_MAX: the value is not there whole */
	bool has_eightbit, has_nul;
	bool has_long_line;
};

struct mime_part {
	unsigned depth; /* 0: the whole */
	enum mime_shape shape;
	enum mime_encoding encoding;
	char type[MIME_TYPE_SIZE]; /* lower-case; the default one without a field */
	bool has_type_field, has_encoding_field;
	bool is_type_clear; /* the field could be understood */
	bool has_charset; /* and not an empty one */
	bool has_fields;
	bool has_blank_line; /* between header and body */
	bool has_body; /* something stands behind the header */
	bool has_parts; /* multipart: a delimiter came */
	bool is_closed; /* multipart: the last one came */
	bool is_too_deep; /* composite, but a leaf here */
	uint64_t header_at;
	uint64_t
		fields_end; /* where a field can be added: the empty line, or the body's first byte */
	uint64_t body_at;
	char boundary[MIME_BOUNDARY_MAX + 1]; /* "": none */
	size_t boundary_size;
	const char
		*body_line; /* during `header`, without a blank line: what is no field; else NULL */
	size_t body_line_size;
};

enum mime_place { MIME_BODY, MIME_PREAMBLE, MIME_EPILOGUE };

struct mime_text {
	enum mime_place place;
	uint64_t at, end;
	uint64_t eightbit_bytes;
	bool has_nul;
	bool has_long_line; /* over MIME_LINE_BYTES */
	bool is_utf8;
	const struct mime_measure *measure; /* during `text_end`: its samples */
};

/* `owner` is mime_open's. `part` is there during the call. False ends the reading. */
struct mime_calls {
	bool (*begin)(void *owner, const struct mime_part *part);
	bool (*field)(void *owner, const struct mime_part *part, const struct mime_field *field);
	bool (*header)(void *owner, const struct mime_part *part);
	bool (*text)(void *owner, const struct mime_part *part, uint64_t at, const void *bytes,
		size_t size);
	bool (*text_end)(void *owner, const struct mime_part *part, const struct mime_text *text);
	bool (*end)(void *owner, const struct mime_part *part);
	bool (*nul_line)(void *owner, uint64_t at, uint64_t size); /* see mime_drop_nuls */
};

struct mime;

/* `calls` live as long as it; `base` is the offset of the first byte. NULL without memory. */
struct mime *mime_open(const struct mime_calls *calls, void *owner, uint64_t base);
void mime_close(struct mime **mime);

bool mime_take(struct mime *mime, const void *bytes, size_t size)
	__attribute__((warn_unused_result));
bool mime_end(struct mime *mime) __attribute__((warn_unused_result));

/* In a call of `field` with a Content-Type: it will be `value`, and what that says counts. */
void mime_retype(struct mime *mime, const void *value, size_t size);

/* Before the first byte: NULs will be taken away, so a delimiter, an empty line or a field counts that is one without those that begin
 * its line; `nul_line` is told of the former two. */
void mime_drop_nuls(struct mime *mime);

uint64_t mime_mbox_size(const struct mime *mime); /* of the "From " line at the top; 0: none */
/* Its first bytes. */
const char *mime_mbox_line(const struct mime *mime, size_t *size);
bool mime_mbox_has_eightbit(const struct mime *mime);
bool mime_has_too_many(const struct mime *mime); /* over MIME_PARTS_MAX */

#endif
