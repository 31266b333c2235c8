#include "core/ring.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#define CACHE_LINE 64

struct cell {
	_Atomic size_t sequence;
	void *item;
};

struct ring {
	size_t mask;
	struct cell *cells;
	_Alignas(CACHE_LINE) _Atomic size_t tail; /* next ticket of a producer */
	_Alignas(CACHE_LINE) _Atomic size_t head; /* next ticket of a consumer */
};

struct ring *ring_open(size_t capacity)
{
	struct ring *ring;
	size_t size = 2;

	while (size < capacity)
		size *= 2;
	ring = aligned_alloc(CACHE_LINE, sizeof(*ring));
	if (ring == NULL)
		return NULL;
	ring->cells = calloc(size, sizeof(*ring->cells));
	if (ring->cells == NULL) {
		free(ring);
		return NULL;
	}
	ring->mask = size - 1;
	for (size_t i = 0; i < size; i++)
		atomic_init(&ring->cells[i].sequence, i);
	atomic_init(&ring->tail, 0);
	atomic_init(&ring->head, 0);
	return ring;
}

void ring_close(struct ring **ring)
{
	if (ring == NULL || *ring == NULL)
		return;
	free((*ring)->cells);
	free(*ring);
	*ring = NULL;
}

bool ring_push(struct ring *ring, void *item)
{
	size_t ticket = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	for (;;) {
		struct cell *cell = &ring->cells[ticket & ring->mask];
		/* acquire: pairs with the release of the consumer that freed this cell */
		size_t sequence = atomic_load_explicit(&cell->sequence, memory_order_acquire);
		intptr_t turn = (intptr_t)(sequence - ticket);

		if (turn == 0) {
			if (atomic_compare_exchange_weak_explicit(&ring->tail, &ticket, ticket + 1,
				    memory_order_relaxed, memory_order_relaxed)) {
				cell->item = item;
				/* release: pairs with the acquire of the consumer of this ticket */
				atomic_store_explicit(
					&cell->sequence, ticket + 1, memory_order_release);
				return true;
			}
		} else if (turn < 0) {
			return false; /* the cell still holds an item of one round ago */
		} else {
			ticket = atomic_load_explicit(&ring->tail, memory_order_relaxed);
		}
	}
}

void *ring_pop(struct ring *ring)
{
	size_t ticket = atomic_load_explicit(&ring->head, memory_order_relaxed);

	for (;;) {
		struct cell *cell = &ring->cells[ticket & ring->mask];
		/* acquire: pairs with the release of the producer of this ticket */
		size_t sequence = atomic_load_explicit(&cell->sequence, memory_order_acquire);
		intptr_t turn = (intptr_t)(sequence - (ticket + 1));

		if (turn == 0) {
			if (atomic_compare_exchange_weak_explicit(&ring->head, &ticket, ticket + 1,
				    memory_order_relaxed, memory_order_relaxed)) {
				void *item = cell->item;
				/* release: pairs with the acquire of the producer one round later */
				atomic_store_explicit(&cell->sequence, ticket + ring->mask + 1,
					memory_order_release);
				return item;
			}
		} else if (turn < 0) {
			return NULL;
		} else {
			ticket = atomic_load_explicit(&ring->head, memory_order_relaxed);
		}
	}
}

size_t ring_depth(const struct ring *ring)
{
	size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	return tail > head ? tail - head : 0;
}

size_t ring_capacity(const struct ring *ring)
{
	return ring->mask + 1;
}
