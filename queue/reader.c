#include "queue/reader.h"

#include <errno.h>
#include <xxhash.h>

#include "core/metrics.h"

void reader_init(struct reader *reader, struct store_view *view, const struct envelope *envelope)
{
	*reader = (struct reader){
		.view = view,
		.body_id = envelope->body_id,
		.size_bytes = envelope->size_bytes,
		.checksum = envelope->checksum,
		.piece_count = envelope->chunk_count,
	};
}

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

ssize_t reader_next(struct reader *reader, void *to)
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

void reader_fini(struct reader *reader)
{
	XXH3_freeState(reader->checksum_state);
	reader->checksum_state = NULL;
}
