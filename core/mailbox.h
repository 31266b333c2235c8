/*
 * mailbox.h: a ring of letters whose owner can sleep on it.
 *
 * A letter knows what is to be done with it: the owner calls letter->read(letter, context) on its own thread. Whoever
 * sends one embeds a `struct letter` in the request and sets `read`; an answer is the same letter with another `read`.
 *
 * A thread that serves an inbox waits on the mailbox's descriptor (an eventfd) in its loop. Many items pushed while it
 * is awake cost one wake-up or none: only the push that finds the owner asleep writes the eventfd.
 *
 * The owner's turn:
 *   1. mailbox_pop and read until NULL.
 *   2. mailbox_rest: says "I am going to sleep" and tells whether something came meanwhile; then back to 1.
 *   3. sleep on mailbox_fd (level-triggered); when it is readable, mailbox_wake and back to 1.
 * An owner with a loop has 2 and 3 done by loop_step (loop_attach).
 *
 * Threads: push and nudge from any; pop, rest, wake and rise by the owner alone (several owners may share one that
 * only pops and never rests).
 * Owner: as ring.h. It may be closed when the last letter has been popped, even while that one's sender is still on its
 * way out of mailbox_push: it is waited for.
 * Errors: pushing to a full mailbox returns false; by the credits of docs/architecture.md that is a bug everywhere.
 */
#ifndef SLUICE_CORE_MAILBOX_H
#define SLUICE_CORE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

struct mailbox;
struct letter;

/* Runs on the reader's thread; `context` is the reader (a worker's service context, the scheduler, the delivery …). */
typedef void letter_read_fn(struct letter *letter, void *context);

struct letter {
	letter_read_fn *read;
};

/* The struct that a letter is embedded in. */
#define LETTER_OF(letter, type, member) ((type *)(void *)((char *)(letter)-offsetof(type, member)))

struct mailbox *mailbox_open(size_t capacity);
void mailbox_close(struct mailbox **mailbox);

bool mailbox_push(struct mailbox *mailbox, struct letter *letter)
	__attribute__((warn_unused_result));

/*
 * Wakes the owner without an item: "look again". Never lost, never piles up: an owner that was awake finds it at its rest.
 * True: it was asleep.
 */
bool mailbox_nudge(struct mailbox *mailbox);

struct letter *mailbox_pop(struct mailbox *mailbox);

/* True: it is empty and the next push wakes; the owner may sleep. False: something came or it was nudged; look again. */
bool mailbox_rest(struct mailbox *mailbox);
void mailbox_wake(struct mailbox *mailbox);
/* The owner woke for another reason: pushes need not wake it any more. Costs no system call. */
void mailbox_rise(struct mailbox *mailbox);

int mailbox_fd(const struct mailbox *mailbox);
size_t mailbox_depth(const struct mailbox *mailbox);

#endif
