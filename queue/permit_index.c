#include "queue/permit_index.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define NOBODY  UINT32_MAX
#define FAN_OUT 16

static const uint8_t mapped[12] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}; /* IPv4 stands behind it */

static int compare_order(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

/* ---- texts ---- */

struct text_group {
	const char *text;
	uint32_t hash;
	uint32_t first, count; /* of its items */
};

static uint32_t hash_of(const char *text)
{
	return (uint32_t)XXH3_64bits(text, strlen(text));
}

static int compare_text_rows(const void *a, const void *b)
{
	const struct text_row *one = a, *other = b;
	int rc = strcmp(one->text, other->text);

	return rc != 0 ? rc : compare_order(one->order, other->order);
}

static void put_slot(struct text_index *index, uint32_t group)
{
	size_t at = index->groups[group].hash & index->slot_mask;

	while (index->slots[at] != 0)
		at = (at + 1) & index->slot_mask;
	index->slots[at] = group + 1;
}

static void fill_text_groups(struct text_index *index, const struct text_row *rows, size_t count)
{
	struct text_group *group = NULL;
	uint32_t group_count = 0, item_count = 0;

	for (size_t i = 0; i < count; i++) {
		bool is_new = group == NULL || strcmp(group->text, rows[i].text) != 0;

		if (is_new) {
			group = &index->groups[group_count];
			*group = (struct text_group){
				.text = rows[i].text,
				.hash = hash_of(rows[i].text),
				.first = item_count,
			};
			put_slot(index, group_count++);
		} else if (rows[i].item == rows[i - 1].item) {
			continue;
		}
		index->items[item_count++] = rows[i].item;
		group->count++;
	}
}

bool text_index_init(struct text_index *index, struct text_row *rows, size_t count)
{
	size_t slot_count = 2;

	*index = (struct text_index){0};
	if (count == 0)
		return true;
	while (slot_count < 2 * count)
		slot_count *= 2;
	index->groups = calloc(count, sizeof(*index->groups));
	index->slots = calloc(slot_count, sizeof(*index->slots));
	index->items = calloc(count, sizeof(*index->items));
	if (index->groups == NULL || index->slots == NULL || index->items == NULL) {
		text_index_fini(index);
		return false;
	}
	index->slot_mask = slot_count - 1;
	qsort(rows, count, sizeof(*rows), compare_text_rows);
	fill_text_groups(index, rows, count);
	return true;
}

void text_index_fini(struct text_index *index)
{
	free(index->groups);
	free(index->slots);
	free((void *)index->items);
	*index = (struct text_index){0};
}

struct permit_items text_index_find(const struct text_index *index, const char *text)
{
	uint32_t hash, number;

	if (index->slots == NULL)
		return (struct permit_items){0};
	hash = hash_of(text);
	for (size_t at = hash & index->slot_mask; (number = index->slots[at]) != 0;
		at = (at + 1) & index->slot_mask) {
		const struct text_group *group = &index->groups[number - 1];

		if (group->hash == hash && strcmp(group->text, text) == 0)
			return (struct permit_items){
				(const void *const *)&index->items[group->first], group->count};
	}
	return (struct permit_items){0};
}

/* ---- networks ---- */

struct network_group {
	struct network network;
	uint32_t around; /* the next wider group that has it, or NOBODY */
	uint32_t first, count; /* of its items */
};

/* A network before those in it; the same one without a zone before those with one. */
static int compare_networks(const struct network *a, const struct network *b)
{
	int rc = memcmp(a->bytes, b->bytes, sizeof(a->bytes));

	if (rc == 0)
		rc = compare_order(a->prefix_bits, b->prefix_bits);
	return rc != 0 ? rc : strcmp(a->zone, b->zone);
}

static int compare_network_rows(const void *a, const void *b)
{
	const struct network_row *one = a, *other = b;
	int rc = compare_networks(&one->network, &other->network);

	return rc != 0 ? rc : compare_order(one->order, other->order);
}

static bool is_v4(const uint8_t bytes[16])
{
	return memcmp(bytes, mapped, sizeof(mapped)) == 0;
}

/* ---- the line of stretches ---- */

static bool stretches_init(struct stretches *line, size_t offset, size_t network_count)
{
	size_t count =
		2 * network_count; /* each network begins one, and what is behind it another */

	*line = (struct stretches){.offset = offset, .width = 16 - offset};
	if (count == 0)
		return true;
	line->inner = calloc(count, sizeof(*line->inner));
	if (line->inner == NULL)
		return false;
	for (; line->level_count == 0 || count > 1; line->level_count++) {
		if (line->level_count > 0)
			count = (count + FAN_OUT - 1) / FAN_OUT;
		line->starts[line->level_count] = calloc(count, line->width);
		if (line->starts[line->level_count] == NULL)
			return false;
	}
	return true;
}

static void stretches_fini(struct stretches *line)
{
	for (size_t level = 0; level < STRETCH_LEVELS; level++)
		free(line->starts[level]);
	free(line->inner);
}

/* From here on this group is the innermost. */
static void begin_stretch(struct stretches *line, const uint8_t start[16], uint32_t group)
{
	const uint8_t *key = start + line->offset;
	size_t at = line->counts[0], width = line->width;

	if (at > 0 && memcmp(line->starts[0] + (at - 1) * width, key, width) == 0)
		at--;
	memcpy(line->starts[0] + at * width, key, width);
	line->inner[at] = group;
	line->counts[0] = at + 1;
}

/* The levels above, until one node holds all. */
static void raise_levels(struct stretches *line)
{
	size_t level = 0, width = line->width;

	for (; line->counts[level] > FAN_OUT; level++) {
		size_t count = (line->counts[level] + FAN_OUT - 1) / FAN_OUT;

		for (size_t i = 0; i < count; i++)
			memcpy(line->starts[level + 1] + i * width,
				line->starts[level] + i * FAN_OUT * width, width);
		line->counts[level + 1] = count;
	}
	line->level_count = level + 1;
}

/* The innermost group at this address. */
static uint32_t find_inner(const struct stretches *line, const uint8_t bytes[16])
{
	const uint8_t *key = bytes + line->offset;
	size_t at = 0, width = line->width;

	if (line->counts[0] == 0)
		return NOBODY;
	for (size_t level = line->level_count; level-- > 0;) {
		const uint8_t *starts = line->starts[level];
		size_t low = at * FAN_OUT, high = low + FAN_OUT;

		if (high > line->counts[level])
			high = line->counts[level];
		while (low < high) { /* the first that begins behind the address */
			size_t middle = low + (high - low) / 2;

			if (memcmp(starts + middle * width, key, width) <= 0)
				low = middle + 1;
			else
				high = middle;
		}
		if (low == 0)
			return NOBODY;
		at = low - 1;
	}
	return line->inner[at];
}

/* ---- networks ---- */

/* The first address behind the network; false: it reaches to the end of the line. */
static bool find_end(const struct stretches *line, const struct network *network, uint8_t end[16])
{
	unsigned bits = network->prefix_bits;
	unsigned carry;

	memcpy(end, network->bytes, 16);
	if (bits == 0)
		return false;
	carry = 1u << (7 - (bits - 1) % 8);
	for (int at = (int)(bits - 1) / 8; at >= 0 && carry != 0; at--) {
		carry += end[at];
		end[at] = (uint8_t)carry;
		carry >>= 8;
	}
	return carry == 0 && memcmp(end, network->bytes, line->offset) == 0;
}

/* Ends the groups that end before `start` (NULL: all). Returns the one that is still open, or NOBODY. */
static uint32_t end_groups(const struct network_index *index, struct stretches *line, uint32_t open,
	const uint8_t *start)
{
	uint8_t end[16];

	while (open != NOBODY) {
		const struct network_group *group = &index->groups[open];
		bool ends = find_end(line, &group->network, end);

		if (start != NULL && (!ends || memcmp(end, start, 16) > 0))
			break;
		open = group->around;
		if (ends)
			begin_stretch(line, end, open);
	}
	return open;
}

/* Rows of one family, which stand together but for the other's in their middle. */
static void fill_line(struct network_index *index, struct stretches *line,
	const struct network_row *rows, size_t count, uint32_t *group_count, uint32_t *item_count)
{
	const struct network_row *last = NULL;
	uint32_t open = NOBODY;

	if (line->starts[0] == NULL)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct network_row *row = &rows[i];

		if (is_v4(row->network.bytes) != (line == &index->v4))
			continue;
		if (last == NULL || compare_networks(&row->network, &last->network) != 0) {
			open = end_groups(index, line, open, row->network.bytes);
			index->groups[*group_count] = (struct network_group){
				.network = row->network, .around = open, .first = *item_count};
			begin_stretch(line, row->network.bytes, *group_count);
			open = (*group_count)++;
			last = NULL;
		}
		if (last == NULL || last->item != row->item) {
			index->items[(*item_count)++] = row->item;
			index->groups[open].count++;
		}
		last = row;
	}
	end_groups(index, line, open, NULL);
	raise_levels(line);
}

bool network_index_init(struct network_index *index, struct network_row *rows, size_t count)
{
	uint32_t group_count = 0, item_count = 0;
	size_t v4_count = 0;

	*index = (struct network_index){0};
	if (count == 0)
		return true;
	for (size_t i = 0; i < count; i++)
		v4_count += is_v4(rows[i].network.bytes);
	index->groups = calloc(count, sizeof(*index->groups));
	index->items = calloc(count, sizeof(*index->items));
	if (index->groups == NULL || index->items == NULL ||
		!stretches_init(&index->v4, sizeof(mapped), v4_count) ||
		!stretches_init(&index->v6, 0, count - v4_count)) {
		network_index_fini(index);
		return false;
	}
	qsort(rows, count, sizeof(*rows), compare_network_rows);
	fill_line(index, &index->v4, rows, count, &group_count, &item_count);
	fill_line(index, &index->v6, rows, count, &group_count, &item_count);
	return true;
}

void network_index_fini(struct network_index *index)
{
	stretches_fini(&index->v4);
	stretches_fini(&index->v6);
	free(index->groups);
	free((void *)index->items);
	*index = (struct network_index){0};
}

struct permit_items network_index_find(
	const struct network_index *index, const struct address *address)
{
	uint8_t bytes[16];
	uint32_t at;

	if (index->groups == NULL || !network_host_bytes(address, bytes))
		return (struct permit_items){0};
	at = find_inner(is_v4(bytes) ? &index->v4 : &index->v6, bytes);
	while (at != NOBODY && !network_has(&index->groups[at].network, address))
		at = index->groups[at].around;
	if (at == NOBODY)
		return (struct permit_items){0};
	return (struct permit_items){(const void *const *)&index->items[index->groups[at].first],
		index->groups[at].count};
}
