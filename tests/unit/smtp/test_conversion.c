/* test_conversion.c: the form in which a message goes to an upstream without 8BITMIME or SMTPUTF8, or that it goes not. */
#include "queue/plan.h"
#include "tests/unit/smtp/stage.h"

#define SEVEN       ">220 hi|<EHLO|>250-x|>250-SIZE|>250 PIPELINING|"
#define EIGHT       ">220 hi|<EHLO|>250-x|>250-SIZE|>250-8BITMIME|>250 PIPELINING|"
#define UTF8        ">220 hi|<EHLO|>250-x|>250-SMTPUTF8|>250-8BITMIME|>250 PIPELINING|"
#define HALF_UTF8   ">220 hi|<EHLO|>250-x|>250-SMTPUTF8|>250 PIPELINING|"
#define HEAD        "Subject: x\r\n\r\n"
#define BODY        "gr\xc3\xbc\xc3\x9f\x65\r\n"
#define ENCODED     "gr=C3=BC=C3=9Fe\r\n"
#define JOE         "j\xc3\xb6\x65@example.org"
#define CONVERTIBLE (ENVELOPE_EIGHTBIT | ENVELOPE_SEVENBIT_POSSIBLE)

struct trial {
	struct stage_test test;
	struct job *job;
};

static void deliver(struct trial *trial, const char *script, struct stage_message *message)
{
	const char *const scripts[] = {script, "x"};
	struct plan plan = {0};

	assert_true(plan_add(
		&plan, PLAN_QUOTED_PRINTABLE, PLAN_SEVENBIT, strlen(HEAD), strlen(BODY), NULL, 0));
	if (message->flags & ENVELOPE_SEVENBIT_POSSIBLE)
		message->plan = &plan;
	stage_open(&trial->test, "", scripts, 2);
	hostile_start(&trial->test.hostile);
	trial->job = stage_deliver(&trial->test, message);
	plan_fini(&plan);
}

static struct stage_message make(uint32_t flags)
{
	struct stage_message message = stage_simple();

	message.text = HEAD BODY;
	message.flags = flags;
	return message;
}

/* What upstream heard, after its end. */
static const char *heard(struct trial *trial)
{
	hostile_stop(&trial->test.hostile);
	return trial->test.hostile.lines.size > 0 ? (char *)trial->test.hostile.lines.data : "";
}

static const char *text_of(struct trial *trial)
{
	assert_true(bytes_append(&trial->test.hostile.texts, "", 1));
	return (char *)trial->test.hostile.texts.data;
}

static void assert_failed_with(const struct trial *trial, const char *status)
{
	const struct job *job = trial->job;

	assert_int_equal(job->recipients[0].effect, RECIPIENT_FAIL);
	assert_string_equal(
		job->recipients[0].status != NULL ? job->recipients[0].status : job->status,
		status);
	assert_non_null(job->bounces);
}

static void eight_bits_are_converted_for_seven(void **state)
{
	struct stage_message message = make(CONVERTIBLE);
	struct trial trial;

	(void)state;
	deliver(&trial, SEVEN "g", &message);
	assert_int_equal(trial.job->recipients[0].effect, RECIPIENT_ACCEPTED);
	assert_null(strstr(heard(&trial), "BODY="));
	assert_string_equal(text_of(&trial), HEAD ENCODED);
	stage_close(&trial.test);
}

static void eight_bits_stay_where_upstream_takes_them(void **state)
{
	struct stage_message message = make(CONVERTIBLE);
	struct trial trial;

	(void)state;
	deliver(&trial, EIGHT "g", &message);
	assert_int_equal(trial.job->recipients[0].effect, RECIPIENT_ACCEPTED);
	assert_non_null(strstr(heard(&trial), "SIZE=23 BODY=8BITMIME\n"));
	assert_string_equal(text_of(&trial), HEAD BODY);
	stage_close(&trial.test);
}

static void eight_bits_that_cannot_be_converted_bounce(void **state)
{
	static const struct {
		uint32_t flags;
		const char *word;
	} cases[] = {
		{ENVELOPE_EIGHTBIT, "cannot be converted"},
		{ENVELOPE_EIGHTBIT | ENVELOPE_SIGNED, "signature"},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct stage_message message = make(cases[i].flags);
		struct trial trial;

		deliver(&trial, SEVEN "<NOTHING", &message);
		assert_failed_with(&trial, "5.6.3");
		assert_non_null(strstr(trial.job->reply, cases[i].word));
		assert_null(strstr(heard(&trial), "MAIL"));
		stage_close(&trial.test);
	}
}

static void size_counts_what_a_plan_adds(void **state)
{
	struct stage_message message = stage_simple();
	struct plan plan = {0};
	struct trial trial;
	const char *const scripts[] = {EIGHT "g", "x"};

	(void)state;
	assert_true(plan_add(&plan, PLAN_REPLACE, PLAN_ALWAYS, 0, 0, ".dot: x\r\n", 9));
	message.text = HEAD;
	message.plan = &plan;
	stage_open(&trial.test, "", scripts, 2);
	hostile_start(&trial.test.hostile);
	trial.job = stage_deliver(&trial.test, &message);
	assert_int_equal(trial.job->recipients[0].effect, RECIPIENT_ACCEPTED);
	assert_non_null(strstr(heard(&trial), "SIZE=23\n"));
	assert_string_equal(text_of(&trial), "..dot: x\r\n" HEAD);
	plan_fini(&plan);
	stage_close(&trial.test);
}

/* ---- SMTPUTF8 ---- */

static void internationalised_addresses_go_with_smtputf8(void **state)
{
	static const char *const to[] = {JOE, "plain@example.org"};
	struct stage_message message = make(CONVERTIBLE);
	struct trial trial;

	(void)state;
	message.to = to;
	message.to_count = 2;
	deliver(&trial, UTF8 "g", &message);
	assert_int_equal(trial.job->recipients[0].effect, RECIPIENT_ACCEPTED);
	assert_non_null(strstr(heard(&trial), " BODY=8BITMIME SMTPUTF8\n"));
	assert_non_null(strstr(heard(&trial), "RCPT TO:<" JOE ">\n"));
	stage_close(&trial.test);
}

static void smtputf8_is_not_said_without_need(void **state)
{
	struct stage_message message = make(CONVERTIBLE | ENVELOPE_SMTPUTF8);
	struct trial trial;

	(void)state;
	deliver(&trial, UTF8 "g", &message);
	assert_int_equal(trial.job->recipients[0].effect, RECIPIENT_ACCEPTED);
	assert_null(strstr(heard(&trial), "SMTPUTF8"));
	stage_close(&trial.test);
}

static void internationalised_recipients_fail_alone(void **state)
{
	static const char *const to[] = {"a@example.org", JOE, "b@example.org"};
	struct stage_message message = make(CONVERTIBLE);
	struct trial trial;
	size_t accepted = 0;

	(void)state;
	message.to = to;
	message.to_count = 3;
	deliver(&trial, EIGHT "g", &message);
	assert_failed_with(&trial, "5.6.7");
	assert_int_equal(trial.job->recipients[0].index, 1);
	for (size_t i = 0; i < trial.job->recipient_count; i++)
		accepted += trial.job->recipients[i].effect == RECIPIENT_ACCEPTED;
	assert_int_equal(accepted, 2);
	assert_null(strstr(heard(&trial), JOE));
	stage_close(&trial.test);
}

static void only_an_internationalised_recipient_fails_without_a_transaction(void **state)
{
	static const char *const to[] = {JOE};
	struct stage_message message = make(CONVERTIBLE);
	struct trial trial;

	(void)state;
	message.to = to;
	deliver(&trial, HALF_UTF8 "<NOTHING", &message);
	assert_failed_with(&trial, "5.6.7");
	assert_null(strstr(heard(&trial), "MAIL"));
	stage_close(&trial.test);
}

static void what_makes_all_of_it_internationalised_fails_for_all(void **state)
{
	static const struct {
		const char *from;
		uint32_t flags;
		const char *status;
	} cases[] = {
		{JOE, 0, "5.6.7"},
		{"a@example.org", ENVELOPE_ADDRESS_EIGHTBIT, "5.6.7"},
		{"a@example.org", ENVELOPE_SMTPUTF8 | ENVELOPE_HEADER_EIGHTBIT, "5.6.9"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stage_message message = make(ENVELOPE_EIGHTBIT | cases[i].flags);
		struct trial trial;

		message.from = cases[i].from;
		deliver(&trial, EIGHT "<NOTHING", &message);
		assert_failed_with(&trial, cases[i].status);
		assert_null(strstr(heard(&trial), "MAIL"));
		stage_close(&trial.test);
		deliver(&trial, UTF8 "g", &message);
		assert_int_equal(trial.job->recipients[0].effect, RECIPIENT_ACCEPTED);
		assert_non_null(strstr(heard(&trial), " SMTPUTF8\n"));
		stage_close(&trial.test);
	}
}

static void header_of_utf8_is_encoded_where_it_can_be(void **state)
{
	struct stage_message message =
		make(CONVERTIBLE | ENVELOPE_SMTPUTF8 | ENVELOPE_HEADER_EIGHTBIT);
	struct trial trial;

	(void)state;
	deliver(&trial, EIGHT "g", &message);
	assert_int_equal(trial.job->recipients[0].effect, RECIPIENT_ACCEPTED);
	assert_null(strstr(heard(&trial), "BODY="));
	assert_string_equal(text_of(&trial), HEAD ENCODED);
	stage_close(&trial.test);
}

static void bytes_that_are_not_utf8_never_go_out(void **state)
{
	static const char *const to[] = {"j\xf6\x65@example.org"};
	struct stage_message message = make(0);
	struct trial trial;

	(void)state;
	message.to = to;
	deliver(&trial, UTF8 "<NOTHING", &message);
	assert_failed_with(&trial, "5.1.3");
	hostile_stop(&trial.test.hostile);
	stage_close(&trial.test);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(eight_bits_are_converted_for_seven),
		cmocka_unit_test(eight_bits_stay_where_upstream_takes_them),
		cmocka_unit_test(eight_bits_that_cannot_be_converted_bounce),
		cmocka_unit_test(size_counts_what_a_plan_adds),
		cmocka_unit_test(internationalised_addresses_go_with_smtputf8),
		cmocka_unit_test(smtputf8_is_not_said_without_need),
		cmocka_unit_test(internationalised_recipients_fail_alone),
		cmocka_unit_test(only_an_internationalised_recipient_fails_without_a_transaction),
		cmocka_unit_test(what_makes_all_of_it_internationalised_fails_for_all),
		cmocka_unit_test(header_of_utf8_is_encoded_where_it_can_be),
		cmocka_unit_test(bytes_that_are_not_utf8_never_go_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
