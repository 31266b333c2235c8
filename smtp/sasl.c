#include "smtp/sasl.h"

#include <openssl/evp.h>
#include <string.h>

#include "core/ascii.h"
#include "core/utf8.h"
#include "smtp/auth.h"

static const char *const names[SASL_MECHANISM_COUNT] = {
	[SASL_PLAIN] = "PLAIN",
	[SASL_LOGIN] = "LOGIN",
};

const char *sasl_mechanism_name(enum sasl_mechanism mechanism)
{
	return names[mechanism];
}

bool sasl_mechanism_find(const char *text, size_t size, enum sasl_mechanism *out)
{
	for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++) {
		if (!ascii_equals(text, size, names[i]))
			continue;
		*out = (enum sasl_mechanism)i;
		return true;
	}
	return false;
}

/* OpenSSL passes over blanks, and ends at "-": what is not base64 is found here. */
static bool is_base64(const char *text, size_t size)
{
	size_t padding = 0;

	if (size % 4 != 0)
		return false;
	while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < size - padding; i++)
		if (!ascii_is_alnum(text[i]) && text[i] != '+' && text[i] != '/')
			return false;
	return true;
}

ssize_t sasl_decode(const char *text, size_t size, char *out)
{
	int got = 0;

	if (size > SASL_LINE_BYTES || !is_base64(text, size))
		return -1;
	if (size > 0)
		got = EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text, (int)size);
	if (got < 0)
		return -1;
	/* what the padding stands for is counted */
	for (size_t i = size; i > 0 && text[i - 1] == '='; i--)
		got--;
	out[got] = '\0';
	return got;
}

#define FIELDS_MAX 5 /* one more than any form has */

struct sasl_field {
	const char *at;
	size_t size;
};

/* What stands between NULs. */
static size_t split(const char *message, size_t size, struct sasl_field *fields)
{
	const char *at = message, *end = message + size;
	size_t count = 0;

	while (count < FIELDS_MAX) {
		fields[count].at = at;
		fields[count].size = strnlen(at, (size_t)(end - at));
		at += fields[count++].size;
		if (at == end)
			break;
		at++;
	}
	return count;
}

static bool is_same(const struct sasl_field *a, const struct sasl_field *b)
{
	return a->size == b->size && memcmp(a->at, b->at, a->size) == 0;
}

enum sasl_fault sasl_plain_parse(
	const char *message, size_t size, bool lenient, struct sasl_plain *out)
{
	struct sasl_field fields[FIELDS_MAX];
	size_t count = split(message, size, fields), first = 1;
	bool ends_in_nul = count > 2 && fields[count - 1].size == 0 && lenient;

	*out = (struct sasl_plain){0};
	/* name NUL password, and a NUL that may stand behind it: no password is empty */
	if (lenient && (count == 2 || (count == 3 && ends_in_nul && fields[0].size > 0 &&
					      !is_same(&fields[0], &fields[1]))))
		first = 0;
	else if (count != 3 && !(count == 4 && ends_in_nul))
		return SASL_MALFORMED;
	out->name = fields[first].at;
	out->name_size = fields[first].size;
	out->password = fields[first + 1].at;
	out->password_size = fields[first + 1].size;
	out->odd = first == 0 || count == 4 || fields[0].size > 0;
	if (first == 1 && fields[0].size > 0 && !is_same(&fields[0], &fields[1]))
		return SASL_OTHER_NAME;
	return SASL_SOUND;
}

bool sasl_is_name(const char *text, size_t size)
{
	uint32_t code;
	size_t length;

	if (size == 0 || size >= AUTH_NAME_SIZE)
		return false;
	for (; size > 0; text += length, size -= length) {
		length = utf8_next(text, size, &code);
		if (length == 0 || utf8_is_control(code))
			return false;
	}
	return true;
}
