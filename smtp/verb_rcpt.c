/* verb_rcpt.c: RCPT TO: who may relay, and where each recipient goes. RFC 5321 4.1.1.3, 3.6. */
#include <string.h>

#include "core/ascii.h"
#include "smtp/path_list.h"
#include "smtp/route.h"
#include "smtp/verb.h"
#include "smtp/verb_path.h"
#include "smtp/verb_permission.h"

static const char *const path_refusals[] = {
	[PATH_SYNTAX] = "501 5.1.3 Syntax: RCPT TO:<address>",
	[PATH_TOO_LONG] = "501 5.1.3 Recipient address is too long",
	[PATH_EIGHTBIT] = "553 5.6.7 Recipient address must be ASCII",
	[PATH_RELAYED] = "550 5.7.1 Recipients that route by % or ! are not relayed",
};

static const char *take_parameter(const struct path_parameter *parameter, void *context)
{
	(void)parameter;
	(void)context;
	return "555 5.5.4 Unknown parameter to RCPT";
}

/* NULL: taken; else the reply. */
static const char *parse_recipient(
	struct session *session, const char *at, const char *end, struct path *path)
{
	size_t taken;
	enum path_fault fault = verb_path_read(
		session, PATH_FORWARD, session->transaction->smtputf8, at, end, path, &taken);

	if (fault != PATH_SOUND)
		return path_refusals[fault];
	return verb_path_parameters(
		session, at + taken, end, take_parameter, NULL, path_refusals[PATH_SYNTAX]);
}

/* The same mailbox: only the domain's letters may differ in case (RFC 5321 2.4). */
static bool is_same(const char *a, const char *b)
{
	const char *at = strrchr(a, '@');
	size_t local = at != NULL ? (size_t)(at - a) : strlen(a);

	return strncmp(a, b, local) == 0 && ascii_equals(a + local, strlen(a + local), b + local);
}

static bool has_recipient(const struct transaction *transaction, const char *address)
{
	const char *at = (const char *)transaction->recipients.data;

	for (size_t i = 0; i < transaction->recipient_count; i++) {
		at += sizeof(uint16_t);
		if (is_same(address, at))
			return true;
		at += strlen(at) + 1;
	}
	return false;
}

/* One that is there already is not added again. */
static bool add_recipient(
	struct session *session, const struct path *path, const struct config_upstream *upstream)
{
	struct transaction *transaction = session->transaction;

	if (session->policy->lenient && has_recipient(transaction, path->address)) {
		session_quirk(session, QUIRK_SAME_RECIPIENT, path->address, path->size);
		return true;
	}
	if (session->policy->lenient &&
		transaction->recipient_count >= session->listener->max_recipients)
		session_quirk(session, QUIRK_MANY_RECIPIENTS, NULL, 0);
	return transaction_add(transaction, path, upstream->number);
}

/* What RCPT says: one recipient, or on lenient listeners a list. */
struct recipients {
	const char *at, *end;
};

static int next_recipient(
	const struct session *session, struct recipients *rest, struct path_item *out)
{
	if (session->policy->lenient)
		return path_list_next(&rest->at, rest->end, out);
	if (rest->at == NULL)
		return 0;
	*out = (struct path_item){rest->at, (size_t)(rest->end - rest->at)};
	rest->at = NULL;
	return 1;
}

/* NULL: all of them may be added; else the reply to the first that may not: one reply cannot be true for some only. */
static const char *judge_recipients(struct session *session, struct recipients rest, size_t *count,
	enum permission_answer *answer)
{
	const char *refusal;
	struct path_item item;
	struct path path;

	*answer = PERMISSION_YES;
	for (*count = 0; next_recipient(session, &rest, &item) > 0; ++*count) {
		refusal = parse_recipient(session, item.text, item.text + item.size, &path);
		if (refusal != NULL)
			return refusal;
		if (*answer == PERMISSION_YES)
			*answer = verb_permission_rcpt(session, path.address);
		if (*answer == PERMISSION_YES && route_find(session->config, path.address) == NULL)
			return "550 5.4.4 This relay has no route to that domain";
	}
	return *count > 0 ? NULL : path_refusals[PATH_SYNTAX];
}

static bool add_recipients(struct session *session, struct recipients rest)
{
	struct path_item item;
	struct path path;

	while (next_recipient(session, &rest, &item) > 0) {
		if (parse_recipient(session, item.text, item.text + item.size, &path) != NULL)
			return true; /* it was judged: cannot be */
		if (!add_recipient(session, &path, route_find(session->config, path.address)))
			return false;
	}
	return true;
}

void verb_rcpt(struct session *session, const struct command *command)
{
	struct recipients all = {verb_path_begin(session, command, "TO"),
		command->argument + command->argument_size};
	size_t count;
	enum permission_answer answer;
	const char *refusal = judge_recipients(session, all, &count, &answer);

	if (all.at == NULL)
		refusal = path_refusals[PATH_SYNTAX];
	if (session->transaction->is_chunked)
		refusal = "503 5.5.1 BDAT was begun, go on with BDAT or RSET";
	if (count > 1)
		session_quirk(session, QUIRK_RCPT_LIST, command->argument, command->argument_size);
	if (refusal != NULL) {
		session_reject_one(session, refusal);
	} else if (answer != PERMISSION_YES) {
		verb_permission_refuse_rcpt(session, answer);
	} else if (session->transaction->recipient_count + count >
		   policy_recipients(session->listener)) {
		session_trouble(session, TROUBLE_RECIPIENTS);
	} else if (!add_recipients(session, all)) {
		session_trouble(session, TROUBLE_MEMORY);
	} else {
		session_move(session, SESSION_RCPT);
		session_reply(session, "250 2.1.5 Ok");
	}
}
