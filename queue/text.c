#include "queue/text.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "queue/store.h"

/* A piece grows by doubling from here, so that a 4 KiB message does not cost 64 KiB of memory. */
#define PIECE_FIRST_BYTES 4096

static struct text_piece *begin_piece(struct text *text)
{
	struct text_piece *piece = calloc(1, sizeof(*piece));

	if (piece == NULL)
		return NULL;
	piece->sequence = text->piece_count++;
	if (text->last != NULL)
		text->last->next = piece;
	else
		text->first = piece;
	text->last = piece;
	return piece;
}

static bool grow_piece(struct text_piece *piece, size_t more)
{
	size_t wanted = piece->size + more;
	size_t capacity = piece->capacity != 0 ? piece->capacity : PIECE_FIRST_BYTES;
	uint8_t *grown;

	if (wanted > STORE_PIECE_BYTES)
		wanted = STORE_PIECE_BYTES;
	if (wanted <= piece->capacity)
		return true;
	while (capacity < wanted)
		capacity *= 2;
	if (capacity > STORE_PIECE_BYTES)
		capacity = STORE_PIECE_BYTES;
	grown = realloc(piece->data, capacity);
	if (grown == NULL)
		return false;
	piece->data = grown;
	piece->capacity = (uint32_t)capacity;
	return true;
}

/* The checksum takes what it has not yet had; that is always a tail of the last piece. */
static bool check_tail(struct text *text)
{
	size_t size = (size_t)(text->size_bytes - text->checked_bytes);

	if (text->checksum_state == NULL) {
		text->checksum_state = XXH3_createState();
		if (text->checksum_state == NULL ||
			XXH3_64bits_reset(text->checksum_state) != XXH_OK)
			return false;
	}
	if (size > 0)
		XXH3_64bits_update(
			text->checksum_state, text->last->data + text->last->size - size, size);
	text->checked_bytes = text->size_bytes;
	return true;
}

bool text_append(struct text *text, const void *from, size_t size)
{
	const uint8_t *rest = from;

	while (size > 0) {
		struct text_piece *piece = text->last;
		size_t portion;

		if (piece == NULL || piece->size == STORE_PIECE_BYTES)
			piece = begin_piece(text);
		if (piece == NULL || !grow_piece(piece, size))
			return false;
		portion =
			piece->capacity - piece->size < size ? piece->capacity - piece->size : size;
		memcpy(piece->data + piece->size, rest, portion);
		piece->size += (uint32_t)portion;
		text->size_bytes += portion;
		text->held_bytes += portion;
		rest += portion;
		size -= portion;
		/* a full piece may be taken off before the next append */
		if (piece->size == STORE_PIECE_BYTES && !check_tail(text))
			return false;
	}
	return true;
}

struct text_piece *text_take(struct text *text, bool finished)
{
	struct text_piece *taken = text->first, *last_taken = NULL;

	for (struct text_piece *piece = text->first; piece != NULL; piece = piece->next) {
		if (!finished && piece->size < STORE_PIECE_BYTES)
			break;
		text->held_bytes -= piece->size;
		last_taken = piece;
	}
	if (last_taken == NULL)
		return NULL;
	text->first = last_taken->next;
	if (text->first == NULL)
		text->last = NULL;
	last_taken->next = NULL;
	return taken;
}

void text_pieces_free(struct text_piece **pieces)
{
	while (*pieces != NULL) {
		struct text_piece *piece = *pieces;

		*pieces = piece->next;
		free(piece->data);
		free(piece);
	}
}

uint64_t text_checksum(struct text *text)
{
	/* the usual small message: one piece, all of it in memory */
	if (text->checksum_state == NULL)
		return text->last == NULL ? XXH3_64bits("", 0)
					  : XXH3_64bits(text->last->data, text->last->size);
	if (text->checked_bytes < text->size_bytes)
		check_tail(text); /* cannot fail: there is a state */
	return XXH3_64bits_digest(text->checksum_state);
}

void text_fini(struct text *text)
{
	text_pieces_free(&text->first);
	XXH3_freeState(text->checksum_state);
	*text = (struct text){0};
}
