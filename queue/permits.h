/*
 * permits.h: the table by which a worker knows who may send: all grants and suspensions, as they are now.
 *
 * A table never changes: whoever changes the registry has main build a new one from the store (permits_load) and send it to each
 * worker. A look-up takes no lock and no memory, and is a few steps whatever the number of grants.
 *
 * The most exact system wins: certificate before account before the longest network. At that level
 *   1. grants that are only requested do not count;
 *   2. of those that are approved the one with the most exact pattern for the reverse-path decides;
 *   3. if none of them allows it, another that would (lapsed, suspended, revoked) is the answer: its mail is not taken for
 *      somebody else's mistake;
 *   4. if none would: refused, or rewritten where one that is approved says so; without one, what became of the latest.
 * A wider grant does not take their place: who was suspended stays suspended. Equals are decided by name, so that the answer is
 * always the same.
 *
 * The way of a new table is told in registrar.h. A session looks at its worker's current table (session_shared) at each
 * decision; it shares one for as long as it keeps a grant of it.
 *
 * Threads: any may read a table; references are counted. Owner: permits_close drops one.
 * Errors: NULL or negative errno without memory.
 */
#ifndef SLUICE_QUEUE_PERMITS_H
#define SLUICE_QUEUE_PERMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "queue/grant.h"
#include "queue/store.h"
#include "queue/suspension.h"

struct permits;

/* Takes the grants and suspensions over (the arrays stay the caller's, their items become NULL), also when it fails. */
struct permits *permits_build(struct grant **grants, size_t grant_count,
	struct suspension **suspensions, size_t suspension_count);
/*
 * All that the store has; damaged records are passed over and logged. 0 or -errno. What changes meanwhile may be in it or not.
 * Takes a while, and memory for a second table.
 */
int permits_load(struct store_view *view, struct permits **out);
size_t permits_grant_count(const struct permits *permits);
size_t permits_suspension_count(const struct permits *permits);
/* Whether anybody is suspended: an address, an account or a grant; and how many. */
size_t permits_suspended_count(const struct permits *permits);
/* Another number when others are suspended, or in another way (suspended.h); 0: nobody is. */
uint64_t permits_suspended_digest(const struct permits *permits);
struct permits *permits_share(struct permits *permits);
void permits_close(struct permits **permits);

/* Who asks. */
struct permit_client {
	const struct address *peer; /* a Unix socket's client is 127.0.0.1 */
	const char *account; /* NULL: not logged in */
	const char *certificate; /* of TLS, as grant.h's; NULL: none */
};

enum permit_level { PERMIT_BY_CERTIFICATE, PERMIT_BY_ACCOUNT, PERMIT_BY_NETWORK };

/* The grants of the most exact system, all that are more than requested. */
struct permit_group {
	const struct grant *const *grants; /* the table's */
	size_t count; /* 0: nobody has one */
	enum permit_level level;
};

struct permit_group permits_find(const struct permits *permits, const struct permit_client *client);

enum permit_answer {
	PERMIT_NONE, /* no grant */
	PERMIT_YES,
	PERMIT_SENDER, /* approved, and may not use this reverse-path (see grant->spoof) */
	PERMIT_LAPSED,
	PERMIT_SUSPENDED,
	PERMIT_REVOKED,
};

struct permit_choice {
	enum permit_answer answer;
	const struct grant *grant; /* that decided; NULL with PERMIT_NONE */
	const char *pattern; /* that matched; NULL: none did, or none is asked for */
};

/* `reverse_path` NULL or "": any. `is_ours` says whether its domain is one of ours: without patterns a grant allows others. */
struct permit_choice permits_choose(const struct permit_group *group, const char *reverse_path,
	bool is_ours, uint64_t now_unix_ms);

/* Who is suspended by address or account; NULL: nobody. */
const struct suspension *permits_suspension(
	const struct permits *permits, const struct permit_client *client);
/* By name; NULL: there is none. */
const struct grant *permits_grant(const struct permits *permits, const char *name);

#endif
