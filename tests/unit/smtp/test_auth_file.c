/* The accounts of a text, and of a file that changes while a clock is turned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "smtp/auth_file.h"

#define SHA256 "$5$saltsalt$0123456789abcdefghijABCDEFGHIJ0123456789abc"
#define MD5    "$1$saltsalt$0123456789abcdefghijAB"

/* ---- the accounts of a text ---- */

struct bad_lines {
	size_t count, last;
};

static void note_bad_line(void *context, size_t line, const char *wrong)
{
	struct bad_lines *lines = context;

	assert_non_null(wrong);
	lines->count++;
	lines->last = line;
}

static struct auth_accounts *parse(const char *text, size_t size, struct bad_lines *lines)
{
	struct auth_accounts *accounts;
	struct reason reason;

	*lines = (struct bad_lines){0};
	accounts = auth_accounts_parse(text, size, note_bad_line, lines, &reason);
	if (accounts == NULL)
		fail_msg("%s", reason.text);
	return accounts;
}

static void accounts_are_found_by_name(void **state)
{
	static const char text[] = "# accounts\n\nbert:" MD5 "\nanna:" SHA256 "\r\ncarl:!" SHA256
				   "\ndora:*\nemil:" SHA256;
	struct bad_lines lines;
	struct auth_accounts *accounts = parse(text, strlen(text), &lines);

	(void)state;
	assert_int_equal(lines.count, 0);
	assert_int_equal(auth_accounts_count(accounts), 5);
	assert_string_equal(auth_accounts_hash(accounts, "anna"), SHA256);
	assert_string_equal(auth_accounts_hash(accounts, "bert"), MD5);
	assert_string_equal(auth_accounts_hash(accounts, "emil"), SHA256); /* no line end */
	assert_null(auth_accounts_hash(accounts, "carl"));
	assert_null(auth_accounts_hash(accounts, "dora"));
	assert_null(auth_accounts_hash(accounts, "Anna"));
	assert_null(auth_accounts_hash(accounts, ""));
	auth_accounts_close(&accounts);
}

static void bad_lines_are_left_out_with_their_number(void **state)
{
	static const char text[] = "anna:" SHA256 "\nbert:apple\ncarl:" SHA256 "\n\n:\n";
	struct bad_lines lines;
	struct auth_accounts *accounts = parse(text, strlen(text), &lines);

	(void)state;
	assert_int_equal(lines.count, 2);
	assert_int_equal(lines.last, 5);
	assert_int_equal(auth_accounts_count(accounts), 2);
	assert_null(auth_accounts_hash(accounts, "bert"));
	assert_non_null(auth_accounts_hash(accounts, "carl"));
	auth_accounts_close(&accounts);
}

static void first_of_a_name_counts(void **state)
{
	static const char text[] = "anna:" SHA256 "\nanna:" MD5 "\nanna:*\n";
	struct bad_lines lines;
	struct auth_accounts *accounts = parse(text, strlen(text), &lines);

	(void)state;
	assert_int_equal(lines.count, 2);
	assert_int_equal(auth_accounts_count(accounts), 1);
	assert_string_equal(auth_accounts_hash(accounts, "anna"), SHA256);
	auth_accounts_close(&accounts);
}

static void hostile_texts_have_no_accounts(void **state)
{
	static const struct {
		const char *text;
		size_t size;
	} rows[] = {
		{"", 0}, {"\0\0\0\0", 4}, {"\n\n\n", 3}, {"::::", 4},
		{"anna:\0" SHA256, 6 + sizeof(SHA256)},
		{"\xff\xfe"
		 "a\0n\0n\0a\0",
			10}, /* UTF-16 */
		{"\xef\xbb\xbf"
		 "anna:*",
			9}, /* a byte order mark is no part of a name */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bad_lines lines;
		struct auth_accounts *accounts = parse(rows[i].text, rows[i].size, &lines);

		assert_int_equal(auth_accounts_count(accounts), 0);
		auth_accounts_close(&accounts);
	}
}

static void dummy_is_a_hash_of_the_file(void **state)
{
	static const char text[] = "anna:" SHA256 "\nbert:" MD5 "\ncarl:*\n";
	struct bad_lines lines;
	struct auth_accounts *accounts = parse(text, strlen(text), &lines);
	size_t md5 = 0;

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		char name[16];
		const char *dummy;

		snprintf(name, sizeof(name), "x%zu", i);
		dummy = auth_accounts_dummy(accounts, name);
		assert_true(strcmp(dummy, MD5) == 0 || strcmp(dummy, SHA256) == 0);
		assert_string_equal(dummy, auth_accounts_dummy(accounts, name));
		md5 += strcmp(dummy, MD5) == 0;
	}
	/* as mixed as the file */
	assert_in_range(md5, 100, 900);
	auth_accounts_close(&accounts);
}

static void dummy_of_an_empty_file_is_what_a_new_account_gets(void **state)
{
	struct bad_lines lines;
	struct auth_accounts *accounts = parse("anna:*\n", 7, &lines);

	(void)state;
	assert_memory_equal(auth_accounts_dummy(accounts, "anna"), "$y$", 3);
	auth_accounts_close(&accounts);
}

static void accounts_have_a_limit(void **state)
{
	size_t size = 0, room = (size_t)(AUTH_ACCOUNTS_MAX + 1) * 16;
	char *text = malloc(room);
	struct bad_lines lines = {0};
	struct auth_accounts *accounts;
	struct reason reason;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < AUTH_ACCOUNTS_MAX; i++)
		size += (size_t)snprintf(text + size, room - size, "user%zu:*\n", i);
	accounts = parse(text, size, &lines);
	assert_int_equal(auth_accounts_count(accounts), AUTH_ACCOUNTS_MAX);
	assert_int_equal(lines.count, 0);
	auth_accounts_close(&accounts);
	size += (size_t)snprintf(text + size, room - size, "more:*\n");
	assert_null(auth_accounts_parse(text, size, note_bad_line, &lines, &reason));
	assert_non_null(strstr(reason.text, "more than 100000"));
	free(text);
}

/* ---- the file ---- */

struct stage {
	char folder[64], path[128];
	struct clock_turned turned;
	struct auth_file *file;
};

static int open_stage(void **state)
{
	static struct stage stage;

	stage = (struct stage){.folder = "/tmp/sluice-users-XXXXXX"};
	if (mkdtemp(stage.folder) == NULL)
		return -1;
	snprintf(stage.path, sizeof(stage.path), "%s/users", stage.folder);
	clock_turned_init(&stage.turned, 1800000000000);
	*state = &stage;
	return 0;
}

static int close_stage(void **state)
{
	struct stage *stage = *state;

	auth_file_close(&stage->file);
	unlink(stage->path);
	return rmdir(stage->folder);
}

/* As if it had been written so long ago by the turned clock. */
static void set_age(const struct stage *stage, int64_t age_ms)
{
	int64_t unix_ms = (int64_t)(stage->turned.unix_us_now / 1000) - age_ms;
	const struct timespec times[2] = {
		{0, UTIME_OMIT}, {.tv_sec = unix_ms / 1000, .tv_nsec = unix_ms % 1000 * 1000000}};

	assert_int_equal(utimensat(AT_FDCWD, stage->path, times, 0), 0);
}

/* Where it lies. */
static void write_users(const struct stage *stage, const char *text)
{
	FILE *file = fopen(stage->path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	set_age(stage, 0);
}

static void open_file(struct stage *stage)
{
	struct reason reason;

	if (auth_file_open(&stage->file, stage->path, &stage->turned.clock, &reason) < 0)
		fail_msg("%s", reason.text);
}

static size_t count_of(const struct stage *stage)
{
	return auth_accounts_count(auth_file_accounts(stage->file));
}

static bool look_after(struct stage *stage, int64_t ms)
{
	clock_turned_advance(&stage->turned, ms);
	return auth_file_look(stage->file);
}

static void change_counts_when_it_has_rested(void **state)
{
	struct stage *stage = *state;

	write_users(stage, "anna:*\n");
	open_file(stage);
	assert_int_equal(count_of(stage), 1);
	assert_false(look_after(stage, 5000));
	write_users(stage, "anna:*\nbert:*\n");
	assert_false(look_after(stage, 0));
	set_age(stage, -900);
	assert_false(look_after(stage, 1000)); /* 100 ms old */
	assert_int_equal(count_of(stage), 1);
	assert_true(look_after(stage, 1000));
	assert_int_equal(count_of(stage), 2);
	assert_false(look_after(stage, 1000));
}

static void file_put_in_its_place_counts(void **state)
{
	struct stage *stage = *state;
	char other[160];

	write_users(stage, "anna:*\n");
	open_file(stage);
	snprintf(other, sizeof(other), "%s.moved", stage->path);
	assert_int_equal(rename(stage->path, other), 0);
	write_users(stage, "bert:*\n"); /* of the same size */
	set_age(stage, 0);
	assert_true(look_after(stage, 1000));
	unlink(other);
}

static void file_that_goes_leaves_the_accounts(void **state)
{
	struct stage *stage = *state;

	write_users(stage, "anna:*\n");
	open_file(stage);
	unlink(stage->path);
	assert_false(look_after(stage, 2000));
	assert_int_equal(count_of(stage), 1);
	write_users(stage, "anna:*\nbert:*\n");
	assert_true(look_after(stage, 2000));
	assert_int_equal(count_of(stage), 2);
}

static void file_that_is_none_leaves_the_accounts(void **state)
{
	struct stage *stage = *state;

	write_users(stage, "anna:*\n");
	open_file(stage);
	unlink(stage->path);
	assert_int_equal(mkdir(stage->path, 0700), 0);
	assert_false(look_after(stage, 2000));
	assert_int_equal(rmdir(stage->path), 0);
	assert_int_equal(mkfifo(stage->path, 0600), 0); /* and it does not wait for a writer */
	assert_false(look_after(stage, 2000));
	assert_int_equal(count_of(stage), 1);
}

static void missing_file_has_no_accounts_until_it_is_there(void **state)
{
	struct stage *stage = *state;

	open_file(stage);
	assert_int_equal(count_of(stage), 0);
	assert_false(look_after(stage, 2000));
	write_users(stage, "anna:*\n");
	assert_true(look_after(stage, 2000));
	assert_int_equal(count_of(stage), 1);
}

static void what_cannot_be_read_is_refused_at_the_start(void **state)
{
	struct stage *stage = *state;
	struct reason reason;

	assert_int_equal(mkdir(stage->path, 0700), 0);
	assert_int_equal(
		auth_file_open(&stage->file, stage->path, &stage->turned.clock, &reason), -1);
	assert_null(stage->file);
	assert_non_null(strstr(reason.text, stage->path));
	assert_int_equal(rmdir(stage->path), 0);
}

int main(void)
{
#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accounts_are_found_by_name),
		cmocka_unit_test(bad_lines_are_left_out_with_their_number),
		cmocka_unit_test(first_of_a_name_counts),
		cmocka_unit_test(hostile_texts_have_no_accounts),
		cmocka_unit_test(dummy_is_a_hash_of_the_file),
		cmocka_unit_test(dummy_of_an_empty_file_is_what_a_new_account_gets),
		cmocka_unit_test(accounts_have_a_limit),
		FILE_TEST(change_counts_when_it_has_rested),
		FILE_TEST(file_put_in_its_place_counts),
		FILE_TEST(file_that_goes_leaves_the_accounts),
		FILE_TEST(file_that_is_none_leaves_the_accounts),
		FILE_TEST(missing_file_has_no_accounts_until_it_is_there),
		FILE_TEST(what_cannot_be_read_is_refused_at_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
