#include "admin/nearest.h"

#include <string.h>

#define WORD_MAX 32

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Damerau's distance without repeated changes of one place: three rows of the usual table suffice. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][WORD_MAX + 1];
	size_t a_size = strlen(a), b_size = strlen(b);

	if (a_size > WORD_MAX || b_size > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= b_size; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a_size; i++) {
		unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b_size; j++) {
			now[j] = least(least(last[j] + 1, now[j - 1] + 1),
				last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
	}
	return rows[a_size % 3][b_size];
}

const char *nearest_word(const char *typed, const char *const *words, size_t count)
{
	const char *best = NULL;
	unsigned best_distance = 3; /* more than two changes is another word */

	for (size_t i = 0; i < count; i++) {
		unsigned changes = distance(typed, words[i]);

		if (changes < best_distance && changes < strlen(words[i])) {
			best = words[i];
			best_distance = changes;
		}
	}
	return best;
}
