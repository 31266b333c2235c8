/*
 * auth_accounts.h: the accounts of a users file's text: names and hashes (core/account.h says what a line is).
 *
 * Threads: any may read. Limits: AUTH_ACCOUNTS_MAX.
 */
#ifndef SLUICE_SMTP_AUTH_ACCOUNTS_H
#define SLUICE_SMTP_AUTH_ACCOUNTS_H

#include <stddef.h>

#include "core/reason.h"

#define AUTH_ACCOUNTS_MAX 100000

struct auth_accounts;

typedef void auth_bad_line_fn(void *context, size_t line, const char *wrong);

/* Keeps its own copy. Tells of each bad line, and of a name that stood before. NULL with a reason: too many, no memory. */
struct auth_accounts *auth_accounts_parse(const char *text, size_t size, auth_bad_line_fn *bad_line,
	void *context, struct reason *reason);
void auth_accounts_close(struct auth_accounts **accounts);

size_t auth_accounts_count(const struct auth_accounts *accounts);
/* Its hash; NULL: there is no such account, or it is locked. */
const char *auth_accounts_hash(const struct auth_accounts *accounts, const char *name);
/*
 * A hash for one that may not log in, to take the time that another would: some account's of the file, the same for the
 * same name, so that unknown names are as fast or slow as known ones, whatever methods and costs the file mixes.
 */
const char *auth_accounts_dummy(const struct auth_accounts *accounts, const char *name);

#endif
