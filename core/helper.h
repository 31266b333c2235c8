/*
 * helper.h: a process beside the daemon for what must be run apart: modules of others that block, leak, crash, fork.
 *
 * It is forked before threads start and before the store opens; nothing forks after that (docs/architecture.md). It keeps the privileges
 * that the daemon was started with, and nothing else of the daemon's: no descriptor, no signal, not the terminal.
 *
 * The way of a task:
 *   1. helper_ask sends it on a socket that keeps records apart, by its number and kind. It never waits.
 *   2. The dispatcher forks a process for it, in which its kind's function runs: at most HELPER_AT_ONCE at a time.
 *   3. Its answer goes back as it is; answers come in any order. A process that dies without one, or is not done in time (it is
 *      killed, and what it started with it), costs this task only.
 *   4. A dispatcher that dies is started again by its keeper, the helper's first process: what was under way ends HELPER_DIED.
 *   5. Without its keeper the helper is gone until the daemon starts again: every task ends HELPER_GONE, at once.
 * The helper ends with the daemon, however that ends.
 *
 * Threads: start and stop by main, with no other thread there at start; all else by the one thread whose loop it is attached to.
 * Owner: a task stays its asker's, and must stay where it is until it is answered; what it holds is copied, and wiped here once
 * it is sent.
 */
#ifndef SLUICE_CORE_HELPER_H
#define SLUICE_CORE_HELPER_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/loop.h"
#include "core/reason.h"

#define HELPER_TEXT_MAX 4096 /* bytes of a task, and of an answer */
#define HELPER_AT_ONCE  32

/* In a process of its own. Puts its answer into `answer`, which has room for HELPER_TEXT_MAX bytes; returns its size. */
typedef size_t helper_run_fn(const uint8_t *text, size_t size, uint8_t *answer);

enum helper_end {
	HELPER_DONE,
	HELPER_LATE,
	HELPER_DIED, /* its process, or the dispatcher */
	HELPER_GONE,
};

struct helper_task {
	void *owner;
	/* `answer` is there for the length of the call, and empty but for HELPER_DONE. The task may be freed, or asked again. */
	void (*ended)(
		struct helper_task *task, enum helper_end end, const uint8_t *answer, size_t size);

	/* the helper's */
	struct helper *helper;
	uint64_t number;
	struct loop_timer timer;
	TAILQ_ENTRY(helper_task) entry;
};

struct helper;

/* `kinds` stays. -1 with a reason. */
int helper_start(
	struct helper **out, helper_run_fn *const *kinds, size_t kind_count, struct reason *reason);
/* Waits for its end, a few seconds at most. Detached. */
void helper_stop(struct helper **helper);

/* 0 or -errno. */
int helper_attach(struct helper *helper, struct loop *loop);
/* No task is under way. */
void helper_detach(struct helper *helper);

/* All that are under way end HELPER_GONE: nobody is to wait for them any more. */
void helper_give_up(struct helper *helper);

/* For one more task; true also when it is gone. */
bool helper_has_room(const struct helper *helper);

/* `ended` may be called before it returns. `kind` is a place in `kinds`; size: HELPER_TEXT_MAX at most. */
void helper_ask(struct helper *helper, struct helper_task *task, unsigned kind, const void *text,
	size_t size, int64_t timeout_ms);

#endif
