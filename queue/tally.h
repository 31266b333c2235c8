/*
 * tally.h: what one worker's sessions noted of their clients and has not been given to the writer yet.
 *
 * Changes are gathered by client, and go to the writer TALLY_MS after the first of them, or at once when there are
 * TALLY_CLIENTS_MAX clients. One request is under way at a time: a worker has one credit for it. What does not fit
 * meanwhile is dropped; nobody waits for a tally.
 *
 * Threads: its worker's. Owner: tally_close; not while a request is under way (tally_is_busy).
 */
#ifndef SLUICE_QUEUE_TALLY_H
#define SLUICE_QUEUE_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/loop.h"
#include "core/mailbox.h"
#include "queue/ledger.h"
#include "queue/writer.h"

#define TALLY_MS          1000
#define TALLY_CLIENTS_MAX 256
#define TALLY_CREDITS     1 /* of a worker: in the writer's inbox, and in its own for the answer */

struct tally;

struct tally *tally_open(struct writer *writer, struct loop *loop, struct mailbox *inbox);
void tally_close(struct tally **tally);

/* Where to note what the client does, seen now; good until the next call of anything here. NULL: it cannot be noted. */
struct ledger_client *tally_client(struct tally *tally, const char *address, uint64_t now_unix_ms);

/* Gives what there is to the writer, unless a request is under way. */
void tally_flush(struct tally *tally);
/* Something is gathered or under way. */
bool tally_is_busy(const struct tally *tally);

#endif
