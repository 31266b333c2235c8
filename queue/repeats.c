#include "queue/repeats.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define NONE          UINT32_MAX
#define CONTENTS_KEPT 4 /* of a name */

/* Slots by a 64-bit hash, in chains. A slot that is in none has the hash 0. Numbers are kept plus one, so that zeros are empty. */
struct index {
	uint32_t heads[REPEATS_MAX];
	struct {
		uint64_t hash;
		uint32_t next;
	} links[REPEATS_MAX];
};

struct repeats {
	struct index by_id, by_key; /* of messages; by key are only those unheard */
	struct {
		uint64_t key;
		int64_t unheard_mono_ms;
	} messages[REPEATS_MAX];
	uint32_t next_message; /* the slot that is used next: the oldest one's */
	struct index by_name;
	uint64_t contents[REPEATS_MAX][CONTENTS_KEPT]; /* 0: none; the newest first */
	uint32_t next_name;
};

static uint32_t *head_of(const struct index *index, uint64_t hash)
{
	return (uint32_t *)&index->heads[hash * UINT64_C(0x9e3779b97f4a7c15) >> 48];
}

static uint32_t index_find(const struct index *index, uint64_t hash)
{
	uint32_t at = *head_of(index, hash);

	while (at != 0 && index->links[at - 1].hash != hash)
		at = index->links[at - 1].next;
	return at - 1; /* NONE for 0 */
}

static void index_put(struct index *index, uint32_t slot, uint64_t hash)
{
	uint32_t *head = head_of(index, hash);

	index->links[slot].hash = hash;
	index->links[slot].next = *head;
	*head = slot + 1;
}

static void index_del(struct index *index, uint32_t slot)
{
	uint32_t *at;

	if (index->links[slot].hash == 0)
		return;
	at = head_of(index, index->links[slot].hash);
	while (*at != slot + 1)
		at = &index->links[*at - 1].next;
	*at = index->links[slot].next;
	index->links[slot].hash = 0;
}

struct repeats *repeats_open(void)
{
	return calloc(1, sizeof(struct repeats));
}

void repeats_close(struct repeats **repeats)
{
	free(*repeats);
	*repeats = NULL;
}

/* ---- hashes ---- */

static uint64_t never_zero(uint64_t hash)
{
	return hash != 0 ? hash : 1;
}

static uint64_t add_text(uint64_t hash, const char *text)
{
	return XXH3_64bits_withSeed(text, strlen(text), hash);
}

uint64_t repeats_key(const char *client, const char *reverse_path, const void *recipients,
	size_t recipients_size, uint64_t content)
{
	uint64_t hash = add_text(add_text(content, client), reverse_path);

	return never_zero(XXH3_64bits_withSeed(recipients, recipients_size, hash));
}

uint64_t repeats_name(const char *client, uint64_t message_id)
{
	return never_zero(add_text(message_id, client));
}

/* ---- messages ---- */

static void forget(struct repeats *repeats, uint32_t slot)
{
	index_del(&repeats->by_id, slot);
	index_del(&repeats->by_key, slot);
}

void repeats_put(struct repeats *repeats, uint64_t id, uint64_t key)
{
	uint32_t slot = repeats->next_message;

	if (index_find(&repeats->by_id, id) != NONE)
		return;
	repeats->next_message = (slot + 1) % REPEATS_MAX;
	forget(repeats, slot);
	index_put(&repeats->by_id, slot, id);
	repeats->messages[slot].key = key;
}

void repeats_del(struct repeats *repeats, uint64_t id)
{
	uint32_t slot = index_find(&repeats->by_id, id);

	if (slot != NONE)
		forget(repeats, slot);
}

void repeats_unheard(struct repeats *repeats, uint64_t id, int64_t now_mono_ms)
{
	uint32_t slot = index_find(&repeats->by_id, id);

	if (slot == NONE)
		return;
	index_del(&repeats->by_key, slot);
	index_put(&repeats->by_key, slot, repeats->messages[slot].key);
	repeats->messages[slot].unheard_mono_ms = now_mono_ms;
}

void repeats_heard(struct repeats *repeats, uint64_t id)
{
	uint32_t slot = index_find(&repeats->by_id, id);

	if (slot != NONE)
		index_del(&repeats->by_key, slot);
}

/* The ring's index by id holds the id as its hash. */
uint64_t repeats_find(const struct repeats *repeats, uint64_t key, int64_t now_mono_ms)
{
	uint32_t slot = index_find(&repeats->by_key, key);

	if (slot == NONE || now_mono_ms - repeats->messages[slot].unheard_mono_ms > REPEATS_MS)
		return 0;
	return repeats->by_id.links[slot].hash;
}

/* ---- names ---- */

static uint32_t take_name(struct repeats *repeats, uint64_t name)
{
	uint32_t slot = repeats->next_name;

	repeats->next_name = (slot + 1) % REPEATS_MAX;
	index_del(&repeats->by_name, slot);
	memset(repeats->contents[slot], 0, sizeof(repeats->contents[slot]));
	index_put(&repeats->by_name, slot, name);
	return slot;
}

static bool has_content(const uint64_t *contents, uint64_t content)
{
	for (size_t i = 0; i < CONTENTS_KEPT; i++)
		if (contents[i] == content)
			return true;
	return false;
}

void repeats_put_name(struct repeats *repeats, uint64_t name, uint64_t content)
{
	uint32_t slot = index_find(&repeats->by_name, name);
	uint64_t *contents;

	if (slot == NONE)
		slot = take_name(repeats, name);
	contents = repeats->contents[slot];
	if (has_content(contents, content))
		return;
	memmove(contents + 1, contents, (CONTENTS_KEPT - 1) * sizeof(*contents));
	contents[0] = content;
}

void repeats_del_name(struct repeats *repeats, uint64_t name, uint64_t content)
{
	uint32_t slot = index_find(&repeats->by_name, name);

	for (size_t i = 0; slot != NONE && i < CONTENTS_KEPT; i++)
		if (repeats->contents[slot][i] == content)
			repeats->contents[slot][i] = 0;
}

bool repeats_is_other(const struct repeats *repeats, uint64_t name, uint64_t content)
{
	uint32_t slot = index_find(&repeats->by_name, name);
	uint64_t known = 0;

	if (slot == NONE || has_content(repeats->contents[slot], content))
		return false;
	for (size_t i = 0; i < CONTENTS_KEPT; i++)
		known |= repeats->contents[slot][i];
	return known != 0;
}
