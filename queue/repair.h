/*
 * repair.h: applies a plan (plan.h) to a text that goes by.
 *
 *   1. repair_init decodes the plan and says which way it is read: edits of the other way are left out.
 *   2. repair_run is given what comes next of the stored text, in any portions, and room for what becomes of it. It takes
 *      as much as it can use and writes as much as there is room for; what came out does not depend on the portions.
 *   3. When all of the text was taken, it is run until repair_is_done.
 *
 * What an edit does not name is copied, run by run. All acts but PLAN_REPLACE and PLAN_BASE64 drop NULs.
 *   STRIP             only that.
 *   FOLD              a line over 998 bytes is broken before its last blank within them, else behind 998 bytes (never within
 *                     a UTF-8 character), where a space begins the next line.
 *   CUT_BASE64        a line over 998 bytes comes out in lines of 76.
 *   CUT_QUOTED        8-bit becomes "=XX"; a line that is then over 998 bytes comes out in lines of at most 76 with soft
 *                     breaks, none within "=XX".
 *   QUOTED_PRINTABLE  lines of at most 76. CRLF stays a line break; blanks before one or at the range's end are encoded.
 *   BASE64            lines of 76, each with its CRLF, the last one too.
 * A range begins a line. Ranges of different edits know nothing of each other.
 *
 * Threads: the owner's. Owner: repair_fini frees. Cost: about 1.2 KiB and the plan.
 * Errors: repair_init's are plan_decode's. Limits: none of its own; memory does not grow with the text.
 */
#ifndef SLUICE_QUEUE_REPAIR_H
#define SLUICE_QUEUE_REPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/plan.h"

#define REPAIR_LINE_MAX 998 /* RFC 5322 2.1.1 */
#define REPAIR_ROOM_MIN 4096 /* with less room nothing is written */
#define REPAIR_HELD_MAX (REPAIR_LINE_MAX + 2)

struct repair {
	struct plan plan;
	enum plan_when without; /* edits for the other way */
	uint64_t position, text_bytes; /* taken of the stored text, and all of it */
	size_t next; /* edit */
	bool in_edit;
	uint64_t left; /* of the range in hand, not taken yet */
	size_t put; /* of PLAN_REPLACE's text, written */
	size_t column; /* of a quoted-printable line */
	bool cutting; /* the line in hand was too long */
	size_t held_size; /* taken, not written yet */
	uint8_t held[REPAIR_HELD_MAX];
};

/* `sevenbit`: for an upstream without 8BITMIME. After an error there is nothing to fini. */
int repair_init(struct repair *repair, const void *encoded, size_t size, uint64_t text_bytes,
	bool sevenbit);
void repair_fini(struct repair *repair);

/* From *from up to from_end into *to up to to_end; both are moved. */
void repair_run(struct repair *repair, const uint8_t **from, const uint8_t *from_end, uint8_t **to,
	const uint8_t *to_end);
bool repair_is_done(const struct repair *repair);

/* About how large the text becomes; only what quoted-printable adds is guessed. */
uint64_t repair_estimate(const struct repair *repair);

#endif
