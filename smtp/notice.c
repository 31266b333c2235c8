#include "smtp/notice.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/ascii.h"
#include "core/metrics.h"
#include "smtp/session.h"

/* The client's entry; NULL: there is no room for it now. */
static struct ledger_client *entry(const struct session *session)
{
	const struct session_shared *shared = session->shared;

	if (shared->tally == NULL)
		return NULL;
	return tally_client(shared->tally, session->client, clock_unix_ms(shared->clock));
}

static void put_text(char *to, size_t to_size, const char *text)
{
	ledger_put_text(to, to_size, text, strlen(text));
}

/* ---- quirks ---- */

static bool is_of_connection(enum quirk quirk)
{
	const struct quirk_row *row = quirk_row(quirk);

	return row != NULL &&
	       (row->place == QUIRK_AT_CONNECTION || row->place == QUIRK_AT_GREETING ||
		       row->stand == QUIRK_BY_PROFILE);
}

/* Of AUTH only the word: what follows it may be a password. */
static size_t cut_secret(const char *example, size_t size)
{
	size_t at = 0;

	while (at < size && (example[at] == ' ' || example[at] == '\t'))
		at++;
	return size - at > 4 && ascii_equals(example + at, 4, "AUTH") ? at + 4 : size;
}

/* Without memory the entry lacks it; the message's own list has it. */
static void note_quirk(struct session *session, enum quirk quirk, const char *example, size_t size)
{
	struct ledger_client *client = entry(session);

	size = cut_secret(example, size);
	if (client == NULL ||
		!ledger_count_quirk(client, quirk, example, size, client->last_unix_ms))
		return;
	client->preflights += quirk == QUIRK_PREFLIGHT;
	client->partials += quirk == QUIRK_NO_FINAL_DOT;
	client->resends += quirk == QUIRK_RESEND;
}

void session_quirk(
	struct session *session, enum quirk quirk, const void *example, size_t example_size)
{
	struct quirk_set *set =
		is_of_connection(quirk) ? &session->quirks : &session->message_quirks;

	if (quirk_set_has(set, quirk))
		return;
	quirk_set_add(set, quirk);
	metric_add_quirk(quirk, 1);
	note_quirk(session, quirk, example, example_size);
}

void session_quirk_said(struct session *session, enum quirk quirk, const char *format, ...)
{
	char text[LEDGER_EXAMPLE_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	session_quirk(session, quirk, text, strlen(text));
}

/* ---- the rest ---- */

void notice_begin(struct session *session)
{
	struct ledger_client *client = entry(session);

	if (client == NULL)
		return;
	client->sessions++;
	put_text(client->profile, sizeof(client->profile), session->device->name);
}

void notice_tls(struct session *session)
{
	static const char *const versions[] = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
	const struct conn *conn = &session->channel.conn;
	const char *version = conn_tls_version(conn);
	struct ledger_client *client = entry(session);
	int bits;

	for (unsigned i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (strcmp(version, versions[i]) == 0)
			metric_add(METRIC_TLS_1_0 + i, 1);
	if (client == NULL)
		return;
	put_text(client->tls_version, sizeof(client->tls_version), version);
	put_text(client->tls_cipher, sizeof(client->tls_cipher), conn_tls_cipher(conn, &bits));
}

static void note_helo(struct session *session, struct ledger_client *client)
{
	if (session->helo == NULL || session->helo_noted)
		return;
	session->helo_noted = true;
	ledger_count_helo(client, session->helo, client->last_unix_ms);
}

void notice_login(struct session *session, const char *mechanism)
{
	struct ledger_client *client = entry(session);

	if (client == NULL)
		return;
	put_text(client->auth, sizeof(client->auth), mechanism);
	put_text(client->account, sizeof(client->account), session->account);
}

void notice_message(struct session *session)
{
	const struct transaction *transaction = session->transaction;
	struct ledger_client *client = entry(session);

	session->accepted++;
	if (client == NULL)
		return;
	client->messages++;
	client->recipients += transaction->recipient_count;
	client->bytes += transaction->handoff.text.size_bytes;
	client->message_id = transaction->handoff.id;
	client->message_unix_ms = client->last_unix_ms;
	put_text(client->message_from, sizeof(client->message_from), transaction->reverse_path);
	put_text(client->message_listener, sizeof(client->message_listener),
		session->listener->name);
	note_helo(session, client);
}

static void note_refusal(struct session *session, const char *why, size_t size)
{
	struct ledger_client *client = entry(session);

	if (client == NULL)
		return;
	client->refusals++;
	client->refused_unix_ms = client->last_unix_ms;
	ledger_put_text(client->refusal, sizeof(client->refusal), why, size);
}

/* Right behind a message, nothing but lines that are no commands, and this is not the first: they were meant as text. */
static bool is_lost_text(const struct session *session, const char *line)
{
	return session->policy->lenient && session->accepted > 0 && session->bad_commands > 0 &&
	       session->commands == session->bad_commands + 1 && strncmp(line, "500 ", 4) == 0;
}

void notice_reply(struct session *session, const char *line)
{
	if (is_lost_text(session, line))
		session_quirk(session, QUIRK_NO_STUFFING, NULL, 0);
	if (line[0] == '4' || line[0] == '5')
		note_refusal(session, line, strcspn(line, "\r\n"));
}

void notice_closed(struct session *session, const char *why)
{
	char text[LEDGER_REASON_SIZE];
	int size = snprintf(text, sizeof(text), "closed without a reply: %s", why);

	session->ended_by_us = true;
	note_refusal(session, text, size > 0 ? (size_t)size : 0);
}

void notice_trouble(struct session *session, enum trouble trouble)
{
	const struct trouble_answer *answer = &session->policy->answers[trouble];

	if (answer->act != ACT_CLOSE && answer->act != ACT_ANSWER_CLOSE)
		return;
	session->ended_by_us = true;
	if (answer->reply == NULL && trouble != TROUBLE_STOPPING)
		notice_closed(session, policy_trouble_name(trouble));
}

/* MAIL and RCPT were taken, and then it went: to see whether it might send. */
static bool is_preflight(const struct session *session)
{
	const struct transaction *transaction = session->transaction;

	return session->accepted == 0 && !session->ended_by_us && transaction != NULL &&
	       transaction->recipient_count > 0 && transaction->handoff.id == 0;
}

void notice_end(struct session *session)
{
	struct ledger_client *client;

	manners_end(session);
	if (is_preflight(session))
		session_quirk(session, QUIRK_PREFLIGHT, NULL, 0);
	if (session->spoke && !session->said_quit && !session->ended_by_us)
		session_quirk(session, QUIRK_NO_QUIT, NULL, 0);
	client = entry(session);
	if (client == NULL)
		return;
	client->sessions_without_quit += session->spoke && !session->said_quit;
	note_helo(session, client);
}

/* What was found in a message's text, all at once. */
void session_quirks(struct session *session, const struct inspection_result *found)
{
	for (unsigned quirk = 0; (quirk = quirk_set_next(&found->quirks, quirk)) != 0;) {
		size_t size = 0;
		const char *example = inspection_example(found, (enum quirk)quirk, &size);

		session_quirk(session, (enum quirk)quirk, example, size);
	}
}
