#include "smtp/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/suspended.h"
#include "smtp/bounce.h"
#include "smtp/permission.h"

#define RECONNECTS_MAX 3 /* then the scheduler is told */

struct task *task_open(struct job *job)
{
	struct task *task = calloc(1, sizeof(*task));

	if (task != NULL)
		task->job = job;
	return task;
}

void task_close(struct task **task)
{
	free(*task);
	*task = NULL;
}

void task_fail(struct task *task, enum reply_stage stage, enum reply_class class, const char *reply,
	const char *status)
{
	struct job *job = task->job;

	job->stage = stage;
	job->class = class;
	snprintf(job->reply, sizeof(job->reply), "%s", reply);
	snprintf(job->status, sizeof(job->status), "%s", status);
	job->reply_is_ours = false;
}

void task_put_off(struct task *task, const char *why)
{
	task_fail(task, STAGE_REUSE, REPLY_BUSY, why, "");
	task->job->reply_is_ours = true;
}

/* ---- who is meant ---- */

static bool is_meant(const struct job *job, const struct recipient *recipient)
{
	bool is_waiting = job->lapsed ? recipient->state == RECIPIENT_HELD
				      : recipient->state == RECIPIENT_WAITING ||
						recipient->state == RECIPIENT_DEFERRED;

	return recipient->upstream == job->upstream_number && is_waiting &&
	       ((job->expired && !job->lapsed) || recipient->due_unix_ms <= job->due_unix_ms);
}

static void swap_recipients(struct job_recipient *a, struct job_recipient *b)
{
	struct job_recipient kept = *a;

	*a = *b;
	*b = kept;
}

/* Addresses that cannot stand in a command fail at once, and are put in front: they have been tried. */
static void fail_unclean(struct task *task, bool smtputf8, const char *reply, const char *status)
{
	struct job *job = task->job;

	for (size_t i = task->from; i < job->recipient_count; i++) {
		struct job_recipient *told = &job->recipients[i];

		if (outgoing_address_is_clean(
			    job->envelope->recipients[told->index].address, smtputf8))
			continue;
		told->effect = RECIPIENT_FAIL;
		told->reply = reply;
		told->status = status;
		swap_recipients(told, &job->recipients[task->from++]);
	}
}

static void fail_all(struct task *task, const char *reply, const char *status)
{
	struct job *job = task->job;

	for (size_t i = task->from; i < job->recipient_count; i++)
		job->recipients[i].effect = RECIPIENT_FAIL;
	task->from = job->recipient_count;
	task_fail(task, STAGE_MAIL, REPLY_PERMANENT, reply, status);
	job->reply_is_ours = true;
}

/*
 * Its grant was not renewed in time, or was revoked (envelope.h): it goes back with what is said to clients then; without the
 * grant, with what was said when it was held.
 */
static void fail_lapsed(struct task *task, struct store_view *view)
{
	const struct job *job = task->job;
	const struct permission_terms terms = {.config = job->config};
	struct permission permission = {0};
	struct grant *grant = bounce_read_grant(view, job->envelope);
	const char *reason = NULL;
	char said[PERMISSION_TEXT_SIZE];

	permission.grant = grant;
	if (grant != NULL)
		reason = permission_explain(grant->state == GRANT_REVOKED ? PERMISSION_GRANT_REVOKED
									  : PERMISSION_GRANT_LAPSED,
			&permission, &terms, "", said);
	else if (job->recipient_count > 0)
		reason = job->envelope->recipients[job->recipients[0].index].reason;
	fail_all(task, reason != NULL ? reason : "the relay grant has lapsed", "5.7.1");
	grant_close(&grant);
}

static int gather(struct task *task)
{
	struct job *job = task->job;
	struct envelope *envelope = job->envelope;

	job->recipients = calloc(envelope->recipient_count + 1, sizeof(*job->recipients));
	if (job->recipients == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < envelope->recipient_count; i++)
		if (is_meant(job, &envelope->recipients[i]))
			job->recipients[job->recipient_count++].index = i;
	return 0;
}

/* Also what came to be due while its suspension was in force already. Of an expired one nothing is delivered. */
static bool is_suspended(const struct job *job)
{
	struct suspended suspended;

	return job->permits != NULL && !job->expired &&
	       suspended_find(job->permits, job->envelope, &suspended);
}

bool task_begin(struct task *task, struct store_view *view)
{
	struct job *job = task->job;
	int rc = store_view_get(view, job->id, &job->envelope);

	task->begun = true;
	task->outgoing.view = view;
	if (rc == 0 && is_suspended(job))
		rc = -ECANCELED;
	if (rc == 0)
		rc = gather(task);
	if (rc < 0) {
		job->read_error = rc; /* the store's trouble, and nobody's attempt */
		return false;
	}
	/* Nobody due any more costs nothing: what is left is as it was. */
	task_put_off(task, "nobody is due");
	if (job->lapsed && job->envelope->hold_kind == HOLD_LAPSED)
		fail_lapsed(task, view);
	else if (job->expired && !job->lapsed)
		fail_all(task, "delivery time expired", "4.4.7");
	if (job->expired)
		return false;
	fail_unclean(task, true, "the address holds bytes that SMTP does not carry", "5.1.3");
	if (!outgoing_address_is_clean(job->envelope->reverse_path, true))
		fail_all(
			task, "the sender's address holds bytes that SMTP does not carry", "5.1.7");
	return task->from < job->recipient_count;
}

/* ---- transactions ---- */

/* SMTPUTF8 comes with 8BITMIME (RFC 6531 3.1); alone it is of no use. */
static bool takes_utf8(const struct offer *offer)
{
	return offer->smtputf8 && offer->eightbitmime;
}

/* Raw UTF-8 in the header that stays there as long as nobody asks for 7 bits. */
static bool has_utf8_header(const struct envelope *envelope)
{
	return (envelope->flags & ENVELOPE_SMTPUTF8) &&
	       (envelope->flags & ENVELOPE_HEADER_EIGHTBIT);
}

/* Without SMTPUTF8: false when nobody can get it. Recipients with such an address fail alone. */
static bool fits_ascii(struct task *task, enum reader_how *how)
{
	const struct envelope *envelope = task->job->envelope;
	const char *reply = NULL, *status = "5.6.7";

	if (!outgoing_address_is_clean(envelope->reverse_path, false))
		reply = "the sender's address is internationalised, and this recipient's mail "
			"system does not take such addresses";
	else if (envelope->flags & ENVELOPE_ADDRESS_EIGHTBIT)
		reply = "the message's header has internationalised addresses, and this "
			"recipient's mail system does not take them";
	else if (has_utf8_header(envelope)) {
		*how = READ_SEVENBIT;
		status = "5.6.9";
		if (!(envelope->flags & ENVELOPE_SEVENBIT_POSSIBLE))
			reply = "the message's header is internationalised, this recipient's mail "
				"system does not take such headers, and the message must not be "
				"changed";
	}
	if (reply != NULL) {
		fail_all(task, reply, status);
		return false;
	}
	fail_unclean(task, false,
		"this recipient's mail system does not take internationalised addresses", "5.6.7");
	return task->from < task->job->recipient_count;
}

static bool fits_seven_bits(struct task *task, enum reader_how *how)
{
	uint32_t flags = task->job->envelope->flags;

	if (!(flags & ENVELOPE_EIGHTBIT))
		return true;
	*how = READ_SEVENBIT;
	if (flags & ENVELOPE_SEVENBIT_POSSIBLE)
		return true;
	fail_all(task,
		flags & ENVELOPE_SIGNED
			? "the text is 8-bit, upstream does not offer 8BITMIME, and converting it "
			  "would break its signature"
			: "the text is 8-bit, upstream does not offer 8BITMIME, and it cannot be "
			  "converted",
		"5.6.3");
	return false;
}

static bool fits_size(struct task *task, const struct offer *offer)
{
	uint64_t size = task->job->envelope->size_bytes;
	char reply[128];

	if (!offer->size_said || offer->size_max_bytes == 0 || size <= offer->size_max_bytes)
		return true;
	snprintf(reply, sizeof(reply), "the message has %llu bytes, upstream takes %llu",
		(unsigned long long)size, (unsigned long long)offer->size_max_bytes);
	fail_all(task, reply, "5.3.4");
	return false;
}

static bool is_possible(struct task *task, const struct offer *offer, enum reader_how *how)
{
	*how = READ_EIGHTBIT;
	return (takes_utf8(offer) || fits_ascii(task, how)) &&
	       (offer->eightbitmime || fits_seven_bits(task, how)) && fits_size(task, offer);
}

/* Whether this transaction is one of RFC 6531: for one of its addresses, or for the header. */
static bool needs_utf8(const struct outgoing *outgoing)
{
	const struct envelope *envelope = outgoing->envelope;

	if (!outgoing_address_is_clean(envelope->reverse_path, false))
		return true;
	for (size_t i = 0; i < outgoing->recipient_count; i++) {
		size_t index = outgoing->recipients[i].index;

		if (!outgoing_address_is_clean(envelope->recipients[index].address, false))
			return true;
	}
	return (envelope->flags & ENVELOPE_ADDRESS_EIGHTBIT) || has_utf8_header(envelope);
}

struct outgoing *task_next(struct task *task, const struct offer *offer)
{
	struct job *job = task->job;
	struct outgoing *outgoing = &task->outgoing;
	size_t count, limit = job->upstream->max_recipients;

	if (task->from == job->recipient_count || !is_possible(task, offer, &outgoing->how))
		return NULL;
	count = job->recipient_count - task->from;
	if (offer->recipients_max != 0 && offer->recipients_max < limit)
		limit = offer->recipients_max;
	outgoing->envelope = job->envelope;
	outgoing->stopped = &job->stopped;
	outgoing->recipients = job->recipients + task->from;
	outgoing->recipient_count = limit != 0 && count > limit ? limit : count;
	outgoing->smtputf8 = takes_utf8(offer) && needs_utf8(outgoing);
	return outgoing;
}

/* Those that upstream would take in another transaction go behind; returns how many were settled. */
static size_t move_split_behind(struct outgoing *outgoing)
{
	size_t settled = 0;

	for (size_t i = 0; i < outgoing->recipient_count; i++) {
		if (outgoing->recipients[i].effect != RECIPIENT_SPLIT)
			swap_recipients(&outgoing->recipients[i], &outgoing->recipients[settled++]);
	}
	return settled;
}

/* What was delivered keeps its reply, as the job's own will be another transaction's. */
static void keep_replies(struct task *task, const struct outgoing *outgoing, size_t count)
{
	struct envelope *envelope = task->job->envelope;
	const char *reply = envelope_text(envelope, outgoing->reply);
	const char *status = envelope_text(envelope, outgoing->status);

	for (size_t i = 0; i < count; i++) {
		struct job_recipient *told = &outgoing->recipients[i];

		if (told->effect == RECIPIENT_ACCEPTED ||
			(told->effect == RECIPIENT_FAIL && told->reply == NULL)) {
			told->reply = reply;
			told->status = status;
		}
	}
}

/* The text could not be read: the host knows nothing of it. What upstream took of an earlier part must be kept. */
static enum task_step leave_unread(struct task *task, int why)
{
	if (why == -EBADMSG || task->from == 0)
		task->job->read_error = why;
	else
		task_put_off(task, "the text could not be read");
	return TASK_OVER;
}

enum task_step task_take(struct task *task)
{
	struct outgoing *outgoing = &task->outgoing;
	const struct reply_effect *effect = reply_effect(outgoing->stage, outgoing->class);
	size_t settled;

	if (outgoing->read_error != 0)
		return leave_unread(task, outgoing->read_error);
	task_fail(task, outgoing->stage, outgoing->class, outgoing->reply, outgoing->status);
	if (effect->message == MESSAGE_FREE)
		return effect->host == HOST_UNCHANGED && task->reconnects++ < RECONNECTS_MAX
			       ? TASK_RECONNECT
			       : TASK_OVER;
	if (effect->message != MESSAGE_DONE && effect->message != MESSAGE_UNCHANGED)
		return TASK_OVER;
	settled = move_split_behind(outgoing);
	task->from += settled;
	task->reconnects = 0;
	if (task->from == task->job->recipient_count)
		return TASK_OVER;
	keep_replies(task, outgoing, settled);
	return TASK_AGAIN;
}

/* ---- the end ---- */

static size_t count_failed(const struct job *job)
{
	size_t failed = 0;

	for (size_t i = 0; i < job->recipient_count; i++)
		failed += job->recipients[i].effect == RECIPIENT_FAIL;
	return failed;
}

static const char *first_text(const char *a, const char *b)
{
	return a != NULL && a[0] != '\0' ? a : b != NULL ? b : "";
}

static void list_failed(const struct job *job, struct bounce_recipient *out)
{
	for (size_t i = 0; i < job->recipient_count; i++) {
		const struct job_recipient *told = &job->recipients[i];
		const struct recipient *recipient = &job->envelope->recipients[told->index];

		if (told->effect != RECIPIENT_FAIL)
			continue;
		out->address = recipient->address;
		if (job->expired && !job->lapsed) {
			out->reply = first_text(recipient->reason, "");
			out->status = job->status;
		} else {
			out->reply = first_text(told->reply, job->reply);
			out->status =
				first_text(told->reply != NULL ? told->status : job->status, "");
		}
		out++;
	}
}

static int write_bounce(const struct job *job, size_t failed, struct id_source *ids,
	struct store_view *view, uint8_t *scratch, struct message **out)
{
	struct bounce bounce = {
		.config = job->config,
		.envelope = job->envelope,
		.recipient_count = failed,
		.host = job->host != NULL ? job->host->name : NULL,
		.expired = job->expired && !job->lapsed,
		.now_unix_ms = job->now_unix_ms,
	};
	struct bounce_recipient *recipients = calloc(failed, sizeof(*recipients));
	int rc;

	if (recipients == NULL)
		return -ENOMEM;
	list_failed(job, recipients);
	bounce.recipients = recipients;
	rc = bounce_write(&bounce, id_next(ids), view, scratch, out);
	free(recipients);
	return rc;
}

/* No recipient fails without its bounce: they go another way. */
static void take_back_failures(struct job *job, enum recipient_effect effect)
{
	for (size_t i = 0; i < job->recipient_count; i++)
		if (job->recipients[i].effect == RECIPIENT_FAIL)
			job->recipients[i].effect = effect;
}

void task_finish(
	struct task *task, struct id_source *ids, struct store_view *view, uint8_t *scratch)
{
	struct job *job = task->job;
	size_t failed = job->read_error == 0 ? count_failed(job) : 0;
	int rc;

	if (failed == 0 || !bounce_is_due(job->envelope))
		return;
	rc = write_bounce(job, failed, ids, view, scratch, &job->bounces);
	if (rc == -EBADMSG) { /* its text is damaged: it is held, not bounced */
		take_back_failures(job, RECIPIENT_UNCHANGED);
		job->read_error = rc;
	} else if (rc < 0) { /* they are tried again */
		take_back_failures(job, RECIPIENT_SPLIT);
	}
}
