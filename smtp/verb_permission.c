#include "smtp/verb_permission.h"

#include <string.h>

#include "queue/settle.h"
#include "smtp/errand.h"
#include "smtp/grant_mail.h"
#include "smtp/ours.h"

#define REFUSED "550 5.7.1"

const struct address *verb_permission_peer(const struct session *session)
{
	static const struct address loopback = {.size = sizeof(struct sockaddr_in),
		.v4 = {.sin_family = AF_INET, .sin_addr = {.s_addr = 0x0100007f}}};
	const struct address *peer = &session->channel.conn.peer;

	return peer->any.sa_family == AF_UNIX ? &loopback : peer;
}

static struct permission_terms find_terms(const struct session *session)
{
	return (struct permission_terms){.config = session->config,
		.listener = session->listener,
		.client = {.peer = verb_permission_peer(session),
			.account = session->account,
			.certificate = session->certificate},
		.in_networks = session->in_networks,
		.now_unix_ms = clock_unix_ms(session->shared->clock)};
}

static void decide(struct session *session, const struct permission_terms *terms)
{
	permission_decide(&session->transaction->permission, session->shared->permits, terms,
		session->transaction->reverse_path, session->policy->lenient);
}

static const char *explain(const struct session *session, enum permission_answer answer,
	char out[PERMISSION_TEXT_SIZE])
{
	const struct permission_terms terms = find_terms(session);

	return permission_explain(
		answer, &session->transaction->permission, &terms, session->client, out);
}

bool verb_permission_without_login(struct session *session)
{
	const struct permission_terms terms = find_terms(session);
	struct permission permission = {0};
	bool may;

	if (!session->policy->lenient || (session->listener->relay & RELAY_GRANT) == 0)
		return false;
	permission_decide(&permission, session->shared->permits, &terms, "", true);
	may = permission.answer == PERMISSION_YES && permission.grant != NULL;
	permission_fini(&permission);
	if (may)
		session_quirk(session, QUIRK_NO_LOGIN, NULL, 0);
	return may;
}

void verb_permission_tell_oversize(struct session *session, uint64_t size_bytes)
{
	const struct permission_terms terms = find_terms(session);
	struct session_shared *shared = session->shared;
	struct permission permission = {0};
	struct message *message = NULL;

	permission_decide(&permission, shared->permits, &terms, "", session->policy->lenient);
	if (permission.grant != NULL && permission.answer == PERMISSION_YES &&
		grant_mail_write_oversize(session->config, permission.grant, session->client,
			size_bytes, session->listener->max_message_bytes, terms.now_unix_ms,
			id_next(shared->ids), &message) == 0)
		errand_send_message(shared, message);
	permission_fini(&permission);
}

void verb_permission_mail(struct session *session)
{
	const struct permission_terms terms = find_terms(session);
	const char *reverse_path = session->transaction->reverse_path;

	decide(session, &terms);
	if (session->policy->lenient && ours_is_nowhere(reverse_path))
		session_quirk(session, QUIRK_NUMERIC_SENDER, reverse_path, strlen(reverse_path));
}

enum permission_answer verb_permission_rcpt(const struct session *session, const char *recipient)
{
	const struct permission_terms terms = find_terms(session);
	const struct permission *permission = &session->transaction->permission;

	if (permission->answer != PERMISSION_YES)
		return permission->answer;
	return permission_reach(permission, &terms, recipient);
}

void verb_permission_refuse_rcpt(struct session *session, enum permission_answer answer)
{
	char text[PERMISSION_TEXT_SIZE];

	explain(session, answer, text);
	if (answer == PERMISSION_REACH && session->policy->lenient)
		session_reply_text(session, REFUSED, text);
	else
		session_reject_text(session, REFUSED, text);
}

bool verb_permission_data(struct session *session)
{
	enum permission_answer answer = session->transaction != NULL
						? session->transaction->permission.answer
						: PERMISSION_YES;
	char text[PERMISSION_TEXT_SIZE];

	if (answer == PERMISSION_YES)
		return false;
	session_reject_text(session, "554 5.7.1", explain(session, answer, text));
	return true;
}

bool verb_permission_wants_authors(const struct session *session)
{
	const struct permission_terms terms = find_terms(session);

	return permission_wants_authors(&session->transaction->permission, &terms);
}

static bool refuse_text(struct session *session)
{
	session->transaction->refusal = TROUBLE_NOT_PERMITTED;
	return false;
}

/* MAIL FROM:<> of what is no report and no answer of a machine. */
static bool is_ordinary_null(
	const struct transaction *transaction, bool is_report, bool is_auto_submitted)
{
	return transaction->reverse_path[0] == '\0' && !is_report && !is_auto_submitted;
}

static bool judge_header(struct session *session, const struct permission_terms *terms,
	const struct inspection_header *header, struct inspection_source *source)
{
	struct transaction *transaction = session->transaction;
	struct permission *permission = &transaction->permission;
	enum permission_authors authors =
		permission_judge(permission, terms, header->authors, session->policy->lenient);

	if (authors == AUTHORS_REFUSED)
		return refuse_text(session);
	if (authors == AUTHORS_NOWHERE)
		session_quirk(session, QUIRK_NUMERIC_SENDER, NULL, 0);
	source->mailbox = permission_mailbox(permission);
	source->rewrites = authors == AUTHORS_REWRITE || authors == AUTHORS_NOWHERE;
	source->replies = authors == AUTHORS_REWRITE;
	if (source->mailbox != NULL && permission->grant->replaces_null &&
		is_ordinary_null(transaction, header->is_report, header->is_auto_submitted))
		permission->sender = source->mailbox;
	return true;
}

/* A table that came behind RCPT may reach less far. */
static bool judge_reach(struct session *session, const struct permission_terms *terms)
{
	struct transaction *transaction = session->transaction;
	const char *recipient = NULL;

	while ((recipient = transaction_next_recipient(transaction, recipient)) != NULL) {
		transaction->permission.answer =
			permission_reach(&transaction->permission, terms, recipient);
		if (transaction->permission.answer != PERMISSION_YES)
			return false;
	}
	return true;
}

/* What stands in a From that is missing is judged as one that is there. */
static void judge_missing(const struct session *session, const struct permission_terms *terms,
	struct inspection_source *source)
{
	const struct transaction *transaction = session->transaction;
	char author[INSPECTION_AUTHOR_SIZE];

	source->is_nameless = !permission_may_show(&transaction->permission, terms,
		inspection_author(source, transaction->smtputf8, author));
}

bool verb_permission_text(struct session *session, struct inspection_source *source)
{
	const struct permission_terms terms = find_terms(session);
	struct transaction *transaction = session->transaction;
	struct permission *permission = &transaction->permission;
	struct inspection_header header;

	if (session->shared->permits != permission->permits) {
		decide(session, &terms);
		if (permission->answer == PERMISSION_YES && !judge_reach(session, &terms))
			return refuse_text(session);
	}
	if (permission->answer != PERMISSION_YES)
		return refuse_text(session);
	if (permission_wants_authors(permission, &terms) &&
		(!inspection_whole(transaction->inspection, &header) ||
			!judge_header(session, &terms, &header, source)))
		return false;
	if (permission->sender != NULL)
		source->reverse_path = permission->sender;
	judge_missing(session, &terms, source);
	return true;
}

bool verb_permission_found(struct session *session)
{
	struct transaction *transaction = session->transaction;
	const struct inspection_result *found = &transaction->findings;

	if (session->policy->lenient &&
		is_ordinary_null(transaction, found->is_report, found->is_auto_submitted))
		session_quirk(session, QUIRK_NULL_SENDER, NULL, 0);
	if (!found->keeps_author)
		return true;
	transaction->permission.answer = PERMISSION_UNREADABLE;
	return refuse_text(session);
}

bool verb_permission_is_over(struct session *session)
{
	struct permission *permission = &session->transaction->permission;
	const struct permission_terms terms = find_terms(session);

	if (session->shared->permits != permission->permits)
		decide(session, &terms);
	return permission->answer != PERMISSION_YES;
}

const char *verb_permission_why(const struct session *session, char out[PERMISSION_TEXT_SIZE])
{
	return explain(session, session->transaction->permission.answer, out);
}

/* Until the grace is over; then it goes back to its sender. */
static bool hold(const struct permission *permission, const struct permission_terms *terms,
	struct envelope *envelope)
{
	char reason[PERMISSION_TEXT_SIZE];

	return settle_hold_message(envelope, HOLD_LAPSED,
		       permission_hold_reason(permission, reason), terms->now_unix_ms,
		       permission_hold_end(permission, terms)) >= 0;
}

bool verb_permission_envelope(struct session *session, struct envelope *envelope)
{
	const struct permission_terms terms = find_terms(session);
	const struct permission *permission = &session->transaction->permission;

	if (permission->sender != NULL) {
		envelope->reverse_path = envelope_text(envelope, permission->sender);
		if (envelope->reverse_path == NULL)
			return false;
	}
	if (permission->grant == NULL)
		return true;
	envelope->lane = permission->grant->lane;
	envelope->grant = envelope_text(envelope, permission->grant->name);
	return envelope->grant != NULL &&
	       (!permission->is_held || session->transaction->is_partial ||
		       hold(permission, &terms, envelope));
}
