#include "core/config_draft.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *config_show(struct config_shown *shown, const char *value)
{
	static const char cut_mark[] = "...";
	size_t size = strlen(value), max = sizeof(shown->text) - sizeof(cut_mark);
	size_t kept = size > max ? max : size;

	for (size_t i = 0; i < kept; i++)
		shown->text[i] = value[i] < ' ' || value[i] > '~' ? '?' : value[i];
	snprintf(shown->text + kept, sizeof(cut_mark), "%s", size > max ? cut_mark : "");
	return shown->text;
}

int config_option_find(enum config_section section, const char *name)
{
	const struct config_section_kind *kind = &config_section_kinds[section];

	for (size_t i = 0; i < kind->option_count; i++)
		if (strcmp(kind->options[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* Values are quoted in messages, and a message is one line of ASCII. */
static void clean(char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static unsigned line_of(const struct config_given *given, const char *option)
{
	int place = option != NULL ? config_option_find(given->section, option) : -1;

	if (place >= 0 && given->option_lines[place] != 0)
		return given->option_lines[place];
	return given->line;
}

int config_fail(const struct config_draft *draft, const struct config_given *given,
	const char *option, unsigned line, const char *format, ...)
{
	struct config_shown title, name;
	char section[128] = "", about[128] = "", what[384];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	clean(what);
	if (given->title != NULL)
		snprintf(section, sizeof(section), "section %s '%s'%s",
			config_section_kinds[given->section].name,
			config_show(&title, given->title), option != NULL ? ", " : ": ");
	else if (given->section != SECTION_TOP)
		snprintf(section, sizeof(section), "section %s%s",
			config_section_kinds[given->section].name, option != NULL ? ", " : ": ");
	if (option != NULL)
		snprintf(about, sizeof(about), "option '%s': ", config_show(&name, option));
	return reason_set(draft->reason, "%s:%u: %s%s%s", draft->source->path,
		line != 0 ? line : line_of(given, option), section, about, what);
}

/* Room for one more in an array of the config, zeroed. Its index, or -1. */
static long grow(void *array, size_t *count, size_t size)
{
	char *grown = realloc(*(void **)array, (*count + 1) * size);

	if (grown == NULL)
		return -1;
	*(void **)array = grown;
	memset(grown + *count * size, 0, size);
	return (long)(*count)++;
}

static int make_struct(struct config *config, struct config_given *given)
{
	long index = 0;

	switch (given->section) {
	case SECTION_LISTEN:
		index = grow(
			&config->listeners, &config->listener_count, sizeof(*config->listeners));
		if (index >= 0)
			config->listeners[index].name = strdup(given->title);
		break;
	case SECTION_CLIENT:
		index = grow(&config->clients, &config->client_count, sizeof(*config->clients));
		if (index >= 0)
			config->clients[index].title = strdup(given->title);
		break;
	case SECTION_UPSTREAM:
		index = grow(
			&config->upstreams, &config->upstream_count, sizeof(*config->upstreams));
		if (index >= 0)
			config->upstreams[index].name = strdup(given->title);
		break;
	case SECTION_ROUTE:
		index = grow(&config->routes, &config->route_count, sizeof(*config->routes));
		if (index >= 0)
			config->routes[index].pattern = strdup(given->title);
		break;
	default:
		break;
	}
	given->index = (size_t)index;
	return index < 0 ? -1 : 0;
}

/* A second section of the same name, or one too many. */
static int check_repeat(const struct config_draft *draft, const struct config_given *given)
{
	const struct config_section_kind *kind = &config_section_kinds[given->section];
	size_t count = 1;

	for (size_t i = 0; i + 1 < draft->given_count; i++) {
		const struct config_given *other = &draft->given[i];

		if (other->section != given->section)
			continue;
		count++;
		if (given->title == NULL || strcasecmp(other->title, given->title) == 0)
			return config_fail(draft, given, NULL, given->line,
				"given twice, first in line %u", other->line);
	}
	if (count > kind->max)
		return config_fail(
			draft, given, NULL, given->line, "more than %zu of them", kind->max);
	return 0;
}

static int set_defaults(struct config_draft *draft, struct config_given *given)
{
	const struct config_section_kind *kind = &config_section_kinds[given->section];

	for (size_t i = 0; i < kind->option_count; i++) {
		const struct config_option *option = &kind->options[i];

		if (option->initial != NULL &&
			config_value_set(draft, given, option, 0, option->initial) < 0)
			return -1;
	}
	return 0;
}

static int begin(struct config_draft *draft, struct config_given *given, const char *title)
{
	if (title != NULL) {
		given->title = strdup(title);
		if (given->title == NULL)
			return config_fail(draft, given, NULL, given->line, "out of memory");
	}
	if (check_repeat(draft, given) < 0)
		return -1;
	if (make_struct(draft->config, given) < 0)
		return config_fail(draft, given, NULL, given->line, "out of memory");
	return set_defaults(draft, given);
}

struct config_given *config_draft_begin(
	struct config_draft *draft, enum config_section section, const char *title, unsigned line)
{
	struct config_given *given;

	if (grow(&draft->given, &draft->given_count, sizeof(*draft->given)) < 0) {
		reason_set(draft->reason, "%s:%u: out of memory", draft->source->path, line);
		return NULL;
	}
	given = &draft->given[draft->given_count - 1];
	given->section = section;
	given->line = line;
	return begin(draft, given, title) < 0 ? NULL : given;
}

void config_draft_fini(struct config_draft *draft)
{
	for (size_t i = 0; i < draft->given_count; i++) {
		free(draft->given[i].title);
		free(draft->given[i].password_file);
		free(draft->given[i].route_upstream);
	}
	free(draft->given);
	draft->given = NULL;
	draft->given_count = 0;
}
