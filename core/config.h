/*
 * config.h: the configuration, parsed and checked.
 *
 * The file is read once into a `struct config` that nobody changes afterwards; a reload makes a new one and swaps. One
 * table, config_options.c, describes every option (name, type, default, range, meaning); the parser, the checks,
 * `sluiced -t` and the reference in docs/ come from it. How a file is read stands in config_draft.h.
 *
 * Threads: config_load is not re-entrant (libconfuse); a loaded config may be read from any.
 * Owner: counted: config_load gives one reference, config_share adds one, config_close drops one (any thread).
 * Errors: config_load returns -1 and says "FILE:LINE: section listen 'handoff', option 'max_mesage': unknown (did you
 * mean 'max_message'?)" in `reason`. The daemon exits with 78 (EX_CONFIG).
 * Units: in the names; sizes in bytes, durations in milliseconds.
 */
#ifndef SLUICE_CORE_CONFIG_H
#define SLUICE_CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/network.h"
#include "core/reason.h"

enum profile { PROFILE_FRAGILE, PROFILE_STANDARD, PROFILE_SUBMISSION };
enum upstream_tls {
	UPSTREAM_TLS_OFF,
	UPSTREAM_TLS_OPPORTUNISTIC,
	UPSTREAM_TLS_REQUIRED,
	UPSTREAM_TLS_IMPLICIT
};
enum listener_clear { LISTENER_CLEAR_OFF, LISTENER_CLEAR_DEVICES };
enum listener_auth { LISTENER_AUTH_OFF, LISTENER_AUTH_OPTIONAL, LISTENER_AUTH_REQUIRED };
enum listener_tls { LISTENER_TLS_OFF, LISTENER_TLS_STARTTLS, LISTENER_TLS_IMPLICIT };
enum config_tls_version { CONFIG_TLS_1_0, CONFIG_TLS_1_1, CONFIG_TLS_1_2, CONFIG_TLS_1_3 };
enum over_rate { OVER_RATE_PACE, OVER_RATE_REFUSE };
enum approve_addresses { APPROVE_NONE, APPROVE_TELL, APPROVE_HOLD };
enum virus_action { VIRUS_DISCARD, VIRUS_QUARANTINE };

struct config_paths {
	char **items;
	size_t count;
};

/* Pairs: the first key belongs to the first certificate. */
struct config_certificates {
	struct config_paths certificates, keys;
};

/* What gives the right to relay; bits. */
enum relay_way { RELAY_NETWORK = 1 << 0, RELAY_GRANT = 1 << 1, RELAY_AUTH = 1 << 2 };

struct config_domains {
	char **items; /* "example.edu", "*.example.edu" (what is below it); lower case, in strcmp's order */
	size_t count;
};

struct config_listener {
	char *name;
	char **addresses; /* as written */
	size_t address_count;
	enum profile profile;
	unsigned relay; /* enum relay_way; never 0 */
	struct network_list networks; /* who may relay without a grant or AUTH */
	bool networks_use_domains; /* they may send in the name of our domains too */
	uint64_t max_message_bytes;
	unsigned max_recipients;
	unsigned max_connections; /* in total on this listener */
	unsigned max_connections_per_address;
	unsigned max_connections_per_network; /* core/admission.h's; 0: no limit, here and below */
	unsigned connection_rate_per_address; /* new ones a minute */
	unsigned connection_rate_per_network;
	struct network_list proxies; /* who speaks the PROXY protocol (core/proxy.h) */
	unsigned max_bad_commands; /* a session's; then 421 and close (fragile: close) */
	unsigned max_received_fields;
	int64_t command_timeout_ms; /* between commands (RFC 5321 4.5.3.2.7: 5 minutes) */
	int64_t data_timeout_ms; /* between two reads of message text */
	uint64_t min_data_rate_bytes; /* a second, while the listener is crowded; 0: any */
	int64_t message_timeout_ms; /* from DATA to the final dot */
	int64_t session_timeout_ms;
	char *domain; /* what addresses without one get; never NULL */
	char *charset; /* what 8-bit text is taken for that does not say */
	enum listener_auth auth; /* whether clients log in */
	enum listener_clear auth_in_clear; /* who may without TLS */
	enum over_rate over_rate;
	unsigned address_messages, address_recipients; /* an hour; 0: any */
	unsigned account_messages, account_recipients;
	int64_t full_store_patience_ms; /* fragile: how long a reply is held on a full store */
	enum listener_tls tls;
	enum config_tls_version min_tls;
	struct config_certificates certificates; /* its own; none: the relay's */
};

/* What is known of clients of an address or network; for fragile listeners. */
struct config_client {
	char *title; /* as written: "10.1.2.3", "10.1.0.0/16" */
	struct network network;
	unsigned device; /* smtp/device.h's number; 0: default */
	char *domain, *charset; /* NULL: the listener's */
};

struct config_host {
	char *name; /* "smtp-relay1.example.edu:25", as written and shown */
	char *host; /* without the port and without brackets */
	uint16_t port;
};

struct config_upstream {
	char *name;
	struct config_host *hosts;
	size_t host_count;
	enum upstream_tls tls;
	char *user; /* NULL: no AUTH */
	char *password; /* read from password_file at load */
	bool auth_in_clear;
	char *ca_file; /* NULL: the system's */
	unsigned max_connections; /* per host */
	unsigned max_recipients; /* a transaction's */
	unsigned max_messages; /* a connection's, then it is closed */
	int64_t connect_timeout_ms;
	int64_t command_timeout_ms; /* MAIL, RCPT, and the reply to DATA */
	int64_t data_timeout_ms; /* each block of text */
	int64_t dot_timeout_ms; /* the reply to the final dot (RFC 5321 4.5.3.2.6: 10 minutes) */
	int64_t idle_timeout_ms; /* a connection without work is closed */
	uint16_t number; /* in the store's directory; set once, before the config is shared */
};

struct config_route {
	char *pattern; /* "*", "example.edu", "*.example.edu"; lower case */
	size_t upstream; /* index in config.upstreams */
};

struct config {
	char *path;
	char *hostname;
	char *data_dir;
	char *admin_socket;
	char *user; /* NULL: stay who we are */
	unsigned workers; /* resolved: never 0 */
	char *postmaster;
	struct config_domains domains; /* ours; none: all domains are alike */

	uint64_t queue_max_bytes; /* the store's map size */
	int64_t queue_lifetime_ms;
	unsigned max_connections; /* all listeners together */

	struct config_certificates tls;

	struct config_listener *listeners;
	size_t listener_count;
	struct config_client *clients; /* most exact first */
	size_t client_count;
	struct config_upstream *upstreams;
	size_t upstream_count;
	struct config_route *routes; /* most exact first, "*" last */
	size_t route_count;

	int64_t busy_first_ms, busy_max_ms; /* a host's rest */
	int64_t retry_first_ms, retry_max_ms; /* a recipient's */

	/* who keeps the accounts: one of these, or none, and nobody can log in */
	char *auth_users; /* a path */
	char *auth_pam; /* a service's name */
	char *auth_saslauthd, *auth_dovecot; /* paths of sockets */
	int64_t auth_timeout_ms; /* for an answer of any but the file */
	unsigned auth_workers; /* resolved: never 0 */
	int64_t auth_cache_ms; /* 0: none */
	unsigned auth_tries, auth_account_tries;
	int64_t auth_lock_out_ms;
	int64_t auth_delay_ms, auth_delay_max_ms;

	unsigned scan_workers;
	enum virus_action on_virus;

	int64_t grant_term_ms; /* from its approval to its end */
	int64_t grace_ms; /* of a lapsed grant */
	int64_t burst_ms; /* what comes of a rate in that time may come at once */
	unsigned approve_messages, approve_recipients; /* a day; 0: any */
	enum approve_addresses approve_addresses;
	char *helpdesk; /* never NULL */
	int summary_minute; /* of the week, local time; -1: no summary */
};

int config_load(const char *path, struct config **out, struct reason *reason);
struct config *config_share(const struct config *config);
void config_close(struct config **config);

/* The most exact section that the address is in; NULL: none. */
const struct config_client *config_client_of(
	const struct config *config, const struct address *address);

/* Whether somebody is named who keeps the accounts of clients. */
bool config_has_auth(const struct config *config);

/* What the listener shows to clients: its own, or the relay's; NULL: there is none. */
const struct config_certificates *config_certificates_of(
	const struct config *config, const struct config_listener *listener);

/* "50MB" → 52428800; "5d" → 432000000. Return 0 or -1. Units are powers of 1024; ms s m h d. */
int config_parse_size(const char *text, uint64_t *bytes);
int config_parse_duration(const char *text, int64_t *ms);

const char *config_profile_name(enum profile profile);

#endif
