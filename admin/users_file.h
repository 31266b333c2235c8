/*
 * users_file.h: changes the file of accounts (core/account.h says what a line is), while the relay runs or not.
 *
 * 1. users_file_open takes a lock on the file's folder, so that two changes never meet, and reads the file.
 * 2. Lines are put, replaced and removed in memory; every other line stays as it is, byte by byte.
 * 3. users_file_save writes a new file beside it, flushes it, gives it the old one's place, and flushes the folder: whoever
 *    reads sees the old file or the new one, also after a power cut.
 *
 * Threads: one. Owner: users_file_close frees, and gives the lock back.
 * Errors: a code of sysexits(3) and a reason that says what to do.
 * Limits: USERS_FILE_BYTES_MAX; a lock is waited for USERS_FILE_WAIT_MS.
 */
#ifndef SLUICE_ADMIN_USERS_FILE_H
#define SLUICE_ADMIN_USERS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/account.h"
#include "core/bytes.h"
#include "core/reason.h"

#define USERS_FILE_BYTES_MAX (64u << 20)
#define USERS_FILE_WAIT_MS   5000

struct users_file {
	char *path; /* without symbolic links */
	struct bytes text;
	int lock_fd; /* the folder's; -1: only read */
	bool exists;
	mode_t mode; /* the old file's, as the next two */
	uid_t owner;
	gid_t group; /* of a file that is new too; (gid_t)-1: whatever it gets */
};

/* To look at only. */
int users_file_read(struct users_file *file, const char *path, struct reason *reason);
/* To change it; it may be missing. Also after an error users_file_close is right. */
int users_file_open(struct users_file *file, const char *path, struct reason *reason);
void users_file_close(struct users_file *file);

/* Lines one after the other; *at begins as 0, *number as 0 and is then the line's. False: no more. */
struct users_line {
	const char *text;
	size_t size; /* without its end */
	size_t at; /* where it begins */
};
bool users_file_next(const struct users_file *file, size_t *at, struct users_line *out);

bool users_file_has(const struct users_file *file, const char *name);
/* Adds the account, or replaces its first line. 0 or EX_OSERR without memory. */
int users_file_put(struct users_file *file, const char *name, const char *hash);
/* All lines of the name; how many there were. */
size_t users_file_remove(struct users_file *file, const char *name);

int users_file_save(struct users_file *file, struct reason *reason);

#endif
