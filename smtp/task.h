/*
 * task.h: one job while delivery has it: which recipients are meant, transaction by transaction, and the outcome.
 *
 *   1. task_begin reads the envelope. A message that is gone or damaged, has nobody due, or is expired is over at once.
 *   2. task_next gives the next transaction: as many recipients as upstream takes, and the text in a form that it takes. What
 *      no form makes acceptable (its size, 8-bit that may not be converted) ends the job without one; a recipient whose
 *      address upstream cannot take fails alone.
 *   3. task_take looks at a transaction that is over: another one, the same on a new connection, or over.
 *   4. task_finish writes the bounce for who failed. Then the job goes back.
 *
 * Threads: delivery's. Owner: task_close; the job and what was put into it are not the task's.
 */
#ifndef SLUICE_SMTP_TASK_H
#define SLUICE_SMTP_TASK_H

#include <stdbool.h>
#include <sys/queue.h>

#include "queue/id.h"
#include "queue/job.h"
#include "queue/store.h"
#include "smtp/offer.h"
#include "smtp/outgoing.h"

struct task {
	TAILQ_ENTRY(task) entry;
	struct job *job;
	struct outgoing outgoing;
	size_t from; /* recipients before it have been tried */
	unsigned reconnects; /* in a row */
	bool begun;
};

TAILQ_HEAD(task_list, task);

struct task *task_open(struct job *job);
void task_close(struct task **task);

/* False: it is over. */
bool task_begin(struct task *task, struct store_view *view);
/* NULL: it is over. */
struct outgoing *task_next(struct task *task, const struct offer *offer);

enum task_step {
	TASK_AGAIN, /* task_next gives another transaction, or the same once more */
	TASK_RECONNECT, /* the same, but the connection was at fault, not the host */
	TASK_OVER,
};
enum task_step task_take(struct task *task);

/* The job goes back because of its connection. */
void task_fail(struct task *task, enum reply_stage stage, enum reply_class class, const char *reply,
	const char *status);
/* The job goes back, and the host had no part in it. */
void task_put_off(struct task *task, const char *why);

void task_finish(
	struct task *task, struct id_source *ids, struct store_view *view, uint8_t *scratch);

/* The task that a transaction belongs to. */
static inline struct task *task_of(struct outgoing *outgoing)
{
	return (struct task *)(void *)((char *)outgoing - offsetof(struct task, outgoing));
}

#endif
