/*
 * retry, hold, release and delete: the command's last word is the act. Messages are named by id, or are all that the
 * filters match; each is one request, so each is decided, and durable, by itself.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin/command.h"
#include "admin/listing.h"
#include "admin/printable.h"

static const struct act {
	const char *word, *past, *method, *suffix;
} acts[] = {
	{"retry", "made due", "POST", "/retry"},
	{"hold", "held", "POST", "/hold"},
	{"release", "released", "POST", "/release"},
	{"delete", "deleted", "DELETE", ""},
};

static const struct act *find_act(const struct invocation *invocation)
{
	const char *word = strrchr(invocation->command->words, ' ') + 1;

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (strcmp(acts[i].word, word) == 0)
			return &acts[i];
	}
	return NULL;
}

static bool make_path(const struct invocation *invocation, const struct act *act, const char *id,
	struct bytes *path)
{
	if (!bytes_append_text(path, "/v1/queue/messages/") || !client_append_encoded(path, id) ||
		!bytes_append_text(path, act->suffix))
		return false;
	if (invocation->until != NULL && (!bytes_append_text(path, "?until=") ||
						 !client_append_encoded(path, invocation->until)))
		return false;
	return bytes_append(path, "", 1);
}

/* Acts on one; what the relay says against it goes to standard error. */
static int act_on(
	struct invocation *invocation, const struct act *act, const char *id, json_t **answer)
{
	struct bytes path = {0};
	int code = EX_OSERR;

	if (make_path(invocation, act, id, &path))
		code = command_ask(invocation, act->method, (const char *)path.data, answer);
	bytes_fini(&path);
	return code;
}

static int act_on_named(struct invocation *invocation, const struct act *act)
{
	int worst = 0;

	for (size_t i = 0; i < invocation->argument_count; i++) {
		json_t *answer = NULL;
		int code = act_on(invocation, act, invocation->arguments[i], &answer);

		if (code == 0 && !invocation->json)
			printf("%s %s\n", member_text(answer, "id"), member_text(answer, "state"));
		json_decref(answer);
		if (code > worst)
			worst = code;
	}
	return worst;
}

/* ---- all that match ---- */

struct sweep {
	struct invocation *invocation;
	const struct act *act;
	struct table table;
	uint64_t done, gone, busy;
};

static int preview_page(struct invocation *invocation, const json_t *messages, void *owner)
{
	struct sweep *sweep = owner;
	const json_t *message;
	size_t i;

	if (invocation->json || json_array_size(messages) == 0)
		return 0;
	json_array_foreach(messages, i, message) listing_table_add(&sweep->table, message);
	table_flush(&sweep->table, stdout);
	return 0;
}

static int act_on_page(struct invocation *walk, const json_t *messages, void *owner)
{
	struct sweep *sweep = owner;
	const json_t *message;
	size_t i;

	(void)walk;
	json_array_foreach(messages, i, message)
	{
		int code = act_on(sweep->invocation, sweep->act, member_text(message, "id"), NULL);

		if (code == 0)
			sweep->done++;
		else if (code == COMMAND_NOTHING_MATCHED)
			sweep->gone++; /* delivered meanwhile */
		else if (code == EX_TEMPFAIL)
			sweep->busy++;
		else
			return code;
	}
	return 0;
}

static int preview(struct invocation *invocation, struct sweep *sweep)
{
	const struct listing listing = listing_messages(invocation);
	char text[LISTING_COUNT_SIZE];
	uint64_t count;
	int code;

	listing_table_init(&sweep->table);
	code = listing_walk(invocation, &listing, preview_page, sweep, &count);
	table_fini(&sweep->table);
	if (code != 0)
		return code;
	if (count == 0)
		return listing_nothing(invocation);
	if (!invocation->json)
		printf("%s would be %s.\n", listing_count(count, text), sweep->act->past);
	return 0;
}

static int sweep_all(struct invocation *invocation, struct sweep *sweep)
{
	/* The pages are not what --json shows here, but the answers to the acts. */
	struct invocation walk = *invocation;
	const struct listing listing = listing_messages(invocation);
	char text[LISTING_COUNT_SIZE];
	uint64_t count;
	int code;

	walk.json = false;
	sweep->invocation = invocation;
	code = listing_walk(&walk, &listing, act_on_page, sweep, &count);

	if (code == 0 && count == 0)
		return listing_nothing(invocation);
	if (!invocation->json)
		printf("%s %s.\n", listing_count(sweep->done, text), sweep->act->past);
	if (sweep->gone > 0)
		fprintf(stderr, "sluice: %s left the queue meanwhile.\n",
			listing_count(sweep->gone, text));
	if (sweep->busy > 0)
		fprintf(stderr, "sluice: %s could not be %s now; ask again.\n",
			listing_count(sweep->busy, text), sweep->act->past);
	if (code == 0 && sweep->busy > 0)
		return EX_TEMPFAIL;
	return code;
}

static bool has_filters(const struct invocation *invocation)
{
	return invocation->state != NULL || invocation->from != NULL || invocation->to != NULL ||
	       invocation->client != NULL || invocation->held != NULL || invocation->grant != NULL;
}

int command_queue_act(struct invocation *invocation)
{
	struct sweep sweep = {.act = find_act(invocation)};

	if (invocation->argument_count > 0) {
		if (invocation->all || invocation->dry_run || has_filters(invocation))
			return command_misused(invocation,
				"ids name the messages; --all and filters do not go with them");
		return act_on_named(invocation, sweep.act);
	}
	if (!invocation->all)
		return command_misused(invocation,
			has_filters(invocation) ? "say --all to act on every message that matches"
						: "say which messages, by their ids");
	return invocation->dry_run ? preview(invocation, &sweep) : sweep_all(invocation, &sweep);
}
