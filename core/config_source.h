/*
 * config_source.h: the configuration file as text, made ready for libconfuse.
 *
 * libconfuse takes a file that was cut off inside a section, loses a lone "*" or "+", puts environment variables in
 * unasked, stumbles over a comment inside a list, and forgets where a section opened. So this pass goes first: it
 * refuses what would pass unseen, blanks comments out (line ends stay), and notes where sections open.
 *
 * Limits: 1 MiB, regular files only. Errors: "FILE:LINE: …", or "FILE: …" when it cannot be read at all.
 */
#ifndef SLUICE_CORE_CONFIG_SOURCE_H
#define SLUICE_CORE_CONFIG_SOURCE_H

#include <stddef.h>

#include "core/reason.h"

#define CONFIG_SOURCE_MAX (1u << 20)

struct config_source {
	const char *path;
	char *text;
	size_t size;
	unsigned *section_lines; /* where the n-th section opens */
	size_t section_count;
};

/* config_source_fini is due after an error too. */
int config_source_read(struct config_source *source, const char *path, struct reason *reason);
void config_source_fini(struct config_source *source);

#endif
