/*
 * The environment: made, opened, checked.
 *
 * A new store is made in data_dir/new with its schema committed, then moved to its place: so data.mdb is either absent
 * or whole, a power cut at the first start leaves nothing that looks like a damaged store (F-4), and an empty or
 * shortened data.mdb is damage for certain.
 *
 * LMDB's last page may lie behind the end of an undamaged file: pages that a transaction took and gave back are never
 * written. So the file is made long enough before each commit (lmdb_env_grow), and a file shorter than its last page has
 * been cut.
 *
 * A delete writes pages before it frees any, and others may fill the disk up. So the file has the blocks of what is added
 * before it is written, and LMDB_RESERVE_BYTES more that nothing new may have. Where there are none to be had, because the
 * disk is full or the file system gives none in advance, the rest of the file's length is a hole.
 *
 * Flags: the default ones, every commit synced, plus MDB_NOTLS, as views are not bound to the thread that opened them.
 * Read-ahead stays on: a text's pages lie together and are read together.
 */
#include "queue/lmdb_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LATER_PAGES 32 /* what a commit that adds tables may write, and more */

static const char *const table_names[TABLE_COUNT] = {
	[TABLE_ENVELOPES] = "envelopes",
	[TABLE_TEXTS] = "texts",
	[TABLE_SCHEDULE] = "schedule",
	[TABLE_SHARED] = "shared",
	[TABLE_STATE] = "state",
	[TABLE_LEDGER] = "ledger",
	[TABLE_REGISTRY] = "registry",
	[TABLE_JOURNAL] = "journal",
	[TABLE_USAGE] = "usage",
};

int lmdb_errno(int rc)
{
	switch (rc) {
	case MDB_NOTFOUND:
		return -ENOENT;
	case MDB_KEYEXIST:
		return -EEXIST;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case EDQUOT:
	case EFBIG:
		return -ENOSPC;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
		return -EBADMSG;
	default:
		return rc >= 0 ? -rc : -EIO;
	}
}

static int refuse(const struct store *store, struct reason *reason, const char *what, int rc)
{
	return reason_set(reason, "%s: %s: %s", store->data_dir, what, mdb_strerror(rc));
}

static int sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

/* An environment with our settings, not yet opened. */
static int create_env(size_t map_bytes, MDB_env **out)
{
	MDB_env *env;
	int rc;

	rc = mdb_env_create(&env);
	if (rc != 0)
		return rc;
	rc = mdb_env_set_maxdbs(env, TABLE_COUNT);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(env, LMDB_READERS_MAX);
	if (rc == 0)
		rc = mdb_env_set_mapsize(env, map_bytes);
	if (rc == 0)
		*out = env;
	else
		mdb_env_close(env);
	return rc;
}

/* Those that every store has. */
static int open_tables(MDB_txn *txn, unsigned flags, MDB_dbi *tables)
{
	int table, rc = 0;

	for (table = 0; table < TABLE_LEDGER && rc == 0; table++)
		rc = mdb_dbi_open(txn, table_names[table], flags, &tables[table]);
	return rc;
}

/* The others, as far as they are there. */
static int open_later(MDB_txn *txn, unsigned flags, MDB_dbi *tables, bool *has)
{
	int rc = 0;

	for (int table = TABLE_LEDGER; table < TABLE_COUNT && rc == 0; table++) {
		rc = mdb_dbi_open(txn, table_names[table], flags, &tables[table]);
		has[table] = rc == 0;
		if (rc == MDB_NOTFOUND)
			rc = 0;
	}
	return rc;
}

static bool has_all(const struct store *store)
{
	for (int table = TABLE_LEDGER; table < TABLE_COUNT; table++)
		if (!store->has[table])
			return false;
	return true;
}

/* ---- making a store ---- */

static int fill_new_env(const char *path)
{
	MDB_dbi tables[TABLE_COUNT];
	bool has[TABLE_COUNT];
	MDB_env *env;
	MDB_txn *txn;
	int rc;

	rc = create_env(LMDB_MAP_MIN, &env);
	if (rc != 0)
		return rc;
	rc = mdb_env_open(env, path, MDB_NOTLS, 0600);
	if (rc == 0)
		rc = mdb_txn_begin(env, NULL, 0, &txn);
	if (rc == 0) {
		rc = open_tables(txn, MDB_CREATE, tables);
		if (rc == 0)
			rc = open_later(txn, MDB_CREATE, tables, has);
		if (rc == 0)
			rc = lmdb_state_create(txn, tables[TABLE_STATE]);
		if (rc == 0)
			rc = mdb_txn_commit(txn);
		else
			mdb_txn_abort(txn);
	}
	mdb_env_close(env);
	return rc;
}

static void remove_new(const char *path)
{
	char file[PATH_MAX + 16];

	snprintf(file, sizeof(file), "%s/data.mdb", path);
	unlink(file);
	snprintf(file, sizeof(file), "%s/lock.mdb", path);
	unlink(file);
	rmdir(path);
}

static int create_store(const struct store *store, struct reason *reason)
{
	char path[PATH_MAX], file[PATH_MAX + 16], data_path[PATH_MAX + 16];
	int rc;

	snprintf(path, sizeof(path), "%s/new", store->data_dir);
	snprintf(file, sizeof(file), "%s/data.mdb", path);
	snprintf(data_path, sizeof(data_path), "%s/data.mdb", store->data_dir);
	remove_new(path);
	if (mkdir(path, 0700) < 0)
		return refuse(store, reason, "making a store", errno);
	rc = fill_new_env(path);
	if (rc == 0 && (rename(file, data_path) < 0 || sync_dir(store->data_dir) < 0))
		rc = errno;
	remove_new(path);
	return rc == 0 ? 0 : refuse(store, reason, "making a store", rc);
}

/* ---- opening it ---- */

static int check_length(const struct store *store, uint64_t file_bytes, struct reason *reason)
{
	MDB_envinfo info;
	MDB_stat stat;
	uint64_t needed;
	int rc;

	rc = mdb_env_info(store->env, &info);
	if (rc == 0)
		rc = mdb_env_stat(store->env, &stat);
	if (rc != 0)
		return refuse(store, reason, "reading its size", rc);
	needed = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
	if (file_bytes < needed)
		return reason_set(reason,
			"%s: store damaged: data.mdb has %llu bytes and should have %llu; nothing "
			"was changed",
			store->data_dir, (unsigned long long)file_bytes,
			(unsigned long long)needed);
	return 0;
}

static int check_tables(struct store *store, struct reason *reason)
{
	MDB_txn *txn;
	int rc;

	rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return refuse(store, reason, "opening the store", rc);
	rc = mdb_dbi_open(txn, table_names[TABLE_STATE], 0, &store->tables[TABLE_STATE]);
	if (rc == 0 && lmdb_state_check(txn, store->tables[TABLE_STATE], reason) < 0) {
		mdb_txn_abort(txn);
		return -1;
	}
	if (rc == 0)
		rc = open_tables(txn, 0, store->tables);
	if (rc == 0)
		rc = open_later(txn, 0, store->tables, store->has);
	if (rc == 0)
		rc = mdb_txn_commit(txn); /* keeps the handles */
	else
		mdb_txn_abort(txn);
	return rc == 0 ? 0 : refuse(store, reason, "store damaged: its tables", rc);
}

/* A store that was made before there were some tables gets them. LMDB's code or ENOSPC. */
static int add_later(struct store *store)
{
	MDB_txn *txn;
	int rc;

	if (has_all(store) || store->read_only)
		return 0;
	if (lmdb_env_grow(store, LATER_PAGES, LATER_PAGES) < 0)
		return ENOSPC;
	rc = mdb_txn_begin(store->env, NULL, 0, &txn);
	if (rc != 0)
		return rc;
	rc = open_later(txn, MDB_CREATE, store->tables, store->has);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

/* Children must not inherit the store; of its descriptors LMDB leaves this one open to them. */
static int set_cloexec(MDB_env *env)
{
	int fd, rc = mdb_env_get_fd(env, &fd);

	if (rc != 0)
		return rc;
	return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? errno : 0;
}

static int open_env(struct store *store, uint64_t file_bytes, struct reason *reason)
{
	uint64_t map_bytes = store->max_bytes > file_bytes ? store->max_bytes : file_bytes;
	unsigned flags = MDB_NOTLS | (store->read_only ? MDB_RDONLY : 0);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int rc;

	map_bytes = (map_bytes + page - 1) / page * page;
	if (map_bytes < LMDB_MAP_MIN)
		map_bytes = LMDB_MAP_MIN;
	rc = create_env((size_t)map_bytes, &store->env);
	if (rc != 0)
		return refuse(store, reason, "opening the store", rc);
	rc = mdb_env_open(store->env, store->data_dir, flags, 0600);
	if (rc == 0)
		rc = set_cloexec(store->env);
	if (rc == MDB_INVALID || rc == MDB_VERSION_MISMATCH || rc == MDB_CORRUPTED)
		return refuse(store, reason, "store damaged: data.mdb", rc);
	if (rc != 0)
		return refuse(store, reason, "opening the store", rc);
	store->page_bytes = page;
	store->allocated_bytes = 0;
	store->map_pages = (size_t)map_bytes / page;
	return 0;
}

static int stat_file(const struct store *store, struct stat *file)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/data.mdb", store->data_dir);
	return stat(path, file);
}

static bool is_same_file(const struct store *store, const struct stat *file)
{
	return file->st_dev == store->file_dev && file->st_ino == store->file_ino;
}

/* The first time: data.mdb as it is found or made. */
static int find_file(struct store *store, struct stat *file, struct reason *reason)
{
	int rc = stat_file(store, file);

	if (rc < 0 && (errno != ENOENT || store->read_only))
		return refuse(store, reason, "data.mdb", errno);
	if (rc < 0) {
		if (create_store(store, reason) < 0)
			return -1;
		if (stat_file(store, file) < 0)
			return refuse(store, reason, "data.mdb", errno);
	} else if (!store->read_only && sync_dir(store->data_dir) < 0) {
		/* whoever put it there may have been killed before the directory was synced */
		return refuse(store, reason, "syncing the directory", errno);
	}
	store->file_dev = file->st_dev;
	store->file_ino = file->st_ino;
	return 0;
}

/* Later: a store that somebody deleted or exchanged is not made anew, and another one is not ours: we hold no lock on it. */
static int find_file_again(const struct store *store, struct stat *file, struct reason *reason)
{
	if (stat_file(store, file) < 0)
		return refuse(store, reason, "data.mdb", errno);
	if (!is_same_file(store, file))
		return reason_set(reason,
			"%s: data.mdb is another file than the one opened at the start",
			store->data_dir);
	return 0;
}

bool lmdb_env_in_place(const struct store *store)
{
	struct stat file;

	if (stat_file(store, &file) == 0)
		return is_same_file(store, &file);
	/* other errors are the disk's, and the commit will meet them */
	return errno != ENOENT && errno != ENOTDIR && errno != EACCES;
}

static int open_checked(struct store *store, struct reason *reason)
{
	struct stat file;
	int rc = store->file_ino == 0 ? find_file(store, &file, reason)
				      : find_file_again(store, &file, reason);

	if (rc < 0)
		return -1;
	if (file.st_size == 0)
		return reason_set(reason,
			"%s: store damaged: data.mdb is empty; nothing was changed",
			store->data_dir);
	if (open_env(store, (uint64_t)file.st_size, reason) < 0 ||
		check_length(store, (uint64_t)file.st_size, reason) < 0)
		return -1;
	return check_tables(store, reason);
}

/*
 * Older versions do not look at these tables, so that the schema is the same. What cannot be added (no room, a disk in trouble)
 * is not there until the next time: mail comes first. The commit that failed may have left the environment of no use, and its
 * pages came before its meta page, so that the store is opened anew, with the tables or without.
 */
static int make_current(struct store *store, struct reason *reason)
{
	if (add_later(store) == 0)
		return 0;
	lmdb_env_close(store);
	store->must_write = true;
	return open_checked(store, reason);
}

int lmdb_env_open(struct store *store, struct reason *reason)
{
	int dead;

	if (open_checked(store, reason) < 0 || make_current(store, reason) < 0 ||
		lmdb_state_load(store, reason) < 0) {
		lmdb_env_close(store);
		return -1;
	}
	if (!store->read_only)
		mdb_reader_check(store->env, &dead); /* a backup that was killed */
	return 0;
}

void lmdb_env_close(struct store *store)
{
	if (store->env != NULL)
		mdb_env_close(store->env);
	store->env = NULL;
}

size_t lmdb_used_pages(const struct store *store, MDB_txn *txn)
{
	MDB_stat stat;
	/* The two meta pages, the root of the tables' names, and what a reader pins. */
	size_t pages = 3 + store->pinned.pages;
	int table;

	for (table = 0; table < TABLE_COUNT; table++)
		if ((table < TABLE_LEDGER || store->has[table]) &&
			mdb_stat(txn, store->tables[table], &stat) == 0)
			pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
	if (mdb_stat(txn, 0, &stat) == 0) /* the list of free pages */
		pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
	return pages;
}

static uint64_t round_up(uint64_t bytes, uint64_t most)
{
	bytes = (bytes + LMDB_GROWTH_BYTES - 1) / LMDB_GROWTH_BYTES * LMDB_GROWTH_BYTES;
	return bytes < most ? bytes : most;
}

/* No room, by whatever limit; or the disk has trouble, which is healed or not. */
static int growth_error(int error)
{
	return lmdb_errno(error) == -ENOSPC ? -ENOSPC : -EIO;
}

/* Blocks for the file's pages up to there. -EOPNOTSUPP: this file system gives none in advance. */
static int allocate(struct store *store, int fd, uint64_t to)
{
	int rc;

	do
		rc = fallocate(
			fd, 0, (off_t)store->allocated_bytes, (off_t)(to - store->allocated_bytes));
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return errno == EOPNOTSUPP || errno == ENOSYS ? -EOPNOTSUPP : growth_error(errno);
	store->allocated_bytes = to;
	return 0;
}

static int make_long_enough(int fd, uint64_t needed, uint64_t most)
{
	struct stat file;
	int rc;

	if (fstat(fd, &file) < 0)
		return -errno;
	if (needed > most)
		needed = most;
	if (needed <= (uint64_t)file.st_size)
		return 0;
	do
		rc = ftruncate(fd, (off_t)round_up(needed, most));
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? growth_error(errno) : 0;
}

int lmdb_env_grow(struct store *store, size_t pages, size_t added_pages)
{
	uint64_t last, wanted, most = (uint64_t)store->map_pages * store->page_bytes;
	MDB_envinfo info;
	int fd, rc;

	rc = mdb_env_info(store->env, &info);
	if (rc == 0)
		rc = mdb_env_get_fd(store->env, &fd);
	if (rc != 0)
		return lmdb_errno(rc);
	last = ((uint64_t)info.me_last_pgno + 1) * store->page_bytes;
	wanted = last + added_pages * store->page_bytes + LMDB_RESERVE_BYTES;
	if (wanted > store->allocated_bytes && store->allocated_bytes < most) {
		rc = allocate(store, fd, round_up(wanted, most));
		if (rc == -EIO || (rc == -ENOSPC && added_pages > 0))
			return rc;
	}
	return make_long_enough(fd, last + pages * store->page_bytes, most);
}
