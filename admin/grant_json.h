/*
 * grant_json.h: a grant as JSON: out for people and scripts, in from them. Fields: grant_field.h.
 *
 * Beside its fields a grant has members that follow from them and from the time; reading passes over those, so that what was
 * written can be read: "revision", "life", "days_left", "usage", "unused".
 *
 * Threads: any.
 */
#ifndef SLUICE_ADMIN_GRANT_JSON_H
#define SLUICE_ADMIN_GRANT_JSON_H

#include <jansson.h>

#include "admin/grant_field.h"
#include "admin/json.h"
#include "core/reason.h"
#include "queue/grant.h"
#include "queue/grant_usage.h"

/* As listings and answers have it. */
void grant_write(struct json *json, const char *name, const struct grant *grant,
	const struct grant_usage *usage, uint64_t now_unix_ms);
/* What an import takes: the fields alone. */
void grant_write_record(struct json *json, const char *name, const struct grant *grant);

/*
 * Sets what the object names, and leaves the rest; null is none. The name is passed over. 0, -ENOMEM, or -EINVAL with a
 * reason that names the member.
 */
int grant_read(const json_t *object, struct grant *grant, struct reason *reason);

/* A field that follows from what is done with a grant and differs between the two; NULL: none does. */
const struct grant_field *grant_changed_history(
	const struct grant *before, const struct grant *after);

#endif
