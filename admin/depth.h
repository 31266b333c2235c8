/*
 * depth.h: how deep the queue is: the store's counts, with what the scheduler and the sessions hold in memory.
 *
 * A message whose unit is claimed is in the store still waiting or deferred. The scheduler counts units, so those that it
 * delivers are taken off the waiting ones first, then off the deferred.
 * Of what is held the store counts each kind (envelope.h) apart; what is left is ordinary.
 * Threads: the admin thread.
 */
#ifndef SLUICE_ADMIN_DEPTH_H
#define SLUICE_ADMIN_DEPTH_H

#include <stdint.h>

#include "admin/ask.h"
#include "admin/json.h"
#include "admin/service.h"
#include "queue/envelope.h"

#define DEPTH_STATES 7 /* as message_states */

struct depth {
	uint64_t messages, bytes, recipients, oldest_seconds;
	uint64_t states[DEPTH_STATES];
	uint64_t held[HOLD_KIND_COUNT]; /* of those that are held, by kind */
};

/* 0, or what the store says. */
int depth_read(struct service *service, const struct snapshot *snapshot, struct depth *out);
/* Members of the object that is open. */
void depth_write(struct json *json, const struct depth *depth);
void depth_write_held(
	struct json *json, const struct depth *depth); /* as "held"; depth_write has it too */

#endif
