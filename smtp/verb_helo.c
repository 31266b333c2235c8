/* verb_helo.c: EHLO and HELO: who the client says it is, and what is offered. RFC 5321 4.1.1.1, 4.1.4. */
#include <stdlib.h>
#include <string.h>

#include "smtp/greeting.h"
#include "smtp/verb.h"

#define HELO_BYTES_MAX 255

/* Any name is taken (RFC 5321 4.1.4: a wrong one is no reason to refuse), but it is one word of printable ASCII. */
static bool is_name(const char *text, size_t size)
{
	if (size > HELO_BYTES_MAX)
		return false;
	for (size_t i = 0; i < size; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return true;
}

/* Greets: a transaction that was open is forgotten, as by RSET. False: it was refused. */
static bool greet(struct session *session, const struct command *command, bool esmtp)
{
	char *helo;

	if (!is_name(command->argument, command->argument_size)) {
		session_reject(session, "501 5.5.4 Syntax: %s hostname", esmtp ? "EHLO" : "HELO");
		return false;
	}
	helo = strndup(command->argument, command->argument_size);
	if (helo == NULL) {
		session_trouble(session, TROUBLE_MEMORY);
		return false;
	}
	free(session->helo);
	session->helo = helo;
	session->esmtp = esmtp;
	session_reset(session);
	session_move(session, SESSION_READY);
	return true;
}

void verb_helo(struct session *session, const struct command *command)
{
	if (greet(session, command, false))
		greeting_helo(session);
}

void verb_ehlo(struct session *session, const struct command *command)
{
	if (!greeting_refuses_ehlo(session) && greet(session, command, true))
		greeting_ehlo(session);
}
