#include "smtp/pacing.h"

#include <stdio.h>

#include "core/log.h"
#include "core/metrics.h"
#include "smtp/errand.h"
#include "smtp/own_mail.h"
#include "smtp/transaction.h"

/* ---- before ---- */

static bool is_bulk(const struct session *session, const struct envelope *envelope)
{
	return session->transaction->findings.is_bulk || envelope->lane == LANE_BULK ||
	       envelope->recipient_count >= PACING_BULK_RECIPIENTS;
}

void pacing_terms(
	const struct session *session, const struct envelope *envelope, struct pace_terms *out)
{
	const struct config_listener *listener = session->listener;
	const struct config *config = session->config;
	const struct grant *grant = session->transaction->permission.grant;

	*out = (struct pace_terms){
		.rates = {[PACE_ACCOUNT] = {listener->account_messages,
				  listener->account_recipients},
			[PACE_ADDRESS] = {listener->address_messages,
				listener->address_recipients}},
		.burst_ms = config->burst_ms,
		.refuses = listener->over_rate == OVER_RATE_REFUSE,
		.approve_hold_ms = config->queue_lifetime_ms,
		.counts_address = config->approve_addresses != APPROVE_NONE,
		.tells_of_address = config->approve_addresses == APPROVE_TELL,
		.is_unmarked_bulk = is_bulk(session, envelope) &&
				    !session->transaction->findings.has_list_unsubscribe,
	};
	if (grant != NULL && envelope->grant != NULL)
		out->rates[PACE_GRANT] =
			(struct pace_rate){grant->messages_per_hour, grant->recipients_per_hour};
	if (envelope->grant == NULL || envelope->lane != LANE_BULK) {
		out->approve_messages = config->approve_messages;
		out->approve_recipients = config->approve_recipients;
	}
}

/* ---- behind ---- */

static const char held_body[] =
	"This is the mail relay %s.\n"
	"\n"
	"%s.\n"
	"\n"
	"What comes beyond that today is taken and held; the first message held is %s.\n"
	"\n"
	"To see it:     sluice queue list --held volume\n"
	"To send it on: sluice queue release --all --held volume\n"
	"To remove it:  sluice queue delete --all --held volume\n"
	"\n"
	"What nobody has removed goes on when its hold ends. Mail that is always this\n"
	"much belongs under a grant of the lane bulk, for which there is no such\n"
	"limit: sluice grant change NAME --lane bulk sends on what is held of it, too.\n";

static const char told_body[] =
	"This is the mail relay %s.\n"
	"\n"
	"%s; message %s went beyond that.\n"
	"\n"
	"It is known by its address only, and its mail goes on: nothing is held. What\n"
	"it sends:\n"
	"\n"
	"    sluice client show %s\n"
	"\n"
	"A grant (sluice grant add) says who answers for it and what it may; without\n"
	"one, approve_addresses = hold in section grants holds such mail.\n";

/* Waits for nothing: what the store does not take is in the log all the same. */
static void tell_operator(
	struct session *session, const struct pace_outcome *outcome, const char *id)
{
	const struct config *config = session->config;
	bool held = outcome->held == HOLD_VOLUME;
	char body[PACE_SAY_SIZE + 1024], subject[PACE_SAY_SIZE + 64];
	struct message *message = NULL;
	struct own_mail mail = {.config = config,
		.to = "",
		.subject = subject,
		.text = body,
		.now_unix_ms = clock_unix_ms(session->shared->clock)};

	snprintf(subject, sizeof(subject), "%s: %s",
		held ? "Held for approval" : "More mail than usual", outcome->volume);
	if (held)
		snprintf(body, sizeof(body), held_body, config->hostname, outcome->volume, id);
	else
		snprintf(body, sizeof(body), told_body, config->hostname, outcome->volume, id,
			session->client);
	if (own_mail_write(&mail, id_next(session->shared->ids), &message) == 0)
		errand_send_message(session->shared, message);
}

static void log_paced(
	const struct session *session, const char *id, const struct pace_outcome *outcome)
{
	char until[CLOCK_RFC3339_SIZE];
	struct log_quoted said;

	metric_add(METRIC_PACED, 1);
	log_event(LOG_INFO, "paced", "id=%s client=%s until=%s why=\"%s\"", id, session->client,
		clock_format_rfc3339(outcome->until_unix_ms, until),
		log_text(&said, outcome->said));
}

static void log_volume(
	const struct session *session, const char *id, const struct pace_outcome *outcome)
{
	const char *alarm = outcome->is_first ? " alarm=yes" : "";
	char until[CLOCK_RFC3339_SIZE];
	struct log_quoted said;

	log_text(&said, outcome->volume);
	if (outcome->held != HOLD_VOLUME) {
		log_event(LOG_WARNING, "volume_over", "id=%s client=%s why=\"%s\"%s", id,
			session->client, said.text, alarm);
		return;
	}
	metric_add(METRIC_VOLUME_HELD, 1);
	log_event(LOG_WARNING, "volume_held", "id=%s client=%s until=%s why=\"%s\"%s", id,
		session->client, clock_format_rfc3339(outcome->until_unix_ms, until), said.text,
		alarm);
}

void pacing_accepted(struct session *session)
{
	struct transaction *transaction = session->transaction;
	const struct pace_outcome *outcome = &transaction->handoff.request.pace;
	char id[ID_TEXT_SIZE];

	id_format(transaction->handoff.id, id);
	metric_add(METRIC_BULK_UNMARKED, transaction->is_unmarked_bulk);
	if (transaction->is_unmarked_bulk)
		log_event_limited(LOG_NOTICE, "bulk_unmarked",
			"id=%s client=%s recipients=%zu why=\"no List-Unsubscribe\"", id,
			session->client, transaction->recipient_count);
	if (outcome->held == HOLD_PACED)
		log_paced(session, id, outcome);
	if (outcome->held == HOLD_VOLUME || outcome->is_first)
		log_volume(session, id, outcome);
	if (outcome->is_first)
		tell_operator(session, outcome, id);
}

const char *pacing_explain(const struct session *session, char out[PACING_TEXT_SIZE])
{
	const struct pace_outcome *outcome = &session->transaction->handoff.request.pace;
	char until[CLOCK_RFC3339_SIZE];

	snprintf(out, PACING_TEXT_SIZE, "Over the rate: %s; try again at %s", outcome->said,
		clock_format_rfc3339(outcome->until_unix_ms, until));
	return out;
}
