#include "core/utf8.h"

#include <string.h>

/* By the first byte's range: how long the character is, its payload bits, and the least code of that length. */
static const struct form {
	uint8_t first, last;
	uint8_t size;
	uint8_t payload;
	uint32_t least;
} forms[] = {
	{0x00, 0x7f, 1, 0x7f, 0},
	{0xc2, 0xdf, 2, 0x1f, 0x80},
	{0xe0, 0xef, 3, 0x0f, 0x800},
	{0xf0, 0xf4, 4, 0x07, 0x10000},
};

static const struct form *find_form(uint8_t first)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (first >= forms[i].first && first <= forms[i].last)
			return &forms[i];
	}
	return NULL;
}

size_t utf8_next(const void *text, size_t size, uint32_t *code)
{
	const uint8_t *bytes = text;
	const struct form *form = find_form(bytes[0]);
	uint32_t value;

	if (form == NULL || form->size > size)
		return 0;
	value = bytes[0] & form->payload;
	for (size_t i = 1; i < form->size; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (bytes[i] & 0x3f);
	}
	if (value < form->least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*code = value;
	return form->size;
}

bool utf8_is_valid(const void *text, size_t size)
{
	const uint8_t *at = text, *end = size > 0 ? at + size : at; /* nothing may be NULL */
	uint32_t code;
	size_t taken;

	for (; at < end; at += taken) {
		taken = *at < 0x80 ? 1 : utf8_next(at, (size_t)(end - at), &code);
		if (taken == 0)
			return false;
	}
	return true;
}

/* 64 bytes at a time: every byte of every message passes here, twice. */
bool utf8_has_eightbit(const void *text, size_t size)
{
	typedef uint64_t words __attribute__((vector_size(16), aligned(1), may_alias));
	const char *at = text;
	words seen = {0, 0};
	uint64_t rest = 0, word;

	for (; size >= 4 * sizeof(words); at += 4 * sizeof(words), size -= 4 * sizeof(words)) {
		const words *four = (const words *)at;

		seen |= (four[0] | four[1]) | (four[2] | four[3]);
	}
	for (; size >= sizeof(word); at += sizeof(word), size -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		rest |= word;
	}
	for (; size > 0; at++, size--)
		rest |= (uint8_t)*at;
	return ((seen[0] | seen[1] | rest) & UINT64_C(0x8080808080808080)) != 0;
}

struct range {
	uint32_t first, last;
};

static bool is_within(const struct range *ranges, size_t count, uint32_t code)
{
	for (size_t i = 0; i < count; i++) {
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	}
	return false;
}

bool utf8_is_control(uint32_t code)
{
	static const struct range ranges[] = {
		{0x00, 0x1f}, /* C0 */
		{0x7f, 0x9f}, /* DEL, C1 */
		{0xad, 0xad}, /* soft hyphen */
		{0x200b, 0x200f}, /* zero width, direction marks */
		{0x2028, 0x202e}, /* line ends, direction overrides */
		{0x2060, 0x206f}, /* invisible operators, direction isolates */
		{0xfeff, 0xfeff}, /* byte order mark */
		{0xe0000, 0xe0fff}, /* tags */
	};

	return is_within(ranges, sizeof(ranges) / sizeof(ranges[0]), code);
}

bool utf8_is_invisible(uint32_t code)
{
	static const struct range ranges[] = {
		{0x34f, 0x34f}, /* grapheme joiner */
		{0x61c, 0x61c}, /* Arabic letter mark */
		{0x115f, 0x1160}, /* Hangul fillers */
		{0x17b4, 0x17b5}, /* Khmer inherent vowels */
		{0x180b, 0x180f}, /* Mongolian variation selectors */
		{0x3164, 0x3164}, /* Hangul filler */
		{0xfe00, 0xfe0f}, /* variation selectors */
		{0xffa0, 0xffa0}, /* Hangul filler of half width */
		{0xfff9, 0xfffb}, /* interlinear annotation */
		{0x1bca0, 0x1bca3}, /* shorthand format */
		{0x1d173, 0x1d17a}, /* musical format */
	};

	return utf8_is_control(code) || is_within(ranges, sizeof(ranges) / sizeof(ranges[0]), code);
}
