/*
 * verb.h: the commands of SMTP: one table (verb.c), one function each. RFC 5321 4.1.1, 4.1.4.
 *
 * A handler runs when the verb is known, the state allows it and the argument is as the table says; it replies, and moves
 * the session. Commands that hold a fault of the line itself (command.h) are answered here and never reach a handler.
 *
 * On lenient listeners the table says what else is taken: arguments that are too many or missing, MAIL at the wrong time, and
 * which commands are noted as quirks.
 *
 * Threads: the worker's.
 */
#ifndef SLUICE_SMTP_VERB_H
#define SLUICE_SMTP_VERB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smtp/command.h"
#include "smtp/session.h"

typedef void verb_fn(struct session *session, const struct command *command);

/* Answers one command, whatever it is. */
void verb_run(struct session *session, const struct command *command);
bool verb_is_known(const struct command *command);

verb_fn verb_ehlo, verb_helo, verb_mail, verb_rcpt, verb_data, verb_bdat;
verb_fn verb_auth;
verb_fn verb_starttls;
verb_fn verb_rset, verb_noop, verb_quit, verb_vrfy, verb_help;
verb_fn verb_unoffered; /* known and not done here */
verb_fn verb_forbidden; /* XCLIENT, XFORWARD: nobody may */
verb_fn verb_foreign; /* another protocol's: an attack, not a quirk */

/* Whether the client may log in here and now. */
bool auth_is_offered(const struct session *session);
/* Whether it must, before it sends mail. */
bool auth_is_missing(const struct session *session);
/* Who it was is forgotten, as TLS begins (RFC 3207 4.2). */
void auth_forget(struct session *session);

/* The reply to MAIL was held for room in the store: looks again. */
void mail_again(struct session *session);

/* What came in clear behind STARTTLS is dropped, for all clients. Returns `size`. */
size_t starttls_discard(struct session *session, size_t size);

/* Begins the message's text: id, trace, dot stream, inspection. False without memory. */
bool data_begin(struct session *session) __attribute__((warn_unused_result));
/* What is full goes to the writer. */
void data_advance(struct session *session);
/*
 * Of the whole text, with all that was noted. NULL without memory. `repeat` (NULL: not wanted) is filled for clients that may
 * send a message twice.
 */
struct envelope *data_envelope(struct session *session, struct message_repeat *repeat);
/* In STORING, nothing under way: the text (or its chunk) is whole, and is judged. */
void data_end(struct session *session);
/* Text behind DATA or BDAT: how many bytes were taken, all of them but those behind the final dot or the chunk. */
size_t data_take(struct session *session, const uint8_t *bytes, size_t size);
/* A chunk's octets. */
size_t bdat_take(struct session *session, const uint8_t *bytes, size_t size);
/* Octets of a BDAT that was refused (session->skip_octets); the reply comes behind the last. Returns how many were taken. */
size_t bdat_skip(struct session *session, size_t size);
/* Its line cannot be read: `reply`, and the session ends, as its octets could be taken for commands. */
void bdat_end(struct session *session, const char *reply);
/* The writer had no room for it: asks again. */
void data_again(struct session *session);
/* The transaction is given up between two chunks: what the store has of it is swept. */
void data_forget(struct session *session);
/* The client is gone: what is not yet a message becomes none. */
void data_abandon(struct session *session);

#endif
