#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "scan/verdict.h"

#define NOW 1700000000000

/* One recipient in each state, in the order of the states. */
static struct envelope *make_envelope(void)
{
	struct envelope *envelope = envelope_new(RECIPIENT_STATE_COUNT - 1);

	assert_non_null(envelope);
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		envelope->recipients[i].address = "to@example.edu";
		envelope->recipients[i].state = (enum recipient_state)(i + 1);
		envelope->recipients[i].due_unix_ms = 7;
	}
	return envelope;
}

/* All but the first, which was scanning. */
static void check_others_untouched(const struct envelope *envelope)
{
	for (size_t i = 1; i < envelope->recipient_count; i++) {
		const struct recipient *recipient = &envelope->recipients[i];

		assert_int_equal(recipient->state, i + 1);
		assert_int_equal(recipient->verdict, VERDICT_NONE);
		assert_int_equal(recipient->due_unix_ms, 7);
		assert_null(recipient->threat);
		assert_null(recipient->reason);
	}
}

/* What was changed once is not changed again. */
static void check_second_time(struct envelope *envelope, struct scan_job *job)
{
	struct recipient before = envelope->recipients[0];
	size_t history_count = envelope->history_count;

	job->now_unix_ms += 1000;
	assert_int_equal(verdict_apply(envelope, job), 1);
	assert_int_equal(job->changed, 0);
	assert_memory_equal(&before, &envelope->recipients[0], sizeof(before));
	assert_int_equal(envelope->history_count, history_count);
}

static void clean_goes_on_at_once(void **state)
{
	struct envelope *envelope = make_envelope();
	struct scan_job job = {.found = VERDICT_CLEAN, .now_unix_ms = NOW};

	(void)state;
	assert_int_equal(verdict_apply(envelope, &job), 0);
	assert_int_equal(job.changed, 1);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_WAITING);
	assert_int_equal(envelope->recipients[0].verdict, VERDICT_CLEAN);
	assert_int_equal(envelope->recipients[0].due_unix_ms, NOW);
	assert_null(envelope->recipients[0].threat);
	check_others_untouched(envelope);
	check_second_time(envelope, &job);
	envelope_close(&envelope);
}

static void virus_is_discarded_with_its_name(void **state)
{
	struct envelope *envelope = make_envelope();
	struct scan_job job = {.found = VERDICT_VIRUS, .threat = "Some-Name", .now_unix_ms = NOW};

	(void)state;
	assert_int_equal(verdict_apply(envelope, &job), 0);
	memset(job.threat, 'x', 4); /* the envelope has its own copy */
	assert_int_equal(job.changed, 1);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_DISCARDED);
	assert_int_equal(envelope->recipients[0].verdict, VERDICT_VIRUS);
	assert_string_equal(envelope->recipients[0].threat, "Some-Name");
	check_others_untouched(envelope);
	check_second_time(envelope, &job);
	envelope_close(&envelope);
}

static void damaged_is_held_with_a_reason_and_an_end(void **state)
{
	struct envelope *envelope = make_envelope();
	struct scan_job job = {
		.hold_reason = "damaged", .now_unix_ms = NOW, .hold_until_unix_ms = NOW + 5000};

	(void)state;
	assert_int_equal(verdict_apply(envelope, &job), 0);
	assert_int_equal(job.changed, 1);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_HELD);
	assert_int_equal(envelope->recipients[0].verdict, VERDICT_NONE);
	assert_string_equal(envelope->recipients[0].reason, "damaged");
	assert_int_equal(envelope->recipients[0].held_unix_ms, NOW);
	assert_int_equal(envelope->recipients[0].due_unix_ms, NOW + 5000);
	assert_int_equal(envelope->history_count, 1);
	assert_string_equal(envelope->history[0].what, "held: damaged");
	check_others_untouched(envelope);
	check_second_time(envelope, &job);
	envelope_close(&envelope);
}

static void all_that_are_scanned_get_it(void **state)
{
	struct envelope *envelope = envelope_new(3);
	struct scan_job job = {.found = VERDICT_VIRUS, .threat = "Some-Name", .now_unix_ms = NOW};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		envelope->recipients[i].address = "to@example.edu";
		envelope->recipients[i].state = RECIPIENT_SCANNING;
	}
	assert_int_equal(verdict_apply(envelope, &job), 0);
	assert_int_equal(job.changed, 3);
	assert_true(envelope_is_done(envelope));
	envelope_close(&envelope);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_goes_on_at_once),
		cmocka_unit_test(virus_is_discarded_with_its_name),
		cmocka_unit_test(damaged_is_held_with_a_reason_and_an_end),
		cmocka_unit_test(all_that_are_scanned_get_it),
	};

	return cmocka_run_group_tests_name("scan/verdict", tests, NULL, NULL);
}
