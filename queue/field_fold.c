#include <errno.h>
#include <string.h>

#include "queue/comment.h"
#include "queue/encoded_word.h"
#include "queue/field_parts.h"

#define LINE_MAX_5322 998

/* Behind each `mark` a line may begin, even where there is no blank. */
static void fold_behind(struct fold *fold, char mark, const char *text, size_t size)
{
	const char *end = text + size, *next;

	for (const char *at = text; at < end; at = next) {
		next = comment_find(at, end, mark);
		next += next < end;
		fold_piece(fold, at, (size_t)(next - at));
	}
}

void field_fold_text(enum field_kind kind, struct fold *fold, const char *text, size_t size)
{
	switch (kind) {
	case FIELD_UNSTRUCTURED:
		encoded_word_text(fold, NULL, false, text, size);
		break;
	case FIELD_ADDRESSES:
	case FIELD_FROM:
	case FIELD_BCC:
		fold_behind(fold, ',', text, size);
		break;
	case FIELD_CONTENT_TYPE:
	case FIELD_CONTENT_OTHER:
	case FIELD_DKIM:
		fold_behind(fold, ';', text, size);
		break;
	default:
		fold_text(fold, text, size);
		break;
	}
}

static bool has_long_line(size_t name_size, const char *value, size_t size)
{
	const char *at = value, *end;

	if (size == 0 || name_size + 1 + size <= LINE_MAX_5322)
		return false;
	end = value + size;
	for (size_t before = name_size + 1; at < end; before = 0) {
		const char *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);

		if (line_end == NULL)
			line_end = end;
		if (before + (size_t)(line_end - at) > LINE_MAX_5322)
			return true;
		at = line_end + 2;
	}
	return false;
}

int field_fold(
	enum field_kind kind, size_t name_size, const void *value, size_t size, struct bytes *out)
{
	struct bytes text = {0};
	struct fold fold;
	int done;

	if (!has_long_line(name_size, value, size))
		return 0;
	if (!field_unfold(value, size, &text))
		return -ENOMEM;
	fold_init(&fold, out, name_size + 1);
	field_fold_text(kind, &fold, (char *)text.data, text.size);
	done = fold_end(&fold);
	bytes_fini(&text);
	return done < 0 ? done : 1;
}
