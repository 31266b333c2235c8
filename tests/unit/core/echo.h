/*
 * echo.h: a service for tests of workers and acceptors: it greets, sends back what it gets, and notes what was asked of it.
 */
#ifndef SLUICE_TESTS_UNIT_CORE_ECHO_H
#define SLUICE_TESTS_UNIT_CORE_ECHO_H

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "core/conn.h"
#include "core/worker.h"

#define ECHO_GREETING "220 hello\r\n"

struct echo_worker;

struct echo_session {
	struct echo_worker *worker;
	struct conn conn;
	struct loop_watch watch;
	struct accepted *accepted;
	LIST_ENTRY(echo_session) entry;
};

/* What a test sets before the start, and looks at while the workers run. */
struct echo {
	struct admission *admission; /* or NULL */
	unsigned fails_from; /* `begin` of this worker and those behind it fails; 0: none */
	bool keeps_open; /* at the stop */
	_Atomic unsigned slow; /* while not 0, `opened` waits: the worker is busy */
	_Atomic unsigned begun, ended, opened, stopping, cut, letters;
	_Atomic unsigned most_opened_in_a_turn;
	_Atomic unsigned under_way; /* requests that a cut session would still wait for */
	_Atomic unsigned opened_by[16];
};

struct echo_worker {
	struct echo *echo;
	unsigned number;
	struct loop *loop;
	struct mailbox *inbox;
	unsigned opened_this_turn;
	size_t open;
	LIST_HEAD(, echo_session) sessions;
};

static inline void echo_close(struct echo_session *session)
{
	struct echo_worker *worker = session->worker;

	loop_watch_remove(worker->loop, &session->watch);
	if (worker->echo->admission != NULL)
		admission_leave(worker->echo->admission, &session->accepted->ticket);
	conn_fini(&session->conn);
	LIST_REMOVE(session, entry);
	worker->open--;
	free(session->accepted);
	free(session);
}

static inline void echo_send(struct echo_session *session, const void *text, size_t size)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = size};
	ssize_t sent = conn_write(&session->conn, &part, 1);

	(void)sent; /* a test that loses text sees it at the other end */
}

static inline void echo_ready(void *owner, uint32_t events)
{
	struct echo_session *session = owner;
	char text[4096];
	ssize_t size = conn_read(&session->conn, text, sizeof(text));

	(void)events;
	if (size > 0)
		echo_send(session, text, (size_t)size);
	else if (size != -EAGAIN)
		echo_close(session);
}

static inline void *echo_begin(
	void *service, unsigned number, struct loop *loop, struct mailbox *inbox)
{
	struct echo *echo = service;
	struct echo_worker *worker;

	if (echo->fails_from != 0 && number + 1 >= echo->fails_from)
		return NULL;
	worker = calloc(1, sizeof(*worker));
	if (worker == NULL)
		return NULL;
	worker->echo = echo;
	worker->number = number;
	worker->loop = loop;
	worker->inbox = inbox;
	LIST_INIT(&worker->sessions);
	echo->begun++;
	return worker;
}

static inline void echo_opened(void *context, struct accepted *accepted)
{
	struct echo_worker *worker = context;
	struct echo_session *session = calloc(1, sizeof(*session));

	if (session == NULL)
		abort();
	while (worker->echo->slow != 0)
		sched_yield();
	session->worker = worker;
	session->accepted = accepted;
	session->watch = (struct loop_watch){.owner = session, .ready = echo_ready};
	conn_init_plain(&session->conn, accepted->fd, &accepted->peer);
	LIST_INSERT_HEAD(&worker->sessions, session, entry);
	worker->open++;
	worker->opened_this_turn++;
	worker->echo->opened++;
	worker->echo->opened_by[worker->number]++;
	if (loop_watch_add(worker->loop, &session->watch, accepted->fd, EPOLLIN) < 0)
		abort();
	echo_send(session, ECHO_GREETING, strlen(ECHO_GREETING));
}

static inline void echo_turned(void *context)
{
	struct echo_worker *worker = context;

	if (worker->opened_this_turn > worker->echo->most_opened_in_a_turn)
		worker->echo->most_opened_in_a_turn = worker->opened_this_turn;
	worker->opened_this_turn = 0;
}

static inline void echo_close_all(struct echo_worker *worker)
{
	while (!LIST_EMPTY(&worker->sessions))
		echo_close(LIST_FIRST(&worker->sessions));
}

static inline void echo_stopping(void *context)
{
	struct echo_worker *worker = context;

	worker->echo->stopping++;
	if (!worker->echo->keeps_open)
		echo_close_all(worker);
}

static inline size_t echo_sessions(void *context)
{
	const struct echo_worker *worker = context;

	return worker->open + worker->echo->under_way;
}

static inline void echo_cut(void *context)
{
	struct echo_worker *worker = context;

	worker->echo->cut++;
	echo_close_all(worker);
}

static inline void echo_end(void *context)
{
	struct echo_worker *worker = context;

	echo_close_all(worker);
	worker->echo->ended++;
	free(worker);
}

static const struct worker_service echo_service = {
	.begin = echo_begin,
	.opened = echo_opened,
	.turned = echo_turned,
	.stopping = echo_stopping,
	.sessions = echo_sessions,
	.end = echo_end,
	.cut = echo_cut,
};

#endif
