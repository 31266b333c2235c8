#include "queue/comment.h"

size_t comment_size(const char *at, const char *end)
{
	size_t depth = 0;

	if (end - at > COMMENT_BYTES_MAX)
		end = at + COMMENT_BYTES_MAX;
	for (const char *c = at; c < end; c++) {
		if (*c == '\\' && c + 1 < end)
			c++;
		else if (*c == '(' && ++depth > COMMENT_DEPTH_MAX)
			return 0;
		else if (*c == ')' && --depth == 0)
			return (size_t)(c - at) + 1;
	}
	return 0;
}

size_t quoted_size(const char *at, const char *end)
{
	if (end - at > COMMENT_BYTES_MAX)
		end = at + COMMENT_BYTES_MAX;
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

size_t comment_token_size(const char *at, const char *end)
{
	size_t size = 1;

	if (*at == '"')
		size = quoted_size(at, end);
	else if (*at == '(')
		size = comment_size(at, end);
	else if (*at == '\\' && end - at > 1)
		size = 2;
	return size > 0 ? size : 1;
}

const char *comment_find(const char *at, const char *end, char wanted)
{
	while (at < end && *at != wanted)
		at += comment_token_size(at, end);
	return at;
}
