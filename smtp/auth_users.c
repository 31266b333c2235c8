/*
 * The backend of the users file: who is in it (auth_file), and whether the password is right (auth_pool). A name that is not in it, or
 * is locked, is hashed against another one's hash, so that it takes as long.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "smtp/auth_backend.h"
#include "smtp/auth_file.h"
#include "smtp/auth_pool.h"

#define LOOK_MS 1000

struct users;

struct slot {
	struct auth_job job;
	struct users *users;
	struct auth_question *question; /* NULL: free */
	bool counts; /* false: whatever the hash says, it is wrong */
};

struct users {
	struct auth_backend backend; /* first */
	struct auth_file *file;
	struct loop_timer look;
	bool changed; /* the file; nobody was told yet */
	struct auth_pool *pool;
	const struct auth_host *host;
	char *path;
	struct slot *slots; /* two a thread: none waits for the desk */
	size_t slot_count, used;
};

static struct users *users_of(struct auth_backend *backend)
{
	return (struct users *)(void *)backend;
}

static bool has_room(const struct auth_backend *backend)
{
	const struct users *users = (const struct users *)(const void *)backend;

	return users->used < users->slot_count;
}

static void take_back(struct letter *letter, void *desk)
{
	struct auth_job *job = LETTER_OF(letter, struct auth_job, letter);
	struct slot *slot = (struct slot *)(void *)job;
	struct auth_question *question = slot->question;
	bool right = job->right && slot->counts;

	(void)desk;
	slot->question = NULL;
	slot->users->used--;
	question->answered(question, right ? AUTH_VERDICT_RIGHT : AUTH_VERDICT_WRONG);
}

static void ask(struct auth_backend *backend, struct auth_question *question)
{
	struct users *users = users_of(backend);
	const struct auth_accounts *accounts = auth_file_accounts(users->file);
	const char *hash = auth_accounts_hash(accounts, question->account);
	const char *dummy = auth_accounts_dummy(accounts, question->account);
	struct slot *slot = users->slots;

	while (slot->question != NULL)
		slot++;
	users->used++;
	slot->users = users;
	slot->question = question;
	slot->counts = hash != NULL;
	slot->job.letter.read = take_back;
	slot->job.password = question->password;
	snprintf(slot->job.hash, sizeof(slot->job.hash), "%s", hash != NULL ? hash : dummy);
	auth_pool_ask(users->pool, &slot->job);
}

/* By the clock, not when somebody logs in: who edits the file hears of a bad line at once. */
static void look(void *owner)
{
	struct users *users = owner;

	users->changed = auth_file_look(users->file) || users->changed;
	loop_timer_set(users->host->loop, &users->look, loop_now_ms(users->host->loop) + LOOK_MS);
}

static bool refresh(struct auth_backend *backend)
{
	struct users *users = users_of(backend);
	bool changed = users->changed;

	users->changed = false;
	return changed;
}

static void configure(struct auth_backend *backend, const struct config *config)
{
	struct users *users = users_of(backend);
	struct auth_file *file;
	struct reason reason;
	char *path;

	if (strcmp(users->path, config->auth_users) == 0)
		return;
	path = strdup(config->auth_users);
	if (path == NULL ||
		auth_file_open(&file, config->auth_users, users->host->clock, &reason) < 0) {
		log_event(LOG_ERROR, "users_not_read",
			"why=\"%s\" hint=\"the accounts stay as they were\"",
			path != NULL ? reason.text : "out of memory");
		free(path);
		return;
	}
	auth_file_close(&users->file);
	free(users->path);
	users->file = file;
	users->path = path;
}

static void close_users(struct auth_backend *backend)
{
	struct users *users = users_of(backend);

	loop_timer_clear(users->host->loop, &users->look);
	auth_pool_close(&users->pool);
	auth_file_close(&users->file);
	free(users->slots);
	free(users->path);
	free(users);
}

static const struct auth_backend_kind kind = {
	.name = "users",
	.has_room = has_room,
	.ask = ask,
	.refresh = refresh,
	.configure = configure,
	.close = close_users,
};

struct auth_backend *auth_users_open(
	const struct auth_host *host, const struct config *config, struct reason *reason)
{
	struct users *users = calloc(1, sizeof(*users));

	if (users == NULL) {
		reason_set(reason, "out of memory");
		return NULL;
	}
	users->backend.kind = &kind;
	users->host = host;
	users->slot_count = 2 * (size_t)config->auth_workers;
	users->slots = calloc(users->slot_count, sizeof(*users->slots));
	users->path = strdup(config->auth_users);
	if (users->slots == NULL || users->path == NULL)
		reason_set(reason, "out of memory");
	else if (auth_file_open(&users->file, users->path, host->clock, reason) == 0 &&
		 auth_pool_open(&users->pool, config->auth_workers, users->slot_count, host->inbox,
			 reason) == 0) {
		users->look = (struct loop_timer){.owner = users, .fire = look};
		look(users);
		return &users->backend;
	}
	close_users(&users->backend);
	return NULL;
}
