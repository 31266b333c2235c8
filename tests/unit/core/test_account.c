#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <crypt.h>
#include <stdio.h>
#include <string.h>

#include "core/account.h"

static const char digest_86[] =
	"0123456789abcdefghijABCDEFGHIJ0123456789abcdefghijABCDEFGHIJ0123456789abcdefghijABCDEF";
static const char yescrypt[] =
	"$y$j9T$uC5ylHiNWOHcTMHnV01aK0$VEtcI9hP7dU7gLnwKGgm8gY7ble22X/BVvgYlWJm0n.";

static enum account_line parse(const char *line, struct account_entry *entry)
{
	const char *wrong;
	enum account_line kind = account_parse_line(line, strlen(line), entry, &wrong);

	assert_int_equal(wrong != NULL, kind == ACCOUNT_BAD);
	return kind;
}

static void entry_is_a_name_and_a_hash(void **state)
{
	struct account_entry entry;
	char line[256];

	(void)state;
	snprintf(line, sizeof(line), "anna:%s", yescrypt);
	assert_int_equal(parse(line, &entry), ACCOUNT_ENTRY);
	assert_int_equal(entry.name_size, 4);
	assert_memory_equal(entry.name, "anna", 4);
	assert_int_equal(entry.hash_size, strlen(yescrypt));
	assert_memory_equal(entry.hash, yescrypt, strlen(yescrypt));
	assert_false(entry.locked);
	strcat(line, "\r");
	assert_int_equal(parse(line, &entry), ACCOUNT_ENTRY);
	assert_int_equal(entry.hash_size, strlen(yescrypt));
}

static void comments_and_empty_lines_are_nothing(void **state)
{
	struct account_entry entry;

	(void)state;
	assert_int_equal(parse("", &entry), ACCOUNT_NOTHING);
	assert_int_equal(parse("\r", &entry), ACCOUNT_NOTHING);
	assert_int_equal(parse("# anna:x", &entry), ACCOUNT_NOTHING);
}

static void mark_in_front_locks(void **state)
{
	static const char *const marks[] = {"!", "*", "!!", "!*"};

	(void)state;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		struct account_entry entry;
		char line[256];

		snprintf(line, sizeof(line), "anna:%s%s", marks[i], yescrypt);
		assert_int_equal(parse(line, &entry), ACCOUNT_ENTRY);
		assert_true(entry.locked);
		assert_int_equal(entry.hash_size, strlen(yescrypt));
		snprintf(line, sizeof(line), "anna:%s", marks[i]);
		assert_int_equal(parse(line, &entry), ACCOUNT_ENTRY);
		assert_true(entry.locked);
		assert_int_equal(entry.hash_size, 0);
	}
}

static void hashes_of_the_usual_methods_are_taken(void **state)
{
	static const struct {
		const char *setting;
		int digest_size;
	} rows[] = {
		{"$6$saltsalt$", 86},
		{"$6$rounds=5000$saltsalt$", 86},
		{"$5$saltsalt$", 43},
		{"$2b$10$", 53},
		{"$1$saltsalt$", 22},
		{"$7$CU..../....saltsaltsaltsaltsalts.$", 43},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct account_entry entry;
		char line[256];

		snprintf(line, sizeof(line), "anna:%s%.*s", rows[i].setting, rows[i].digest_size,
			digest_86);
		if (parse(line, &entry) != ACCOUNT_ENTRY)
			fail_msg("refused: %s", line);
		line[strlen(line) - 1] = '\0';
		if (parse(line, &entry) != ACCOUNT_BAD)
			fail_msg("cut, and taken: %s", line);
	}
}

static void what_new_accounts_get_is_taken(void **state)
{
	struct crypt_data memory = {0};
	char setting[ACCOUNT_HASH_SIZE], line[ACCOUNT_HASH_SIZE + 8];
	struct account_entry entry;

	(void)state;
	assert_non_null(account_new_setting(setting));
	assert_memory_equal(setting, "$y$", 3);
	snprintf(
		line, sizeof(line), "anna:%s", crypt_rn("apple", setting, &memory, sizeof(memory)));
	assert_int_equal(parse(line, &entry), ACCOUNT_ENTRY);
}

static void bad_lines_say_what_was_expected(void **state)
{
	static const struct {
		const char *line, *wrong;
	} rows[] = {
		{"anna", "name:hash"},
		{":", "1 to 255"},
		{":!", "1 to 255"},
		{"anna:", "method"},
		{"anna:apple", "method"}, /* a password in clear */
		{"anna:abcdefghijklm", "method"}, /* DES, or a password of 13 letters */
		{"anna:$9$salt$abcdefgh", "method"},
		{"anna:$y$j9T$salt$short", "whole"},
		{"anna:$y$", "method"},
		{"anna:$6$saltsalt$0123:1000:x", "nothing more"}, /* as a shadow file has it */
		{"anna:$6$salt salt$0123", "nothing more"},
		{"an na:*", "blanks"},
		{" anna:*", "blanks"},
		{"anna\t:*", "blanks"},
		{"an\x01na:*", "control"},
		{"an\xffna:*", "UTF-8"},
		{"an\xe2\x80\xaena:*", "control"}, /* turns what follows around */
		{"anna:*:*", "nothing more"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct account_entry entry;
		const char *wrong = NULL;

		if (account_parse_line(rows[i].line, strlen(rows[i].line), &entry, &wrong) !=
				ACCOUNT_BAD ||
			strstr(wrong, rows[i].wrong) == NULL)
			fail_msg("%s: %s", rows[i].line, wrong);
	}
}

static void nul_is_in_no_name_and_no_hash(void **state)
{
	struct account_entry entry;
	const char *wrong;

	(void)state;
	assert_int_equal(account_parse_line("an\0na:*", 7, &entry, &wrong), ACCOUNT_BAD);
	assert_int_equal(account_parse_line("anna:$1$a\0b", 11, &entry, &wrong), ACCOUNT_BAD);
}

static void names_have_a_limit(void **state)
{
	char name[ACCOUNT_NAME_SIZE + 1];

	(void)state;
	memset(name, 'a', sizeof(name));
	assert_null(account_name_wrong(name, ACCOUNT_NAME_SIZE - 1));
	assert_non_null(account_name_wrong(name, ACCOUNT_NAME_SIZE));
	assert_null(account_name_wrong("m\xc3\xbcller@example.edu", 19));
	assert_non_null(account_name_wrong("#anna", 5));
}

static void hashes_have_a_limit(void **state)
{
	struct account_entry entry;
	char line[2 * ACCOUNT_HASH_SIZE];

	(void)state;
	memset(line, 'a', sizeof(line));
	memcpy(line, "anna:$6$", 8);
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(parse(line, &entry), ACCOUNT_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entry_is_a_name_and_a_hash),
		cmocka_unit_test(comments_and_empty_lines_are_nothing),
		cmocka_unit_test(mark_in_front_locks),
		cmocka_unit_test(hashes_of_the_usual_methods_are_taken),
		cmocka_unit_test(what_new_accounts_get_is_taken),
		cmocka_unit_test(bad_lines_say_what_was_expected),
		cmocka_unit_test(nul_is_in_no_name_and_no_hash),
		cmocka_unit_test(names_have_a_limit),
		cmocka_unit_test(hashes_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
