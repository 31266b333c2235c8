#include "smtp/partial.h"

#include <stdio.h>

#include "core/log.h"
#include "queue/settle.h"
#include "queue/writer.h"
#include "smtp/verb.h"

/* A chunked text counts when it ends within a chunk: between two the client may have thought better of it. */
static bool is_within_text(const struct transaction *transaction)
{
	return transaction->inspection != NULL && !dotstream_has_ended(&transaction->dotstream) &&
	       (!transaction->is_chunked || transaction->chunk_left > 0);
}

static bool is_wanted(const struct session *session)
{
	const struct transaction *transaction = session->transaction;
	const struct dotstream *text = &transaction->dotstream;

	return session->policy->lenient && is_within_text(transaction) &&
	       transaction->refusal == TROUBLE_NONE && session->hold_end_mono_ms == 0 &&
	       !text->over_limit && !text->sink_failed &&
	       text->received_fields <= session->listener->max_received_fields &&
	       !writer_is_full(session->shared->writer);
}

static const char *find_cause(const struct session *session)
{
	if (session->channel.peer_ended)
		return "the client closed";
	return session->shared->stopping ? "the relay stopped" : "the client stalled";
}

static bool hold_all(const struct session *session, struct envelope *envelope)
{
	const struct transaction *transaction = session->transaction;
	uint64_t now = envelope->received_unix_ms;
	char reason[128];

	snprintf(reason, sizeof(reason), "incomplete: %s after %llu bytes, no final dot (Q-65)",
		find_cause(session), (unsigned long long)transaction->dotstream.sent_bytes);
	envelope->flags |= ENVELOPE_PARTIAL;
	for (size_t i = 0; i < envelope->recipient_count; i++)
		if (settle_hold(envelope, &envelope->recipients[i], reason, now,
			    now + PARTIAL_KEEP_MS) < 0)
			return false;
	return true;
}

bool partial_store(struct session *session)
{
	struct transaction *transaction = session->transaction;
	struct envelope *envelope;

	if (!is_wanted(session))
		return false;
	dotstream_finish(&transaction->dotstream);
	if (transaction->dotstream.sent_bytes == 0 || transaction->dotstream.sink_failed)
		return false;
	transaction->is_partial = true;
	session_quirk_said(session, QUIRK_NO_FINAL_DOT, "%llu bytes, then %s",
		(unsigned long long)transaction->dotstream.sent_bytes, find_cause(session));
	envelope = data_envelope(session, NULL);
	if (envelope != NULL && !hold_all(session, envelope))
		envelope_close(&envelope);
	return envelope != NULL && handoff_add(&transaction->handoff, envelope, NULL, NULL);
}

void partial_log(const struct session *session)
{
	const struct transaction *transaction = session->transaction;
	struct log_quoted from, to;
	char id[ID_TEXT_SIZE];

	log_event(LOG_WARNING, "incomplete",
		"id=%s from=<%s> to=<%s> recipients=%zu size=%llu client=%s listener=%s "
		"why=\"%s\"",
		id_format(transaction->handoff.id, id),
		log_address(&from, transaction->reverse_path),
		log_address(&to, transaction_first_recipient(transaction)),
		transaction->recipient_count,
		(unsigned long long)transaction->handoff.text.size_bytes, session->client,
		session->listener->name, find_cause(session));
}
