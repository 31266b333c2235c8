/*
 * login.h: one AUTH of a session, from the command to its reply. RFC 4954.
 *
 *   1. verb_auth has found that it may be: login_begin. Prompts are said, each response is a line of its own (SESSION_AUTH).
 *   2. Name and password are known: they go to the auth desk by the worker's line (SESSION_CHECKING; nothing is read).
 *   3. The answer is logged and counted as soon as it is there, and said when the desk's delay is over.
 *   4. 235: the session has its account. 535: it has none, as before. The desk cannot tell: 454, or on a lenient
 *      listener it is asked again for a while, then 535: who hears 4xx there may never come again (law 5, policy.h).
 *
 * The password stands in the login alone, and is wiped as soon as no answer can want it any more.
 * Threads: the worker's. Owner: the session; while its request is under way the session lives on, whoever is gone.
 */
#ifndef SLUICE_SMTP_LOGIN_H
#define SLUICE_SMTP_LOGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smtp/command.h"
#include "smtp/sasl.h"

#define LOGIN_FAILURES_MAX 3 /* in a session */

struct session;
struct login;

/* `response` NULL: there is none with the command. It moves the session, and replies. */
void login_begin(
	struct session *session, enum sasl_mechanism mechanism, const char *response, size_t size);
/* A line in SESSION_AUTH. */
void login_take(struct session *session, const struct command *line);
/* In SESSION_CHECKING, and its time has come: says what is to be said, or asks again. */
void login_again(struct session *session);
/* When login_again is due; INT64_MAX: the desk has the request. */
int64_t login_due_mono_ms(const struct login *login);
/* The daemon stops: a reply that is held is said now. */
void login_hurry(struct session *session);
/* The client is gone: who waits for his turn at the desk waits no more. */
void login_abandon(struct session *session);
/* NULL is accepted. */
bool login_is_under_way(const struct login *login);
void login_close(struct login **login);

#endif
