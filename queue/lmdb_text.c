/*
 * How a piece is cut into values: docs/decisions/ has the measurements. A full piece is one value of 16 whole pages. Of
 * a shorter one (a small message, a large one's end) the whole pages are one value, and what is left over is another,
 * which lies with others in a page of the tree unless it is more than half a page.
 */
#include "queue/lmdb_store.h"

#define PAGE_HEAD_BYTES 16

static void put_text_key(uint8_t *to, uint64_t body_id, uint32_t sequence, unsigned part)
{
	put_be64(to, body_id);
	put_be32(to + 8, sequence);
	put_be16(to + 12, (uint16_t)part);
}

/* How much of what is left of a piece goes in the next value. */
static size_t value_bytes(size_t left)
{
	size_t pages = (left + PAGE_HEAD_BYTES) / LMDB_PAGE_BYTES;

	return pages == 0 ? left : pages * LMDB_PAGE_BYTES - PAGE_HEAD_BYTES;
}

int lmdb_text_put(MDB_txn *txn, MDB_dbi texts, uint64_t body_id, uint32_t sequence,
	const uint8_t *piece, size_t size)
{
	uint8_t key_bytes[KEY_TEXT_BYTES];
	MDB_val key = {sizeof(key_bytes), key_bytes}, value;
	unsigned part = 0;
	size_t now;
	int rc;

	for (; size > 0; part++) {
		now = value_bytes(size);
		put_text_key(key_bytes, body_id, sequence, part);
		value = (MDB_val){now, (void *)piece};
		rc = mdb_put(txn, texts, &key, &value, MDB_NOOVERWRITE);
		/* The same once more is no error: after an unknown commit it is written again. */
		if (rc == MDB_KEYEXIST && value.mv_size == now &&
			memcmp(value.mv_data, piece, now) == 0)
			rc = 0;
		if (rc != 0)
			return rc;
		piece += now;
		size -= now;
	}
	return 0;
}

ssize_t lmdb_text_get(MDB_txn *txn, MDB_dbi texts, uint64_t body_id, uint32_t sequence, uint8_t *to)
{
	uint8_t key_bytes[KEY_TEXT_BYTES];
	MDB_val key = {sizeof(key_bytes), key_bytes}, value;
	MDB_cursor *cursor;
	unsigned part = 0;
	size_t size = 0;
	int rc;

	rc = mdb_cursor_open(txn, texts, &cursor);
	if (rc != 0)
		return lmdb_errno(rc);
	put_text_key(key_bytes, body_id, sequence, 0);
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_KEY);
	while (rc == 0 && key.mv_size == KEY_TEXT_BYTES &&
		memcmp(key.mv_data, key_bytes, 12) == 0) {
		if (get_be16((const uint8_t *)key.mv_data + 12) != part++ ||
			value.mv_size > STORE_PIECE_BYTES - size) {
			rc = MDB_CORRUPTED;
			break;
		}
		memcpy(to + size, value.mv_data, value.mv_size);
		size += value.mv_size;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	if (rc == MDB_NOTFOUND && size > 0)
		rc = 0;
	return rc != 0 ? lmdb_errno(rc) : (ssize_t)size;
}

ssize_t lmdb_text_del(
	MDB_txn *txn, MDB_dbi texts, uint64_t body_id, uint32_t max_pieces, size_t *bytes)
{
	uint8_t key_bytes[KEY_TEXT_BYTES];
	MDB_val key = {sizeof(key_bytes), key_bytes}, value;
	uint32_t sequence = 0;
	uint32_t pieces = 0;
	MDB_cursor *cursor;
	int rc;

	rc = mdb_cursor_open(txn, texts, &cursor);
	if (rc != 0)
		return lmdb_errno(rc);
	put_text_key(key_bytes, body_id, 0, 0);
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (rc == 0 && key.mv_size == KEY_TEXT_BYTES && memcmp(key.mv_data, key_bytes, 8) == 0) {
		if (pieces == 0 || get_be32((const uint8_t *)key.mv_data + 8) != sequence) {
			if (pieces == max_pieces)
				break;
			pieces++;
			sequence = get_be32((const uint8_t *)key.mv_data + 8);
		}
		*bytes += value.mv_size;
		rc = mdb_cursor_del(cursor, 0);
		if (rc == 0)
			rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	if (rc == MDB_NOTFOUND)
		rc = 0;
	return rc != 0 ? lmdb_errno(rc) : (ssize_t)pieces;
}
