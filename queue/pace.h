/*
 * pace.h: how much one who sends may hand over in a time, and when what is over it goes on.
 *
 * The way of a client's message:
 *   1. Its session says what holds for it (struct pace_terms: rates of its grant, its account, its address).
 *   2. The writer, which keeps the figures (usage.h), looks at them before it stores the message. Within all rates the message
 *      goes its way. Over one, it is stored and held (HOLD_PACED) until the rate permits it, or refused where the terms say so.
 *   3. Above the volume of a day that needs approval it is held for an operator (HOLD_VOLUME), or an operator is told.
 *   4. The figures are stored in the same commit as the message.
 *
 * A rate of N an hour is a bucket that holds what comes in `burst_ms` and fills at N an hour: who never hands over more than that
 * in any burst is never paced. A bucket is one number: when it will be full again. A message takes its share by putting that
 * off; it may go on as soon as no more than a bucket is missing. So each message's time is known when it comes, in order,
 * and nobody counts afterwards. What is paced has taken its share too.
 *
 * Units: microseconds since 1970 in *_unix_us, milliseconds elsewhere. Limits: nobody is put off for longer than PACE_MAX_MS.
 */
#ifndef SLUICE_QUEUE_PACE_H
#define SLUICE_QUEUE_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/envelope.h"

#define PACE_MAX_MS   (INT64_C(7) * 86400 * 1000)
#define PACE_HOUR_MS  (INT64_C(3600) * 1000)
#define PACE_SAY_SIZE 192

enum pace_whom { PACE_GRANT, PACE_ACCOUNT, PACE_ADDRESS };
#define PACE_WHOM_COUNT 3

struct pace_rate {
	uint32_t messages_per_hour, recipients_per_hour; /* 0: any */
};

/* What holds for a message. All zero: nothing does. Whose rates they are, the envelope says (grant, account, client). */
struct pace_terms {
	struct pace_rate rates[PACE_WHOM_COUNT];
	int64_t burst_ms;
	bool refuses; /* what is over a rate is not taken: WRITER_ADD's -EAGAIN */
	/* A day's volume that needs approval, of its grant, or else its account, or else its address; 0: none does. */
	uint32_t approve_messages, approve_recipients;
	int64_t approve_hold_ms;
	bool counts_address; /* its address is counted where it has neither grant nor account … */
	bool tells_of_address; /* … and what is above the volume is told, and goes on */
	bool is_unmarked_bulk; /* bulk mail without List-Unsubscribe */
};

/* What became of it. */
struct pace_outcome {
	enum hold_kind held; /* HOLD_PACED, HOLD_VOLUME; HOLD_ORDINARY: it was not held for this */
	bool is_first; /* the first above the volume on its day: the operator is to be told */
	uint64_t until_unix_ms; /* when it goes on, or may come again */
	char said[PACE_SAY_SIZE]; /* "grant printers has 600 messages an hour"; "": nothing */
	char volume
		[PACE_SAY_SIZE]; /* "grant printers has more than 2000 recipients today"; "" as above */
};

/* "grant", "account", "address" */
const char *pace_whom_name(enum pace_whom whom);

/*
 * Takes `count` out of the bucket that is full at *full_unix_us, and returns when that is permitted: `now` or later. A caller that
 * does not go on with it puts the old value back.
 */
uint64_t pace_take(uint64_t *full_unix_us, uint32_t per_hour, uint32_t count, int64_t burst_ms,
	uint64_t now_unix_us);

#endif
