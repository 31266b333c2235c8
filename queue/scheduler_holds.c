/*
 * scheduler_holds.c: errands: all that is held of one kind for a grant, an account or clients is released, deleted or sent back.
 *
 * The rows of UPSTREAM_KINDS and the kind are walked lane by lane, bucket by bucket, ROWS at a time and no more than STEP a
 * turn; each message that fits is changed by the writer (scheduler_sweep.c has the room). A row that is gone meanwhile was
 * somebody else's.
 */
#include "queue/scheduler_parts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"

#define ROWS 16
#define STEP 64

/* ---- one message ---- */

static bool is_same(const char *wanted, const char *text)
{
	return wanted[0] == '\0' || (text != NULL && strcmp(wanted, text) == 0);
}

static bool fits(const struct holds_errand *errand, const struct envelope *envelope)
{
	struct address address;

	if (!is_same(errand->grant, envelope->grant) ||
		!is_same(errand->account, envelope->account))
		return false;
	return !errand->by_network ||
	       (envelope->client != NULL && address_parse(envelope->client, &address) == 0 &&
		       network_has(&errand->network, &address));
}

static int change_held(struct envelope *envelope, void *argument)
{
	const struct sweep_change *change = argument;
	const struct holds_errand *errand = change->order.errand;
	uint64_t longest_ms = 0;
	int result = 1;
	char line[96];

	if (envelope->hold_kind != errand->kind)
		return 1;
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		struct recipient *recipient = &envelope->recipients[i];
		uint64_t held_ms = 0;

		if (recipient->state != RECIPIENT_HELD)
			continue;
		if (errand->deletes)
			recipient->state = RECIPIENT_DELETED;
		else
			held_ms = settle_release(recipient, change->now_unix_ms);
		longest_ms = held_ms > longest_ms ? held_ms : longest_ms;
		result = 0;
	}
	envelope->stopped_ms += longest_ms;
	settle_forget_kind(envelope);
	snprintf(line, sizeof(line), "%s by %s", errand->deletes ? "deleted" : "released",
		errand->who);
	if (result == 0 && !envelope_note(envelope, change->now_unix_ms, NULL, line))
		return -ENOMEM;
	return result;
}

/* False: no room now. */
static bool change_one(struct scheduler *scheduler, struct holds_errand *errand, uint64_t id)
{
	const struct sweep_order order = {.change = change_held,
		.event = errand->deletes ? "deleted" : "released",
		.errand = errand};
	const struct unit unit = {.id = id,
		.upstream = (uint16_t)(UPSTREAM_KINDS + errand->kind),
		.lane = (enum lane)errand->lane,
		.bucket = (uint32_t)errand->bucket};
	struct envelope *envelope = NULL;
	bool room = true;

	if (store_view_get(scheduler->view, id, &envelope) < 0)
		return true; /* gone, or damaged */
	/* one that is being sent back (HOLD_LAPSED) is too late */
	if (fits(errand, envelope) && !claims_works(scheduler, id)) {
		room = errand->returns ? sweep_send_back(scheduler, &unit, envelope, UINT64_MAX)
				       : sweep_submit(scheduler, &unit, &order);
		if (errand->returns)
			errand->count += room;
		else
			errand->outstanding += room;
	}
	envelope_close(&envelope);
	return room;
}

void holds_changed(struct holds_errand *errand, int result)
{
	errand->outstanding--;
	errand->count += result == 0;
}

/* ---- the walk ---- */

/* The next bucket, in this lane or the next. */
static void go_on(struct scheduler *scheduler, struct holds_errand *errand)
{
	uint16_t upstream = (uint16_t)(UPSTREAM_KINDS + errand->kind);
	uint64_t first_due;
	uint32_t bucket;

	errand->after = (struct store_due){0};
	while (store_view_bucket(scheduler->view, upstream, (enum lane)errand->lane, errand->bucket,
		       &bucket, &first_due) < 0) {
		errand->bucket = -1;
		if (++errand->lane == LANE_COUNT) {
			errand->walked = true;
			return;
		}
	}
	errand->bucket = bucket;
}

/* Some rows of the bucket. False: no room now. */
static bool walk_rows(struct scheduler *scheduler, struct holds_errand *errand, size_t *looked)
{
	struct store_due rows[ROWS];
	uint64_t next;
	ssize_t count = store_view_due(scheduler->view, (uint16_t)(UPSTREAM_KINDS + errand->kind),
		(enum lane)errand->lane, (uint32_t)errand->bucket, errand->after, UINT64_MAX, rows,
		ROWS, &next);

	for (ssize_t i = 0; i < count; i++) {
		if (!change_one(scheduler, errand, rows[i].id))
			return false;
		errand->after = rows[i];
		++*looked;
	}
	if (count < ROWS)
		go_on(scheduler, errand);
	return true;
}

/* False: it has had its share of this turn. */
static bool walk(struct scheduler *scheduler, struct holds_errand *errand)
{
	size_t looked = 0;

	if (errand->bucket < 0 && !errand->walked)
		go_on(scheduler, errand);
	while (!errand->walked) {
		if (!walk_rows(scheduler, errand, &looked))
			return false; /* an answer of the writer's wakes us */
		if (looked >= STEP) {
			scheduler_want(scheduler, scheduler->now_mono_ms);
			return false;
		}
	}
	return true;
}

/* ---- errands ---- */

static void answer(struct scheduler *scheduler, struct holds_errand *errand, int result)
{
	struct log_quoted who;

	TAILQ_REMOVE(&scheduler->errands, errand, entry);
	log_event(LOG_NOTICE,
		errand->deletes   ? "holds_deleted"
		: errand->returns ? "holds_returned"
				  : "holds_released",
		"kind=%s grant=%s messages=%llu by=\"%s\"", hold_kind_name(errand->kind),
		errand->grant[0] != '\0' ? errand->grant : "-", (unsigned long long)errand->count,
		log_text(&who, errand->who));
	errand->result = result;
	errand->letter.read = errand->answered;
	if (!mailbox_push(errand->answer_to, &errand->letter))
		log_panic("the inbox of who asked for an errand is full");
}

void holds_step(struct scheduler *scheduler)
{
	struct holds_errand *errand;

	while ((errand = TAILQ_FIRST(&scheduler->errands)) != NULL) {
		if (!walk(scheduler, errand) || errand->outstanding > 0)
			return;
		answer(scheduler, errand, 0);
	}
}

void holds_close(struct scheduler *scheduler)
{
	struct holds_errand *errand;

	while ((errand = TAILQ_FIRST(&scheduler->errands)) != NULL)
		answer(scheduler, errand, -ECANCELED);
}

void scheduler_holds_read(struct letter *letter, void *context)
{
	struct holds_errand *errand = LETTER_OF(letter, struct holds_errand, letter);
	struct scheduler *scheduler = context;

	errand->lane = 0;
	errand->bucket = -1;
	errand->after = (struct store_due){0};
	errand->outstanding = 0;
	errand->walked = false;
	errand->count = 0;
	TAILQ_INSERT_TAIL(&scheduler->errands, errand, entry);
}
