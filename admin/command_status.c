#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "admin/command.h"
#include "admin/listing.h"
#include "admin/printable.h"
#include "admin/relative.h"
#include "admin/table.h"

static const struct table_column columns[] = {{"", false, 0}, {"", false, 0}};

static void add_rates(struct table *table, const json_t *status)
{
	const json_t *rates = json_object_get(status, "rates");

	table_cell(table, "rates");
	table_printf(table, "%.1f received/s, %.1f delivered/s in the last %.0fs",
		json_number_value(json_object_get(rates, "received_per_second")),
		json_number_value(json_object_get(rates, "delivered_per_second")),
		json_number_value(json_object_get(rates, "window_seconds")));
}

/* What wants a person: only where there is something. */
static void add_troubles(struct table *table, const json_t *status)
{
	uint64_t locked_out = member_number(status, "locked_out");
	char number[PRINTABLE_NUMBER_SIZE], held[LISTING_HELD_SIZE];

	if (listing_held(status, held)[0] != '\0') {
		table_cell(table, "held");
		table_printf(table, "%s: sluice queue list --held KIND", held);
	}
	if (locked_out > 0) {
		table_cell(table, "locked");
		table_printf(table, "%s out after wrong passwords: sluice auth lockouts",
			printable_number(locked_out, number));
	}
}

static void add_clients(struct table *table, const json_t *status)
{
	char open[PRINTABLE_NUMBER_SIZE], waiting[PRINTABLE_NUMBER_SIZE];

	table_cell(table, "clients");
	table_printf(table, "%s connected, %s waiting for a place",
		printable_number(member_number(status, "connections"), open),
		printable_number(member_number(status, "connections_waiting"), waiting));
}

static void add_store(struct table *table, const json_t *status)
{
	const json_t *store = json_object_get(status, "store");
	char used[PRINTABLE_NUMBER_SIZE], most[PRINTABLE_NUMBER_SIZE], left[PRINTABLE_NUMBER_SIZE];

	table_cell(table, "store");
	table_printf(table, "%s of %s (%.1f%%), %s free on disk%s",
		printable_size(member_number(store, "used_bytes"), used),
		printable_size(member_number(store, "max_bytes"), most),
		100 * json_number_value(json_object_get(store, "fill")),
		printable_size(member_number(store, "disk_free_bytes"), left),
		json_is_true(json_object_get(store, "full")) ? "; FULL: no new mail is taken" : "");
}

static void add_scanners(struct table *table, const json_t *status)
{
	const json_t *scanners = json_object_get(status, "scanners");

	table_cell(table, "scanners");
	table_printf(table,
		"%" PRIu64 " at work; %" PRIu64 " clean, %" PRIu64 " with a virus, %" PRIu64
		" failed",
		member_number(scanners, "scanning"), member_number(scanners, "clean"),
		member_number(scanners, "virus"), member_number(scanners, "failed"));
}

static void add_host(struct table *table, const json_t *host)
{
	uint64_t next_ms = member_time(host, "next_attempt");
	char relative[RELATIVE_SIZE];
	const char *state = json_is_true(json_object_get(host, "paused"))
				    ? "paused"
				    : member_text(host, "state");

	table_cell(table, "host");
	table_printf(table, "%.100s %s%s%s%s%.100s", member_text(host, "host"), state,
		next_ms ? ", next attempt " : "", command_relative(next_ms, relative),
		next_ms ? ": " : "", next_ms ? member_text(host, "last_reply") : "");
}

static void print_status(const json_t *status)
{
	char span[RELATIVE_SIZE], depth[PRINTABLE_NUMBER_SIZE];
	struct table table;
	const json_t *host;
	size_t i;

	table_init(&table, columns, 2, table_screen_width(stdout));
	table.titled = true; /* the first column says what each row is */
	table_cell(&table, "relay");
	table_printf(&table, "%.200s, version %.40s", member_text(status, "hostname"),
		member_text(status, "version"));
	table_cell(&table, "up");
	table_printf(&table, "%s, since %.40s",
		relative_format_span(member_number(status, "uptime_seconds"), span),
		member_text(status, "started"));
	table_cell(&table, "queue");
	table_printf(&table, "%s message%s",
		printable_number(member_number(status, "depth"), depth),
		member_number(status, "depth") == 1 ? "" : "s");
	add_troubles(&table, status);
	add_clients(&table, status);
	add_rates(&table, status);
	add_store(&table, status);
	add_scanners(&table, status);
	json_array_foreach(json_object_get(status, "hosts"), i, host) add_host(&table, host);
	if (!json_is_true(json_object_get(status, "scheduler_answers"))) {
		table_cell(&table, "trouble");
		table_cell(&table, "the scheduler does not answer; see the relay's log");
	}
	table_flush(&table, stdout);
	table_fini(&table);
}

int command_status(struct invocation *invocation)
{
	json_t *answer = NULL;
	int code = command_ask(invocation, "GET", "/v1/status", &answer);

	if (code == 0 && !invocation->json)
		print_status(answer);
	json_decref(answer);
	return code;
}
