/* verb_rcpt.c: RCPT TO: who may relay, and where each recipient goes. RFC 5321 4.1.1.3, 3.6. */
#include "core/ascii.h"
#include "smtp/route.h"
#include "smtp/verb.h"

static const char *const path_refusals[] = {
	[PATH_SYNTAX] = "501 5.1.3 Syntax: RCPT TO:<address>",
	[PATH_TOO_LONG] = "501 5.1.3 Recipient address is too long",
	[PATH_EIGHTBIT] = "553 5.6.7 Recipient address must be ASCII",
};

/* NULL: taken; else the reply. */
static const char *parse_rcpt(const struct command *command, struct path *path)
{
	static const char prefix[] = "TO:";
	const char *at = command->argument + sizeof(prefix) - 1;
	const char *end = command->argument + command->argument_size;
	struct path_parameter parameter;
	enum path_fault fault;
	size_t taken;
	int rc;

	if (!ascii_begins(command->argument, command->argument_size, prefix))
		return path_refusals[PATH_SYNTAX];
	fault = path_parse(at, (size_t)(end - at), PATH_FORWARD, path, &taken);
	if (fault != PATH_SOUND)
		return path_refusals[fault];
	at += taken;
	rc = path_parameter_next(&at, end, &parameter);
	if (rc < 0)
		return path_refusals[PATH_SYNTAX];
	return rc > 0 ? "555 5.5.4 Unknown parameter to RCPT" : NULL;
}

void verb_rcpt(struct session *session, const struct command *command)
{
	struct transaction *transaction = session->transaction;
	const struct config_upstream *upstream;
	struct path path;
	const char *refusal = parse_rcpt(command, &path);

	if (refusal != NULL) {
		session_reject(session, "%s", refusal);
		return;
	}
	if (!session->may_relay) {
		session_reject(session, "550 5.7.1 Host %s may not send mail through this relay",
			session->client);
		return;
	}
	if (transaction->recipient_count >= policy_recipients(session->listener)) {
		session_trouble(session, TROUBLE_RECIPIENTS);
		return;
	}
	upstream = route_find(session->config, path.address);
	if (upstream == NULL) {
		session_reject(session, "550 5.4.4 This relay has no route to that domain");
		return;
	}
	if (!transaction_add(transaction, &path, upstream->number)) {
		session_trouble(session, TROUBLE_MEMORY);
		return;
	}
	session_move(session, SESSION_RCPT);
	session_reply(session, "250 2.1.5 Ok");
}
