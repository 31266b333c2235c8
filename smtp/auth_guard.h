/*
 * auth_guard.h: what wrong passwords cost: the delay of the reply, and who is locked out. Plain functions of time.
 *
 * Three tables count, by address, by account, and by pair of both:
 *   1. A wrong password counts for its address, its account and the pair; a count is forgotten when no other followed within
 *      lock_out_ms. The reply's delay doubles with the count (the larger of address and account).
 *   2. `tries` for an address: it is locked out for lock_out_ms. `account_tries` for an account, from wherever: the account is.
 *      The first limit is the lower one, so who guesses is stopped by the address, and it takes many addresses to lock an account.
 *   3. A pair that was right before is known. Neither lock-out stops it until it was itself wrong `tries` times: devices that
 *      log in every day go on while others attack their account, or somebody beside them guesses.
 *   4. A right password takes back what the same pair had wrong, nothing else: an account of one's own does not clear
 *      what was guessed at others.
 *
 * Tables are of fixed size. A place is found by a keyed hash, so nobody can aim at another's; where its eight places are
 * taken, the one with the lowest count goes, the oldest first; who is locked out, and known pairs, are not pushed out by
 * guesses. Unknown accounts are counted as known ones are: nothing tells them apart.
 * An IPv6 address is its /64. Clients of Unix sockets are one address.
 *
 * Threads: one at a time. Units: monotonic milliseconds.
 */
#ifndef SLUICE_SMTP_AUTH_GUARD_H
#define SLUICE_SMTP_AUTH_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/lockout.h"

#define AUTH_GUARD_ENTRIES 16384 /* of each table */

struct auth_guard;

struct auth_guard_limits {
	unsigned tries, account_tries;
	int64_t lock_out_ms;
	int64_t delay_ms, delay_max_ms;
};

/* NULL without memory or random numbers. */
struct auth_guard *auth_guard_open(const struct auth_guard_limits *limits);
void auth_guard_close(struct auth_guard **guard);
/* From now on; lock-outs that are in force keep their end. */
void auth_guard_configure(struct auth_guard *guard, const struct auth_guard_limits *limits);

/* It was right from there before, and not wrong too often since. */
bool auth_guard_knows(
	struct auth_guard *guard, const char *account, const struct address *peer, int64_t now_ms);
/* False: locked out, whatever the password. */
bool auth_guard_admits(
	struct auth_guard *guard, const char *account, const struct address *peer, int64_t now_ms);

/* What one more wrong password did. */
struct auth_guard_wrong {
	int64_t delay_ms;
	bool locked[LOCKOUT_KIND_COUNT]; /* from now on */
	unsigned count[LOCKOUT_KIND_COUNT]; /* of wrong ones */
};

struct auth_guard_wrong auth_guard_wrong(
	struct auth_guard *guard, const char *account, const struct address *peer, int64_t now_ms);
void auth_guard_right(
	struct auth_guard *guard, const char *account, const struct address *peer, int64_t now_ms);

/* An address as lock-outs name it: "192.0.2.1", "2001:db8::/64", "unix". `out` holds LOCKOUT_WHO_SIZE. */
const char *auth_guard_name_address(const struct address *peer, char *out);

/* Who is locked out now; returns how many there are, of which the latest `room` are in `out`. */
size_t auth_guard_list(struct auth_guard *guard, int64_t now_ms, struct lockout *out, size_t room);
/* Lifts those of an account or address; an IPv6 address stands for its /64. How many (0: nobody was). */
size_t auth_guard_lift(struct auth_guard *guard, const char *who, int64_t now_ms);
#endif
