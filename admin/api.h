/*
 * api.h: the admin socket: HTTP/1.1 with JSON on a Unix socket, by libmicrohttpd.
 *
 * The way of a request:
 *   1. A client connects; the kernel says who it is (peer.h). Root, the daemon's user and members of its group are
 *      served; everyone else gets 403 whatever they ask, and a short time to ask it.
 *   2. libmicrohttpd reads the request line and headers, within CONNECTION_BYTES; a body is kept where
 *      the route takes one, else dropped; over the route's limit it is answered 413.
 *   3. route.h finds the handler. It looks into the store with short reads, asks the scheduler (ask.h), and makes the
 *      answer whole in memory; only a message's text is read while it is sent (content.h).
 *   4. libmicrohttpd sends it as the client takes it. Who sends or takes nothing for IDLE_S seconds, or is not done
 *      with a request after REQUEST_MS, is closed.
 *
 * It reads the store through a view of its own, one short transaction a call and none while a client is written to; it
 * changes it only through the scheduler and the writer.
 * Threads: one of its own, which runs libmicrohttpd in its loop, reads its inbox, and samples the rates.
 * Errors: JSON {"error": "…"} with a sentence that says what to do.
 * Limits: CONNECTIONS_MAX clients; for one more, the one that has been silent longest is closed.
 */
#ifndef SLUICE_ADMIN_API_H
#define SLUICE_ADMIN_API_H

#include <stdbool.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/mailbox.h"
#include "core/reason.h"
#include "queue/judgement.h"
#include "queue/registrar.h"
#include "queue/store.h"
#include "queue/writer.h"

struct api;

/* Whether an address is in one of our domains (the option `domains`). */
typedef bool is_ours_fn(const struct config *config, const char *address);

struct api_options {
	struct store *store;
	struct writer *writer;
	struct mailbox *scheduler; /* its inbox: questions and acts go there, ASK_CREDITS at most */
	const struct clock *clock; /* one that runs: waits are measured on it */
	struct config *config; /* shared */
	is_ours_fn *is_ours; /* NULL: no address is */
	judgement_fn *judge; /* NULL: there are no sessions to ask about */
	int listen_fd; /* a listening Unix socket; the caller closes it after api_close */
	struct registrar *
		registrar; /* brings changes of the registry into force; NULL: there are no workers */
	struct mailbox *main; /* the main thread's inbox: where reloads are asked for … */
	letter_read_fn *reload; /* … and how it reads the letter of a struct reload_request */
	struct mailbox
		*accounts; /* of who knows who is locked out; NULL: there are no accounts … */
	letter_read_fn *lockouts; /* … and how it reads the letter of a struct lockout_request */
};

int api_start(struct api **out, const struct api_options *options, struct reason *reason);
/* Ends its thread: from now on nothing more is asked of others. NULL is allowed. */
void api_stop(struct api *api);
/* After its end. Waits a little for answers; so before the scheduler's stop, which has to give them. */
void api_close(struct api **api);
void api_configure(struct api *api, struct config *config); /* a reload; any thread */

#endif
