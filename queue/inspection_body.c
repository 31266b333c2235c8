#include <stdio.h>
#include <string.h>

#include "queue/inspection_parts.h"

#define CHARSET_SIZE 128

/* How a part's text is to be written anew. */
struct writing {
	enum plan_act act;
	const char *label;
};

static const struct writing as_quoted = {PLAN_QUOTED_PRINTABLE, "quoted-printable"};
static const struct writing as_base64 = {PLAN_BASE64, "base64"};

static void note_sample(
	struct inspection *inspection, enum quirk quirk, const struct mime_sample *sample)
{
	inspection_note(inspection, quirk, sample->text, sample->size);
}

/* ---- labels ---- */

static bool label_encoding(struct inspection *inspection, const struct mime_part *part,
	enum plan_when when, const char *label)
{
	struct note *note = &inspection->notes[part->depth];
	char text[64];

	note->encoding_said |= 1u << when;
	snprintf(text, sizeof text,
		note->has_encoding ? " %s" : "Content-Transfer-Encoding: %s\r\n", label);
	if (!note->has_encoding)
		return inspection_insert(inspection, when, part->fields_end, text);
	return inspection_add(inspection, PLAN_REPLACE, when, note->encoding_at,
		note->encoding_size, text, strlen(text));
}

static bool is_message_itself(const struct inspection *inspection, const struct mime_part *part)
{
	return part->depth == 0 || inspection->notes[part->depth - 1].is_message;
}

static bool label_version(
	struct inspection *inspection, const struct mime_part *part, enum plan_when when)
{
	struct note *note = &inspection->notes[part->depth];

	if (note->has_version || !is_message_itself(inspection, part))
		return true;
	note->has_version = note->version_added = true;
	return inspection_insert(inspection, when, part->fields_end, "MIME-Version: 1.0\r\n");
}

/* The Content-Type that there is says something else, or cannot be added to. */
static bool replace_type(struct inspection *inspection, const struct mime_part *part,
	enum plan_when when, const char *type)
{
	struct note *note = &inspection->notes[part->depth];
	char text[MIME_TYPE_SIZE + CHARSET_SIZE + 64];

	if (note->has_type &&
		!inspection_insert(inspection, when, note->type_at, INSPECTION_PREFIX))
		return false;
	snprintf(text, sizeof text, "Content-Type: %s\r\n", type);
	return inspection_insert(inspection, when, part->fields_end, text);
}

static bool label_charset(struct inspection *inspection, const struct mime_part *part,
	enum plan_when when, bool is_utf8)
{
	struct note *note = &inspection->notes[part->depth];
	const char *charset = is_utf8 ? "utf-8" : inspection->terms.charset;
	char text[MIME_TYPE_SIZE + CHARSET_SIZE + 64];

	if (strncmp(part->type, "text/", 5) != 0 || (note->has_type && part->has_charset))
		return true;
	if (note->has_type && note->type_is_closed) {
		snprintf(text, sizeof text, "%s\r\n\tcharset=%.*s",
			note->type_wants_value ? "" : ";", CHARSET_SIZE, charset);
		return inspection_insert(inspection, when, note->type_end, text);
	}
	snprintf(text, sizeof text, "%s; charset=%.*s", part->type, CHARSET_SIZE, charset);
	return replace_type(inspection, part, when, text);
}

/* The empty line that the header lacks. */
static bool add_line(
	struct inspection *inspection, const struct mime_part *part, enum plan_when when)
{
	struct note *note = &inspection->notes[part->depth];

	if (part->has_blank_line || !part->has_body || note->has_line)
		return true;
	note->has_line = true;
	return inspection_insert(inspection, when, part->body_at, "\r\n");
}

static bool wants_line(const struct inspection *inspection, const struct mime_part *part)
{
	return repairs(inspection, REPAIR_CONTENT) ||
	       (part->depth == 0 && (inspection->begins_blank || inspection->open_at != 0));
}

static enum plan_when line_when(
	const struct inspection *inspection, const struct mime_part *part, enum plan_when when)
{
	return wants_line(inspection, part) ? PLAN_ALWAYS : when;
}

/* ---- texts ---- */

static bool act_on(struct inspection *inspection, const struct mime_text *text, enum plan_act act,
	enum plan_when when)
{
	return inspection_add(inspection, act, when, text->at, text->end - text->at, NULL, 0);
}

/*
 * Lines that are too long, NULs and 8-bit, where `mend` keeps the text as it is otherwise, and `anew` writes it 7-bit.
 */
static bool mend_text(struct inspection *inspection, const struct mime_text *text,
	enum plan_act mend, enum plan_act anew)
{
	enum plan_when when = text->eightbit_bytes > 0 ? PLAN_EIGHTBIT : PLAN_ALWAYS;

	if (text->has_long_line) {
		if (!act_on(inspection, text, mend, when))
			return false;
	} else if (text->has_nul && !act_on(inspection, text, PLAN_STRIP, when)) {
		return false;
	}
	return text->eightbit_bytes == 0 || act_on(inspection, text, anew, PLAN_SEVENBIT);
}

/* Quoted-printable. 8-bit in it stands for itself, as readers take it; so it is escaped. */
static bool mend_quoted(struct inspection *inspection, const struct mime_text *text)
{
	if (text->has_long_line)
		return act_on(inspection, text, PLAN_CUT_QUOTED, PLAN_ALWAYS);
	if (text->eightbit_bytes > 0)
		return act_on(
			inspection, text, PLAN_CUT_QUOTED, content_when(inspection, PLAN_SEVENBIT));
	return act_on(inspection, text, PLAN_STRIP, PLAN_ALWAYS);
}

/* A composite that cannot be followed: encoded, it would be none. */
static bool is_opaque(const struct mime_part *part)
{
	return part->is_too_deep || strncmp(part->type, "multipart/", 10) == 0;
}

static bool is_text_type(const struct mime_part *part)
{
	return !is_opaque(part) &&
	       (strncmp(part->type, "text/", 5) == 0 || strncmp(part->type, "message/", 8) == 0);
}

static struct writing choose_writing(const struct mime_part *part, const struct mime_text *text)
{
	if (!is_text_type(part))
		return as_base64;
	if (!text->has_nul && text->eightbit_bytes * 3 > text->end - text->at)
		return as_base64;
	return as_quoted;
}

/* The part's text is written anew, and its header says so. */
static bool rewrite(struct inspection *inspection, const struct mime_part *part,
	const struct mime_text *text, enum plan_when when)
{
	struct writing writing = choose_writing(part, text);

	if (is_opaque(part) && !replace_type(inspection, part, when,
				       "application/octet-stream; name=\"message.eml\""))
		return false;
	return label_encoding(inspection, part, when, writing.label) &&
	       add_line(inspection, part, line_when(inspection, part, when)) &&
	       act_on(inspection, text, writing.act, when);
}

/* 8-bit: what every reader must be told. */
static bool label_eightbit(struct inspection *inspection, const struct mime_part *part,
	const struct mime_text *text, enum plan_when when)
{
	struct note *note = &inspection->notes[part->depth];
	bool content = repairs(inspection, REPAIR_CONTENT);

	if (content && (!part->has_type_field || !part->has_encoding_field ||
			       part->encoding == MIME_SEVENBIT))
		note_sample(inspection, QUIRK_EIGHTBIT_BODY, &text->measure->eightbit);
	if (content && ((strncmp(part->type, "text/", 5) == 0 && !part->has_charset) ||
			       (is_message_itself(inspection, part) && !note->has_version)))
		note_sample(inspection, QUIRK_EIGHTBIT_BODY, &text->measure->eightbit);
	if (!label_version(inspection, part, content_when(inspection, when)) ||
		!label_charset(inspection, part, content_when(inspection, when), text->is_utf8))
		return false;
	if (when == PLAN_ALWAYS)
		return true;
	note->has_eightbit = true;
	if (content && (part->encoding == MIME_NONE || part->encoding == MIME_SEVENBIT))
		return label_encoding(inspection, part, PLAN_EIGHTBIT, "8bit");
	return true;
}

static bool take_plain(
	struct inspection *inspection, const struct mime_part *part, const struct mime_text *text)
{
	bool anew = text->has_long_line || (text->has_nul && !is_text_type(part));
	enum plan_when when = anew ? PLAN_ALWAYS : PLAN_SEVENBIT;

	if (text->eightbit_bytes > 0 && !label_eightbit(inspection, part, text, when))
		return false;
	if (anew)
		return label_version(inspection, part, PLAN_ALWAYS) &&
		       rewrite(inspection, part, text, PLAN_ALWAYS);
	if (text->eightbit_bytes > 0 && !rewrite(inspection, part, text, PLAN_SEVENBIT))
		return false;
	if (!text->has_nul)
		return true;
	return add_line(inspection, part, PLAN_ALWAYS) &&
	       act_on(inspection, text, PLAN_STRIP,
		       text->eightbit_bytes > 0 ? PLAN_EIGHTBIT : PLAN_ALWAYS);
}

/* A leaf's body. 8-bit in what says base64: the label is wrong, and is made true. */
static bool take_body(
	struct inspection *inspection, const struct mime_part *part, const struct mime_text *text)
{
	bool encoded = part->encoding == MIME_BASE64 || part->encoding == MIME_QUOTED;

	if (is_opaque(part) && repairs(inspection, REPAIR_CONTENT))
		inspection_note(inspection, QUIRK_BROKEN_MIME, part->type, strlen(part->type));
	if (!encoded)
		return take_plain(inspection, part, text);
	if (text->eightbit_bytes > 0 && repairs(inspection, REPAIR_CONTENT))
		inspection_note(inspection, QUIRK_BROKEN_MIME, part->type, strlen(part->type));
	return add_line(inspection, part, PLAN_ALWAYS) &&
	       (part->encoding == MIME_BASE64
			       ? mend_text(inspection, text, PLAN_CUT_BASE64, PLAN_BASE64)
			       : mend_quoted(inspection, text));
}

static bool is_clean(const struct mime_text *text)
{
	return text->eightbit_bytes == 0 && !text->has_nul && !text->has_long_line;
}

/* Only what is to be repaired is left in it. */
static struct mime_text to_repair(struct inspection *inspection, const struct mime_text *text)
{
	struct mime_text left = *text;

	left.has_long_line = text->has_long_line && repairs(inspection, REPAIR_LINES);
	left.has_nul = text->has_nul && repairs(inspection, REPAIR_CONTENT);
	if (left.has_long_line)
		note_sample(inspection, QUIRK_LONG_LINES, &text->measure->long_line);
	if (left.has_nul)
		note_sample(inspection, QUIRK_NUL, &text->measure->nul);
	return left;
}

bool inspection_end_text(void *owner, const struct mime_part *part, const struct mime_text *text)
{
	struct inspection *inspection = owner;
	struct mime_text left;

	/* before its parts; one without parts is labelled first */
	if (text->place == MIME_PREAMBLE && part->has_parts && !inspection->result.is_signed &&
		repairs(inspection, REPAIR_CONTENT) && !add_line(inspection, part, PLAN_ALWAYS))
		return false;
	if (is_clean(text))
		return true;
	inspection->has_nul |= text->has_nul;
	inspection->has_eightbit |= text->eightbit_bytes > 0;
	inspection->rest.eightbit_bytes += text->eightbit_bytes;
	inspection->rest.has_nul |= text->has_nul;
	inspection->rest.has_long_line |= text->has_long_line;
	inspection->rest.is_utf8 &= text->is_utf8;
	if (inspection->result.is_signed || inspection->is_over ||
		mime_has_too_many(inspection->mime))
		return true;
	left = to_repair(inspection, text);
	if (is_clean(&left))
		return true;
	if (text->place == MIME_BODY || !part->has_parts)
		return take_body(inspection, part, &left);
	if (text->eightbit_bytes > 0)
		inspection->notes[part->depth].has_eightbit = true;
	return mend_text(inspection, &left, PLAN_FOLD, PLAN_QUOTED_PRINTABLE);
}

/* ---- parts ---- */

/* The whole's header is done, but for what its body needs of it. */
static bool end_whole_header(struct inspection *inspection, const struct mime_part *part)
{
	if (strcmp(part->type, "multipart/signed") == 0)
		inspection->result.is_signed = true;
	inspection->result.is_report = strcmp(part->type, "multipart/report") == 0;
	inspection->fields_end = part->fields_end;
	if (inspection->terms.authors && !part->has_blank_line && part->has_body)
		inspection->open_at = part->body_at;
	inspection->begins_blank = repairs(inspection, REPAIR_MISSING) && part->body_line != NULL &&
				   (*part->body_line == ' ' || *part->body_line == '\t');
	inspection->plan_room = PLAN_BYTES_MAX - INSPECTION_RESERVE_BYTES;
	if (inspection->over_at == 0)
		return true;
	inspection->is_over = false;
	return !inspection->over_has_long ||
	       inspection_add(inspection, PLAN_FOLD, PLAN_ALWAYS, inspection->over_at,
		       part->fields_end - inspection->over_at, NULL, 0);
}

bool inspection_take_header(void *owner, const struct mime_part *part)
{
	struct inspection *inspection = owner;
	bool content = repairs(inspection, REPAIR_CONTENT);

	inspection->notes[part->depth].is_message = part->shape == MIME_MESSAGE;
	if (part->depth == 0) {
		if (!end_whole_header(inspection, part))
			return false;
		inspection->header_edits = inspection->result.plan.count;
		inspection->is_all_fields =
			part->has_fields && !part->has_blank_line && !part->has_body;
	}
	if (inspection->result.is_signed || !content)
		return true;
	if (!part->has_blank_line && part->has_body)
		inspection_note(inspection, part->depth == 0 ? QUIRK_NO_HEADER : QUIRK_BROKEN_MIME,
			part->body_line, part->body_line != NULL ? part->body_line_size : 0);
	if (part->depth == 0 && !part->has_fields)
		inspection_note(inspection, QUIRK_NO_HEADER, NULL, 0);
	return part->shape != MIME_MESSAGE || add_line(inspection, part, PLAN_ALWAYS);
}

/* A multipart or message says what is in it; one without a part may have been labelled as a text already. */
static bool label_composite(struct inspection *inspection, const struct mime_part *part)
{
	const struct note *note = &inspection->notes[part->depth];

	if (!note->has_eightbit || (note->encoding_said & 1u << PLAN_ALWAYS) != 0)
		return true;
	if (part->encoding == MIME_EIGHTBIT || part->encoding == MIME_BINARY)
		return (note->encoding_said & 1u << PLAN_SEVENBIT) != 0 ||
		       label_encoding(inspection, part, PLAN_SEVENBIT, "7bit");
	if (part->encoding == MIME_SEVENBIT && repairs(inspection, REPAIR_CONTENT) &&
		(note->encoding_said & 1u << PLAN_EIGHTBIT) == 0)
		return label_encoding(inspection, part, PLAN_EIGHTBIT, "8bit");
	return true;
}

/* What cannot stay in a header field is said again, where no other edit does. */
static bool mend_encoding(struct inspection *inspection, const struct mime_part *part)
{
	static const char *const names[] = {[MIME_BASE64] = "base64",
		[MIME_QUOTED] = "quoted-printable",
		[MIME_BINARY] = "binary"};
	struct note *note = &inspection->notes[part->depth];
	bool for_all = repairs(inspection, REPAIR_CONTENT) ||
		       (note->encoding_is_long && repairs(inspection, REPAIR_LINES));
	unsigned said = note->encoding_said;
	const char *name = part->encoding < MIME_UNKNOWN ? names[part->encoding] : NULL;

	if (!note->encoding_is_damaged || (said & 1u << PLAN_ALWAYS) != 0)
		return true;
	if (for_all && (said & 1u << PLAN_EIGHTBIT) == 0 &&
		!label_encoding(inspection, part, PLAN_EIGHTBIT,
			name != NULL         ? name
			: note->has_eightbit ? "8bit"
					     : "7bit"))
		return false;
	return (said & 1u << PLAN_SEVENBIT) != 0 ||
	       label_encoding(inspection, part, PLAN_SEVENBIT, name != NULL ? name : "7bit");
}

/* All of the body as one: too many parts, or a plan that would be too large. */
static bool take_as_one(struct inspection *inspection, const struct mime_part *whole)
{
	struct note *note = &inspection->notes[0];
	struct mime_part part = *whole;
	static const struct mime_measure unseen;
	struct mime_text text = inspection->rest;

	plan_keep(&inspection->result.plan, inspection->header_edits);
	inspection->plan_room = PLAN_BYTES_MAX;
	inspection->is_over = false;
	inspection->parts_stay_eightbit = false;
	note->has_line = false;
	note->has_version &= !note->version_added;
	note->encoding_said = 0;
	part.is_too_deep = true;
	text.measure = &unseen;
	text.at = part.body_at;
	text.end = inspection->terms.base + inspection->size_bytes;
	text = to_repair(inspection, &text);
	if (!is_clean(&text) && !take_plain(inspection, &part, &text))
		return false;
	if (!mend_encoding(inspection, &part))
		return false;
	return !wants_line(inspection, &part) || add_line(inspection, &part, PLAN_ALWAYS);
}

bool inspection_end_part(void *owner, const struct mime_part *part)
{
	struct inspection *inspection = owner;
	struct note *note = &inspection->notes[part->depth];

	if (inspection->result.is_signed)
		return true;
	if (part->shape == MIME_MULTIPART && (!part->has_parts || !part->is_closed) &&
		repairs(inspection, REPAIR_CONTENT))
		inspection_note(inspection, QUIRK_BROKEN_MIME, part->type, strlen(part->type));
	if (part->depth == 0 && (inspection->is_over || mime_has_too_many(inspection->mime)))
		return take_as_one(inspection, part);
	if (part->shape != MIME_LEAF && !label_composite(inspection, part))
		return false;
	if (!mend_encoding(inspection, part))
		return false;
	if (part->depth > 0)
		note[-1].has_eightbit |= note->has_eightbit;
	return !wants_line(inspection, part) || add_line(inspection, part, PLAN_ALWAYS);
}
