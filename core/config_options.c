#include "core/config_options.h"

#include "core/config.h"
#include "core/config_draft.h"

#define KB      UINT64_C(1024)
#define MB      (1024 * KB)
#define GB      (1024 * MB)
#define SECONDS UINT64_C(1000)
#define MINUTES (60 * SECONDS)
#define HOURS   (60 * MINUTES)
#define DAYS    (24 * HOURS)

#define TOP(field)      offsetof(struct config, field)
#define LISTENER(field) offsetof(struct config_listener, field)
#define CLIENT(field)   offsetof(struct config_client, field)
#define UPSTREAM(field) offsetof(struct config_upstream, field)
#define ASIDE(field)    .aside = true, .offset = offsetof(struct config_given, field)

static const struct config_choice profiles[] = {
	{"fragile", PROFILE_FRAGILE, false},
	{"standard", PROFILE_STANDARD, false},
	{"submission", PROFILE_SUBMISSION, false},
	{NULL, 0, false},
};

const struct config_choice config_device_choices[] = {
	{"default", 0, false},
	{"hp-mfp", 1, false},
	{"xerox", 2, false},
	{"ups-card", 3, false},
	{"gsm-modem", 4, false},
	{"netcat-script", 5, false},
	{"oracle-utl", 6, false},
	{"old-firmware", 7, false},
	{"single-line-ehlo", 8, false},
	{"ehlo-502", 9, false},
	{"plain-codes", 10, false},
	{"smtp-banner", 11, false},
	{"no-extensions", 12, false},
	{"no-auth", 13, false},
	{"auth-equals", 14, false},
	{NULL, 0, false},
};

static const struct config_choice relay_ways[] = {
	{"network", RELAY_NETWORK, false},
	{"grant", RELAY_GRANT, false},
	{"auth", RELAY_AUTH, false},
	{NULL, 0, false},
};

static const struct config_choice listener_tls[] = {
	{"off", LISTENER_TLS_OFF, false},
	{"starttls", LISTENER_TLS_STARTTLS, false},
	{"implicit", LISTENER_TLS_IMPLICIT, false},
	{NULL, 0, false},
};

static const struct config_choice tls_versions[] = {
	{"1.0", CONFIG_TLS_1_0, false},
	{"1.1", CONFIG_TLS_1_1, false},
	{"1.2", CONFIG_TLS_1_2, false},
	{"1.3", CONFIG_TLS_1_3, false},
	{NULL, 0, false},
};

static const struct config_choice listener_clear[] = {
	{"off", LISTENER_CLEAR_OFF, false},
	{"devices", LISTENER_CLEAR_DEVICES, false},
	{NULL, 0, false},
};

static const struct config_choice listener_auth[] = {
	{"off", LISTENER_AUTH_OFF, false},
	{"optional", LISTENER_AUTH_OPTIONAL, false},
	{"required", LISTENER_AUTH_REQUIRED, false},
	{NULL, 0, false},
};

static const struct config_choice upstream_tls[] = {
	{"off", UPSTREAM_TLS_OFF, false},
	{"opportunistic", UPSTREAM_TLS_OPPORTUNISTIC, false},
	{"required", UPSTREAM_TLS_REQUIRED, false},
	{"implicit", UPSTREAM_TLS_IMPLICIT, false},
	{NULL, 0, false},
};

static const struct config_choice approve_choices[] = {
	{"no", APPROVE_NONE, false},
	{"tell", APPROVE_TELL, false},
	{"hold", APPROVE_HOLD, false},
	{NULL, 0, false},
};

static const struct config_choice over_rates[] = {
	{"pace", OVER_RATE_PACE, false},
	{"refuse", OVER_RATE_REFUSE, false},
	{NULL, 0, false},
};

static const struct config_choice virus_actions[] = {
	{"discard", VIRUS_DISCARD, false},
	{"quarantine", VIRUS_QUARANTINE, true},
	{NULL, 0, false},
};

/* a row is a line and its meaning */
/* clang-format off */
static const struct config_option top_options[] = {
	{"hostname", CONFIG_DOMAIN, TOP(hostname), .meaning =
		"the name that the relay gives itself in banners, Received fields and EHLO; without it the machine's own"},
	{"data_dir", CONFIG_PATH, TOP(data_dir), "/var/lib/sluice", .meaning =
		"the folder of the queue; made when it is missing; one daemon has it at a time"},
	{"admin_socket", CONFIG_PATH, TOP(admin_socket), "/run/sluice/admin.sock", .meaning =
		"the Unix socket that `sluice` and scripts talk to; at most 107 bytes"},
	{"user", CONFIG_TEXT, TOP(user), .meaning =
		"the user that the daemon becomes when it was started as root, once the ports are open; without it it stays who it is"},
	{"workers", CONFIG_NUMBER, TOP(workers), "0", 0, 256, .meaning =
		"threads that talk with clients; 0: one per core"},
	{"postmaster", CONFIG_MAILBOX, TOP(postmaster), .meaning =
		"who is told when no sender can be; without it `postmaster@` and the hostname"},
	{"domains", CONFIG_DOMAINS, TOP(domains), .meaning =
		"our own domains, as `example.edu` or, for what is below it, `\"*.example.edu\"`: who may send in their name, grants and accounts say"},
	{"max_connections", CONFIG_NUMBER, TOP(max_connections), "10000", 1, 1000000, .meaning =
		"clients connected at a time, all listeners together"},
};

static const struct config_option queue_options[] = {
	{"max_size", CONFIG_SIZE, TOP(queue_max_bytes), "20GB", 8 * MB, 65536 * GB, .meaning =
		"how large the queue may grow on disk; near it no new mail is taken until there is room again"},
	{"lifetime", CONFIG_DURATION, TOP(queue_lifetime_ms), "5d", 1 * SECONDS, 100 * DAYS, .meaning =
		"how long delivery is tried, from acceptance on; then the sender gets a bounce"},
};

static const struct config_option listen_options[] = {
	{"address", CONFIG_ADDRESSES, .required = true, .meaning =
		"where clients connect: `\"192.0.2.1:25\"`, `\"[::]:25\"` or `\"unix:/path\"`"},
	{"profile", CONFIG_CHOICE, LISTENER(profile), "standard", .choices = profiles, .meaning =
		"how clients are treated, see below"},
	{"networks", CONFIG_NETWORKS, LISTENER(networks), .meaning =
		"who may hand over mail without a grant and without logging in, as `\"10.0.0.0/8\"`"},
	{"relay", CONFIG_CHOICES, LISTENER(relay), .choices = relay_ways, .meaning =
		"what gives the right to hand over mail, any of several: to be in `networks`, a grant, a login; everyone else gets 550 5.7.1; not given, any of the three"},
	{"networks_use_domains", CONFIG_YES_NO, LISTENER(networks_use_domains), "no", .meaning =
		"whether who is allowed by `networks` alone may send in the name of our `domains`"},
	{"max_message", CONFIG_SIZE, LISTENER(max_message_bytes), "50MB", 1 * KB, 2 * GB, .meaning =
		"the largest message taken; a larger one gets 552 5.3.4 (RFC 5321 asks for 64KB at least)"},
	{"max_recipients", CONFIG_NUMBER, LISTENER(max_recipients), "100", 1, 10000, .meaning =
		"recipients of one message; further ones are refused (RFC 5321 asks for 100 at least)"},
	{"max_connections", CONFIG_NUMBER, LISTENER(max_connections), "10000", 1, 1000000, .meaning =
		"clients connected to this listener at a time"},
	{"max_connections_per_address", CONFIG_NUMBER, LISTENER(max_connections_per_address), "1000", 1, 1000000, .meaning =
		"of these, from one address"},
	{"max_connections_per_network", CONFIG_NUMBER, LISTENER(max_connections_per_network), "0", 0, 1000000, .meaning =
		"of these, from one network (/24 of IPv4, /64 of IPv6); 0: any"},
	{"connection_rate_per_address", CONFIG_NUMBER, LISTENER(connection_rate_per_address), "0", 0, 60000, .meaning =
		"new connections a minute from one address, so many at once; 0: any"},
	{"connection_rate_per_network", CONFIG_NUMBER, LISTENER(connection_rate_per_network), "0", 0, 60000, .meaning =
		"new connections a minute from one network (/24, /64); 0: any"},
	{"proxies", CONFIG_NETWORKS, LISTENER(proxies), .meaning =
		"load balancers, as `\"192.0.2.10\"`, that say with the PROXY protocol (version 2) who the client is; from nobody else is that believed"},
	{"max_bad_commands", CONFIG_NUMBER, LISTENER(max_bad_commands), "20", 1, 10000, .meaning =
		"commands that fail in one session before it is closed"},
	{"max_received_fields", CONFIG_NUMBER, LISTENER(max_received_fields), "100", 10, 1000, .meaning =
		"Received fields in a message before it is taken to be in a loop: 554 5.4.6"},
	{"command_timeout", CONFIG_DURATION, LISTENER(command_timeout_ms), "5m", 1 * SECONDS, 1 * HOURS, .meaning =
		"how long a client may take for its next command (RFC 5321 4.5.3.2.7); not given, it is 10m on a fragile listener"},
	{"data_timeout", CONFIG_DURATION, LISTENER(data_timeout_ms), "5m", 1 * SECONDS, 1 * HOURS, .meaning =
		"how long a client may be silent inside a message; not given, it is 10m on a fragile listener"},
	{"min_data_rate", CONFIG_SIZE, LISTENER(min_data_rate_bytes), "500B", 0, 1 * MB, .meaning =
		"bytes a second that message text must keep up on average while four fifths of the connections are in use; 0: no matter"},
	{"message_timeout", CONFIG_DURATION, LISTENER(message_timeout_ms), "1h", 1 * SECONDS, 1 * DAYS, .meaning =
		"how long one message may take, from DATA to the final dot"},
	{"session_timeout", CONFIG_DURATION, LISTENER(session_timeout_ms), "1d", 1 * SECONDS, 30 * DAYS, .meaning =
		"how long one session may last"},
	{"domain", CONFIG_DOMAIN, LISTENER(domain), .meaning =
		"fragile only: what an address without a domain gets; without it the hostname"},
	{"charset", CONFIG_CHARSET, LISTENER(charset), "windows-1252", .meaning =
		"fragile only: what 8-bit text is taken for that does not say what it is"},
	{"over_rate", CONFIG_CHOICE, LISTENER(over_rate), "refuse", .choices = over_rates, .meaning =
		"what is over a rate: `pace` takes it and sends it on when the rate permits, `refuse` says 450 4.7.1; not given, it is pace on a fragile listener, where refuse cannot be had"},
	{"address_messages", CONFIG_NUMBER, LISTENER(address_messages), "0", 0, 1000000000, .meaning =
		"messages an hour from one address (of IPv6 its /64); 0: any"},
	{"address_recipients", CONFIG_NUMBER, LISTENER(address_recipients), "0", 0, 1000000000, .meaning =
		"recipients an hour from one address; 0: any"},
	{"account_messages", CONFIG_NUMBER, LISTENER(account_messages), "0", 0, 1000000000, .meaning =
		"messages an hour of one account; 0: any"},
	{"account_recipients", CONFIG_NUMBER, LISTENER(account_recipients), "0", 0, 1000000000, .meaning =
		"recipients an hour of one account; 0: any"},
	{"full_store_patience", CONFIG_DURATION, LISTENER(full_store_patience_ms), "4m", 1 * SECONDS, 30 * MINUTES, .meaning =
		"fragile only: how long a reply is held back while the store is full, before 452 4.3.1"},
	{"tls", CONFIG_CHOICE, LISTENER(tls), "off", .choices = listener_tls, .meaning =
		"TLS for clients: `starttls` offers it, `implicit` is TLS from the first byte (RFC 8314)"},
	{"min_tls", CONFIG_CHOICE, LISTENER(min_tls), "1.2", .choices = tls_versions, .meaning =
		"the oldest TLS version taken; below 1.2, for old devices, weak ciphers are taken too"},
	{"certificate", CONFIG_PATHS, LISTENER(certificates.certificates), .meaning =
		"certificates of this listener alone (PEM), instead of those of section `tls`"},
	{"key", CONFIG_PATHS, LISTENER(certificates.keys), .meaning =
		"their private keys, in the same order"},
	{"auth", CONFIG_CHOICE, LISTENER(auth), .choices = listener_auth, .meaning =
		"whether clients log in: `required` before they send; not given, it is `required` on a submission listener, `optional` where there is a section `auth` and TLS, else `off`"},
	{"auth_in_clear", CONFIG_CHOICE, LISTENER(auth_in_clear), "off", .choices = listener_clear, .meaning =
		"fragile only: who may log in without TLS: nobody, or `devices`, accounts whose grant has `auth_in_clear`"},
};

static const struct config_option client_options[] = {
	{"profile", CONFIG_CHOICE, CLIENT(device), "default", .choices = config_device_choices, .meaning =
		"what the device needs to hear, see below"},
	{"domain", CONFIG_DOMAIN, CLIENT(domain), .meaning =
		"what an address without a domain gets; without it the listener's"},
	{"charset", CONFIG_CHARSET, CLIENT(charset), .meaning =
		"what 8-bit text is taken for that does not say what it is; without it the listener's"},
};

static const struct config_option upstream_options[] = {
	{"hosts", CONFIG_HOSTS, .required = true, .meaning =
		"the smart hosts, each a name or address with its port; equals, tried in turn"},
	{"tls", CONFIG_CHOICE, UPSTREAM(tls), "opportunistic", .choices = upstream_tls, .meaning =
		"`opportunistic` encrypts where the host can, and checks no certificate; `required` (STARTTLS) and `implicit` (TLS from the first byte) check it"},
	{"user", CONFIG_TEXT, UPSTREAM(user), .meaning =
		"the account to log in with; needs `password_file`"},
	{"password_file", CONFIG_PATH, ASIDE(password_file), .meaning =
		"a file of one line, the password; read at start and at a reload"},
	{"auth_in_clear", CONFIG_YES_NO, UPSTREAM(auth_in_clear), "no", .meaning =
		"whether the password may go out without TLS that checks certificates"},
	{"ca_file", CONFIG_PATH, UPSTREAM(ca_file), .meaning =
		"certificates (PEM) that the hosts' are checked against; without it the system's"},
	{"max_connections", CONFIG_NUMBER, UPSTREAM(max_connections), "20", 1, 1000, .meaning =
		"connections to one host at a time"},
	{"max_recipients", CONFIG_NUMBER, UPSTREAM(max_recipients), "100", 1, 10000, .meaning =
		"recipients of one transaction; a message with more is split"},
	{"max_messages", CONFIG_NUMBER, UPSTREAM(max_messages), "1000", 1, 1000000, .meaning =
		"messages on one connection before it is closed"},
	{"connect_timeout", CONFIG_DURATION, UPSTREAM(connect_timeout_ms), "30s", 100, 10 * MINUTES, .meaning =
		"for name, TCP, TLS, EHLO and login together"},
	{"command_timeout", CONFIG_DURATION, UPSTREAM(command_timeout_ms), "5m", 100, 1 * HOURS, .meaning =
		"for the replies to MAIL, RCPT and DATA (RFC 5321 4.5.3.2)"},
	{"data_timeout", CONFIG_DURATION, UPSTREAM(data_timeout_ms), "3m", 100, 1 * HOURS, .meaning =
		"for each block of text to be taken (RFC 5321 4.5.3.2.5)"},
	{"dot_timeout", CONFIG_DURATION, UPSTREAM(dot_timeout_ms), "10m", 100, 1 * HOURS, .meaning =
		"for the reply to the final dot; too short a time delivers messages twice (RFC 5321 4.5.3.2.6)"},
	{"idle_timeout", CONFIG_DURATION, UPSTREAM(idle_timeout_ms), "30s", 0, 1 * HOURS, .meaning =
		"how long a connection without work stays open"},
};

static const struct config_option route_options[] = {
	{"upstream", CONFIG_NAME, ASIDE(route_upstream), .required = true, .meaning =
		"the upstream that recipients of this domain go to"},
};

static const struct config_option retry_options[] = {
	{"busy_first", CONFIG_DURATION, TOP(busy_first_ms), "1s", 10, 1 * HOURS, .meaning =
		"the first rest of a host that says 421, refuses or hangs; it doubles"},
	{"busy_max", CONFIG_DURATION, TOP(busy_max_ms), "60s", 10, 1 * HOURS, .meaning =
		"its longest rest"},
	{"first", CONFIG_DURATION, TOP(retry_first_ms), "1m", 100, 1 * DAYS, .meaning =
		"the first wait of a message or recipient that was deferred; it doubles"},
	{"max", CONFIG_DURATION, TOP(retry_max_ms), "1h", 100, 7 * DAYS, .meaning =
		"its longest wait"},
};

static const struct config_option scan_options[] = {
	{"workers", CONFIG_NUMBER, TOP(scan_workers), "2", 1, 256, .meaning =
		"threads that scan"},
	{"on_virus", CONFIG_CHOICE, TOP(on_virus), "discard", .choices = virus_actions, .meaning =
		"what becomes of a message with a virus"},
	{"order", CONFIG_LATER, .meaning = "the hooks to ask; an empty list `{}` is taken: the built-in rules only"},
	{"quarantine_score", CONFIG_LATER, .meaning = "the score from which on a message is quarantined"},
	{"when_unavailable", CONFIG_LATER, .meaning = "what happens while a hook does not answer"},
};

static const struct config_option grants_options[] = {
	{"term", CONFIG_DURATION, TOP(grant_term_ms), "365d", 1 * DAYS, 3650 * DAYS, .meaning =
		"how long a grant is in force from its approval or renewal on, where nobody says otherwise"},
	{"grace", CONFIG_DURATION, TOP(grace_ms), "14d", 0, 365 * DAYS, .meaning =
		"for how long mail is still taken, and held, when a grant has lapsed; then it is refused"},
	{"helpdesk", CONFIG_MAILBOX, TOP(helpdesk), .meaning =
		"whom refusals and owners' mails tell people to write to; without it the postmaster"},
	{"burst", CONFIG_DURATION, TOP(burst_ms), "1h", 1 * SECONDS, 1 * DAYS, .meaning =
		"how much of a rate may be used at once: what it gives in this time; who hands over no more than that in any such time is never paced"},
	{"approve_messages", CONFIG_NUMBER, TOP(approve_messages), "10000", 0, 1000000000, .meaning =
		"messages a day of one grant or account, beyond which they are held until an operator releases them; not for grants of the lane bulk; 0: any"},
	{"approve_recipients", CONFIG_NUMBER, TOP(approve_recipients), "2000", 0, 1000000000, .meaning =
		"the same for different recipients a day, counted within some 3 per cent"},
	{"approve_addresses", CONFIG_CHOICE, TOP(approve_addresses), "no", .choices = approve_choices, .meaning =
		"what these mean for clients with neither a grant nor an account, by address: `hold` the same, `tell` holds nothing and tells the postmaster once a day, `no` nothing; not given, it is `tell` where one of the two is given"},
	{"summary", CONFIG_WEEK, TOP(summary_minute), "Mon 08:00", .meaning =
		"when postmaster gets the week's summary of the grants, local time; off: never"},
};

static const struct config_option tls_options[] = {
	{"certificate", CONFIG_PATHS, TOP(tls.certificates), .meaning =
		"the relay's certificates (PEM), each followed in its file by what leads to its authority"},
	{"key", CONFIG_PATHS, TOP(tls.keys), .meaning =
		"their private keys (PEM, no passphrase), in the same order"},
};

static const struct config_option auth_options[] = {
	{"users", CONFIG_PATH, TOP(auth_users), .meaning =
		"the file of accounts, a line each: name, `:`, hash of crypt(3); `sluice user` writes it; read again when it changed"},
	{"pam", CONFIG_NAME, TOP(auth_pam), .meaning =
		"the PAM service that knows the accounts, a file in `/etc/pam.d`; it is asked in a process of its own"},
	{"saslauthd", CONFIG_PATH, TOP(auth_saslauthd), .meaning =
		"the socket of a saslauthd that knows the accounts, as `/run/saslauthd/mux`"},
	{"dovecot", CONFIG_PATH, TOP(auth_dovecot), .meaning =
		"the authentication socket of a Dovecot that knows them, as `/run/dovecot/auth-client`"},
	{"timeout", CONFIG_DURATION, TOP(auth_timeout_ms), "20s", 1 * SECONDS, 2 * MINUTES, .meaning =
		"how long an answer of anybody but the file may take; then the reply is 454"},
	{"workers", CONFIG_NUMBER, TOP(auth_workers), "0", 0, 64, .meaning =
		"threads that hash passwords, 16 MB each while they do; 0: one per core, two at most"},
	{"cache", CONFIG_DURATION, TOP(auth_cache_ms), "60s", 0, 1 * HOURS, .meaning =
		"how long a password that was right is known without being hashed again; 0: not at all"},
	{"tries", CONFIG_NUMBER, TOP(auth_tries), "10", 1, 10000, .meaning =
		"wrong passwords from one address (IPv6: its /64) within `lock_out`; then it is locked out"},
	{"account_tries", CONFIG_NUMBER, TOP(auth_account_tries), "100", 1, 100000, .meaning =
		"wrong passwords for one account, from wherever, within `lock_out`; then it is locked for addresses that it was not used from before"},
	{"lock_out", CONFIG_DURATION, TOP(auth_lock_out_ms), "15m", 1 * SECONDS, 1 * DAYS, .meaning =
		"how long a lock-out lasts, and how long a wrong password counts"},
	{"delay", CONFIG_DURATION, TOP(auth_delay_ms), "1s", 0, 1 * MINUTES, .meaning =
		"how long the reply to the first wrong password is held; it doubles with each further one"},
	{"delay_max", CONFIG_DURATION, TOP(auth_delay_max_ms), "10s", 0, 2 * MINUTES, .meaning =
		"the longest such time"},
};

static const struct config_option hook_options[] = {
	{"type", CONFIG_LATER, .meaning = "clamd, rspamd, …"},
	{"address", CONFIG_LATER, .meaning = "where it listens"},
	{"timeout", CONFIG_LATER, .meaning = "how long it may take"},
};

static const struct config_option quarantine_options[] = {
	{"keep", CONFIG_LATER, .meaning = "how long a message stays in quarantine"},
};

static const struct config_option digest_options[] = {
	{"times", CONFIG_LATER, .meaning = "when digests go out"},
	{"from", CONFIG_LATER, .meaning = "their sender"},
	{"base_url", CONFIG_LATER, .meaning = "where their links lead"},
};

static const struct config_option web_options[] = {
	{"address", CONFIG_LATER, .meaning = "where the quarantine page listens"},
};
/* clang-format on */

#define OPTIONS(rows) .options = (rows), .option_count = sizeof(rows) / sizeof((rows)[0])

const struct config_section_kind config_section_kinds[CONFIG_SECTION_COUNT] = {
	[SECTION_TOP] = {"", NULL, 1, .meaning = "the relay itself", OPTIONS(top_options)},
	[SECTION_QUEUE] = {"queue", NULL, 1, .meaning = "the queue on disk",
		OPTIONS(queue_options)},
	[SECTION_LISTEN] = {"listen", "NAME", 64, .meaning = "a door for clients",
		OPTIONS(listen_options)},
	[SECTION_CLIENT] = {"client", "NETWORK", 10000, .meaning = "what is known of a device",
		OPTIONS(client_options)},
	[SECTION_UPSTREAM] = {"upstream", "NAME", 1000, .meaning = "a group of smart hosts",
		OPTIONS(upstream_options)},
	[SECTION_ROUTE] = {"route", "PATTERN", 10000, .meaning = "which upstream a domain goes to",
		OPTIONS(route_options)},
	[SECTION_RETRY] = {"retry", NULL, 1, .meaning = "when it is tried again",
		OPTIONS(retry_options)},
	[SECTION_SCAN] = {"scan", NULL, 1, .meaning = "the scanners", OPTIONS(scan_options)},
	[SECTION_GRANTS] = {"grants", NULL, 1, .meaning = "the rules of relay grants",
		OPTIONS(grants_options)},
	[SECTION_TLS] = {"tls", NULL, 1, .meaning = "the relay's certificate",
		OPTIONS(tls_options)},
	[SECTION_AUTH] = {"auth", NULL, 1, .meaning = "accounts of clients", OPTIONS(auth_options)},
	[SECTION_HOOK] = {"hook", "NAME", 1, .later = true, .meaning = "a scanner outside",
		OPTIONS(hook_options)},
	[SECTION_QUARANTINE] = {"quarantine", NULL, 1, .later = true, .meaning = "held-back mail",
		OPTIONS(quarantine_options)},
	[SECTION_DIGEST] = {"digest", NULL, 1, .later = true,
		.meaning = "what recipients are told of it", OPTIONS(digest_options)},
	[SECTION_WEB] = {"web", NULL, 1, .later = true, .meaning = "the quarantine page",
		OPTIONS(web_options)},
};

static const struct {
	const char *name;
	bool is_list;
} types[CONFIG_TYPE_COUNT] = {
	[CONFIG_TEXT] = {"text", false},
	[CONFIG_PATH] = {"path", false},
	[CONFIG_NAME] = {"name", false},
	[CONFIG_DOMAIN] = {"domain", false},
	[CONFIG_MAILBOX] = {"mail address", false},
	[CONFIG_NUMBER] = {"number", false},
	[CONFIG_SIZE] = {"size", false},
	[CONFIG_DURATION] = {"duration", false},
	[CONFIG_WEEK] = {"time of the week", false},
	[CONFIG_YES_NO] = {"yes or no", false},
	[CONFIG_CHOICE] = {"choice", false},
	[CONFIG_CHOICES] = {"list of choices", true},
	[CONFIG_ADDRESSES] = {"list of addresses", true},
	[CONFIG_NETWORKS] = {"list of networks", true},
	[CONFIG_DOMAINS] = {"list of domains", true},
	[CONFIG_CHARSET] = {"charset", false},
	[CONFIG_HOSTS] = {"list of hosts", true},
	[CONFIG_PATHS] = {"list of paths", true},
	[CONFIG_LATER] = {"not in this version", true},
};

bool config_type_is_list(enum config_type type)
{
	return types[type].is_list;
}

const char *config_type_name(enum config_type type)
{
	return types[type].name;
}
