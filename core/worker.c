#include "core/worker.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"

/* Between so many new clients the sessions that are open have their turn. */
#define CLIENTS_PER_TURN 16

struct worker {
	struct worker_pool *pool;
	unsigned number;
	pthread_t thread;
	bool started;
	struct loop *loop;
	struct mailbox *inbox;
	void *context;
	struct loop_timer deadline; /* only brings the loop back; the turn looks at the clock */
	bool stopping, cut;
};

struct worker_pool {
	const struct worker_service *service;
	void *service_data;
	struct ring *jobs;
	const struct clock *clock;
	sem_t begun; /* posted by each worker when its service has begun or could not */
	int64_t deadline_mono_ms; /* written before `stopping` */
	_Atomic bool stopping;
	unsigned count;
	struct mailbox **inboxes;
	struct worker workers[];
};

static void read_letters(struct worker *worker)
{
	struct letter *letter;

	while ((letter = mailbox_pop(worker->inbox)) != NULL)
		letter->read(letter, worker->context);
}

/* Returns how many of `most` it took. */
static unsigned open_clients(struct worker *worker, unsigned most)
{
	const struct worker_pool *pool = worker->pool;
	struct accepted *accepted;
	unsigned taken = 0;

	while (taken < most && (accepted = ring_pop(pool->jobs)) != NULL) {
		pool->service->opened(worker->context, accepted);
		taken++;
	}
	return taken;
}

static void wake_up(void *owner)
{
	(void)owner;
}

static void begin_stop(struct worker *worker)
{
	const struct worker_pool *pool = worker->pool;

	worker->stopping = true;
	open_clients(worker, UINT32_MAX);
	pool->service->stopping(worker->context);
	worker->deadline.fire = wake_up;
	loop_timer_set(worker->loop, &worker->deadline, pool->deadline_mono_ms);
}

static bool is_stopped(struct worker *worker)
{
	const struct worker_service *service = worker->pool->service;

	if (service->sessions(worker->context) == 0)
		return true;
	if (worker->cut || clock_mono_ms(worker->pool->clock) < worker->pool->deadline_mono_ms)
		return false;
	log_event(LOG_WARNING, "worker_cut", "worker=%u sessions=%zu", worker->number,
		service->sessions(worker->context));
	if (service->cut == NULL)
		return true;
	worker->cut = true;
	service->cut(worker->context);
	return service->sessions(worker->context) == 0;
}

/* False: this was the last turn. */
static bool take_turn(struct worker *worker)
{
	struct worker_pool *pool = worker->pool;
	unsigned taken;
	int rc;

	read_letters(worker);
	taken = open_clients(worker, CLIENTS_PER_TURN);
	/* acquire: pairs with the release in worker_pool_stop, so the deadline is seen */
	if (!worker->stopping && atomic_load_explicit(&pool->stopping, memory_order_acquire))
		begin_stop(worker);
	pool->service->turned(worker->context);
	if (worker->stopping && is_stopped(worker))
		return false;
	rc = loop_step(worker->loop, taken == CLIENTS_PER_TURN ? 0 : -1);
	if (rc < 0)
		log_panic("worker %u cannot wait for events: %s", worker->number, strerror(-rc));
	return true;
}

static void *run(void *argument)
{
	struct worker *worker = argument;
	struct worker_pool *pool = worker->pool;
	char name[16];

	snprintf(name, sizeof(name), "worker-%u", worker->number);
	pthread_setname_np(pthread_self(), name);
	worker->context = pool->service->begin(
		pool->service_data, worker->number, worker->loop, worker->inbox);
	sem_post(&pool->begun);
	if (worker->context == NULL)
		return NULL;
	while (take_turn(worker))
		;
	pool->service->end(worker->context);
	return NULL;
}

static int open_worker(struct worker *worker, struct worker_pool *pool, unsigned number,
	size_t inbox_capacity, struct reason *reason)
{
	worker->pool = pool;
	worker->number = number;
	worker->loop = loop_open(pool->clock);
	worker->inbox = mailbox_open(inbox_capacity);
	pool->inboxes[number] = worker->inbox;
	if (worker->loop == NULL || worker->inbox == NULL ||
		loop_attach(worker->loop, worker->inbox) < 0)
		return reason_set(
			reason, "worker %u: no memory or descriptors for its loop", number);
	return 0;
}

static int start_worker(struct worker *worker, struct reason *reason)
{
	int rc = pthread_create(&worker->thread, NULL, run, worker);

	if (rc != 0)
		return reason_set(reason, "worker %u: cannot start a thread: %s", worker->number,
			strerror(rc));
	worker->started = true;
	return 0;
}

/* Waits until each that was started has begun. */
static int wait_begun(struct worker_pool *pool, struct reason *reason)
{
	int rc = 0;

	for (unsigned i = 0; i < pool->count; i++)
		while (pool->workers[i].started && sem_wait(&pool->begun) < 0)
			; /* EINTR */
	for (unsigned i = 0; i < pool->count; i++)
		if (pool->workers[i].started && pool->workers[i].context == NULL)
			rc = reason_set(reason, "worker %u: no memory for its sessions", i);
	return rc;
}

static struct worker_pool *open_pool(unsigned count)
{
	struct worker_pool *pool = calloc(1, sizeof(*pool) + count * sizeof(pool->workers[0]));

	if (pool == NULL)
		return NULL;
	pool->inboxes = calloc(count, sizeof(struct mailbox *));
	if (pool->inboxes == NULL) {
		free(pool);
		return NULL;
	}
	pool->count = count;
	sem_init(&pool->begun, 0, 0);
	atomic_init(&pool->stopping, false);
	return pool;
}

int worker_pool_start(struct worker_pool **out, const struct worker_service *service,
	void *service_data, unsigned count, size_t inbox_capacity, struct ring *jobs,
	const struct clock *clock, struct reason *reason)
{
	struct worker_pool *pool = open_pool(count);
	int rc = 0;

	*out = NULL;
	if (pool == NULL)
		return reason_set(reason, "no memory for %u workers", count);
	pool->service = service;
	pool->service_data = service_data;
	pool->jobs = jobs;
	pool->clock = clock;
	for (unsigned i = 0; i < count && rc == 0; i++)
		rc = open_worker(&pool->workers[i], pool, i, inbox_capacity, reason);
	for (unsigned i = 0; i < count && rc == 0; i++)
		rc = start_worker(&pool->workers[i], reason);
	if (wait_begun(pool, rc == 0 ? reason : NULL) < 0 || rc < 0) {
		worker_pool_stop(&pool, 0);
		return -1;
	}
	*out = pool;
	return 0;
}

void worker_pool_stop(struct worker_pool **out, int64_t deadline_ms)
{
	struct worker_pool *pool = out != NULL ? *out : NULL;

	if (pool == NULL)
		return;
	pool->deadline_mono_ms = clock_mono_ms(pool->clock) + deadline_ms;
	/* release: pairs with the acquire of each worker's turn */
	atomic_store_explicit(&pool->stopping, true, memory_order_release);
	for (unsigned i = 0; i < pool->count; i++)
		if (pool->workers[i].started)
			mailbox_nudge(pool->inboxes[i]);
	for (unsigned i = 0; i < pool->count; i++)
		if (pool->workers[i].started)
			pthread_join(pool->workers[i].thread, NULL);
	for (unsigned i = 0; i < pool->count; i++) {
		loop_close(&pool->workers[i].loop);
		mailbox_close(&pool->workers[i].inbox);
	}
	sem_destroy(&pool->begun);
	free(pool->inboxes);
	free(pool);
	*out = NULL;
}

struct mailbox *const *worker_pool_inboxes(const struct worker_pool *pool)
{
	return pool->inboxes;
}
