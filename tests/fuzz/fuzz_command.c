/*
 * fuzz_command.c: command lines, and the paths and parameters in them: however the bytes are cut, the same commands come out
 * with the same faults; no more than a line is ever to be kept; a path that is taken is printable and within its limits;
 * what the lenient reader takes of a path, the strict one takes in brackets, as it is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/command.h"
#include "smtp/path.h"
#include "smtp/path_lenient.h"
#include "smtp/path_list.h"

#define LINE_BYTES 128

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void check_path(const char *text, size_t size, enum path_kind kind)
{
	const char *end = text + size;
	struct path_parameter parameter;
	struct path path;
	size_t taken;

	if (path_parse(text, size, kind, &path, &taken) != PATH_SOUND)
		return;
	if (taken > size || path.size >= PATH_BYTES - 1 || strlen(path.address) != path.size)
		abort();
	for (size_t i = 0; i < path.size; i++)
		if (path.address[i] < ' ' || path.address[i] > '~')
			abort();
	for (const char *at = text + taken; path_parameter_next(&at, end, &parameter) > 0;)
		if (at > end || parameter.name_size == 0)
			abort();
}

static void check_lenient(const char *text, size_t size, enum path_kind kind, bool utf8)
{
	const struct path_lenient rules = {.domain = "campus.example", .utf8 = utf8};
	struct quirk_set quirks = {{0, 0}};
	struct path path, again;
	char bracketed[PATH_BYTES + 2];
	size_t taken;

	if (path_lenient_parse(&rules, kind, text, size, &path, &taken, &quirks) != PATH_SOUND)
		return;
	if (taken > size)
		abort();
	bracketed[0] = '<';
	memcpy(bracketed + 1, path.address, path.size);
	bracketed[path.size + 1] = '>';
	if ((utf8 ? path_parse_utf8 : path_parse)(bracketed, path.size + 2, kind, &again, &taken) !=
		PATH_SOUND)
		abort();
	if (taken != path.size + 2 || strcmp(again.address, path.address) != 0)
		abort();
}

/* What a strict listener takes whole, a lenient one takes alike. */
static void check_unchanged(const char *text, size_t size)
{
	const struct path_lenient rules = {.domain = "campus.example"};
	struct quirk_set quirks = {{0, 0}};
	struct path strict, lenient;
	size_t taken;

	if (path_parse(text, size, PATH_REVERSE, &strict, &taken) != PATH_SOUND || taken != size)
		return;
	if (path_lenient_parse(&rules, PATH_REVERSE, text, size, &lenient, &taken, &quirks) !=
			PATH_SOUND ||
		taken != size || strcmp(strict.address, lenient.address) != 0)
		abort();
}

static void check_list(const char *text, size_t size)
{
	const char *at = text, *end = text + size;
	struct path_item item;

	while (path_list_next(&at, end, &item) > 0)
		if (item.text < text || item.text + item.size > at || at > end)
			abort();
	if (at > end)
		abort();
}

static void check_command(const struct command *command, const char *line, size_t size)
{
	if (command->fault == COMMAND_TOO_LONG)
		return;
	if (command->verb < line || command->verb + command->verb_size > line + size ||
		command->argument + command->argument_size > line + size)
		abort();
	for (const char *at = command->verb;
		command->fault == COMMAND_SOUND && at < command->argument + command->argument_size;
		at++)
		if (*at == '\0' || *at == '\r')
			abort();
	check_path(command->argument, command->argument_size, PATH_REVERSE);
	check_path(command->argument, command->argument_size, PATH_FORWARD);
	for (int i = 0; i < 4; i++)
		check_lenient(command->argument, command->argument_size,
			i % 2 == 0 ? PATH_REVERSE : PATH_FORWARD, i / 2 == 0);
	check_unchanged(command->argument, command->argument_size);
	check_list(command->argument, command->argument_size);
}

/* A sum of all that was heard: order, bytes and faults. */
static uint64_t mix(uint64_t sum, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ at[i]) * UINT64_C(0x100000001b3);
	return (sum ^ size) * UINT64_C(0x100000001b3);
}

enum rules { STRICT, LENIENT, LONE_CR, RULES_COUNT };

static uint64_t run(char *input, size_t size, size_t step, enum rules rules)
{
	struct command_parser parser;
	uint64_t sum = 0;
	size_t from = 0, to = 0;

	command_parser_init(&parser, LINE_BYTES, rules == STRICT, rules != STRICT);
	parser.lone_cr = rules == LONE_CR;
	while (to < size) {
		enum command_progress progress;

		to = size - to < step ? size : to + step;
		do {
			struct command command;
			size_t taken;

			progress = command_next(&parser, input + from, to - from, &taken, &command);
			if (taken > to - from)
				abort();
			if (progress != COMMAND_MORE) {
				/* cut, they are the same ones: the sums say so */
				if (step == SIZE_MAX)
					check_command(&command, input + from, taken);
				sum = mix(sum, &command.fault, sizeof(command.fault));
				sum = mix(sum, command.verb, command.verb_size);
				sum = mix(sum, command.argument, command.argument_size);
			}
			from += taken;
		} while (progress != COMMAND_MORE);
		if (to - from >= LINE_BYTES)
			abort();
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	uint64_t whole, cut;
	char *copy;

	if (size < 2)
		return 0;
	copy = malloc(size - 1); /* the parser writes to its input */
	for (enum rules rules = STRICT; copy != NULL && rules < RULES_COUNT; rules++) {
		memcpy(copy, input + 1, size - 1);
		whole = run(copy, size - 1, SIZE_MAX, rules);
		memcpy(copy, input + 1, size - 1);
		cut = run(copy, size - 1, 1 + input[0] % 7, rules);
		if (whole != cut)
			abort();
	}
	free(copy);
	return 0;
}
