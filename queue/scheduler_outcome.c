#include "queue/scheduler_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/metrics.h"
#include "queue/backoff.h"
#include "queue/id.h"
#include "queue/schedule.h"

/*
 * A job is back:
 *
 *   1. Its host hears of it (hosts_returned).
 *   2. Nothing durable changed: the claim ends, and the unit is due at once.
 *   3. Else the outcome goes to the writer as a change of the envelope, with the bounces, in one transaction. The claim
 *      stays: what upstream took is never handed out again because our disk refuses (law 7). A request that the store
 *      refuses is tried again until it works.
 *   4. The answer ends the claim, and only then is it logged.
 */

#define SETTLE_FIRST_MS 1000
#define SETTLE_MAX_MS   30000
#define UNREAD_FIRST_MS 1000 /* a unit that cannot be read now */
#define UNREAD_MAX_MS   60000

/* ---- what is logged once it is durable ---- */

static const char *text_or(const char *text, const char *other)
{
	return text != NULL && text[0] != '\0' ? text : other;
}

static void log_delivered(
	const struct delivery_claim *claim, const struct recipient *recipient, const char *id)
{
	struct log_quoted to, reply;
	uint64_t received = claim->job.envelope->received_unix_ms;
	uint64_t now = claim->settle.now_unix_ms;

	metric_add(METRIC_DELIVERED, 1);
	log_event(LOG_INFO, "delivered", "id=%s to=<%s> host=%s delay=%.3f dsn=%s reply=\"%s\"", id,
		log_address(&to, recipient->address), text_or(claim->settle.host, "-"),
		now > received ? (double)(now - received) / 1000.0 : 0.0,
		text_or(recipient->status, "2.0.0"), log_text(&reply, recipient->reason));
}

static void log_deferred(
	const struct delivery_claim *claim, const struct recipient *recipient, const char *id)
{
	struct log_quoted to, reply;

	metric_add(METRIC_DEFERRED, 1);
	log_event(LOG_INFO, "deferred",
		"id=%s to=<%s> host=%s attempts=%u retry_ms=%ld dsn=%s reply=\"%s\"", id,
		log_address(&to, recipient->address), text_or(claim->settle.host, "-"),
		recipient->attempts, (long)(recipient->due_unix_ms - claim->settle.now_unix_ms),
		text_or(recipient->status, "4.0.0"), log_text(&reply, recipient->reason));
}

static void log_bounced(
	const struct delivery_claim *claim, const struct recipient *recipient, const char *id)
{
	struct log_quoted to, reply;

	metric_add(METRIC_BOUNCED, 1);
	if (claim->job.expired && !claim->job.lapsed)
		metric_add(METRIC_EXPIRED, 1);
	log_event(LOG_NOTICE, "bounced", "id=%s to=<%s> host=%s why=%s dsn=%s reply=\"%s\"", id,
		log_address(&to, recipient->address), text_or(claim->settle.host, "-"),
		claim->job.lapsed    ? "lapsed"
		: claim->job.expired ? "expired"
				     : "refused",
		text_or(recipient->status, "5.0.0"), log_text(&reply, recipient->reason));
}

static void log_held(const struct recipient *recipient, const char *id)
{
	struct log_quoted to, reason;
	char until[CLOCK_RFC3339_SIZE];

	metric_add(METRIC_HELD, 1);
	log_event(LOG_ERROR, "held", "id=%s to=<%s> until=%s alarm=yes reason=\"%s\"", id,
		log_address(&to, recipient->address),
		clock_format_rfc3339(recipient->due_unix_ms, until),
		log_text(&reason, recipient->reason));
}

static void log_recipient(
	const struct delivery_claim *claim, const struct recipient *recipient, const char *id)
{
	switch (recipient->state) {
	case RECIPIENT_DELIVERED:
		log_delivered(claim, recipient, id);
		break;
	case RECIPIENT_DEFERRED:
		log_deferred(claim, recipient, id);
		break;
	case RECIPIENT_BOUNCED:
		log_bounced(claim, recipient, id);
		break;
	case RECIPIENT_HELD:
		log_held(recipient, id);
		break;
	default:
		break;
	}
}

/* Whatever settling does to a recipient shows in one of these. */
static bool is_changed(const struct recipient *before, const struct recipient *after)
{
	return before->state != after->state || before->attempts != after->attempts;
}

/* Works out on delivery's copy what the writer stored: the same outcome on the same record. */
static void log_settled(struct delivery_claim *claim)
{
	struct envelope *envelope = claim->job.envelope;
	struct recipient *before;
	char id[ID_TEXT_SIZE];

	id_format(claim->job.id, id);
	if (envelope == NULL) {
		log_event(LOG_ERROR, "held", "id=%s alarm=yes reason=\"%s\"", id,
			text_or(claim->settle.hold_reason, "?"));
		return;
	}
	before = malloc(envelope->recipient_count * sizeof(*before) + 1);
	if (before == NULL)
		return;
	memcpy(before, envelope->recipients, envelope->recipient_count * sizeof(*before));
	if (settle_apply(envelope, &claim->settle) == 0)
		for (size_t i = 0; i < envelope->recipient_count; i++)
			if (is_changed(&before[i], &envelope->recipients[i]))
				log_recipient(claim, &envelope->recipients[i], id);
	free(before);
}

/* Somebody was split off or not told: the same row is due again. */
static bool is_due_still(const struct delivery_claim *claim)
{
	const struct envelope *envelope = claim->job.envelope;

	for (size_t i = 0; envelope != NULL && i < envelope->recipient_count; i++) {
		const struct recipient *recipient = &envelope->recipients[i];

		if (schedule_upstream(recipient) == claim->claim.unit.upstream &&
			recipient->due_unix_ms <= claim->job.due_unix_ms)
			return true;
	}
	return false;
}

/* ---- settling ---- */

static int change_settled(struct envelope *envelope, void *argument)
{
	const struct delivery_claim *claim = argument;

	return settle_apply(envelope, &claim->settle);
}

/* The record cannot be read or changed now: it is left alone for a while, longer each time. */
static void leave_alone(struct scheduler *scheduler, struct delivery_claim *claim, int why)
{
	struct unit unit = claim->claim.unit;
	char id[ID_TEXT_SIZE];

	log_event(LOG_ERROR, "unreadable", "id=%s alarm=yes why=\"%s\"", id_format(unit.id, id),
		strerror(-why));
	jobs_end(scheduler, claim, true);
	notes_wait(scheduler, &unit,
		backoff_host_ms(UNREAD_FIRST_MS, UNREAD_MAX_MS, notes_fail(scheduler, &unit),
			scheduler_random(scheduler)));
}

static void keep_for_later(struct scheduler *scheduler, struct delivery_claim *claim, int why)
{
	char id[ID_TEXT_SIZE];

	claim->settle_mono_ms =
		scheduler->now_mono_ms + backoff_host_ms(SETTLE_FIRST_MS, SETTLE_MAX_MS,
						 ++claim->settle_tries, claim->settle.random);
	TAILQ_INSERT_TAIL(&scheduler->stuck, claim, stuck);
	scheduler_want(scheduler, claim->settle_mono_ms);
	log_event_limited(LOG_ERROR, "settle_waits", "id=%s alarm=yes why=\"%s\"",
		id_format(claim->job.id, id), strerror(-why));
}

static void settle_answered(struct letter *letter, void *context)
{
	struct job *job = LETTER_OF(letter, struct job, settle.letter);
	struct delivery_claim *claim = LETTER_OF(job, struct delivery_claim, job);
	struct scheduler *scheduler = context;

	switch (job->settle.result) {
	case 0:
		notes_del(scheduler, &claim->claim.unit);
		log_settled(claim);
		jobs_end(scheduler, claim, is_due_still(claim));
		break;
	case -ENOENT: /* gone meanwhile: there is nothing left to be told */
		jobs_end(scheduler, claim, false);
		break;
	case -EBADMSG:
		leave_alone(scheduler, claim, -EBADMSG);
		break;
	default:
		keep_for_later(scheduler, claim, job->settle.result);
		break;
	}
}

static void submit_settle(struct scheduler *scheduler, struct delivery_claim *claim)
{
	struct job *job = &claim->job;

	job->settle = (struct writer_request){
		.letter.read = settle_answered,
		.answer_to = scheduler->options.inbox,
		.verb = WRITER_CHANGE,
		.id = job->id,
		.message = job->bounces,
		.change = change_settled,
		.argument = claim,
	};
	writer_submit(scheduler->options.writer, &job->settle);
}

/* A store that takes all again is no reason to wait long; its writer nudges when it does. */
void outcome_retry(struct scheduler *scheduler)
{
	bool full = writer_is_full(scheduler->options.writer);
	int64_t latest = scheduler->now_mono_ms + SETTLE_FIRST_MS;
	struct delivery_claim *claim, *next;

	for (claim = TAILQ_FIRST(&scheduler->stuck); claim != NULL; claim = next) {
		next = TAILQ_NEXT(claim, stuck);
		if (!full && claim->settle_mono_ms > latest)
			claim->settle_mono_ms = latest;
		if (claim->settle_mono_ms > scheduler->now_mono_ms) {
			scheduler_want(scheduler, claim->settle_mono_ms);
			continue;
		}
		TAILQ_REMOVE(&scheduler->stuck, claim, stuck);
		submit_settle(scheduler, claim);
	}
}

static void fill_settle(struct scheduler *scheduler, struct delivery_claim *claim)
{
	const struct job *job = &claim->job;
	const struct config *config = scheduler->config;

	claim->settle = (struct settle){
		.upstream = job->upstream_number,
		.due_unix_ms = job->due_unix_ms,
		.now_unix_ms = scheduler->now_unix_ms,
		.recipients = job->recipients,
		.recipient_count = job->recipient_count,
		.stage = job->stage,
		.effect = reply_effect(job->stage, job->class)->message,
		.expired = job->expired,
		.lapsed = job->lapsed,
		.host = job->host != NULL ? job->host->name : NULL,
		.reply = job->reply,
		.status = job->status,
		.retry_first_ms = config->retry_first_ms,
		.retry_max_ms = config->retry_max_ms,
		.hold_ms = config->queue_lifetime_ms,
		.random = scheduler_random(scheduler),
	};
	if (job->read_error == -EBADMSG)
		claim->settle.hold_reason = "damaged in the store: its text cannot be proven";
}

/* Busy after MAIL, again and again while others pass: the message is at fault, and waits alone. */
static bool is_at_fault(struct scheduler *scheduler, const struct delivery_claim *claim)
{
	const struct reply_effect *effect = reply_effect(claim->job.stage, claim->job.class);

	return effect->host == HOST_REST && claim->job.stage >= STAGE_MAIL &&
	       notes_meet_busy(scheduler, &claim->claim.unit, claim->upstream->passed);
}

static void decide(struct scheduler *scheduler, struct delivery_claim *claim)
{
	const struct job *job = &claim->job;

	if (job->read_error == -ENOENT) {
		jobs_end(scheduler, claim, false);
		return;
	}
	if (job->read_error == -ECANCELED) {
		suspend_visit(scheduler, job->id, 0);
		jobs_end(scheduler, claim, true);
		return;
	}
	if (job->read_error != 0 && job->read_error != -EBADMSG) {
		leave_alone(scheduler, claim, job->read_error);
		return;
	}
	fill_settle(scheduler, claim);
	if (job->read_error == 0 && !job->expired && is_at_fault(scheduler, claim))
		claim->settle.effect = MESSAGE_DEFER;
	if (settle_is_free(&claim->settle))
		jobs_end(scheduler, claim, true);
	else
		submit_settle(scheduler, claim);
}

void outcome_read(struct letter *letter, void *context)
{
	struct job *job = LETTER_OF(letter, struct job, letter);
	struct delivery_claim *claim = LETTER_OF(job, struct delivery_claim, job);
	struct scheduler *scheduler = context;

	if (claim->place != NULL) {
		if (job->read_error == 0 && job->stage == STAGE_DOT &&
			(job->class == REPLY_DROPPED || job->class == REPLY_TIMED_OUT))
			metric_add(METRIC_UNKNOWN_OUTCOME, 1);
		hosts_returned(scheduler, claim);
	}
	decide(scheduler, claim);
}

void scheduler_job_done(struct scheduler *scheduler, struct job *job)
{
	job->letter.read = outcome_read;
	if (!mailbox_push(scheduler->options.inbox, &job->letter))
		log_panic("the scheduler's inbox is full");
}
