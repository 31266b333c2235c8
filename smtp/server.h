/*
 * server.h: the SMTP server as core/worker runs it: the service whose sessions speak RFC 5321 with clients.
 *
 * Threads: server_open and server_configure by the main thread; the service's callbacks on the workers'.
 */
#ifndef SLUICE_SMTP_SERVER_H
#define SLUICE_SMTP_SERVER_H

#include "core/admission.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/worker.h"
#include "queue/id.h"
#include "queue/registrar.h"
#include "queue/writer.h"

struct server;

struct server_options {
	struct config *config; /* shared */
	struct tls_set *tls; /* shared; NULL: no TLS */
	struct writer *writer;
	struct id_source *ids;
	struct admission *admission;
	struct registrar *registrar; /* gives workers their first table; NULL: an empty one */
	const struct clock *clock;
	struct auth
		*auth; /* NULL: nobody can log in. Each worker has AUTH_CREDITS with it (auth.h) */
	size_t worker_credits; /* requests to the writer that one worker may have under way */
};

struct server *server_open(const struct server_options *options);
void server_close(struct server **server);

extern const struct worker_service smtp_service; /* its service_data is the struct server */

/*
 * A reload: new sessions use it, open ones keep theirs; new handshakes use `tls`. What went wrong with TLS before is forgotten.
 * Pushes a letter to each worker's inbox.
 */
int server_configure(struct server *server, struct config *config, struct tls_set *tls,
	struct mailbox *const *inboxes, size_t count);

/* How a worker reads a struct permits_letter: it takes the table, and gives back its last one. */
letter_read_fn server_read_permits;

/* The reply that an acceptor sends before closing when a limit is reached (421 4.7.0 …); NULL for a fragile listener. */
const char *server_refusal(const struct config_listener *listener);

#endif
