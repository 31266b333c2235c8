#include "scan/verdict.h"

#include <errno.h>
#include <stdio.h>

#include "queue/settle.h"

static int apply_one(
	struct envelope *envelope, struct recipient *recipient, const struct scan_job *job)
{
	if (job->hold_reason != NULL)
		return settle_hold(envelope, recipient, job->hold_reason, job->now_unix_ms,
			job->hold_until_unix_ms);
	recipient->verdict = job->found;
	if (job->found == VERDICT_VIRUS) {
		recipient->state = RECIPIENT_DISCARDED;
		recipient->threat = envelope_text(envelope, job->threat);
		return recipient->threat != NULL ? 0 : -ENOMEM;
	}
	recipient->state = RECIPIENT_WAITING;
	recipient->due_unix_ms = job->now_unix_ms;
	return 0;
}

static int note_hold(struct envelope *envelope, const struct scan_job *job)
{
	char line[128];

	snprintf(line, sizeof(line), "held: %s", job->hold_reason);
	return envelope_note(envelope, job->now_unix_ms, NULL, line) ? 0 : -ENOMEM;
}

int verdict_apply(struct envelope *envelope, void *argument)
{
	struct scan_job *job = argument;

	job->changed = 0;
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		int rc;

		if (envelope->recipients[i].state != RECIPIENT_SCANNING)
			continue;
		rc = apply_one(envelope, &envelope->recipients[i], job);
		if (rc < 0)
			return rc;
		job->changed++;
	}
	if (job->changed == 0)
		return 1;
	return job->hold_reason != NULL ? note_hold(envelope, job) : 0;
}
