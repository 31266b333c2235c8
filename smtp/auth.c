#include "smtp/auth.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/loop.h"

#define WAIT_MS \
	INT64_C(30000) /* for room at the backend; then a client that takes a 4xx gets one */

#define OTHER_LETTERS 64 /* reloads, the end */

TAILQ_HEAD(request_list, auth_request);

struct auth {
	const struct clock *clock;
	struct config *config;
	struct auth_host host;
	struct auth_backend *backend;
	struct request_list waiting; /* for room at the backend, in the order in which they came */
	size_t asked; /* questions that the backend has */
	bool asking; /* ask_on runs */
	struct loop_timer patience;
	struct letter stop;
	bool stopping;
	pthread_t thread;
	bool started;
};

/* ---- the end of a request ---- */

static void answer(struct auth_request *request, enum auth_result result)
{
	explicit_bzero(request->password, sizeof(request->password));
	request->result = result;
	request->delay_ms = 0;
	if (!mailbox_push(request->answer_to, &request->letter))
		log_panic("auth: a worker's inbox has no room for an answer");
}

/* ---- the backend ---- */

static void ask_on(struct auth *auth);

static void take_verdict(struct auth_question *question, enum auth_verdict verdict)
{
	static const enum auth_result results[] = {
		[AUTH_VERDICT_RIGHT] = AUTH_RIGHT,
		[AUTH_VERDICT_WRONG] = AUTH_WRONG,
		[AUTH_VERDICT_UNAVAILABLE] = AUTH_UNAVAILABLE,
	};
	struct auth_request *request = LETTER_OF(question, struct auth_request, question);
	struct auth *auth = request->auth;

	auth->asked--;
	answer(request, results[verdict]);
	ask_on(auth);
}

static void ask(struct auth *auth, struct auth_request *request)
{
	request->question = (struct auth_question){
		.account = request->account,
		.password = request->password,
		.peer = &request->peer,
		.answered = take_verdict,
	};
	auth->asked++;
	auth->backend->kind->ask(auth->backend, &request->question);
}

/* A verdict may come while it is asked for, and then asks on itself: once is enough. */
static void ask_on(struct auth *auth)
{
	struct auth_request *request;

	if (auth->asking)
		return;
	auth->asking = true;
	while ((request = TAILQ_FIRST(&auth->waiting)) != NULL &&
		auth->backend->kind->has_room(auth->backend)) {
		TAILQ_REMOVE(&auth->waiting, request, entry);
		ask(auth, request);
	}
	auth->asking = false;
}

/* ---- patience ---- */

/* When it has waited long enough; those of fragile listeners wait as long as it takes. */
static bool is_due(const struct auth_request *request, int64_t now_ms)
{
	return !request->fragile && request->due_mono_ms <= now_ms;
}

static void watch_patience(struct auth *auth)
{
	struct auth_request *request;

	TAILQ_FOREACH (request, &auth->waiting, entry) {
		if (request->fragile)
			continue;
		loop_timer_set(auth->host.loop, &auth->patience, request->due_mono_ms);
		return;
	}
}

static void end_waits(void *owner)
{
	struct auth *auth = owner;
	int64_t now_ms = loop_now_ms(auth->host.loop);
	struct auth_request *request, *next;

	TAILQ_FOREACH_SAFE (request, &auth->waiting, entry, next) {
		if (!is_due(request, now_ms))
			continue;
		TAILQ_REMOVE(&auth->waiting, request, entry);
		answer(request, AUTH_UNAVAILABLE);
	}
	watch_patience(auth);
}

/* ---- the inbox ---- */

static void take_request(struct letter *letter, void *context)
{
	struct auth_request *request = LETTER_OF(letter, struct auth_request, desk_letter);
	struct auth *auth = context;

	if (auth->backend->kind->refresh != NULL)
		auth->backend->kind->refresh(auth->backend);
	request->due_mono_ms = loop_now_ms(auth->host.loop) + WAIT_MS;
	TAILQ_INSERT_TAIL(&auth->waiting, request, entry);
	ask_on(auth);
	if (!auth->patience.armed)
		watch_patience(auth);
}

void auth_submit(struct auth *auth, struct auth_request *request)
{
	request->auth = auth;
	request->desk_letter.read = take_request;
	if (!mailbox_push(auth->host.inbox, &request->desk_letter))
		log_panic("auth: more requests than credits");
}

struct new_config {
	struct letter letter;
	struct config *config;
};

static void take_config(struct letter *letter, void *context)
{
	struct new_config *new_config = LETTER_OF(letter, struct new_config, letter);
	struct auth *auth = context;

	config_close(&auth->config);
	auth->config = new_config->config;
	free(new_config);
	if (auth->backend->kind->configure != NULL)
		auth->backend->kind->configure(auth->backend, auth->config);
}

void auth_configure(struct auth *auth, struct config *config)
{
	struct new_config *new_config = calloc(1, sizeof(*new_config));

	if (new_config != NULL) {
		new_config->letter.read = take_config;
		new_config->config = config_share(config);
		if (mailbox_push(auth->host.inbox, &new_config->letter))
			return;
		config_close(&new_config->config);
		free(new_config);
	}
	log_event(LOG_ERROR, "auth_reload_failed",
		"hint=\"logins keep the old configuration; reload again\"");
}

/* ---- the thread ---- */

static void take_stop(struct letter *letter, void *context)
{
	struct auth *auth = context;
	struct auth_request *request;

	(void)letter;
	auth->stopping = true;
	while ((request = TAILQ_FIRST(&auth->waiting)) != NULL) {
		TAILQ_REMOVE(&auth->waiting, request, entry);
		answer(request, AUTH_UNAVAILABLE);
	}
}

static void *run(void *owner)
{
	struct auth *auth = owner;

	while (!auth->stopping || auth->asked > 0) {
		struct letter *letter;

		while ((letter = mailbox_pop(auth->host.inbox)) != NULL)
			letter->read(letter, auth);
		if (!auth->stopping || auth->asked > 0)
			loop_step(auth->host.loop, -1);
	}
	return NULL;
}

static int start_thread(struct auth *auth, struct reason *reason)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&auth->thread, NULL, run, auth);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return reason_set(reason, "auth: cannot start its thread: %s", strerror(rc));
	pthread_setname_np(auth->thread, "auth");
	auth->started = true;
	return 0;
}

static int open_parts(struct auth *auth, size_t credits, struct reason *reason)
{
	int rc;

	auth->host.clock = auth->clock;
	auth->host.loop = loop_open(auth->clock);
	auth->host.inbox = mailbox_open(credits + AUTH_BACKEND_LETTERS + OTHER_LETTERS);
	if (auth->host.loop == NULL || auth->host.inbox == NULL)
		return reason_set(reason, "auth: out of memory");
	rc = loop_attach(auth->host.loop, auth->host.inbox);
	if (rc < 0)
		return reason_set(reason, "auth: cannot watch its inbox: %s", strerror(-rc));
	auth->backend = auth_users_open(&auth->host, auth->config, reason);
	return auth->backend != NULL ? 0 : -1;
}

int auth_start(struct auth **out, struct config *config, const struct clock *clock, size_t credits,
	struct reason *reason)
{
	struct auth *auth;

	*out = NULL;
	if (config->auth_users == NULL)
		return 0;
	auth = calloc(1, sizeof(*auth));
	if (auth == NULL)
		return reason_set(reason, "auth: out of memory");
	auth->clock = clock;
	auth->config = config_share(config);
	auth->patience = (struct loop_timer){.owner = auth, .fire = end_waits};
	TAILQ_INIT(&auth->waiting);
	if (open_parts(auth, credits, reason) < 0 || start_thread(auth, reason) < 0) {
		auth_stop(&auth);
		return -1;
	}
	*out = auth;
	return 0;
}

void auth_stop(struct auth **stopped)
{
	struct auth *auth;

	if (stopped == NULL || *stopped == NULL)
		return;
	auth = *stopped;
	if (auth->started) {
		auth->stop.read = take_stop;
		if (!mailbox_push(auth->host.inbox, &auth->stop))
			log_panic("auth: its inbox has no room for its end");
		pthread_join(auth->thread, NULL);
	}
	if (auth->backend != NULL)
		auth->backend->kind->close(auth->backend);
	mailbox_close(&auth->host.inbox);
	loop_close(&auth->host.loop);
	config_close(&auth->config);
	free(auth);
	*stopped = NULL;
}
