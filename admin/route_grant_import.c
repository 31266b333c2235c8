/*
 * POST /v1/grants/import: up to IMPORT_MAX grants, as the export gives them. All are checked before any is stored, and they are stored all
 * or none; with dry_run=1 they are only checked.
 *
 * {"imported": 2, "replaced": 0, "unchanged": 1, "problems": [{"index": 3, "name": "x", "problem": "…"}]}
 * With problems nothing is imported, and without dry_run the status is 400, with an "error" that names the first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/grant_desk.h"
#include "admin/grant_json.h"
#include "admin/routes.h"

#define IMPORT_MAX 5000

struct import {
	struct service *service;
	const struct request *request;
	const char *why;
	uint64_t now_unix_ms;
	struct grant_change *changes;
	size_t count; /* of changes */
	json_t *names; /* of the changes, as members */
	size_t imported, replaced, unchanged, problems;
	struct reason first; /* problem */
	struct bytes text; /* of the problems, as JSON */
	struct json json;
};

static void note_problem(struct import *import, size_t index, const char *name, const char *text)
{
	if (import->problems++ == 0)
		reason_set(&import->first, "%.100s: %.380s", name, text);
	json_open_object(&import->json, NULL);
	json_write_number(&import->json, "index", index);
	json_write_text(&import->json, "name", name[0] != '\0' ? name : NULL);
	json_write_text(&import->json, "problem", text);
	json_close(&import->json);
}

/* What the file leaves open: a grant in a registry is in force, from now on and for the usual term. False without memory. */
static bool complete(struct import *import, const json_t *object, struct grant *grant)
{
	bool in_force;

	if (!json_is_string(json_object_get(object, "state")))
		grant->state = GRANT_APPROVED;
	in_force = grant->state == GRANT_APPROVED || grant->state == GRANT_SUSPENDED;
	if (grant->created_unix_ms == 0)
		grant->created_unix_ms = import->now_unix_ms;
	if (grant->state_unix_ms == 0)
		grant->state_unix_ms = import->now_unix_ms;
	if (in_force && grant->approved_unix_ms == 0)
		grant->approved_unix_ms = import->now_unix_ms;
	if (in_force && grant->expires_unix_ms == 0)
		grant->expires_unix_ms =
			import->now_unix_ms + (uint64_t)import->service->config->grant_term_ms;
	if (grant->created_by[0] == '\0' &&
		!grant_set_text(&grant->created_by, import->request->who))
		return false;
	return !in_force || grant->approved_by[0] != '\0' ||
	       grant_set_text(&grant->approved_by, import->request->who);
}

/* Its record is byte for byte what is stored. */
static bool is_same(const struct grant *grant, const struct registry_item *item)
{
	struct bytes record = {0};
	bool same = grant_encode(grant, &record) && record.size == item->size &&
		    memcmp(record.data, item->record, item->size) == 0;

	bytes_fini(&record);
	return same;
}

/* Beside what is there, damaged or not. 0, -EEXIST, or what the store says; *same: it is there as it is. */
static int compare(struct import *import, struct grant *grant, bool *same)
{
	struct registry_item item = {0};
	struct grant *old = NULL;
	int rc = store_view_registered(import->service->view, REGISTRY_GRANT, grant->name, &item);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	rc = grant_decode(item.name, item.revision, item.record, item.size, &old);
	grant->revision = item.revision;
	if (rc == 0 && grant->expires_unix_ms == old->expires_unix_ms)
		grant->told = old->told; /* its owner need not be told again */
	*same = is_same(grant, &item);
	grant_close(&old);
	registry_item_fini(&item);
	if (rc == -ENOMEM)
		return rc;
	return *same || grant_desk_flag(import->request, "replace") ? 0 : -EEXIST;
}

static int read_grant(
	struct import *import, const json_t *object, struct grant *grant, struct reason *reason)
{
	int rc = grant_read(object, grant, reason);

	if (rc < 0)
		return rc;
	if (!complete(import, object, grant))
		return -ENOMEM;
	return grant_desk_check(grant, reason) == 0 ? 0 : -EINVAL;
}

/* 0: it is among the changes, unchanged, or a problem was noted; else -errno. */
static int take_grant(struct import *import, size_t index, const json_t *object)
{
	const char *name = json_string_value(json_object_get(object, "name"));
	struct reason reason = {""};
	struct grant *grant;
	bool same = false;
	int rc;

	if (name == NULL || strlen(name) >= GRANT_NAME_SIZE) {
		note_problem(import, index, name != NULL ? name : "",
			"expected a name of letters, digits, \".\", \"_\" and \"-\"");
		return 0;
	}
	grant = grant_new(name);
	if (grant == NULL)
		return -ENOMEM;
	rc = read_grant(import, object, grant, &reason);
	if (rc == 0 && json_object_get(import->names, name) != NULL) {
		reason_set(&reason, "it is there twice");
		rc = -EINVAL;
	}
	if (rc == 0)
		rc = compare(import, grant, &same);
	if (rc == -EEXIST)
		reason_set(&reason, "there is a grant of this name already; --replace replaces it");
	if (rc == -EINVAL || rc == -EEXIST) {
		note_problem(import, index, name, reason.text);
		rc = 0;
	} else if (rc == 0 && same) {
		import->unchanged++;
	} else if (rc == 0 && json_object_set_new(import->names, name, json_true()) < 0) {
		rc = -ENOMEM;
	} else if (rc == 0) {
		*(grant->revision > 0 ? &import->replaced : &import->imported) += 1;
		import->changes[import->count++] =
			(struct grant_change){grant, "import", import->why};
		return 0;
	}
	grant_close(&grant);
	return rc;
}

static int take_grants(struct import *import, const json_t *grants)
{
	const json_t *object;
	int rc = 0;
	size_t i;

	json_begin(&import->json, &import->text);
	json_open_list(&import->json, NULL);
	json_array_foreach(grants, i, object)
	{
		rc = take_grant(import, i, object);
		if (rc < 0)
			return rc;
	}
	json_close(&import->json);
	return json_end(&import->json) ? 0 : -ENOMEM;
}

static void answer_import(struct import *import, bool is_stored, struct answer *answer)
{
	struct json json;

	answer_begin_json(answer, import->problems > 0 && is_stored ? 400 : 200, &json);
	json_open_object(&json, NULL);
	if (import->problems > 0 && is_stored)
		json_write_text(&json, "error", import->first.text);
	json_write_number(&json, "imported", import->problems > 0 ? 0 : import->imported);
	json_write_number(&json, "replaced", import->problems > 0 ? 0 : import->replaced);
	json_write_number(&json, "unchanged", import->unchanged);
	json_write_raw(&json, "problems", import->text.data, import->text.size - 1);
	json_close(&json);
	answer_end_json(answer, &json);
}

static void run(struct import *import, const json_t *grants, struct answer *answer)
{
	bool is_stored = !grant_desk_flag(import->request, "dry_run");
	char refused[REGISTRY_NAME_SIZE] = "";
	int rc = take_grants(import, grants);

	if (rc < 0) {
		answer_store_error(answer, rc);
		return;
	}
	if (is_stored && import->problems == 0 && import->count > 0)
		rc = grant_desk_put(import->service, import->request->who, import->changes,
			import->count, refused);
	if (rc < 0 && rc != -EINPROGRESS) {
		grant_desk_error(answer, refused[0] != '\0' ? refused : "import", rc);
		return;
	}
	answer_import(import, is_stored, answer);
	grant_desk_note(answer, rc);
}

/* The list of {"grants": […]}; NULL: answered. */
static const json_t *find_grants(const json_t *body, struct answer *answer)
{
	const json_t *grants = json_object_get(body, "grants");

	if (json_is_array(grants) && json_array_size(grants) <= IMPORT_MAX)
		return grants;
	answer_error(answer, 400,
		"Expected {\"grants\": […]} with at most %d of them; send more in several "
		"requests.",
		IMPORT_MAX);
	return NULL;
}

void route_grant_import(
	struct service *service, const struct request *request, struct answer *answer)
{
	struct import import = {.service = service,
		.request = request,
		.now_unix_ms = clock_unix_ms(service->clock)};
	json_t *body = grant_desk_body(request, answer);
	const json_t *grants = body != NULL ? find_grants(body, answer) : NULL;

	if (grants != NULL && grant_desk_reason(request, &import.why, answer) == 0) {
		import.changes = calloc(IMPORT_MAX, sizeof(*import.changes));
		import.names = json_object();
		if (import.changes != NULL && import.names != NULL)
			run(&import, grants, answer);
		else
			answer_store_error(answer, -ENOMEM);
	}
	for (size_t i = 0; i < import.count; i++)
		grant_close(&import.changes[i].grant);
	free(import.changes);
	bytes_fini(&import.text);
	json_decref(import.names);
	json_decref(body);
}
