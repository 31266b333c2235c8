/*
 * suspension.h: nothing more is taken from somebody: an address, a network, an account. A grant is suspended by its state
 * (grant.h).
 *
 * The record has the form of record.h; its key is `who`, its kind REGISTRY_SUSPENSION (registry.h).
 * Owner: suspension_close. Errors: NULL or false without memory.
 */
#ifndef SLUICE_QUEUE_SUSPENSION_H
#define SLUICE_QUEUE_SUSPENSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/network.h"
#include "queue/registry.h"

#define SUSPENSION_ACCOUNT "account:"

enum suspension_kind { SUSPENDS_NETWORK = 1, SUSPENDS_ACCOUNT = 2 };

struct suspension {
	char who[REGISTRY_NAME_SIZE]; /* "10.1.2.3", "10.1.0.0/16", "account:NAME" */
	uint32_t revision;
	enum suspension_kind kind;
	struct network network; /* of SUSPENDS_NETWORK; not in the record */
	char reason[REGISTRY_WHY_SIZE];
	char by[REGISTRY_WHO_SIZE];
	uint64_t since_unix_ms;
	bool automatic; /* for its viruses or spam */
	bool purges; /* what is queued from them is deleted; else it is held */
};

/* "10.1.2.3", "10.1.0.0/16", "account:NAME"; `who` becomes the one way to write it. NULL: none of these, or without memory. */
struct suspension *suspension_new(const char *who);
/* The NAME of SUSPENDS_ACCOUNT. */
const char *suspension_account(const struct suspension *suspension);
void suspension_close(struct suspension **suspension);

bool suspension_encode(const struct suspension *suspension, struct bytes *out)
	__attribute__((warn_unused_result));
/* 0, -EBADMSG, -ENOMEM. */
int suspension_decode(const char *who, uint32_t revision, const void *record, size_t size,
	struct suspension **out);

#endif
