/*
 * fold.h: writes a field's value in lines of at most 78 bytes where it has blanks, and never over FOLD_HARD. RFC 5322 2.2.3.
 *
 *   fold_init, then blanks and words in their order, then fold_end.
 * Blanks are held back until the next word comes, so that a line can be begun in front of them, and no line is only blanks.
 *
 * Owner: `out` is the caller's; blanks given must live until the next word. Errors: kept, fold_end tells.
 */
#ifndef SLUICE_QUEUE_FOLD_H
#define SLUICE_QUEUE_FOLD_H

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"

#define FOLD_WISH 78
#define FOLD_HARD \
	900 /* of 998: names of up to 98 bytes that the writer was not told of fit in front */
#define FOLD_BLANK 64 /* more blanks in a row are cut to that */
#define FOLD_NAME  24 /* a name whose size is not known */

struct fold {
	struct bytes *out;
	size_t column; /* bytes on the line so far */
	const char *blank; /* not yet written */
	size_t blank_size;
	bool has_word; /* on this line */
	bool is_first_line;
	bool has_failed;
};

/* `name_size` with its colon. */
void fold_init(struct fold *fold, struct bytes *out, size_t name_size);

void fold_blank(struct fold *fold, const char *at, size_t size);
/* No blanks in it. One over FOLD_HARD is broken anywhere. */
void fold_word(struct fold *fold, const char *at, size_t size);
/* Words and blanks as they come; a quoted string is a word, unless it is very long. */
void fold_text(struct fold *fold, const char *at, size_t size);

/* A line begins here: in front of the blanks held back, or with a space of its own. */
void fold_line(struct fold *fold);
/* Text that belongs together: a line begins in front of it where that keeps it in one. */
void fold_piece(struct fold *fold, const char *at, size_t size);

/* 0, or -ENOMEM. */
int fold_end(struct fold *fold);

#endif
