#include "queue/scheduler_parts.h"

#include <errno.h>
#include <stdio.h>

#include "core/log.h"
#include "queue/id.h"

/*
 * What operators do to one message. While a unit of it is with delivery or a scanner the answer is -EBUSY: the message is
 * either delivered or acted on, and the operator is told which. While the change is with the writer nothing of the message
 * is handed out.
 */

/* What an act does to a recipient. 0: done; 1: not in a state for it; -ENOMEM. */
typedef int act_fn(struct envelope *envelope, struct recipient *recipient, const struct act *act);

static bool is_waiting(const struct recipient *recipient)
{
	return recipient->state == RECIPIENT_WAITING || recipient->state == RECIPIENT_DEFERRED;
}

static int retry(struct envelope *envelope, struct recipient *recipient, const struct act *act)
{
	(void)envelope;
	if (!is_waiting(recipient))
		return 1;
	recipient->due_unix_ms = act->now_unix_ms;
	return 0;
}

static int hold(struct envelope *envelope, struct recipient *recipient, const struct act *act)
{
	char reason[96];

	if (!is_waiting(recipient) && recipient->state != RECIPIENT_SCANNING)
		return 1;
	snprintf(reason, sizeof(reason), "held by %s", act->who);
	return settle_hold(envelope, recipient, reason, act->now_unix_ms, act->hold_until_unix_ms);
}

/* One that never came whole is a message like any other from now on; it was not scanned yet, so that this comes first. */
static int release(struct envelope *envelope, struct recipient *recipient, const struct act *act)
{
	if (recipient->state != RECIPIENT_HELD && recipient->state != RECIPIENT_QUARANTINED)
		return 1;
	envelope->flags &= ~(uint32_t)ENVELOPE_PARTIAL;
	settle_release(recipient, act->now_unix_ms);
	return 0;
}

static int delete (struct envelope *envelope, struct recipient *recipient, const struct act *act)
{
	(void)envelope;
	(void)act;
	if (recipient_is_final(recipient))
		return 1;
	recipient->state = RECIPIENT_DELETED;
	return 0;
}

static const struct {
	act_fn *apply;
	const char *event;
} acts[] = {
	[ACT_RETRY] = {retry, "retried"},
	[ACT_HOLD] = {hold, "held"},
	[ACT_RELEASE] = {release, "released"},
	[ACT_DELETE] = {delete, "deleted"},
};

static uint64_t longest_hold(const struct envelope *envelope, uint64_t now_unix_ms)
{
	uint64_t longest_ms = 0;

	for (size_t i = 0; i < envelope->recipient_count; i++) {
		const struct recipient *recipient = &envelope->recipients[i];
		bool is_held = recipient->state == RECIPIENT_HELD && recipient->held_unix_ms != 0 &&
			       recipient->held_unix_ms < now_unix_ms;

		if (is_held && now_unix_ms - recipient->held_unix_ms > longest_ms)
			longest_ms = now_unix_ms - recipient->held_unix_ms;
	}
	return longest_ms;
}

static int change_by_act(struct envelope *envelope, void *argument)
{
	const struct act *act = argument;
	uint64_t held_ms = longest_hold(envelope, act->now_unix_ms);
	int result = -EINVAL;
	char line[96];

	for (size_t i = 0; i < envelope->recipient_count; i++) {
		int rc = acts[act->verb].apply(envelope, &envelope->recipients[i], act);

		if (rc < 0)
			return rc;
		if (rc == 0)
			result = 0;
	}
	if (act->verb == ACT_RELEASE && result == 0)
		envelope->stopped_ms += held_ms;
	settle_forget_kind(envelope);
	snprintf(line, sizeof(line), "%s by %s", acts[act->verb].event, act->who);
	if (result == 0 && !envelope_note(envelope, act->now_unix_ms, NULL, line))
		return -ENOMEM;
	return result;
}

static void answer(struct act *act, int result)
{
	act->result = result;
	act->letter.read = act->answered;
	if (!mailbox_push(act->answer_to, &act->letter))
		log_panic("the inbox of who asked for an act is full");
}

static void change_answered(struct letter *letter, void *context)
{
	struct act *act = LETTER_OF(letter, struct act, request.letter);
	struct log_quoted who;
	char id[ID_TEXT_SIZE];

	claims_changed(context, act->id);
	if (act->request.result == 0)
		log_event(LOG_NOTICE, acts[act->verb].event, "id=%s by=\"%s\"",
			id_format(act->id, id), log_text(&who, act->who));
	answer(act, act->request.result);
}

void scheduler_act_read(struct letter *letter, void *context)
{
	struct act *act = LETTER_OF(letter, struct act, letter);
	struct scheduler *scheduler = context;

	if (claims_works(scheduler, act->id)) {
		answer(act, -EBUSY);
		return;
	}
	if (!claims_change(scheduler, act->id)) {
		answer(act, -ENOMEM);
		return;
	}
	act->now_unix_ms = scheduler->now_unix_ms;
	if (act->hold_until_unix_ms == 0)
		act->hold_until_unix_ms =
			act->now_unix_ms + (uint64_t)scheduler->config->queue_lifetime_ms;
	act->request = (struct writer_request){
		.letter.read = change_answered,
		.answer_to = scheduler->options.inbox,
		.verb = WRITER_CHANGE,
		.id = act->id,
		.change = change_by_act,
		.argument = act,
	};
	writer_submit(scheduler->options.writer, &act->request);
}
