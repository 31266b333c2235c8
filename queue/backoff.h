/*
 * backoff.h: how long to wait: after a busy host, a deferral, an outcome that is not known. Arithmetic and nothing else.
 *
 * The random number is handed in (any 64 bits), so that each is a plain function. All double from `first` up to `max`.
 *   host       jitter shortens by up to a quarter: hosts and relays that failed together do not come back together, and
 *              nobody waits longer than `max`.
 *   retry      the same, for a deferred recipient.
 *   unknown    jitter lengthens by up to a quarter: never less than `first`, for upstream may be working on it still.
 * Units: milliseconds. Limits: no count overflows.
 */
#ifndef SLUICE_QUEUE_BACKOFF_H
#define SLUICE_QUEUE_BACKOFF_H

#include <stdint.h>

/* `times` counts this one: 1 gives `first`; 0 is taken for 1. At least 1 ms. */
int64_t backoff_host_ms(int64_t first_ms, int64_t max_ms, unsigned times, uint64_t random);
int64_t backoff_retry_ms(int64_t first_ms, int64_t max_ms, unsigned times, uint64_t random);
int64_t backoff_unknown_ms(int64_t first_ms, int64_t max_ms, unsigned times, uint64_t random);

/* The next of a row of random numbers (splitmix64); for jitter, not for secrets. */
uint64_t backoff_random(uint64_t *state);

#endif
