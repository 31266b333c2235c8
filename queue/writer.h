/*
 * writer.h: the one thread that writes the store.
 *
 * The way of a request:
 *   1. Its owner fills it and gives it away with writer_submit. It holds a credit for it (docs/architecture.md), so the
 *      inbox has room; a full inbox is a bug and panics.
 *   2. The writer takes all that waits, bounded by WRITER_GROUP_MAX requests and WRITER_GROUP_BYTES bytes (of text
 *      written and of pages freed), into one batch. It never waits for more. Messages of one piece pass all else that
 *      waits, within half a group, so that nobody's 250 waits behind others' large texts; the rest keeps its order.
 *   3. Each request runs in the batch. One that fails by itself (-ENOENT, -EEXIST, -EBADMSG, its own refusal) is found out
 *      before it writes anything, gets that result and leaves no trace; the others go on. One that fails after it began
 *      to write (map or disk full, no memory) takes the batch with it: the batch is aborted and its requests are done
 *      again one by one, each in a batch of its own, so that only those that cannot be done get the error. -ENOSPC there
 *      shuts the door for new mail first (6), so that the room that is left goes to outcomes and deletes.
 *   4. One durable commit. Then every request goes back to its owner's mailbox with its result. A commit that is known
 *      not to be stored (-ENOSPC, -ENOMEM) is done again one by one, like 3.
 *   5. A failed commit (-EIO) is *unknown*. The writer keeps all answers back, reopens the store, makes one further durable
 *      commit succeed (trying again, with waits, as long as it takes), then looks each request up: what is stored is
 *      answered 0, what is absent is done again, one by one. Where the store cannot be made to work within
 *      WRITER_HEAL_MS, the requests are answered -EIO (sessions close without a reply: it is not known whether the mail
 *      is stored; new mail that no commit was tried with gets -ENOSPC), and new mail is refused until a durable commit
 *      has succeeded. -EIO before the commit is healed in the same way; then all are done again.
 *   6. When the map or the disk is over the watermark (writer_room.c), new mail (WRITER_ADD and WRITER_APPEND of sessions)
 *      is answered -ENOSPC and writer_is_full says so; outcomes, deletes and bounces still go, until the reserve is gone
 *      too: then what would add a message of our own is answered -ENOSPC, and outcomes and deletes are still tried.
 *   7. After a commit that made work due, the scheduler's mailbox is nudged.
 *   8. Texts that are dropped go in small steps behind each group, a batch a step, so that a big one delays nobody.
 *
 * Threads: writer_submit, writer_is_full from any; writer_step by the writer's thread, or by a test without one.
 * Owner: a submitted request is the writer's until its letter is read again; it never frees what a request holds, so a
 * refused one can be submitted again as it is.
 */
#ifndef SLUICE_QUEUE_WRITER_H
#define SLUICE_QUEUE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/mailbox.h"
#include "core/reason.h"
#include "queue/message.h"
#include "queue/store.h"

#define WRITER_GROUP_MAX   512
#define WRITER_GROUP_BYTES (4u << 20)
#define WRITER_HEAL_MS     10000

enum writer_verb {
	WRITER_APPEND, /* pieces of a text that still arrives */
	WRITER_ADD, /* a message: its last pieces and its envelope. -EDQUOT: it never came whole, and there are enough of those. -EAGAIN: over its rate (`pace` says which) */
	WRITER_DROP, /* the text of a message that will not come (its client went away); swept in small steps. -EEXIST: the message came after all */
	WRITER_UNHEARD, /* who sent the message did not hear that it was taken (repeats.h) */
	WRITER_CHANGE, /* a change of an envelope, and messages that it brings into being */
	WRITER_LEDGER, /* changes of the clients' ledger; -ENOSPC when no new mail is taken. What a failed commit took is not done again */
	WRITER_REGISTER, /* changes of the registry, and messages that tell of them: all or none; errors as registry.h, and `refused` says where */
	WRITER_CALL, /* something that must run on the writer's thread, outside a batch. -ECANCELED: the writer is stopping; -EIO: the store is broken */
};

/*
 * Changes the envelope in place. 0: store it (or remove the message when all recipients are final); 1: nothing to do, and
 * nothing is added with it (result 0); negative: refuse, the request's result. It may run twice for one request (step 5), each time on the stored record.
 */
typedef int writer_change_fn(struct envelope *envelope, void *argument);
typedef int writer_call_fn(struct store *store, void *argument);

struct writer_request {
	struct letter letter; /* its `read` is called on the thread of `answer_to`'s owner */
	struct mailbox *
		answer_to; /* NULL: nobody waits, and `letter.read` is called on the writer's thread with NULL */
	enum writer_verb verb;
	int result;
	uint64_t id; /* APPEND, DROP: body id; CHANGE: message id */
	struct text_piece *pieces; /* APPEND */
	struct message *message; /* ADD; CHANGE, REGISTER: a list added with it, or NULL */
	const struct ledger_client *clients; /* LEDGER: a list */
	const struct registry_change *registry; /* REGISTER: a list */
	const struct registry_change *refused; /* REGISTER: the one that was in the way, or NULL */
	writer_change_fn *change;
	writer_call_fn *call;
	void *argument;
	struct writer_request *next; /* writer's: the group */
	uint64_t
		first_id; /* ADD: the message that this one is a second copy of, and nothing was stored; 0: none */
	bool renamed; /* ADD: its Message-ID was another's */
	struct pace_outcome
		pace; /* ADD: what its rates made of it; zeroed by who fills the request */
	uint32_t expected_revision; /* writer's: the one that the change gives */
	uint64_t journal_number; /* writer's: of the last line that came with REGISTER */
	bool wrote; /* writer's: it has changed something in the batch */
};

struct writer;

/* `work` is nudged when there may be new work for the scheduler; NULL: nobody. `capacity` is the sum of all credits. */
struct writer *writer_open(
	struct store *store, const struct clock *clock, size_t capacity, struct mailbox *work);
void writer_close(struct writer **writer);

int writer_start(struct writer *writer, struct reason *reason);
void writer_stop(struct writer *writer); /* after all that was submitted is done */
/*
 * Before who submits is stopped: from now on a drop that cannot be done just now is answered with its error, and swept at the next
 * start. Else who waits for its answer would wait as long as the disk is full.
 */
void writer_end_drops(struct writer *writer);

void writer_submit(struct writer *writer, struct writer_request *request);
/* One group. Returns how many requests it moved on; 0: nothing waits, or the store must be waited for (step 5). */
size_t writer_step(struct writer *writer);

/* No new mail is taken now. */
bool writer_is_full(const struct writer *writer);

#endif
