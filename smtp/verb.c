#include "smtp/verb.h"

#include <string.h>

#include "core/ascii.h"
#include "smtp/verb_permission.h"

enum argument_rule { ARGUMENT_NONE, ARGUMENT_ANY, ARGUMENT_NEEDED };

#define IN(state) (1u << SESSION_##state)
#define ANYTIME   (IN(NEW) | IN(READY) | IN(MAIL) | IN(RCPT))

struct verb {
	const char *name;
	verb_fn *run;
	unsigned states;
	enum argument_rule argument;
	const char *usage;
	const char *disorder; /* the reply in another state; on strict listeners not in NEW */
	/* on lenient listeners */
	enum argument_rule lenient_argument; /* ARGUMENT_NONE: one is passed over */
	unsigned begins_in; /* besides `states`: what was begun is forgotten first, as by RSET */
	enum quirk quirk; /* that it comes at all is one */
};

#define OPTIONAL      .lenient_argument = ARGUMENT_ANY
#define NOTED(quirk_) .lenient_argument = ARGUMENT_ANY, .quirk = (quirk_)

/* In about the order of how often they come. */
static const struct verb table[] = {
	{"MAIL", verb_mail, IN(READY), ARGUMENT_NEEDED, "MAIL FROM:<address>",
		"503 5.5.1 Sender is already given, send RCPT or RSET",
		.lenient_argument = ARGUMENT_NEEDED, .begins_in = IN(NEW) | IN(MAIL) | IN(RCPT)},
	{"RCPT", verb_rcpt, IN(MAIL) | IN(RCPT), ARGUMENT_NEEDED, "RCPT TO:<address>",
		"503 5.5.1 Send MAIL first", .lenient_argument = ARGUMENT_NEEDED},
	{"DATA", verb_data, IN(RCPT), ARGUMENT_NONE, "DATA",
		"503 5.5.1 No recipient was accepted, send MAIL and RCPT first"},
	{"EHLO", verb_ehlo, ANYTIME, ARGUMENT_NEEDED, "EHLO hostname", NULL, OPTIONAL},
	{"HELO", verb_helo, ANYTIME, ARGUMENT_NEEDED, "HELO hostname", NULL, OPTIONAL},
	{"QUIT", verb_quit, ANYTIME, ARGUMENT_NONE, "QUIT", NULL},
	{"RSET", verb_rset, ANYTIME, ARGUMENT_NONE, "RSET", NULL},
	{"NOOP", verb_noop, ANYTIME, ARGUMENT_ANY, "NOOP", NULL, OPTIONAL},
	{"VRFY", verb_vrfy, ANYTIME, ARGUMENT_NEEDED, "VRFY address", NULL,
		NOTED(QUIRK_VRFY_FIRST)},
	{"HELP", verb_help, ANYTIME, ARGUMENT_ANY, "HELP", NULL, NOTED(QUIRK_OLD_COMMANDS)},
	{"EXPN", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL, NOTED(QUIRK_OLD_COMMANDS)},
	{"STARTTLS", verb_starttls, ANYTIME, ARGUMENT_NONE, "STARTTLS", NULL, OPTIONAL},
	{"AUTH", verb_auth, ANYTIME, ARGUMENT_ANY, NULL, NULL, OPTIONAL, .begins_in = IN(NEW)},
	{"BDAT", verb_bdat, ANYTIME, ARGUMENT_ANY, NULL, NULL, OPTIONAL},
	{"ETRN", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL, NOTED(QUIRK_OLD_COMMANDS)},
	{"TURN", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL, NOTED(QUIRK_OLD_COMMANDS)},
	{"SEND", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL, NOTED(QUIRK_OLD_COMMANDS)},
	{"SOML", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL, NOTED(QUIRK_OLD_COMMANDS)},
	{"SAML", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL, NOTED(QUIRK_OLD_COMMANDS)},
	{"LHLO", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL, NOTED(QUIRK_LHLO)},
	{"XCLIENT", verb_forbidden, ANYTIME, ARGUMENT_ANY, NULL, NULL, NOTED(QUIRK_XCLIENT)},
	{"XFORWARD", verb_forbidden, ANYTIME, ARGUMENT_ANY, NULL, NULL, NOTED(QUIRK_XCLIENT)},
	{"GET", verb_foreign, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"HEAD", verb_foreign, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"POST", verb_foreign, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"PUT", verb_foreign, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"PATCH", verb_foreign, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"DELETE", verb_foreign, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"OPTIONS", verb_foreign, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"CONNECT", verb_foreign, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"TRACE", verb_foreign, ANYTIME, ARGUMENT_ANY, NULL, NULL},
};

static const char *const fault_replies[] = {
	[COMMAND_TOO_LONG] = "500 5.5.2 Line too long",
	[COMMAND_HAS_NUL] = "500 5.5.2 Line holds a NUL byte",
	[COMMAND_LONE_CR] = "500 5.5.2 Line holds a CR without LF",
	[COMMAND_LONE_LF] = "500 5.5.2 Lines end in CR LF",
};

static const struct verb *find_verb(const struct command *command)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (ascii_equals(command->verb, command->verb_size, table[i].name))
			return &table[i];
	return NULL;
}

bool verb_is_known(const struct command *command)
{
	return find_verb(command) != NULL;
}

static void note(struct session *session, enum quirk quirk, const struct command *command)
{
	session_quirk(session, quirk, command->verb,
		(size_t)(command->argument + command->argument_size - command->verb));
}

/* What else a lenient listener takes; it is noted. */
static void be_lenient(
	struct session *session, const struct verb *verb, const struct command *command)
{
	enum quirk quirk;

	if (verb->quirk != 0)
		note(session, verb->quirk, command);
	if (verb->lenient_argument == ARGUMENT_NONE && command->argument_size > 0)
		note(session, QUIRK_EXTRA_ARGUMENTS, command);
	if ((verb->begins_in & 1u << session->state) == 0)
		return;
	quirk = QUIRK_SECOND_MAIL;
	if (session->state == SESSION_NEW)
		quirk = session->greeted_in_clear ? QUIRK_NO_EHLO_AFTER_TLS : QUIRK_NO_HELO;
	session_reset(session); /* with what was noted of the message before */
	note(session, quirk, command);
	session_move(session, SESSION_READY);
}

static bool has_argument_fault(const struct verb *verb, const struct command *command, bool lenient)
{
	if (lenient)
		return verb->lenient_argument == ARGUMENT_NEEDED && command->argument_size == 0;
	return verb->argument == (command->argument_size == 0 ? ARGUMENT_NEEDED : ARGUMENT_NONE);
}

/* RCPT without MAIL, DATA without RCPT: true for ever, and when a text comes all the same it is swallowed. */
static void refuse_disorder(struct session *session, const struct verb *verb)
{
	bool lenient = session->policy->lenient;

	if (session->state == SESSION_NEW && !lenient) {
		session_reject(session, "503 5.5.1 Send EHLO first");
		return;
	}
	if (lenient)
		session_quirk(session, QUIRK_AFTER_REFUSAL, verb->name, strlen(verb->name));
	if (lenient && verb->run == verb_data && verb_permission_data(session)) {
		session->manners.swallow = SWALLOW_ARMED;
		session->manners.swallowed_bytes = 0;
	} else if (lenient && verb->run == verb_data) {
		session->manners.swallow = SWALLOW_ARMED;
		session->manners.swallowed_bytes = 0;
		session_reject(session, "554 5.5.1 No recipient was accepted");
	} else {
		session_reject(session, "%s", verb->disorder);
	}
}

static void run_known(
	struct session *session, const struct verb *verb, const struct command *command)
{
	if (session->policy->lenient)
		be_lenient(session, verb, command);
	if ((verb->states & 1u << session->state) == 0)
		refuse_disorder(session, verb);
	else if (has_argument_fault(verb, command, session->policy->lenient))
		session_reject(session, "501 5.5.4 Syntax: %s", verb->usage);
	else
		verb->run(session, command);
}

void verb_run(struct session *session, const struct command *command)
{
	const struct verb *verb = find_verb(command);

	if (verb != NULL && verb->run == verb_foreign)
		verb_foreign(session, command);
	else if (command->fault != COMMAND_SOUND && verb != NULL && verb->run == verb_bdat)
		bdat_end(session, fault_replies[command->fault]);
	else if (command->fault == COMMAND_TOO_LONG && verb != NULL && verb->run == verb_auth)
		session_reject(session, "500 5.5.6 Response is too long");
	else if (command->fault != COMMAND_SOUND)
		session_reject(session, "%s", fault_replies[command->fault]);
	else if (verb != NULL)
		run_known(session, verb, command);
	else if (manners_unknown(session, command))
		session_reject(session, "500 5.5.1 Unknown command");
}
