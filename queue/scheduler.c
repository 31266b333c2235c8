#include "queue/scheduler_parts.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/log.h"
#include "queue/backoff.h"

#define LONGEST_WAIT_MS 60000

void scheduler_want(struct scheduler *scheduler, int64_t mono_ms)
{
	if (mono_ms < scheduler->next_mono_ms)
		scheduler->next_mono_ms = mono_ms;
}

bool scheduler_is_draining(const struct scheduler *scheduler)
{
	/* pairs with the release in scheduler_drain */
	return atomic_load_explicit(&scheduler->draining, memory_order_acquire);
}

uint64_t scheduler_random(struct scheduler *scheduler)
{
	return backoff_random(&scheduler->random);
}

static void read_clock(struct scheduler *scheduler)
{
	const struct clock *clock = scheduler->options.clock;

	scheduler->now_mono_ms = clock_mono_ms(clock);
	scheduler->now_boot_ms = clock_boot_ms(clock);
	scheduler->now_unix_ms = clock_unix_ms(clock);
}

/* ---- one turn ---- */

static bool read_letters(struct scheduler *scheduler)
{
	struct letter *letter;
	bool any = false;

	while ((letter = mailbox_pop(scheduler->options.inbox)) != NULL) {
		letter->read(letter, scheduler);
		any = true;
	}
	return any;
}

static void hand_out(struct scheduler *scheduler)
{
	sweep_step(scheduler);
	holds_step(scheduler);
	suspend_step(scheduler);
	scans_hand_out(scheduler);
	jobs_hand_out(scheduler);
	hosts_want(scheduler);
}

/* `woken`: something came or was committed; else only time has passed, and the store holds nothing new. */
static int64_t turn(struct scheduler *scheduler, bool woken)
{
	int64_t wait_ms;

	read_clock(scheduler);
	scheduler->next_mono_ms = scheduler->now_mono_ms + LONGEST_WAIT_MS;
	scheduler_want(scheduler,
		scheduler->now_mono_ms + expiry_observe(&scheduler->expiry, scheduler->now_boot_ms,
						 scheduler->now_unix_ms));
	if (read_letters(scheduler) || woken)
		scheduler->wakes++;
	outcome_retry(scheduler);
	if (!scheduler_is_draining(scheduler))
		hand_out(scheduler);
	wait_ms = scheduler->next_mono_ms - scheduler->now_mono_ms;
	return wait_ms > 0 ? wait_ms : 0;
}

int64_t scheduler_step(struct scheduler *scheduler)
{
	return turn(scheduler, true);
}

/* ---- its thread ---- */

static bool is_over(struct scheduler *scheduler)
{
	/* pairs with the release in scheduler_stop */
	int64_t stop_mono_ms = atomic_load_explicit(&scheduler->stop_mono_ms, memory_order_acquire);

	if (stop_mono_ms == INT64_MAX)
		return false;
	return RB_EMPTY(&scheduler->claims) ||
	       clock_mono_ms(scheduler->options.clock) >= stop_mono_ms;
}

/* Sleeps for `wait_ms` at most. True: it was woken. */
static bool sleep_in(struct mailbox *inbox, int64_t wait_ms)
{
	struct pollfd fd = {.fd = mailbox_fd(inbox), .events = POLLIN};
	bool woken;

	if (!mailbox_rest(inbox))
		return true;
	woken = poll(&fd, 1, (int)wait_ms) > 0;
	mailbox_wake(inbox);
	return woken;
}

static int64_t wait_of(const struct scheduler *scheduler, int64_t wait_ms)
{
	int64_t stop_mono_ms = atomic_load_explicit(&scheduler->stop_mono_ms, memory_order_acquire);
	int64_t left_ms;

	if (stop_mono_ms == INT64_MAX)
		return wait_ms;
	left_ms = stop_mono_ms - clock_mono_ms(scheduler->options.clock);
	left_ms = left_ms > 0 ? left_ms : 0;
	return left_ms < wait_ms ? left_ms : wait_ms;
}

static void *run(void *argument)
{
	struct scheduler *scheduler = argument;
	bool woken = true;

	for (;;) {
		int64_t wait_ms = turn(scheduler, woken);

		if (is_over(scheduler)) /* asked behind the turn: it may have ended the last claim */
			return NULL;
		woken = sleep_in(scheduler->options.inbox, wait_of(scheduler, wait_ms));
	}
}

int scheduler_start(struct scheduler *scheduler, struct reason *reason)
{
	int rc = pthread_create(&scheduler->thread, NULL, run, scheduler);

	if (rc != 0)
		return reason_set(reason, "cannot start the scheduler's thread: %s", strerror(rc));
	pthread_setname_np(scheduler->thread, "scheduler");
	scheduler->started = true;
	return 0;
}

void scheduler_drain(struct scheduler *scheduler)
{
	atomic_store_explicit(&scheduler->draining, true, memory_order_release);
	mailbox_nudge(scheduler->options.inbox);
}

void scheduler_stop(struct scheduler *scheduler, int64_t deadline_ms)
{
	scheduler_drain(scheduler);
	atomic_store_explicit(&scheduler->stop_mono_ms,
		clock_mono_ms(scheduler->options.clock) + deadline_ms, memory_order_release);
	mailbox_nudge(scheduler->options.inbox);
	if (scheduler->started)
		pthread_join(scheduler->thread, NULL);
	scheduler->started = false;
}

/* ---- open and close ---- */

static void init(struct scheduler *scheduler, const struct scheduler_options *options)
{
	scheduler->options = *options;
	RB_INIT(&scheduler->claims);
	LIST_INIT(&scheduler->upstreams);
	TAILQ_INIT(&scheduler->stuck);
	TAILQ_INIT(&scheduler->errands);
	TAILQ_INIT(&scheduler->suspend.visits);
	TAILQ_INIT(&scheduler->suspend.errands);
	atomic_init(&scheduler->draining, false);
	atomic_init(&scheduler->stop_mono_ms, INT64_MAX);
	read_clock(scheduler);
	if (getrandom(&scheduler->random, sizeof(scheduler->random), GRND_NONBLOCK) < 0)
		scheduler->random = scheduler->now_unix_ms;
	source_init(&scheduler->scans, UPSTREAM_SCAN);
	sweep_init(scheduler);
	expiry_init(&scheduler->expiry, options->config->queue_lifetime_ms);
}

int scheduler_open(
	struct scheduler **out, const struct scheduler_options *options, struct reason *reason)
{
	struct scheduler *scheduler = calloc(1, sizeof(*scheduler));

	if (scheduler == NULL)
		return reason_set(reason, "out of memory for the scheduler");
	init(scheduler, options);
	if (store_view_open(options->store, &scheduler->view) < 0 ||
		hosts_configure(scheduler, options->config) < 0) {
		scheduler_close(&scheduler);
		return reason_set(reason, "out of memory for the scheduler");
	}
	scheduler->config = config_share(options->config);
	suspend_open(scheduler);
	*out = scheduler;
	return 0;
}

void scheduler_configure(struct scheduler *scheduler, struct config *config)
{
	struct config *before = scheduler->config;

	if (hosts_configure(scheduler, config) < 0)
		log_event(LOG_ERROR, "reload_incomplete",
			"alarm=yes why=\"out of memory for upstream hosts\"");
	expiry_set_lifetime(&scheduler->expiry, config->queue_lifetime_ms);
	scheduler->config = config_share(config);
	config_close(&before);
}

static void free_claim(struct claim *claim)
{
	switch (claim->kind) {
	case CLAIM_JOB:
		jobs_free((struct delivery_claim *)claim);
		break;
	case CLAIM_SCAN:
		scans_free((struct scan_claim *)claim);
		break;
	case CLAIM_CHANGE:
		free(claim);
		break;
	}
}

void scheduler_close(struct scheduler **out)
{
	struct scheduler *scheduler = out != NULL ? *out : NULL;
	struct claim *claim;

	if (scheduler == NULL)
		return;
	while ((claim = RB_ROOT(&scheduler->claims)) != NULL) {
		claims_del(scheduler, claim);
		free_claim(claim);
	}
	holds_close(scheduler);
	suspend_close(scheduler);
	hosts_close(scheduler);
	source_fini(&scheduler->scans);
	sweep_fini(scheduler);
	store_view_close(&scheduler->view);
	config_close(&scheduler->config);
	free(scheduler);
	*out = NULL;
}

/* ---- what others ask on its thread ---- */

bool scheduler_is_claimed(const struct scheduler *scheduler, uint64_t id)
{
	return claims_works(scheduler, id);
}

size_t scheduler_delivering(const struct scheduler *scheduler)
{
	return scheduler->jobs;
}

size_t scheduler_scanning(const struct scheduler *scheduler)
{
	return scheduler->scanning;
}
