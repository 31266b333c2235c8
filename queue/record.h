/*
 * record.h: how records of the store are written: fields by number, so that later versions add some and nothing is rebuilt.
 *
 *	version (1 byte) · checksum (4 bytes, XXH3 of all that follows, with a seed of the owner's) · fields
 *	field: number (1 byte) · length (LEB128) · bytes
 *
 * A number is big-endian without leading zero bytes, and left out when it is 0. A field may hold fields. Which number is
 * which member is its owner's table; a number is never given to something else. A reader passes over what it does not know;
 * what must not be passed over raises the version.
 *
 * Members of a struct are written and read by a table (struct record_layout), which says which field is which member.
 *
 * Threads: the owner's. Owner: nothing is kept. Errors: false without memory, or beyond 4 GiB (a nested one: 2 MiB).
 */
#ifndef SLUICE_QUEUE_RECORD_H
#define SLUICE_QUEUE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

#define RECORD_HEAD_BYTES 5

/* ---- which field is which member ---- */

enum record_kind {
	RECORD_NONE, /* not a member of this struct */
	RECORD_KIND_NUMBER,
	RECORD_KIND_FLAG, /* a bool */
	RECORD_KIND_ARRAY, /* text in the struct itself, cut to it; "" is left out */
	RECORD_KIND_TEXT, /* text behind a pointer; NULL is left out */
	RECORD_KIND_BYTES, /* bytes behind a pointer, and their size beside it; none are left out */
};

struct record_field {
	enum record_kind kind;
	uint16_t width; /* of a number or an array */
	uint16_t offset;
	uint16_t size_offset; /* of bytes: the size_t that goes with them */
};

/* By number; what the table does not have (a later version's, or nested) is passed over. */
struct record_layout {
	const struct record_field *fields;
	size_t count;
};

#define RECORD_NUMBER(type, member)                                     \
	{                                                               \
		RECORD_KIND_NUMBER, sizeof(((struct type *)0)->member), \
			offsetof(struct type, member), 0                \
	}
#define RECORD_FLAG(type, member)                                     \
	{                                                             \
		RECORD_KIND_FLAG, 1, offsetof(struct type, member), 0 \
	}
#define RECORD_ARRAY(type, member)                                     \
	{                                                              \
		RECORD_KIND_ARRAY, sizeof(((struct type *)0)->member), \
			offsetof(struct type, member), 0               \
	}
#define RECORD_TEXT(type, member)                                     \
	{                                                             \
		RECORD_KIND_TEXT, 0, offsetof(struct type, member), 0 \
	}
#define RECORD_BYTES(type, member, size_member)                      \
	{                                                            \
		RECORD_KIND_BYTES, 0, offsetof(struct type, member), \
			offsetof(struct type, size_member)           \
	}
#define RECORD_LAYOUT(table)                              \
	{                                                 \
		table, sizeof(table) / sizeof((table)[0]) \
	}

/* ---- write ---- */

/* Room for the head, which record_seal fills in. */
bool record_begin(struct bytes *out) __attribute__((warn_unused_result));
/* `record` is what was appended since record_begin. */
void record_seal(uint8_t *record, size_t size, uint8_t version, uint64_t seed);

/* Of a member that is `width` bytes wide: 1, 2, 4 or 8. */
bool record_put_number(struct bytes *out, unsigned number, const void *member, size_t width)
	__attribute__((warn_unused_result));
bool record_put_bytes(struct bytes *out, unsigned number, const void *bytes, size_t size)
	__attribute__((warn_unused_result));

/* What is appended between the two is the field's. */
bool record_begin_nested(struct bytes *out, unsigned number, size_t *start)
	__attribute__((warn_unused_result));
bool record_end_nested(struct bytes *out, size_t start) __attribute__((warn_unused_result));

bool record_put_members(struct bytes *out, const struct record_layout *layout, const void *from)
	__attribute__((warn_unused_result));
/* One field that holds all of them. */
bool record_put_struct(struct bytes *out, unsigned number, const struct record_layout *layout,
	const void *from) __attribute__((warn_unused_result));

/* ---- read ---- */

struct record_span {
	const uint8_t *at, *end;
};

static inline size_t record_span_size(struct record_span span)
{
	return (size_t)(span.end - span.at);
}

/* Whole, of a version up to `newest`, and as it was written; then *fields are its fields. */
bool record_open(const void *record, size_t size, uint8_t newest, uint64_t seed,
	struct record_span *fields) __attribute__((warn_unused_result));
/* 1: a field; 0: none left; -1: cut off. */
int record_next(struct record_span *span, unsigned *number, struct record_span *value);
/* False: it has no room in the member. */
bool record_get_number(struct record_span value, void *member, size_t width)
	__attribute__((warn_unused_result));

/* Puts a copy of what a pointer member is to point to; 0 or -ENOMEM. */
typedef int record_text_fn(void *owner, void *member, const void *bytes, size_t size);

/* 0, -EBADMSG, or what `put_text` said. Layouts without pointers need none. */
int record_take_member(const struct record_layout *layout, unsigned number,
	struct record_span value, void *to, record_text_fn *put_text, void *owner);
int record_take_members(const struct record_layout *layout, struct record_span span, void *to,
	record_text_fn *put_text, void *owner);

#endif
