/*
 * config_unit.h: sizes and durations as one writes them.
 *
 * The reading half, config_parse_size and config_parse_duration, is in config.h. Formatting takes the largest unit that
 * leaves a whole number, so that what it writes reads back as the same value.
 */
#ifndef SLUICE_CORE_CONFIG_UNIT_H
#define SLUICE_CORE_CONFIG_UNIT_H

#include <stdint.h>

#define CONFIG_UNIT_TEXT_SIZE 32

/* Return `out` (CONFIG_UNIT_TEXT_SIZE bytes). */
char *config_format_size(uint64_t bytes, char *out);
char *config_format_duration(int64_t ms, char *out);

/* "Mon 08:00" → minutes since Monday 00:00, "off" → CONFIG_WEEK_OFF. Returns 0 or -1. */
#define CONFIG_WEEK_OFF (-1)
int config_parse_week(const char *text, int *minute);
char *config_format_week(int minute, char *out);

#endif
