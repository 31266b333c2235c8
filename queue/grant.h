/*
 * grant.h: a relay grant: the permission of one system to hand over mail, with who answers for it and until when.
 *
 * Life, as shown (grant_life): what is stored is the state and the expiry; the rest follows from the time.
 *
 *	REQUESTED ──► APPROVED ──► EXPIRING ──► LAPSED
 *	                 ▲  │  renewed: APPROVED  │
 *	   resumed ──────┘  └──► SUSPENDED        └─► its mail is held for the grace, then refused
 *	any ──► REVOKED
 *
 * A pattern is "a@example.edu", "*@example.edu", "*@*.example.edu" (domains below it), or "*"; compared without regard to letter
 * case. The most exact one wins. Accounts are compared as they are.
 *
 * The record has the form of record.h; its key is the name, its kind REGISTRY_GRANT (registry.h).
 * Owner: grant_close frees it and all in it. Text is UTF-8 without control characters, never NULL: "" is none.
 * Errors: NULL, false or -ENOMEM without memory.
 * Units: milliseconds since 1970 in *_unix_ms. Rates are per hour; 0: none.
 */
#ifndef SLUICE_QUEUE_GRANT_H
#define SLUICE_QUEUE_GRANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/reason.h"
#include "queue/envelope.h"

#define GRANT_NAME_SIZE 64 /* [A-Za-z0-9._-], a letter or digit first, and a NUL */
#define GRANT_TEXT_SIZE 512 /* of each text but patterns, with its NUL */
#define GRANT_TEXTS_MAX 1000 /* networks, accounts, certificates, patterns: of each */
#define GRANT_CERTIFICATE_SIZE \
	65 /* SHA-256 of the certificate (DER) in lower-case hex, and a NUL */
#define GRANT_EXPIRING_MS (INT64_C(30) * 86400 * 1000)
#define GRANT_YEAR_MS     (INT64_C(365) * 86400 * 1000)

enum grant_state {
	GRANT_REQUESTED = 1,
	GRANT_APPROVED = 2,
	GRANT_SUSPENDED = 3,
	GRANT_REVOKED = 4,
};

enum grant_life {
	GRANT_LIFE_REQUESTED,
	GRANT_LIFE_APPROVED,
	GRANT_LIFE_EXPIRING, /* approved, and within GRANT_EXPIRING_MS of its end */
	GRANT_LIFE_LAPSED,
	GRANT_LIFE_SUSPENDED,
	GRANT_LIFE_REVOKED,
};

enum grant_reach {
	GRANT_ANYWHERE = 0,
	GRANT_INTERNAL = 1, /* recipients in our domains only */
};

/* What is done about a sender that it does not allow. */
enum grant_spoof {
	GRANT_REFUSE = 0, /* 550 5.7.1 */
	GRANT_REWRITE =
		1, /* From becomes the mailbox, the original goes to Reply-To, Sender is set */
};

enum grant_notice { /* what the owner was told of the present expiry: bits */
	GRANT_TOLD_30_DAYS = 1 << 0,
	GRANT_TOLD_7_DAYS = 1 << 1,
	GRANT_TOLD_1_DAY = 1 << 2,
	GRANT_TOLD_LAPSED = 1 << 3,
	GRANT_TOLD_ENDED = 1 << 4, /* the grace is over */
	GRANT_TOLD_REVOKED = 1 << 5,
};

struct grant_texts {
	char **items;
	size_t count;
};

struct grant {
	char name[GRANT_NAME_SIZE];
	uint32_t revision; /* the registry's; not in the record */

	/* what a look-up reads, side by side */
	enum grant_state state;
	uint64_t expires_unix_ms; /* 0: not approved yet */
	uint64_t state_unix_ms; /* since when it is in its state */
	bool purges; /* while it is suspended: what is queued under it is deleted; else it is held */
	struct grant_texts senders; /* patterns of reverse-paths; none: any outside our domains */
	enum grant_spoof spoof;

	/* the system: any of these */
	struct grant_texts networks; /* "10.1.2.3", "10.1.0.0/16", "2001:db8::/64" */
	struct grant_texts accounts;
	struct grant_texts certificates;

	/* who answers for it */
	char *owner; /* a mail address; "": unknown */
	char *contact; /* a person or desk, in words */
	char *purpose;
	char *device; /* "multi-function printer", "alarm" … */

	/* what else it may do */
	struct grant_texts header_froms; /* of header From; none: the senders */
	char *mailbox; /* the approved functional mailbox; "": none */
	bool replaces_null; /* MAIL FROM:<> of ordinary mail becomes the mailbox */
	bool takes_any_auth; /* from its networks any AUTH is answered 235 and ignored */
	bool auth_in_clear; /* its accounts may log in without TLS, on fragile listeners that offer it */
	enum grant_reach reach;
	enum lane lane;
	uint32_t messages_per_hour, recipients_per_hour;
	uint32_t messages_per_day; /* what the owner estimates; 0: said nothing */

	char *created_by, *approved_by;
	uint64_t created_unix_ms, approved_unix_ms; /* 0: not yet */
	char *reason; /* of the present state: why it was suspended or revoked */
	uint32_t told; /* enum grant_notice */
};

/* All text "", requested, in the lane of ordinary mail. NULL without memory. */
struct grant *grant_new(const char *name);
struct grant *grant_copy(const struct grant *grant);
void grant_close(struct grant **grant);

/* A copy in one block of grant_packed_size bytes, to be read only: it goes with the block. */
size_t grant_packed_size(const struct grant *grant);
const struct grant *grant_pack(const struct grant *grant, void *block);

/* Replaces *text by a copy. */
bool grant_set_text(char **text, const char *value) __attribute__((warn_unused_result));
bool grant_add_text(struct grant_texts *texts, const char *value)
	__attribute__((warn_unused_result));
void grant_clear_texts(struct grant_texts *texts);

bool grant_name_is_valid(const char *name);
/* All of it: names, networks, patterns, addresses, texts, and that it belongs to some system. 0, or -1 with what is wrong. */
int grant_check(const struct grant *grant, struct reason *reason);

enum grant_life grant_life(const struct grant *grant, uint64_t now_unix_ms);
const char *grant_life_name(enum grant_life life); /* "requested" … */

/* How exact a pattern is that matches: the greater the more; 0: it does not. `address` as in an envelope. */
unsigned grant_pattern_match(const char *pattern, const char *address);
bool grant_pattern_is_valid(const char *pattern);
/* The most exact pattern of the list that matches, or NULL. */
const char *grant_find_pattern(const struct grant_texts *patterns, const char *address);

/* ---- grant_record.c ---- */

bool grant_encode(const struct grant *grant, struct bytes *out) __attribute__((warn_unused_result));
/* 0, -EBADMSG (damaged or of a newer version), -ENOMEM. */
int grant_decode(
	const char *name, uint32_t revision, const void *record, size_t size, struct grant **out);

#endif
