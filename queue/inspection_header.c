#include <string.h>

#include "core/ascii.h"
#include "core/utf8.h"
#include "queue/comment.h"
#include "queue/inspection_parts.h"

#define PREFIX_SIZE (sizeof(INSPECTION_PREFIX) - 1)

static bool has_name(const struct mime_field *field, const char *name)
{
	return ascii_equals(field->name, field->name_size, name);
}

/* ---- examples ---- */

/* As much of it as an example can have; behind its name its value follows in place. */
static size_t example_size(const struct mime_field *field)
{
	size_t size = (size_t)(field->value - field->name) + (size_t)field->value_size;

	return field->is_cut && size > INSPECTION_EXAMPLE_BYTES ? INSPECTION_EXAMPLE_BYTES : size;
}

static void note_field(
	struct inspection *inspection, enum quirk quirk, const struct mime_field *field)
{
	inspection_note(inspection, quirk, field->name, example_size(field));
}

static void note_all(struct inspection *inspection, const struct quirk_set *found,
	const struct mime_field *field)
{
	for (unsigned quirk = 0; (quirk = quirk_set_next(found, quirk)) != 0;)
		note_field(inspection, (enum quirk)quirk, field);
}

/* ---- values ---- */

/* Whoever said SMTPUTF8, or is to know better, hears of it; a fragile client could do nothing about it. */
static bool keeps_addresses(const struct inspection *inspection)
{
	return inspection->terms.smtputf8 || !repairs(inspection, REPAIR_CONTENT);
}

/* The value as it is to stand, of `kind`, for those who may have 8-bit (or not): in `out`; false in *changed: as it is. */
static bool make_value(struct inspection *inspection, const struct mime_field *field,
	enum field_kind kind, bool is_whole, bool sevenbit, size_t name_size, struct bytes *out,
	bool *changed)
{
	struct field_terms terms = {
		.charset = inspection->terms.charset,
		.domain = is_whole && repairs(inspection, REPAIR_CONTENT) ? inspection->terms.domain
									  : NULL,
		.smtputf8 = inspection->terms.smtputf8 && !sevenbit,
		.keeps_addresses = keeps_addresses(inspection),
	};
	struct quirk_set found = {{0, 0}};
	bool content = repairs(inspection, REPAIR_CONTENT), address_eightbit = false;
	const void *value = field->value;
	size_t size = (size_t)field->value_size;
	int rc = 0;

	bytes_clear(out);
	if (content || sevenbit)
		rc = field_repair(kind, value, size, &terms, 0, &found, &address_eightbit, out);
	if (rc < 0)
		return false;
	if (content && !sevenbit)
		note_all(inspection, &found, field);
	if (address_eightbit && is_whole && inspection->terms.smtputf8)
		inspection->result.header_address_eightbit = true;
	*changed = rc > 0;
	if (*changed) {
		value = out->data;
		size = out->size;
	}
	if (!repairs(inspection, REPAIR_LINES) || size == 0 ||
		(!field->has_long_line && !*changed && name_size == field->name_size))
		return true;
	bytes_clear(&inspection->folded);
	rc = field_fold(kind, name_size, value, size, &inspection->folded);
	if (rc <= 0)
		return rc == 0;
	note_field(inspection, QUIRK_LONG_HEADER, field);
	*changed = true;
	bytes_clear(out);
	return bytes_append(out, inspection->folded.data, inspection->folded.size);
}

static bool replace_value(struct inspection *inspection, enum plan_when when,
	const struct mime_field *field, const struct bytes *value)
{
	return inspection_add(inspection, PLAN_REPLACE, when, field->value_at, field->value_size,
		value->data, value->size);
}

static bool has_address(enum field_kind kind)
{
	return kind == FIELD_ADDRESSES || kind == FIELD_FROM;
}

/* The 8-bit field for those who may not have it. What cannot be encoded becomes text under another name. */
static bool make_sevenbit(struct inspection *inspection, const struct mime_field *field,
	enum field_kind kind, bool is_whole, size_t name_size, bool *made)
{
	struct bytes *seven = &inspection->seven;
	bool changed;

	*made = true;
	if (!make_value(inspection, field, kind, is_whole, true, name_size, seven, &changed))
		return false;
	if (changed && !utf8_has_eightbit(seven->data, seven->size))
		return replace_value(inspection, PLAN_SEVENBIT, field, seven);
	if (!has_address(kind)) {
		if (!make_value(inspection, field, FIELD_UNSTRUCTURED, is_whole, true,
			    name_size + PREFIX_SIZE, seven, &changed))
			return false;
		if (changed && !utf8_has_eightbit(seven->data, seven->size))
			return inspection_insert(
				       inspection, PLAN_SEVENBIT, field->at, INSPECTION_PREFIX) &&
			       replace_value(inspection, PLAN_SEVENBIT, field, seven);
	}
	*(is_whole ? &inspection->header_stays_eightbit : &inspection->parts_stay_eightbit) = true;
	*made = false;
	return true;
}

static bool repair_value(struct inspection *inspection, const struct mime_field *field,
	enum field_kind kind, bool is_whole, size_t name_size)
{
	struct bytes *value = &inspection->value;
	bool changed, eightbit, made;

	if (!make_value(inspection, field, kind, is_whole, false, name_size, value, &changed))
		return false;
	inspection->value_changed = changed;
	eightbit = changed ? utf8_has_eightbit(value->data, value->size) : field->has_eightbit;
	if (!eightbit)
		return !changed || replace_value(inspection, PLAN_ALWAYS, field, value);
	inspection->result.header_eightbit = true;
	if (!make_sevenbit(inspection, field, kind, is_whole, name_size, &made))
		return false;
	return !changed ||
	       replace_value(inspection, made ? PLAN_EIGHTBIT : PLAN_ALWAYS, field, value);
}

/* Too long to be looked at: its lines are folded, and that drops its NULs. */
static bool take_cut_field(
	struct inspection *inspection, const struct mime_field *field, bool is_whole)
{
	bool folds = field->has_long_line && repairs(inspection, REPAIR_LINES);

	if (field->has_eightbit) {
		inspection->result.header_eightbit = true;
		*(is_whole ? &inspection->header_stays_eightbit
			   : &inspection->parts_stay_eightbit) = true;
	}
	if (folds)
		note_field(inspection, QUIRK_LONG_HEADER, field);
	if (folds)
		return inspection_add(
			inspection, PLAN_FOLD, PLAN_ALWAYS, field->at, field->size, NULL, 0);
	if (!field->has_nul || !repairs(inspection, REPAIR_CONTENT))
		return true;
	note_field(inspection, QUIRK_NUL, field);
	return inspection_add(inspection, PLAN_STRIP, PLAN_ALWAYS, field->at, field->size, NULL, 0);
}

/* Another field of that name counts, or none: this one stays to be read. */
static bool rename_field(
	struct inspection *inspection, const struct mime_field *field, bool is_whole)
{
	if (!inspection_insert(inspection, PLAN_ALWAYS, field->at, INSPECTION_PREFIX))
		return false;
	return field->is_cut ? take_cut_field(inspection, field, is_whole)
			     : repair_value(inspection, field, FIELD_UNSTRUCTURED, is_whole,
				       field->name_size + PREFIX_SIZE);
}

/* ---- fields that say what the part is ---- */

/* Quotes and comments are closed, so that a parameter can be added. */
static bool is_closed(const char *value, size_t size)
{
	bool in_quotes = false;
	unsigned comments = 0;
	size_t i;

	for (i = 0; i < size; i++) {
		if (value[i] == '\\')
			i++; /* the last byte of all would take what is added */
		else if (value[i] == '"' && comments == 0)
			in_quotes = !in_quotes;
		else if (value[i] == '(' && !in_quotes)
			comments++;
		else if (value[i] == ')' && !in_quotes && comments > 0)
			comments--;
	}
	return i == size && !in_quotes && comments == 0;
}

static void note_type(struct inspection *inspection, struct note *note,
	const struct mime_part *part, const struct mime_field *field)
{
	bool changed = inspection->value_changed;
	const char *value = changed ? (char *)inspection->value.data : field->value;
	size_t size = changed ? inspection->value.size : (size_t)field->value_size;

	note->has_type = true;
	note->type_at = field->at;
	note->type_end = field->value_at + field->value_size;
	note->type_is_closed = part->is_type_clear && is_closed(value, size);
	while (size > 0 && is_blank(value[size - 1]))
		size--;
	note->type_wants_value = size > 0 && value[size - 1] == ';';
}

static void note_encoding(struct note *note, const struct mime_field *field)
{
	note->has_encoding = true;
	note->encoding_at = field->value_at;
	note->encoding_size = field->value_size;
	note->encoding_is_damaged = field->has_eightbit || field->has_nul || field->has_long_line;
	note->encoding_is_long = field->has_long_line;
}

/* Content-Type, Content-Transfer-Encoding, MIME-Version. */
static bool take_mime_field(struct inspection *inspection, const struct mime_part *part,
	const struct mime_field *field, enum field_kind kind)
{
	struct note *note = &inspection->notes[part->depth];
	bool *has = kind == FIELD_CONTENT_TYPE       ? &note->has_type
		    : kind == FIELD_CONTENT_ENCODING ? &note->has_encoding
						     : &note->has_version;

	if (field->is_cut || *has) {
		if (!repairs(inspection, REPAIR_CONTENT))
			return field->is_cut ? take_cut_field(inspection, field, part->depth == 0)
					     : repair_value(inspection, field, FIELD_TOKENS,
						       part->depth == 0, field->name_size);
		note_field(inspection, QUIRK_BROKEN_MIME, field);
		return rename_field(inspection, field, part->depth == 0);
	}
	*has = true;
	if (kind == FIELD_CONTENT_ENCODING) {
		note_encoding(note, field);
		return true;
	}
	if (!repair_value(inspection, field, kind == FIELD_CONTENT_TYPE ? kind : FIELD_TOKENS,
		    part->depth == 0, field->name_size))
		return false;
	if (kind != FIELD_CONTENT_TYPE)
		return true;
	if (inspection->value_changed)
		mime_retype(inspection->mime, inspection->value.data, inspection->value.size);
	note_type(inspection, note, part, field);
	return true;
}

/* ---- fields of the whole ---- */

static enum single single_of(const struct mime_field *field, enum field_kind kind)
{
	switch (kind) {
	case FIELD_FROM:
		return SINGLE_FROM;
	case FIELD_DATE:
		return SINGLE_DATE;
	case FIELD_MESSAGE_ID:
		return SINGLE_MESSAGE_ID;
	case FIELD_UNSTRUCTURED:
		return has_name(field, "subject") ? SINGLE_SUBJECT : 0;
	case FIELD_ADDRESSES:
		return has_name(field, "sender")     ? SINGLE_SENDER
		       : has_name(field, "reply-to") ? SINGLE_REPLY_TO
						     : 0;
	default:
		return 0;
	}
}

static enum quirk quirk_of(enum single single)
{
	return single == SINGLE_DATE         ? QUIRK_DATE
	       : single == SINGLE_MESSAGE_ID ? QUIRK_NO_MESSAGE_ID
					     : QUIRK_FROM;
}

static void trim(const char **text, size_t *size)
{
	while (*size > 0 && (uint8_t) * *text <= ' ') {
		(*text)++;
		(*size)--;
	}
	while (*size > 0 && (uint8_t)(*text)[*size - 1] <= ' ')
		(*size)--;
}

/* Something is left of it when it is repaired. */
static bool has_mailbox(struct inspection *inspection, const struct mime_field *field,
	const struct field_terms *terms)
{
	struct quirk_set unasked = {{0, 0}};
	const struct bytes *value = &inspection->value;
	bool eightbit = false;

	if (field_repair(FIELD_FROM, field->value, (size_t)field->value_size, terms, 0, &unasked,
		    &eightbit, &inspection->value) <= 0)
		return true;
	for (size_t i = 0; i < value->size; i++)
		if (value->data[i] > ' ')
			return true;
	return false;
}

/* Date and Message-ID that are of no use are renamed, and true ones are added in the end. Empty From too. */
static bool is_usable(
	struct inspection *inspection, const struct mime_field *field, enum single single)
{
	struct field_terms terms = {.charset = inspection->terms.charset,
		.keeps_addresses = keeps_addresses(inspection)};
	const char *value = field->value;
	size_t size = (size_t)field->value_size;
	struct quirk_set found = {{0, 0}};
	bool unasked = false;

	if (field->is_cut)
		return single != SINGLE_DATE && single != SINGLE_MESSAGE_ID;
	trim(&value, &size);
	if (single == SINGLE_DATE)
		return field_date_parse(field->value, (size_t)field->value_size,
			       &inspection->date_unix_s) == 0 &&
		       !field->has_eightbit && !field->has_nul;
	if (single != SINGLE_MESSAGE_ID && single != SINGLE_FROM)
		return true;
	bytes_clear(&inspection->value);
	if (single == SINGLE_FROM)
		return size > 0 && has_mailbox(inspection, field, &terms);
	return field_repair(FIELD_MESSAGE_ID, field->value, (size_t)field->value_size, &terms, 0,
		       &found, &unasked, &inspection->value) == 0 &&
	       size > 0;
}

/* Whether it can be true is known in the end. */
static void take_date(struct inspection *inspection, const struct mime_field *field)
{
	inspection->date_at = field->at;
	inspection_keep(inspection, QUIRK_DATE, field->name, example_size(field));
}

static void note_message_id(struct inspection *inspection, const struct mime_field *field)
{
	const char *value = field->value;
	size_t size = (size_t)field->value_size;

	trim(&value, &size);
	inspection->result.message_id_at = field->at;
	inspection->result.message_id_size = field->size;
	inspection_keep(inspection, QUIRK_SAME_MESSAGE_ID, field->name, example_size(field));
	inspection->result.message_id_hash =
		size > 0 ? XXH3_64bits_withSeed(value, size, inspection->terms.seed) : 0;
}

/* True in *is_done: nothing is left to be done to it. */
static bool take_single(struct inspection *inspection, const struct mime_field *field,
	enum field_kind kind, bool *is_done)
{
	enum single single = single_of(field, kind);
	bool content = repairs(inspection, REPAIR_CONTENT), seen;

	*is_done = false;
	if (single == 0)
		return true;
	seen = (inspection->seen & single) != 0;
	if (content && (seen || !is_usable(inspection, field, single))) {
		note_field(inspection, quirk_of(single), field);
		*is_done = true;
		return rename_field(inspection, field, true);
	}
	if (seen)
		return true;
	inspection->seen |= single;
	if (single == SINGLE_DATE)
		take_date(inspection, field);
	if (single == SINGLE_MESSAGE_ID && !field->is_cut)
		note_message_id(inspection, field);
	return true;
}

/* What Precedence says (no RFC: RFC 3834 2 and 5 know it, and so do all list servers). */
static bool is_bulk(const char *value, size_t size)
{
	return ascii_equals(value, size, "bulk") || ascii_equals(value, size, "list") ||
	       ascii_equals(value, size, "junk");
}

static bool take_whole_field(struct inspection *inspection, const struct mime_field *field,
	enum field_kind kind, bool *is_done)
{
	const char *value = field->value;
	size_t size = field->is_cut ? 0 : (size_t)field->value_size;

	*is_done = false;
	if (kind == FIELD_DKIM)
		inspection->result.is_signed = true;
	trim(&value, &size);
	if (kind == FIELD_AUTO_SUBMITTED && !ascii_equals(value, size, "no"))
		inspection->result.is_auto_submitted = true;
	if (kind == FIELD_LIST_UNSUBSCRIBE)
		inspection->result.has_list_unsubscribe = true;
	if (kind == FIELD_PRECEDENCE && is_bulk(value, size))
		inspection->result.is_bulk = true;
	if (kind == FIELD_BCC && repairs(inspection, REPAIR_CONTENT)) {
		note_field(inspection, QUIRK_BCC, field);
		*is_done = true;
		return inspection_add(
			inspection, PLAN_REPLACE, PLAN_ALWAYS, field->at, field->size, NULL, 0);
	}
	return take_single(inspection, field, kind, is_done);
}

/* What repair means by kind: a part's date or address is not ours to change, nor does a From that cannot be used go there. */
static enum field_kind kind_to_repair(
	const struct inspection *inspection, enum field_kind kind, bool is_whole)
{
	switch (kind) {
	case FIELD_FROM:
		return is_whole && repairs(inspection, REPAIR_CONTENT) ? kind : FIELD_ADDRESSES;
	case FIELD_DATE:
	case FIELD_MESSAGE_ID:
	case FIELD_AUTO_SUBMITTED:
	case FIELD_LIST_UNSUBSCRIBE:
	case FIELD_DKIM:
		return FIELD_TOKENS;
	case FIELD_BCC:
		return FIELD_ADDRESSES;
	case FIELD_PRECEDENCE:
		return FIELD_UNSTRUCTURED;
	default:
		return kind;
	}
}

static bool needs_look(struct inspection *inspection, const struct mime_part *part,
	const struct mime_field *field, enum field_kind kind)
{
	return field->has_eightbit || field->has_nul || field->has_long_line ||
	       (part->depth == 0 && repairs(inspection, REPAIR_CONTENT) && has_address(kind));
}

/* Blanks or NULs before its name. */
static bool drop_indent(struct inspection *inspection, const struct mime_field *field)
{
	if (field->indent == 0)
		return true;
	if (!repairs(inspection, REPAIR_CONTENT)) {
		inspection->is_indented = true;
		return true;
	}
	note_field(inspection, field->has_nul_indent ? QUIRK_NUL : QUIRK_MBOX_FROM, field);
	return inspection_add(inspection, PLAN_REPLACE, PLAN_ALWAYS, field->at - field->indent,
		field->indent, NULL, 0);
}

static bool look_at_field(
	struct inspection *inspection, const struct mime_part *part, const struct mime_field *field)
{
	enum field_kind kind = field_kind(field->name, field->name_size);
	bool is_whole = part->depth == 0, is_done = false;

	if (!drop_indent(inspection, field))
		return false;
	if (is_whole && !take_whole_field(inspection, field, kind, &is_done))
		return false;
	if (is_done)
		return true;
	if (kind == FIELD_CONTENT_TYPE || kind == FIELD_CONTENT_ENCODING ||
		kind == FIELD_MIME_VERSION)
		return take_mime_field(inspection, part, field, kind);
	if (field->is_cut)
		return take_cut_field(inspection, field, is_whole);
	if (!needs_look(inspection, part, field, kind))
		return true;
	return repair_value(inspection, field, kind_to_repair(inspection, kind, is_whole), is_whole,
		field->name_size);
}

/* Behind what the plan has room for: seen in inspection_take_header. */
static void pass_field(struct inspection *inspection, const struct mime_field *field)
{
	enum field_kind kind = field_kind(field->name, field->name_size);

	inspection->seen |= single_of(field, kind);
	inspection->result.is_signed |= kind == FIELD_DKIM;
	inspection->over_has_long |=
		field->has_long_line || field->has_nul || field->has_nul_indent;
	if (!field->has_eightbit)
		return;
	inspection->result.header_eightbit = true;
	inspection->header_stays_eightbit = true;
}

/* "Alarm: battery low" is by its form a field, and by what it means none. */
static bool is_mail_field(const struct mime_field *field)
{
	return field_kind(field->name, field->name_size) != FIELD_UNSTRUCTURED ||
	       has_name(field, "subject") || has_name(field, "comments") ||
	       has_name(field, "keywords") || ascii_begins(field->name, field->name_size, "x-") ||
	       ascii_begins(field->name, field->name_size, "content-");
}

static bool take_field(
	struct inspection *inspection, const struct mime_part *part, const struct mime_field *field)
{
	size_t edits = inspection->result.plan.count;

	inspection->has_nul |= field->has_nul || field->has_nul_indent;
	inspection->has_eightbit |= field->has_eightbit;
	if (part->depth > 0) {
		inspection->rest.eightbit_bytes += field->has_eightbit;
		inspection->rest.has_nul |= field->has_nul || field->has_nul_indent;
		inspection->rest.has_long_line |= field->has_long_line;
		return inspection->is_over || inspection->result.is_signed ||
		       look_at_field(inspection, part, field);
	}
	if (!inspection->has_mail_field)
		inspection->has_mail_field = is_mail_field(field);
	if (inspection->terms.authors && !inspection_take_author(inspection, field))
		return false;
	if (inspection->is_over) {
		pass_field(inspection, field);
		return true;
	}
	inspection->value_changed = false;
	if (!look_at_field(inspection, part, field))
		return false;
	if (inspection->terms.authors && inspection->value_changed &&
		!inspection_take_mended_author(inspection, field, &inspection->value))
		return false;
	if (inspection->is_over) {
		plan_keep(&inspection->result.plan, edits);
		inspection->over_at = field->at;
		pass_field(inspection, field);
	}
	return true;
}

/* What a long field took is not kept: nobody knows how long the client takes for the rest. */
bool inspection_take_field(
	void *owner, const struct mime_part *part, const struct mime_field *field)
{
	struct inspection *inspection = owner;
	bool done = take_field(inspection, part, field);

	bytes_clear_above(&inspection->value, MIME_KEPT_BYTES);
	bytes_clear_above(&inspection->folded, MIME_KEPT_BYTES);
	bytes_clear_above(&inspection->seven, MIME_KEPT_BYTES);
	return done;
}
