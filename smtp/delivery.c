#include "smtp/delivery.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "core/log.h"
#include "core/loop.h"
#include "queue/store.h"
#include "smtp/dialer.h"
#include "smtp/pool.h"
#include "smtp/task.h"
#include "smtp/upstream.h"

#define STEP_MAX_MS 1000

/*
 *	RUNNING ──delivery_stop──► DRAINING ──all back, or the deadline──► STOPPED ──delivery_close──► QUIT
 *
 * A job that arrives when it is no longer RUNNING goes back at once, untried.
 */
enum phase { PHASE_RUNNING, PHASE_DRAINING, PHASE_STOPPED, PHASE_QUIT };

struct host_entry {
	SLIST_ENTRY(host_entry) entry;
	struct pool *pool;
};

struct delivery {
	struct delivery_options options;
	struct loop *loop;
	struct dialer *dialer;
	struct store_view *view;
	uint8_t *scratch;
	struct loop_watch inbox_watch;
	SLIST_HEAD(, host_entry) hosts;
	int64_t drain_until_ms;

	pthread_t thread;
	bool threaded;
	sem_t stopped;
	_Atomic int
		phase; /* written with release by who asks, read with acquire by the loop, and back */
	_Atomic int64_t drain_ms;
};

/* ---- jobs ---- */

/* What upstream said of each recipient. What became of it is told when it is durable, by the scheduler. */
static void log_replies(const struct job *job)
{
	char id[ID_TEXT_SIZE];
	struct log_quoted to, reply;

	for (size_t i = 0; i < job->recipient_count && log_wants(LOG_DEBUG); i++) {
		const struct job_recipient *told = &job->recipients[i];
		const struct recipient *recipient = &job->envelope->recipients[told->index];

		log_event(LOG_DEBUG, "replied", "id=%s to=<%s> host=%s stage=\"%s\" reply=\"%s\"",
			id_format(job->id, id), log_address(&to, recipient->address),
			job->host != NULL ? job->host->name : "-", reply_stage_name(job->stage),
			log_text(&reply, told->reply != NULL ? told->reply : job->reply));
	}
}

/* Gives a job back; the task is gone with it. */
static void task_is_over(void *owner, struct task *task)
{
	struct delivery *delivery = owner;
	struct job *job = task->job;

	task_finish(task, delivery->options.ids, delivery->view, delivery->scratch);
	if (job->read_error == 0 && job->envelope != NULL)
		log_replies(job);
	task_close(&task);
	delivery->options.done(delivery->options.scheduler, job);
}

static void give_back_untried(struct delivery *delivery, struct job *job, const char *why)
{
	struct task task = {.job = job};

	task_put_off(&task, why);
	delivery->options.done(delivery->options.scheduler, job);
}

static struct host_entry *find_host(struct delivery *delivery, const struct job *job)
{
	struct host_entry *host;
	const struct pool_ground ground = {
		.loop = delivery->loop,
		.dialer = delivery->dialer,
		.view = delivery->view,
		.scratch = delivery->scratch,
		.owner = delivery,
		.over = task_is_over,
	};

	SLIST_FOREACH (host, &delivery->hosts, entry)
		if (pool_key(host->pool) == job->host_key)
			return host;
	host = calloc(1, sizeof(*host));
	if (host == NULL)
		return NULL;
	host->pool = pool_open(&ground, job);
	if (host->pool == NULL) {
		free(host);
		return NULL;
	}
	SLIST_INSERT_HEAD(&delivery->hosts, host, entry);
	return host;
}

/* Nothing is delivered of an expired one: its bounce is written. */
static void expire(struct delivery *delivery, struct task *task)
{
	(void)task_begin(task, delivery->view);
	task_is_over(delivery, task);
}

void delivery_job_read(struct letter *letter, void *context)
{
	struct delivery *delivery = context;
	struct job *job = LETTER_OF(letter, struct job, letter);
	struct host_entry *host;
	struct task *task;

	if (atomic_load_explicit(&delivery->phase, memory_order_acquire) != PHASE_RUNNING) {
		give_back_untried(delivery, job, "the relay stops");
		return;
	}
	task = task_open(job);
	if (task != NULL && job->expired) {
		expire(delivery, task);
		return;
	}
	host = task != NULL ? find_host(delivery, job) : NULL;
	if (host == NULL) {
		if (task != NULL)
			task_close(&task);
		give_back_untried(delivery, job, "out of memory");
		return;
	}
	pool_push(host->pool, task);
}

/* ---- the turn ---- */

static void read_inbox(struct delivery *delivery)
{
	struct letter *letter;

	while ((letter = mailbox_pop(delivery->options.inbox)) != NULL)
		letter->read(letter, delivery);
}

static void inbox_ready(void *owner, uint32_t events)
{
	struct delivery *delivery = owner;

	(void)events;
	mailbox_wake(delivery->options.inbox);
}

static void drop_empty_hosts(struct delivery *delivery)
{
	struct host_entry *host = SLIST_FIRST(&delivery->hosts);

	while (host != NULL) {
		struct host_entry *next = SLIST_NEXT(host, entry);

		if (pool_is_empty(host->pool)) {
			SLIST_REMOVE(&delivery->hosts, host, host_entry, entry);
			pool_close(&host->pool);
			free(host);
		}
		host = next;
	}
}

static void turn_hosts(struct delivery *delivery)
{
	struct host_entry *host;

	SLIST_FOREACH (host, &delivery->hosts, entry)
		pool_turn(host->pool);
	drop_empty_hosts(delivery);
}

static bool is_quiet(const struct delivery *delivery)
{
	const struct host_entry *host;

	SLIST_FOREACH (host, &delivery->hosts, entry)
		if (!pool_is_quiet(host->pool))
			return false;
	return true;
}

/* From the first turn after delivery_stop until all jobs are back. */
static void drain(struct delivery *delivery)
{
	struct host_entry *host;

	if (delivery->drain_until_ms == 0)
		delivery->drain_until_ms =
			loop_now_ms(delivery->loop) +
			atomic_load_explicit(&delivery->drain_ms, memory_order_relaxed);
	SLIST_FOREACH (host, &delivery->hosts, entry)
		pool_drain(host->pool);
	if (!is_quiet(delivery) && loop_now_ms(delivery->loop) < delivery->drain_until_ms)
		return;
	SLIST_FOREACH (host, &delivery->hosts, entry)
		pool_cut(host->pool);
	/* Release: whoever waits for the semaphore sees all jobs given back. */
	atomic_store_explicit(&delivery->phase, PHASE_STOPPED, memory_order_release);
	sem_post(&delivery->stopped);
}

int delivery_step(struct delivery *delivery, int max_wait_ms)
{
	int phase = atomic_load_explicit(&delivery->phase, memory_order_acquire);

	read_inbox(delivery);
	if (phase == PHASE_RUNNING)
		turn_hosts(delivery);
	else if (phase == PHASE_DRAINING)
		drain(delivery);
	if (!mailbox_rest(delivery->options.inbox))
		max_wait_ms = 0;
	return loop_step(delivery->loop, max_wait_ms);
}

static void *run(void *argument)
{
	struct delivery *delivery = argument;

	while (atomic_load_explicit(&delivery->phase, memory_order_acquire) != PHASE_QUIT) {
		int rc = delivery_step(delivery, STEP_MAX_MS);

		if (rc < 0)
			log_panic("delivery: the event loop failed: %d", rc);
	}
	return NULL;
}

/* ---- start and stop ---- */

int delivery_open(
	struct delivery **out, const struct delivery_options *options, struct reason *reason)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));

	*out = delivery;
	if (delivery == NULL)
		return reason_set(reason, "delivery: out of memory");
	delivery->options = *options;
	SLIST_INIT(&delivery->hosts);
	sem_init(&delivery->stopped, 0, 0);
	delivery->loop = loop_open(options->clock);
	delivery->scratch = malloc(STORE_PIECE_BYTES);
	delivery->inbox_watch = (struct loop_watch){.owner = delivery, .ready = inbox_ready};
	if (delivery->loop == NULL || delivery->scratch == NULL ||
		store_view_open(options->store, &delivery->view) < 0 ||
		loop_watch_add(delivery->loop, &delivery->inbox_watch, mailbox_fd(options->inbox),
			EPOLLIN) < 0) {
		delivery_close(out);
		return reason_set(reason, "delivery: out of memory or descriptors");
	}
	if (dialer_open(&delivery->dialer, delivery->loop, upstream_dialed, reason) < 0) {
		delivery_close(out);
		return -1;
	}
	return 0;
}

int delivery_start(struct delivery *delivery, struct reason *reason)
{
	int rc = pthread_create(&delivery->thread, NULL, run, delivery);

	if (rc != 0)
		return reason_set(reason, "delivery: no thread (error %d)", rc);
	delivery->threaded = true;
	pthread_setname_np(delivery->thread, "delivery");
	return 0;
}

void delivery_stop(struct delivery *delivery, int64_t deadline_ms)
{
	if (atomic_load_explicit(&delivery->phase, memory_order_acquire) != PHASE_RUNNING)
		return;
	atomic_store_explicit(&delivery->drain_ms, deadline_ms, memory_order_relaxed);
	/* Release: the loop's acquire sees drain_ms. */
	atomic_store_explicit(&delivery->phase, PHASE_DRAINING, memory_order_release);
	mailbox_nudge(delivery->options.inbox);
	if (!delivery->threaded) {
		while (atomic_load_explicit(&delivery->phase, memory_order_acquire) !=
			PHASE_STOPPED)
			(void)delivery_step(delivery, 10);
		return;
	}
	while (sem_wait(&delivery->stopped) < 0 && errno == EINTR)
		;
}

static void close_hosts(struct delivery *delivery)
{
	struct host_entry *host;

	while ((host = SLIST_FIRST(&delivery->hosts)) != NULL) {
		SLIST_REMOVE_HEAD(&delivery->hosts, entry);
		pool_cut(host->pool);
		pool_close(&host->pool);
		free(host);
	}
}

void delivery_close(struct delivery **delivery)
{
	struct delivery *closing = delivery != NULL ? *delivery : NULL;

	if (closing == NULL)
		return;
	if (closing->threaded) {
		atomic_store_explicit(&closing->phase, PHASE_QUIT, memory_order_release);
		mailbox_nudge(closing->options.inbox);
		pthread_join(closing->thread, NULL);
	}
	close_hosts(closing);
	dialer_close(&closing->dialer);
	if (closing->loop != NULL && closing->inbox_watch.slot != 0)
		loop_watch_remove(closing->loop, &closing->inbox_watch);
	store_view_close(&closing->view);
	loop_close(&closing->loop);
	free(closing->scratch);
	sem_destroy(&closing->stopped);
	free(closing);
	*delivery = NULL;
}
