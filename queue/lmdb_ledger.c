/*
 * The table of clients. Beside each record stands a row with the time the client was last seen, so that those seen longest
 * ago are found without looking at all; both change in one transaction, so there are as many of one as of the other.
 */
#include "queue/lmdb_store.h"

#define KIND_CLIENT 'c'
#define KIND_SEEN   's'

#define CLIENT_KEY_BYTES (1 + LEDGER_ADDRESS_SIZE)
#define SEEN_KEY_BYTES   (9 + LEDGER_ADDRESS_SIZE)
#define FORGET_STEP      2 /* rows over the limit that one merge takes away: more than it adds */
#define TREE_VERBS       2 /* the record and the row of last seen write about as much of the trees */

static size_t put_client_key(uint8_t *to, const char *address)
{
	size_t size = strnlen(address, LEDGER_ADDRESS_SIZE - 1);

	to[0] = KIND_CLIENT;
	memcpy(to + 1, address, size);
	return size + 1;
}

static size_t put_seen_key(uint8_t *to, uint64_t seen_unix_ms, const char *address)
{
	size_t size = strnlen(address, LEDGER_ADDRESS_SIZE - 1);

	to[0] = KIND_SEEN;
	put_be64(to + 1, seen_unix_ms);
	memcpy(to + 9, address, size);
	return size + 9;
}

/* The address that a key ends with. False: it is not of this kind, or damaged. */
static bool read_key(const MDB_val *key, uint8_t kind, size_t head, char *address)
{
	const uint8_t *bytes = key->mv_data;

	if (key->mv_size <= head || bytes[0] != kind || key->mv_size - head >= LEDGER_ADDRESS_SIZE)
		return false;
	memcpy(address, bytes + head, key->mv_size - head);
	address[key->mv_size - head] = '\0';
	return true;
}

/* ---- merging ---- */

/* What is known of the client so far; an empty record for a new one. LMDB's code or ENOMEM. */
static int find_client(
	struct store_batch *batch, const char *address, struct ledger_client **out, bool *is_known)
{
	uint8_t key_bytes[CLIENT_KEY_BYTES];
	MDB_val key = {put_client_key(key_bytes, address), key_bytes}, value;
	int rc = mdb_get(batch->txn, batch->store->tables[TABLE_LEDGER], &key, &value);
	int decoded = -EBADMSG;

	*is_known = rc == 0;
	if (rc == 0)
		decoded = ledger_decode(address, value.mv_data, value.mv_size, out);
	else if (rc != MDB_NOTFOUND)
		return rc;
	if (decoded == -EBADMSG)
		*out = ledger_client_new(address);
	return *out == NULL ? ENOMEM : 0;
}

static int del_seen(struct store_batch *batch, uint64_t seen_unix_ms, const char *address)
{
	uint8_t key_bytes[SEEN_KEY_BYTES];
	MDB_val key = {put_seen_key(key_bytes, seen_unix_ms, address), key_bytes};
	int rc = mdb_del(batch->txn, batch->store->tables[TABLE_LEDGER], &key, NULL);

	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int put_client(struct store_batch *batch, const struct ledger_client *client)
{
	const struct bytes *record = &batch->store->record;
	MDB_dbi table = batch->store->tables[TABLE_LEDGER];
	uint8_t key_bytes[SEEN_KEY_BYTES];
	MDB_val key = {put_client_key(key_bytes, client->address), key_bytes};
	MDB_val value = {record->size, record->data}, nothing = {0, ""};
	int rc = mdb_put(batch->txn, table, &key, &value, 0);

	if (rc != 0)
		return rc;
	key.mv_size = put_seen_key(key_bytes, client->last_unix_ms, client->address);
	return mdb_put(batch->txn, table, &key, &nothing, 0);
}

/* The client seen longest ago. LMDB's code; MDB_NOTFOUND: there is none. */
static int forget_one(struct store_batch *batch)
{
	MDB_dbi table = batch->store->tables[TABLE_LEDGER];
	uint8_t key_bytes[CLIENT_KEY_BYTES] = {KIND_SEEN};
	MDB_val key = {1, key_bytes}, value;
	char address[LEDGER_ADDRESS_SIZE];
	MDB_cursor *cursor;
	int rc = mdb_cursor_open(batch->txn, table, &cursor);

	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	if (rc == 0 && !read_key(&key, KIND_SEEN, 9, address))
		rc = MDB_NOTFOUND;
	if (rc == 0)
		rc = mdb_cursor_del(cursor, 0);
	mdb_cursor_close(cursor);
	if (rc != 0)
		return rc;
	key = (MDB_val){put_client_key(key_bytes, address), key_bytes};
	rc = mdb_del(batch->txn, table, &key, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int forget_some(struct store_batch *batch)
{
	MDB_stat stat;
	int rc = 0;

	for (unsigned step = 0; step < FORGET_STEP && rc == 0; step++) {
		rc = mdb_stat(batch->txn, batch->store->tables[TABLE_LEDGER], &stat);
		if (rc != 0 || stat.ms_entries / 2 <= LEDGER_CLIENTS_MAX)
			return rc;
		rc = forget_one(batch);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int store_merged(struct store_batch *batch, const struct ledger_client *change,
	struct ledger_client *client, bool is_known)
{
	uint64_t seen_before = client->last_unix_ms;
	int rc = 0;

	bytes_clear(&batch->store->record);
	if (!ledger_merge(client, change) || !ledger_encode(client, &batch->store->record))
		return -ENOMEM;
	if (!lmdb_take_pages(batch, batch->store->record.size))
		return -ENOSPC;
	batch->verbs += TREE_VERBS;
	batch->changed = true;
	if (is_known && seen_before != client->last_unix_ms)
		rc = del_seen(batch, seen_before, client->address);
	if (rc == 0)
		rc = put_client(batch, client);
	if (rc == 0)
		rc = forget_some(batch);
	return lmdb_spoil(batch, rc);
}

ssize_t store_merge_client(struct store_batch *batch, const struct ledger_client *change)
{
	struct ledger_client *client = NULL;
	bool is_known;
	int rc;

	if (batch->failed != 0)
		return batch->failed;
	if (change->address[0] == '\0')
		return -EINVAL;
	if (!batch->store->has[TABLE_LEDGER])
		return -ENOSPC;
	rc = find_client(batch, change->address, &client, &is_known);
	if (rc != 0)
		return lmdb_spoil(batch, rc);
	rc = store_merged(batch, change, client, is_known);
	ledger_client_close(&client);
	return rc < 0 ? rc : (ssize_t)batch->store->record.size;
}

/* ---- views ---- */

int lmdb_ledger_get(MDB_txn *txn, MDB_dbi ledger, const char *address, struct ledger_client **out)
{
	uint8_t key_bytes[CLIENT_KEY_BYTES];
	MDB_val key = {put_client_key(key_bytes, address), key_bytes}, value;
	int rc = lmdb_errno(mdb_get(txn, ledger, &key, &value));

	return rc < 0 ? rc : ledger_decode(address, value.mv_data, value.mv_size, out);
}

/* Behind `after`, which may be there or not. */
static int list_from(MDB_cursor *cursor, const char *after, struct ledger_client **out, size_t max,
	size_t *count)
{
	uint8_t key_bytes[CLIENT_KEY_BYTES];
	MDB_val key = {put_client_key(key_bytes, after), key_bytes}, value;
	char address[LEDGER_ADDRESS_SIZE];
	int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);

	while (rc == 0 && *count < max && read_key(&key, KIND_CLIENT, 1, address)) {
		int decoded = -EBADMSG;

		if (strcmp(address, after) != 0)
			decoded =
				ledger_decode(address, value.mv_data, value.mv_size, &out[*count]);
		if (decoded == 0)
			(*count)++;
		else if (decoded != -EBADMSG)
			return decoded;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? 0 : lmdb_errno(rc);
}

int lmdb_ledger_list(MDB_txn *txn, MDB_dbi ledger, const char *after, struct ledger_client **out,
	size_t max, size_t *count)
{
	MDB_cursor *cursor;
	int rc = lmdb_errno(mdb_cursor_open(txn, ledger, &cursor));

	*count = 0;
	if (rc == 0) {
		rc = list_from(cursor, after, out, max, count);
		mdb_cursor_close(cursor);
	}
	while (rc < 0 && *count > 0)
		ledger_client_close(&out[--*count]);
	return rc;
}
