/*
 * listing.h: walks through the messages that the command's filters match, page by page.
 *
 * Threads: one.
 */
#ifndef SLUICE_ADMIN_LISTING_H
#define SLUICE_ADMIN_LISTING_H

#include "admin/command.h"
#include "admin/table.h"

/* Gets each page's messages, which may be none. 0: go on; else the exit code to end with. */
typedef int listing_page_fn(struct invocation *invocation, const json_t *messages, void *owner);

/* Up to --limit messages. `count` is how many there were. */
int listing_walk(
	struct invocation *invocation, listing_page_fn *page, void *owner, uint64_t *count);

void listing_table_init(struct table *table);
void listing_table_add(struct table *table, const json_t *message);

/* "3 messages" */
char *listing_count(uint64_t count, char *out);
#define LISTING_COUNT_SIZE 48

/* Says on standard error that nothing matched. Returns COMMAND_NOTHING_MATCHED. */
int listing_nothing(const struct invocation *invocation);

#endif
