/*
 * chain.h: runs the hooks over a message's text, piece by piece.
 *
 *   1. Each hook begins.
 *   2. The text is read once (queue/reader), and every hook is fed with each piece.
 *   3. Only when the reader has proven the text whole are the hooks asked what they found. The first virus, in their
 *      order, is the finding.
 *
 * Threads: one chain a thread. Memory: one piece.
 * Errors: -EBADMSG: the text is damaged in the store; another negative errno: it could not be read, or a hook gave no
 * verdict, and the message is to be tried again.
 */
#ifndef SLUICE_SCAN_CHAIN_H
#define SLUICE_SCAN_CHAIN_H

#include "queue/store.h"
#include "scan/hook.h"

struct chain;

/* `hooks` ends with NULL and outlives the chain. NULL: without memory. */
struct chain *chain_open(const struct hook *const *hooks);
void chain_close(struct chain **chain);

int chain_run(struct chain *chain, struct store_view *view, const struct envelope *envelope,
	struct finding *finding);

#endif
