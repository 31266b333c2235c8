/*
 * scheduler_suspend.c: brings the queue in step with who is suspended (suspended.h).
 *
 *   1. A new table of permits comes (registrar.h). From then on each job carries it, and delivery gives back untried what
 *      is of somebody who is suspended.
 *   2. If others are suspended than before, what is with delivery is looked at first: what is of them is told to stop. Delivery
 *      stops it before its final dot; where that has been sent, what upstream answers is stored as ever.
 *   3. All messages are gone through by their ids, STEP a turn, and what has to be held, deleted or released is changed by
 *      the writer. So is what was stored while the walk was further on: it is found when delivery gives it back.
 *   4. One that is with delivery waits its turn here and is handed out to nobody meanwhile (claims_change). A scanner's verdict does
 *      not move what is held (scan/verdict.h), so nobody waits for scanners.
 *
 * Nothing of it is stored but the suspensions: after a crash the walk begins again, at each start, and ends in the same.
 */
#include "queue/scheduler_parts.h"

#include <errno.h>
#include <stdlib.h>

#include "core/log.h"
#include "queue/registrar.h"
#include "queue/suspended.h"

#define STEP        64
#define AGAIN_MS    1000 /* after a change that the store refused */
#define PATIENCE_MS 3000 /* who asks does not wait longer for what is with delivery */

/* A message to be looked at as soon as delivery has nothing of it. */
struct suspend_visit {
	TAILQ_ENTRY(suspend_visit) entry;
	uint64_t id;
	int64_t after_mono_ms;
};

/* ---- changes ---- */

static int change_suspended(struct envelope *envelope, void *argument)
{
	const struct sweep_change *change = argument;

	return suspended_apply(
		change->order.permits, envelope, change->now_unix_ms, change->order.limit_unix_ms);
}

static const char *const events[] = {
	[SUSPENDED_HOLD] = "suspended_held",
	[SUSPENDED_DELETE] = "suspended_deleted",
	[SUSPENDED_RELEASE] = "suspended_released",
};

/* False: no room now. */
static bool submit(struct scheduler *scheduler, uint64_t id, enum suspended_deed deed)
{
	struct suspend *suspend = &scheduler->suspend;
	const struct unit unit = {.id = id, .upstream = UPSTREAM_WHOLE};
	const struct sweep_order order = {
		.change = change_suspended,
		.event = events[deed],
		.limit_unix_ms =
			scheduler->now_unix_ms + (uint64_t)scheduler->config->queue_lifetime_ms,
		.permits = suspend->permits,
		.deed = deed,
	};

	if (!sweep_submit(scheduler, &unit, &order))
		return false;
	suspend->outstanding++;
	return true;
}

static void count(struct scheduler *scheduler, enum suspended_deed deed)
{
	struct suspend_counts *done = &scheduler->suspend.done;

	done->held += deed == SUSPENDED_HOLD;
	done->deleted += deed == SUSPENDED_DELETE;
	done->released += deed == SUSPENDED_RELEASE;
}

void suspend_changed(struct scheduler *scheduler, uint64_t id, enum suspended_deed deed, int result)
{
	scheduler->suspend.outstanding--;
	if (result == 0)
		count(scheduler, deed);
	else if (result != -ENOENT)
		suspend_visit(scheduler, id, AGAIN_MS);
}

/* ---- single messages ---- */

/* Without memory it is left: what is of somebody suspended is found again when it is due. */
void suspend_visit(struct scheduler *scheduler, uint64_t id, int64_t wait_ms)
{
	struct suspend_visit *visit = calloc(1, sizeof(*visit));

	if (visit == NULL || !claims_change(scheduler, id)) {
		free(visit);
		return;
	}
	visit->id = id;
	visit->after_mono_ms = scheduler->now_mono_ms + wait_ms;
	scheduler_want(scheduler, visit->after_mono_ms);
	TAILQ_INSERT_TAIL(&scheduler->suspend.visits, visit, entry);
}

static void end_visit(struct scheduler *scheduler, struct suspend_visit *visit)
{
	TAILQ_REMOVE(&scheduler->suspend.visits, visit, entry);
	claims_changed(scheduler, visit->id);
	free(visit);
	scheduler->wakes++; /* its rows were passed meanwhile */
	scheduler_want(scheduler, scheduler->now_mono_ms);
}

/* What is to be done to it now; a damaged one is left to delivery. */
static enum suspended_deed judge(const struct scheduler *scheduler, uint64_t id)
{
	enum suspended_deed deed = SUSPENDED_NOTHING;
	struct envelope *envelope = NULL;

	if (store_view_get(scheduler->view, id, &envelope) == 0)
		deed = suspended_deed(scheduler->suspend.permits, envelope);
	envelope_close(&envelope);
	return deed;
}

/* False: it has to wait on. */
static bool look_at(struct scheduler *scheduler, const struct suspend_visit *visit)
{
	enum suspended_deed deed;

	if (visit->after_mono_ms > scheduler->now_mono_ms) {
		scheduler_want(scheduler, visit->after_mono_ms);
		return false;
	}
	deed = judge(scheduler, visit->id);
	if (deed == SUSPENDED_NOTHING)
		return true;
	if (claims_deliver(scheduler, visit->id, deed != SUSPENDED_RELEASE))
		return false;
	return submit(scheduler, visit->id, deed);
}

static void look_at_visits(struct scheduler *scheduler)
{
	struct suspend_visit *visit, *next;

	for (visit = TAILQ_FIRST(&scheduler->suspend.visits); visit != NULL; visit = next) {
		next = TAILQ_NEXT(visit, entry);
		if (look_at(scheduler, visit))
			end_visit(scheduler, visit);
	}
}

/* ---- the walk ---- */

/* False: no room now; it goes on with this message. */
static bool pass(struct scheduler *scheduler, const struct envelope *envelope)
{
	enum suspended_deed deed = suspended_deed(scheduler->suspend.permits, envelope);

	if (deed == SUSPENDED_NOTHING)
		return true;
	if (!claims_deliver(scheduler, envelope->id, deed != SUSPENDED_RELEASE))
		return submit(scheduler, envelope->id, deed);
	suspend_visit(scheduler, envelope->id, 0);
	return true;
}

static void walk(struct scheduler *scheduler)
{
	struct suspend *suspend = &scheduler->suspend;
	struct envelope *envelopes[STEP];
	ssize_t listed = store_view_list(scheduler->view, suspend->after, envelopes, STEP);
	bool room = true;

	for (ssize_t i = 0; i < listed; i++) {
		room = room && pass(scheduler, envelopes[i]);
		if (room)
			suspend->after = envelopes[i]->id;
		envelope_close(&envelopes[i]);
	}
	if (listed < 0)
		scheduler_want(scheduler, scheduler->now_mono_ms + AGAIN_MS);
	else if (room && listed == 0)
		suspend->walking = false;
	else if (room)
		scheduler_want(scheduler, scheduler->now_mono_ms);
	/* without room the writer's answers wake us */
}

/* ---- who asked ---- */

static void answer(struct scheduler *scheduler, struct suspend_errand *errand, int result)
{
	TAILQ_REMOVE(&scheduler->suspend.errands, errand, entry);
	errand->result = result;
	errand->letter.read = errand->answered;
	if (!mailbox_push(errand->answer_to, &errand->letter))
		log_panic("the inbox of who asked for the queue of a suspension is full");
}

static size_t count_visits(const struct scheduler *scheduler)
{
	const struct suspend_visit *visit;
	size_t visits = 0;

	TAILQ_FOREACH (visit, &scheduler->suspend.visits, entry)
		visits++;
	return visits;
}

static void answer_errands(struct scheduler *scheduler)
{
	struct suspend *suspend = &scheduler->suspend;
	struct suspend_errand *errand, *next;

	if (suspend->walking || suspend->outstanding > 0)
		return;
	for (errand = TAILQ_FIRST(&suspend->errands); errand != NULL; errand = next) {
		next = TAILQ_NEXT(errand, entry);
		errand->counts = suspend->done;
		errand->counts.delivering = count_visits(scheduler);
		if (errand->counts.delivering == 0 ||
			scheduler->now_mono_ms >= errand->until_mono_ms)
			answer(scheduler, errand, 0);
		else
			scheduler_want(scheduler, errand->until_mono_ms);
	}
}

void scheduler_suspend_read(struct letter *letter, void *context)
{
	struct suspend_errand *errand = LETTER_OF(letter, struct suspend_errand, letter);
	struct scheduler *scheduler = context;

	errand->until_mono_ms = scheduler->now_mono_ms + PATIENCE_MS;
	TAILQ_INSERT_TAIL(&scheduler->suspend.errands, errand, entry);
}

/* ---- tables ---- */

static void begin(struct scheduler *scheduler)
{
	struct suspend *suspend = &scheduler->suspend;
	uint64_t id = 0;

	suspend->walking = true;
	suspend->after = 0;
	suspend->done = (struct suspend_counts){0};
	while ((id = claims_next_job(scheduler, id)) != 0) {
		enum suspended_deed deed = judge(scheduler, id);

		if (deed == SUSPENDED_HOLD || deed == SUSPENDED_DELETE)
			claims_deliver(scheduler, id, true);
	}
}

void scheduler_read_permits(struct letter *letter, void *context)
{
	struct permits_letter *given = LETTER_OF(letter, struct permits_letter, letter);
	struct scheduler *scheduler = context;
	struct suspend *suspend = &scheduler->suspend;
	struct permits *last = suspend->permits;

	suspend->permits = given->permits;
	given->permits = last;
	if (last == NULL ||
		permits_suspended_digest(last) != permits_suspended_digest(suspend->permits))
		begin(scheduler);
	registrar_taken(given);
}

struct permits *suspend_share(const struct scheduler *scheduler)
{
	struct permits *permits = scheduler->suspend.permits;

	return permits != NULL && permits_suspended_count(permits) > 0 ? permits_share(permits)
								       : NULL;
}

void suspend_open(struct scheduler *scheduler)
{
	struct permits *permits = scheduler->options.permits;

	scheduler->suspend.permits = permits != NULL ? permits_share(permits) : NULL;
	scheduler->suspend.walking = permits != NULL;
}

void suspend_step(struct scheduler *scheduler)
{
	if (scheduler->suspend.permits == NULL)
		return;
	look_at_visits(scheduler);
	if (scheduler->suspend.walking)
		walk(scheduler);
	answer_errands(scheduler);
}

void suspend_close(struct scheduler *scheduler)
{
	struct suspend *suspend = &scheduler->suspend;
	struct suspend_visit *visit;
	struct suspend_errand *errand;

	while ((visit = TAILQ_FIRST(&suspend->visits)) != NULL) {
		TAILQ_REMOVE(&suspend->visits, visit, entry);
		free(visit);
	}
	while ((errand = TAILQ_FIRST(&suspend->errands)) != NULL)
		answer(scheduler, errand, -ECANCELED);
	permits_close(&suspend->permits);
}
