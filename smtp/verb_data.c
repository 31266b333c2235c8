/*
 * verb_data.c: DATA, the text behind it, and what became of the message. RFC 5321 4.1.1.4.
 *
 *   1. DATA: the message gets its id, its Received field, and 354.
 *   2. Text goes through the dot stream to the hand-off; a large one goes to the writer piece by piece.
 *   3. The final dot: what must be refused is refused (its pieces swept first), else envelope and rest go to the writer.
 *   4. Its answer: 0 is the 250. No room: held and tried again where the profile holds, else refused. Unknown: the
 *      session closes without a reply.
 *   5. A client that goes before its final dot leaves nothing, or what partial.h tells.
 */
#include <errno.h>

#include "core/log.h"
#include "core/metrics.h"
#include "smtp/deadline.h"
#include "smtp/errand.h"
#include "smtp/notice.h"
#include "smtp/pacing.h"
#include "smtp/partial.h"
#include "smtp/trace.h"
#include "smtp/verb.h"
#include "smtp/verb_permission.h"

/* how far SIZE= may be from the truth before it is noted. */
#define SIZE_SLACK_PART  8
#define SIZE_SLACK_BYTES 512
#define SIZE_ABSURD      16 /* so many times too large */

static handoff_answered_fn read_result;

/* ---- 1 ---- */

/* The Received field; `out` holds TRACE_SIZE bytes. */
static size_t write_trace(const struct session *session, uint64_t id, char *out)
{
	const struct conn *conn = &session->channel.conn;
	struct trace trace = {.helo = session->helo,
		.esmtp = session->esmtp,
		.authenticated = session->account != NULL,
		.peer = &conn->peer,
		.hostname = session->config->hostname,
		.id = id,
		.recipient = transaction_only_recipient(session->transaction),
		.unix_ms = clock_unix_ms(session->shared->clock)};

	if (conn->tls != NULL) {
		trace.tls_version = conn_tls_version(conn);
		trace.tls_cipher = conn_tls_cipher(conn, &trace.tls_bits);
	}
	return trace_format(&trace, out);
}

bool data_begin(struct session *session)
{
	struct transaction *transaction = session->transaction;
	struct session_shared *shared = session->shared;
	uint64_t id = id_next(shared->ids);
	char field[TRACE_SIZE];
	size_t field_size = write_trace(session, id, field);
	struct inspection_terms terms = {.seed = shared->seed,
		.base = field_size,
		.repairs = session->policy->repairs,
		.hashes = session->policy->lenient,
		.smtputf8 = transaction->smtputf8,
		.authors = verb_permission_wants_authors(session),
		.domain = session->domain,
		.charset = session->charset};

	handoff_init(&transaction->handoff, shared->intake, id, read_result, session);
	dotstream_init(&transaction->dotstream, session->listener->max_message_bytes,
		transaction_take, transaction);
	transaction->dotstream.keeps_nul = session->policy->lenient;
	transaction->dotstream.lf_only = session->policy->lenient && !session->sent_cr;
	transaction->inspection = inspection_open(&terms);
	return transaction->inspection != NULL &&
	       handoff_take(&transaction->handoff, field, field_size);
}

void verb_data(struct session *session, const struct command *command)
{
	(void)command;
	if (session->transaction->is_chunked) {
		session_reject(session, "503 5.5.1 BDAT was begun, go on with BDAT or RSET");
		return;
	}
	if (!data_begin(session)) {
		session_trouble(session, TROUBLE_MEMORY);
		return;
	}
	session_reply(session, "354 End data with <CR><LF>.<CR><LF>");
	session_move(session, SESSION_TEXT);
}

/* ---- 4 ---- */

static void log_accepted(const struct session *session)
{
	const struct transaction *transaction = session->transaction;
	const struct grant *grant = transaction->permission.grant;
	struct quirk_set quirks = session->quirks;
	struct log_quoted from, to, helo, account;
	char id[ID_TEXT_SIZE], numbers[QUIRK_TEXT_SIZE];

	quirk_set_merge(&quirks, &session->message_quirks);
	log_event(LOG_INFO, "accepted",
		"id=%s from=<%s> to=<%s> recipients=%zu size=%llu client=%s helo=\"%s\" "
		"listener=%s account=\"%s\" grant=\"%s\" quirks=\"%s\"%s",
		id_format(transaction->handoff.id, id),
		log_address(&from, transaction->reverse_path),
		log_address(&to, transaction_first_recipient(transaction)),
		transaction->recipient_count,
		(unsigned long long)transaction->handoff.text.size_bytes, session->client,
		log_text(&helo, session->helo != NULL ? session->helo : ""),
		session->listener->name, log_text(&account, session->account),
		grant != NULL ? grant->name : "", quirk_set_format(&quirks, numbers),
		session->state == SESSION_GONE ? " client_gone=yes" : "");
}

static void reply_accepted(struct session *session, uint64_t id)
{
	char text[ID_TEXT_SIZE];

	session_reply(session, "250 2.0.0 Ok: queued as %s", id_format(id, text));
	receipt_note(session, id);
	session->commands = 0;
	session->bad_commands = 0;
	session->manners.noops = 0;
}

static void note_same_message_id(struct session *session)
{
	size_t size = 0;
	const char *example =
		inspection_example(&session->transaction->findings, QUIRK_SAME_MESSAGE_ID, &size);

	session_quirk(session, QUIRK_SAME_MESSAGE_ID, example, size);
}

static void accept_message(struct session *session)
{
	const struct transaction *transaction = session->transaction;

	if (transaction->handoff.request.renamed)
		note_same_message_id(session);
	log_accepted(session);
	pacing_accepted(session);
	notice_message(session);
	metric_add(METRIC_MESSAGES_RECEIVED, 1);
	metric_add(METRIC_RECIPIENTS_RECEIVED, transaction->recipient_count);
	metric_add(METRIC_BYTES_RECEIVED, transaction->handoff.text.size_bytes);
	reply_accepted(session, transaction->handoff.id);
}

/* The client had not heard that its message was taken, and said it once more: it is told again. */
static void accept_copy(struct session *session)
{
	uint64_t first_id = session->transaction->handoff.request.first_id;
	char id[ID_TEXT_SIZE];

	log_event(LOG_NOTICE, "resend_recognised", "id=%s client=%s listener=%s",
		id_format(first_id, id), session->client, session->listener->name);
	session_quirk_said(session, QUIRK_RESEND, "%s again", id);
	reply_accepted(session, first_id);
}

static void accept_either(struct session *session)
{
	if (handoff_is_copy(&session->transaction->handoff))
		accept_copy(session);
	else
		accept_message(session);
}

static void refuse_message(struct session *session)
{
	const struct transaction *transaction = session->transaction;
	struct log_quoted from;
	char id[ID_TEXT_SIZE], words[PERMISSION_TEXT_SIZE];
	bool may_not = transaction->refusal == TROUBLE_NOT_PERMITTED;
	bool over_rate = transaction->refusal == TROUBLE_RATE;
	const char *why = may_not     ? verb_permission_why(session, words)
			  : over_rate ? pacing_explain(session, words)
				      : policy_trouble_name(transaction->refusal);

	metric_add(METRIC_OVER_RATE, over_rate);
	log_event_limited(LOG_NOTICE, "rejected",
		"id=%s client=%s listener=%s from=<%s> size=%llu why=\"%s\"",
		id_format(transaction->handoff.id, id), session->client, session->listener->name,
		log_address(&from, transaction->reverse_path),
		(unsigned long long)transaction->dotstream.sent_bytes, why);
	if (transaction->refusal == TROUBLE_MESSAGE_SIZE) {
		session_quirk_said(session, QUIRK_OVERSIZE, "%llu bytes",
			(unsigned long long)transaction->dotstream.sent_bytes);
		verb_permission_tell_oversize(session, transaction->dotstream.sent_bytes);
	}
	if (transaction->refusal == TROUBLE_MESSAGE_LOOP)
		session_quirk_said(session, QUIRK_LOOP, "%u Received fields",
			transaction->dotstream.received_fields);
	if (may_not)
		session_reply_text(session, "550 5.7.1", why);
	else if (over_rate)
		session_reply_text(session, "450 4.7.1", why);
	else
		session_trouble(session, transaction->refusal);
	session_reset(session);
}

/* Gives the message up; answers it when nothing of it has to be swept first. */
static void give_up(struct session *session, enum trouble why)
{
	struct transaction *transaction = session->transaction;

	transaction->refusal = why;
	handoff_give_up(&transaction->handoff);
	if (!handoff_drop(&transaction->handoff))
		refuse_message(session);
}

/* ---- 3 ---- */

static enum trouble judge_text(const struct session *session)
{
	const struct transaction *transaction = session->transaction;
	const struct dotstream *text = &transaction->dotstream;

	if (transaction->refusal != TROUBLE_NONE)
		return transaction->refusal;
	if (text->over_limit)
		return TROUBLE_MESSAGE_SIZE;
	if (text->has_nul && !text->keeps_nul)
		return TROUBLE_MESSAGE_NUL;
	if (text->received_fields > session->listener->max_received_fields)
		return TROUBLE_MESSAGE_LOOP;
	return text->sink_failed ? TROUBLE_MEMORY : TROUBLE_NONE;
}

/*
 * SIZE= is what a client thinks; the real size counts. Who counts line ends in another way, or guesses before it
 * encodes, is not wrong by much.
 */
static bool is_declared_wrong(uint64_t declared_bytes, uint64_t real_bytes)
{
	return declared_bytes != 0 &&
	       (declared_bytes + declared_bytes / SIZE_SLACK_PART + SIZE_SLACK_BYTES < real_bytes ||
		       declared_bytes / SIZE_ABSURD > real_bytes + SIZE_SLACK_BYTES);
}

/* What the dot stream knows and the inspection does not. */
static void note_text(struct session *session)
{
	const struct transaction *transaction = session->transaction;
	const struct dotstream *text = &transaction->dotstream;

	if (text->has_lone_lf || text->state == DOTSTREAM_LF_ENDED)
		session_quirk(session, QUIRK_LONE_LF, NULL, 0);
	if (text->state == DOTSTREAM_LF_ENDED)
		session_quirk(session, QUIRK_LF_DOT, NULL, 0);
	if (text->has_lone_cr)
		session_quirk(session, QUIRK_LONE_CR, NULL, 0);
	if (is_declared_wrong(transaction->declared_bytes, text->sent_bytes))
		session_quirk_said(session, QUIRK_WRONG_SIZE, "SIZE=%llu, and %llu bytes",
			(unsigned long long)transaction->declared_bytes,
			(unsigned long long)text->sent_bytes);
}

/* What is wrong with the text, and all that was with the session before, goes into the envelope. NULL without memory. */
struct envelope *data_envelope(struct session *session, struct message_repeat *repeat)
{
	struct transaction *transaction = session->transaction;
	struct quirk_set quirks = session->quirks;
	struct transaction_client client = {.address = session->client,
		.helo = session->helo,
		.account = session->account,
		.listener = session->listener->name,
		.now_unix_ms = clock_unix_ms(session->shared->clock),
		.quirks = &quirks};
	struct inspection_source source = {.reverse_path = transaction->reverse_path,
		.hostname = session->config->hostname,
		.domain = session->domain,
		.id = transaction->handoff.id,
		.now_unix_ms = client.now_unix_ms};

	struct envelope *envelope;

	if (!verb_permission_text(session, &source) || !transaction_inspect(transaction, &source) ||
		!verb_permission_found(session))
		return NULL;
	note_text(session);
	session_quirks(session, &transaction->findings);
	quirk_set_merge(&quirks, &session->message_quirks);
	envelope = transaction_envelope(transaction, &client);
	if (envelope != NULL && !verb_permission_envelope(session, envelope))
		envelope_close(&envelope);
	if (envelope != NULL && repeat != NULL && session->policy->lenient &&
		!transaction_repeat(
			transaction, &client, session->config->hostname, envelope, repeat))
		envelope_close(&envelope);
	return envelope;
}

/* A chunk is taken and the next may come. */
static void answer_chunk(struct session *session)
{
	session_reply(session, "250 2.0.0 Ok: %llu octets so far",
		(unsigned long long)session->transaction->dotstream.sent_bytes);
	session_move(session, SESSION_RCPT);
}

void data_end(struct session *session)
{
	struct transaction *transaction = session->transaction;
	enum trouble why = judge_text(session);
	struct message_repeat repeat = {0};
	struct pace_terms pace;
	struct envelope *envelope;

	if (!transaction->dotstream.lf_only)
		session->sent_cr = true; /* one that is refused shows it too */
	if (why == TROUBLE_NONE && transaction->is_chunked && !transaction->chunk_is_last) {
		answer_chunk(session);
		return;
	}
	if (why == TROUBLE_NONE) {
		envelope = data_envelope(session, &repeat);
		if (envelope != NULL) {
			pacing_terms(session, envelope, &pace);
			transaction->is_unmarked_bulk = pace.is_unmarked_bulk;
			if (handoff_add(&transaction->handoff, envelope, &repeat, &pace))
				return;
		}
		why = transaction->refusal != TROUBLE_NONE ? transaction->refusal : TROUBLE_MEMORY;
	}
	give_up(session, why);
}

/* ---- 2 ---- */

void data_advance(struct session *session)
{
	struct transaction *transaction = session->transaction;
	const struct dotstream *text = &transaction->dotstream;

	if (!text->over_limit && (!text->has_nul || text->keeps_nul))
		handoff_advance(&transaction->handoff);
}

size_t data_take(struct session *session, const uint8_t *bytes, size_t size)
{
	struct transaction *transaction = session->transaction;
	struct dotstream *text = &transaction->dotstream;
	enum dotstream_progress progress;
	size_t taken;

	if (transaction->is_chunked)
		return bdat_take(session, bytes, size);
	if (text->lf_only)
		text->more_waits = channel_has_unread(&session->channel);
	progress = dotstream_next(text, bytes, size, &taken);
	deadline_note_text(session, taken);
	if (progress == DOTSTREAM_MORE) {
		data_advance(session);
		return taken;
	}
	session_move(session, SESSION_STORING);
	if (!transaction->handoff.under_way)
		data_end(session);
	return taken;
}

/* ---- 4 ---- */

static enum trouble judge_result(int result)
{
	switch (result) {
	case 0:
		return TROUBLE_NONE;
	case -ENOSPC:
		return TROUBLE_STORE_FULL;
	case -EIO:
		return TROUBLE_STORE_UNKNOWN;
	case -EAGAIN:
		return TROUBLE_RATE;
	default:
		return TROUBLE_STORE_FAILED;
	}
}

static void read_append_result(struct session *session, enum trouble trouble)
{
	struct transaction *transaction = session->transaction;

	if (trouble != TROUBLE_NONE) {
		transaction->refusal = trouble;
		handoff_give_up(&transaction->handoff);
		dotstream_discard(&transaction->dotstream);
	}
	if (session->state == SESSION_STORING)
		data_end(session);
	else if (trouble == TROUBLE_NONE)
		handoff_advance(&transaction->handoff);
}

static void read_result_gone(struct session *session)
{
	struct transaction *transaction = session->transaction;
	struct handoff *handoff = &transaction->handoff;
	int result = handoff->request.result;

	if (handoff->request.verb == WRITER_ADD && result == 0) {
		if (transaction->is_partial)
			partial_log(session);
		else
			accept_either(session);
		data_forget(session);
		return;
	}
	if (result != 0 && transaction->refusal == TROUBLE_NONE)
		transaction->refusal = judge_result(result);
	data_abandon(session);
}

static void read_result(struct handoff *handoff)
{
	struct session *session = handoff->owner;
	enum trouble trouble = judge_result(handoff->request.result);

	deadline_restart(session);
	if (session->state >= SESSION_CLOSING) {
		read_result_gone(session);
	} else if (handoff->request.verb == WRITER_DROP) {
		refuse_message(session);
	} else if (trouble != TROUBLE_STORE_FULL || !session_hold(session, trouble)) {
		session->hold_end_mono_ms = 0;
		if (handoff->request.verb == WRITER_APPEND) {
			read_append_result(session, trouble);
		} else if (trouble == TROUBLE_NONE) {
			accept_either(session);
			session_reset(session);
		} else {
			give_up(session, trouble);
		}
	}
	session_resume(session);
}

/* It was held as long as the store was full: a suspension counts from its moment. */
void data_again(struct session *session)
{
	if (session->state == SESSION_STORING && verb_permission_is_over(session)) {
		give_up(session, TROUBLE_NOT_PERMITTED);
		return;
	}
	handoff_again(&session->transaction->handoff);
}

/* ---- 5 ---- */

void data_forget(struct session *session)
{
	if (session->transaction != NULL && session->transaction->handoff.leaves_pieces)
		errand_send(session->shared, WRITER_DROP, session->transaction->handoff.id);
	if (session->transaction != NULL)
		session->transaction->handoff.leaves_pieces = false;
}

void data_abandon(struct session *session)
{
	struct handoff *handoff = &session->transaction->handoff;

	if (handoff->under_way || partial_store(session))
		return;
	handoff_give_up(handoff);
	handoff_drop(handoff);
}
