/*
 * Who is suspended: an address, a network, an account ("account:NAME") or a grant ("grant:NAME"), and the end of it. A grant's
 * suspension is its state; the others are records of their own (queue/suspension.h). What becomes of the queue says
 * queue/suspended.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/grant_desk.h"
#include "admin/routes.h"
#include "queue/suspension.h"

#define GRANT     "grant:"
#define LIMIT     100
#define LIMIT_MAX 1000
#define ROWS_STEP 64

/* ---- one, as the API shows it ---- */

struct shown {
	char who[REGISTRY_NAME_SIZE + sizeof(GRANT)];
	const char *reason, *by;
	uint64_t since_unix_ms;
	bool automatic, purges;
};

static void write_members(struct json *json, const struct shown *shown)
{
	json_write_text(json, "who", shown->who);
	json_write_text(json, "reason", shown->reason);
	json_write_time(json, "since", shown->since_unix_ms);
	json_write_text(json, "by", shown->by);
	json_write_bool(json, "automatic", shown->automatic);
	json_write_text(json, "queue", shown->purges ? "purge" : "hold");
}

static struct shown show_suspension(const struct suspension *suspension)
{
	struct shown shown = {.reason = suspension->reason,
		.by = suspension->by,
		.since_unix_ms = suspension->since_unix_ms,
		.automatic = suspension->automatic,
		.purges = suspension->purges};

	snprintf(shown.who, sizeof(shown.who), "%s", suspension->who);
	return shown;
}

static struct shown show_grant(const struct grant *grant)
{
	struct shown shown = {.reason = grant->reason,
		.since_unix_ms = grant->state_unix_ms,
		.purges = grant->purges};

	snprintf(shown.who, sizeof(shown.who), GRANT "%s", grant->name);
	return shown;
}

/* ---- who ---- */

static const char *grant_name(const char *who)
{
	return strncmp(who, GRANT, strlen(GRANT)) == 0 ? who + strlen(GRANT) : NULL;
}

/* Of no grant. NULL: answered. */
static struct suspension *parse_who(const char *who, struct answer *answer)
{
	struct suspension *suspension = suspension_new(who);
	struct network network;
	struct reason reason = {{0}};

	if (suspension != NULL)
		return suspension;
	if (strchr(who, '/') != NULL && network_parse(who, &network, &reason) < 0)
		answer_error(answer, 400, "%s", reason.text);
	else
		answer_error(answer, 400,
			"%.100s: expected an address (10.1.2.3), a network (10.1.0.0/16), "
			"account:NAME or grant:NAME.",
			who);
	return NULL;
}

/* 0, also when there is none (revision 0); else answered. */
static int find_revision(
	struct service *service, const char *who, uint32_t *revision, struct answer *answer)
{
	struct registry_item item = {0};
	int rc = store_view_registered(service->view, REGISTRY_SUSPENSION, who, &item);

	*revision = item.revision;
	registry_item_fini(&item);
	if (rc == -ENOENT)
		rc = 0;
	if (rc < 0)
		answer_store_error(answer, rc);
	return rc;
}

/* ---- changes ---- */

static void answer_put_error(struct answer *answer, const char *who, int error)
{
	switch (error) {
	case -ESTALE:
	case -EEXIST:
	case -ENOENT:
		answer_error(answer, 409,
			"%s was suspended or resumed by somebody else meanwhile. Look at sluice "
			"client suspended, and ask again for what is still wanted.",
			who);
		break;
	case -ETIMEDOUT:
	case -EIO:
		answer_error(answer, 503,
			"The store did not confirm it in time; it may still happen. Look at sluice "
			"client suspended before you ask again.");
		break;
	case -ENOSPC:
		answer_error(answer, 503, "The store is full, and nothing was changed.");
		break;
	default:
		answer_error(answer, 503, "The store did not take it: %s. See the relay's log.",
			strerror(-error));
	}
}

static int put(struct service *service, const struct request *request,
	const struct suspension *suspension, bool ends, const char *why)
{
	struct bytes record = {0};
	struct registry_change change = {.kind = REGISTRY_SUSPENSION,
		.name = suspension->who,
		.revision = suspension->revision,
		.now_unix_ms = clock_unix_ms(service->clock),
		.who = request->who,
		.act = ends ? "resume" : "suspend",
		.why = why};
	int rc = -ENOMEM;

	if (ends || suspension_encode(suspension, &record)) {
		change.record = ends ? NULL : record.data;
		change.size = record.size;
		rc = ask_register(service->ask, &change, NULL);
	}
	bytes_fini(&record);
	return rc;
}

/* `rc` is what the registry said: in force, or on the way to be. */
static void answer_done(struct service *service, const struct shown *shown, bool ends, int rc,
	struct answer *answer)
{
	struct suspend_counts counts;
	bool is_done = rc == 0 && ask_suspended(service->ask, &counts) == 0;
	struct json json;

	answer_begin_json(answer, 200, &json);
	json_open_object(&json, NULL);
	if (ends)
		json_write_text(&json, "who", shown->who);
	else
		write_members(&json, shown);
	json_write_bool(&json, "suspended", !ends);
	json_write_bool(&json, "in_force", rc == 0);
	json_write_bool(&json, "queue_done", is_done && counts.delivering == 0);
	if (is_done) {
		json_write_number(&json, "held", counts.held);
		json_write_number(&json, "deleted", counts.deleted);
		json_write_number(&json, "released", counts.released);
		json_write_number(&json, "delivering", counts.delivering);
	}
	json_close(&json);
	answer_end_json(answer, &json);
}

static void finish(struct service *service, const struct shown *shown, bool ends, int rc,
	struct answer *answer)
{
	if (rc < 0 && rc != -EINPROGRESS)
		answer_put_error(answer, shown->who, rc);
	else
		answer_done(service, shown, ends, rc, answer);
}

/* ---- suspend ---- */

static int parse_queue(const struct request *request, bool *purges, struct answer *answer)
{
	const char *queue = request_parameter(request, "queue");

	*purges = queue != NULL && strcmp(queue, "purge") == 0;
	if (*purges || (queue != NULL && strcmp(queue, "hold") == 0))
		return 0;
	answer_error(answer, 400,
		"Say what becomes of what is queued: --hold or --purge (queue=hold, queue=purge).");
	return -1;
}

static void suspend_grant(struct service *service, const struct request *request, const char *name,
	bool purges, const char *why, struct answer *answer)
{
	struct grant_change change = {grant_desk_find(service, name, answer), "suspend", why};
	char refused[REGISTRY_NAME_SIZE];
	struct shown shown;
	int rc;

	if (change.grant == NULL)
		return;
	if (change.grant->state != GRANT_APPROVED && change.grant->state != GRANT_SUSPENDED) {
		answer_error(
			answer, 400, "Grant %s is not in force: nothing is taken for it.", name);
	} else if (!grant_set_text(&change.grant->reason, why)) {
		answer_store_error(answer, -ENOMEM);
	} else {
		change.grant->state = GRANT_SUSPENDED;
		change.grant->state_unix_ms = clock_unix_ms(service->clock);
		change.grant->purges = purges;
		rc = grant_desk_put(service, request->who, &change, 1, refused);
		shown = show_grant(change.grant);
		shown.by = request->who;
		finish(service, &shown, false, rc, answer);
	}
	grant_close(&change.grant);
}

static void suspend(struct service *service, const struct request *request, bool purges,
	const char *why, struct answer *answer)
{
	struct suspension *suspension = parse_who(request->segments[0], answer);
	struct shown shown;
	int rc;

	if (suspension != NULL &&
		find_revision(service, suspension->who, &suspension->revision, answer) == 0) {
		snprintf(suspension->reason, sizeof(suspension->reason), "%s", why);
		snprintf(suspension->by, sizeof(suspension->by), "%s", request->who);
		suspension->since_unix_ms = clock_unix_ms(service->clock);
		suspension->purges = purges;
		rc = put(service, request, suspension, false, why);
		shown = show_suspension(suspension);
		finish(service, &shown, false, rc, answer);
	}
	suspension_close(&suspension);
}

void route_client_suspend(
	struct service *service, const struct request *request, struct answer *answer)
{
	const char *name = grant_name(request->segments[0]), *why;
	bool purges;

	if (parse_queue(request, &purges, answer) < 0 ||
		grant_desk_reason(request, &why, answer) < 0)
		return;
	if (why[0] == '\0')
		answer_error(answer, 400,
			"Say why, with --reason (reason=): the client is told it with each "
			"refusal.");
	else if (name != NULL)
		suspend_grant(service, request, name, purges, why, answer);
	else
		suspend(service, request, purges, why, answer);
}

/* ---- resume ---- */

static void answer_not_suspended(struct answer *answer, const char *who)
{
	answer_error(answer, 404,
		"%.100s is not suspended. sluice client suspended (GET /v1/suspensions) shows who "
		"is: a network is resumed as a whole.",
		who);
}

static void resume_grant(struct service *service, const struct request *request, const char *name,
	const char *why, struct answer *answer)
{
	struct grant_change change = {grant_desk_find(service, name, answer), "resume", why};
	char refused[REGISTRY_NAME_SIZE];
	struct shown shown;
	int rc;

	if (change.grant == NULL)
		return;
	if (change.grant->state != GRANT_SUSPENDED) {
		answer_not_suspended(answer, request->segments[0]);
	} else if (!grant_set_text(&change.grant->reason, "")) {
		answer_store_error(answer, -ENOMEM);
	} else {
		change.grant->state = GRANT_APPROVED;
		change.grant->state_unix_ms = clock_unix_ms(service->clock);
		change.grant->purges = false;
		rc = grant_desk_put(service, request->who, &change, 1, refused);
		shown = show_grant(change.grant);
		finish(service, &shown, true, rc, answer);
	}
	grant_close(&change.grant);
}

static void resume(struct service *service, const struct request *request, const char *why,
	struct answer *answer)
{
	struct suspension *suspension = parse_who(request->segments[0], answer);
	struct shown shown;
	int rc;

	if (suspension != NULL &&
		find_revision(service, suspension->who, &suspension->revision, answer) == 0) {
		if (suspension->revision == 0) {
			answer_not_suspended(answer, suspension->who);
		} else {
			rc = put(service, request, suspension, true, why);
			shown = show_suspension(suspension);
			finish(service, &shown, true, rc, answer);
		}
	}
	suspension_close(&suspension);
}

void route_client_resume(
	struct service *service, const struct request *request, struct answer *answer)
{
	const char *name = grant_name(request->segments[0]), *why;

	if (grant_desk_reason(request, &why, answer) < 0)
		return;
	if (name != NULL)
		resume_grant(service, request, name, why, answer);
	else
		resume(service, request, why, answer);
}

/* ---- list ---- */

struct page {
	struct json json;
	size_t limit, written;
	bool is_full; /* there may be more … */
	char after[REGISTRY_NAME_SIZE + sizeof(GRANT)]; /* … behind this one */
};

static void write_row(struct page *page, const struct shown *shown)
{
	json_open_object(&page->json, NULL);
	write_members(&page->json, shown);
	json_close(&page->json);
	snprintf(page->after, sizeof(page->after), "%s", shown->who);
	page->is_full = ++page->written >= page->limit;
}

/* A damaged record is passed over; the log told of it when the registry was loaded. */
static void write_item(struct page *page, enum registry_kind kind, const struct registry_item *item)
{
	struct suspension *suspension = NULL;
	struct grant *grant = NULL;
	struct shown shown;

	if (page->is_full)
		return;
	if (kind == REGISTRY_SUSPENSION && suspension_decode(item->name, item->revision,
						   item->record, item->size, &suspension) == 0) {
		shown = show_suspension(suspension);
		write_row(page, &shown);
	} else if (kind == REGISTRY_GRANT &&
		   grant_decode(item->name, item->revision, item->record, item->size, &grant) ==
			   0 &&
		   grant->state == GRANT_SUSPENDED) {
		shown = show_grant(grant);
		write_row(page, &shown);
	}
	suspension_close(&suspension);
	grant_close(&grant);
}

static int list_kind(
	struct service *service, struct page *page, enum registry_kind kind, const char *from)
{
	struct registry_item *items = calloc(ROWS_STEP, sizeof(*items));
	char after[REGISTRY_NAME_SIZE];
	ssize_t count = items != NULL ? ROWS_STEP : -ENOMEM;

	snprintf(after, sizeof(after), "%s", from);
	while (count == ROWS_STEP && !page->is_full) {
		count = store_view_registry(service->view, kind, after, items, ROWS_STEP);
		for (ssize_t i = 0; i < count; i++) {
			write_item(page, kind, &items[i]);
			memcpy(after, items[i].name, sizeof(after));
			registry_item_fini(&items[i]);
		}
	}
	free(items);
	return count < 0 ? (int)count : 0;
}

void route_suspensions(
	struct service *service, const struct request *request, struct answer *answer)
{
	const char *after = request_parameter(request, "after");
	const char *grant = after != NULL ? grant_name(after) : NULL;
	struct page page = {0};
	struct reason reason;
	int rc = 0;

	if (request_limit(request, LIMIT, LIMIT_MAX, &page.limit, &reason) < 0) {
		answer_error(answer, 400, "%s", reason.text);
		return;
	}
	answer_begin_json(answer, 200, &page.json);
	json_open_object(&page.json, NULL);
	json_open_list(&page.json, "suspensions");
	if (grant == NULL)
		rc = list_kind(service, &page, REGISTRY_SUSPENSION, after != NULL ? after : "");
	if (rc == 0 && !page.is_full)
		rc = list_kind(service, &page, REGISTRY_GRANT, grant != NULL ? grant : "");
	json_close(&page.json);
	json_write_text(&page.json, "next", page.is_full ? page.after : NULL);
	json_close(&page.json);
	answer_end_json(answer, &page.json);
	if (rc < 0)
		answer_store_error(answer, rc);
}
