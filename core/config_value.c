#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_draft.h"
#include "core/config_name.h"
#include "core/config_unit.h"
#include "core/nearest.h"

#define VALUE_MAX      4095 /* a path's */
#define ADDRESSES_MAX  64
#define HOSTS_MAX      64
#define PATHS_MAX      32
#define DOMAINS_MAX    1000
#define CHOICES_MAX    256 /* the names of a choice, one after the other */
#define HOST_BYTES_MAX 255 /* name and port */

/* One value on its way to its field. */
struct setting {
	struct config_draft *draft;
	struct config_given *given;
	const struct config_option *option;
	unsigned line;
	const char *value;
	void *base; /* the struct that the section fills */
};

typedef int set_fn(const struct setting *setting);

/* "expected …, got 'x'" */
static int __attribute__((format(printf, 2, 3)))
expected(const struct setting *setting, const char *format, ...)
{
	struct config_shown shown;
	char what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	return config_fail(setting->draft, setting->given, setting->option->name, setting->line,
		"expected %s, got '%s'", what, config_show(&shown, setting->value));
}

static int out_of_memory(const struct setting *setting)
{
	return config_fail(setting->draft, setting->given, setting->option->name, setting->line,
		"out of memory");
}

static void *field_of(const struct setting *setting)
{
	return (char *)setting->base + setting->option->offset;
}

static int put_text(const struct setting *setting)
{
	char **field = field_of(setting);
	char *copy = strdup(setting->value);

	if (copy == NULL)
		return out_of_memory(setting);
	free(*field); /* a default */
	*field = copy;
	return 0;
}

static int set_text(const struct setting *setting)
{
	for (const char *at = setting->value; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return expected(setting, "a text without control characters");
	if (setting->value[0] == '\0')
		return expected(setting, "a text that is not empty");
	return put_text(setting);
}

static int set_domain(const struct setting *setting)
{
	if (!config_is_domain(setting->value) && !config_is_literal(setting->value))
		return expected(setting,
			"a domain, as relay.example.edu, or an address as \"[192.0.2.1]\"");
	return put_text(setting);
}

static int set_mailbox(const struct setting *setting)
{
	if (!config_is_mailbox(setting->value))
		return expected(setting, "a mail address, as postmaster@example.edu");
	return put_text(setting);
}

static int set_charset(const struct setting *setting)
{
	if (!config_is_charset(setting->value))
		return expected(setting, "a charset's name, as windows-1252 or iso-8859-2");
	return put_text(setting);
}

static int set_number(const struct setting *setting)
{
	const struct config_option *option = setting->option;
	unsigned *field = field_of(setting);
	char *end;
	uint64_t number;

	number = strtoull(setting->value, &end, 10);
	if (setting->value[0] < '0' || setting->value[0] > '9' || *end != '\0' ||
		number < option->min || number > option->max)
		return expected(
			setting, "a number from %" PRIu64 " to %" PRIu64, option->min, option->max);
	*field = (unsigned)number;
	return 0;
}

static int set_size(const struct setting *setting)
{
	const struct config_option *option = setting->option;
	char least[CONFIG_UNIT_TEXT_SIZE], most[CONFIG_UNIT_TEXT_SIZE];
	uint64_t *field = field_of(setting), bytes;

	if (config_parse_size(setting->value, &bytes) < 0 || bytes < option->min ||
		bytes > option->max)
		return expected(setting, "a size from %s to %s (B KB MB GB)",
			config_format_size(option->min, least),
			config_format_size(option->max, most));
	*field = bytes;
	return 0;
}

static int set_duration(const struct setting *setting)
{
	const struct config_option *option = setting->option;
	char least[CONFIG_UNIT_TEXT_SIZE], most[CONFIG_UNIT_TEXT_SIZE];
	int64_t *field = field_of(setting), ms;

	if (config_parse_duration(setting->value, &ms) < 0 || ms < (int64_t)option->min ||
		ms > (int64_t)option->max)
		return expected(setting, "a duration from %s to %s (ms s m h d)",
			config_format_duration((int64_t)option->min, least),
			config_format_duration((int64_t)option->max, most));
	*field = ms;
	return 0;
}

static int set_week(const struct setting *setting)
{
	if (config_parse_week(setting->value, field_of(setting)) < 0)
		return expected(setting, "a time of the week, as \"Mon 08:00\", or off");
	return 0;
}

static int set_yes_no(const struct setting *setting)
{
	bool *field = field_of(setting);

	*field = strcmp(setting->value, "yes") == 0;
	if (!*field && strcmp(setting->value, "no") != 0)
		return expected(setting, "yes or no");
	return 0;
}

/* The choice that the value names, or NULL: why not is said. */
static const struct config_choice *find_choice(const struct setting *setting)
{
	const struct config_choice *choice;
	struct config_shown shown;
	struct nearest nearest;
	struct nearest_hint hint;
	char names[CHOICES_MAX] = "";
	size_t size = 0;

	nearest_init(&nearest, setting->value);
	for (choice = setting->option->choices; choice->name != NULL; choice++) {
		if (strcmp(choice->name, setting->value) == 0)
			break;
		if (choice->later)
			continue;
		if (isalpha((unsigned char)choice->name[0])) /* a number is not misspelt */
			nearest_offer(&nearest, choice->name);
		size += (size_t)snprintf(names + size, sizeof(names) - size, "%s%s",
			size > 0 ? ", " : "", choice->name);
	}
	if (choice->name != NULL && !choice->later)
		return choice;
	if (choice->later)
		config_fail(setting->draft, setting->given, setting->option->name, setting->line,
			"'%s': not in this version", choice->name);
	else
		config_fail(setting->draft, setting->given, setting->option->name, setting->line,
			"expected one of %s, got '%s'%s", names,
			config_show(&shown, setting->value), nearest_format(&nearest, &hint));
	return NULL;
}

static int set_choice(const struct setting *setting)
{
	unsigned *field = field_of(setting);
	const struct config_choice *choice = find_choice(setting);

	if (choice == NULL)
		return -1;
	*field = choice->value;
	return 0;
}

static int add_choice(const struct setting *setting)
{
	unsigned *field = field_of(setting);
	const struct config_choice *choice = find_choice(setting);

	if (choice == NULL)
		return -1;
	*field |= choice->value;
	return 0;
}

/* The listener that has the address already, or NULL. */
static const struct config_listener *find_address(
	const struct config *config, const struct address *address)
{
	char wanted[ADDRESS_TEXT_SIZE], text[ADDRESS_TEXT_SIZE];

	address_format(address, wanted);
	for (size_t i = 0; i < config->listener_count; i++) {
		const struct config_listener *listener = &config->listeners[i];

		for (size_t j = 0; j < listener->address_count; j++) {
			struct address other;

			if (address_parse(listener->addresses[j], &other) == 0 &&
				strcmp(address_format(&other, text), wanted) == 0)
				return listener;
		}
	}
	return NULL;
}

static int add_address(const struct setting *setting)
{
	struct config_listener *listener = setting->base;
	const struct config_listener *other;
	struct address address;
	char **grown;

	if (address_parse(setting->value, &address) < 0 ||
		(address.any.sa_family != AF_UNIX && address_port(&address) == 0))
		return expected(setting, "an address with its port, as \"192.0.2.1:25\", "
					 "\"[::]:25\" or \"unix:/path\"");
	other = find_address(setting->draft->config, &address);
	if (other != NULL)
		return config_fail(setting->draft, setting->given, setting->option->name,
			setting->line, "'%s' is the address of listener '%s' already",
			setting->value, other->name);
	if (listener->address_count == ADDRESSES_MAX)
		return expected(setting, "at most %d addresses", ADDRESSES_MAX);
	grown = realloc(listener->addresses, (listener->address_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return out_of_memory(setting);
	listener->addresses = grown;
	grown[listener->address_count] = strdup(setting->value);
	if (grown[listener->address_count] == NULL)
		return out_of_memory(setting);
	listener->address_count++;
	return 0;
}

static int add_network(const struct setting *setting)
{
	struct reason why = {.text = ""};

	if (network_list_add(field_of(setting), setting->value, &why) < 0)
		return expected(setting, "a network, as \"10.0.0.0/8\" (%.150s)", why.text);
	return 0;
}

static int add_domain(const struct setting *setting)
{
	struct config_domains *domains = field_of(setting);
	char **grown, *copy;

	if (!config_is_pattern(setting->value) || strcmp(setting->value, "*") == 0)
		return expected(setting, "a domain, as \"example.edu\" or \"*.example.edu\"");
	if (domains->count == DOMAINS_MAX)
		return expected(setting, "at most %d domains", DOMAINS_MAX);
	grown = realloc(domains->items, (domains->count + 1) * sizeof(*grown));
	if (grown == NULL)
		return out_of_memory(setting);
	domains->items = grown;
	copy = strdup(setting->value);
	if (copy == NULL)
		return out_of_memory(setting);
	grown[domains->count++] = copy;
	return 0;
}

/* "name:port", "192.0.2.1:port", "[2001:db8::1]:port" → host and port. */
static int split_host(const char *value, struct config_host *host)
{
	const char *colon = strrchr(value, ':');
	struct in6_addr v6;
	uint64_t port;
	char *end;

	if (strlen(value) > HOST_BYTES_MAX || colon == NULL || colon[1] < '1' || colon[1] > '9')
		return -1;
	port = strtoull(colon + 1, &end, 10);
	if (*end != '\0' || port > UINT16_MAX)
		return -1;
	host->port = (uint16_t)port;
	if (value[0] == '[') {
		if (colon[-1] != ']')
			return -1;
		host->host = strndup(value + 1, (size_t)(colon - value) - 2);
		return host->host != NULL && inet_pton(AF_INET6, host->host, &v6) == 1 ? 0 : -1;
	}
	host->host = strndup(value, (size_t)(colon - value));
	return host->host != NULL && config_is_domain(host->host) ? 0 : -1;
}

static int add_host(const struct setting *setting)
{
	struct config_upstream *upstream = setting->base;
	struct config_host *grown, *host;

	for (size_t i = 0; i < upstream->host_count; i++)
		if (strcmp(upstream->hosts[i].name, setting->value) == 0)
			return config_fail(setting->draft, setting->given, setting->option->name,
				setting->line, "'%s' is given twice", setting->value);
	if (upstream->host_count == HOSTS_MAX)
		return expected(setting, "at most %d hosts", HOSTS_MAX);
	grown = realloc(upstream->hosts, (upstream->host_count + 1) * sizeof(*grown));
	if (grown == NULL)
		return out_of_memory(setting);
	upstream->hosts = grown;
	host = &grown[upstream->host_count++];
	*host = (struct config_host){.name = strdup(setting->value)};
	if (host->name == NULL)
		return out_of_memory(setting);
	if (split_host(setting->value, host) < 0)
		return expected(setting,
			"a host with its port, as \"smtp.example.edu:25\" or \"[2001:db8::1]:25\"");
	return 0;
}

static int add_path(const struct setting *setting)
{
	struct config_paths *paths = field_of(setting);
	char **grown;

	for (const char *at = setting->value; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return expected(setting, "a path without control characters");
	if (setting->value[0] == '\0' || paths->count == PATHS_MAX)
		return expected(setting, "1 to %d paths that are not empty", PATHS_MAX);
	grown = realloc(paths->items, (paths->count + 1) * sizeof(*grown));
	if (grown == NULL)
		return out_of_memory(setting);
	paths->items = grown;
	grown[paths->count] = strdup(setting->value);
	if (grown[paths->count] == NULL)
		return out_of_memory(setting);
	paths->count++;
	return 0;
}

static int refuse_later(const struct setting *setting)
{
	return config_fail(setting->draft, setting->given, setting->option->name, setting->line,
		"not in this version");
}

static set_fn *const setters[CONFIG_TYPE_COUNT] = {
	[CONFIG_TEXT] = set_text,
	[CONFIG_PATH] = set_text,
	[CONFIG_NAME] = set_text,
	[CONFIG_DOMAIN] = set_domain,
	[CONFIG_MAILBOX] = set_mailbox,
	[CONFIG_NUMBER] = set_number,
	[CONFIG_SIZE] = set_size,
	[CONFIG_DURATION] = set_duration,
	[CONFIG_WEEK] = set_week,
	[CONFIG_YES_NO] = set_yes_no,
	[CONFIG_CHOICE] = set_choice,
	[CONFIG_CHOICES] = add_choice,
	[CONFIG_ADDRESSES] = add_address,
	[CONFIG_NETWORKS] = add_network,
	[CONFIG_DOMAINS] = add_domain,
	[CONFIG_CHARSET] = set_charset,
	[CONFIG_HOSTS] = add_host,
	[CONFIG_PATHS] = add_path,
	[CONFIG_LATER] = refuse_later,
};

int config_value_set(struct config_draft *draft, struct config_given *given,
	const struct config_option *option, unsigned line, const char *value)
{
	struct setting setting = {draft, given, option, line, value, draft->config};

	if (option->aside)
		setting.base = given;
	else if (given->section == SECTION_LISTEN)
		setting.base = &draft->config->listeners[given->index];
	else if (given->section == SECTION_CLIENT)
		setting.base = &draft->config->clients[given->index];
	else if (given->section == SECTION_UPSTREAM)
		setting.base = &draft->config->upstreams[given->index];
	if (strlen(value) > VALUE_MAX)
		return config_fail(
			draft, given, option->name, line, "longer than %d bytes", VALUE_MAX);
	return setters[option->type](&setting);
}
