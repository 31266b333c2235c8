/*
 * scheduler_parts.h: what the scheduler's files share; nobody else includes it.
 *
 *   scheduler.c          the thread, one turn, the order of duties
 *   scheduler_claims.c   which units are in hand, and which must wait a while
 *   scheduler_pick.c     which unit is next: lanes, buckets, cursors
 *   scheduler_hosts.c    upstreams and their hosts: configured, chosen, paused, shown
 *   scheduler_jobs.c     units to delivery
 *   scheduler_outcome.c  jobs back: host, settle, log
 *   scheduler_scan.c     units to the scanners, and back
 *   scheduler_sweep.c    ends of holds, lifetimes, dates out of reach
 *   scheduler_holds.c    all that is held of a kind, released or deleted
 *   scheduler_suspend.c  the queue of who is suspended
 *   scheduler_act.c      what operators do
 *
 * Threads: the scheduler's, but the stop words. Memory follows what is claimed, the hosts, and at most BUCKETS_MAX client
 * buckets of a lane; never the queue.
 */
#ifndef SLUICE_QUEUE_SCHEDULER_PARTS_H
#define SLUICE_QUEUE_SCHEDULER_PARTS_H

#include <bsd/sys/tree.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "queue/expiry.h"
#include "queue/host.h"
#include "queue/scheduler.h"
#include "queue/settle.h"
#include "queue/suspended.h"

/* ---- units and claims (scheduler_claims.c) ---- */

#define UPSTREAM_WHOLE 0 /* a claim on all of a message's units: its envelope is being changed */

struct unit {
	uint64_t id;
	uint64_t due_unix_ms;
	uint16_t upstream;
	enum lane lane;
	uint32_t bucket;
};

enum claim_kind {
	CLAIM_JOB, /* with delivery, or being settled */
	CLAIM_SCAN, /* with a scanner, or its verdict is being written */
	CLAIM_CHANGE, /* the writer changes it for us or an operator */
};

struct claim {
	RB_ENTRY(claim) entry;
	struct unit unit;
	enum claim_kind kind;
	unsigned holders; /* of a CLAIM_CHANGE: several acts may be under way */
};

RB_HEAD(claim_tree, claim);

/*
 * What is remembered of single units beside the store, in a table that forgets: a note may be pushed out by another unit's,
 * which costs patience and nothing else.
 */
#define NOTES 256

struct note {
	uint64_t id; /* 0: free */
	uint16_t upstream;
	int64_t until_mono_ms; /* not handed out before */
	unsigned times;
	uint64_t passed; /* others that had passed when it was counted last */
};

/* ---- what is next (scheduler_pick.c) ---- */

#define BUCKETS_MAX 256
#define BUCKET_ROWS 64

struct bucket {
	RB_ENTRY(bucket) entry;
	TAILQ_ENTRY(bucket) turn;
	uint32_t number;
	struct store_due after; /* read up to here */
	bool again; /* something before `after` is due again */
	int64_t restarted_mono_ms;
	unsigned given; /* in its turn */
	struct store_due rows[BUCKET_ROWS]; /* read and not yet given */
	unsigned row_count, row_next;
};

RB_HEAD(bucket_tree, bucket);

/* One lane of a source: the buckets that have something due, taking turns. */
struct feed {
	struct bucket_tree buckets;
	TAILQ_HEAD(, bucket) turns;
	unsigned bucket_count;
	bool look; /* buckets may have come or become due: a round over them is wanted */
	int64_t look_after_mono_ms; /* not before */
	int64_t round_at; /* the bucket looked at last in this round; -1: it begins */
	unsigned round_visits;
	uint64_t round_due,
		next_due; /* the earliest to become due, of this round and of the last */
	uint64_t woken; /* the scheduler's wake-ups that it knows of */
};

/* Rows of one upstream number. */
struct source {
	uint16_t number;
	unsigned turn; /* which lane goes first */
	struct feed feeds[LANE_COUNT];
};

/* ---- upstreams and hosts (scheduler_hosts.c) ---- */

struct place {
	TAILQ_ENTRY(place) entry;
	struct upstream *upstream;
	char *name; /* as configured */
	const struct config_host
		*config; /* in the scheduler's config; NULL: no longer configured */
	struct host host;
	uint32_t key;
	uint64_t delivered, busy_times;
	char last_reply[JOB_REPLY_SIZE];
};

struct upstream {
	LIST_ENTRY(upstream) entry;
	char *name;
	const struct config_upstream *config; /* NULL: no longer configured */
	struct source source;
	TAILQ_HEAD(, place)
	places; /* in the order of the configuration; those that are gone last */
	size_t jobs; /* claimed */
	uint64_t passed; /* jobs that a host of it answered, since start */
	int64_t contact_boot_ms; /* when a host of it was last tried */
};

/* ---- jobs (scheduler_jobs.c, scheduler_outcome.c) ---- */

struct delivery_claim {
	struct claim claim;
	struct job job;
	struct scheduler *scheduler;
	struct upstream *upstream;
	struct place *place; /* NULL: expired */
	struct settle settle;
	unsigned settle_tries;
	int64_t settle_mono_ms; /* when it is tried again */
	TAILQ_ENTRY(delivery_claim) stuck;
};

struct scan_claim {
	struct claim claim;
	struct scan_job job;
	struct scheduler *scheduler;
};

/* A change that the sweep, or an errand, asks the writer for. */
struct sweep_order {
	writer_change_fn *change; /* its argument is the struct sweep_change */
	const char *event; /* in the log when it is stored */
	uint64_t proven_unix_ms; /* an end that lies before is over */
	uint64_t limit_unix_ms; /* no date lies behind; where none was given, this is the end */
	struct holds_errand *errand; /* that it is of, or NULL */
	struct permits *permits; /* not NULL: suspend_changed hears of it, … */
	enum suspended_deed deed; /* … and that this was expected; a reference of the change's */
};

struct sweep_change {
	LIST_ENTRY(sweep_change) entry;
	struct writer_request request;
	struct sweep_order order;
	uint64_t now_unix_ms;
	uint16_t upstream; /* ours, whose row it was; for one that was refused */
};

struct sweep {
	uint64_t after; /* ids up to here were looked at in this pass */
	bool full; /* this pass goes through all, not only through the old ones */
	int64_t next_mono_ms, next_full_mono_ms;
	int64_t wall_ahead_ms; /* of the boot clock, at the last look */
	LIST_HEAD(, sweep_change) changes; /* with the writer */
	size_t change_count;
	size_t expired_jobs; /* with delivery or the writer */
	int64_t look_mono_ms; /* ends of holds are not looked for before */
	struct source holds, partials;
	struct source kinds[HOLD_KIND_COUNT]; /* of holds that are not ordinary … */
	uint64_t kinds_unix_ms; /* … all that end by then were found */
};

/* The queue of who is suspended. */
struct suspend {
	struct permits *permits; /* the newest; NULL: none came yet */
	bool walking;
	uint64_t after; /* ids up to here were looked at in this walk … */
	struct suspend_counts done; /* … and this was done since it began */
	size_t outstanding; /* changes with the writer */
	TAILQ_HEAD(, suspend_visit) visits; /* messages that wait to be looked at */
	TAILQ_HEAD(, suspend_errand) errands;
};

struct scheduler {
	struct scheduler_options options;
	struct config *config; /* a reference */
	struct store_view *view;

	int64_t now_mono_ms, now_boot_ms; /* of this turn */
	uint64_t now_unix_ms;
	int64_t next_mono_ms; /* when the next turn is wanted */
	uint64_t wakes; /* turns that something else than time was the cause of */

	struct claim_tree claims;
	struct note notes[NOTES];
	uint64_t random;
	struct expiry expiry;

	LIST_HEAD(, upstream) upstreams;
	size_t upstream_count; /* configured */
	uint32_t next_key;
	size_t jobs; /* claimed */
	size_t jobs_over_share; /* of them, those beyond their upstream's own share */
	TAILQ_HEAD(, delivery_claim) stuck; /* settle requests that the store refused */

	struct source scans;
	size_t scanning;
	unsigned scan_failures; /* in a row */
	int64_t scan_rest_until_mono_ms;

	struct sweep sweep;
	TAILQ_HEAD(, holds_errand) errands; /* one after the other */
	struct suspend suspend;

	pthread_t thread;
	bool started;
	_Atomic bool
		draining; /* release in scheduler_drain, acquire in a turn: hands out nothing more */
	_Atomic int64_t
		stop_mono_ms; /* release in scheduler_stop, acquire in the thread: gone by then; INT64_MAX: not asked to */
};

/* ---- scheduler.c ---- */

/* Another turn is wanted at this time, or before. */
void scheduler_want(struct scheduler *scheduler, int64_t mono_ms);
bool scheduler_is_draining(const struct scheduler *scheduler);
uint64_t scheduler_random(struct scheduler *scheduler);

/* ---- scheduler_claims.c ---- */

/* In hand, or its message is being changed, or it has to wait a while. */
bool claims_block(const struct scheduler *scheduler, uint64_t id, uint16_t upstream);
bool claims_has(const struct scheduler *scheduler, uint64_t id, uint16_t upstream);
/* Some unit of it is with delivery or a scanner. */
bool claims_works(const struct scheduler *scheduler, uint64_t id);
/* The first message behind `id` that is with delivery; 0: none. */
uint64_t claims_next_job(const struct scheduler *scheduler, uint64_t id);
/* Some unit of it is with delivery; with `stops` each of them is told to stop. */
bool claims_deliver(const struct scheduler *scheduler, uint64_t id, bool stops);
void claims_put(struct scheduler *scheduler, struct claim *claim);
void claims_del(struct scheduler *scheduler, struct claim *claim);

/* A message whose envelope the writer changes is handed out to nobody until claims_changed. False: no memory. */
bool claims_change(struct scheduler *scheduler, uint64_t id) __attribute__((warn_unused_result));
void claims_changed(struct scheduler *scheduler, uint64_t id);

/* The unit is not handed out before `wait_ms` are over. */
void notes_wait(struct scheduler *scheduler, const struct unit *unit, int64_t wait_ms);
/* It met busy while its upstream had answered `passed` others. True: three times while others passed. */
bool notes_meet_busy(struct scheduler *scheduler, const struct unit *unit, uint64_t passed);
/* How often in a row it has failed; counts this one. */
unsigned notes_fail(struct scheduler *scheduler, const struct unit *unit);
void notes_del(struct scheduler *scheduler, const struct unit *unit);

/* ---- scheduler_pick.c ---- */

void source_init(struct source *source, uint16_t number);
void source_fini(struct source *source);
/* The next unit due by `horizon` that nobody has in hand. It is the caller's to claim at once. */
bool source_next(struct scheduler *scheduler, struct source *source, uint64_t horizon_unix_ms,
	struct unit *out);
/* A unit that was passed is due again. */
void source_again(struct source *source, const struct unit *unit);
/* Something of it has become due since it was asked. */
bool source_is_due(const struct source *source, uint64_t horizon_unix_ms);
/* When something of it that is not due yet becomes due. */
void source_want(struct scheduler *scheduler, const struct source *source);

/* ---- scheduler_hosts.c ---- */

int hosts_configure(struct scheduler *scheduler, struct config *config);
void hosts_close(struct scheduler *scheduler);
/* NULL: none of that number is or was configured since start. */
struct upstream *hosts_find(const struct scheduler *scheduler, uint16_t number);
/* An upstream that is in the store's directory and not in the configuration; made when needed. */
struct upstream *hosts_find_stray(struct scheduler *scheduler, uint16_t number);
/* Who takes the next unit of the upstream, or NULL; *probe says as what. */
struct place *hosts_choose(
	const struct scheduler *scheduler, const struct upstream *upstream, bool *probe);
/* A job is back: what it tells of its host. */
void hosts_returned(struct scheduler *scheduler, struct delivery_claim *claim);
/* Asks for a turn when a rest ends. */
void hosts_want(struct scheduler *scheduler);

/* ---- scheduler_jobs.c ---- */

void jobs_hand_out(struct scheduler *scheduler);
/* The bounce of what is past its lifetime, or was held for a grant that was not renewed. False: no room now. */
bool jobs_expire(
	struct scheduler *scheduler, const struct unit *unit, uint64_t due_unix_ms, bool lapsed);
/* Ends the claim and frees the job. `again`: its row stands where it stood, and is due. */
void jobs_end(struct scheduler *scheduler, struct delivery_claim *claim, bool again);
void jobs_free(struct delivery_claim *claim);

/* ---- scheduler_outcome.c ---- */

void outcome_read(struct letter *letter, void *scheduler);
/* Tries settle requests again that the store refused. */
void outcome_retry(struct scheduler *scheduler);

/* ---- scheduler_scan.c ---- */

void scans_hand_out(struct scheduler *scheduler);
void scans_free(struct scan_claim *claim);

/* ---- scheduler_sweep.c ---- */

void sweep_init(struct scheduler *scheduler);
void sweep_fini(struct scheduler *scheduler);
void sweep_step(struct scheduler *scheduler);
/* False: no room for it now, or the message is being changed. */
/* What is held of a lapsed grant goes back to its senders, as far as its hold has ended by then. False: no room now. */
bool sweep_send_back(struct scheduler *scheduler, const struct unit *row,
	const struct envelope *envelope, uint64_t until_unix_ms);
/* False: no room now. */
bool sweep_submit(
	struct scheduler *scheduler, const struct unit *unit, const struct sweep_order *order);

/* ---- scheduler_holds.c ---- */

void holds_step(struct scheduler *scheduler);
/* A change of the errand's was answered. */
void holds_changed(struct holds_errand *errand, int result);
/* Those that are not done are answered -ECANCELED. */
void holds_close(struct scheduler *scheduler);

/* ---- scheduler_suspend.c ---- */

void suspend_open(struct scheduler *scheduler);
void suspend_step(struct scheduler *scheduler);
/* Looks at a message, not before `wait_ms` are over; until then it is handed out to nobody. */
void suspend_visit(struct scheduler *scheduler, uint64_t id, int64_t wait_ms);
void suspend_changed(
	struct scheduler *scheduler, uint64_t id, enum suspended_deed deed, int result);
/* For a job; NULL: nobody is suspended. */
struct permits *suspend_share(const struct scheduler *scheduler);
void suspend_close(struct scheduler *scheduler);

#endif
