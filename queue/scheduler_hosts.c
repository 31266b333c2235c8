#include "queue/scheduler_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/metrics.h"

#define NOT_CONFIGURED "not configured"

/* ---- configured and reloaded ---- */

static bool is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Whether connections made by the one may be used for the other. */
static bool connects_alike(const struct config_upstream *a, const struct config_upstream *b)
{
	return a->tls == b->tls && is_same_text(a->user, b->user) &&
	       is_same_text(a->password, b->password) && a->auth_in_clear == b->auth_in_clear &&
	       is_same_text(a->ca_file, b->ca_file);
}

static void free_place(struct place *place)
{
	TAILQ_REMOVE(&place->upstream->places, place, entry);
	free(place->name);
	free(place);
}

static struct place *find_place(const struct upstream *upstream, const char *name)
{
	struct place *place;

	TAILQ_FOREACH (place, &upstream->places, entry)
		if (strcmp(place->name, name) == 0)
			return place;
	return NULL;
}

static struct place *add_place(
	struct scheduler *scheduler, struct upstream *upstream, const char *name, unsigned limit)
{
	struct place *place = calloc(1, sizeof(*place));

	if (place == NULL)
		return NULL;
	place->name = strdup(name);
	if (place->name == NULL) {
		free(place);
		return NULL;
	}
	place->upstream = upstream;
	place->key = ++scheduler->next_key;
	host_init(&place->host, limit);
	TAILQ_INSERT_TAIL(&upstream->places, place, entry);
	return place;
}

static struct upstream *add_upstream(struct scheduler *scheduler, uint16_t number, const char *name)
{
	struct upstream *upstream = calloc(1, sizeof(*upstream));

	if (upstream == NULL)
		return NULL;
	upstream->name = strdup(name);
	if (upstream->name == NULL) {
		free(upstream);
		return NULL;
	}
	source_init(&upstream->source, number);
	TAILQ_INIT(&upstream->places);
	upstream->contact_boot_ms = INT64_MIN;
	LIST_INSERT_HEAD(&scheduler->upstreams, upstream, entry);
	return upstream;
}

struct upstream *hosts_find(const struct scheduler *scheduler, uint16_t number)
{
	struct upstream *upstream;

	LIST_FOREACH (upstream, &scheduler->upstreams, entry)
		if (upstream->source.number == number)
			return upstream;
	return NULL;
}

struct upstream *hosts_find_stray(struct scheduler *scheduler, uint16_t number)
{
	struct upstream *upstream = hosts_find(scheduler, number);
	const char *name = store_upstream_name(scheduler->options.store, number);

	if (upstream != NULL)
		return upstream;
	return add_upstream(scheduler, number, name != NULL ? name : "?");
}

/* Hosts that stay keep their state; `old` is the upstream's configuration until now, or NULL. */
static int configure_hosts(struct scheduler *scheduler, struct upstream *upstream,
	const struct config_upstream *old, const struct config_upstream *new)
{
	for (size_t i = 0; i < new->host_count; i++) {
		const struct config_host *host = &new->hosts[i];
		struct place *place = find_place(upstream, host->name);

		if (place == NULL) {
			place = add_place(scheduler, upstream, host->name, new->max_connections);
			if (place == NULL)
				return -ENOMEM;
		} else {
			TAILQ_REMOVE(&upstream->places, place, entry);
			TAILQ_INSERT_TAIL(&upstream->places, place, entry);
			if (old != NULL && !connects_alike(old, new))
				place->key = ++scheduler->next_key;
			host_set_limit(&place->host, new->max_connections);
		}
		place->config = host;
	}
	return 0;
}

static void forget_configuration(struct scheduler *scheduler)
{
	struct upstream *upstream;
	struct place *place;

	LIST_FOREACH (upstream, &scheduler->upstreams, entry) {
		upstream->config = NULL;
		TAILQ_FOREACH (place, &upstream->places, entry)
			place->config = NULL;
	}
}

/* Places that are gone are kept until the last of their jobs is back. */
static void drop_unused_places(struct upstream *upstream)
{
	struct place *place, *next;

	for (place = TAILQ_FIRST(&upstream->places); place != NULL; place = next) {
		next = TAILQ_NEXT(place, entry);
		if (place->config == NULL && place->host.jobs == 0)
			free_place(place);
	}
}

static uint64_t count_messages(const struct scheduler *scheduler, uint16_t number)
{
	struct store_upstream_counts counts;

	if (store_view_upstream_counts(scheduler->view, number, &counts) < 0)
		return 0;
	return counts.messages;
}

/* Their units wait until they are configured again or their lifetime ends; said once a configuration. */
static void warn_of_strays(struct scheduler *scheduler)
{
	for (uint16_t number = UPSTREAM_FIRST; number < UPSTREAM_MAX; number++) {
		const char *name = store_upstream_name(scheduler->options.store, number);
		const struct upstream *upstream = hosts_find(scheduler, number);
		uint64_t messages;

		if (name == NULL || (upstream != NULL && upstream->config != NULL))
			continue;
		messages = count_messages(scheduler, number);
		if (messages > 0)
			log_event(LOG_WARNING, "upstream_not_configured",
				"upstream=%s messages=%lu hint=\"they wait until it is configured "
				"again, or bounce at the end of their lifetime\"",
				name, (unsigned long)messages);
	}
}

int hosts_configure(struct scheduler *scheduler, struct config *config)
{
	const struct config *before = scheduler->config;
	int rc = 0;

	forget_configuration(scheduler);
	scheduler->upstream_count = config->upstream_count;
	for (size_t i = 0; rc == 0 && i < config->upstream_count; i++) {
		const struct config_upstream *new = &config->upstreams[i], *old = NULL;
		struct upstream *upstream = hosts_find(scheduler, new->number);

		if (upstream == NULL)
			upstream = add_upstream(scheduler, new->number, new->name);
		if (upstream == NULL)
			return -ENOMEM;
		for (size_t j = 0; before != NULL && j < before->upstream_count; j++)
			if (before->upstreams[j].number == new->number)
				old = &before->upstreams[j];
		upstream->config = new;
		rc = configure_hosts(scheduler, upstream, old, new);
		drop_unused_places(upstream);
	}
	warn_of_strays(scheduler);
	return rc;
}

static void free_upstream(struct upstream *upstream)
{
	struct place *place, *next;

	for (place = TAILQ_FIRST(&upstream->places); place != NULL; place = next) {
		next = TAILQ_NEXT(place, entry);
		free_place(place);
	}
	source_fini(&upstream->source);
	free(upstream->name);
	free(upstream);
}

void hosts_close(struct scheduler *scheduler)
{
	struct upstream *upstream, *next;

	for (upstream = LIST_FIRST(&scheduler->upstreams); upstream != NULL; upstream = next) {
		next = LIST_NEXT(upstream, entry);
		free_upstream(upstream);
	}
}

/* ---- who takes the next ---- */

static unsigned room_of(const struct place *place)
{
	return place->host.connections * HOST_JOBS_PER_CONNECTION - place->host.jobs;
}

/* A host whose rest is over is tried first, with one; else the one with the most room, the first named among equals. */
struct place *hosts_choose(
	const struct scheduler *scheduler, const struct upstream *upstream, bool *probe)
{
	struct place *place, *best = NULL;

	*probe = false;
	TAILQ_FOREACH (place, &upstream->places, entry) {
		enum host_offer offer = HOST_TAKES_NOTHING;

		if (place->config != NULL)
			offer = host_offer(&place->host, scheduler->now_mono_ms);
		if (offer == HOST_TAKES_PROBE) {
			*probe = true;
			return place;
		}
		if (offer == HOST_TAKES_JOB && (best == NULL || room_of(place) > room_of(best)))
			best = place;
	}
	return best;
}

void hosts_want(struct scheduler *scheduler)
{
	const struct upstream *upstream;
	const struct place *place;

	LIST_FOREACH (upstream, &scheduler->upstreams, entry) {
		source_want(scheduler, &upstream->source);
		TAILQ_FOREACH (place, &upstream->places, entry)
			if (place->host.state == HOST_RESTING && !place->host.paused &&
				place->host.rest_until_mono_ms > scheduler->now_mono_ms)
				scheduler_want(scheduler, place->host.rest_until_mono_ms);
	}
}

/* ---- what a job tells ---- */

static void log_rest(const struct scheduler *scheduler, const struct place *place,
	const struct job *job, bool alarm)
{
	struct log_quoted reply;

	metric_add(METRIC_UPSTREAM_BUSY, 1);
	log_event(alarm ? LOG_ERROR : LOG_NOTICE, "host_resting",
		"host=%s upstream=%s stage=\"%s\" reply=\"%s\" rest_ms=%ld%s", place->name,
		place->upstream->name, reply_stage_name(job->stage), log_text(&reply, job->reply),
		(long)(place->host.rest_until_mono_ms - scheduler->now_mono_ms),
		alarm ? " alarm=yes" : "");
}

static void log_ceiling(const struct place *place, const struct job *job)
{
	struct log_quoted reply;

	log_event_limited(LOG_NOTICE, "host_full",
		"host=%s upstream=%s connections=%u of=%u reply=\"%s\"", place->name,
		place->upstream->name, place->host.ceiling, place->host.max_connections,
		log_text(&reply, job->reply));
}

static enum host_news read_news(const struct job *job)
{
	if (job->read_error != 0)
		return HOST_NEWS_UNTRIED;
	if (job->delivering > 0 && job->stage <= STAGE_EHLO)
		return HOST_NEWS_FULL;
	return host_news_of(reply_effect(job->stage, job->class));
}

void hosts_returned(struct scheduler *scheduler, struct delivery_claim *claim)
{
	struct place *place = claim->place;
	const struct job *job = &claim->job;
	const struct host_return back = {
		.epoch = job->host_epoch,
		.id = job->id,
		.news = read_news(job),
		.delivering = job->delivering,
		.now_mono_ms = scheduler->now_mono_ms,
		.busy_first_ms = scheduler->config->busy_first_ms,
		.busy_max_ms = scheduler->config->busy_max_ms,
		.random = scheduler_random(scheduler),
	};
	enum host_change change = host_returned(&place->host, &back);

	if (back.news != HOST_NEWS_UNTRIED) {
		claim->upstream->contact_boot_ms = scheduler->now_boot_ms;
		if (job->reply[0] != '\0' && !job->reply_is_ours)
			snprintf(place->last_reply, sizeof(place->last_reply), "%s", job->reply);
	}
	if (back.news == HOST_NEWS_SUCCESS || back.news == HOST_NEWS_ANSWERED)
		claim->upstream->passed++;
	if (back.news == HOST_NEWS_SUCCESS)
		place->delivered++;
	if (change == HOST_WENT_TO_REST) {
		place->busy_times++;
		log_rest(scheduler, place, job, reply_effect(job->stage, job->class)->alarm);
	} else if (change == HOST_FOUND_CEILING) {
		log_ceiling(place, job);
	} else if (change == HOST_CAME_BACK) {
		log_event(LOG_NOTICE, "host_open", "host=%s upstream=%s rested_ms=%ld", place->name,
			place->upstream->name,
			(long)(scheduler->now_mono_ms - place->host.resting_since_mono_ms));
	}
	claim->place = NULL;
	if (place->config == NULL && place->host.jobs == 0)
		free_place(place);
}

/* ---- what operators see and do ---- */

/* A monotonic time as a date. */
static uint64_t date_of(const struct scheduler *scheduler, int64_t mono_ms)
{
	return clock_unix_ms(scheduler->options.clock) +
	       (uint64_t)(mono_ms - clock_mono_ms(scheduler->options.clock));
}

static void report_place(
	const struct scheduler *scheduler, const struct place *place, struct host_report *out)
{
	const struct host *host = &place->host;
	bool rests = host->state == HOST_RESTING || host->state == HOST_PROBING;

	*out = (struct host_report){
		.state = host->paused ? "paused" : host_state_name(host->state),
		.paused = host->paused,
		.in_flight = host->jobs,
		.connections_allowed = host->state == HOST_RESTING   ? 0
				       : host->state == HOST_PROBING ? 1
								     : host->connections,
		.max_connections = host->max_connections,
		.delivered = place->delivered,
		.busy_times = place->busy_times,
	};
	if (host->state == HOST_RESTING)
		out->next_attempt_unix_ms = date_of(scheduler, host->rest_until_mono_ms);
	if (rests)
		out->resting_since_unix_ms = date_of(scheduler, host->resting_since_mono_ms);
	snprintf(out->upstream, sizeof(out->upstream), "%s", place->upstream->name);
	snprintf(out->host, sizeof(out->host), "%s", place->name);
	snprintf(out->last_reply, sizeof(out->last_reply), "%s", place->last_reply);
}

/* Upstreams that nobody configures any more and that messages still wait for; without a host. */
static size_t report_strays(
	const struct scheduler *scheduler, struct host_report *out, size_t max, size_t count)
{
	for (uint16_t number = UPSTREAM_FIRST; number < UPSTREAM_MAX; number++) {
		const char *name = store_upstream_name(scheduler->options.store, number);
		const struct upstream *upstream = hosts_find(scheduler, number);

		if (name == NULL || (upstream != NULL && upstream->config != NULL) ||
			count_messages(scheduler, number) == 0)
			continue;
		if (count < max) {
			out[count] = (struct host_report){.state = NOT_CONFIGURED};
			snprintf(out[count].upstream, sizeof(out[count].upstream), "%s", name);
		}
		count++;
	}
	return count;
}

size_t scheduler_hosts(struct scheduler *scheduler, struct host_report *out, size_t max)
{
	const struct config *config = scheduler->config;
	size_t count = 0;

	for (size_t i = 0; i < config->upstream_count; i++) {
		const struct upstream *upstream =
			hosts_find(scheduler, config->upstreams[i].number);
		const struct place *place;

		TAILQ_FOREACH (place, &upstream->places, entry) {
			if (place->config == NULL)
				continue;
			if (count < max)
				report_place(scheduler, place, &out[count]);
			count++;
		}
	}
	return report_strays(scheduler, out, max, count);
}

int scheduler_pause(struct scheduler *scheduler, const char *name, bool paused)
{
	struct upstream *upstream;
	struct place *place;
	int rc = -ENOENT;

	LIST_FOREACH (upstream, &scheduler->upstreams, entry) {
		place = find_place(upstream, name);
		if (place == NULL || place->config == NULL)
			continue;
		if (place->host.paused != paused)
			log_event(LOG_NOTICE, paused ? "host_paused" : "host_resumed",
				"host=%s upstream=%s", place->name, upstream->name);
		place->host.paused = paused;
		rc = 0;
	}
	return rc;
}
