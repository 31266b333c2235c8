/*
 * rates.h: how fast counters grew over the last minute.
 *
 * The owner samples every RATES_STEP_MS; a rate is the growth since the oldest sample that is kept, by the time since it.
 * Threads: one. Owner: embedded; zero-initialised is empty and valid.
 */
#ifndef SLUICE_ADMIN_RATES_H
#define SLUICE_ADMIN_RATES_H

#include <stdint.h>

#define RATES_STEP_MS 2000
#define RATES_SAMPLES 31 /* a minute, and where it began */

struct rates_sample {
	int64_t mono_ms;
	uint64_t received, delivered;
};

struct rates {
	struct rates_sample samples[RATES_SAMPLES];
	unsigned next, count;
};

struct rates_report {
	double window_seconds;
	double received_per_second, delivered_per_second;
};

void rates_add(struct rates *rates, const struct rates_sample *sample);
/* `now` is a sample too, and is not kept. */
struct rates_report rates_report(const struct rates *rates, const struct rates_sample *now);

#endif
