/*
 * The writer's verbs inside a batch. Each checks all that may refuse it before it writes anything, so that a refusal
 * leaves no trace; what fails afterwards spoils the batch (lmdb_batch.c).
 */
#include "queue/lmdb_store.h"

#include <stdlib.h>

#define ORPHANS_LOOKED_AT 1024 /* texts that one call looks at */

int store_append(struct store_batch *batch, uint64_t body_id, uint32_t sequence, const void *piece,
	size_t size)
{
	int rc;

	if (batch->failed != 0)
		return batch->failed;
	if (size == 0 || size > STORE_PIECE_BYTES)
		return -EINVAL;
	if (!lmdb_take_pages(batch, size))
		return -ENOSPC;
	rc = lmdb_text_put(
		batch->txn, batch->store->tables[TABLE_TEXTS], body_id, sequence, piece, size);
	if (rc == MDB_KEYEXIST)
		return -EEXIST;
	if (body_id > batch->totals.last_id)
		batch->totals.last_id = body_id;
	batch->changed = true;
	return lmdb_spoil(batch, rc);
}

/* ---- envelopes ---- */

/* Everything that is not final must have a row, or it would never be looked at again. */
static bool has_upstreams(const struct envelope *envelope)
{
	const struct recipient *recipient;
	uint16_t upstream;
	size_t i;

	for (i = 0; i < envelope->recipient_count; i++) {
		recipient = &envelope->recipients[i];
		upstream = schedule_upstream(recipient);
		if (!recipient_is_final(recipient) && (upstream == 0 || upstream >= UPSTREAM_MAX))
			return false;
	}
	return true;
}

/* Room for the rows of both; `second` may be NULL. */
static bool make_row_room(
	struct store *store, const struct envelope *first, const struct envelope *second)
{
	size_t needed = first->recipient_count + (second != NULL ? second->recipient_count : 0);
	struct schedule_row *rows;

	if (needed <= store->row_room)
		return true;
	rows = reallocarray(store->rows, needed, sizeof(*rows));
	if (rows == NULL)
		return false;
	store->rows = rows;
	store->row_room = needed;
	return true;
}

static bool is_same_row(const struct schedule_row *a, const struct schedule_row *b)
{
	return a->upstream == b->upstream && a->lane == b->lane && a->bucket == b->bucket &&
	       a->due_unix_ms == b->due_unix_ms && a->id == b->id;
}

static bool has_row(
	const struct schedule_row *rows, size_t count, const struct schedule_row *wanted)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (is_same_row(&rows[i], wanted))
			return true;
	return false;
}

/* Deletes the rows that are only in `old`, puts those that are only in `now`. */
static int move_rows(struct store_batch *batch, const struct schedule_row *old, size_t old_count,
	const struct schedule_row *now, size_t now_count)
{
	MDB_dbi schedule = batch->store->tables[TABLE_SCHEDULE];
	uint8_t key_bytes[KEY_SCHEDULE_BYTES];
	MDB_val key = {sizeof(key_bytes), key_bytes}, nothing = {0, ""};
	size_t i;
	int rc = 0;

	for (i = 0; i < old_count && rc == 0; i++) {
		if (has_row(now, now_count, &old[i]))
			continue;
		put_schedule_key(key_bytes, &old[i]);
		rc = mdb_del(batch->txn, schedule, &key, NULL);
		/* A row that damage took away must not keep its message from being changed or deleted. */
		if (rc == MDB_NOTFOUND)
			rc = 0;
	}
	for (i = 0; i < now_count && rc == 0; i++) {
		if (has_row(old, old_count, &now[i]))
			continue;
		put_schedule_key(key_bytes, &now[i]);
		rc = mdb_put(batch->txn, schedule, &key, &nothing, 0);
	}
	return rc;
}

static int encode(struct store_batch *batch, const struct envelope *envelope)
{
	bytes_clear(&batch->store->record);
	return envelope_encode(envelope, &batch->store->record) ? 0 : -ENOMEM;
}

static int put_envelope(struct store_batch *batch, uint64_t id, unsigned flags)
{
	struct bytes *record = &batch->store->record;
	uint8_t key_bytes[KEY_ID_BYTES];
	MDB_val key = {sizeof(key_bytes), key_bytes}, value = {record->size, record->data};

	put_be64(key_bytes, id);
	return mdb_put(batch->txn, batch->store->tables[TABLE_ENVELOPES], &key, &value, flags);
}

/* A message whose text is another's is found under that one, so that the text goes with the last of them. */
static int put_shared(struct store_batch *batch, const struct envelope *envelope)
{
	uint8_t key_bytes[KEY_SHARED_BYTES];
	MDB_val key = {sizeof(key_bytes), key_bytes}, nothing = {0, ""};

	if (envelope->body_id == envelope->id)
		return 0;
	put_be64(key_bytes, envelope->body_id);
	put_be64(key_bytes + 8, envelope->id);
	return mdb_put(batch->txn, batch->store->tables[TABLE_SHARED], &key, &nothing, 0);
}

int store_add(struct store_batch *batch, const struct envelope *envelope)
{
	struct store *store = batch->store;
	size_t count;
	int rc;

	if (batch->failed != 0)
		return batch->failed;
	if (!has_upstreams(envelope))
		return -EINVAL;
	if (!make_row_room(store, envelope, NULL) || encode(batch, envelope) < 0)
		return -ENOMEM;
	if (!lmdb_take_pages(batch, store->record.size))
		return -ENOSPC;
	rc = put_envelope(batch, envelope->id, MDB_NOOVERWRITE);
	if (rc == MDB_KEYEXIST)
		return -EEXIST;
	count = schedule_rows(envelope, store->rows);
	if (rc == 0)
		rc = put_shared(batch, envelope);
	if (rc == 0)
		rc = move_rows(batch, NULL, 0, store->rows, count);
	if (rc != 0)
		return lmdb_spoil(batch, rc);
	if (envelope->id > batch->totals.last_id)
		batch->totals.last_id = envelope->id;
	lmdb_state_count(batch, envelope, store->rows, count, 1);
	return 0;
}

static int get_envelope(struct store_batch *batch, uint64_t id, MDB_val *value)
{
	uint8_t key_bytes[KEY_ID_BYTES];
	MDB_val key = {sizeof(key_bytes), key_bytes};
	int rc;

	put_be64(key_bytes, id);
	rc = mdb_get(batch->txn, batch->store->tables[TABLE_ENVELOPES], &key, value);
	return rc == MDB_NOTFOUND ? -ENOENT : lmdb_spoil(batch, rc);
}

int store_get(struct store_batch *batch, uint64_t id, struct envelope **out)
{
	MDB_val value;
	int rc;

	if (batch->failed != 0)
		return batch->failed;
	rc = get_envelope(batch, id, &value);
	return rc == 0 ? envelope_decode(id, value.mv_data, value.mv_size, out) : rc;
}

int store_change(
	struct store_batch *batch, const struct envelope *before, const struct envelope *after)
{
	struct store *store = batch->store;
	size_t old_count, now_count;
	struct schedule_row *now;
	MDB_val stored;
	int rc;

	if (batch->failed != 0)
		return batch->failed;
	if (before->id != after->id || before->body_id != after->body_id || !has_upstreams(after))
		return -EINVAL;
	rc = get_envelope(batch, before->id, &stored);
	if (rc < 0)
		return rc;
	if (!make_row_room(store, before, after) || encode(batch, after) < 0)
		return -ENOMEM;
	old_count = schedule_rows(before, store->rows);
	now = store->rows + old_count;
	batch->taken_pages += store->record.size / LMDB_PAGE_BYTES + 1;
	batch->verbs++;
	now_count = schedule_rows(after, now);
	rc = put_envelope(batch, after->id, 0);
	if (rc == 0)
		rc = move_rows(batch, store->rows, old_count, now, now_count);
	if (rc != 0)
		return lmdb_spoil(batch, rc);
	lmdb_state_count(batch, before, store->rows, old_count, -1);
	lmdb_state_count(batch, after, now, now_count, 1);
	return 0;
}

/* ---- removing ---- */

/* Whether an envelope needs the text: the one that it was made for, or one that shares it. Returns LMDB's code. */
static int is_text_needed(struct store_batch *batch, uint64_t body_id, bool *needed)
{
	uint8_t key_bytes[KEY_SHARED_BYTES];
	MDB_val key = {KEY_ID_BYTES, key_bytes}, value;
	MDB_cursor *cursor;
	int rc;

	put_be64(key_bytes, body_id);
	put_be64(key_bytes + 8, 0);
	rc = mdb_get(batch->txn, batch->store->tables[TABLE_ENVELOPES], &key, &value);
	*needed = rc == 0;
	if (rc != MDB_NOTFOUND)
		return rc;
	rc = mdb_cursor_open(batch->txn, batch->store->tables[TABLE_SHARED], &cursor);
	if (rc != 0)
		return rc;
	key.mv_size = sizeof(key_bytes);
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	*needed = rc == 0 && memcmp(key.mv_data, key_bytes, KEY_ID_BYTES) == 0;
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int del_envelope(struct store_batch *batch, const struct envelope *envelope)
{
	uint8_t key_bytes[KEY_SHARED_BYTES];
	MDB_val key = {KEY_ID_BYTES, key_bytes};
	int rc;

	put_be64(key_bytes, envelope->id);
	rc = mdb_del(batch->txn, batch->store->tables[TABLE_ENVELOPES], &key, NULL);
	if (rc != 0 || envelope->body_id == envelope->id)
		return rc;
	put_be64(key_bytes, envelope->body_id);
	put_be64(key_bytes + 8, envelope->id);
	key.mv_size = sizeof(key_bytes);
	rc = mdb_del(batch->txn, batch->store->tables[TABLE_SHARED], &key, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int del_text(struct store_batch *batch, uint64_t body_id, uint32_t max_pieces)
{
	ssize_t deleted = lmdb_text_del(batch->txn, batch->store->tables[TABLE_TEXTS], body_id,
		max_pieces, &batch->freed_bytes);

	if (deleted > 0)
		batch->changed = true;
	if (deleted < 0 && batch->failed == 0)
		batch->failed = (int)deleted;
	return (int)deleted;
}

int store_remove(struct store_batch *batch, const struct envelope *envelope)
{
	struct store *store = batch->store;
	bool needed = true;
	size_t count;
	int rc;

	if (batch->failed != 0)
		return batch->failed;
	if (!make_row_room(store, envelope, NULL))
		return -ENOMEM;
	batch->verbs++;
	rc = del_envelope(batch, envelope);
	if (rc == MDB_NOTFOUND)
		return -ENOENT;
	count = schedule_rows(envelope, store->rows);
	if (rc == 0)
		rc = move_rows(batch, store->rows, count, NULL, 0);
	if (rc == 0)
		rc = is_text_needed(batch, envelope->body_id, &needed);
	if (rc != 0)
		return lmdb_spoil(batch, rc);
	lmdb_state_count(batch, envelope, store->rows, count, -1);
	if (needed)
		return 0;
	rc = del_text(batch, envelope->body_id, UINT32_MAX);
	return rc < 0 ? rc : 0;
}

ssize_t store_drop_text(struct store_batch *batch, uint64_t body_id, uint32_t max_pieces)
{
	bool needed;
	int rc;

	if (batch->failed != 0)
		return batch->failed;
	rc = lmdb_spoil(batch, is_text_needed(batch, body_id, &needed));
	if (rc < 0)
		return rc;
	return needed ? -EEXIST : del_text(batch, body_id, max_pieces);
}

ssize_t store_orphans(struct store_batch *batch, uint64_t after, uint64_t *body_ids, size_t max,
	uint64_t *seen_to)
{
	uint8_t key_bytes[KEY_TEXT_BYTES] = {0};
	MDB_val key, value;
	MDB_cursor *cursor = NULL;
	size_t count = 0, looked = 0;
	bool needed;
	int rc;

	*seen_to = after;
	if (batch->failed != 0)
		return batch->failed;
	rc = mdb_cursor_open(batch->txn, batch->store->tables[TABLE_TEXTS], &cursor);
	while (rc == 0 && count < max && looked++ < ORPHANS_LOOKED_AT && *seen_to != UINT64_MAX) {
		put_be64(key_bytes, *seen_to + 1);
		key = (MDB_val){sizeof(key_bytes), key_bytes};
		rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
		if (rc == 0) {
			*seen_to = get_be64(key.mv_data);
			rc = is_text_needed(batch, *seen_to, &needed);
			if (rc == 0 && !needed)
				body_ids[count++] = *seen_to;
		} else if (rc == MDB_NOTFOUND) {
			*seen_to = UINT64_MAX;
			rc = 0;
		}
	}
	if (cursor != NULL)
		mdb_cursor_close(cursor);
	rc = lmdb_spoil(batch, rc);
	return rc < 0 ? rc : (ssize_t)count;
}
