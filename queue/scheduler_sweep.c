#include "queue/scheduler_parts.h"

#include <errno.h>
#include <stdlib.h>

#include "core/log.h"
#include "queue/grant.h"
#include "queue/id.h"
#include "queue/pace.h"
#include "queue/schedule.h"

/*
 * Three things that no upstream's schedule brings up, each in small steps:
 *
 *   Ends of holds. The rows of UPSTREAM_HOLD that are due: what was held goes on, what was quarantined is deleted.
 *   So is a message that never came whole (UPSTREAM_PARTIAL): nobody has asked for it. What the end means for the other
 *   kinds (UPSTREAM_KINDS) says envelope.h. A paced message goes on when the clock says so: too early does no harm.
 *   Lifetimes. Each PASS_MS the messages are gone through from the oldest, until none of STEP of them is old enough. A
 *   message past its lifetime is given to delivery, which writes the bounce, for each upstream that it still waits for.
 *   Dates out of reach. Now and then, and after the clock was set back, all are gone through: nobody waits longer than
 *   retry.max, whatever the clock said when the date was written.
 *
 * Both kinds of end count only when proven (expiry.h). For a lifetime, a host of the upstream must also have been tried
 * since the end was first seen: a relay that was cut off, or asleep, gives its mail a chance first. Where all hosts are
 * paused nothing is tried and nothing ends; an upstream that is no longer configured has no host to try, and ends.
 */

#define PASS_MS        30000
#define FULL_PASS_MS   INT64_C(600000)
#define STEP           64
#define STEP_REST_MS   20 /* between steps of a pass: 3,200 messages a second */
#define CHANGES_MAX    16 /* with the writer at once, those of errands too */
#define SET_BACK_MS    60000
#define FAILED_REST_MS 1000 /* after a change that the store refused */
#define LOOK_MS \
	100 /* between looks at ends of holds: nothing that a wake-up brings them is due sooner than matters */

void sweep_init(struct scheduler *scheduler)
{
	struct sweep *sweep = &scheduler->sweep;

	source_init(&sweep->holds, UPSTREAM_HOLD);
	source_init(&sweep->partials, UPSTREAM_PARTIAL);
	for (int kind = HOLD_ORDINARY + 1; kind < HOLD_KIND_COUNT; kind++)
		source_init(&sweep->kinds[kind], (uint16_t)(UPSTREAM_KINDS + kind));
	LIST_INIT(&sweep->changes);
	sweep->full = true;
	sweep->next_mono_ms = scheduler->now_mono_ms;
	sweep->next_full_mono_ms = scheduler->now_mono_ms + FULL_PASS_MS;
	sweep->wall_ahead_ms = (int64_t)scheduler->now_unix_ms - scheduler->now_boot_ms;
}

/* ---- changes that the sweep asks the writer for ---- */

static void end_change(struct scheduler *scheduler, struct sweep_change *change)
{
	LIST_REMOVE(change, entry);
	scheduler->sweep.change_count--;
	permits_close(&change->order.permits);
	free(change);
}

void sweep_fini(struct scheduler *scheduler)
{
	struct sweep_change *change, *next;

	for (change = LIST_FIRST(&scheduler->sweep.changes); change != NULL; change = next) {
		next = LIST_NEXT(change, entry);
		end_change(scheduler, change);
	}
	source_fini(&scheduler->sweep.holds);
	source_fini(&scheduler->sweep.partials);
	for (int kind = HOLD_ORDINARY + 1; kind < HOLD_KIND_COUNT; kind++)
		source_fini(&scheduler->sweep.kinds[kind]);
}

static void change_answered(struct letter *letter, void *context)
{
	struct sweep_change *change = LETTER_OF(letter, struct sweep_change, request.letter);
	struct scheduler *scheduler = context;
	char id[ID_TEXT_SIZE];

	if (change->request.result == 0)
		log_event(LOG_NOTICE, change->order.event, "id=%s",
			id_format(change->request.id, id));
	else
		notes_wait(scheduler,
			&(struct unit){.id = change->request.id, .upstream = change->upstream},
			FAILED_REST_MS);
	claims_changed(scheduler, change->request.id);
	if (change->order.errand != NULL)
		holds_changed(change->order.errand, change->request.result);
	if (change->order.permits != NULL)
		suspend_changed(
			scheduler, change->request.id, change->order.deed, change->request.result);
	end_change(scheduler, change);
}

bool sweep_submit(
	struct scheduler *scheduler, const struct unit *unit, const struct sweep_order *order)
{
	struct sweep_change *asked;

	if (scheduler->sweep.change_count >= CHANGES_MAX)
		return false;
	asked = calloc(1, sizeof(*asked));
	if (asked == NULL || !claims_change(scheduler, unit->id)) {
		free(asked);
		return false;
	}
	asked->now_unix_ms = scheduler->now_unix_ms;
	asked->order = *order;
	if (order->permits != NULL)
		permits_share(order->permits);
	asked->upstream = unit->upstream;
	asked->request = (struct writer_request){
		.letter.read = change_answered,
		.answer_to = scheduler->options.inbox,
		.verb = WRITER_CHANGE,
		.id = unit->id,
		.change = order->change,
		.argument = asked,
	};
	LIST_INSERT_HEAD(&scheduler->sweep.changes, asked, entry);
	scheduler->sweep.change_count++;
	writer_submit(scheduler->options.writer, &asked->request);
	return true;
}

/* ---- ends of holds ---- */

/* Nobody gave it free. */
static bool is_to_be_deleted(const struct envelope *envelope, const struct recipient *recipient)
{
	return recipient->state == RECIPIENT_QUARANTINED ||
	       (envelope->flags & ENVELOPE_PARTIAL) != 0 || envelope->hold_kind == HOLD_SUSPENDED;
}

/* Returns for how long it was held. */
static uint64_t end_hold(const struct envelope *envelope, struct recipient *recipient,
	const struct sweep_change *change)
{
	if (recipient->due_unix_ms == 0) { /* every hold has an end */
		recipient->due_unix_ms = change->order.limit_unix_ms;
		return 0;
	}
	if (is_to_be_deleted(envelope, recipient)) {
		recipient->state = RECIPIENT_DELETED;
		return 0;
	}
	return settle_release(recipient, change->now_unix_ms);
}

static int end_holds(struct envelope *envelope, void *argument)
{
	const struct sweep_change *change = argument;
	uint64_t longest_ms = 0, held_ms;
	int result = 1;

	for (size_t i = 0; i < envelope->recipient_count; i++) {
		struct recipient *recipient = &envelope->recipients[i];

		if (schedule_upstream(recipient) != UPSTREAM_HOLD ||
			recipient->due_unix_ms > change->order.proven_unix_ms)
			continue;
		held_ms = end_hold(envelope, recipient, change);
		longest_ms = held_ms > longest_ms ? held_ms : longest_ms;
		result = 0;
	}
	envelope->stopped_ms += longest_ms;
	settle_forget_kind(envelope);
	if (result == 0 && !envelope_note(envelope, change->now_unix_ms, NULL, "the hold is over"))
		return -ENOMEM;
	return result;
}

/* False: there is more, and no room for it now. */
static bool sweep_holds(struct scheduler *scheduler, struct source *holds, const char *event,
	uint64_t proven_unix_ms)
{
	const struct sweep_order order = {.change = end_holds,
		.event = event,
		.proven_unix_ms = proven_unix_ms,
		.limit_unix_ms =
			scheduler->now_unix_ms + (uint64_t)scheduler->config->queue_lifetime_ms};
	struct unit unit;

	for (;;) {
		if (scheduler->sweep.change_count >= CHANGES_MAX)
			return false;
		if (!source_next(scheduler, holds, proven_unix_ms, &unit))
			break;
		if (!sweep_submit(scheduler, &unit, &order)) {
			source_again(holds, &unit);
			return false;
		}
	}
	source_want(scheduler, holds);
	return true;
}

/* ---- dates out of reach ---- */

static uint64_t farthest_retry(const struct scheduler *scheduler, uint64_t now_unix_ms)
{
	const struct config *config = scheduler->config;

	/* the wait after an unknown outcome is longer than retry.max by up to a quarter */
	return now_unix_ms + (uint64_t)(config->retry_max_ms + config->retry_max_ms / 4);
}

/* What is paced may wait longer than others, but not for ever either. */
static bool is_out_of_reach(
	const struct envelope *envelope, const struct recipient *recipient, uint64_t limit_unix_ms)
{
	if (recipient->state == RECIPIENT_HELD && envelope->hold_kind == HOLD_PACED)
		return recipient->due_unix_ms > limit_unix_ms + (uint64_t)PACE_MAX_MS;
	return (recipient->state == RECIPIENT_WAITING || recipient->state == RECIPIENT_DEFERRED) &&
	       recipient->due_unix_ms > limit_unix_ms;
}

static int bring_into_reach(struct envelope *envelope, void *argument)
{
	const struct sweep_change *change = argument;
	int result = 1;

	for (size_t i = 0; i < envelope->recipient_count; i++) {
		if (!is_out_of_reach(
			    envelope, &envelope->recipients[i], change->order.limit_unix_ms))
			continue;
		envelope->recipients[i].due_unix_ms = change->order.limit_unix_ms;
		result = 0;
	}
	return result;
}

/* False: no room for it now. */
static bool check_reach(struct scheduler *scheduler, const struct envelope *envelope)
{
	uint64_t limit = farthest_retry(scheduler, scheduler->now_unix_ms);
	bool beyond = false;

	for (size_t i = 0; i < envelope->recipient_count; i++)
		beyond |= is_out_of_reach(envelope, &envelope->recipients[i], limit);
	if (!beyond || claims_works(scheduler, envelope->id) ||
		claims_has(scheduler, envelope->id, UPSTREAM_WHOLE))
		return true;
	return sweep_submit(scheduler,
		&(struct unit){.id = envelope->id, .upstream = UPSTREAM_HOLD},
		&(struct sweep_order){.change = bring_into_reach,
			.event = "date_out_of_reach",
			.limit_unix_ms = limit});
}

/* ---- lifetimes ---- */

static bool was_tried_since(
	const struct scheduler *scheduler, uint16_t number, int64_t since_boot_ms)
{
	const struct upstream *upstream = hosts_find(scheduler, number);

	return upstream == NULL || upstream->config == NULL ||
	       upstream->contact_boot_ms >= since_boot_ms;
}

static bool waits_for(const struct recipient *recipient, uint16_t upstream)
{
	return recipient->upstream == upstream &&
	       (recipient->state == RECIPIENT_WAITING || recipient->state == RECIPIENT_DEFERRED);
}

static bool is_first_of_its_upstream(const struct envelope *envelope, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (waits_for(&envelope->recipients[i], envelope->recipients[index].upstream))
			return false;
	return true;
}

static uint64_t latest_due(const struct envelope *envelope, uint16_t upstream)
{
	uint64_t latest = 0;

	for (size_t i = 0; i < envelope->recipient_count; i++)
		if (waits_for(&envelope->recipients[i], upstream) &&
			envelope->recipients[i].due_unix_ms > latest)
			latest = envelope->recipients[i].due_unix_ms;
	return latest;
}

/* False: no room for it now. */
static bool expire(
	struct scheduler *scheduler, const struct envelope *envelope, int64_t since_boot_ms)
{
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		uint16_t number = envelope->recipients[i].upstream;
		struct unit unit = {.id = envelope->id,
			.upstream = number,
			.lane = envelope->lane,
			.bucket = envelope->bucket};

		if (!waits_for(&envelope->recipients[i], number) ||
			!is_first_of_its_upstream(envelope, i) ||
			claims_has(scheduler, envelope->id, number) ||
			!was_tried_since(scheduler, number, since_boot_ms))
			continue;
		if (!jobs_expire(scheduler, &unit, latest_due(envelope, number), false))
			return false;
	}
	return true;
}

static uint64_t end_of(const struct scheduler *scheduler, const struct envelope *envelope)
{
	return envelope->received_unix_ms + envelope->stopped_ms +
	       (uint64_t)scheduler->config->queue_lifetime_ms;
}

/* ---- ends of other kinds of holds ---- */

/* Delivery writes the bounce. */
bool sweep_send_back(struct scheduler *scheduler, const struct unit *row,
	const struct envelope *envelope, uint64_t until_unix_ms)
{
	bool room = true;

	for (size_t i = 0; i < envelope->recipient_count && room; i++) {
		const struct recipient *recipient = &envelope->recipients[i];
		struct unit unit = *row;

		unit.upstream = recipient->upstream;
		if (recipient->state == RECIPIENT_HELD && recipient->due_unix_ms <= until_unix_ms &&
			!claims_has(scheduler, unit.id, unit.upstream))
			room = jobs_expire(scheduler, &unit, recipient->due_unix_ms, true);
	}
	return room;
}

/* Its grant was renewed, and the release that should have followed has not come here. */
static bool is_in_force(const struct scheduler *scheduler, const char *name)
{
	struct registry_item item = {0};
	struct grant *grant = NULL;
	enum grant_life life = GRANT_LIFE_REVOKED;

	if (name != NULL &&
		store_view_registered(scheduler->view, REGISTRY_GRANT, name, &item) == 0 &&
		grant_decode(item.name, item.revision, item.record, item.size, &grant) == 0)
		life = grant_life(grant, scheduler->now_unix_ms);
	grant_close(&grant);
	registry_item_fini(&item);
	return life == GRANT_LIFE_APPROVED || life == GRANT_LIFE_EXPIRING;
}

/* False: no room now. */
static bool end_lapsed(struct scheduler *scheduler, const struct unit *row, uint64_t proven_unix_ms)
{
	const struct sweep_order release = {
		.change = end_holds, .event = "released", .proven_unix_ms = proven_unix_ms};
	struct envelope *envelope = NULL;
	bool room;

	if (store_view_get(scheduler->view, row->id, &envelope) < 0)
		return true; /* gone meanwhile, or damaged */
	room = is_in_force(scheduler, envelope->grant)
		       ? sweep_submit(scheduler, row, &release)
		       : sweep_send_back(scheduler, row, envelope, proven_unix_ms);
	envelope_close(&envelope);
	return room;
}

static bool sweep_lapsed(struct scheduler *scheduler, uint64_t proven_unix_ms)
{
	struct source *lapsed = &scheduler->sweep.kinds[HOLD_LAPSED];
	struct unit row;

	while (source_next(scheduler, lapsed, proven_unix_ms, &row)) {
		if (!end_lapsed(scheduler, &row, proven_unix_ms)) {
			source_again(lapsed, &row);
			return false;
		}
	}
	return true;
}

/* Paced ones go on in time; the others are looked for when more of the time is proven. False: no room for all now. */
static bool sweep_kinds(struct scheduler *scheduler, uint64_t proven_unix_ms)
{
	static const char *const events[HOLD_KIND_COUNT] = {
		[HOLD_VOLUME] = "hold_over",
		[HOLD_SUSPENDED] = "suspended_over",
	};
	struct sweep *sweep = &scheduler->sweep;
	bool paced = sweep_holds(
		scheduler, &sweep->kinds[HOLD_PACED], "paced_over", scheduler->now_unix_ms);
	bool done;

	if (sweep->kinds_unix_ms == proven_unix_ms)
		return paced;
	done = sweep_lapsed(scheduler, proven_unix_ms);
	for (int kind = HOLD_VOLUME; kind < HOLD_KIND_COUNT; kind++)
		done &= sweep_holds(scheduler, &sweep->kinds[kind], events[kind], proven_unix_ms);
	if (done)
		sweep->kinds_unix_ms = proven_unix_ms;
	return paced && done;
}

/* Nine look-ups in the store that find nothing are too many for each turn of a busy scheduler. */
static void sweep_ends(struct scheduler *scheduler, uint64_t proven_unix_ms)
{
	struct sweep *sweep = &scheduler->sweep;
	bool done;

	if (scheduler->now_mono_ms < sweep->look_mono_ms &&
		!source_is_due(&sweep->kinds[HOLD_PACED], scheduler->now_unix_ms)) {
		source_want(scheduler, &sweep->kinds[HOLD_PACED]);
		scheduler_want(scheduler, sweep->look_mono_ms);
		return;
	}
	done = sweep_holds(scheduler, &sweep->holds, "hold_over", proven_unix_ms);
	done &= sweep_holds(scheduler, &sweep->partials, "incomplete_over", proven_unix_ms);
	done &= sweep_kinds(scheduler, proven_unix_ms);
	sweep->look_mono_ms = scheduler->now_mono_ms + (done ? LOOK_MS : 0);
}

/* ---- the pass over the messages ---- */

struct pass {
	uint64_t proven_unix_ms;
	int64_t since_boot_ms;
	bool any_old; /* one of this step was received a lifetime ago */
};

/* False: no room now; the pass goes on with this message later. */
static bool visit(struct scheduler *scheduler, const struct envelope *envelope, struct pass *pass)
{
	uint64_t lifetime_ms = (uint64_t)scheduler->config->queue_lifetime_ms;

	if (envelope->received_unix_ms + lifetime_ms <= scheduler->now_unix_ms)
		pass->any_old = true;
	if (scheduler->suspend.permits != NULL &&
		!claims_has(scheduler, envelope->id, UPSTREAM_WHOLE) &&
		suspended_deed(scheduler->suspend.permits, envelope) != SUSPENDED_NOTHING)
		suspend_visit(scheduler, envelope->id, 0);
	if (end_of(scheduler, envelope) <= pass->proven_unix_ms)
		return expire(scheduler, envelope, pass->since_boot_ms);
	return check_reach(scheduler, envelope);
}

static int64_t rest_between_passes(const struct scheduler *scheduler)
{
	int64_t distance_ms = scheduler->expiry.distance_ms;

	return distance_ms < PASS_MS ? distance_ms : PASS_MS;
}

static void end_pass(struct scheduler *scheduler)
{
	struct sweep *sweep = &scheduler->sweep;

	sweep->after = 0;
	sweep->full = false;
	sweep->next_mono_ms = scheduler->now_mono_ms + rest_between_passes(scheduler);
}

static void visit_some(struct scheduler *scheduler, struct pass *pass)
{
	struct sweep *sweep = &scheduler->sweep;
	struct envelope *envelopes[STEP];
	ssize_t count = store_view_list(scheduler->view, sweep->after, envelopes, STEP);
	bool room = true;

	sweep->next_mono_ms = scheduler->now_mono_ms + STEP_REST_MS;
	for (ssize_t i = 0; i < count; i++) {
		room = room && visit(scheduler, envelopes[i], pass);
		if (room)
			sweep->after = envelopes[i]->id;
		envelope_close(&envelopes[i]);
	}
	if (room && (count < STEP || !(sweep->full || pass->any_old)))
		end_pass(scheduler);
}

/* The clock was set back: dates that were written before may lie out of reach now. */
static bool was_set_back(struct scheduler *scheduler)
{
	int64_t ahead_ms = (int64_t)scheduler->now_unix_ms - scheduler->now_boot_ms;
	bool back = ahead_ms < scheduler->sweep.wall_ahead_ms - SET_BACK_MS;

	if (back || ahead_ms > scheduler->sweep.wall_ahead_ms)
		scheduler->sweep.wall_ahead_ms = ahead_ms;
	return back;
}

void sweep_step(struct scheduler *scheduler)
{
	struct sweep *sweep = &scheduler->sweep;
	struct pass pass = {0};

	pass.proven_unix_ms = expiry_proven(&scheduler->expiry, scheduler->now_boot_ms,
		scheduler->now_unix_ms, &pass.since_boot_ms);
	sweep_ends(scheduler, pass.proven_unix_ms);
	if (was_set_back(scheduler) || scheduler->now_mono_ms >= sweep->next_full_mono_ms) {
		sweep->after = 0;
		sweep->full = true;
		sweep->next_mono_ms = scheduler->now_mono_ms;
		sweep->next_full_mono_ms = scheduler->now_mono_ms + FULL_PASS_MS;
	}
	if (scheduler->now_mono_ms >= sweep->next_mono_ms)
		visit_some(scheduler, &pass);
	scheduler_want(scheduler, sweep->next_mono_ms);
}
