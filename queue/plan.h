/*
 * plan.h: how a stored text is to be repaired: a list of edits by byte offset, made at intake, applied by queue/reader.
 *
 * The store keeps what the client sent (with canonical line ends and our Received field in front). What everybody
 * downstream reads is that text with the plan applied; what no edit names is copied. A message without a plan is copied
 * through. A plan travels in the envelope's record as bytes (plan_encode).
 *
 * Offsets count from the first byte of the stored text, trace included. Edits stand in order of `at`, those of one offset
 * in the order in which they were added; ranges of edits that apply together do not overlap. An insertion (a PLAN_REPLACE of
 * an empty range) may stand at a range's start, before or behind what becomes of it, by that order.
 *
 * Some edits apply only when the text goes to an upstream without 8BITMIME (RFC 6152 3): whoever reads for one says so,
 * all others read without.
 *
 * Threads: the owner's. Owner: plan_fini frees. Zero-initialised is empty and valid.
 * Errors: false without memory, or over PLAN_BYTES_MAX encoded.
 */
#ifndef SLUICE_QUEUE_PLAN_H
#define SLUICE_QUEUE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/bytes.h"

#define PLAN_BYTES_MAX ((size_t)256 << 10)

enum plan_act {
	PLAN_REPLACE = 1, /* `text` stands in place of the range; either may be empty */
	PLAN_STRIP = 2, /* the range without its NULs */
	PLAN_CUT_BASE64 =
		3, /* the range is base64: its lines over 998 bytes are cut into lines of 76 */
	PLAN_CUT_QUOTED =
		4, /* the range is quoted-printable: 8-bit in it becomes "=XX", its lines over 998 bytes get soft breaks */
	PLAN_FOLD =
		5, /* lines over 998 bytes are broken by CRLF and a space, at a blank where there is one (RFC 5322 2.2.3) */
	PLAN_QUOTED_PRINTABLE =
		6, /* the range's text, without NULs, encoded (RFC 2045 6.7); CRLFs are line breaks */
	PLAN_BASE64 = 7, /* the range's bytes as they are, encoded (RFC 2045 6.8) in lines of 76 */
};

enum plan_when {
	PLAN_ALWAYS = 0,
	PLAN_EIGHTBIT = 1, /* only when the text may stay 8-bit */
	PLAN_SEVENBIT = 2, /* only when it must not */
};

struct plan_edit {
	uint64_t at, size; /* the stored range */
	enum plan_act act;
	enum plan_when when;
	uint32_t text_at, text_size; /* PLAN_REPLACE's text: a part of plan.text */
	uint32_t order; /* how many were added before it */
};

struct plan {
	struct plan_edit *edits;
	size_t count, room;
	struct bytes text;
	size_t encoded_bound; /* what its edits take encoded, at most */
};

void plan_fini(struct plan *plan);

/* `text` is copied. In any order; plan_sort brings them into theirs. */
bool plan_add(struct plan *plan, enum plan_act act, enum plan_when when, uint64_t at, uint64_t size,
	const void *text, size_t text_size) __attribute__((warn_unused_result));
void plan_sort(struct plan *plan);

/* Only the first `count` that were added; before plan_sort. */
void plan_keep(struct plan *plan, size_t count);

/* Appends the plan, sorted, as bytes. */
bool plan_encode(const struct plan *plan, struct bytes *out) __attribute__((warn_unused_result));
/* 0, -EBADMSG, -ENOMEM (`out` is then empty). Checks all that reading relies on: order, overlaps, that no range ends behind
 * `text_bytes`. */
int plan_decode(const void *encoded, size_t size, uint64_t text_bytes, struct plan *out);

#endif
