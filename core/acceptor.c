#include "core/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/metrics.h"
#include "core/parking.h"
#include "core/proxy.h"

#define ACCEPTS_PER_READY 32 /* then the other sockets have their turn */
#define FULL_REST_MS      5 /* until a full ring or listener is looked at again */
#define UNREAD_ROUNDS     16 /* a client that is refused is not listened to for ever */
#define EXHAUSTED_REST_MS 100 /* without descriptors or memory */

/* A listening socket as one thread sees it: watched, or resting until its timer fires. */
struct gate {
	struct thread *thread;
	const struct acceptor_socket *socket;
	struct loop_watch watch;
	struct loop_timer rest;
	struct accepted *
		late; /* accepted for a place that another thread took first: the next one is its */
};

struct thread {
	struct acceptor *acceptor;
	pthread_t id;
	bool started;
	struct loop *loop;
	struct mailbox *inbox; /* only nudged, at the stop */
	int reserve_fd; /* spent to answer a client when descriptors are used up; -1: could not be had again */
	unsigned next_worker;
	struct parking *parking;
	struct proxy *proxy; /* where balancers' connections wait for their headers */
	struct gate *gates; /* one for each socket */
};

struct acceptor {
	struct acceptor_options options;
	_Atomic bool stopping;
	unsigned thread_count;
	struct thread threads[];
};

/* ---- gates ---- */

/* Exclusive: a client wakes one of the threads that wait. */
static int watch_gate(struct gate *gate)
{
	return loop_watch_add(
		gate->thread->loop, &gate->watch, gate->socket->fd, EPOLLIN | EPOLLEXCLUSIVE);
}

/* Leaves the clients in the backlog for a while. */
static void rest_gate(struct gate *gate, int64_t rest_ms)
{
	struct loop *loop = gate->thread->loop;

	loop_watch_remove(loop, &gate->watch);
	loop_timer_set(loop, &gate->rest, loop_now_ms(loop) + rest_ms);
}

/* ---- one client ---- */

static void take_reserve(struct thread *thread)
{
	thread->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/*
 * The text goes out with one send, and the end of it is said before the close: a close with the client's bytes still
 * unread would reset the connection, and the client might lose the text. A fragile client gets none: `why` counts it.
 */
static void refuse(const struct acceptor_socket *socket, int fd, enum metric why)
{
	char unread[4096];

	metric_add(METRIC_CONNECTIONS_REFUSED, 1);
	if (socket->leaves_in_backlog)
		metric_add(why, 1);
	if (!socket->leaves_in_backlog && socket->refusal != NULL &&
		send(fd, socket->refusal, strlen(socket->refusal), MSG_NOSIGNAL | MSG_DONTWAIT) >
			0) {
		shutdown(fd, SHUT_WR);
		for (int i = 0; i < UNREAD_ROUNDS; i++)
			if (recv(fd, unread, sizeof(unread), MSG_DONTWAIT) <= 0)
				break;
	}
	close(fd);
}

static void log_refused(
	const struct acceptor_socket *socket, const struct address *peer, const char *why)
{
	char host[ADDRESS_TEXT_SIZE];

	log_event_limited(LOG_WARNING, "client_refused", "client=%s listener=%u why=\"%s\"",
		address_format_host(peer, host), socket->listener, why);
}

/* The first worker found asleep is woken; those awake look at the ring before they sleep. */
static void nudge_worker(struct thread *thread)
{
	const struct acceptor_options *options = &thread->acceptor->options;

	for (size_t i = 0; i < options->worker_count; i++) {
		unsigned at = thread->next_worker++ % (unsigned)options->worker_count;

		if (mailbox_nudge(options->worker_inboxes[at]))
			return;
	}
}

/* Each worker that sleeps looks for a session that it can close; those awake look before they sleep. */
static void ask_for_room(void *giver, unsigned listener)
{
	const struct acceptor_options *options = &((struct thread *)giver)->acceptor->options;

	if (admission_ask_room(options->admission, listener))
		for (size_t i = 0; i < options->worker_count; i++)
			mailbox_nudge(options->worker_inboxes[i]);
}

static bool give_to_workers(void *giver, struct accepted *accepted)
{
	struct thread *thread = giver;

	if (!ring_push(thread->acceptor->options.jobs, accepted))
		return false;
	metric_add(METRIC_CONNECTIONS_ACCEPTED, 1);
	nudge_worker(thread);
	return true;
}

/* ---- accepting ---- */

/* Another thread may have taken the ring's last place since this one looked. */
static void give_or_keep(struct gate *gate, struct accepted *accepted)
{
	if (give_to_workers(gate->thread, accepted))
		return;
	admission_leave(gate->thread->acceptor->options.admission, &accepted->ticket);
	gate->late = accepted;
}

static void turn_away(
	const struct gate *gate, struct accepted *accepted, enum admission_answer answer)
{
	log_refused(gate->socket, &accepted->peer, admission_answer_name(answer));
	refuse(gate->socket, accepted->fd, METRIC_FRAGILE_MANY_WAIT);
	free(accepted);
}

/*
 * Over a limit a client is turned away where that is allowed, else it is parked. A fragile one
 *   - that finds too many parked has the reserve: it is better spent than kept, unless it is its own crowd that waits;
 *   - meets the limit in total only when another thread took the last place since this one looked: it has the next.
 */
static void admit(struct gate *gate, struct accepted *accepted)
{
	struct admission *admission = gate->thread->acceptor->options.admission;
	bool fragile = gate->socket->leaves_in_backlog;
	enum admission_answer answer =
		admission_enter(admission, accepted->listener, &accepted->peer, &accepted->ticket);

	if (!admission_is_own_limit(answer))
		ask_for_room(gate->thread, accepted->listener);
	if (fragile && (admission_is_own_limit(answer) || answer == ADMISSION_RESERVED) &&
		parking_add(gate->thread->parking, accepted))
		return;
	if (fragile && answer == ADMISSION_RESERVED)
		answer = admission_enter_reserve(
			admission, accepted->listener, &accepted->peer, &accepted->ticket);
	if (answer == ADMISSION_IN)
		give_or_keep(gate, accepted);
	else if (fragile && answer == ADMISSION_FULL)
		gate->late = accepted;
	else
		turn_away(gate, accepted, answer);
}

/*
 * Its balancer has said who it is. Others were let in while it waited, so that of a listener whose clients stay in the
 * backlog it may find no place that was looked for before it was accepted: then it waits as one that is late does.
 */
static void admit_behind_proxy(void *owner, struct accepted *accepted)
{
	struct gate *gate = owner;

	if (gate->late == NULL && ring_depth(gate->thread->acceptor->options.jobs) <
					  ring_capacity(gate->thread->acceptor->options.jobs))
		admit(gate, accepted);
	else if (!parking_add(gate->thread->parking, accepted))
		turn_away(gate, accepted, ADMISSION_FULL);
	if (gate->late != NULL && !gate->rest.armed)
		rest_gate(gate, FULL_REST_MS);
}

static void open_client(struct gate *gate, int fd, const struct sockaddr *from, socklen_t from_size)
{
	struct accepted *accepted = calloc(1, sizeof(*accepted));

	if (accepted == NULL || address_from_socket(from, from_size, &accepted->peer) < 0) {
		free(accepted);
		refuse(gate->socket, fd, METRIC_FRAGILE_MEMORY);
		return;
	}
	accepted->fd = fd;
	accepted->listener = gate->socket->listener;
	accepted->fragile = gate->socket->leaves_in_backlog;
	if (network_list_has(&gate->socket->proxies, &accepted->peer))
		proxy_add(gate->thread->proxy, gate, accepted);
	else
		admit(gate, accepted);
}

/* Out of descriptors or memory (F-21): one client learns of it where that is allowed, and the gate rests. */
static void accept_on_reserve(struct gate *gate, int error)
{
	struct thread *thread = gate->thread;
	int fd = -1;

	log_event_limited(LOG_ERROR, "accept_failed", "why=\"%s\" rest_ms=%d", strerror(error),
		EXHAUSTED_REST_MS);
	if (thread->reserve_fd >= 0 && !gate->socket->leaves_in_backlog) {
		close(thread->reserve_fd);
		thread->reserve_fd = -1;
		fd = accept4(gate->socket->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	if (fd >= 0)
		refuse(gate->socket, fd, METRIC_FRAGILE_MEMORY);
	if (thread->reserve_fd < 0)
		take_reserve(thread);
	rest_gate(gate, EXHAUSTED_REST_MS);
}

enum accept_answer { ACCEPT_MORE, ACCEPT_NO_MORE };

static enum accept_answer accept_one(struct gate *gate)
{
	struct sockaddr_storage from;
	socklen_t from_size = sizeof(from);
	int fd = accept4(gate->socket->fd, (struct sockaddr *)&from, &from_size,
		SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		open_client(gate, fd, (struct sockaddr *)&from, from_size);
		return ACCEPT_MORE;
	}
	switch (errno) {
	case EAGAIN:
		return ACCEPT_NO_MORE;
	case EBADF:
	case EINVAL:
	case ENOTSOCK:
		log_panic("listening socket %d: %s", gate->socket->fd, strerror(errno));
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		accept_on_reserve(gate, errno);
		return ACCEPT_NO_MORE;
	default: /* that client's connection failed before it was accepted (accept(2)) */
		return ACCEPT_MORE;
	}
}

static bool has_room(const struct gate *gate)
{
	const struct acceptor_options *options = &gate->thread->acceptor->options;

	if (ring_depth(options->jobs) >= ring_capacity(options->jobs))
		return false;
	if (!gate->socket->leaves_in_backlog ||
		admission_has_room(options->admission, gate->socket->listener))
		return true;
	ask_for_room(gate->thread, gate->socket->listener);
	return false;
}

static void accept_clients(void *owner, uint32_t events)
{
	struct gate *gate = owner;

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_READY; i++) {
		if (!has_room(gate)) {
			rest_gate(gate, FULL_REST_MS);
			return;
		}
		if (accept_one(gate) == ACCEPT_NO_MORE)
			return;
		if (gate->late != NULL) {
			rest_gate(gate, FULL_REST_MS);
			return;
		}
	}
}

/* The late one comes before those in the backlog. */
static void end_rest(void *owner)
{
	struct gate *gate = owner;
	struct accepted *late = gate->late;
	int64_t rest_ms = FULL_REST_MS;

	if (late != NULL && has_room(gate)) {
		gate->late = NULL;
		admit(gate, late);
	}
	if (gate->late == NULL) {
		if (watch_gate(gate) == 0)
			return;
		rest_ms = EXHAUSTED_REST_MS;
	}
	loop_timer_set(gate->thread->loop, &gate->rest, loop_now_ms(gate->thread->loop) + rest_ms);
}

/* ---- threads ---- */

static void *run(void *argument)
{
	struct thread *thread = argument;
	struct acceptor *acceptor = thread->acceptor;

	pthread_setname_np(pthread_self(), "acceptor");
	/* acquire: pairs with the release in acceptor_stop */
	while (!atomic_load_explicit(&acceptor->stopping, memory_order_acquire)) {
		int rc = loop_step(thread->loop, -1);

		if (rc < 0)
			log_panic("acceptor cannot wait for events: %s", strerror(-rc));
	}
	return NULL;
}

static int open_thread(struct acceptor *acceptor, struct thread *thread, struct reason *reason)
{
	size_t count = acceptor->options.socket_count;

	thread->loop = loop_open(&clock_system);
	thread->inbox = mailbox_open(1);
	thread->parking = thread->loop == NULL
				  ? NULL
				  : parking_open(thread->loop, acceptor->options.admission,
					    acceptor->options.parked_max, give_to_workers,
					    ask_for_room, thread);
	thread->proxy = thread->loop == NULL ? NULL : proxy_open(thread->loop, admit_behind_proxy);
	thread->gates = calloc(count, sizeof(*thread->gates));
	take_reserve(thread);
	if (thread->loop == NULL || thread->inbox == NULL || thread->parking == NULL ||
		thread->proxy == NULL || thread->gates == NULL || thread->reserve_fd < 0 ||
		loop_attach(thread->loop, thread->inbox) < 0)
		return reason_set(
			reason, "acceptor: no memory or descriptors: %s", strerror(errno));
	for (size_t i = 0; i < count; i++) {
		struct gate *gate = &thread->gates[i];

		gate->thread = thread;
		gate->socket = &acceptor->options.sockets[i];
		gate->watch = (struct loop_watch){.owner = gate, .ready = accept_clients};
		gate->rest = (struct loop_timer){.owner = gate, .fire = end_rest};
		if (watch_gate(gate) < 0)
			return reason_set(reason, "acceptor: cannot watch a socket");
	}
	return 0;
}

static int start_thread(struct thread *thread, struct reason *reason)
{
	int rc = pthread_create(&thread->id, NULL, run, thread);

	if (rc != 0)
		return reason_set(reason, "acceptor: cannot start a thread: %s", strerror(rc));
	thread->started = true;
	return 0;
}

static void close_late(struct gate *gate)
{
	if (gate->late != NULL)
		refuse(gate->socket, gate->late->fd, METRIC_FRAGILE_STOPPING);
	free(gate->late);
}

static void close_thread(struct thread *thread)
{
	for (size_t i = 0; thread->gates != NULL && i < thread->acceptor->options.socket_count; i++)
		close_late(&thread->gates[i]);
	parking_close(&thread->parking);
	proxy_close(&thread->proxy);
	if (thread->reserve_fd >= 0)
		close(thread->reserve_fd);
	free(thread->gates);
	mailbox_close(&thread->inbox);
	loop_close(&thread->loop);
}

int acceptor_start(
	struct acceptor **out, const struct acceptor_options *options, struct reason *reason)
{
	unsigned count = options->thread_count;
	struct acceptor *acceptor =
		calloc(1, sizeof(*acceptor) + count * sizeof(acceptor->threads[0]));
	int rc = 0;

	*out = NULL;
	if (acceptor == NULL)
		return reason_set(reason, "acceptor: out of memory");
	acceptor->options = *options;
	acceptor->thread_count = count;
	atomic_init(&acceptor->stopping, false);
	for (unsigned i = 0; i < count; i++) {
		acceptor->threads[i].acceptor = acceptor;
		acceptor->threads[i].reserve_fd = -1;
	}
	for (unsigned i = 0; i < count && rc == 0; i++)
		rc = open_thread(acceptor, &acceptor->threads[i], reason);
	for (unsigned i = 0; i < count && rc == 0; i++)
		rc = start_thread(&acceptor->threads[i], reason);
	if (rc < 0) {
		acceptor_stop(&acceptor);
		return -1;
	}
	*out = acceptor;
	return 0;
}

void acceptor_stop(struct acceptor **out)
{
	struct acceptor *acceptor = out != NULL ? *out : NULL;

	if (acceptor == NULL)
		return;
	/* release: pairs with the acquire of each thread's turn */
	atomic_store_explicit(&acceptor->stopping, true, memory_order_release);
	for (unsigned i = 0; i < acceptor->thread_count; i++)
		if (acceptor->threads[i].started)
			mailbox_nudge(acceptor->threads[i].inbox);
	for (unsigned i = 0; i < acceptor->thread_count; i++)
		if (acceptor->threads[i].started)
			pthread_join(acceptor->threads[i].id, NULL);
	for (unsigned i = 0; i < acceptor->thread_count; i++)
		close_thread(&acceptor->threads[i]);
	free(acceptor);
	*out = NULL;
}
