/*
 * The registry's tables: records by kind and name, and the journal by number. The journal's numbers have no gaps, and its last
 * line came with the last change: by its number a request knows whether it is stored (writer_apply.c).
 */
#include "queue/lmdb_store.h"

#include <stdlib.h>

#define KEY_NAME_BYTES REGISTRY_NAME_SIZE /* kind (1) and the name without its NUL */
#define REVISION_BYTES 4
#define TRIM_STEP      2 /* lines that one change takes away beyond JOURNAL_MAX: more than it adds */
#define CHANGE_PAGES   4 /* a leaf of each table, and what their trees may get */

static size_t put_name_key(uint8_t *to, enum registry_kind kind, const char *name)
{
	size_t size = strnlen(name, REGISTRY_NAME_SIZE - 1);

	to[0] = (uint8_t)kind;
	memcpy(to + 1, name, size);
	return size + 1;
}

/* ---- changing ---- */

static bool fits(const struct registry_change *change)
{
	struct registry_entry entry;

	return change->kind >= REGISTRY_GRANT && change->kind <= UINT8_MAX &&
	       registry_entry_from(0, change, &entry) == 0;
}

/* 0, the refusal, or what spoiled the batch. */
static int check_change(struct store_batch *batch, const struct registry_change *change)
{
	uint8_t key_bytes[KEY_NAME_BYTES];
	MDB_val key = {put_name_key(key_bytes, change->kind, change->name), key_bytes}, value;
	int rc = mdb_get(batch->txn, batch->store->tables[TABLE_REGISTRY], &key, &value);

	if (rc == MDB_NOTFOUND)
		return change->revision == 0 && change->record != NULL ? 0 : -ENOENT;
	if (rc != 0)
		return lmdb_spoil(batch, rc);
	if (change->revision == 0)
		return change->record == NULL ? -ESTALE : -EEXIST;
	if (value.mv_size < REVISION_BYTES || get_be32(value.mv_data) != change->revision)
		return -ESTALE;
	return 0;
}

static int put_record(struct store_batch *batch, const struct registry_change *change)
{
	MDB_dbi table = batch->store->tables[TABLE_REGISTRY];
	struct bytes *bytes = &batch->store->record;
	uint8_t key_bytes[KEY_NAME_BYTES], revision[REVISION_BYTES];
	MDB_val key = {put_name_key(key_bytes, change->kind, change->name), key_bytes}, value;

	if (change->record == NULL)
		return mdb_del(batch->txn, table, &key, NULL);
	put_be32(revision, change->revision + 1);
	bytes_clear(bytes);
	if (!bytes_append(bytes, revision, sizeof(revision)) ||
		!bytes_append(bytes, change->record, change->size))
		return ENOMEM;
	value = (MDB_val){bytes->size, bytes->data};
	return mdb_put(batch->txn, table, &key, &value, 0);
}

/* LMDB's code. */
static int last_number(MDB_txn *txn, MDB_dbi journal, uint64_t *number)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(txn, journal, &cursor);

	*number = 0;
	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	if (rc == 0)
		*number = get_be64(key.mv_data);
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int put_entry(
	struct store_batch *batch, const struct registry_change *change, uint64_t number)
{
	struct bytes *bytes = &batch->store->record;
	struct registry_entry entry;
	uint8_t key_bytes[KEY_ID_BYTES];
	MDB_val key = {sizeof(key_bytes), key_bytes}, value;

	registry_entry_from(number, change, &entry); /* it fits: that was looked at */
	bytes_clear(bytes);
	if (!registry_entry_encode(&entry, bytes))
		return ENOMEM;
	put_be64(key_bytes, number);
	value = (MDB_val){bytes->size, bytes->data};
	return mdb_put(batch->txn, batch->store->tables[TABLE_JOURNAL], &key, &value, MDB_APPEND);
}

static int trim_journal(struct store_batch *batch)
{
	MDB_dbi journal = batch->store->tables[TABLE_JOURNAL];
	MDB_cursor *cursor;
	MDB_val key, value;
	MDB_stat stat;
	int rc = mdb_stat(batch->txn, journal, &stat);

	if (rc != 0 || stat.ms_entries <= JOURNAL_MAX)
		return rc;
	rc = mdb_cursor_open(batch->txn, journal, &cursor);
	if (rc != 0)
		return rc;
	for (size_t step = 0; step < TRIM_STEP && rc == 0 && stat.ms_entries - step > JOURNAL_MAX;
		step++) {
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
		if (rc == 0)
			rc = mdb_cursor_del(cursor, 0);
	}
	mdb_cursor_close(cursor);
	return rc;
}

/* LMDB's code, or the refusal of a name that is in the list twice. */
static int put_changes(struct store_batch *batch, const struct registry_change *change,
	uint64_t *number, const struct registry_change **at)
{
	int rc = last_number(batch->txn, batch->store->tables[TABLE_JOURNAL], number);

	for (; rc == 0 && change != NULL; change = change->next) {
		*at = change;
		rc = check_change(batch, change);
		if (rc < 0)
			return rc;
		batch->taken_pages += change->size / LMDB_PAGE_BYTES + CHANGE_PAGES;
		rc = put_record(batch, change);
		if (rc == 0)
			rc = put_entry(batch, change, ++*number);
		if (rc == 0)
			rc = trim_journal(batch);
	}
	return lmdb_errno(rc);
}

/* Before anything is written, so that a refusal leaves no trace. */
static int check_changes(struct store_batch *batch, const struct registry_change *change,
	const struct registry_change **refused)
{
	size_t count = 0;
	int rc = 0;

	for (; change != NULL && rc == 0; change = change->next) {
		*refused = change;
		rc = ++count > REGISTRY_CHANGES_MAX || !fits(change) ? -EINVAL
								     : check_change(batch, change);
	}
	return rc;
}

int store_register(struct store_batch *batch, const struct registry_change *changes,
	uint64_t *number, const struct registry_change **refused)
{
	const struct registry_change *at = NULL;
	int rc;

	*refused = NULL;
	if (batch->failed != 0)
		return batch->failed;
	if (!batch->store->has[TABLE_REGISTRY] || !batch->store->has[TABLE_JOURNAL])
		return -ENOSPC;
	rc = check_changes(batch, changes, &at);
	if (rc == 0) {
		batch->changed = true;
		batch->verbs++;
		rc = put_changes(batch, changes, number, &at);
		if (rc < 0 && batch->failed == 0)
			batch->failed = rc;
	}
	if (rc < 0)
		*refused = at;
	return rc;
}

/* ---- views ---- */

static int read_item(
	const char *name, size_t name_size, const MDB_val *value, struct registry_item *out)
{
	size_t size;

	if (value->mv_size < REVISION_BYTES || name_size >= sizeof(out->name))
		return -EBADMSG;
	size = value->mv_size - REVISION_BYTES;
	out->record = malloc(size + 1);
	if (out->record == NULL)
		return -ENOMEM;
	memcpy(out->record, (const uint8_t *)value->mv_data + REVISION_BYTES, size);
	out->size = size;
	out->revision = get_be32(value->mv_data);
	memcpy(out->name, name, name_size);
	out->name[name_size] = '\0';
	return 0;
}

int lmdb_registry_get(MDB_txn *txn, MDB_dbi registry, enum registry_kind kind, const char *name,
	struct registry_item *out)
{
	uint8_t key_bytes[KEY_NAME_BYTES];
	MDB_val key = {put_name_key(key_bytes, kind, name), key_bytes}, value;
	int rc;

	if (strlen(name) >= REGISTRY_NAME_SIZE)
		return -ENOENT;
	rc = lmdb_errno(mdb_get(txn, registry, &key, &value));
	return rc < 0 ? rc : read_item(name, strlen(name), &value, out);
}

/* Behind `after`, which may be there or not. */
static int list_from(MDB_cursor *cursor, enum registry_kind kind, const char *after,
	struct registry_item *out, size_t max, size_t *count)
{
	uint8_t key_bytes[KEY_NAME_BYTES];
	MDB_val first = {put_name_key(key_bytes, kind, after), key_bytes}, key = first, value;
	int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);

	while (rc == 0 && *count < max && *(const uint8_t *)key.mv_data == (uint8_t)kind) {
		bool is_after = key.mv_size != first.mv_size ||
				memcmp(key.mv_data, first.mv_data, first.mv_size) != 0;
		int read = -EBADMSG;

		if (is_after)
			read = read_item((const char *)key.mv_data + 1, key.mv_size - 1, &value,
				&out[*count]);
		if (read == 0)
			(*count)++;
		else if (read != -EBADMSG)
			return read;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? 0 : lmdb_errno(rc);
}

int lmdb_registry_list(MDB_txn *txn, MDB_dbi registry, enum registry_kind kind, const char *after,
	struct registry_item *out, size_t max, size_t *count)
{
	MDB_cursor *cursor;
	int rc = lmdb_errno(mdb_cursor_open(txn, registry, &cursor));

	*count = 0;
	if (rc == 0) {
		rc = list_from(cursor, kind, after, out, max, count);
		mdb_cursor_close(cursor);
	}
	while (rc < 0 && *count > 0)
		registry_item_fini(&out[--*count]);
	return rc;
}

static bool is_wanted(const struct registry_entry *entry, enum registry_kind kind, const char *name)
{
	return (kind == 0 || entry->kind == kind) &&
	       (name == NULL || strcmp(entry->name, name) == 0);
}

/* To the last line before the number. */
static int seek_before(MDB_cursor *cursor, uint64_t before, MDB_val *key, MDB_val *value)
{
	uint8_t key_bytes[KEY_ID_BYTES];
	int rc;

	put_be64(key_bytes, before);
	*key = (MDB_val){sizeof(key_bytes), key_bytes};
	rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
	return mdb_cursor_get(cursor, key, value, rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
}

static int read_journal(MDB_cursor *cursor, const struct lmdb_journal_query *query,
	struct registry_entry *out, size_t max, size_t *count)
{
	MDB_val key, value;
	int rc = seek_before(cursor, query->before, &key, &value);

	while (rc == 0 && *count < max) {
		if (key.mv_size == KEY_ID_BYTES &&
			registry_entry_decode(get_be64(key.mv_data), value.mv_data, value.mv_size,
				&out[*count]) == 0 &&
			is_wanted(&out[*count], query->kind, query->name))
			(*count)++;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_PREV);
	}
	return rc == MDB_NOTFOUND ? 0 : lmdb_errno(rc);
}

int lmdb_registry_journal(MDB_txn *txn, MDB_dbi journal, const struct lmdb_journal_query *query,
	struct registry_entry *out, size_t max, size_t *count)
{
	MDB_cursor *cursor;
	int rc = lmdb_errno(mdb_cursor_open(txn, journal, &cursor));

	*count = 0;
	if (rc == 0) {
		rc = read_journal(cursor, query, out, max, count);
		mdb_cursor_close(cursor);
	}
	return rc;
}

int lmdb_registry_last_number(MDB_txn *txn, MDB_dbi journal, uint64_t *number)
{
	return lmdb_errno(last_number(txn, journal, number));
}
