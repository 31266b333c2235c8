#include "core/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "core/clock.h"
#include "core/config.h"
#include "core/daemon.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/notify.h"
#include "core/renewal.h"
#include "core/tls.h"
#include "core/worker.h"
#include "queue/scheduler.h"
#include "queue/writer.h"
#include "smtp/auth.h"
#include "smtp/grant_keeper.h"
#include "smtp/server.h"

STAILQ_HEAD(request_list, reload_request);

struct reload {
	struct daemon *daemon;
	struct config *config; /* the new one, while it is under way */
	struct tls_set *tls; /* as well */
	struct writer_request numbers;
	struct letter scheduler_letter;
	struct request_list asked; /* for the one that is under way … */
	struct request_list waiting; /* … and for the next */
	bool under_way, again;
};

struct reload *reload_open(struct daemon *daemon)
{
	struct reload *reload = calloc(1, sizeof(*reload));

	if (reload == NULL)
		return NULL;
	reload->daemon = daemon;
	STAILQ_INIT(&reload->asked);
	STAILQ_INIT(&reload->waiting);
	return reload;
}

void reload_close(struct reload **reload)
{
	if (reload == NULL || *reload == NULL)
		return;
	config_close(&(*reload)->config);
	tls_set_close(&(*reload)->tls);
	free(*reload);
	*reload = NULL;
}

/* ---- what only a restart can change ---- */

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_networks(const struct network_list *a, const struct network_list *b)
{
	for (size_t i = 0; a->count == b->count && i < a->count; i++)
		if (memcmp(&a->items[i], &b->items[i], sizeof(a->items[i])) != 0)
			return false;
	return a->count == b->count;
}

static bool same_listener(const struct config_listener *a, const struct config_listener *b)
{
	if (strcmp(a->name, b->name) != 0 || a->profile != b->profile ||
		a->address_count != b->address_count || !same_networks(&a->proxies, &b->proxies))
		return false;
	for (size_t i = 0; i < a->address_count; i++)
		if (strcmp(a->addresses[i], b->addresses[i]) != 0)
			return false;
	return true;
}

static bool same_keeper(const struct config *a, const struct config *b)
{
	return (a->auth_users == NULL) == (b->auth_users == NULL) &&
	       (a->auth_pam == NULL) == (b->auth_pam == NULL) &&
	       (a->auth_saslauthd == NULL) == (b->auth_saslauthd == NULL) &&
	       (a->auth_dovecot == NULL) == (b->auth_dovecot == NULL);
}

/* NULL: a reload can do it; else the name of what needs a restart. */
static const char *find_restart_need(const struct config *old, const struct config *new)
{
	if (!same_text(old->data_dir, new->data_dir))
		return "data_dir";
	if (!same_text(old->admin_socket, new->admin_socket))
		return "admin_socket";
	if (!same_text(old->user, new->user))
		return "user";
	if (old->workers != new->workers)
		return "workers";
	if (old->queue_max_bytes != new->queue_max_bytes)
		return "queue.max_size";
	if (old->max_connections != new->max_connections)
		return "max_connections";
	if (!same_keeper(old, new))
		return "who keeps the accounts (auth)";
	if (old->auth_workers != new->auth_workers)
		return "auth.workers";
	if (old->listener_count != new->listener_count)
		return "the number of listeners";
	for (size_t i = 0; i < old->listener_count; i++)
		if (!same_listener(&old->listeners[i], &new->listeners[i]))
			return "a listener's name, address, profile or proxies";
	return NULL;
}

/* ---- the end of one ---- */

static void answer_all(struct request_list *requests, int result, const struct reason *reason)
{
	struct reload_request *request;

	while ((request = STAILQ_FIRST(requests)) != NULL) {
		STAILQ_REMOVE_HEAD(requests, entry);
		request->result = result;
		request->reason = *reason;
		request->letter.read = request->answered;
		if (!mailbox_push(request->answer_to, &request->letter))
			log_panic("an inbox has no room for the answer to its own reload");
	}
}

static void finish(struct reload *reload, int result, const struct reason *reason)
{
	if (result == 0) {
		log_event(LOG_NOTICE, "reloaded", "config=%s", reload->daemon->config_path);
		notify_send("READY=1\nSTATUS=running");
	} else {
		log_event(LOG_ERROR, "reload_failed",
			"why=\"%s\" hint=\"the old configuration stays\"", reason->text);
		notify_send("READY=1\nSTATUS=reload failed; the old configuration stays");
	}
	metric_set(METRIC_RELOAD_SUCCESSFUL, result == 0);
	metric_set(METRIC_RELOADED_AT, clock_unix_ms(&clock_system) / 1000);
	answer_all(&reload->asked, result, reason);
	config_close(&reload->config);
	tls_set_close(&reload->tls);
	reload->under_way = false;
}

/* ---- the steps ---- */

static void begin_next(struct reload *reload);

static void scheduler_took_it(struct letter *letter, void *context)
{
	struct reload *reload = LETTER_OF(letter, struct reload, scheduler_letter);
	const struct reason none = {.text = ""};

	(void)context;
	finish(reload, 0, &none);
	begin_next(reload);
}

static void configure_scheduler(struct letter *letter, void *scheduler)
{
	struct reload *reload = LETTER_OF(letter, struct reload, scheduler_letter);

	scheduler_configure(scheduler, reload->config);
	letter->read = scheduler_took_it;
	if (!mailbox_push(reload->daemon->inbox, letter))
		log_panic("main's inbox has no room for its own letter");
}

static int number_on_writer(struct store *store, void *config)
{
	return daemon_number_upstreams(store, config) < 0 ? -EIO : 0;
}

static void give_out(struct letter *letter, void *context)
{
	struct reload *reload = LETTER_OF(letter, struct reload, numbers.letter);
	struct daemon *daemon = context;
	struct reason reason;

	if (reload->numbers.result < 0) {
		reason_set(&reason, "the store did not take the upstreams' names: %s",
			strerror(-reload->numbers.result));
		finish(reload, reload->numbers.result, &reason);
		begin_next(reload);
		return;
	}
	if (server_configure(daemon->server, reload->config, reload->tls,
		    worker_pool_inboxes(daemon->workers), daemon->config->workers) < 0 ||
		daemon_limit_clients(daemon, reload->config) < 0)
		log_event(LOG_ERROR, "reload_incomplete",
			"why=\"no memory for the clients' threads\" hint=\"reload again\"");
	api_configure(daemon->api, reload->config);
	if (daemon->auth != NULL)
		auth_configure(daemon->auth, reload->config);
	config_close(&daemon->config);
	daemon->config = config_share(reload->config);
	grant_keeper_configure(daemon->grant_keeper, daemon->config);
	tls_set_close(&daemon->tls);
	daemon->tls = tls_set_share(reload->tls);
	renewal_note(daemon->renewal);
	reload->scheduler_letter.read = configure_scheduler;
	if (!mailbox_push(daemon->scheduler_inbox, &reload->scheduler_letter))
		log_panic("the scheduler's inbox is full");
}

static int read_file(struct reload *reload, struct reason *reason)
{
	const char *restart;

	if (config_load(reload->daemon->config_path, &reload->config, reason) < 0)
		return -EINVAL;
	restart = find_restart_need(reload->daemon->config, reload->config);
	if (restart == NULL)
		return tls_set_open(reload->config, &reload->tls, reason) < 0 ? -EINVAL : 0;
	reason_set(reason, "%s: %s changed, which needs a restart", reload->config->path, restart);
	return -EINVAL;
}

/* What is refused at once leaves room for the next. */
static void begin_next(struct reload *reload)
{
	while (reload->again && !reload->under_way) {
		struct reason reason;
		int rc;

		reload->again = false;
		reload->under_way = true;
		STAILQ_CONCAT(&reload->asked, &reload->waiting);
		notify_send("RELOADING=1");
		rc = read_file(reload, &reason);
		if (rc < 0) {
			finish(reload, rc, &reason);
			continue;
		}
		reload->numbers = (struct writer_request){
			.letter.read = give_out,
			.answer_to = reload->daemon->inbox,
			.verb = WRITER_CALL,
			.call = number_on_writer,
			.argument = reload->config,
		};
		writer_submit(reload->daemon->writer, &reload->numbers);
	}
}

/* ---- who asks ---- */

void reload_start(struct reload *reload)
{
	reload->again = true;
	begin_next(reload);
}

void reload_read_request(struct letter *letter, void *context)
{
	struct reload_request *request = LETTER_OF(letter, struct reload_request, letter);
	struct daemon *daemon = context;

	STAILQ_INSERT_TAIL(&daemon->reload->waiting, request, entry);
	reload_start(daemon->reload);
}

void reload_stop(struct reload *reload)
{
	struct reason reason;

	reason_set(&reason, "the relay is stopping; its next start reads the configuration");
	answer_all(&reload->asked, -ECANCELED, &reason);
	answer_all(&reload->waiting, -ECANCELED, &reason);
}
