#include "admin/depth.h"

#include "admin/message_json.h"
#include "core/metrics.h"

static uint64_t take(uint64_t *from, uint64_t wanted)
{
	uint64_t taken = wanted < *from ? wanted : *from;

	*from -= taken;
	return taken;
}

/* A message of which other recipients still wait has a row of its kind too: never more are held than the state says. */
static int read_held(struct service *service, uint64_t all, uint64_t held[HOLD_KIND_COUNT])
{
	for (size_t kind = HOLD_ORDINARY + 1; kind < HOLD_KIND_COUNT; kind++) {
		struct store_upstream_counts counts;
		int rc = store_view_upstream_counts(
			service->view, (uint16_t)(UPSTREAM_KINDS + kind), &counts);

		if (rc < 0)
			return rc;
		held[kind] = take(&all, counts.messages);
	}
	held[HOLD_ORDINARY] = all;
	return 0;
}

int depth_read(struct service *service, const struct snapshot *snapshot, struct depth *out)
{
	struct store_counts counts;
	uint64_t oldest_unix_ms = store_view_oldest(service->view);
	uint64_t now_unix_ms = clock_unix_ms(service->clock);
	uint64_t waiting, deferred, delivering;
	int rc = store_view_counts(service->view, &counts);

	if (rc < 0)
		return rc;
	waiting = counts.messages_in[RECIPIENT_WAITING];
	deferred = counts.messages_in[RECIPIENT_DEFERRED];
	delivering = take(&waiting, snapshot->delivering);
	delivering += take(&deferred, snapshot->delivering - delivering);
	*out = (struct depth){
		.messages = counts.messages,
		.bytes = counts.bytes,
		.recipients = counts.recipients,
		/* the order of message_states */
		.states = {metric_value(METRIC_RECEIVING), counts.messages_in[RECIPIENT_SCANNING],
			delivering, waiting, deferred, counts.messages_in[RECIPIENT_HELD],
			counts.messages_in[RECIPIENT_QUARANTINED]},
	};
	if (oldest_unix_ms > 0 && now_unix_ms > oldest_unix_ms)
		out->oldest_seconds = (now_unix_ms - oldest_unix_ms) / 1000;
	return read_held(service, counts.messages_in[RECIPIENT_HELD], out->held);
}

void depth_write_held(struct json *json, const struct depth *depth)
{
	json_open_object(json, "held");
	for (size_t kind = 0; kind < HOLD_KIND_COUNT; kind++)
		json_write_number(json, hold_kind_name((enum hold_kind)kind), depth->held[kind]);
	json_close(json);
}

void depth_write(struct json *json, const struct depth *depth)
{
	json_write_number(json, "messages", depth->messages);
	json_write_number(json, "bytes", depth->bytes);
	json_write_number(json, "recipients", depth->recipients);
	json_write_number(json, "oldest_seconds", depth->oldest_seconds);
	json_open_object(json, "states");
	for (size_t i = 0; i < DEPTH_STATES; i++)
		json_write_number(json, message_states[i], depth->states[i]);
	json_close(json);
	depth_write_held(json, depth);
}
