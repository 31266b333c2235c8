/*
 * listing.h: walks through what a route of the relay lists, page by page; and messages as rows of a table.
 *
 * Threads: one.
 */
#ifndef SLUICE_ADMIN_LISTING_H
#define SLUICE_ADMIN_LISTING_H

#include "admin/command.h"
#include "admin/table.h"

#define LISTING_PARAMETERS_MAX 8

/* What is listed: the answer to `route` has a list `member`, and `next`, where the next page begins. */
struct listing {
	const char *route, *member;
	struct parameter parameters[LISTING_PARAMETERS_MAX];
};

/* Gets each page's items, which may be none. 0: go on; else the exit code to end with. */
typedef int listing_page_fn(struct invocation *invocation, const json_t *items, void *owner);

/* Up to --limit items. `count` is how many there were. */
int listing_walk(struct invocation *invocation, const struct listing *listing,
	listing_page_fn *page, void *owner, uint64_t *count);

/* The messages that the command's filters match. */
struct listing listing_messages(const struct invocation *invocation);

void listing_table_init(struct table *table);
void listing_table_add(struct table *table, const json_t *message);

/* "3 messages" */
char *listing_count(uint64_t count, char *out);
#define LISTING_COUNT_SIZE 48

/* What is held, by kind, of an answer with "held": "5 paced, 3 lapsed". Nothing is held: "". */
char *listing_held(const json_t *answer, char *out);
#define LISTING_HELD_SIZE 256

/* Says on standard error that nothing matched. Returns COMMAND_NOTHING_MATCHED. */
int listing_nothing(const struct invocation *invocation);

#endif
