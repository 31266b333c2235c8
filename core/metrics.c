#include "core/metrics.h"

#include <stdatomic.h>

#define CACHE_LINE 64

/* One reason a row; docs/clients.md tells each. */
#define FRAGILE_REFUSAL(reason)                                                               \
	{                                                                                     \
		"sluice_fragile_refusals_total", "reason=\"" reason "\"",                     \
			"Clients of fragile listeners that were refused or closed without a " \
			"reply.",                                                             \
			METRIC_COUNTER                                                        \
	}

#define LOGIN(mechanism, result)                                                                   \
	{                                                                                          \
		"sluice_smtpd_auth_total", "mechanism=\"" mechanism "\",result=\"" result "\"",    \
			"Logins of clients, by mechanism and what became of them.", METRIC_COUNTER \
	}

/* Metrics of one name stand together, as the text format of Prometheus wants its samples. */
static const struct metric_info table[METRIC_COUNT] = {
	[METRIC_CONNECTIONS] = {"sluice_smtpd_connections", "", "Client connections that are open.",
		METRIC_GAUGE},
	[METRIC_CONNECTIONS_WAITING] = {"sluice_smtpd_connections_waiting", "",
		"Clients of fragile listeners that wait for a place, before the banner.",
		METRIC_GAUGE},
	[METRIC_CONNECTIONS_ACCEPTED] = {"sluice_smtpd_connections_total", "result=\"accepted\"",
		"Client connections, by whether they were let in or were over a limit.",
		METRIC_COUNTER},
	[METRIC_CONNECTIONS_REFUSED] = {"sluice_smtpd_connections_total", "result=\"refused\"",
		"Client connections, by whether they were let in or were over a limit.",
		METRIC_COUNTER},
	[METRIC_SESSIONS_TIMED_OUT] = {"sluice_smtpd_sessions_timed_out_total", "",
		"Client sessions closed because a deadline was over.", METRIC_COUNTER},
	[METRIC_TLS_1_0] = {"sluice_smtpd_tls_total", "version=\"TLSv1\"",
		"TLS connections of clients, by version.", METRIC_COUNTER},
	[METRIC_TLS_1_1] = {"sluice_smtpd_tls_total", "version=\"TLSv1.1\"",
		"TLS connections of clients, by version.", METRIC_COUNTER},
	[METRIC_TLS_1_2] = {"sluice_smtpd_tls_total", "version=\"TLSv1.2\"",
		"TLS connections of clients, by version.", METRIC_COUNTER},
	[METRIC_TLS_1_3] = {"sluice_smtpd_tls_total", "version=\"TLSv1.3\"",
		"TLS connections of clients, by version.", METRIC_COUNTER},
	[METRIC_TLS_FAILED_ALERT] = {"sluice_smtpd_tls_failures_total", "reason=\"alert\"",
		"TLS handshakes of clients that failed.", METRIC_COUNTER},
	[METRIC_TLS_FAILED_PROTOCOL] = {"sluice_smtpd_tls_failures_total", "reason=\"protocol\"",
		"TLS handshakes of clients that failed.", METRIC_COUNTER},
	[METRIC_TLS_FAILED_CLOSED] = {"sluice_smtpd_tls_failures_total", "reason=\"closed\"",
		"TLS handshakes of clients that failed.", METRIC_COUNTER},
	[METRIC_TLS_FAILED_TIMED_OUT] = {"sluice_smtpd_tls_failures_total", "reason=\"timed_out\"",
		"TLS handshakes of clients that failed.", METRIC_COUNTER},
	[METRIC_TLS_EXPIRES_AT] = {"sluice_tls_certificate_expiry_timestamp_seconds", "",
		"When the first of the certificates expires; 0: there is none.", METRIC_GAUGE},
	[METRIC_RECEIVING] = {"sluice_smtpd_receiving", "", "Messages whose text is arriving now.",
		METRIC_GAUGE},
	[METRIC_MESSAGES_RECEIVED] = {"sluice_messages_received_total", "",
		"Messages that were stored and answered with 250.", METRIC_COUNTER},
	[METRIC_BYTES_RECEIVED] = {"sluice_message_bytes_received_total", "",
		"Bytes of the messages that were stored.", METRIC_COUNTER},
	[METRIC_RECIPIENTS_RECEIVED] = {"sluice_recipients_received_total", "",
		"Recipients of the messages that were stored.", METRIC_COUNTER},
	[METRIC_REPLIES_4XX] = {"sluice_smtpd_replies_total", "code_class=\"4xx\"",
		"Replies to clients that refused something, by class.", METRIC_COUNTER},
	[METRIC_REPLIES_5XX] = {"sluice_smtpd_replies_total", "code_class=\"5xx\"",
		"Replies to clients that refused something, by class.", METRIC_COUNTER},
	[METRIC_FRAGILE_TIMED_OUT] = FRAGILE_REFUSAL("timed_out"),
	[METRIC_FRAGILE_STOPPING] = FRAGILE_REFUSAL("stopping"),
	[METRIC_FRAGILE_BAD_COMMANDS] = FRAGILE_REFUSAL("bad_commands"),
	[METRIC_FRAGILE_COMMANDS] = FRAGILE_REFUSAL("endless_commands"),
	[METRIC_FRAGILE_MEMORY] = FRAGILE_REFUSAL("memory"),
	[METRIC_FRAGILE_STORE_FULL] = FRAGILE_REFUSAL("store_full"),
	[METRIC_FRAGILE_STORE_FAILED] = FRAGILE_REFUSAL("store_failed"),
	[METRIC_FRAGILE_STORE_UNKNOWN] = FRAGILE_REFUSAL("store_unknown"),
	[METRIC_FRAGILE_RECIPIENTS] = FRAGILE_REFUSAL("too_many_recipients"),
	[METRIC_FRAGILE_AUTH] = FRAGILE_REFUSAL("auth_unavailable"),
	[METRIC_FRAGILE_LONGEST_IDLE] = FRAGILE_REFUSAL("longest_idle"),
	[METRIC_FRAGILE_WAITED] = FRAGILE_REFUSAL("waited_too_long"),
	[METRIC_FRAGILE_MANY_WAIT] = FRAGILE_REFUSAL("too_many_waiting"),
	[METRIC_FRAGILE_OTHER] = FRAGILE_REFUSAL("other_4xx"),
	[METRIC_AUTH_PLAIN_RIGHT] = LOGIN("PLAIN", "right"),
	[METRIC_AUTH_PLAIN_WRONG] = LOGIN("PLAIN", "wrong"),
	[METRIC_AUTH_PLAIN_LOCKED] = LOGIN("PLAIN", "locked"),
	[METRIC_AUTH_PLAIN_UNAVAILABLE] = LOGIN("PLAIN", "unavailable"),
	[METRIC_AUTH_PLAIN_IGNORED] = LOGIN("PLAIN", "ignored"),
	[METRIC_AUTH_LOGIN_RIGHT] = LOGIN("LOGIN", "right"),
	[METRIC_AUTH_LOGIN_WRONG] = LOGIN("LOGIN", "wrong"),
	[METRIC_AUTH_LOGIN_LOCKED] = LOGIN("LOGIN", "locked"),
	[METRIC_AUTH_LOGIN_UNAVAILABLE] = LOGIN("LOGIN", "unavailable"),
	[METRIC_AUTH_LOGIN_IGNORED] = LOGIN("LOGIN", "ignored"),
	[METRIC_AUTH_CACHED] = {"sluice_auth_cache_hits_total", "",
		"Passwords that were right and known, so that nothing was hashed.", METRIC_COUNTER},
	[METRIC_AUTH_WAITING] = {"sluice_auth_waiting", "",
		"Passwords that wait for a thread to hash them.", METRIC_GAUGE},
	[METRIC_AUTH_LOCKOUTS_ADDRESS] = {"sluice_auth_lockouts_total", "kind=\"address\"",
		"Lock-outs after wrong passwords, by what was locked out.", METRIC_COUNTER},
	[METRIC_AUTH_LOCKOUTS_ACCOUNT] = {"sluice_auth_lockouts_total", "kind=\"account\"",
		"Lock-outs after wrong passwords, by what was locked out.", METRIC_COUNTER},
	[METRIC_HELPER_UP] = {"sluice_helper_up", "",
		"1 while the helper process is there; 0 also where none is needed.", METRIC_GAUGE},
	[METRIC_HELPER_RESTARTS] = {"sluice_helper_restarts_total", "",
		"Times that the helper process had to be started anew.", METRIC_COUNTER},
	[METRIC_HELPER_LATE] = {"sluice_helper_failures_total", "reason=\"late\"",
		"Tasks of the helper process that gave no answer.", METRIC_COUNTER},
	[METRIC_HELPER_DIED] = {"sluice_helper_failures_total", "reason=\"died\"",
		"Tasks of the helper process that gave no answer.", METRIC_COUNTER},
	[METRIC_SUSPENSIONS] = {"sluice_suspensions", "",
		"Clients, accounts and grants that are suspended.", METRIC_GAUGE},
	[METRIC_PACED] = {"sluice_paced_messages_total", "",
		"Messages that were taken and held until a rate permits them.", METRIC_COUNTER},
	[METRIC_VOLUME_HELD] = {"sluice_volume_held_messages_total", "",
		"Messages that were held for a volume that needs approval.", METRIC_COUNTER},
	[METRIC_OVER_RATE] = {"sluice_over_rate_refusals_total", "",
		"Messages answered 450 because they were over a rate.", METRIC_COUNTER},
	[METRIC_BULK_UNMARKED] = {"sluice_bulk_unmarked_messages_total", "",
		"Bulk mail without List-Unsubscribe.", METRIC_COUNTER},
	[METRIC_COMMITS] = {"sluice_spool_commits_total", "", "Durable commits of the store.",
		METRIC_COUNTER},
	[METRIC_COMMITS_FAILED] = {"sluice_spool_commits_failed_total", "",
		"Commits of the store that failed.", METRIC_COUNTER},
	[METRIC_COMMIT_ITEMS] = {"sluice_spool_commit_items_total", "",
		"Requests that shared the durable commits.", METRIC_COUNTER},
	[METRIC_STORE_FULL] = {"sluice_spool_full", "",
		"1 while no new mail is taken because the store is full or broken.", METRIC_GAUGE},
	[METRIC_SCANNED_CLEAN] = {"sluice_scanned_total", "result=\"clean\"",
		"Messages with a verdict of the scanners.", METRIC_COUNTER},
	[METRIC_SCANNED_VIRUS] = {"sluice_scanned_total", "result=\"virus\"",
		"Messages with a verdict of the scanners.", METRIC_COUNTER},
	[METRIC_DISCARDED] = {"sluice_discarded_recipients_total", "",
		"Recipients whose message was discarded as a virus.", METRIC_COUNTER},
	[METRIC_SCAN_FAILED] = {"sluice_scan_failures_total", "",
		"Scans that gave no verdict; the message waits and is tried again.",
		METRIC_COUNTER},
	[METRIC_DELIVERED] = {"sluice_delivery_recipients_total", "result=\"delivered\"",
		"Recipients, by what an attempt to deliver did.", METRIC_COUNTER},
	[METRIC_DEFERRED] = {"sluice_delivery_recipients_total", "result=\"deferred\"",
		"Recipients, by what an attempt to deliver did.", METRIC_COUNTER},
	[METRIC_BOUNCED] = {"sluice_delivery_recipients_total", "result=\"bounced\"",
		"Recipients, by what an attempt to deliver did.", METRIC_COUNTER},
	[METRIC_EXPIRED] = {"sluice_delivery_recipients_total", "result=\"expired\"",
		"Recipients, by what an attempt to deliver did.", METRIC_COUNTER},
	[METRIC_HELD] = {"sluice_delivery_recipients_total", "result=\"held\"",
		"Recipients, by what an attempt to deliver did.", METRIC_COUNTER},
	[METRIC_UNKNOWN_OUTCOME] = {"sluice_delivery_unknown_total", "",
		"Transactions lost from the final dot on: delivered or not.", METRIC_COUNTER},
	[METRIC_UPSTREAM_CONNECTS] = {"sluice_upstream_connects_total", "result=\"open\"",
		"Attempts to connect to upstream hosts.", METRIC_COUNTER},
	[METRIC_UPSTREAM_CONNECTS_FAILED] = {"sluice_upstream_connects_total", "result=\"failed\"",
		"Attempts to connect to upstream hosts.", METRIC_COUNTER},
	[METRIC_UPSTREAM_BUSY] = {"sluice_upstream_busy_total", "",
		"Times an upstream host was sent to rest.", METRIC_COUNTER},
	[METRIC_CHECKSUM_FAILED] = {"sluice_spool_checksum_failures_total", "",
		"Stored messages whose checksum was wrong when they were read.", METRIC_COUNTER},
	[METRIC_RELOAD_SUCCESSFUL] = {"sluice_config_last_reload_successful", "",
		"1, or 0 when the last reload was refused and the old configuration stayed.",
		METRIC_GAUGE},
	[METRIC_RELOADED_AT] = {"sluice_config_last_reload_timestamp_seconds", "",
		"When the configuration was last read, at the start or by a reload.", METRIC_GAUGE},
};

/* A line of its own each, so that threads that count different things do not meet. */
static struct {
	_Alignas(CACHE_LINE) _Atomic uint64_t value;
} values[METRIC_COUNT];

const struct metric_info *metric_info(enum metric metric)
{
	return &table[metric];
}

void metric_add(enum metric metric, uint64_t by)
{
	atomic_fetch_add_explicit(&values[metric].value, by, memory_order_relaxed);
}

void metric_set(enum metric metric, uint64_t value)
{
	atomic_store_explicit(&values[metric].value, value, memory_order_relaxed);
}

void metric_subtract(enum metric metric, uint64_t by)
{
	atomic_fetch_sub_explicit(&values[metric].value, by, memory_order_relaxed);
}

uint64_t metric_value(enum metric metric)
{
	return atomic_load_explicit(&values[metric].value, memory_order_relaxed);
}

static _Atomic uint64_t quirks[METRIC_QUIRK_MAX];

void metric_add_quirk(unsigned number, uint64_t by)
{
	if (number < METRIC_QUIRK_MAX)
		atomic_fetch_add_explicit(&quirks[number], by, memory_order_relaxed);
}

uint64_t metric_quirk(unsigned number)
{
	return number < METRIC_QUIRK_MAX
		       ? atomic_load_explicit(&quirks[number], memory_order_relaxed)
		       : 0;
}
