#include "smtp/manners.h"

#include <string.h>
#include <sys/socket.h>

#include "core/ascii.h"
#include "core/log.h"
#include "queue/ledger.h"
#include "smtp/notice.h"
#include "smtp/tls_past.h"
#include "smtp/verb.h"

static size_t line_size(const struct command *command)
{
	return (size_t)(command->argument + command->argument_size - command->verb);
}

/* Behind AUTH a line that is no command may be a name or a password: it is no example. */
static void note(struct session *session, enum quirk quirk, const struct command *command)
{
	bool is_secret = session->said_auth && !verb_is_known(command);

	session_quirk(session, quirk, command->verb, is_secret ? 0 : line_size(command));
}

static bool is_verb(const struct command *command, const char *name)
{
	return ascii_equals(command->verb, command->verb_size, name);
}

static bool is_tls(const void *bytes, size_t size)
{
	static const char handshake[] = {0x16, 0x03};

	return size >= sizeof(handshake) && memcmp(bytes, handshake, sizeof(handshake)) == 0;
}

void manners_open(struct session *session)
{
	char early[LEDGER_EXAMPLE_SIZE];
	ssize_t size;

	if (!session->policy->lenient)
		return;
	size = recv(session->channel.conn.fd, early, sizeof(early) - 1, MSG_PEEK | MSG_DONTWAIT);
	if (size <= 0 || is_tls(early, (size_t)size))
		return;
	early[size] = '\0';
	session_quirk(session, QUIRK_EARLY_TALKER, early, strcspn(early, "\r\n"));
}

bool manners_refuse_tls(struct session *session, const void *bytes, size_t size)
{
	if (session->spoke || conn_is_tls(&session->channel.conn) || !is_tls(bytes, size))
		return false;
	log_event_limited(LOG_INFO, "disconnect",
		"client=%s listener=%s why=\"TLS to a plaintext port\"", session->client,
		session->listener->name);
	session_quirk(session, QUIRK_TLS_TO_PLAIN_PORT, NULL, 0);
	tls_past_note_first(session->shared->tls_past, session->client);
	notice_closed(session, "TLS to a plaintext port");
	session_move(session, SESSION_CLOSING);
	return true;
}

void manners_begin_line(struct session *session, const uint8_t *input, size_t size)
{
	session->manners.at_cr = session->policy->lenient && size > 0 && input[size - 1] == '\r';
}

void manners_end(struct session *session)
{
	if (session->manners.at_cr)
		session_quirk(session, QUIRK_COMMAND_LINE_ENDS, "\r", 1);
}

/* ---- 1 ---- */

static bool is_dot(
	const struct session *session, const struct command *command, size_t taken, size_t rest)
{
	if (!is_verb(command, ".") || command->argument_size > 0)
		return false;
	if (command->ends_in_crlf)
		return command->follows_crlf &&
		       (command->odd & (COMMAND_ODD_BLANKS | COMMAND_ODD_END)) == 0;
	return taken == 2 && !session->sent_cr && rest == 0 &&
	       !channel_has_unread(&session->channel);
}

/* True: the line is a part of a text that nobody asked for. */
static bool swallow(
	struct session *session, const struct command *command, size_t taken, size_t rest)
{
	struct manners *manners = &session->manners;

	if (manners->swallow == SWALLOW_NOTHING)
		return false;
	if (manners->swallow == SWALLOW_ARMED && command->fault == COMMAND_SOUND &&
		command->verb_size == 0)
		return false; /* an empty line tells nothing yet */
	if (manners->swallow == SWALLOW_ARMED && command->fault == COMMAND_SOUND &&
		verb_is_known(command)) {
		manners->swallow = SWALLOW_NOTHING;
		return false;
	}
	if (is_dot(session, command, taken, rest)) {
		manners->swallow = SWALLOW_NOTHING;
		session_reply(session, "554 5.5.1 No recipient was accepted, the text is dropped");
		return true;
	}
	if (command->fault == COMMAND_SOUND && is_verb(command, "QUIT") &&
		command->argument_size == 0) {
		manners->swallow = SWALLOW_NOTHING;
		return false;
	}
	manners->swallow = SWALLOW_TEXT;
	manners->swallowed_bytes += taken;
	if (manners->swallowed_bytes > session->listener->max_message_bytes)
		session_trouble(session, TROUBLE_BAD_COMMANDS);
	return true;
}

/* ---- 2 ---- */

static bool is_empty(struct session *session, const struct command *command)
{
	struct manners *manners = &session->manners;

	if (command->fault != COMMAND_SOUND || command->verb_size > 0) {
		manners->empty_lines = 0;
		return false;
	}
	session_quirk(session, QUIRK_EMPTY_LINES, NULL, 0);
	if (++manners->empty_lines > MANNERS_EMPTY_LINES)
		session_trouble(session, TROUBLE_BAD_COMMANDS);
	return true;
}

/* ---- 3 ---- */

static void note_line(struct session *session, const struct command *command)
{
	static const struct {
		enum command_oddity oddity;
		enum quirk quirk;
	} rows[] = {
		{COMMAND_ODD_BLANKS, QUIRK_COMMAND_BLANKS},
		{COMMAND_ODD_END, QUIRK_COMMAND_LINE_ENDS},
		{COMMAND_ODD_SIZE, QUIRK_LONG_COMMAND},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((command->odd & rows[i].oddity) != 0)
			note(session, rows[i].quirk, command);
}

/*
 * Something is behind the command before it is answered. RFC 2920 allows that behind our reply to EHLO only, and never
 * behind EHLO or DATA themselves.
 */
static void note_haste(struct session *session, const struct command *command, size_t rest)
{
	bool greets = is_verb(command, "EHLO") || is_verb(command, "HELO");

	if (session->manners.behind_dot && is_verb(command, "QUIT"))
		note(session, QUIRK_DOT_AND_QUIT, command);
	session->manners.behind_dot = false;
	if (rest == 0 || is_verb(command, "BDAT")) /* its octets follow at once */
		return;
	if (greets)
		note(session, QUIRK_IGNORES_REPLIES, command);
	if (greets || !session->esmtp || is_verb(command, "DATA"))
		note(session, QUIRK_UNASKED_PIPELINING, command);
}

bool manners_meet(struct session *session, const struct command *command, size_t taken, size_t rest)
{
	bool is_dealt_with;

	if (!session->policy->lenient)
		return false;
	is_dealt_with = swallow(session, command, taken, rest) || is_empty(session, command);
	if (is_dealt_with)
		return true;
	if (command->fault == COMMAND_SOUND) {
		note_line(session, command);
		note_haste(session, command, rest);
	}
	return false;
}

/* Telnet's negotiations, or text that is not ASCII: bytes that no command has. */
static bool is_binary(const struct command *command)
{
	for (size_t i = 0; i < line_size(command); i++)
		if ((unsigned char)command->verb[i] > 126 ||
			(command->verb[i] < ' ' && command->verb[i] != '\t'))
			return true;
	return false;
}

bool manners_unknown(struct session *session, const struct command *command)
{
	struct manners *manners = &session->manners;

	if (!session->policy->lenient)
		return true;
	if (!is_binary(command)) {
		manners->binary_lines = 0;
		return true;
	}
	note(session, QUIRK_TELNET, command);
	if (++manners->binary_lines <= MANNERS_BINARY_LINES)
		return true;
	session_trouble(session, TROUBLE_BAD_COMMANDS);
	return false;
}
