/*
 * config_options.h: the table of all sections and options.
 *
 * One row an option: its name, type, default, range and meaning. The parser takes what stands here and nothing else,
 * and docs/configuration.md holds the same rows (a unit test compares them).
 * An option of a part that this version does not have stands here too, as CONFIG_LATER, so that it is refused by name.
 * Threads: constant.
 */
#ifndef SLUICE_CORE_CONFIG_OPTIONS_H
#define SLUICE_CORE_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type {
	CONFIG_TEXT, /* char * */
	CONFIG_PATH, /* char * */
	CONFIG_NAME, /* char *: the name of another section */
	CONFIG_DOMAIN, /* char *: a domain or an address literal */
	CONFIG_MAILBOX, /* char *: local-part@domain */
	CONFIG_NUMBER, /* unsigned */
	CONFIG_SIZE, /* uint64_t, bytes */
	CONFIG_DURATION, /* int64_t, milliseconds */
	CONFIG_WEEK, /* int: minutes since Monday 00:00, or CONFIG_WEEK_OFF */
	CONFIG_YES_NO, /* bool */
	CONFIG_CHOICE, /* an enum */
	CONFIG_CHOICES, /* unsigned: the values of all that are given, or-ed */
	CONFIG_ADDRESSES, /* config_listener's */
	CONFIG_NETWORKS, /* struct network_list */
	CONFIG_DOMAINS, /* struct config_domains */
	CONFIG_CHARSET, /* char * */
	CONFIG_HOSTS, /* config_upstream's */
	CONFIG_PATHS, /* struct config_paths */
	CONFIG_LATER, /* not in this version */
};
#define CONFIG_TYPE_COUNT (CONFIG_LATER + 1)

struct config_choice {
	const char *name; /* NULL ends a list of choices */
	unsigned value;
	bool later; /* not in this version */
};

struct config_option {
	const char *name;
	enum config_type type;
	size_t offset; /* of the field in the struct that the section fills */
	const char
		*initial; /* the default as one would write it; NULL: none, or worked out at load */
	uint64_t min, max; /* of numbers, sizes and durations */
	const struct config_choice *choices;
	bool aside; /* the field is of struct config_given: it is worked out further by the checks */
	bool required;
	const char *meaning;
};

enum config_section {
	SECTION_TOP, /* outside of all sections */
	SECTION_QUEUE,
	SECTION_LISTEN,
	SECTION_CLIENT,
	SECTION_UPSTREAM,
	SECTION_ROUTE,
	SECTION_RETRY,
	SECTION_SCAN,
	SECTION_GRANTS,
	SECTION_TLS,
	SECTION_AUTH, /* from here on: not in this version */
	SECTION_HOOK,
	SECTION_QUARANTINE,
	SECTION_DIGEST,
	SECTION_WEB,
};
#define CONFIG_SECTION_COUNT (SECTION_WEB + 1)

#define CONFIG_SECTION_OPTIONS_MAX 48

struct config_section_kind {
	const char *name; /* "" for what stands outside of sections */
	const char *
		title; /* what its title says, "NAME" or "PATTERN"; NULL: it has none, and stands once */
	size_t max; /* how many may stand in a file */
	bool later; /* not in this version */
	const char *meaning;
	const struct config_option *options;
	size_t option_count;
};

/* The profiles of clients, by smtp/device.h's numbers (core/ may not include it; a unit test of smtp/device compares them). */
extern const struct config_choice config_device_choices[];

extern const struct config_section_kind config_section_kinds[CONFIG_SECTION_COUNT];

bool config_type_is_list(enum config_type type);
/* "size", "duration" … as the reference calls it. */
const char *config_type_name(enum config_type type);

#endif
