/*
 * id.h: a message's id: 64 bits, ordered by time, never given twice.
 *
 * The greater of the clock's microseconds and the last id + 1. The last id in the store is read at start, so that a
 * clock that was set back cannot repeat one; the store writes with "must be new" besides.
 * Threads: id_next from any (one atomic). Text: 14 upper-case hexadecimal digits, ordered like the number.
 */
#ifndef SLUICE_QUEUE_ID_H
#define SLUICE_QUEUE_ID_H

#include <stdint.h>

#include "core/clock.h"

#define ID_TEXT_SIZE 17

struct id_source;

struct id_source *id_source_open(const struct clock *clock, uint64_t last_id);
void id_source_close(struct id_source **source);
uint64_t id_next(struct id_source *source);

char *id_format(uint64_t id, char *out); /* ID_TEXT_SIZE bytes; returns `out` */
int id_parse(
	const char *text, uint64_t *id); /* 0, or -1; 1 to 16 hexadecimal digits, either case */

#endif
