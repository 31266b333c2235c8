#include "admin/depth.h"
#include "admin/routes.h"
#include "admin/service.h"
#include "core/metrics.h"

static void write_rates(struct json *json, struct service *service)
{
	const struct rates_sample now = {
		.mono_ms = clock_mono_ms(service->clock),
		.received = metric_value(METRIC_MESSAGES_RECEIVED),
		.delivered = metric_value(METRIC_DELIVERED),
	};
	struct rates_report report = rates_report(&service->rates, &now);

	json_open_object(json, "rates");
	json_write_real(json, "window_seconds", report.window_seconds);
	json_write_real(json, "received_per_second", report.received_per_second);
	json_write_real(json, "delivered_per_second", report.delivered_per_second);
	json_close(json);
}

static void write_scanners(struct json *json, const struct snapshot *snapshot)
{
	json_open_object(json, "scanners");
	json_write_number(json, "scanning", snapshot->scanning);
	json_write_number(json, "clean", metric_value(METRIC_SCANNED_CLEAN));
	json_write_number(json, "virus", metric_value(METRIC_SCANNED_VIRUS));
	json_write_number(json, "failed", metric_value(METRIC_SCAN_FAILED));
	json_close(json);
}

static void write_store(struct json *json, struct service *service)
{
	struct store_fill fill;

	json_open_object(json, "store");
	if (ask_fill(service->ask, &fill) == 0) {
		json_write_number(json, "used_bytes", fill.used_bytes);
		json_write_number(json, "max_bytes", fill.max_bytes);
		json_write_number(json, "disk_free_bytes", fill.disk_free_bytes);
		json_write_real(json, "fill", fill.map_permille / 1000.0);
		json_write_real(json, "disk_fill", fill.disk_permille / 1000.0);
	}
	json_write_bool(json, "full", writer_is_full(service->writer));
	json_close(json);
}

static void write_totals(struct json *json)
{
	json_open_object(json, "totals");
	json_write_number(json, "received", metric_value(METRIC_MESSAGES_RECEIVED));
	json_write_number(json, "delivered", metric_value(METRIC_DELIVERED));
	json_write_number(json, "deferred", metric_value(METRIC_DEFERRED));
	json_write_number(json, "bounced", metric_value(METRIC_BOUNCED));
	json_write_number(json, "upstream_busy", metric_value(METRIC_UPSTREAM_BUSY));
	json_close(json);
}

static void write_lockouts(struct json *json, struct service *service)
{
	struct lockout_list list;

	if (ask_lockouts(service->ask, &list) == 0)
		json_write_number(json, "locked_out", list.total);
	lockout_list_fini(&list);
}

void route_status(struct service *service, const struct request *request, struct answer *answer)
{
	struct snapshot snapshot;
	struct depth depth;
	struct json json;
	int64_t up_ms = clock_mono_ms(service->clock) - service->started_mono_ms;
	int rc;

	(void)request;
	ask_snapshot(service->ask, NULL, 0, &snapshot);
	rc = depth_read(service, &snapshot, &depth);
	if (rc < 0) {
		answer_store_error(answer, rc);
		snapshot_fini(&snapshot);
		return;
	}
	answer_begin_json(answer, 200, &json);
	json_open_object(&json, NULL);
	json_write_text(&json, "version", SLUICE_VERSION);
	json_write_text(&json, "hostname", service->config->hostname);
	json_write_time(&json, "started", service->started_unix_ms);
	json_write_number(&json, "uptime_seconds", (uint64_t)up_ms / 1000);
	json_write_number(&json, "depth", depth.messages);
	depth_write_held(&json, &depth);
	json_write_number(&json, "connections", metric_value(METRIC_CONNECTIONS));
	json_write_number(&json, "connections_waiting", metric_value(METRIC_CONNECTIONS_WAITING));
	write_lockouts(&json, service);
	write_rates(&json, service);
	write_totals(&json);
	json_write_bool(&json, "scheduler_answers", snapshot.known);
	hosts_write(&json, "hosts", &snapshot);
	write_scanners(&json, &snapshot);
	write_store(&json, service);
	json_close(&json);
	answer_end_json(answer, &json);
	snapshot_fini(&snapshot);
}
