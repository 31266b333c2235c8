#include "queue/scheduler_parts.h"

#include <stdlib.h>

#include "core/log.h"

/*
 * Jobs are what delivery and the writer have room for (credits). Half of them are shared out to the configured upstreams,
 * so that one that hangs on all its connections leaves the others theirs; the rest goes to who comes first.
 */
static size_t own_share(const struct scheduler *scheduler)
{
	size_t upstreams = scheduler->upstream_count > 0 ? scheduler->upstream_count : 1;

	return scheduler->options.delivery_credits / (2 * upstreams);
}

static bool has_credit(const struct scheduler *scheduler, const struct upstream *upstream)
{
	size_t share = own_share(scheduler);
	size_t common = scheduler->options.delivery_credits - share * scheduler->upstream_count;

	if (scheduler->jobs >= scheduler->options.delivery_credits)
		return false;
	return upstream->jobs < share || scheduler->jobs_over_share < common;
}

/* Worked out anew at each change: shares move with a reload, and there are few upstreams. */
static void count_over_share(struct scheduler *scheduler)
{
	size_t share = own_share(scheduler);
	const struct upstream *upstream;

	scheduler->jobs_over_share = 0;
	LIST_FOREACH (upstream, &scheduler->upstreams, entry)
		if (upstream->jobs > share)
			scheduler->jobs_over_share += upstream->jobs - share;
}

static struct delivery_claim *make_claim(
	struct scheduler *scheduler, struct upstream *upstream, const struct unit *unit)
{
	struct delivery_claim *claim = calloc(1, sizeof(*claim));

	if (claim == NULL)
		return NULL;
	claim->claim.unit = *unit;
	claim->claim.kind = CLAIM_JOB;
	claim->scheduler = scheduler;
	claim->upstream = upstream;
	claim->job.letter.read = scheduler->options.delivery_read;
	claim->job.id = unit->id;
	claim->job.upstream_number = unit->upstream;
	claim->job.config = config_share(scheduler->config);
	claim->job.upstream = upstream->config;
	claim->job.permits = suspend_share(scheduler);
	atomic_init(&claim->job.stopped, false);
	claim->job.now_unix_ms = scheduler->now_unix_ms;
	claim->job.due_unix_ms = unit->due_unix_ms > scheduler->now_unix_ms
					 ? unit->due_unix_ms
					 : scheduler->now_unix_ms;
	return claim;
}

static void send_off(struct scheduler *scheduler, struct delivery_claim *claim)
{
	claims_put(scheduler, &claim->claim);
	scheduler->jobs++;
	claim->upstream->jobs++;
	count_over_share(scheduler);
	if (!mailbox_push(scheduler->options.delivery, &claim->job.letter))
		log_panic("delivery's inbox is full");
}

void jobs_free(struct delivery_claim *claim)
{
	envelope_close(&claim->job.envelope);
	message_close(&claim->job.bounces);
	free(claim->job.recipients);
	config_close(&claim->job.config);
	permits_close(&claim->job.permits);
	free(claim);
}

void jobs_end(struct scheduler *scheduler, struct delivery_claim *claim, bool again)
{
	claims_del(scheduler, &claim->claim);
	scheduler->jobs--;
	claim->upstream->jobs--;
	count_over_share(scheduler);
	if (claim->job.expired)
		scheduler->sweep.expired_jobs--;
	if (again)
		source_again(&claim->upstream->source, &claim->claim.unit);
	jobs_free(claim);
}

/* The next due unit; for a probe another than the message that sent the host to rest last, if there is one. */
static bool pick(struct scheduler *scheduler, struct upstream *upstream, const struct place *place,
	bool probe, struct unit *unit)
{
	struct unit other;

	if (!source_next(scheduler, &upstream->source, scheduler->now_unix_ms, unit))
		return false;
	if (!probe || unit->id != place->host.failed_by)
		return true;
	if (source_next(scheduler, &upstream->source, scheduler->now_unix_ms, &other) &&
		other.id != unit->id) {
		source_again(&upstream->source, unit);
		*unit = other;
	}
	return true;
}

/* One unit to one host. False: nobody takes one, nothing is due, or there is no credit. */
static bool hand_out_one(struct scheduler *scheduler, struct upstream *upstream)
{
	struct delivery_claim *claim;
	struct place *place;
	struct unit unit;
	bool probe;

	if (!has_credit(scheduler, upstream))
		return false;
	place = hosts_choose(scheduler, upstream, &probe);
	if (place == NULL || !pick(scheduler, upstream, place, probe, &unit))
		return false;
	claim = make_claim(scheduler, upstream, &unit);
	if (claim == NULL) {
		source_again(&upstream->source, &unit);
		return false;
	}
	host_take(&place->host);
	claim->place = place;
	claim->job.host = place->config;
	claim->job.host_key = place->key;
	claim->job.host_epoch = place->host.epoch;
	claim->job.connections_allowed = probe ? 1 : place->host.connections;
	claim->job.probe = probe;
	send_off(scheduler, claim);
	return true;
}

void jobs_hand_out(struct scheduler *scheduler)
{
	struct upstream *upstream;
	bool handed;

	/* a unit each in turn, so that credits go round when they are short */
	do {
		handed = false;
		LIST_FOREACH (upstream, &scheduler->upstreams, entry)
			if (upstream->config != NULL)
				handed |= hand_out_one(scheduler, upstream);
	} while (handed);
}

#define EXPIRED_JOBS_MAX 32 /* bounces of expired mail that are written at once, at most */

bool jobs_expire(
	struct scheduler *scheduler, const struct unit *unit, uint64_t due_unix_ms, bool lapsed)
{
	struct upstream *upstream = hosts_find_stray(scheduler, unit->upstream);
	struct delivery_claim *claim;

	if (upstream == NULL || scheduler->jobs >= scheduler->options.delivery_credits ||
		scheduler->sweep.expired_jobs >= EXPIRED_JOBS_MAX)
		return false;
	claim = make_claim(scheduler, upstream, unit);
	if (claim == NULL)
		return false;
	claim->job.expired = true;
	claim->job.lapsed = lapsed;
	if (claim->job.due_unix_ms < due_unix_ms)
		claim->job.due_unix_ms = due_unix_ms;
	scheduler->sweep.expired_jobs++;
	send_off(scheduler, claim);
	return true;
}
