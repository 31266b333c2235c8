#include "smtp/login_grant.h"

#include "queue/permits.h"
#include "smtp/session.h"
#include "smtp/verb_permission.h"

static bool counts(const struct session *session, const struct grant *grant)
{
	enum grant_life life = grant_life(grant, clock_unix_ms(session->shared->clock));

	return life == GRANT_LIFE_APPROVED || life == GRANT_LIFE_EXPIRING ||
	       life == GRANT_LIFE_LAPSED;
}

bool login_grant_takes_any(const struct session *session)
{
	const struct permit_client client = {
		.peer = verb_permission_peer(session), .certificate = session->certificate};
	struct permit_group group;

	if (!session->policy->lenient)
		return false;
	group = permits_find(session->shared->permits, &client);
	for (size_t i = 0; i < group.count; i++)
		if (group.grants[i]->takes_any_auth && counts(session, group.grants[i]))
			return true;
	return false;
}

bool login_grant_takes_in_clear(const struct session *session, const char *account)
{
	const struct permit_client client = {
		.peer = verb_permission_peer(session), .account = account};
	struct permit_group group = permits_find(session->shared->permits, &client);

	if (group.level != PERMIT_BY_ACCOUNT)
		return false;
	for (size_t i = 0; i < group.count; i++)
		if (group.grants[i]->auth_in_clear && counts(session, group.grants[i]))
			return true;
	return false;
}
