/*
 * inspection_parts.h: what the files of the inspection share. inspection.c opens, hashes and adds what is missing;
 * inspection_header.c looks at header fields; inspection_author.c at whom they say that it is from; inspection_body.c at texts, and
 * labels the parts that are encoded anew.
 */
#ifndef SLUICE_QUEUE_INSPECTION_PARTS_H
#define SLUICE_QUEUE_INSPECTION_PARTS_H

#include <xxhash.h>

#include "core/bytes.h"
#include "queue/authors.h"
#include "queue/field.h"
#include "queue/inspection.h"
#include "queue/mime.h"

#define INSPECTION_PREFIX      "X-Original-" /* of a field that another one stands in for */
#define INSPECTION_AUTHORS_MAX 16 /* fields From and Sender, together */
#define INSPECTION_EDIT_BYTES \
	32 /* of the plan: so many at least for each edit, as it has memory besides */
#define INSPECTION_RESERVE_BYTES 8192 /* of the plan: for what is known only in the end */

/* What is known of an open part besides mime.h. */
struct note {
	bool has_type, has_encoding, has_version; /* the first of each that lies there whole */
	bool type_is_closed; /* a parameter can be added behind it */
	bool type_wants_value; /* it ends in ";" */
	bool encoding_is_damaged; /* 8-bit, NULs, or too long */
	bool encoding_is_long;
	unsigned encoding_said; /* by which edits: 1 << enum plan_when */
	bool is_message; /* what is one level deeper is a message */
	bool version_added;
	bool has_eightbit; /* in it, or in a part of it, that only a PLAN_SEVENBIT edit takes away */
	bool has_line; /* the empty line that its header lacks was added */
	uint64_t type_at, type_end; /* the field's name, and behind its value */
	uint64_t encoding_at, encoding_size; /* of the value */
};

/* Header fields that there is one of. */
enum single {
	SINGLE_FROM = 1 << 0,
	SINGLE_DATE = 1 << 1,
	SINGLE_MESSAGE_ID = 1 << 2,
	SINGLE_SUBJECT = 1 << 3,
	SINGLE_SENDER = 1 << 4,
	SINGLE_REPLY_TO = 1 << 5,
};

struct inspection {
	struct inspection_terms terms;
	const struct inspection_source *source; /* during inspection_end */
	XXH3_state_t *hash; /* NULL: not wanted */
	struct mime *mime;
	uint64_t size_bytes;
	struct inspection_result result;

	struct note *notes; /* by depth */
	unsigned notes_room;
	struct bytes value, folded, seven; /* scratch */
	bool value_changed; /* `value` is what the last field now says */
	unsigned seen; /* enum single */
	struct authors authors; /* where they are wanted */
	uint64_t author_at[INSPECTION_AUTHORS_MAX]; /* their fields */
	size_t author_count;
	uint64_t open_at; /* where the header's empty line is missing; 0: it is not */
	bool is_whole; /* nothing more is to come */
	bool is_indented; /* the whole's fields, and stays so */
	bool begins_blank; /* the body, without a header: what is added in front would go on in it */
	uint64_t fields_end; /* of the whole */
	uint64_t date_at;
	int64_t date_unix_s;

	size_t plan_room; /* what the plan may take now */
	bool is_over; /* it would have taken more: nothing is added any longer */
	uint64_t
		over_at; /* the first header field of the whole that was not looked at for lack of room; 0: none */
	bool over_has_long;
	bool header_stays_eightbit; /* the whole's; parts_stay_: of a part within */
	bool parts_stay_eightbit;
	size_t header_edits; /* how many are the whole's header's */
	bool has_nul, has_eightbit; /* anywhere */
	bool has_mail_field; /* a field of the whole that people's mail has */
	bool is_all_fields; /* the text ended within its header */
	struct mime_text rest; /* of all that is in the body, part headers included */
};

static inline bool repairs(const struct inspection *inspection, enum inspection_repair repair)
{
	return (inspection->terms.repairs & repair) != 0;
}

/* With REPAIR_CONTENT, where edits are for all; else only where `when` says. */
static inline enum plan_when content_when(const struct inspection *inspection, enum plan_when when)
{
	return repairs(inspection, REPAIR_CONTENT) ? PLAN_ALWAYS : when;
}

bool inspection_add(struct inspection *inspection, enum plan_act act, enum plan_when when,
	uint64_t at, uint64_t size, const void *text, size_t text_size)
	__attribute__((warn_unused_result));
bool inspection_insert(struct inspection *inspection, enum plan_when when, uint64_t at,
	const char *text) __attribute__((warn_unused_result));

/* The text has the quirk. The first time these bytes are its example; without memory, or size 0, it has none. */
void inspection_note(
	struct inspection *inspection, enum quirk quirk, const void *bytes, size_t size);
/* An example of what may yet turn out to be one. */
void inspection_keep(
	struct inspection *inspection, enum quirk quirk, const void *bytes, size_t size);

/* A field of the whole, where authors are wanted: From and Sender; and what such a field became. */
bool inspection_take_author(struct inspection *inspection, const struct mime_field *field)
	__attribute__((warn_unused_result));
bool inspection_take_mended_author(struct inspection *inspection, const struct mime_field *field,
	const struct bytes *value) __attribute__((warn_unused_result));
/* Renames From and Sender; `fields` is then what is to stand instead, if the result does not say that it could not be done. */
bool inspection_rewrite_author(struct inspection *inspection, struct bytes *fields)
	__attribute__((warn_unused_result));

bool inspection_take_field(
	void *owner, const struct mime_part *part, const struct mime_field *field);
bool inspection_take_header(void *owner, const struct mime_part *part);
bool inspection_end_text(void *owner, const struct mime_part *part, const struct mime_text *text);
bool inspection_end_part(void *owner, const struct mime_part *part);

#endif
