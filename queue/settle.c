#include "queue/settle.h"

#include <errno.h>
#include <stdio.h>

#include "queue/backoff.h"

#define LINE_SIZE        (JOB_REPLY_SIZE + 64)
#define STATUS_UNDEFINED "5.0.0"
#define STATUS_EXPIRED   "4.4.7" /* RFC 3463 3.5: delivery time expired */

bool settle_is_free(const struct settle *settle)
{
	if (settle->hold_reason != NULL)
		return false;
	for (size_t i = 0; i < settle->recipient_count; i++) {
		enum recipient_effect effect = settle->recipients[i].effect;

		if (effect != RECIPIENT_UNCHANGED && effect != RECIPIENT_SPLIT)
			return false;
	}
	return settle->expired ||
	       (settle->effect != MESSAGE_DEFER && settle->effect != MESSAGE_HOLD &&
		       settle->effect != MESSAGE_UNKNOWN);
}

static bool is_meant(const struct settle *settle, const struct recipient *recipient)
{
	bool is_waiting = settle->lapsed ? recipient->state == RECIPIENT_HELD
					 : recipient->state == RECIPIENT_WAITING ||
						   recipient->state == RECIPIENT_DEFERRED;

	return recipient->upstream == settle->upstream && is_waiting &&
	       recipient->due_unix_ms <= settle->due_unix_ms;
}

static const struct job_recipient *find_told(const struct settle *settle, size_t index)
{
	for (size_t i = 0; i < settle->recipient_count; i++)
		if (settle->recipients[i].index == index)
			return &settle->recipients[i];
	return NULL;
}

static bool is_text(const char *text)
{
	return text != NULL && text[0] != '\0';
}

/* What was said to this recipient, or to the message. */
struct said {
	const char *reply, *status;
};

static struct said what_was_said(const struct settle *settle, const struct job_recipient *told)
{
	struct said said = {settle->reply, settle->status};

	if (told != NULL && is_text(told->reply)) {
		said.reply = told->reply;
		said.status = told->status;
	}
	return said;
}

static int remember(struct envelope *envelope, struct recipient *recipient,
	const struct settle *settle, struct said said)
{
	if (is_text(said.reply)) {
		recipient->reason = envelope_text(envelope, said.reply);
		if (recipient->reason == NULL)
			return -ENOMEM;
	}
	recipient->status = NULL;
	if (is_text(said.status)) {
		recipient->status = envelope_text(envelope, said.status);
		if (recipient->status == NULL)
			return -ENOMEM;
	}
	if (settle->host != NULL) {
		recipient->host = envelope_text(envelope, settle->host);
		if (recipient->host == NULL)
			return -ENOMEM;
	}
	return 0;
}

int settle_hold(struct envelope *envelope, struct recipient *recipient, const char *reason,
	uint64_t now_unix_ms, uint64_t until_unix_ms)
{
	recipient->reason = envelope_text(envelope, reason);
	if (recipient->reason == NULL)
		return -ENOMEM;
	recipient->state = RECIPIENT_HELD;
	recipient->held_unix_ms = now_unix_ms;
	recipient->due_unix_ms = until_unix_ms;
	envelope->hold_kind = HOLD_ORDINARY;
	return 0;
}

int settle_hold_message(struct envelope *envelope, enum hold_kind kind, const char *reason,
	uint64_t now_unix_ms, uint64_t until_unix_ms)
{
	int result = 1;

	for (size_t i = 0; i < envelope->recipient_count; i++) {
		struct recipient *recipient = &envelope->recipients[i];
		bool was_held = recipient->state == RECIPIENT_HELD;

		if (recipient_is_final(recipient) || recipient->state == RECIPIENT_QUARANTINED)
			continue;
		if (settle_hold(envelope, recipient, reason,
			    was_held ? recipient->held_unix_ms : now_unix_ms, until_unix_ms) < 0)
			return -ENOMEM;
		result = 0;
	}
	if (result == 0)
		envelope->hold_kind = kind;
	return result;
}

void settle_forget_kind(struct envelope *envelope)
{
	for (size_t i = 0; i < envelope->recipient_count; i++)
		if (envelope->recipients[i].state == RECIPIENT_HELD)
			return;
	envelope->hold_kind = HOLD_ORDINARY;
}

uint64_t settle_release(struct recipient *recipient, uint64_t now_unix_ms)
{
	uint64_t held_ms = 0;

	if (recipient->held_unix_ms != 0 && recipient->held_unix_ms < now_unix_ms)
		held_ms = now_unix_ms - recipient->held_unix_ms;
	recipient->state =
		recipient->verdict == VERDICT_NONE ? RECIPIENT_SCANNING : RECIPIENT_WAITING;
	recipient->held_unix_ms = 0;
	recipient->due_unix_ms = now_unix_ms;
	return held_ms;
}

static int hold(struct envelope *envelope, struct recipient *recipient, const struct settle *settle,
	const char *why, const char *detail)
{
	char reason[LINE_SIZE];

	snprintf(reason, sizeof(reason), "%s%s%s", why, is_text(detail) ? ": " : "",
		is_text(detail) ? detail : "");
	return settle_hold(envelope, recipient, reason, settle->now_unix_ms,
		settle->now_unix_ms + (uint64_t)settle->hold_ms);
}

static int fail(struct envelope *envelope, struct recipient *recipient, const struct settle *settle,
	struct said said)
{
	if (envelope->flags & ENVELOPE_TO_POSTMASTER)
		return hold(
			envelope, recipient, settle, "a notice to postmaster failed", said.reply);
	recipient->state = RECIPIENT_BOUNCED;
	if (recipient->status == NULL)
		recipient->status = settle->expired ? STATUS_EXPIRED : STATUS_UNDEFINED;
	return 0;
}

static void defer(struct recipient *recipient, const struct settle *settle)
{
	recipient->attempts++;
	recipient->state = RECIPIENT_DEFERRED;
	recipient->due_unix_ms = settle->now_unix_ms +
				 (uint64_t)backoff_retry_ms(settle->retry_first_ms,
					 settle->retry_max_ms, recipient->attempts, settle->random);
}

static int lose_sight(struct envelope *envelope, struct recipient *recipient,
	const struct settle *settle, const char *reply)
{
	recipient->attempts++;
	recipient->unknowns++;
	if (recipient->unknowns >= SETTLE_UNKNOWNS_MAX)
		return hold(envelope, recipient, settle,
			"five times the connection was lost after the final dot", reply);
	recipient->state = RECIPIENT_DEFERRED;
	recipient->due_unix_ms = settle->now_unix_ms +
				 (uint64_t)backoff_unknown_ms(settle->retry_first_ms,
					 settle->retry_max_ms, recipient->unknowns, settle->random);
	return 0;
}

/* The way of the message, for one that was not told by itself. 0: changed; 1: not. */
static int follow_message(
	struct envelope *envelope, struct recipient *recipient, const struct settle *settle)
{
	if (settle->hold_reason != NULL)
		return hold(envelope, recipient, settle, settle->hold_reason, NULL);
	switch (settle->effect) {
	case MESSAGE_DEFER:
		defer(recipient, settle);
		return 0;
	case MESSAGE_HOLD:
		return hold(envelope, recipient, settle, reply_stage_name(settle->stage),
			settle->reply);
	case MESSAGE_UNKNOWN:
		return lose_sight(envelope, recipient, settle, settle->reply);
	case MESSAGE_UNCHANGED:
	case MESSAGE_FREE:
	case MESSAGE_FAIL:
	case MESSAGE_DONE:
		break;
	}
	return 1;
}

static bool leaves_alone(const struct settle *settle, const struct job_recipient *told)
{
	const struct settle alone = {
		.effect = settle->effect,
		.expired = settle->expired,
		.hold_reason = settle->hold_reason,
		.recipients = told,
		.recipient_count = told != NULL ? 1 : 0,
	};

	return (told != NULL && told->effect == RECIPIENT_SPLIT) || settle_is_free(&alone);
}

static int settle_one(struct envelope *envelope, struct recipient *recipient,
	const struct settle *settle, const struct job_recipient *told)
{
	struct said said = what_was_said(settle, told);

	if (leaves_alone(settle, told))
		return 1;
	if (remember(envelope, recipient, settle, said) < 0)
		return -ENOMEM;
	switch (told != NULL ? told->effect : RECIPIENT_UNCHANGED) {
	case RECIPIENT_ACCEPTED:
		recipient->state = RECIPIENT_DELIVERED;
		return 0;
	case RECIPIENT_FAIL:
		return fail(envelope, recipient, settle, said);
	case RECIPIENT_DEFER:
		defer(recipient, settle);
		return 0;
	case RECIPIENT_SPLIT:
	case RECIPIENT_UNCHANGED:
		break;
	}
	return follow_message(envelope, recipient, settle);
}

static int note(
	struct envelope *envelope, const struct settle *settle, const char *stage, const char *what)
{
	char line[LINE_SIZE];

	if (!is_text(what))
		return 0;
	snprintf(line, sizeof(line), "%s: %s", stage, what);
	return envelope_note(envelope, settle->now_unix_ms, settle->host, line) ? 0 : -ENOMEM;
}

static int note_recipient(
	struct envelope *envelope, const struct settle *settle, const struct job_recipient *told)
{
	if (told == NULL || !is_text(told->reply) ||
		(told->effect != RECIPIENT_DEFER && told->effect != RECIPIENT_FAIL))
		return 0;
	return note(envelope, settle, reply_stage_name(STAGE_RCPT), told->reply);
}

static int note_message(struct envelope *envelope, const struct settle *settle)
{
	if (settle->expired)
		return note(envelope, settle, "queue",
			settle->lapsed ? "its grant was not renewed" : "its lifetime is over");
	if (settle->hold_reason != NULL)
		return note(envelope, settle, "held", settle->hold_reason);
	if (settle->stage == STAGE_RCPT)
		return 0;
	return note(envelope, settle, reply_stage_name(settle->stage), settle->reply);
}

int settle_apply(struct envelope *envelope, const struct settle *settle)
{
	int result = 1;

	for (size_t i = 0; i < envelope->recipient_count; i++) {
		struct recipient *recipient = &envelope->recipients[i];
		const struct job_recipient *told = find_told(settle, i);
		int rc;

		if (!is_meant(settle, recipient))
			continue;
		rc = settle_one(envelope, recipient, settle, told);
		if (rc == 0)
			rc = note_recipient(envelope, settle, told);
		if (rc < 0)
			return rc;
		if (rc == 0)
			result = 0;
	}
	if (result == 0 && note_message(envelope, settle) < 0)
		return -ENOMEM;
	return result;
}
