#include "core/daemon.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin/api.h"
#include "core/config.h"
#include "core/descriptors.h"
#include "core/helper.h"
#include "core/listen.h"
#include "core/log.h"
#include "core/metrics.h"
#include "core/notify.h"
#include "core/reload.h"
#include "core/renewal.h"
#include "core/tls.h"
#include "core/worker.h"
#include "queue/recovery.h"
#include "queue/registrar.h"
#include "queue/scheduler.h"
#include "queue/tally.h"
#include "queue/writer.h"
#include "scan/scan.h"
#include "smtp/auth.h"
#include "smtp/delivery.h"
#include "smtp/grant_keeper.h"
#include "smtp/judge.h"
#include "smtp/ours.h"
#include "smtp/server.h"

/* Credits: how many requests each part may have under way; docs/architecture.md adds them up. */
#define WORKER_CREDITS   512
#define DELIVERY_CREDITS 512
#define SCAN_CREDITS     256
#define OTHER_CREDITS    256 /* acts, questions, sweeps, recovery, reload */
#define JOB_RING_SIZE    1024
#define ACCEPTOR_THREADS 2

#define WORKERS_STOP_MS   10000
#define DELIVERY_STOP_MS  8000
#define SCHEDULER_STOP_MS 5000

static int open_listeners(struct daemon *daemon, struct reason *reason)
{
	size_t count = 0;

	for (size_t i = 0; i < daemon->config->listener_count; i++)
		count += daemon->config->listeners[i].address_count;
	daemon->sockets = calloc(count + 1, sizeof(*daemon->sockets));
	if (daemon->sockets == NULL)
		return reason_set(reason, "out of memory");
	for (size_t i = 0; i < daemon->config->listener_count; i++) {
		const struct config_listener *listener = &daemon->config->listeners[i];

		for (size_t j = 0; j < listener->address_count; j++) {
			struct acceptor_socket *socket = &daemon->sockets[daemon->socket_count];
			struct address address;

			if (address_parse(listener->addresses[j], &address) < 0)
				return reason_set(
					reason, "%s: not an address", listener->addresses[j]);
			socket->fd = listen_open(&address, reason);
			if (socket->fd < 0)
				return -1;
			socket->listener = (unsigned)i;
			socket->leaves_in_backlog = listener->profile == PROFILE_FRAGILE;
			socket->refusal = server_refusal(listener);
			socket->proxies =
				listener->proxies; /* the server keeps this configuration */
			daemon->socket_count++;
		}
	}
	return 0;
}

static int become_user(const char *name, struct reason *reason)
{
	const struct passwd *entry;

	if (name == NULL || geteuid() != 0)
		return 0;
	errno = 0;
	entry = getpwnam(name);
	if (entry == NULL)
		return reason_set(reason, "user \"%s\" does not exist", name);
	if (initgroups(entry->pw_name, entry->pw_gid) < 0 || setgid(entry->pw_gid) < 0 ||
		setuid(entry->pw_uid) < 0)
		return reason_set(reason, "cannot become user \"%s\": %s", name, strerror(errno));
	return 0;
}

int daemon_number_upstreams(struct store *store, struct config *config)
{
	for (size_t i = 0; i < config->upstream_count; i++) {
		struct config_upstream *upstream = &config->upstreams[i];

		if (store_upstream_number(store, upstream->name, &upstream->number) < 0)
			return -1;
	}
	return 0;
}

static int open_queue(struct daemon *daemon, struct reason *reason)
{
	const struct store_options options = {
		.data_dir = daemon->config->data_dir,
		.max_bytes = daemon->config->queue_max_bytes,
	};
	size_t writer_credits = daemon->config->workers * (size_t)(WORKER_CREDITS + TALLY_CREDITS) +
				DELIVERY_CREDITS + SCAN_CREDITS + OTHER_CREDITS;
	uint64_t last_id;

	if (store_open(&options, &daemon->store, reason) < 0)
		return -1;
	if (daemon_number_upstreams(daemon->store, daemon->config) < 0)
		return reason_set(reason, "%s: cannot write to the store", options.data_dir);
	last_id = store_last_id(daemon->store);
	daemon->ids = id_source_open(&clock_system, last_id);
	daemon->scheduler_inbox = mailbox_open(DELIVERY_CREDITS + SCAN_CREDITS + OTHER_CREDITS);
	daemon->delivery_inbox = mailbox_open(DELIVERY_CREDITS + OTHER_CREDITS);
	if (daemon->ids == NULL || daemon->scheduler_inbox == NULL ||
		daemon->delivery_inbox == NULL)
		return reason_set(reason, "out of memory");
	daemon->writer =
		writer_open(daemon->store, &clock_system, writer_credits, daemon->scheduler_inbox);
	if (daemon->writer == NULL)
		return reason_set(reason, "out of memory");
	if (writer_start(daemon->writer, reason) < 0)
		return -1;
	if (recovery_start(&daemon->recovery, daemon->writer, last_id) < 0)
		return reason_set(reason, "out of memory");
	return 0;
}

static void give_to_scheduler(void *scheduler, struct job *job)
{
	scheduler_job_done(scheduler, job);
}

static int open_scheduler(
	struct daemon *daemon, struct scheduler_options *options, struct reason *reason)
{
	int rc;

	options->permits = registrar_permits(daemon->registrar);
	rc = scheduler_open(&daemon->scheduler, options, reason);
	permits_close(&options->permits);
	return rc;
}

static int start_work(struct daemon *daemon, struct reason *reason)
{
	const struct scanner_options scanner_options = {
		.store = daemon->store,
		.writer = daemon->writer,
		.clock = &clock_system,
		.config = daemon->config,
		.capacity = SCAN_CREDITS,
	};
	struct scheduler_options scheduler_options = {
		.store = daemon->store,
		.writer = daemon->writer,
		.clock = &clock_system,
		.config = daemon->config,
		.inbox = daemon->scheduler_inbox,
		.delivery = daemon->delivery_inbox,
		.delivery_read = delivery_job_read,
		.delivery_credits = DELIVERY_CREDITS,
		.scan = scanner_submit,
		.scan_credits = SCAN_CREDITS,
	};
	struct delivery_options delivery_options = {
		.store = daemon->store,
		.clock = &clock_system,
		.ids = daemon->ids,
		.inbox = daemon->delivery_inbox,
		.done = give_to_scheduler,
	};

	if (scanner_open(&daemon->scanner, &scanner_options, reason) < 0)
		return -1;
	scheduler_options.scanner = daemon->scanner;
	if (open_scheduler(daemon, &scheduler_options, reason) < 0)
		return -1;
	delivery_options.scheduler = daemon->scheduler;
	if (delivery_open(&daemon->delivery, &delivery_options, reason) < 0)
		return -1;
	if (scanner_start(daemon->scanner, daemon->scheduler, reason) < 0 ||
		delivery_start(daemon->delivery, reason) < 0 ||
		scheduler_start(daemon->scheduler, reason) < 0)
		return -1;
	return 0;
}

static int start_auth(struct daemon *daemon, struct reason *reason)
{
	return auth_start(&daemon->auth, daemon->config, &clock_system,
		daemon->config->workers * (size_t)AUTH_CREDITS, daemon->helper, reason);
}

/* The only one that forks, while there is one thread and nothing is open. */
static int start_helper(struct daemon *daemon, struct reason *reason)
{
	size_t count;
	helper_run_fn *const *kinds = auth_helper_kinds(daemon->config, &count);

	return kinds != NULL ? helper_start(&daemon->helper, kinds, count, reason) : 0;
}

static int open_registrar(struct daemon *daemon, struct reason *reason)
{
	const struct registrar_options options = {
		.store = daemon->store,
		.clock = &clock_system,
		.askers = OTHER_CREDITS,
		.worker_count = daemon->config->workers,
		.scheduler = daemon->scheduler_inbox,
		.scheduler_read = scheduler_read_permits,
	};

	return registrar_open(&daemon->registrar, &options, reason);
}

static struct descriptor_shares share_descriptors(const struct daemon *daemon)
{
	const struct config *config = daemon->config;
	struct descriptor_shares shares =
		descriptors_share(daemon->descriptor_limit, config, ACCEPTOR_THREADS);

	if (shares.clients < config->max_connections)
		log_event(LOG_WARNING, "few_descriptors",
			"limit=%zu max_connections=%u clients=%u "
			"hint=\"raise the limit on open files (LimitNOFILE)\"",
			daemon->descriptor_limit, config->max_connections, shares.clients);
	return shares;
}

/* By listener; the caller frees them. */
static struct admission_limits *client_limits(const struct config *config)
{
	struct admission_limits *limits = calloc(config->listener_count, sizeof(*limits));

	for (size_t i = 0; limits != NULL && i < config->listener_count; i++) {
		limits[i].total = config->listeners[i].max_connections;
		limits[i].reserves = config->listeners[i].profile == PROFILE_FRAGILE;
		limits[i].address = config->listeners[i].max_connections_per_address;
		limits[i].network = config->listeners[i].max_connections_per_network;
		limits[i].address_rate = config->listeners[i].connection_rate_per_address;
		limits[i].network_rate = config->listeners[i].connection_rate_per_network;
	}
	return limits;
}

int daemon_limit_clients(struct daemon *daemon, const struct config *config)
{
	struct admission_limits *limits = client_limits(config);

	if (limits == NULL)
		return -1;
	admission_configure(daemon->admission, limits);
	free(limits);
	return 0;
}

static int start_intake(struct daemon *daemon, struct reason *reason)
{
	const struct config *config = daemon->config;
	struct server_options server_options = {
		.config = daemon->config,
		.writer = daemon->writer,
		.ids = daemon->ids,
		.registrar = daemon->registrar,
		.clock = &clock_system,
		.auth = daemon->auth,
		.worker_credits = WORKER_CREDITS,
	};
	struct descriptor_shares shares = share_descriptors(daemon);
	struct acceptor_options acceptor_options;
	struct admission_limits *limits;

	if (tls_set_open(config, &daemon->tls, reason) < 0)
		return -1;
	server_options.tls = daemon->tls;
	limits = client_limits(config);
	if (limits == NULL)
		return reason_set(reason, "out of memory");
	daemon->admission =
		admission_open(shares.clients, limits, config->listener_count, &clock_system);
	free(limits);
	daemon->jobs = ring_open(JOB_RING_SIZE);
	server_options.admission = daemon->admission;
	daemon->server = server_open(&server_options);
	if (daemon->admission == NULL || daemon->jobs == NULL || daemon->server == NULL)
		return reason_set(reason, "out of memory");
	if (worker_pool_start(&daemon->workers, &smtp_service, daemon->server, config->workers,
		    WORKER_CREDITS + TALLY_CREDITS + AUTH_CREDITS + OTHER_CREDITS, daemon->jobs,
		    &clock_system, reason) < 0 ||
		registrar_start(daemon->registrar, worker_pool_inboxes(daemon->workers),
			server_read_permits, reason) < 0)
		return -1;
	acceptor_options = (struct acceptor_options){
		.sockets = daemon->sockets,
		.socket_count = daemon->socket_count,
		.thread_count = ACCEPTOR_THREADS,
		.parked_max = shares.parked,
		.admission = daemon->admission,
		.jobs = daemon->jobs,
		.worker_inboxes = worker_pool_inboxes(daemon->workers),
		.worker_count = config->workers,
	};
	return acceptor_start(&daemon->acceptor, &acceptor_options, reason);
}

static bool is_ours(const struct config *config, const char *address)
{
	char plain[OURS_ADDRESS_SIZE];

	return ours_make_plain(address, plain) && ours_has(config, plain);
}

static int start_admin(struct daemon *daemon, struct reason *reason)
{
	const struct api_options options = {
		.store = daemon->store,
		.writer = daemon->writer,
		.scheduler = daemon->scheduler_inbox,
		.clock = &clock_system,
		.config = daemon->config,
		.is_ours = is_ours,
		.judge = judge_client,
		.listen_fd = daemon->admin_fd,
		.registrar = daemon->registrar,
		.main = daemon->inbox,
		.reload = reload_read_request,
		.accounts = daemon->auth != NULL ? auth_inbox(daemon->auth) : NULL,
		.lockouts = auth_read_lockouts,
	};

	return api_start(&daemon->api, &options, reason);
}

static void keep_grants(void *owner)
{
	struct daemon *daemon = owner;
	int64_t wait_ms = grant_keeper_step(daemon->grant_keeper);

	loop_timer_set(daemon->loop, &daemon->keeper_timer, loop_now_ms(daemon->loop) + wait_ms);
}

static int start_keeper(struct daemon *daemon, struct reason *reason)
{
	const struct grant_keeper_options options = {
		.store = daemon->store,
		.writer = daemon->writer,
		.scheduler = daemon->scheduler_inbox,
		.ids = daemon->ids,
		.clock = &clock_system,
		.inbox = daemon->inbox,
		.config = daemon->config,
	};

	if (grant_keeper_open(&daemon->grant_keeper, &options, reason) < 0)
		return -1;
	daemon->keeper_timer = (struct loop_timer){.owner = daemon, .fire = keep_grants};
	keep_grants(daemon);
	return 0;
}

/* ---- signals ---- */

static int block_signals(sigset_t *signals, struct reason *reason)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file size limit shows as EFBIG */
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGHUP);
	sigaddset(signals, SIGUSR1);
	if (pthread_sigmask(SIG_BLOCK, signals, NULL) != 0)
		return reason_set(reason, "cannot block signals");
	return 0;
}

static void take_signal(void *owner, uint32_t events)
{
	struct daemon *daemon = owner;
	struct signalfd_siginfo info;

	(void)events;
	while (read(daemon->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			daemon->stopping = true;
		else if (info.ssi_signo == SIGHUP && !daemon->stopping)
			reload_start(daemon->reload);
	}
}

static void read_inbox(void *owner, uint32_t events)
{
	struct daemon *daemon = owner;
	struct letter *letter;

	(void)events;
	mailbox_wake(daemon->inbox);
	do {
		while ((letter = mailbox_pop(daemon->inbox)) != NULL)
			letter->read(letter, daemon);
	} while (!mailbox_rest(daemon->inbox));
}

static int open_loop(struct daemon *daemon, const sigset_t *signals, struct reason *reason)
{
	daemon->loop = loop_open(&clock_system);
	daemon->inbox = mailbox_open(OTHER_CREDITS);
	daemon->reload = reload_open(daemon);
	daemon->signal_fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (daemon->loop == NULL || daemon->inbox == NULL || daemon->reload == NULL ||
		daemon->signal_fd < 0)
		return reason_set(reason, "cannot make the main loop: %s", strerror(errno));
	daemon->signal_watch = (struct loop_watch){.owner = daemon, .ready = take_signal};
	daemon->inbox_watch = (struct loop_watch){.owner = daemon, .ready = read_inbox};
	if (loop_watch_add(daemon->loop, &daemon->signal_watch, daemon->signal_fd, EPOLLIN) < 0 ||
		loop_watch_add(
			daemon->loop, &daemon->inbox_watch, mailbox_fd(daemon->inbox), EPOLLIN) < 0)
		return reason_set(reason, "cannot watch signals: %s", strerror(errno));
	return 0;
}

/* ---- start and stop ---- */

/* Returns 0 or the exit code (sysexits.h) with a reason. */
static int start(struct daemon *daemon, const sigset_t *signals, struct reason *reason)
{
	int group = -1;

	daemon->descriptor_limit = descriptors_raise_limit();
	if (store_check_free(daemon->config->data_dir, reason) < 0)
		return EX_CANTCREAT;
	if (start_helper(daemon, reason) < 0 || open_loop(daemon, signals, reason) < 0 ||
		open_listeners(daemon, reason) < 0)
		return EX_OSERR;
	if (daemon->config->user != NULL && geteuid() == 0) {
		const struct passwd *entry = getpwnam(daemon->config->user);

		if (entry != NULL)
			group = (int)entry->pw_gid;
	}
	daemon->admin_fd = listen_open_path(daemon->config->admin_socket, 0660, group, reason);
	if (daemon->admin_fd < 0)
		return EX_OSERR;
	if (become_user(daemon->config->user, reason) < 0)
		return EX_NOPERM;
	if (open_queue(daemon, reason) < 0)
		return EX_CANTCREAT;
	if (open_registrar(daemon, reason) < 0 || start_work(daemon, reason) < 0 ||
		start_auth(daemon, reason) < 0 || start_intake(daemon, reason) < 0 ||
		start_admin(daemon, reason) < 0 || start_keeper(daemon, reason) < 0)
		return EX_OSERR;
	daemon->renewal = renewal_open(daemon);
	if (daemon->renewal == NULL) {
		reason_set(reason, "out of memory");
		return EX_OSERR;
	}
	return 0;
}

/* Requests that came after the loop's last turn are among those who are told. */
static void stop_admin(struct daemon *daemon)
{
	api_stop(daemon->api);
	if (daemon->inbox != NULL)
		read_inbox(daemon, 0);
	if (daemon->reload != NULL)
		reload_stop(daemon->reload);
	if (daemon->registrar != NULL)
		registrar_stop(daemon->registrar);
	api_close(&daemon->api);
}

/* Everything accepts what was never started. */
static void stop(struct daemon *daemon)
{
	if (daemon->grant_keeper != NULL)
		grant_keeper_stop(daemon->grant_keeper);
	acceptor_stop(&daemon->acceptor);
	for (size_t i = 0; i < daemon->socket_count; i++)
		close(daemon->sockets[i].fd);
	if (daemon->writer != NULL)
		writer_end_drops(daemon->writer);
	if (daemon->registrar != NULL)
		registrar_stop(daemon->registrar);
	if (daemon->auth != NULL)
		auth_hurry(daemon->auth);
	worker_pool_stop(&daemon->workers, WORKERS_STOP_MS);
	stop_admin(daemon);
	auth_stop(&daemon->auth);
	helper_stop(&daemon->helper);
	if (daemon->admin_fd >= 0) {
		close(daemon->admin_fd);
		unlink(daemon->config->admin_socket);
	}
	if (daemon->scheduler != NULL)
		scheduler_drain(daemon->scheduler);
	if (daemon->delivery != NULL)
		delivery_stop(daemon->delivery, DELIVERY_STOP_MS);
	if (daemon->scheduler != NULL)
		scheduler_stop(daemon->scheduler, SCHEDULER_STOP_MS);
	if (daemon->scanner != NULL)
		scanner_stop(daemon->scanner);
	if (daemon->writer != NULL)
		writer_stop(daemon->writer);
}

static void release(struct daemon *daemon)
{
	server_close(&daemon->server);
	registrar_close(&daemon->registrar);
	ring_close(&daemon->jobs);
	admission_close(&daemon->admission);
	delivery_close(&daemon->delivery);
	scheduler_close(&daemon->scheduler);
	scanner_close(&daemon->scanner);
	recovery_close(&daemon->recovery);
	writer_close(&daemon->writer);
	mailbox_close(&daemon->delivery_inbox);
	mailbox_close(&daemon->scheduler_inbox);
	id_source_close(&daemon->ids);
	grant_keeper_close(&daemon->grant_keeper);
	store_close(&daemon->store);
	free(daemon->sockets);
	mailbox_close(&daemon->inbox);
	renewal_close(&daemon->renewal);
	reload_close(&daemon->reload);
	loop_close(&daemon->loop);
	if (daemon->signal_fd >= 0)
		close(daemon->signal_fd);
	tls_set_close(&daemon->tls);
	config_close(&daemon->config);
}

/* Returns the exit code. */
static int run(struct daemon *daemon)
{
	struct reason reason = {{0}};
	sigset_t signals;
	int code = EX_OSERR;

	log_never_block();
	if (block_signals(&signals, &reason) == 0)
		code = start(daemon, &signals, &reason);
	if (code != 0) {
		fprintf(stderr, "sluiced: %s\n", reason.text);
	} else {
		log_event(LOG_NOTICE, "started", "version=%s pid=%d config=%s", SLUICE_VERSION,
			(int)getpid(), daemon->config_path);
		metric_set(METRIC_RELOAD_SUCCESSFUL, 1);
		metric_set(METRIC_RELOADED_AT, clock_unix_ms(&clock_system) / 1000);
		notify_send("READY=1\nSTATUS=running");
		while (!daemon->stopping)
			loop_step(daemon->loop, -1);
		log_event(LOG_NOTICE, "stopping", "hint=\"a second signal ends it at once\"");
		notify_send("STOPPING=1");
		/* from here on a second SIGTERM or SIGINT has its default effect; what was promised is durable */
		signal(SIGTERM, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
	}
	stop(daemon);
	release(daemon);
	if (code == 0)
		log_event(LOG_NOTICE, "stopped", "pid=%d", (int)getpid());
	return code;
}

int daemon_run(const char *config_path, struct config *config)
{
	struct daemon daemon = {
		.config_path = config_path, .config = config, .admin_fd = -1, .signal_fd = -1};

	return run(&daemon);
}
