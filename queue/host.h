/*
 * host.h: one upstream host as seen from here: open, resting, probing, or in slow start.
 *
 *	             busy · away · three refused in a row
 *	   OPEN ─────────────────────────────────────────┐
 *	   │  ▲                                          ▼
 *	   │  │ all connections allowed    ┌────────► RESTING ◄─┐
 *	   ▼  │                            │             │      │ the probe failed, or came
 *	   SLOW ◄──────────────┐   the same│             │      │ back without having tried
 *	   │  │                │           │    rest over│      │
 *	   │  └────────────────┼───────────┘             ▼      │
 *	   └ (limit raised)    └───────────────────── PROBING ──┘
 *	                         the probe got through
 *
 * A new host is in slow start: two connections, one more with each success, up to its limit; a failure halves them. A
 * resting one gets nothing; when its rest is over, one message tries it. What was handed out before the state changed
 * carries the old epoch, and its failure changes nothing any more: twenty connections that a host drops at once are one
 * failure, not twenty.
 *
 * A host that refuses a connection while others of the same relay deliver on it is full, not busy: it does not rest. What
 * was open then is a ceiling for HOST_CEILING_MS, and slow start stops there. A rest forgets it: then the host was busy.
 *
 * Pausing is the operator's and stands beside the states: a paused host gets nothing and keeps its state.
 *
 * Threads: the owner's. Owner: embedded. Time: monotonic milliseconds, handed in; random numbers too.
 */
#ifndef SLUICE_QUEUE_HOST_H
#define SLUICE_QUEUE_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/reply.h"

#define HOST_FIRST_CONNECTIONS   2 /* slow start begins with */
#define HOST_JOBS_PER_CONNECTION 2 /* one under way, the next one's envelope behind its dot */
#define HOST_CEILING_MS          60000
#define HOST_REFUSALS            3 /* different messages in a row answered 4xx: the host rests */
#define HOST_RECONNECTS          10 /* and one a connection: used up before anything got through: busy */

enum host_state { HOST_SLOW, HOST_OPEN, HOST_RESTING, HOST_PROBING };
#define HOST_STATE_COUNT 4

struct host {
	enum host_state state;
	bool paused;
	unsigned max_connections;
	unsigned connections; /* allowed now */
	unsigned jobs; /* handed out and not yet back */
	unsigned ceiling; /* connections that it was found to take; 0: not known */
	int64_t ceiling_until_mono_ms;
	uint32_t epoch; /* of what is handed out now */
	unsigned rests; /* in a row, without anything getting through */
	int64_t resting_since_mono_ms, rest_until_mono_ms;
	uint64_t failed_by; /* the message that sent it to rest last; 0: none */
	unsigned refusals; /* in a row, at most HOST_REFUSALS */
	uint64_t refused[HOST_REFUSALS];
	unsigned reconnects; /* in a row */
};

void host_init(struct host *host, unsigned max_connections);
/* A reload: what is over the new limit finishes. */
void host_set_limit(struct host *host, unsigned max_connections);

enum host_offer {
	HOST_TAKES_NOTHING,
	HOST_TAKES_JOB,
	HOST_TAKES_PROBE, /* one message, if possible another than host->failed_by */
};
enum host_offer host_offer(const struct host *host, int64_t now_mono_ms);

/* Counts a job out; the caller asked host_offer. The job carries host->epoch as it is afterwards. */
void host_take(struct host *host);

/* What a job that comes back has to tell of its host. */
enum host_news {
	HOST_NEWS_UNTRIED, /* nothing: the message was gone, or was only read */
	HOST_NEWS_RECONNECT, /* that connection was used up */
	HOST_NEWS_ANSWERED, /* it works, whatever it said to this message */
	HOST_NEWS_SUCCESS,
	HOST_NEWS_REFUSED, /* 4xx to the message */
	HOST_NEWS_BUSY, /* 421, refused, hangs, dropped */
	HOST_NEWS_FULL, /* one connection more was refused while others deliver */
	HOST_NEWS_LOST, /* dropped from the final dot on: rests a probed host, says nothing of an open one */
};
#define HOST_NEWS_COUNT 8
enum host_news host_news_of(const struct reply_effect *effect);

struct host_return {
	uint32_t epoch; /* the job's */
	uint64_t id; /* the message's */
	enum host_news news;
	unsigned delivering; /* connections that were, when it was FULL */
	int64_t now_mono_ms;
	int64_t busy_first_ms, busy_max_ms;
	uint64_t random;
};

enum host_change { HOST_STAYS, HOST_WENT_TO_REST, HOST_CAME_BACK, HOST_FOUND_CEILING };

/* Counts the job back in and does what follows. */
enum host_change host_returned(struct host *host, const struct host_return *report);

const char *host_state_name(enum host_state state); /* "slow start", "open" … */

#endif
