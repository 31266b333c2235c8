/* Grants as they are: lists, one, what an import takes, and the journal. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/grant_desk.h"
#include "admin/grant_filter.h"
#include "admin/grant_json.h"
#include "admin/routes.h"

#define LIMIT      100
#define LIMIT_MAX  1000
#define ROWS_STEP  64
#define ROWS_MAX   4096 /* that one request looks at */
#define PAGE_BYTES (1u << 20)

struct page {
	struct grant_filter filter;
	bool is_export;
	uint64_t now_unix_ms;
	size_t limit;
	char after[REGISTRY_NAME_SIZE]; /* the last that was looked at */
	size_t written, looked;
	bool at_end;
	struct json json;
};

static int parse_page(const struct request *request, struct page *page, struct answer *answer)
{
	const char *after = request_parameter(request, "after");
	struct reason reason;

	if (request_limit(request, LIMIT, LIMIT_MAX, &page->limit, &reason) < 0 ||
		grant_filter_parse(request, &page->filter, &reason) < 0) {
		answer_error(answer, 400, "%s", reason.text);
		return -1;
	}
	if (after != NULL && strlen(after) >= sizeof(page->after)) {
		answer_error(answer, 400, "after=%.100s: expected the \"next\" of the page before.",
			after);
		return -1;
	}
	snprintf(page->after, sizeof(page->after), "%s", after != NULL ? after : "");
	return 0;
}

static bool is_done(const struct page *page)
{
	return page->at_end || page->written >= page->limit || page->looked >= ROWS_MAX ||
	       page->json.out->size >= PAGE_BYTES;
}

static int write_row(struct service *service, struct page *page, const struct registry_item *item)
{
	struct grant_usage usage = {0};
	struct grant *grant = NULL;
	int rc = grant_decode(item->name, item->revision, item->record, item->size, &grant);

	memcpy(page->after, item->name, sizeof(page->after));
	page->looked++;
	if (rc == -EBADMSG)
		return 0; /* who asks for it by name is told */
	if (rc < 0)
		return rc;
	if (!page->is_export)
		grant_usage_of(service->view, grant->name, page->now_unix_ms, &usage);
	if (grant_filter_fits(&page->filter, grant, &usage, page->now_unix_ms)) {
		page->written++;
		if (page->is_export)
			grant_write_record(&page->json, NULL, grant);
		else
			grant_write(&page->json, NULL, grant, &usage, page->now_unix_ms);
	}
	grant_close(&grant);
	return 0;
}

static int look_on(struct service *service, struct page *page)
{
	struct registry_item items[ROWS_STEP];
	ssize_t count =
		store_view_registry(service->view, REGISTRY_GRANT, page->after, items, ROWS_STEP);
	int rc = 0;

	if (count < 0)
		return (int)count;
	page->at_end = count < ROWS_STEP;
	for (ssize_t i = 0; i < count; i++) {
		if (rc == 0 && page->written < page->limit)
			rc = write_row(service, page, &items[i]);
		else
			page->at_end = false;
		registry_item_fini(&items[i]);
	}
	return rc;
}

static void list(struct service *service, const struct request *request, bool is_export,
	struct answer *answer)
{
	struct page page = {.is_export = is_export, .now_unix_ms = clock_unix_ms(service->clock)};
	int rc = 0;

	if (parse_page(request, &page, answer) < 0)
		return;
	answer_begin_json(answer, 200, &page.json);
	json_open_object(&page.json, NULL);
	json_open_list(&page.json, "grants");
	while (rc == 0 && !is_done(&page))
		rc = look_on(service, &page);
	json_close(&page.json);
	json_write_text(&page.json, "next", page.at_end ? NULL : page.after);
	json_close(&page.json);
	answer_end_json(answer, &page.json);
	if (rc < 0)
		answer_store_error(answer, rc);
}

void route_grants(struct service *service, const struct request *request, struct answer *answer)
{
	list(service, request, false, answer);
}

void route_grant_export(
	struct service *service, const struct request *request, struct answer *answer)
{
	list(service, request, true, answer);
}

void route_grant(struct service *service, const struct request *request, struct answer *answer)
{
	grant_desk_show(service, request->segments[0], answer);
}

/* ---- the journal ---- */

static int parse_before(const struct request *request, uint64_t *before, struct answer *answer)
{
	const char *after = request_parameter(request, "after");
	char *end;

	*before = UINT64_MAX;
	if (after == NULL)
		return 0;
	*before = strtoull(after, &end, 10);
	if (after[0] >= '0' && after[0] <= '9' && *end == '\0')
		return 0;
	answer_error(answer, 400, "after=%.100s: expected the \"next\" of the page before.", after);
	return -1;
}

static void write_entry(struct json *json, const struct registry_entry *entry)
{
	json_open_object(json, NULL);
	json_write_number(json, "number", entry->number);
	json_write_time(json, "time", entry->unix_ms);
	json_write_text(json, entry->kind == REGISTRY_SUSPENSION ? "client" : "grant", entry->name);
	json_write_text(json, "act", entry->act);
	json_write_text(json, "who", entry->who);
	json_write_text(json, "why", entry->why[0] != '\0' ? entry->why : NULL);
	json_close(json);
}

/* What the relay notes for itself is in the journal too. */
static bool is_shown(const struct registry_entry *entry)
{
	return entry->kind == REGISTRY_GRANT || entry->kind == REGISTRY_SUSPENSION;
}

static void write_log(
	struct answer *answer, const struct registry_entry *entries, size_t count, bool is_full)
{
	struct json json;
	char next[24];

	answer_begin_json(answer, 200, &json);
	json_open_object(&json, NULL);
	json_open_list(&json, "entries");
	for (size_t i = 0; i < count; i++)
		if (is_shown(&entries[i]))
			write_entry(&json, &entries[i]);
	json_close(&json);
	if (is_full)
		snprintf(next, sizeof(next), "%" PRIu64, entries[count - 1].number);
	json_write_text(&json, "next", is_full ? next : NULL);
	json_close(&json);
	answer_end_json(answer, &json);
}

/* Newest first; `name` NULL: of all. */
static void answer_log(struct service *service, const struct request *request, const char *name,
	struct answer *answer)
{
	struct registry_entry *entries = NULL;
	struct reason reason;
	uint64_t before;
	size_t limit;
	ssize_t count = -ENOMEM;

	if (request_limit(request, LIMIT, LIMIT_MAX, &limit, &reason) < 0) {
		answer_error(answer, 400, "%s", reason.text);
		return;
	}
	if (parse_before(request, &before, answer) < 0)
		return;
	entries = calloc(limit, sizeof(*entries));
	if (entries != NULL) /* a name is a grant's; without one, who was suspended is shown too */
		count = store_view_journal(service->view, name != NULL ? REGISTRY_GRANT : 0, name,
			before, entries, limit);
	if (count < 0)
		answer_store_error(answer, (int)count);
	else
		write_log(answer, entries, (size_t)count, (size_t)count == limit);
	free(entries);
}

void route_grants_log(struct service *service, const struct request *request, struct answer *answer)
{
	answer_log(service, request, NULL, answer);
}

/* Of one that never was there is no line: that is said, rather than an empty list. */
void route_grant_log(struct service *service, const struct request *request, struct answer *answer)
{
	const char *name = request->segments[0];
	struct registry_entry entry;
	ssize_t count =
		store_view_journal(service->view, REGISTRY_GRANT, name, UINT64_MAX, &entry, 1);

	if (count == 0)
		grant_desk_no_grant(answer, name);
	else
		answer_log(service, request, name, answer);
}
