/*
 * envelope_arena.h: the memory of one envelope; for envelope.c and envelope_record.c alone.
 *
 * One block holds the envelope, its recipients and room for text. When the room is used up, further blocks hang on the
 * arena until envelope_close.
 */
#ifndef SLUICE_QUEUE_ENVELOPE_ARENA_H
#define SLUICE_QUEUE_ENVELOPE_ARENA_H

#include "queue/envelope.h"

/* An envelope with `room` bytes for text before it needs another block. NULL without memory. */
struct envelope *envelope_new_with_room(size_t recipient_count, size_t room);

/* Room for ENVELOPE_HISTORY_MAX lines, which a history that is not NULL always has. */
struct attempt *envelope_history_new(struct envelope *envelope);

#define ENVELOPE_HISTORY_ROOM (ENVELOPE_HISTORY_MAX * sizeof(struct attempt) + sizeof(void *))

#endif
