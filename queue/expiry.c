#include "queue/expiry.h"

#include <string.h>

/* Well below EXPIRY_READINGS, so that a reading that is old enough is always there. */
#define READINGS_A_DISTANCE 8

void expiry_init(struct expiry *expiry, int64_t lifetime_ms)
{
	*expiry = (struct expiry){0};
	expiry_set_lifetime(expiry, lifetime_ms);
}

void expiry_set_lifetime(struct expiry *expiry, int64_t lifetime_ms)
{
	expiry->distance_ms = lifetime_ms / 10;
	if (expiry->distance_ms > EXPIRY_DISTANCE_MS)
		expiry->distance_ms = EXPIRY_DISTANCE_MS;
	if (expiry->distance_ms < READINGS_A_DISTANCE)
		expiry->distance_ms = READINGS_A_DISTANCE;
}

/* The youngest reading that is old enough is the one that proves; older ones prove nothing more. */
static void forget_old(struct expiry *expiry, int64_t boot_ms)
{
	unsigned old = 0;

	while (old + 1 < expiry->count &&
		boot_ms - expiry->readings[old + 1].boot_ms >= expiry->distance_ms)
		old++;
	if (old == 0 && expiry->count == EXPIRY_READINGS)
		old = 1;
	expiry->count -= old;
	memmove(expiry->readings, expiry->readings + old,
		expiry->count * sizeof(expiry->readings[0]));
}

int64_t expiry_observe(struct expiry *expiry, int64_t boot_ms, uint64_t unix_ms)
{
	int64_t step_ms = expiry->distance_ms / READINGS_A_DISTANCE;
	int64_t age_ms;

	if (expiry->count > 0) {
		age_ms = boot_ms - expiry->readings[expiry->count - 1].boot_ms;
		if (age_ms < step_ms)
			return step_ms - age_ms;
	}
	forget_old(expiry, boot_ms);
	expiry->readings[expiry->count++] =
		(struct expiry_reading){.boot_ms = boot_ms, .unix_ms = unix_ms};
	return step_ms;
}

uint64_t expiry_proven(
	const struct expiry *expiry, int64_t boot_ms, uint64_t unix_ms, int64_t *since_boot_ms)
{
	const struct expiry_reading *proof = NULL;

	for (unsigned i = 0; i < expiry->count; i++)
		if (boot_ms - expiry->readings[i].boot_ms >= expiry->distance_ms)
			proof = &expiry->readings[i];
	*since_boot_ms = boot_ms;
	if (proof == NULL)
		return 0;
	*since_boot_ms = proof->boot_ms;
	return proof->unix_ms < unix_ms ? proof->unix_ms : unix_ms;
}
