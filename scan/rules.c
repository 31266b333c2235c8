#include "scan/rules.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The test string in halves that are put together at run time, so that neither this file nor the program is taken for
 * a virus.
 */
static const char first_half[] = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$";
static const char second_half[] = "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";

#define FIRST_SIZE   (sizeof(first_half) - 1)
#define PATTERN_SIZE (FIRST_SIZE + sizeof(second_half) - 1)

/* The last bytes of a stream, in which a pattern may have begun. */
struct window {
	uint8_t bytes[PATTERN_SIZE - 1];
	size_t size;
};

/*
 * Base64 as it comes by. OpenSSL's decoder keeps up to 64 characters back and gives up at the first odd one; this one
 * does neither.
 */
struct base64 {
	uint64_t bits;
	unsigned bit_count;
	bool spoiled; /* the rest of this line is no base64 */
	bool line_is_empty;
};

struct rules {
	uint8_t pattern[PATTERN_SIZE];
	int8_t values[256]; /* of base64's characters; -1: none */
	struct window plain, decoded;
	struct base64 base64;
	bool found;
};

#define BASE64_PAD    64
#define DECODED_BYTES 768 /* at a time */

static void make_pattern(struct rules *rules)
{
	memcpy(rules->pattern, first_half, FIRST_SIZE);
	memcpy(rules->pattern + FIRST_SIZE, second_half, sizeof(second_half) - 1);
}

static void make_values(struct rules *rules)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	memset(rules->values, -1, sizeof(rules->values));
	for (int i = 0; i < 64; i++)
		rules->values[(uint8_t)alphabet[i]] = (int8_t)i;
	rules->values['='] = BASE64_PAD;
}

static void *open_rules(void)
{
	struct rules *rules = calloc(1, sizeof(*rules));

	if (rules == NULL)
		return NULL;
	make_pattern(rules);
	make_values(rules);
	return rules;
}

static void keep_last(struct window *window, const uint8_t *bytes, size_t size)
{
	size_t kept =
		sizeof(window->bytes) - size; /* of what was there, when `size` is less than all */

	if (size >= sizeof(window->bytes)) {
		memcpy(window->bytes, bytes + size - sizeof(window->bytes), sizeof(window->bytes));
		window->size = sizeof(window->bytes);
		return;
	}
	if (kept < window->size) {
		memmove(window->bytes, window->bytes + window->size - kept, kept);
		window->size = kept;
	}
	memcpy(window->bytes + window->size, bytes, size);
	window->size += size;
}

/* Looks for the pattern in what comes, and across the seam to what came before. */
static void look_at(struct rules *rules, struct window *window, const uint8_t *bytes, size_t size)
{
	uint8_t seam[2 * sizeof(window->bytes)];
	size_t head = size < sizeof(window->bytes) ? size : sizeof(window->bytes);

	if (rules->found || size == 0)
		return;
	memcpy(seam, window->bytes, window->size);
	memcpy(seam + window->size, bytes, head);
	rules->found = memmem(seam, window->size + head, rules->pattern, PATTERN_SIZE) != NULL ||
		       memmem(bytes, size, rules->pattern, PATTERN_SIZE) != NULL;
	keep_last(window, bytes, size);
}

/* What comes next is no part of the same base64. */
static void end_run(struct rules *rules)
{
	rules->base64.bit_count = 0;
	rules->decoded.size = 0;
}

/* Four characters at a time, while all of them are base64. Returns how many it took. */
static size_t decode_fours(
	struct rules *rules, const uint8_t *bytes, size_t size, uint8_t *out, size_t *out_size)
{
	struct base64 *base64 = &rules->base64;
	size_t taken;

	for (taken = 0; size - taken >= 4 && *out_size + 3 <= DECODED_BYTES; taken += 4) {
		const uint8_t *four = bytes + taken;
		uint8_t a = (uint8_t)rules->values[four[0]], b = (uint8_t)rules->values[four[1]];
		uint8_t c = (uint8_t)rules->values[four[2]], d = (uint8_t)rules->values[four[3]];

		if (((a | b | c | d) & ~63) != 0)
			break;
		base64->bits = base64->bits << 24 | (uint32_t)(a << 18 | b << 12 | c << 6 | d);
		for (unsigned shift = 24; shift > 0; shift -= 8)
			out[(*out_size)++] =
				(uint8_t)(base64->bits >> (base64->bit_count + shift - 8));
	}
	return taken;
}

/* Decodes up to the first character that is no base64. Returns how many it took. */
static size_t decode(struct rules *rules, const uint8_t *bytes, size_t size)
{
	struct base64 *base64 = &rules->base64;
	uint8_t out[DECODED_BYTES];
	size_t out_size = 0, taken = decode_fours(rules, bytes, size, out, &out_size);

	for (; taken < size && out_size < sizeof(out); taken++) {
		int8_t value = rules->values[bytes[taken]];

		if (value < 0)
			break;
		if (value == BASE64_PAD) {
			base64->bit_count = 0;
			continue;
		}
		base64->bits = base64->bits << 6 | (uint32_t)value;
		base64->bit_count += 6;
		if (base64->bit_count >= 8) {
			base64->bit_count -= 8;
			out[out_size++] = (uint8_t)(base64->bits >> base64->bit_count);
		}
	}
	look_at(rules, &rules->decoded, out, out_size);
	return taken;
}

static void look_into_base64(struct rules *rules, const uint8_t *bytes, size_t size)
{
	struct base64 *base64 = &rules->base64;

	for (size_t at = 0; at < size && !rules->found;) {
		size_t taken = base64->spoiled ? 0 : decode(rules, bytes + at, size - at);

		if (taken > 0) {
			base64->line_is_empty = false;
			at += taken;
		} else if (bytes[at] == '\n') {
			if (base64->spoiled || base64->line_is_empty)
				end_run(rules);
			base64->spoiled = false;
			base64->line_is_empty = true;
			at++;
		} else if (bytes[at] == '\r' && !base64->spoiled) {
			at++;
		} else {
			const uint8_t *end = memchr(bytes + at, '\n', size - at);

			base64->spoiled = true;
			at = end != NULL ? (size_t)(end - bytes) : size;
		}
	}
}

static int begin_rules(void *state)
{
	struct rules *rules = state;

	rules->found = false;
	rules->plain.size = rules->decoded.size = 0;
	rules->base64 = (struct base64){.line_is_empty = true};
	return 0;
}

static int feed_rules(void *state, const uint8_t *bytes, size_t size)
{
	struct rules *rules = state;

	look_at(rules, &rules->plain, bytes, size);
	look_into_base64(rules, bytes, size);
	return 0;
}

static int finish_rules(void *state, struct finding *finding)
{
	const struct rules *rules = state;

	finding->verdict = rules->found ? VERDICT_VIRUS : VERDICT_CLEAN;
	snprintf(finding->threat, sizeof(finding->threat), "%s", rules->found ? RULES_EICAR : "");
	return 0;
}

const struct hook rules_hook = {
	.name = "rules",
	.open = open_rules,
	.close = free,
	.begin = begin_rules,
	.feed = feed_rules,
	.finish = finish_rules,
};
