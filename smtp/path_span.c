#include "smtp/path_span.h"

#include <string.h>

size_t path_span_size(struct path_span span)
{
	return (size_t)(span.end - span.at);
}

bool path_span_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct path_span path_span_trim(struct path_span span)
{
	while (span.at < span.end && path_span_is_blank(*span.at))
		span.at++;
	while (span.end > span.at && path_span_is_blank(span.end[-1]))
		span.end--;
	return span;
}

const char *path_span_step(const char *at, const char *end)
{
	const char *from = at;

	if (*at == '\\' && end - at > 1)
		return at + 2;
	if (*at++ != '"')
		return at;
	for (; at < end && *at != '"'; at++)
		if (*at == '\\' && end - at > 1)
			at++;
	return at < end ? at + 1 : from + 1;
}

const char *path_span_find(struct path_span span, char c)
{
	for (const char *at = span.at; at < span.end; at = path_span_step(at, span.end))
		if (*at == c)
			return at;
	return NULL;
}

const char *path_span_find_last(struct path_span span, char c)
{
	const char *last = NULL;

	for (const char *at = span.at; at < span.end; at = path_span_step(at, span.end))
		if (*at == c)
			last = at;
	return last;
}

bool path_span_has(struct path_span span, char c)
{
	return memchr(span.at, c, path_span_size(span)) != NULL;
}
