/* Both names of a call stand here, with and without 64; the headers must not turn the one into the other. */
#undef _FILE_OFFSET_BITS

#include "tests/faults/faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define STORE_FILE "data.mdb"

static struct faults own;
static struct faults *control = &own;

__attribute__((constructor)) static void map_control(void)
{
	const char *path = getenv("FAULTS_CONTROL");
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *mapped;

	if (path == NULL)
		return;
	mapped = fd < 0 ? MAP_FAILED
			: mmap(NULL, sizeof(own), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED) {
		perror("FAULTS_CONTROL");
		abort();
	}
	close(fd);
	control = mapped;
}

struct faults *faults_control(void)
{
	return control;
}

static bool is_store(int fd)
{
	char link[64], path[4096];
	ssize_t size;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	size = readlink(link, path, sizeof(path) - 1);
	if (size < 0)
		return false;
	path[size] = '\0';
	return strstr(path, STORE_FILE) != NULL;
}

/* How this call fails, or 0. Relaxed: the test sets and reads between the calls. */
static uint32_t fault_now(void)
{
	uint32_t first = atomic_load_explicit(&control->first, memory_order_relaxed);
	uint32_t number = atomic_fetch_add_explicit(&control->seen, 1, memory_order_relaxed) + 1;
	uint32_t kind = atomic_load_explicit(&control->kind, memory_order_relaxed);

	if (first == 0 || number < first ||
		number - first >= atomic_load_explicit(&control->count, memory_order_relaxed))
		return 0;
	atomic_fetch_add_explicit(&control->hit, 1, memory_order_relaxed);
	return kind == FAULT_LATE_EIO && number > first ? FAULT_EIO : kind;
}

static void *next(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (found == NULL)
		abort();
	return found;
}

/* What a call that carries no length gives back for a fault; `late` did it all the same. */
static int fail(uint32_t kind)
{
	errno = kind == FAULT_ENOSPC ? ENOSPC : kind == FAULT_EINTR ? EINTR : EIO;
	return -1;
}

typedef ssize_t pwrite_fn(int, const void *, size_t, off_t);
typedef ssize_t write_fn(int, const void *, size_t);
typedef ssize_t writev_fn(int, const struct iovec *, int);
typedef int sync_fn(int);
typedef int msync_fn(void *, size_t, int);
typedef int fallocate_fn(int, int, off_t, off_t);
typedef int truncate_fn(int, off_t);

ssize_t pwrite(int fd, const void *from, size_t size, off_t at)
{
	pwrite_fn *real = (pwrite_fn *)next("pwrite");
	uint32_t kind = is_store(fd) ? fault_now() : 0;

	if (kind == 0)
		return real(fd, from, size, at);
	if (kind == FAULT_SHORT)
		return real(fd, from, size / 2, at);
	if (kind == FAULT_LATE_EIO)
		real(fd, from, size, at);
	return fail(kind);
}

ssize_t write(int fd, const void *from, size_t size)
{
	write_fn *real = (write_fn *)next("write");
	uint32_t kind = is_store(fd) ? fault_now() : 0;

	if (kind == 0)
		return real(fd, from, size);
	if (kind == FAULT_SHORT)
		return real(fd, from, size / 2);
	if (kind == FAULT_LATE_EIO)
		real(fd, from, size);
	return fail(kind);
}

ssize_t writev(int fd, const struct iovec *from, int count)
{
	writev_fn *real = (writev_fn *)next("writev");
	uint32_t kind = is_store(fd) ? fault_now() : 0;

	if (kind == 0)
		return real(fd, from, count);
	if (kind == FAULT_SHORT)
		return count > 1
			       ? real(fd, from, count / 2)
			       : ((write_fn *)next("write"))(fd, from->iov_base, from->iov_len / 2);
	if (kind == FAULT_LATE_EIO)
		real(fd, from, count);
	return fail(kind);
}

static int sync_or_fail(const char *name, int fd)
{
	sync_fn *real = (sync_fn *)next(name);
	uint32_t kind = is_store(fd) ? fault_now() : 0;

	if (kind == 0 || kind == FAULT_SHORT)
		return real(fd);
	if (kind == FAULT_LATE_EIO)
		real(fd);
	return fail(kind);
}

int fdatasync(int fd)
{
	return sync_or_fail("fdatasync", fd);
}

int fsync(int fd)
{
	return sync_or_fail("fsync", fd);
}

int msync(void *from, size_t size, int flags)
{
	msync_fn *real = (msync_fn *)next("msync");
	uint32_t kind = fault_now();

	if (kind == 0 || kind == FAULT_SHORT)
		return real(from, size, flags);
	if (kind == FAULT_LATE_EIO)
		real(from, size, flags);
	return fail(kind);
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
	fallocate_fn *real = (fallocate_fn *)next("fallocate");
	uint32_t kind = is_store(fd) ? fault_now() : 0;

	if (kind == 0 || kind == FAULT_SHORT)
		return real(fd, mode, at, size);
	if (kind == FAULT_LATE_EIO)
		real(fd, mode, at, size);
	return fail(kind);
}

/* Tells the error by its value. */
int posix_fallocate(int fd, off_t at, off_t size)
{
	uint32_t kind = is_store(fd) ? fault_now() : 0;
	int rc = kind == 0 || kind == FAULT_SHORT || kind == FAULT_LATE_EIO
			 ? ((int (*)(int, off_t, off_t))next("posix_fallocate"))(fd, at, size)
			 : 0;

	if (kind == 0 || kind == FAULT_SHORT)
		return rc;
	fail(kind);
	return errno;
}

int ftruncate(int fd, off_t size)
{
	truncate_fn *real = (truncate_fn *)next("ftruncate");
	uint32_t kind = is_store(fd) ? fault_now() : 0;

	if (kind == 0 || kind == FAULT_SHORT)
		return real(fd, size);
	if (kind == FAULT_LATE_EIO)
		real(fd, size);
	return fail(kind);
}

int statvfs(const char *path, struct statvfs *out)
{
	uint64_t disk = atomic_load_explicit(&control->disk_bytes, memory_order_relaxed);
	uint64_t left = atomic_load_explicit(&control->free_bytes, memory_order_relaxed);
	int rc = ((int (*)(const char *, struct statvfs *))next("statvfs"))(path, out);

	if (rc == 0 && disk != 0) {
		out->f_blocks = disk / out->f_frsize;
		out->f_bfree = out->f_bavail = left / out->f_frsize;
	}
	return rc;
}

ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at)
	__attribute__((alias("pwrite")));
int fallocate64(int fd, int mode, off64_t at, off64_t size) __attribute__((alias("fallocate")));
int posix_fallocate64(int fd, off64_t at, off64_t size) __attribute__((alias("posix_fallocate")));
int ftruncate64(int fd, off64_t size) __attribute__((alias("ftruncate")));
int statvfs64(const char *path, struct statvfs64 *out) __attribute__((alias("statvfs")));
