#include "core/parking.h"

#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "core/log.h"
#include "core/metrics.h"

#define RETRY_MS 5 /* as often as the acceptor looks at its backlog, for the same chance */
#define A_RETRY  64 /* of those that wait */

struct parked {
	struct parking *parking;
	struct accepted *accepted;
	bool admitted;
	int64_t until_mono_ms;
	struct loop_watch gone; /* the client's end */
	STAILQ_ENTRY(parked) entry;
};

struct parking {
	struct loop *loop;
	struct admission *admission;
	parking_give_fn *give;
	parking_ask_fn *ask;
	void *giver;
	STAILQ_HEAD(, parked) parked;
	unsigned count, most;
	struct loop_timer retry;
};

static void retry_later(struct parking *parking)
{
	loop_timer_set(parking->loop, &parking->retry, loop_now_ms(parking->loop) + RETRY_MS);
}

static struct parked *take_first(struct parking *parking)
{
	struct parked *parked = STAILQ_FIRST(&parking->parked);

	if (parked != NULL) {
		STAILQ_REMOVE_HEAD(&parking->parked, entry);
		parking->count--;
		metric_subtract(METRIC_CONNECTIONS_WAITING, 1);
	}
	return parked;
}

static void put_last(struct parked *parked)
{
	STAILQ_INSERT_TAIL(&parked->parking->parked, parked, entry);
	parked->parking->count++;
	metric_add(METRIC_CONNECTIONS_WAITING, 1);
}

static int watch_end(struct parked *parked)
{
	return loop_watch_add(
		parked->parking->loop, &parked->gone, parked->accepted->fd, EPOLLRDHUP);
}

static void unwatch_end(struct parked *parked)
{
	loop_watch_remove(parked->parking->loop, &parked->gone);
}

enum drop_reason { DROP_GONE, DROP_WAITED, DROP_STOPPING };

static void count_dropped(const struct accepted *accepted, enum drop_reason why)
{
	metric_add(METRIC_CONNECTIONS_REFUSED, 1);
	if (accepted->fragile && why != DROP_GONE)
		metric_add(why == DROP_WAITED ? METRIC_FRAGILE_WAITED : METRIC_FRAGILE_STOPPING, 1);
}

/* Without a word, whatever the listener: it has waited, and a late refusal would only be tried again. */
static void drop_parked(struct parked *parked, enum drop_reason why)
{
	struct accepted *accepted = parked->accepted;

	if (parked->admitted)
		admission_leave(parked->parking->admission, &accepted->ticket);
	count_dropped(accepted, why);
	unwatch_end(parked);
	free(parked);
	close(accepted->fd);
	free(accepted);
}

static void parked_is_gone(void *owner, uint32_t events)
{
	struct parked *parked = owner;

	(void)events;
	STAILQ_REMOVE(&parked->parking->parked, parked, parked, entry);
	parked->parking->count--;
	metric_subtract(METRIC_CONNECTIONS_WAITING, 1);
	drop_parked(parked, DROP_GONE);
}

static void log_waited(const struct accepted *accepted)
{
	char host[ADDRESS_TEXT_SIZE];

	log_event_limited(LOG_WARNING, "client_refused",
		"client=%s listener=%u why=\"waited %d s over a limit\"",
		address_format_host(&accepted->peer, host), accepted->listener,
		PARKING_PATIENCE_MS / 1000);
}

/* Its descriptor is the worker's from the push on, so nothing of this thread's may hang on it. */
static bool give_away(struct parked *parked)
{
	struct parking *parking = parked->parking;

	unwatch_end(parked);
	if (!parking->give(parking->giver, parked->accepted))
		return false;
	free(parked);
	return true;
}

/* Room on the listener is no use to one whose own address is over its limit. */
static bool enter(struct parked *parked)
{
	struct parking *parking = parked->parking;
	struct accepted *accepted = parked->accepted;
	enum admission_answer answer = admission_enter(
		parking->admission, accepted->listener, &accepted->peer, &accepted->ticket);

	if (answer == ADMISSION_FULL || answer == ADMISSION_RESERVED)
		parking->ask(parking->giver, accepted->listener);
	return answer == ADMISSION_IN;
}

enum retry_answer { RETRY_DONE, RETRY_LATER };

static enum retry_answer retry_parked(struct parked *parked)
{
	struct parking *parking = parked->parking;
	struct accepted *accepted = parked->accepted;
	bool may_wait = loop_now_ms(parking->loop) < parked->until_mono_ms;

	if (!parked->admitted)
		parked->admitted = enter(parked);
	if (parked->admitted) {
		if (give_away(parked))
			return RETRY_DONE;
		may_wait = may_wait && watch_end(parked) == 0;
	}
	if (may_wait)
		return RETRY_LATER;
	log_waited(accepted);
	drop_parked(parked, DROP_WAITED);
	return RETRY_DONE;
}

/* A few at a time, each that must go on waiting behind the others. */
static void retry_some(void *owner)
{
	struct parking *parking = owner;
	unsigned most = parking->count < A_RETRY ? parking->count : A_RETRY;

	for (unsigned i = 0; i < most; i++) {
		struct parked *parked = take_first(parking);

		if (retry_parked(parked) == RETRY_LATER)
			put_last(parked);
	}
	if (parking->count > 0)
		retry_later(parking);
}

struct parking *parking_open(struct loop *loop, struct admission *admission, unsigned most,
	parking_give_fn *give, parking_ask_fn *ask, void *giver)
{
	struct parking *parking = calloc(1, sizeof(*parking));

	if (parking == NULL)
		return NULL;
	parking->loop = loop;
	parking->admission = admission;
	parking->most = most < PARKING_MAX ? most : PARKING_MAX;
	parking->give = give;
	parking->ask = ask;
	parking->giver = giver;
	parking->retry = (struct loop_timer){.owner = parking, .fire = retry_some};
	STAILQ_INIT(&parking->parked);
	return parking;
}

void parking_close(struct parking **parking)
{
	struct parked *parked;

	if (parking == NULL || *parking == NULL)
		return;
	while ((parked = take_first(*parking)) != NULL)
		drop_parked(parked, DROP_STOPPING);
	loop_timer_clear((*parking)->loop, &(*parking)->retry);
	free(*parking);
	*parking = NULL;
}

bool parking_add(struct parking *parking, struct accepted *accepted)
{
	struct parked *parked = parking->count < parking->most ? calloc(1, sizeof(*parked)) : NULL;

	if (parked == NULL)
		return false;
	*parked = (struct parked){
		.parking = parking,
		.accepted = accepted,
		.until_mono_ms = loop_now_ms(parking->loop) + PARKING_PATIENCE_MS,
		.gone = {.owner = parked, .ready = parked_is_gone},
	};
	if (watch_end(parked) < 0) {
		free(parked);
		return false;
	}
	put_last(parked);
	if (parking->count == 1)
		retry_later(parking);
	return true;
}
