#include "core/config_dump.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "core/config_options.h"
#include "core/config_unit.h"

/* One option of one section: where its value is, and what the section fills. */
struct value {
	const struct config *config;
	const struct config_option *option;
	const void *base;
	const void *field;
};

typedef void write_fn(FILE *to, const struct value *value);

/* In double quotes a backslash takes the next character as it is. */
static void write_quoted(FILE *to, const char *text)
{
	fputc('"', to);
	for (; *text != '\0'; text++) {
		if (strchr("\"\\$", *text) != NULL)
			fputc('\\', to);
		fputc(*text, to);
	}
	fputc('"', to);
}

static void write_text(FILE *to, const struct value *value)
{
	const char *const *text = value->field;

	write_quoted(to, *text);
}

static void write_number(FILE *to, const struct value *value)
{
	const unsigned *number = value->field;

	fprintf(to, "%u", *number);
}

static void write_size(FILE *to, const struct value *value)
{
	const uint64_t *bytes = value->field;
	char text[CONFIG_UNIT_TEXT_SIZE];

	fputs(config_format_size(*bytes, text), to);
}

static void write_duration(FILE *to, const struct value *value)
{
	const int64_t *ms = value->field;
	char text[CONFIG_UNIT_TEXT_SIZE];

	fputs(config_format_duration(*ms, text), to);
}

static void write_week(FILE *to, const struct value *value)
{
	const int *minute = value->field;
	char text[CONFIG_UNIT_TEXT_SIZE];

	write_quoted(to, config_format_week(*minute, text));
}

static void write_yes_no(FILE *to, const struct value *value)
{
	const bool *yes = value->field;

	fputs(*yes ? "yes" : "no", to);
}

static void write_choice(FILE *to, const struct value *value)
{
	const unsigned *chosen = value->field;
	const struct config_choice *choice = value->option->choices;

	while (choice->name != NULL && choice->value != *chosen)
		choice++;
	fputs(choice->name != NULL ? choice->name : "?", to);
}

static void write_choices(FILE *to, const struct value *value)
{
	const unsigned *chosen = value->field;
	const char *before = "{";

	for (const struct config_choice *choice = value->option->choices; choice->name != NULL;
		choice++) {
		if ((choice->value & *chosen) == 0)
			continue;
		fprintf(to, "%s%s", before, choice->name);
		before = ", ";
	}
	fputc('}', to);
}

static void write_domains(FILE *to, const struct value *value)
{
	const struct config_domains *domains = value->field;

	fputc('{', to);
	for (size_t i = 0; i < domains->count; i++) {
		fputs(i == 0 ? "" : ", ", to);
		write_quoted(to, domains->items[i]);
	}
	fputc('}', to);
}

static void write_addresses(FILE *to, const struct value *value)
{
	const struct config_listener *listener = value->base;

	for (size_t i = 0; i < listener->address_count; i++) {
		fputs(i == 0 ? "{" : ", ", to);
		write_quoted(to, listener->addresses[i]);
	}
	fputc('}', to);
}

static void write_networks(FILE *to, const struct value *value)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const struct network_list *list = value->field;

	fputc('{', to);
	for (size_t i = 0; i < list->count; i++) {
		const struct network *network = &list->items[i];
		bool is_v4 = network->prefix_bits >= 96 &&
			     memcmp(network->bytes, mapped, sizeof(mapped)) == 0;
		char text[INET6_ADDRSTRLEN] = "?";

		inet_ntop(is_v4 ? AF_INET : AF_INET6, network->bytes + (is_v4 ? 12 : 0), text,
			sizeof(text));
		fprintf(to, "%s\"%s%s%s/%u\"", i == 0 ? "" : ", ", text,
			network->zone[0] != '\0' ? "%" : "", network->zone,
			network->prefix_bits - (is_v4 ? 96 : 0));
	}
	fputc('}', to);
}

static void write_hosts(FILE *to, const struct value *value)
{
	const struct config_upstream *upstream = value->base;

	for (size_t i = 0; i < upstream->host_count; i++) {
		fputs(i == 0 ? "{" : ", ", to);
		write_quoted(to, upstream->hosts[i].name);
	}
	fputc('}', to);
}

static void write_paths(FILE *to, const struct value *value)
{
	const struct config_paths *paths = value->field;

	for (size_t i = 0; i < paths->count; i++) {
		fputs(i == 0 ? "{" : ", ", to);
		write_quoted(to, paths->items[i]);
	}
	fputc('}', to);
}

static write_fn *const writers[CONFIG_TYPE_COUNT] = {
	[CONFIG_TEXT] = write_text,
	[CONFIG_PATH] = write_text,
	[CONFIG_DOMAIN] = write_text,
	[CONFIG_MAILBOX] = write_text,
	[CONFIG_NUMBER] = write_number,
	[CONFIG_SIZE] = write_size,
	[CONFIG_DURATION] = write_duration,
	[CONFIG_WEEK] = write_week,
	[CONFIG_YES_NO] = write_yes_no,
	[CONFIG_CHOICE] = write_choice,
	[CONFIG_CHOICES] = write_choices,
	[CONFIG_ADDRESSES] = write_addresses,
	[CONFIG_NETWORKS] = write_networks,
	[CONFIG_DOMAINS] = write_domains,
	[CONFIG_CHARSET] = write_text,
	[CONFIG_HOSTS] = write_hosts,
	[CONFIG_PATHS] = write_paths,
};

/* What a text or a list of paths has that was not given. */
static bool is_unset(const struct value *value)
{
	const char *const *text = value->field;
	const struct config_paths *paths = value->field;

	if (value->option->type == CONFIG_PATHS)
		return paths->count == 0;
	return writers[value->option->type] == write_text && *text == NULL;
}

/* Options whose value went into something else: a route's upstream, a password; else the one value there is. */
static void write_aside(FILE *to, const struct value *value, enum config_section section)
{
	const struct config_option *option = value->option;

	if (section == SECTION_ROUTE) {
		const struct config_route *route = value->base;

		fprintf(to, "  %s = ", option->name);
		write_quoted(to, value->config->upstreams[route->upstream].name);
		fputc('\n', to);
	} else if (section == SECTION_UPSTREAM) {
		const struct config_upstream *upstream = value->base;

		if (upstream->password != NULL)
			fprintf(to, "  # %s: read, and not shown\n", option->name);
	} else {
		fprintf(to, "  %s = %s\n", option->name, option->initial);
	}
}

static void write_options(
	FILE *to, const struct config *config, enum config_section section, const void *base)
{
	const struct config_section_kind *kind = &config_section_kinds[section];

	for (size_t i = 0; i < kind->option_count; i++) {
		struct value value = {config, &kind->options[i], base, NULL};

		if (value.option->type == CONFIG_LATER)
			continue;
		if (value.option->aside) {
			write_aside(to, &value, section);
			continue;
		}
		value.field = (const char *)base + value.option->offset;
		if (is_unset(&value))
			continue;
		fprintf(to, "%s%s = ", section == SECTION_TOP ? "" : "  ", value.option->name);
		writers[value.option->type](to, &value);
		fputc('\n', to);
	}
}

static void write_section(FILE *to, const struct config *config, enum config_section section,
	const char *title, const void *base)
{
	fprintf(to, "\n%s ", config_section_kinds[section].name);
	if (title != NULL) {
		write_quoted(to, title);
		fputc(' ', to);
	}
	fputs("{\n", to);
	write_options(to, config, section, base);
	fputs("}\n", to);
}

int config_dump(const struct config *config, FILE *to)
{
	write_options(to, config, SECTION_TOP, config);
	write_section(to, config, SECTION_QUEUE, NULL, config);
	for (size_t i = 0; i < config->listener_count; i++)
		write_section(to, config, SECTION_LISTEN, config->listeners[i].name,
			&config->listeners[i]);
	for (size_t i = 0; i < config->client_count; i++)
		write_section(
			to, config, SECTION_CLIENT, config->clients[i].title, &config->clients[i]);
	for (size_t i = 0; i < config->upstream_count; i++)
		write_section(to, config, SECTION_UPSTREAM, config->upstreams[i].name,
			&config->upstreams[i]);
	for (size_t i = 0; i < config->route_count; i++)
		write_section(
			to, config, SECTION_ROUTE, config->routes[i].pattern, &config->routes[i]);
	if (config_has_auth(config))
		write_section(to, config, SECTION_AUTH, NULL, config);
	write_section(to, config, SECTION_RETRY, NULL, config);
	write_section(to, config, SECTION_SCAN, NULL, config);
	if (config->tls.certificates.count > 0)
		write_section(to, config, SECTION_TLS, NULL, config);
	write_section(to, config, SECTION_GRANTS, NULL, config);
	return fflush(to) == 0 && !ferror(to) ? 0 : -1;
}
