#include "queue/id.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/hex.h"

struct id_source {
	const struct clock *clock;
	_Atomic uint64_t last;
};

struct id_source *id_source_open(const struct clock *clock, uint64_t last_id)
{
	struct id_source *source = calloc(1, sizeof(*source));

	if (source == NULL)
		return NULL;
	source->clock = clock;
	atomic_init(&source->last, last_id);
	return source;
}

void id_source_close(struct id_source **source)
{
	if (source == NULL)
		return;
	free(*source);
	*source = NULL;
}

/* Relaxed: the number itself is all that the threads share. */
uint64_t id_next(struct id_source *source)
{
	uint64_t now = clock_unix_us(source->clock);
	uint64_t last = atomic_load_explicit(&source->last, memory_order_relaxed);
	uint64_t id;

	do {
		id = now > last ? now : last + 1;
	} while (!atomic_compare_exchange_weak_explicit(
		&source->last, &last, id, memory_order_relaxed, memory_order_relaxed));
	return id;
}

char *id_format(uint64_t id, char *out)
{
	size_t size = id >> 56 == 0 ? 14 : id >> 60 == 0 ? 15 : 16;

	out[size] = '\0';
	for (size_t i = size; i-- > 0; id >>= 4)
		out[i] = "0123456789ABCDEF"[id & 15];
	return out;
}

int id_parse(const char *text, uint64_t *id)
{
	uint64_t value = 0;
	size_t i;

	for (i = 0; text[i] != '\0'; i++) {
		int digit = hex_value(text[i]);

		if (digit < 0 || i == 16)
			return -1;
		value = value << 4 | (uint64_t)digit;
	}
	if (i == 0)
		return -1;
	*id = value;
	return 0;
}
