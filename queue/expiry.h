/*
 * expiry.h: what time it surely is: deadlines by the wall clock that no step of it alone can bring about (F-18).
 *
 * A deadline counts as past when it was past twice, `distance` of boot clock apart. Instead of a note for each message,
 * the wall clock is read now and then and remembered; what it said at least `distance` ago, and still says or has passed,
 * is proven. So a clock that jumps a year ahead and is put right within the distance ends no message's life, and the
 * memory does not grow with the queue. After a start nothing is proven until the distance has gone by.
 *
 * The distance is 10 minutes, or a tenth of the lifetime when that is less (a lifetime of a day has more than enough of
 * it; tests have lifetimes of seconds).
 *
 * Threads: the owner's. Owner: embedded. Units: milliseconds.
 */
#ifndef SLUICE_QUEUE_EXPIRY_H
#define SLUICE_QUEUE_EXPIRY_H

#include <stdint.h>

#define EXPIRY_DISTANCE_MS INT64_C(600000)
#define EXPIRY_READINGS    16

struct expiry {
	int64_t distance_ms;
	struct expiry_reading {
		int64_t boot_ms;
		uint64_t unix_ms;
	} readings[EXPIRY_READINGS]; /* oldest first */
	unsigned count;
};

void expiry_init(struct expiry *expiry, int64_t lifetime_ms);
void expiry_set_lifetime(struct expiry *expiry, int64_t lifetime_ms);

/* A reading of both clocks; more often than needed costs nothing. Returns in how many ms the next is wanted. */
int64_t expiry_observe(struct expiry *expiry, int64_t boot_ms, uint64_t unix_ms);

/* The latest wall-clock time that is proven; 0: none yet. *since_boot_ms is when it was first read. */
uint64_t expiry_proven(
	const struct expiry *expiry, int64_t boot_ms, uint64_t unix_ms, int64_t *since_boot_ms);

#endif
