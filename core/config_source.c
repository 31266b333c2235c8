#include "core/config_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 8

/* Where in the text the scan stands. */
enum place {
	PLACE_BETWEEN, /* between words */
	PLACE_WORD,
	PLACE_DOUBLE, /* inside "…" */
	PLACE_SINGLE, /* inside '…' */
	PLACE_LINE_COMMENT,
	PLACE_BLOCK_COMMENT,
};

struct scan {
	struct config_source *source;
	struct reason *reason;
	size_t at;
	unsigned line;
	enum place place;
	unsigned opened_line; /* of the quote or comment */
	unsigned brace_lines[DEPTH_MAX];
	size_t depth;
	bool behind_equals; /* the last that was not space is "=" */
	size_t capacity; /* of section_lines */
};

static int fail(const struct scan *scan, unsigned line, const char *what)
{
	return reason_set(scan->reason, "%s:%u: %s", scan->source->path, line, what);
}

static int fail_variable(const struct scan *scan)
{
	return fail(scan, scan->line,
		"'${' would name a variable, which is not put in here: write the value itself");
}

static int open_brace(struct scan *scan)
{
	struct config_source *source = scan->source;

	if (scan->depth == DEPTH_MAX)
		return fail(scan, scan->line, "braces stand in braces too deep");
	if (scan->depth == 0 && !scan->behind_equals) {
		if (source->section_count == scan->capacity) {
			size_t capacity = scan->capacity * 2 + 16;
			unsigned *grown = realloc(source->section_lines, capacity * sizeof(*grown));

			if (grown == NULL)
				return fail(scan, scan->line, "out of memory");
			source->section_lines = grown;
			scan->capacity = capacity;
		}
		source->section_lines[source->section_count++] = scan->line;
	}
	scan->brace_lines[scan->depth++] = scan->line;
	return 0;
}

static void begin_comment(struct scan *scan, enum place place)
{
	scan->place = place;
	scan->opened_line = scan->line;
	scan->source->text[scan->at] = ' ';
}

/* A byte outside of quotes and comments. */
static int scan_bare(struct scan *scan, char byte, char next)
{
	bool starts = scan->place == PLACE_BETWEEN;

	scan->place = PLACE_BETWEEN;
	switch (byte) {
	case ' ':
	case '\t':
	case '\n':
		return 0;
	case '#':
		begin_comment(scan, PLACE_LINE_COMMENT);
		return 0;
	case '"':
	case '\'':
		scan->place = byte == '"' ? PLACE_DOUBLE : PLACE_SINGLE;
		scan->opened_line = scan->line;
		break;
	case '{':
		if (open_brace(scan) < 0)
			return -1;
		break;
	case '}':
		if (scan->depth == 0)
			return fail(scan, scan->line, "a closing brace without an opening one");
		scan->depth--;
		break;
	case '*':
		return fail(scan, scan->line, "a '*' must stand in quotes: \"*\"");
	case '+':
		if (next != '=')
			return fail(scan, scan->line, "a '+' must stand in quotes");
		break;
	case '/':
		if (starts && (next == '/' || next == '*')) {
			begin_comment(scan, next == '/' ? PLACE_LINE_COMMENT : PLACE_BLOCK_COMMENT);
			return 0;
		}
		scan->place = PLACE_WORD;
		break;
	case '(':
	case ')':
	case ',':
	case '=':
		break;
	default:
		if (byte == '$' && next == '{')
			return fail_variable(scan);
		scan->place = PLACE_WORD;
	}
	scan->behind_equals = byte == '=';
	return 0;
}

/* A byte inside of quotes or a comment. */
static int scan_inside(struct scan *scan, char byte, char next)
{
	char *text = scan->source->text;

	switch (scan->place) {
	case PLACE_DOUBLE:
		if (byte == '$' && next == '{')
			return fail_variable(scan);
		/* fall through */
	case PLACE_SINGLE:
		if (byte == (scan->place == PLACE_DOUBLE ? '"' : '\''))
			scan->place = PLACE_BETWEEN;
		else if (byte == '\\' && next != '\n' && next != '\0')
			scan->at++; /* what is escaped never ends the quote */
		else if (byte == '\n')
			return fail(scan, scan->opened_line, "a quote is not closed in its line");
		break;
	case PLACE_LINE_COMMENT:
		if (byte == '\n')
			scan->place = PLACE_BETWEEN;
		else
			text[scan->at] = ' ';
		break;
	default:
		if (byte == '*' && next == '/') {
			text[scan->at++] = ' ';
			text[scan->at] = ' ';
			scan->place = PLACE_BETWEEN;
		} else if (byte != '\n') {
			text[scan->at] = ' ';
		}
	}
	return 0;
}

static int scan_text(struct scan *scan)
{
	struct config_source *source = scan->source;

	for (scan->at = 0; scan->at < source->size; scan->at++) {
		char byte = source->text[scan->at];
		char next = source->text[scan->at + 1];
		int result;

		if (((unsigned char)byte < ' ' && byte != '\t' && byte != '\n') || byte == 0x7f)
			return fail(scan, scan->line,
				"a control character: this is no configuration file");
		result = scan->place <= PLACE_WORD ? scan_bare(scan, byte, next)
						   : scan_inside(scan, byte, next);
		if (result < 0)
			return result;
		if (byte == '\n')
			scan->line++;
	}
	if (scan->place == PLACE_DOUBLE || scan->place == PLACE_SINGLE)
		return fail(scan, scan->opened_line, "a quote is never closed");
	if (scan->place == PLACE_BLOCK_COMMENT)
		return fail(scan, scan->opened_line, "a comment is never closed");
	if (scan->depth > 0)
		return fail(scan, scan->brace_lines[scan->depth - 1],
			"the brace that opens here is never closed (is the file cut off?)");
	return 0;
}

/* CR before LF goes, so that a file from elsewhere has the same lines. */
static void drop_carriage_returns(struct config_source *source)
{
	size_t kept = 0;

	for (size_t i = 0; i < source->size; i++)
		if (source->text[i] != '\r' || source->text[i + 1] != '\n')
			source->text[kept++] = source->text[i];
	source->size = kept;
	source->text[kept] = '\0';
}

static int read_all(struct config_source *source, int fd, struct reason *reason)
{
	source->text = malloc(CONFIG_SOURCE_MAX + 2);
	if (source->text == NULL)
		return reason_set(reason, "%s: out of memory", source->path);
	for (;;) {
		ssize_t size =
			read(fd, source->text + source->size, CONFIG_SOURCE_MAX + 1 - source->size);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return reason_set(
				reason, "%s: cannot be read: %s", source->path, strerror(errno));
		source->size += (size_t)size;
		if (source->size > CONFIG_SOURCE_MAX)
			return reason_set(reason,
				"%s: longer than 1MB: this is no configuration file", source->path);
		if (size == 0)
			break;
	}
	source->text[source->size] = '\0';
	return 0;
}

int config_source_read(struct config_source *source, const char *path, struct reason *reason)
{
	struct scan scan = {.source = source, .reason = reason, .line = 1};
	struct stat about;
	/* O_NONBLOCK: a FIFO without a writer must not stop a reload */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int result;

	*source = (struct config_source){.path = path};
	if (fd < 0)
		return reason_set(reason, "%s: cannot be read: %s", path, strerror(errno));
	if (fstat(fd, &about) < 0 || !S_ISREG(about.st_mode))
		result = reason_set(reason, "%s: cannot be read: not a regular file", path);
	else
		result = read_all(source, fd, reason);
	close(fd);
	if (result < 0)
		return result;
	drop_carriage_returns(source);
	return scan_text(&scan);
}

void config_source_fini(struct config_source *source)
{
	free(source->text);
	free(source->section_lines);
	*source = (struct config_source){.path = source->path};
}
