#include "queue/quirk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct quirk_row table[QUIRK_COUNT] = {
	[QUIRK_EARLY_TALKER] = {"talks before the banner", QUIRK_AT_CONNECTION, QUIRK_HANDLED,
		"Its bytes are kept and answered in order.", "Let the program wait for 220."},
};

const struct quirk_row *quirk_row(unsigned number)
{
	return number < QUIRK_COUNT && table[number].name != NULL ? &table[number] : NULL;
}

unsigned quirk_set_next(const struct quirk_set *set, unsigned after)
{
	for (unsigned number = after + 1; number < QUIRK_COUNT; number++)
		if (quirk_set_has(set, number))
			return number;
	return 0;
}

char *quirk_set_format(const struct quirk_set *set, char *out)
{
	size_t size = 0;

	out[0] = '\0';
	for (unsigned number = 0; (number = quirk_set_next(set, number)) != 0;)
		size += (size_t)snprintf(out + size, QUIRK_TEXT_SIZE - size, "%sQ-%02u",
			size > 0 ? " " : "", number);
	return out;
}

void quirk_set_parse(const char *text, struct quirk_set *out)
{
	*out = (struct quirk_set){{0, 0}};
	for (const char *at = text; at != NULL && (at = strstr(at, "Q-")) != NULL;) {
		unsigned long number = strtoul(at + 2, NULL, 10);

		if (number > 0 && number < QUIRK_COUNT)
			quirk_set_add(out, (unsigned)number);
		at += 2;
	}
}
