#include "admin/api.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "admin/http.h"
#include "admin/service.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/metrics.h"

#define RELOADS_MAX 64 /* letters of reloads that the inbox has room for */

struct api {
	struct service service;
	struct http *http;
	struct loop *loop;
	struct loop_watch http_watch, inbox_watch;
	struct loop_timer rates_timer;
	struct config
		*next_config; /* of a reload, until the turn is over that may use the old one */
	struct letter stop;
	bool stopping;
	pthread_t thread;
	bool started;
};

struct reload {
	struct letter letter;
	struct config *config;
};

static void read_reload(struct letter *letter, void *context)
{
	struct reload *reload = LETTER_OF(letter, struct reload, letter);
	struct api *api = context;

	config_close(&api->next_config);
	api->next_config = reload->config;
	free(reload);
}

void api_configure(struct api *api, struct config *config)
{
	struct reload *reload = calloc(1, sizeof(*reload));

	if (reload != NULL) {
		reload->letter.read = read_reload;
		reload->config = config_share(config);
		if (mailbox_push(ask_inbox(api->service.ask), &reload->letter))
			return;
		config_close(&reload->config);
		free(reload);
	}
	log_event(LOG_WARNING, "admin_reload_failed",
		"hint=\"the admin socket keeps the old configuration\"");
}

static void take_config(struct api *api)
{
	if (api->next_config == NULL)
		return;
	config_close(&api->service.config);
	api->service.config = api->next_config;
	api->next_config = NULL;
}

static void read_stop(struct letter *letter, void *context)
{
	struct api *api = context;

	(void)letter;
	api->stopping = true;
	ask_hurry(api->service.ask);
}

static void sample_rates(void *owner)
{
	struct api *api = owner;
	const struct rates_sample sample = {
		.mono_ms = clock_mono_ms(api->service.clock),
		.received = metric_value(METRIC_MESSAGES_RECEIVED),
		.delivered = metric_value(METRIC_DELIVERED),
	};

	rates_add(&api->service.rates, &sample);
	http_close_overdue(api->http);
	loop_timer_set(api->loop, &api->rates_timer, sample.mono_ms + RATES_STEP_MS);
}

static void http_ready(void *owner, uint32_t events)
{
	(void)owner; /* each turn runs it anyway */
	(void)events;
}

static void inbox_ready(void *owner, uint32_t events)
{
	struct api *api = owner;

	(void)events;
	mailbox_wake(ask_inbox(api->service.ask));
}

/* A turn: what HTTP has to do (its handlers read the inbox too), what is left in the inbox, then sleep. */
static void *run(void *owner)
{
	struct api *api = owner;

	sample_rates(api);
	while (!api->stopping) {
		int wait_ms = http_step(api->http);

		if (!ask_read_inbox(api->service.ask))
			wait_ms = 0;
		take_config(api);
		if (!api->stopping)
			loop_step(api->loop, wait_ms);
	}
	return NULL;
}

static int watch(struct api *api, struct reason *reason)
{
	struct mailbox *inbox = ask_inbox(api->service.ask);
	int rc;

	api->http_watch = (struct loop_watch){.owner = api, .ready = http_ready};
	api->inbox_watch = (struct loop_watch){.owner = api, .ready = inbox_ready};
	api->rates_timer = (struct loop_timer){.owner = api, .fire = sample_rates};
	rc = loop_watch_add(api->loop, &api->http_watch, http_fd(api->http), EPOLLIN);
	if (rc == 0)
		rc = loop_watch_add(api->loop, &api->inbox_watch, mailbox_fd(inbox), EPOLLIN);
	if (rc < 0)
		return reason_set(reason, "admin socket: cannot watch it: %s", strerror(-rc));
	return 0;
}

/* Signals are the main thread's. */
static int start_thread(struct api *api, struct reason *reason)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&api->thread, NULL, run, api);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return reason_set(
			reason, "admin socket: cannot start its thread: %s", strerror(rc));
	api->started = true;
	return 0;
}

static int open_parts(struct api *api, const struct api_options *options, struct reason *reason)
{
	struct service *service = &api->service;
	int rc = store_view_open(options->store, &service->view);

	if (rc < 0)
		return reason_set(reason, "admin socket: cannot read the store: %s", strerror(-rc));
	service->ask =
		ask_open(options->scheduler, options->writer, options->clock, RELOADS_MAX + 1);
	api->loop = loop_open(options->clock);
	if (service->ask == NULL || api->loop == NULL)
		return reason_set(reason, "admin socket: out of memory");
	ask_set_reader(service->ask, api);
	ask_set_main(service->ask, options->main, options->reload);
	ask_set_accounts(service->ask, options->accounts, options->lockouts);
	ask_set_registrar(service->ask, options->registrar);
	return http_open(&api->http, service, options->listen_fd, reason);
}

int api_start(struct api **out, const struct api_options *options, struct reason *reason)
{
	struct api *api = calloc(1, sizeof(*api));

	if (api == NULL)
		return reason_set(reason, "admin socket: out of memory");
	api->service = (struct service){
		.store = options->store,
		.writer = options->writer,
		.clock = options->clock,
		.config = config_share(options->config),
		.is_ours = options->is_ours,
		.judge = options->judge,
		.started_unix_ms = clock_unix_ms(options->clock),
		.started_mono_ms = clock_mono_ms(options->clock),
	};
	if (open_parts(api, options, reason) < 0 || watch(api, reason) < 0 ||
		start_thread(api, reason) < 0) {
		api_close(&api);
		return -1;
	}
	*out = api;
	return 0;
}

void api_stop(struct api *api)
{
	if (api == NULL || !api->started)
		return;
	api->stop.read = read_stop;
	if (!mailbox_push(ask_inbox(api->service.ask), &api->stop))
		log_panic("the admin thread's inbox has no room for its end");
	pthread_join(api->thread, NULL);
	api->started = false;
}

void api_close(struct api **closed)
{
	struct api *api;

	if (closed == NULL || *closed == NULL)
		return;
	api = *closed;
	http_close(&api->http);
	ask_close(&api->service.ask);
	loop_close(&api->loop);
	store_view_close(&api->service.view);
	config_close(&api->next_config);
	config_close(&api->service.config);
	free(api);
	*closed = NULL;
}
