#include "queue/lmdb_store.h"

#include <stdlib.h>

/* Into the store: the gate shared, and a fresh look at what is committed. */
static int enter(struct store_view *view)
{
	struct store *store = view->store;
	int rc;

	pthread_rwlock_rdlock(&store->gate);
	if (store->env == NULL) {
		pthread_rwlock_unlock(&store->gate);
		return -EIO;
	}
	if (view->txn == NULL)
		rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &view->txn);
	else
		rc = mdb_txn_renew(view->txn);
	if (rc != 0)
		pthread_rwlock_unlock(&store->gate);
	return lmdb_errno(rc);
}

static void leave(struct store_view *view)
{
	mdb_txn_reset(view->txn);
	pthread_rwlock_unlock(&view->store->gate);
}

static MDB_dbi table(const struct store_view *view, enum lmdb_table table_number)
{
	return view->store->tables[table_number];
}

int store_view_open(struct store *store, struct store_view **out)
{
	struct store_view *view = calloc(1, sizeof(*view));

	if (view == NULL)
		return -ENOMEM;
	view->store = store;
	pthread_rwlock_wrlock(&store->gate);
	LIST_INSERT_HEAD(&store->views, view, entry);
	pthread_rwlock_unlock(&store->gate);
	*out = view;
	return 0;
}

void store_view_close(struct store_view **view)
{
	struct store_view *old = view != NULL ? *view : NULL;

	if (old == NULL)
		return;
	pthread_rwlock_wrlock(&old->store->gate);
	if (old->txn != NULL)
		mdb_txn_abort(old->txn);
	LIST_REMOVE(old, entry);
	pthread_rwlock_unlock(&old->store->gate);
	free(old);
	*view = NULL;
}

int store_view_get(struct store_view *view, uint64_t id, struct envelope **out)
{
	uint8_t key_bytes[KEY_ID_BYTES];
	MDB_val key = {sizeof(key_bytes), key_bytes}, value;
	int rc = enter(view);

	if (rc < 0)
		return rc;
	put_be64(key_bytes, id);
	rc = lmdb_errno(mdb_get(view->txn, table(view, TABLE_ENVELOPES), &key, &value));
	if (rc == 0)
		rc = envelope_decode(id, value.mv_data, value.mv_size, out);
	leave(view);
	return rc;
}

ssize_t store_view_piece(struct store_view *view, uint64_t body_id, uint32_t sequence, void *to)
{
	ssize_t size;
	int rc = enter(view);

	if (rc < 0)
		return rc;
	size = lmdb_text_get(view->txn, table(view, TABLE_TEXTS), body_id, sequence, to);
	leave(view);
	return size;
}

/* From the first id greater than `after`. A damaged record is passed over, so that it does not hide those behind it. */
static ssize_t list_from(
	MDB_cursor *cursor, uint64_t after, struct envelope **out, size_t max, size_t *count)
{
	uint8_t key_bytes[KEY_ID_BYTES];
	MDB_val key = {sizeof(key_bytes), key_bytes}, value;
	int rc, decoded;

	put_be64(key_bytes, after + 1);
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (rc == 0 && *count < max) {
		decoded = key.mv_size != KEY_ID_BYTES
				  ? -EBADMSG
				  : envelope_decode(get_be64(key.mv_data), value.mv_data,
					    value.mv_size, &out[*count]);
		if (decoded == 0)
			(*count)++;
		else if (decoded != -EBADMSG)
			return decoded;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? 0 : lmdb_errno(rc);
}

ssize_t store_view_list(struct store_view *view, uint64_t after, struct envelope **out, size_t max)
{
	MDB_cursor *cursor;
	size_t count = 0;
	ssize_t rc;

	if (after == UINT64_MAX)
		return 0;
	rc = enter(view);
	if (rc < 0)
		return rc;
	rc = lmdb_errno(mdb_cursor_open(view->txn, table(view, TABLE_ENVELOPES), &cursor));
	if (rc == 0) {
		rc = list_from(cursor, after, out, max, &count);
		mdb_cursor_close(cursor);
	}
	leave(view);
	if (rc == 0)
		return (ssize_t)count;
	while (count > 0)
		envelope_close(&out[--count]);
	return rc;
}

/* ---- ledger ---- */

static bool has(const struct store_view *view, enum lmdb_table table_number)
{
	return view->store->has[table_number];
}

int store_view_client(struct store_view *view, const char *address, struct ledger_client **out)
{
	int rc = enter(view);

	if (rc < 0)
		return rc;
	rc = has(view, TABLE_LEDGER)
		     ? lmdb_ledger_get(view->txn, table(view, TABLE_LEDGER), address, out)
		     : -ENOENT;
	leave(view);
	return rc;
}

ssize_t store_view_clients(
	struct store_view *view, const char *after, struct ledger_client **out, size_t max)
{
	size_t count = 0;
	int rc = enter(view);

	if (rc < 0)
		return rc;
	if (has(view, TABLE_LEDGER))
		rc = lmdb_ledger_list(
			view->txn, table(view, TABLE_LEDGER), after, out, max, &count);
	leave(view);
	return rc < 0 ? rc : (ssize_t)count;
}

/* ---- registry ---- */

int store_view_registered(struct store_view *view, enum registry_kind kind, const char *name,
	struct registry_item *out)
{
	int rc = enter(view);

	if (rc < 0)
		return rc;
	rc = has(view, TABLE_REGISTRY)
		     ? lmdb_registry_get(view->txn, table(view, TABLE_REGISTRY), kind, name, out)
		     : -ENOENT;
	leave(view);
	return rc;
}

ssize_t store_view_registry(struct store_view *view, enum registry_kind kind, const char *after,
	struct registry_item *out, size_t max)
{
	size_t count = 0;
	int rc = enter(view);

	if (rc < 0)
		return rc;
	if (has(view, TABLE_REGISTRY))
		rc = lmdb_registry_list(
			view->txn, table(view, TABLE_REGISTRY), kind, after, out, max, &count);
	leave(view);
	return rc < 0 ? rc : (ssize_t)count;
}

ssize_t store_view_journal(struct store_view *view, enum registry_kind kind, const char *name,
	uint64_t before, struct registry_entry *out, size_t max)
{
	const struct lmdb_journal_query query = {.kind = kind, .name = name, .before = before};
	size_t count = 0;
	int rc = enter(view);

	if (rc < 0)
		return rc;
	if (has(view, TABLE_JOURNAL))
		rc = lmdb_registry_journal(
			view->txn, table(view, TABLE_JOURNAL), &query, out, max, &count);
	leave(view);
	return rc < 0 ? rc : (ssize_t)count;
}

int store_view_journal_end(struct store_view *view, uint64_t *number)
{
	int rc = enter(view);

	*number = 0;
	if (rc < 0)
		return rc;
	if (has(view, TABLE_JOURNAL))
		rc = lmdb_registry_last_number(view->txn, table(view, TABLE_JOURNAL), number);
	leave(view);
	return rc;
}

/* ---- usage ---- */

int store_view_usage(
	struct store_view *view, enum usage_kind kind, const char *name, struct usage **out)
{
	int rc = enter(view);

	if (rc < 0)
		return rc;
	rc = has(view, TABLE_USAGE)
		     ? lmdb_usage_get(view->txn, table(view, TABLE_USAGE), kind, name, out)
		     : -ENOENT;
	leave(view);
	return rc;
}

ssize_t store_view_usages(struct store_view *view, enum usage_kind kind, const char *after,
	struct usage **out, size_t max)
{
	size_t count = 0;
	int rc = enter(view);

	if (rc < 0)
		return rc;
	if (has(view, TABLE_USAGE))
		rc = lmdb_usage_list(
			view->txn, table(view, TABLE_USAGE), kind, after, out, max, &count);
	leave(view);
	return rc < 0 ? rc : (ssize_t)count;
}

/* ---- schedule ---- */

#define BUCKET_KEY_BYTES 7 /* upstream, lane, bucket */

static ssize_t due_from(MDB_cursor *cursor, const struct schedule_row *start, uint64_t now_unix_ms,
	struct store_due *out, size_t max, uint64_t *next_due)
{
	uint8_t first[KEY_SCHEDULE_BYTES];
	MDB_val key = {sizeof(first), first}, value;
	const uint8_t *at;
	size_t count = 0;
	struct store_due row;
	int rc;

	*next_due = UINT64_MAX;
	put_schedule_key(first, start);
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	if (rc == 0 && key.mv_size == sizeof(first) &&
		memcmp(key.mv_data, first, sizeof(first)) == 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT); /* `after` itself */
	while (rc == 0 && key.mv_size == sizeof(first) &&
		memcmp(key.mv_data, first, BUCKET_KEY_BYTES) == 0) {
		at = key.mv_data;
		row = (struct store_due){get_be64(at + 7), get_be64(at + 15)};
		if (row.due_unix_ms > now_unix_ms || count == max) {
			*next_due = row.due_unix_ms;
			break;
		}
		out[count++] = row;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return rc == 0 || rc == MDB_NOTFOUND ? (ssize_t)count : lmdb_errno(rc);
}

ssize_t store_view_due(struct store_view *view, uint16_t upstream, enum lane lane, uint32_t bucket,
	struct store_due after, uint64_t now_unix_ms, struct store_due *out, size_t max,
	uint64_t *next_due)
{
	struct schedule_row start = {upstream, lane, bucket, after.due_unix_ms, after.id};
	MDB_cursor *cursor;
	ssize_t count = enter(view);

	if (count < 0)
		return count;
	count = lmdb_errno(mdb_cursor_open(view->txn, table(view, TABLE_SCHEDULE), &cursor));
	if (count == 0) {
		count = due_from(cursor, &start, now_unix_ms, out, max, next_due);
		mdb_cursor_close(cursor);
	}
	leave(view);
	return count;
}

static int bucket_from(
	MDB_cursor *cursor, const struct schedule_row *start, uint32_t *bucket, uint64_t *first_due)
{
	uint8_t first[KEY_SCHEDULE_BYTES];
	MDB_val key = {sizeof(first), first}, value;
	const uint8_t *at;
	int rc;

	put_schedule_key(first, start);
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	if (rc != 0)
		return lmdb_errno(rc);
	at = key.mv_data;
	if (key.mv_size != sizeof(first) || memcmp(at, first, 3) != 0) /* upstream and lane */
		return -ENOENT;
	*bucket = get_be32(at + 3);
	*first_due = get_be64(at + 7);
	return 0;
}

int store_view_bucket(struct store_view *view, uint16_t upstream, enum lane lane, int64_t after,
	uint32_t *bucket, uint64_t *first_due)
{
	struct schedule_row start = {.upstream = upstream, .lane = lane};
	MDB_cursor *cursor;
	int rc;

	if (after >= UINT32_MAX)
		return -ENOENT;
	start.bucket = after < 0 ? 0 : (uint32_t)after + 1;
	rc = enter(view);
	if (rc < 0)
		return rc;
	rc = lmdb_errno(mdb_cursor_open(view->txn, table(view, TABLE_SCHEDULE), &cursor));
	if (rc == 0) {
		rc = bucket_from(cursor, &start, bucket, first_due);
		mdb_cursor_close(cursor);
	}
	leave(view);
	return rc;
}

/* ---- counts ---- */

int store_view_counts(struct store_view *view, struct store_counts *out)
{
	struct lmdb_totals totals;
	int rc = enter(view);

	if (rc < 0)
		return rc;
	rc = lmdb_errno(lmdb_state_get_totals(view->txn, table(view, TABLE_STATE), &totals));
	leave(view);
	if (rc == 0)
		*out = totals.counts;
	return rc;
}

int store_view_upstream_counts(
	struct store_view *view, uint16_t upstream, struct store_upstream_counts *out)
{
	int rc = enter(view);

	if (rc < 0)
		return rc;
	rc = lmdb_errno(lmdb_state_get_rows(view->txn, table(view, TABLE_STATE), upstream, out));
	leave(view);
	return rc;
}

uint64_t store_view_oldest(struct store_view *view)
{
	struct envelope *envelope = NULL;
	uint64_t received;

	if (store_view_list(view, 0, &envelope, 1) != 1 || envelope == NULL)
		return 0;
	received = envelope->received_unix_ms;
	envelope_close(&envelope);
	return received;
}
