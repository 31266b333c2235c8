/*
 * registry.h: what operators decide and must not be lost: named records of a few kinds, and the journal of who changed which,
 * when and why.
 *
 * The way of a change:
 *   1. Who wants it reads the record and its revision, and submits a list of changes (WRITER_REGISTER).
 *   2. The writer does all of the list or none: a record whose revision is another meanwhile is -ESTALE, one that is
 *      there and should not be -EEXIST, one that is not there -ENOENT. Each change adds its line to the journal, in the same commit.
 *   3. Behind its answer, who asked tells main that the registry changed, and workers get a new table (permits.h).
 *
 * What a record holds is its kind's affair (grant.h, suspension.h); the store keeps bytes.
 *
 * Owner: registry_item_fini, registry_entries_fini free what views gave. A change is its asker's.
 * Units: milliseconds since 1970.
 * Limits: a name at most REGISTRY_NAME_SIZE - 1 bytes of printable UTF-8; JOURNAL_MAX lines, the oldest go, a few with each change.
 */
#ifndef SLUICE_QUEUE_REGISTRY_H
#define SLUICE_QUEUE_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

#define REGISTRY_NAME_SIZE 128
#define REGISTRY_WHO_SIZE  64
#define REGISTRY_ACT_SIZE  32
#define REGISTRY_WHY_SIZE  512
#define JOURNAL_MAX        100000

enum registry_kind {
	REGISTRY_GRANT = 1, /* grant.h */
	REGISTRY_SUSPENSION = 2, /* suspension.h */
};

struct registry_change {
	enum registry_kind kind;
	const char *name;
	uint32_t revision; /* of the record that it replaces; 0: there is none */
	const void *record; /* NULL: it is taken away */
	size_t size;
	/* the journal's line */
	uint64_t now_unix_ms;
	const char *who; /* "root", "uid 1000", "sluice" */
	const char *act; /* "approve", "renew" … */
	const char *why; /* may be "" */
	struct registry_change *next;
};

struct registry_item {
	char name[REGISTRY_NAME_SIZE];
	uint32_t revision; /* 1 when it was new, one more with each change */
	void *record;
	size_t size;
};

struct registry_entry {
	uint64_t number; /* grows */
	uint64_t unix_ms;
	enum registry_kind kind;
	char name[REGISTRY_NAME_SIZE];
	char who[REGISTRY_WHO_SIZE];
	char act[REGISTRY_ACT_SIZE];
	char why[REGISTRY_WHY_SIZE];
};

void registry_item_fini(struct registry_item *item);

#endif
