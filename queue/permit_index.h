/*
 * permit_index.h: what belongs to a text or to a network, found in a few steps; for permits.c.
 *
 * An index is built once and then only read. Items of equal texts, or of the same network, stand together, in the order in which
 * they were given.
 *
 * A network's items are those of the longest network that has the address (network.h): all networks are laid out as a line
 * of stretches, each with the innermost network that covers it. The stretch of an address is found in a tree of nodes that are
 * as long as a line of the cache (IPv4's), so that it costs a handful of misses. The zone of a link-local network is looked at
 * then, and what does not match gives way to the network around it.
 *
 * Threads: any may read. Owner: *_fini frees; items and texts are the caller's and must outlive it.
 * Errors: false without memory; then there is nothing to free.
 */
#ifndef SLUICE_QUEUE_PERMIT_INDEX_H
#define SLUICE_QUEUE_PERMIT_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/network.h"

struct permit_items {
	const void *const *items;
	size_t count; /* 0: there are none */
};

struct text_row {
	const char *text;
	const void *item;
	uint32_t order;
};

struct text_group;

struct text_index {
	struct text_group *groups;
	uint32_t *slots; /* by hash: a group's number and one, or 0 */
	size_t slot_mask;
	const void **items;
};

/* Sorts the rows; a text given twice with one item counts once. */
bool text_index_init(struct text_index *index, struct text_row *rows, size_t count)
	__attribute__((warn_unused_result));
void text_index_fini(struct text_index *index);
struct permit_items text_index_find(const struct text_index *index, const char *text);

struct network_row {
	struct network network;
	uint32_t order;
	const void *item;
};

struct network_group;

#define STRETCH_LEVELS 9 /* 16 to the 9th is more than there can be */

/* Of IPv4, or of all else. */
struct stretches {
	size_t offset, width; /* of the bytes of an address that tell them apart */
	uint8_t *starts[STRETCH_LEVELS]; /* where each begins; above it those of every 16th below */
	size_t counts[STRETCH_LEVELS];
	size_t level_count;
	uint32_t *inner; /* the innermost group of each */
};

struct network_index {
	struct network_group *groups;
	const void **items;
	struct stretches v4, v6;
};

bool network_index_init(struct network_index *index, struct network_row *rows, size_t count)
	__attribute__((warn_unused_result));
void network_index_fini(struct network_index *index);
struct permit_items network_index_find(
	const struct network_index *index, const struct address *address);

#endif
