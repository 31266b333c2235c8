#include "queue/permit_index.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define NOBODY UINT32_MAX

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

/* The first address behind the network; false: there is none. */
static bool find_end(const struct network *network, uint8_t end[16])
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
	return carry == 0;
}

/* From here on this group is the innermost. */
static void begin_stretch(struct network_index *index, const uint8_t start[16], uint32_t group)
{
	size_t count = index->stretch_count;

	if (count > 0 && memcmp(index->starts[count - 1], start, 16) == 0)
		count--;
	memcpy(index->starts[count], start, 16);
	index->inner[count] = group;
	index->stretch_count = count + 1;
}

/* Ends the groups that end before `start` (NULL: all). Returns the one that is still open, or NOBODY. */
static uint32_t end_groups(struct network_index *index, uint32_t open, const uint8_t *start)
{
	uint8_t end[16];

	while (open != NOBODY) {
		const struct network_group *group = &index->groups[open];
		bool ends = find_end(&group->network, end);

		if (start != NULL && (!ends || memcmp(end, start, 16) > 0))
			break;
		open = group->around;
		if (ends)
			begin_stretch(index, end, open);
	}
	return open;
}

static void fill_network_groups(
	struct network_index *index, const struct network_row *rows, size_t count)
{
	uint32_t group_count = 0, item_count = 0, open = NOBODY;

	for (size_t i = 0; i < count; i++) {
		const struct network *network = &rows[i].network;

		if (i == 0 || compare_networks(network, &rows[i - 1].network) != 0) {
			open = end_groups(index, open, network->bytes);
			index->groups[group_count] = (struct network_group){
				.network = *network, .around = open, .first = item_count};
			begin_stretch(index, network->bytes, group_count);
			open = group_count++;
		} else if (rows[i].item == rows[i - 1].item) {
			continue;
		}
		index->items[item_count++] = rows[i].item;
		index->groups[open].count++;
	}
	end_groups(index, open, NULL);
}

bool network_index_init(struct network_index *index, struct network_row *rows, size_t count)
{
	*index = (struct network_index){0};
	if (count == 0)
		return true;
	index->groups = calloc(count, sizeof(*index->groups));
	index->starts = calloc(2 * count, sizeof(*index->starts));
	index->inner = calloc(2 * count, sizeof(*index->inner));
	index->items = calloc(count, sizeof(*index->items));
	if (index->groups == NULL || index->starts == NULL || index->inner == NULL ||
		index->items == NULL) {
		network_index_fini(index);
		return false;
	}
	qsort(rows, count, sizeof(*rows), compare_network_rows);
	fill_network_groups(index, rows, count);
	return true;
}

void network_index_fini(struct network_index *index)
{
	free(index->groups);
	free(index->starts);
	free(index->inner);
	free((void *)index->items);
	*index = (struct network_index){0};
}

struct permit_items network_index_find(
	const struct network_index *index, const struct address *address)
{
	size_t low = 0, high = index->stretch_count;
	uint8_t bytes[16];
	uint32_t at;

	if (high == 0 || !network_host_bytes(address, bytes))
		return (struct permit_items){0};
	while (low < high) { /* the first stretch that begins behind the address */
		size_t middle = low + (high - low) / 2;

		if (memcmp(index->starts[middle], bytes, 16) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	at = low > 0 ? index->inner[low - 1] : NOBODY;
	while (at != NOBODY && !network_has(&index->groups[at].network, address))
		at = index->groups[at].around;
	if (at == NOBODY)
		return (struct permit_items){0};
	return (struct permit_items){(const void *const *)&index->items[index->groups[at].first],
		index->groups[at].count};
}
