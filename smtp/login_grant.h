/*
 * login_grant.h: what the relay grants say of logins: of devices that cannot do without one, or without TLS.
 *
 * Fragile listeners only. A grant that was suspended or revoked says nothing; a lapsed one does, as its mail is still taken for a while.
 * Threads: the worker's.
 */
#ifndef SLUICE_SMTP_LOGIN_GRANT_H
#define SLUICE_SMTP_LOGIN_GRANT_H

#include <stdbool.h>

struct session;

/* The client's own grant has it that any login is answered 235 and means nothing. */
bool login_grant_takes_any(const struct session *session);
/* The account is a device's, which may log in without TLS where the listener lets it. */
bool login_grant_takes_in_clear(const struct session *session, const char *account);

#endif
