/*
 * fuzz_repair.c: a plan, made from the input's first part, applied to the rest of it. What comes out is the same in any
 * portions; what a plan does not name is unchanged; ranges come out canonical, and decode to what went in.
 *
 * The input: edits of 4 bytes (act and when, skip, size: 2) up to one whose act is 0, then the text; the first byte's upper
 * bits choose one act to try on all of the text, or, where that is short, all of them. One that begins with 255 is an encoded plan (its size in 2
 * bytes) and the text, as a damaged store would have them.
 */
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "queue/repair.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

#define SHORT_TEXT 256

struct text {
	const uint8_t *bytes;
	size_t size;
};

static void require(bool good)
{
	if (!good)
		abort();
}

/* ---- apply ---- */

/* Until nothing more comes of it. */
static void run(struct repair *repair, const uint8_t **from, const uint8_t *end, struct bytes *out)
{
	uint8_t room[REPAIR_ROOM_MIN + 100], *to;

	do {
		to = room;
		repair_run(repair, from, end, &to, room + sizeof(room));
		require(bytes_append(out, room, (size_t)(to - room)));
	} while (to - room > 100);
	require(*from == end);
}

static bool apply(const struct bytes *plan, struct text text, size_t portion, bool sevenbit,
	struct bytes *out)
{
	const uint8_t *from = text.bytes, *end = text.bytes + text.size;
	struct repair repair;

	if (repair_init(&repair, plan->data, plan->size, text.size, sevenbit) < 0)
		return false;
	run(&repair, &from, from, out);
	while (from < end) {
		size_t there = (size_t)(end - from);

		run(&repair, &from, from + (there < portion ? there : portion), out);
	}
	require(repair_is_done(&repair));
	repair_fini(&repair);
	return true;
}

/* Whole, and in portions: single bytes where the text is short, else odd ones. */
static bool apply_all(const struct bytes *plan, struct text text, bool sevenbit, struct bytes *out)
{
	static struct bytes again; /* kept: growing it each time would be most of the work */
	size_t portion = text.size <= SHORT_TEXT ? 1 : 23 + text.size % 64;

	if (!apply(plan, text, SIZE_MAX, sevenbit, out))
		return false;
	bytes_clear(&again);
	require(apply(plan, text, portion, sevenbit, &again));
	require(again.size == out->size &&
		(again.size == 0 || memcmp(again.data, out->data, again.size) == 0));
	return true;
}

/* ---- one range alone ---- */

static void require_short_lines(const struct bytes *out, size_t limit)
{
	size_t column = 0;

	for (size_t i = 0; i < out->size; i++) {
		column = out->data[i] == '\n' ? 0 : column + (out->data[i] != '\r');
		require(column <= limit);
	}
}

static bool has_bare_line_ends(struct text text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.bytes[i] == '\n' && (i == 0 || text.bytes[i - 1] != '\r'))
			return true;
		if (text.bytes[i] == '\r' && (i + 1 == text.size || text.bytes[i + 1] != '\n'))
			return true;
	}
	return false;
}

static void append_without(struct bytes *out, const uint8_t *bytes, size_t size, uint8_t without)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != without)
			require(bytes_append(out, bytes + i, 1));
}

static void require_same(const struct bytes *a, const struct bytes *b)
{
	require(a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0));
}

static unsigned digit(uint8_t byte)
{
	require((byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'F'));
	return byte <= '9' ? byte - 48u : byte - 55u;
}

/* RFC 2045 6.7; strictly, for what we wrote ourselves. */
static void decode_quoted(const struct bytes *from, struct bytes *out)
{
	for (size_t i = 0; i < from->size; i++) {
		uint8_t byte = from->data[i];

		require(byte <= '~');
		if (byte == '=' && i + 2 < from->size && from->data[i + 1] == '\r') {
			require(from->data[i + 2] == '\n');
			i += 2;
			continue;
		}
		if (byte == '=') {
			require(i + 2 < from->size);
			byte = (uint8_t)(digit(from->data[i + 1]) << 4 | digit(from->data[i + 2]));
			i += 2;
		} else if (byte == ' ' || byte == '\t') {
			require(i + 1 < from->size && from->data[i + 1] != '\r');
		}
		require(bytes_append(out, &byte, 1));
	}
}

static void decode_base64(const struct bytes *from, struct bytes *out)
{
	EVP_ENCODE_CTX *context = EVP_ENCODE_CTX_new();
	int size = 0, rest = 0;

	require(context != NULL && bytes_reserve(out, from->size + 64));
	EVP_DecodeInit(context);
	if (from->size > 0)
		require(EVP_DecodeUpdate(context, out->data, &size, from->data, (int)from->size) >=
			0);
	require(EVP_DecodeFinal(context, out->data + size, &rest) >= 0);
	out->size = (size_t)size + (size_t)rest;
	EVP_ENCODE_CTX_free(context);
}

/* Soft breaks out, and 8-bit escaped: "=XX" stays. */
static void join_quoted(const uint8_t *bytes, size_t size, struct bytes *out)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] > 127) {
			require(bytes_printf(out, "=%02X", bytes[i]));
			continue;
		}
		if (bytes[i] == '=' && i + 2 < size && bytes[i + 1] == '\r' && bytes[i + 2] == '\n')
			i += 2;
		else
			require(bytes_append(out, bytes + i, 1));
	}
}

static void append_unblank(struct bytes *out, const struct bytes *from)
{
	for (size_t i = 0; i < from->size; i++)
		if (strchr("\r\n ", from->data[i]) == NULL)
			require(bytes_append(out, from->data + i, 1));
}

static void check_range(enum plan_act act, struct text text)
{
	struct bytes plan = {0}, out = {0}, clean = {0}, back = {0}, meant = {0};
	struct plan made = {0};
	bool canonical = !has_bare_line_ends(text);

	require(plan_add(&made, act, PLAN_ALWAYS, 0, text.size, NULL, 0) &&
		plan_encode(&made, &plan) && apply_all(&plan, text, false, &out));
	append_without(&clean, text.bytes, text.size, '\0');
	if (act == PLAN_BASE64) {
		require_short_lines(&out, 76);
		decode_base64(&out, &back);
		require(back.size == text.size &&
			(text.size == 0 || memcmp(back.data, text.bytes, text.size) == 0));
	} else if (act == PLAN_QUOTED_PRINTABLE) {
		require_short_lines(&out, 76);
		decode_quoted(&out, &back);
		require_same(&back, &clean);
	} else if (act == PLAN_STRIP) {
		require_same(&out, &clean);
	} else {
		require(out.size == 0 || memchr(out.data, '\0', out.size) == NULL);
		if (canonical)
			require_short_lines(&out, REPAIR_LINE_MAX);
		if (act == PLAN_CUT_QUOTED) {
			for (size_t i = 0; i < out.size; i++)
				require(out.data[i] < 128);
			join_quoted(out.data, out.size, &back);
			join_quoted(clean.data, clean.size, &meant);
		} else {
			append_unblank(&back, &out);
			append_unblank(&meant, &clean);
		}
		require_same(&back, &meant);
	}
	plan_fini(&made);
	bytes_fini(&plan);
	bytes_fini(&out);
	bytes_fini(&clean);
	bytes_fini(&back);
	bytes_fini(&meant);
}

/* ---- plans ---- */

static void check_plan(const struct bytes *plan, struct text text)
{
	for (int sevenbit = 0; sevenbit < 2; sevenbit++) {
		struct bytes out = {0};

		(void)apply_all(plan, text, sevenbit, &out);
		bytes_fini(&out);
	}
}

static void check_encoded(const uint8_t *input, size_t size)
{
	size_t plan_size = size > 2 ? (size_t)input[1] << 8 | input[2] : 0;
	struct bytes plan = {0};

	if (size < 3 || plan_size > size - 3)
		return;
	require(bytes_append(&plan, input + 3, plan_size));
	check_plan(&plan, (struct text){input + 3 + plan_size, size - 3 - plan_size});
	bytes_fini(&plan);
}

/* Returns the text behind the edits. */
static struct text make_plan(struct plan *plan, const uint8_t *input, size_t size)
{
	uint64_t at = 0;

	while (size >= 4 && (input[0] & 7) != 0) {
		size_t range = (size_t)input[2] << 8 | input[3];

		at += input[1];
		require(plan_add(plan, (enum plan_act)(input[0] & 7), (input[0] >> 3 & 3) % 3, at,
			range, input, 4));
		at += range;
		input += 4;
		size -= 4;
	}
	return (struct text){input, size};
}

static void check_empty(struct text text)
{
	struct bytes plan = {0}, out = {0};

	require(bytes_append(&plan, "\x01", 1) && apply_all(&plan, text, false, &out));
	require(out.size == text.size &&
		(text.size == 0 || memcmp(out.data, text.bytes, text.size) == 0));
	bytes_fini(&plan);
	bytes_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct bytes encoded = {0};
	struct plan plan = {0};
	struct text text;

	if (size > 0 && input[0] == 255) {
		check_encoded(input, size);
		return 0;
	}
	text = make_plan(&plan, input, size);
	require(plan_encode(&plan, &encoded));
	check_plan(&encoded, text);
	check_empty(text);
	for (unsigned act = PLAN_STRIP; act <= PLAN_BASE64; act++)
		if (size == 0 || (input[0] < 32 && text.size <= SHORT_TEXT) || input[0] / 32 == act)
			check_range((enum plan_act)act, text);
	plan_fini(&plan);
	bytes_fini(&encoded);
	return 0;
}
