#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/command.h"

#define LINE_MAX_BYTES 64

/* What came out, a line each: "VERB|argument" or "bad N". */
struct heard {
	char text[4096];
};

static void hear(struct heard *heard, enum command_progress progress, const struct command *command)
{
	size_t at = strlen(heard->text);

	if (progress == COMMAND_BAD)
		snprintf(heard->text + at, sizeof(heard->text) - at, "bad %d\n",
			(int)command->fault);
	else
		snprintf(heard->text + at, sizeof(heard->text) - at, "%.*s|%.*s\n",
			(int)command->verb_size, command->verb, (int)command->argument_size,
			command->argument);
}

/* Feeds `input` in steps of `step` bytes, keeping what was not taken, as a session does. */
static void feed(struct heard *heard, bool crlf_only, const char *source, size_t size, size_t step)
{
	struct command_parser parser;
	char input[4096];
	size_t from = 0, to = 0;

	memcpy(input, source, size); /* it is written to */
	command_parser_init(&parser, LINE_MAX_BYTES, crlf_only, !crlf_only);
	heard->text[0] = '\0';
	while (to < size) {
		enum command_progress progress;

		to = size - to < step ? size : to + step;
		do {
			struct command command;
			size_t taken;

			progress = command_next(&parser, input + from, to - from, &taken, &command);
			from += taken;
			if (progress != COMMAND_MORE)
				hear(heard, progress, &command);
			else
				assert_true(to - from < LINE_MAX_BYTES);
		} while (progress != COMMAND_MORE);
	}
}

static void check_sized(const char *input, size_t size, bool crlf_only, const char *wanted)
{
	struct heard heard;

	for (size_t step = 1; step <= size; step = step < 4 ? step + 1 : step * 2) {
		feed(&heard, crlf_only, input, size, step);
		assert_string_equal(heard.text, wanted);
	}
	feed(&heard, crlf_only, input, size, size);
	assert_string_equal(heard.text, wanted);
}

#define check(input, wanted) check_sized(input, sizeof(input) - 1, true, wanted)

static void line_is_verb_and_argument(void **state)
{
	(void)state;
	check("MAIL FROM:<a@b>\r\n", "MAIL|FROM:<a@b>\n");
	check("QUIT\r\n", "QUIT|\n");
	check("NOOP  two  spaces \t\r\n", "NOOP|two  spaces\n");
	check("\r\n", "|\n");
	check(" QUIT\r\n", "|QUIT\n");
}

static void pipelined_lines_come_one_by_one(void **state)
{
	(void)state;
	check("RSET\r\nNOOP x\r\nQUIT\r\nrest", "RSET|\nNOOP|x\nQUIT|\n");
}

static void overlong_line_is_bad_once_and_what_follows_is_heard(void **state)
{
	char input[1000], wanted[64];
	size_t size = 0;

	(void)state;
	snprintf(wanted, sizeof(wanted), "bad %d\nNOOP|\n", COMMAND_TOO_LONG);
	for (size_t length = LINE_MAX_BYTES - 1; length < 400; length += 111) {
		memset(input, 'A', length);
		size = length + (size_t)snprintf(input + length, 16, "\r\nNOOP\r\n");
		check_sized(input, size, true, wanted);
	}
}

static void longest_line_is_heard(void **state)
{
	char input[LINE_MAX_BYTES + 1], wanted[LINE_MAX_BYTES + 2];

	(void)state;
	memset(input, 'A', LINE_MAX_BYTES - 2);
	memcpy(input + LINE_MAX_BYTES - 2, "\r\n", 3);
	snprintf(wanted, sizeof(wanted), "%.*s|\n", LINE_MAX_BYTES - 2, input);
	check_sized(input, LINE_MAX_BYTES, true, wanted);
}

static void overlong_line_is_never_executed_in_part(void **state)
{
	char input[300];

	(void)state;
	memset(input, ' ', sizeof(input));
	memcpy(input, "QUIT", 4);
	memcpy(input + 200, "QUIT", 4);
	memcpy(input + sizeof(input) - 2, "\r\n", 2);
	check_sized(input, sizeof(input), true, "bad 1\n");
}

static void lone_lf_is_answered_and_taints_up_to_crlf(void **state)
{
	char wanted[64];

	(void)state;
	snprintf(wanted, sizeof(wanted), "bad %d\nbad %d\nNOOP|\n", COMMAND_LONE_LF,
		COMMAND_LONE_LF);
	check("MAIL FROM:<a@b>\nRCPT TO:<c@d>\r\nNOOP\r\n", wanted);
	snprintf(wanted, sizeof(wanted), "bad %d\n", COMMAND_LONE_LF);
	check("EHLO x\n", wanted);
}

static void lone_lf_ends_a_line_where_that_is_allowed(void **state)
{
	static const char input[] = "EHLO x\nQUIT\r\n";

	(void)state;
	check_sized(input, sizeof(input) - 1, false, "EHLO|x\nQUIT|\n");
}

static void lone_cr_and_nul_are_bad(void **state)
{
	char wanted[64];

	(void)state;
	snprintf(wanted, sizeof(wanted), "bad %d\nNOOP|\n", COMMAND_LONE_CR);
	check("MAIL FROM:<a@b>\rRCPT\r\nNOOP\r\n", wanted);
	check("QUIT\r\r\nNOOP\r\n", wanted);
	snprintf(wanted, sizeof(wanted), "bad %d\nNOOP|\n", COMMAND_HAS_NUL);
	check("QUIT\0\r\nNOOP\r\n", wanted);
}

/* Lenient, and whole: what is odd comes in letters behind the command. */
static void check_odd(const char *source, size_t size, bool lone_cr, const char *wanted)
{
	struct command_parser parser;
	char input[1024], heard[1024] = "";
	size_t at = 0, end = 0;

	memcpy(input, source, size);
	command_parser_init(&parser, 600, false, true);
	parser.lone_cr = lone_cr;
	while (at < size) {
		struct command command;
		size_t taken;
		enum command_progress progress =
			command_next(&parser, input + at, size - at, &taken, &command);

		at += taken;
		if (progress == COMMAND_MORE)
			break;
		end += (size_t)snprintf(heard + end, sizeof(heard) - end, "%.*s|%.*s|%s%s%s%s\n",
			(int)(command.verb_size > 9 ? 9 : command.verb_size), command.verb,
			(int)command.argument_size, command.argument,
			(command.odd & COMMAND_ODD_BLANKS) != 0 ? "b" : "",
			(command.odd & COMMAND_ODD_END) != 0 ? "e" : "",
			(command.odd & COMMAND_ODD_SIZE) != 0 ? "s" : "",
			progress == COMMAND_BAD ? "!" : "");
	}
	assert_string_equal(heard, wanted);
}

#define odd(input, wanted) check_odd(input, sizeof(input) - 1, false, wanted)

static void lenient_parser_tells_what_was_odd(void **state)
{
	char input[700];

	(void)state;
	odd("NOOP x\r\n", "NOOP|x|\n");
	odd(" \tNOOP\tx \r\n", "NOOP|x|b\n");
	odd("NOOP\n\nQUIT\r\n", "NOOP||e\n||e\nQUIT||\n");
	odd("NO\0OP\0\r\n\0\0QUIT\r\n", "NOOP||e\nQUIT||e\n");
	odd("QUIT\r\r\n", "QUIT||e\n");
	odd("QUIT\r\0\n", "QUIT||e\n");
	odd("NOOP a\rQUIT\r\n", "NOOP|a\rQUIT|!\n");
	odd("  \r\n", "||b\n");
	memset(input, 'A', sizeof(input));
	memcpy(input + 510, "\r\n", 2);
	check_odd(input, 512, false, "AAAAAAAAA||\n");
	memset(input, 'A', sizeof(input));
	memcpy(input + 511, "\r\n", 2);
	check_odd(input, 513, false, "AAAAAAAAA||s\n");
}

static void lone_cr_ends_a_line_for_who_needs_it(void **state)
{
	(void)state;
	check_odd("NOOP a\rQUIT\r", 12, true, "NOOP|a|e\nQUIT||e\n");
	check_odd("NOOP a\r\nQUIT\r\n", 14, true, "NOOP|a|\nQUIT||\n");
	check_odd("NOOP\r\rQUIT\n", 11, true, "NOOP||e\n||e\nQUIT||e\n");
}

static void lf_behind_a_lone_cr_belongs_to_it(void **state)
{
	struct command_parser parser;
	struct command command;
	char input[] = "DATA\r\nx\nNOOP\r\nQUIT\r";
	size_t taken;

	(void)state;
	command_parser_init(&parser, LINE_MAX_BYTES, false, true);
	parser.lone_cr = true;
	assert_int_equal(command_next(&parser, input, 5, &taken, &command), COMMAND_DONE);
	assert_int_equal(taken, 5);
	assert_int_equal(command_rest(&parser, input + 5, 0), 0);
	assert_int_equal(command_rest(&parser, input + 5, 3), 1);
	assert_int_equal(command_rest(&parser, input + 5, 3), 0);
	assert_int_equal(command_next(&parser, input + 8, 5, &taken, &command), COMMAND_DONE);
	assert_int_equal(taken, 5);
	assert_int_equal(command_next(&parser, input + 13, 1, &taken, &command), COMMAND_MORE);
	assert_int_equal(taken, 1);
	assert_int_equal(command_next(&parser, input + 14, 5, &taken, &command), COMMAND_DONE);
	assert_int_equal(command.verb_size, 4);
}

static void part_of_a_line_is_known_as_begun(void **state)
{
	struct command_parser parser;
	struct command command;
	char line[] = "QUIT\r\n";
	size_t taken;

	(void)state;
	command_parser_init(&parser, LINE_MAX_BYTES, true, false);
	assert_false(command_is_begun(&parser));
	assert_int_equal(command_next(&parser, line, 2, &taken, &command), COMMAND_MORE);
	assert_int_equal(taken, 0);
	assert_true(command_is_begun(&parser));
	assert_int_equal(command_next(&parser, line, 6, &taken, &command), COMMAND_DONE);
	assert_int_equal(taken, 6);
	assert_false(command_is_begun(&parser));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_is_verb_and_argument),
		cmocka_unit_test(pipelined_lines_come_one_by_one),
		cmocka_unit_test(overlong_line_is_bad_once_and_what_follows_is_heard),
		cmocka_unit_test(longest_line_is_heard),
		cmocka_unit_test(overlong_line_is_never_executed_in_part),
		cmocka_unit_test(lone_lf_is_answered_and_taints_up_to_crlf),
		cmocka_unit_test(lone_lf_ends_a_line_where_that_is_allowed),
		cmocka_unit_test(lone_cr_and_nul_are_bad),
		cmocka_unit_test(lenient_parser_tells_what_was_odd),
		cmocka_unit_test(lone_cr_ends_a_line_for_who_needs_it),
		cmocka_unit_test(lf_behind_a_lone_cr_belongs_to_it),
		cmocka_unit_test(part_of_a_line_is_known_as_begun),
	};

	return cmocka_run_group_tests_name("smtp/command", tests, NULL, NULL);
}
