/*
 * auth_file.h: the users file in memory (core/account.h says what a line is), read again when it changed.
 *
 * 1. auth_file_look compares modification time, size and inode with those of what was read.
 * 2. What changed is read when it has rested for a second, as an editor may write to it where it lies; a file that changes while it
 *    is read is left for the next look. So it is never taken half.
 * 3. A file that is not there when it is opened has no accounts until it is. One that goes later leaves the accounts as they were.
 * 4. A bad line is left out and told in the log with its number. A file that cannot be read at all, or is too large, leaves
 *    the accounts as they were.
 *
 * Threads: one at a time. Limits: AUTH_ACCOUNTS_MAX accounts, AUTH_FILE_BYTES_MAX bytes.
 */
#ifndef SLUICE_SMTP_AUTH_FILE_H
#define SLUICE_SMTP_AUTH_FILE_H

#include <stdbool.h>

#include "core/clock.h"
#include "core/reason.h"
#include "smtp/auth_accounts.h"

#define AUTH_FILE_BYTES_MAX (64u << 20)

struct auth_file;

int auth_file_open(
	struct auth_file **out, const char *path, const struct clock *clock, struct reason *reason);
void auth_file_close(struct auth_file **file);

/* True: the accounts are other ones now. */
bool auth_file_look(struct auth_file *file);
/* They live until the next look. */
const struct auth_accounts *auth_file_accounts(const struct auth_file *file);

#endif
