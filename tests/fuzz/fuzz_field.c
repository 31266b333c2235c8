/*
 * fuzz_field.c: a header field's value, of any kind: what is written is folded, has no NUL, no lone CR or LF, no line over
 * 998 bytes and nothing 8-bit that could be taken away; what was written once is not written anew.
 * And whatever is in it, values of printable ASCII without a syntax of their own stay.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "queue/field.h"

#define NOW_MS UINT64_C(1795381697000)

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void check_lines(const struct bytes *out, bool may_be_eightbit)
{
	size_t line = 100;

	for (size_t i = 0; i < out->size; i++) {
		const uint8_t *at = out->data + i;

		if (*at == '\0' || (*at >= 0x80 && !may_be_eightbit) || ++line > 998)
			abort();
		if (*at != '\r' && *at != '\n')
			continue;
		if (*at == '\n' || out->size - i < 3 || at[1] != '\n' ||
			(at[2] != ' ' && at[2] != '\t'))
			abort();
		i++;
		line = 0;
	}
}

static int repair(enum field_kind kind, const void *value, size_t size,
	const struct field_terms *terms, bool *address_eightbit, struct quirk_set *found,
	struct bytes *out)
{
	*found = (struct quirk_set){{0, 0}};
	*address_eightbit = false;
	return field_repair(kind, value, size, terms, NOW_MS, found, address_eightbit, out);
}

static void check_repair(
	enum field_kind kind, const uint8_t *value, size_t size, const struct field_terms *terms)
{
	struct bytes out = {0}, again = {0};
	bool address_eightbit, again_eightbit;
	struct quirk_set found;
	int done = repair(kind, value, size, terms, &address_eightbit, &found, &out);

	if (done < 0 || (done == 0 && (out.size != 0 || !quirk_set_is_empty(&found))) ||
		(done == 1 && quirk_set_is_empty(&found)))
		abort();
	check_lines(&out, terms->smtputf8 || address_eightbit);
	if (done == 1 && out.size > 0) {
		if (repair(kind, out.data, out.size, terms, &again_eightbit, &found, &again) != 0)
			abort();
		if (field_fold(kind, 98, out.data, out.size, &again) != 0)
			abort();
	}
	bytes_fini(&out);
	bytes_fini(&again);
}

static void check_fold(enum field_kind kind, const uint8_t *value, size_t size)
{
	struct bytes out = {0}, again = {0};

	/* a NUL is for field_repair */
	if (memchr(value, '\0', size) == NULL && field_fold(kind, 10, value, size, &out) == 1) {
		check_lines(&out, true);
		if (field_fold(kind, 10, out.data, out.size, &again) != 0)
			abort();
	}
	bytes_fini(&out);
	bytes_fini(&again);
}

static void check_reading(const uint8_t *value, size_t size)
{
	char out[128];
	int length = field_parameter(value, size, "boundary", out, sizeof(out));
	int64_t unix_s;

	if (length >= (int)sizeof(out) || (length >= 0 && strlen(out) != (size_t)length))
		abort();
	field_content_type(value, size, out, sizeof(out));
	field_date_parse(value, size, &unix_s);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static const char *const charsets[] = {"windows-1252", "utf-8", "", NULL};
	enum field_kind kind;
	struct field_terms terms;

	if (size < 2 || size > FIELD_BYTES_MAX)
		return 0;
	kind = input[0] % (FIELD_TOKENS + 1);
	terms = (struct field_terms){
		.charset = charsets[input[1] % 4],
		.domain = "example.edu",
		.smtputf8 = (input[1] & 8) != 0,
	};
	/* a DKIM-Signature stays, whatever it is */
	if (kind != FIELD_DKIM)
		check_repair(kind, input + 2, size - 2, &terms);
	check_fold(kind, input + 2, size - 2);
	check_reading(input + 2, size - 2);
	return 0;
}
