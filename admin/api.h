/*
 * api.h: the admin socket: HTTP/1.1 with JSON on a Unix socket, by libmicrohttpd.
 *
 * Access by the peer's credentials (root, the daemon's user, members of its group); others get 403. It reads the store
 * through a view of its own, one short transaction a call and none while a client is written to; it changes it only
 * through the scheduler and the writer.
 * Threads: libmicrohttpd's one polling thread. Errors: JSON {"error": "…"} with a sentence that says what to do.
 */
#ifndef SLUICE_ADMIN_API_H
#define SLUICE_ADMIN_API_H

#include "core/clock.h"
#include "core/config.h"
#include "core/mailbox.h"
#include "core/reason.h"
#include "queue/store.h"
#include "queue/writer.h"

struct api;

struct api_options {
	struct store *store;
	struct writer *writer;
	struct mailbox *scheduler; /* its inbox: questions and acts go there */
	const struct clock *clock;
	struct config *config; /* shared */
	int listen_fd; /* a listening Unix socket; the caller closes it after api_stop */
};

int api_start(struct api **out, const struct api_options *options, struct reason *reason);
void api_stop(struct api **api);
void api_configure(struct api *api, struct config *config); /* a reload; any thread */

#endif
