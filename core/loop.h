/*
 * loop.h: one thread's event loop: descriptors by epoll, timers, and one mailbox or none.
 *
 * 1. loop_step waits until a descriptor is ready, a timer is due, or `max_wait_ms` is over.
 * 2. It calls `ready` of each watch that is, then `fire` of each timer that is due.
 * A handler may add and remove any watch and timer, its own too, and free what holds them: events that were already
 * fetched for a removed watch are not delivered.
 *
 * Threads: one, the owner. Owner: watches and timers are embedded in their owners' structs.
 * Errors: the epoll calls' errno as negative numbers.
 */
#ifndef SLUICE_CORE_LOOP_H
#define SLUICE_CORE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include <bsd/sys/tree.h>

#include "core/clock.h"
#include "core/mailbox.h"

struct loop;

typedef void loop_ready_fn(void *owner, uint32_t events);
typedef void loop_fire_fn(void *owner);

struct loop_watch {
	int fd;
	uint32_t events;
	void *owner;
	loop_ready_fn *ready;
	unsigned slot; /* loop's: place in its table */
};

struct loop_timer {
	int64_t due_mono_ms;
	void *owner;
	loop_fire_fn *fire;
	bool armed;
	RB_ENTRY(loop_timer) entry;
};

struct loop *loop_open(const struct clock *clock);
void loop_close(struct loop **loop);

/* `events` as for epoll_ctl (EPOLLIN | EPOLLET …). The watch must be zeroed before its first use. */
int loop_watch_add(struct loop *loop, struct loop_watch *watch, int fd, uint32_t events);
int loop_watch_change(struct loop *loop, struct loop_watch *watch, uint32_t events);
void loop_watch_remove(struct loop *loop, struct loop_watch *watch);

/* Arms or moves a timer. A timer that moves at every command is cheaper re-armed lazily, from its `fire`. */
void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t due_mono_ms);
void loop_timer_clear(struct loop *loop, struct loop_timer *timer);

/*
 * The mailbox that this thread owns and sleeps on. loop_step rests it before it waits, and does not wait when something
 * came or it was nudged; while handlers run it counts as awake, so a push then costs its sender no system call. The owner
 * pops it between steps.
 */
int loop_attach(struct loop *loop, struct mailbox *inbox);

/* One turn. max_wait_ms < 0: until something happens. Returns 0 or -errno. */
int loop_step(struct loop *loop, int max_wait_ms);

/* The monotonic time read at the start of this turn; cheap. */
int64_t loop_now_ms(const struct loop *loop);

#endif
