/*
 * config_draft.h: a configuration while it is read: what was given in which line, and the one way to say what is wrong.
 *
 * The way of a file:
 *   1. config_source_read takes it in and refuses what libconfuse would let pass: a brace or quote never closed.
 *   2. config_parse lets libconfuse parse it. Each value comes to config_value_set at once, while its line is known,
 *      and goes to its field; each section starts with the defaults of config_options.
 *   3. config_check looks at what several options say together, and works out what is still open.
 * The first error ends it.
 *
 * Owner: config_load; fini frees all but the config.
 */
#ifndef SLUICE_CORE_CONFIG_DRAFT_H
#define SLUICE_CORE_CONFIG_DRAFT_H

#include "core/config.h"
#include "core/config_options.h"
#include "core/config_source.h"

/* A section as it stands in the file. */
struct config_given {
	enum config_section section;
	char *title; /* NULL: it has none */
	unsigned line; /* where it opens */
	unsigned option_lines[CONFIG_SECTION_OPTIONS_MAX]; /* by the option's place; 0: not given */
	size_t index; /* in the config's listeners, clients, upstreams or routes */

	/* values that are worked out further */
	char *password_file;
	char *route_upstream;
};

struct config_draft {
	const struct config_source *source;
	struct config *config;
	struct config_given *given; /* the first is SECTION_TOP */
	size_t given_count;
	struct reason *reason;
};

/*
 * "FILE:LINE: section listen 'x', option 'y': …". `option` NULL: about the section. Returns -1.
 * line 0: the option's line where it was given, else the section's.
 */
int config_fail(const struct config_draft *draft, const struct config_given *given,
	const char *option, unsigned line, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* A value as it may stand in a message: cut, controls replaced. */
struct config_shown {
	char text[72];
};
const char *config_show(struct config_shown *shown, const char *value);

/* A section begins: its struct is made, and has the defaults. NULL: failed. `title` may be NULL. */
struct config_given *config_draft_begin(
	struct config_draft *draft, enum config_section section, const char *title, unsigned line);
void config_draft_fini(struct config_draft *draft);

/* Where in the kind's options a name stands, or -1. */
int config_option_find(enum config_section section, const char *name);

/* Puts a value in its field. `line` 0: it is the default. Lists take one value a call. */
int config_value_set(struct config_draft *draft, struct config_given *given,
	const struct config_option *option, unsigned line, const char *value);

int config_parse(struct config_draft *draft);
int config_check(struct config_draft *draft);

#endif
