/*
 * clock.h: where time comes from.
 *
 * Everything that decides about time gets a `const struct clock *`; the daemon hands in the system's, a test one that
 * it turns by hand. Intervals are measured on the monotonic clock, stored times are wall-clock milliseconds since 1970.
 *
 * Threads: any. Units: milliseconds, but clock_unix_us.
 */
#ifndef SLUICE_CORE_CLOCK_H
#define SLUICE_CORE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct clock {
	uint64_t (*unix_us)(const struct clock *clock); /* CLOCK_REALTIME; may step */
	int64_t (*mono_ms)(
		const struct clock *clock); /* CLOCK_MONOTONIC; stands still in suspend */
	int64_t (*boot_ms)(const struct clock *clock); /* CLOCK_BOOTTIME */
};

extern const struct clock clock_system;

/* A clock that stands still until it is turned; for tests and simulation. One thread. */
struct clock_turned {
	struct clock clock; /* first: hand out &turned.clock */
	uint64_t unix_us_now;
	int64_t mono_ms_now;
};

void clock_turned_init(struct clock_turned *turned, uint64_t unix_ms);
void clock_turned_advance(struct clock_turned *turned, int64_t ms);

static inline uint64_t clock_unix_us(const struct clock *clock)
{
	return clock->unix_us(clock);
}

static inline uint64_t clock_unix_ms(const struct clock *clock)
{
	return clock->unix_us(clock) / 1000;
}

static inline int64_t clock_mono_ms(const struct clock *clock)
{
	return clock->mono_ms(clock);
}

static inline int64_t clock_boot_ms(const struct clock *clock)
{
	return clock->boot_ms(clock);
}

#define CLOCK_RFC3339_SIZE 32
#define CLOCK_RFC5322_SIZE 48

/* "2026-11-22T10:00:00.123Z"; returns `out`, which holds CLOCK_RFC3339_SIZE bytes. */
char *clock_format_rfc3339(uint64_t unix_ms, char *out);

/* "Sun, 22 Nov 2026 10:00:00 +0000 (UTC)" as RFC 5322 3.3 wants it, whatever the locale; `out` holds CLOCK_RFC5322_SIZE. */
char *clock_format_rfc5322(uint64_t unix_ms, char *out);

#endif
