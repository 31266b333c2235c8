#include "core/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define EVENTS_PER_STEP 256

/*
 * epoll carries a slot and its generation, not a pointer: an event fetched for a watch that a handler of the same turn
 * removed finds another generation in its slot and is dropped.
 */
struct slot {
	struct loop_watch *watch;
	uint32_t generation;
	unsigned next_free;
};

RB_HEAD(timer_tree, loop_timer);

struct loop {
	const struct clock *clock;
	int epoll_fd;
	struct mailbox *inbox; /* or NULL */
	int64_t now_ms;
	struct slot *slots;
	unsigned slot_count, slot_room, first_free;
	struct timer_tree timers;
};

#define NO_SLOT 0U

static int compare_timers(struct loop_timer *a, struct loop_timer *b)
{
	if (a->due_mono_ms != b->due_mono_ms)
		return a->due_mono_ms < b->due_mono_ms ? -1 : 1;
	return (a > b) - (a < b);
}

RB_GENERATE_INTERNAL(timer_tree, loop_timer, entry, compare_timers, static __attribute__((unused)))

struct loop *loop_open(const struct clock *clock)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return NULL;
	loop->clock = clock;
	loop->now_ms = clock_mono_ms(clock);
	loop->slot_count = 1; /* slot 0 means none */
	RB_INIT(&loop->timers);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		loop_close(&loop);
	return loop;
}

void loop_close(struct loop **loop)
{
	if (loop == NULL || *loop == NULL)
		return;
	if ((*loop)->epoll_fd >= 0)
		close((*loop)->epoll_fd);
	free((*loop)->slots);
	free(*loop);
	*loop = NULL;
}

static unsigned take_slot(struct loop *loop)
{
	unsigned slot = loop->first_free;

	if (slot != NO_SLOT) {
		loop->first_free = loop->slots[slot].next_free;
		return slot;
	}
	if (loop->slot_count >= loop->slot_room) {
		unsigned room = loop->slot_room ? loop->slot_room * 2 : 64;
		struct slot *grown = realloc(loop->slots, room * sizeof(*grown));

		if (grown == NULL)
			return NO_SLOT;
		for (unsigned i = loop->slot_room; i < room; i++)
			grown[i] = (struct slot){0};
		loop->slots = grown;
		loop->slot_room = room;
	}
	return loop->slot_count++;
}

static void free_slot(struct loop *loop, unsigned slot)
{
	loop->slots[slot].watch = NULL;
	loop->slots[slot].generation++;
	loop->slots[slot].next_free = loop->first_free;
	loop->first_free = slot;
}

static int control(struct loop *loop, int how, struct loop_watch *watch)
{
	struct epoll_event event = {
		.events = watch->events,
		.data.u64 = (uint64_t)loop->slots[watch->slot].generation << 32 | watch->slot,
	};

	return epoll_ctl(loop->epoll_fd, how, watch->fd, &event) < 0 ? -errno : 0;
}

int loop_watch_add(struct loop *loop, struct loop_watch *watch, int fd, uint32_t events)
{
	int rc;

	watch->fd = fd;
	watch->events = events;
	watch->slot = take_slot(loop);
	if (watch->slot == NO_SLOT)
		return -ENOMEM;
	loop->slots[watch->slot].watch = watch;
	rc = control(loop, EPOLL_CTL_ADD, watch);
	if (rc < 0) {
		free_slot(loop, watch->slot);
		watch->slot = NO_SLOT;
	}
	return rc;
}

int loop_watch_change(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
	if (watch->events == events)
		return 0;
	watch->events = events;
	return control(loop, EPOLL_CTL_MOD, watch);
}

void loop_watch_remove(struct loop *loop, struct loop_watch *watch)
{
	if (watch->slot == NO_SLOT)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	free_slot(loop, watch->slot);
	watch->slot = NO_SLOT;
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t due_mono_ms)
{
	if (timer->armed && timer->due_mono_ms == due_mono_ms)
		return;
	loop_timer_clear(loop, timer);
	timer->due_mono_ms = due_mono_ms;
	timer->armed = true;
	RB_INSERT(timer_tree, &loop->timers, timer);
}

void loop_timer_clear(struct loop *loop, struct loop_timer *timer)
{
	if (!timer->armed)
		return;
	RB_REMOVE(timer_tree, &loop->timers, timer);
	timer->armed = false;
}

int loop_attach(struct loop *loop, struct mailbox *inbox)
{
	/* Edge-triggered: each wake-up is an event of its own, so the counter need not be read back to zero. */
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = NO_SLOT};

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, mailbox_fd(inbox), &event) < 0)
		return -errno;
	loop->inbox = inbox;
	return 0;
}

static int wait_for(struct loop *loop, int max_wait_ms)
{
	struct loop_timer *first = RB_MIN(timer_tree, &loop->timers);
	int64_t until;

	if (first == NULL)
		return max_wait_ms;
	until = first->due_mono_ms - clock_mono_ms(loop->clock);
	if (until < 0)
		until = 0;
	if (max_wait_ms >= 0 && until > max_wait_ms)
		return max_wait_ms;
	return until > 60000 ? 60000 : (int)until;
}

static void fire_due(struct loop *loop)
{
	struct loop_timer *timer;

	while ((timer = RB_MIN(timer_tree, &loop->timers)) != NULL &&
		timer->due_mono_ms <= loop->now_ms) {
		loop_timer_clear(loop, timer);
		timer->fire(timer->owner);
	}
}

static int wait_for_events(struct loop *loop, int max_wait_ms, struct epoll_event *events)
{
	bool rests = loop->inbox != NULL && max_wait_ms != 0 && mailbox_rest(loop->inbox);
	int wait_ms = loop->inbox == NULL || rests ? wait_for(loop, max_wait_ms) : 0;
	int count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_STEP, wait_ms);

	if (count < 0)
		count = errno == EINTR ? 0 : -errno;
	if (rests)
		mailbox_rise(loop->inbox);
	return count;
}

int loop_step(struct loop *loop, int max_wait_ms)
{
	struct epoll_event events[EVENTS_PER_STEP];
	int count = wait_for_events(loop, max_wait_ms, events);

	if (count < 0)
		return count;
	loop->now_ms = clock_mono_ms(loop->clock);
	for (int i = 0; i < count; i++) {
		unsigned slot = (unsigned)(events[i].data.u64 & UINT32_MAX);
		uint32_t generation = (uint32_t)(events[i].data.u64 >> 32);
		struct loop_watch *watch = slot != NO_SLOT ? loop->slots[slot].watch : NULL;

		if (watch != NULL && loop->slots[slot].generation == generation)
			watch->ready(watch->owner, events[i].events);
	}
	fire_due(loop);
	return 0;
}

int64_t loop_now_ms(const struct loop *loop)
{
	return loop->now_ms;
}
