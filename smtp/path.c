#include "smtp/path.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "core/ascii.h"
#include "core/utf8.h"

/* What is left to read of a path. */
struct cursor {
	const char *at, *end;
	bool utf8; /* 8-bit bytes are letters: they were checked before */
};

static bool next_is(const struct cursor *cursor, char c)
{
	return cursor->at < cursor->end && *cursor->at == c;
}

static bool take(struct cursor *cursor, char c)
{
	if (!next_is(cursor, c))
		return false;
	cursor->at++;
	return true;
}

/* RFC 5322 3.2.3 */
static bool is_atext(char c)
{
	return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_letter(const struct cursor *cursor)
{
	return cursor->utf8 && (unsigned char)*cursor->at > 127;
}

static bool take_dot_string(struct cursor *cursor)
{
	do {
		const char *atom = cursor->at;

		while (cursor->at < cursor->end && (is_atext(*cursor->at) || is_letter(cursor)))
			cursor->at++;
		if (cursor->at == atom)
			return false;
	} while (take(cursor, '.'));
	return true;
}

static bool take_quoted_string(struct cursor *cursor)
{
	if (!take(cursor, '"'))
		return false;
	while (cursor->at < cursor->end && *cursor->at != '"') {
		if (*cursor->at == '\\')
			cursor->at++;
		if (cursor->at == cursor->end ||
			((*cursor->at < ' ' || *cursor->at > '~') && !is_letter(cursor)))
			return false;
		cursor->at++;
	}
	return take(cursor, '"');
}

static bool take_domain_name(struct cursor *cursor)
{
	do {
		const char *label = cursor->at;

		while (cursor->at < cursor->end &&
			(ascii_is_alnum(*cursor->at) || *cursor->at == '-' || *cursor->at == '_' ||
				is_letter(cursor)))
			cursor->at++;
		if (cursor->at == label || *label == '-' || cursor->at[-1] == '-' ||
			cursor->at - label > 63)
			return false;
	} while (take(cursor, '.'));
	return true;
}

static bool take_address_literal(struct cursor *cursor)
{
	const char *close = memchr(cursor->at, ']', (size_t)(cursor->end - cursor->at));
	const char *from = cursor->at + 1;
	char text[INET6_ADDRSTRLEN];
	struct in6_addr parsed;
	int family = AF_INET;

	if (close == NULL)
		return false;
	if (ascii_begins(from, (size_t)(close - from), "IPv6:")) {
		from += strlen("IPv6:");
		family = AF_INET6;
	}
	/* inet_pton reads up to a NUL */
	if ((size_t)(close - from) >= sizeof(text) ||
		memchr(from, '\0', (size_t)(close - from)) != NULL)
		return false;
	memcpy(text, from, (size_t)(close - from));
	text[close - from] = '\0';
	if (inet_pton(family, text, &parsed) != 1)
		return false;
	cursor->at = close + 1;
	return true;
}

static bool take_domain(struct cursor *cursor)
{
	return next_is(cursor, '[') ? take_address_literal(cursor) : take_domain_name(cursor);
}

/* "@a.example,@b.example:" (RFC 5321 C) */
static bool take_route(struct cursor *cursor)
{
	do {
		if (!take(cursor, '@') || !take_domain_name(cursor))
			return false;
	} while (take(cursor, ','));
	return take(cursor, ':');
}

static enum path_fault take_mailbox(struct cursor *cursor, enum path_kind kind)
{
	const char *local = cursor->at, *domain;

	if (!(next_is(cursor, '"') ? take_quoted_string(cursor) : take_dot_string(cursor)))
		return PATH_SYNTAX;
	if (cursor->at - local > PATH_LOCAL_BYTES)
		return PATH_TOO_LONG;
	if (next_is(cursor, '>')) {
		bool postmaster = ascii_equals(local, (size_t)(cursor->at - local), "postmaster");

		return kind == PATH_FORWARD && postmaster ? PATH_SOUND : PATH_SYNTAX;
	}
	if (!take(cursor, '@'))
		return PATH_SYNTAX;
	domain = cursor->at;
	if (!take_domain(cursor))
		return PATH_SYNTAX;
	return cursor->at - domain > PATH_DOMAIN_BYTES ? PATH_TOO_LONG : PATH_SOUND;
}

bool path_has_eightbit(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] > 127)
			return true;
	return false;
}

/* UTF-8 (RFC 3629) without the controls behind ASCII. */
static bool is_utf8(const char *text, size_t size)
{
	size_t length;
	uint32_t code;

	for (size_t at = 0; at < size; at += length) {
		length = utf8_next((const uint8_t *)text + at, size - at, &code);
		if (length == 0 || (code > 127 && utf8_is_control(code)))
			return false;
	}
	return true;
}

static enum path_fault parse_path(
	struct cursor cursor, enum path_kind kind, struct path *out, size_t *taken)
{
	const char *text = cursor.at, *mailbox;
	enum path_fault fault = PATH_SOUND;

	if (!take(&cursor, '<'))
		return PATH_SYNTAX;
	if (next_is(&cursor, '@') && !take_route(&cursor))
		return PATH_SYNTAX;
	mailbox = cursor.at;
	if (kind != PATH_REVERSE || cursor.at != text + 1 || !next_is(&cursor, '>'))
		fault = take_mailbox(&cursor, kind);
	if (fault != PATH_SOUND)
		return fault;
	out->size = (size_t)(cursor.at - mailbox);
	if (!take(&cursor, '>'))
		return PATH_SYNTAX;
	if (cursor.at - text > PATH_BYTES)
		return PATH_TOO_LONG;
	memcpy(out->address, mailbox, out->size);
	out->address[out->size] = '\0';
	*taken = (size_t)(cursor.at - text);
	return PATH_SOUND;
}

enum path_fault path_parse(
	const char *text, size_t size, enum path_kind kind, struct path *out, size_t *taken)
{
	if (path_has_eightbit(text, size))
		return PATH_EIGHTBIT;
	return parse_path((struct cursor){text, text + size, false}, kind, out, taken);
}

enum path_fault path_parse_utf8(
	const char *text, size_t size, enum path_kind kind, struct path *out, size_t *taken)
{
	if (!is_utf8(text, size))
		return PATH_EIGHTBIT;
	return parse_path((struct cursor){text, text + size, true}, kind, out, taken);
}

static bool is_name_byte(char c)
{
	return ascii_is_alnum(c) || c == '-';
}

static bool is_value_byte(char c)
{
	return c > ' ' && c <= '~' && c != '=';
}

int path_parameter_next(const char **cursor, const char *end, struct path_parameter *out)
{
	const char *at = *cursor;

	if (at == end)
		return 0;
	if (*at != ' ')
		return -1;
	while (at < end && *at == ' ')
		at++;
	if (at == end || !ascii_is_alnum(*at))
		return -1;
	*out = (struct path_parameter){.name = at};
	while (at < end && is_name_byte(*at))
		at++;
	out->name_size = (size_t)(at - out->name);
	if (at < end && *at == '=') {
		out->value = ++at;
		while (at < end && is_value_byte(*at))
			at++;
		out->value_size = (size_t)(at - out->value);
		if (out->value_size == 0)
			return -1;
	}
	*cursor = at;
	return at == end || *at == ' ' ? 1 : -1;
}
