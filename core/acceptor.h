/*
 * acceptor.h: threads that accept clients and hand them to the workers.
 *
 * The way of one client:
 *   1. The acceptor's loop sees a listening socket readable.
 *   2. For a fragile listener the limit in total is looked at before accept: over it, clients stay in the backlog and
 *      the acceptor looks again every few milliseconds.
 *   3. accept4; a listed balancer's connection waits for its header (core/proxy.h), which says who the client is; core/admission counts the client in. Over a limit a `standard` or `submission` client gets the
 *      socket's refusal (421 4.7.0 …) and is closed; a fragile one over its address's limit is parked unanswered
 *      (core/parking) and tried again, so that one host's many connections cost the others nothing. So is one that already
 *      has a connection when nine tenths of the places are taken (admission.h); the workers are asked to make room then.
 *   4. A `struct accepted` is pushed to the job ring that all workers pop, and one sleeping worker is nudged. A full
 *      ring leaves clients in the backlog until there is room. Where another thread takes the last place between a look and
 *      an accept, the client is kept, and its thread accepts no other there before it is in.
 *   5. Out of descriptors (EMFILE): the reserve descriptor is spent to refuse one client (fragile: left in the backlog),
 *      then that socket rests for 100 ms; never a spin (F-21).
 *
 * Threads: start and stop by the main thread. Owner: sockets stay their opener's.
 */
#ifndef SLUICE_CORE_ACCEPTOR_H
#define SLUICE_CORE_ACCEPTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "core/address.h"
#include "core/admission.h"
#include "core/mailbox.h"
#include "core/network.h"
#include "core/reason.h"
#include "core/ring.h"

struct acceptor_socket {
	int fd;
	unsigned listener; /* the number that admission and the sessions know it by */
	bool leaves_in_backlog; /* fragile: never a refusal */
	const char *
		refusal; /* one reply line with CRLF, sent before closing; NULL: close without a word */
	struct network_list
		proxies; /* whose connections begin with a header of the PROXY protocol; its owner's */
};

/* What travels in the job ring. The worker that pops it owns it, and frees it with free(3). */
struct accepted {
	int fd;
	unsigned listener;
	bool fragile; /* the listener's clients are never refused: what happens against that is counted */
	struct address peer;
	struct admission_ticket ticket; /* given back by admission_leave when the session ends */
};

struct acceptor;

struct acceptor_options {
	const struct acceptor_socket *sockets;
	size_t socket_count;
	unsigned thread_count;
	unsigned parked_max; /* a thread's (parking.h) */
	struct admission *admission;
	struct ring *jobs;
	struct mailbox *const *worker_inboxes; /* to nudge */
	size_t worker_count;
};

int acceptor_start(
	struct acceptor **out, const struct acceptor_options *options, struct reason *reason);

/* Stops accepting and joins the threads; parked clients are closed. */
void acceptor_stop(struct acceptor **acceptor);

#endif
