#include "smtp/auth_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"

#define REST_MS        1000
#define BAD_LINES_TOLD 10

struct auth_file {
	char *path;
	const struct clock *clock;
	struct auth_accounts *accounts;
	struct stat seen; /* of the file that was read, or that could not be */
};

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Written to not long ago: there may be more to come. */
static bool is_fresh(const struct auth_file *file, const struct stat *now)
{
	uint64_t changed_ms =
		(uint64_t)now->st_mtim.tv_sec * 1000 + (uint64_t)now->st_mtim.tv_nsec / 1000000;
	uint64_t now_ms = clock_unix_ms(file->clock);

	return changed_ms <= now_ms && now_ms - changed_ms < REST_MS;
}

struct bad_lines {
	const char *path;
	size_t count;
};

static void tell_bad_line(void *context, size_t line, const char *wrong)
{
	struct bad_lines *lines = context;
	struct log_quoted path;

	if (lines->count++ < BAD_LINES_TOLD)
		log_event(LOG_WARNING, "users_line_left_out", "file=\"%s\" line=%zu why=\"%s\"",
			log_text(&path, lines->path), line, wrong);
}

/* The whole of it, as long as `size`. 0 or -1. */
static int read_whole(int fd, char *text, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t got = read(fd, text + have, size - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		have += (size_t)got;
	}
	return 0;
}

enum taken { TAKEN, NOT_YET, REFUSED };

/* From an open file. */
static enum taken take_text(
	struct auth_file *file, int fd, const struct stat *before, struct reason *reason)
{
	struct bad_lines lines = {.path = file->path};
	size_t size = (size_t)before->st_size;
	struct auth_accounts *accounts;
	struct stat after;
	char *text;

	if (!S_ISREG(before->st_mode) || size > AUTH_FILE_BYTES_MAX) {
		reason_set(reason, "%s: expected a file of at most %u MB", file->path,
			AUTH_FILE_BYTES_MAX >> 20);
		return REFUSED;
	}
	text = malloc(size + 1);
	if (text == NULL) {
		reason_set(reason, "%s: out of memory", file->path);
		return REFUSED;
	}
	if (read_whole(fd, text, size) < 0 || fstat(fd, &after) < 0 || !is_same(before, &after)) {
		reason_set(reason, "%s: it changes while it is read", file->path);
		free(text);
		return NOT_YET;
	}
	accounts = auth_accounts_parse(text, size, tell_bad_line, &lines, reason);
	explicit_bzero(text, size);
	free(text);
	if (accounts == NULL)
		return REFUSED;
	auth_accounts_close(&file->accounts);
	file->accounts = accounts;
	log_event(lines.count > 0 ? LOG_WARNING : LOG_INFO, "users_read",
		"file=\"%s\" accounts=%zu bad_lines=%zu", file->path, auth_accounts_count(accounts),
		lines.count);
	return TAKEN;
}

static enum taken take(struct auth_file *file, struct stat *now, struct reason *reason)
{
	int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	enum taken taken = REFUSED;

	if (fd < 0 || fstat(fd, now) < 0)
		reason_set(reason, "%s cannot be read: %s", file->path, strerror(errno));
	else
		taken = take_text(file, fd, now, reason);
	if (fd >= 0)
		close(fd);
	return taken;
}

/* At the start only: without a file there is nobody yet. */
static enum taken take_nothing(struct auth_file *file, struct reason *reason)
{
	struct bad_lines lines = {.path = file->path};

	file->accounts = auth_accounts_parse("", 0, tell_bad_line, &lines, reason);
	if (file->accounts == NULL)
		return REFUSED;
	file->seen = (struct stat){0};
	log_event(LOG_WARNING, "users_missing", "file=\"%s\" hint=\"sluice user add makes it\"",
		file->path);
	return TAKEN;
}

int auth_file_open(
	struct auth_file **out, const char *path, const struct clock *clock, struct reason *reason)
{
	struct auth_file *file = calloc(1, sizeof(*file));
	enum taken taken;

	*out = NULL;
	if (file == NULL || (file->path = strdup(path)) == NULL) {
		free(file);
		return reason_set(reason, "out of memory");
	}
	file->clock = clock;
	if (access(path, F_OK) < 0 && errno == ENOENT)
		taken = take_nothing(file, reason);
	else
		taken = take(file, &file->seen, reason);
	if (taken != TAKEN) {
		auth_file_close(&file);
		return -1;
	}
	*out = file;
	return 0;
}

void auth_file_close(struct auth_file **file)
{
	if (file == NULL || *file == NULL)
		return;
	auth_accounts_close(&(*file)->accounts);
	free((*file)->path);
	free(*file);
	*file = NULL;
}

bool auth_file_look(struct auth_file *file)
{
	struct reason reason = {.text = ""};
	struct stat now = {0};
	enum taken taken;

	/* a file that is gone has no inode: told once, as any other change */
	if (stat(file->path, &now) < 0)
		now = (struct stat){0};
	if (is_same(&now, &file->seen) || is_fresh(file, &now))
		return false;
	taken = take(file, &now, &reason);
	if (taken == NOT_YET)
		return false;
	file->seen = now;
	if (taken == REFUSED)
		log_event(LOG_ERROR, "users_not_read",
			"why=\"%s\" hint=\"the accounts stay as they were\"", reason.text);
	return taken == TAKEN;
}

const struct auth_accounts *auth_file_accounts(const struct auth_file *file)
{
	return file->accounts;
}
