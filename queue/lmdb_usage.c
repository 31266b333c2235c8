/*
 * The table of usages: what a grant, an account or an address hands over. It is written inside the reserve that new mail leaves: a
 * message that found room has it for its figures too.
 */
#include "queue/lmdb_store.h"

#define USAGE_KEY_BYTES (1 + USAGE_NAME_SIZE)
#define SAMPLE          16 /* of so many behind the last one, the one used longest ago is given up */

static size_t put_usage_key(uint8_t *to, enum usage_kind kind, const char *name)
{
	size_t size = strnlen(name, USAGE_NAME_SIZE - 1);

	to[0] = (uint8_t)kind;
	memcpy(to + 1, name, size);
	return size + 1;
}

/* False: it is not one of this kind, or damaged. */
static bool read_key(const MDB_val *key, enum usage_kind kind, char *name)
{
	const uint8_t *bytes = key->mv_data;

	if (key->mv_size < 2 || key->mv_size > USAGE_NAME_SIZE || bytes[0] != kind)
		return false;
	memcpy(name, bytes + 1, key->mv_size - 1);
	name[key->mv_size - 1] = '\0';
	return true;
}

int lmdb_usage_get(
	MDB_txn *txn, MDB_dbi usages, enum usage_kind kind, const char *name, struct usage **out)
{
	uint8_t key_bytes[USAGE_KEY_BYTES];
	MDB_val key = {put_usage_key(key_bytes, kind, name), key_bytes}, value;
	int rc = lmdb_errno(mdb_get(txn, usages, &key, &value));

	return rc < 0 ? rc : usage_decode(kind, name, value.mv_data, value.mv_size, out);
}

/* Behind `after`, which may be there or not. */
static int list_from(MDB_cursor *cursor, enum usage_kind kind, const char *after,
	struct usage **out, size_t max, size_t *count)
{
	uint8_t key_bytes[USAGE_KEY_BYTES];
	MDB_val key = {put_usage_key(key_bytes, kind, after), key_bytes}, value;
	char name[USAGE_NAME_SIZE];
	int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);

	while (rc == 0 && *count < max && read_key(&key, kind, name)) {
		int decoded = -EBADMSG;

		if (strcmp(name, after) != 0)
			decoded = usage_decode(
				kind, name, value.mv_data, value.mv_size, &out[*count]);
		if (decoded == 0)
			(*count)++;
		else if (decoded != -EBADMSG)
			return decoded;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? 0 : lmdb_errno(rc);
}

int lmdb_usage_list(MDB_txn *txn, MDB_dbi usages, enum usage_kind kind, const char *after,
	struct usage **out, size_t max, size_t *count)
{
	MDB_cursor *cursor;
	int rc = lmdb_errno(mdb_cursor_open(txn, usages, &cursor));

	*count = 0;
	if (rc == 0) {
		rc = list_from(cursor, kind, after, out, max, count);
		mdb_cursor_close(cursor);
	}
	while (rc < 0 && *count > 0)
		usage_close(&out[--*count]);
	return rc;
}

/* ---- the writer's ---- */

int store_get_usage(
	struct store_batch *batch, enum usage_kind kind, const char *name, struct usage **out)
{
	int rc = -ENOENT;

	*out = NULL;
	if (batch->failed != 0)
		return batch->failed;
	if (batch->store->has[TABLE_USAGE])
		rc = lmdb_usage_get(batch->txn, batch->store->tables[TABLE_USAGE], kind, name, out);
	if (rc == -EIO)
		return lmdb_spoil(batch, EIO);
	return rc;
}

/* When the row was used last; a damaged one goes first. */
static uint64_t last_use(const MDB_val *key, const MDB_val *value)
{
	const uint8_t *bytes = key->mv_data;
	char name[USAGE_NAME_SIZE];
	struct usage *usage = NULL;
	uint64_t last = 0;

	if (key->mv_size > 0 && read_key(key, bytes[0], name) &&
		usage_decode(bytes[0], name, value->mv_data, value->mv_size, &usage) == 0)
		last = usage->last_unix_ms;
	usage_close(&usage);
	return last;
}

struct victim {
	uint8_t key[USAGE_KEY_BYTES];
	size_t key_size;
	uint64_t last_unix_ms;
};

/* Looks at some rows of the kind that goes first; where the round is at its end it begins anew. */
static int find_victim(MDB_cursor *cursor, struct lmdb_usage_round *round, struct victim *victim)
{
	MDB_val key, value, from = {round->size, round->at};
	uint8_t kind;
	int rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);

	if (rc != 0 || key.mv_size == 0)
		return rc != 0 ? rc : MDB_CORRUPTED;
	kind = *(const uint8_t *)key.mv_data;
	if (round->size > 0 && round->at[0] == kind) {
		key = from;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
		if (rc == MDB_NOTFOUND || (rc == 0 && *(const uint8_t *)key.mv_data != kind))
			rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	}
	for (unsigned looked = 0; rc == 0 && looked < SAMPLE && key.mv_size <= USAGE_KEY_BYTES &&
				  *(const uint8_t *)key.mv_data == kind;
		looked++) {
		uint64_t last = last_use(&key, &value);

		if (victim->key_size == 0 || last < victim->last_unix_ms) {
			memcpy(victim->key, key.mv_data, key.mv_size);
			victim->key_size = key.mv_size;
			victim->last_unix_ms = last;
		}
		memcpy(round->at, key.mv_data, key.mv_size);
		round->size = key.mv_size;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* LMDB's code. The kinds stand in the order in which they are given up. */
static int give_one_up(struct store_batch *batch)
{
	MDB_dbi table = batch->store->tables[TABLE_USAGE];
	struct victim victim = {.key_size = 0};
	MDB_cursor *cursor;
	MDB_val key;
	int rc = mdb_cursor_open(batch->txn, table, &cursor);

	if (rc != 0)
		return rc;
	rc = find_victim(cursor, &batch->store->usage_round, &victim);
	mdb_cursor_close(cursor);
	if (rc != 0 || victim.key_size == 0)
		return rc;
	key = (MDB_val){victim.key_size, victim.key};
	return mdb_del(batch->txn, table, &key, NULL);
}

/* One that is new makes place for itself. LMDB's code. */
static int make_place(struct store_batch *batch, MDB_val *key)
{
	MDB_dbi table = batch->store->tables[TABLE_USAGE];
	MDB_stat stat;
	MDB_val value;
	int rc = mdb_get(batch->txn, table, key, &value);

	if (rc != MDB_NOTFOUND)
		return rc;
	rc = mdb_stat(batch->txn, table, &stat);
	if (rc == 0 && stat.ms_entries >= USAGE_MAX)
		rc = give_one_up(batch);
	return rc;
}

int store_put_usage(struct store_batch *batch, const struct usage *usage)
{
	struct bytes *record = &batch->store->record;
	uint8_t key_bytes[USAGE_KEY_BYTES];
	MDB_val key = {put_usage_key(key_bytes, usage->kind, usage->name), key_bytes}, value;
	int rc;

	if (batch->failed != 0)
		return batch->failed;
	if (!batch->store->has[TABLE_USAGE])
		return 0;
	bytes_clear(record);
	if (!usage_encode(usage, record))
		return lmdb_spoil(batch, ENOMEM);
	batch->verbs++;
	batch->taken_pages += record->size / LMDB_PAGE_BYTES + 2;
	batch->changed = true;
	rc = make_place(batch, &key);
	value = (MDB_val){record->size, record->data};
	if (rc == 0)
		rc = mdb_put(batch->txn, batch->store->tables[TABLE_USAGE], &key, &value, 0);
	return lmdb_spoil(batch, rc);
}
