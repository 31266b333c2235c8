/* The desk with a users file and hashing threads; the asker's inbox is read here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <crypt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/account.h"
#include "core/metrics.h"
#include "smtp/auth.h"
#include "tests/unit/await.h"

#define CREDITS 64
#define COSTLY  "$5$rounds=20000$salt$"
#define CHEAP   "$5$rounds=1000$salt$" /* so that a test takes little time */

struct stage {
	char folder[64];
	struct config *config;
	struct auth *auth;
	struct mailbox *inbox;
	size_t answered;
};

static const char *in_folder(const struct stage *stage, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", stage->folder, name);
	return path;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* anna; bert: "beech", locked. */
static void write_users_by(
	const struct stage *stage, const char *password_of_anna, const char *setting)
{
	struct crypt_data memory = {0};
	char anna[ACCOUNT_HASH_SIZE], text[1024], path[128];

	snprintf(anna, sizeof(anna), "%s",
		crypt_rn(password_of_anna, setting, &memory, sizeof(memory)));
	snprintf(text, sizeof(text), "# accounts\nanna:%s\nbert:!%s\nbroken line\n", anna,
		crypt_rn("beech", setting, &memory, sizeof(memory)));
	/* another file in its place, as an editor or `sluice user` does it */
	snprintf(path, sizeof(path), "%s", in_folder(stage, "users.new"));
	write_file(path, text);
	assert_int_equal(rename(path, in_folder(stage, "users")), 0);
}

static void write_users(const struct stage *stage, const char *password_of_anna)
{
	write_users_by(stage, password_of_anna, CHEAP);
}

/* `options` of the auth section. */
static struct config *make_config(const struct stage *stage, const char *options)
{
	char text[1024];
	struct config *config;
	struct reason reason;

	snprintf(text, sizeof(text),
		"hostname = relay.test\ndata_dir = %s/data\n"
		"listen in { address = {\"127.0.0.1:2525\"} networks = {\"127.0.0.0/8\"} }\n"
		"upstream campus { hosts = {\"127.0.0.1:26\"} }\n"
		"route \"*\" { upstream = campus }\n"
		"auth { users = %s/users\n%s\n}\n",
		stage->folder, stage->folder, options);
	write_file(in_folder(stage, "sluice.conf"), text);
	if (config_load(in_folder(stage, "sluice.conf"), &config, &reason) < 0)
		fail_msg("%s", reason.text);
	return config;
}

static void open_stage(struct stage *stage, const char *options)
{
	struct reason reason;

	*stage = (struct stage){.folder = "/tmp/sluice-auth-XXXXXX"};
	assert_non_null(mkdtemp(stage->folder));
	write_users(stage, "apple");
	stage->config = make_config(stage, options);
	stage->inbox = mailbox_open(CREDITS);
	assert_non_null(stage->inbox);
	if (auth_start(&stage->auth, stage->config, &clock_system, CREDITS, NULL, &reason) < 0)
		fail_msg("%s", reason.text);
}

static void close_stage(struct stage *stage)
{
	auth_stop(&stage->auth);
	assert_null(mailbox_pop(stage->inbox));
	mailbox_close(&stage->inbox);
	config_close(&stage->config);
	unlink(in_folder(stage, "sluice.conf"));
	unlink(in_folder(stage, "users"));
	assert_int_equal(rmdir(stage->folder), 0);
}

static void take_answer(struct letter *letter, void *context)
{
	struct stage *stage = context;

	(void)letter;
	stage->answered++;
}

static void submit(struct stage *stage, struct auth_request *request, const char *account,
	const char *password, const char *peer)
{
	*request = (struct auth_request){.answer_to = stage->inbox, .letter.read = take_answer};
	snprintf(request->account, sizeof(request->account), "%s", account);
	snprintf(request->password, sizeof(request->password), "%s", password);
	assert_int_equal(address_parse(peer, &request->peer), 0);
	auth_submit(stage->auth, request);
}

static bool take_answers(struct stage *stage, size_t count)
{
	struct letter *letter;

	while ((letter = mailbox_pop(stage->inbox)) != NULL)
		letter->read(letter, stage);
	return stage->answered >= count;
}

static struct auth_request ask_from(
	struct stage *stage, const char *account, const char *password, const char *peer)
{
	struct auth_request request;

	stage->answered = 0;
	submit(stage, &request, account, password, peer);
	AWAIT(take_answers(stage, 1));
	return request;
}

static enum auth_result ask(struct stage *stage, const char *account, const char *password)
{
	return ask_from(stage, account, password, "192.0.2.1").result;
}

static void right_password_is_right_and_all_else_is_wrong(void **state)
{
	struct stage stage;

	(void)state;
	open_stage(&stage, "");
	assert_int_equal(ask(&stage, "anna", "apple"), AUTH_RIGHT);
	assert_int_equal(ask(&stage, "anna", "apples"), AUTH_WRONG);
	assert_int_equal(ask(&stage, "anna", ""), AUTH_WRONG);
	assert_int_equal(ask(&stage, "Anna", "apple"), AUTH_WRONG);
	assert_int_equal(ask(&stage, "nobody", "apple"), AUTH_WRONG);
	assert_int_equal(ask(&stage, "bert", "beech"), AUTH_WRONG); /* locked */
	close_stage(&stage);
}

static void password_is_wiped_before_the_answer(void **state)
{
	struct auth_request request;
	struct stage stage;

	(void)state;
	open_stage(&stage, "");
	request = ask_from(&stage, "anna", "apple", "192.0.2.1");
	for (size_t i = 0; i < sizeof(request.password); i++)
		assert_int_equal(request.password[i], 0);
	close_stage(&stage);
}

static void many_at_once_are_all_answered(void **state)
{
	static struct auth_request requests[CREDITS];
	struct stage stage;

	(void)state;
	open_stage(&stage, "workers = 3 tries = 1000");
	for (size_t i = 0; i < CREDITS; i++)
		submit(&stage, &requests[i], "anna", i % 2 == 0 ? "apple" : "pear", "192.0.2.1");
	AWAIT(take_answers(&stage, CREDITS));
	for (size_t i = 0; i < CREDITS; i++)
		assert_int_equal(requests[i].result, i % 2 == 0 ? AUTH_RIGHT : AUTH_WRONG);
	close_stage(&stage);
}

/* One thread, and 64 hashes that cost something: most of them are waiting when the end comes. */
static void who_waits_at_the_end_is_told(void **state)
{
	static struct auth_request requests[CREDITS];
	struct stage stage;
	size_t unavailable = 0;

	(void)state;
	open_stage(&stage, "workers = 1 tries = 1000");
	for (size_t i = 0; i < CREDITS; i++)
		submit(&stage, &requests[i], "anna", "pear", "192.0.2.1");
	auth_stop(&stage.auth);
	assert_true(take_answers(&stage, CREDITS));
	assert_int_equal(stage.answered, CREDITS);
	for (size_t i = 0; i < CREDITS; i++) {
		unavailable += requests[i].result == AUTH_UNAVAILABLE;
		assert_true(
			requests[i].result == AUTH_UNAVAILABLE || requests[i].result == AUTH_WRONG);
	}
	assert_true(unavailable > 0);
	close_stage(&stage);
}

static void guesses_are_delayed_and_then_locked_out(void **state)
{
	struct auth_request request;
	struct stage stage;

	(void)state;
	open_stage(&stage, "tries = 3 delay = 1s delay_max = 3s");
	assert_int_equal(ask_from(&stage, "anna", "a", "192.0.2.1").delay_ms, 1000);
	assert_int_equal(ask_from(&stage, "nobody", "b", "192.0.2.1").delay_ms, 2000);
	request = ask_from(&stage, "anna", "c", "192.0.2.1");
	assert_int_equal(request.result, AUTH_WRONG);
	assert_int_equal(request.delay_ms, 3000);
	request = ask_from(&stage, "anna", "apple", "192.0.2.1");
	assert_int_equal(request.result, AUTH_LOCKED);
	assert_int_equal(request.delay_ms, 3000);
	request = ask_from(&stage, "anna", "apple", "192.0.2.2");
	assert_int_equal(request.result, AUTH_RIGHT);
	assert_int_equal(request.delay_ms, 0);
	close_stage(&stage);
}

/* Side by side, before the first of them is answered: they are no more guesses than one after the other. */
static void guesses_side_by_side_are_counted_too(void **state)
{
	static struct auth_request requests[CREDITS];
	struct stage stage;
	size_t wrong = 0;

	(void)state;
	open_stage(&stage, "tries = 3 workers = 2");
	for (size_t i = 0; i < CREDITS; i++)
		submit(&stage, &requests[i], "anna", i + 1 < CREDITS ? "pear" : "apple",
			"192.0.2.1");
	AWAIT(take_answers(&stage, CREDITS));
	for (size_t i = 0; i < CREDITS; i++)
		wrong += requests[i].result == AUTH_WRONG;
	assert_int_equal(wrong, 3);
	assert_int_equal(requests[CREDITS - 1].result, AUTH_LOCKED);
	close_stage(&stage);
}

static void lock_out_is_listed_and_lifted(void **state)
{
	struct lockout list[4];
	struct lockout_request question = {.letter.read = auth_read_lockouts,
		.answered = take_answer,
		.list = list,
		.room = 4};
	struct stage stage;

	(void)state;
	open_stage(&stage, "tries = 1");
	assert_int_equal(ask(&stage, "anna", "pear"), AUTH_WRONG);
	assert_int_equal(ask(&stage, "anna", "apple"), AUTH_LOCKED);
	question.answer_to = stage.inbox;
	assert_true(mailbox_push(auth_inbox(stage.auth), &question.letter));
	AWAIT(take_answers(&stage, 2));
	assert_int_equal(question.total, 1);
	assert_string_equal(list[0].who, "192.0.2.1");
	assert_int_equal(list[0].wrong, 1);
	question.letter.read = auth_read_lockouts;
	snprintf(question.who, sizeof(question.who), "192.0.2.1");
	assert_true(mailbox_push(auth_inbox(stage.auth), &question.letter));
	AWAIT(take_answers(&stage, 3));
	assert_int_equal(question.lifted, 1);
	assert_int_equal(ask(&stage, "anna", "apple"), AUTH_RIGHT);
	close_stage(&stage);
}

static void right_answer_is_kept_for_a_while(void **state)
{
	uint64_t before = metric_value(METRIC_AUTH_CACHED);
	struct stage stage;

	(void)state;
	open_stage(&stage, "");
	assert_int_equal(ask(&stage, "anna", "apple"), AUTH_RIGHT);
	assert_int_equal(metric_value(METRIC_AUTH_CACHED), before);
	assert_int_equal(ask(&stage, "anna", "apple"), AUTH_RIGHT);
	assert_int_equal(metric_value(METRIC_AUTH_CACHED), before + 1);
	assert_int_equal(ask(&stage, "anna", "pear"), AUTH_WRONG);
	close_stage(&stage);
}

static void reload_takes_new_limits(void **state)
{
	struct config *config;
	struct stage stage;

	(void)state;
	open_stage(&stage, "tries = 1");
	config = make_config(&stage, "tries = 2");
	auth_configure(stage.auth, config);
	config_close(&config);
	assert_int_equal(ask(&stage, "anna", "pear"), AUTH_WRONG);
	assert_int_equal(ask(&stage, "anna", "plum"), AUTH_WRONG);
	assert_int_equal(ask(&stage, "anna", "apple"), AUTH_LOCKED);
	close_stage(&stage);
}

#define TIMED 15

/* The least of several: what the machine's other work has not lengthened. */
static int64_t least_us(struct stage *stage, const char *account)
{
	int64_t least = INT64_MAX;

	for (size_t i = 0; i < TIMED; i++) {
		int64_t begin = (int64_t)clock_unix_us(&clock_system), took;

		assert_int_equal(ask(stage, account, "pear"), AUTH_WRONG);
		took = (int64_t)clock_unix_us(&clock_system) - begin;
		least = took < least ? took : least;
	}
	return least;
}

/* A hash costs 5 ms and more here, what is beside it some 0.1 ms: without the dummy the ratio would be 50. */
static void unknown_and_locked_accounts_take_as_long(void **state)
{
	int64_t known_us, unknown_us, locked_us;
	struct stage stage;

	(void)state;
	open_stage(&stage, "tries = 10000 delay = 0ms cache = 0ms account_tries = 100000");
	write_users_by(&stage, "plum", COSTLY);
	AWAIT(ask(&stage, "anna", "plum") == AUTH_RIGHT); /* the new file is read */
	known_us = least_us(&stage, "anna");
	unknown_us = least_us(&stage, "nobody");
	locked_us = least_us(&stage, "bert");
	assert_true(unknown_us < 3 * known_us && known_us < 3 * unknown_us);
	assert_true(locked_us < 3 * known_us && known_us < 3 * locked_us);
	close_stage(&stage);
}

static void changed_file_counts_soon(void **state)
{
	struct stage stage;

	(void)state;
	open_stage(&stage, "tries = 10000 account_tries = 100000");
	assert_int_equal(ask(&stage, "anna", "apple"), AUTH_RIGHT);
	write_users(&stage, "plum");
	AWAIT(ask(&stage, "anna", "plum") == AUTH_RIGHT);
	assert_int_equal(ask(&stage, "anna", "apple"), AUTH_WRONG);
	close_stage(&stage);
}

static void without_a_section_there_is_no_desk(void **state)
{
	struct config config = {.workers = 1};
	struct auth *auth = (void *)1;
	struct reason reason;

	(void)state;
	assert_int_equal(auth_start(&auth, &config, &clock_system, CREDITS, NULL, &reason), 0);
	assert_null(auth);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_password_is_right_and_all_else_is_wrong),
		cmocka_unit_test(password_is_wiped_before_the_answer),
		cmocka_unit_test(many_at_once_are_all_answered),
		cmocka_unit_test(who_waits_at_the_end_is_told),
		cmocka_unit_test(guesses_are_delayed_and_then_locked_out),
		cmocka_unit_test(guesses_side_by_side_are_counted_too),
		cmocka_unit_test(lock_out_is_listed_and_lifted),
		cmocka_unit_test(right_answer_is_kept_for_a_while),
		cmocka_unit_test(reload_takes_new_limits),
		cmocka_unit_test(unknown_and_locked_accounts_take_as_long),
		cmocka_unit_test(changed_file_counts_soon),
		cmocka_unit_test(without_a_section_there_is_no_desk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
