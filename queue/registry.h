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
 * A name that was taken away and comes again begins with revision 1 again. A name is at most once in a list.
 *
 * Views (store.h): store_view_registered gives one record, store_view_registry all of a kind by name, store_view_journal the
 * journal from its end.
 *
 * Owner: registry_item_fini frees what a view gave; an entry holds no memory. A change is its asker's until its answer.
 * Errors: -EINVAL: a name, who, act or why that is too long (or no name), a bug of the asker's. -ENOSPC: no room (a list of
 * more than REGISTRY_FEW changes leaves the last of the room to others).
 * Units: milliseconds since 1970.
 * Limits: sizes below; names are printable UTF-8, which their kind's owner checks. REGISTRY_CHANGES_MAX in a list, as all of
 * it is one transaction. JOURNAL_MAX lines, the oldest go, a few with each change.
 */
#ifndef SLUICE_QUEUE_REGISTRY_H
#define SLUICE_QUEUE_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

#define REGISTRY_NAME_SIZE 128
#define REGISTRY_WHO_SIZE  64
#define REGISTRY_ACT_SIZE  32
#define REGISTRY_WHY_SIZE  512
#define JOURNAL_MAX        100000

#define REGISTRY_CHANGES_MAX 10000
#define REGISTRY_FEW         16

enum registry_kind {
	REGISTRY_GRANT = 1, /* grant.h */
	REGISTRY_SUSPENSION = 2, /* suspension.h */
	REGISTRY_MARK = 3, /* when something was last done that comes again: grant_notice.h */
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

/* More than REGISTRY_FEW. */
bool registry_is_long(const struct registry_change *changes);

/* ---- for the store: a line of the journal as a record (record.h) ---- */

/* -EINVAL: a text does not fit in an entry. */
int registry_entry_from(
	uint64_t number, const struct registry_change *change, struct registry_entry *out);
bool registry_entry_encode(const struct registry_entry *entry, struct bytes *out)
	__attribute__((warn_unused_result));
/* 0 or -EBADMSG. */
int registry_entry_decode(
	uint64_t number, const void *record, size_t size, struct registry_entry *out);

#endif
