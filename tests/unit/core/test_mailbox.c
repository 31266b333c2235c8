#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/mailbox.h"
#include "tests/unit/await.h"

#define PINGS 20000

static bool is_readable(const struct mailbox *mailbox, int wait_ms)
{
	struct pollfd wait = {.fd = mailbox_fd(mailbox), .events = POLLIN};

	return poll(&wait, 1, wait_ms) == 1;
}

static void full_mailbox_refuses_and_an_empty_one_gives_null(void **state)
{
	struct mailbox *mailbox = mailbox_open(2);
	struct letter letters[3] = {{NULL}};

	(void)state;
	assert_null(mailbox_pop(mailbox));
	assert_true(mailbox_push(mailbox, &letters[0]));
	assert_true(mailbox_push(mailbox, &letters[1]));
	assert_false(mailbox_push(mailbox, &letters[2]));
	assert_int_equal(mailbox_depth(mailbox), 2);
	assert_ptr_equal(mailbox_pop(mailbox), &letters[0]);
	assert_ptr_equal(mailbox_pop(mailbox), &letters[1]);
	assert_null(mailbox_pop(mailbox));
	mailbox_close(&mailbox);
	assert_null(mailbox);
}

static void a_push_to_an_awake_owner_costs_no_wake_up(void **state)
{
	struct mailbox *mailbox = mailbox_open(8);
	struct letter letters[3] = {{NULL}};

	(void)state;
	mailbox_rise(mailbox);
	assert_true(mailbox_push(mailbox, &letters[0]));
	assert_false(is_readable(mailbox, 0));
	assert_false(mailbox_rest(mailbox)); /* it came before the rest */
	assert_false(is_readable(mailbox, 0));
	assert_ptr_equal(mailbox_pop(mailbox), &letters[0]);
	assert_true(mailbox_rest(mailbox));
	assert_true(mailbox_push(mailbox, &letters[1]));
	assert_true(mailbox_push(mailbox, &letters[2]));
	assert_true(is_readable(mailbox, 0));
	mailbox_wake(mailbox);
	assert_false(is_readable(mailbox, 0));
	assert_ptr_equal(mailbox_pop(mailbox), &letters[1]);
	assert_ptr_equal(mailbox_pop(mailbox), &letters[2]);
	mailbox_close(&mailbox);
}

static void a_nudge_while_awake_is_found_at_the_rest(void **state)
{
	struct mailbox *mailbox = mailbox_open(2);

	(void)state;
	mailbox_rise(mailbox);
	assert_false(mailbox_nudge(mailbox));
	assert_false(mailbox_nudge(mailbox));
	assert_false(is_readable(mailbox, 0));
	assert_false(mailbox_rest(mailbox));
	assert_true(mailbox_rest(mailbox)); /* found once, however often it was nudged */
	mailbox_close(&mailbox);
}

static void a_nudge_wakes_a_sleeper_once(void **state)
{
	struct mailbox *mailbox = mailbox_open(2);

	(void)state;
	mailbox_rise(mailbox);
	assert_true(mailbox_rest(mailbox));
	assert_true(mailbox_nudge(mailbox));
	assert_false(mailbox_nudge(mailbox));
	assert_true(is_readable(mailbox, 0));
	mailbox_wake(mailbox);
	assert_false(is_readable(mailbox, 0));
	mailbox_close(&mailbox);
}

/*
 * Two threads throw one letter to and fro, each asleep whenever it has not come: one lost wake-up and both sleep on, and
 * the poll's deadline tells.
 */
struct side {
	struct mailbox *inbox, *other;
	size_t got;
	bool slept_on;
};

static struct letter *sleep_for_letter(struct side *side)
{
	for (;;) {
		struct letter *letter = mailbox_pop(side->inbox);

		if (letter != NULL)
			return letter;
		if (!mailbox_rest(side->inbox))
			continue;
		if (!is_readable(side->inbox, AWAIT_MS)) {
			side->slept_on = true;
			return NULL;
		}
		mailbox_wake(side->inbox);
	}
}

static void *throw_to_and_fro(void *argument)
{
	struct side *side = argument;

	while (side->got < PINGS) {
		struct letter *letter = sleep_for_letter(side);

		if (letter == NULL)
			break;
		side->got++;
		if (!mailbox_push(side->other, letter))
			break;
	}
	return NULL;
}

static void no_wake_up_is_lost_in_a_ping_pong(void **state)
{
	struct mailbox *one = mailbox_open(2), *two = mailbox_open(2);
	struct side sides[2] = {{.inbox = one, .other = two}, {.inbox = two, .other = one}};
	struct letter letter = {NULL};
	pthread_t threads[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, throw_to_and_fro, &sides[i]), 0);
	assert_true(mailbox_push(one, &letter));
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_false(sides[0].slept_on || sides[1].slept_on);
	assert_int_equal(sides[0].got, PINGS);
	assert_int_equal(sides[1].got, PINGS);
	mailbox_close(&one);
	mailbox_close(&two);
}

static struct {
	struct mailbox *mailbox;
	_Atomic size_t asked, answered;
	_Atomic bool slept_on;
} nudging;

/* Looks at what was asked whenever it is nudged, and sleeps in between. */
static void *answer_nudges(void *argument)
{
	(void)argument;
	while (atomic_load(&nudging.answered) < PINGS) {
		/* relaxed: the mailbox itself must order what was said before the nudge */
		size_t asked = atomic_load_explicit(&nudging.asked, memory_order_relaxed);

		atomic_store(&nudging.answered, asked);
		if (!mailbox_rest(nudging.mailbox))
			continue;
		if (atomic_load(&nudging.answered) == PINGS)
			break;
		if (!is_readable(nudging.mailbox, AWAIT_MS)) {
			atomic_store(&nudging.slept_on, true);
			break;
		}
		mailbox_wake(nudging.mailbox);
	}
	return NULL;
}

static void no_nudge_is_lost(void **state)
{
	pthread_t thread;

	(void)state;
	nudging.mailbox = mailbox_open(2);
	assert_int_equal(pthread_create(&thread, NULL, answer_nudges, NULL), 0);
	for (size_t i = 1; i <= PINGS; i++) {
		atomic_store_explicit(&nudging.asked, i, memory_order_relaxed);
		mailbox_nudge(nudging.mailbox);
		/* every other one is awaited, so that nudges meet it asleep, waking and awake */
		while (i % 2 == 0 && atomic_load(&nudging.answered) < i &&
			!atomic_load(&nudging.slept_on))
			sched_yield();
	}
	pthread_join(thread, NULL);
	assert_false(nudging.slept_on);
	assert_int_equal(nudging.answered, PINGS);
	mailbox_close(&nudging.mailbox);
}

static void *push_one(void *argument)
{
	static struct letter letter;

	/* the pop that sees it may come before this call has returned */
	return mailbox_push(argument, &letter) ? NULL : argument;
}

/* Under TSan this finds a sender that touches a mailbox which its owner has closed. */
static void the_owner_may_close_right_after_the_last_pop(void **state)
{
	(void)state;
	for (int i = 0; i < 500; i++) {
		struct mailbox *mailbox = mailbox_open(2);
		pthread_t thread;
		void *failed;

		assert_int_equal(pthread_create(&thread, NULL, push_one, mailbox), 0);
		while (mailbox_pop(mailbox) == NULL)
			sched_yield();
		mailbox_close(&mailbox);
		pthread_join(thread, &failed);
		assert_null(failed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_mailbox_refuses_and_an_empty_one_gives_null),
		cmocka_unit_test(a_push_to_an_awake_owner_costs_no_wake_up),
		cmocka_unit_test(a_nudge_while_awake_is_found_at_the_rest),
		cmocka_unit_test(a_nudge_wakes_a_sleeper_once),
		cmocka_unit_test(no_wake_up_is_lost_in_a_ping_pong),
		cmocka_unit_test(no_nudge_is_lost),
		cmocka_unit_test(the_owner_may_close_right_after_the_last_pop),
	};

	return cmocka_run_group_tests_name("core/mailbox", tests, NULL, NULL);
}
