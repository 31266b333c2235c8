/* verb_mail.c: MAIL FROM: the reverse-path and its parameters. RFC 5321 4.1.1.2, RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531 (SMTPUTF8), RFC 4954 (AUTH). */
#include "core/ascii.h"
#include "queue/writer.h"
#include "smtp/deadline.h"
#include "smtp/verb.h"
#include "smtp/verb_path.h"
#include "smtp/verb_permission.h"

#define SIZE_DIGITS_MAX 20 /* RFC 1870 6 */

/* What MAIL's parameters say. */
struct mail_parameters {
	uint64_t size_bytes; /* 0: not said */
	bool body_8bitmime;
	bool smtputf8;
	bool may_say_auth; /* clients may log in here, so AUTH= is known */
};

/* One beyond 64 bits counts as the greatest. */
static bool parse_size(const struct path_parameter *parameter, uint64_t *size_bytes)
{
	uint64_t size = 0;

	if (parameter->value_size == 0 || parameter->value_size > SIZE_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < parameter->value_size; i++) {
		uint64_t digit = (uint64_t)(parameter->value[i] - '0');

		if (!ascii_is_digit(parameter->value[i]))
			return false;
		size = size > (UINT64_MAX - digit) / 10 ? UINT64_MAX : size * 10 + digit;
	}
	*size_bytes = size;
	return true;
}

/* Who first handed the message over (RFC 4954 5): nobody here is trusted to say, so it is read and forgotten. */
static bool is_submitter(const struct path_parameter *parameter)
{
	for (size_t i = 0; i < parameter->value_size; i++)
		if (parameter->value[i] <= ' ' || parameter->value[i] > '~' ||
			parameter->value[i] == '=')
			return false;
	return parameter->value_size > 0;
}

static const char *take_parameter(const struct path_parameter *parameter, void *context)
{
	struct mail_parameters *out = context;

	if (ascii_equals(parameter->name, parameter->name_size, "SIZE"))
		return parse_size(parameter, &out->size_bytes)
			       ? NULL
			       : "501 5.5.4 SIZE= wants a number of bytes";
	if (ascii_equals(parameter->name, parameter->name_size, "BODY")) {
		out->body_8bitmime =
			ascii_equals(parameter->value, parameter->value_size, "8BITMIME");
		if (out->body_8bitmime ||
			ascii_equals(parameter->value, parameter->value_size, "7BIT"))
			return NULL;
		return "501 5.5.4 BODY= wants 7BIT or 8BITMIME";
	}
	if (ascii_equals(parameter->name, parameter->name_size, "AUTH") && out->may_say_auth)
		return is_submitter(parameter) ? NULL
					       : "501 5.5.4 AUTH= wants an address as xtext, or <>";
	if (ascii_equals(parameter->name, parameter->name_size, "SMTPUTF8")) {
		out->smtputf8 = true;
		return parameter->value == NULL ? NULL : "501 5.5.4 SMTPUTF8 has no value";
	}
	return "555 5.5.4 Unknown parameter to MAIL";
}

static const char *const path_refusals[] = {
	[PATH_SYNTAX] = "501 5.1.7 Syntax: MAIL FROM:<address>",
	[PATH_TOO_LONG] = "501 5.1.7 Sender address is too long",
	[PATH_EIGHTBIT] = "553 5.6.7 Sender address must be ASCII",
	[PATH_RELAYED] = "550 5.7.1 Sender address must not route",
};

/* Only behind the address is it said whether it may be UTF-8: one that is, and may not, is read again. */
static enum path_fault read_sender(struct session *session, const char *at, const char *end,
	struct path *path, struct mail_parameters *parameters, const char **refusal)
{
	size_t taken;
	enum path_fault fault = verb_path_read(session, PATH_REVERSE, true, at, end, path, &taken);

	if (fault != PATH_SOUND)
		return fault;
	*refusal = verb_path_parameters(session, at + taken, end, take_parameter, parameters,
		"501 5.5.4 Syntax: MAIL FROM:<address> [SIZE=n] [BODY=8BITMIME]");
	if (parameters->smtputf8 || !path_has_eightbit(path->address, path->size))
		return PATH_SOUND;
	return verb_path_read(session, PATH_REVERSE, false, at, end, path, &taken);
}

/* NULL: taken; else the reply. */
static const char *parse_mail(struct session *session, const struct command *command,
	struct path *path, struct mail_parameters *parameters)
{
	const char *at = verb_path_begin(session, command, "FROM");
	const char *refusal = NULL;
	enum path_fault fault = PATH_SYNTAX;

	if (at != NULL)
		fault = read_sender(session, at, command->argument + command->argument_size, path,
			parameters, &refusal);
	return fault != PATH_SOUND ? path_refusals[fault] : refusal;
}

/* The transaction stands; only the store may have no room for it. */
static void answer_mail(struct session *session)
{
	if (!writer_is_full(session->shared->writer)) {
		session->hold_end_mono_ms = 0;
		session_move(session, SESSION_MAIL);
		session_reply(session, "250 2.1.0 Ok");
	} else if (session_hold(session, TROUBLE_STORE_FULL)) {
		session_move(session, SESSION_HELD);
	} else {
		session_trouble(session, TROUBLE_STORE_FULL);
		session_reset(session);
	}
}

/* RFC 4954 6 */
static const char *judge_client(struct session *session)
{
	if (!auth_is_missing(session) || verb_permission_without_login(session))
		return NULL;
	return auth_is_offered(session) ? "530 5.7.0 Authentication is required"
					: "530 5.7.0 Send STARTTLS and AUTH first";
}

void verb_mail(struct session *session, const struct command *command)
{
	struct mail_parameters parameters = {
		.may_say_auth = session->listener->auth != LISTENER_AUTH_OFF};
	struct path path;
	const char *refusal = judge_client(session);

	if (refusal == NULL)
		refusal = parse_mail(session, command, &path, &parameters);

	if (refusal != NULL) {
		session_reject(session, "%s", refusal);
		return;
	}
	if (parameters.size_bytes > session->listener->max_message_bytes &&
		!session->policy->lenient) {
		verb_permission_tell_oversize(session, parameters.size_bytes);
		session_trouble(session, TROUBLE_MESSAGE_SIZE);
		return;
	}
	session->transaction = transaction_open(&path, parameters.body_8bitmime);
	if (session->transaction == NULL) {
		session_trouble(session, TROUBLE_MEMORY);
	} else {
		session->transaction->smtputf8 = parameters.smtputf8;
		session->transaction->declared_bytes = parameters.size_bytes;
		verb_permission_mail(session);
		answer_mail(session);
	}
}

void mail_again(struct session *session)
{
	answer_mail(session);
	deadline_restart(session);
}
