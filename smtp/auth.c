#include "smtp/auth.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/loop.h"
#include "core/metrics.h"
#include "smtp/auth_cache.h"
#include "smtp/auth_guard.h"
#include "smtp/auth_pam.h"

#define WAIT_MS \
	INT64_C(30000) /* for room at the backend; then a client that takes a 4xx gets one */

#define OTHER_LETTERS 128 /* reloads, questions of the admin thread, the end */

TAILQ_HEAD(request_list, auth_request);

struct auth {
	const struct clock *clock;
	struct config *config;
	struct auth_host host;
	struct auth_backend *backend;
	struct auth_guard *guard;
	struct auth_cache *cache;
	unsigned cleared; /* times that the cache was */
	/*
	 * For room at the backend, in the order in which they came: those that were right from there before, and all others. They
	 * take turns, so that a flood of guesses costs the others half of the hashing threads, and no more.
	 */
	struct request_list known, unknown;
	bool unknown_next;
	size_t asked; /* questions that the backend has */
	bool asking; /* ask_on runs */
	struct loop_timer patience;
	struct letter hurry, stop;
	bool stopping;
	pthread_t thread;
	bool started;
};

static int64_t now_of(const struct auth *auth)
{
	return loop_now_ms(auth->host.loop);
}

static struct auth_guard_limits limits_of(const struct config *config)
{
	return (struct auth_guard_limits){
		.tries = config->auth_tries,
		.account_tries = config->auth_account_tries,
		.lock_out_ms = config->auth_lock_out_ms,
		.delay_ms = config->auth_delay_ms,
		.delay_max_ms = config->auth_delay_max_ms,
	};
}

/* ---- the end of a request ---- */

static void answer(struct auth_request *request, enum auth_result result, int64_t delay_ms)
{
	explicit_bzero(request->password, sizeof(request->password));
	request->result = result;
	request->delay_ms = delay_ms;
	if (!mailbox_push(request->answer_to, &request->letter))
		log_panic("auth: a worker's inbox has no room for an answer");
}

/* As long as the reply to a wrong one may be held at most: nobody is to tell them apart. */
static void answer_locked(const struct auth *auth, struct auth_request *request)
{
	bool delays = auth->config->auth_delay_ms > 0;

	answer(request, AUTH_LOCKED, delays ? auth->config->auth_delay_max_ms : 0);
}

static void answer_right(struct auth *auth, struct auth_request *request)
{
	auth_guard_right(auth->guard, request->account, &request->peer, now_of(auth));
	answer(request, AUTH_RIGHT, 0);
}

static void tell_lock_out(const struct auth *auth, const struct auth_request *request,
	const struct auth_guard_wrong *wrong)
{
	struct log_quoted account;
	char address[LOCKOUT_WHO_SIZE];

	auth_guard_name_address(&request->peer, address);
	if (wrong->locked[LOCKOUT_ADDRESS]) {
		metric_add(METRIC_AUTH_LOCKOUTS_ADDRESS, 1);
		log_event_limited(LOG_WARNING, "address_locked_out",
			"address=%s wrong=%u last_account=\"%s\" seconds=%" PRId64, address,
			wrong->count[LOCKOUT_ADDRESS], log_text(&account, request->account),
			auth->config->auth_lock_out_ms / 1000);
	}
	if (wrong->locked[LOCKOUT_ACCOUNT]) {
		metric_add(METRIC_AUTH_LOCKOUTS_ACCOUNT, 1);
		log_event_limited(LOG_WARNING, "account_locked_out",
			"account=\"%s\" wrong=%u last_address=%s seconds=%" PRId64,
			log_text(&account, request->account), wrong->count[LOCKOUT_ACCOUNT],
			address, auth->config->auth_lock_out_ms / 1000);
	}
}

static void answer_wrong(struct auth *auth, struct auth_request *request)
{
	struct auth_guard_wrong wrong =
		auth_guard_wrong(auth->guard, request->account, &request->peer, now_of(auth));

	tell_lock_out(auth, request, &wrong);
	answer(request, AUTH_WRONG, wrong.delay_ms);
}

/* By what is known already. False: who keeps the accounts has to be asked. */
static bool answer_at_once(struct auth *auth, struct auth_request *request)
{
	int64_t now_ms = now_of(auth);

	if (!auth_guard_admits(auth->guard, request->account, &request->peer, now_ms)) {
		answer_locked(auth, request);
		return true;
	}
	if (!auth_cache_has(auth->cache, request->account, request->password, now_ms))
		return false;
	metric_add(METRIC_AUTH_CACHED, 1);
	answer_right(auth, request);
	return true;
}

/* ---- the backend ---- */

static void ask_on(struct auth *auth);

static void take_verdict(struct auth_question *question, enum auth_verdict verdict)
{
	struct auth_request *request = LETTER_OF(question, struct auth_request, question);
	struct auth *auth = request->auth;
	int64_t now_ms = now_of(auth);

	auth->asked--;
	if (verdict == AUTH_VERDICT_UNAVAILABLE) {
		answer(request, AUTH_UNAVAILABLE, 0);
	} else if (!auth_guard_admits(auth->guard, request->account, &request->peer, now_ms)) {
		/* locked out meanwhile: guesses that were made side by side are none more than others */
		answer_locked(auth, request);
	} else if (verdict == AUTH_VERDICT_WRONG) {
		answer_wrong(auth, request);
	} else {
		if (request->cleared == auth->cleared) /* else it was right by what was so before */
			auth_cache_put(auth->cache, request->account, request->password, now_ms);
		answer_right(auth, request);
	}
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
	request->cleared = auth->cleared;
	auth->asked++;
	auth->backend->kind->ask(auth->backend, &request->question);
}

static struct auth_request *next_of(struct auth *auth)
{
	struct request_list *lists[] = {&auth->known, &auth->unknown};
	struct auth_request *request = TAILQ_FIRST(lists[auth->unknown_next]);
	bool unknown = auth->unknown_next;

	if (request == NULL) {
		unknown = !unknown;
		request = TAILQ_FIRST(lists[unknown]);
	}
	if (request == NULL)
		return NULL;
	TAILQ_REMOVE(lists[unknown], request, entry);
	auth->unknown_next = !unknown;
	metric_subtract(METRIC_AUTH_WAITING, 1);
	return request;
}

/* A verdict may come while it is asked for, and then asks on itself: once is enough. */
static void ask_on(struct auth *auth)
{
	struct auth_request *request;

	if (auth->asking)
		return;
	auth->asking = true;
	while (auth->backend->kind->has_room(auth->backend) && (request = next_of(auth)) != NULL)
		if (!answer_at_once(auth, request)) /* what was learnt while it waited */
			ask(auth, request);
	auth->asking = false;
}

/* ---- patience ---- */

static void wait_for_room(struct auth *auth, struct auth_request *request)
{
	bool known = auth_guard_knows(auth->guard, request->account, &request->peer, now_of(auth));

	request->due_mono_ms = now_of(auth) + WAIT_MS;
	metric_add(METRIC_AUTH_WAITING, 1);
	TAILQ_INSERT_TAIL(known ? &auth->known : &auth->unknown, request, entry);
	if (!auth->patience.armed && !request->fragile)
		loop_timer_set(auth->host.loop, &auth->patience, request->due_mono_ms);
}

/* Those that waited long enough, or all; of the others the one that is due first sets the timer. */
static void end_waits_of(struct auth *auth, struct request_list *list, bool all)
{
	struct auth_request *request, *next;

	TAILQ_FOREACH_SAFE (request, list, entry, next) {
		if (request->fragile && !all)
			continue;
		if (!all && request->due_mono_ms > now_of(auth)) {
			if (!auth->patience.armed ||
				request->due_mono_ms < auth->patience.due_mono_ms)
				loop_timer_set(
					auth->host.loop, &auth->patience, request->due_mono_ms);
			return;
		}
		TAILQ_REMOVE(list, request, entry);
		metric_subtract(METRIC_AUTH_WAITING, 1);
		answer(request, AUTH_UNAVAILABLE, 0);
	}
}

static void end_waits(void *owner)
{
	struct auth *auth = owner;

	end_waits_of(auth, &auth->known, false);
	end_waits_of(auth, &auth->unknown, false);
}

/* ---- the inbox ---- */

static void take_request(struct letter *letter, void *context)
{
	struct auth_request *request = LETTER_OF(letter, struct auth_request, desk_letter);
	struct auth *auth = context;
	const struct auth_backend_kind *kind = auth->backend->kind;

	if (kind->refresh != NULL && kind->refresh(auth->backend)) {
		auth_cache_clear(auth->cache);
		auth->cleared++;
	}
	if (answer_at_once(auth, request))
		return;
	wait_for_room(auth, request);
	ask_on(auth);
}

void auth_submit(struct auth *auth, struct auth_request *request)
{
	request->auth = auth;
	request->desk_letter.read = take_request;
	if (!mailbox_push(auth->host.inbox, &request->desk_letter))
		log_panic("auth: more requests than credits");
}

/* ---- lock-outs, for the admin thread ---- */

void auth_read_lockouts(struct letter *letter, void *context)
{
	struct lockout_request *request = LETTER_OF(letter, struct lockout_request, letter);
	struct auth *auth = context;
	struct log_quoted who, by;

	if (request->who[0] != '\0') {
		request->lifted = auth_guard_lift(auth->guard, request->who, now_of(auth));
		if (request->lifted > 0)
			log_event(LOG_NOTICE, "lock_out_lifted", "who=\"%s\" by=\"%s\"",
				log_text(&who, request->who), log_text(&by, request->by));
	} else {
		request->total =
			auth_guard_list(auth->guard, now_of(auth), request->list, request->room);
	}
	request->letter.read = request->answered;
	if (!mailbox_push(request->answer_to, &request->letter))
		log_panic("auth: an inbox has no room for the answer to its own question");
}

struct mailbox *auth_inbox(struct auth *auth)
{
	return auth->host.inbox;
}

/* ---- a reload ---- */

struct new_config {
	struct letter letter;
	struct config *config;
};

static void take_config(struct letter *letter, void *context)
{
	struct new_config *new_config = LETTER_OF(letter, struct new_config, letter);
	struct auth *auth = context;

	const struct auth_guard_limits limits = limits_of(new_config->config);

	config_close(&auth->config);
	auth->config = new_config->config;
	free(new_config);
	auth_guard_configure(auth->guard, &limits);
	auth_cache_configure(auth->cache, auth->config->auth_cache_ms);
	auth->cleared++;
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

static void give_up(struct auth *auth)
{
	if (auth->backend->kind->give_up != NULL)
		auth->backend->kind->give_up(auth->backend);
}

static void take_stop(struct letter *letter, void *context)
{
	struct auth *auth = context;

	(void)letter;
	auth->stopping = true;
	end_waits_of(auth, &auth->known, true);
	end_waits_of(auth, &auth->unknown, true);
	give_up(auth);
}

static void take_hurry(struct letter *letter, void *context)
{
	(void)letter;
	give_up(context);
}

void auth_hurry(struct auth *auth)
{
	auth->hurry.read = take_hurry;
	if (!mailbox_push(auth->host.inbox, &auth->hurry))
		log_panic("auth: its inbox has no room for its end");
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

helper_run_fn *const *auth_helper_kinds(const struct config *config, size_t *count)
{
	static helper_run_fn *const kinds[] = {auth_pam_talk};

	*count = sizeof(kinds) / sizeof(*kinds);
	return config->auth_pam != NULL ? kinds : NULL;
}

static struct auth_backend *open_backend(struct auth *auth, struct reason *reason)
{
	if (auth->config->auth_pam != NULL)
		return auth_pam_open(&auth->host, auth->config, reason);
	if (auth->config->auth_saslauthd != NULL)
		return auth_saslauthd_open(&auth->host, auth->config, reason);
	if (auth->config->auth_dovecot != NULL)
		return auth_dovecot_open(&auth->host, auth->config, reason);
	return auth_users_open(&auth->host, auth->config, reason);
}

static int open_parts(struct auth *auth, size_t credits, struct reason *reason)
{
	const struct auth_guard_limits limits = limits_of(auth->config);
	int rc;

	auth->host.clock = auth->clock;
	auth->guard = auth_guard_open(&limits);
	auth->cache = auth_cache_open(auth->config->auth_cache_ms);
	auth->host.loop = loop_open(auth->clock);
	auth->host.inbox = mailbox_open(credits + AUTH_BACKEND_LETTERS + OTHER_LETTERS);
	if (auth->host.loop == NULL || auth->host.inbox == NULL || auth->guard == NULL ||
		auth->cache == NULL)
		return reason_set(reason, "auth: out of memory");
	rc = loop_attach(auth->host.loop, auth->host.inbox);
	if (rc < 0)
		return reason_set(reason, "auth: cannot watch its inbox: %s", strerror(-rc));
	auth->backend = open_backend(auth, reason);
	return auth->backend != NULL ? 0 : -1;
}

int auth_start(struct auth **out, struct config *config, const struct clock *clock, size_t credits,
	struct helper *helper, struct reason *reason)
{
	struct auth *auth;

	*out = NULL;
	if (!config_has_auth(config))
		return 0;
	auth = calloc(1, sizeof(*auth));
	if (auth == NULL)
		return reason_set(reason, "auth: out of memory");
	auth->clock = clock;
	auth->config = config_share(config);
	auth->host.helper = helper;
	auth->patience = (struct loop_timer){.owner = auth, .fire = end_waits};
	TAILQ_INIT(&auth->known);
	TAILQ_INIT(&auth->unknown);
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
	auth_guard_close(&auth->guard);
	auth_cache_close(&auth->cache);
	mailbox_close(&auth->host.inbox);
	loop_close(&auth->host.loop);
	config_close(&auth->config);
	free(auth);
	*stopped = NULL;
}
