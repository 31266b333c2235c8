#include "admin/grant_desk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/grant_json.h"

/* Paths below /v1/grants. */
static const char *const reserved[] = {"export", "import", "log", "explain"};

int grant_desk_get(struct service *service, const char *name, struct grant **out)
{
	struct registry_item item = {0};
	int rc = grant_name_is_valid(name)
			 ? store_view_registered(service->view, REGISTRY_GRANT, name, &item)
			 : -ENOENT;

	*out = NULL;
	if (rc == -ENOENT)
		return 0;
	if (rc == 0)
		rc = grant_decode(item.name, item.revision, item.record, item.size, out);
	registry_item_fini(&item);
	return rc;
}

void grant_desk_no_grant(struct answer *answer, const char *name)
{
	answer_error(answer, 404,
		"There is no grant %.100s. sluice grant list (GET /v1/grants) shows those that "
		"there are.",
		name);
}

struct grant *grant_desk_find(struct service *service, const char *name, struct answer *answer)
{
	struct grant *grant;
	int rc = grant_desk_get(service, name, &grant);

	if (rc == -EBADMSG)
		answer_error(answer, 500,
			"The record of grant %.100s is damaged. Import it again with replace.",
			name);
	else if (rc < 0)
		answer_store_error(answer, rc);
	else if (grant == NULL)
		grant_desk_no_grant(answer, name);
	return grant;
}

/* ---- changes ---- */

static void free_changes(struct registry_change *changes, struct bytes *records, size_t count)
{
	for (size_t i = 0; records != NULL && i < count; i++)
		bytes_fini(&records[i]);
	free(records);
	free(changes);
}

int grant_desk_put(struct service *service, const char *who, const struct grant_change *changes,
	size_t count, char *refused)
{
	struct registry_change *list = calloc(count, sizeof(*list));
	struct bytes *records = calloc(count, sizeof(*records));
	bool made = list != NULL && records != NULL;
	int rc = -ENOMEM;

	refused[0] = '\0';
	for (size_t i = 0; made && i < count; i++) {
		made = grant_encode(changes[i].grant, &records[i]);
		list[i] = (struct registry_change){
			.kind = REGISTRY_GRANT,
			.name = changes[i].grant->name,
			.revision = changes[i].grant->revision,
			.record = records[i].data,
			.size = records[i].size,
			.now_unix_ms = clock_unix_ms(service->clock),
			.who = who,
			.act = changes[i].act,
			.why = changes[i].why,
			.next = i + 1 < count ? &list[i + 1] : NULL,
		};
	}
	if (made)
		rc = ask_register(service->ask, list, refused);
	free_changes(list, records, count);
	return rc;
}

void grant_desk_error(struct answer *answer, const char *name, int error)
{
	switch (error) {
	case -EEXIST:
		answer_error(answer, 400,
			"There is a grant %s already. Take another name, or change that one "
			"(sluice "
			"grant change).",
			name);
		break;
	case -ENOENT:
	case -ESTALE:
		answer_error(answer, 409,
			"Grant %s was changed by somebody else meanwhile. Look at it (sluice grant "
			"show), and ask again for what is still wanted.",
			name);
		break;
	case -ETIMEDOUT:
	case -EIO:
		answer_error(answer, 503,
			"The store did not confirm it in time; it may still happen. Look at grant "
			"%s before you ask again.",
			name);
		break;
	case -ENOSPC:
		answer_error(answer, 503,
			"The store is full, and nothing was changed. sluice status says how full.");
		break;
	default:
		answer_error(answer, 503, "The store did not take it: %s. See the relay's log.",
			strerror(-error));
	}
}

void grant_desk_show(struct service *service, const char *name, struct answer *answer)
{
	uint64_t now_unix_ms = clock_unix_ms(service->clock);
	struct grant *grant = grant_desk_find(service, name, answer);
	struct grant_usage usage;
	struct json json;

	if (grant == NULL)
		return;
	grant_usage_of(service->view, name, now_unix_ms, &usage);
	answer_begin_json(answer, 200, &json);
	grant_write(&json, NULL, grant, &usage, now_unix_ms);
	answer_end_json(answer, &json);
	grant_close(&grant);
}

void grant_desk_note(struct answer *answer, int rc)
{
	if (rc == -EINPROGRESS && answer->status == 200)
		answer->status = 202;
}

void grant_desk_change(struct service *service, const struct request *request,
	const struct grant_change *change, struct answer *answer)
{
	char refused[REGISTRY_NAME_SIZE];
	int rc = grant_desk_put(service, request->who, change, 1, refused);

	if (rc < 0 && rc != -EINPROGRESS) {
		grant_desk_error(answer, change->grant->name, rc);
		return;
	}
	grant_desk_show(service, change->grant->name, answer);
	grant_desk_note(answer, rc);
}

/* ---- what is asked ---- */

json_t *grant_desk_body(const struct request *request, struct answer *answer)
{
	json_error_t error;
	json_t *body =
		json_loadb(request->body, request->body_size, JSON_REJECT_DUPLICATES, &error);

	if (body == NULL)
		answer_error(answer, 400, "The body is no JSON: line %d, column %d: %s.",
			error.line, error.column, error.text);
	return body;
}

int grant_desk_reason(const struct request *request, const char **why, struct answer *answer)
{
	*why = request_parameter(request, "reason");
	if (*why == NULL)
		*why = "";
	if (strlen(*why) < REGISTRY_WHY_SIZE && strpbrk(*why, "\r\n\t") == NULL)
		return 0;
	answer_error(answer, 400, "reason: expected one line of at most %d bytes.",
		REGISTRY_WHY_SIZE - 1);
	return -1;
}

bool grant_desk_flag(const struct request *request, const char *name)
{
	const char *value = request_parameter(request, name);

	return value != NULL && strcmp(value, "0") != 0 && strcmp(value, "no") != 0;
}

int grant_desk_check(const struct grant *grant, struct reason *reason)
{
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (strcmp(grant->name, reserved[i]) == 0)
			return reason_set(reason,
				"the name \"%s\" means something else in paths; take another",
				grant->name);
	}
	return grant_check(grant, reason);
}
