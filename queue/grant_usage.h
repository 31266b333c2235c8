/*
 * grant_usage.h: how much a grant is used, for people to compare with what was said when it was asked for.
 *
 * Threads: the view's. Units: milliseconds since 1970.
 */
#ifndef SLUICE_QUEUE_GRANT_USAGE_H
#define SLUICE_QUEUE_GRANT_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/grant.h"
#include "queue/store.h"

#define GRANT_UNUSED_DAYS 90

struct grant_usage {
	bool is_known; /* false: the figures cannot be read, and all is 0 */
	uint64_t messages, recipients, bytes;
	uint64_t messages_per_day; /* the mean of the last 30 days, rounded up */
	uint64_t last_unix_ms; /* 0: never */
	uint64_t unmarked_bulk; /* bulk mail without List-Unsubscribe */
};

void grant_usage_of(
	struct store_view *view, const char *name, uint64_t now_unix_ms, struct grant_usage *out);
/* In force for GRANT_UNUSED_DAYS, and not used for as long. */
bool grant_is_unused(
	const struct grant *grant, const struct grant_usage *usage, uint64_t now_unix_ms);

#endif
