#include "smtp/command.h"

#include <string.h>

void command_parser_init(struct command_parser *parser, size_t line_max, bool crlf_only)
{
	*parser = (struct command_parser){.line_max = line_max, .crlf_only = crlf_only};
}

bool command_is_begun(const struct command_parser *parser)
{
	return parser->looked_at > 0 || parser->skipping;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void split_line(const char *line, size_t size, struct command *out)
{
	const char *end = line + size;
	const char *space;

	while (end > line && is_blank(end[-1]))
		end--;
	space = memchr(line, ' ', (size_t)(end - line));
	out->verb = line;
	out->verb_size = (size_t)((space != NULL ? space : end) - line);
	out->argument = space != NULL ? space : end;
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

static void begin_line(struct command_parser *parser, bool last_ended_in_crlf)
{
	parser->looked_at = 0;
	parser->skipping = false;
	parser->skipped_cr = false;
	parser->after_lone_lf = parser->crlf_only && !last_ended_in_crlf;
}

static enum command_progress skip_line(struct command_parser *parser, const char *input,
	size_t size, size_t *taken, struct command *out)
{
	const char *lf = memchr(input, '\n', size);
	bool ends_in_crlf;

	if (lf == NULL) {
		if (size > 0)
			parser->skipped_cr = input[size - 1] == '\r';
		*taken = size;
		return COMMAND_MORE;
	}
	ends_in_crlf = lf > input ? lf[-1] == '\r' : parser->skipped_cr;
	*taken = (size_t)(lf - input) + 1;
	*out = (struct command){.verb = "", .argument = "", .fault = COMMAND_TOO_LONG};
	begin_line(parser, ends_in_crlf);
	return COMMAND_BAD;
}

enum command_progress command_next(struct command_parser *parser, const void *input, size_t size,
	size_t *taken, struct command *out)
{
	const char *line = input;
	size_t end = size < parser->line_max ? size : parser->line_max;
	const char *lf = NULL;
	bool ends_in_crlf;

	*taken = 0;
	if (parser->skipping)
		return skip_line(parser, line, size, taken, out);
	if (end > parser->looked_at)
		lf = memchr(line + parser->looked_at, '\n', end - parser->looked_at);
	if (lf == NULL) {
		parser->looked_at = end;
		if (end < parser->line_max)
			return COMMAND_MORE;
		parser->skipping = true;
		return skip_line(parser, line, size, taken, out);
	}
	ends_in_crlf = lf > line && lf[-1] == '\r';
	size = (size_t)(lf - line) - ends_in_crlf;
	*taken = (size_t)(lf - line) + 1;
	split_line(line, size, out);
	out->fault = judge_line(parser, line, size, ends_in_crlf);
	begin_line(parser, ends_in_crlf);
	return out->fault == COMMAND_SOUND ? COMMAND_DONE : COMMAND_BAD;
}
