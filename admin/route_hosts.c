#include <errno.h>
#include <string.h>

#include "admin/routes.h"
#include "admin/service.h"

void host_write(struct json *json, const char *name, const struct host_report *host)
{
	json_open_object(json, name);
	json_write_text(json, "upstream", host->upstream);
	json_write_text(json, "host", host->host);
	json_write_text(json, "state", host->state);
	json_write_bool(json, "paused", host->paused);
	json_write_number(json, "in_flight", host->in_flight);
	json_write_number(json, "connections_allowed", host->connections_allowed);
	json_write_number(json, "max_connections", host->max_connections);
	json_write_number(json, "delivered", host->delivered);
	json_write_number(json, "busy_times", host->busy_times);
	json_write_time(json, "next_attempt", host->next_attempt_unix_ms);
	json_write_time(json, "resting_since", host->resting_since_unix_ms);
	json_write_text(json, "last_reply", host->last_reply[0] != '\0' ? host->last_reply : NULL);
	json_close(json);
}

void hosts_write(struct json *json, const char *name, const struct snapshot *snapshot)
{
	json_open_list(json, name);
	for (size_t i = 0; i < snapshot->host_count; i++)
		host_write(json, NULL, &snapshot->hosts[i]);
	json_close(json);
}

static void answer_ask_error(struct answer *answer, int error)
{
	answer_error(answer, 503,
		"The scheduler did not answer (%s). Ask again in a moment; if it stays "
		"so, see the relay's log.",
		strerror(-error));
}

void route_hosts(struct service *service, const struct request *request, struct answer *answer)
{
	struct snapshot snapshot;
	struct json json;
	int rc = ask_snapshot(service->ask, NULL, 0, &snapshot);

	(void)request;
	if (rc < 0) {
		answer_ask_error(answer, rc);
		return;
	}
	answer_begin_json(answer, 200, &json);
	json_open_object(&json, NULL);
	hosts_write(&json, "hosts", &snapshot);
	json_close(&json);
	answer_end_json(answer, &json);
	snapshot_fini(&snapshot);
}

/* The host as it stands after the act. A host may belong to several upstreams; each is shown. */
static void answer_host(struct service *service, const char *name, struct answer *answer)
{
	struct snapshot snapshot;
	struct json json;
	int rc = ask_snapshot(service->ask, NULL, 0, &snapshot);

	if (rc < 0) {
		answer_ask_error(answer, rc);
		return;
	}
	answer_begin_json(answer, 200, &json);
	json_open_object(&json, NULL);
	json_open_list(&json, "hosts");
	for (size_t i = 0; i < snapshot.host_count; i++) {
		if (strcmp(snapshot.hosts[i].host, name) == 0)
			host_write(&json, NULL, &snapshot.hosts[i]);
	}
	json_close(&json);
	json_close(&json);
	answer_end_json(answer, &json);
	snapshot_fini(&snapshot);
}

static void set_paused(
	struct service *service, const struct request *request, struct answer *answer, bool paused)
{
	const char *name = request->segments[0];
	int rc = ask_pause(service->ask, name, paused);

	if (rc == -ENOENT)
		answer_error(answer, 404,
			"There is no upstream host \"%s\"; GET /v1/hosts lists those that there "
			"are, as "
			"HOST:PORT.",
			name);
	else if (rc < 0)
		answer_ask_error(answer, rc);
	else
		answer_host(service, name, answer);
}

void route_pause(struct service *service, const struct request *request, struct answer *answer)
{
	set_paused(service, request, answer, true);
}

void route_resume(struct service *service, const struct request *request, struct answer *answer)
{
	set_paused(service, request, answer, false);
}
