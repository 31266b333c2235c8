#include "smtp/server.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "core/tls.h"
#include "queue/intake.h"
#include "smtp/idle.h"
#include "smtp/session.h"
#include "smtp/tls_past.h"

struct server {
	struct server_options options;
	struct config *first; /* acceptors know listeners by their place in it */
	struct config *latest; /* what workers begin with */
	struct tls_set *tls; /* as well */
	struct tls_past *tls_past;
	uint64_t seed;
};

struct server_worker {
	struct session_shared shared; /* first: tests look into it */
	struct server *server;
	struct config *config;
};

struct reload {
	struct letter letter;
	struct config *config;
	struct tls_set *tls;
};

struct server *server_open(const struct server_options *options)
{
	struct server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return NULL;
	server->tls_past = tls_past_open();
	if (server->tls_past == NULL ||
		RAND_bytes((unsigned char *)&server->seed, sizeof(server->seed)) != 1) {
		server_close(&server);
		return NULL;
	}
	server->options = *options;
	server->first = config_share(options->config);
	server->latest = config_share(options->config);
	server->tls = tls_set_share(options->tls);
	return server;
}

void server_close(struct server **server)
{
	if (server == NULL || *server == NULL)
		return;
	config_close(&(*server)->first);
	config_close(&(*server)->latest);
	tls_set_close(&(*server)->tls);
	tls_past_close(&(*server)->tls_past);
	free(*server);
	*server = NULL;
}

const char *server_refusal(const struct config_listener *listener)
{
	const struct policy *policy = policy_of(listener->profile);

	return policy->answers[TROUBLE_CONNECTIONS].act == ACT_CLOSE ? NULL
								     : POLICY_CONNECTIONS_REPLY
		       "\r\n";
}

static const struct config_listener *find_listener(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->listener_count; i++)
		if (strcmp(config->listeners[i].name, name) == 0)
			return &config->listeners[i];
	return NULL;
}

/* ---- reload ---- */

static void read_reload(struct letter *letter, void *context)
{
	struct reload *reload = LETTER_OF(letter, struct reload, letter);
	struct server_worker *worker = context;

	config_close(&worker->config);
	worker->config = reload->config;
	tls_set_close(&worker->shared.tls);
	worker->shared.tls = reload->tls;
	free(reload);
}

static int send_reload(struct mailbox *inbox, struct config *config, struct tls_set *tls)
{
	struct reload *reload = malloc(sizeof(*reload));

	if (reload == NULL)
		return -1;
	reload->letter.read = read_reload;
	reload->config = config_share(config);
	reload->tls = tls_set_share(tls);
	if (mailbox_push(inbox, &reload->letter))
		return 0;
	config_close(&reload->config);
	tls_set_close(&reload->tls);
	free(reload);
	return -1;
}

int server_configure(struct server *server, struct config *config, struct tls_set *tls,
	struct mailbox *const *inboxes, size_t count)
{
	int rc = 0;

	for (size_t i = 0; i < server->first->listener_count; i++)
		if (find_listener(config, server->first->listeners[i].name) == NULL)
			return -1;
	config_close(&server->latest);
	server->latest = config_share(config);
	tls_set_close(&server->tls);
	server->tls = tls_set_share(tls);
	tls_past_forget(server->tls_past);
	for (size_t i = 0; i < count; i++)
		if (send_reload(inboxes[i], config, tls) != 0)
			rc = -1;
	return rc;
}

/* ---- who may send ---- */

void server_read_permits(struct letter *letter, void *context)
{
	struct permits_letter *given = LETTER_OF(letter, struct permits_letter, letter);
	struct server_worker *worker = context;
	struct permits *last = worker->shared.permits;

	worker->shared.permits = given->permits;
	given->permits = last;
	registrar_taken(given);
}

static struct permits *first_permits(const struct server *server)
{
	if (server->options.registrar == NULL)
		return permits_build(NULL, 0, NULL, 0);
	return registrar_permits(server->options.registrar);
}

/* ---- the service, on a worker's thread ---- */

static void end(void *context);

static void *begin(void *service, unsigned number, struct loop *loop, struct mailbox *inbox)
{
	struct server *server = service;
	struct server_worker *worker = calloc(1, sizeof(*worker));
	struct session_shared *shared;

	(void)number;
	if (worker == NULL)
		return NULL;
	shared = &worker->shared;
	LIST_INIT(&shared->sessions);
	TAILQ_INIT(&shared->later);
	shared->loop = loop;
	idle_init(shared);
	shared->inbox = inbox;
	shared->clock = server->options.clock;
	shared->writer = server->options.writer;
	shared->ids = server->options.ids;
	shared->seed = server->seed;
	shared->admission = server->options.admission;
	shared->tls = tls_set_share(server->tls);
	shared->tls_past = server->tls_past;
	shared->intake = intake_open(server->options.writer, inbox, server->options.worker_credits);
	shared->tally = tally_open(server->options.writer, loop, inbox);
	auth_line_init(&shared->auth, server->options.auth, inbox);
	shared->permits = first_permits(server);
	worker->server = server;
	worker->config = config_share(server->latest);
	if (!channel_desk_init(&shared->desk, CHANNEL_READ_BYTES) || shared->intake == NULL ||
		shared->tally == NULL || shared->permits == NULL) {
		end(worker);
		return NULL;
	}
	return worker;
}

static void opened(void *context, struct accepted *accepted)
{
	struct server_worker *worker = context;
	const struct config_listener *was = &worker->server->first->listeners[accepted->listener];

	session_open(&worker->shared, worker->config, find_listener(worker->config, was->name),
		accepted);
}

/* Those that were put off have their turn; who puts himself off again comes in the next one. */
static void turned(void *context)
{
	struct server_worker *worker = context;
	struct session_shared *shared = &worker->shared;
	struct session *last, *session;

	shared->handshake_steps = 0;
	idle_give_way(shared);
	last = TAILQ_LAST(&shared->later, session_queue);
	while (last != NULL && (session = TAILQ_FIRST(&shared->later)) != NULL) {
		bool was_last = session == last;

		session_resume(session);
		if (was_last)
			break;
	}
	if (!TAILQ_EMPTY(&shared->later))
		mailbox_nudge(shared->inbox);
	if (shared->stopping && shared->session_count == 0)
		tally_flush(shared->tally);
}

static void stopping(void *context)
{
	struct server_worker *worker = context;
	struct session *session, *next;

	worker->shared.stopping = true;
	LIST_FOREACH_SAFE(session, &worker->shared.sessions, entry, next)
	{
		session_stop(session);
	}
}

static size_t sessions(void *context)
{
	struct server_worker *worker = context;
	const struct session_shared *shared = &worker->shared;

	/* behind the last one what they noted is waited for */
	if (shared->session_count == 0 && shared->stopping && tally_is_busy(shared->tally))
		return 1;
	return shared->session_count;
}

/* A request that the writer has keeps its session until the answer. */
static void cut(void *context)
{
	struct server_worker *worker = context;
	struct session *session, *next;

	LIST_FOREACH_SAFE(session, &worker->shared.sessions, entry, next)
	{
		session_cut(session);
	}
}

static void end(void *context)
{
	struct server_worker *worker = context;
	struct session_shared *shared = &worker->shared;

	loop_timer_clear(shared->loop, &shared->idle_timer);
	channel_desk_fini(&shared->desk);
	tally_close(&shared->tally);
	intake_close(&shared->intake);
	tls_set_close(&shared->tls);
	permits_close(&shared->permits);
	config_close(&worker->config);
	free(worker);
}

const struct worker_service smtp_service = {
	.begin = begin,
	.opened = opened,
	.turned = turned,
	.stopping = stopping,
	.sessions = sessions,
	.cut = cut,
	.end = end,
};
