/* What is done with a grant: asked for, changed, approved, renewed, suspended, resumed, revoked. Each act says who and why. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admin/grant_desk.h"
#include "admin/grant_field.h"
#include "admin/grant_json.h"
#include "admin/routes.h"

/* ---- until when ---- */

static int refuse_end(
	const char *name, const char *value, const char *expected, struct answer *answer)
{
	answer_error(answer, 400, "%s=%.100s: expected %s.", name, value, expected);
	return -1;
}

/* The parameters `until` or `for`, else the term that the configuration says. 0, or -1 after an answer. */
static int parse_end(struct service *service, const struct request *request, uint64_t *end_unix_ms,
	struct answer *answer)
{
	const char *until = request_parameter(request, "until");
	const char *span = request_parameter(request, "for");
	uint64_t now_unix_ms = clock_unix_ms(service->clock);
	int64_t term_ms = service->config->grant_term_ms;

	if (until != NULL && span != NULL)
		return refuse_end("for", span, "either this or until", answer);
	if (span != NULL && (grant_duration_parse(span, &term_ms) < 0 || term_ms <= 0))
		return refuse_end("for", span, "a time to come, as 90d or 1y", answer);
	*end_unix_ms = now_unix_ms + (uint64_t)term_ms;
	if (until != NULL &&
		(grant_time_parse(until, end_unix_ms) < 0 || *end_unix_ms <= now_unix_ms))
		return refuse_end("until", until, "a day to come, as 2027-11-23", answer);
	return 0;
}

/* ---- checks ---- */

/* 0, or -1 after an answer: somebody has it in mind as it was. */
static int check_revision(const struct request *request, const struct grant *grant,
	const json_t *body, struct answer *answer)
{
	const char *parameter = request_parameter(request, "revision");
	const json_t *member = json_object_get(body, "revision");
	char current[16], wanted[32];

	snprintf(current, sizeof(current), "%u", grant->revision);
	if (parameter == NULL && !json_is_integer(member))
		return 0;
	if (parameter != NULL)
		snprintf(wanted, sizeof(wanted), "%s", parameter);
	else
		snprintf(wanted, sizeof(wanted), "%" JSON_INTEGER_FORMAT,
			json_integer_value(member));
	if (strcmp(current, wanted) == 0)
		return 0;
	answer_error(answer, 409,
		"Grant %s was changed meanwhile: it has revision %s, and you looked at %s. Look at "
		"it again (sluice grant show), and repeat what is still wanted.",
		grant->name, current, wanted);
	return -1;
}

/* A grant that nobody answers for is approved on purpose only. */
static int check_owner(
	const struct request *request, const struct grant *grant, struct answer *answer)
{
	if (grant->owner[0] != '\0' || grant_desk_flag(request, "ownerless"))
		return 0;
	answer_error(answer, 400,
		"Grant %s has no owner: nobody would be told when it ends, or be asked when it "
		"misbehaves. Name one (sluice grant change %s --owner ADDRESS), or say --ownerless "
		"to approve it all the same.",
		grant->name, grant->name);
	return -1;
}

/* False without memory. */
static bool approve(const struct request *request, struct grant *grant, uint64_t now_unix_ms,
	uint64_t end_unix_ms)
{
	grant->state = GRANT_APPROVED;
	grant->state_unix_ms = now_unix_ms;
	grant->approved_unix_ms = now_unix_ms;
	grant->expires_unix_ms = end_unix_ms;
	grant->told = 0;
	return grant_set_text(&grant->approved_by, request->who) &&
	       grant_set_text(&grant->reason, "");
}

/* ---- asking for one, and changing one ---- */

/* Sets what the body says. 0, or -1 after an answer. */
static int read_body(const json_t *body, struct grant *grant, struct answer *answer)
{
	struct grant *before = grant_copy(grant);
	const struct grant_field *changed = NULL;
	struct reason reason = {""};
	int rc = before != NULL ? grant_read(body, grant, &reason) : -ENOMEM;

	if (rc == 0)
		changed = grant_changed_history(before, grant);
	if (changed != NULL)
		rc = reason_set(&reason,
			"%s follows from what is done with the grant (approve, renew, suspend, "
			"revoke); only an import sets it",
			changed->name);
	if (rc == 0)
		rc = grant_desk_check(grant, &reason);
	grant_close(&before);
	if (rc == -ENOMEM)
		answer_store_error(answer, rc);
	else if (rc < 0)
		answer_error(answer, 400, "%s: %s.", grant->name, reason.text);
	return rc < 0 ? -1 : 0;
}

/* The grant that the body names, new, or in the place of one that was revoked. NULL: answered. */
static struct grant *begin_grant(struct service *service, const struct request *request,
	const json_t *body, struct answer *answer)
{
	const char *name = json_string_value(json_object_get(body, "name"));
	struct grant *old = NULL, *grant = NULL;
	int rc;

	if (name == NULL || !grant_name_is_valid(name)) {
		answer_error(answer, 400,
			"name: expected one of letters, digits, \".\", \"_\" and \"-\", at most %d "
			"long.",
			GRANT_NAME_SIZE - 1);
		return NULL;
	}
	rc = grant_desk_get(service, name, &old);
	if (rc < 0) {
		answer_store_error(answer, rc);
		return NULL;
	}
	if (old != NULL && old->state != GRANT_REVOKED) {
		grant_desk_error(answer, name, -EEXIST);
	} else {
		grant = grant_new(name);
		if (grant == NULL || !grant_set_text(&grant->created_by, request->who)) {
			answer_store_error(answer, -ENOMEM);
			grant_close(&grant);
		}
	}
	if (grant != NULL) {
		grant->revision = old != NULL ? old->revision : 0;
		grant->created_unix_ms = clock_unix_ms(service->clock);
		grant->state_unix_ms = grant->created_unix_ms;
	}
	grant_close(&old);
	return grant;
}

static void create(struct service *service, const struct request *request, struct grant *grant,
	const json_t *body, struct answer *answer)
{
	bool approves = grant_desk_flag(request, "approve"), done = true;
	struct grant_change change = {grant, approves ? "add" : "request", ""};
	uint64_t end_unix_ms;

	if (grant_desk_reason(request, &change.why, answer) < 0 ||
		parse_end(service, request, &end_unix_ms, answer) < 0 ||
		read_body(body, grant, answer) < 0)
		return;
	if (approves) {
		if (check_owner(request, grant, answer) < 0)
			return;
		done = approve(request, grant, grant->created_unix_ms, end_unix_ms);
	}
	if (!done)
		answer_store_error(answer, -ENOMEM);
	else
		grant_desk_change(service, request, &change, answer);
}

void route_grant_create(
	struct service *service, const struct request *request, struct answer *answer)
{
	json_t *body = grant_desk_body(request, answer);
	struct grant *grant = NULL;

	if (body != NULL)
		grant = begin_grant(service, request, body, answer);
	if (grant != NULL)
		create(service, request, grant, body, answer);
	grant_close(&grant);
	json_decref(body);
}

/* What is held of it for its volume needs no approval in the lane bulk. It goes on even if that takes longer than is waited. */
static void release_volume(
	struct service *service, const struct request *request, const struct grant *grant)
{
	struct holds_errand errand = {.kind = HOLD_VOLUME};
	uint64_t count;

	snprintf(errand.grant, sizeof(errand.grant), "%s", grant->name);
	snprintf(errand.who, sizeof(errand.who), "%s", request->who);
	ask_holds(service->ask, &errand, &count);
}

void route_grant_change(
	struct service *service, const struct request *request, struct answer *answer)
{
	json_t *body = grant_desk_body(request, answer);
	struct grant_change change = {NULL, "change", ""};

	if (body != NULL)
		change.grant = grant_desk_find(service, request->segments[0], answer);
	if (change.grant != NULL && grant_desk_reason(request, &change.why, answer) == 0 &&
		check_revision(request, change.grant, body, answer) == 0 &&
		read_body(body, change.grant, answer) == 0)
		grant_desk_change(service, request, &change, answer);
	if (change.grant != NULL && answer->status == 200 && change.grant->lane == LANE_BULK)
		release_volume(service, request, change.grant);
	grant_close(&change.grant);
	json_decref(body);
}

/* ---- acts ---- */

#define FROM(state) (1U << (state))

struct grant_act {
	const char *word;
	unsigned from; /* states that it is for */
	bool needs_reason;
};

enum act_number { APPROVE, RENEW, SUSPEND, RESUME, REVOKE };

static const struct grant_act acts[] = {
	[APPROVE] = {"approve", FROM(GRANT_REQUESTED), false},
	[RENEW] = {"renew", FROM(GRANT_APPROVED), false},
	[SUSPEND] = {"suspend", FROM(GRANT_APPROVED), true},
	[RESUME] = {"resume", FROM(GRANT_SUSPENDED), false},
	[REVOKE] = {"revoke", FROM(GRANT_REQUESTED) | FROM(GRANT_APPROVED) | FROM(GRANT_SUSPENDED),
		true},
};

static int check_state(
	const struct grant_act *act, const struct grant *grant, struct answer *answer)
{
	static const char *const hints[] = {
		[GRANT_REQUESTED] = "is only requested; approve makes it count",
		[GRANT_APPROVED] = "is approved already; renew gives it a new end",
		[GRANT_SUSPENDED] = "is suspended; resume lifts that",
		[GRANT_REVOKED] = "was revoked; request asks for it anew",
	};

	if ((act->from & FROM(grant->state)) != 0)
		return 0;
	answer_error(answer, 400, "%s is not for it now: grant %s %s.", act->word, grant->name,
		hints[grant->state]);
	return -1;
}

static int check_act(const struct grant_act *act, const struct request *request,
	const struct grant *grant, const char *why, struct answer *answer)
{
	if (check_revision(request, grant, NULL, answer) < 0 || check_state(act, grant, answer) < 0)
		return -1;
	if (!act->needs_reason || why[0] != '\0')
		return 0;
	answer_error(answer, 400,
		"Say why, with --reason (reason=): the owner, and who looks at this in a year, "
		"will "
		"want to know.");
	return -1;
}

static bool set_state(
	struct grant *grant, enum grant_state state, uint64_t now_unix_ms, const char *why)
{
	grant->state = state;
	grant->purges = false; /* what is queued is held: admin/route_suspensions.c has the other */
	grant->state_unix_ms = now_unix_ms;
	return grant_set_text(&grant->reason, why);
}

/* Without memory: *done is false. -1 after an answer. */
static int perform(struct service *service, const struct request *request, enum act_number number,
	const struct grant_change *change, struct answer *answer, bool *done)
{
	uint64_t now_unix_ms = clock_unix_ms(service->clock), end_unix_ms = 0;
	struct grant *grant = change->grant;

	if ((number == APPROVE || number == RENEW) &&
		(check_owner(request, grant, answer) < 0 ||
			parse_end(service, request, &end_unix_ms, answer) < 0))
		return -1;
	switch (number) {
	case APPROVE:
		*done = approve(request, grant, now_unix_ms, end_unix_ms);
		break;
	case RENEW:
		grant->expires_unix_ms = end_unix_ms;
		grant->told = 0;
		break;
	case SUSPEND:
		*done = set_state(grant, GRANT_SUSPENDED, now_unix_ms, change->why);
		break;
	case RESUME:
		*done = set_state(grant, GRANT_APPROVED, now_unix_ms, "");
		break;
	case REVOKE:
		*done = set_state(grant, GRANT_REVOKED, now_unix_ms, change->why);
		break;
	}
	return 0;
}

static void act(struct service *service, const struct request *request, enum act_number number,
	struct answer *answer)
{
	struct grant_change change = {
		grant_desk_find(service, request->segments[0], answer), acts[number].word, ""};
	bool done = true;

	if (change.grant != NULL && grant_desk_reason(request, &change.why, answer) == 0 &&
		check_act(&acts[number], request, change.grant, change.why, answer) == 0 &&
		perform(service, request, number, &change, answer, &done) == 0) {
		if (done)
			grant_desk_change(service, request, &change, answer);
		else
			answer_store_error(answer, -ENOMEM);
	}
	grant_close(&change.grant);
}

void route_grant_approve(
	struct service *service, const struct request *request, struct answer *answer)
{
	act(service, request, APPROVE, answer);
}

void route_grant_renew(
	struct service *service, const struct request *request, struct answer *answer)
{
	act(service, request, RENEW, answer);
}

void route_grant_suspend(
	struct service *service, const struct request *request, struct answer *answer)
{
	act(service, request, SUSPEND, answer);
}

void route_grant_resume(
	struct service *service, const struct request *request, struct answer *answer)
{
	act(service, request, RESUME, answer);
}

void route_grant_revoke(
	struct service *service, const struct request *request, struct answer *answer)
{
	act(service, request, REVOKE, answer);
}
