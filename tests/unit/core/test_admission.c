#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "core/admission.h"
#include "core/metrics.h"

static struct address host(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

static struct address numbered_host(unsigned number)
{
	char text[32];

	snprintf(text, sizeof(text), "10.%u.%u.%u", number >> 16 & 255, number >> 8 & 255,
		number & 255);
	return host(text);
}

static void an_address_has_its_limit_and_others_have_theirs(void **state)
{
	const struct admission_limits limits = {.total = 100, .address = 2};
	struct admission *admission = admission_open(100, &limits, 1, &clock_system);
	struct address one = host("192.0.2.1:1000"), again = host("192.0.2.1:2000"),
		       other = host("192.0.2.2"), six = host("2001:db8::1");
	struct admission_ticket tickets[5], refused;

	(void)state;
	assert_non_null(admission);
	assert_int_equal(admission_enter(admission, 0, &one, &tickets[0]), ADMISSION_IN);
	assert_int_equal(admission_enter(admission, 0, &again, &tickets[1]), ADMISSION_IN);
	assert_int_equal(admission_enter(admission, 0, &one, &refused), ADMISSION_ADDRESS_FULL);
	assert_int_equal(admission_enter(admission, 0, &other, &tickets[2]), ADMISSION_IN);
	assert_int_equal(admission_enter(admission, 0, &six, &tickets[3]), ADMISSION_IN);
	assert_int_equal(admission_count(admission), 4);
	assert_int_equal(metric_value(METRIC_CONNECTIONS), 4);
	admission_leave(admission, &tickets[0]);
	assert_int_equal(admission_enter(admission, 0, &one, &tickets[4]), ADMISSION_IN);
	assert_int_equal(admission_enter(admission, 0, &one, &refused), ADMISSION_ADDRESS_FULL);
	for (int i = 1; i < 5; i++)
		admission_leave(admission, &tickets[i]);
	assert_int_equal(admission_count(admission), 0);
	assert_int_equal(metric_value(METRIC_CONNECTIONS), 0);
	admission_close(&admission);
	assert_null(admission);
}

static void listeners_have_limits_of_their_own_and_one_in_total(void **state)
{
	const struct admission_limits limits[] = {
		{.total = 2, .address = 2}, {.total = 5, .address = 5}};
	struct admission *admission = admission_open(4, limits, 2, &clock_system);
	struct address one = host("192.0.2.1");
	struct admission_ticket tickets[4], refused;

	(void)state;
	assert_true(admission_has_room(admission, 0));
	assert_int_equal(admission_enter(admission, 0, &one, &tickets[0]), ADMISSION_IN);
	assert_int_equal(admission_enter(admission, 0, &one, &tickets[1]), ADMISSION_IN);
	assert_false(admission_has_room(admission, 0));
	assert_true(admission_has_room(admission, 1));
	assert_int_equal(admission_enter(admission, 0, &one, &refused), ADMISSION_FULL);
	/* counted by listener: the other's two do not weigh here */
	assert_int_equal(admission_enter(admission, 1, &one, &tickets[2]), ADMISSION_IN);
	assert_int_equal(admission_enter(admission, 1, &one, &tickets[3]), ADMISSION_IN);
	assert_false(admission_has_room(admission, 1));
	assert_int_equal(admission_enter(admission, 1, &one, &refused), ADMISSION_FULL);
	assert_int_equal(admission_count(admission), 4);
	for (int i = 0; i < 4; i++)
		admission_leave(admission, &tickets[i]);
	assert_true(admission_has_room(admission, 0));
	assert_int_equal(admission_count(admission), 0);
	admission_close(&admission);
}

static void last_tenth_is_for_addresses_without_a_connection(void **state)
{
	const struct admission_limits limits[] = {
		{.total = 20, .address = 20, .reserves = true}, {.total = 100, .address = 100}};
	struct admission *admission = admission_open(100, limits, 2, &clock_system);
	struct address bulk = host("192.0.2.1"), peer;
	struct admission_ticket tickets[100], refused;
	unsigned count = 0;

	(void)state;
	for (; count < 18; count++) {
		assert_false(admission_is_tight(admission, 0));
		assert_false(admission_ask_room(admission, 0));
		assert_int_equal(
			admission_enter(admission, 0, &bulk, &tickets[count]), ADMISSION_IN);
	}
	assert_true(admission_is_tight(admission, 0));
	assert_int_equal(admission_enter(admission, 0, &bulk, &refused), ADMISSION_RESERVED);
	assert_int_equal(admission_count(admission), 18);
	for (; count < 20; count++) {
		struct address device = numbered_host(count);

		assert_int_equal(
			admission_enter(admission, 0, &device, &tickets[count]), ADMISSION_IN);
		assert_int_equal(admission_enter(admission, 0, &device, &refused),
			count < 19 ? ADMISSION_RESERVED : ADMISSION_FULL);
	}
	/* without a place to wait, one that has few may take of it */
	admission_leave(admission, &tickets[--count]);
	assert_int_equal(
		admission_enter_reserve(admission, 0, &bulk, &refused), ADMISSION_RESERVED);
	peer = numbered_host(18);
	assert_int_equal(admission_enter(admission, 0, &peer, &refused), ADMISSION_RESERVED);
	assert_int_equal(
		admission_enter_reserve(admission, 0, &peer, &tickets[count++]), ADMISSION_IN);
	/* a listener without one leaves the tenth of the total to those that have */
	for (; count < 90; count++)
		assert_int_equal(
			admission_enter(admission, 1, &bulk, &tickets[count]), ADMISSION_IN);
	assert_int_equal(admission_enter(admission, 1, &bulk, &refused), ADMISSION_RESERVED);
	assert_false(admission_is_tight(admission, 1));
	for (unsigned i = 0; i < count; i++)
		admission_leave(admission, &tickets[i]);
	admission_close(&admission);
}

static void room_is_asked_once_and_taken_once(void **state)
{
	const struct admission_limits limits = {.total = 1, .address = 1, .reserves = true};
	struct admission *admission = admission_open(100, &limits, 1, &clock_system);
	struct address one = host("192.0.2.1");
	struct admission_ticket ticket;

	(void)state;
	assert_int_equal(admission_enter(admission, 0, &one, &ticket), ADMISSION_IN);
	assert_false(admission_room_is_asked(admission));
	assert_true(admission_ask_room(admission, 0));
	assert_false(admission_ask_room(admission, 0));
	assert_true(admission_room_is_asked(admission));
	assert_true(admission_take_ask(admission));
	assert_false(admission_take_ask(admission));
	admission_leave(admission, &ticket);
	assert_false(admission_ask_room(admission, 0));
	admission_close(&admission);
}

/* Comes and goes of many others between must not make the table forget an address. */
static void an_address_is_found_again_whoever_came_and_went(void **state)
{
	enum { TOTAL = 64, OTHERS = TOTAL - 2 };
	const struct admission_limits limits = {.total = TOTAL, .address = 2};
	struct admission *admission = admission_open(TOTAL, &limits, 1, &clock_system);
	struct address one = host("192.0.2.1");
	struct admission_ticket mine[2], refused, others[OTHERS];

	(void)state;
	for (unsigned round = 0; round < 500; round++) {
		for (unsigned i = 0; i < OTHERS; i++) {
			struct address other = numbered_host(round * OTHERS + i);

			assert_int_equal(
				admission_enter(admission, 0, &other, &others[i]), ADMISSION_IN);
		}
		assert_int_equal(admission_enter(admission, 0, &one, &mine[0]), ADMISSION_IN);
		for (unsigned i = 0; i < OTHERS; i++)
			admission_leave(admission, &others[i]);
		assert_int_equal(admission_enter(admission, 0, &one, &mine[1]), ADMISSION_IN);
		assert_int_equal(
			admission_enter(admission, 0, &one, &refused), ADMISSION_ADDRESS_FULL);
		admission_leave(admission, &mine[0]);
		admission_leave(admission, &mine[1]);
	}
	assert_int_equal(admission_count(admission), 0);
	admission_close(&admission);
}

static void as_many_addresses_as_the_total_have_a_place(void **state)
{
	enum { TOTAL = 5000 };
	const struct admission_limits limits = {.total = TOTAL, .address = 1};
	struct admission *admission = admission_open(TOTAL, &limits, 1, &clock_system);
	static struct admission_ticket tickets[TOTAL];
	struct admission_ticket refused;
	struct address more = host("192.0.2.1");

	(void)state;
	for (unsigned i = 0; i < TOTAL; i++) {
		struct address one = numbered_host(i);

		assert_int_equal(admission_enter(admission, 0, &one, &tickets[i]), ADMISSION_IN);
	}
	assert_int_equal(admission_enter(admission, 0, &more, &refused), ADMISSION_FULL);
	for (unsigned i = 0; i < TOTAL; i++)
		admission_leave(admission, &tickets[i]);
	assert_int_equal(admission_enter(admission, 0, &more, &refused), ADMISSION_IN);
	admission_leave(admission, &refused);
	admission_close(&admission);
}

static void four_fifths_of_the_places_are_a_crowd(void **state)
{
	const struct admission_limits limits[] = {
		{.total = 5, .address = 5}, {.total = 100, .address = 100}};
	struct admission *admission = admission_open(10, limits, 2, &clock_system);
	struct admission_ticket tickets[8];
	struct address one = host("192.0.2.1");

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(admission_enter(admission, 0, &one, &tickets[i]), ADMISSION_IN);
	assert_false(admission_is_crowded(admission, 0));
	assert_int_equal(admission_enter(admission, 0, &one, &tickets[3]), ADMISSION_IN);
	assert_true(admission_is_crowded(admission, 0));
	assert_false(admission_is_crowded(admission, 1)); /* 4 of 10 in total */
	for (int i = 4; i < 8; i++)
		assert_int_equal(admission_enter(admission, 1, &one, &tickets[i]), ADMISSION_IN);
	assert_true(admission_is_crowded(admission, 1));
	for (int i = 0; i < 8; i++)
		admission_leave(admission, &tickets[i]);
	assert_false(admission_is_crowded(admission, 0));
	admission_close(&admission);
}

/* ---- threads ---- */

enum { THREADS = 4, ROUNDS = 20000, SHARED_LIMIT = 3 };

static struct admission *shared;

struct counts {
	unsigned number, in, address_full;
};

static void *come_and_go(void *argument)
{
	struct counts *counts = argument;
	struct address all = host("192.0.2.1"), own = numbered_host(counts->number);

	for (int i = 0; i < ROUNDS; i++) {
		struct admission_ticket ticket, own_ticket;
		enum admission_answer answer = admission_enter(shared, 0, &all, &ticket);

		/* its own address never meets a limit, whatever the others do */
		if (admission_enter(shared, 0, &own, &own_ticket) != ADMISSION_IN)
			break;
		if (answer == ADMISSION_IN && i % 16 == 0)
			sched_yield();
		admission_leave(shared, &own_ticket);
		counts->in += answer == ADMISSION_IN;
		counts->address_full += answer == ADMISSION_ADDRESS_FULL;
		if (answer == ADMISSION_IN)
			admission_leave(shared, &ticket);
	}
	return NULL;
}

static void threads_that_come_and_go_leak_nothing(void **state)
{
	const struct admission_limits limits = {.total = 2 * THREADS, .address = SHARED_LIMIT};
	struct counts counts[THREADS] = {{0}};
	struct address all = host("192.0.2.1");
	struct admission_ticket tickets[SHARED_LIMIT], refused;
	pthread_t threads[THREADS];
	unsigned in = 0;

	(void)state;
	shared = admission_open(2 * THREADS, &limits, 1, &clock_system);
	for (unsigned i = 0; i < THREADS; i++) {
		counts[i].number = i;
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &counts[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(counts[i].in + counts[i].address_full, ROUNDS);
		in += counts[i].in;
	}
	assert_true(
		in > 0); /* not each: the others may have held all places through its whole run */
	assert_int_equal(admission_count(shared), 0);
	assert_int_equal(metric_value(METRIC_CONNECTIONS), 0);
	/* every place of the address was given back */
	for (int i = 0; i < SHARED_LIMIT; i++)
		assert_int_equal(admission_enter(shared, 0, &all, &tickets[i]), ADMISSION_IN);
	assert_int_equal(admission_enter(shared, 0, &all, &refused), ADMISSION_ADDRESS_FULL);
	for (int i = 0; i < SHARED_LIMIT; i++)
		admission_leave(shared, &tickets[i]);
	admission_close(&shared);
}

static void a_network_has_its_limit_whatever_its_addresses(void **state)
{
	const struct admission_limits limits = {.total = 100, .address = 10, .network = 2};
	struct admission *admission = admission_open(100, &limits, 1, &clock_system);
	struct address one = host("192.0.2.1"), two = host("192.0.2.254"),
		       third = host("192.0.2.3"), next = host("192.0.3.1"),
		       six = host("2001:db8:0:1::1"), six_two = host("2001:db8:0:1:ffff::2"),
		       six_third = host("2001:db8:0:1:1::3"), six_next = host("2001:db8:0:2::1");
	struct admission_ticket tickets[7], refused;

	(void)state;
	assert_int_equal(admission_enter(admission, 0, &one, &tickets[0]), ADMISSION_IN);
	assert_int_equal(admission_enter(admission, 0, &two, &tickets[1]), ADMISSION_IN);
	assert_int_equal(admission_enter(admission, 0, &third, &refused), ADMISSION_NETWORK_FULL);
	assert_int_equal(admission_enter(admission, 0, &next, &tickets[2]), ADMISSION_IN);
	assert_int_equal(admission_enter(admission, 0, &six, &tickets[3]), ADMISSION_IN);
	assert_int_equal(admission_enter(admission, 0, &six_two, &tickets[4]), ADMISSION_IN);
	assert_int_equal(
		admission_enter(admission, 0, &six_third, &refused), ADMISSION_NETWORK_FULL);
	assert_int_equal(admission_enter(admission, 0, &six_next, &tickets[5]), ADMISSION_IN);
	assert_int_equal(admission_count(admission), 6);
	admission_leave(admission, &tickets[0]);
	assert_int_equal(admission_enter(admission, 0, &third, &tickets[6]), ADMISSION_IN);
	assert_int_equal(admission_enter(admission, 0, &one, &refused), ADMISSION_NETWORK_FULL);
	for (int i = 1; i < 7; i++)
		admission_leave(admission, &tickets[i]);
	assert_int_equal(admission_count(admission), 0);
	admission_close(&admission);
}

/* Comes `times` times and goes at once; returns how often it was let in. */
static unsigned come(struct admission *admission, const struct address *peer, unsigned times,
	enum admission_answer refusal)
{
	struct admission_ticket ticket;
	unsigned in = 0;

	while (times-- > 0) {
		enum admission_answer answer = admission_enter(admission, 0, peer, &ticket);

		if (answer == ADMISSION_IN) {
			admission_leave(admission, &ticket);
			in++;
		} else {
			assert_int_equal(answer, refusal);
		}
	}
	return in;
}

static void who_comes_too_often_waits_for_its_rate(void **state)
{
	const struct admission_limits limits = {
		.total = 100, .address = 10, .address_rate = 6, .network_rate = 9};
	struct clock_turned clock;
	struct admission *admission;
	struct address one = host("192.0.2.1"), neighbour = host("192.0.2.2"),
		       other = host("198.51.100.1");

	(void)state;
	clock_turned_init(&clock, 1000);
	clock_turned_advance(&clock, 5000);
	admission = admission_open(100, &limits, 1, &clock.clock);
	assert_non_null(admission);
	assert_int_equal(come(admission, &one, 50, ADMISSION_ADDRESS_RATE), 6);
	/* what it asked for in vain took nothing of its network's */
	assert_int_equal(come(admission, &neighbour, 50, ADMISSION_NETWORK_RATE), 3);
	assert_int_equal(come(admission, &other, 3, ADMISSION_IN), 3);
	clock_turned_advance(&clock, 9999); /* a network's step is 6667 ms, an address's 10 s */
	assert_int_equal(come(admission, &one, 50, ADMISSION_ADDRESS_RATE), 0);
	assert_int_equal(come(admission, &neighbour, 50, ADMISSION_NETWORK_RATE), 1);
	clock_turned_advance(&clock, 3400);
	assert_int_equal(come(admission, &one, 50, ADMISSION_NETWORK_RATE), 1);
	clock_turned_advance(&clock, 60000); /* a minute makes all of it good, and no more */
	assert_int_equal(come(admission, &one, 50, ADMISSION_ADDRESS_RATE), 6);
	assert_int_equal(admission_count(admission), 0);
	admission_close(&admission);
}

static void more_than_the_table_holds_are_let_in(void **state)
{
	const struct admission_limits limits = {.total = 100, .address = 10, .address_rate = 1};
	struct clock_turned clock;
	struct admission *admission;
	unsigned in = 0;

	(void)state;
	clock_turned_init(&clock, 1000);
	admission = admission_open(100, &limits, 1, &clock.clock);
	for (unsigned number = 0; number < 100000; number++) {
		struct address peer = numbered_host(number);

		in += come(admission, &peer, 1, ADMISSION_ADDRESS_RATE);
	}
	/* one in some hundred thousand is taken for another: their tags are the same */
	assert_in_range(in, 99990, 100000);
	admission_close(&admission);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_network_has_its_limit_whatever_its_addresses),
		cmocka_unit_test(who_comes_too_often_waits_for_its_rate),
		cmocka_unit_test(more_than_the_table_holds_are_let_in),
		cmocka_unit_test(an_address_has_its_limit_and_others_have_theirs),
		cmocka_unit_test(listeners_have_limits_of_their_own_and_one_in_total),
		cmocka_unit_test(last_tenth_is_for_addresses_without_a_connection),
		cmocka_unit_test(room_is_asked_once_and_taken_once),
		cmocka_unit_test(an_address_is_found_again_whoever_came_and_went),
		cmocka_unit_test(as_many_addresses_as_the_total_have_a_place),
		cmocka_unit_test(four_fifths_of_the_places_are_a_crowd),
		cmocka_unit_test(threads_that_come_and_go_leak_nothing),
	};

	return cmocka_run_group_tests_name("core/admission", tests, NULL, NULL);
}
