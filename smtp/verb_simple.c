/* verb_simple.c: commands that say little: RSET, NOOP, QUIT, VRFY, HELP, and those that are not done here. */
#include "core/log.h"
#include "smtp/notice.h"
#include "smtp/verb.h"

/* On lenient listeners they cost nothing: a client may keep its connection open by them. */
static void count_nothing(struct session *session)
{
	if (!session->policy->lenient)
		return;
	session->commands--;
	if (++session->manners.noops == MANNERS_NOOPS)
		session_quirk(session, QUIRK_IDLE_NOOP, NULL, 0);
}

void verb_rset(struct session *session, const struct command *command)
{
	(void)command;
	count_nothing(session);
	session_reset(session);
	session_reply(session, "250 2.0.0 Ok");
}

void verb_noop(struct session *session, const struct command *command)
{
	(void)command;
	count_nothing(session);
	session_reply(session, "250 2.0.0 Ok");
}

void verb_quit(struct session *session, const struct command *command)
{
	(void)command;
	session->said_quit = true;
	session_reply(session, "221 2.0.0 %s bye", session->config->hostname);
	session_move(session, SESSION_CLOSING);
}

/* RFC 5321 7.3: says nothing about who exists, and refuses nobody. */
void verb_vrfy(struct session *session, const struct command *command)
{
	(void)command;
	session_reply(session, "252 2.5.2 Not verified, send the mail and it is tried");
}

void verb_help(struct session *session, const struct command *command)
{
	(void)command;
	session_reply(session, "214 2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY QUIT; RFC 5321");
}

void verb_unoffered(struct session *session, const struct command *command)
{
	(void)command;
	session_reply(session, "502 5.5.1 Command is not offered here");
}

void verb_forbidden(struct session *session, const struct command *command)
{
	(void)command;
	session_reject(session, "550 5.7.1 Nobody may speak for another client here");
}

void verb_foreign(struct session *session, const struct command *command)
{
	struct log_quoted quoted;

	log_event_limited(LOG_WARNING, "disconnect",
		"client=%s listener=%s why=\"another protocol\" verb=\"%s\"", session->client,
		session->listener->name,
		log_text_sized(&quoted, command->verb, command->verb_size));
	session_quirk(session, QUIRK_OTHER_PROTOCOL, command->verb, command->verb_size);
	notice_closed(session, "another protocol");
	session_move(session, SESSION_CLOSING);
}
