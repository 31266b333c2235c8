/*
 * response.h: reads an upstream's replies (RFC 5321 4.2), as they come in.
 *
 * A reply is foreign text: it is bounded, lines over 512 bytes are read all the same, and what is kept of it is one line
 * of printable ASCII that may be logged, stored and quoted in a bounce.
 * Errors: RESPONSE_BAD for what is no reply: no code, another code in a later line, too long. Nothing may be read from
 * that connection again.
 * Limits: below. A lone LF ends a line too; a reply cannot be smuggled by it, as we read no text of a client here.
 */
#ifndef SLUICE_SMTP_RESPONSE_H
#define SLUICE_SMTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>

#define RESPONSE_BYTES_MAX   65536
#define RESPONSE_TEXT_SIZE   512
#define RESPONSE_STATUS_SIZE 12

enum response_result { RESPONSE_DONE, RESPONSE_MORE, RESPONSE_BAD };

struct response {
	int code; /* 200 to 599 */
	char status
		[RESPONSE_STATUS_SIZE]; /* enhanced code (RFC 3463) of the first line that has one, or "" */
	char text
		[RESPONSE_TEXT_SIZE]; /* "550 5.1.1 No such user": the code and the words of all lines, cleaned */

	/* the parser's */
	size_t line_size, bytes_size, text_size;
	char line[RESPONSE_TEXT_SIZE]; /* the start of the line that is being read */
	bool finished, broken;
};

void response_init(struct response *response);

/*
 * Takes bytes until a reply is complete. DONE: it is in `response`, and the next call begins another. MORE: all was
 * taken. `taken` says how many bytes went.
 */
enum response_result response_parse(
	struct response *response, const void *from, size_t size, size_t *taken);

/* The text behind the code. */
const char *response_words(const struct response *response);

/* Copies text as one line of printable ASCII, cut to `size`. Returns `out`. */
char *response_clean(char *out, size_t size, const char *text);

#endif
