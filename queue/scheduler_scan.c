#include "queue/scheduler_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "queue/backoff.h"
#include "queue/id.h"

/*
 * Units of UPSTREAM_SCAN go to the scanners while they have room. A verdict comes back as the writer's answer; a message
 * that could not be scanned waits a while, and when several in a row could not, the scanners are taken to be away and all
 * wait, as for an upstream host.
 */

#define FAILURES_IN_A_ROW 3

static void end_scan(struct scheduler *scheduler, struct scan_claim *claim)
{
	claims_del(scheduler, &claim->claim);
	scheduler->scanning--;
	source_again(&scheduler->scans, &claim->claim.unit);
	scans_free(claim);
}

static void wait_for_scanner(struct scheduler *scheduler, struct scan_claim *claim, int why)
{
	const struct config *config = scheduler->config;
	struct unit unit = claim->claim.unit;
	char id[ID_TEXT_SIZE];

	log_event_limited(LOG_WARNING, "scan_waits", "id=%s why=\"%s\"", id_format(unit.id, id),
		strerror(-why));
	end_scan(scheduler, claim);
	notes_wait(scheduler, &unit,
		backoff_host_ms(config->busy_first_ms, config->busy_max_ms,
			notes_fail(scheduler, &unit), scheduler_random(scheduler)));
	if (++scheduler->scan_failures < FAILURES_IN_A_ROW)
		return;
	scheduler->scan_rest_until_mono_ms =
		scheduler->now_mono_ms + backoff_host_ms(config->busy_first_ms, config->busy_max_ms,
						 scheduler->scan_failures - FAILURES_IN_A_ROW + 1,
						 scheduler_random(scheduler));
}

static void verdict_read(struct letter *letter, void *context)
{
	struct scan_job *job = LETTER_OF(letter, struct scan_job, verdict.letter);
	struct scan_claim *claim = LETTER_OF(job, struct scan_claim, job);
	struct scheduler *scheduler = context;
	int result = job->verdict.result;

	if (result < 0 && result != -ENOENT) {
		wait_for_scanner(scheduler, claim, result);
		return;
	}
	scheduler->scan_failures = 0;
	notes_del(scheduler, &claim->claim.unit);
	end_scan(scheduler, claim);
}

static void failure_read(struct letter *letter, void *context)
{
	struct scan_job *job = LETTER_OF(letter, struct scan_job, letter);
	struct scan_claim *claim = LETTER_OF(job, struct scan_claim, job);

	if (job->result == -ENOENT)
		end_scan(context, claim); /* deleted meanwhile */
	else
		wait_for_scanner(context, claim, job->result < 0 ? job->result : -EAGAIN);
}

void scheduler_scan_failed(struct scheduler *scheduler, struct scan_job *job)
{
	job->letter.read = failure_read;
	if (!mailbox_push(scheduler->options.inbox, &job->letter))
		log_panic("the scheduler's inbox is full");
}

void scans_free(struct scan_claim *claim)
{
	free(claim);
}

static bool hand_out_one(struct scheduler *scheduler)
{
	struct scan_claim *claim;
	struct unit unit;

	if (scheduler->scanning >= scheduler->options.scan_credits ||
		!source_next(scheduler, &scheduler->scans, scheduler->now_unix_ms, &unit))
		return false;
	claim = calloc(1, sizeof(*claim));
	if (claim == NULL) {
		source_again(&scheduler->scans, &unit);
		return false;
	}
	claim->claim.unit = unit;
	claim->claim.kind = CLAIM_SCAN;
	claim->scheduler = scheduler;
	claim->job.id = unit.id;
	claim->job.verdict.answer_to = scheduler->options.inbox;
	claim->job.verdict.letter.read = verdict_read;
	claims_put(scheduler, &claim->claim);
	scheduler->scanning++;
	scheduler->options.scan(scheduler->options.scanner, &claim->job);
	return true;
}

void scans_hand_out(struct scheduler *scheduler)
{
	if (scheduler->options.scan == NULL)
		return;
	if (scheduler->now_mono_ms < scheduler->scan_rest_until_mono_ms) {
		scheduler_want(scheduler, scheduler->scan_rest_until_mono_ms);
		return;
	}
	while (hand_out_one(scheduler))
		;
	source_want(scheduler, &scheduler->scans);
}
