#include "queue/comment.h"

size_t comment_size(const char *at, const char *end)
{
	size_t depth = 0;

	if (end - at > COMMENT_BYTES_MAX)
		end = at + COMMENT_BYTES_MAX;
	for (const char *c = at; c < end; c++) {
		if (*c == '\\' && c + 1 < end)
			c++;
		else if (*c == '(')
			depth++;
		else if (*c == ')' && --depth == 0)
			return (size_t)(c - at) + 1;
	}
	return 0;
}

size_t quoted_size(const char *at, const char *end)
{
	for (const char *c = at + 1; c < end; c++) {
		if (*c == '\\' && c + 1 < end)
			c++;
		else if (*c == '"')
			return (size_t)(c - at) + 1;
	}
	return 0;
}

const char *comment_skip(const char *at, const char *end)
{
	size_t size;

	while (at < end && (is_blank(*at) || *at == '(')) {
		size = is_blank(*at) ? 1 : comment_size(at, end);
		if (size == 0)
			break;
		at += size;
	}
	return at;
}
