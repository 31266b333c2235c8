/*
 * reader.h: reads a message's text, piece by piece, as everyone downstream gets it.
 *
 * Scanners, delivery, bounces, quarantine and operators read through here, so that what is scanned is what is sent: the
 * stored text with the message's plan applied (plan.h, repair.h). One without a plan is copied through.
 * Each call is one or a few short reads of the store; nothing of it is held between two.
 *
 * Errors: -EBADMSG when a piece is missing, at the end when size or checksum differ, or when the plan is damaged: then
 * nothing is handed out. The checksum is of the text as stored. A text of one piece is checked before any of it is handed
 * out; for a longer one the end decides, so a caller must not send the final dot before 0.
 * Memory: 64 KiB and the plan, for a message that has one.
 */
#ifndef SLUICE_QUEUE_READER_H
#define SLUICE_QUEUE_READER_H

#include <stdint.h>
#include <sys/types.h>

#include "queue/store.h"

enum reader_how {
	READ_EIGHTBIT, /* as it is sent on, 8-bit where it is */
	READ_SEVENBIT, /* for an upstream without 8BITMIME; 7-bit if ENVELOPE_SEVENBIT_POSSIBLE or there is nothing 8-bit */
	READ_AS_RECEIVED, /* as the client sent it, behind our trace */
};

struct reader_repair;

struct reader {
	struct store_view *view;
	uint64_t body_id, size_bytes, checksum, read_bytes;
	uint32_t sequence, piece_count;
	void *checksum_state;
	struct reader_repair *repair; /* NULL: no plan, or it is not applied */
	int error; /* of the beginning */
};

/* What goes wrong here, reader_next returns. */
void reader_init(struct reader *reader, struct store_view *view, const struct envelope *envelope,
	enum reader_how how);
/* The next piece into `to` (STORE_PIECE_BYTES). Returns its size, 0 at the proven end, or -errno. */
ssize_t reader_next(struct reader *reader, void *to);
void reader_fini(struct reader *reader);

/* Before the first piece: about how large it all is; exact without a plan. */
uint64_t reader_estimate(const struct reader *reader);

#endif
