/*
 * encoded_word.h: text that is not ASCII, written as encoded-words (RFC 2047), so that decoding gives the very text back.
 *
 * Words of ASCII stay as they are. A run of words that need it is encoded with the blanks between them, since blanks
 * between two encoded-words are dropped by who reads. A run is "utf-8" when it is valid UTF-8, else the charset of the terms.
 * Characters of UTF-8 are not cut; of another charset with several bytes a character we do not know where they end, and
 * words are cut between any two bytes.
 *
 * Threads: any.
 */
#ifndef SLUICE_QUEUE_ENCODED_WORD_H
#define SLUICE_QUEUE_ENCODED_WORD_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/field.h"
#include "queue/fold.h"

/* 8-bit that may not stay. */
bool encoded_word_needed(const struct field_terms *terms, const char *at, size_t size);
/* What 8-bit text is to be called: "utf-8", or what the terms say where that is a charset's name. */
const char *encoded_word_charset(const struct field_terms *terms, const char *at, size_t size);

/* "=?charset?Q?…?=" and no more; raw 8-bit in it is forgiven. */
bool encoded_word_is_one(const char *at, size_t size);

/* What the payload of one says, its `encoding` being 'b' or 'q'; what cannot be decoded is passed over. False without memory. */
bool encoded_word_decode(char encoding, const char *payload, size_t size, struct bytes *out)
	__attribute__((warn_unused_result));

#define ENCODED_WORD_LONG \
	800 /* a word of that size is encoded where it may be: it cannot stand on a line */

/* A word as it is, but an encoded-word that is too long for a line or has raw 8-bit in it is written anew. */
void encoded_word_again(struct fold *fold, bool in_phrase, const char *at, size_t size);

/* All of it as one run. `in_phrase`: for a display name or a comment, where fewer bytes may stand for themselves. */
void encoded_word_write(
	struct fold *fold, const char *charset, bool in_phrase, const char *at, size_t size);

/* Text in words: those that need it, or are too long for a line, are encoded. terms NULL: only the latter. */
void encoded_word_text(struct fold *fold, const struct field_terms *terms, bool in_phrase,
	const char *at, size_t size);

/*
 * A structured field: what is 8-bit in comments is encoded. Elsewhere nothing can be: each such byte becomes `other`, and
 * stays where that is '\0'.
 */
void encoded_word_comments(struct fold *fold, const struct field_terms *terms, char other,
	const char *at, size_t size);

#endif
