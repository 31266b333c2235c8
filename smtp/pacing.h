/*
 * pacing.h: rates and volumes as a session knows them (queue/pace.h): what holds for its message, and what is said of it.
 *
 * A grant's rates are its own; the listener says those of accounts and addresses, and whether what is over them is paced or
 * refused; section grants says which volumes of a day need approval. Bulk is what says so (Precedence: bulk, list or junk), has
 * PACING_BULK_RECIPIENTS or more, or comes under a grant of that lane.
 *
 * Threads: the session's worker's.
 */
#ifndef SLUICE_SMTP_PACING_H
#define SLUICE_SMTP_PACING_H

#include "queue/pace.h"
#include "smtp/session.h"

#define PACING_BULK_RECIPIENTS 50
#define PACING_TEXT_SIZE       320

/* Of the transaction's message, whose envelope is made. */
void pacing_terms(
	const struct session *session, const struct envelope *envelope, struct pace_terms *out);

/* It was accepted: what became of it goes to the log, and the operator is told of a volume that needs approval, once a day. */
void pacing_accepted(struct session *session);

/* What one is told who is over the rate, behind 450 4.7.1. Returns `out`. */
const char *pacing_explain(const struct session *session, char out[PACING_TEXT_SIZE]);

#endif
