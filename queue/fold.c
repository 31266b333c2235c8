#include "queue/fold.h"

#include <errno.h>

#include "queue/comment.h"

#define QUOTED_WHOLE 400 /* bytes of a quoted string that no line begins in */

void fold_init(struct fold *fold, struct bytes *out, size_t name_size)
{
	*fold = (struct fold){.out = out, .column = name_size, .is_first_line = true};
}

static void put(struct fold *fold, const char *at, size_t size)
{
	if (!bytes_append(fold->out, at, size))
		fold->has_failed = true;
	fold->column += size;
}

static void put_blank(struct fold *fold)
{
	put(fold, fold->blank, fold->blank_size);
	fold->blank_size = 0;
}

void fold_blank(struct fold *fold, const char *at, size_t size)
{
	put_blank(fold);
	fold->blank = at;
	fold->blank_size = size < FOLD_BLANK ? size : FOLD_BLANK;
}

void fold_line(struct fold *fold)
{
	put(fold, "\r\n", 2);
	fold->column = 0;
	fold->has_word = fold->is_first_line = false;
	if (fold->blank_size == 0)
		put(fold, " ", 1);
	else
		put_blank(fold);
}

/* How much of a word too long for a line goes on this one: no character of UTF-8 is cut. */
static size_t part_size(const char *at, size_t room)
{
	for (size_t size = room; size > 0 && room - size < 4; size--)
		if ((at[size] & 0xc0) != 0x80)
			return size;
	return room;
}

void fold_word(struct fold *fold, const char *at, size_t size)
{
	size_t wish = fold->is_first_line && !fold->has_word ? FOLD_HARD : FOLD_WISH;

	if (fold->blank_size > 0 && (fold->has_word || fold->is_first_line) &&
		fold->column + fold->blank_size + size > wish)
		fold_line(fold);
	put_blank(fold);
	while (fold->column + size > FOLD_HARD) {
		size_t part = fold->column < FOLD_HARD ? FOLD_HARD - fold->column : 0;

		part = part > 0 ? part_size(at, part) : 0;
		put(fold, at, part);
		at += part;
		size -= part;
		fold_line(fold);
	}
	put(fold, at, size);
	fold->has_word = true;
}

/* Of a word, a byte or a quoted string: some readers take a fold in a boundary or a file name for a part of it. */
static size_t unit_size(const char *at, const char *end)
{
	size_t quoted = 0;

	if (*at == '"')
		quoted = quoted_size(at, end - at > QUOTED_WHOLE ? at + QUOTED_WHOLE : end);
	return quoted > 0 ? quoted : 1;
}

void fold_text(struct fold *fold, const char *at, size_t size)
{
	const char *end = at + size, *begin;

	while (at < end) {
		for (begin = at; at < end && is_blank(*at);)
			at++;
		if (at > begin)
			fold_blank(fold, begin, (size_t)(at - begin));
		for (begin = at; at < end && !is_blank(*at);)
			at += unit_size(at, end);
		if (at > begin)
			fold_word(fold, begin, (size_t)(at - begin));
	}
}

void fold_piece(struct fold *fold, const char *at, size_t size)
{
	size_t blanks = 0;

	while (blanks < size && is_blank(at[blanks]))
		blanks++;
	fold_blank(fold, at, blanks);
	if (fold->has_word && size - blanks < FOLD_WISH &&
		fold->column + fold->blank_size + size - blanks > FOLD_WISH)
		fold_line(fold);
	fold_text(fold, at + blanks, size - blanks);
}

int fold_end(struct fold *fold)
{
	if (fold->column + fold->blank_size <= FOLD_HARD)
		put_blank(fold);
	return fold->has_failed ? -ENOMEM : 0;
}
