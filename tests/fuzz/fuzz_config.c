/*
 * fuzz_config.c: a configuration file: it is taken whole, or refused with its name and a reason; nothing else happens.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static int fd = -1;
	struct reason reason = {.text = ""};
	struct config *config = NULL;
	char path[64];

	if (fd < 0)
		fd = memfd_create("config", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, input, size, 0) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (config_load(path, &config, &reason) == 0) {
		if (config->listener_count == 0 || config->upstream_count == 0 ||
			config->route_count == 0 || config->workers == 0)
			abort();
		config_close(&config);
		return 0;
	}
	if (config != NULL || strncmp(reason.text, path, strlen(path)) != 0 ||
		reason.text[strlen(path)] != ':')
		abort();
	for (const char *c = reason.text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			abort();
	return 0;
}
