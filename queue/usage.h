/*
 * usage.h: how much a grant, an account or an address hands over: figures for people, and the buckets of its rates (pace.h).
 *
 * The writer keeps those of the moment in memory and stores them with the messages, one record each in a commit, whatever the
 * number of messages in it. The admin thread reads the records through its view.
 *
 * Distinct recipients of a day are counted with a sketch of 1024 registers (HyperLogLog): within some 3 per cent, and exactly
 * enough where they are few. It is kept for the present day, and only where their number may need approval.
 *
 * The record has the form of record.h; its key is kind and name. Owner: usage_close frees it and all in it.
 * Units: milliseconds since 1970 in *_unix_ms; a day is one of UTC, counted from 1970. Errors: NULL, false or -ENOMEM without memory.
 * Limits: USAGE_MAX records; beyond them those of addresses go first, of those looked at the one used longest ago.
 */
#ifndef SLUICE_QUEUE_USAGE_H
#define SLUICE_QUEUE_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

#define USAGE_NAME_SIZE    256 /* a longer name is cut */
#define USAGE_DAYS         30
#define USAGE_SKETCH_BYTES 1024
#define USAGE_MAX          200000

/* In the order in which they are given up. */
enum usage_kind { USAGE_ADDRESS = 1, USAGE_ACCOUNT = 2, USAGE_GRANT = 3 };

struct usage_day {
	uint32_t day;
	uint32_t messages, recipients;
	uint64_t bytes;
};

struct usage {
	enum usage_kind kind;
	char name[USAGE_NAME_SIZE];
	uint64_t first_unix_ms, last_unix_ms; /* a message */
	uint64_t messages, recipients, bytes;
	uint64_t unmarked_bulk; /* messages: bulk without List-Unsubscribe */
	uint64_t paced, held; /* messages, for a rate and for the volume */
	uint64_t messages_full_unix_us, recipients_full_unix_us; /* the buckets of pace.h */
	uint32_t told_day; /* when the operator was last told of its volume */
	uint32_t notice_day; /* when its owner last got a notice that comes once a day at most */
	struct usage_day days[USAGE_DAYS]; /* oldest first; days without a message are left out */
	size_t day_count;
	uint32_t sketch_day;
	uint8_t *sketch; /* of sketch_day; NULL: none */
	uint32_t distinct; /* what the sketch says; 0: not worked out since it changed */
};

struct usage *usage_new(enum usage_kind kind, const char *name);
void usage_close(struct usage **usage);

uint32_t usage_day_of(uint64_t unix_ms);
/* Before the buckets are looked at: a clock that was set back puts them back with it. */
void usage_set_back(struct usage *usage, uint64_t now_unix_ms);
/* One message. */
void usage_count(struct usage *usage, uint64_t now_unix_ms, uint32_t recipients, uint64_t bytes);
/* Of that day; zeros: none. */
struct usage_day usage_on(const struct usage *usage, uint32_t day);

/* Notes a recipient of that day. False without memory. */
bool usage_see_recipient(struct usage *usage, uint32_t day, const char *address)
	__attribute__((warn_unused_result));
/* How many distinct ones were noted that day, about. */
uint32_t usage_distinct(struct usage *usage, uint32_t day);

const char *usage_kind_name(enum usage_kind kind); /* "address", "account", "grant" */

/* ---- usage_record.c ---- */

bool usage_encode(const struct usage *usage, struct bytes *out) __attribute__((warn_unused_result));
/* 0, -EBADMSG (damaged or of a newer version), -ENOMEM. */
int usage_decode(enum usage_kind kind, const char *name, const void *record, size_t size,
	struct usage **out);

#endif
