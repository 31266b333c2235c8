#include "queue/ledger.h"

#include <stdlib.h>
#include <string.h>

struct ledger_client *ledger_client_new(const char *address)
{
	struct ledger_client *client = calloc(1, sizeof(*client));

	if (client != NULL)
		ledger_put_text(client->address, sizeof(client->address), address, strlen(address));
	return client;
}

void ledger_client_close(struct ledger_client **client)
{
	if (client == NULL || *client == NULL)
		return;
	free((*client)->quirks);
	free(*client);
	*client = NULL;
}

void ledger_put_text(char *to, size_t to_size, const void *text, size_t size)
{
	size = size < to_size ? size : to_size - 1;
	if (size > 0)
		size = strnlen(text, size);
	if (size > 0)
		memcpy(to, text, size);
	to[size] = '\0';
}

/* ---- HELO names ---- */

/* The name's place: its own, a free one, or that of the name seen longest ago. */
static struct ledger_helo *find_helo(struct ledger_client *client, const char *name)
{
	struct ledger_helo *oldest = &client->helos[0];

	for (size_t i = 0; i < client->helo_count; i++) {
		if (strcmp(client->helos[i].name, name) == 0)
			return &client->helos[i];
		if (client->helos[i].last_unix_ms < oldest->last_unix_ms)
			oldest = &client->helos[i];
	}
	if (client->helo_count < LEDGER_HELOS_MAX)
		oldest = &client->helos[client->helo_count++];
	*oldest = (struct ledger_helo){0};
	memcpy(oldest->name, name, strlen(name) + 1);
	return oldest;
}

static void add_helo(struct ledger_client *client, const struct ledger_helo *change)
{
	struct ledger_helo *helo = find_helo(client, change->name);

	helo->count += change->count;
	if (change->last_unix_ms > helo->last_unix_ms)
		helo->last_unix_ms = change->last_unix_ms;
}

void ledger_count_helo(struct ledger_client *client, const char *name, uint64_t now_unix_ms)
{
	struct ledger_helo change = {.count = 1, .last_unix_ms = now_unix_ms};

	ledger_put_text(change.name, sizeof(change.name), name, strlen(name));
	add_helo(client, &change);
}

/* ---- quirks ---- */

/* Where the number stands or is to stand. */
static size_t quirk_place(const struct ledger_client *client, unsigned number)
{
	size_t at = 0;

	while (at < client->quirk_count && client->quirks[at].number < number)
		at++;
	return at;
}

const struct ledger_quirk *ledger_find_quirk(const struct ledger_client *client, unsigned number)
{
	size_t at = quirk_place(client, number);

	return at < client->quirk_count && client->quirks[at].number == number ? &client->quirks[at]
									       : NULL;
}

static struct ledger_quirk *make_quirk(struct ledger_client *client, unsigned number)
{
	size_t at = quirk_place(client, number), room = client->quirk_room;
	struct ledger_quirk *quirks = client->quirks;

	if (at < client->quirk_count && quirks[at].number == number)
		return &quirks[at];
	if (client->quirk_count == room) {
		room = room > 0 ? room * 2 : 4;
		quirks = reallocarray(quirks, room, sizeof(*quirks));
		if (quirks == NULL)
			return NULL;
		client->quirks = quirks;
		client->quirk_room = room;
	}
	memmove(&quirks[at + 1], &quirks[at], (client->quirk_count - at) * sizeof(*quirks));
	client->quirk_count++;
	quirks[at] = (struct ledger_quirk){.number = (uint16_t)number};
	return &quirks[at];
}

static bool add_quirk(struct ledger_client *client, const struct ledger_quirk *change)
{
	struct ledger_quirk *quirk = make_quirk(client, change->number);

	if (quirk == NULL)
		return false;
	quirk->count += change->count;
	if (change->example[0] != '\0' &&
		(change->last_unix_ms >= quirk->last_unix_ms || quirk->example[0] == '\0'))
		memcpy(quirk->example, change->example, sizeof(quirk->example));
	if (change->last_unix_ms > quirk->last_unix_ms)
		quirk->last_unix_ms = change->last_unix_ms;
	return true;
}

bool ledger_count_quirk(struct ledger_client *client, unsigned number, const void *example,
	size_t example_size, uint64_t now_unix_ms)
{
	struct ledger_quirk change = {
		.number = (uint16_t)number, .count = 1, .last_unix_ms = now_unix_ms};

	if (quirk_row(number) == NULL)
		return true;
	if (example != NULL)
		ledger_put_text(change.example, sizeof(change.example), example, example_size);
	return add_quirk(client, &change);
}

/* ---- merging ---- */

static void keep_text(char *to, const char *text, size_t size)
{
	if (text[0] != '\0')
		memcpy(to, text, size);
}

static void merge_counts(struct ledger_client *into, const struct ledger_client *change)
{
	into->sessions += change->sessions;
	into->sessions_without_quit += change->sessions_without_quit;
	into->messages += change->messages;
	into->recipients += change->recipients;
	into->bytes += change->bytes;
	into->refusals += change->refusals;
	into->preflights += change->preflights;
	into->partials += change->partials;
	into->resends += change->resends;
	if (into->first_unix_ms == 0 ||
		(change->first_unix_ms != 0 && change->first_unix_ms < into->first_unix_ms))
		into->first_unix_ms = change->first_unix_ms;
	if (change->last_unix_ms > into->last_unix_ms)
		into->last_unix_ms = change->last_unix_ms;
}

static void merge_texts(struct ledger_client *into, const struct ledger_client *change)
{
	keep_text(into->account, change->account, sizeof(into->account));
	keep_text(into->tls_version, change->tls_version, sizeof(into->tls_version));
	keep_text(into->tls_cipher, change->tls_cipher, sizeof(into->tls_cipher));
	keep_text(into->auth, change->auth, sizeof(into->auth));
	keep_text(into->profile, change->profile, sizeof(into->profile));
	if (change->refusals > 0 && change->refused_unix_ms >= into->refused_unix_ms) {
		into->refused_unix_ms = change->refused_unix_ms;
		memcpy(into->refusal, change->refusal, sizeof(into->refusal));
	}
	if (change->messages > 0 && change->message_unix_ms >= into->message_unix_ms) {
		into->message_id = change->message_id;
		into->message_unix_ms = change->message_unix_ms;
		memcpy(into->message_from, change->message_from, sizeof(into->message_from));
		memcpy(into->message_listener, change->message_listener,
			sizeof(into->message_listener));
	}
}

bool ledger_merge(struct ledger_client *into, const struct ledger_client *change)
{
	bool done = true;

	merge_texts(into, change);
	merge_counts(into, change);
	for (size_t i = 0; i < change->helo_count; i++)
		add_helo(into, &change->helos[i]);
	for (size_t i = 0; i < change->quirk_count && done; i++)
		done = add_quirk(into, &change->quirks[i]);
	return done;
}
