/*
 * envelope.h: what is known of a message beside its text: where from, where to, and how each recipient stands.
 *
 * The record in the store is a version byte, a checksum, and a list of fields (number, length, bytes); a reader keeps
 * what it knows and drops fields that it does not, so later parts add fields and never rebuild a store. A field that
 * must not be dropped silently raises the version.
 *
 * Owner: envelope_decode and envelope_new give one block that holds all (strings too); envelope_close frees it. Strings
 * that code sets afterwards come from envelope_text, which lives as long as the envelope.
 * Text is bytes as the client sent them, checked by smtp/ for CR, LF and NUL.
 * Units: milliseconds since 1970 in *_unix_ms.
 */
#ifndef SLUICE_QUEUE_ENVELOPE_H
#define SLUICE_QUEUE_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

/*
 * A recipient's way:
 *
 *	SCANNING ──► WAITING ◄──► DEFERRED ──► DELIVERED | BOUNCED (final)
 *	   │  │         │  ▲          │
 *	   │  └─► QUARANTINED ────────┼──► released: WAITING; else DELETED
 *	   └─► DISCARDED (final)      │
 *	   any of these ──► HELD ──► WAITING;   any ──► DELETED (final)
 *
 * "delivering" and "receiving" are not stored: they are what the scheduler and the sessions hold in memory.
 */
enum recipient_state {
	RECIPIENT_SCANNING = 1,
	RECIPIENT_WAITING = 2,
	RECIPIENT_DEFERRED = 3,
	RECIPIENT_HELD = 4,
	RECIPIENT_QUARANTINED = 5,
	RECIPIENT_DELIVERED = 6,
	RECIPIENT_BOUNCED = 7,
	RECIPIENT_DISCARDED = 8,
	RECIPIENT_DELETED = 9,
};

#define RECIPIENT_STATE_COUNT 10 /* 0 is none */

enum recipient_verdict {
	VERDICT_NONE = 0, /* not scanned */
	VERDICT_CLEAN = 1,
	VERDICT_VIRUS = 2,
	VERDICT_SPAM = 3,
	VERDICT_SKIPPED = 4, /* our own mail, or an operator's override */
};

enum lane { LANE_ALERT = 0, LANE_NORMAL = 1, LANE_BULK = 2 };
#define LANE_COUNT 3

/*
 * Why a message is held, beside the reason in words; it says what the end of the hold means:
 *
 *	ORDINARY   goes on; a quarantined one is deleted
 *	PACED      goes on: its sender's rate permits it from then on (pace.h)
 *	LAPSED     its grant was not renewed within the grace: it goes back to the sender with 5.7.1
 *	VOLUME     goes on: nobody said that so much must not go
 *	SUSPENDED  is deleted as a quarantined one: nobody gave it free
 *
 * It is the message's, and stays until none of its recipients is held. What holds some recipients of it anew makes it ORDINARY.
 */
enum hold_kind {
	HOLD_ORDINARY = 0,
	HOLD_PACED = 1,
	HOLD_LAPSED = 2,
	HOLD_VOLUME = 3,
	HOLD_SUSPENDED = 4,
};
#define HOLD_KIND_COUNT 5

struct recipient {
	const char *address;
	enum recipient_state state;
	enum recipient_verdict verdict;
	uint8_t score; /* 0 to 100 */
	const char *threat; /* a virus's name, or NULL */
	uint16_t upstream; /* its number in the store's directory; see store.h */
	uint32_t attempts; /* charged ones */
	uint32_t unknowns; /* attempts lost from the final dot on */
	uint64_t due_unix_ms; /* next attempt; of a held or quarantined one: when the hold ends */
	uint64_t held_unix_ms; /* when the hold began; 0: not held */
	const char *host; /* where it was tried last, or NULL */
	const char *reason; /* upstream's last reply or why it is held, cleaned; or NULL */
	const char *status; /* enhanced status code of the last outcome (RFC 3463), or NULL */
};

/* One line of history; equal ones in a row are counted in one. */
struct attempt {
	uint64_t first_unix_ms, last_unix_ms;
	uint32_t times;
	const char *host;
	const char *what; /* "RCPT: 450 4.2.1 …", "held by root: …" */
};

#define ENVELOPE_HISTORY_MAX 16

enum envelope_flag {
	ENVELOPE_EIGHTBIT = 1 << 0, /* the text has bytes over 127 */
	ENVELOPE_HAS_DOTS = 1 << 1, /* some line begins with a dot */
	ENVELOPE_BODY_8BITMIME = 1 << 2, /* MAIL said BODY=8BITMIME */
	ENVELOPE_LOCAL = 1 << 3, /* Sluice wrote it: bounce, digest, alarm */
	ENVELOPE_BOUNCE = 1 << 4, /* a DSN: never bounced */
	ENVELOPE_TO_POSTMASTER = 1 << 5, /* a notice to postmaster: held when it fails */
	ENVELOPE_LONG_LINES = 1 << 6, /* a line over 998 bytes */
	ENVELOPE_SEEN_EXPIRED = 1 << 7, /* seen past its lifetime once (F-18) */
	ENVELOPE_SMTPUTF8 = 1 << 8, /* MAIL said SMTPUTF8 (RFC 6531) */
	ENVELOPE_SIGNED = 1 << 9, /* DKIM or multipart/signed: its bytes stay as they are */
	ENVELOPE_PARTIAL =
		1 << 10, /* the final dot never came: held, and deleted when the hold ends */
	ENVELOPE_HEADER_EIGHTBIT = 1 << 11, /* raw 8-bit in its header, in what is read */
	ENVELOPE_ADDRESS_EIGHTBIT = 1 << 12, /* in an address there: only SMTPUTF8 carries it */
	ENVELOPE_SEVENBIT_POSSIBLE = 1 << 13, /* its plan can make it 7-bit (PLAN_SEVENBIT) */
};

struct envelope {
	uint64_t id;
	uint64_t body_id; /* whose chunks hold the text; its own id but for shared bodies */
	uint32_t
		revision; /* counts the changes; a retried change knows by it whether it was stored */
	uint32_t flags; /* enum envelope_flag */
	uint64_t size_bytes; /* of the text, trace included */
	uint64_t checksum; /* XXH3-64 of the text as stored */
	uint32_t chunk_count;
	uint64_t received_unix_ms;
	uint64_t stopped_ms; /* time for which the lifetime stood still (held, scanner away) */
	uint64_t expiry_seen_unix_ms; /* when ENVELOPE_SEEN_EXPIRED was set */
	enum lane lane;
	enum hold_kind hold_kind;
	uint32_t bucket; /* of the client, for fairness: a hash of account or address */
	const char *reverse_path; /* "" is the null reverse-path */
	const char *client; /* address, no port */
	const char *helo;
	const char *listener;
	const char *account; /* or NULL */
	const char *grant; /* or NULL */
	const char *quirks; /* "Q-33 Q-61", or NULL */
	const void *plan; /* how the text is repaired, encoded (plan.h); NULL: it is not */
	size_t plan_size;
	struct recipient *recipients;
	size_t recipient_count;
	struct attempt *history; /* envelope_note's; NULL or ENVELOPE_HISTORY_MAX long */
	size_t history_count;
	struct envelope_arena *arena;
};

struct envelope *envelope_new(size_t recipient_count);
void envelope_close(struct envelope **envelope);

/* A copy of the text that lives as long as the envelope; NULL gives NULL. Panics never; NULL without memory. */
const char *envelope_text(struct envelope *envelope, const char *text);
const char *envelope_text_sized(struct envelope *envelope, const void *text, size_t size);

bool envelope_encode(const struct envelope *envelope, struct bytes *out)
	__attribute__((warn_unused_result));
/* 0, -EBADMSG (damaged or of a newer version), -ENOMEM. The id is the key's, not the record's. */
int envelope_decode(uint64_t id, const void *record, size_t size, struct envelope **out);

bool recipient_is_final(const struct recipient *recipient);
bool envelope_is_done(const struct envelope *envelope); /* every recipient is final */

/* Adds a line of history (dropping the oldest beyond ENVELOPE_HISTORY_MAX, the first kept). */
bool envelope_note(struct envelope *envelope, uint64_t unix_ms, const char *host, const char *what)
	__attribute__((warn_unused_result));

const char *recipient_state_name(enum recipient_state state); /* "waiting" … */
const char *lane_name(enum lane lane);
const char *hold_kind_name(enum hold_kind kind); /* "ordinary", "paced" … */
bool hold_kind_from_name(const char *name, enum hold_kind *kind);

#endif
