/*
 * text.h: a message's text while it is in memory: pieces on their way to the store.
 *
 * Bytes are appended in any portions and gathered into pieces of STORE_PIECE_BYTES, the last one shorter. A small
 * message is one piece; of a large one, full pieces are taken off and written while it still arrives, and only the rest
 * is in memory. The checksum (XXH3-64) and the size run over all that was appended.
 *
 * Owner: embedded; text_fini frees. Zero-initialised is empty and valid.
 */
#ifndef SLUICE_QUEUE_TEXT_H
#define SLUICE_QUEUE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_piece {
	struct text_piece *next;
	uint32_t sequence;
	uint32_t size, capacity;
	uint8_t *data;
};

struct text {
	struct text_piece *first, *last; /* in memory now */
	uint32_t piece_count; /* made so far, those taken off too */
	uint64_t size_bytes; /* appended so far */
	size_t held_bytes; /* in memory now */
	void *checksum_state; /* XXH3 stream, once a piece is full */
	uint64_t checked_bytes; /* what the stream has had */
};

/* False without memory; the text is then of no use but to be freed. */
bool text_append(struct text *text, const void *from, size_t size)
	__attribute__((warn_unused_result));

/* Takes the full pieces off (all of them when `finished`); the caller owns the list. NULL when there are none. */
struct text_piece *text_take(struct text *text, bool finished);
void text_pieces_free(struct text_piece **pieces);

/* After the last append and before the last text_take. */
uint64_t text_checksum(struct text *text);

void text_fini(struct text *text);

#endif
