/*
 * Most values are well-formed: they are looked at eight bytes at a time and, where the kind has a syntax of its own, read
 * once in place. Only one that needs a repair is copied: unfolded, and without NULs.
 */
#include <errno.h>
#include <string.h>

#include "queue/comment.h"
#include "queue/encoded_word.h"
#include "queue/field.h"
#include "queue/field_parts.h"
#include "queue/mailbox_list.h"

#define YEAR_2001      978307200 /* clocks that were never set begin before it */
#define WEEK_S         (INT64_C(7) * 86400)
#define MESSAGE_ID_MAX 900 /* it cannot be folded */

bool field_is_clean(const void *value, size_t size)
{
	const uint8_t *at = value;
	const uint64_t ones = 0x0101010101010101u, tops = ones << 7;
	uint64_t word;

	for (; size >= 8; at += 8, size -= 8) {
		memcpy(&word, at, 8);
		/* top bits; or, of bytes without one, those that borrow when 1 is taken away: NUL */
		if (((word | (word - ones)) & tops) != 0)
			return false;
	}
	for (; size > 0; at++, size--)
		if (*at == 0 || *at >= 0x80)
			return false;
	return true;
}

bool field_unfold(const void *value, size_t size, struct bytes *out)
{
	const char *from = value;
	char *to;

	if (!bytes_reserve(out, size + 1))
		return false;
	to = (char *)out->data;
	for (size_t i = 0; i < size; i++) {
		bool is_line_end = from[i] == '\r' && i + 1 < size && from[i + 1] == '\n';

		if (is_line_end && i + 2 < size && (from[i + 2] == ' ' || from[i + 2] == '\t'))
			i++;
		else if (from[i] == '\r' || from[i] == '\n')
			*to++ = ' ';
		else if (from[i] != '\0')
			*to++ = from[i];
	}
	out->size = (size_t)(to - (char *)out->data);
	return true;
}

static int repair_text(const char *text, size_t size, const struct field_terms *terms,
	struct quirk_set *found, struct fold *fold)
{
	if (!encoded_word_needed(terms, text, size))
		return 0;
	quirk_set_add(found, QUIRK_EIGHTBIT_HEADER);
	/* a value behind the colon at once is right, but an encoded-word there is not recognised by all */
	if (!is_blank(text[0]))
		fold_blank(fold, " ", 1);
	encoded_word_text(fold, terms, false, text, size);
	return 1;
}

static int repair_tokens(const char *text, size_t size, const struct field_terms *terms,
	struct quirk_set *found, struct fold *fold)
{
	if (!encoded_word_needed(terms, text, size))
		return 0;
	quirk_set_add(found, QUIRK_EIGHTBIT_HEADER);
	encoded_word_comments(fold, terms, '?', text, size);
	return 1;
}

/* "<left@right>", and nothing beside it but blanks and comments. */
static bool is_message_id(const char *text, size_t size)
{
	const char *end = text + size, *at = comment_skip(text, end), *mark = NULL;
	const char *begin = at;

	if (at == end || *at++ != '<')
		return false;
	for (; at < end && *at != '>'; at++) {
		if (*at <= ' ' || *at >= 0x7f || *at == '<')
			return false;
		mark = *at == '@' ? at : mark;
	}
	if (at == end || mark == NULL || mark == begin + 1 || mark + 1 == at)
		return false;
	return at - begin < MESSAGE_ID_MAX && comment_skip(at + 1, end) == end &&
	       field_is_clean(text, size);
}

/* 1: it cannot be used. */
static int judge_message_id(const char *text, size_t size, struct quirk_set *found)
{
	if (is_message_id(text, size))
		return 0;
	quirk_set_add(found, QUIRK_NO_MESSAGE_ID);
	return 1;
}

static int judge_date(const char *text, size_t size, uint64_t now_unix_ms, struct quirk_set *found)
{
	int64_t unix_s;

	if (field_date_parse(text, size, &unix_s) == 0 && unix_s >= YEAR_2001 &&
		unix_s <= (int64_t)(now_unix_ms / 1000) + WEEK_S)
		return 0;
	quirk_set_add(found, QUIRK_DATE);
	return 1;
}

/* A value that is clean, in place: 0 well-formed, 1 it cannot be used, 2 it is to be repaired. */
static int judge_clean(enum field_kind kind, const void *value, size_t size,
	const struct field_terms *terms, uint64_t now_unix_ms, struct quirk_set *found)
{
	switch (kind) {
	case FIELD_ADDRESSES:
	case FIELD_BCC:
	case FIELD_FROM:
		return mailbox_list_is_right(kind, value, size, terms) ? 0 : 2;
	case FIELD_DATE:
		return judge_date(value, size, now_unix_ms, found);
	case FIELD_MESSAGE_ID:
		return judge_message_id(value, size, found);
	case FIELD_CONTENT_TYPE:
		return field_parameters_are_right(kind, value, size, terms) ? 0 : 2;
	default:
		return 0;
	}
}

/* The unfolded text: 0 nothing to do, 1 written, 2 it cannot be used. */
static int repair(enum field_kind kind, const char *text, size_t size,
	const struct field_terms *terms, uint64_t now_unix_ms, struct quirk_set *found,
	bool *address_eightbit, struct fold *fold)
{
	switch (kind) {
	case FIELD_UNSTRUCTURED:
		return repair_text(text, size, terms, found, fold);
	case FIELD_ADDRESSES:
	case FIELD_BCC:
	case FIELD_FROM:
		return mailbox_list_repair(kind, text, size, terms, found, address_eightbit, fold);
	case FIELD_DATE:
		return judge_date(text, size, now_unix_ms, found) != 0
			       ? 2
			       : repair_tokens(text, size, terms, found, fold);
	case FIELD_MESSAGE_ID:
		return judge_message_id(text, size, found) != 0 ? 2 : 0;
	case FIELD_CONTENT_TYPE:
	case FIELD_CONTENT_OTHER:
		return field_parameters_repair(kind, text, size, terms, found, fold);
	default:
		return repair_tokens(text, size, terms, found, fold);
	}
}

int field_repair(enum field_kind kind, const void *value, size_t size,
	const struct field_terms *terms, uint64_t now_unix_ms, struct quirk_set *found,
	bool *address_eightbit, struct bytes *out)
{
	struct bytes text = {0};
	size_t start = out->size;
	struct fold fold;
	int done;

	if (kind == FIELD_DKIM)
		return 0;
	if (field_is_clean(value, size)) {
		done = judge_clean(kind, value, size, terms, now_unix_ms, found);
		if (done < 2)
			return done;
	}
	if (!field_unfold(value, size, &text))
		return -ENOMEM;
	fold_init(&fold, out, FOLD_NAME);
	done = repair(kind, (char *)text.data, text.size, terms, now_unix_ms, found,
		address_eightbit, &fold);
	if (memchr(value, '\0', size) != NULL) {
		quirk_set_add(found, QUIRK_NUL);
		if (done == 0)
			field_fold_text(kind, &fold, (char *)text.data, text.size);
		done = done == 0 ? 1 : done;
	}
	if (done == 1 && fold_end(&fold) < 0)
		done = -ENOMEM;
	bytes_fini(&text);
	if (done == 2)
		out->size = start;
	return done == 2 ? 1 : done;
}
