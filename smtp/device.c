#include "smtp/device.h"

#include <string.h>

static const struct device table[] = {
	{"default", 0, "what all clients get"},
};

const struct device *device_at(size_t number)
{
	return number < sizeof(table) / sizeof(table[0]) ? &table[number] : NULL;
}

const struct device *device_find(const char *name)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}
