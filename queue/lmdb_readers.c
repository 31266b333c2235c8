/*
 * What readers keep from being used again. Pages that a commit freed stay as they are while a reader may still look at
 * them. Our views look for one call; a backup (mdb_copy) looks for as long as it takes, and what is freed meanwhile must
 * be counted as used, or the map would be full without a warning, and then not even a delete succeeds.
 *
 * LMDB tells its readers only as text, and keeps each commit's freed pages in a record (the commit's number → how many,
 * and which). Those behind a reader are not changed while it looks, so they are added up once.
 */
#include "queue/lmdb_store.h"

#include <inttypes.h>
#include <stdio.h>

#define SHORT_READ 16 /* commits; a reader that is less behind is a view in its call */

/* One line a reader: "PID THREAD TXNID", or "-" for one that does not look now; the first line is a title. */
static int take_reader(const char *line, void *oldest)
{
	uint64_t *least = oldest, txnid;

	if (sscanf(line, "%*d %*x %" SCNu64, &txnid) == 1 && txnid < *least)
		*least = txnid;
	return 0;
}

/* Adds up the records from `from` on. */
static int count_freed(MDB_txn *txn, uint64_t from, uint64_t *seen_to, size_t *pages)
{
	size_t txnid = (size_t)from, count;
	MDB_val key = {sizeof(txnid), &txnid}, value;
	MDB_cursor *cursor;
	int rc;

	rc = mdb_cursor_open(txn, 0, &cursor);
	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (rc == 0) {
		memcpy(&txnid, key.mv_data, sizeof(txnid));
		memcpy(&count, value.mv_data, sizeof(count));
		*seen_to = txnid;
		*pages += count;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

void lmdb_count_pinned(struct store *store)
{
	struct lmdb_pinned *pinned = &store->pinned;
	uint64_t oldest = UINT64_MAX;
	MDB_envinfo info;
	MDB_txn *txn;

	if (mdb_env_info(store->env, &info) != 0 ||
		mdb_reader_list(store->env, take_reader, &oldest) < 0)
		return;
	if (oldest == UINT64_MAX || oldest + SHORT_READ > info.me_last_txnid) {
		*pinned = (struct lmdb_pinned){0};
		return;
	}
	if (pinned->oldest != oldest)
		*pinned = (struct lmdb_pinned){.oldest = oldest, .seen_to = oldest - 1};
	if (mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn) != 0)
		return;
	count_freed(txn, pinned->seen_to + 1, &pinned->seen_to, &pinned->pages);
	mdb_txn_abort(txn);
}
