/*
 * fuzz_command.c: command lines, and the paths and parameters in them: however the bytes are cut, the same commands come out
 * with the same faults; no more than a line is ever to be kept; a path that is taken is printable and within its limits.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/command.h"
#include "smtp/path.h"

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

static void check_command(const struct command *command, const char *line, size_t size)
{
	if (command->fault == COMMAND_TOO_LONG)
		return;
	if (command->verb != line || command->verb_size > size ||
		command->argument + command->argument_size > line + size)
		abort();
	if (command->fault == COMMAND_SOUND &&
		(memchr(line, '\0', size) != NULL || memchr(line, '\r', size - 2) != NULL))
		abort();
	check_path(command->argument, command->argument_size, PATH_REVERSE);
	check_path(command->argument, command->argument_size, PATH_FORWARD);
}

/* A sum of all that was heard: order, bytes and faults. */
static uint64_t mix(uint64_t sum, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ at[i]) * UINT64_C(0x100000001b3);
	return (sum ^ size) * UINT64_C(0x100000001b3);
}

static uint64_t run(const char *input, size_t size, size_t step)
{
	struct command_parser parser;
	uint64_t sum = 0;
	size_t from = 0, to = 0;

	command_parser_init(&parser, LINE_BYTES, true);
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
	const char *text = (const char *)input + 1;

	if (size < 2)
		return 0;
	if (run(text, size - 1, SIZE_MAX) != run(text, size - 1, 1 + input[0] % 7))
		abort();
	return 0;
}
