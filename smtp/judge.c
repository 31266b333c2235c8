#include "smtp/judge.h"

#include <stdio.h>

#include "core/address.h"
#include "smtp/permission.h"
#include "smtp/policy.h"

/* As verb_mail.c says it: on a fragile listener a grant stands for the login. */
static bool wants_login(
	const struct judgement_case *asked, bool is_lenient, const struct permission_terms *terms)
{
	struct permission permission = {0};
	bool is_served;

	if (asked->listener->auth != LISTENER_AUTH_REQUIRED || asked->client.account != NULL)
		return false;
	if (!is_lenient || (asked->listener->relay & RELAY_GRANT) == 0)
		return true;
	permission_decide(&permission, asked->permits, terms, "", true);
	is_served = permission.answer == PERMISSION_YES && permission.grant != NULL;
	permission_fini(&permission);
	return !is_served;
}

void judge_client(const struct judgement_case *asked, struct judgement *out)
{
	const struct permission_terms terms = {.config = asked->config,
		.listener = asked->listener,
		.client = asked->client,
		.in_networks = network_list_has(&asked->listener->networks, asked->client.peer),
		.now_unix_ms = asked->now_unix_ms};
	bool is_lenient = policy_of(asked->listener->profile)->lenient;
	struct permission permission = {0};
	char host[ADDRESS_TEXT_SIZE], text[PERMISSION_TEXT_SIZE] = "";

	*out = (struct judgement){0};
	if (wants_login(asked, is_lenient, &terms)) {
		out->kind = JUDGEMENT_LOGIN;
		return;
	}
	permission_decide(&permission, asked->permits, &terms, asked->reverse_path, is_lenient);
	out->kind = permission.answer != PERMISSION_YES ? JUDGEMENT_REFUSED
		    : permission.is_held                ? JUDGEMENT_HELD
							: JUDGEMENT_TAKEN;
	out->ways = permission_ways(&permission, &terms);
	out->sender = permission.sender;
	if (permission.answer != PERMISSION_YES)
		permission_explain(permission.answer, &permission, &terms,
			address_format_host(asked->client.peer, host), text);
	else if (permission.is_held)
		permission_hold_reason(&permission, text);
	snprintf(out->text, sizeof(out->text), "%s", text);
	permission_fini(&permission); /* the asker keeps the table, so what is its stays */
}
