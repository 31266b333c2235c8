#include "admin/users_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define NEW_MODE     0640 /* the owner writes, the relay's group reads */
#define LOCK_STEP_MS 50

/* Says why, and gives the code that fits errno. */
static int fail(struct reason *reason, const char *path, const char *what)
{
	int code = EX_IOERR;

	if (errno == EACCES || errno == EPERM || errno == EROFS)
		code = EX_NOPERM;
	else if (errno == ENOENT || errno == ENOTDIR)
		code = EX_NOINPUT;
	reason_set(reason, "%s %s: %s", path, what, strerror(errno));
	return code;
}

static int fail_memory(struct reason *reason)
{
	reason_set(reason, "out of memory");
	return EX_OSERR;
}

/* ---- reading ---- */

static int read_text(struct users_file *file, int fd, struct reason *reason)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return fail(reason, file->path, "cannot be read");
	if (!S_ISREG(status.st_mode) || status.st_size > USERS_FILE_BYTES_MAX) {
		reason_set(reason, "%s: expected a file of at most %u MB", file->path,
			USERS_FILE_BYTES_MAX >> 20);
		return EX_DATAERR;
	}
	file->exists = true;
	file->mode = status.st_mode & NEW_MODE;
	file->owner = status.st_uid;
	file->group = status.st_gid;
	for (;;) {
		ssize_t got;

		if (!bytes_reserve(&file->text, 65536))
			return fail_memory(reason);
		got = read(fd, file->text.data + file->text.size, 65536);
		if (got < 0)
			return fail(reason, file->path, "cannot be read");
		if (got == 0)
			return 0;
		file->text.size += (size_t)got;
	}
}

/* What a symbolic link leads to is what is changed; a file that is not there yet is named as it is. */
static int resolve(struct users_file *file, const char *path, struct reason *reason)
{
	file->path = realpath(path, NULL);
	if (file->path == NULL && errno == ENOENT)
		file->path = strdup(path);
	return file->path != NULL ? 0 : fail(reason, path, "cannot be found");
}

static int load(struct users_file *file, bool may_be_missing, struct reason *reason)
{
	int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int code;

	if (fd < 0 && errno == ENOENT && may_be_missing)
		return 0;
	if (fd < 0)
		return fail(reason, file->path, "cannot be read");
	code = read_text(file, fd, reason);
	close(fd);
	return code;
}

static void begin(struct users_file *file)
{
	*file = (struct users_file){
		.lock_fd = -1, .mode = NEW_MODE, .owner = (uid_t)-1, .group = (gid_t)-1};
}

int users_file_read(struct users_file *file, const char *path, struct reason *reason)
{
	int code;

	begin(file);
	code = resolve(file, path, reason);
	return code != 0 ? code : load(file, false, reason);
}

/* ---- the lock ---- */

static int open_folder(const char *path, struct reason *reason, int *fd)
{
	char *copy = strdup(path);

	if (copy == NULL)
		return fail_memory(reason);
	*fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	return *fd >= 0 ? 0 : fail(reason, path, "is in a folder that cannot be opened");
}

static int lock(struct users_file *file, struct reason *reason)
{
	int code = open_folder(file->path, reason, &file->lock_fd);

	for (int waited_ms = 0; code == 0; waited_ms += LOCK_STEP_MS) {
		if (flock(file->lock_fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail(reason, file->path, "cannot be locked");
		if (waited_ms >= USERS_FILE_WAIT_MS) {
			reason_set(
				reason, "%s: somebody else is changing it; try again", file->path);
			return EX_TEMPFAIL;
		}
		usleep(LOCK_STEP_MS * 1000);
	}
	return code;
}

int users_file_open(struct users_file *file, const char *path, struct reason *reason)
{
	int code;

	begin(file);
	code = resolve(file, path, reason);
	if (code == 0)
		code = lock(file, reason);
	return code != 0 ? code : load(file, true, reason);
}

void users_file_close(struct users_file *file)
{
	if (file->lock_fd >= 0)
		close(file->lock_fd);
	if (file->text.size > 0)
		explicit_bzero(file->text.data, file->text.size);
	bytes_fini(&file->text);
	free(file->path);
	begin(file);
}

/* ---- lines ---- */

bool users_file_next(const struct users_file *file, size_t *at, struct users_line *out)
{
	const char *text = (const char *)file->text.data, *end;

	if (*at >= file->text.size)
		return false;
	out->at = *at;
	out->text = text + *at;
	end = memchr(out->text, '\n', file->text.size - *at);
	out->size = end != NULL ? (size_t)(end - out->text) : file->text.size - *at;
	*at += out->size + (end != NULL);
	return true;
}

static bool is_of(const struct users_line *line, const char *name)
{
	size_t size = strlen(name);

	return line->size > size && memcmp(line->text, name, size) == 0 && line->text[size] == ':';
}

static bool find(const struct users_file *file, const char *name, struct users_line *out)
{
	size_t at = 0;

	while (users_file_next(file, &at, out))
		if (is_of(out, name))
			return true;
	return false;
}

bool users_file_has(const struct users_file *file, const char *name)
{
	struct users_line line;

	return find(file, name, &line);
}

/* Puts `with` in the place of `size` bytes; the rest of the text moves. */
static bool replace(struct users_file *file, size_t at, size_t size, const char *with)
{
	struct bytes new = {0};
	const uint8_t *old = file->text.data;
	bool made = bytes_append(&new, old, at) && bytes_append_text(&new, with) &&
		    bytes_append(&new, old + at + size, file->text.size - at - size);

	if (!made) {
		bytes_fini(&new);
		return false;
	}
	if (file->text.size > 0)
		explicit_bzero(file->text.data, file->text.size);
	bytes_fini(&file->text);
	file->text = new;
	return true;
}

int users_file_put(struct users_file *file, const char *name, const char *hash)
{
	char text[ACCOUNT_NAME_SIZE + ACCOUNT_HASH_SIZE + 4];
	size_t size = file->text.size;
	struct users_line line;
	bool done;

	if (find(file, name, &line)) {
		snprintf(text, sizeof(text), "%s:%s", name, hash);
		done = replace(file, line.at, line.size, text);
	} else {
		bool open_end = size > 0 && file->text.data[size - 1] != '\n';

		snprintf(text, sizeof(text), "%s%s:%s\n", open_end ? "\n" : "", name, hash);
		done = bytes_append_text(&file->text, text);
	}
	return done ? 0 : EX_OSERR;
}

size_t users_file_remove(struct users_file *file, const char *name)
{
	struct users_line line;
	size_t count = 0;

	for (; find(file, name, &line); count++) {
		size_t end = line.at + line.size;

		end += end < file->text.size;
		memmove(file->text.data + line.at, file->text.data + end, file->text.size - end);
		file->text.size -= end - line.at;
	}
	return count;
}

/* ---- writing ---- */

static int write_all(int fd, const struct bytes *text)
{
	size_t done = 0;

	while (done < text->size) {
		ssize_t put = write(fd, text->data + done, text->size - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		done += (size_t)put;
	}
	return 0;
}

/* The owner and group that the old one has: without them the relay might not be able to read the new one. */
static int keep_owner(const struct users_file *file, int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -1;
	if ((file->owner == (uid_t)-1 || status.st_uid == file->owner) &&
		(file->group == (gid_t)-1 || status.st_gid == file->group))
		return 0;
	return fchown(fd, file->owner, file->group);
}

static int write_new(const struct users_file *file, const char *path, struct reason *reason)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int code = 0;

	if (fd < 0)
		return fail(reason, path, "cannot be made");
	if (keep_owner(file, fd) < 0)
		code = fail(reason, path, "cannot be given the old file's owner and group");
	else if (fchmod(fd, file->mode) < 0 || write_all(fd, &file->text) < 0 || fsync(fd) < 0)
		code = fail(reason, path, "cannot be written");
	if (close(fd) < 0 && code == 0)
		code = fail(reason, path, "cannot be written");
	return code;
}

int users_file_save(struct users_file *file, struct reason *reason)
{
	char *new_path;
	int code;

	if (asprintf(&new_path, "%s.new", file->path) < 0)
		return fail_memory(reason);
	unlink(new_path); /* of one that was interrupted: the lock is ours */
	code = write_new(file, new_path, reason);
	if (code == 0 && rename(new_path, file->path) < 0)
		code = fail(reason, file->path, "cannot be replaced");
	if (code != 0)
		unlink(new_path);
	else if (fsync(file->lock_fd) < 0)
		code = fail(reason, file->path, "was replaced, but its folder cannot be flushed");
	free(new_path);
	return code;
}
