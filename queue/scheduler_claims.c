#include "queue/scheduler_parts.h"

#include <stdlib.h>

#include "core/log.h"

#define BUSY_MEETINGS 3

static int compare_claims(const struct claim *a, const struct claim *b)
{
	if (a->unit.id != b->unit.id)
		return a->unit.id < b->unit.id ? -1 : 1;
	if (a->unit.upstream != b->unit.upstream)
		return a->unit.upstream < b->unit.upstream ? -1 : 1;
	return 0;
}

RB_GENERATE_INTERNAL(claim_tree, claim, entry, compare_claims, static __attribute__((unused)))

static struct claim *find_claim(const struct scheduler *scheduler, uint64_t id, uint16_t upstream)
{
	struct claim key = {.unit = {.id = id, .upstream = upstream}};

	/* the tree's macros know no const */
	return RB_FIND(claim_tree, (struct claim_tree *)&scheduler->claims, &key);
}

bool claims_has(const struct scheduler *scheduler, uint64_t id, uint16_t upstream)
{
	return find_claim(scheduler, id, upstream) != NULL ||
	       find_claim(scheduler, id, UPSTREAM_WHOLE) != NULL;
}

bool claims_works(const struct scheduler *scheduler, uint64_t id)
{
	struct claim key = {.unit = {.id = id}};
	struct claim *claim = RB_NFIND(claim_tree, (struct claim_tree *)&scheduler->claims, &key);

	for (; claim != NULL && claim->unit.id == id;
		claim = RB_NEXT(claim_tree, &scheduler->claims, claim))
		if (claim->kind != CLAIM_CHANGE)
			return true;
	return false;
}

uint64_t claims_next_job(const struct scheduler *scheduler, uint64_t id)
{
	struct claim key = {.unit = {.id = id + 1}};
	struct claim *claim = RB_NFIND(claim_tree, (struct claim_tree *)&scheduler->claims, &key);

	while (claim != NULL && claim->kind != CLAIM_JOB)
		claim = RB_NEXT(claim_tree, &scheduler->claims, claim);
	return claim != NULL ? claim->unit.id : 0;
}

bool claims_deliver(const struct scheduler *scheduler, uint64_t id, bool stops)
{
	struct claim key = {.unit = {.id = id}};
	struct claim *claim = RB_NFIND(claim_tree, (struct claim_tree *)&scheduler->claims, &key);
	bool delivers = false;

	for (; claim != NULL && claim->unit.id == id;
		claim = RB_NEXT(claim_tree, &scheduler->claims, claim)) {
		if (claim->kind != CLAIM_JOB)
			continue;
		delivers = true;
		if (stops) /* release: pairs with the acquire in smtp/outgoing.c */
			atomic_store_explicit(&((struct delivery_claim *)claim)->job.stopped, true,
				memory_order_release);
	}
	return delivers;
}

void claims_put(struct scheduler *scheduler, struct claim *claim)
{
	if (RB_INSERT(claim_tree, &scheduler->claims, claim) != NULL)
		log_panic("unit %lu of upstream %u is claimed twice", (unsigned long)claim->unit.id,
			(unsigned)claim->unit.upstream);
}

void claims_del(struct scheduler *scheduler, struct claim *claim)
{
	RB_REMOVE(claim_tree, &scheduler->claims, claim);
}

bool claims_change(struct scheduler *scheduler, uint64_t id)
{
	struct claim *claim = find_claim(scheduler, id, UPSTREAM_WHOLE);

	if (claim == NULL) {
		claim = calloc(1, sizeof(*claim));
		if (claim == NULL)
			return false;
		claim->unit = (struct unit){.id = id, .upstream = UPSTREAM_WHOLE};
		claim->kind = CLAIM_CHANGE;
		claims_put(scheduler, claim);
	}
	claim->holders++;
	return true;
}

void claims_changed(struct scheduler *scheduler, uint64_t id)
{
	struct claim *claim = find_claim(scheduler, id, UPSTREAM_WHOLE);

	if (--claim->holders > 0)
		return;
	claims_del(scheduler, claim);
	free(claim);
	/* rows that were passed meanwhile are found again: the writer's answer was a wake-up */
}

/* ---- notes ---- */

static struct note *note_slot(struct scheduler *scheduler, uint64_t id, uint16_t upstream)
{
	uint64_t mixed = (id ^ upstream) * 0x9e3779b97f4a7c15u;

	return &scheduler->notes[mixed >> 56];
}

_Static_assert(NOTES == 256, "a note's slot is eight bits");

static bool is_note_of(const struct note *note, uint64_t id, uint16_t upstream)
{
	return note->id == id && note->upstream == upstream;
}

static struct note *note_get(struct scheduler *scheduler, const struct unit *unit)
{
	struct note *note = note_slot(scheduler, unit->id, unit->upstream);

	if (!is_note_of(note, unit->id, unit->upstream))
		*note = (struct note){.id = unit->id, .upstream = unit->upstream};
	return note;
}

bool claims_block(const struct scheduler *scheduler, uint64_t id, uint16_t upstream)
{
	const struct note *note = note_slot((struct scheduler *)scheduler, id, upstream);

	return claims_has(scheduler, id, upstream) ||
	       (is_note_of(note, id, upstream) && scheduler->now_mono_ms < note->until_mono_ms);
}

void notes_wait(struct scheduler *scheduler, const struct unit *unit, int64_t wait_ms)
{
	struct note *note = note_get(scheduler, unit);

	note->until_mono_ms = scheduler->now_mono_ms + wait_ms;
	scheduler_want(scheduler, note->until_mono_ms);
}

bool notes_meet_busy(struct scheduler *scheduler, const struct unit *unit, uint64_t passed)
{
	struct note *note = note_get(scheduler, unit);

	if (note->times > 0 && note->passed == passed)
		return false; /* nobody else passed since: it is the host, and not the message */
	note->passed = passed;
	note->times++;
	return note->times >= BUSY_MEETINGS;
}

unsigned notes_fail(struct scheduler *scheduler, const struct unit *unit)
{
	return ++note_get(scheduler, unit)->times;
}

void notes_del(struct scheduler *scheduler, const struct unit *unit)
{
	struct note *note = note_slot(scheduler, unit->id, unit->upstream);

	if (is_note_of(note, unit->id, unit->upstream))
		*note = (struct note){0};
}
