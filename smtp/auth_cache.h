/*
 * auth_cache.h: passwords that were right not long ago, so that a client that logs in for each message costs one hash.
 *
 * It keeps no password and no hash of one that is of use to others: an entry is HMAC-SHA256 of account and password under a key
 * that is drawn at each start. Of fixed size; the oldest goes. A password that was changed is right until its entry ends or
 * is dropped, so whoever knows that accounts changed clears all.
 *
 * Threads: one at a time. Units: monotonic milliseconds.
 */
#ifndef SLUICE_SMTP_AUTH_CACHE_H
#define SLUICE_SMTP_AUTH_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#define AUTH_CACHE_ENTRIES 8192

struct auth_cache;

/* NULL without memory or random numbers. `keep_ms` 0: nothing is kept. */
struct auth_cache *auth_cache_open(int64_t keep_ms);
void auth_cache_close(struct auth_cache **cache);
/* Clears it. */
void auth_cache_configure(struct auth_cache *cache, int64_t keep_ms);

void auth_cache_put(
	struct auth_cache *cache, const char *account, const char *password, int64_t now_ms);
bool auth_cache_has(
	const struct auth_cache *cache, const char *account, const char *password, int64_t now_ms);
void auth_cache_clear(struct auth_cache *cache);

#endif
