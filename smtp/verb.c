#include "smtp/verb.h"

#include "core/ascii.h"

enum argument_rule { ARGUMENT_NONE, ARGUMENT_ANY, ARGUMENT_NEEDED };

#define IN(state) (1u << SESSION_##state)
#define ANYTIME   (IN(NEW) | IN(READY) | IN(MAIL) | IN(RCPT))

struct verb {
	const char *name;
	verb_fn *run;
	unsigned states;
	enum argument_rule argument;
	const char *usage;
	const char *disorder; /* the reply in another state but NEW */
};

/* In about the order of how often they come. */
static const struct verb table[] = {
	{"MAIL", verb_mail, IN(READY), ARGUMENT_NEEDED, "MAIL FROM:<address>",
		"503 5.5.1 Sender is already given, send RCPT or RSET"},
	{"RCPT", verb_rcpt, IN(MAIL) | IN(RCPT), ARGUMENT_NEEDED, "RCPT TO:<address>",
		"503 5.5.1 Send MAIL first"},
	{"DATA", verb_data, IN(RCPT), ARGUMENT_NONE, "DATA",
		"503 5.5.1 No recipient was accepted, send MAIL and RCPT first"},
	{"EHLO", verb_ehlo, ANYTIME, ARGUMENT_NEEDED, "EHLO hostname", NULL},
	{"HELO", verb_helo, ANYTIME, ARGUMENT_NEEDED, "HELO hostname", NULL},
	{"QUIT", verb_quit, ANYTIME, ARGUMENT_NONE, "QUIT", NULL},
	{"RSET", verb_rset, ANYTIME, ARGUMENT_NONE, "RSET", NULL},
	{"NOOP", verb_noop, ANYTIME, ARGUMENT_ANY, "NOOP", NULL},
	{"VRFY", verb_vrfy, ANYTIME, ARGUMENT_NEEDED, "VRFY address", NULL},
	{"HELP", verb_help, ANYTIME, ARGUMENT_ANY, "HELP", NULL},
	{"EXPN", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"STARTTLS", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"AUTH", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"BDAT", verb_bdat, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"ETRN", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"TURN", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"SEND", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"SOML", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"SAML", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"LHLO", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"XCLIENT", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL},
	{"XFORWARD", verb_unoffered, ANYTIME, ARGUMENT_ANY, NULL, NULL},
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

void verb_run(struct session *session, const struct command *command)
{
	const struct verb *verb = find_verb(command);

	if (verb != NULL && verb->run == verb_foreign)
		verb_foreign(session, command);
	else if (command->fault != COMMAND_SOUND)
		session_reject(session, "%s", fault_replies[command->fault]);
	else if (verb == NULL)
		session_reject(session, "500 5.5.1 Unknown command");
	else if ((verb->states & 1u << session->state) == 0)
		session_reject(session, "%s",
			session->state == SESSION_NEW ? "503 5.5.1 Send EHLO first"
						      : verb->disorder);
	else if (verb->argument == (command->argument_size == 0 ? ARGUMENT_NEEDED : ARGUMENT_NONE))
		session_reject(session, "501 5.5.4 Syntax: %s", verb->usage);
	else
		verb->run(session, command);
}
