/*
 * grant_field.h: what a grant consists of, as people see it: one table that JSON, CSV and the command's options come from.
 *
 * A field's name is its member in JSON and its column in CSV. Each has one kind of value:
 *
 *	kind     JSON           CSV, and the command's options
 *	TEXT     "…"            …
 *	TEXTS    ["…", "…"]     …; …      (or blanks between them)
 *	NUMBER   12             12
 *	FLAG     true           yes, no
 *	CHOICE   "normal"       normal
 *	TIME     "2027-11-23T10:00:00.000Z", or a day: 2027-11-23
 *
 * A text of several values has a backslash before a blank, a semicolon or a backslash that belongs to a value.
 * Threads: any. Owner: values are the caller's to json_decref.
 */
#ifndef SLUICE_ADMIN_GRANT_FIELD_H
#define SLUICE_ADMIN_GRANT_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/reason.h"
#include "queue/grant.h"

enum grant_field_kind {
	GRANT_TEXT,
	GRANT_TEXTS,
	GRANT_NUMBER,
	GRANT_FLAG,
	GRANT_CHOICE,
	GRANT_TIME,
};

/* In the order in which they are shown; the name comes before them. */
enum grant_field_id {
	FIELD_STATE,
	FIELD_NETWORKS,
	FIELD_ACCOUNTS,
	FIELD_CERTIFICATES,
	FIELD_OWNER,
	FIELD_CONTACT,
	FIELD_PURPOSE,
	FIELD_DEVICE,
	FIELD_SENDERS,
	FIELD_HEADER_FROMS,
	FIELD_SPOOF,
	FIELD_MAILBOX,
	FIELD_REPLACES_NULL,
	FIELD_TAKES_ANY_AUTH,
	FIELD_AUTH_IN_CLEAR,
	FIELD_REACH,
	FIELD_LANE,
	FIELD_MESSAGES_PER_HOUR,
	FIELD_RECIPIENTS_PER_HOUR,
	FIELD_MESSAGES_PER_DAY,
	FIELD_CREATED,
	FIELD_CREATED_BY,
	FIELD_APPROVED,
	FIELD_APPROVED_BY,
	FIELD_EXPIRES,
	FIELD_SINCE,
	FIELD_REASON,
	GRANT_FIELD_COUNT
};

struct grant_field {
	const char *name;
	enum grant_field_kind kind;
	size_t offset; /* in struct grant */
	const char *const *choices; /* of a CHOICE: by value, ended by NULL; "" is none */
	bool is_history; /* follows from what was done with the grant: only an import sets it */
};

extern const struct grant_field grant_fields[GRANT_FIELD_COUNT];

/* By its name; NULL: there is none. */
const struct grant_field *grant_field_find(const char *name);
/* " (did you mean 'networks'?)", or "". */
struct nearest_hint;
const char *grant_field_near(const char *name, struct nearest_hint *hint);

/* The value that a text stands for; an empty one is null. NULL: it is none; `reason` says what was expected. */
json_t *grant_field_parse(const struct grant_field *field, const char *text, struct reason *reason);
/* The other way, as CSV has it. False without memory. */
bool grant_field_format(const struct grant_field *field, const json_t *value, struct bytes *out)
	__attribute__((warn_unused_result));

/* A certificate's SHA-256 as tools write it ("9E:AB:…", openssl x509 -fingerprint -sha256) in grant.h's form, in `out`; what is none
 * stays as it is. */
const char *grant_certificate_plain(const char *text, char out[GRANT_CERTIFICATE_SIZE]);
/* RFC 3339, or a day, which stands for its end (UTC). 0 or -1. */
int grant_time_parse(const char *text, uint64_t *unix_ms);
/* "90d", "12w", "1y" (365 days) and what the configuration takes. 0 or -1. */
int grant_duration_parse(const char *text, int64_t *ms);

#endif
