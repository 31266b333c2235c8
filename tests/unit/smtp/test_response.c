#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/response.h"

static enum response_result parse_by(
	struct response *response, const char *from, size_t size, size_t step, size_t *taken)
{
	enum response_result result = RESPONSE_MORE;

	response_init(response);
	*taken = 0;
	while (result == RESPONSE_MORE && *taken < size) {
		size_t part = size - *taken < step ? size - *taken : step;
		size_t now = 0;

		result = response_parse(response, from + *taken, part, &now);
		assert_true(now <= part);
		*taken += now;
	}
	return result;
}

/* The same, whole and byte by byte and in threes. */
static void check(const char *from, enum response_result wanted, int code, const char *status,
	const char *text)
{
	static const size_t steps[] = {SIZE_MAX, 1, 3};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct response response;
		size_t taken;

		assert_int_equal(parse_by(&response, from, strlen(from), steps[i], &taken), wanted);
		if (wanted != RESPONSE_DONE)
			continue;
		assert_int_equal(response.code, code);
		assert_string_equal(response.status, status);
		assert_string_equal(response.text, text);
		assert_int_equal(taken, strlen(from));
	}
}

static void single_line_is_done(void **state)
{
	(void)state;
	check("250 2.1.0 Ok\r\n", RESPONSE_DONE, 250, "2.1.0", "250 2.1.0 Ok");
	check("250 Ok\r\n", RESPONSE_DONE, 250, "", "250 Ok");
	check("354\r\n", RESPONSE_DONE, 354, "", "354");
	check("354 \r\n", RESPONSE_DONE, 354, "", "354");
	check("250 Ok\n", RESPONSE_DONE, 250, "", "250 Ok");
}

static void what_follows_is_not_taken(void **state)
{
	static const char two[] = "250 Ok\r\n421 bye\r\n";
	struct response response;
	size_t taken;

	(void)state;
	response_init(&response);
	assert_int_equal(response_parse(&response, two, sizeof(two) - 1, &taken), RESPONSE_DONE);
	assert_int_equal(taken, 8);
	assert_int_equal(
		response_parse(&response, two + 8, sizeof(two) - 9, &taken), RESPONSE_DONE);
	assert_int_equal(response.code, 421);
}

static void lines_are_joined_and_their_code_said_once(void **state)
{
	(void)state;
	check("550-5.1.1 The account\r\n550-5.1.1 does not\r\n550 5.1.1 exist\r\n", RESPONSE_DONE,
		550, "5.1.1", "550 5.1.1 The account does not exist");
	check("250-a\r\n250-b\r\n250 c\r\n", RESPONSE_DONE, 250, "", "250 a b c");
	check("250-\r\n250 x\r\n", RESPONSE_DONE, 250, "", "250 x");
}

static void unfinished_wants_more(void **state)
{
	(void)state;
	check("250", RESPONSE_MORE, 0, "", "");
	check("250-a\r\n", RESPONSE_MORE, 0, "", "");
	check("250-a\r\n250 b\r", RESPONSE_MORE, 0, "", "");
}

static void junk_is_bad(void **state)
{
	static const char *const junk[] = {"\r\n", "hello\r\n", "25\r\n", "25a Ok\r\n", "2500\r\n",
		"150 early\r\n", "650 late\r\n", "-250 x\r\n", " 250 x\r\n", "250_x\r\n",
		"250-a\r\n251 b\r\n", "250-a\r\n\r\n", "250-a\r\nrubbish\r\n", "\x80\xff\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++)
		check(junk[i], RESPONSE_BAD, 0, "", "");
}

static void bad_stays_bad(void **state)
{
	struct response response;
	size_t taken;

	(void)state;
	response_init(&response);
	assert_int_equal(response_parse(&response, "x\r\n", 3, &taken), RESPONSE_BAD);
	assert_int_equal(response_parse(&response, "250 Ok\r\n", 8, &taken), RESPONSE_BAD);
}

static void foreign_bytes_are_cleaned(void **state)
{
	(void)state;
	check("550 a\033[31m\x01\xc3\xa4\tb\r\r\n", RESPONSE_DONE, 550, "", "550 a?[31m??? b?");
}

static void status_must_be_whole(void **state)
{
	(void)state;
	check("550 5.1 x\r\n", RESPONSE_DONE, 550, "", "550 5.1 x");
	check("550 5.1.1234 x\r\n", RESPONSE_DONE, 550, "", "550 5.1.1234 x");
	check("550 2.1.1 x\r\n", RESPONSE_DONE, 550, "", "550 2.1.1 x");
	check("550 3.1.1 x\r\n", RESPONSE_DONE, 550, "", "550 3.1.1 x");
	check("550 5.1.1x\r\n", RESPONSE_DONE, 550, "", "550 5.1.1x");
	check("550 5.123.123\r\n", RESPONSE_DONE, 550, "5.123.123", "550 5.123.123");
}

static char *reply_of(size_t line_size, size_t lines)
{
	size_t at = 0;
	char *reply = malloc(lines * (line_size + 2) + 1);

	assert_non_null(reply);
	for (size_t i = 0; i < lines; i++) {
		memset(reply + at, 'x', line_size);
		memcpy(reply + at, i + 1 < lines ? "250-" : "250 ", 4);
		memcpy(reply + at + line_size, "\r\n", 2);
		at += line_size + 2;
	}
	reply[at] = '\0';
	return reply;
}

static void endless_line_is_bad_before_its_end(void **state)
{
	struct response response;
	size_t taken, size = 1 << 20;
	char *line = malloc(size);

	(void)state;
	assert_non_null(line);
	memset(line, '2', size);
	assert_int_equal(parse_by(&response, line, size, 512, &taken), RESPONSE_BAD);
	assert_true(taken <= RESPONSE_BYTES_MAX + 512);
	free(line);
}

static void long_line_is_cut_and_good(void **state)
{
	char *reply = reply_of(RESPONSE_BYTES_MAX - 2, 1);
	struct response response;
	size_t taken;

	(void)state;
	assert_int_equal(
		parse_by(&response, reply, strlen(reply), SIZE_MAX, &taken), RESPONSE_DONE);
	assert_int_equal(strlen(response.text), RESPONSE_TEXT_SIZE - 1);
	free(reply);
}

static void endless_lines_are_bad(void **state)
{
	char *reply = reply_of(1000, 100);
	struct response response;
	size_t taken;

	(void)state;
	assert_int_equal(parse_by(&response, reply, strlen(reply), SIZE_MAX, &taken), RESPONSE_BAD);
	assert_true(taken <= RESPONSE_BYTES_MAX + 1002);
	free(reply);
}

static void words_are_behind_the_code(void **state)
{
	struct response response;
	size_t taken;

	(void)state;
	response_init(&response);
	assert_int_equal(response_parse(&response, "421 too many\r\n", 14, &taken), RESPONSE_DONE);
	assert_string_equal(response_words(&response), "too many");
	assert_int_equal(response_parse(&response, "250\r\n", 5, &taken), RESPONSE_DONE);
	assert_string_equal(response_words(&response), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_line_is_done),
		cmocka_unit_test(what_follows_is_not_taken),
		cmocka_unit_test(lines_are_joined_and_their_code_said_once),
		cmocka_unit_test(unfinished_wants_more),
		cmocka_unit_test(junk_is_bad),
		cmocka_unit_test(bad_stays_bad),
		cmocka_unit_test(foreign_bytes_are_cleaned),
		cmocka_unit_test(status_must_be_whole),
		cmocka_unit_test(endless_line_is_bad_before_its_end),
		cmocka_unit_test(long_line_is_cut_and_good),
		cmocka_unit_test(endless_lines_are_bad),
		cmocka_unit_test(words_are_behind_the_code),
	};

	return cmocka_run_group_tests_name("smtp/response", tests, NULL, NULL);
}
