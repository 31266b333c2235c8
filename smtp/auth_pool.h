/*
 * auth_pool.h: threads that hash passwords with crypt(3), at a lower priority than everything that a client waits for.
 *
 * A job is the desk's, is the pool's from auth_pool_ask on, and comes back to `answers` as its letter. At most `capacity` are
 * under way; the desk counts them, so there is always room.
 * Each thread has its own memory for crypt(3); yescrypt takes another 16 MB while it runs.
 *
 * Threads: ask, open, close on the desk's. Errors: a hash that crypt(3) cannot work with is not right.
 */
#ifndef SLUICE_SMTP_AUTH_POOL_H
#define SLUICE_SMTP_AUTH_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/account.h"
#include "core/mailbox.h"
#include "core/reason.h"

struct auth_pool;

struct auth_job {
	struct letter letter; /* `read` is called where `answers` is read */
	const char *password; /* stays until the job is back */
	char hash[ACCOUNT_HASH_SIZE];
	bool right;
};

int auth_pool_open(struct auth_pool **out, unsigned threads, size_t capacity,
	struct mailbox *answers, struct reason *reason);
/* No job is under way. */
void auth_pool_close(struct auth_pool **pool);

void auth_pool_ask(struct auth_pool *pool, struct auth_job *job);

#endif
