#include "smtp/command.h"

#include <string.h>

#define LINE_BYTES 512 /* RFC 5321 4.5.3.1.4 */

void command_parser_init(
	struct command_parser *parser, size_t line_max, bool crlf_only, bool lenient)
{
	*parser = (struct command_parser){
		.line_max = line_max, .crlf_only = crlf_only, .lenient = lenient};
}

bool command_is_begun(const struct command_parser *parser)
{
	return parser->looked_at > 0 || parser->skipping;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static const char *find_blank(const char *at, const char *end, bool lenient)
{
	while (at < end && *at != ' ' && (!lenient || *at != '\t'))
		at++;
	return at;
}

static void split_line(const char *line, size_t size, bool lenient, struct command *out)
{
	const char *end = line + size;

	while (end > line && is_blank(end[-1]))
		end--;
	while (lenient && line < end && is_blank(*line))
		line++;
	out->verb = line;
	out->argument = find_blank(line, end, lenient);
	out->verb_size = (size_t)(out->argument - line);
	while (out->argument < end && is_blank(*out->argument))
		out->argument++;
	out->argument_size = (size_t)(end - out->argument);
}

static enum command_fault judge_line(
	const struct command_parser *parser, const char *line, size_t size, bool ends_in_crlf)
{
	if (parser->after_lone_lf || (parser->crlf_only && !ends_in_crlf))
		return COMMAND_LONE_LF;
	if (memchr(line, '\r', size) != NULL)
		return COMMAND_LONE_CR;
	if (memchr(line, '\0', size) != NULL)
		return COMMAND_HAS_NUL;
	return COMMAND_SOUND;
}

/* Takes out what a lenient listener does not mind. Returns the size that is left. */
static size_t clean_line(char *line, size_t size, unsigned *odd)
{
	size_t kept = 0;

	for (size_t i = 0; i < size; i++)
		if (line[i] != '\0')
			line[kept++] = line[i];
	while (kept > 0 && line[kept - 1] == '\r')
		kept--;
	if (kept < size)
		*odd |= COMMAND_ODD_END;
	return kept;
}

static unsigned find_oddities(const char *line, size_t size, const struct command *command)
{
	unsigned odd = 0;

	if (size > 0 &&
		(is_blank(line[0]) || is_blank(line[size - 1]) || memchr(line, '\t', size) != NULL))
		odd |= COMMAND_ODD_BLANKS;
	if (!command->ends_in_crlf)
		odd |= COMMAND_ODD_END;
	if (size > LINE_BYTES - 2)
		odd |= COMMAND_ODD_SIZE;
	return odd;
}

static void begin_line(struct command_parser *parser, bool last_ended_in_crlf)
{
	parser->looked_at = 0;
	parser->skipping = false;
	parser->skipped_cr = false;
	parser->after_crlf = last_ended_in_crlf;
	parser->after_lone_lf = parser->crlf_only && !last_ended_in_crlf;
}

/* The last byte of the line: its LF, or the CR that is its end where a CR alone may be. NULL: it is not there yet. */
static const char *find_end(const struct command_parser *parser, const char *at, const char *end)
{
	const char *lf = memchr(at, '\n', (size_t)(end - at));
	const char *cr = NULL;

	if (parser->lone_cr)
		cr = memchr(at, '\r', (size_t)((lf != NULL ? lf : end) - at));
	return cr != NULL && cr + 1 != lf ? cr : lf;
}

/* The over-long line's first bytes: its verb is kept, the rest is not. */
static void begin_skipping(struct command_parser *parser, char *line, size_t size)
{
	struct command command;
	unsigned odd = 0;

	if (parser->lenient)
		size = clean_line(line, size, &odd);
	split_line(line, size, parser->lenient, &command);
	if (command.verb_size > sizeof(parser->skipped_verb))
		command.verb_size = 0;
	memcpy(parser->skipped_verb, command.verb, command.verb_size);
	parser->skipped_verb_size = command.verb_size;
	parser->skipping = true;
}

static enum command_progress skip_line(struct command_parser *parser, const char *input,
	size_t size, size_t *taken, struct command *out)
{
	const char *end = find_end(parser, input, input + size);

	if (end == NULL) {
		if (size > 0)
			parser->skipped_cr = input[size - 1] == '\r';
		*taken = size;
		return COMMAND_MORE;
	}
	*taken = (size_t)(end - input) + 1;
	*out = (struct command){.verb = parser->skipped_verb,
		.verb_size = parser->skipped_verb_size,
		.argument = parser->skipped_verb + parser->skipped_verb_size,
		.fault = COMMAND_TOO_LONG};
	out->ends_in_crlf = *end == '\n' && (end > input ? end[-1] == '\r' : parser->skipped_cr);
	out->follows_crlf = parser->after_crlf;
	parser->after_cr = *end == '\r';
	begin_line(parser, out->ends_in_crlf);
	return COMMAND_BAD;
}

/* The line is whole: `end` is its last byte. */
static enum command_progress take_line(
	struct command_parser *parser, char *line, const char *end, struct command *out)
{
	size_t size = (size_t)(end - line);

	*out = (struct command){.ends_in_crlf = *end == '\n' && size > 0 && end[-1] == '\r'};
	out->follows_crlf = parser->after_crlf;
	size -= out->ends_in_crlf;
	if (parser->lenient)
		size = clean_line(line, size, &out->odd);
	split_line(line, size, parser->lenient, out);
	if (parser->lenient)
		out->odd |= find_oddities(line, size, out);
	out->fault = judge_line(parser, line, size, out->ends_in_crlf);
	parser->after_cr = *end == '\r';
	begin_line(parser, out->ends_in_crlf);
	return out->fault == COMMAND_SOUND ? COMMAND_DONE : COMMAND_BAD;
}

size_t command_rest(struct command_parser *parser, const void *input, size_t size)
{
	bool follows = size > 0 && *(const char *)input == '\n';

	if (size == 0 || !parser->after_cr)
		return 0;
	parser->after_cr = false;
	parser->after_crlf = follows;
	return follows;
}

enum command_progress command_next(
	struct command_parser *parser, void *input, size_t size, size_t *taken, struct command *out)
{
	size_t rest = command_rest(parser, input, size), limit;
	char *line = (char *)input + rest;
	const char *end = NULL;
	enum command_progress progress = COMMAND_MORE;

	size -= rest;
	limit = size < parser->line_max ? size : parser->line_max;
	*taken = 0;
	if (!parser->skipping) {
		if (limit > parser->looked_at)
			end = find_end(parser, line + parser->looked_at, line + limit);
		if (end != NULL) {
			*taken = (size_t)(end - line) + 1;
			progress = take_line(parser, line, end, out);
		} else {
			parser->looked_at = limit;
			if (limit == parser->line_max)
				begin_skipping(parser, line, limit);
		}
	}
	if (parser->skipping)
		progress = skip_line(parser, line, size, taken, out);
	*taken += rest;
	return progress;
}
