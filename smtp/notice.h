/*
 * notice.h: what is noted of a session's client, for the ledger (queue/ledger.h): each function one line where it happens.
 *
 * All of it goes into the worker's tally: a look-up in a small table, and nothing is written. session_quirk
 * (session.h) is defined here too, and counts pre-flights, partial messages and resends by their quirks.
 *
 * Threads: the session's worker's.
 */
#ifndef SLUICE_SMTP_NOTICE_H
#define SLUICE_SMTP_NOTICE_H

#include "smtp/policy.h"

struct session;

void notice_begin(struct session *session);
/* It has logged in. */
void notice_login(struct session *session, const char *mechanism);
/* Its TLS is up. */
void notice_tls(struct session *session);
/* Its transaction's message was accepted. */
void notice_message(struct session *session);
/* A reply that is about to be sent: 4xx and 5xx are refusals, and several 500 behind a message are lost text. */
void notice_reply(struct session *session, const char *line);
/* What session_trouble does; closing without a word is a refusal too, but for a stop of the daemon. */
void notice_trouble(struct session *session, enum trouble trouble);
/* The session is ended by us, without a reply and for another reason than a trouble. */
void notice_closed(struct session *session, const char *why);
/* Before it is forgotten what the session was about. */
void notice_end(struct session *session);

#endif
