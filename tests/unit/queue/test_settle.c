#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "queue/settle.h"

#define OURS  16
#define OTHER 17
#define NOW   1000000
#define FIRST 60000
#define MOST  3600000
#define HOLD  777000

static struct envelope *message_to(size_t count)
{
	struct envelope *envelope = envelope_new(count);

	assert_non_null(envelope);
	envelope->id = 7;
	envelope->reverse_path = "a@example.edu";
	for (size_t i = 0; i < count; i++) {
		envelope->recipients[i].address = "b@example.edu";
		envelope->recipients[i].state = RECIPIENT_WAITING;
		envelope->recipients[i].verdict = VERDICT_CLEAN;
		envelope->recipients[i].upstream = OURS;
		envelope->recipients[i].due_unix_ms = NOW - 10;
	}
	return envelope;
}

static struct settle outcome(enum reply_stage stage, enum reply_class class, const char *reply)
{
	return (struct settle){
		.upstream = OURS,
		.due_unix_ms = NOW,
		.now_unix_ms = NOW,
		.stage = stage,
		.effect = reply_effect(stage, class)->message,
		.host = "relay:25",
		.reply = reply,
		.status = "",
		.retry_first_ms = FIRST,
		.retry_max_ms = MOST,
		.hold_ms = HOLD,
	};
}

static void each_recipient_goes_its_own_way(void **state)
{
	struct envelope *envelope = message_to(4);
	struct settle settle = outcome(STAGE_DOT, REPLY_POSITIVE, "250 2.0.0 queued");
	const struct job_recipient told[] = {
		{0, RECIPIENT_ACCEPTED, "250 ok", "2.1.5"},
		{1, RECIPIENT_DEFER, "450 4.2.1 later", "4.2.1"},
		{2, RECIPIENT_FAIL, "550 5.1.1 unknown", "5.1.1"},
		{3, RECIPIENT_SPLIT, "452 4.5.3", "4.5.3"},
	};

	(void)state;
	settle.recipients = told;
	settle.recipient_count = 4;
	assert_false(settle_is_free(&settle));
	assert_int_equal(settle_apply(envelope, &settle), 0);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_DELIVERED);
	assert_string_equal(envelope->recipients[0].host, "relay:25");
	assert_int_equal(envelope->recipients[1].state, RECIPIENT_DEFERRED);
	assert_int_equal(envelope->recipients[1].attempts, 1);
	assert_int_equal(envelope->recipients[1].due_unix_ms, NOW + FIRST);
	assert_string_equal(envelope->recipients[1].reason, "450 4.2.1 later");
	assert_string_equal(envelope->recipients[1].status, "4.2.1");
	assert_int_equal(envelope->recipients[2].state, RECIPIENT_BOUNCED);
	assert_string_equal(envelope->recipients[2].status, "5.1.1");
	assert_int_equal(envelope->recipients[3].state, RECIPIENT_WAITING);
	assert_int_equal(envelope->recipients[3].attempts, 0);
	assert_int_equal(envelope->history_count, 3);
	assert_string_equal(envelope->history[0].what, "RCPT: 450 4.2.1 later");
	assert_string_equal(envelope->history[2].what, "final dot: 250 2.0.0 queued");
	envelope_close(&envelope);
}

static void recipients_of_other_upstreams_and_states_are_not_touched(void **state)
{
	struct envelope *envelope = message_to(5);
	struct settle settle = outcome(STAGE_MAIL, REPLY_TRANSIENT, "451 4.3.0 no");
	struct recipient before[5];

	(void)state;
	envelope->recipients[0].upstream = OTHER;
	envelope->recipients[1].state = RECIPIENT_HELD;
	envelope->recipients[2].state = RECIPIENT_DELIVERED;
	envelope->recipients[3].due_unix_ms = NOW + 1;
	memcpy(before, envelope->recipients, sizeof(before));
	assert_int_equal(settle_apply(envelope, &settle), 0);
	assert_memory_equal(before, envelope->recipients, 4 * sizeof(before[0]));
	assert_int_equal(envelope->recipients[4].state, RECIPIENT_DEFERRED);
	envelope_close(&envelope);
}

static void a_busy_host_changes_nothing(void **state)
{
	struct envelope *envelope = message_to(2);
	struct settle settle = outcome(STAGE_DOT, REPLY_BUSY, "421 4.7.0 later");

	(void)state;
	assert_true(settle_is_free(&settle));
	assert_int_equal(settle_apply(envelope, &settle), 1);
	assert_int_equal(envelope->recipients[0].attempts, 0);
	assert_int_equal(envelope->history_count, 0);
	envelope_close(&envelope);
}

static void what_was_final_before_a_busy_reply_stays_final(void **state)
{
	struct envelope *envelope = message_to(3);
	struct settle settle = outcome(STAGE_DATA, REPLY_BUSY, "421 4.7.0 later");
	const struct job_recipient told[] = {
		{0, RECIPIENT_FAIL, "550 5.1.1 unknown", ""},
		{1, RECIPIENT_UNCHANGED, NULL, NULL},
	};

	(void)state;
	settle.recipients = told;
	settle.recipient_count = 2;
	assert_false(settle_is_free(&settle));
	assert_int_equal(settle_apply(envelope, &settle), 0);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_BOUNCED);
	assert_string_equal(envelope->recipients[0].status, "5.0.0");
	assert_int_equal(envelope->recipients[1].state, RECIPIENT_WAITING);
	assert_int_equal(envelope->recipients[2].state, RECIPIENT_WAITING);
	envelope_close(&envelope);
}

static void nobody_is_done_or_bounced_on_the_message_s_word_alone(void **state)
{
	struct envelope *envelope = message_to(2);
	struct settle done = outcome(STAGE_DOT, REPLY_POSITIVE, "250 ok");
	struct settle failed = outcome(STAGE_MAIL, REPLY_PERMANENT, "550 no");

	(void)state;
	assert_int_equal(settle_apply(envelope, &done), 1);
	assert_int_equal(settle_apply(envelope, &failed), 1);
	assert_int_equal(envelope->recipients[1].state, RECIPIENT_WAITING);
	envelope_close(&envelope);
}

static void deferrals_double_and_are_counted_in_one_line(void **state)
{
	struct envelope *envelope = message_to(1);
	struct settle settle = outcome(STAGE_MAIL, REPLY_TRANSIENT, "451 4.3.0 no");
	int64_t expected = FIRST;

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		settle.now_unix_ms = settle.due_unix_ms = envelope->recipients[0].due_unix_ms;
		assert_int_equal(settle_apply(envelope, &settle), 0);
		assert_int_equal(
			envelope->recipients[0].due_unix_ms - settle.now_unix_ms, expected);
		expected = expected * 2 > MOST ? MOST : expected * 2;
	}
	assert_int_equal(envelope->recipients[0].attempts, 12);
	assert_int_equal(envelope->history_count, 1);
	assert_int_equal(envelope->history[0].times, 12);
	envelope_close(&envelope);
}

static void five_unknown_outcomes_hold_the_message(void **state)
{
	struct envelope *envelope = message_to(1);
	struct settle settle = outcome(STAGE_DOT, REPLY_DROPPED, "connection lost");
	const struct recipient *recipient = &envelope->recipients[0];

	(void)state;
	settle.random = UINT64_MAX;
	for (unsigned i = 1; i < SETTLE_UNKNOWNS_MAX; i++) {
		settle.now_unix_ms = settle.due_unix_ms = recipient->due_unix_ms;
		assert_int_equal(settle_apply(envelope, &settle), 0);
		assert_int_equal(recipient->state, RECIPIENT_DEFERRED);
		assert_int_equal(recipient->unknowns, i);
		assert_true(
			recipient->due_unix_ms - settle.now_unix_ms >= (uint64_t)FIRST << (i - 1));
	}
	settle.now_unix_ms = settle.due_unix_ms = recipient->due_unix_ms;
	assert_int_equal(settle_apply(envelope, &settle), 0);
	assert_int_equal(recipient->state, RECIPIENT_HELD);
	assert_int_equal(recipient->due_unix_ms, settle.now_unix_ms + HOLD);
	assert_string_equal(recipient->reason,
		"five times the connection was lost after the final dot: connection lost");
	envelope_close(&envelope);
}

static void a_syntax_reply_holds_with_reason_and_end(void **state)
{
	struct envelope *envelope = message_to(1);
	struct settle settle = outcome(STAGE_DATA, REPLY_SYNTAX, "503 5.5.1 out of order");

	(void)state;
	assert_int_equal(settle_apply(envelope, &settle), 0);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_HELD);
	assert_int_equal(envelope->recipients[0].held_unix_ms, NOW);
	assert_int_equal(envelope->recipients[0].due_unix_ms, NOW + HOLD);
	assert_string_equal(envelope->recipients[0].reason, "DATA: 503 5.5.1 out of order");
	envelope_close(&envelope);
}

static void a_hold_reason_holds_all_that_are_meant(void **state)
{
	struct envelope *envelope = message_to(2);
	struct settle settle = outcome(STAGE_EHLO, REPLY_POSITIVE, "");

	(void)state;
	settle.hold_reason = "8-bit text, and upstream has no 8BITMIME";
	assert_false(settle_is_free(&settle));
	assert_int_equal(settle_apply(envelope, &settle), 0);
	assert_int_equal(envelope->recipients[1].state, RECIPIENT_HELD);
	assert_string_equal(envelope->recipients[1].reason, settle.hold_reason);
	assert_string_equal(
		envelope->history[0].what, "held: 8-bit text, and upstream has no 8BITMIME");
	envelope_close(&envelope);
}

static void an_expired_message_is_bounced_and_keeps_the_last_reply(void **state)
{
	struct envelope *envelope = message_to(2);
	struct settle settle = outcome(STAGE_CONNECT, REPLY_POSITIVE, "");
	const struct job_recipient told[] = {
		{0, RECIPIENT_FAIL, NULL, NULL}, {1, RECIPIENT_FAIL, NULL, NULL}};

	(void)state;
	settle.expired = true;
	settle.recipients = told;
	settle.recipient_count = 2;
	envelope->recipients[0].reason = "450 4.2.1 later";
	assert_int_equal(settle_apply(envelope, &settle), 0);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_BOUNCED);
	assert_string_equal(envelope->recipients[0].reason, "450 4.2.1 later");
	assert_string_equal(envelope->recipients[1].status, "4.4.7");
	assert_true(envelope_is_done(envelope));
	envelope_close(&envelope);
}

static void nobody_expires_without_a_bounce(void **state)
{
	struct envelope *envelope = message_to(2);
	struct settle settle =
		outcome(STAGE_MAIL, REPLY_TRANSIENT, "the message could not be read");

	(void)state;
	settle.expired = true;
	assert_true(settle_is_free(&settle));
	assert_int_equal(settle_apply(envelope, &settle), 1);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_WAITING);
	envelope_close(&envelope);
}

static void a_notice_to_postmaster_is_held_and_never_bounced(void **state)
{
	struct envelope *envelope = message_to(1);
	struct settle settle = outcome(STAGE_RCPT, REPLY_PERMANENT, "");
	const struct job_recipient told = {0, RECIPIENT_FAIL, "550 5.1.1 unknown", "5.1.1"};

	(void)state;
	envelope->flags = ENVELOPE_TO_POSTMASTER | ENVELOPE_LOCAL;
	settle.recipients = &told;
	settle.recipient_count = 1;
	assert_int_equal(settle_apply(envelope, &settle), 0);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_HELD);
	assert_string_equal(
		envelope->recipients[0].reason, "a notice to postmaster failed: 550 5.1.1 unknown");
	settle_release(&envelope->recipients[0], NOW);
	settle.expired = true;
	assert_int_equal(settle_apply(envelope, &settle), 0);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_HELD);
	envelope_close(&envelope);
}

static void a_hold_that_ends_waits_or_is_scanned(void **state)
{
	struct envelope *envelope = message_to(2);

	(void)state;
	envelope->recipients[1].verdict = VERDICT_NONE;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
			settle_hold(envelope, &envelope->recipients[i], "by root", NOW, NOW + 500),
			0);
	assert_int_equal(settle_release(&envelope->recipients[0], NOW + 600), 600);
	assert_int_equal(settle_release(&envelope->recipients[1], NOW + 600), 600);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_WAITING);
	assert_int_equal(envelope->recipients[0].due_unix_ms, NOW + 600);
	assert_int_equal(envelope->recipients[1].state, RECIPIENT_SCANNING);
	envelope_close(&envelope);
}

static void a_message_is_held_whole_and_its_kind_goes_with_the_last(void **state)
{
	struct envelope *envelope = message_to(3);

	(void)state;
	envelope->recipients[0].state = RECIPIENT_DELIVERED;
	assert_int_equal(
		settle_hold(envelope, &envelope->recipients[1], "by root", NOW, NOW + 500), 0);
	assert_int_equal(
		settle_hold_message(envelope, HOLD_SUSPENDED, "suspended", NOW + 100, NOW + 900),
		0);
	assert_int_equal(envelope->hold_kind, HOLD_SUSPENDED);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_DELIVERED);
	assert_int_equal(envelope->recipients[1].held_unix_ms, NOW);
	assert_int_equal(envelope->recipients[2].held_unix_ms, NOW + 100);
	assert_int_equal(envelope->recipients[1].due_unix_ms, NOW + 900);
	settle_release(&envelope->recipients[1], NOW + 200);
	settle_forget_kind(envelope);
	assert_int_equal(envelope->hold_kind, HOLD_SUSPENDED);
	settle_release(&envelope->recipients[2], NOW + 200);
	settle_forget_kind(envelope);
	assert_int_equal(envelope->hold_kind, HOLD_ORDINARY);
	envelope_close(&envelope);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_recipient_goes_its_own_way),
		cmocka_unit_test(recipients_of_other_upstreams_and_states_are_not_touched),
		cmocka_unit_test(a_busy_host_changes_nothing),
		cmocka_unit_test(what_was_final_before_a_busy_reply_stays_final),
		cmocka_unit_test(nobody_is_done_or_bounced_on_the_message_s_word_alone),
		cmocka_unit_test(deferrals_double_and_are_counted_in_one_line),
		cmocka_unit_test(five_unknown_outcomes_hold_the_message),
		cmocka_unit_test(a_syntax_reply_holds_with_reason_and_end),
		cmocka_unit_test(a_hold_reason_holds_all_that_are_meant),
		cmocka_unit_test(an_expired_message_is_bounced_and_keeps_the_last_reply),
		cmocka_unit_test(nobody_expires_without_a_bounce),
		cmocka_unit_test(a_notice_to_postmaster_is_held_and_never_bounced),
		cmocka_unit_test(a_hold_that_ends_waits_or_is_scanned),
		cmocka_unit_test(a_message_is_held_whole_and_its_kind_goes_with_the_last),
	};

	return cmocka_run_group_tests_name("queue/settle", tests, NULL, NULL);
}
