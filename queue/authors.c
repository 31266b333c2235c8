#include "queue/authors.h"

#include <stdint.h>
#include <string.h>

#include "core/ascii.h"
#include "core/utf8.h"
#include "queue/author_charset.h"
#include "queue/comment.h"
#include "queue/encoded_word.h"
#include "queue/field_parts.h"
#include "queue/mailbox_item.h"

#define LOCAL_MAX 320 /* how far back from an "@" its local part may begin */

void authors_fini(struct authors *authors)
{
	bytes_fini(&authors->list);
	bytes_fini(&authors->text);
	bytes_fini(&authors->shown);
	bytes_fini(&authors->read);
	*authors = (struct authors){0};
}

const char *authors_next(const struct authors *authors, const char *after, enum author_kind *kind)
{
	const char *at =
		after != NULL ? after + strlen(after) + 1 : (const char *)authors->list.data;

	if (authors->count == 0 || at == (const char *)authors->list.data + authors->list.size)
		return NULL;
	*kind = (enum author_kind) * at;
	return at + 1;
}

/* ---- adding one: its text is written behind the list, then kept or taken back ---- */

struct adding {
	struct authors *authors;
	size_t start;
	bool has_failed;
};

static struct adding begin_one(struct authors *authors, enum author_kind kind)
{
	struct adding adding = {.authors = authors, .start = authors->list.size};
	char byte = (char)kind;

	adding.has_failed = !bytes_append(&authors->list, &byte, 1);
	return adding;
}

static void add_text(struct adding *adding, const char *text, size_t size)
{
	if (!adding->has_failed && !bytes_append(&adding->authors->list, text, size))
		adding->has_failed = true;
}

/* What is shown and stands in the list already says nothing new. */
static bool is_known(const struct authors *authors, const char *text)
{
	enum author_kind kind;
	const char *other = NULL;

	for (size_t i = 0; i < authors->count; i++) {
		other = authors_next(authors, other, &kind);
		if (strcmp(other, text) == 0)
			return true;
	}
	return false;
}

static bool end_one(struct adding *adding)
{
	struct authors *authors = adding->authors;
	const char *text;

	add_text(adding, "", 1);
	if (adding->has_failed)
		return false;
	text = (const char *)authors->list.data + adding->start;
	if (authors->count == AUTHORS_MAX || authors->list.size > AUTHORS_BYTES)
		authors->is_over = true;
	else if (*text < AUTHOR_SHOWN || !is_known(authors, text + 1)) {
		authors->count++;
		return true;
	}
	authors->list.size = adding->start;
	return true;
}

/* ---- mailboxes ---- */

static void add_unquoted(struct adding *adding, const char *at, const char *end)
{
	for (; at < end; at++) {
		at += *at == '\\' && at + 1 < end;
		add_text(adding, at, 1);
	}
}

/* Behind the route, if it has one. */
static const char *find_spec(struct span address)
{
	const char *at = comment_skip(address.at, address.end);

	if (at == address.end || *at != '@')
		return at;
	at = comment_find(at, address.end, ':');
	return at < address.end ? at + 1 : address.at;
}

static bool add_mailbox(struct authors *authors, enum author_kind kind, struct span address)
{
	struct adding adding = begin_one(authors, kind);
	const char *at = find_spec(address);
	size_t size;

	while ((at = comment_skip(at, address.end)) < address.end) {
		size = *at == '"' ? quoted_size(at, address.end) : 0;
		if (size > 0)
			add_unquoted(&adding, at + 1, at + size - 1);
		else
			add_text(&adding, at, 1);
		at += size > 0 ? size : 1;
	}
	return end_one(&adding);
}

static bool is_domain_byte(char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_' || c == '.' || (c & 0x80) != 0;
}

static bool add_domains(struct authors *authors, struct span text)
{
	const char *end;

	for (const char *at = text.at; at < text.end && !authors->is_over; at = end) {
		struct adding adding;

		for (end = at; end < text.end && is_domain_byte(*end);)
			end++;
		if (end > at && memchr(at, '.', (size_t)(end - at)) != NULL) {
			adding = begin_one(authors, AUTHOR_DOMAIN);
			add_text(&adding, at, (size_t)(end - at));
			if (!end_one(&adding))
				return false;
		}
		end += end == at;
	}
	return true;
}

static bool read_mailboxes(
	struct authors *authors, enum author_kind kind, const char *text, size_t size)
{
	struct mailbox_list list;
	struct mailbox_item item = {.separator = ','};
	const char *at = text;
	bool done = true;

	mailbox_list_begin(&list, text, size);
	for (; done && item.separator != '\0' && !authors->is_over; at = item.all.end) {
		item = mailbox_item_read(&list, at);
		if (item.kind == MAILBOX_ADDRESS && item.domain_at == NULL)
			done = add_mailbox(authors, kind, item.address);
		else if (item.kind == MAILBOX_WRONG || item.kind == MAILBOX_NAME)
			done = add_domains(authors, item.core);
	}
	return done;
}

/* ---- what is shown ---- */

/* Quotes and blanks, which end an address as those of ASCII do. */
static bool is_mark(uint32_t code)
{
	return code == 0xa0 || code == 0xab || code == 0xbb || (code >= 0x2018 && code <= 0x201f) ||
	       code == 0x2039 || code == 0x203a || code == 0x3000 || code == 0x2800 ||
	       (code >= 0x3008 && code <= 0x3011);
}

/* A blank, of a few pixels or of many. */
static bool is_thin(uint32_t code)
{
	return (code >= 0x2000 && code <= 0x200a) || code == 0x202f || code == 0x205f;
}

/* A byte that is no text by itself: in Latin-1 and its like a soft hyphen, or a control that nobody sees. */
static bool is_unseen_byte(char byte)
{
	return (uint8_t)byte < 0xa0 || (uint8_t)byte == 0xad;
}

/* How it is seen: text that may be seen in two ways is read in both. */
struct view {
	struct bytes *out;
	bool drops; /* what may be a blank, or nothing, is nothing */
	bool is_unsure; /* there was some */
	bool is_turned; /* it is written from right to left */
};

static bool add_doubtful(struct view *view)
{
	view->is_unsure = true;
	return view->drops || bytes_append(view->out, " ", 1);
}

static bool add_character(struct view *view, const char *at, size_t size, uint32_t code)
{
	view->is_turned |= code == 0x202e;
	if (utf8_is_invisible(code))
		return true;
	if (is_thin(code))
		return add_doubtful(view);
	if (code == 0xff20 || code == 0xfe6b)
		return bytes_append(view->out, "@", 1);
	if (code == 0x2024 || code == 0xfe52 || code == 0xff0e || code == 0xff61 || code == 0x3002)
		return bytes_append(view->out, ".", 1);
	return is_mark(code) ? bytes_append(view->out, " ", 1) : bytes_append(view->out, at, size);
}

/* As it is seen: without what cannot be, and what is no text is a blank. */
static bool make_shown(struct view *view, const char *text, size_t size)
{
	size_t step;
	uint32_t code;
	bool done = true;

	bytes_clear(view->out);
	for (size_t i = 0; done && i < size; i += step) {
		step = 1;
		if (text[i] == '\0' || text[i] == '\\')
			continue;
		if ((text[i] & 0x80) == 0) {
			done = bytes_append(view->out, (uint8_t)text[i] < ' ' ? " " : text + i, 1);
			continue;
		}
		step = utf8_next(text + i, size - i, &code);
		if (step > 0)
			done = add_character(view, text + i, step, code);
		else
			done = is_unseen_byte(text[i]) ? add_doubtful(view)
						       : bytes_append(view->out, " ", 1);
		step = step > 0 ? step : 1;
	}
	return done;
}

static bool is_local_byte(char c)
{
	return ascii_is_alnum(c) || (c & 0x80) != 0 ||
	       (c != '\0' && strchr(".!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* The local part in front of the "@" at `mark`; empty where there is none. */
static struct span find_local(const char *begin, const char *mark)
{
	const char *least = mark - begin > LOCAL_MAX ? mark - LOCAL_MAX : begin, *at = mark;

	if (at > least && at[-1] == '"') {
		for (at -= 1; at > least && at[-1] != '"';)
			at--;
		return (struct span){at, mark - 1};
	}
	while (at > least && is_local_byte(at[-1]))
		at--;
	return (struct span){at, mark};
}

static bool add_shown(struct authors *authors, struct span local, const char *domain, size_t size)
{
	struct adding adding = begin_one(authors, AUTHOR_SHOWN);

	add_text(&adding, local.at, (size_t)(local.end - local.at));
	add_text(&adding, "@", 1);
	add_text(&adding, domain, size);
	return end_one(&adding);
}

static size_t ascii_size(const char *text, size_t size)
{
	size_t i = 0;

	while (i < size && (text[i] & 0x80) == 0)
		i++;
	return i;
}

/* Behind the "@": what stands between it and the domain is passed over, as people do. */
static const char *find_domain(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '[' || *at == '"' || *at == '(' || *at == '<'))
		at++;
	return at;
}

static bool find_addresses(struct authors *authors)
{
	const char *begin = (const char *)authors->shown.data, *end = begin + authors->shown.size;
	const char *mark;
	bool done = true;

	for (const char *at = begin; done && at < end && !authors->is_over; at = mark + 1) {
		const char *domain;
		size_t size = 0, plain;
		struct span local;

		mark = memchr(at, '@', (size_t)(end - at));
		if (mark == NULL)
			break;
		domain = find_domain(mark + 1, end);
		while (domain + size < end && is_domain_byte(domain[size]))
			size++;
		if (size == 0)
			continue;
		local = find_local(begin, mark);
		/* behind the domain may stand what only seems to belong to it */
		plain = ascii_size(domain, size);
		done = add_shown(authors, local, domain, size) &&
		       (plain == size || plain == 0 || add_shown(authors, local, domain, plain));
	}
	return done;
}

static bool find_shown(struct authors *authors, const char *text, size_t size)
{
	struct view view = {.out = &authors->shown};

	if (!make_shown(&view, text, size) || !find_addresses(authors))
		return false;
	authors->is_hidden |= view.is_turned;
	if (!view.is_unsure)
		return true;
	view.drops = true;
	return make_shown(&view, text, size) && find_addresses(authors);
}

/* ---- encoded-words, read as the most tolerant do ---- */

/* The word that begins at `at` ("=?"), behind what is there already; returns its end, or NULL: it is none. */
static const char *decode_word(struct authors *authors, const char *at, const char *end)
{
	const char *charset = at + 2, *payload, *stop;
	const char *mark = memchr(charset, '?', (size_t)(end - charset));
	struct bytes *text = &authors->text;
	size_t before = text->size;

	if (mark == NULL || end - mark < 3 || mark[2] != '?')
		return NULL;
	payload = mark + 3;
	stop = memmem(payload, (size_t)(end - payload), "?=", 2);
	if (ascii_lower(mark[1]) != 'b' && ascii_lower(mark[1]) != 'q')
		return NULL;
	if (!encoded_word_decode(ascii_lower(mark[1]), payload,
		    (size_t)((stop != NULL ? stop : end) - payload), text) ||
		!author_charset_read(charset, (size_t)(mark - charset), text->data + before,
			text->size - before, &authors->read, &authors->is_hidden))
		return NULL;
	return stop != NULL ? stop + 2 : end;
}

static bool is_all_blank(const char *at, const char *end)
{
	while (at < end && is_blank(*at))
		at++;
	return at == end;
}

static bool append_both(struct authors *authors, const char *at, size_t size)
{
	return bytes_append(&authors->text, at, size) && bytes_append(&authors->read, at, size);
}

/* The text behind what is there already in `text`; as its charsets have it, in `read`. */
static bool decode_words(struct authors *authors, const char *at, const char *end)
{
	bool is_behind_word = false;
	const char *word, *behind;

	while (at < end) {
		word = memmem(at, (size_t)(end - at), "=?", 2);
		if (word == NULL)
			word = end;
		if (!(is_behind_word && is_all_blank(at, word)) &&
			!append_both(authors, at, (size_t)(word - at)))
			return false;
		if (word == end)
			break;
		behind = decode_word(authors, word, end);
		is_behind_word = behind != NULL;
		if (behind == NULL && !append_both(authors, word, 2))
			return false;
		at = behind != NULL ? behind : word + 2;
	}
	return true;
}

static bool find_encoded(struct authors *authors, size_t size)
{
	struct bytes *text = &authors->text, *read = &authors->read;

	/* what is decoded goes behind it, so that it must not move */
	if (memmem(text->data, size, "=?", 2) == NULL)
		return true;
	bytes_clear(read);
	if (!bytes_reserve(text, size * 2))
		return false;
	return decode_words(authors, (const char *)text->data, (const char *)text->data + size) &&
	       find_shown(authors, (const char *)text->data + size, text->size - size) &&
	       find_shown(authors, (const char *)read->data, read->size);
}

bool authors_take(struct authors *authors, enum author_kind kind, const void *value, size_t size)
{
	struct bytes *text = &authors->text;

	bytes_clear(text);
	if (size == 0)
		return true;
	return field_unfold(value, size, text) &&
	       (text->size == 0 ||
		       (read_mailboxes(authors, kind, (const char *)text->data, text->size) &&
			       find_shown(authors, (const char *)text->data, text->size) &&
			       find_encoded(authors, text->size)));
}
