/*
 * helper_process.h: the helper's side of helper.h: the keeper, the dispatcher, and a process for each task.
 *
 *	daemon ── keeper ── dispatcher ─┬─ task
 *	    └────── socket ─────┘       └─ task
 *
 * Threads: one in each process.
 */
#ifndef SLUICE_CORE_HELPER_PROCESS_H
#define SLUICE_CORE_HELPER_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/helper.h"

/* A record on the socket: a task on its way in, an answer on its way out. Both ends are the same program. */
struct helper_frame {
	uint64_t number; /* 0: all tasks that are under way have died */
	int64_t timeout_ms; /* of a task */
	uint32_t kind; /* of a task */
	uint32_t end; /* of an answer: enum helper_end */
	uint8_t text[HELPER_TEXT_MAX];
};

#define HELPER_FRAME_HEAD offsetof(struct helper_frame, text)

/* In the forked process; `daemon` is its parent. */
_Noreturn void helper_process_run(
	int channel, pid_t daemon, helper_run_fn *const *kinds, size_t kind_count);

#endif
