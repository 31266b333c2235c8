#include "queue/mailbox_list.h"

#include <string.h>

#include "queue/comment.h"
#include "queue/encoded_word.h"
#include "queue/field_parts.h"
#include "queue/mailbox_item.h"

#define QUOTED_MAX 900 /* a longer display name becomes encoded-words */

struct judge {
	enum field_kind kind;
	const struct field_terms *terms;
	struct quirk_set found;
	bool address_eightbit;
	bool has_address; /* or a group */
	bool is_wrong;
	bool is_unusable;
};

static size_t span_size(struct span span)
{
	return (size_t)(span.end - span.at);
}

static bool needs(const struct field_terms *terms, struct span span)
{
	return encoded_word_needed(terms, span.at, span_size(span));
}

/* 8-bit in comments, which may stand anywhere in an address. */
static bool comments_need(const struct field_terms *terms, struct span span)
{
	for (const char *at = span.at; at < span.end;) {
		size_t size = comment_token_size(at, span.end);

		if (*at == '(' && size > 1 && encoded_word_needed(terms, at, size))
			return true;
		at += size;
	}
	return false;
}

static bool is_nameless(const struct mailbox_item *item)
{
	return item->name.at == item->name.end;
}

/* A name of 8-bit text, and no address. */
static bool is_raw_name(const struct mailbox_item *item)
{
	return item->kind == MAILBOX_NAME && !field_is_clean(item->core.at, span_size(item->core));
}

/* "Müller, Hans <h@x>": `item` is the first part of the name of `next`. */
static bool is_part_of_next(
	const struct judge *judge, const struct mailbox_item *item, const struct mailbox_item *next)
{
	bool is_name = item->kind == MAILBOX_NAME;

	if (item->separator != ',' || next->kind != MAILBOX_ADDRESS || is_nameless(next) ||
		next->name.at >= next->address.at)
		return false;
	if (judge->kind == FIELD_FROM)
		return is_name || (item->kind == MAILBOX_ADDRESS && !item->has_brackets &&
					  item->domain_at != NULL && item->wants_mark);
	/* whoever quotes has quoted the comma, if it was meant so */
	return is_raw_name(item) && *item->core.at != '"';
}

/* "Smith, John <j@x>" outside From: nobody knows whether Smith is an address. */
static bool may_be_name(const struct mailbox_item *item, const struct mailbox_item *next)
{
	return !item->has_brackets && *item->core.at >= 'A' && *item->core.at <= 'Z' &&
	       item->separator == ',' && next->kind == MAILBOX_ADDRESS && !is_nameless(next) &&
	       next->name.at < next->address.at;
}

static bool wants_domain(
	const struct judge *judge, const struct mailbox_item *item, const struct mailbox_item *next)
{
	return item->kind == MAILBOX_ADDRESS && item->domain_at != NULL &&
	       judge->terms->domain != NULL && !may_be_name(item, next);
}

static bool has_raw_text(const struct judge *judge, const struct mailbox_item *item)
{
	if (item->kind == MAILBOX_NAME || item->kind == MAILBOX_WRONG)
		return needs(judge->terms, item->core);
	return needs(judge->terms, item->name) || comments_need(judge->terms, item->address) ||
	       comments_need(judge->terms, item->tail);
}

/* What RFC 5322 has no syntax for. From must not be so; other lists may, as long as nothing in them is written anew. */
static bool is_odd(const struct mailbox_item *item)
{
	return item->is_odd || item->kind == MAILBOX_WRONG || is_raw_name(item) ||
	       !mailbox_name_is_right(item->name) || (item->separator == ';' && !item->in_group);
}

/* Whether the item may stay as it is. */
static bool judge_item(
	struct judge *judge, const struct mailbox_item *item, const struct mailbox_item *next)
{
	bool is_right = true;

	judge->address_eightbit |= item->address_eightbit;
	judge->has_address |= item->kind == MAILBOX_ADDRESS || item->kind == MAILBOX_GROUP;
	if (has_raw_text(judge, item)) {
		quirk_set_add(&judge->found, QUIRK_EIGHTBIT_HEADER);
		is_right = false;
	}
	if (is_part_of_next(judge, item, next)) {
		if (judge->kind != FIELD_FROM)
			quirk_set_add(&judge->found, QUIRK_EIGHTBIT_HEADER);
		return false;
	}
	if (wants_domain(judge, item, next)) {
		quirk_set_add(&judge->found, QUIRK_UNQUALIFIED);
		is_right = false;
	}
	if (item->kind == MAILBOX_NAME || item->kind == MAILBOX_WRONG)
		judge->is_unusable = true;
	return is_right && !(judge->kind == FIELD_FROM && is_odd(item));
}

static const struct mailbox_item nothing;

/* No encoding carries an 8-bit address: where it may not stay it is text. */
static struct mailbox_item read_item(
	const struct judge *judge, struct mailbox_list *list, const char *at)
{
	struct mailbox_item item = mailbox_item_read(list, at);

	if (item.kind != MAILBOX_ADDRESS || !item.address_eightbit || judge->terms->keeps_addresses)
		return item;
	item.kind = MAILBOX_WRONG;
	item.address_eightbit = false;
	return item;
}

static void judge_list(struct judge *judge, const char *text, size_t size)
{
	struct mailbox_list list;
	struct mailbox_item item, next;

	mailbox_list_begin(&list, text, size);
	for (next = read_item(judge, &list, text);;) {
		item = next;
		next = item.separator != '\0' ? read_item(judge, &list, item.all.end) : nothing;
		judge->is_wrong |= !judge_item(judge, &item, &next);
		if (item.separator == '\0')
			break;
	}
	if (judge->kind != FIELD_FROM)
		judge->is_unusable = false;
	else
		judge->is_unusable |= !judge->has_address;
	judge->is_wrong |= judge->is_unusable;
	if (judge->is_wrong && judge->kind == FIELD_FROM)
		quirk_set_add(&judge->found, QUIRK_FROM);
}

bool mailbox_list_is_right(
	enum field_kind kind, const char *value, size_t size, const struct field_terms *terms)
{
	struct judge judge = {.kind = kind, .terms = terms};

	judge_list(&judge, value, size);
	return !judge.is_wrong;
}

/* ---- writing ---- */

static void put_span(struct fold *fold, struct span span)
{
	fold_text(fold, span.at, span_size(span));
}

/* A display name as it is meant: without quotes and backslashes. */
static bool unquote(struct span name, struct bytes *out)
{
	const char *at = name.at;

	while (at < name.end) {
		size_t size = *at == '"' ? quoted_size(at, name.end) : 0;
		const char *end = size > 0 ? at + size - 1 : at + 1;

		for (at += size > 0; at < end; at++) {
			at += size > 0 && *at == '\\' && at + 1 < end;
			if (!bytes_append(out, at, 1))
				return false;
		}
		at += size > 0;
	}
	return true;
}

static void put_quoted(struct fold *fold, const char *at, size_t size)
{
	fold_word(fold, "\"", 1);
	for (size_t i = 0; i < size; i++) {
		if (at[i] == '"' || at[i] == '\\')
			fold_word(fold, "\\", 1);
		fold_text(fold, at + i, 1);
	}
	fold_word(fold, "\"", 1);
}

/* As one: in quotes, or encoded. */
static void put_whole_name(struct fold *fold, const struct field_terms *terms, struct span name)
{
	struct bytes text = {0};
	const char *at;

	if (!unquote(name, &text))
		fold->has_failed = true;
	at = (const char *)text.data;
	if (needs(terms, name) || text.size > QUOTED_MAX)
		encoded_word_write(
			fold, encoded_word_charset(terms, at, text.size), true, at, text.size);
	else
		put_quoted(fold, at, text.size);
	bytes_fini(&text);
}

/* Words of atoms are encoded one by one; a name with quotes or what should be in them, as a whole. */
static void put_name(struct fold *fold, const struct field_terms *terms, struct span name)
{
	bool is_raw = needs(terms, name), is_right = mailbox_name_is_right(name);
	size_t size = span_size(name);

	if (is_right && !is_raw)
		put_span(fold, name);
	else if (is_right && memchr(name.at, '"', size) == NULL &&
		 memchr(name.at, '(', size) == NULL && memchr(name.at, '.', size) == NULL)
		encoded_word_text(fold, terms, true, name.at, size);
	else
		put_whole_name(fold, terms, name);
}

static void put_comments(struct fold *fold, const struct field_terms *terms, struct span span)
{
	encoded_word_comments(fold, terms, '\0', span.at, span_size(span));
}

static void put_address(struct fold *fold, const struct judge *judge,
	const struct mailbox_item *item, bool with_domain)
{
	struct span before = item->address, behind = item->address;
	bool has_brackets = item->has_brackets || !is_nameless(item);

	if (has_brackets)
		fold_word(fold, "<", 1);
	if (with_domain) {
		before.end = behind.at = item->domain_at;
		put_comments(fold, judge->terms, before);
		if (item->wants_mark)
			fold_word(fold, "@", 1);
		fold_word(fold, judge->terms->domain, strlen(judge->terms->domain));
	}
	put_comments(fold, judge->terms, behind);
	if (has_brackets)
		fold_word(fold, ">", 1);
}

/* In a group it stays a name. With 8-bit in it and without quotes it would be read as part of the next one's. */
static void put_name_in_group(
	struct fold *fold, const struct field_terms *terms, const struct mailbox_item *item)
{
	if (is_raw_name(item) && *item->core.at != '"' && !needs(terms, item->core))
		put_whole_name(fold, terms, item->core);
	else
		put_name(fold, terms, item->core);
}

/* `name_at`: where the name begins, which may be in items before. */
static void put_mailbox(struct fold *fold, const struct judge *judge,
	const struct mailbox_item *item, const char *name_at, bool with_domain)
{
	struct span name = {name_at != NULL ? name_at : item->name.at, item->name.end};

	if (name.at < name.end) {
		put_name(fold, judge->terms, name);
		fold_blank(fold, " ", 1);
	}
	put_address(fold, judge, item, with_domain);
	if (item->tail.at < item->tail.end) {
		fold_blank(fold, " ", 1);
		put_comments(fold, judge->terms, item->tail);
	}
}

static void put_item(struct fold *fold, const struct judge *judge, const struct mailbox_item *item,
	const char *name_at, bool with_domain)
{
	switch (item->kind) {
	case MAILBOX_NOTHING:
		put_comments(fold, judge->terms, item->core);
		break;
	case MAILBOX_GROUP:
		put_name(fold, judge->terms, item->name);
		break;
	case MAILBOX_ADDRESS:
		put_mailbox(fold, judge, item, name_at, with_domain);
		break;
	case MAILBOX_NAME:
	case MAILBOX_WRONG:
		if (item->in_group) {
			put_name_in_group(fold, judge->terms, item);
			break;
		}
		put_name(fold, judge->terms, item->core);
		fold_word(fold, ":;", 2);
		break;
	}
}

/* A ";" outside groups is what some write for a comma. */
static void put_separator(struct fold *fold, const struct mailbox_item *item, bool is_last)
{
	char separator = item->separator == ';' && !item->in_group ? ',' : item->separator;

	if (separator != '\0' && !(separator != item->separator && is_last))
		fold_word(fold, &separator, 1);
}

static void write_list(struct judge *judge, const char *text, size_t size, struct fold *fold)
{
	struct mailbox_list list;
	struct mailbox_item item, next;
	const char *name_at = NULL;

	mailbox_list_begin(&list, text, size);
	for (next = read_item(judge, &list, text);;) {
		item = next;
		next = item.separator != '\0' ? read_item(judge, &list, item.all.end) : nothing;
		if (is_part_of_next(judge, &item, &next)) {
			name_at = name_at != NULL ? name_at : item.core.at;
		} else if (name_at == NULL && !is_odd(&item) && judge_item(judge, &item, &next)) {
			fold_piece(fold, item.all.at, (size_t)(item.all.end - item.all.at));
		} else {
			fold_blank(fold, " ", 1);
			put_item(fold, judge, &item, name_at, wants_domain(judge, &item, &next));
			put_separator(fold, &item, next.core.at == next.core.end);
			name_at = NULL;
		}
		if (item.separator == '\0')
			break;
	}
	if (list.in_group)
		fold_word(fold, ";", 1);
}

int mailbox_list_repair(enum field_kind kind, const char *text, size_t size,
	const struct field_terms *terms, struct quirk_set *found, bool *address_eightbit,
	struct fold *fold)
{
	struct judge judge = {.kind = kind, .terms = terms};

	judge_list(&judge, text, size);
	quirk_set_merge(found, &judge.found);
	*address_eightbit |= judge.address_eightbit && !judge.is_unusable;
	if (judge.is_unusable)
		return 2;
	if (!judge.is_wrong)
		return 0;
	write_list(&judge, text, size, fold);
	return 1;
}
