/*
 * mailbox_item.h: reads an address list item by item, tolerantly; see mailbox_list.h.
 *
 * Threads: any. Nothing is copied: all that is found points into the text.
 */
#ifndef SLUICE_QUEUE_MAILBOX_ITEM_H
#define SLUICE_QUEUE_MAILBOX_ITEM_H

#include <stdbool.h>
#include <stddef.h>

struct span {
	const char *at, *end;
};

struct mailbox_list {
	const char *end;
	const char *last_semicolon; /* a ":" in front of one may begin a group */
	bool in_group;
};

enum mailbox_kind {
	MAILBOX_NOTHING, /* blanks and comments */
	MAILBOX_GROUP, /* a group's name: ":" stands behind it */
	MAILBOX_ADDRESS, /* an address that can be used, or could with a domain */
	MAILBOX_NAME, /* no address */
	MAILBOX_WRONG, /* not understood */
};

struct mailbox_item {
	struct span all; /* from behind the last separator to behind this one */
	struct span core; /* without blanks around it */
	char separator; /* ",", ";", ":", or NUL at the end */
	bool in_group;
	enum mailbox_kind kind;
	struct span name, address,
		tail; /* display name; address without its "<>"; what stands behind it */
	bool has_brackets;
	bool is_odd; /* in no order that RFC 5322 knows */
	const char *domain_at; /* where a domain is missing; else NULL */
	bool wants_mark; /* … and "@" too */
	bool address_eightbit;
};

void mailbox_list_begin(struct mailbox_list *list, const char *text, size_t size);

/* The item that begins at `at`. The next one begins at its all.end, unless its separator is NUL. */
struct mailbox_item mailbox_item_read(struct mailbox_list *list, const char *at);

/* Words and quoted strings and nothing else (8-bit aside): it may stand in front of "<". */
bool mailbox_name_is_right(struct span name);

/* Without blanks around it. */
struct span span_trim(struct span span);
/* Only blanks and comments. */
bool span_is_empty(struct span span);

#endif
