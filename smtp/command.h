/*
 * command.h: cuts what a client sends into command lines, and a line into verb and argument. RFC 5321 2.3.8, 4.1.1.
 *
 * It knows no session. The caller hands in what it has, beginning with the first byte that was not taken yet:
 *   MORE  the line is not complete; keep what was not taken and come again with more behind it
 *   DONE  one line was taken; `out` points into the input
 *   BAD   one line was taken that must not be executed; `out->fault` says why, and it is answered once
 *
 * An over-long line is taken bit by bit to its end, then is BAD: it is answered once and never executed in part, and the
 * caller never keeps more than `line_max` bytes. Its verb is told all the same: behind BDAT come octets, not commands. Every LF ends a line, so that a client which sends lone LFs gets an
 * answer to each; but with `crlf_only` such a line, and all up to and with the next that ends in CRLF, is BAD: nothing of a
 * line that holds a lone LF is executed.
 *
 * With `lenient` blanks before the verb and tabs are blanks too, NULs are taken out (in place: the input is written to) and
 * CRs before the line's end are no part of it. With `lone_cr` a CR ends a line as well (smtp/device.h); the LF that may
 * still follow it belongs to it. What was odd is told in `odd`, so that it is noted.
 *
 * Limits: `line_max` bytes, CRLF included. RFC 5321 4.5.3.1.4 wants 512 and what the extensions add to MAIL and RCPT.
 */
#ifndef SLUICE_SMTP_COMMAND_H
#define SLUICE_SMTP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

enum command_progress { COMMAND_MORE, COMMAND_DONE, COMMAND_BAD };

enum command_fault {
	COMMAND_SOUND,
	COMMAND_TOO_LONG,
	COMMAND_HAS_NUL,
	COMMAND_LONE_CR,
	COMMAND_LONE_LF,
};

enum command_oddity {
	COMMAND_ODD_BLANKS = 1 << 0, /* before the verb or behind the line, or a tab */
	COMMAND_ODD_END = 1 << 1, /* no CRLF, or NULs */
	COMMAND_ODD_SIZE = 1 << 2, /* longer than RFC 5321 has it */
};

#define COMMAND_VERB_BYTES 16

struct command_parser {
	size_t line_max;
	bool crlf_only;
	bool lenient;
	bool lone_cr;
	size_t looked_at; /* of the line that is not complete */
	bool skipping; /* in an over-long line */
	bool skipped_cr; /* its last byte so far was CR */
	bool after_lone_lf;
	bool after_cr; /* a CR ended the last line: its LF may follow */
	char skipped_verb[COMMAND_VERB_BYTES]; /* of the over-long line; what is longer is none */
	size_t skipped_verb_size;
	bool after_crlf; /* the last line ended in CRLF, which may have come in two parts */
};

struct command {
	const char *verb;
	size_t verb_size;
	const char *argument; /* without the spaces around it */
	size_t argument_size;
	enum command_fault fault;
	unsigned odd; /* with `lenient`: enum command_oddity */
	bool ends_in_crlf, follows_crlf; /* the line before did */
};

void command_parser_init(
	struct command_parser *parser, size_t line_max, bool crlf_only, bool lenient);

enum command_progress command_next(struct command_parser *parser, void *input, size_t size,
	size_t *taken, struct command *out);

/* Before anything but a command is read of the input: how much of it belongs to the last line, 0 or 1. */
size_t command_rest(struct command_parser *parser, const void *input, size_t size);

/* Whether a part of a line has been seen. */
bool command_is_begun(const struct command_parser *parser);

#endif
