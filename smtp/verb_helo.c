/* verb_helo.c: EHLO and HELO: who the client says it is, and what is offered. RFC 5321 4.1.1.1, 4.1.4. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/ascii.h"
#include "smtp/greeting.h"
#include "smtp/trace.h"
#include "smtp/verb.h"

#define HELO_BYTES_MAX 255

/*
 * Any name is taken (RFC 5321 4.1.4: a wrong one is no reason to refuse), but it is one word of printable ASCII; a lenient
 * listener takes several words and 8-bit bytes, and escapes them wherever they are shown.
 */
static bool is_name(const char *text, size_t size, bool lenient)
{
	if (size > HELO_BYTES_MAX)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (lenient && (text[i] == ' ' || text[i] == '\t' || (text[i] & 0x80) != 0))
			continue;
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	}
	return true;
}

static bool is_bare_ip(const char *name)
{
	struct in6_addr parsed;

	return inet_pton(AF_INET, name, &parsed) == 1 || inet_pton(AF_INET6, name, &parsed) == 1;
}

/* A domain has a dot within, an address literal is in brackets; what else there may be is not asked for. */
static bool is_odd(const char *name)
{
	size_t size = strlen(name);

	if (name[0] == '[')
		return false;
	for (size_t i = 0; i < size; i++)
		if (!ascii_is_alnum(name[i]) && strchr("-._:", name[i]) == NULL)
			return true;
	return strchr(name, '.') == NULL || name[size - 1] == '.';
}

static void note_name(struct session *session, const char *name)
{
	enum quirk quirk = QUIRK_HELO_ODD_NAME;

	if (strchr(name, '_') != NULL)
		quirk = QUIRK_HELO_UNDERSCORE;
	else if (is_bare_ip(name))
		quirk = QUIRK_HELO_BARE_IP;
	else if (!is_odd(name))
		return;
	session_quirk(session, quirk, name, strlen(name));
}

/* The name it gives, or, when it gives none, its address as a literal. NULL without memory. */
static char *take_name(struct session *session, const struct command *command)
{
	char literal[ADDRESS_TEXT_SIZE];
	char *name;

	if (command->argument_size == 0) {
		session_quirk(session, QUIRK_EMPTY_HELO, NULL, 0);
		return strdup(trace_format_peer(&session->channel.conn.peer, literal));
	}
	name = strndup(command->argument, command->argument_size);
	if (name != NULL && session->policy->lenient)
		note_name(session, name);
	return name;
}

/* Greets: a transaction that was open is forgotten, as by RSET. False: it was refused. */
static bool greet(struct session *session, const struct command *command, bool esmtp)
{
	char *helo;

	if (!is_name(command->argument, command->argument_size, session->policy->lenient)) {
		session_reject(session, "501 5.5.4 Syntax: %s hostname", esmtp ? "EHLO" : "HELO");
		return false;
	}
	helo = take_name(session, command);
	if (helo == NULL) {
		session_trouble(session, TROUBLE_MEMORY);
		return false;
	}
	if (session->policy->lenient && !session->greeted_in_clear &&
		(session->helo != NULL || session->transaction != NULL))
		session_quirk(session, QUIRK_EHLO_AGAIN, helo, strlen(helo));
	free(session->helo);
	session->helo = helo;
	session->esmtp = esmtp;
	session->greeted_in_clear = false;
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
