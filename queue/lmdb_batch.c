/*
 * A batch's begin and end, and how full the store is. A batch is one LMDB transaction; the first error of LMDB's in it
 * spoils it (LMDB cannot undo one verb alone), and from then on every verb and the commit return that error, and nothing
 * is stored.
 *
 * New mail stops while some pages are still free (RESERVE_*): a delete needs pages too, and a store that is full to the
 * last one could never be emptied again.
 */
#include "queue/lmdb_store.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#define RESERVE_SHARE     64 /* of the map, within these bounds */
#define RESERVE_PAGES_MIN 64
#define RESERVE_PAGES_MAX 4096

#define TREE_PAGES   16 /* what one verb may write of the trees beside its values, about */
#define READER_CHECK 256 /* batches between two looks for readers that died */

int lmdb_spoil(struct store_batch *batch, int rc)
{
	int error = lmdb_errno(rc);

	if (error < 0 && batch->failed == 0)
		batch->failed = error;
	return error;
}

int store_begin(struct store *store, struct store_batch **out)
{
	struct store_batch *batch = &store->batch;
	int rc, dead;

	if (batch->txn != NULL)
		return -EBUSY;
	if (store->read_only)
		return -EROFS;
	if (store->env == NULL || store->must_reopen)
		return -EIO;
	/* A backup that was killed would pin pages for ever. */
	if (store->begun++ % READER_CHECK == 0)
		mdb_reader_check(store->env, &dead);
	lmdb_count_pinned(store);
	rc = mdb_txn_begin(store->env, NULL, 0, &batch->txn);
	if (rc != 0) {
		batch->txn = NULL;
		return lmdb_errno(rc);
	}
	store->used_pages = lmdb_used_pages(store, batch->txn);
	batch->free_pages =
		store->map_pages > store->used_pages ? store->map_pages - store->used_pages : 0;
	if (!lmdb_env_in_place(store))
		batch->free_pages = 0; /* deleted under us: new mail would be lost with it */
	batch->failed = 0;
	batch->taken_pages = batch->added_pages = batch->verbs = batch->freed_bytes = 0;
	batch->changed = false;
	batch->totals = store->totals;
	*out = batch;
	return 0;
}

int store_spoiled(const struct store_batch *batch)
{
	return batch->failed;
}

bool lmdb_take_pages(struct store_batch *batch, size_t bytes)
{
	size_t reserve = batch->store->map_pages / RESERVE_SHARE;
	size_t pages = bytes / LMDB_PAGE_BYTES + 2;

	if (reserve < RESERVE_PAGES_MIN)
		reserve = RESERVE_PAGES_MIN;
	if (reserve > RESERVE_PAGES_MAX)
		reserve = RESERVE_PAGES_MAX;
	if (batch->taken_pages + pages + reserve > batch->free_pages)
		return false;
	batch->taken_pages += pages;
	batch->added_pages += pages;
	batch->verbs++;
	return true;
}

/* ---- the end of a batch ---- */

/* More than a commit takes behind the file's last page: values, trees, and the list of the pages it frees. */
static size_t pages_at_most(const struct store_batch *batch)
{
	return batch->taken_pages + TREE_PAGES * (batch->verbs + 4) +
	       batch->freed_bytes / LMDB_PAGE_BYTES / 128;
}

/*
 * Is it known that a failed commit stored nothing? The meta page is written last, and LMDB refuses every further
 * transaction when that write failed. One that can still be begun tells that it was not reached. EIO counts as unknown
 * all the same: the disk is ill, and is to be tried before anything is answered.
 */
static bool is_known_absent(struct store *store, int rc)
{
	MDB_txn *txn;

	if (lmdb_errno(rc) != -ENOSPC && lmdb_errno(rc) != -ENOMEM)
		return false;
	if (mdb_txn_begin(store->env, NULL, 0, &txn) != 0)
		return false;
	mdb_txn_abort(txn);
	return true;
}

int store_commit(struct store_batch **out)
{
	struct store_batch *batch = *out;
	struct store *store = batch->store;
	int rc;

	if (batch->failed == 0)
		lmdb_spoil(batch, lmdb_state_save(batch));
	if (batch->failed == 0)
		batch->failed = lmdb_env_grow(store, pages_at_most(batch), batch->added_pages);
	if (batch->failed != 0) {
		rc = batch->failed;
		store_abort(out);
		return rc;
	}
	store->used_pages = lmdb_used_pages(store, batch->txn);
	rc = mdb_txn_commit(batch->txn);
	batch->txn = NULL;
	*out = NULL;
	if (rc == 0) {
		lmdb_state_committed(batch);
		store->must_write = false;
		return 0;
	}
	lmdb_state_aborted(batch);
	if (is_known_absent(store, rc))
		return lmdb_errno(rc);
	store->must_reopen = true;
	return -EIO;
}

void store_abort(struct store_batch **batch)
{
	struct store_batch *old = batch != NULL ? *batch : NULL;

	if (old == NULL)
		return;
	mdb_txn_abort(old->txn);
	old->txn = NULL;
	if (old->failed == -EIO)
		old->store->must_reopen = true;
	lmdb_state_aborted(old);
	*batch = NULL;
}

static uint64_t last_key_id(MDB_txn *txn, MDB_dbi dbi)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	uint64_t id = 0;

	if (mdb_cursor_open(txn, dbi, &cursor) != 0)
		return 0;
	if (mdb_cursor_get(cursor, &key, &value, MDB_LAST) == 0)
		id = get_be64(key.mv_data);
	mdb_cursor_close(cursor);
	return id;
}

uint64_t store_last_id(struct store *store)
{
	uint64_t last = store->totals.last_id, id;
	MDB_txn *txn;

	if (store->env == NULL || mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn) != 0)
		return last;
	id = last_key_id(txn, store->tables[TABLE_ENVELOPES]);
	last = id > last ? id : last;
	id = last_key_id(txn, store->tables[TABLE_TEXTS]);
	last = id > last ? id : last;
	mdb_txn_abort(txn);
	return last;
}

static unsigned permille(uint64_t part, uint64_t whole)
{
	return whole == 0 || part >= whole ? 1000 : (unsigned)(part * 1000 / whole);
}

/*
 * What the data file has of the disk, and the store does not use now and keeps for no reserve: it will be written again
 * before the file grows.
 */
static uint64_t reusable_bytes(const struct store *store, uint64_t used_bytes)
{
	struct stat file;
	uint64_t allocated;
	int fd;

	if (store->env == NULL || mdb_env_get_fd(store->env, &fd) != 0 || fstat(fd, &file) < 0)
		return 0;
	allocated = (uint64_t)file.st_blocks * 512;
	used_bytes += LMDB_RESERVE_BYTES;
	return allocated > used_bytes ? allocated - used_bytes : 0;
}

int store_fill(struct store *store, struct store_fill *out)
{
	struct statvfs disk;
	uint64_t disk_bytes;

	out->is_gone = !lmdb_env_in_place(store);
	if (statvfs(store->data_dir, &disk) < 0 && fstatvfs(store->lock_fd, &disk) < 0)
		return -errno;
	disk_bytes = (uint64_t)disk.f_blocks * disk.f_frsize;
	out->pinned_bytes = (uint64_t)store->pinned.pages * store->page_bytes;
	out->used_bytes = (uint64_t)store->used_pages * store->page_bytes;
	out->max_bytes = (uint64_t)store->map_pages * store->page_bytes;
	out->disk_free_bytes =
		(uint64_t)disk.f_bavail * disk.f_frsize + reusable_bytes(store, out->used_bytes);
	if (out->disk_free_bytes > disk_bytes)
		out->disk_free_bytes = disk_bytes;
	out->map_permille = permille(store->used_pages, store->map_pages);
	out->disk_permille = permille(disk_bytes - out->disk_free_bytes, disk_bytes);
	return 0;
}
