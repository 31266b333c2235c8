#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/loop.h"

static struct loop *open_loop(struct clock_turned *clock)
{
	struct loop *loop;

	clock_turned_init(clock, 1000);
	loop = loop_open(&clock->clock);
	assert_non_null(loop);
	return loop;
}

/* A descriptor that is ready at once, and a watch that counts. */
struct counted {
	struct loop *loop;
	struct loop_watch watch;
	int fd;
	unsigned calls;
	uint32_t events;
	struct counted *removes; /* taken out by this one's handler */
};

static void count_ready(void *owner, uint32_t events)
{
	struct counted *counted = owner;

	counted->calls++;
	counted->events = events;
	if (counted->removes != NULL)
		loop_watch_remove(counted->loop, &counted->removes->watch);
}

static void add_counted(struct loop *loop, struct counted *counted)
{
	*counted = (struct counted){.loop = loop, .fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)};
	counted->watch = (struct loop_watch){.owner = counted, .ready = count_ready};
	assert_int_equal(loop_watch_add(loop, &counted->watch, counted->fd, EPOLLIN), 0);
}

static void a_ready_descriptor_is_told_until_it_is_removed(void **state)
{
	struct clock_turned clock;
	struct loop *loop = open_loop(&clock);
	struct counted one;

	(void)state;
	add_counted(loop, &one);
	assert_int_equal(loop_step(loop, 0), 0);
	assert_int_equal(loop_step(loop, 0), 0);
	assert_int_equal(one.calls, 2);
	assert_true(one.events & EPOLLIN);
	assert_int_equal(loop_watch_change(loop, &one.watch, EPOLLOUT), 0);
	assert_int_equal(loop_step(loop, 0), 0);
	assert_int_equal(one.events, EPOLLOUT);
	loop_watch_remove(loop, &one.watch);
	loop_watch_remove(loop, &one.watch);
	assert_int_equal(loop_step(loop, 0), 0);
	assert_int_equal(one.calls, 3);
	close(one.fd);
	loop_close(&loop);
	assert_null(loop);
}

static void a_watch_removed_by_another_handler_of_the_turn_is_not_called(void **state)
{
	struct clock_turned clock;
	struct loop *loop = open_loop(&clock);
	struct counted one, two;

	(void)state;
	add_counted(loop, &one);
	add_counted(loop, &two);
	one.removes = &two;
	two.removes = &one;
	assert_int_equal(loop_step(loop, 0), 0);
	assert_int_equal(one.calls + two.calls, 1);
	close(one.fd);
	close(two.fd);
	loop_close(&loop);
}

static struct counted *readded;

static void replace_other(void *owner, uint32_t events)
{
	struct counted *one = owner;

	(void)events;
	one->calls++;
	loop_watch_remove(one->loop, &one->removes->watch);
	add_counted(one->loop, readded); /* takes the slot that was just freed */
	loop_watch_remove(one->loop, &one->watch);
}

static void a_watch_that_got_a_removed_ones_place_does_not_get_its_event(void **state)
{
	struct clock_turned clock;
	struct loop *loop = open_loop(&clock);
	struct counted one, two, late;

	(void)state;
	add_counted(loop, &one);
	add_counted(loop, &two);
	one.removes = &two;
	two.removes = &one;
	one.watch.ready = two.watch.ready = replace_other;
	readded = &late;
	assert_int_equal(loop_step(loop, 0), 0);
	assert_int_equal(one.calls + two.calls, 1);
	assert_int_equal(late.calls, 0);
	assert_int_equal(loop_step(loop, 0), 0);
	assert_int_equal(late.calls, 1);
	close(one.fd);
	close(two.fd);
	close(late.fd);
	loop_close(&loop);
}

static void a_bad_descriptor_is_an_error_and_takes_no_place(void **state)
{
	struct clock_turned clock;
	struct loop *loop = open_loop(&clock);
	struct loop_watch watch = {.ready = count_ready};

	(void)state;
	assert_true(loop_watch_add(loop, &watch, -1, EPOLLIN) < 0);
	loop_watch_remove(loop, &watch);
	assert_int_equal(loop_step(loop, 0), 0);
	loop_close(&loop);
}

static void many_watches_are_all_told(void **state)
{
	enum { MANY = 500 };
	struct clock_turned clock;
	struct loop *loop = open_loop(&clock);
	struct counted *all = calloc(MANY, sizeof(*all));

	(void)state;
	assert_non_null(all);
	for (int i = 0; i < MANY; i++)
		add_counted(loop, &all[i]);
	for (int i = 0; i < 4; i++)
		assert_int_equal(loop_step(loop, 0), 0);
	for (int i = 0; i < MANY; i++) {
		assert_true(all[i].calls > 0);
		close(all[i].fd);
	}
	free(all);
	loop_close(&loop);
}

/* ---- timers ---- */

static char fired[64];
static size_t fired_count;

struct named_timer {
	struct loop_timer timer;
	char name;
	struct loop *loop;
	int64_t again_at; /* re-armed to then, once */
	struct loop_timer *clears;
};

static void note_fired(void *owner)
{
	struct named_timer *named = owner;

	fired[fired_count++] = named->name;
	fired[fired_count] = '\0';
	if (named->clears != NULL)
		loop_timer_clear(named->loop, named->clears);
	if (named->again_at != 0) {
		loop_timer_set(named->loop, &named->timer, named->again_at);
		named->again_at = 0;
	}
}

static void init_timer(struct named_timer *named, struct loop *loop, char name)
{
	*named = (struct named_timer){.name = name, .loop = loop};
	named->timer.owner = named;
	named->timer.fire = note_fired;
	fired_count = 0;
	fired[0] = '\0';
}

static void step_to(struct loop *loop, struct clock_turned *clock, int64_t mono_ms)
{
	clock_turned_advance(clock, mono_ms - clock_mono_ms(&clock->clock));
	assert_int_equal(loop_step(loop, 0), 0);
	assert_int_equal(loop_now_ms(loop), mono_ms);
}

static void timers_fire_in_the_order_they_are_due(void **state)
{
	struct clock_turned clock;
	struct loop *loop = open_loop(&clock);
	struct named_timer a, b, c;
	int64_t now = clock_mono_ms(&clock.clock);

	(void)state;
	init_timer(&a, loop, 'a');
	init_timer(&b, loop, 'b');
	init_timer(&c, loop, 'c');
	loop_timer_set(loop, &c.timer, now + 30);
	loop_timer_set(loop, &a.timer, now + 10);
	loop_timer_set(loop, &b.timer, now + 20);
	step_to(loop, &clock, now + 9);
	assert_string_equal(fired, "");
	step_to(loop, &clock, now + 25);
	assert_string_equal(fired, "ab");
	step_to(loop, &clock, now + 30);
	assert_string_equal(fired, "abc");
	step_to(loop, &clock, now + 100);
	assert_string_equal(fired, "abc");
	loop_close(&loop);
}

static void a_timer_moves_and_is_cleared(void **state)
{
	struct clock_turned clock;
	struct loop *loop = open_loop(&clock);
	struct named_timer a, b;
	int64_t now = clock_mono_ms(&clock.clock);

	(void)state;
	init_timer(&a, loop, 'a');
	init_timer(&b, loop, 'b');
	loop_timer_set(loop, &a.timer, now + 10);
	loop_timer_set(loop, &b.timer, now + 10);
	loop_timer_set(loop, &a.timer, now + 50);
	loop_timer_clear(loop, &b.timer);
	loop_timer_clear(loop, &b.timer);
	step_to(loop, &clock, now + 49);
	assert_string_equal(fired, "");
	step_to(loop, &clock, now + 50);
	assert_string_equal(fired, "a");
	loop_close(&loop);
}

static void a_timer_is_armed_again_from_its_own_fire(void **state)
{
	struct clock_turned clock;
	struct loop *loop = open_loop(&clock);
	struct named_timer a;
	int64_t now = clock_mono_ms(&clock.clock);

	(void)state;
	init_timer(&a, loop, 'a');
	a.again_at = now + 40;
	loop_timer_set(loop, &a.timer, now + 10);
	step_to(loop, &clock, now + 20);
	assert_string_equal(fired, "a");
	assert_true(a.timer.armed);
	step_to(loop, &clock, now + 40);
	assert_string_equal(fired, "aa");
	assert_false(a.timer.armed);
	loop_close(&loop);
}

static void a_timer_cleared_by_one_that_fires_before_it_stays_silent(void **state)
{
	struct clock_turned clock;
	struct loop *loop = open_loop(&clock);
	struct named_timer a, b;
	int64_t now = clock_mono_ms(&clock.clock);

	(void)state;
	init_timer(&a, loop, 'a');
	init_timer(&b, loop, 'b');
	a.clears = &b.timer;
	loop_timer_set(loop, &a.timer, now + 1);
	loop_timer_set(loop, &b.timer, now + 2);
	step_to(loop, &clock, now + 5);
	assert_string_equal(fired, "a");
	loop_close(&loop);
}

static void a_step_sleeps_no_longer_than_the_next_timer(void **state)
{
	struct loop *loop = loop_open(&clock_system);
	struct named_timer a;

	(void)state;
	init_timer(&a, loop, 'a');
	loop_timer_set(loop, &a.timer, clock_mono_ms(&clock_system) + 20);
	while (fired_count == 0)
		assert_int_equal(loop_step(loop, -1), 0); /* or it hangs here */
	loop_close(&loop);
}

/* ---- the mailbox ---- */

static void a_step_does_not_sleep_on_a_letter_or_a_nudge(void **state)
{
	struct loop *loop = loop_open(&clock_system);
	struct mailbox *inbox = mailbox_open(4);
	struct letter letter = {NULL};

	(void)state;
	assert_int_equal(loop_attach(loop, inbox), 0);
	mailbox_rise(inbox);
	assert_true(mailbox_push(inbox, &letter));
	assert_int_equal(loop_step(loop, -1), 0); /* or it hangs here */
	assert_ptr_equal(mailbox_pop(inbox), &letter);
	assert_false(mailbox_nudge(inbox)); /* awake between two steps: no wake-up */
	assert_int_equal(loop_step(loop, -1), 0);
	loop_close(&loop);
	mailbox_close(&inbox);
}

static struct mailbox *watched_inbox;
static bool was_asleep;

static void nudge_from_handler(void *owner, uint32_t events)
{
	(void)owner;
	(void)events;
	was_asleep = mailbox_nudge(watched_inbox);
}

static void while_handlers_run_a_push_costs_no_wake_up(void **state)
{
	struct loop *loop = loop_open(&clock_system);
	struct counted one;

	(void)state;
	watched_inbox = mailbox_open(4);
	was_asleep = true;
	assert_int_equal(loop_attach(loop, watched_inbox), 0);
	add_counted(loop, &one);
	one.watch.ready = nudge_from_handler;
	assert_int_equal(loop_step(loop, -1), 0);
	assert_false(was_asleep);
	close(one.fd);
	loop_close(&loop);
	mailbox_close(&watched_inbox);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ready_descriptor_is_told_until_it_is_removed),
		cmocka_unit_test(a_watch_removed_by_another_handler_of_the_turn_is_not_called),
		cmocka_unit_test(a_watch_that_got_a_removed_ones_place_does_not_get_its_event),
		cmocka_unit_test(a_bad_descriptor_is_an_error_and_takes_no_place),
		cmocka_unit_test(many_watches_are_all_told),
		cmocka_unit_test(timers_fire_in_the_order_they_are_due),
		cmocka_unit_test(a_timer_moves_and_is_cleared),
		cmocka_unit_test(a_timer_is_armed_again_from_its_own_fire),
		cmocka_unit_test(a_timer_cleared_by_one_that_fires_before_it_stays_silent),
		cmocka_unit_test(a_step_sleeps_no_longer_than_the_next_timer),
		cmocka_unit_test(a_step_does_not_sleep_on_a_letter_or_a_nudge),
		cmocka_unit_test(while_handlers_run_a_push_costs_no_wake_up),
	};

	return cmocka_run_group_tests_name("core/loop", tests, NULL, NULL);
}
