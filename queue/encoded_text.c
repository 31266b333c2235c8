#include <string.h>

#include "queue/comment.h"
#include "queue/encoded_word.h"

struct token {
	const char *at, *end; /* the word */
	const char *next; /* behind the blanks that follow it */
	bool is_encoded; /* it is an encoded-word */
	bool is_needy;
};

/* `at` is at the word's first byte, or at the end. */
static struct token read_token(const struct field_terms *terms, const char *at, const char *end)
{
	struct token token = {.at = at};
	size_t size;

	while (at < end && !is_blank(*at))
		at++;
	token.end = at;
	while (at < end && is_blank(*at))
		at++;
	token.next = at;
	size = (size_t)(token.end - token.at);
	token.is_encoded = encoded_word_is_one(token.at, size);
	token.is_needy = !token.is_encoded &&
			 (size > ENCODED_WORD_LONG || encoded_word_needed(terms, token.at, size));
	return token;
}

/* The token behind the run of needy words that begins with `token`, and where the run's text ends. */
static struct token read_run(
	const struct field_terms *terms, struct token token, const char *end, const char **run_end)
{
	while (token.is_needy) {
		*run_end = token.end;
		token = read_token(terms, token.next, end);
	}
	/* blanks between two encoded-words are dropped by who decodes: these go into ours */
	if (token.is_encoded)
		*run_end = token.at;
	return token;
}

static void write_run(struct fold *fold, const struct field_terms *terms, bool in_phrase,
	const char *begin, const char *end)
{
	size_t size = (size_t)(end - begin);

	encoded_word_write(fold, encoded_word_charset(terms, begin, size), in_phrase, begin, size);
}

void encoded_word_text(struct fold *fold, const struct field_terms *terms, bool in_phrase,
	const char *at, size_t size)
{
	const char *end = at + size, *blanks = at, *begin, *run_end;
	bool is_behind_encoded = false;
	struct token token;

	while (at < end && is_blank(*at))
		at++;
	for (token = read_token(terms, at, end); token.at < end;) {
		if (token.is_needy) {
			begin = is_behind_encoded ? blanks : token.at;
			fold_blank(fold, is_behind_encoded ? " " : blanks,
				is_behind_encoded ? 1 : (size_t)(token.at - blanks));
			token = read_run(terms, token, end, &run_end);
			write_run(fold, terms, in_phrase, begin, run_end);
			is_behind_encoded = true;
			blanks = run_end;
			continue;
		}
		if (token.is_encoded && is_behind_encoded && blanks == token.at)
			fold_blank(fold, " ", 1);
		else
			fold_blank(fold, blanks, (size_t)(token.at - blanks));
		encoded_word_again(fold, in_phrase, token.at, (size_t)(token.end - token.at));
		is_behind_encoded = token.is_encoded;
		blanks = token.end;
		token = read_token(terms, token.next, end);
	}
	fold_blank(fold, blanks, (size_t)(end - blanks));
}

/* ---- structured fields ---- */

static void put_other(struct fold *fold, char other, const char *at, size_t size)
{
	const char *end = at + size, *begin;

	if (other == '\0') {
		fold_text(fold, at, size);
		return;
	}
	while (at < end) {
		for (begin = at; at < end && (*at & 0x80) == 0;)
			at++;
		fold_text(fold, begin, (size_t)(at - begin));
		if (at < end)
			fold_word(fold, &other, 1);
		at += at < end;
	}
}

#define ENCODED_WORD_AROUND 32 /* "(=?iso-8859-1?Q?" and some =XX */

#define COMMENT_ENCODED_MAX 2048 /* of a longer one the encoded form might be no comment any more */

static void put_comment(
	struct fold *fold, const struct field_terms *terms, const char *at, size_t size)
{
	const char *text = at + 1;
	size_t text_size = size - 2;

	if (size > COMMENT_ENCODED_MAX) {
		put_other(fold, '?', at, size);
		return;
	}
	/* it cannot be folded behind "(", or a blank would be added */
	if (fold->blank_size > 0 && fold->has_word &&
		fold->column + text_size + ENCODED_WORD_AROUND > FOLD_WISH)
		fold_line(fold);
	fold_word(fold, "(", 1);
	encoded_word_write(
		fold, encoded_word_charset(terms, text, text_size), true, text, text_size);
	fold_word(fold, ")", 1);
}

void encoded_word_comments(
	struct fold *fold, const struct field_terms *terms, char other, const char *at, size_t size)
{
	const char *end = at + size, *begin = at;
	size_t part;

	while (at < end) {
		part = comment_token_size(at, end);
		if (*at == '(' && part > 1 && encoded_word_needed(terms, at, part)) {
			put_other(fold, other, begin, (size_t)(at - begin));
			put_comment(fold, terms, at, part);
			begin = at + part;
		}
		at += part;
	}
	put_other(fold, other, begin, (size_t)(end - begin));
}
