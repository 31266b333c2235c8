#include <errno.h>

#include "tests/unit/smtp/stage.h"

#define ENVELOPE "<MAIL|<RCPT|<DATA|"
#define OK       ">250 ok|"
#define GO       ">354 go on|"

/* ---- the text ---- */

/* One message to a good server, by each of the two ways; what arrives must be `wanted`. */
static void check_text(const void *text, size_t size, uint32_t flags, const char *wanted)
{
	static const char *const hellos[] = {HELLO "|g", HELLO_PLAIN "|g"};

	for (size_t i = 0; i < 2; i++) {
		struct stage_message message = stage_simple();
		struct stage_test test;
		struct job *job;

		message.text = text;
		message.text_size = size;
		message.flags = flags;
		stage_open(&test, STAGE_PATIENT, &hellos[i], 1);
		hostile_start(&test.hostile);
		job = stage_deliver(&test, &message);
		assert_int_equal(job->stage, STAGE_DOT);
		assert_int_equal(job->class, REPLY_POSITIVE);
		hostile_stop(&test.hostile);
		assert_string_equal((char *)test.hostile.texts.data, wanted);
		stage_close(&test);
	}
}

static void dots_at_line_starts_are_doubled(void **state)
{
	static const char text[] = ".\r\n..\r\na.b\r\n.c\r\n";

	(void)state;
	check_text(text, sizeof(text) - 1, ENVELOPE_HAS_DOTS, "..\r\n...\r\na.b\r\n..c\r\n");
}

static void text_without_a_last_line_end_gets_one(void **state)
{
	(void)state;
	check_text("a\r\nb", 4, 0, "a\r\nb\r\n");
}

/* Pieces end anywhere: between the lines, before a dot, inside CRLF. */
static void large_text_is_stuffed_across_pieces(void **state)
{
	size_t lines = 70000, size = 0, wanted_size = 0;
	char *text = malloc(lines * 5 + 1), *wanted = malloc(lines * 6 + 1);

	(void)state;
	assert_true(text != NULL && wanted != NULL);
	for (size_t i = 0; i < lines; i++) {
		bool longer = i % 7 == 3;

		memcpy(text + size, longer ? ".ab\r\n" : ".\r\n", longer ? 5 : 3);
		size += longer ? 5 : 3;
		memcpy(wanted + wanted_size, longer ? "..ab\r\n" : "..\r\n", longer ? 6 : 4);
		wanted_size += longer ? 6 : 4;
	}
	wanted[wanted_size] = '\0';
	check_text(text, size, ENVELOPE_HAS_DOTS, wanted);
	free(text);
	free(wanted);
}

/* ---- a text that cannot be trusted ---- */

static void check_damaged(size_t lines)
{
	static const char *const scripts[] = {HELLO "|" ENVELOPE OK OK GO "~|>250 ok", "x"};
	struct stage_message message = stage_simple();
	struct stage_test test;
	struct job *job;
	char *text = malloc(lines * 10 + 1);

	assert_non_null(text);
	for (size_t i = 0; i < lines; i++)
		memcpy(text + i * 10, "12345678\r\n", 11);
	message.text = text;
	message.damaged = true;
	stage_open(&test, "", scripts, 2);
	hostile_start(&test.hostile);
	job = stage_deliver(&test, &message);
	assert_int_equal(job->read_error, -EBADMSG);
	assert_null(job->bounces);
	hostile_stop(&test.hostile);
	assert_int_equal(test.hostile.texts_taken, 0);
	stage_close(&test);
	free(text);
}

static void damaged_text_gets_no_dot(void **state)
{
	(void)state;
	check_damaged(3);
	check_damaged(30000);
}

/* ---- while a large text goes out ---- */

static void check_large(const char *script, enum reply_stage stage, enum reply_class class,
	enum recipient_effect effect)
{
	const char *const scripts[] = {script, "x"};
	struct stage_message message = stage_simple();
	struct stage_test test;
	struct job *job;
	size_t size = 16u << 20; /* more than the sockets hold */
	char *text = malloc(size + 1);

	assert_non_null(text);
	for (size_t at = 0; at < size; at += 64)
		memcpy(text + at,
			"01234567890123456789012345678901234567890123456789012345678901\r\n", 64);
	text[size] = '\0';
	message.text = text;
	message.text_size = size;
	stage_open(&test, "", scripts, 2);
	hostile_start(&test.hostile);
	job = stage_deliver(&test, &message);
	if (job->stage != stage || job->class != class || job->recipients[0].effect != effect)
		fail_msg("%s: stage %s class %d reply %s", script, reply_stage_name(job->stage),
			(int)job->class, job->reply);
	stage_close(&test);
	free(text);
}

#define NO_SIZE ">220 hi|<EHLO|>250-upstream.test|>250 PIPELINING"

static void trouble_inside_the_text_is_told_as_such(void **state)
{
	(void)state;
	check_large(
		NO_SIZE "|" ENVELOPE OK OK GO "x", STAGE_TEXT, REPLY_DROPPED, RECIPIENT_UNCHANGED);
	check_large(NO_SIZE "|" ENVELOPE OK OK GO "=421 4.7.0 busy\r\n|h", STAGE_TEXT, REPLY_BUSY,
		RECIPIENT_UNCHANGED);
	check_large(NO_SIZE "|" ENVELOPE OK OK GO "=552 5.3.4 large\r\n|h", STAGE_TEXT,
		REPLY_PERMANENT, RECIPIENT_FAIL);
	check_large(NO_SIZE "|" ENVELOPE OK OK GO "w", STAGE_TEXT, REPLY_TIMED_OUT,
		RECIPIENT_UNCHANGED);
	check_large(NO_SIZE "|" ENVELOPE OK OK GO "=250 ok\r\n|h", STAGE_TEXT, REPLY_POSITIVE,
		RECIPIENT_UNCHANGED);
}

static void large_text_arrives(void **state)
{
	(void)state;
	check_large(NO_SIZE "|" ENVELOPE OK OK GO "~|>250 ok|h", STAGE_DOT, REPLY_POSITIVE,
		RECIPIENT_ACCEPTED);
}

/* ---- recipients ---- */

static const char *const five[] = {"1@x.test", "2@x.test", "3@x.test", "4@x.test", "5@x.test"};

static struct job *deliver_to_five(
	struct stage_test *test, const char *options, const char *const *scripts, size_t count)
{
	struct stage_message message = stage_simple();

	message.to = five;
	message.to_count = 5;
	stage_open(test, options, scripts, count);
	hostile_start(&test->hostile);
	return stage_deliver(test, &message);
}

static const struct job_recipient *told(const struct job *job, size_t index)
{
	for (size_t i = 0; i < job->recipient_count; i++)
		if (job->recipients[i].index == index)
			return &job->recipients[i];
	fail_msg("recipient %zu is missing", index);
	return NULL;
}

static void each_recipient_has_its_own_fate(void **state)
{
	static const char *const scripts[] = {HELLO
		"|<MAIL|<RCPT|<RCPT|<RCPT|<RCPT|<RCPT|<DATA|" OK OK ">450 4.2.1 wait|" OK
		">550 5.1.1 who|>551 5.1.6 moved|" GO "~|>250 taken|h",
		"x"};
	struct stage_test test;
	struct job *job = deliver_to_five(&test, "", scripts, 2);

	(void)state;
	assert_int_equal(job->class, REPLY_POSITIVE);
	assert_int_equal(job->recipient_count, 5);
	assert_int_equal(told(job, 0)->effect, RECIPIENT_ACCEPTED);
	assert_int_equal(told(job, 1)->effect, RECIPIENT_DEFER);
	assert_string_equal(told(job, 1)->reply, "450 4.2.1 wait");
	assert_int_equal(told(job, 2)->effect, RECIPIENT_ACCEPTED);
	assert_int_equal(told(job, 3)->effect, RECIPIENT_FAIL);
	assert_string_equal(told(job, 3)->status, "5.1.1");
	assert_int_equal(told(job, 4)->effect, RECIPIENT_FAIL);
	assert_non_null(job->bounces);
	assert_null(job->bounces->next);
	stage_close(&test);
}

/* What was told before a 421 stays; who was accepted goes with the message. */
static void verdicts_before_a_421_stay(void **state)
{
	static const char *const scripts[] = {HELLO
		"|<MAIL|<RCPT|<RCPT|<RCPT|<RCPT|<RCPT|<DATA|" OK OK
		">550 5.1.1 who|>450 4.2.1 wait|>421 4.7.0 busy",
		"x"};
	struct stage_test test;
	struct job *job = deliver_to_five(&test, "", scripts, 2);

	(void)state;
	assert_int_equal(job->stage, STAGE_RCPT);
	assert_int_equal(job->class, REPLY_BUSY);
	assert_int_equal(told(job, 0)->effect, RECIPIENT_UNCHANGED);
	assert_int_equal(told(job, 1)->effect, RECIPIENT_FAIL);
	assert_int_equal(told(job, 2)->effect, RECIPIENT_DEFER);
	assert_int_equal(told(job, 3)->effect, RECIPIENT_UNCHANGED);
	stage_close(&test);
}

static void all_delivered(struct stage_test *test, const struct job *job, unsigned texts)
{
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(told(job, i)->effect, RECIPIENT_ACCEPTED);
	hostile_stop(&test->hostile);
	assert_int_equal(test->hostile.texts_taken, texts);
	assert_string_equal(test->hostile.wrong, "");
	for (size_t i = 0; i < 5; i++) {
		char line[64];

		snprintf(line, sizeof(line), "RCPT TO:<%s>\n", five[i]);
		assert_non_null(strstr((char *)test->hostile.lines.data, line));
	}
	stage_close(test);
}

static void more_recipients_than_configured_are_split(void **state)
{
	static const char *const scripts[] = {HELLO "|g"};
	struct stage_test test;
	struct job *job = deliver_to_five(&test, " max_recipients = 2", scripts, 1);

	(void)state;
	all_delivered(&test, job, 3);
}

static void more_recipients_than_upstream_says_are_split(void **state)
{
	static const char *const scripts[] = {
		">220 hi|<EHLO|>250-x|>250-PIPELINING|>250 LIMITS MAILMAX=50 RCPTMAX=3|g"};
	struct stage_test test;
	struct job *job = deliver_to_five(&test, "", scripts, 1);

	(void)state;
	all_delivered(&test, job, 2);
}

static void recipients_over_upstreams_limit_follow_in_the_next(void **state)
{
	static const char *const scripts[] = {
		HELLO "|<MAIL|<RCPT|<RCPT|<RCPT|<RCPT|<RCPT|<DATA|" OK OK OK
		      ">452 4.5.3 many|>452 4.5.3 many|>452 4.5.3 many|" GO "~|>250 two|g"};
	struct stage_test test;
	struct job *job = deliver_to_five(&test, "", scripts, 1);

	(void)state;
	assert_string_equal(told(job, 0)->reply, "250 two");
	all_delivered(&test, job, 2);
}

/* The first part is delivered, then the host is busy: those delivered stay delivered. */
static void busy_between_two_parts_keeps_the_first(void **state)
{
	static const char *const scripts[] = {HELLO "|<MAIL|<RCPT|<RCPT|<RCPT|<DATA|" OK OK OK OK GO
						    "~|>250 three|<MAIL|>421 4.7.0 busy",
		"x"};
	struct stage_test test;
	struct job *job = deliver_to_five(&test, " max_recipients = 3", scripts, 2);

	(void)state;
	assert_int_equal(job->stage, STAGE_MAIL);
	assert_int_equal(job->class, REPLY_BUSY);
	assert_int_equal(told(job, 0)->effect, RECIPIENT_ACCEPTED);
	assert_string_equal(told(job, 2)->reply, "250 three");
	assert_int_equal(told(job, 3)->effect, RECIPIENT_UNCHANGED);
	assert_int_equal(told(job, 4)->effect, RECIPIENT_UNCHANGED);
	stage_close(&test);
}

/* After a transaction that no dot ended, RSET goes before the next one's MAIL. */
static void refused_transaction_is_reset(void **state)
{
	static const char *const scripts[] = {HELLO
		"|" ENVELOPE OK ">550 5.1.1 who|>503 none|<RSET|" ENVELOPE OK OK OK GO
		"~|>250 second|h",
		"x"};
	struct stage_message message = stage_simple();
	struct stage_test test;

	(void)state;
	stage_open(&test, "", scripts, 2);
	hostile_start(&test.hostile);
	assert_int_equal(stage_deliver(&test, &message)->stage, STAGE_RCPT);
	assert_string_equal(stage_deliver(&test, &message)->reply, "250 second");
	stage_close(&test);
}

static void lone_dot_is_no_delivery(void **state)
{
	static const char *const scripts[] = {HELLO "|" ENVELOPE OK ">550 5.1.1 who|" GO
						    "<.|>250 queued|" ENVELOPE OK OK GO
						    "~|>250 second|h",
		"x"};
	struct stage_message message = stage_simple();
	struct stage_test test;
	struct job *job;

	(void)state;
	stage_open(&test, "", scripts, 2);
	hostile_start(&test.hostile);
	job = stage_deliver(&test, &message);
	assert_int_equal(job->recipients[0].effect, RECIPIENT_FAIL);
	assert_string_equal(job->recipients[0].reply, "550 5.1.1 who");
	/* The connection is in step: the next message may use it. */
	assert_string_equal(stage_deliver(&test, &message)->reply, "250 second");
	hostile_stop(&test.hostile);
	assert_string_equal(test.hostile.wrong, "");
	stage_close(&test);
}

/* ---- what upstream cannot take ---- */

static struct job *deliver_flags(struct stage_test *test, const char *script, uint32_t flags)
{
	struct stage_message message = stage_simple();
	const char *const scripts[] = {script};

	message.text = "Subject: \xc3\xa4\r\n\r\n";
	message.flags = flags;
	stage_open(test, "", scripts, 1);
	hostile_start(&test->hostile);
	return stage_deliver(test, &message);
}

static void body_is_said_when_it_is_8bit(void **state)
{
	struct stage_test test;
	struct job *job = deliver_flags(&test, HELLO "|g", ENVELOPE_EIGHTBIT);

	(void)state;
	assert_int_equal(job->class, REPLY_POSITIVE);
	hostile_stop(&test.hostile);
	assert_non_null(strstr((char *)test.hostile.lines.data, " BODY=8BITMIME\n"));
	stage_close(&test);
}

static void body_is_not_said_for_what_the_client_said(void **state)
{
	struct stage_test test;

	(void)state;
	(void)deliver_flags(&test, HELLO "|g", ENVELOPE_BODY_8BITMIME);
	hostile_stop(&test.hostile);
	assert_null(strstr((char *)test.hostile.lines.data, "BODY"));
	stage_close(&test);
}

static void message_over_the_size_fails_for_all(void **state)
{
	struct stage_test test;
	struct job *job = deliver_flags(&test, ">220 hi|<EHLO|>250-x|>250 SIZE 10|<NOTHING", 0);

	(void)state;
	assert_int_equal(job->class, REPLY_PERMANENT);
	assert_string_equal(job->status, "5.3.4");
	assert_int_equal(job->recipients[0].effect, RECIPIENT_FAIL);
	assert_non_null(job->bounces);
	hostile_stop(&test.hostile);
	assert_null(strstr((char *)test.hostile.lines.data, "MAIL"));
	stage_close(&test);
}

static void address_with_a_line_end_never_goes_out(void **state)
{
	static const char *const scripts[] = {HELLO "|g"};
	static const char *const bad[] = {"a@x.test>\r\nRCPT TO:<evil@x.test", "good@x.test"};
	struct stage_message message = stage_simple();
	struct stage_test test;
	struct job *job;

	(void)state;
	message.to = bad;
	message.to_count = 2;
	stage_open(&test, "", scripts, 1);
	hostile_start(&test.hostile);
	job = stage_deliver(&test, &message);
	assert_int_equal(told(job, 0)->effect, RECIPIENT_FAIL);
	assert_int_equal(told(job, 1)->effect, RECIPIENT_ACCEPTED);
	message = stage_simple();
	message.from = "a@x.test>\r\nRSET";
	job = stage_deliver(&test, &message);
	assert_int_equal(job->recipients[0].effect, RECIPIENT_FAIL);
	hostile_stop(&test.hostile);
	assert_null(strstr((char *)test.hostile.lines.data, "evil"));
	assert_null(strstr((char *)test.hostile.lines.data, "RSET"));
	stage_close(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dots_at_line_starts_are_doubled),
		cmocka_unit_test(text_without_a_last_line_end_gets_one),
		cmocka_unit_test(large_text_is_stuffed_across_pieces),
		cmocka_unit_test(damaged_text_gets_no_dot),
		cmocka_unit_test(trouble_inside_the_text_is_told_as_such),
		cmocka_unit_test(large_text_arrives),
		cmocka_unit_test(each_recipient_has_its_own_fate),
		cmocka_unit_test(verdicts_before_a_421_stay),
		cmocka_unit_test(more_recipients_than_configured_are_split),
		cmocka_unit_test(more_recipients_than_upstream_says_are_split),
		cmocka_unit_test(recipients_over_upstreams_limit_follow_in_the_next),
		cmocka_unit_test(busy_between_two_parts_keeps_the_first),
		cmocka_unit_test(refused_transaction_is_reset),
		cmocka_unit_test(lone_dot_is_no_delivery),
		cmocka_unit_test(body_is_said_when_it_is_8bit),
		cmocka_unit_test(body_is_not_said_for_what_the_client_said),
		cmocka_unit_test(message_over_the_size_fails_for_all),
		cmocka_unit_test(address_with_a_line_end_never_goes_out),
	};

	return cmocka_run_group_tests_name("smtp/transfer", tests, NULL, NULL);
}
