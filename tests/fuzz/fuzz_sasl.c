/*
 * fuzz_sasl.c: the input as base64 and as PLAIN's message: what is read is base64 and nothing else, and what is found stands
 * within the message, without a NUL; what a strict listener takes a lenient one takes alike.
 */
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* Written again it is the same, but for bits that mean nothing in the last letter. */
static void check_base64(const char *text, size_t size)
{
	static char out[SASL_BYTES], again[SASL_LINE_BYTES + 5];
	ssize_t got = sasl_decode(text, size, out);

	if (got < 0)
		return;
	if (out[got] != '\0' || (size_t)EVP_EncodeBlock((unsigned char *)again,
					(const unsigned char *)out, (int)got) != size)
		abort();
	if (size >= 4 && memcmp(again, text, size - 4) != 0)
		abort();
}

static void check_within(const char *message, size_t size, const char *field, size_t field_size)
{
	if (field < message || field + field_size > message + size ||
		memchr(field, '\0', field_size) != NULL)
		abort();
}

static void check_plain(const char *message, size_t size)
{
	struct sasl_plain strict, lenient;
	enum sasl_fault fault = sasl_plain_parse(message, size, true, &lenient);

	if (fault != SASL_MALFORMED) {
		check_within(message, size, lenient.name, lenient.name_size);
		check_within(message, size, lenient.password, lenient.password_size);
	}
	if (sasl_plain_parse(message, size, false, &strict) != SASL_SOUND)
		return;
	if (fault != SASL_SOUND || strict.name != lenient.name ||
		strict.password != lenient.password)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char *message;

	if (size > SASL_LINE_BYTES)
		return 0;
	message = malloc(size + 1);
	if (message == NULL)
		return 0;
	if (size > 0)
		memcpy(message, input, size);
	message[size] = '\0';
	check_base64(message, size);
	if (size < SASL_BYTES)
		check_plain(message, size);
	sasl_is_name(message, size);
	free(message);
	return 0;
}
