#include "queue/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

#include "core/metrics.h"
#include "queue/repair.h"

/* Where a message has a plan: a stored piece, while what becomes of it is written. */
struct reader_repair {
	struct repair repair;
	const uint8_t *from, *end;
	uint8_t piece[STORE_PIECE_BYTES];
};

static int damaged(void)
{
	metric_add(METRIC_CHECKSUM_FAILED, 1);
	return -EBADMSG;
}

/* The whole text is in memory: it is checked before anybody sees it. */
static int check_only_piece(const struct reader *reader, const void *piece, size_t size)
{
	if (size != reader->size_bytes || XXH3_64bits(piece, size) != reader->checksum)
		return damaged();
	return 0;
}

static int check_next_piece(struct reader *reader, const void *piece, size_t size)
{
	if (reader->checksum_state == NULL) {
		reader->checksum_state = XXH3_createState();
		if (reader->checksum_state == NULL)
			return -ENOMEM;
		XXH3_64bits_reset(reader->checksum_state);
	}
	if (size > reader->size_bytes - reader->read_bytes)
		return damaged();
	XXH3_64bits_update(reader->checksum_state, piece, size);
	return 0;
}

static int check_end(struct reader *reader)
{
	uint64_t checksum;

	if (reader->piece_count == 1)
		return 0; /* checked before it was handed out */
	checksum = reader->checksum_state != NULL ? XXH3_64bits_digest(reader->checksum_state)
						  : XXH3_64bits("", 0);
	if (reader->read_bytes != reader->size_bytes || checksum != reader->checksum)
		return damaged();
	return 0;
}

/* The next stored piece; 0 at the proven end. */
static ssize_t next_stored(struct reader *reader, void *to)
{
	ssize_t size;
	int rc;

	if (reader->sequence == reader->piece_count)
		return check_end(reader);
	size = store_view_piece(reader->view, reader->body_id, reader->sequence, to);
	if (size == -ENOENT)
		return damaged();
	if (size < 0)
		return size;
	if (reader->piece_count == 1)
		rc = check_only_piece(reader, to, (size_t)size);
	else
		rc = check_next_piece(reader, to, (size_t)size);
	if (rc < 0)
		return rc;
	/* an empty piece would look like the end, and nobody writes one */
	if (size == 0)
		return damaged();
	reader->sequence++;
	reader->read_bytes += (uint64_t)size;
	return size;
}

/* ---- repaired ---- */

static int begin_repair(struct reader *reader, const struct envelope *envelope, enum reader_how how)
{
	struct reader_repair *repair = malloc(sizeof(*repair));
	int rc;

	if (repair == NULL)
		return -ENOMEM;
	rc = repair_init(&repair->repair, envelope->plan, envelope->plan_size, envelope->size_bytes,
		how == READ_SEVENBIT);
	if (rc < 0) {
		free(repair);
		return rc == -EBADMSG ? damaged() : rc;
	}
	repair->from = repair->end = repair->piece;
	reader->repair = repair;
	return 0;
}

/* 1: there is more to repair; 0: the proven end. */
static ssize_t fill(struct reader *reader)
{
	struct reader_repair *repair = reader->repair;
	ssize_t size = next_stored(reader, repair->piece);

	if (size < 0)
		return size;
	repair->from = repair->piece;
	repair->end = repair->piece + size;
	return size > 0;
}

/* The first piece is read first: one that is damaged is not to follow what a plan puts in front of it. */
static ssize_t next_repaired(struct reader *reader, uint8_t *to)
{
	struct reader_repair *repair = reader->repair;
	ssize_t more = reader->sequence == 0 ? fill(reader) : 1;
	uint8_t *at = to;

	while (more >= 0) {
		repair_run(
			&repair->repair, &repair->from, repair->end, &at, to + STORE_PIECE_BYTES);
		if (at > to)
			return at - to;
		if (more == 0)
			return repair_is_done(&repair->repair) ? 0 : damaged();
		more = fill(reader);
	}
	return more;
}

/* ---- all ---- */

void reader_init(struct reader *reader, struct store_view *view, const struct envelope *envelope,
	enum reader_how how)
{
	*reader = (struct reader){
		.view = view,
		.body_id = envelope->body_id,
		.size_bytes = envelope->size_bytes,
		.checksum = envelope->checksum,
		.piece_count = envelope->chunk_count,
	};
	if (envelope->plan_size > 0 && how != READ_AS_RECEIVED)
		reader->error = begin_repair(reader, envelope, how);
}

ssize_t reader_next(struct reader *reader, void *to)
{
	if (reader->error < 0)
		return reader->error;
	return reader->repair != NULL ? next_repaired(reader, to) : next_stored(reader, to);
}

void reader_fini(struct reader *reader)
{
	XXH3_freeState(reader->checksum_state);
	reader->checksum_state = NULL;
	if (reader->repair != NULL)
		repair_fini(&reader->repair->repair);
	free(reader->repair);
	reader->repair = NULL;
}

uint64_t reader_estimate(const struct reader *reader)
{
	return reader->repair != NULL ? repair_estimate(&reader->repair->repair)
				      : reader->size_bytes;
}
