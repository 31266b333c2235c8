#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue/schedule.h"

#define CAMPUS    UPSTREAM_FIRST
#define ELSEWHERE (UPSTREAM_FIRST + 1)

static struct envelope *make(size_t recipients)
{
	struct envelope *envelope = envelope_new(recipients);

	assert_non_null(envelope);
	envelope->id = 99;
	envelope->received_unix_ms = 1000;
	envelope->lane = LANE_BULK;
	envelope->bucket = 5;
	return envelope;
}

static void set(struct envelope *envelope, size_t index, enum recipient_state state,
	uint16_t upstream, uint64_t due)
{
	envelope->recipients[index].state = state;
	envelope->recipients[index].upstream = upstream;
	envelope->recipients[index].due_unix_ms = due;
}

static void each_kind_of_hold_has_its_row(void **state)
{
	struct envelope *envelope = make(3);
	struct schedule_row rows[3];

	(void)state;
	set(envelope, 0, RECIPIENT_HELD, CAMPUS, 70);
	set(envelope, 1, RECIPIENT_QUARANTINED, CAMPUS, 80);
	set(envelope, 2, RECIPIENT_HELD, CAMPUS, 60);
	assert_int_equal(schedule_rows(envelope, rows), 1);
	for (int kind = HOLD_PACED; kind < HOLD_KIND_COUNT; kind++) {
		envelope->hold_kind = (enum hold_kind)kind;
		assert_int_equal(schedule_rows(envelope, rows), 2);
		assert_int_equal(rows[0].upstream, UPSTREAM_KINDS + kind);
		assert_int_equal(rows[0].due_unix_ms, 60);
		assert_int_equal(rows[1].upstream, UPSTREAM_HOLD);
		assert_int_equal(rows[1].due_unix_ms, 80);
		assert_true(rows[0].upstream < UPSTREAM_FIRST);
	}
	envelope->flags |= ENVELOPE_PARTIAL;
	assert_int_equal(schedule_rows(envelope, rows), 1);
	assert_int_equal(rows[0].upstream, UPSTREAM_PARTIAL);
	envelope_close(&envelope);
}

static void each_state_has_its_row(void **state)
{
	static const struct {
		enum recipient_state state;
		uint16_t upstream; /* 0: no row */
		uint64_t due;
	} rows[] = {
		{RECIPIENT_SCANNING, UPSTREAM_SCAN, 1000},
		{RECIPIENT_WAITING, CAMPUS, 70},
		{RECIPIENT_DEFERRED, CAMPUS, 70},
		{RECIPIENT_HELD, UPSTREAM_HOLD, 70},
		{RECIPIENT_QUARANTINED, UPSTREAM_HOLD, 70},
		{RECIPIENT_DELIVERED, 0, 0},
		{RECIPIENT_BOUNCED, 0, 0},
		{RECIPIENT_DISCARDED, 0, 0},
		{RECIPIENT_DELETED, 0, 0},
	};
	struct envelope *envelope = make(1);
	struct schedule_row row[1];
	size_t i, count;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		set(envelope, 0, rows[i].state, CAMPUS, 70);
		assert_int_equal(schedule_upstream(&envelope->recipients[0]), rows[i].upstream);
		count = schedule_rows(envelope, row);
		assert_int_equal(count, rows[i].upstream != 0);
		if (count == 0)
			continue;
		assert_int_equal(row[0].upstream, rows[i].upstream);
		assert_int_equal(row[0].due_unix_ms, rows[i].due);
		assert_int_equal(row[0].lane, LANE_BULK);
		assert_int_equal(row[0].bucket, 5);
		assert_int_equal(row[0].id, 99);
	}
	envelope->flags |= ENVELOPE_PARTIAL;
	set(envelope, 0, RECIPIENT_HELD, CAMPUS, 70);
	assert_int_equal(schedule_rows(envelope, row), 1);
	assert_int_equal(row[0].upstream, UPSTREAM_PARTIAL);
	envelope_close(&envelope);
}

static void one_upstream_has_one_row_due_at_the_earliest(void **state)
{
	struct envelope *envelope = make(4);
	struct schedule_row rows[4];

	(void)state;
	set(envelope, 0, RECIPIENT_DEFERRED, CAMPUS, 300);
	set(envelope, 1, RECIPIENT_WAITING, CAMPUS, 100);
	set(envelope, 2, RECIPIENT_DELIVERED, CAMPUS, 1);
	set(envelope, 3, RECIPIENT_DEFERRED, CAMPUS, 200);
	assert_int_equal(schedule_rows(envelope, rows), 1);
	assert_int_equal(rows[0].due_unix_ms, 100);
	envelope_close(&envelope);
}

static void several_upstreams_have_a_row_each(void **state)
{
	struct envelope *envelope = make(6);
	struct schedule_row rows[6];

	(void)state;
	set(envelope, 0, RECIPIENT_WAITING, CAMPUS, 300);
	set(envelope, 1, RECIPIENT_WAITING, ELSEWHERE, 50);
	set(envelope, 2, RECIPIENT_HELD, CAMPUS, 900);
	set(envelope, 3, RECIPIENT_QUARANTINED, CAMPUS, 800);
	set(envelope, 4, RECIPIENT_WAITING, CAMPUS, 200);
	set(envelope, 5, RECIPIENT_SCANNING, CAMPUS, 5);
	assert_int_equal(schedule_rows(envelope, rows), 4);
	assert_int_equal(rows[0].upstream, CAMPUS);
	assert_int_equal(rows[0].due_unix_ms, 200);
	assert_int_equal(rows[1].upstream, ELSEWHERE);
	assert_int_equal(rows[1].due_unix_ms, 50);
	assert_int_equal(rows[2].upstream, UPSTREAM_HOLD);
	assert_int_equal(rows[2].due_unix_ms, 800);
	assert_int_equal(rows[3].upstream, UPSTREAM_SCAN);
	assert_int_equal(rows[3].due_unix_ms, 1000);
	envelope_close(&envelope);
}

static void message_counts_under_the_first_state_that_applies(void **state)
{
	static const enum recipient_state order[] = {RECIPIENT_SCANNING, RECIPIENT_WAITING,
		RECIPIENT_DEFERRED, RECIPIENT_HELD, RECIPIENT_QUARANTINED};
	struct envelope *envelope = make(3);
	size_t i, j;

	(void)state;
	set(envelope, 0, RECIPIENT_DELIVERED, CAMPUS, 0);
	for (i = 0; i < 5; i++) {
		for (j = i; j < 5; j++) {
			set(envelope, 1, order[j], CAMPUS, 0);
			set(envelope, 2, order[i], CAMPUS, 0);
			assert_int_equal(schedule_state(envelope), order[i]);
		}
	}
	set(envelope, 1, RECIPIENT_BOUNCED, CAMPUS, 0);
	set(envelope, 2, RECIPIENT_DELETED, CAMPUS, 0);
	assert_int_equal(schedule_state(envelope), 0);
	envelope_close(&envelope);
}

static void bucket_is_the_accounts_and_without_one_the_addresses(void **state)
{
	(void)state;
	assert_int_equal(schedule_bucket(NULL, "10.1.2.3"), schedule_bucket(NULL, "10.1.2.3"));
	assert_int_not_equal(schedule_bucket(NULL, "10.1.2.3"), schedule_bucket(NULL, "10.1.2.4"));
	assert_int_equal(
		schedule_bucket("printer", "10.1.2.3"), schedule_bucket("printer", "10.1.2.4"));
	assert_int_equal(schedule_bucket(NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state_has_its_row),
		cmocka_unit_test(each_kind_of_hold_has_its_row),
		cmocka_unit_test(one_upstream_has_one_row_due_at_the_earliest),
		cmocka_unit_test(several_upstreams_have_a_row_each),
		cmocka_unit_test(message_counts_under_the_first_state_that_applies),
		cmocka_unit_test(bucket_is_the_accounts_and_without_one_the_addresses),
	};

	return cmocka_run_group_tests_name("queue/schedule", tests, NULL, NULL);
}
