#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/ring.h"

static void *item(size_t number)
{
	return (void *)(uintptr_t)number;
}

static void empty_ring_gives_null(void **state)
{
	struct ring *ring = ring_open(4);

	(void)state;
	assert_null(ring_pop(ring));
	assert_int_equal(ring_depth(ring), 0);
	ring_close(&ring);
	assert_null(ring);
	ring_close(&ring);
	ring_close(NULL);
}

static void full_ring_refuses(void **state)
{
	struct ring *ring = ring_open(4);

	(void)state;
	for (size_t i = 1; i <= 4; i++)
		assert_true(ring_push(ring, item(i)));
	assert_false(ring_push(ring, item(5)));
	assert_int_equal(ring_depth(ring), 4);
	assert_ptr_equal(ring_pop(ring), item(1));
	assert_true(ring_push(ring, item(5)));
	assert_false(ring_push(ring, item(6)));
	ring_close(&ring);
}

static void capacity_is_rounded_up_to_a_power_of_two(void **state)
{
	struct ring *ring = ring_open(5);

	(void)state;
	assert_int_equal(ring_capacity(ring), 8);
	ring_close(&ring);
	ring = ring_open(1);
	assert_int_equal(ring_capacity(ring), 2);
	ring_close(&ring);
}

static void items_come_out_in_order_round_after_round(void **state)
{
	struct ring *ring = ring_open(4);
	size_t in = 1, out = 1;

	(void)state;
	for (int round = 0; round < 1000; round++) {
		for (int i = 0; i < 3; i++)
			assert_true(ring_push(ring, item(in++)));
		for (int i = 0; i < 3; i++)
			assert_ptr_equal(ring_pop(ring), item(out++));
		assert_null(ring_pop(ring));
	}
	ring_close(&ring);
}

/* More threads than cores, so that some are preempted in the middle of a push or pop. */
#define SIDES     4
#define EACH      50000
#define ALL_ITEMS (SIDES * EACH)

static struct {
	struct ring *ring;
	_Atomic unsigned char seen[ALL_ITEMS + 1];
	_Atomic size_t popped;
} stress;

static void *produce(void *argument)
{
	size_t first = (size_t)(uintptr_t)argument * EACH + 1;

	for (size_t i = first; i < first + EACH; i++)
		while (!ring_push(stress.ring, item(i)))
			sched_yield();
	return NULL;
}

static void *consume(void *argument)
{
	size_t *out_of_order = argument;
	size_t last[SIDES] = {0};

	while (atomic_load(&stress.popped) < ALL_ITEMS) {
		size_t number = (size_t)(uintptr_t)ring_pop(stress.ring);

		if (number == 0) {
			sched_yield();
			continue;
		}
		/* One consumer sees one producer's items in their order. */
		if (number <= last[(number - 1) / EACH])
			(*out_of_order)++;
		last[(number - 1) / EACH] = number;
		atomic_fetch_add(&stress.seen[number], 1);
		atomic_fetch_add(&stress.popped, 1);
	}
	return NULL;
}

static void four_producers_and_four_consumers_lose_and_double_nothing(void **state)
{
	pthread_t producers[SIDES], consumers[SIDES];
	size_t out_of_order[SIDES] = {0};

	(void)state;
	stress.ring = ring_open(64);
	for (size_t i = 0; i < SIDES; i++) {
		assert_int_equal(pthread_create(&consumers[i], NULL, consume, &out_of_order[i]), 0);
		assert_int_equal(pthread_create(&producers[i], NULL, produce, item(i)), 0);
	}
	for (size_t i = 0; i < SIDES; i++) {
		pthread_join(producers[i], NULL);
		pthread_join(consumers[i], NULL);
		assert_int_equal(out_of_order[i], 0);
	}
	for (size_t i = 1; i <= ALL_ITEMS; i++)
		assert_int_equal(stress.seen[i], 1);
	assert_null(ring_pop(stress.ring));
	ring_close(&stress.ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_ring_gives_null),
		cmocka_unit_test(full_ring_refuses),
		cmocka_unit_test(capacity_is_rounded_up_to_a_power_of_two),
		cmocka_unit_test(items_come_out_in_order_round_after_round),
		cmocka_unit_test(four_producers_and_four_consumers_lose_and_double_nothing),
	};

	return cmocka_run_group_tests_name("core/ring", tests, NULL, NULL);
}
