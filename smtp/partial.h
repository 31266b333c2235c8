/*
 * partial.h: a text whose end never came: kept for the operator, never delivered by itself.
 *
 *   1. A fragile client goes, or is given up, behind at least one byte of text and before its end. No 250 was given, so
 *      nothing is promised: a store that is full, a daemon killed between, a bound reached, and it is nothing.
 *   2. It is stored like a message, marked ENVELOPE_PARTIAL, all its recipients held, with the cause for a reason. Its schedule row is
 *      one of UPSTREAM_PARTIAL, so that the writer can count them (writer_room.c: how many there may be).
 *   3. An operator may release it: it is scanned and sent like any other. Else it is deleted after PARTIAL_KEEP_MS.
 *
 * Threads: the worker's.
 */
#ifndef SLUICE_SMTP_PARTIAL_H
#define SLUICE_SMTP_PARTIAL_H

#include "smtp/session.h"

#define PARTIAL_KEEP_MS (UINT64_C(7) * 24 * 3600 * 1000)

/* The client of the session is no more, and its hand-off has nothing under way. True: a request is. */
bool partial_store(struct session *session);
/* The writer's answer to that was 0. */
void partial_log(const struct session *session);

#endif
