/*
 * config_dump.h: a loaded configuration as a file that says the same, every option with the value that is in force.
 *
 * It comes from the table that the parser reads by, and what it writes reads back as the same configuration, but for a
 * password: neither that nor the name of its file is shown.
 */
#ifndef SLUICE_CORE_CONFIG_DUMP_H
#define SLUICE_CORE_CONFIG_DUMP_H

#include <stdio.h>

#include "core/config.h"

/* 0, or -1 when `to` did not take it. */
int config_dump(const struct config *config, FILE *to);

#endif
