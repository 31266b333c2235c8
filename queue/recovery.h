/*
 * recovery.h: what is done about a store at start: sweeps what a crash left behind.
 *
 * Texts without an envelope (a client that was still sending when the machine died) are deleted in small steps, each a
 * writer's request, behind intake: nobody waits for it. It is idempotent; a crash during it changes nothing.
 * Threads: recovery_start by main before clients are let in (so that no living text is taken for an orphan: only ids up
 * to `last_id` are looked at).
 */
#ifndef SLUICE_QUEUE_RECOVERY_H
#define SLUICE_QUEUE_RECOVERY_H

#include <stdint.h>

#include "queue/writer.h"

struct recovery;

int recovery_start(struct recovery **out, struct writer *writer, uint64_t last_id);
/* After the writer has stopped. */
void recovery_close(struct recovery **recovery);

#endif
