/*
 * registrar.h: brings what is in the registry into force: one table of permits for all workers (permits.h).
 *
 * The way of a change, once it is stored:
 *   1. Who changed the registry asks (registrar_ask). Who asks while a table is under way shares the next one, so that a storm of
 *      changes costs two.
 *   2. The registrar's thread reads the store and builds a table. Where it cannot (no memory, the store is being healed), who
 *      asked is told, the old table stays, and it tries again every REGISTRAR_AGAIN_MS.
 *   3. Each worker gets the table by a letter to its inbox: one letter a worker, which is out at most once. The worker takes the new
 *      one, puts its old one in the letter, and sends it back (registrar_taken).
 *      So does the scheduler, for the queue of who is suspended.
 *   4. When all are back, who asked is answered: from now on every decision is made by the new table. The old one is freed
 *      here, or by the last session that shares it.
 *
 * Threads: one of its own. registrar_open, start, stop, close by main; registrar_permits before the start; registrar_ask from any;
 * registrar_taken from the workers.
 * Owner: a request is the registrar's until its letter is read at the asker's.
 * Credits: `askers` letters of those who ask, and one of each worker; the answer goes where the asker has room for it.
 */
#ifndef SLUICE_QUEUE_REGISTRAR_H
#define SLUICE_QUEUE_REGISTRAR_H

#include <stddef.h>
#include <sys/queue.h>

#include "core/clock.h"
#include "core/mailbox.h"
#include "core/reason.h"
#include "queue/permits.h"
#include "queue/store.h"

#define REGISTRAR_AGAIN_MS 1000

struct registrar;

struct registrar_request {
	struct letter letter;
	struct mailbox *answer_to;
	letter_read_fn *answered; /* runs at the asker's when it comes back */
	int result; /* 0: in force; -ECANCELED: it is stopped; else why the store gave no table: the old one is in force yet */
	STAILQ_ENTRY(registrar_request) entry; /* the registrar's */
};

/* To a worker. Its reader swaps `permits` for its own, and calls registrar_taken. */
struct permits_letter {
	struct letter letter;
	struct permits *permits;
	struct registrar *registrar;
};

struct registrar_options {
	struct store *store;
	const struct clock *clock; /* one that runs */
	size_t askers;
	size_t worker_count;
	struct mailbox *scheduler; /* who gets the tables as the workers do; NULL: nobody else */
	letter_read_fn *scheduler_read;
};

/* Loads the first table. 0, or -1 with a reason. */
int registrar_open(
	struct registrar **out, const struct registrar_options *options, struct reason *reason);
void registrar_close(struct registrar **registrar);

/* The first table, shared, for a worker that begins. */
struct permits *registrar_permits(struct registrar *registrar);

/* When the workers have begun; `read` is what they do with a struct permits_letter. The inboxes outlive registrar_stop. */
int registrar_start(struct registrar *registrar, struct mailbox *const *inboxes,
	letter_read_fn *read, struct reason *reason);
/*
 * Before the workers stop: waits until they have sent back what is under way. From then on who asks is told -ECANCELED. To be called
 * again when the askers have stopped, for what they asked just then.
 */
void registrar_stop(struct registrar *registrar);

void registrar_ask(struct registrar *registrar, struct registrar_request *request);
void registrar_taken(struct permits_letter *letter);

#endif
