/*
 * ask.h: the admin thread's questions and acts to the scheduler's, the writer's, the registrar's and the main thread, and the wait
 * for the answers.
 *
 * The way of a question:
 *   1. It is made on the heap, takes one of ASK_CREDITS, and its letter goes to the scheduler's inbox. Without a credit the
 *      caller gets -EAGAIN: the scheduler has not answered for long.
 *   2. The scheduler's thread reads the letter, fills in what was asked, and sends it back to the inbox here.
 *   3. The admin thread sleeps on its inbox meanwhile and reads what comes, until this question is answered.
 *   4. When the deadline is over first, the question is left to itself: the caller gets -ETIMEDOUT, and the answer, when it
 *      comes, gives the credit back and frees it. Until then nobody touches it but its reader.
 * An act (hold, delete …) goes the same way, through the writer, so it may take as long as a store that is being healed. A change
 * of the registry goes to the writer, and from there to the registrar, also when nobody waits for it any more.
 *
 * Threads: the admin thread, but ask_inbox's mailbox, to which any may push.
 * Owner: ask_close waits a little for questions that are still out; those that do not come back are never freed, nor is
 * the inbox that they come back to. So the scheduler is stopped after the admin thread.
 */
#ifndef SLUICE_ADMIN_ASK_H
#define SLUICE_ADMIN_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/lockout.h"
#include "core/mailbox.h"
#include "core/reason.h"
#include "queue/registrar.h"
#include "queue/scheduler.h"

#define ASK_CREDITS \
	32 /* room for them in the scheduler's inbox, in the writer's, and in the registrar's */
#define ASK_ANSWER_MS 2000
#define ASK_ACT_MS    15000 /* more than WRITER_HEAL_MS */

struct ask;

/* `more`: how many letters of others may be in the inbox at once. */
struct ask *ask_open(
	struct mailbox *scheduler, struct writer *writer, const struct clock *clock, size_t more);
void ask_close(struct ask **ask);

struct mailbox *ask_inbox(struct ask *ask);
/* Reads what is in the inbox; `reader` is the letters' context. True: it is empty, and the next push wakes. */
bool ask_read_inbox(struct ask *ask);
/* The context of letters in the inbox; set once by the inbox's other user. */
void ask_set_reader(struct ask *ask, void *reader);
/* Where reloads are asked for; `read` is what main does with the letter of a struct reload_request. */
void ask_set_main(struct ask *ask, struct mailbox *main, letter_read_fn *read);
/* Who knows who is locked out (core/lockout.h); without it nobody is. */
void ask_set_accounts(struct ask *ask, struct mailbox *accounts, letter_read_fn *read);
/* Who brings changes of the registry into force; NULL: there is nobody to whom they matter. */
void ask_set_registrar(struct ask *ask, struct registrar *registrar);
/* From now on no caller is kept waiting: the admin thread is to stop. */
void ask_hurry(struct ask *ask);

/* What the scheduler has in memory, at one moment. */
struct snapshot {
	bool known; /* false: the scheduler did not answer in time, all is empty */
	struct host_report *hosts;
	size_t host_count;
	size_t delivering, scanning; /* units */
	uint64_t *ids; /* those asked for … */
	bool *claimed; /* … and which are with delivery or a scanner */
	size_t id_count;
};

/* 0, or -EAGAIN, -ETIMEDOUT, -ENOMEM; `out` is then empty and may be used as it is. */
int ask_snapshot(struct ask *ask, const uint64_t *ids, size_t id_count, struct snapshot *out);
bool snapshot_claims(const struct snapshot *snapshot, uint64_t id);
void snapshot_fini(struct snapshot *snapshot);

/* How full the store is: the writer knows. Errors as above, or the store's. */
int ask_fill(struct ask *ask, struct store_fill *out);

/* 0, -ENOENT (no such host), or as above. */
int ask_pause(struct ask *ask, const char *host, bool paused);

/* 0, -ENOENT, -EBUSY (it is being delivered), -EINVAL (the message's state does not allow it), -EAGAIN (no credit),
 * -ETIMEDOUT (not known whether), or what the store says. */
int ask_act(struct ask *ask, enum act_verb verb, uint64_t id, uint64_t hold_until_unix_ms,
	const char *who);

/*
 * Changes records of operators (registry.h), all of the list or none, and waits until it is in force: when it returns 0,
 * nothing is taken any more from who was suspended. The list is copied, and the caller's again.
 *
 *	struct registry_change change = {.kind = REGISTRY_GRANT, .name = grant->name, .revision = grant->revision,
 *		.record = record.data, .size = record.size, .now_unix_ms = now, .who = who, .act = "approve", .why = why};
 *	rc = ask_register(service->ask, &change, NULL);
 *
 * `refused` (REGISTRY_NAME_SIZE bytes, or NULL) becomes the name of the change that was in the way, or "".
 * -ESTALE, -EEXIST, -ENOENT, -EINVAL, -ENOSPC: nothing was changed (registry.h says why). -EINPROGRESS: it is stored, and not
 * yet in force everywhere; that comes by itself. -EIO, -ETIMEDOUT: not known whether it is stored; if it is, it comes into force.
 * -EAGAIN, -ENOMEM: nothing was asked.
 */
int ask_register(struct ask *ask, const struct registry_change *changes, char *refused);

/*
 * All that is held of a kind is released or deleted (scheduler.h); `errand` says which, whose and for whom. *count is how many
 * messages it were. 0, -ECANCELED, or as above: after -ETIMEDOUT it goes on.
 */
int ask_holds(struct ask *ask, const struct holds_errand *errand, uint64_t *count);

/*
 * What became of the queue of those who were suspended or resumed just now (scheduler.h); behind ask_register. 0, -ECANCELED, or
 * as above: after -ETIMEDOUT it goes on.
 */
int ask_suspended(struct ask *ask, struct suspend_counts *out);

/* 0; -EINVAL (refused) or -ECANCELED (the daemon stops), and why; or as above. */
int ask_reload(struct ask *ask, struct reason *reason);

/* Who is locked out after wrong passwords, the latest first. */
struct lockout_list {
	struct lockout *items;
	size_t count;
	size_t total; /* more than `count` when there are too many to show */
};

/* 0, or as above; `out` is then empty. lockout_list_fini frees. */
int ask_lockouts(struct ask *ask, struct lockout_list *out);
void lockout_list_fini(struct lockout_list *list);
/* 0, -ENOENT (neither the account nor the address is locked out), or as above. */
int ask_unlock(struct ask *ask, const char *who, const char *by);

#endif
