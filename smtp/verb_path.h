/*
 * verb_path.h: the addresses and parameters of MAIL and RCPT, by the rules of the session's listener.
 *
 * A strict listener reads them as RFC 5321 has them (path.h). A lenient one takes "FROM" without its colon or not at all,
 * addresses as path_lenient.h tells, and passes over parameters that it does not know; each is noted as a quirk.
 *
 * Threads: the worker's.
 */
#ifndef SLUICE_SMTP_VERB_PATH_H
#define SLUICE_SMTP_VERB_PATH_H

#include <stdbool.h>

#include "smtp/path.h"
#include "smtp/session.h"

/* Behind "FROM:" or "TO:" (`word` is "FROM", "TO"); NULL: it is not there. */
const char *verb_path_begin(
	struct session *session, const struct command *command, const char *word);

/* The address at `at`; *taken is how much it was. `utf8`: SMTPUTF8 is or may be said. */
enum path_fault verb_path_read(struct session *session, enum path_kind kind, bool utf8,
	const char *at, const char *end, struct path *out, size_t *taken);

/* NULL: taken; else the reply that refuses it. */
typedef const char *verb_parameter_fn(const struct path_parameter *parameter, void *context);

/* NULL: all are taken or passed over; else the reply. `usage` refuses what is none by its syntax. */
const char *verb_path_parameters(struct session *session, const char *at, const char *end,
	verb_parameter_fn *take, void *context, const char *usage);

#endif
