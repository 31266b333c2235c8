/*
 * schedule.h: which rows of the schedule a message has: a pure function of its envelope.
 *
 *	SCANNING            → (UPSTREAM_SCAN, due when it was received)
 *	WAITING, DEFERRED   → (the recipient's upstream, due at the earliest of the recipients that wait for it)
 *	HELD, QUARANTINED   → (UPSTREAM_HOLD, due when the earliest hold ends)
 *	HELD, in an envelope that is ENVELOPE_PARTIAL → the same, of UPSTREAM_PARTIAL, so that these are counted by themselves
 *	final states        → none
 *
 *	HELD, of a kind that is not ordinary → the same, of UPSTREAM_KINDS and the kind
 *
 * One row for each distinct upstream. The store derives rows and counts with these functions at every change.
 */
#ifndef SLUICE_QUEUE_SCHEDULE_H
#define SLUICE_QUEUE_SCHEDULE_H

#include "queue/envelope.h"
#include "queue/store.h"

struct schedule_row {
	uint16_t upstream;
	enum lane lane;
	uint32_t bucket;
	uint64_t due_unix_ms;
	uint64_t id;
};

/* `rows` has room for one row a recipient. Returns how many there are. */
size_t schedule_rows(const struct envelope *envelope, struct schedule_row *rows);

/* The upstream number that a recipient waits for now, or 0 when it is final. */
uint16_t schedule_upstream(const struct recipient *recipient);

/* The state that the message counts under: the first that applies of scanning, waiting, deferred, held, quarantined; 0: done. */
enum recipient_state schedule_state(const struct envelope *envelope);

/* The fairness bucket of a client: a hash of the account, or without one of the address. */
uint32_t schedule_bucket(const char *account, const char *client);

#endif
