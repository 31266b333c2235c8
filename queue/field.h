/*
 * field.h: one header field: what is wrong with its value, and the value that is right. RFC 5322 2.2, 3.3 to 3.6; RFC 2047.
 *
 * Pure functions of a field's bytes: `value` is what stands behind the colon, folding included (CRLF before blanks), without
 * the field's last CRLF. What is written is a whole value that can stand behind "Name:", folded, in lines of at most 78
 * bytes where words allow it and never over 998, and without a last CRLF.
 *
 * Charset: raw 8-bit text that is valid UTF-8 is "utf-8", else it is taken for `charset`.
 * Errors: negative: no memory. Limits: FIELD_BYTES_MAX.
 */
#ifndef SLUICE_QUEUE_FIELD_H
#define SLUICE_QUEUE_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "queue/quirk.h"

#define FIELD_BYTES_MAX 65536

enum field_kind {
	FIELD_UNSTRUCTURED, /* Subject, Comments, X-…, and all that are unknown */
	FIELD_ADDRESSES, /* To, Cc, Reply-To, Resent-…, Sender */
	FIELD_FROM,
	FIELD_DATE,
	FIELD_MESSAGE_ID,
	FIELD_BCC,
	FIELD_CONTENT_TYPE,
	FIELD_CONTENT_ENCODING, /* Content-Transfer-Encoding */
	FIELD_CONTENT_OTHER, /* Content-Disposition …: tokens and parameters */
	FIELD_MIME_VERSION,
	FIELD_DKIM, /* DKIM-Signature */
	FIELD_AUTO_SUBMITTED,
	FIELD_PRECEDENCE,
	FIELD_LIST_UNSUBSCRIBE,
	FIELD_TOKENS, /* References, In-Reply-To, Received, List-…: never encoded, only folded */
};

/* By name, case-folded. */
enum field_kind field_kind(const void *name, size_t size);

/* 0: not a field line; else the size of the name: printable ASCII but ":", blanks before the colon allowed (RFC 5322 4.5). */
size_t field_name_size(const void *line, size_t size);

struct field_terms {
	const char *charset; /* of raw 8-bit text that is not UTF-8 */
	const char *domain; /* what an address without one gets; NULL: it is left */
	bool smtputf8; /* raw UTF-8 stays */
	bool keeps_addresses; /* 8-bit ones stay; else they are text, as what is no address is */
};

/*
 * What a value needs to be well-formed: the quirks that are found go into `found`, and when there is a better value it is
 * appended to `out` and 1 is returned; 0: leave it as it is.
 *   UNSTRUCTURED  raw 8-bit → encoded-words; an encoded-word that is there stays, one with raw 8-bit in it is put right
 *   ADDRESSES     display names raw 8-bit → encoded-words in phrases; addresses without a domain → one (Q-39's domain)
 *   FROM          as ADDRESSES, names in quotes where they must be; without an address that can be used → 1 with an empty value: it cannot be used, and the caller
 *                 writes one from the reverse-path and keeps this one, repaired as UNSTRUCTURED, under another name
 *   MESSAGE_ID    without "<>", with blanks, 8-bit or more than one → 1 with an empty value: it cannot be used
 *   DATE          cannot be parsed, or before 2001 or after `now` plus a week → 1 with an empty value
 *   CONTENT_*     raw 8-bit parameters → RFC 2231; `charset=` that is empty → left out
 *   BCC           as ADDRESSES
 *   DKIM          nothing
 *   the rest      raw 8-bit in comments → encoded-words, elsewhere "?", since nothing can carry it
 * What is written needs no field_fold, where the field's name has at most 98 bytes.
 * NULs in a value are taken out. *address_eightbit is set where an address whose addr-spec is 8-bit stays.
 */
int field_repair(enum field_kind kind, const void *value, size_t size,
	const struct field_terms *terms, uint64_t now_unix_ms, struct quirk_set *found,
	bool *address_eightbit, struct bytes *out);

/*
 * Lines over 998 bytes are broken: an address list behind a comma, other values at a blank; unstructured text without one
 * becomes encoded-words, so that nothing is added to it; the rest is broken anywhere. 1: appended to `out`; 0: none is too long.
 */
int field_fold(
	enum field_kind kind, size_t name_size, const void *value, size_t size, struct bytes *out);

/* 0 and the time, or -1: not a date by RFC 5322 3.3 or 4.3. */
int field_date_parse(const void *value, size_t size, int64_t *unix_s);

/* Content-Type: "type/subtype" lower-cased into out, cut to its size; 8-bit in it is "_". False: cannot be understood (then
 * text/plain, RFC 2045 5.2). */
bool field_content_type(const void *value, size_t size, char *out, size_t out_size);
/* A parameter's value, unquoted, comments aside; returns its size, or -1: not there. Cut at out_size - 1. */
int field_parameter(const void *value, size_t size, const char *name, char *out, size_t out_size);

#endif
