#include <errno.h>

#include "store_fixture.h"

static struct fixture fixture;
static struct store_view *view;

static int open_fixture(void **state)
{
	(void)state;
	fixture_open(&fixture, 256 << 20);
	return store_view_open(fixture.store, &view);
}

static int close_fixture(void **state)
{
	(void)state;
	store_view_close(&view);
	fixture_close(&fixture);
	return 0;
}

static void add(uint64_t id, uint64_t size)
{
	struct envelope *envelope = make_message(id, 1);

	envelope->size_bytes = size;
	assert_int_equal(add_message(fixture.store, envelope), 0);
	envelope_close(&envelope);
}

static struct store_counts counts(void)
{
	struct store_counts now;

	assert_int_equal(store_view_counts(view, &now), 0);
	return now;
}

/* ---- one message ---- */

static void added_message_is_read_back_with_its_text(void **state)
{
	static const uint64_t sizes[] = {0, 1, 300, 2040, 4079, 4080, 4081, 4396, 8176, 8177, 65519,
		65520, 65521, 131041, 1 << 20};
	static uint8_t piece[STORE_PIECE_BYTES], wanted[2 << 20];
	struct envelope *envelope;
	uint32_t sequence;
	ssize_t size;
	size_t i, at;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		add(i + 1, sizes[i]);
		assert_int_equal(store_view_get(view, i + 1, &envelope), 0);
		assert_true(envelope->size_bytes == sizes[i]);
		assert_string_equal(envelope->reverse_path, "alarm@example.edu");
		envelope_close(&envelope);
	}
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fill_text(wanted, sizes[i], i + 1);
		for (at = sequence = 0; at < sizes[i]; at += (size_t)size) {
			size = store_view_piece(view, i + 1, sequence++, piece);
			assert_true(size > 0 && at + (size_t)size <= sizes[i]);
			assert_true(at + (size_t)size == sizes[i] || size == STORE_PIECE_BYTES);
			assert_memory_equal(piece, wanted + at, size);
		}
		assert_int_equal(store_view_piece(view, i + 1, sequence, piece), -ENOENT);
	}
	assert_int_equal(store_view_get(view, 99, &envelope), -ENOENT);
}

static void taken_id_is_refused_and_the_rest_of_the_batch_goes_on(void **state)
{
	struct envelope *first = make_message(7, 1), *second = make_message(8, 1);
	struct store_batch *batch;

	(void)state;
	add(7, 10);
	assert_int_equal(store_begin(fixture.store, &batch), 0);
	assert_int_equal(store_add(batch, first), -EEXIST);
	assert_int_equal(store_spoiled(batch), 0);
	assert_int_equal(store_add(batch, second), 0);
	assert_int_equal(store_commit(&batch), 0);
	assert_int_equal(counts().messages, 2);
	assert_int_equal(counts().bytes, 10);
	envelope_close(&first);
	envelope_close(&second);
}

static void same_piece_may_be_written_again_and_another_may_not(void **state)
{
	struct store_batch *batch;

	(void)state;
	assert_int_equal(store_begin(fixture.store, &batch), 0);
	assert_int_equal(store_append(batch, 7, 0, "piece", 5), 0);
	assert_int_equal(store_append(batch, 7, 0, "piece", 5), 0);
	assert_int_equal(store_append(batch, 7, 0, "other", 5), -EEXIST);
	assert_int_equal(store_append(batch, 7, 1, "", 0), -EINVAL);
	store_abort(&batch);
}

static void message_that_nothing_would_ever_look_at_is_refused(void **state)
{
	struct envelope *envelope = make_message(7, 1);

	(void)state;
	envelope->recipients[0].upstream = 0;
	assert_int_equal(add_message(fixture.store, envelope), -EINVAL);
	envelope->recipients[0].upstream = UPSTREAM_MAX;
	assert_int_equal(add_message(fixture.store, envelope), -EINVAL);
	envelope_close(&envelope);
}

static void aborted_batch_leaves_nothing(void **state)
{
	struct envelope *envelope = make_message(7, 2);
	struct store_upstream_counts rows;
	struct store_batch *batch;

	(void)state;
	add(5, 100);
	envelope->size_bytes = 50;
	assert_int_equal(store_begin(fixture.store, &batch), 0);
	assert_int_equal(append_text(batch, envelope), 0);
	assert_int_equal(store_add(batch, envelope), 0);
	store_abort(&batch);
	assert_null(batch);
	assert_int_equal(counts().messages, 1);
	assert_int_equal(store_last_id(fixture.store), 5);

	/* The counts in memory are back as well. */
	add(8, 1);
	assert_int_equal(counts().messages, 2);
	assert_int_equal(counts().bytes, 101);
	assert_int_equal(store_view_upstream_counts(view, CAMPUS, &rows), 0);
	assert_int_equal(rows.messages, 2);
	assert_int_equal(rows.bytes, 101);
	envelope_close(&envelope);
}

static void removed_message_leaves_no_text(void **state)
{
	static uint8_t piece[STORE_PIECE_BYTES];
	struct store_upstream_counts rows;
	struct envelope *envelope;

	(void)state;
	add(5, 200000);
	add(6, 200000);
	assert_int_equal(remove_message(fixture.store, 5), 0);
	assert_int_equal(store_view_get(view, 5, &envelope), -ENOENT);
	assert_int_equal(store_view_piece(view, 5, 0, piece), -ENOENT);
	assert_int_equal(store_view_piece(view, 5, 3, piece), -ENOENT);
	assert_int_equal(store_view_piece(view, 6, 0, piece), STORE_PIECE_BYTES);
	assert_int_equal(remove_message(fixture.store, 5), -ENOENT);
	assert_int_equal(store_view_upstream_counts(view, CAMPUS, &rows), 0);
	assert_int_equal(rows.messages, 1);
	assert_int_equal(rows.bytes, 200000);
}

static void shared_text_goes_with_the_last_that_needs_it(void **state)
{
	static uint8_t piece[STORE_PIECE_BYTES];
	struct envelope *sharer = make_message(6, 1);
	uint64_t orphans[4], seen_to;
	struct store_batch *batch;

	(void)state;
	add(5, 1000);
	sharer->body_id = 5;
	assert_int_equal(store_begin(fixture.store, &batch), 0);
	assert_int_equal(store_add(batch, sharer), 0);
	assert_int_equal(store_commit(&batch), 0);

	assert_int_equal(remove_message(fixture.store, 5), 0);
	assert_int_equal(store_view_piece(view, 5, 0, piece), 1000);
	assert_int_equal(store_begin(fixture.store, &batch), 0);
	assert_int_equal(store_orphans(batch, 0, orphans, 4, &seen_to), 0);
	assert_int_equal(store_drop_text(batch, 5, 10), -EEXIST);
	store_abort(&batch);
	assert_int_equal(remove_message(fixture.store, 6), 0);
	assert_int_equal(store_view_piece(view, 5, 0, piece), -ENOENT);
	envelope_close(&sharer);
}

/* ---- texts without an envelope ---- */

static void texts_without_an_envelope_are_found_and_dropped_in_steps(void **state)
{
	uint64_t orphans[4], seen_to;
	struct store_batch *batch;
	uint64_t id;

	(void)state;
	for (id = 1; id <= 20; id++)
		add(id, 100);
	assert_int_equal(store_begin(fixture.store, &batch), 0);
	for (id = 30; id <= 35; id++) {
		static uint8_t piece[STORE_PIECE_BYTES];

		assert_int_equal(store_append(batch, id, 0, piece, sizeof(piece)), 0);
		assert_int_equal(store_append(batch, id, 1, piece, 5000), 0);
		assert_int_equal(store_append(batch, id, 2, piece, 1), 0);
	}
	assert_int_equal(store_commit(&batch), 0);
	assert_int_equal(store_last_id(fixture.store), 35);

	assert_int_equal(store_begin(fixture.store, &batch), 0);
	assert_int_equal(store_orphans(batch, 0, orphans, 4, &seen_to), 4);
	assert_int_equal(orphans[0], 30);
	assert_int_equal(orphans[3], 33);
	assert_int_equal(seen_to, 33);
	assert_int_equal(store_orphans(batch, seen_to, orphans, 4, &seen_to), 2);
	assert_int_equal(orphans[1], 35);
	assert_true(seen_to == UINT64_MAX);
	assert_int_equal(store_drop_text(batch, 30, 2), 2);
	assert_int_equal(store_drop_text(batch, 30, 2), 1);
	assert_int_equal(store_drop_text(batch, 30, 2), 0);
	assert_int_equal(store_drop_text(batch, 1, 2), -EEXIST);
	assert_int_equal(store_orphans(batch, 0, orphans, 4, &seen_to), 4);
	assert_int_equal(orphans[0], 31);
	assert_int_equal(store_commit(&batch), 0);
	assert_int_equal(counts().messages, 20);
}

/* ---- listing ---- */

static void list_is_paged_in_the_order_of_ids(void **state)
{
	static const uint64_t order[] = {500, 2, 77, 1ull << 40, 300, 255, 256, 1};
	uint64_t after = 0, seen = 0;
	struct envelope *page[3];
	ssize_t count, i;

	(void)state;
	for (i = 0; i < 8; i++)
		add(order[i], 10);
	while ((count = store_view_list(view, after, page, 3)) > 0) {
		for (i = 0; i < count; i++) {
			assert_true(page[i]->id > after);
			after = page[i]->id;
			seen++;
			envelope_close(&page[i]);
		}
	}
	assert_int_equal(count, 0);
	assert_int_equal(seen, 8);
	assert_true(after == 1ull << 40);
	assert_int_equal(store_view_list(view, UINT64_MAX, page, 3), 0);
}

static void oldest_is_when_the_first_was_received(void **state)
{
	struct envelope *envelope = make_message(3, 1);

	(void)state;
	assert_int_equal(store_view_oldest(view), 0);
	envelope->received_unix_ms = 1795000000000;
	assert_int_equal(add_message(fixture.store, envelope), 0);
	add(4, 1);
	assert_true(store_view_oldest(view) == 1795000000000);
	envelope_close(&envelope);
}

/* ---- what is due ---- */

static void add_due(uint64_t id, uint16_t upstream, enum lane lane, uint32_t bucket, uint64_t due)
{
	struct envelope *envelope = make_message(id, 1);

	envelope->lane = lane;
	envelope->bucket = bucket;
	envelope->recipients[0].upstream = upstream;
	envelope->recipients[0].due_unix_ms = due;
	assert_int_equal(add_message(fixture.store, envelope), 0);
	envelope_close(&envelope);
}

static void due_rows_come_in_order_and_say_what_is_next(void **state)
{
	struct store_due after = {0}, rows[2];
	uint64_t next_due;

	(void)state;
	add_due(1, CAMPUS, LANE_NORMAL, 5, 300);
	add_due(2, CAMPUS, LANE_NORMAL, 5, 100);
	add_due(3, CAMPUS, LANE_NORMAL, 5, 200);
	add_due(4, CAMPUS, LANE_NORMAL, 5, 200);
	add_due(5, CAMPUS, LANE_NORMAL, 6, 1); /* its neighbours must not show */
	add_due(6, CAMPUS, LANE_ALERT, 5, 1);
	add_due(7, ELSEWHERE, LANE_NORMAL, 5, 1);

	assert_int_equal(
		store_view_due(view, CAMPUS, LANE_NORMAL, 5, after, 99, rows, 2, &next_due), 0);
	assert_int_equal(next_due, 100);
	assert_int_equal(
		store_view_due(view, CAMPUS, LANE_NORMAL, 5, after, 250, rows, 2, &next_due), 2);
	assert_int_equal(rows[0].id, 2);
	assert_int_equal(rows[1].id, 3);
	assert_int_equal(next_due, 200);
	assert_int_equal(
		store_view_due(view, CAMPUS, LANE_NORMAL, 5, rows[1], 250, rows, 2, &next_due), 1);
	assert_int_equal(rows[0].id, 4);
	assert_int_equal(next_due, 300);
	assert_int_equal(
		store_view_due(view, CAMPUS, LANE_NORMAL, 5, rows[0], 300, rows, 2, &next_due), 1);
	assert_int_equal(rows[0].id, 1);
	assert_true(next_due == UINT64_MAX);
	assert_int_equal(
		store_view_due(view, CAMPUS, LANE_BULK, 5, after, 250, rows, 2, &next_due), 0);
	assert_true(next_due == UINT64_MAX);
}

static void buckets_are_walked_one_by_one(void **state)
{
	uint64_t first_due;
	uint32_t bucket;

	(void)state;
	add_due(1, CAMPUS, LANE_NORMAL, 0, 300);
	add_due(2, CAMPUS, LANE_NORMAL, 0, 100);
	add_due(3, CAMPUS, LANE_NORMAL, 0x80000000, 7);
	add_due(4, CAMPUS, LANE_NORMAL, UINT32_MAX, 8);
	add_due(5, CAMPUS, LANE_BULK, 3, 1);

	assert_int_equal(store_view_bucket(view, CAMPUS, LANE_NORMAL, -1, &bucket, &first_due), 0);
	assert_int_equal(bucket, 0);
	assert_int_equal(first_due, 100);
	assert_int_equal(
		store_view_bucket(view, CAMPUS, LANE_NORMAL, bucket, &bucket, &first_due), 0);
	assert_true(bucket == 0x80000000 && first_due == 7);
	assert_int_equal(
		store_view_bucket(view, CAMPUS, LANE_NORMAL, bucket, &bucket, &first_due), 0);
	assert_true(bucket == UINT32_MAX && first_due == 8);
	assert_int_equal(
		store_view_bucket(view, CAMPUS, LANE_NORMAL, bucket, &bucket, &first_due), -ENOENT);
	assert_int_equal(
		store_view_bucket(view, CAMPUS, LANE_ALERT, -1, &bucket, &first_due), -ENOENT);
}

static void changed_message_moves_its_rows(void **state)
{
	struct store_upstream_counts rows;
	struct envelope *before, *after;
	struct store_due start = {0}, row;
	struct store_batch *batch;
	uint64_t next_due;

	(void)state;
	add_due(1, CAMPUS, LANE_NORMAL, 5, 100);
	assert_int_equal(store_begin(fixture.store, &batch), 0);
	assert_int_equal(store_get(batch, 1, &before), 0);
	assert_int_equal(store_get(batch, 1, &after), 0);
	after->recipients[0].upstream = ELSEWHERE;
	after->recipients[0].state = RECIPIENT_DEFERRED;
	after->recipients[0].due_unix_ms = 900;
	after->revision++;
	assert_int_equal(store_change(batch, before, after), 0);
	assert_int_equal(store_commit(&batch), 0);
	envelope_close(&before);
	envelope_close(&after);

	assert_int_equal(
		store_view_due(view, CAMPUS, LANE_NORMAL, 5, start, 1000, &row, 1, &next_due), 0);
	assert_int_equal(
		store_view_due(view, ELSEWHERE, LANE_NORMAL, 5, start, 1000, &row, 1, &next_due),
		1);
	assert_int_equal(row.due_unix_ms, 900);
	assert_int_equal(store_view_upstream_counts(view, CAMPUS, &rows), 0);
	assert_int_equal(rows.messages, 0);
	assert_int_equal(store_view_upstream_counts(view, ELSEWHERE, &rows), 0);
	assert_int_equal(rows.messages, 1);
	assert_int_equal(counts().recipients_in[RECIPIENT_DEFERRED], 1);
	assert_int_equal(counts().messages_in[RECIPIENT_DEFERRED], 1);
	assert_int_equal(counts().messages_in[RECIPIENT_WAITING], 0);
}

static void change_of_a_message_that_is_gone_brings_nothing_back(void **state)
{
	struct envelope *envelope;
	struct store_batch *batch;

	(void)state;
	add(1, 10);
	assert_int_equal(store_view_get(view, 1, &envelope), 0);
	assert_int_equal(remove_message(fixture.store, 1), 0);
	assert_int_equal(store_begin(fixture.store, &batch), 0);
	assert_int_equal(store_change(batch, envelope, envelope), -ENOENT);
	assert_int_equal(store_commit(&batch), 0);
	assert_int_equal(counts().messages, 0);
	envelope_close(&envelope);
}

/* ---- full ---- */

static void full_store_refuses_mail_and_recovers_by_deletes(void **state)
{
	struct store_fill fill;
	struct envelope *envelope;
	struct fixture small;
	uint64_t id, last;
	int rc, round;

	(void)state;
	fixture_open(&small, 4 << 20);
	for (round = 0, id = 1, last = 0; round < 3; round++) {
		do {
			envelope = make_message(id, 1);
			envelope->size_bytes = 20000;
			rc = add_message(small.store, envelope);
			envelope_close(&envelope);
			id += rc == 0;
		} while (rc == 0);
		assert_int_equal(rc, -ENOSPC);
		assert_true(id - last > 100);
		assert_int_equal(store_fill(small.store, &fill), 0);
		/* After deletes here and there not every free page is next to another. */
		assert_true(fill.map_permille > 700 && fill.map_permille <= 1000);
		for (; last + 1 < id; last++)
			assert_int_equal(remove_message(small.store, last + 1), 0);
	}
	fixture_close(&small);
}

/* One batch that is larger than the store: it fails as a whole, and nothing of it is there afterwards. */
static void batch_that_does_not_fit_leaves_nothing(void **state)
{
	static uint8_t piece[STORE_PIECE_BYTES];
	uint64_t orphans[4], seen_to;
	struct store_batch *batch;
	struct fixture small;
	uint32_t sequence;
	int rc = 0;

	(void)state;
	fixture_open(&small, 2 << 20);
	assert_int_equal(store_begin(small.store, &batch), 0);
	for (sequence = 0; rc == 0 && sequence < 100; sequence++)
		rc = store_append(batch, 9, sequence, piece, sizeof(piece));
	assert_int_equal(rc, -ENOSPC);
	store_abort(&batch);
	assert_int_equal(store_begin(small.store, &batch), 0);
	assert_int_equal(store_orphans(batch, 0, orphans, 4, &seen_to), 0);
	assert_int_equal(store_append(batch, 9, 0, piece, sizeof(piece)), 0);
	assert_int_equal(store_commit(&batch), 0);
	fixture_close(&small);
}

static void second_batch_at_a_time_is_refused(void **state)
{
	struct store_batch *batch, *second;

	(void)state;
	assert_int_equal(store_begin(fixture.store, &batch), 0);
	assert_int_equal(store_begin(fixture.store, &second), -EBUSY);
	store_abort(&batch);
}

static void ids_of_an_emptied_store_are_not_forgotten(void **state)
{
	(void)state;
	assert_int_equal(store_last_id(fixture.store), 0);
	add(700, 1);
	assert_int_equal(remove_message(fixture.store, 700), 0);
	store_view_close(&view);
	fixture_reopen(&fixture);
	assert_int_equal(store_last_id(fixture.store), 700);
	assert_int_equal(store_view_open(fixture.store, &view), 0);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(added_message_is_read_back_with_its_text),
		FRESH(taken_id_is_refused_and_the_rest_of_the_batch_goes_on),
		FRESH(same_piece_may_be_written_again_and_another_may_not),
		FRESH(message_that_nothing_would_ever_look_at_is_refused),
		FRESH(aborted_batch_leaves_nothing),
		FRESH(removed_message_leaves_no_text),
		FRESH(shared_text_goes_with_the_last_that_needs_it),
		FRESH(texts_without_an_envelope_are_found_and_dropped_in_steps),
		FRESH(list_is_paged_in_the_order_of_ids),
		FRESH(oldest_is_when_the_first_was_received),
		FRESH(due_rows_come_in_order_and_say_what_is_next),
		FRESH(buckets_are_walked_one_by_one),
		FRESH(changed_message_moves_its_rows),
		FRESH(change_of_a_message_that_is_gone_brings_nothing_back),
		FRESH(full_store_refuses_mail_and_recovers_by_deletes),
		FRESH(batch_that_does_not_fit_leaves_nothing),
		FRESH(second_batch_at_a_time_is_refused),
		FRESH(ids_of_an_emptied_store_are_not_forgotten),
	};

	return cmocka_run_group_tests_name("queue/store", tests, NULL, NULL);
}
