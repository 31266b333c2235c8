#include "smtp/path_list.h"

#include "core/ascii.h"
#include "smtp/path_span.h"

static bool is_separator(char c)
{
	return c == ',' || c == ';';
}

/* Where the route "@a,@b:c@d" is over that begins at `at`; NULL: there is none. */
static const char *find_route_end(const char *at, const char *end)
{
	for (; at < end && *at != '<'; at = path_span_step(at, end))
		if (*at == ':')
			return at;
	return NULL;
}

static bool is_address(struct path_span part)
{
	return path_span_has(part, '@') || path_span_has(part, '<');
}

/* Whether " NOTIFY=SUCCESS,FAILURE" begins at `at`: an address came before it, or the word itself can be none. */
static bool is_parameter(const char *from, const char *at, const char *end)
{
	struct path_span word = {at + 1, at + 1};
	const char *name_end;

	while (word.end < end && !path_span_is_blank(*word.end))
		word.end++;
	for (name_end = word.at; name_end < word.end; name_end++)
		if (!ascii_is_alnum(*name_end) && *name_end != '-')
			break;
	if (name_end == word.at || name_end == word.end || *name_end != '=')
		return false;
	return !path_span_has(word, '@') || is_address((struct path_span){from, at});
}

/* The word behind the blank at `at`. */
static struct path_span next_word(const char *at, const char *end)
{
	struct path_span word = {at, at};

	while (word.at < end && path_span_is_blank(*word.at))
		word.at++;
	for (word.end = word.at; word.end < end && !path_span_is_blank(*word.end);)
		word.end = path_span_step(word.end, end);
	return word;
}

/* Whether the blank at `at` stands between two addresses, both with brackets or both without: one alone would be lost. */
static bool is_gap(const char *from, const char *at, const char *end)
{
	struct path_span before = {from, at}, next;

	/* of a run of blanks the first tells */
	if ((at > from && path_span_is_blank(at[-1])) || !path_span_has(before, '@'))
		return false;
	next = next_word(at, end);
	if (!path_span_has(next, '@') || *next.at == '(')
		return false;
	if (*next.at == '<')
		return at[-1] == '>';
	return !path_span_has(before, '<') && !path_span_has(next, '<');
}

/* Parameters behind the last address hold commas of their own, and so does a route, which may lack its brackets. */
static const char *find_separator(const char *from, const char *end)
{
	const char *route_end;

	for (const char *at = from; at < end; at = path_span_step(at, end)) {
		if (*at == '@' && (at == from || at[-1] == '<') &&
			(route_end = find_route_end(at, end)) != NULL)
			at = route_end;
		if (is_separator(*at))
			return at;
		if (!path_span_is_blank(*at))
			continue;
		if (is_parameter(from, at, end))
			return end;
		if (is_gap(from, at, end))
			return at;
	}
	return end;
}

int path_list_next(const char **cursor, const char *end, struct path_item *out)
{
	struct path_span item = {*cursor, *cursor};
	bool has_addresses;

	while (item.at < end &&
		(is_separator(*item.at) || path_span_is_blank(*item.at) || *item.at == '>'))
		item.at++;
	if (item.at == end)
		return 0;
	has_addresses = is_address((struct path_span){item.at, end});
	item.end = find_separator(item.at, end);
	while (has_addresses && item.end < end && !is_address(item))
		item.end = find_separator(item.end + 1, end);
	*cursor = item.end;
	*out = (struct path_item){item.at, path_span_size(path_span_trim(item))};
	return 1;
}
