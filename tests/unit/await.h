/*
 * await.h: waits in tests: for a condition, never for luck.
 */
#ifndef SLUICE_TESTS_UNIT_AWAIT_H
#define SLUICE_TESTS_UNIT_AWAIT_H

#include <unistd.h>

#include "core/clock.h"

#define AWAIT_MS 20000

/* Fails the test when the condition is not true in time. */
#define AWAIT(condition)                                                     \
	do {                                                                 \
		int64_t until_ = clock_mono_ms(&clock_system) + AWAIT_MS;    \
		while (!(condition)) {                                       \
			if (clock_mono_ms(&clock_system) > until_)           \
				fail_msg("never came true: %s", #condition); \
			usleep(500);                                         \
		}                                                            \
	} while (0)

#endif
