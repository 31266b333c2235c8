#include <stdio.h>
#include <string.h>

#include "core/ascii.h"
#include "core/utf8.h"
#include "queue/comment.h"
#include "queue/encoded_word.h"
#include "queue/field_parts.h"
#include "queue/parameter.h"

#define SECTION_ROOM  60 /* encoded bytes of one section of a value */
#define NAME_MAX_2231 40 /* a longer name is left as it is, and its value loses what is 8-bit */

static bool is_empty_charset(enum field_kind kind, const struct parameter *parameter)
{
	size_t at = 0;

	return kind == FIELD_CONTENT_TYPE &&
	       ascii_equals(parameter->name, parameter->name_size, "charset") &&
	       parameter->value != NULL && parameter_byte(parameter, &at) < 0;
}

bool field_parameters_are_right(
	enum field_kind kind, const char *text, size_t size, const struct field_terms *terms)
{
	const char *end = text + size;
	struct parameter parameter;

	for (const char *at = parameter_first(text, end); parameter_next(at, end, &parameter);
		at = parameter.end)
		if (is_empty_charset(kind, &parameter))
			return false;
	return !encoded_word_needed(terms, text, size);
}

static bool is_attribute_byte(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("-._~!#$&+^", c) != NULL);
}

static void put_hex(char c, char *out, size_t *size)
{
	out[(*size)++] = '%';
	out[(*size)++] = "0123456789ABCDEF"[(unsigned char)c >> 4];
	out[(*size)++] = "0123456789ABCDEF"[c & 15];
}

/* The bytes at the front that are one character, or else one byte, as %XX. Returns how many were taken. */
static size_t put_percent(const char *at, size_t size, bool is_utf8, char *out, size_t *out_size)
{
	uint32_t code;
	size_t taken = is_utf8 ? utf8_next(at, size, &code) : 1;

	*out_size = 0;
	for (size_t i = 0; i < taken; i++) {
		if (is_attribute_byte(at[i]))
			out[(*out_size)++] = at[i];
		else
			put_hex(at[i], out, out_size);
	}
	return taken;
}

/* RFC 2231: name*=charset''…, in sections where it is long. */
static void put_extended(struct fold *fold, const struct parameter *parameter, const char *charset,
	const char *text, size_t size)
{
	bool is_utf8 = ascii_equals(charset, strlen(charset), "utf-8"), is_one;
	char line[NAME_MAX_2231 + 40 + SECTION_ROOM + 16], piece[16];
	size_t encoded = 0, taken, length;

	for (size_t at = 0; at < size; encoded += length)
		at += put_percent(text + at, size - at, is_utf8, piece, &length);
	is_one = encoded <= SECTION_ROOM;
	for (int section = 0; section == 0 || size > 0; section++) {
		int used = snprintf(
			line, sizeof(line), "%.*s*", (int)parameter->name_size, parameter->name);

		if (!is_one)
			used += snprintf(line + used, sizeof(line) - used, "%d*", section);
		used += snprintf(line + used, sizeof(line) - used, "=%s%s",
			section == 0 ? charset : "", section == 0 ? "''" : "");
		for (encoded = 0; size > 0; encoded += length) {
			taken = put_percent(text, size, is_utf8, piece, &length);
			if (encoded + length > SECTION_ROOM)
				break;
			memcpy(line + used, piece, length);
			used += (int)length;
			text += taken;
			size -= taken;
		}
		fold_word(fold, ";", 1);
		fold_line(fold);
		fold_word(fold, line, (size_t)used);
	}
}

/* It is RFC 2231 already, but for bytes that should have been %XX. */
static void put_rest(struct fold *fold, const char *at, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		char piece[3];
		size_t length = 0;

		if ((at[i] & 0x80) != 0)
			put_hex(at[i], piece, &length);
		if (length > 0)
			fold_word(fold, piece, length);
		else
			fold_text(fold, at + i, 1);
	}
}

/* The name is one that "*" can be put behind. */
static bool may_extend(const struct parameter *parameter)
{
	if (parameter->value == NULL || parameter->name_size == 0 ||
		parameter->name_size > NAME_MAX_2231)
		return false;
	for (size_t i = 0; i < parameter->name_size; i++)
		if (!is_attribute_byte(parameter->name[i]))
			return false;
	return true;
}

/* The 8-bit stands only behind the value, in a comment. */
static bool is_in_comment(const struct field_terms *terms, const struct parameter *parameter)
{
	const char *end = parameter->value + parameter->value_size;
	size_t at = 0;

	while (parameter_byte(parameter, &at) >= 0)
		;
	at += parameter->value[0] == '"' && at < parameter->value_size;
	return comment_skip(parameter->value + at, end) == end &&
	       !encoded_word_needed(terms, parameter->value, at);
}

static void put_parameter(struct fold *fold, const struct field_terms *terms,
	const struct parameter *parameter, struct bytes *text)
{
	bool is_quoted = parameter->value_size > 0 && parameter->value[0] == '"';
	size_t size = (size_t)(parameter->end - parameter->at), at = 0;

	if (!encoded_word_needed(terms, parameter->at, size)) {
		fold_word(fold, ";", 1);
		fold_piece(fold, parameter->at + 1, size - 1);
		return;
	}
	if (parameter->value != NULL && parameter->name_size > 0 &&
		parameter->name[parameter->name_size - 1] == '*') {
		put_rest(fold, parameter->at, size);
		return;
	}
	if (!may_extend(parameter) || is_in_comment(terms, parameter)) {
		encoded_word_comments(fold, terms, '_', parameter->at, size);
		return;
	}
	bytes_clear(text);
	if (is_quoted)
		for (int c; (c = parameter_byte(parameter, &at)) >= 0;)
			fold->has_failed |= !bytes_append(text, &(char){(char)c}, 1);
	else if (!bytes_append(text, parameter->value, parameter->value_size))
		fold->has_failed = true;
	put_extended(fold, parameter, encoded_word_charset(terms, (char *)text->data, text->size),
		(char *)text->data, text->size);
}

int field_parameters_repair(enum field_kind kind, const char *text, size_t size,
	const struct field_terms *terms, struct quirk_set *found, struct fold *fold)
{
	const char *end = text + size, *at = parameter_first(text, end);
	struct parameter parameter;
	struct bytes value = {0};

	if (field_parameters_are_right(kind, text, size, terms))
		return 0;
	if (encoded_word_needed(terms, text, size))
		quirk_set_add(found, QUIRK_EIGHTBIT_HEADER);
	encoded_word_comments(fold, terms, '_', text, (size_t)(at - text));
	for (; parameter_next(at, end, &parameter); at = parameter.end) {
		if (is_empty_charset(kind, &parameter))
			quirk_set_add(found, QUIRK_EMPTY_CHARSET);
		else
			put_parameter(fold, terms, &parameter, &value);
	}
	bytes_fini(&value);
	return 1;
}
