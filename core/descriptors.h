/*
 * descriptors.h: how the process's descriptors are shared out, so that clients can never use up what deliveries need (F-21).
 *
 * Reserved first: the store, loops, the admin socket's clients, and each upstream host's connections, these up to half of
 * all. Of the rest an eighth may be clients that wait before the banner (parking.h), and what is left are clients that
 * are in: max_connections, or fewer.
 *
 * Threads: the main thread, at the start.
 */
#ifndef SLUICE_CORE_DESCRIPTORS_H
#define SLUICE_CORE_DESCRIPTORS_H

#include <stddef.h>

#include "core/config.h"

struct descriptor_shares {
	unsigned clients; /* connected at a time, in total */
	unsigned parked; /* waiting for a place, over and above those; one acceptor thread's */
};

/* Raises the soft limit to the hard one; returns it. */
size_t descriptors_raise_limit(void);

/* `limit` is how many the process may have. Each share is at least 1. */
struct descriptor_shares descriptors_share(
	size_t limit, const struct config *config, unsigned acceptor_threads);

#endif
