#include "queue/envelope.h"

#include <stdlib.h>
#include <string.h>

#include "queue/envelope_arena.h"

#define NEW_ROOM   768 /* what a session's strings take, mostly */
#define BLOCK_ROOM 1024

struct arena_block {
	struct arena_block *next;
	char room[];
};

struct envelope_arena {
	char *free;
	size_t free_bytes;
	struct arena_block *blocks;
};

struct whole {
	struct envelope envelope;
	struct envelope_arena arena;
	struct recipient recipients[];
};

struct envelope *envelope_new_with_room(size_t recipient_count, size_t room)
{
	struct whole *whole;
	size_t fixed;

	if (recipient_count > (SIZE_MAX / 2 - sizeof(*whole)) / sizeof(struct recipient))
		return NULL;
	fixed = sizeof(*whole) + recipient_count * sizeof(struct recipient);
	whole = malloc(fixed + room);
	if (whole == NULL)
		return NULL;
	memset(whole, 0, fixed);
	whole->arena.free = (char *)whole + fixed;
	whole->arena.free_bytes = room;
	whole->envelope.arena = &whole->arena;
	whole->envelope.recipients = whole->recipients;
	whole->envelope.recipient_count = recipient_count;
	return &whole->envelope;
}

struct envelope *envelope_new(size_t recipient_count)
{
	return envelope_new_with_room(recipient_count, NEW_ROOM);
}

void envelope_close(struct envelope **envelope)
{
	struct arena_block *block, *next;

	if (envelope == NULL || *envelope == NULL)
		return;
	for (block = (*envelope)->arena->blocks; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	free(*envelope); /* the first member of its struct whole */
	*envelope = NULL;
}

static void *take_room(struct envelope_arena *arena, size_t size)
{
	size_t room = size > BLOCK_ROOM ? size : BLOCK_ROOM;
	struct arena_block *block;
	void *taken;

	if (size > arena->free_bytes) {
		if (size > SIZE_MAX / 2)
			return NULL;
		block = malloc(sizeof(*block) + room);
		if (block == NULL)
			return NULL;
		block->next = arena->blocks;
		arena->blocks = block;
		arena->free = block->room;
		arena->free_bytes = room;
	}
	taken = arena->free;
	arena->free += size;
	arena->free_bytes -= size;
	return taken;
}

const char *envelope_text_sized(struct envelope *envelope, const void *text, size_t size)
{
	char *copy;

	if (text == NULL || size == SIZE_MAX)
		return NULL;
	copy = take_room(envelope->arena, size + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, text, size);
	copy[size] = '\0';
	return copy;
}

const char *envelope_text(struct envelope *envelope, const char *text)
{
	return text == NULL ? NULL : envelope_text_sized(envelope, text, strlen(text));
}

struct attempt *envelope_history_new(struct envelope *envelope)
{
	char *room = take_room(envelope->arena, ENVELOPE_HISTORY_ROOM);
	size_t over;

	if (room == NULL)
		return NULL;
	memset(room, 0, ENVELOPE_HISTORY_ROOM);
	over = (uintptr_t)room % sizeof(void *);
	return (struct attempt *)(void *)(room + (over == 0 ? 0 : sizeof(void *) - over));
}

static bool is_same_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

bool envelope_note(struct envelope *envelope, uint64_t unix_ms, const char *host, const char *what)
{
	struct attempt *last,
		line = {.first_unix_ms = unix_ms, .last_unix_ms = unix_ms, .times = 1};

	if (envelope->history_count > 0) {
		last = &envelope->history[envelope->history_count - 1];
		if (is_same_text(last->host, host) && is_same_text(last->what, what)) {
			last->last_unix_ms = unix_ms;
			last->times++;
			return true;
		}
	}
	line.host = envelope_text(envelope, host);
	line.what = envelope_text(envelope, what);
	if ((host != NULL && line.host == NULL) || (what != NULL && line.what == NULL))
		return false;
	if (envelope->history == NULL)
		envelope->history = envelope_history_new(envelope);
	if (envelope->history == NULL)
		return false;
	if (envelope->history_count == ENVELOPE_HISTORY_MAX) {
		memmove(&envelope->history[1], &envelope->history[2],
			(ENVELOPE_HISTORY_MAX - 2) * sizeof(line));
		envelope->history_count--;
	}
	envelope->history[envelope->history_count++] = line;
	return true;
}

bool recipient_is_final(const struct recipient *recipient)
{
	return recipient->state >= RECIPIENT_DELIVERED;
}

bool envelope_is_done(const struct envelope *envelope)
{
	size_t i;

	for (i = 0; i < envelope->recipient_count; i++)
		if (!recipient_is_final(&envelope->recipients[i]))
			return false;
	return true;
}

const char *recipient_state_name(enum recipient_state state)
{
	static const char *const names[RECIPIENT_STATE_COUNT] = {
		[RECIPIENT_SCANNING] = "scanning",
		[RECIPIENT_WAITING] = "waiting",
		[RECIPIENT_DEFERRED] = "deferred",
		[RECIPIENT_HELD] = "held",
		[RECIPIENT_QUARANTINED] = "quarantined",
		[RECIPIENT_DELIVERED] = "delivered",
		[RECIPIENT_BOUNCED] = "bounced",
		[RECIPIENT_DISCARDED] = "discarded",
		[RECIPIENT_DELETED] = "deleted",
	};

	if ((unsigned)state >= RECIPIENT_STATE_COUNT || names[state] == NULL)
		return "none";
	return names[state];
}

const char *lane_name(enum lane lane)
{
	static const char *const names[LANE_COUNT] = {
		[LANE_ALERT] = "alert",
		[LANE_NORMAL] = "normal",
		[LANE_BULK] = "bulk",
	};

	return (unsigned)lane < LANE_COUNT ? names[lane] : "none";
}

static const char *const hold_kind_names[HOLD_KIND_COUNT] = {
	[HOLD_ORDINARY] = "ordinary",
	[HOLD_PACED] = "paced",
	[HOLD_LAPSED] = "lapsed",
	[HOLD_VOLUME] = "volume",
	[HOLD_SUSPENDED] = "suspended",
};

const char *hold_kind_name(enum hold_kind kind)
{
	return (unsigned)kind < HOLD_KIND_COUNT ? hold_kind_names[kind] : "none";
}

bool hold_kind_from_name(const char *name, enum hold_kind *kind)
{
	for (unsigned at = 0; at < HOLD_KIND_COUNT; at++) {
		if (strcmp(hold_kind_names[at], name) == 0) {
			*kind = (enum hold_kind)at;
			return true;
		}
	}
	return false;
}
