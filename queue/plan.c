#include "queue/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * A plan as bytes:
 *
 *	version (1 byte) · edits
 *	edit: `at`, counted from the edit before · size · act and when (1 byte) · of PLAN_REPLACE the size of its text, and it
 *
 * Numbers are LEB128.
 */
#define PLAN_VERSION     1
#define NUMBER_BYTES_MAX 10
#define EDITS_ROOM       8
#define WHEN_SHIFT       4
#define ACT_MASK         15

void plan_fini(struct plan *plan)
{
	free(plan->edits);
	bytes_fini(&plan->text);
	*plan = (struct plan){0};
}

/* ---- making ---- */

static size_t number_size(uint64_t number)
{
	size_t size = 1;

	for (; number > 0x7f; number >>= 7)
		size++;
	return size;
}

/* At most what it takes encoded: `at` is counted from nowhere. */
static size_t encoded_bound(uint64_t at, uint64_t size, enum plan_act act, size_t text_size)
{
	return number_size(at) + number_size(size) + 1 +
	       (act == PLAN_REPLACE ? number_size(text_size) + text_size : 0);
}

static bool reserve_edit(struct plan *plan)
{
	size_t room = plan->room > 0 ? plan->room * 2 : EDITS_ROOM;
	struct plan_edit *edits;

	if (plan->count < plan->room)
		return true;
	edits = realloc(plan->edits, room * sizeof(*edits));
	if (edits == NULL)
		return false;
	plan->edits = edits;
	plan->room = room;
	return true;
}

static bool is_full(const struct plan *plan, size_t bound)
{
	return bound > PLAN_BYTES_MAX - 1 - plan->encoded_bound; /* 1 is the version's */
}

bool plan_add(struct plan *plan, enum plan_act act, enum plan_when when, uint64_t at, uint64_t size,
	const void *text, size_t text_size)
{
	size_t bound;

	if (act != PLAN_REPLACE)
		text_size = 0;
	if (text_size > PLAN_BYTES_MAX)
		return false;
	bound = encoded_bound(at, size, act, text_size);
	if (is_full(plan, bound) || !reserve_edit(plan) ||
		!bytes_append(&plan->text, text, text_size))
		return false;
	plan->encoded_bound += bound;
	plan->edits[plan->count] = (struct plan_edit){
		.at = at,
		.size = size,
		.act = act,
		.when = when,
		.text_at = (uint32_t)(plan->text.size - text_size),
		.text_size = (uint32_t)text_size,
		.order = (uint32_t)plan->count,
	};
	plan->count++;
	return true;
}

void plan_keep(struct plan *plan, size_t count)
{
	while (plan->count > count) {
		const struct plan_edit *last = &plan->edits[--plan->count];

		plan->encoded_bound -=
			encoded_bound(last->at, last->size, last->act, last->text_size);
		plan->text.size -= last->text_size;
	}
}

static int compare_edits(const void *left, const void *right)
{
	const struct plan_edit *a = left, *b = right;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

void plan_sort(struct plan *plan)
{
	for (size_t i = 1; i < plan->count; i++) {
		if (compare_edits(&plan->edits[i - 1], &plan->edits[i]) > 0) {
			qsort(plan->edits, plan->count, sizeof(*plan->edits), compare_edits);
			return;
		}
	}
}

/* ---- encode ---- */

static bool put_number(struct bytes *out, uint64_t number)
{
	uint8_t digits[NUMBER_BYTES_MAX];
	size_t size = 0;

	for (; number > 0x7f; number >>= 7)
		digits[size++] = (uint8_t)(number | 0x80);
	digits[size++] = (uint8_t)number;
	return bytes_append(out, digits, size);
}

static bool put_edit(
	struct bytes *out, const struct plan *plan, const struct plan_edit *edit, uint64_t before)
{
	uint8_t kind = (uint8_t)((unsigned)edit->act | (unsigned)edit->when << WHEN_SHIFT);

	if (!put_number(out, edit->at - before) || !put_number(out, edit->size) ||
		!bytes_append(out, &kind, 1))
		return false;
	if (edit->act != PLAN_REPLACE)
		return true;
	return put_number(out, edit->text_size) &&
	       (edit->text_size == 0 ||
		       bytes_append(out, plan->text.data + edit->text_at, edit->text_size));
}

bool plan_encode(const struct plan *plan, struct bytes *out)
{
	static const uint8_t version = PLAN_VERSION;
	size_t start = out->size;
	uint64_t before = 0;
	bool done = bytes_append(out, &version, 1);

	for (size_t i = 0; done && i < plan->count; i++) {
		done = put_edit(out, plan, &plan->edits[i], before);
		before = plan->edits[i].at;
	}
	if (done && out->size - start <= PLAN_BYTES_MAX)
		return true;
	out->size = start;
	return false;
}

/* ---- decode ---- */

struct span {
	const uint8_t *at, *end;
};

static bool take_number(struct span *span, uint64_t *number)
{
	unsigned shift = 0;
	uint8_t byte;

	*number = 0;
	do {
		if (span->at == span->end || shift > 63)
			return false;
		byte = *span->at++;
		if (shift == 63 && byte > 1)
			return false;
		*number |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return true;
}

static bool is_known(unsigned act, unsigned when)
{
	return act >= PLAN_REPLACE && act <= PLAN_BASE64 && when <= PLAN_SEVENBIT;
}

/* The last range of those that apply together. */
struct covered {
	uint64_t at, end;
};

/* An insertion may stand where a range begins; it is written in the order in which they were added. */
static bool is_free(const struct covered *covered, uint64_t at, uint64_t size)
{
	return at >= covered->end || (size == 0 && at == covered->at);
}

static bool cover(struct covered covered[2], const struct plan_edit *edit)
{
	static const bool applies[][2] = {
		[PLAN_ALWAYS] = {true, true},
		[PLAN_EIGHTBIT] = {true, false},
		[PLAN_SEVENBIT] = {false, true},
	};

	for (size_t way = 0; way < 2; way++) {
		if (!applies[edit->when][way])
			continue;
		if (!is_free(&covered[way], edit->at, edit->size))
			return false;
		if (edit->size > 0)
			covered[way] = (struct covered){edit->at, edit->at + edit->size};
	}
	return true;
}

static int take_edit(struct span *span, uint64_t *at, uint64_t text_bytes,
	struct covered covered[2], struct plan *out)
{
	uint64_t delta, size, text_size = 0;
	unsigned act, when;

	if (!take_number(span, &delta) || !take_number(span, &size) || span->at == span->end)
		return -EBADMSG;
	act = *span->at & ACT_MASK;
	when = *span->at++ >> WHEN_SHIFT;
	if (!is_known(act, when) || delta > text_bytes - *at || size > text_bytes - *at - delta)
		return -EBADMSG;
	if (act == PLAN_REPLACE &&
		(!take_number(span, &text_size) || text_size > (uint64_t)(span->end - span->at)))
		return -EBADMSG;
	*at += delta;
	if (is_full(out, encoded_bound(*at, size, (enum plan_act)act, (size_t)text_size)))
		return -EBADMSG; /* nobody made one like it */
	if (!plan_add(out, (enum plan_act)act, (enum plan_when)when, *at, size, span->at,
		    (size_t)text_size))
		return -ENOMEM;
	span->at += text_size;
	return cover(covered, &out->edits[out->count - 1]) ? 0 : -EBADMSG;
}

int plan_decode(const void *encoded, size_t size, uint64_t text_bytes, struct plan *out)
{
	struct span span;
	struct covered covered[2] = {{0, 0}, {0, 0}};
	uint64_t at = 0;
	int rc = 0;

	*out = (struct plan){0};
	if (size == 0 || size > PLAN_BYTES_MAX || *(const uint8_t *)encoded != PLAN_VERSION)
		return -EBADMSG;
	span = (struct span){(const uint8_t *)encoded + 1, (const uint8_t *)encoded + size};
	while (rc == 0 && span.at < span.end)
		rc = take_edit(&span, &at, text_bytes, covered, out);
	if (rc < 0)
		plan_fini(out);
	return rc;
}
