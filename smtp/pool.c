#include "smtp/pool.h"

#include <errno.h>
#include <stdlib.h>

#include <bsd/sys/queue.h>

#include "core/log.h"
#include "core/metrics.h"
#include "smtp/transfer.h"
#include "smtp/upstream.h"

/* A connection: being opened (no transfer yet), or open. */
struct wire {
	TAILQ_ENTRY(wire) entry;
	struct pool *pool;
	struct upstream *upstream;
	struct transfer *transfer;
	bool in_clear;
};

struct pool {
	struct pool_ground ground;
	uint32_t key;
	struct config *config; /* what the next two point into */
	const struct config_upstream *upstream;
	const struct config_host *host;
	unsigned allowed;
	unsigned wire_count, opening_count, task_count;
	unsigned waiting_count;
	int64_t clear_until_ms; /* opportunistic TLS is left out until then */
	bool stale; /* idle connections are to be closed */
	int64_t delivered_mono_ms; /* when upstream took a message last */
	bool failing; /* the last connection could not be opened: one at a time */
	TAILQ_HEAD(, wire) wires;
	struct task_list waiting;
};

/* ---- tasks ---- */

static struct task *take_waiting(struct pool *pool)
{
	struct task *task = TAILQ_FIRST(&pool->waiting);

	if (task != NULL) {
		TAILQ_REMOVE(&pool->waiting, task, entry);
		pool->waiting_count--;
	}
	return task;
}

static void put_back(struct pool *pool, struct task *task)
{
	TAILQ_INSERT_HEAD(&pool->waiting, task, entry);
	pool->waiting_count++;
}

static void give_back(struct pool *pool, struct task *task)
{
	pool->task_count--;
	pool->ground.over(pool->ground.owner, task);
}

/* They were not tried: free for the message, nothing new about the host. One that is half done keeps what it has. */
static void give_back_waiting(struct pool *pool, const char *why)
{
	struct task *task;

	while ((task = take_waiting(pool)) != NULL) {
		task_put_off(task, why);
		give_back(pool, task);
	}
}

/* ---- what a connection asks and tells ---- */

static struct outgoing *wire_next(void *owner)
{
	struct wire *wire = owner;
	struct pool *pool = wire->pool;
	const struct offer *offer = upstream_offer(wire->upstream);
	struct task *task;

	while ((task = take_waiting(pool)) != NULL) {
		struct outgoing *outgoing = NULL;

		if (task->begun || task_begin(task, pool->ground.view))
			outgoing = task_next(task, offer);
		if (outgoing != NULL)
			return outgoing;
		give_back(pool, task);
	}
	return NULL;
}

static void wire_done(void *owner, struct outgoing *outgoing)
{
	struct wire *wire = owner;
	struct pool *pool = wire->pool;
	struct task *task = task_of(outgoing);
	const struct reply_effect *effect = reply_effect(outgoing->stage, outgoing->class);
	bool rests = effect->host == HOST_REST && outgoing->read_error == 0;
	enum task_step step = task_take(task);

	if (effect->message == MESSAGE_DONE)
		pool->delivered_mono_ms = loop_now_ms(pool->ground.loop);
	if (step == TASK_OVER)
		give_back(pool, task);
	else
		put_back(pool, task);
	if (step == TASK_RECONNECT)
		pool->stale = true;
	if (rests)
		give_back_waiting(pool, "the host rests");
}

static void close_wire(struct wire *wire, bool polite)
{
	struct pool *pool = wire->pool;

	if (wire->transfer == NULL)
		pool->opening_count--;
	pool->wire_count--;
	TAILQ_REMOVE(&pool->wires, wire, entry);
	transfer_close(&wire->transfer);
	upstream_close(&wire->upstream, polite);
	free(wire);
}

static void wire_broken(void *owner, bool polite)
{
	struct wire *wire = owner;

	close_wire(wire, polite);
}

/* ---- opening ---- */

static void wire_opened(void *owner)
{
	struct wire *wire = owner;
	struct pool *pool = wire->pool;
	struct transfer_options options = {
		.loop = pool->ground.loop,
		.upstream = wire->upstream,
		.config = pool->upstream,
		.scratch = pool->ground.scratch,
		.owner = wire,
		.next = wire_next,
		.done = wire_done,
		.broken = wire_broken,
	};

	metric_add(METRIC_UPSTREAM_CONNECTS, 1);
	pool->failing = false;
	wire->transfer = transfer_open(&options);
	if (wire->transfer == NULL) {
		close_wire(wire, true);
		return;
	}
	pool->opening_count--;
	transfer_wake(wire->transfer);
}

static int open_wire(struct pool *pool);

static bool may_try_in_clear(
	const struct pool *pool, const struct wire *wire, const struct upstream_failure *failure)
{
	return failure->handshake && !wire->in_clear &&
	       pool->upstream->tls == UPSTREAM_TLS_OPPORTUNISTIC;
}

/*
 * How many connections are left though one more was refused; those being opened count, as their own refusal will tell.
 * 0: nothing delivers, and the refusal speaks for the host as a whole.
 */
static unsigned count_delivering(const struct pool *pool, const struct upstream_failure *failure)
{
	bool delivers =
		pool->delivered_mono_ms != 0 &&
		loop_now_ms(pool->ground.loop) - pool->delivered_mono_ms <= POOL_DELIVERING_MS;

	if (!delivers || pool->wire_count == pool->opening_count)
		return 0;
	if (failure->stage > STAGE_EHLO || failure->class == REPLY_TIMED_OUT)
		return 0;
	return pool->wire_count;
}

static void tell_failure(struct pool *pool, const struct upstream_failure *failure)
{
	struct task *task = take_waiting(pool);
	unsigned delivering = count_delivering(pool, failure);
	struct log_quoted quoted;

	pool->failing = true;
	/* the host's rest is told by the scheduler, with the same reply */
	log_event(LOG_DEBUG, "connect_failed", "host=%s stage=\"%s\" reply=\"%s\"",
		pool->host->name, reply_stage_name(failure->stage),
		log_text(&quoted, failure->reply));
	if (task != NULL) {
		task_fail(task, failure->stage, failure->class, failure->reply, failure->status);
		task->job->delivering = delivering;
		give_back(pool, task);
	}
	if (delivering > 0)
		pool->allowed = delivering;
	else
		give_back_waiting(pool, "the host rests");
}

static void wire_failed(void *owner, const struct upstream_failure *failure)
{
	struct wire *wire = owner;
	struct pool *pool = wire->pool;
	bool in_clear = may_try_in_clear(pool, wire, failure);

	metric_add(METRIC_UPSTREAM_CONNECTS_FAILED, 1);
	close_wire(wire, false);
	if (in_clear) {
		struct log_quoted quoted;

		pool->clear_until_ms = loop_now_ms(pool->ground.loop) + POOL_CLEAR_MS;
		log_event(LOG_WARNING, "tls_failed", "host=%s then=clear for_ms=%d reply=\"%s\"",
			pool->host->name, POOL_CLEAR_MS, log_text(&quoted, failure->reply));
		if (open_wire(pool) == 0)
			return;
	}
	tell_failure(pool, failure);
}

static int open_wire(struct pool *pool)
{
	struct wire *wire = calloc(1, sizeof(*wire));
	struct upstream_options options = {
		.dialer = pool->ground.dialer,
		.loop = pool->ground.loop,
		.config = pool->upstream,
		.host = pool->host,
		.hostname = pool->config->hostname,
		.in_clear = loop_now_ms(pool->ground.loop) < pool->clear_until_ms,
		.owner = wire,
		.opened = wire_opened,
		.failed = wire_failed,
	};

	if (wire == NULL)
		return -ENOMEM;
	wire->pool = pool;
	wire->in_clear = options.in_clear;
	wire->upstream = upstream_open(&options);
	if (wire->upstream == NULL) {
		free(wire);
		return -ENOMEM;
	}
	TAILQ_INSERT_TAIL(&pool->wires, wire, entry);
	pool->wire_count++;
	pool->opening_count++;
	return 0;
}

/* ---- the turn ---- */

static struct wire *find_idle(const struct pool *pool)
{
	struct wire *wire;

	TAILQ_FOREACH (wire, &pool->wires, entry)
		if (wire->transfer != NULL && transfer_is_idle(wire->transfer))
			return wire;
	return NULL;
}

static struct wire *find_room(const struct pool *pool)
{
	struct wire *wire;

	TAILQ_FOREACH (wire, &pool->wires, entry)
		if (wire->transfer != NULL && transfer_has_room(wire->transfer))
			return wire;
	return NULL;
}

static void close_idle(struct pool *pool)
{
	struct wire *wire, *next;

	TAILQ_FOREACH_SAFE (wire, &pool->wires, entry, next)
		if (wire->transfer != NULL && transfer_is_idle(wire->transfer))
			close_wire(wire, true);
	pool->stale = false;
}

static bool may_open(const struct pool *pool)
{
	if (pool->failing && pool->opening_count > 0)
		return false;
	return pool->opening_count < pool->waiting_count && pool->wire_count < pool->allowed;
}

void pool_turn(struct pool *pool)
{
	static const struct upstream_failure no_memory = {
		.stage = STAGE_CONNECT, .class = REPLY_DROPPED, .reply = "out of memory"};
	struct wire *wire;

	if (pool->stale)
		close_idle(pool);
	while (pool->waiting_count > 0 && (wire = find_idle(pool)) != NULL)
		transfer_wake(wire->transfer);
	while (may_open(pool)) {
		if (open_wire(pool) < 0) {
			if (pool->wire_count == 0)
				tell_failure(pool, &no_memory);
			break;
		}
	}
	while (pool->waiting_count > pool->opening_count && (wire = find_room(pool)) != NULL)
		transfer_wake(wire->transfer);
}

void pool_push(struct pool *pool, struct task *task)
{
	pool->allowed = task->job->connections_allowed > 0 ? task->job->connections_allowed : 1;
	pool->task_count++;
	pool->waiting_count++;
	TAILQ_INSERT_TAIL(&pool->waiting, task, entry);
}

bool pool_is_empty(const struct pool *pool)
{
	return pool->task_count == 0 && pool->wire_count == 0 &&
	       loop_now_ms(pool->ground.loop) >= pool->clear_until_ms;
}

bool pool_is_quiet(const struct pool *pool)
{
	return pool->task_count == 0;
}

uint32_t pool_key(const struct pool *pool)
{
	return pool->key;
}

void pool_drain(struct pool *pool)
{
	give_back_waiting(pool, "the relay stops");
	close_idle(pool);
}

void pool_cut(struct pool *pool)
{
	struct wire *wire, *next;

	TAILQ_FOREACH_SAFE (wire, &pool->wires, entry, next) {
		if (wire->transfer != NULL)
			transfer_cut(wire->transfer); /* calls wire_broken */
		else
			close_wire(wire, false);
	}
	give_back_waiting(pool, "the relay stops");
}

struct pool *pool_open(const struct pool_ground *ground, const struct job *job)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (pool == NULL)
		return NULL;
	pool->ground = *ground;
	pool->key = job->host_key;
	pool->config = config_share(job->config);
	pool->upstream = job->upstream;
	pool->host = job->host;
	pool->allowed = 1;
	TAILQ_INIT(&pool->wires);
	TAILQ_INIT(&pool->waiting);
	return pool;
}

void pool_close(struct pool **pool)
{
	if (pool == NULL || *pool == NULL)
		return;
	config_close(&(*pool)->config);
	free(*pool);
	*pool = NULL;
}
