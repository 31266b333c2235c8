#include <confuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_draft.h"
#include "core/nearest.h"

/*
 * libconfuse's side. It knows names and syntax; all values are strings to it, and each is handed on from the callback
 * that it makes while it still stands in the value's line. Its own copy of them is thrown away.
 *
 * Its callbacks have no user pointer, and it is not re-entrant anyway: one parse at a time stands in `parsing`.
 */
static struct {
	struct config_draft *draft;
	cfg_t *top;
	const cfg_t *section; /* the one that is open; NULL: none */
	size_t given; /* its place in the draft */
	size_t opened; /* sections so far */
	bool failed;
} parsing;

static enum config_section section_of(const char *name)
{
	size_t section = SECTION_TOP + 1;

	while (section < CONFIG_SECTION_COUNT &&
		strcmp(config_section_kinds[section].name, name) != 0)
		section++;
	return (enum config_section)section;
}

static struct config_given *fail_later(struct config_given *given, const char *option, int line)
{
	config_fail(parsing.draft, given, option, (unsigned)line, "not in this version");
	return NULL;
}

/* What is given of the section that libconfuse is in; begins it at the first sign of it. NULL: failed. */
static struct config_given *given_of(const cfg_t *cfg)
{
	struct config_draft *draft = parsing.draft;
	struct config_given *given;
	unsigned line = (unsigned)cfg->line;

	if (cfg == parsing.top)
		return &draft->given[0];
	if (parsing.section == cfg)
		return &draft->given[parsing.given];
	if (parsing.opened < draft->source->section_count)
		line = draft->source->section_lines[parsing.opened];
	parsing.opened++;
	given = config_draft_begin(draft, section_of(cfg->name), cfg->title, line);
	if (given == NULL)
		return NULL;
	parsing.section = cfg;
	parsing.given = draft->given_count - 1;
	if (config_section_kinds[given->section].later)
		return fail_later(given, NULL, (int)line);
	return given;
}

/* The section that a name would be right in, "" for outside of sections; NULL: nowhere. */
static const char *find_home(const char *name)
{
	for (size_t i = SECTION_TOP; i < CONFIG_SECTION_COUNT; i++)
		if (!config_section_kinds[i].later &&
			config_option_find((enum config_section)i, name) >= 0)
			return config_section_kinds[i].name;
	return section_of(name) < CONFIG_SECTION_COUNT ? "" : NULL;
}

/* A name that no row has: what may have been meant, or where it belongs. */
static void fail_unknown(const struct config_given *given, const char *name, unsigned line)
{
	const struct config_section_kind *kind = &config_section_kinds[given->section];
	const char *home = find_home(name);
	struct nearest nearest;
	struct nearest_hint hint;

	if (strcmp(name, "include") ==
		0) { /* as a function of libconfuse's it would leak on bad arguments */
		config_fail(parsing.draft, given, name, line,
			"not in this version: one file holds all");
		return;
	}
	nearest_init(&nearest, name);
	for (size_t i = 0; i < kind->option_count; i++)
		nearest_offer(&nearest, kind->options[i].name);
	for (size_t i = SECTION_TOP + 1; given->section == SECTION_TOP && i < CONFIG_SECTION_COUNT;
		i++)
		nearest_offer(&nearest, config_section_kinds[i].name);
	if (nearest.best != NULL || home == NULL)
		config_fail(parsing.draft, given, name, line, "unknown%s",
			nearest_format(&nearest, &hint));
	else if (home[0] == '\0')
		config_fail(parsing.draft, given, name, line,
			"unknown here: it stands outside of sections");
	else
		config_fail(parsing.draft, given, name, line,
			"unknown here: it belongs in a section %s", home);
}

/* libconfuse found something wrong itself; the first error counts. */
__attribute__((format(printf, 2, 0))) static void on_error(
	cfg_t *cfg, const char *format, va_list args)
{
	static const char no_such[] = "no such option '%s'";
	struct config_given *given;
	struct config_shown shown;
	char text[256];

	if (parsing.failed)
		return;
	parsing.failed = true;
	given = given_of(cfg);
	if (given == NULL)
		return;
	if (strcmp(format, no_such) == 0) {
		fail_unknown(given, va_arg(args, const char *), (unsigned)cfg->line);
		return;
	}
	vsnprintf(text, sizeof(text), format, args);
	config_fail(parsing.draft, given, NULL, (unsigned)cfg->line, "%s%s",
		config_show(&shown, text),
		strchr(text, ',') != NULL ? "; a list stands in braces: {a, b}" : "");
}

static int set_value(cfg_t *cfg, const cfg_opt_t *opt, const char *value)
{
	struct config_given *given = given_of(cfg);
	unsigned line = (unsigned)cfg->line;
	const struct config_option *option;
	int place;

	if (given == NULL)
		return -1;
	place = config_option_find(given->section, opt->name);
	if (place < 0) { /* "section|option", a path of libconfuse's */
		fail_unknown(given, opt->name, line);
		return -1;
	}
	option = &config_section_kinds[given->section].options[place];
	/* a list's further values count on; its first one, like any other value, may come but once */
	if (given->option_lines[place] != 0 && opt->nvalues == 1)
		return config_fail(parsing.draft, given, option->name, line,
			"given twice, first in line %u", given->option_lines[place]);
	if (given->option_lines[place] == 0)
		given->option_lines[place] = line;
	return config_value_set(parsing.draft, given, option, line, value);
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	if (parsing.failed || set_value(cfg, opt, value) < 0) {
		parsing.failed = true;
		return -1;
	}
	*(const char **)result = ""; /* its copy is not needed */
	return 0;
}

static int on_section_end(cfg_t *cfg, cfg_opt_t *opt)
{
	(void)cfg;
	if (parsing.failed || given_of(opt->values[opt->nvalues - 1]->section) == NULL) {
		parsing.failed = true;
		return -1;
	}
	parsing.section = NULL;
	return 0;
}

/* ---- the table in libconfuse's words ---- */

#define GRAMMAR_MAX (CONFIG_SECTION_OPTIONS_MAX + CONFIG_SECTION_COUNT + 1)

static size_t add_options(cfg_opt_t *rows, enum config_section section)
{
	const struct config_section_kind *kind = &config_section_kinds[section];

	for (size_t i = 0; i < kind->option_count; i++) {
		cfg_opt_t row = CFG_STR_CB(kind->options[i].name, NULL, CFGF_NODEFAULT, on_value);

		if (config_type_is_list(kind->options[i].type))
			row.flags |= CFGF_LIST;
		rows[i] = row;
	}
	return kind->option_count;
}

/* libconfuse copies all of it. */
static cfg_t *make_grammar(void)
{
	static cfg_opt_t sections[CONFIG_SECTION_COUNT][GRAMMAR_MAX];
	static const cfg_opt_t end = CFG_END();
	cfg_opt_t *top = sections[SECTION_TOP];
	size_t count = add_options(top, SECTION_TOP);

	for (size_t i = SECTION_TOP + 1; i < CONFIG_SECTION_COUNT; i++) {
		const struct config_section_kind *kind = &config_section_kinds[i];
		cfg_opt_t row = CFG_SEC(kind->name, sections[i], CFGF_NODEFAULT);

		sections[i][add_options(sections[i], (enum config_section)i)] = end;
		if (kind->title != NULL)
			row.flags |= CFGF_MULTI | CFGF_TITLE;
		row.validcb = on_section_end;
		top[count++] = row;
	}
	top[count] = end;
	return cfg_init(top, CFGF_NONE);
}

static int parse_text(cfg_t *top, const struct config_source *source)
{
	FILE *text = source->size > 0 ? fmemopen(source->text, source->size, "r") : NULL;
	int result;

	if (text == NULL)
		return source->size > 0 ? -1 : 0;
	result = cfg_parse_fp(top, text) == CFG_SUCCESS ? 0 : -1;
	fclose(text);
	return result;
}

int config_parse(struct config_draft *draft)
{
	int result = -1;

	memset(&parsing, 0, sizeof(parsing));
	parsing.draft = draft;
	if (config_draft_begin(draft, SECTION_TOP, NULL, 1) == NULL)
		return -1;
	parsing.top = make_grammar();
	if (parsing.top != NULL) {
		reason_set(draft->reason, "%s:1: cannot be parsed", draft->source->path);
		cfg_set_error_function(parsing.top, on_error);
		result = parse_text(parsing.top, draft->source);
		cfg_free(parsing.top);
	} else {
		reason_set(draft->reason, "%s: out of memory", draft->source->path);
	}
	memset(&parsing, 0, sizeof(parsing));
	return result;
}
