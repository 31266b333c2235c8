/* verb_mail.c: MAIL FROM: the reverse-path and its parameters. RFC 5321 4.1.1.2, RFC 1870 (SIZE), RFC 6152 (BODY). */
#include "core/ascii.h"
#include "queue/writer.h"
#include "smtp/deadline.h"
#include "smtp/verb.h"

#define SIZE_DIGITS_MAX 20 /* RFC 1870 6 */

/* What MAIL's parameters say. */
struct mail_parameters {
	uint64_t size_bytes; /* 0: not said */
	bool body_8bitmime;
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

/* NULL: taken; else the reply. */
static const char *take_parameter(
	const struct path_parameter *parameter, struct mail_parameters *out)
{
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
	return "555 5.5.4 Unknown parameter to MAIL";
}

static const char *take_parameters(const char *at, const char *end, struct mail_parameters *out)
{
	struct path_parameter parameter;
	const char *refusal;
	int rc;

	while ((rc = path_parameter_next(&at, end, &parameter)) > 0) {
		refusal = take_parameter(&parameter, out);
		if (refusal != NULL)
			return refusal;
	}
	return rc < 0 ? "501 5.5.4 Syntax: MAIL FROM:<address> [SIZE=n] [BODY=8BITMIME]" : NULL;
}

static const char *const path_refusals[] = {
	[PATH_SYNTAX] = "501 5.1.7 Syntax: MAIL FROM:<address>",
	[PATH_TOO_LONG] = "501 5.1.7 Sender address is too long",
	[PATH_EIGHTBIT] = "553 5.6.7 Sender address must be ASCII",
};

/* NULL: taken; else the reply. */
static const char *parse_mail(
	const struct command *command, struct path *path, struct mail_parameters *parameters)
{
	static const char prefix[] = "FROM:";
	const char *at = command->argument + sizeof(prefix) - 1;
	const char *end = command->argument + command->argument_size;
	enum path_fault fault;
	size_t taken;

	if (!ascii_begins(command->argument, command->argument_size, prefix))
		return path_refusals[PATH_SYNTAX];
	fault = path_parse(at, (size_t)(end - at), PATH_REVERSE, path, &taken);
	if (fault != PATH_SOUND)
		return path_refusals[fault];
	return take_parameters(at + taken, end, parameters);
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

void verb_mail(struct session *session, const struct command *command)
{
	struct mail_parameters parameters = {0};
	struct path path;
	const char *refusal = parse_mail(command, &path, &parameters);

	if (refusal != NULL) {
		session_reject(session, "%s", refusal);
		return;
	}
	if (parameters.size_bytes > session->listener->max_message_bytes &&
		!session->policy->lenient) {
		session_trouble(session, TROUBLE_MESSAGE_SIZE);
		return;
	}
	session->transaction = transaction_open(&path, parameters.body_8bitmime);
	if (session->transaction == NULL) {
		session_trouble(session, TROUBLE_MEMORY);
	} else {
		session->transaction->declared_bytes = parameters.size_bytes;
		answer_mail(session);
	}
}

void mail_again(struct session *session)
{
	answer_mail(session);
	deadline_restart(session);
}
