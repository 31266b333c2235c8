/*
 * delivery.h: takes jobs to upstream hosts and brings back what became of them.
 *
 * One thread with its own event loop: connections of all hosts, each with the jobs that wait for it.
 *   1. A job arrives in the inbox and is put on an idle connection of its host, on a new one while fewer than
 *      job->connections_allowed are open, or behind the others (next envelope pipelined behind the dot).
 *   2. smtp/upstream lets libcurl open the connection (TCP, TLS, EHLO, AUTH) and then owns it.
 *   3. smtp/transfer speaks MAIL, RCPT, DATA and the text, pipelined where offered, exact about stage and reply.
 *   4. smtp/bounce writes the DSN for recipients that failed for good; the job goes back to the scheduler.
 *
 * Threads: delivery_start makes one, or a test calls delivery_step. Errors: never lost; every job comes back.
 */
#ifndef SLUICE_SMTP_DELIVERY_H
#define SLUICE_SMTP_DELIVERY_H

#include "core/clock.h"
#include "core/config.h"
#include "core/mailbox.h"
#include "core/reason.h"
#include "queue/id.h"
#include "queue/job.h"
#include "queue/scheduler.h"

struct delivery;

struct delivery_options {
	struct store *store;
	const struct clock *clock;
	struct id_source *ids;
	struct mailbox *inbox;
	void (*done)(void *scheduler, struct job *job); /* gives a job back: scheduler_job_done */
	void *scheduler;
};

int delivery_open(
	struct delivery **out, const struct delivery_options *options, struct reason *reason);
void delivery_close(struct delivery **delivery);

int delivery_start(struct delivery *delivery, struct reason *reason);
/* Lets transactions in flight finish until the deadline, then cuts those before their final dot; all jobs come back. */
void delivery_stop(struct delivery *delivery, int64_t deadline_ms);

/* One turn of its loop. */
int delivery_step(struct delivery *delivery, int max_wait_ms);

/* read of a job's letter; context is the struct delivery. */
void delivery_job_read(struct letter *letter, void *delivery);

#endif
