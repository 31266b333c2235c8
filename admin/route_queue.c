/*
 * A page of a listing, oldest message first:
 *   1. Some rows are read, in one short read of the store, behind the last that was looked at.
 *   2. Those that the filter does not leave out are asked about, in one question to the scheduler: who is claimed?
 *   3. Those whose state fits are written; then the next rows, until the page is full, the queue is at its end, or the
 *      request has had its share: ROWS_MAX rows, PAGE_BYTES, LOOK_MS.
 *   4. "next" is where the following request goes on. A page may be empty and still have one.
 */
#include <string.h>

#include "admin/depth.h"
#include "admin/filter.h"
#include "admin/message_json.h"
#include "admin/routes.h"
#include "admin/service.h"
#include "queue/id.h"

#define ROWS_STEP  100
#define ROWS_MAX   5000
#define PAGE_BYTES (1u << 20)
#define LOOK_MS    200

/* ---- depth ---- */

static void write_destination(struct json *json, const char *upstream,
	const struct host_report *host, const struct store_upstream_counts *counts)
{
	json_open_object(json, NULL);
	json_write_text(json, "upstream", upstream);
	json_write_text(json, "host", host ? host->host : NULL);
	json_write_number(json, "messages", counts->messages);
	json_write_number(json, "bytes", counts->bytes);
	json_write_text(json, "state", host ? host->state : "not configured");
	json_write_time(json, "next_attempt", host ? host->next_attempt_unix_ms : 0);
	json_write_text(json, "last_reply", host && host->last_reply[0] ? host->last_reply : NULL);
	json_close(json);
}

/* One for each host, with what waits for its upstream; and upstreams that have mail but are configured no more. */
static void write_destinations(
	struct json *json, struct service *service, const struct snapshot *snapshot)
{
	json_open_list(json, "destinations");
	for (uint16_t number = UPSTREAM_FIRST; number < UPSTREAM_MAX; number++) {
		const char *upstream = store_upstream_name(service->store, number);
		struct store_upstream_counts counts = {0};
		size_t hosts = 0;

		if (upstream == NULL)
			break;
		store_view_upstream_counts(service->view, number, &counts);
		for (size_t i = 0; i < snapshot->host_count; i++) {
			if (strcmp(snapshot->hosts[i].upstream, upstream) != 0)
				continue;
			write_destination(json, upstream, &snapshot->hosts[i], &counts);
			hosts++;
		}
		if (hosts == 0 && counts.messages > 0 && snapshot->known)
			write_destination(json, upstream, NULL, &counts);
	}
	json_close(json);
}

void route_queue(struct service *service, const struct request *request, struct answer *answer)
{
	struct snapshot snapshot;
	struct depth depth;
	struct json json;
	int rc;

	(void)request;
	ask_snapshot(service->ask, NULL, 0, &snapshot);
	rc = depth_read(service, &snapshot, &depth);
	if (rc < 0) {
		answer_store_error(answer, rc);
	} else {
		answer_begin_json(answer, 200, &json);
		json_open_object(&json, NULL);
		depth_write(&json, &depth);
		write_destinations(&json, service, &snapshot);
		json_close(&json);
		answer_end_json(answer, &json);
	}
	snapshot_fini(&snapshot);
}

/* ---- a page of messages ---- */

struct page {
	struct service *service;
	const struct filter *filter;
	struct json json;
	size_t written, looked;
	uint64_t last; /* the last row that was looked at */
	bool at_end;
	bool unanswered; /* the scheduler did not answer once: not asked again */
	int64_t deadline_mono_ms;
};

static bool is_full(const struct page *page)
{
	return page->written >= page->filter->limit || page->json.out->size >= PAGE_BYTES;
}

static bool had_its_share(const struct page *page)
{
	return page->looked >= ROWS_MAX ||
	       clock_mono_ms(page->service->clock) >= page->deadline_mono_ms;
}

static size_t rows_wanted(const struct page *page)
{
	size_t left = page->filter->limit - page->written;

	return filter_is_open(page->filter) && left < ROWS_STEP ? left : ROWS_STEP;
}

static void ask_about(
	struct page *page, struct envelope *const *rows, size_t count, struct snapshot *snapshot)
{
	uint64_t ids[ROWS_STEP];
	size_t wanted = 0;

	for (size_t i = 0; i < count; i++) {
		if (filter_fits(page->filter, rows[i]))
			ids[wanted++] = rows[i]->id;
	}
	*snapshot = (struct snapshot){0};
	if (wanted == 0 || page->unanswered)
		return;
	page->unanswered = ask_snapshot(page->service->ask, ids, wanted, snapshot) < 0;
}

static void write_rows(struct page *page, struct envelope *const *rows, size_t count)
{
	struct snapshot snapshot;
	struct message_view view = {
		.store = page->service->store,
		.snapshot = &snapshot,
		.now_unix_ms = clock_unix_ms(page->service->clock),
		.lifetime_ms = page->service->config->queue_lifetime_ms,
	};

	ask_about(page, rows, count, &snapshot);
	for (size_t i = 0; i < count && !is_full(page); i++) {
		page->last = rows[i]->id;
		page->looked++;
		if (!filter_fits(page->filter, rows[i]) ||
			!filter_fits_state(page->filter, message_state(&view, rows[i])))
			continue;
		message_write(&page->json, NULL, &view, rows[i], false);
		page->written++;
	}
	snapshot_fini(&snapshot);
}

static int look_on(struct page *page)
{
	struct envelope *rows[ROWS_STEP];
	size_t wanted = rows_wanted(page);
	ssize_t count = store_view_list(page->service->view, page->last, rows, wanted);

	if (count < 0)
		return (int)count;
	write_rows(page, rows, (size_t)count);
	page->at_end = (size_t)count < wanted && (count == 0 || page->last == rows[count - 1]->id);
	for (ssize_t i = 0; i < count; i++)
		envelope_close(&rows[i]);
	return 0;
}

void route_messages(struct service *service, const struct request *request, struct answer *answer)
{
	struct reason reason;
	struct filter filter;
	struct page page = {.service = service, .filter = &filter};
	char next[ID_TEXT_SIZE];
	int rc = 0;

	if (filter_parse(request, &filter, &reason) < 0) {
		answer_error(answer, 400, "%s", reason.text);
		filter_fini(&filter);
		return;
	}
	page.last = filter.after;
	page.deadline_mono_ms = clock_mono_ms(service->clock) + LOOK_MS;
	answer_begin_json(answer, 200, &page.json);
	json_open_object(&page.json, NULL);
	json_open_list(&page.json, "messages");
	do {
		rc = look_on(&page);
	} while (rc == 0 && !page.at_end && !is_full(&page) && !had_its_share(&page));
	json_close(&page.json);
	json_write_text(&page.json, "next", page.at_end ? NULL : id_format(page.last, next));
	json_write_bool(&page.json, "scheduler_answers", !page.unanswered);
	json_close(&page.json);
	answer_end_json(answer, &page.json);
	if (rc < 0)
		answer_store_error(answer, rc);
	filter_fini(&filter);
}
