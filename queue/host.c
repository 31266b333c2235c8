#include "queue/host.h"

#include <stddef.h>

#include "core/log.h"
#include "queue/backoff.h"

/* Each allowed move with its reason; NULL: not allowed. */
static const char *const moves[HOST_STATE_COUNT][HOST_STATE_COUNT] = {
	[HOST_SLOW] =
		{
			[HOST_OPEN] = "as many connections as configured are allowed again",
			[HOST_RESTING] = "busy, away, or three messages refused in a row",
		},
	[HOST_OPEN] =
		{
			[HOST_SLOW] = "a reload allows more connections than before, or it takes "
				      "fewer than configured",
			[HOST_RESTING] = "busy, away, or three messages refused in a row",
		},
	[HOST_RESTING] =
		{
			[HOST_PROBING] = "its rest is over and one message tries it",
		},
	[HOST_PROBING] =
		{
			[HOST_SLOW] = "the probe got through",
			[HOST_RESTING] = "the probe failed, or came back without having tried",
		},
};

/* Slow start and open are one epoch: a host that fails on the way up fails for all that is under way. */
static bool begins_epoch(enum host_state from, enum host_state to)
{
	return !(from == HOST_SLOW && to == HOST_OPEN) && !(from == HOST_OPEN && to == HOST_SLOW);
}

static void move(struct host *host, enum host_state to)
{
	if (moves[host->state][to] == NULL)
		log_panic("host: no way from %s to %s", host_state_name(host->state),
			host_state_name(to));
	if (begins_epoch(host->state, to))
		host->epoch++;
	host->state = to;
}

static unsigned at_most(unsigned value, unsigned limit)
{
	return value < limit ? value : limit;
}

void host_init(struct host *host, unsigned max_connections)
{
	*host = (struct host){
		.state = HOST_SLOW,
		.max_connections = max_connections,
		.connections = at_most(HOST_FIRST_CONNECTIONS, max_connections),
		.epoch = 1,
	};
	if (host->connections == max_connections)
		move(host, HOST_OPEN);
}

void host_set_limit(struct host *host, unsigned max_connections)
{
	host->max_connections = max_connections;
	host->connections = at_most(host->connections, max_connections);
	if (host->state == HOST_OPEN && host->connections < max_connections)
		move(host, HOST_SLOW);
	else if (host->state == HOST_SLOW && host->connections == max_connections)
		move(host, HOST_OPEN);
}

enum host_offer host_offer(const struct host *host, int64_t now_mono_ms)
{
	if (host->paused)
		return HOST_TAKES_NOTHING;
	switch (host->state) {
	case HOST_SLOW:
	case HOST_OPEN:
		return host->jobs < host->connections * HOST_JOBS_PER_CONNECTION
			       ? HOST_TAKES_JOB
			       : HOST_TAKES_NOTHING;
	case HOST_RESTING:
		return now_mono_ms >= host->rest_until_mono_ms ? HOST_TAKES_PROBE
							       : HOST_TAKES_NOTHING;
	case HOST_PROBING:
		break;
	}
	return HOST_TAKES_NOTHING;
}

void host_take(struct host *host)
{
	host->jobs++;
	if (host->state == HOST_RESTING)
		move(host, HOST_PROBING);
}

enum host_news host_news_of(const struct reply_effect *effect)
{
	switch (effect->host) {
	case HOST_REST:
		return HOST_NEWS_BUSY;
	case HOST_COUNT:
		return HOST_NEWS_REFUSED;
	case HOST_SUCCESS:
		return HOST_NEWS_SUCCESS;
	case HOST_UNCHANGED:
		break;
	}
	if (effect->message == MESSAGE_FREE)
		return HOST_NEWS_RECONNECT;
	if (effect->message == MESSAGE_UNKNOWN)
		return HOST_NEWS_LOST;
	return HOST_NEWS_ANSWERED;
}

static enum host_change go_to_rest(struct host *host, const struct host_return *back)
{
	if (host->state != HOST_PROBING)
		host->resting_since_mono_ms = back->now_mono_ms;
	host->failed_by = back->id;
	host->connections /= 2;
	if (host->connections < HOST_FIRST_CONNECTIONS)
		host->connections = at_most(HOST_FIRST_CONNECTIONS, host->max_connections);
	host->rests++;
	host->reconnects = 0;
	host->ceiling = 0;
	host->rest_until_mono_ms =
		back->now_mono_ms +
		backoff_host_ms(back->busy_first_ms, back->busy_max_ms, host->rests, back->random);
	move(host, HOST_RESTING);
	return HOST_WENT_TO_REST;
}

/* The probe said nothing of the host: another may go at once. */
static enum host_change probe_again(struct host *host, const struct host_return *back)
{
	host->rest_until_mono_ms = back->now_mono_ms;
	move(host, HOST_RESTING);
	return HOST_STAYS;
}

static void grow(struct host *host, int64_t now_mono_ms)
{
	if (host->state != HOST_SLOW)
		return;
	if (host->ceiling != 0 && now_mono_ms < host->ceiling_until_mono_ms)
		return;
	host->ceiling = 0;
	if (host->connections < host->max_connections)
		host->connections++;
	if (host->connections == host->max_connections)
		move(host, HOST_OPEN);
}

/* Something got through. */
static enum host_change go_on(struct host *host, bool success, int64_t now_mono_ms)
{
	enum host_change change = HOST_STAYS;

	host->reconnects = 0;
	if (host->state == HOST_PROBING) {
		move(host, HOST_SLOW);
		host->rests = 0;
		host->failed_by = 0;
		change = HOST_CAME_BACK;
	}
	if (success) {
		host->rests = 0;
		host->refusals = 0;
		grow(host, now_mono_ms);
	}
	return change;
}

/* Those that deliver go on; a host that has been left nothing is busy. */
static enum host_change stop_below(struct host *host, const struct host_return *back)
{
	bool known = host->ceiling == back->delivering;

	if (host->state == HOST_PROBING || back->delivering == 0)
		return go_to_rest(host, back);
	host->ceiling = back->delivering;
	host->ceiling_until_mono_ms = back->now_mono_ms + HOST_CEILING_MS;
	if (host->connections > host->ceiling)
		host->connections = host->ceiling;
	if (host->state == HOST_OPEN && host->connections < host->max_connections)
		move(host, HOST_SLOW);
	return known ? HOST_STAYS : HOST_FOUND_CEILING;
}

/* Three different messages in a row; a host that rested for it rests again when its probe is refused too. */
static bool is_refused_too_often(struct host *host, uint64_t id)
{
	for (unsigned i = 0; i < host->refusals; i++)
		if (host->refused[i] == id)
			return host->refusals == HOST_REFUSALS;
	if (host->refusals < HOST_REFUSALS)
		host->refused[host->refusals++] = id;
	return host->refusals == HOST_REFUSALS;
}

enum host_change host_returned(struct host *host, const struct host_return *back)
{
	host->jobs--;
	if (back->epoch != host->epoch)
		return HOST_STAYS;
	switch (back->news) {
	case HOST_NEWS_SUCCESS:
		return go_on(host, true, back->now_mono_ms);
	case HOST_NEWS_ANSWERED:
		return go_on(host, false, back->now_mono_ms);
	case HOST_NEWS_REFUSED:
		return is_refused_too_often(host, back->id) ? go_to_rest(host, back)
							    : go_on(host, false, back->now_mono_ms);
	case HOST_NEWS_BUSY:
		return go_to_rest(host, back);
	case HOST_NEWS_FULL:
		return stop_below(host, back);
	case HOST_NEWS_LOST:
		return host->state == HOST_PROBING ? go_to_rest(host, back) : HOST_STAYS;
	case HOST_NEWS_RECONNECT:
		if (++host->reconnects > HOST_RECONNECTS + host->max_connections)
			return go_to_rest(host, back);
		break;
	case HOST_NEWS_UNTRIED:
		break;
	}
	return host->state == HOST_PROBING ? probe_again(host, back) : HOST_STAYS;
}

const char *host_state_name(enum host_state state)
{
	static const char *const names[HOST_STATE_COUNT] = {
		[HOST_SLOW] = "slow start",
		[HOST_OPEN] = "open",
		[HOST_RESTING] = "resting",
		[HOST_PROBING] = "probing",
	};

	return names[state];
}
