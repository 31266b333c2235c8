/*
 * Prometheus' text format: the counters of core/metrics.h, then what is read for each request: the queue, the store, the
 * hosts, the process. Hosts are configured, so their labels are few.
 */
#include <stdio.h>
#include <string.h>

#include "admin/depth.h"
#include "admin/message_json.h"
#include "admin/process.h"
#include "admin/routes.h"
#include "admin/service.h"
#include "core/log.h"
#include "core/metrics.h"

struct exposition {
	struct bytes *out;
	bool failed;
};

static void describe(struct exposition *to, const char *name, const char *type, const char *help)
{
	if (!bytes_printf(to->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type))
		to->failed = true;
}

static void sample(struct exposition *to, const char *name, const char *labels, double value)
{
	const char *opened = labels[0] ? "{" : "", *closed = labels[0] ? "}" : "";

	if (!bytes_printf(to->out, "%s%s%s%s %.15g\n", name, opened, labels, closed, value))
		to->failed = true;
}

static void gauge(struct exposition *to, const char *name, const char *help, double value)
{
	describe(to, name, "gauge", help);
	sample(to, name, "", value);
}

static void write_counters(struct exposition *to)
{
	const char *last = "";

	for (unsigned i = 0; i < METRIC_COUNT; i++) {
		const struct metric_info *info = metric_info((enum metric)i);

		if (strcmp(info->name, last) != 0)
			describe(to, info->name, info->kind == METRIC_COUNTER ? "counter" : "gauge",
				info->help);
		last = info->name;
		sample(to, info->name, info->label, (double)metric_value((enum metric)i));
	}
}

static void write_quirks(struct exposition *to)
{
	describe(to, "sluice_quirks_total", "counter",
		"What clients got wrong, by number of docs/quirks.md, once a connection or "
		"message.");
	for (unsigned i = 0; i < METRIC_QUIRK_MAX; i++) {
		char label[32];

		if (metric_quirk(i) == 0)
			continue;
		snprintf(label, sizeof(label), "quirk=\"Q-%02u\"", i);
		sample(to, "sluice_quirks_total", label, (double)metric_quirk(i));
	}
}

static void write_queue(struct exposition *to, const struct depth *depth)
{
	describe(to, "sluice_queue_messages", "gauge", "Messages in the queue, by state.");
	for (size_t i = 0; i < DEPTH_STATES; i++) {
		char label[64];

		snprintf(label, sizeof(label), "state=\"%s\"", message_states[i]);
		sample(to, "sluice_queue_messages", label, (double)depth->states[i]);
	}
	describe(to, "sluice_queue_held", "gauge", "Messages that are held, by kind.");
	for (size_t kind = 0; kind < HOLD_KIND_COUNT; kind++) {
		char label[64];

		snprintf(label, sizeof(label), "kind=\"%s\"", hold_kind_name((enum hold_kind)kind));
		sample(to, "sluice_queue_held", label, (double)depth->held[kind]);
	}
	gauge(to, "sluice_queue_recipients", "Recipients of the messages in the queue.",
		(double)depth->recipients);
	gauge(to, "sluice_queue_bytes", "Bytes of the messages in the queue.",
		(double)depth->bytes);
	gauge(to, "sluice_queue_oldest_seconds", "Age of the oldest message in the queue.",
		(double)depth->oldest_seconds);
}

static void write_store(struct exposition *to, struct service *service)
{
	struct store_fill fill;

	if (ask_fill(service->ask, &fill) < 0)
		return;
	gauge(to, "sluice_spool_used_bytes", "Bytes of the store that are in use.",
		(double)fill.used_bytes);
	gauge(to, "sluice_spool_max_bytes", "Bytes that the store may use.",
		(double)fill.max_bytes);
	gauge(to, "sluice_spool_free_bytes", "Bytes free on the store's file system.",
		(double)fill.disk_free_bytes);
}

/* A host's name as a label's value: the configuration may hold any text. */
static void host_label(const struct host_report *host, char *out, size_t size)
{
	char escaped[2][2 * sizeof(host->host)];
	const char *texts[2] = {host->upstream, host->host};

	for (size_t i = 0; i < 2; i++) {
		size_t used = 0;

		for (const char *at = texts[i]; *at != '\0' && used + 2 < sizeof(escaped[i]);
			at++) {
			if (*at == '"' || *at == '\\')
				escaped[i][used++] = '\\';
			escaped[i][used++] = *at == '\n' ? ' ' : *at;
		}
		escaped[i][used] = '\0';
	}
	snprintf(out, size, "upstream=\"%s\",host=\"%s\"", escaped[0], escaped[1]);
}

static double is_available(const struct host_report *host)
{
	return !host->paused && strcmp(host->state, "resting") != 0;
}

static double in_flight(const struct host_report *host)
{
	return host->in_flight;
}

static double delivered(const struct host_report *host)
{
	return (double)host->delivered;
}

static double busy_times(const struct host_report *host)
{
	return (double)host->busy_times;
}

static const struct host_metric {
	const char *name, *type, *help;
	double (*value)(const struct host_report *host);
} host_metrics[] = {
	{"sluice_host_available", "gauge", "0 while an upstream host rests or is paused.",
		is_available},
	{"sluice_host_in_flight", "gauge", "Units of work with an upstream host.", in_flight},
	{"sluice_host_delivered_total", "counter", "Deliveries to an upstream host.", delivered},
	{"sluice_host_busy_total", "counter", "Times an upstream host was sent to rest.",
		busy_times},
};

static void write_hosts(struct exposition *to, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < sizeof(host_metrics) / sizeof(host_metrics[0]); i++) {
		const struct host_metric *metric = &host_metrics[i];

		if (snapshot->host_count > 0)
			describe(to, metric->name, metric->type, metric->help);
		for (size_t j = 0; j < snapshot->host_count; j++) {
			char label[1400];

			host_label(&snapshot->hosts[j], label, sizeof(label));
			sample(to, metric->name, label, metric->value(&snapshot->hosts[j]));
		}
	}
}

static void write_process(struct exposition *to, struct service *service)
{
	struct process_report report;

	process_read(&report);
	describe(to, "sluice_build_info", "gauge", "The relay's version.");
	sample(to, "sluice_build_info", "version=\"" SLUICE_VERSION "\"", 1);
	describe(to, "sluice_log_dropped_lines_total", "counter",
		"Lines that the log's device or reader did not take.");
	sample(to, "sluice_log_dropped_lines_total", "", (double)log_dropped());
	gauge(to, "process_start_time_seconds", "When the relay was started, in Unix time.",
		(double)service->started_unix_ms / 1000);
	describe(to, "process_cpu_seconds_total", "counter", "CPU time used.");
	sample(to, "process_cpu_seconds_total", "", report.cpu_seconds);
	gauge(to, "process_resident_memory_bytes", "Resident memory.",
		(double)report.resident_bytes);
	gauge(to, "process_virtual_memory_bytes", "Virtual memory.", (double)report.virtual_bytes);
	gauge(to, "process_open_fds", "Open file descriptors.", (double)report.open_fds);
	gauge(to, "process_max_fds", "The limit of open file descriptors.", (double)report.max_fds);
}

void route_metrics(struct service *service, const struct request *request, struct answer *answer)
{
	struct exposition to = {.out = &answer->body};
	struct snapshot snapshot;
	struct depth depth;

	(void)request;
	ask_snapshot(service->ask, NULL, 0, &snapshot);
	answer->status = 200;
	answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
	write_process(&to, service);
	write_counters(&to);
	write_quirks(&to);
	if (depth_read(service, &snapshot, &depth) == 0)
		write_queue(&to, &depth);
	write_store(&to, service);
	write_hosts(&to, &snapshot);
	snapshot_fini(&snapshot);
	if (to.failed)
		answer_error(answer, 503, "Out of memory.");
}
