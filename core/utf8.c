#include "core/utf8.h"

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
	const uint8_t *at = text, *end = at + size;
	uint32_t code;
	size_t taken;

	for (; at < end; at += taken) {
		taken = *at < 0x80 ? 1 : utf8_next(at, (size_t)(end - at), &code);
		if (taken == 0)
			return false;
	}
	return true;
}

bool utf8_is_control(uint32_t code)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0x00, 0x1f}, /* C0 */
		{0x7f, 0x9f}, /* DEL, C1 */
		{0xad, 0xad}, /* soft hyphen */
		{0x200b, 0x200f}, /* zero width, direction marks */
		{0x2028, 0x202e}, /* line ends, direction overrides */
		{0x2060, 0x206f}, /* invisible operators, direction isolates */
		{0xfeff, 0xfeff}, /* byte order mark */
		{0xe0000, 0xe0fff}, /* tags */
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	}
	return false;
}
