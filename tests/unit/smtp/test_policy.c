#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/policy.h"

static const enum profile profiles[] = {PROFILE_FRAGILE, PROFILE_STANDARD, PROFILE_SUBMISSION};

/* Law 5: every cell of the fragile column. */
static void fragile_knows_no_4xx_but_the_one(void **state)
{
	const struct policy *policy = policy_of(PROFILE_FRAGILE);

	(void)state;
	for (int trouble = TROUBLE_NONE + 1; trouble < TROUBLE_COUNT; trouble++) {
		const struct trouble_answer *answer = &policy->answers[trouble];

		if (trouble == TROUBLE_STORE_FULL) {
			assert_int_equal(answer->act, ACT_HOLD);
			assert_memory_equal(answer->reply, "452 4.3.1 ", 10);
		} else if (answer->reply != NULL) {
			assert_int_equal(answer->reply[0], '5');
		}
	}
}

static void every_trouble_has_an_answer_that_is_a_reply_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
		for (int trouble = TROUBLE_NONE + 1; trouble < TROUBLE_COUNT; trouble++) {
			const struct trouble_answer *answer =
				&policy_of(profiles[i])->answers[trouble];

			assert_int_equal(answer->act == ACT_CLOSE, answer->reply == NULL);
			if (answer->reply == NULL)
				continue;
			assert_true(strlen(answer->reply) <= 80);
			assert_true(answer->reply[0] == '4' || answer->reply[0] == '5');
			/* the enhanced code is of the same class (RFC 3463 3.1) */
			assert_int_equal(answer->reply[4], answer->reply[0]);
			assert_null(strpbrk(answer->reply, "\r\n"));
			assert_non_null(policy_trouble_name((enum trouble)trouble));
		}
	}
}

static void what_closes_with_an_answer_says_421(void **state)
{
	(void)state;
	for (int trouble = TROUBLE_NONE + 1; trouble < TROUBLE_COUNT; trouble++) {
		const struct trouble_answer *answer =
			&policy_of(PROFILE_STANDARD)->answers[trouble];

		if (answer->act == ACT_ANSWER_CLOSE)
			assert_memory_equal(answer->reply, "421 ", 4);
		else if (answer->reply != NULL)
			assert_memory_not_equal(answer->reply, "421 ", 4);
	}
}

static void unknown_outcome_is_never_answered(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		assert_int_equal(
			policy_of(profiles[i])->answers[TROUBLE_STORE_UNKNOWN].act, ACT_CLOSE);
}

static void every_exception_of_fragile_listeners_is_counted_by_its_own_number(void **state)
{
	const struct policy *policy = policy_of(PROFILE_FRAGILE);
	unsigned users[METRIC_COUNT + 1] = {0};

	(void)state;
	for (int trouble = TROUBLE_NONE + 1; trouble < TROUBLE_COUNT; trouble++) {
		const struct trouble_answer *answer = &policy->answers[trouble];
		enum metric metric = policy_refusal_metric((enum trouble)trouble);

		if (answer->act != ACT_ANSWER)
			assert_int_not_equal(metric, METRIC_COUNT);
		if (metric == METRIC_COUNT)
			continue;
		assert_string_equal(metric_info(metric)->name, "sluice_fragile_refusals_total");
		assert_int_equal(users[metric]++, 0);
	}
}

static void fragile_takes_more_recipients_than_the_listener_says(void **state)
{
	struct config_listener listener = {.profile = PROFILE_STANDARD, .max_recipients = 100};

	(void)state;
	assert_int_equal(policy_recipients(&listener), 100);
	listener.profile = PROFILE_FRAGILE;
	assert_int_equal(policy_recipients(&listener), 1000);
	listener.max_recipients = 5000;
	assert_int_equal(policy_recipients(&listener), 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fragile_knows_no_4xx_but_the_one),
		cmocka_unit_test(every_trouble_has_an_answer_that_is_a_reply_line),
		cmocka_unit_test(what_closes_with_an_answer_says_421),
		cmocka_unit_test(unknown_outcome_is_never_answered),
		cmocka_unit_test(every_exception_of_fragile_listeners_is_counted_by_its_own_number),
		cmocka_unit_test(fragile_takes_more_recipients_than_the_listener_says),
	};

	return cmocka_run_group_tests_name("smtp/policy", tests, NULL, NULL);
}
