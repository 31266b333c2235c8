/*
 * verb_starttls.c: STARTTLS, up to the handshake (handshake.h). RFC 3207.
 *
 * A fragile client may say it where it was not offered, and with an argument; it keeps the name that it gave, and
 * may go on without another EHLO.
 */
#include <stdlib.h>

#include "core/log.h"
#include "smtp/handshake.h"
#include "smtp/verb.h"

/* RFC 3207 4.2: what was said in clear anybody may have said. */
static void forget(struct session *session)
{
	session_reset(session);
	command_parser_init(&session->parser, session->policy->command_line_bytes,
		session->policy->crlf_only, session->policy->lenient);
	session->sent_cr = false;
	session->greeted_in_clear = session->helo != NULL;
	auth_forget(session);
	if (session->policy->lenient)
		return;
	free(session->helo);
	session->helo = NULL;
	session->esmtp = false;
}

void verb_starttls(struct session *session, const struct command *command)
{
	bool lenient = session->policy->lenient, is_offered = handshake_is_offered(session);

	if (conn_is_tls(&session->channel.conn)) {
		session_reject(session, "503 5.5.1 TLS is on already");
		return;
	}
	if (lenient && (!is_offered || command->argument_size > 0))
		session_quirk(session, QUIRK_STARTTLS_UNASKED, command->verb,
			(size_t)(command->argument + command->argument_size - command->verb));
	if (handshake_context(session) == NULL || (!is_offered && !lenient)) {
		verb_unoffered(session, command);
		return;
	}
	session_reply(session, "220 2.0.0 Ready to start TLS");
	forget(session);
	handshake_start(session);
}

size_t starttls_discard(struct session *session, size_t size)
{
	if (size == 0)
		return 0;
	log_event_limited(LOG_WARNING, "starttls_injection",
		"client=%s listener=%s bytes=%zu "
		"hint=\"somebody on the way may have put commands in front of its TLS; dropped\"",
		session->client, session->listener->name, size);
	session_quirk_said(session, QUIRK_STARTTLS_INJECTION, "%zu bytes", size);
	return size;
}
