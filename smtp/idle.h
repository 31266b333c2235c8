/*
 * idle.h: a worker's sessions that wait between two transactions, and which of them gives its place up.
 *
 * Of fragile listeners only, whose clients are never told to come again:
 *   1. A session is in the worker's `idle` queue while it is READY; each command puts it last, so the first is idle longest.
 *   2. Where nine tenths of the places are taken, the acceptors ask for room (core/admission) and nudge the workers.
 *   3. At its next turn a worker with a session that has been idle for IDLE_LEAST_MS, and with nothing buffered on either side,
 *      takes the request and closes it without a word. Where the first is not idle long enough yet, a timer brings the turn.
 * A worker closes its own longest, which need not be the longest of all: no worker knows another's sessions.
 *
 * Threads: the worker's.
 */
#ifndef SLUICE_SMTP_IDLE_H
#define SLUICE_SMTP_IDLE_H

#include "smtp/session.h"

#define IDLE_LEAST_MS 10000

void idle_init(struct session_shared *shared);
/* The session's state has changed, or it had a command. */
void idle_note(struct session *session);
/* Closes one session where that is asked for. */
void idle_give_way(struct session_shared *shared);

#endif
