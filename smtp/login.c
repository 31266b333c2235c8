#include "smtp/login.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/metrics.h"
#include "smtp/deadline.h"
#include "smtp/login_grant.h"
#include "smtp/notice.h"
#include "smtp/session.h"

enum login_stage { LOGIN_WANTS_PLAIN, LOGIN_WANTS_NAME, LOGIN_WANTS_PASSWORD };

struct login {
	struct auth_errand errand;
	struct session *session;
	enum sasl_mechanism mechanism;
	enum login_stage stage;
	enum auth_result result;
	bool is_ignored; /* a grant takes any: the desk is not asked */
	bool is_answered; /* the reply waits for its time */
	int64_t due_mono_ms; /* of the reply, or of the next question */
	char password
		[AUTH_PASSWORD_SIZE]; /* the desk wipes the request's, and may be asked again */
};

/* ---- its beginning and its end ---- */

static void forget_password(struct login *login)
{
	OPENSSL_cleanse(login->password, sizeof(login->password));
	OPENSSL_cleanse(login->errand.request.password, sizeof(login->errand.request.password));
}

void login_close(struct login **login)
{
	if (*login == NULL)
		return;
	forget_password(*login);
	free(*login);
	*login = NULL;
}

bool login_is_under_way(const struct login *login)
{
	return login != NULL && login->errand.place == AUTH_ERRAND_UNDER_WAY;
}

int64_t login_due_mono_ms(const struct login *login)
{
	return login->errand.place == AUTH_ERRAND_HOME ? login->due_mono_ms : INT64_MAX;
}

/* Back to commands; the reply follows. */
static void end(struct session *session)
{
	login_close(&session->login);
	session->hold_end_mono_ms = 0;
	session->parser.line_max = session->policy->command_line_bytes;
	session_move(session, SESSION_READY);
}

/* ---- 3 ---- */

static void count(const struct login *login, enum auth_result result)
{
	static const enum metric metrics[SASL_MECHANISM_COUNT][AUTH_UNAVAILABLE + 1] = {
		[SASL_PLAIN] = {[AUTH_RIGHT] = METRIC_AUTH_PLAIN_RIGHT,
			[AUTH_WRONG] = METRIC_AUTH_PLAIN_WRONG,
			[AUTH_LOCKED] = METRIC_AUTH_PLAIN_LOCKED,
			[AUTH_UNAVAILABLE] = METRIC_AUTH_PLAIN_UNAVAILABLE},
		[SASL_LOGIN] = {[AUTH_RIGHT] = METRIC_AUTH_LOGIN_RIGHT,
			[AUTH_WRONG] = METRIC_AUTH_LOGIN_WRONG,
			[AUTH_LOCKED] = METRIC_AUTH_LOGIN_LOCKED,
			[AUTH_UNAVAILABLE] = METRIC_AUTH_LOGIN_UNAVAILABLE},
	};

	metric_add(metrics[login->mechanism][result], 1);
}

static void note(const struct session *session, enum auth_result result, const char *why)
{
	static const char *const names[] = {
		[AUTH_RIGHT] = "right",
		[AUTH_WRONG] = "wrong",
		[AUTH_LOCKED] = "locked",
		[AUTH_UNAVAILABLE] = "unavailable",
	};
	const struct login *login = session->login;
	struct log_quoted account;

	count(login, result);
	log_text(&account, login->errand.request.account);
	if (result == AUTH_RIGHT)
		log_event(LOG_INFO, "auth",
			"client=%s listener=%s account=\"%s\" mechanism=%s tls=%s result=right",
			session->client, session->listener->name, account.text,
			sasl_mechanism_name(login->mechanism),
			conn_is_tls(&session->channel.conn) ? "yes" : "no");
	else
		log_event_limited(LOG_NOTICE, "auth",
			"client=%s listener=%s account=\"%s\" mechanism=%s tls=%s result=%s "
			"why=\"%s\"",
			session->client, session->listener->name, account.text,
			sasl_mechanism_name(login->mechanism),
			conn_is_tls(&session->channel.conn) ? "yes" : "no", names[result], why);
}

/* ---- 4 ---- */

static void accept_account(struct session *session)
{
	enum sasl_mechanism mechanism = session->login->mechanism;

	session->account = strdup(session->login->errand.request.account);
	end(session);
	if (session->account == NULL) {
		session_trouble(session, TROUBLE_MEMORY);
		return;
	}
	notice_login(session, sasl_mechanism_name(mechanism));
	session_reply(session, "235 2.7.0 Authentication succeeded");
}

/* The same for all that may be wrong; too many end the session, or on a lenient listener its attempts (verb_auth.c). */
static void refuse(struct session *session)
{
	end(session);
	session->login_failures++;
	session_reject_one(session, "535 5.7.8 User name or password is wrong");
	if (session->login_failures >= LOGIN_FAILURES_MAX && !session->policy->lenient)
		session_trouble(session, TROUBLE_LOGINS);
}

static void conclude(struct session *session)
{
	struct login *login = session->login;

	if (login->result == AUTH_RIGHT) {
		accept_account(session);
	} else if (login->result != AUTH_UNAVAILABLE) {
		refuse(session);
	} else if (session_hold(session, TROUBLE_AUTH_UNAVAILABLE)) {
		login->is_answered = false;
		login->due_mono_ms = session->retry_mono_ms;
	} else {
		end(session);
		session_trouble(session, TROUBLE_AUTH_UNAVAILABLE);
	}
}

/* ---- 2 ---- */

static void read_answer(struct letter *letter, void *context)
{
	struct login *login = LETTER_OF(letter, struct login, errand.request.letter);
	struct session *session = login->session;

	(void)context;
	auth_line_answered(&session->shared->auth, &login->errand);
	login->result = login->errand.request.result;
	login->is_answered = true;
	if (login->result != AUTH_UNAVAILABLE)
		forget_password(login);
	note(session, login->result, "the desk says so");
	deadline_restart(session);
	if (session->state == SESSION_CHECKING) {
		login->due_mono_ms = session_now_ms(session) + login->errand.request.delay_ms;
		if (login->errand.request.delay_ms <= 0)
			conclude(session);
	}
	session_resume(session);
}

static void ask(struct session *session)
{
	struct login *login = session->login;
	struct auth_request *request = &login->errand.request;

	memcpy(request->password, login->password, sizeof(request->password));
	request->letter.read = read_answer;
	request->peer = session->channel.conn.peer;
	request->fragile = session->policy->lenient;
	request->delay_ms = 0;
	auth_line_submit(&session->shared->auth, &login->errand);
}

void login_again(struct session *session)
{
	if (session->login->is_answered)
		conclude(session);
	else
		ask(session);
}

void login_hurry(struct session *session)
{
	if (session->login->is_answered)
		conclude(session);
}

void login_abandon(struct session *session)
{
	if (session->login != NULL &&
		auth_line_cancel(&session->shared->auth, &session->login->errand))
		login_close(&session->login);
}

/* Nobody can have this name or password: the desk is not asked. */
static void refuse_unasked(struct session *session, const char *why)
{
	note(session, AUTH_WRONG, why);
	refuse(session);
}

static void set_name(struct login *login, const char *name, size_t size)
{
	memcpy(login->errand.request.account, name, size);
	login->errand.request.account[size] = '\0';
}

/*
 * A person's password has gone over the network for all to read, and must not become a habit. The desk is asked of nobody's
 * account instead, so that the answer, and its time, tell nothing.
 */
static void ask_for_nobody(struct session *session)
{
	struct auth_request *request = &session->login->errand.request;
	struct log_quoted account;

	log_event_limited(LOG_WARNING, "auth_in_clear",
		"client=%s listener=%s account=\"%s\" hint=\"no grant lets this account log in "
		"without TLS: its password went over the network in clear and should be "
		"changed\"",
		session->client, session->listener->name, log_text(&account, request->account));
	request->account[0] = '\0';
	ask(session);
}

static void take_password(struct session *session, const char *password, size_t size)
{
	struct login *login = session->login;

	if (login->errand.request.account[0] == '\0') {
		refuse_unasked(session, "no account can have that name");
	} else if (size >= AUTH_PASSWORD_SIZE) {
		refuse_unasked(session, "the password is too long");
	} else {
		memcpy(login->password, password, size);
		login->password[size] = '\0';
		session->parser.line_max = session->policy->command_line_bytes;
		session_move(session, SESSION_CHECKING);
		if (conn_is_tls(&session->channel.conn) ||
			login_grant_takes_in_clear(session, login->errand.request.account))
			ask(session);
		else
			ask_for_nobody(session);
	}
}

/* ---- 1 ---- */

static void give_up(struct session *session, const char *reply)
{
	end(session);
	session_reject_one(session, reply);
}

static void take_plain(struct session *session, const char *message, size_t size)
{
	struct sasl_plain plain;
	enum sasl_fault fault = sasl_plain_parse(message, size, session->policy->lenient, &plain);

	if (fault == SASL_MALFORMED) {
		give_up(session, "501 5.5.2 PLAIN wants a user name and a password");
		return;
	}
	if (plain.odd && session->policy->lenient)
		session_quirk(session, QUIRK_PLAIN_FIELDS, NULL, 0);
	if (fault == SASL_OTHER_NAME) {
		refuse_unasked(session, "it wants to act for another");
		return;
	}
	if (sasl_is_name(plain.name, plain.name_size))
		set_name(session->login, plain.name, plain.name_size);
	take_password(session, plain.password, plain.password_size);
}

/* The name is asked for even where nobody has it, as the answer must not tell. */
static void take_name(struct session *session, const char *name, size_t size)
{
	if (sasl_is_name(name, size))
		set_name(session->login, name, size);
	session->login->stage = LOGIN_WANTS_PASSWORD;
	session_reply(session, "334 " SASL_PROMPT_PASSWORD);
}

static void take_decoded(struct session *session, const char *message, size_t size)
{
	enum login_stage stage = session->login->stage;

	if (stage == LOGIN_WANTS_PLAIN)
		take_plain(session, message, size);
	else if (memchr(message, '\0', size) != NULL)
		give_up(session, "501 5.5.2 User name or password holds a NUL byte");
	else if (stage == LOGIN_WANTS_NAME)
		take_name(session, message, size);
	else
		take_password(session, message, size);
}

/* Whatever it says. */
static void ignore(struct session *session)
{
	struct login *login = session->login;
	enum sasl_mechanism mechanism = login->mechanism;

	if (login->stage == LOGIN_WANTS_NAME) {
		login->stage = LOGIN_WANTS_PASSWORD;
		session_reply(session, "334 " SASL_PROMPT_PASSWORD);
		return;
	}
	metric_add(
		mechanism == SASL_PLAIN ? METRIC_AUTH_PLAIN_IGNORED : METRIC_AUTH_LOGIN_IGNORED, 1);
	log_event_limited(LOG_INFO, "auth", "client=%s listener=%s mechanism=%s result=ignored",
		session->client, session->listener->name, sasl_mechanism_name(mechanism));
	session_quirk(session, QUIRK_AUTH_MUST, NULL, 0);
	end(session);
	session_reply(session, "235 2.7.0 Authentication succeeded");
}

static void take_response(struct session *session, const char *text, size_t size)
{
	char message[SASL_BYTES];
	ssize_t got;

	if (session->login->is_ignored) {
		ignore(session);
		return;
	}
	got = sasl_decode(text, size, message);
	if (got < 0) {
		give_up(session, "501 5.5.2 Response is not base64");
		return;
	}
	take_decoded(session, message, (size_t)got);
	OPENSSL_cleanse(message, (size_t)got);
}

void login_take(struct session *session, const struct command *line)
{
	const char *end_of_line = line->argument + line->argument_size;

	if (line->fault == COMMAND_TOO_LONG)
		give_up(session, "500 5.5.6 Response is too long");
	else if (line->fault != COMMAND_SOUND)
		give_up(session, "501 5.5.2 Response is not base64");
	else if (line->verb_size == 1 && line->verb[0] == '*' && line->argument_size == 0)
		give_up(session, "501 5.7.0 Authentication is cancelled");
	else
		take_response(session, line->verb, (size_t)(end_of_line - line->verb));
}

static const char *prompt(const struct login *login)
{
	return login->mechanism == SASL_PLAIN ? "334 " : "334 " SASL_PROMPT_NAME;
}

void login_begin(
	struct session *session, enum sasl_mechanism mechanism, const char *response, size_t size)
{
	struct login *login = calloc(1, sizeof(*login));

	if (login == NULL) {
		session_trouble(session, TROUBLE_MEMORY);
		return;
	}
	login->session = session;
	login->mechanism = mechanism;
	login->is_ignored = login_grant_takes_any(session);
	login->stage = mechanism == SASL_PLAIN ? LOGIN_WANTS_PLAIN : LOGIN_WANTS_NAME;
	session->login = login;
	session->parser.line_max = SASL_LINE_BYTES;
	session_move(session, SESSION_AUTH);
	if (response == NULL)
		session_reply(session, "%s", prompt(login));
	else if (size == 1 && response[0] == '=')
		take_response(session, "", 0); /* an empty one (RFC 4954 4) */
	else
		take_response(session, response, size);
}
