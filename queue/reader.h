/*
 * reader.h: reads a message's text, piece by piece, as everyone downstream gets it.
 *
 * Scanners, delivery, bounces, quarantine and operators read through here, so that what is scanned is what is sent; the
 * repairs for facts noted at intake are applied here (none yet: a message without facts is copied through).
 * Each call is one short read of the store; nothing is held between two.
 *
 * Errors: -EBADMSG when a piece is missing, or at the end when size or checksum differ. A text of one piece is checked
 * before any of it is handed out; for a longer one the end decides, so a caller must not send the final dot before 0.
 */
#ifndef SLUICE_QUEUE_READER_H
#define SLUICE_QUEUE_READER_H

#include <stdint.h>
#include <sys/types.h>

#include "queue/store.h"

struct reader {
	struct store_view *view;
	uint64_t body_id, size_bytes, checksum, read_bytes;
	uint32_t sequence, piece_count;
	void *checksum_state;
};

void reader_init(struct reader *reader, struct store_view *view, const struct envelope *envelope);
/* The next piece into `to` (STORE_PIECE_BYTES). Returns its size, 0 at the proven end, or -errno. */
ssize_t reader_next(struct reader *reader, void *to);
void reader_fini(struct reader *reader);

#endif
