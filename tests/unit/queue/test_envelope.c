#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "queue/envelope.h"

#define ID 0x0A1B2C3D4E5F60

static void fill_recipients(struct envelope *envelope)
{
	envelope->recipients[0] = (struct recipient){.address = "guards@example.edu",
		.state = RECIPIENT_DEFERRED,
		.verdict = VERDICT_CLEAN,
		.score = 17,
		.upstream = 4095,
		.attempts = 3,
		.unknowns = 1,
		.due_unix_ms = 1795000060000,
		.host = "smtp-relay1.example.edu:25",
		.reason = "450 4.2.1 mailbox busy",
		.status = "4.2.1"};
	envelope->recipients[1] = (struct recipient){.address = "\xc3\xa9t\xc3\xa9@example.edu",
		.state = RECIPIENT_QUARANTINED,
		.verdict = VERDICT_VIRUS,
		.score = 100,
		.threat = "Eicar-Signature",
		.upstream = 16,
		.due_unix_ms = UINT64_MAX,
		.held_unix_ms = 1795000000001};
	envelope->recipients[2] = (struct recipient){
		.address = "x@example.edu", .state = RECIPIENT_DELIVERED, .upstream = 17};
}

static struct envelope *make_full(void)
{
	struct envelope *envelope = envelope_new(3);

	assert_non_null(envelope);
	envelope->id = ID;
	envelope->body_id = ID - 1;
	envelope->revision = 7;
	envelope->flags = ENVELOPE_EIGHTBIT | ENVELOPE_SEEN_EXPIRED;
	envelope->size_bytes = 52428800;
	envelope->checksum = UINT64_MAX;
	envelope->chunk_count = 801;
	envelope->received_unix_ms = 1795000000000;
	envelope->stopped_ms = 1;
	envelope->expiry_seen_unix_ms = 256;
	envelope->lane = LANE_BULK;
	envelope->hold_kind = HOLD_LAPSED;
	envelope->bucket = 0x80000000;
	envelope->reverse_path = "";
	envelope->client = "2001:db8::1";
	envelope->helo = "door17";
	envelope->listener = "handoff";
	envelope->account = "printer";
	envelope->grant = "G-1";
	envelope->quirks = "Q-33 Q-61";
	fill_recipients(envelope);
	assert_true(envelope_note(envelope, 5, "host:25", "RCPT: 450 4.2.1"));
	assert_true(envelope_note(envelope, 6, NULL, "held by root"));
	return envelope;
}

static void assert_same_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		assert_true(a == b);
	else
		assert_string_equal(a, b);
}

static void assert_same_recipient(const struct recipient *a, const struct recipient *b)
{
	assert_same_text(a->address, b->address);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->verdict, b->verdict);
	assert_int_equal(a->score, b->score);
	assert_same_text(a->threat, b->threat);
	assert_int_equal(a->upstream, b->upstream);
	assert_int_equal(a->attempts, b->attempts);
	assert_int_equal(a->unknowns, b->unknowns);
	assert_true(a->due_unix_ms == b->due_unix_ms);
	assert_true(a->held_unix_ms == b->held_unix_ms);
	assert_same_text(a->host, b->host);
	assert_same_text(a->reason, b->reason);
	assert_same_text(a->status, b->status);
}

static void assert_same(const struct envelope *a, const struct envelope *b)
{
	size_t i;

	assert_true(a->id == b->id && a->body_id == b->body_id);
	assert_true(a->revision == b->revision && a->flags == b->flags);
	assert_true(a->size_bytes == b->size_bytes && a->checksum == b->checksum);
	assert_true(a->chunk_count == b->chunk_count);
	assert_true(a->received_unix_ms == b->received_unix_ms);
	assert_true(a->stopped_ms == b->stopped_ms);
	assert_true(a->expiry_seen_unix_ms == b->expiry_seen_unix_ms);
	assert_true(a->lane == b->lane && a->bucket == b->bucket);
	assert_true(a->hold_kind == b->hold_kind);
	assert_same_text(a->reverse_path, b->reverse_path);
	assert_same_text(a->client, b->client);
	assert_same_text(a->helo, b->helo);
	assert_same_text(a->listener, b->listener);
	assert_same_text(a->account, b->account);
	assert_same_text(a->grant, b->grant);
	assert_same_text(a->quirks, b->quirks);
	assert_int_equal(a->recipient_count, b->recipient_count);
	for (i = 0; i < a->recipient_count; i++)
		assert_same_recipient(&a->recipients[i], &b->recipients[i]);
	assert_int_equal(a->history_count, b->history_count);
	for (i = 0; i < a->history_count; i++) {
		assert_true(a->history[i].first_unix_ms == b->history[i].first_unix_ms);
		assert_true(a->history[i].last_unix_ms == b->history[i].last_unix_ms);
		assert_true(a->history[i].times == b->history[i].times);
		assert_same_text(a->history[i].host, b->history[i].host);
		assert_same_text(a->history[i].what, b->history[i].what);
	}
}

/* Makes the checksum of a record that was changed by hand right again. */
static void seal(struct bytes *record)
{
	uint64_t sum = XXH3_64bits_withSeed(record->data + 5, record->size - 5, ID);

	record->data[1] = (uint8_t)(sum >> 24);
	record->data[2] = (uint8_t)(sum >> 16);
	record->data[3] = (uint8_t)(sum >> 8);
	record->data[4] = (uint8_t)sum;
}

static void record_gives_back_everything_that_was_set(void **state)
{
	struct envelope *envelope = make_full(), *again = NULL;
	struct bytes record = {0};

	(void)state;
	assert_true(envelope_encode(envelope, &record));
	assert_int_equal(envelope_decode(ID, record.data, record.size, &again), 0);
	assert_same(envelope, again);
	bytes_fini(&record);
	envelope_close(&envelope);
	envelope_close(&again);
}

static void record_of_a_bare_envelope_is_small_and_comes_back(void **state)
{
	struct envelope *envelope = envelope_new(1), *again = NULL;
	struct bytes record = {0};

	(void)state;
	envelope->id = ID;
	envelope->reverse_path = "a@example.edu";
	envelope->recipients[0] = (struct recipient){.address = "b", .state = RECIPIENT_SCANNING};
	assert_true(envelope_encode(envelope, &record));
	assert_true(record.size < 40);
	assert_int_equal(envelope_decode(ID, record.data, record.size, &again), 0);
	assert_same(envelope, again);
	assert_null(again->history);
	bytes_fini(&record);
	envelope_close(&envelope);
	envelope_close(&again);
}

static void encoding_appends_behind_what_is_there(void **state)
{
	struct envelope *envelope = make_full(), *again = NULL;
	struct bytes record = {0};

	(void)state;
	assert_true(bytes_append(&record, "before", 6));
	assert_true(envelope_encode(envelope, &record));
	assert_memory_equal(record.data, "before", 6);
	assert_int_equal(envelope_decode(ID, record.data + 6, record.size - 6, &again), 0);
	assert_same(envelope, again);
	bytes_fini(&record);
	envelope_close(&envelope);
	envelope_close(&again);
}

/* Each prefix stands in a block of its own, so that the sanitizer sees a read behind it. */
static void record_cut_off_at_any_byte_is_damaged(void **state)
{
	struct envelope *envelope = make_full(), *again = NULL;
	struct bytes record = {0};
	uint8_t *cut;
	size_t size;

	(void)state;
	assert_true(envelope_encode(envelope, &record));
	for (size = 0; size < record.size; size++) {
		cut = malloc(size + (size == 0));
		assert_non_null(cut);
		memcpy(cut, record.data, size);
		assert_int_equal(envelope_decode(ID, cut, size, &again), -EBADMSG);
		free(cut);
	}
	bytes_fini(&record);
	envelope_close(&envelope);
}

/* As above, with a checksum that fits: the fields' own limits must hold. What ends between two fields is a record. */
static void cut_record_with_a_right_checksum_is_never_read_over_its_end(void **state)
{
	struct envelope *envelope = make_full(), *again;
	struct bytes record = {0}, cut;
	size_t size, damaged = 0;
	int rc;

	(void)state;
	assert_true(envelope_encode(envelope, &record));
	for (size = 6; size < record.size; size++) {
		cut = (struct bytes){malloc(size), size, size};
		assert_non_null(cut.data);
		memcpy(cut.data, record.data, size);
		seal(&cut);
		again = NULL;
		rc = envelope_decode(ID, cut.data, size, &again);
		assert_true(rc == 0 || rc == -EBADMSG);
		damaged += rc == -EBADMSG;
		envelope_close(&again);
		bytes_fini(&cut);
	}
	assert_true(damaged > record.size / 2);
	bytes_fini(&record);
	envelope_close(&envelope);
}

static void any_changed_byte_is_damage(void **state)
{
	struct envelope *envelope = make_full(), *again = NULL;
	struct bytes record = {0};
	size_t at;

	(void)state;
	assert_true(envelope_encode(envelope, &record));
	for (at = 0; at < record.size; at++) {
		record.data[at] ^= 0x41;
		assert_int_equal(envelope_decode(ID, record.data, record.size, &again), -EBADMSG);
		record.data[at] ^= 0x41;
	}
	bytes_fini(&record);
	envelope_close(&envelope);
}

static void record_under_another_id_is_damaged(void **state)
{
	struct envelope *envelope = make_full(), *again = NULL;
	struct bytes record = {0};

	(void)state;
	assert_true(envelope_encode(envelope, &record));
	assert_int_equal(envelope_decode(ID + 1, record.data, record.size, &again), -EBADMSG);
	bytes_fini(&record);
	envelope_close(&envelope);
}

static void newer_version_is_refused(void **state)
{
	struct envelope *envelope = make_full(), *again = NULL;
	struct bytes record = {0};

	(void)state;
	assert_true(envelope_encode(envelope, &record));
	record.data[0] = 4;
	assert_int_equal(envelope_decode(ID, record.data, record.size, &again), -EBADMSG);
	bytes_fini(&record);
	envelope_close(&envelope);
}

/* One that does not know plans must not send a text that needs one; all else it may read as ever. */
static void only_a_record_with_a_plan_has_the_version_that_knows_them(void **state)
{
	static const uint8_t plan[] = {1, 0, 0, 0xff, 0};
	struct envelope *envelope = make_full(), *again = NULL;
	struct bytes record = {0};

	(void)state;
	assert_true(envelope_encode(envelope, &record));
	assert_int_equal(record.data[0], 3); /* nor must one that knows no kinds of hold have it */
	envelope->hold_kind = HOLD_ORDINARY;
	bytes_clear(&record);
	assert_true(envelope_encode(envelope, &record));
	assert_int_equal(record.data[0], 1);
	bytes_clear(&record);
	envelope->plan = plan;
	envelope->plan_size = sizeof(plan);
	assert_true(envelope_encode(envelope, &record));
	assert_int_equal(record.data[0], 2);
	assert_int_equal(envelope_decode(ID, record.data, record.size, &again), 0);
	assert_same(envelope, again);
	assert_int_equal(again->plan_size, sizeof(plan));
	assert_memory_equal(again->plan, plan, sizeof(plan));
	bytes_fini(&record);
	envelope_close(&envelope);
	envelope_close(&again);
}

static void fields_of_a_later_version_are_passed_over(void **state)
{
	static const uint8_t later[] = {200, 3, 'n', 'e', 'w', 120, 0};
	struct envelope *envelope = make_full(), *again = NULL;
	struct bytes record = {0};

	(void)state;
	assert_true(envelope_encode(envelope, &record));
	assert_true(bytes_append(&record, later, sizeof(later)));
	seal(&record);
	assert_int_equal(envelope_decode(ID, record.data, record.size, &again), 0);
	assert_same(envelope, again);
	bytes_fini(&record);
	envelope_close(&envelope);
	envelope_close(&again);
}

static void number_too_wide_for_its_member_is_damage(void **state)
{
	static const uint8_t wide[] = {2, 5, 1, 0, 0, 0, 0}; /* revision */
	struct envelope *envelope = make_full(), *again = NULL;
	struct bytes record = {0};

	(void)state;
	assert_true(envelope_encode(envelope, &record));
	assert_true(bytes_append(&record, wide, sizeof(wide)));
	seal(&record);
	assert_int_equal(envelope_decode(ID, record.data, record.size, &again), -EBADMSG);
	bytes_fini(&record);
	envelope_close(&envelope);
}

static void state_that_does_not_exist_is_damage(void **state)
{
	struct envelope *envelope = make_full(), *again = NULL;
	struct bytes record = {0};

	(void)state;
	envelope->recipients[1].state = RECIPIENT_STATE_COUNT;
	assert_true(envelope_encode(envelope, &record));
	assert_int_equal(envelope_decode(ID, record.data, record.size, &again), -EBADMSG);
	bytes_fini(&record);
	envelope_close(&envelope);
}

static void texts_live_as_long_as_the_envelope(void **state)
{
	struct envelope *envelope = envelope_new(0);
	const char *kept[64], *large;
	char text[40], *big = malloc(10000);
	size_t i;

	(void)state;
	assert_non_null(big);
	memset(big, 'x', 9999);
	big[9999] = '\0';
	for (i = 0; i < 64; i++) {
		snprintf(text, sizeof(text), "text number %zu, long enough to fill", i);
		kept[i] = envelope_text(envelope, text);
		assert_non_null(kept[i]);
	}
	large = envelope_text(envelope, big);
	for (i = 0; i < 64; i++) {
		snprintf(text, sizeof(text), "text number %zu, long enough to fill", i);
		assert_string_equal(kept[i], text);
	}
	assert_string_equal(large, big);
	assert_null(envelope_text(envelope, NULL));
	assert_string_equal(envelope_text_sized(envelope, "cut here", 3), "cut");
	free(big);
	envelope_close(&envelope);
	assert_null(envelope);
	envelope_close(&envelope);
}

static void equal_lines_of_history_are_counted_in_one(void **state)
{
	struct envelope *envelope = envelope_new(0);

	(void)state;
	assert_true(envelope_note(envelope, 10, "h:25", "banner: 421"));
	assert_true(envelope_note(envelope, 20, "h:25", "banner: 421"));
	assert_true(envelope_note(envelope, 30, "i:25", "banner: 421"));
	assert_int_equal(envelope->history_count, 2);
	assert_int_equal(envelope->history[0].times, 2);
	assert_int_equal(envelope->history[0].first_unix_ms, 10);
	assert_int_equal(envelope->history[0].last_unix_ms, 20);
	assert_int_equal(envelope->history[1].times, 1);
	envelope_close(&envelope);
}

static void history_keeps_the_first_line_and_the_latest(void **state)
{
	struct envelope *envelope = envelope_new(0), *again = NULL;
	struct bytes record = {0};
	char what[20];
	unsigned i;

	(void)state;
	envelope->id = ID;
	envelope->reverse_path = "";
	for (i = 0; i < 100; i++) {
		snprintf(what, sizeof(what), "line %u", i);
		assert_true(envelope_note(envelope, i, NULL, what));
	}
	assert_int_equal(envelope->history_count, ENVELOPE_HISTORY_MAX);
	assert_string_equal(envelope->history[0].what, "line 0");
	assert_string_equal(envelope->history[1].what, "line 85");
	assert_string_equal(envelope->history[ENVELOPE_HISTORY_MAX - 1].what, "line 99");

	/* A decoded envelope has room for more. */
	assert_true(envelope_encode(envelope, &record));
	assert_int_equal(envelope_decode(ID, record.data, record.size, &again), 0);
	assert_true(envelope_note(again, 100, NULL, "line 100"));
	assert_int_equal(again->history_count, ENVELOPE_HISTORY_MAX);
	assert_string_equal(again->history[1].what, "line 86");
	assert_string_equal(again->history[ENVELOPE_HISTORY_MAX - 1].what, "line 100");
	bytes_fini(&record);
	envelope_close(&envelope);
	envelope_close(&again);
}

static void envelope_is_done_when_every_recipient_is_final(void **state)
{
	struct envelope *envelope = envelope_new(2);

	(void)state;
	envelope->recipients[0].state = RECIPIENT_DELIVERED;
	envelope->recipients[1].state = RECIPIENT_HELD;
	assert_false(envelope_is_done(envelope));
	envelope->recipients[1].state = RECIPIENT_DELETED;
	assert_true(envelope_is_done(envelope));
	envelope_close(&envelope);
}

static void every_state_and_lane_has_a_name(void **state)
{
	unsigned i, j;

	(void)state;
	for (i = 1; i < RECIPIENT_STATE_COUNT; i++) {
		assert_string_not_equal(recipient_state_name((enum recipient_state)i), "none");
		for (j = 1; j < i; j++)
			assert_string_not_equal(recipient_state_name((enum recipient_state)i),
				recipient_state_name((enum recipient_state)j));
	}
	assert_string_equal(recipient_state_name((enum recipient_state)77), "none");
	assert_string_equal(lane_name(LANE_ALERT), "alert");
	assert_string_equal(lane_name(LANE_NORMAL), "normal");
	assert_string_equal(lane_name(LANE_BULK), "bulk");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_gives_back_everything_that_was_set),
		cmocka_unit_test(record_of_a_bare_envelope_is_small_and_comes_back),
		cmocka_unit_test(encoding_appends_behind_what_is_there),
		cmocka_unit_test(record_cut_off_at_any_byte_is_damaged),
		cmocka_unit_test(cut_record_with_a_right_checksum_is_never_read_over_its_end),
		cmocka_unit_test(any_changed_byte_is_damage),
		cmocka_unit_test(record_under_another_id_is_damaged),
		cmocka_unit_test(newer_version_is_refused),
		cmocka_unit_test(only_a_record_with_a_plan_has_the_version_that_knows_them),
		cmocka_unit_test(fields_of_a_later_version_are_passed_over),
		cmocka_unit_test(number_too_wide_for_its_member_is_damage),
		cmocka_unit_test(state_that_does_not_exist_is_damage),
		cmocka_unit_test(texts_live_as_long_as_the_envelope),
		cmocka_unit_test(equal_lines_of_history_are_counted_in_one),
		cmocka_unit_test(history_keeps_the_first_line_and_the_latest),
		cmocka_unit_test(envelope_is_done_when_every_recipient_is_final),
		cmocka_unit_test(every_state_and_lane_has_a_name),
	};

	return cmocka_run_group_tests_name("queue/envelope", tests, NULL, NULL);
}
