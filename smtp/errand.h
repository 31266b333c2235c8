/*
 * errand.h: a request to the writer that outlives the session it came from; nobody reads its answer.
 *
 * Threads: the worker's. It counts as a session of the worker until its answer, so that the worker waits for it.
 * Errors: without memory it is left undone: what it would have swept is swept at the next start (queue/recovery), and what it
 * would have told stays unknown.
 */
#ifndef SLUICE_SMTP_ERRAND_H
#define SLUICE_SMTP_ERRAND_H

#include "queue/writer.h"
#include "smtp/session.h"

void errand_send(struct session_shared *shared, enum writer_verb verb, uint64_t id);
/* A message of ours, taken over; NULL: nothing. One that the store refuses is lost. */
void errand_send_message(struct session_shared *shared, struct message *message);

#endif
