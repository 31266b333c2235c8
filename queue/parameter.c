#include "queue/parameter.h"

#include <string.h>

#include "core/ascii.h"
#include "queue/comment.h"
#include "queue/field.h"

#define SECTIONS_MAX 64 /* of one value: RFC 2231 3 */

static size_t trimmed(const char *at, const char *end)
{
	while (end > at && is_blank(end[-1]))
		end--;
	return (size_t)(end - at);
}

const char *parameter_first(const char *text, const char *end)
{
	return comment_find(text, end, ';');
}

bool parameter_next(const char *at, const char *end, struct parameter *out)
{
	const char *equals;

	if (at >= end)
		return false;
	*out = (struct parameter){.at = at};
	at = comment_skip(at + 1, end);
	out->end = comment_find(at, end, ';');
	equals = memchr(at, '=', (size_t)(out->end - at));
	out->name = at;
	out->name_size = trimmed(at, equals != NULL ? equals : out->end);
	if (equals != NULL) {
		out->value = comment_skip(equals + 1, out->end);
		out->value_size = trimmed(out->value, out->end);
	}
	return true;
}

int parameter_byte(const struct parameter *parameter, size_t *at)
{
	const char *value = parameter->value;
	bool is_quoted = parameter->value_size > 0 && value[0] == '"';

	if (is_quoted && *at == 0)
		(*at)++;
	if (*at >= parameter->value_size)
		return -1;
	if (is_quoted) {
		if (value[*at] == '"')
			return -1;
		if (value[*at] == '\\' && *at + 1 < parameter->value_size)
			(*at)++;
	} else if (is_blank(value[*at]) || value[*at] == '(') {
		return -1;
	}
	return (unsigned char)value[(*at)++];
}

/* ---- reading one ---- */

struct gather {
	char *out;
	size_t room, size; /* room without the NUL */
};

static void gather_byte(struct gather *gather, int c)
{
	if (c != '\0' && c != '\r' && c != '\n' && gather->size < gather->room)
		gather->out[gather->size++] = (char)c;
}

static int hex(int c)
{
	if (ascii_is_digit((char)c))
		return c - '0';
	c = (unsigned char)ascii_lower((char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void gather_plain(struct gather *gather, const struct parameter *parameter)
{
	size_t at = 0;

	for (int c; (c = parameter_byte(parameter, &at)) >= 0;)
		gather_byte(gather, c);
}

/* charset'language'text, with %XX; only a first section has the former two. */
static void gather_extended(
	struct gather *gather, const struct parameter *parameter, bool has_charset)
{
	int marks = has_charset ? 2 : 0;
	size_t at = 0;

	for (int c; (c = parameter_byte(parameter, &at)) >= 0;) {
		size_t behind = at;
		int high, low;

		if (marks > 0) {
			marks -= c == '\'';
			continue;
		}
		if (c == '%' && (high = hex(parameter_byte(parameter, &behind))) >= 0 &&
			(low = hex(parameter_byte(parameter, &behind))) >= 0) {
			c = high * 16 + low;
			at = behind;
		}
		gather_byte(gather, c);
	}
}

enum form { FORM_OTHER, FORM_PLAIN, FORM_EXTENDED };

/* Whether a parameter's name is `name`, with "*" and the number of a section behind it (-1: none), and a "*" or not. */
static enum form read_form(const struct parameter *parameter, const char *name, int *section)
{
	size_t size = strlen(name), left;
	const char *rest;

	*section = -1;
	if (!ascii_begins(parameter->name, parameter->name_size, name) || parameter->value == NULL)
		return FORM_OTHER;
	rest = parameter->name + size;
	left = parameter->name_size - size;
	if (left >= 2 && rest[0] == '*' && ascii_is_digit(rest[1])) {
		*section = 0;
		for (rest++, left--; left > 0 && ascii_is_digit(*rest); rest++, left--)
			if (*section < SECTIONS_MAX)
				*section = *section * 10 + (*rest - '0');
	}
	if (left == 0)
		return FORM_PLAIN;
	return left == 1 && rest[0] == '*' ? FORM_EXTENDED : FORM_OTHER;
}

/* A value, or its sections: the first of each number. */
struct sections {
	enum form forms[1 + SECTIONS_MAX]; /* the undivided value, section 0, … */
	struct parameter parameters[1 + SECTIONS_MAX];
};

static void find_sections(
	const char *value, const char *end, const char *name, struct sections *out)
{
	struct parameter parameter;
	int section;

	memset(out->forms, 0, sizeof(out->forms));
	for (const char *at = parameter_first(value, end); parameter_next(at, end, &parameter);
		at = parameter.end) {
		enum form form = read_form(&parameter, name, &section);

		if (form == FORM_OTHER || section >= SECTIONS_MAX ||
			out->forms[1 + section] != FORM_OTHER)
			continue;
		out->forms[1 + section] = form;
		out->parameters[1 + section] = parameter;
	}
}

static bool gather_section(struct gather *gather, const struct sections *sections, int section)
{
	const struct parameter *parameter = &sections->parameters[1 + section];

	if (sections->forms[1 + section] == FORM_PLAIN)
		gather_plain(gather, parameter);
	else if (sections->forms[1 + section] == FORM_EXTENDED)
		gather_extended(gather, parameter, section <= 0);
	return sections->forms[1 + section] != FORM_OTHER;
}

int field_parameter(const void *value, size_t size, const char *name, char *out, size_t out_size)
{
	struct gather gather = {out, out_size - 1, 0};
	struct sections sections;
	int section = 0;

	find_sections(value, size > 0 ? (const char *)value + size : value, name, &sections);
	if (!gather_section(&gather, &sections, -1)) {
		while (section < SECTIONS_MAX && gather_section(&gather, &sections, section))
			section++;
		if (section == 0)
			return -1;
	}
	out[gather.size] = '\0';
	return (int)gather.size;
}

/* ---- the type ---- */

static bool is_token(char c)
{
	return c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/*
 * The token at the front, lower-cased into out and cut to its room; returns what is behind it. What field_repair does to its
 * bytes does not change what it is: NULs go, and 8-bit becomes "_".
 */
static const char *copy_token(const char *at, const char *end, char *out, size_t room)
{
	size_t size = 0;

	for (; at < end && (*at == '\0' || (*at & 0x80) != 0 || is_token(*at)); at++)
		if (*at != '\0' && size < room)
			out[size++] = (*at & 0x80) != 0 ? '_' : ascii_lower(*at);
	out[size] = '\0';
	return at;
}

bool field_content_type(const void *value, size_t size, char *out, size_t out_size)
{
	const char *end = size > 0 ? (const char *)value + size : value, *at;
	size_t type;

	if (out_size < 4)
		return false;
	at = copy_token(comment_skip(value, end), end, out, out_size - 3);
	type = strlen(out);
	at = comment_skip(at, end);
	if (type == 0 || at == end || *at != '/')
		return false;
	out[type] = '/';
	copy_token(comment_skip(at + 1, end), end, out + type + 1, out_size - type - 2);
	return out[type + 1] != '\0';
}
