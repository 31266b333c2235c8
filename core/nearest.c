#include "core/nearest.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 63

static size_t least(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* Damerau and Levenshtein's distance in its simple form: no letter takes part in two changes. */
static size_t distance_between(const char *a, const char *b)
{
	size_t rows[3][NAME_MAX_BYTES + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];
	size_t a_size = strlen(a), b_size = strlen(b);

	if (a_size > NAME_MAX_BYTES || b_size > NAME_MAX_BYTES)
		return NAME_MAX_BYTES + 1;
	for (size_t j = 0; j <= b_size; j++)
		above[j] = j;
	for (size_t i = 1; i <= a_size; i++) {
		size_t *spent = before;

		row[0] = i;
		for (size_t j = 1; j <= b_size; j++) {
			size_t changed = above[j - 1] + (a[i - 1] != b[j - 1]);

			row[j] = least(row[j - 1] + 1, above[j] + 1, changed);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = above;
		above = row;
		row = spent;
	}
	return above[b_size];
}

void nearest_init(struct nearest *nearest, const char *wanted)
{
	*nearest = (struct nearest){.wanted = wanted, .distance = NAME_MAX_BYTES + 1};
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
	size_t distance = distance_between(nearest->wanted, candidate);

	if (distance <= (strlen(candidate) + 2) / 3 && distance < nearest->distance) {
		nearest->best = candidate;
		nearest->distance = distance;
	}
}

const char *nearest_format(const struct nearest *nearest, struct nearest_hint *hint)
{
	hint->text[0] = '\0';
	if (nearest->best != NULL)
		snprintf(hint->text, sizeof(hint->text), " (did you mean '%s'?)", nearest->best);
	return hint->text;
}
