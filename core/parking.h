/*
 * parking.h: clients that an acceptor has accepted and cannot let in yet.
 *
 * They are over their address's limit, or have a connection where the rest of the places is reserved. They wait without a word
 * and are tried again every few milliseconds, some at a time and in turn, so that one host's many connections cost the others
 * nothing.
 *
 * Threads: the acceptor's that opened it. Owner: a parked client is the parking's until `give` takes it.
 * Limits: `most` clients, and PARKING_MAX; one that waited PARKING_PATIENCE_MS, or whose client went, is closed.
 */
#ifndef SLUICE_CORE_PARKING_H
#define SLUICE_CORE_PARKING_H

#include <stdbool.h>

#include "core/acceptor.h"
#include "core/admission.h"
#include "core/loop.h"

#define PARKING_MAX         1024
#define PARKING_PATIENCE_MS 240000 /* a client may be expected to wait so long */

struct parking;

/* Hands a client that is in to the workers. False: no room, it stays the caller's. */
typedef bool parking_give_fn(void *giver, struct accepted *accepted);
/* One that has not been let in waits for room on the listener. */
typedef void parking_ask_fn(void *giver, unsigned listener);

struct parking *parking_open(struct loop *loop, struct admission *admission, unsigned most,
	parking_give_fn *give, parking_ask_fn *ask, void *giver);
/* Closes those that still wait, without a word. */
void parking_close(struct parking **parking);

/* False: no room or memory here; the client stays the caller's. */
bool parking_add(struct parking *parking, struct accepted *accepted)
	__attribute__((warn_unused_result));

#endif
