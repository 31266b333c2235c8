/*
 * grant_desk.h: what the routes of grants share: a grant out of the registry, a change of it into the registry, and what each is
 * answered with.
 *
 * Threads: the admin thread. Errors: what is not done has been answered, with a sentence that says what to do.
 */
#ifndef SLUICE_ADMIN_GRANT_DESK_H
#define SLUICE_ADMIN_GRANT_DESK_H

#include <jansson.h>
#include <stdbool.h>

#include "admin/answer.h"
#include "admin/request.h"
#include "admin/service.h"
#include "queue/grant_usage.h"
#include "queue/registry.h"

/* A grant that is about to be stored. */
struct grant_change {
	struct grant
		*grant; /* its revision is that of the record that it replaces; 0: there is none */
	const char *act, *why;
};

/* 0 or -errno; NULL with 0: there is none of this name. */
int grant_desk_get(struct service *service, const char *name, struct grant **out);
/* NULL: answered. */
struct grant *grant_desk_find(struct service *service, const char *name, struct answer *answer);

/* All or none; 0 or -errno, as ask_register. `refused` (REGISTRY_NAME_SIZE) becomes the name of who was in the way, or "". */
int grant_desk_put(struct service *service, const char *who, const struct grant_change *changes,
	size_t count, char *refused);
/* The same of one. Answers the grant as it is then, or the error. */
void grant_desk_change(struct service *service, const struct request *request,
	const struct grant_change *change, struct answer *answer);

/* The grant as it is stored. */
void grant_desk_show(struct service *service, const char *name, struct answer *answer);
void grant_desk_no_grant(struct answer *answer, const char *name);
/* What -errno of putting `name` means. */
void grant_desk_error(struct answer *answer, const char *name, int error);
/* -EINPROGRESS: what was answered with 200 becomes 202: it is stored, and comes into force later. */
void grant_desk_note(struct answer *answer, int rc);

/* The body as JSON; NULL: answered. */
json_t *grant_desk_body(const struct request *request, struct answer *answer);
/* Why it is wanted: the parameter `reason`; -1: too long, answered. "" when it is not given. */
int grant_desk_reason(const struct request *request, const char **why, struct answer *answer);
bool grant_desk_flag(const struct request *request, const char *name);
/* A name that grants may have: some are parts of paths. */
int grant_desk_check(const struct grant *grant, struct reason *reason);

#endif
