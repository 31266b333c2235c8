/*
 * nearest.h: which of several names somebody may have meant who misspelt one.
 *
 * Near is: at most a third of the letters inserted, deleted, changed or swapped with their neighbour.
 * Owner: embedded; the names stay the caller's. Limits: names over 63 bytes are never near.
 */
#ifndef SLUICE_CORE_NEAREST_H
#define SLUICE_CORE_NEAREST_H

#include <stddef.h>

struct nearest {
	const char *wanted;
	const char *best;
	size_t distance;
};

void nearest_init(struct nearest *nearest, const char *wanted);
void nearest_offer(struct nearest *nearest, const char *candidate);

struct nearest_hint {
	char text[96];
};

/* " (did you mean 'x'?)", or "" when nothing that was offered is near. */
const char *nearest_format(const struct nearest *nearest, struct nearest_hint *hint);

#endif
