#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/config_draft.h"
#include "core/config_name.h"
#include "core/nearest.h"
#include "core/tls.h"

typedef int check_fn(struct config_draft *draft, struct config_given *given);

static int out_of_memory(const struct config_draft *draft, const struct config_given *given)
{
	return config_fail(draft, given, NULL, 0, "out of memory");
}

static bool is_given(const struct config_given *given, const char *option)
{
	return given->option_lines[config_option_find(given->section, option)] != 0;
}

/* ---- the relay itself ---- */

static int default_hostname(struct config_draft *draft, struct config_given *given)
{
	struct config_shown shown;
	char name[256] = "";

	if (gethostname(name, sizeof(name) - 1) < 0 || !config_is_domain(name))
		return config_fail(draft, given, "hostname", 0,
			"not given, and the machine's own name '%s' is not a domain",
			config_show(&shown, name));
	draft->config->hostname = strdup(name);
	return draft->config->hostname != NULL ? 0 : out_of_memory(draft, given);
}

static unsigned core_count(void)
{
	cpu_set_t cores;

	if (sched_getaffinity(0, sizeof(cores), &cores) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&cores);
}

/* Compared without regard to letter case, as routes are. */
static void lower(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In order, so that one is found by halves. */
static void complete_domains(struct config_domains *domains)
{
	for (size_t i = 0; i < domains->count; i++)
		lower(domains->items[i]);
	if (domains->count > 1)
		qsort(domains->items, domains->count, sizeof(*domains->items), compare_texts);
}

static int check_socket(const struct config_draft *draft, const struct config_given *given,
	const char *option, const char *path)
{
	struct sockaddr_un socket;

	if (strlen(path) >= sizeof(socket.sun_path))
		return config_fail(draft, given, option, 0, "expected a path of at most %zu bytes",
			sizeof(socket.sun_path) - 1);
	return 0;
}

static int check_top(struct config_draft *draft, struct config_given *given)
{
	struct config *config = draft->config;

	if (config->hostname == NULL && default_hostname(draft, given) < 0)
		return -1;
	if (config->postmaster == NULL &&
		asprintf(&config->postmaster, "postmaster@%s", config->hostname) < 0) {
		config->postmaster = NULL;
		return out_of_memory(draft, given);
	}
	complete_domains(&config->domains);
	if (config->workers == 0)
		config->workers = core_count();
	return check_socket(draft, given, "admin_socket", config->admin_socket);
}

/* ---- retry ---- */

static int check_retry(struct config_draft *draft, struct config_given *given)
{
	const struct config *config = draft->config;

	if (config->busy_first_ms > config->busy_max_ms)
		return config_fail(draft, given, "busy_first", 0,
			"expected no more than busy_max, the longest rest");
	if (config->retry_first_ms > config->retry_max_ms)
		return config_fail(
			draft, given, "first", 0, "expected no more than max, the longest wait");
	return 0;
}

/* ---- auth ---- */

#define HASHERS_USUAL   2 /* the others' processors stay theirs */
#define PAM_SERVICE_MAX 64

static int open_readable(const struct config_draft *draft, const struct config_given *given,
	const char *option, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return config_fail(
			draft, given, option, 0, "'%s' cannot be read: %s", path, strerror(errno));
	return fd;
}

static int check_users(struct config_draft *draft, struct config_given *given)
{
	const char *path = draft->config->auth_users;
	int fd;

	/* a file that is not there yet has no accounts: sluice user makes it */
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	fd = open_readable(draft, given, "users", path);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

/* PAM takes the last part of a path, and cuts nothing else: what it was asked for is to be what is written here. */
static int check_pam(struct config_draft *draft, struct config_given *given)
{
	const char *service = draft->config->auth_pam;

	if (service[0] == '\0' || service[0] == '.' || strchr(service, '/') != NULL ||
		strlen(service) > PAM_SERVICE_MAX)
		return config_fail(draft, given, "pam", 0,
			"expected the name of a service, which is a file in /etc/pam.d, in at most "
			"%d bytes",
			PAM_SERVICE_MAX);
	return 0;
}

static int check_saslauthd(struct config_draft *draft, struct config_given *given)
{
	return check_socket(draft, given, "saslauthd", draft->config->auth_saslauthd);
}

static int check_dovecot(struct config_draft *draft, struct config_given *given)
{
	return check_socket(draft, given, "dovecot", draft->config->auth_dovecot);
}

static const struct {
	const char *option;
	int (*check)(struct config_draft *draft, struct config_given *given);
} keepers[] = {
	{"users", check_users},
	{"pam", check_pam},
	{"saslauthd", check_saslauthd},
	{"dovecot", check_dovecot},
};

static int check_keeper(struct config_draft *draft, struct config_given *given)
{
	size_t count = sizeof(keepers) / sizeof(*keepers), kept_by = count;

	for (size_t i = 0; i < count; i++) {
		if (!is_given(given, keepers[i].option))
			continue;
		if (kept_by < count)
			return config_fail(draft, given, keepers[i].option, 0,
				"expected one keeper of the accounts, got %s too",
				keepers[kept_by].option);
		kept_by = i;
	}
	if (kept_by == count)
		return config_fail(draft, given, NULL, 0,
			"expected who keeps the accounts: one of users, pam, saslauthd, dovecot");
	return keepers[kept_by].check(draft, given);
}

static int check_auth(struct config_draft *draft, struct config_given *given)
{
	struct config *config = draft->config;

	if (config->auth_workers == 0)
		config->auth_workers = core_count() < HASHERS_USUAL ? 1 : HASHERS_USUAL;
	if (config->auth_delay_ms > config->auth_delay_max_ms)
		return config_fail(draft, given, "delay", 0,
			"expected no more than delay_max, the longest time");
	return check_keeper(draft, given);
}

/* ---- TLS ---- */

/* Each pair of files can be used; how old a certificate is is no matter here. */
static int check_certificates(const struct config_draft *draft, const struct config_given *given,
	const struct config_certificates *files)
{
	if (files->certificates.count != files->keys.count)
		return config_fail(draft, given,
			files->certificates.count > 0 ? "certificate" : "key", 0,
			"expected a key for each certificate, got %zu for %zu", files->keys.count,
			files->certificates.count);
	for (size_t i = 0; i < files->certificates.count; i++) {
		struct tls_certificate *certificate;
		struct reason why = {.text = ""};
		enum tls_fault fault = tls_certificate_open(
			files->certificates.items[i], files->keys.items[i], &certificate, &why);

		tls_certificate_close(&certificate);
		if (fault != TLS_SOUND)
			return config_fail(draft, given,
				fault == TLS_WRONG_KEY ? "key" : "certificate", 0, "%s", why.text);
	}
	return 0;
}

static int check_tls(struct config_draft *draft, struct config_given *given)
{
	return check_certificates(draft, given, &draft->config->tls);
}

static int check_listener_tls(const struct config_draft *draft, const struct config_given *given)
{
	const struct config_listener *listener = &draft->config->listeners[given->index];

	if (check_certificates(draft, given, &listener->certificates) < 0)
		return -1;
	if (listener->tls == LISTENER_TLS_OFF)
		return 0;
	if (config_certificates_of(draft->config, listener) == NULL)
		return config_fail(draft, given, "tls", 0,
			"expected a certificate and its key in a section tls, or of this listener");
	return 0;
}

/* When all files are known to be sound: whether OpenSSL takes them for what the listener wants. */
static int check_contexts(const struct config_draft *draft)
{
	for (size_t i = 0; i < draft->given_count; i++) {
		const struct config_given *given = &draft->given[i];
		struct reason why = {.text = ""};

		if (given->section == SECTION_LISTEN &&
			tls_check(draft->config, &draft->config->listeners[given->index], &why) < 0)
			return config_fail(draft, given, "tls", 0, "%s", why.text);
	}
	return 0;
}

/* ---- grants ---- */

static int check_grants(struct config_draft *draft, struct config_given *given)
{
	struct config *config = draft->config;

	if (!is_given(given, "approve_addresses") &&
		(is_given(given, "approve_messages") || is_given(given, "approve_recipients")))
		config->approve_addresses = APPROVE_TELL;
	if (config->helpdesk == NULL)
		config->helpdesk = strdup(config->postmaster);
	return config->helpdesk != NULL ? 0 : out_of_memory(draft, given);
}

/* ---- listen ---- */

static int check_name(const struct config_draft *draft, const struct config_given *given)
{
	if (!config_is_name(given->title))
		return config_fail(draft, given, NULL, 0,
			"expected a name of letters, digits, '-', '_' and '.', 63 at most");
	return 0;
}

/* What is not given and depends on what is. */
static int complete_listener(struct config_draft *draft, const struct config_given *given)
{
	static const int64_t fragile_idle_ms = INT64_C(10) * 60 * 1000; /* */
	struct config_listener *listener = &draft->config->listeners[given->index];
	bool fragile = listener->profile == PROFILE_FRAGILE;

	if (fragile && !is_given(given, "command_timeout"))
		listener->command_timeout_ms = fragile_idle_ms;
	if (fragile && !is_given(given, "data_timeout"))
		listener->data_timeout_ms = fragile_idle_ms;
	if (fragile && !is_given(given, "over_rate"))
		listener->over_rate = OVER_RATE_PACE;
	if (fragile && listener->over_rate == OVER_RATE_REFUSE)
		return config_fail(draft, given, "over_rate", 0,
			"expected pace: a fragile client does not come again");
	if (listener->domain == NULL)
		listener->domain = strdup(draft->config->hostname);
	return listener->domain != NULL ? 0 : out_of_memory(draft, given);
}

static bool takes_passwords(const struct config_listener *listener)
{
	return listener->tls != LISTENER_TLS_OFF || listener->auth_in_clear != LISTENER_CLEAR_OFF;
}

/* Who may log in, where it is not said: everybody whose password is safe on its way. */
static enum listener_auth usual_auth(
	const struct config_draft *draft, const struct config_listener *listener)
{
	if (listener->profile == PROFILE_SUBMISSION)
		return LISTENER_AUTH_REQUIRED;
	return config_has_auth(draft->config) && takes_passwords(listener) ? LISTENER_AUTH_OPTIONAL
									   : LISTENER_AUTH_OFF;
}

static int check_login(struct config_draft *draft, struct config_given *given)
{
	struct config_listener *listener = &draft->config->listeners[given->index];

	if (!is_given(given, "auth"))
		listener->auth = usual_auth(draft, listener);
	if (listener->profile == PROFILE_SUBMISSION && listener->auth != LISTENER_AUTH_REQUIRED)
		return config_fail(draft, given, "auth", 0,
			"expected required: who submits logs in (profile = standard for others)");
	if (listener->auth_in_clear != LISTENER_CLEAR_OFF && listener->profile != PROFILE_FRAGILE)
		return config_fail(draft, given, "auth_in_clear", 0,
			"expected profile = fragile with it: others log in over TLS");
	if (listener->auth == LISTENER_AUTH_OFF)
		return 0;
	if (!config_has_auth(draft->config))
		return config_fail(draft, given,
			listener->profile == PROFILE_SUBMISSION ? "profile" : "auth", 0,
			"expected a section auth with it, which says who keeps the accounts");
	if (!takes_passwords(listener))
		return config_fail(draft, given, "tls", 0,
			"expected starttls or implicit: passwords are taken over TLS only");
	return 0;
}

static int check_listen(struct config_draft *draft, struct config_given *given)
{
	struct config_listener *listener = &draft->config->listeners[given->index];

	if (check_name(draft, given) < 0)
		return -1;
	if (listener->address_count == 0)
		return config_fail(draft, given, "address", 0,
			"expected at least one address, as {\"0.0.0.0:25\", \"[::]:25\"}");
	if (check_login(draft, given) < 0)
		return -1;
	if (listener->relay == 0)
		listener->relay = RELAY_NETWORK | RELAY_GRANT | RELAY_AUTH;
	if (listener->relay == RELAY_NETWORK && listener->networks.count == 0)
		return config_fail(draft, given, "networks", 0,
			"expected at least one network, as {\"10.0.0.0/8\"}: with relay = network "
			"nobody else could hand over mail");
	if (check_listener_tls(draft, given) < 0)
		return -1;
	return complete_listener(draft, given);
}

/* ---- client ---- */

static int check_client(struct config_draft *draft, struct config_given *given)
{
	struct config *config = draft->config;
	struct config_client *client = &config->clients[given->index];
	struct reason why = {.text = ""};

	if (network_parse(client->title, &client->network, &why) < 0)
		return config_fail(draft, given, NULL, 0,
			"expected an address or network, as \"10.1.2.3\" or \"10.1.0.0/16\" "
			"(%.150s)",
			why.text);
	for (size_t i = 0; i < given->index; i++)
		if (memcmp(&config->clients[i].network, &client->network,
			    sizeof(client->network)) == 0)
			return config_fail(draft, given, NULL, 0,
				"the same network as section client '%s'",
				config->clients[i].title);
	return 0;
}

static int compare_clients(const void *a, const void *b)
{
	const struct config_client *left = a, *right = b;

	if (left->network.prefix_bits != right->network.prefix_bits)
		return left->network.prefix_bits > right->network.prefix_bits ? -1 : 1;
	if ((left->network.zone[0] == '\0') != (right->network.zone[0] == '\0'))
		return left->network.zone[0] != '\0' ? -1 : 1; /* the more exact one first */
	return memcmp(left->network.bytes, right->network.bytes, sizeof(left->network.bytes));
}

/* ---- upstream ---- */

#define PASSWORD_MAX 512

/* The file's one line without its end. -1: why not is said. */
static int read_password(
	struct config_draft *draft, struct config_given *given, int fd, char **password)
{
	char text[PASSWORD_MAX + 3];
	ssize_t got = read(fd, text, sizeof(text));
	size_t size = got > 0 ? (size_t)got : 0;
	int result = 0;

	if (got < 0)
		return config_fail(draft, given, "password_file", 0, "'%s' cannot be read: %s",
			given->password_file, strerror(errno));
	if (size > 0 && text[size - 1] == '\n')
		size--;
	if (size > 0 && text[size - 1] == '\r')
		size--;
	if (size == 0 || size > PASSWORD_MAX || memchr(text, '\n', size) != NULL ||
		memchr(text, '\r', size) != NULL || memchr(text, '\0', size) != NULL)
		result = config_fail(draft, given, "password_file", 0,
			"expected a file of one line, the password, of at most %d bytes",
			PASSWORD_MAX);
	else
		*password = strndup(text, size);
	explicit_bzero(text, sizeof(text));
	if (result == 0 && *password == NULL)
		return out_of_memory(draft, given);
	return result;
}

static int check_credentials(struct config_draft *draft, struct config_given *given)
{
	struct config_upstream *upstream = &draft->config->upstreams[given->index];
	bool verified =
		upstream->tls == UPSTREAM_TLS_REQUIRED || upstream->tls == UPSTREAM_TLS_IMPLICIT;
	int fd, result;

	if (upstream->user == NULL && given->password_file == NULL)
		return 0;
	if (upstream->user == NULL)
		return config_fail(draft, given, "password_file", 0, "expected a user with it");
	if (given->password_file == NULL)
		return config_fail(draft, given, "user", 0, "expected a password_file with it");
	if (!verified && !upstream->auth_in_clear)
		return config_fail(draft, given, "user", 0,
			"expected tls = required or implicit, so that the password is safe on its "
			"way (or auth_in_clear = yes)");
	fd = open_readable(draft, given, "password_file", given->password_file);
	if (fd < 0)
		return -1;
	result = read_password(draft, given, fd, &upstream->password);
	close(fd);
	return result;
}

static int check_upstream(struct config_draft *draft, struct config_given *given)
{
	const struct config_upstream *upstream = &draft->config->upstreams[given->index];

	if (check_name(draft, given) < 0)
		return -1;
	if (upstream->host_count == 0)
		return config_fail(draft, given, "hosts", 0,
			"expected at least one host, as {\"smtp.example.edu:25\"}");
	if (upstream->ca_file != NULL) {
		int fd = open_readable(draft, given, "ca_file", upstream->ca_file);

		if (fd < 0)
			return -1;
		close(fd);
	}
	return check_credentials(draft, given);
}

/* ---- route ---- */

static int check_route(struct config_draft *draft, struct config_given *given)
{
	struct config *config = draft->config;
	struct config_route *route = &config->routes[given->index];
	struct nearest nearest;
	struct nearest_hint hint;

	if (!config_is_pattern(route->pattern))
		return config_fail(draft, given, NULL, 0,
			"expected \"*\", a domain as \"example.edu\", or \"*.example.edu\"");
	lower(route->pattern);
	if (given->route_upstream == NULL)
		return config_fail(draft, given, "upstream", 0, "expected the name of an upstream");
	nearest_init(&nearest, given->route_upstream);
	for (size_t i = 0; i < config->upstream_count; i++) {
		if (strcmp(config->upstreams[i].name, given->route_upstream) == 0) {
			route->upstream = i;
			return 0;
		}
		nearest_offer(&nearest, config->upstreams[i].name);
	}
	return config_fail(draft, given, "upstream", 0, "no upstream is named '%s'%s",
		given->route_upstream, nearest_format(&nearest, &hint));
}

/* 0: exact names; then "*.…"; then "*". */
static unsigned route_rank(const struct config_route *route)
{
	if (strcmp(route->pattern, "*") == 0)
		return 2;
	return route->pattern[0] == '*';
}

static int compare_routes(const void *a, const void *b)
{
	const struct config_route *left = a, *right = b;
	unsigned left_rank = route_rank(left), right_rank = route_rank(right);
	size_t left_size = strlen(left->pattern), right_size = strlen(right->pattern);

	if (left_rank != right_rank)
		return left_rank < right_rank ? -1 : 1;
	if (left_size != right_size)
		return left_size > right_size ? -1 : 1;
	return strcmp(left->pattern, right->pattern);
}

/* ---- all ---- */

static check_fn *const checks[CONFIG_SECTION_COUNT] = {
	[SECTION_TOP] = check_top,
	[SECTION_RETRY] = check_retry,
	[SECTION_AUTH] = check_auth,
	[SECTION_TLS] = check_tls,
	[SECTION_LISTEN] = check_listen,
	[SECTION_CLIENT] = check_client,
	[SECTION_UPSTREAM] = check_upstream,
	[SECTION_ROUTE] = check_route,
	[SECTION_GRANTS] = check_grants,
};

/* Sections whose absence says something: no row of a device, nobody logs in. */
static bool may_be_missing(enum config_section section)
{
	return config_section_kinds[section].later || section == SECTION_CLIENT ||
	       section == SECTION_AUTH;
}

/* Of the others, those without a title stand with their defaults, and those with one must be there. */
static int complete(struct config_draft *draft)
{
	for (size_t section = SECTION_TOP + 1; section < CONFIG_SECTION_COUNT; section++) {
		const struct config_section_kind *kind = &config_section_kinds[section];
		bool found = false;

		for (size_t i = 0; i < draft->given_count; i++)
			found = found || draft->given[i].section == section;
		if (found || may_be_missing((enum config_section)section))
			continue;
		if (kind->title != NULL)
			return config_fail(draft, &draft->given[0], NULL, 1,
				"expected at least one section %s %s, %s", kind->name, kind->title,
				kind->meaning);
		if (config_draft_begin(draft, (enum config_section)section, NULL, 1) == NULL)
			return -1;
	}
	return 0;
}

int config_check(struct config_draft *draft)
{
	if (complete(draft) < 0)
		return -1;
	for (size_t i = 0; i < draft->given_count; i++) {
		check_fn *check = checks[draft->given[i].section];

		if (check != NULL && check(draft, &draft->given[i]) < 0)
			return -1;
	}
	if (check_contexts(draft) < 0)
		return -1;
	if (draft->config->client_count > 0)
		qsort(draft->config->clients, draft->config->client_count,
			sizeof(*draft->config->clients), compare_clients);
	qsort(draft->config->routes, draft->config->route_count, sizeof(*draft->config->routes),
		compare_routes);
	return 0;
}
