/*
 * Opening, closing and opening again. The lock on data_dir is a lock of the open file (OFD): it ends with the process,
 * whatever ends it, and belongs to no thread. LMDB alone would let a second daemon in.
 */
#include "queue/lmdb_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int sync_above(const char *path)
{
	char above[PATH_MAX];
	char *slash;
	int fd, rc;

	snprintf(above, sizeof(above), "%s", path);
	for (slash = above + strlen(above); slash > above + 1 && slash[-1] == '/'; slash--)
		slash[-1] = '\0';
	slash = strrchr(above, '/');
	if (slash == NULL)
		strcpy(above, ".");
	else
		slash[slash == above ? 1 : 0] = '\0';
	fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

/*
 * Made when missing; the directory above is synced, so that a power cut does not take it with the mail. Also when it is
 * there: the start that made it may have been killed before the sync. Then it may be somebody else's, and need not work.
 */
static int make_dir(const char *path)
{
	bool is_made = mkdir(path, 0700) == 0;
	int rc;

	if (!is_made && errno != EEXIST)
		return -1;
	rc = sync_above(path);
	return is_made ? rc : 0;
}

static int refuse_locked(const char *data_dir, int fd, struct reason *reason)
{
	char pid[32] = "";
	ssize_t size = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[size > 0 ? strspn(pid, "0123456789") : 0] = '\0';
	close(fd);
	return reason_set(reason, "%s: in use by another Sluice, process %s", data_dir,
		pid[0] != '\0' ? pid : "unknown");
}

static int take_lock(struct store *store, struct reason *reason)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[PATH_MAX + 16], pid[32];
	int fd, size;

	snprintf(path, sizeof(path), "%s/lock", store->data_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return reason_set(reason, "%s: %s", path, strerror(errno));
	if (fcntl(fd, F_OFD_SETLK, &whole) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return refuse_locked(store->data_dir, fd, reason);
		reason_set(reason, "%s: cannot be locked: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	/* Who has it is for people: on a full disk the lock holds without the number. */
	size = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)size, 0) < 0)
		errno = 0;
	store->lock_fd = fd;
	return 0;
}

int store_check_free(const char *data_dir, struct reason *reason)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[PATH_MAX + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/lock", data_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	if (fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK)
		return refuse_locked(data_dir, fd, reason);
	close(fd);
	return 0;
}

static int init_gate(struct store *store)
{
	pthread_rwlockattr_t attributes;
	int rc;

	pthread_rwlockattr_init(&attributes);
	/* A swap must not wait for ever behind views that come and go. */
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	rc = pthread_rwlock_init(&store->gate, &attributes);
	pthread_rwlockattr_destroy(&attributes);
	return rc;
}

static struct store *new_store(const struct store_options *options)
{
	struct store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return NULL;
	store->lock_fd = -1;
	store->read_only = options->read_only;
	store->max_bytes = options->max_bytes;
	store->batch.store = store;
	LIST_INIT(&store->views);
	store->data_dir = strdup(options->data_dir);
	store->upstreams = calloc(UPSTREAM_MAX, sizeof(*store->upstreams));
	if (store->data_dir == NULL || store->upstreams == NULL || init_gate(store) != 0) {
		free(store->upstreams);
		free(store->data_dir);
		free(store);
		return NULL;
	}
	return store;
}

int store_open(const struct store_options *options, struct store **out, struct reason *reason)
{
	struct store *store;

	if (strlen(options->data_dir) >= PATH_MAX - 16)
		return reason_set(reason, "data_dir: the path is too long");
	store = new_store(options);
	if (store == NULL)
		return reason_set(reason, "%s: out of memory", options->data_dir);
	if (!store->read_only) {
		if (make_dir(store->data_dir) < 0) {
			reason_set(
				reason, "%s: cannot be made: %s", store->data_dir, strerror(errno));
			store_close(&store);
			return -1;
		}
		if (take_lock(store, reason) < 0) {
			store_close(&store);
			return -1;
		}
	}
	if (lmdb_env_open(store, reason) < 0) {
		store_close(&store);
		return -1;
	}
	*out = store;
	return 0;
}

void store_close(struct store **store)
{
	struct store *old = store != NULL ? *store : NULL;
	size_t i;

	if (old == NULL)
		return;
	lmdb_env_close(old);
	if (old->lock_fd >= 0)
		close(old->lock_fd);
	for (i = 0; i < UPSTREAM_MAX; i++)
		free(old->names[i]);
	pthread_rwlock_destroy(&old->gate);
	bytes_fini(&old->record);
	free(old->rows);
	free(old->upstreams);
	free(old->data_dir);
	free(old);
	*store = NULL;
}

int store_reopen(struct store *store, struct reason *reason)
{
	struct store_view *view;
	int rc;

	if (store->batch.txn != NULL)
		return reason_set(reason, "%s: a batch is open", store->data_dir);
	/* LMDB forbids two environments of one file in a process: all views leave before the old one is closed. */
	pthread_rwlock_wrlock(&store->gate);
	LIST_FOREACH (view, &store->views, entry) {
		if (view->txn != NULL)
			mdb_txn_abort(view->txn);
		view->txn = NULL;
	}
	lmdb_env_close(store);
	store->pinned = (struct lmdb_pinned){0};
	rc = lmdb_env_open(store, reason);
	pthread_rwlock_unlock(&store->gate);
	store->must_reopen = rc < 0;
	store->must_write = true;
	return rc;
}
