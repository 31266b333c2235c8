/*
 * ring.h: bounded queue of pointers, many producers, many consumers.
 *
 * Vyukov's bounded MPMC queue: each cell carries a sequence number that says whose turn it is, so producers and
 * consumers meet on no lock and a preempted one delays only the cell it holds.
 *
 * 1. A producer takes a ticket from `tail` when the cell's sequence equals the ticket.
 * 2. It writes the pointer, then publishes ticket + 1 in the cell.
 * 3. A consumer takes a ticket from `head` when the cell's sequence equals the ticket + 1.
 * 4. It reads the pointer, then publishes ticket + capacity, which is the producer's turn one round later.
 *
 * Threads: push and pop from any. Owner: pushing gives the item away, popping takes it over.
 * Errors: a full ring refuses, an empty ring gives NULL; neither ever waits.
 */
#ifndef SLUICE_CORE_RING_H
#define SLUICE_CORE_RING_H

#include <stdbool.h>
#include <stddef.h>

struct ring;

/* A ring with room for at least `capacity` items (rounded up to a power of two); NULL without memory. */
struct ring *ring_open(size_t capacity);

/* Items still in the ring are the caller's to have popped before. NULL and a pointer to NULL are accepted. */
void ring_close(struct ring **ring);

bool ring_push(struct ring *ring, void *item) __attribute__((warn_unused_result));
void *ring_pop(struct ring *ring);

/* How many items it holds: exact when nobody else is at it, else a good guess (for metrics). */
size_t ring_depth(const struct ring *ring);
size_t ring_capacity(const struct ring *ring);

#endif
