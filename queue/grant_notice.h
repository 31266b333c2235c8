/*
 * grant_notice.h: of what a grant's owner is to be told, and when; and when the operator's weekly summary is due.
 *
 * An owner is told 30, 7 and 1 days before the expiry, when the grant has lapsed, when the grace is over, and when it was
 * revoked; each once for an expiry (grant.told). Of several that are due at once only the latest is told: the others count as
 * told with it. What is long past (GRANT_STALE_MS) is told nobody any more: an import may bring such ones.
 *
 * When the summary was last written is a mark in the registry, so that a relay that was down catches up, once.
 *
 * Threads: any. Units: milliseconds since 1970; a week's minute is of local time.
 */
#ifndef SLUICE_QUEUE_GRANT_NOTICE_H
#define SLUICE_QUEUE_GRANT_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "queue/grant.h"

#define GRANT_STALE_MS    (INT64_C(30) * 86400 * 1000)
#define GRANT_NOTICE_NONE 0

/* What is due; GRANT_NOTICE_NONE: nothing. *next_unix_ms: when the next one will be, UINT64_MAX: none. */
unsigned grant_notice_due(
	const struct grant *grant, uint64_t now_unix_ms, int64_t grace_ms, uint64_t *next_unix_ms);
/* `told` when this one has been told too. */
uint32_t grant_notice_add(uint32_t told, unsigned notice);

/* ---- the week ---- */

/*
 * The last time that it was this minute of the week (since Monday 00:00) by the local clock. A minute that a change of the clock leaves out is taken to
 * be there, one that comes twice is the first.
 */
uint64_t week_minute_before(int week_minute, uint64_t now_unix_ms);

/* The mark's record (registry.h). */
bool grant_mark_encode(uint64_t unix_ms, struct bytes *out) __attribute__((warn_unused_result));
/* 0 or -EBADMSG. */
int grant_mark_decode(const void *record, size_t size, uint64_t *unix_ms);

#endif
