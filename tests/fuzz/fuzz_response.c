/*
 * fuzz_response.c: replies of an upstream: however the bytes are cut, the same replies come out, each one clean line.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void check(const struct response *response, enum response_result result)
{
	if (result != RESPONSE_DONE)
		return;
	if (response->code < 200 || response->code > 599)
		abort();
	if (strlen(response->text) < 3 || strlen(response->text) >= RESPONSE_TEXT_SIZE)
		abort();
	for (const char *c = response->text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			abort();
}

/* One reply from `input`, in steps that the cut byte tells. */
static enum response_result next(
	struct response *response, const uint8_t *input, size_t size, size_t step, size_t *taken)
{
	enum response_result result = RESPONSE_MORE;

	*taken = 0;
	while (result == RESPONSE_MORE && *taken < size) {
		size_t part = size - *taken < step ? size - *taken : step, now = 0;

		result = response_parse(response, input + *taken, part, &now);
		if (now > part || (result == RESPONSE_MORE && now != part))
			abort();
		*taken += now;
	}
	check(response, result);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct response whole, cut;
	size_t step;

	if (size == 0)
		return 0;
	step = 1 + input[0] % 7;
	input++;
	size--;
	response_init(&whole);
	response_init(&cut);
	while (size > 0) {
		size_t whole_taken, cut_taken;
		enum response_result whole_result =
			next(&whole, input, size, SIZE_MAX, &whole_taken);
		enum response_result cut_result = next(&cut, input, size, step, &cut_taken);

		if (whole_result != cut_result)
			abort();
		if (whole_result != RESPONSE_DONE)
			return 0;
		if (whole_taken != cut_taken || whole.code != cut.code ||
			strcmp(whole.text, cut.text) != 0 || strcmp(whole.status, cut.status) != 0)
			abort();
		input += whole_taken;
		size -= whole_taken;
	}
	return 0;
}
