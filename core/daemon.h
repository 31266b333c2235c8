/*
 * daemon.h: the threads, put together and taken apart again.
 *
 * Start, each step needing the one before: helper process (before anything that it could inherit) · sockets (while still root) · user · store (its lock makes a second daemon
 * impossible) · writer · scanners, delivery, scheduler · accounts · workers · acceptors · admin socket.
 * Stop goes the other way: no new clients, then no new work, then what is in flight, and the writer last, so that
 * everything that was promised is durable.
 *
 * Threads: main's own. It starts the others, then sleeps in its loop on signals and its inbox (reload.h).
 */
#ifndef SLUICE_CORE_DAEMON_H
#define SLUICE_CORE_DAEMON_H

#include <stdbool.h>
#include <stddef.h>

#include "core/acceptor.h"
#include "core/loop.h"

struct daemon {
	const char *config_path;
	struct config *config; /* a reference; a reload swaps it */
	struct loop *loop;
	struct mailbox *inbox;

	size_t descriptor_limit;
	struct acceptor_socket *sockets;
	size_t socket_count;
	int admin_fd;

	struct store *store;
	struct id_source *ids;
	struct mailbox *scheduler_inbox, *delivery_inbox;
	struct writer *writer;
	struct recovery *recovery;
	struct registrar *registrar;
	struct scanner *scanner;
	struct scheduler *scheduler;
	struct delivery *delivery;
	struct helper *helper; /* NULL: none is needed */
	struct auth *auth; /* NULL: no accounts */
	struct admission *admission;
	struct ring *jobs;
	struct server *server;
	struct tls_set *tls; /* the newest */
	struct worker_pool *workers;
	struct acceptor *acceptor;
	struct api *api;
	struct reload *reload;
	struct renewal *renewal;
	struct grant_keeper *grant_keeper;
	struct loop_timer keeper_timer;

	struct loop_watch signal_watch, inbox_watch;
	int signal_fd;
	bool stopping;
};

/* Runs until a signal ends it. Takes the reference to `config`. Returns the exit code (sysexits.h). */
int daemon_run(const char *config_path, struct config *config);

/* The store's numbers of the upstreams; on the writer's thread once that runs. 0 or -1. */
int daemon_number_upstreams(struct store *store, struct config *config);

/* How many clients each listener takes from now on. 0 or -1 without memory. */
int daemon_limit_clients(struct daemon *daemon, const struct config *config);

#endif
