/* inspection_author.c: whom the whole's header says that it is from, and its being said anew. */
#include <string.h>

#include "core/ascii.h"
#include "core/utf8.h"
#include "queue/inspection_parts.h"

#define REPLIES_MAX       10
#define REPLIES_BYTES_MAX 256 /* of one address that stands in Reply-To */

static enum author_kind author_of(const struct mime_field *field, enum field_kind kind)
{
	if (kind == FIELD_FROM)
		return AUTHOR_FROM;
	return kind == FIELD_ADDRESSES && ascii_equals(field->name, field->name_size, "sender")
		       ? AUTHOR_SENDER
		       : 0;
}

bool inspection_take_author(struct inspection *inspection, const struct mime_field *field)
{
	enum field_kind kind = field_kind(field->name, field->name_size);
	enum author_kind author = author_of(field, kind);

	if (author == 0)
		return true;
	if (field->is_cut || inspection->author_count == INSPECTION_AUTHORS_MAX) {
		inspection->authors.is_over = true;
		return true;
	}
	inspection->author_at[inspection->author_count++] = field->at;
	return authors_take(&inspection->authors, author, field->value, (size_t)field->value_size);
}

bool inspection_take_mended_author(
	struct inspection *inspection, const struct mime_field *field, const struct bytes *value)
{
	enum author_kind author = author_of(field, field_kind(field->name, field->name_size));

	return author == 0 || authors_take(&inspection->authors, author, value->data, value->size);
}

/* ---- said anew ---- */

/* It is so already, or an edit has the place. */
static bool is_renamed(const struct plan *plan, uint64_t at, bool *is_taken)
{
	bool renamed = false;

	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_edit *edit = &plan->edits[i];

		if (edit->at <= at && at < edit->at + edit->size)
			*is_taken = true;
		if (edit->at == at && edit->size == 0 && edit->when == PLAN_ALWAYS &&
			edit->text_size == strlen(INSPECTION_PREFIX) &&
			memcmp(plan->text.data + edit->text_at, INSPECTION_PREFIX,
				edit->text_size) == 0)
			renamed = true;
	}
	return renamed;
}

static bool rename_authors(struct inspection *inspection)
{
	struct plan *plan = &inspection->result.plan;
	bool is_taken = false;

	for (size_t i = 0; i < inspection->author_count; i++) {
		uint64_t at = inspection->author_at[i];

		if (!is_renamed(plan, at, &is_taken) && !is_taken &&
			!plan_add(plan, PLAN_REPLACE, PLAN_ALWAYS, at, 0, INSPECTION_PREFIX,
				strlen(INSPECTION_PREFIX)))
			return false;
	}
	inspection->result.keeps_author = is_taken;
	return true;
}

static bool is_atom_text(const char *at, size_t size)
{
	if (size == 0 || at[0] == '.' || at[size - 1] == '.')
		return false;
	for (size_t i = 0; i < size; i++) {
		if (!ascii_is_alnum(at[i]) && strchr("!#$%&'*+-/=?^_`{|}~.", at[i]) == NULL)
			return false;
		if (at[i] == '.' && at[i + 1] == '.')
			return false;
	}
	return true;
}

/* ASCII without controls, that needs no quotes: others stay readable in what was renamed. */
static bool can_reply(const char *address)
{
	const char *mark = strrchr(address, '@');

	if (mark == NULL || strlen(address) > REPLIES_BYTES_MAX ||
		!is_atom_text(address, (size_t)(mark - address)))
		return false;
	for (const char *at = mark + 1; *at != '\0'; at++)
		if (!ascii_is_alnum(*at) && *at != '-' && *at != '.')
			return false;
	return mark[1] != '\0';
}

static bool add_replies(const struct authors *authors, struct bytes *out)
{
	unsigned count = 0;
	enum author_kind kind;
	const char *address = NULL;

	while (count < REPLIES_MAX && (address = authors_next(authors, address, &kind)) != NULL) {
		if (kind != AUTHOR_FROM || !can_reply(address))
			continue;
		if (!bytes_printf(out, count == 0 ? "Reply-To: <%s>" : ",\r\n <%s>", address))
			return false;
		count++;
	}
	return count == 0 || bytes_append(out, "\r\n", 2);
}

bool inspection_rewrite_author(struct inspection *inspection, struct bytes *fields)
{
	const struct inspection_source *source = inspection->source;

	if (!rename_authors(inspection))
		return false;
	if (inspection->result.keeps_author)
		return true;
	if (utf8_has_eightbit(source->mailbox, strlen(source->mailbox)))
		inspection->result.header_eightbit = inspection->header_stays_eightbit =
			inspection->result.header_address_eightbit = true;
	inspection->seen |= SINGLE_FROM;
	bytes_clear(fields);
	if (!bytes_printf(
		    fields, "From: <%s>\r\nSender: <%s>\r\n", source->mailbox, source->mailbox))
		return false;
	return !source->replies || (inspection->seen & SINGLE_REPLY_TO) != 0 ||
	       add_replies(&inspection->authors, fields);
}
