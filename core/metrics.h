/*
 * metrics.h: counters and gauges of the whole process, by number.
 *
 * One table (metrics.c) gives each its Prometheus name, help text, type and fixed label; admin/ prints it. Counters only
 * grow; gauges are set. Nothing that a peer can make grow becomes a label.
 *
 * Threads: any (relaxed atomics, each on its own cache line group).
 */
#ifndef SLUICE_CORE_METRICS_H
#define SLUICE_CORE_METRICS_H

#include <stddef.h>
#include <stdint.h>

enum metric {
	METRIC_CONNECTIONS, /* gauge: clients that are in; core/admission's */
	METRIC_CONNECTIONS_WAITING, /* gauge: clients that wait before the banner; core/parking's */
	METRIC_CONNECTIONS_ACCEPTED, /* core/acceptor's, as the next */
	METRIC_CONNECTIONS_REFUSED, /* over a limit: closed or answered 421 */
	METRIC_SESSIONS_TIMED_OUT,
	METRIC_TLS_1_0, /* handshakes that ended well, by version; in this order */
	METRIC_TLS_1_1,
	METRIC_TLS_1_2,
	METRIC_TLS_1_3,
	METRIC_TLS_FAILED_ALERT, /* handshakes that failed: the client refused */
	METRIC_TLS_FAILED_PROTOCOL, /* … it was no TLS, or nothing in common */
	METRIC_TLS_FAILED_CLOSED, /* … the client closed */
	METRIC_TLS_FAILED_TIMED_OUT,
	METRIC_TLS_EXPIRES_AT, /* gauge: Unix time when the first certificate expires */
	METRIC_RECEIVING, /* gauge: transactions whose text is arriving */
	METRIC_MESSAGES_RECEIVED,
	METRIC_BYTES_RECEIVED,
	METRIC_RECIPIENTS_RECEIVED,
	METRIC_REPLIES_4XX, /* to clients, all listeners */
	METRIC_REPLIES_5XX,
	/* what clients of fragile listeners met against the rule that they are neither refused nor dropped: its exceptions */
	METRIC_FRAGILE_TIMED_OUT,
	METRIC_FRAGILE_STOPPING,
	METRIC_FRAGILE_BAD_COMMANDS,
	METRIC_FRAGILE_COMMANDS,
	METRIC_FRAGILE_MEMORY,
	METRIC_FRAGILE_STORE_FULL,
	METRIC_FRAGILE_STORE_FAILED,
	METRIC_FRAGILE_STORE_UNKNOWN,
	METRIC_FRAGILE_RECIPIENTS,
	METRIC_FRAGILE_AUTH, /* who keeps the accounts did not answer */
	METRIC_FRAGILE_LONGEST_IDLE, /* closed so that another has its place */
	METRIC_FRAGILE_WAITED, /* too long before the banner */
	METRIC_FRAGILE_MANY_WAIT, /* before the banner already */
	METRIC_FRAGILE_OTHER, /* any other 4xx: nobody should ever see one */
	/* logins: by mechanism, and what the auth desk said (smtp/auth.h) */
	METRIC_AUTH_PLAIN_RIGHT,
	METRIC_AUTH_PLAIN_WRONG,
	METRIC_AUTH_PLAIN_LOCKED,
	METRIC_AUTH_PLAIN_UNAVAILABLE,
	METRIC_AUTH_PLAIN_IGNORED, /* a grant takes any */
	METRIC_AUTH_LOGIN_RIGHT,
	METRIC_AUTH_LOGIN_WRONG,
	METRIC_AUTH_LOGIN_LOCKED,
	METRIC_AUTH_LOGIN_UNAVAILABLE,
	METRIC_AUTH_LOGIN_IGNORED,
	METRIC_AUTH_CACHED, /* smtp/auth's, as the next; logins that were right and known */
	METRIC_AUTH_WAITING, /* gauge */
	METRIC_AUTH_LOCKOUTS_ADDRESS,
	METRIC_AUTH_LOCKOUTS_ACCOUNT,
	METRIC_HELPER_UP, /* gauge: 0 also where none is needed */
	METRIC_HELPER_RESTARTS,
	METRIC_HELPER_LATE, /* tasks of the helper process */
	METRIC_HELPER_DIED,
	METRIC_SUSPENSIONS, /* gauge: addresses, networks, accounts and grants; queue/registrar's */
	METRIC_PACED, /* smtp/pacing's, as the next */
	METRIC_VOLUME_HELD,
	METRIC_OVER_RATE,
	METRIC_BULK_UNMARKED,
	METRIC_COMMITS,
	METRIC_COMMITS_FAILED,
	METRIC_COMMIT_ITEMS, /* requests that shared those commits */
	METRIC_STORE_FULL, /* gauge: 1 while no new mail is taken */
	METRIC_SCANNED_CLEAN,
	METRIC_SCANNED_VIRUS,
	METRIC_DISCARDED, /* recipients whose message was discarded as a virus */
	METRIC_SCAN_FAILED,
	METRIC_DELIVERED, /* recipients */
	METRIC_DEFERRED,
	METRIC_BOUNCED,
	METRIC_EXPIRED,
	METRIC_HELD,
	METRIC_UNKNOWN_OUTCOME, /* connection lost from the final dot on */
	METRIC_UPSTREAM_CONNECTS,
	METRIC_UPSTREAM_CONNECTS_FAILED,
	METRIC_UPSTREAM_BUSY, /* times a host was sent to rest */
	METRIC_CHECKSUM_FAILED,
	METRIC_RELOAD_SUCCESSFUL, /* gauge: 1 but for a last reload that was refused */
	METRIC_RELOADED_AT, /* gauge: Unix time of the last reload, or the start */
	METRIC_COUNT
};

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric_info {
	const char *name; /* "sluice_messages_received_total" */
	const char *label; /* "" or "state=\"clean\"" */
	const char *help;
	enum metric_kind kind;
};

const struct metric_info *metric_info(enum metric metric);

void metric_add(enum metric metric, uint64_t by);
void metric_set(enum metric metric, uint64_t value);
void metric_subtract(enum metric metric, uint64_t by); /* gauges */
uint64_t metric_value(enum metric metric);

/* ---- one counter for each number of a table that core/ does not know: sluice_quirks_total{quirk="Q-33"} ---- */

#define METRIC_QUIRK_MAX 128
void metric_add_quirk(unsigned number, uint64_t by);
uint64_t metric_quirk(unsigned number);

#endif
