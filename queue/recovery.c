#include "queue/recovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"

#define ORPHANS_A_LOOK 64

/*
 * One request goes round: a look for orphans (a call), then a drop of each that was found, then the next look behind them.
 *
 *	LOOK ──found──► DROP ──none left of this look──► LOOK
 *	  └──nothing more, or a failure──► done
 */
struct recovery {
	struct writer *writer;
	struct writer_request request;
	uint64_t last_id;
	uint64_t seen_to; /* looked at so far */
	bool more; /* the last look has not come to the end */
	uint64_t orphans[ORPHANS_A_LOOK];
	size_t orphan_count, orphan_next;
	uint64_t dropped;
};

static void submit(struct recovery *recovery, enum writer_verb verb)
{
	recovery->request.verb = verb;
	recovery->request.result = 0;
	writer_submit(recovery->writer, &recovery->request);
}

/* Runs on the writer's thread; the batch is only read and then left. */
static int look(struct store *store, void *argument)
{
	struct recovery *recovery = argument;
	struct store_batch *batch = NULL;
	uint64_t seen_to = recovery->seen_to;
	ssize_t count = store_begin(store, &batch);

	if (count < 0)
		return (int)count;
	count = store_orphans(
		batch, recovery->seen_to, recovery->orphans, ORPHANS_A_LOOK, &seen_to);
	store_abort(&batch);
	if (count < 0)
		return (int)count;
	recovery->orphan_next = 0;
	recovery->orphan_count = 0;
	/* what came after the start may still be arriving */
	while (recovery->orphan_count < (size_t)count &&
		recovery->orphans[recovery->orphan_count] <= recovery->last_id)
		recovery->orphan_count++;
	recovery->more = seen_to > recovery->seen_to && seen_to < recovery->last_id;
	recovery->seen_to = seen_to;
	return 0;
}

static void finish(struct recovery *recovery, int result)
{
	if (result == -ECANCELED)
		return; /* the rest is found at the next start */
	if (result < 0)
		log_event(LOG_WARNING, "sweep_stopped", "texts=%lu error=%s",
			(unsigned long)recovery->dropped, strerrorname_np(-result));
	else if (recovery->dropped > 0)
		log_event(LOG_INFO, "swept", "texts=%lu", (unsigned long)recovery->dropped);
}

static void go_on(struct letter *letter, void *context)
{
	struct recovery *recovery = LETTER_OF(letter, struct recovery, request.letter);
	int result = recovery->request.result;

	(void)context;
	if (recovery->request.verb == WRITER_DROP) {
		if (result == -EEXIST)
			result = 0;
		else if (result == 0)
			recovery->dropped++;
	}
	if (result < 0) {
		finish(recovery, result);
	} else if (recovery->orphan_next < recovery->orphan_count) {
		recovery->request.id = recovery->orphans[recovery->orphan_next++];
		submit(recovery, WRITER_DROP);
	} else if (recovery->more) {
		submit(recovery, WRITER_CALL);
	} else {
		finish(recovery, 0);
	}
}

int recovery_start(struct recovery **out, struct writer *writer, uint64_t last_id)
{
	struct recovery *recovery = calloc(1, sizeof(*recovery));

	*out = recovery;
	if (recovery == NULL)
		return -ENOMEM;
	recovery->writer = writer;
	recovery->last_id = last_id;
	recovery->request =
		(struct writer_request){.letter.read = go_on, .call = look, .argument = recovery};
	submit(recovery, WRITER_CALL);
	return 0;
}

void recovery_close(struct recovery **recovery)
{
	if (recovery == NULL)
		return;
	free(*recovery);
	*recovery = NULL;
}
