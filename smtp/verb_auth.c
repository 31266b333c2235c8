/* verb_auth.c: AUTH: who may log in here, and how. RFC 4954. What follows is login.h's. */
#include <stdlib.h>

#include "smtp/login.h"
#include "smtp/login_grant.h"
#include "smtp/verb.h"

static bool has_accounts(const struct session *session)
{
	return session->listener->auth != LISTENER_AUTH_OFF && session->shared->auth.auth != NULL;
}

static bool is_in_clear(const struct session *session)
{
	return !conn_is_tls(&session->channel.conn);
}

bool auth_is_offered(const struct session *session)
{
	bool may_be_in_clear = session->listener->auth_in_clear != LISTENER_CLEAR_OFF;

	return (has_accounts(session) && (!is_in_clear(session) || may_be_in_clear)) ||
	       login_grant_takes_any(session);
}

bool auth_is_missing(const struct session *session)
{
	return session->listener->auth == LISTENER_AUTH_REQUIRED && session->account == NULL;
}

void auth_forget(struct session *session)
{
	free(session->account);
	session->account = NULL;
	session->login_failures = 0;
}

static void refuse_unoffered(struct session *session)
{
	if (session->policy->lenient)
		session_quirk(session, QUIRK_AUTH_UNASKED, "AUTH", 4);
	if (!has_accounts(session))
		session_reply(session, "502 5.5.1 Command is not offered here");
	else
		session_reject_one(session, "538 5.7.11 Passwords are taken over TLS only");
}

/* "PLAIN", "LOGIN dXNlcg==": the word, and what is behind it; NULL: nothing. */
static const char *split(const struct command *command, size_t *word_size)
{
	const char *at = command->argument, *end = at + command->argument_size;

	while (at < end && *at != ' ' && *at != '\t')
		at++;
	*word_size = (size_t)(at - command->argument);
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at < end ? at : NULL;
}

void verb_auth(struct session *session, const struct command *command)
{
	size_t word_size;
	const char *response = split(command, &word_size);
	enum sasl_mechanism mechanism;
	size_t size = 0;

	if (response != NULL)
		size = (size_t)(command->argument + command->argument_size - response);
	if (!auth_is_offered(session)) {
		refuse_unoffered(session);
		return;
	}
	if (session->policy->lenient && !session->esmtp)
		session_quirk(session, QUIRK_AUTH_UNASKED, "AUTH", 4);
	if (session->policy->lenient && session->login_failures > 0)
		session_quirk(session, QUIRK_AUTH_AGAIN, "AUTH", 4);
	if (session->policy->lenient && is_in_clear(session))
		session_quirk(session, QUIRK_AUTH_IN_CLEAR, "AUTH", 4);
	if (session->state == SESSION_NEW)
		session_reject(session, "503 5.5.1 Send EHLO first");
	else if (session->state != SESSION_READY)
		session_reject_one(
			session, "503 5.5.1 AUTH cannot be within a message, send RSET first");
	else if (session->account != NULL)
		session_reject_one(session, "503 5.5.1 You are logged in already");
	else if (word_size == 0)
		session_reject_one(session, "501 5.5.4 Syntax: AUTH mechanism [response]");
	else if (!sasl_mechanism_find(command->argument, word_size, &mechanism))
		session_reject_one(session, "504 5.5.4 Mechanisms are PLAIN and LOGIN");
	else if (session->login_failures >= LOGIN_FAILURES_MAX)
		session_trouble(session, TROUBLE_LOGINS);
	else
		login_begin(session, mechanism, response, size);
}
