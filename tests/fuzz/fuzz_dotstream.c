/*
 * fuzz_dotstream.c: message text: however the bytes are cut, the same text is stored, the same facts are found, and it ends
 * at the same byte: at the first CRLF.CRLF, nowhere else. What is stored holds no NUL and no lone CR or LF.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "smtp/dotstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static bool store(void *owner, const void *bytes, size_t size)
{
	return bytes_append(owner, bytes, size);
}

/* Returns how much was taken. */
static size_t run(struct dotstream *stream, struct bytes *stored, const uint8_t *input, size_t size,
	size_t step)
{
	enum dotstream_progress progress = DOTSTREAM_MORE;
	size_t at = 0;

	*stored = (struct bytes){0};
	dotstream_init(stream, UINT64_MAX, store, stored);
	while (progress == DOTSTREAM_MORE && at < size) {
		size_t part = size - at < step ? size - at : step, taken;

		progress = dotstream_next(stream, input + at, part, &taken);
		if (taken > part || (progress == DOTSTREAM_MORE && taken != part))
			abort();
		at += taken;
	}
	return at;
}

static void check_canonical(const struct bytes *stored)
{
	for (size_t i = 0; i < stored->size; i++) {
		uint8_t byte = stored->data[i];

		if (byte == '\0')
			abort();
		if (byte == '\r' && i + 1 < stored->size && stored->data[i + 1] != '\n')
			abort();
		if (byte == '\n' && (i == 0 || stored->data[i - 1] != '\r'))
			abort();
	}
}

static void check_end(
	const struct dotstream *stream, const uint8_t *input, size_t size, size_t taken)
{
	const uint8_t *end = NULL;
	size_t wanted = 0;

	if (size >= 3 && memcmp(input, ".\r\n", 3) == 0)
		wanted = 3;
	else if ((end = memmem(input, size, "\r\n.\r\n", 5)) != NULL)
		wanted = (size_t)(end - input) + 5;
	if ((stream->state == DOTSTREAM_ENDED) != (wanted != 0))
		abort();
	if (taken != (wanted != 0 ? wanted : size))
		abort();
}

static void check_same(const struct dotstream *a, const struct dotstream *b)
{
	if (a->state != b->state || a->sent_bytes != b->sent_bytes ||
		a->received_fields != b->received_fields || a->has_eightbit != b->has_eightbit ||
		a->has_nul != b->has_nul || a->has_dots != b->has_dots ||
		a->has_long_lines != b->has_long_lines || a->has_lone_lf != b->has_lone_lf ||
		a->has_lone_cr != b->has_lone_cr || a->header_ended != b->header_ended)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct dotstream whole, cut;
	struct bytes whole_stored, cut_stored;
	size_t step, whole_taken, cut_taken;

	if (size == 0)
		return 0;
	step = 1 + input[0] % 7;
	whole_taken = run(&whole, &whole_stored, input + 1, size - 1, SIZE_MAX);
	cut_taken = run(&cut, &cut_stored, input + 1, size - 1, step);
	check_end(&whole, input + 1, size - 1, whole_taken);
	check_canonical(&whole_stored);
	check_same(&whole, &cut);
	if (whole_taken != cut_taken)
		abort();
	/* behind a NUL the text is dropped, by whole runs */
	if (!whole.has_nul &&
		(whole_stored.size != cut_stored.size ||
			(whole_stored.size > 0 && memcmp(whole_stored.data, cut_stored.data,
							  whole_stored.size) != 0)))
		abort();
	bytes_fini(&whole_stored);
	bytes_fini(&cut_stored);
	return 0;
}
