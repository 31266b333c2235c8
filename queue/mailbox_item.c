#include "queue/mailbox_item.h"

#include <string.h>

#include "core/ascii.h"
#include "core/utf8.h"
#include "queue/comment.h"
#include "queue/encoded_word.h"

#define LITERAL_MAX 128
#define ADDRESS_MAX 800 /* bytes without a blank; more would be broken by a fold */

static bool is_eightbit(char c)
{
	return (c & 0x80) != 0;
}

static bool is_atom(char c)
{
	return ascii_is_alnum(c) || is_eightbit(c) ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

struct span span_trim(struct span span)
{
	while (span.at < span.end && is_blank(*span.at))
		span.at++;
	while (span.end > span.at && is_blank(span.end[-1]))
		span.end--;
	return span;
}

bool span_is_empty(struct span span)
{
	return comment_skip(span.at, span.end) == span.end;
}

void mailbox_list_begin(struct mailbox_list *list, const char *text, size_t size)
{
	*list = (struct mailbox_list){
		.end = text + size, .last_semicolon = memrchr(text, ';', size)};
}

/* "[…]", as a domain; 1: it does not end soon. */
static size_t literal_size(const char *at, const char *end)
{
	size_t room = (size_t)(end - at);
	const char *close = memchr(at, ']', room < LITERAL_MAX ? room : LITERAL_MAX);

	return close != NULL ? (size_t)(close - at) + 1 : 1;
}

/* "<…>"; 1: another "<" comes first, or the end. */
static size_t angle_size(const char *at, const char *end)
{
	for (const char *c = at + 1; c < end && *c != '<'; c += comment_token_size(c, end))
		if (*c == '>')
			return (size_t)(c - at) + 1;
	return 1;
}

/* ---- an address ---- */

struct reading {
	const char *at, *end;
	int marks; /* "@" */
	int words; /* on this side of it */
	bool has_gap, is_behind_word;
	bool is_wrong;
};

static void read_run(struct reading *reading, size_t size)
{
	/* two words with a blank between them are no local part and no domain */
	if (reading->is_behind_word && reading->has_gap)
		reading->is_wrong = true;
	reading->is_behind_word = true;
	reading->words++;
	reading->at += size;
}

static void read_atom(struct reading *reading, struct mailbox_item *item)
{
	const char *at = reading->at;

	for (; at < reading->end && is_atom(*at); at++)
		item->address_eightbit |= is_eightbit(*at);
	if (encoded_word_is_one(reading->at, (size_t)(at - reading->at)))
		reading->is_wrong = true;
	read_run(reading, (size_t)(at - reading->at));
}

static void read_token(struct reading *reading, struct mailbox_item *item)
{
	char c = *reading->at;
	size_t size;

	if (c == '.') {
		reading->is_behind_word = false;
		reading->at++;
	} else if (c == '@') {
		reading->is_wrong |= reading->marks++ > 0 || reading->words == 0;
		reading->words = 0;
		reading->is_behind_word = false;
		item->domain_at = ++reading->at;
	} else if (is_atom(c)) {
		read_atom(reading, item);
	} else {
		size = c == '"' && reading->marks == 0   ? quoted_size(reading->at, reading->end)
		       : c == '[' && reading->marks == 1 ? literal_size(reading->at, reading->end)
							 : 0;
		reading->is_wrong |= size <= 1;
		for (size_t i = 0; i < size; i++)
			item->address_eightbit |= is_eightbit(reading->at[i]);
		read_run(reading, size);
	}
	if (reading->marks == 0)
		item->domain_at = reading->at;
}

/* A route is obsolete, and stays: "@a,@b:". */
static void skip_route(struct reading *reading, struct mailbox_item *item)
{
	const char *colon;
	size_t size;

	reading->at = comment_skip(reading->at, reading->end);
	if (reading->at == reading->end || *reading->at != '@')
		return;
	colon = comment_find(reading->at, reading->end, ':');
	reading->is_wrong = colon == reading->end;
	for (const char *at = reading->at; at < colon; at += size) {
		size = comment_token_size(at, colon);
		item->address_eightbit |= *at != '(' && utf8_has_eightbit(at, size);
	}
	reading->at = colon + (colon < reading->end);
}

static bool is_breakable(struct span span)
{
	const char *begin = span.at;

	for (const char *at = span.at; at < span.end; at++) {
		if (is_blank(*at))
			begin = at;
		if (at - begin > ADDRESS_MAX)
			return true;
	}
	return false;
}

/* False: it is none. Sets what is missing of it. */
static bool read_address(struct span span, struct mailbox_item *item)
{
	struct reading reading = {.at = span.at, .end = span.end};
	const char *next;

	item->address_eightbit = false;
	item->domain_at = NULL;
	skip_route(&reading, item);
	while (!reading.is_wrong) {
		next = comment_skip(reading.at, reading.end);
		reading.has_gap = next > reading.at;
		reading.at = next;
		if (next == reading.end)
			break;
		read_token(&reading, item);
	}
	if (is_breakable(span) || reading.is_wrong || (reading.marks == 0 && reading.words == 0))
		return false;
	item->wants_mark = reading.marks == 0;
	if (reading.marks > 0 && reading.words > 0)
		item->domain_at = NULL;
	return true;
}

/* ---- an item ---- */

/* "Hans Müller h@x": the last word with an "@" may be the address. */
static bool split_name(struct mailbox_item *item)
{
	struct span core = item->core, word;
	const char *mark = memrchr(core.at, '@', (size_t)(core.end - core.at));

	if (mark == NULL)
		return false;
	for (word.at = mark; word.at > core.at && !is_blank(word.at[-1]);)
		word.at--;
	for (word.end = mark; word.end < core.end && !is_blank(*word.end);)
		word.end++;
	item->name = span_trim((struct span){core.at, word.at});
	item->tail = (struct span){word.end, core.end};
	item->address = word;
	item->is_odd = true;
	return item->name.at < item->name.end && span_is_empty(item->tail) &&
	       read_address(word, item) && item->domain_at == NULL;
}

static void classify_plain(struct mailbox_item *item)
{
	const char *first = comment_skip(item->core.at, item->core.end);
	size_t size = (size_t)(item->core.end - item->core.at);

	item->address = item->core;
	if (read_address(item->core, item) &&
		!(item->wants_mark && (*first == '"' || item->address_eightbit))) {
		item->kind = MAILBOX_ADDRESS;
		return;
	}
	item->kind = MAILBOX_ADDRESS;
	if (split_name(item))
		return;
	item->kind = memchr(item->core.at, '@', size) != NULL ? MAILBOX_WRONG : MAILBOX_NAME;
	item->name = item->core;
	item->address = item->tail = (struct span){item->core.end, item->core.end};
	item->address_eightbit = item->is_odd = false;
	item->domain_at = NULL;
}

static void classify_angle(struct mailbox_item *item, struct span angle)
{
	item->name = span_trim((struct span){item->core.at, angle.at});
	item->address = (struct span){angle.at + 1, angle.end - 1};
	item->tail = span_trim((struct span){angle.end, item->core.end});
	item->has_brackets = true;
	if (!span_is_empty(item->tail)) {
		item->is_odd = true;
		if (item->name.at < item->name.end) {
			item->kind = MAILBOX_WRONG;
			return;
		}
		item->name = item->tail;
		item->tail.at = item->tail.end;
	}
	item->kind = read_address(item->address, item) ? MAILBOX_ADDRESS : MAILBOX_WRONG;
	if (item->kind == MAILBOX_WRONG)
		item->address_eightbit = false;
}

/* `name`: what stands in front of the ":". */
static bool begins_group(
	const struct mailbox_list *list, struct span name, struct span angle, bool has_mark)
{
	return !list->in_group && angle.at == NULL && !has_mark &&
	       list->last_semicolon > name.end && !span_is_empty(name);
}

/* Sets all.end and the separator; returns the last "<…>". */
static struct span find_end(struct mailbox_list *list, struct mailbox_item *item)
{
	struct span angle = {NULL, NULL};
	const char *at = item->all.at;
	bool has_mark = false;
	size_t size;

	for (; at < list->end && *at != ',' && *at != ';'; at += size) {
		size = *at == '<'   ? angle_size(at, list->end)
		       : *at == '[' ? literal_size(at, list->end)
				    : comment_token_size(at, list->end);
		if (*at == ':' &&
			begins_group(list, (struct span){item->all.at, at}, angle, has_mark))
			break;
		if (*at == '<' && size > 1)
			angle = (struct span){at, at + size};
		has_mark |= *at == '@';
	}
	item->core = span_trim((struct span){item->all.at, at});
	item->separator = at < list->end ? *at : '\0';
	item->all.end = at + (at < list->end);
	return angle;
}

struct mailbox_item mailbox_item_read(struct mailbox_list *list, const char *at)
{
	struct mailbox_item item = {.all = {at, at}, .in_group = list->in_group};
	struct span angle = find_end(list, &item);

	item.name = item.address = item.tail = (struct span){item.core.end, item.core.end};
	if (item.separator == ':') {
		item.kind = MAILBOX_GROUP;
		item.name = item.core;
		list->in_group = true;
	} else if (span_is_empty(item.core)) {
		item.tail = item.core;
	} else if (angle.at != NULL) {
		classify_angle(&item, angle);
	} else {
		classify_plain(&item);
	}
	if (item.separator == ';')
		list->in_group = false;
	return item;
}

bool mailbox_name_is_right(struct span name)
{
	const char *at = name.at;

	while ((at = comment_skip(at, name.end)) < name.end) {
		size_t size = *at == '"' ? quoted_size(at, name.end) : is_atom(*at) || *at == '.';

		if (size == 0)
			return false;
		at += size;
	}
	return true;
}
