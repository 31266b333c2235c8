/*
 * fuzz_dotstream.c: message text: however the bytes are cut, the same text is stored, the same facts are found, and it ends
 * at the same byte: at the first CRLF.CRLF, nowhere else. What is stored holds no lone CR or LF, and a NUL only where it is
 * kept. Counted text (BDAT) has no end but the one it is given. Of an LF-only client's text a bare LF "." LF is the end where a
 * part ends with it, and only before the first CR.
 * The first byte of the input chooses.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "smtp/dotstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

enum { KEEPS_NUL = 1, COUNTED = 2, LF_ONLY = 4 }; /* above the bits of the step */

static bool store(void *owner, const void *bytes, size_t size)
{
	return bytes_append(owner, bytes, size);
}

/* Returns how much was taken. */
static size_t run(struct dotstream *stream, struct bytes *stored, unsigned how,
	const uint8_t *input, size_t size, size_t step)
{
	enum dotstream_progress progress = DOTSTREAM_MORE;
	size_t at = 0;

	*stored = (struct bytes){0};
	dotstream_init(stream, UINT64_MAX, store, stored);
	stream->keeps_nul = (how & KEEPS_NUL) != 0;
	stream->lf_only = (how & LF_ONLY) != 0;
	if (how & COUNTED)
		dotstream_count(stream);
	while (progress == DOTSTREAM_MORE && at < size) {
		size_t part = size - at < step ? size - at : step, taken;

		progress = dotstream_next(stream, input + at, part, &taken);
		if (taken > part || (progress == DOTSTREAM_MORE && taken != part))
			abort();
		at += taken;
	}
	return at;
}

static void check_canonical(const struct bytes *stored, bool may_hold_nul)
{
	for (size_t i = 0; i < stored->size; i++) {
		uint8_t byte = stored->data[i];

		if (byte == '\0' && !may_hold_nul)
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

/* An LF-only client's end depends on the cut: only where it is, and what was stored, can be checked. */
static void check_lf_only(const uint8_t *input, size_t size, unsigned how, size_t step)
{
	struct dotstream stream;
	struct bytes stored;
	size_t taken = run(&stream, &stored, how, input, size, step);

	check_canonical(&stored, (how & KEEPS_NUL) != 0);
	if (stream.state == DOTSTREAM_LF_ENDED) {
		if (memchr(input, '\r', taken) != NULL || taken < 2 ||
			memcmp(input + taken - 2, ".\n", 2) != 0 ||
			(taken > 2 && input[taken - 3] != '\n') ||
			(taken % step != 0 && taken != size))
			abort();
	} else {
		check_end(&stream, input, size, taken);
	}
	bytes_fini(&stored);
}

static void check_counted(const uint8_t *input, size_t size, unsigned how, size_t step)
{
	struct dotstream whole, cut;
	struct bytes whole_stored, cut_stored;

	if (run(&whole, &whole_stored, how, input, size, SIZE_MAX) != size ||
		run(&cut, &cut_stored, how, input, size, step) != size)
		abort();
	if (dotstream_finish(&whole) != dotstream_finish(&cut) || whole.sent_bytes != size)
		abort();
	check_same(&whole, &cut);
	check_canonical(&whole_stored, (how & KEEPS_NUL) != 0);
	if ((!whole.has_nul || whole.keeps_nul) &&
		(whole_stored.size != cut_stored.size ||
			(whole_stored.size > 0 && memcmp(whole_stored.data, cut_stored.data,
							  whole_stored.size) != 0)))
		abort();
	if (whole_stored.size > 0 && whole_stored.data[whole_stored.size - 1] != '\n' &&
		(!whole.has_nul || whole.keeps_nul))
		abort();
	bytes_fini(&whole_stored);
	bytes_fini(&cut_stored);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct dotstream whole, cut;
	struct bytes whole_stored, cut_stored;
	size_t step, whole_taken, cut_taken;
	unsigned how;

	if (size == 0)
		return 0;
	step = 1 + input[0] % 7;
	how = input[0] >> 5;
	if (how & COUNTED) {
		check_counted(input + 1, size - 1, how & ~(unsigned)LF_ONLY, step);
		return 0;
	}
	if (how & LF_ONLY) {
		check_lf_only(input + 1, size - 1, how, step);
		return 0;
	}
	whole_taken = run(&whole, &whole_stored, how, input + 1, size - 1, SIZE_MAX);
	cut_taken = run(&cut, &cut_stored, how, input + 1, size - 1, step);
	check_end(&whole, input + 1, size - 1, whole_taken);
	check_canonical(&whole_stored, whole.keeps_nul);
	check_same(&whole, &cut);
	if (whole_taken != cut_taken)
		abort();
	/* behind a NUL the text is dropped, by whole runs */
	if ((!whole.has_nul || whole.keeps_nul) &&
		(whole_stored.size != cut_stored.size ||
			(whole_stored.size > 0 && memcmp(whole_stored.data, cut_stored.data,
							  whole_stored.size) != 0)))
		abort();
	bytes_fini(&whole_stored);
	bytes_fini(&cut_stored);
	return 0;
}
