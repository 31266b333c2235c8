/*
 * writer_parts.h: what the writer's files share; nobody else includes it.
 *
 *   writer.c        the thread, the batches, the answers
 *   writer_take.c   what goes into the next group
 *   writer_apply.c  what each verb does in a batch, and how it is looked up after a failed commit
 *   writer_pace.c   rates and usage of who sends
 *   writer_heal.c   a failed commit, until it is known what became of it
 *   writer_room.c   the watermarks
 *
 * Threads: the writer's, but the two atomics.
 */
#ifndef SLUICE_QUEUE_WRITER_PARTS_H
#define SLUICE_QUEUE_WRITER_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "queue/repeats.h"
#include "queue/writer.h"

/* What a request costs beside its text, in bytes of the group's bound. */
#define WRITER_REQUEST_BYTES 1024

/*
 *	WORKING ──failed commit──► HEALING ──durable commit──► WORKING
 *	                            ▲   │
 *	      a request that cannot │   │ WRITER_HEAL_MS over
 *	      simply be refused     │   ▼
 *	                           BROKEN ──durable commit──► WORKING
 *
 * HEALING has the group on hand and reads no further requests; BROKEN refuses new mail at once.
 */
enum writer_health { WRITER_WORKING, WRITER_HEALING, WRITER_BROKEN };

struct writer_heal {
	enum writer_health state;
	size_t unknown_count; /* of the group: their batch was given to the commit that failed */
	bool given_up; /* no new mail until a durable commit has succeeded */
	unsigned rounds; /* that it was healed, and no batch has been stored since */
	int64_t since_mono_ms;
	int64_t until_mono_ms; /* then it is given up; 0: nothing failed since the last good batch */
	int64_t next_mono_ms; /* the next try */
	int64_t wait_ms; /* between tries, doubling */
	struct reason reason; /* of the last try */
};

struct writer_room {
	struct store_fill fill; /* as looked at last */
	bool looked, shut; /* shut: new mail is refused */
	bool over_mark, over_reserve;
	uint64_t partials,
		partial_bytes; /* added by the batch at hand: the view does not see them */
	int64_t looked_mono_ms;
	int64_t refuse_until_mono_ms; /* after a write that found no room, whatever the marks say */
};

/* Requests in order. */
struct writer_line {
	struct writer_request *first, *last;
};

struct writer {
	struct store *store;
	struct store_view *view; /* to look up what became of a failed commit */
	const struct clock *clock;
	struct mailbox *inbox;
	struct mailbox *work;

	struct writer_request *group[WRITER_GROUP_MAX]; /* taken and not yet answered, in order */
	size_t group_count;
	size_t alone_count; /* that many of the group's first are done one by one */

	/* popped, and not yet in the group: messages of one piece, and all others */
	struct writer_line small, rest;
	struct writer_line drops;
	int64_t drops_rest_until_mono_ms;

	struct writer_heal heal;
	struct writer_room room;
	struct repeats *repeats;
	struct writer_pace *pace;

	pthread_t thread;
	bool started;
	_Atomic bool full; /* relaxed both ways: advice to sessions; the answers decide */
	_Atomic bool drops_end; /* relaxed both ways: a flag by itself */
	_Atomic bool
		stopping; /* release in writer_stop, acquire in the thread: what was submitted before is seen */
};

/* ---- writer.c ---- */

/* Answers the `count` first of the group as their results stand. */
void writer_answer_first(struct writer *writer, size_t count);
void writer_answer(struct writer *writer, struct writer_request *request);
bool writer_is_stopping(const struct writer *writer);
/* A drop is tried once and no more. */
bool writer_ends_drops(const struct writer *writer);
/* The scheduler may have new work, or room again for its outcomes. */
void writer_nudge(struct writer *writer);
/* Answers all drops with `result`; what is left of their texts is swept at the next start. */
void writer_answer_drops(struct writer *writer, int result);

/* ---- writer_take.c ---- */

/* Pops what waits, and fills the group as far as the bounds allow. */
void writer_take(struct writer *writer);
void writer_line_push(struct writer_line *line, struct writer_request *request);
struct writer_request *writer_line_pop(struct writer_line *line); /* there is one */

/* ---- writer_apply.c ---- */

bool writer_brings_new_mail(const struct writer_request *request);
/*
 * Runs a request in the batch, and adds to *bytes what it costs. 0: done, or failed by itself without a trace (the request's
 * result tells); negative: the batch must be aborted.
 */
int writer_apply(struct writer *writer, struct store_batch *batch, struct writer_request *request,
	size_t *bytes);
/* One step of a drop. 1: the text is gone (or is not to be dropped), 0: more is left; negative: abort. */
int writer_apply_drop(struct store_batch *batch, struct writer_request *request);
/* A request is about to be answered: what was remembered of it stays only if it is stored. */
void writer_settle_repeat(struct writer *writer, const struct writer_request *request);
/* After a failed commit: 1: stored, 0: absent; negative: it cannot be told now. */
int writer_look_up(struct writer *writer, const struct writer_request *request);

/* ---- writer_pace.c ---- */

struct writer_pace *writer_pace_open(void); /* NULL without memory */
void writer_pace_close(struct writer_pace **pace);
/*
 * Of WRITER_ADD's message, before it is stored: may change its envelope. 0: store it; -EAGAIN: it is refused without a trace
 * (request->pace says why); other negatives: the batch must be aborted.
 */
int writer_pace_judge(
	struct writer *writer, struct store_batch *batch, struct writer_request *request);
/* It was stored. */
void writer_pace_count(struct writer *writer, const struct writer_request *request);
/* Before the commit; 0 or the batch is spoiled. Then, as it went: */
int writer_pace_save(struct writer *writer, struct store_batch *batch);
void writer_pace_saved(struct writer *writer);
void writer_pace_forget(struct writer *writer);

/* ---- writer_heal.c ---- */

/* A batch of the group's `tried` first failed with -EIO; `committed`: in its commit, so that it is unknown. */
void writer_heal_begin(struct writer *writer, size_t tried, bool committed);
size_t writer_heal_step(struct writer *writer);
/* A batch of requests was stored: what failed before is over. */
void writer_heal_over(struct writer *writer);

/* ---- writer_room.c ---- */

void writer_room_look(struct writer *writer);
/* Whether one more message that never came whole may be kept; counts it. */
bool writer_room_partial(struct writer *writer, const struct envelope *envelope);
/* A write has found no room. */
void writer_room_none(struct writer *writer);

#endif
