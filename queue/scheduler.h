/*
 * scheduler.h: decides what is worked on next, and where it is tried.
 *
 * The way of a unit (message, upstream):
 *   1. It is due in the store's schedule. For each upstream with an open host, lane by lane (alert, normal, bulk), the
 *      scheduler goes round the client buckets and takes a few due units of each, so that one client's million does not
 *      delay another's one. The rows of a resting upstream are not read.
 *   2. A taken unit is claimed in memory; nothing is written. After a crash it is simply due.
 *   3. Units of UPSTREAM_SCAN go to the scanners, those of upstreams to delivery, as these have room (credits).
 *   4. A job that comes back: the reply table's effect on the host (queue/host), then, when anything durable changed, a
 *      settle request to the writer (queue/settle); a free one is only unclaimed and is due at once.
 *   5. The writer's answer ends the claim.
 *   6. Held units whose hold ends, and messages past their lifetime, are found by a sweep in small steps.
 *   7. What is of somebody suspended is held or deleted, in small steps too (scheduler_suspend.c).
 *
 * Threads: scheduler_start makes one; or a test calls scheduler_step. All functions below the line "on its thread" are
 * for letters that run there (an operator's question is a letter that calls them and sends itself back).
 * Time: the clock handed in. Memory: follows claims and hosts, not the queue.
 */
#ifndef SLUICE_QUEUE_SCHEDULER_H
#define SLUICE_QUEUE_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/mailbox.h"
#include "core/network.h"
#include "core/reason.h"
#include "queue/job.h"
#include "queue/permits.h"
#include "queue/store.h"
#include "queue/writer.h"

struct scheduler;

/* A unit for the scanners. They read the message, and send `verdict` (a WRITER_CHANGE) to the writer themselves. */
struct scan_job {
	struct letter letter;
	uint64_t id;
	struct writer_request verdict; /* answer_to and letter.read are set by the scheduler */
	char threat[128];
	int result; /* 0, or -errno when it could not be scanned: the message waits and is tried again */
	struct scan_job *next;

	/* the scanner's, until the verdict's answer */
	enum recipient_verdict found;
	const char *hold_reason; /* not NULL: no verdict, the message is held for it */
	uint64_t now_unix_ms, hold_until_unix_ms;
	size_t changed; /* recipients that the verdict moved */
	letter_read_fn
		*answered; /* the scheduler's read of the answer, called behind the scanner's */
};

struct scheduler_options {
	struct store *store;
	struct writer *writer;
	const struct clock *clock;
	struct config *config; /* shared */
	struct mailbox *inbox; /* opened by the caller, who also gives it to the writer as `work` */

	struct mailbox *delivery; /* jobs go there, their letter's read is `delivery_read` */
	letter_read_fn *delivery_read;
	size_t delivery_credits;

	/* Gives a unit to the scanners; never blocks, has room for `scan_credits`. NULL: nothing is scanned. */
	void (*scan)(void *scanner, struct scan_job *job);
	void *scanner;
	size_t scan_credits;

	struct permits
		*permits; /* shared; who is suspended, until other tables come. NULL: nobody */
};

int scheduler_open(
	struct scheduler **out, const struct scheduler_options *options, struct reason *reason);
/* After delivery, the scanners and the writer have stopped: what they still had is freed, and due after the next start. */
void scheduler_close(struct scheduler **scheduler);

int scheduler_start(struct scheduler *scheduler, struct reason *reason);
/* From now on nothing more is handed out; what comes back is still settled. Any thread; before delivery is stopped. */
void scheduler_drain(struct scheduler *scheduler);
/* Hands out nothing more, waits up to `deadline_ms` for jobs in flight to come back and be settled, joins. */
void scheduler_stop(struct scheduler *scheduler, int64_t deadline_ms);

/* One turn: reads letters, ends rests, hands out work. Returns in how many ms it wants to be called again at the latest. */
int64_t scheduler_step(struct scheduler *scheduler);

/* Delivery calls this to give a job back (from any thread). */
void scheduler_job_done(struct scheduler *scheduler, struct job *job);
/* A scanner that could not give a verdict gives the job back; a verdict comes back through the writer. */
void scheduler_scan_failed(struct scheduler *scheduler, struct scan_job *job);

/* ---- on its thread ---- */

/* A letter's context on this thread is the scheduler. */
struct host_report {
	char upstream[64], host[256];
	const char *
		state; /* "open", "slow start", "resting", "probing", "paused"; "not configured" (and no host): messages wait for it */
	bool paused;
	unsigned in_flight, connections_allowed, max_connections;
	uint64_t delivered, busy_times; /* since start */
	uint64_t next_attempt_unix_ms; /* of a resting one; else 0 */
	uint64_t resting_since_unix_ms;
	char last_reply[512];
};

/* Fills up to `max`; returns how many hosts there are. */
size_t scheduler_hosts(struct scheduler *scheduler, struct host_report *out, size_t max);
/* -ENOENT: no such host. `name` as configured, "host:port". Pausing lets what is in flight finish. */
int scheduler_pause(struct scheduler *scheduler, const char *name, bool paused);

/* Whether some unit of the message is with delivery or a scanner now. */
bool scheduler_is_claimed(const struct scheduler *scheduler, uint64_t id);
size_t scheduler_delivering(const struct scheduler *scheduler); /* units with delivery */
size_t scheduler_scanning(const struct scheduler *scheduler);

enum act_verb { ACT_RETRY, ACT_HOLD, ACT_RELEASE, ACT_DELETE };

/*
 * An operator's act on one message. -EBUSY: it is being delivered now (409). Else the change goes to the writer, and
 * the letter is read by `answer_to`'s owner with `result` 0, -ENOENT, or -EINVAL (not held, already final).
 */
struct act {
	struct letter letter; /* pushed to the scheduler's inbox with read = scheduler_act_read */
	enum act_verb verb;
	uint64_t id;
	uint64_t hold_until_unix_ms; /* HOLD; 0: the default (queue lifetime from now) */
	char who[64]; /* "root", "uid 1000" */
	int result;
	struct mailbox *answer_to;
	letter_read_fn *answered;
	struct writer_request request;
	uint64_t now_unix_ms;
};
void scheduler_act_read(struct letter *letter, void *scheduler);

/*
 * All that is held of a kind, of a grant, an account or clients, is released, deleted or sent back, in small steps beside all else. What is
 * still to be done the schedule's rows say: asked again, it goes on with what is left. The letter is read by `answer_to`'s owner
 * with `result` 0 or -ECANCELED (the daemon stops), and how many messages it were. It may take long.
 */
struct holds_errand {
	struct letter letter; /* pushed to the scheduler's inbox with read = scheduler_holds_read */
	enum hold_kind kind; /* not HOLD_ORDINARY */
	bool deletes;
	bool returns; /* HOLD_LAPSED only: goes back to the senders, now */
	/* whose: all that are given must fit */
	char grant[64]; /* grant.h's name; "": any */
	char account[256]; /* "": any */
	bool by_network;
	struct network network;
	char who[64]; /* for the message's history: "root", "sluice" */
	uint64_t count;
	int result;
	struct mailbox *answer_to;
	letter_read_fn *answered;

	/* the scheduler's */
	TAILQ_ENTRY(holds_errand) entry;
	unsigned lane;
	int64_t bucket; /* -1: before the lane's first */
	struct store_due after; /* read up to here */
	size_t outstanding; /* changes with the writer */
	bool walked; /* all rows were read */
};
void scheduler_holds_read(struct letter *letter, void *scheduler);

struct suspend_counts {
	uint64_t held, deleted, released; /* messages */
	uint64_t delivering; /* not stopped yet: upstream has them, and has not answered */
};

/*
 * Who asked for a suspension or its end, once that is in force: answered when the queue was gone through, with how many messages were
 * held, deleted and released for it. Those that are with delivery still are held or deleted when they come back. -ECANCELED: the daemon stops; it goes on with the next start.
 */
struct suspend_errand {
	struct letter
		letter; /* pushed to the scheduler's inbox with read = scheduler_suspend_read */
	struct suspend_counts counts;
	int result;
	struct mailbox *answer_to;
	letter_read_fn *answered;

	/* the scheduler's */
	TAILQ_ENTRY(suspend_errand) entry;
	int64_t until_mono_ms;
};
void scheduler_suspend_read(struct letter *letter, void *scheduler);
/* A struct permits_letter of the registrar's: who is suspended from now on. */
void scheduler_read_permits(struct letter *letter, void *scheduler);

/* A new configuration (reload): hosts that stay keep their state. Takes its own reference. */
void scheduler_configure(struct scheduler *scheduler, struct config *config);

#endif
