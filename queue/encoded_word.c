#include "queue/encoded_word.h"

#include <string.h>

#include "core/ascii.h"
#include "core/utf8.h"
#include "queue/comment.h"

#define WORD_MAX      75 /* RFC 2047 2 */
#define LINE_MAX_2047 76
#define LONG_WORD \
	800 /* of ASCII, but encoded where text may be: else it is broken, and a blank is added */
#define CHARSET_MAX 32

static bool has_eightbit(const char *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((at[i] & 0x80) != 0)
			return true;
	return false;
}

bool encoded_word_needed(const struct field_terms *terms, const char *at, size_t size)
{
	return terms != NULL && has_eightbit(at, size) &&
	       !(terms->smtputf8 && utf8_is_valid(at, size));
}

static bool is_charset_byte(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.' || c == ':' || c == '+';
}

static size_t charset_size(const char *at, const char *end)
{
	size_t size = 0;

	while (at + size < end && size <= CHARSET_MAX && is_charset_byte(at[size]))
		size++;
	return size <= CHARSET_MAX ? size : 0;
}

const char *encoded_word_charset(const struct field_terms *terms, const char *at, size_t size)
{
	const char *charset = terms != NULL ? terms->charset : NULL;
	size_t length = charset != NULL ? strlen(charset) : 0;

	if (utf8_is_valid(at, size))
		return "utf-8";
	/* all of these cannot be true of it; Latin-1 at least gives each byte a character */
	if (length == 0 || charset_size(charset, charset + length) != length ||
		ascii_equals(charset, length, "utf-8") || ascii_equals(charset, length, "us-ascii"))
		return "iso-8859-1";
	return charset;
}

/* ---- reading ---- */

struct parsed {
	const char *charset, *payload;
	size_t charset_size, payload_size;
	char encoding; /* 'b' or 'q' */
};

/* The payload may hold anything but "?" and blanks: 8-bit in it is for the caller to judge. */
static bool parse(const char *at, size_t size, struct parsed *out)
{
	const char *end = at + size;

	if (size < 8 || at[0] != '=' || at[1] != '?' || end[-2] != '?' || end[-1] != '=')
		return false;
	out->charset = at + 2;
	out->charset_size = charset_size(at + 2, end);
	at = out->charset + out->charset_size;
	if (out->charset_size == 0 || end - at < 5 || at[0] != '?' || at[2] != '?')
		return false;
	out->encoding = ascii_lower(at[1]);
	out->payload = at + 3;
	out->payload_size = (size_t)(end - 2 - out->payload);
	return (out->encoding == 'b' || out->encoding == 'q') &&
	       memchr(out->payload, '?', out->payload_size) == NULL;
}

bool encoded_word_is_one(const char *at, size_t size)
{
	struct parsed parsed;

	return parse(at, size, &parsed) && (parsed.encoding == 'q' || !has_eightbit(at, size));
}

static int hex(char c)
{
	c = ascii_is_digit(c) ? c : ascii_lower(c);
	return ascii_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode_q(const struct parsed *parsed, struct bytes *out)
{
	const char *at = parsed->payload, *end = at + parsed->payload_size;

	for (; at < end; at++) {
		char c = *at == '_' ? ' ' : *at;

		if (c == '=' && end - at > 2 && hex(at[1]) >= 0 && hex(at[2]) >= 0) {
			c = (char)(hex(at[1]) * 16 + hex(at[2]));
			at += 2;
		}
		if (!bytes_append(out, &c, 1))
			return false;
	}
	return true;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool decode_b(const struct parsed *parsed, struct bytes *out)
{
	unsigned bits = 0, count = 0, padding = 0;

	for (size_t i = 0; i < parsed->payload_size; i++) {
		int value = base64_value(parsed->payload[i]);
		char c;

		/* what ends a group of four; behind it another may begin */
		if (parsed->payload[i] == '=' && (count == 4 || count == 2) &&
			(++padding == 2 || count == 2))
			bits = count = padding = 0;
		if (value < 0)
			continue;
		padding = 0;
		bits = bits << 6 | (unsigned)value;
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		c = (char)(bits >> count & 0xff);
		if (!bytes_append(out, &c, 1))
			return false;
	}
	return true;
}

bool encoded_word_decode(char encoding, const char *payload, size_t size, struct bytes *out)
{
	const struct parsed parsed = {.payload = payload, .payload_size = size};

	return encoding == 'b' ? decode_b(&parsed, out) : decode_q(&parsed, out);
}

/* ---- writing ---- */

static const char hex_digits[] = "0123456789ABCDEF";
static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool is_plain(char c, bool in_phrase)
{
	if (ascii_is_alnum(c) || (c != '\0' && strchr("!*+-/", c) != NULL))
		return true;
	return !in_phrase && c > ' ' && c < 0x7f && strchr("=?_\"", c) == NULL;
}

static size_t q_size(const char *at, size_t size, bool in_phrase)
{
	size_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += at[i] == ' ' || is_plain(at[i], in_phrase) ? 1 : 3;
	return sum;
}

static size_t b_size(size_t size)
{
	return (size + 2) / 3 * 4;
}

struct run {
	const char *charset;
	bool is_utf8, is_q, in_phrase;
};

static size_t encoded_size(const struct run *run, const char *at, size_t size)
{
	return run->is_q ? q_size(at, size, run->in_phrase) : b_size(size);
}

/* How many bytes of text fit into `room` encoded ones; whole characters. At least one character is taken. */
static size_t fitting(const struct run *run, const char *at, size_t size, size_t room)
{
	size_t taken = 0, used = 0;

	while (taken < size) {
		uint32_t code;
		size_t next = run->is_utf8 ? utf8_next(at + taken, size - taken, &code) : 1;

		next = next > 0 ? next : 1;
		used = run->is_q ? used + q_size(at + taken, next, run->in_phrase)
				 : b_size(taken + next);
		if (used > room && taken > 0)
			break;
		taken += next;
		if (used > room)
			break;
	}
	return taken;
}

static size_t put_q(char *out, const char *at, size_t size, bool in_phrase)
{
	char *to = out;

	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)at[i];

		if (c == ' ' || is_plain(at[i], in_phrase)) {
			*to++ = c == ' ' ? '_' : (char)c;
			continue;
		}
		*to++ = '=';
		*to++ = hex_digits[c >> 4];
		*to++ = hex_digits[c & 15];
	}
	return (size_t)(to - out);
}

static size_t put_b(char *out, const char *at, size_t size)
{
	const unsigned char *from = (const unsigned char *)at;
	char *to = out;

	for (size_t i = 0; i < size; i += 3) {
		unsigned bits = (unsigned)from[i] << 16;

		bits |= i + 1 < size ? (unsigned)from[i + 1] << 8 : 0;
		bits |= i + 2 < size ? from[i + 2] : 0;
		*to++ = base64_digits[bits >> 18];
		*to++ = base64_digits[bits >> 12 & 63];
		*to++ = i + 1 < size ? base64_digits[bits >> 6 & 63] : '=';
		*to++ = i + 2 < size ? base64_digits[bits & 63] : '=';
	}
	return (size_t)(to - out);
}

static void put_word(struct fold *fold, const struct run *run, const char *at, size_t size)
{
	char word[CHARSET_MAX + 2 * WORD_MAX];
	size_t length = 0, name = strlen(run->charset);

	word[0] = '=';
	word[1] = '?';
	memcpy(word + 2, run->charset, name);
	length = name + 2;
	word[length++] = '?';
	word[length++] = run->is_q ? 'Q' : 'B';
	word[length++] = '?';
	length += run->is_q ? put_q(word + length, at, size, run->in_phrase)
			    : put_b(word + length, at, size);
	word[length++] = '?';
	word[length++] = '=';
	fold_word(fold, word, length);
}

void encoded_word_write(
	struct fold *fold, const char *charset, bool in_phrase, const char *at, size_t size)
{
	struct run run = {charset, ascii_equals(charset, strlen(charset), "utf-8"),
		/* the shorter one; Q may be a little longer, since people can read it */
		q_size(at, size, in_phrase) * 3 <= b_size(size) * 4, in_phrase};
	size_t around = strlen(charset) + 7;
	bool is_begun = false;

	while (size > 0) {
		size_t before = fold->column + fold->blank_size + around;
		size_t room = before < LINE_MAX_2047 ? LINE_MAX_2047 - before : 0;
		size_t taken;

		if (room > WORD_MAX - around)
			room = WORD_MAX - around;
		/* a new line where this one takes next to nothing; between two words always */
		if (is_begun || (room < 16 && room < encoded_size(&run, at, size) &&
					fold->blank_size > 0 && fold->has_word)) {
			fold_line(fold);
			is_begun = false;
			continue;
		}
		taken = fitting(&run, at, size, room);
		put_word(fold, &run, at, taken);
		at += taken;
		size -= taken;
		is_begun = true;
	}
}

void encoded_word_again(struct fold *fold, bool in_phrase, const char *at, size_t size)
{
	struct bytes decoded = {0};
	char charset[CHARSET_MAX + 1];
	struct parsed parsed;

	if (!parse(at, size, &parsed) || (size <= ENCODED_WORD_LONG && !has_eightbit(at, size))) {
		fold_word(fold, at, size);
		return;
	}
	memcpy(charset, parsed.charset, parsed.charset_size);
	charset[parsed.charset_size] = '\0';
	if (parsed.encoding == 'q' ? decode_q(&parsed, &decoded) : decode_b(&parsed, &decoded))
		encoded_word_write(fold, charset, in_phrase, (char *)decoded.data, decoded.size);
	else
		fold->has_failed = true;
	bytes_fini(&decoded);
}
