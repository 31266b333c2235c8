/*
 * authors.h: whom a header says that it is from: every address that From and Sender hold or show. RFC 5322 3.6.2, RFC 6854.
 *
 * It reads as people's mail programs may, and where they differ it takes all that one of them could show:
 *   FROM, SENDER  each mailbox, in groups or not, behind a route, with comments and quotes taken out of it
 *   SHOWN         what looks like an address anywhere in the field: in a display name, a comment, a route, in encoded-words (also
 *                 those that are not quite by RFC 2047, and cut ones), in what cannot be read at all. An "@" or "." of another width counts as
 *                 one, what cannot be seen is not there, and what one sees and another does not is read in both ways.
 *   DOMAIN        what may be a domain, in an item that cannot be read as a mailbox
 * An address without a domain is none. Whose they are, and whether that is allowed, is for others to say (smtp/permission.h).
 *
 * Threads: the owner's. Owner: authors_fini; zero-initialised is empty. Errors: false without memory.
 * Limits: AUTHORS_MAX addresses, AUTHORS_BYTES together; beyond them `is_over`, and no more are kept.
 */
#ifndef SLUICE_QUEUE_AUTHORS_H
#define SLUICE_QUEUE_AUTHORS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"

#define AUTHORS_MAX   64
#define AUTHORS_BYTES 8192

enum author_kind { AUTHOR_FROM = 1, AUTHOR_SENDER, AUTHOR_SHOWN, AUTHOR_DOMAIN };

struct authors {
	struct bytes list; /* each: its kind (1 byte), the text, NUL */
	struct bytes text, shown, read; /* scratch */
	size_t count;
	bool is_over;
	bool is_hidden; /* it shows what its bytes do not: a charset in which ASCII may not be itself (author_charset.h), text turned round (U+202E) */
};

void authors_fini(struct authors *authors);

/* A field's value, folded or not; `kind` is AUTHOR_FROM or AUTHOR_SENDER. */
bool authors_take(struct authors *authors, enum author_kind kind, const void *value, size_t size)
	__attribute__((warn_unused_result));

/* The one behind `after`, the first behind NULL; NULL: no more. */
const char *authors_next(const struct authors *authors, const char *after, enum author_kind *kind);

#endif
