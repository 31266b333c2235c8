/*
 * message_json.h: a message as the admin socket shows it: its envelope, and what the scheduler holds in memory of it.
 *
 * A claimed message's recipients that are due count as "delivering". One that waits for an upstream none of whose hosts
 * takes anything now shows that as its reason, and the next time a host is tried as its next attempt: such waiting is
 * nowhere in the store.
 * Threads: the admin thread.
 */
#ifndef SLUICE_ADMIN_MESSAGE_JSON_H
#define SLUICE_ADMIN_MESSAGE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin/ask.h"
#include "admin/json.h"
#include "queue/envelope.h"
#include "queue/store.h"

struct message_view {
	const struct store *store; /* for the upstreams' names */
	const struct snapshot *snapshot;
	uint64_t now_unix_ms;
	int64_t lifetime_ms;
};

/* The states that a message counts under, in their order: the first that applies to a recipient is the message's. */
extern const char *const message_states[];
extern const size_t message_state_count;

const char *message_state(const struct message_view *view, const struct envelope *envelope);

/* `whole`: with the history of attempts, and what only someone who looks at one message wants to know. */
void message_write(struct json *json, const char *name, const struct message_view *view,
	const struct envelope *envelope, bool whole);

#endif
