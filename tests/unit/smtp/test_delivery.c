#include <errno.h>

#include "tests/unit/smtp/stage.h"

#define ENVELOPE "<MAIL|<RCPT|<DATA|" /* pipelined: all three come at once */
#define MAIL_OK  ">250 2.1.0 Ok|"
#define RCPT_OK  ">250 2.1.5 Ok|"
#define GO       ">354 go on|"
#define TO_TEXT  HELLO "|" ENVELOPE MAIL_OK RCPT_OK GO
#define TO_DOT   TO_TEXT "~|"
/* The same without PIPELINING: each waits. */
#define ONE_MAIL HELLO_PLAIN "|<MAIL|"
#define ONE_RCPT ONE_MAIL MAIL_OK "<RCPT|"
#define ONE_DATA ONE_RCPT RCPT_OK "<DATA|"
#define ONE_DOT  ONE_DATA GO "~|"

/* What a script makes of one simple message with one recipient. */
struct outcome {
	const char *name;
	const char *script;
	enum reply_stage stage;
	enum reply_class class;
	enum recipient_effect effect;
	const char *reply; /* its start */
};

/* clang-format off */
static const struct outcome outcomes[] = {
	{"banner 421", ">421 4.7.0 busy", STAGE_BANNER, REPLY_BUSY, RECIPIENT_UNCHANGED, "421 4.7.0 busy"},
	{"banner 554", ">554 go away", STAGE_BANNER, REPLY_PERMANENT, RECIPIENT_UNCHANGED, "554"},
	{"banner closed", "x", STAGE_BANNER, REPLY_DROPPED, RECIPIENT_UNCHANGED, ""},
	{"banner hangs", "h", STAGE_BANNER, REPLY_TIMED_OUT, RECIPIENT_UNCHANGED, "timed out"},
	{"banner junk", ">SSH-2.0-OpenSSH_9.2|h", STAGE_BANNER, REPLY_DROPPED, RECIPIENT_UNCHANGED, "no SMTP reply"},
	{"banner of many lines", ">220-one|>220 two|<EHLO|>421 x", STAGE_EHLO, REPLY_BUSY, RECIPIENT_UNCHANGED, "421 x"},

	{"EHLO 421", ">220 hi|<EHLO|>421 4.7.0 busy|h", STAGE_EHLO, REPLY_BUSY, RECIPIENT_UNCHANGED, "421 4.7.0 busy"},
	{"EHLO 451", ">220 hi|<EHLO|>451 4.3.0 later|h", STAGE_EHLO, REPLY_TRANSIENT, RECIPIENT_UNCHANGED, "451"},
	{"EHLO closed", ">220 hi|<EHLO|x", STAGE_EHLO, REPLY_DROPPED, RECIPIENT_UNCHANGED, ""},
	{"EHLO hangs", ">220 hi|<EHLO|h", STAGE_EHLO, REPLY_TIMED_OUT, RECIPIENT_UNCHANGED, "timed out"},
	{"EHLO junk", ">220 hi|<EHLO|>250-x|>rubbish|h", STAGE_EHLO, REPLY_DROPPED, RECIPIENT_UNCHANGED, "no SMTP reply"},
	{"EHLO unknown, HELO 421", ">220 hi|<EHLO|>500 what|<HELO|>421 busy", STAGE_EHLO, REPLY_BUSY, RECIPIENT_UNCHANGED, "421 busy"},
	{"EHLO unknown, HELO good", ">220 hi|<EHLO|>500 what|<HELO|>250 hi|<MAIL|" MAIL_OK "<RCPT|" RCPT_OK "<DATA|" GO "~|>250 ok|h",
		STAGE_DOT, REPLY_POSITIVE, RECIPIENT_ACCEPTED, "250 ok"},
	{"EHLO unknown, HELO 550", ">220 hi|<EHLO|>500 what|<HELO|>550 no", STAGE_EHLO, REPLY_PERMANENT, RECIPIENT_UNCHANGED, "550 no"},

	{"MAIL 421", HELLO "|" ENVELOPE ">421 4.7.0 busy", STAGE_MAIL, REPLY_BUSY, RECIPIENT_UNCHANGED, "421 4.7.0 busy"},
	{"MAIL 421 for the first of a session", HELLO "|" ENVELOPE ">421 4.7.0 too many messages in this session", STAGE_MAIL, REPLY_BUSY, RECIPIENT_UNCHANGED, "421"},
	{"MAIL 450", HELLO "|" ENVELOPE ">450 4.2.0 wait|>503 MAIL first|>503 RCPT first|h", STAGE_MAIL, REPLY_TRANSIENT, RECIPIENT_UNCHANGED, "450"},
	{"MAIL 450, then closed", HELLO "|" ENVELOPE ">450 4.2.0 wait", STAGE_MAIL, REPLY_TRANSIENT, RECIPIENT_UNCHANGED, "450"},
	{"MAIL 550", HELLO "|" ENVELOPE ">550 5.7.1 no|>503 MAIL first|>503 RCPT first|h", STAGE_MAIL, REPLY_PERMANENT, RECIPIENT_FAIL, "550"},
	{"MAIL 550, then 421", HELLO "|" ENVELOPE ">550 5.7.1 no|>421 bye", STAGE_MAIL, REPLY_PERMANENT, RECIPIENT_FAIL, "550"},
	{"MAIL 501", HELLO "|" ENVELOPE ">501 5.5.4 what|h", STAGE_MAIL, REPLY_SYNTAX, RECIPIENT_UNCHANGED, "501"},
	{"MAIL 530", HELLO "|" ENVELOPE ">530 5.7.0 log in|h", STAGE_MAIL, REPLY_AUTH_NEEDED, RECIPIENT_UNCHANGED, "530"},
	{"MAIL closed", HELLO "|" ENVELOPE "x", STAGE_MAIL, REPLY_DROPPED, RECIPIENT_UNCHANGED, "connection closed"},
	{"MAIL reset", HELLO "|" ENVELOPE "r", STAGE_MAIL, REPLY_DROPPED, RECIPIENT_UNCHANGED, ""},
	{"MAIL hangs", HELLO "|" ENVELOPE "h", STAGE_MAIL, REPLY_TIMED_OUT, RECIPIENT_UNCHANGED, "timed out"},
	{"MAIL junk", HELLO "|" ENVELOPE ">hello|h", STAGE_MAIL, REPLY_DROPPED, RECIPIENT_UNCHANGED, "no SMTP reply"},
	{"MAIL 354", HELLO "|" ENVELOPE ">354 go|h", STAGE_MAIL, REPLY_DROPPED, RECIPIENT_UNCHANGED, "354"},
	{"MAIL line of 1 MB", HELLO "|" ENVELOPE "%1048576|h", STAGE_MAIL, REPLY_DROPPED, RECIPIENT_UNCHANGED, "no SMTP reply"},
	{"MAIL, two codes in one reply", HELLO "|" ENVELOPE ">250-ok|>421 bye|h", STAGE_MAIL, REPLY_DROPPED, RECIPIENT_UNCHANGED, "no SMTP reply"},

	{"RCPT 421", HELLO "|" ENVELOPE MAIL_OK ">421 4.7.0 busy", STAGE_RCPT, REPLY_BUSY, RECIPIENT_UNCHANGED, "421"},
	{"RCPT 450", HELLO "|" ENVELOPE MAIL_OK ">450 4.2.1 wait|>554 no valid recipients|h", STAGE_RCPT, REPLY_TRANSIENT, RECIPIENT_DEFER, "450"},
	{"RCPT 550", HELLO "|" ENVELOPE MAIL_OK ">550 5.1.1 who|>503 no valid recipients|h", STAGE_RCPT, REPLY_PERMANENT, RECIPIENT_FAIL, "550"},
	{"RCPT 550, then closed", HELLO "|" ENVELOPE MAIL_OK ">550 5.1.1 who", STAGE_RCPT, REPLY_PERMANENT, RECIPIENT_FAIL, "550"},
	{"RCPT 452 alone", HELLO "|" ENVELOPE MAIL_OK ">452 4.5.3 many|>503 none|h", STAGE_RCPT, REPLY_TRANSIENT, RECIPIENT_DEFER, "452"},
	{"RCPT closed", HELLO "|" ENVELOPE MAIL_OK "x", STAGE_RCPT, REPLY_DROPPED, RECIPIENT_UNCHANGED, ""},
	{"RCPT hangs", HELLO "|" ENVELOPE MAIL_OK "h", STAGE_RCPT, REPLY_TIMED_OUT, RECIPIENT_UNCHANGED, ""},
	{"RCPT 251", HELLO "|" ENVELOPE MAIL_OK ">251 will forward|" GO "~|>250 ok|h", STAGE_DOT, REPLY_POSITIVE, RECIPIENT_ACCEPTED, "250"},
	{"RCPT 550, yet 354", HELLO "|" ENVELOPE MAIL_OK ">550 5.1.1 who|" GO "~|>250 queued|h", STAGE_RCPT, REPLY_PERMANENT, RECIPIENT_FAIL, "550"},
	{"RCPT 450, yet 354, closed", HELLO "|" ENVELOPE MAIL_OK ">450 4.1.1 who|" GO "~|x", STAGE_RCPT, REPLY_TRANSIENT, RECIPIENT_DEFER, "450"},

	{"DATA 421", HELLO "|" ENVELOPE MAIL_OK RCPT_OK ">421 4.7.0 busy", STAGE_DATA, REPLY_BUSY, RECIPIENT_UNCHANGED, "421"},
	{"DATA 451", HELLO "|" ENVELOPE MAIL_OK RCPT_OK ">451 4.3.0 wait|h", STAGE_DATA, REPLY_TRANSIENT, RECIPIENT_UNCHANGED, "451"},
	{"DATA 554", HELLO "|" ENVELOPE MAIL_OK RCPT_OK ">554 5.6.0 no|h", STAGE_DATA, REPLY_PERMANENT, RECIPIENT_FAIL, "554"},
	{"DATA 503", HELLO "|" ENVELOPE MAIL_OK RCPT_OK ">503 5.5.1 what|h", STAGE_DATA, REPLY_SYNTAX, RECIPIENT_UNCHANGED, "503"},
	{"DATA 250", HELLO "|" ENVELOPE MAIL_OK RCPT_OK ">250 2.0.0 early|h", STAGE_DATA, REPLY_DROPPED, RECIPIENT_UNCHANGED, "250"},
	{"DATA closed", HELLO "|" ENVELOPE MAIL_OK RCPT_OK "x", STAGE_DATA, REPLY_DROPPED, RECIPIENT_UNCHANGED, ""},
	{"DATA hangs", HELLO "|" ENVELOPE MAIL_OK RCPT_OK "h", STAGE_DATA, REPLY_TIMED_OUT, RECIPIENT_UNCHANGED, ""},

	{"354 twice", HELLO "|" ENVELOPE MAIL_OK RCPT_OK "=354 a\r\n354 b\r\n|h", STAGE_TEXT, REPLY_DROPPED, RECIPIENT_UNCHANGED, "354 b"},
	{"250 before the dot", HELLO "|" ENVELOPE MAIL_OK RCPT_OK "=354 a\r\n250 done\r\n|h", STAGE_TEXT, REPLY_POSITIVE, RECIPIENT_UNCHANGED, "250 done"},
	{"421 before the text", HELLO "|" ENVELOPE MAIL_OK RCPT_OK "=354 a\r\n421 busy\r\n|h", STAGE_TEXT, REPLY_BUSY, RECIPIENT_UNCHANGED, "421 busy"},

	{"dot 250", TO_DOT ">250 2.0.0 ok|h", STAGE_DOT, REPLY_POSITIVE, RECIPIENT_ACCEPTED, "250 2.0.0 ok"},
	{"dot 250 in bytes", HELLO "|" ENVELOPE ":250-a|:250 b|:250 c|:354 go|~|:250-2.0.0 x|:250 2.0.0 y|h", STAGE_DOT, REPLY_POSITIVE, RECIPIENT_ACCEPTED, "250 2.0.0 x y"},
	{"dot 421", TO_DOT ">421 4.7.0 busy", STAGE_DOT, REPLY_BUSY, RECIPIENT_UNCHANGED, "421"},
	{"dot 451", TO_DOT ">451 4.3.0 wait|h", STAGE_DOT, REPLY_TRANSIENT, RECIPIENT_UNCHANGED, "451"},
	{"dot 554", TO_DOT ">554 5.7.1 spam|h", STAGE_DOT, REPLY_PERMANENT, RECIPIENT_FAIL, "554 5.7.1 spam"},
	{"dot 500", TO_DOT ">500 5.5.2 what|h", STAGE_DOT, REPLY_SYNTAX, RECIPIENT_UNCHANGED, "500"},
	{"dot 354", TO_DOT ">354 again|h", STAGE_DOT, REPLY_DROPPED, RECIPIENT_UNCHANGED, "354"},
	{"dot junk", TO_DOT ">rubbish|h", STAGE_DOT, REPLY_DROPPED, RECIPIENT_UNCHANGED, "no SMTP reply"},
	{"dot closed", TO_DOT "x", STAGE_DOT, REPLY_DROPPED, RECIPIENT_UNCHANGED, "connection closed"},
	{"dot reset", TO_DOT "r", STAGE_DOT, REPLY_DROPPED, RECIPIENT_UNCHANGED, ""},
	{"dot hangs", TO_DOT "h", STAGE_DOT, REPLY_TIMED_OUT, RECIPIENT_UNCHANGED, "timed out"},
	{"dot half a reply, then closed", TO_DOT "=250-almost\r\n|x", STAGE_DOT, REPLY_DROPPED, RECIPIENT_UNCHANGED, ""},

	{"one by one", ONE_DOT ">250 ok|h", STAGE_DOT, REPLY_POSITIVE, RECIPIENT_ACCEPTED, "250 ok"},
	{"one by one, MAIL 421", ONE_MAIL ">421 busy", STAGE_MAIL, REPLY_BUSY, RECIPIENT_UNCHANGED, "421"},
	{"one by one, MAIL 550", ONE_MAIL ">550 no|h", STAGE_MAIL, REPLY_PERMANENT, RECIPIENT_FAIL, "550"},
	{"one by one, MAIL hangs", ONE_MAIL "h", STAGE_MAIL, REPLY_TIMED_OUT, RECIPIENT_UNCHANGED, ""},
	{"one by one, RCPT 421", ONE_RCPT ">421 busy", STAGE_RCPT, REPLY_BUSY, RECIPIENT_UNCHANGED, "421"},
	{"one by one, RCPT 550", ONE_RCPT ">550 5.1.1 who|h", STAGE_RCPT, REPLY_PERMANENT, RECIPIENT_FAIL, "550"},
	{"one by one, RCPT 450", ONE_RCPT ">450 4.1.1 who|h", STAGE_RCPT, REPLY_TRANSIENT, RECIPIENT_DEFER, "450"},
	{"one by one, DATA 421", ONE_DATA ">421 busy", STAGE_DATA, REPLY_BUSY, RECIPIENT_UNCHANGED, "421"},
	{"one by one, DATA 554", ONE_DATA ">554 no|h", STAGE_DATA, REPLY_PERMANENT, RECIPIENT_FAIL, "554"},
	{"one by one, dot 421", ONE_DOT ">421 busy", STAGE_DOT, REPLY_BUSY, RECIPIENT_UNCHANGED, "421"},
	{"one by one, a reply too many", ONE_MAIL "=250 ok\r\n250 ok\r\n|h", STAGE_RCPT, REPLY_POSITIVE, RECIPIENT_UNCHANGED, ""},
};
/* clang-format on */

/* A reply that comes before its command cannot be told from an early answer; what matters is that it is no delivery. */
static bool is_as_wanted(const struct outcome *outcome, const struct job *job)
{
	if (outcome->stage == STAGE_RCPT && outcome->class == REPLY_POSITIVE)
		return job->recipients[0].effect == RECIPIENT_UNCHANGED &&
		       reply_effect(job->stage, job->class)->message == MESSAGE_FREE;
	return job->stage == outcome->stage && job->class == outcome->class &&
	       (job->recipient_count == 0 ? outcome->effect == RECIPIENT_UNCHANGED
					  : job->recipients[0].effect == outcome->effect) &&
	       strncmp(job->reply, outcome->reply, strlen(outcome->reply)) == 0;
}

static void run_outcome(const struct outcome *outcome)
{
	const char *const scripts[] = {outcome->script, "x"};
	struct stage_message message = stage_simple();
	struct stage_test test;
	struct job *job;

	stage_open(&test, "", scripts, 2);
	hostile_start(&test.hostile);
	job = stage_deliver(&test, &message);
	if (!is_as_wanted(outcome, job))
		fail_msg("%s: stage %s class %d effect %d reply %s", outcome->name,
			reply_stage_name(job->stage), (int)job->class,
			job->recipient_count > 0 ? (int)job->recipients[0].effect : -1, job->reply);
	if ((outcome->effect == RECIPIENT_FAIL) != (job->bounces != NULL))
		fail_msg("%s: %s bounce", outcome->name, job->bounces != NULL ? "a" : "no");
	hostile_stop(&test.hostile);
	if (test.hostile.wrong[0] != '\0')
		fail_msg("%s: %s", outcome->name, test.hostile.wrong);
	stage_close(&test);
}

static void every_outcome_is_told_with_its_stage(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		run_outcome(&outcomes[i]);
}

static void refused_connection_is_told(void **state)
{
	static const char *const scripts[] = {"x"};
	struct stage_message message = stage_simple();
	struct stage_test test;
	struct job *job;

	(void)state;
	stage_open(&test, "", scripts, 1);
	hostile_start(&test.hostile);
	hostile_stop(&test.hostile);
	job = stage_deliver(&test, &message);
	assert_int_equal(job->stage, STAGE_CONNECT);
	assert_int_equal(job->class, REPLY_DROPPED);
	assert_null(job->bounces);
	stage_close(&test);
}

/* ---- jobs and connections ---- */

static void jobs_share_a_connection(void **state)
{
	static const char *const scripts[] = {HELLO "|g", "x"};
	struct stage_message message = stage_simple();
	struct stage_test test;

	(void)state;
	stage_open(&test, "", scripts, 2);
	hostile_start(&test.hostile);
	for (size_t i = 0; i < 20; i++)
		stage_push(&test, stage_job(&test, stage_put(&test, &message)));
	stage_await(&test, 20);
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(test.back[i]->stage, STAGE_DOT);
		assert_int_equal(test.back[i]->recipients[0].effect, RECIPIENT_ACCEPTED);
	}
	assert_int_equal(hostile_visits(&test.hostile), 1);
	hostile_stop(&test.hostile);
	assert_int_equal(test.hostile.texts_taken, 20);
	stage_close(&test);
}

/* The script reads the second envelope before it answers the first dot: it must have been sent by then. */
static void next_envelope_follows_behind_the_dot(void **state)
{
	static const char *const scripts[] = {
		TO_DOT ENVELOPE ">250 ok|" MAIL_OK RCPT_OK GO "~|>250 2.0.0 second|h", "x"};
	struct stage_message message = stage_simple();
	struct stage_test test;

	(void)state;
	stage_open(&test, "", scripts, 2);
	hostile_start(&test.hostile);
	for (size_t i = 0; i < 2; i++)
		stage_push(&test, stage_job(&test, stage_put(&test, &message)));
	stage_await(&test, 2);
	assert_string_equal(test.back[0]->reply, "250 ok");
	assert_string_equal(test.back[1]->reply, "250 2.0.0 second");
	assert_int_equal(test.back[1]->recipients[0].effect, RECIPIENT_ACCEPTED);
	stage_close(&test);
}

/* The first is unknown, the second was never begun: it goes out on another connection, and nobody hears of it. */
static void what_is_behind_a_lost_dot_is_free(void **state)
{
	static const char *const scripts[] = {TO_DOT ENVELOPE "x", HELLO "|g"};
	struct stage_message message = stage_simple();
	struct stage_test test;

	(void)state;
	stage_open(&test, "", scripts, 2);
	hostile_start(&test.hostile);
	for (size_t i = 0; i < 2; i++)
		stage_push(&test, stage_job(&test, stage_put(&test, &message)));
	stage_await(&test, 2);
	assert_int_equal(test.back[0]->stage, STAGE_DOT);
	assert_int_equal(test.back[0]->class, REPLY_DROPPED);
	assert_int_equal(test.back[1]->stage, STAGE_DOT);
	assert_int_equal(test.back[1]->class, REPLY_POSITIVE);
	assert_int_equal(hostile_visits(&test.hostile), 2);
	stage_close(&test);
}

/* Busy at the dot speaks of the host: the one behind is no reason for another connection. */
static void what_is_behind_a_busy_dot_goes_back(void **state)
{
	static const char *const scripts[] = {TO_DOT ENVELOPE ">421 4.7.0 busy", "x"};
	struct stage_message message = stage_simple();
	struct stage_test test;

	(void)state;
	stage_open(&test, "", scripts, 2);
	hostile_start(&test.hostile);
	for (size_t i = 0; i < 2; i++)
		stage_push(&test, stage_job(&test, stage_put(&test, &message)));
	stage_await(&test, 2);
	assert_int_equal(test.back[0]->stage, STAGE_DOT);
	assert_int_equal(test.back[0]->class, REPLY_BUSY);
	assert_int_equal(test.back[1]->stage, STAGE_REUSE);
	assert_int_equal(hostile_visits(&test.hostile), 1);
	stage_close(&test);
}

/* Lines of one reply without an end do not lengthen the wait for it. */
static void dripping_reply_is_timed_out(void **state)
{
	static const char *const scripts[] = {HELLO "|" ENVELOPE "d"};
	struct stage_message message = stage_simple();
	struct stage_test test;
	struct job *job;

	(void)state;
	stage_open(&test, "", scripts, 1);
	hostile_start(&test.hostile);
	job = stage_deliver(&test, &message);
	assert_int_equal(job->stage, STAGE_MAIL);
	assert_int_equal(job->class, REPLY_TIMED_OUT);
	stage_close(&test);
}

/* A reply is never taken for the next message's: after a time-out at the dot the connection is gone. */
static void late_reply_is_nobodys(void **state)
{
	static const char *const scripts[] = {
		TO_DOT "h", HELLO "|" ENVELOPE MAIL_OK RCPT_OK GO "~|>554 5.7.1 second|h"};
	struct stage_message message = stage_simple();
	struct stage_test test;

	(void)state;
	stage_open(&test, "", scripts, 2);
	hostile_start(&test.hostile);
	for (size_t i = 0; i < 2; i++)
		stage_push(&test, stage_job(&test, stage_put(&test, &message)));
	stage_await(&test, 2);
	assert_int_equal(test.back[0]->class, REPLY_TIMED_OUT);
	assert_int_equal(test.back[1]->class, REPLY_PERMANENT);
	stage_close(&test);
}

static void busy_host_gets_no_more_attempts(void **state)
{
	static const char *const scripts[] = {HELLO "|" ENVELOPE ">421 4.7.0 busy"};
	struct stage_message message = stage_simple();
	struct stage_test test;

	(void)state;
	stage_open(&test, "", scripts, 1);
	hostile_start(&test.hostile);
	for (size_t i = 0; i < 10; i++)
		stage_push(&test, stage_job(&test, stage_put(&test, &message)));
	stage_await(&test, 10);
	assert_int_equal(test.back[0]->stage, STAGE_MAIL);
	assert_int_equal(test.back[0]->class, REPLY_BUSY);
	assert_false(test.back[0]->reply_is_ours);
	for (size_t i = 1; i < 10; i++) {
		assert_int_equal(test.back[i]->stage, STAGE_REUSE);
		assert_true(test.back[i]->reply_is_ours);
	}
	assert_int_equal(hostile_visits(&test.hostile), 1);
	stage_close(&test);
}

static void unreachable_host_is_tried_once_for_all(void **state)
{
	static const char *const scripts[] = {">421 4.7.0 busy"};
	struct stage_message message = stage_simple();
	struct stage_test test;

	(void)state;
	stage_open(&test, "", scripts, 1);
	hostile_start(&test.hostile);
	for (size_t i = 0; i < 10; i++)
		stage_push(&test, stage_job(&test, stage_put(&test, &message)));
	stage_await(&test, 10);
	assert_int_equal(test.back[0]->stage, STAGE_BANNER);
	assert_false(test.back[0]->reply_is_ours);
	for (size_t i = 1; i < 10; i++) {
		assert_int_equal(test.back[i]->stage, STAGE_REUSE);
		assert_true(test.back[i]->reply_is_ours);
	}
	assert_int_equal(hostile_visits(&test.hostile), 1);
	stage_close(&test);
}

static void no_more_connections_than_allowed(void **state)
{
	static const char *const scripts[] = {HELLO_PLAIN "|g"};
	struct stage_message message = stage_simple();
	struct stage_test test;

	(void)state;
	stage_open(&test, "", scripts, 1);
	hostile_start(&test.hostile);
	for (size_t i = 0; i < 30; i++) {
		struct job *job = stage_job(&test, stage_put(&test, &message));

		job->connections_allowed = 3;
		stage_push(&test, job);
	}
	stage_await(&test, 30);
	assert_true(hostile_visits(&test.hostile) >= 1);
	assert_true(hostile_visits(&test.hostile) <= 3);
	hostile_stop(&test.hostile);
	assert_int_equal(test.hostile.texts_taken, 30);
	stage_close(&test);
}

/* One that takes a single connection: what was refused says so, and all others go out on that one. */
static void full_host_delivers_on_what_it_takes(void **state)
{
	static const char *const scripts[] = {HELLO_PLAIN "|g", ">421 4.7.0 too many connections"};
	struct stage_message message = stage_simple();
	struct stage_test test;
	unsigned refused = 0;

	(void)state;
	stage_open(&test, "", scripts, 2);
	hostile_start(&test.hostile);
	(void)stage_deliver(&test, &message);
	for (size_t i = 0; i < 30; i++) {
		struct job *job = stage_job(&test, stage_put(&test, &message));

		job->connections_allowed = 2;
		stage_push(&test, job);
	}
	stage_await(&test, 31);
	hostile_stop(&test.hostile);
	for (size_t i = 0; i < 31; i++) {
		const struct job *job = test.back[i];

		refused += job->delivering;
		assert_int_equal(job->stage, job->delivering > 0 ? STAGE_BANNER : STAGE_DOT);
	}
	assert_true(refused <= 1); /* 0: the others were quicker than the refusal */
	assert_int_equal(test.hostile.texts_taken, 31 - refused);
	assert_true(hostile_visits(&test.hostile) <= 2);
	stage_close(&test);
}

/* Waits until the idle connection of the first message has been used by nobody for so long. */
static void turn_for(struct stage_test *test, int64_t ms)
{
	int64_t until = clock_mono_ms(&clock_system) + ms;

	while (clock_mono_ms(&clock_system) < until)
		assert_int_equal(delivery_step(test->delivery, 20), 0);
}

static void idle_421_is_not_the_hosts_word(void **state)
{
	static const char *const scripts[] = {
		TO_DOT ">250 ok|" ENVELOPE ">421 4.4.2 idle too long", HELLO "|g"};
	struct stage_message message = stage_simple();
	struct stage_test test;
	struct job *job;

	(void)state;
	stage_open(&test, "", scripts, 2);
	hostile_start(&test.hostile);
	(void)stage_deliver(&test, &message);
	turn_for(&test, 1100);
	job = stage_deliver(&test, &message);
	assert_int_equal(job->stage, STAGE_DOT);
	assert_int_equal(job->class, REPLY_POSITIVE);
	assert_int_equal(hostile_visits(&test.hostile), 2);
	stage_close(&test);
}

static void connection_closed_while_idle_is_replaced(void **state)
{
	static const char *const scripts[] = {
		TO_DOT ">250 ok|>421 bye", TO_DOT ">250 ok|x", HELLO "|g"};
	struct stage_message message = stage_simple();
	struct stage_test test;

	(void)state;
	stage_open(&test, "", scripts, 3);
	hostile_start(&test.hostile);
	for (size_t i = 0; i < 3; i++) {
		struct job *job = stage_deliver(&test, &message);

		assert_int_equal(job->stage, STAGE_DOT);
		assert_int_equal(job->class, REPLY_POSITIVE);
		if (i == 0)
			turn_for(&test,
				1100); /* from then on a 421 speaks of the connection alone */
	}
	stage_close(&test);
}

static void used_up_connection_is_replaced(void **state)
{
	static const char *const scripts[] = {
		TO_DOT ENVELOPE ">250 ok|>421 4.7.0 too many messages in this session", HELLO "|g"};
	struct stage_message message = stage_simple();
	struct stage_test test;

	(void)state;
	stage_open(&test, "", scripts, 2);
	hostile_start(&test.hostile);
	for (size_t i = 0; i < 2; i++)
		stage_push(&test, stage_job(&test, stage_put(&test, &message)));
	stage_await(&test, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(test.back[i]->stage, STAGE_DOT);
		assert_int_equal(test.back[i]->class, REPLY_POSITIVE);
	}
	stage_close(&test);
}

static void connection_ends_after_its_messages(void **state)
{
	static const char *const scripts[] = {
		TO_DOT ENVELOPE ">250 ok|" MAIL_OK RCPT_OK GO "~|>250 ok|<QUIT"};
	struct stage_message message = stage_simple();
	struct stage_test test;

	(void)state;
	stage_open(&test, " max_messages = 2", scripts, 1);
	hostile_start(&test.hostile);
	for (size_t i = 0; i < 6; i++)
		stage_push(&test, stage_job(&test, stage_put(&test, &message)));
	stage_await(&test, 6);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(test.back[i]->class, REPLY_POSITIVE);
	assert_int_equal(hostile_visits(&test.hostile), 3);
	hostile_stop(&test.hostile);
	assert_string_equal(test.hostile.wrong, "");
	stage_close(&test);
}

static void idle_connection_is_closed_with_quit(void **state)
{
	static const char *const scripts[] = {TO_DOT ">250 ok|<QUIT", "x"};
	struct stage_message message = stage_simple();
	struct stage_test test;

	(void)state;
	stage_open(&test, " idle_timeout = 1s", scripts, 2);
	hostile_start(&test.hostile);
	(void)stage_deliver(&test, &message);
	turn_for(&test, 1300);
	hostile_stop(&test.hostile);
	assert_non_null(strstr((char *)test.hostile.lines.data, "QUIT\n"));
	stage_close(&test);
}

/* ---- what is no delivery ---- */

static void deleted_message_comes_back_as_gone(void **state)
{
	static const char *const scripts[] = {HELLO "|g"};
	struct stage_test test;

	(void)state;
	stage_open(&test, "", scripts, 1);
	hostile_start(&test.hostile);
	stage_push(&test, stage_job(&test, 12345));
	stage_await(&test, 1);
	assert_int_equal(test.back[0]->read_error, -ENOENT);
	assert_null(test.back[0]->envelope);
	stage_close(&test);
}

static void expired_job_is_bounced_without_a_host(void **state)
{
	static const char *const scripts[] = {"x"};
	struct stage_message message = stage_simple();
	struct stage_test test;
	struct job *job;

	(void)state;
	stage_open(&test, "", scripts, 1);
	hostile_start(&test.hostile);
	job = stage_job(&test, stage_put(&test, &message));
	job->expired = true;
	job->upstream = NULL;
	job->host = NULL;
	job->due_unix_ms += 3600000; /* a retry lay ahead; the bounce does not wait for it */
	stage_push(&test, job);
	stage_await(&test, 1);
	assert_int_equal(job->recipient_count, 1);
	assert_int_equal(job->recipients[0].effect, RECIPIENT_FAIL);
	assert_string_equal(job->status, "4.4.7");
	assert_non_null(job->bounces);
	assert_string_equal(job->bounces->envelope->recipients[0].address, "from@example.org");
	assert_int_equal(job->bounces->envelope->received_unix_ms, job->now_unix_ms);
	assert_int_equal(job->bounces->envelope->recipients[0].due_unix_ms, job->now_unix_ms);
	assert_int_equal(hostile_visits(&test.hostile), 0);
	stage_close(&test);
}

static void what_a_lapsed_grant_left_behind_is_bounced_with_its_reason(void **state)
{
	static const char *const scripts[] = {"x"};
	struct stage_message message = stage_simple();
	struct text_piece *piece;
	struct stage_test test;
	struct job *job;

	(void)state;
	message.lapsed = "grant printers lapsed on 2026-11-01: write to help@example.edu";
	stage_open(&test, "", scripts, 1);
	hostile_start(&test.hostile);
	job = stage_job(&test, stage_put(&test, &message));
	job->expired = job->lapsed = true;
	job->upstream = NULL;
	job->host = NULL;
	stage_push(&test, job);
	stage_await(&test, 1);
	assert_int_equal(job->recipient_count, 1);
	assert_int_equal(job->recipients[0].effect, RECIPIENT_FAIL);
	assert_string_equal(job->status, "5.7.1");
	assert_string_equal(job->reply, message.lapsed);
	assert_non_null(job->bounces);
	assert_string_equal(job->bounces->envelope->recipients[0].address, "from@example.org");
	piece = job->bounces->pieces;
	assert_non_null(memmem(piece->data, piece->size, "Status: 5.7.1\r\n", 15));
	assert_non_null(memmem(piece->data, piece->size, message.lapsed, strlen(message.lapsed)));
	assert_null(memmem(piece->data, piece->size, "Remote-MTA", 10));
	assert_int_equal(hostile_visits(&test.hostile), 0);
	stage_close(&test);
}

/* ---- stop ---- */

static void stop_lets_what_is_under_way_finish(void **state)
{
	static const char *const scripts[] = {
		HELLO "|" ENVELOPE ":250 a|:250 b|:354 c|~|:250 done|h"};
	struct stage_message message = stage_simple();
	struct stage_test test;

	(void)state;
	stage_open(&test, "", scripts, 1);
	hostile_start(&test.hostile);
	stage_push(&test, stage_job(&test, stage_put(&test, &message)));
	while (hostile_visits(&test.hostile) == 0)
		assert_int_equal(delivery_step(test.delivery, 10), 0);
	turn_for(&test, 20);
	delivery_stop(test.delivery, 5000);
	assert_int_equal(test.back_count, 1);
	assert_int_equal(test.back[0]->class, REPLY_POSITIVE);
	/* What comes later goes back untried. */
	stage_push(&test, stage_job(&test, stage_put(&test, &message)));
	stage_await(&test, 2);
	assert_int_equal(test.back[1]->stage, STAGE_REUSE);
	stage_close(&test);
}

static void stop_cuts_what_hangs(void **state)
{
	static const char *const scripts[] = {HELLO "|" ENVELOPE MAIL_OK "h"};
	struct stage_message message = stage_simple();
	struct stage_test test;
	int64_t before;

	(void)state;
	stage_open(&test, "", scripts, 1);
	hostile_start(&test.hostile);
	for (size_t i = 0; i < 5; i++)
		stage_push(&test, stage_job(&test, stage_put(&test, &message)));
	turn_for(&test, 100);
	before = clock_mono_ms(&clock_system);
	delivery_stop(test.delivery, 200);
	assert_true(clock_mono_ms(&clock_system) - before < 3000);
	assert_int_equal(test.back_count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(reply_effect(test.back[i]->stage, test.back[i]->class)->message,
			MESSAGE_FREE);
	stage_close(&test);
}

static void its_own_thread_serves_and_stops(void **state)
{
	static const char *const scripts[] = {HELLO "|g"};
	struct stage_message message = stage_simple();
	struct stage_test test;
	struct reason reason;

	(void)state;
	stage_open(&test, "", scripts, 1);
	hostile_start(&test.hostile);
	for (size_t i = 0; i < 10; i++)
		stage_push(&test, stage_job(&test, stage_put(&test, &message)));
	assert_int_equal(delivery_start(test.delivery, &reason), 0);
	delivery_stop(test.delivery, 5000);
	assert_int_equal(test.back_count, 10);
	stage_close(&test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_outcome_is_told_with_its_stage),
		cmocka_unit_test(refused_connection_is_told),
		cmocka_unit_test(jobs_share_a_connection),
		cmocka_unit_test(next_envelope_follows_behind_the_dot),
		cmocka_unit_test(what_is_behind_a_lost_dot_is_free),
		cmocka_unit_test(what_is_behind_a_busy_dot_goes_back),
		cmocka_unit_test(dripping_reply_is_timed_out),
		cmocka_unit_test(late_reply_is_nobodys),
		cmocka_unit_test(busy_host_gets_no_more_attempts),
		cmocka_unit_test(unreachable_host_is_tried_once_for_all),
		cmocka_unit_test(no_more_connections_than_allowed),
		cmocka_unit_test(full_host_delivers_on_what_it_takes),
		cmocka_unit_test(idle_421_is_not_the_hosts_word),
		cmocka_unit_test(connection_closed_while_idle_is_replaced),
		cmocka_unit_test(used_up_connection_is_replaced),
		cmocka_unit_test(connection_ends_after_its_messages),
		cmocka_unit_test(idle_connection_is_closed_with_quit),
		cmocka_unit_test(deleted_message_comes_back_as_gone),
		cmocka_unit_test(expired_job_is_bounced_without_a_host),
		cmocka_unit_test(what_a_lapsed_grant_left_behind_is_bounced_with_its_reason),
		cmocka_unit_test(stop_lets_what_is_under_way_finish),
		cmocka_unit_test(stop_cuts_what_hangs),
		cmocka_unit_test(its_own_thread_serves_and_stops),
	};

	return cmocka_run_group_tests_name("smtp/delivery", tests, NULL, NULL);
}
