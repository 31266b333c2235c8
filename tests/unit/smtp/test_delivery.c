#include "tests/unit/smtp/stage.h"

/* Runs one simple message against the scripts; `close` ends the test. */
static struct job *try(
	struct stage_test *test, const char *options, const char *const *scripts, size_t count)
{
	struct stage_message message = stage_simple();

	stage_open(test, options, scripts, count);
	hostile_start(&test->hostile);
	return stage_deliver(test, &message);
}

#define TRY(test, options, ...)                                \
	try(test, options, (const char *const[]){__VA_ARGS__}, \
		sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void check_outcome(const struct job *job, enum reply_stage stage, enum reply_class class)
{
	if (job->stage != stage || job->class != class)
		fail_msg("stage %s class %d reply %s", reply_stage_name(job->stage),
			(int)job->class, job->reply);
}

static void good_server_takes_it(void **state)
{
	struct stage_test test;
	struct job *job = TRY(&test, "", HELLO "|g");

	(void)state;
	check_outcome(job, STAGE_DOT, REPLY_POSITIVE);
	assert_int_equal(job->recipient_count, 1);
	assert_int_equal(job->recipients[0].effect, RECIPIENT_ACCEPTED);
	assert_string_equal(job->reply, "250 2.0.0 Queued");
	assert_string_equal(job->status, "2.0.0");
	assert_null(job->bounces);
	hostile_stop(&test.hostile);
	assert_string_equal((char *)test.hostile.texts.data, stage_text);
	assert_non_null(strstr((char *)test.hostile.lines.data, "EHLO relay.test\n"));
	assert_non_null(strstr((char *)test.hostile.lines.data,
		"MAIL FROM:<from@example.org> SIZE=24\nRCPT TO:<to@example.edu>\nDATA\n"));
	stage_close(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_server_takes_it),
	};

	return cmocka_run_group_tests_name("smtp/delivery", tests, NULL, NULL);
}
