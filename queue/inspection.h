/*
 * inspection.h: looks at a message's text while it arrives, and says at its end what is wrong with it and how it is
 * repaired: quirks and a plan. RFC 5322, 2045, 2046, 2047.
 *
 *   1. inspection_open with what is known before the text. inspection_take gets the text as it is stored, behind our
 *      Received field, in any portions; it is read once, and nothing of the body is kept.
 *   2. Header fields are looked at one by one (queue/field.h); one longer than FIELD_BYTES_MAX is only folded.
 *   3. The MIME structure is followed (queue/mime.h): for each part its encoding, charset, whether it has 8-bit bytes, NULs
 *      or lines over 998 bytes.
 *   4. inspection_end adds what is missing and sorts the plan. No finding: no edit, and the text goes on byte for byte.
 * A text with a DKIM-Signature, or multipart/signed at its top, is `is_signed`: its plan is empty but for NULs.
 *
 *
 * How a part is encoded anew: text as quoted-printable, or base64 where more than a third is 8-bit; all else as base64. 8-bit in
 * what says base64: the label is taken for wrong, and for 7 bits made true; in quoted-printable it is escaped. A multipart that cannot be
 * followed (no boundary, none that comes, too deep, too many parts, a plan too large) is one part: where it must be encoded it
 * becomes application/octet-stream "message.eml", its Content-Type stays as X-Original-Content-Type. Preamble and epilogue
 * are folded, or written quoted-printable for 7 bits. Several To or Cc fields are left; of From, Sender, Reply-To, Subject,
 * Date, Message-ID, and of the MIME fields, the first counts, and others are renamed. A wrong Content-Length passes unseen.
 * A line counts as a delimiter that is one without its NULs, where these are taken away; none is over 263 bytes, NULs included.
 *
 * What may be repaired is the profile's affair (`repairs`); facts (8-bit, long lines) are found for all, and the edits for an
 * upstream without 8BITMIME are planned for all.
 *
 * Threads: the worker's. Owner: inspection_close. Cost: each byte is looked at by memchr for LF, and 8 at a time for the
 * eighth bit; about 2 KiB a message, and 120 bytes for each quirk in it.
 * Limits: MIME nesting and number of parts as mime.h; beyond them, or where the plan would be over PLAN_BYTES_MAX, the body
 * is treated as one. No input makes it fail but a lack of memory.
 */
#ifndef SLUICE_QUEUE_INSPECTION_H
#define SLUICE_QUEUE_INSPECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "queue/authors.h"
#include "queue/plan.h"
#include "queue/quirk.h"

enum inspection_repair {
	REPAIR_LINES = 1 << 0, /* over-long lines; header lines folded */
	REPAIR_MISSING = 1 << 1, /* Date, Message-ID, From are added */
	REPAIR_CONTENT = 1 << 2, /* all the rest: what only a fragile client gets wrong */
};

struct inspection_terms {
	uint64_t
		seed; /* of the hashes: one that clients do not know, so that they cannot make two texts meet */
	uint64_t
		base; /* the offset of the text's first byte in what is stored: the size of our trace */
	unsigned repairs; /* enum inspection_repair */
	bool hashes; /* content_hash is wanted */
	bool authors; /* whom From and Sender name is wanted; then the header's end is made plain too, so that no reader finds fields behind it */
	bool smtputf8; /* MAIL said SMTPUTF8: raw UTF-8 in header fields is well-formed (RFC 6532) */
	const char *
		domain; /* what an address without one gets; NULL: it is left. Lives as charset does */
	const char *
		charset; /* what 8-bit text that is not UTF-8 is taken for; lives as long as the inspection */
};

/* What is known at the end; for what is added. */
struct inspection_source {
	const char *reverse_path; /* "" is the null one */
	const char *hostname; /* ours: for Message-ID, and From where there is no reverse-path */
	const char *domain; /* the same: for From */
	const char
		*mailbox; /* of the client's grant: stands in a From that is missing; NULL: none */
	bool rewrites; /* From becomes the mailbox, and Sender; what was there is renamed */
	bool replies; /* … and where there is no Reply-To, goes there */
	bool is_nameless; /* the client may not use what would stand in a From that is missing: it names nobody */
	uint64_t id;
	uint64_t now_unix_ms;
};

#define INSPECTION_AUTHOR_SIZE 1024
#define INSPECTION_NOBODY      "unknown@unknown.invalid" /* RFC 2606 2 */

/* The address that stands in a From that is missing: the mailbox; else the reverse-path, with a domain; else our postmaster. Returns `out`. */
const char *inspection_author(
	const struct inspection_source *source, bool smtputf8, char out[INSPECTION_AUTHOR_SIZE]);

#define INSPECTION_EXAMPLE_BYTES 120

struct inspection_result {
	struct quirk_set quirks;
	struct bytes examples; /* see inspection_example */
	struct plan plan;
	bool is_signed;
	bool header_eightbit; /* raw 8-bit in a header field, that no edit always takes away */
	bool header_address_eightbit; /* with SMTPUTF8, in an address there: no encoding carries it (5.6.7). Without, it passes as it came, or with REPAIR_CONTENT becomes text */
	bool sevenbit_possible; /* with the PLAN_SEVENBIT edits the text is 7-bit */
	bool is_empty; /* not a byte of it */
	bool is_report; /* multipart/report (RFC 6522) */
	bool keeps_author; /* it could not be rewritten: its header is too large for a plan */
	bool is_bulk; /* Precedence: bulk, list or junk */
	bool has_list_unsubscribe; /* List-Unsubscribe (RFC 2369) */
	bool is_auto_submitted; /* Auto-Submitted: not "no" (RFC 3834) */
	uint64_t
		content_hash; /* of all the client's text: XXH3-64 with the seed; 0 where the terms do not want it */
	uint64_t message_id_hash; /* of the Message-ID's value; 0: none */
	uint64_t message_id_at,
		message_id_size; /* the whole field, for one that is to be replaced */
};

struct inspection;

struct inspection *inspection_open(const struct inspection_terms *terms); /* NULL without memory */
void inspection_close(struct inspection **inspection);

/* False without memory: nothing more is to be given. It is a text sink (smtp/dotstream.h). */
bool inspection_take(void *inspection, const void *bytes, size_t size)
	__attribute__((warn_unused_result));
/* Behind the last byte: what the header says is known, before it is said how it is to be repaired. Lives as long as the inspection. */
struct inspection_header {
	const struct authors *authors;
	bool is_report, is_auto_submitted;
};
bool inspection_whole(struct inspection *inspection, struct inspection_header *out)
	__attribute__((warn_unused_result));
bool inspection_end(struct inspection *inspection, const struct inspection_source *source,
	struct inspection_result *out) __attribute__((warn_unused_result));
void inspection_result_fini(struct inspection_result *result);

/*
 * What of the text shows the quirk: the first bytes of a header field, or of a line or the middle of one; without line ends, and
 * "\0" for a NUL. NULL: there is nothing to see. Lives as long as `result`.
 */
const char *inspection_example(
	const struct inspection_result *result, enum quirk quirk, size_t *size);

#endif
