/*
 * intake.h: the door in: one worker's requests to the writer, within its credits.
 *
 * A session has at most one request under way; a worker at most `credits`. A request over that waits here, and
 * its session does not read from its client meanwhile: back-pressure by TCP, never an error. Parts of large texts
 * (WRITER_APPEND) wait in a line of their own, and the two lines take turns: a small message never waits for all of them.
 * Threads: the worker's. Owner: as writer.h.
 */
#ifndef SLUICE_QUEUE_INTAKE_H
#define SLUICE_QUEUE_INTAKE_H

#include <stddef.h>

#include "core/mailbox.h"
#include "queue/writer.h"

struct intake;

struct intake *intake_open(struct writer *writer, struct mailbox *inbox, size_t credits);
void intake_close(struct intake **intake);

/* Sends the request, or keeps it until there is credit. Its answer comes to the worker's inbox as the request's letter. */
void intake_submit(struct intake *intake, struct writer_request *request);
/* To be called when an answer is read: gives the credit back, and sends the next that waits. */
void intake_answered(struct intake *intake);

#endif
