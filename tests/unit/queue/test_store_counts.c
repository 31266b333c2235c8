/*
 * Rows and counts follow from the envelopes: after any changes they equal what a recount of all envelopes gives.
 */
#include <errno.h>

#include "queue/schedule.h"
#include "store_fixture.h"

#define MESSAGES   150
#define UPSTREAMS  (UPSTREAM_FIRST + 4)
#define RECIPIENTS 6
#define ROUNDS     400

static uint64_t random_state;

static uint64_t next_random(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

static void randomise(struct envelope *envelope)
{
	struct recipient *recipient;
	size_t i;

	envelope->lane = (enum lane)next_random(LANE_COUNT);
	envelope->bucket = (uint32_t)next_random(3);
	envelope->received_unix_ms = next_random(1000);
	for (i = 0; i < envelope->recipient_count; i++) {
		recipient = &envelope->recipients[i];
		recipient->state = (enum recipient_state)(1 + next_random(9));
		recipient->upstream = (uint16_t)(UPSTREAM_FIRST + next_random(4));
		recipient->due_unix_ms = next_random(1000);
	}
}

static int add_random(struct store_batch *batch, uint64_t id)
{
	struct envelope *envelope = make_message(id, 1 + next_random(RECIPIENTS));
	int rc;

	randomise(envelope);
	envelope->size_bytes = next_random(3) == 0 ? 70000 : next_random(9000);
	rc = append_text(batch, envelope);
	if (rc == 0)
		rc = store_add(batch, envelope);
	envelope_close(&envelope);
	return rc;
}

static int change_random(struct store_batch *batch, uint64_t id)
{
	struct envelope *before, *after;
	int rc;

	rc = store_get(batch, id, &before);
	if (rc < 0)
		return rc;
	assert_int_equal(store_get(batch, id, &after), 0);
	randomise(after);
	after->revision++;
	assert_true(envelope_note(after, after->revision, "host:25", "a change of its own"));
	rc = store_change(batch, before, after);
	envelope_close(&before);
	envelope_close(&after);
	return rc;
}

static int remove_one(struct store_batch *batch, uint64_t id)
{
	struct envelope *envelope;
	int rc;

	rc = store_get(batch, id, &envelope);
	if (rc == 0) {
		rc = store_remove(batch, envelope);
		envelope_close(&envelope);
	}
	return rc;
}

/* Some verbs in one batch; one batch in five is given up. */
static void run_batch(struct store *store, bool *present)
{
	bool then[MESSAGES + 1];
	struct store_batch *batch;
	unsigned verbs = 1 + (unsigned)next_random(8);
	uint64_t id;

	memcpy(then, present, sizeof(then));
	assert_int_equal(store_begin(store, &batch), 0);
	while (verbs-- > 0) {
		id = 1 + next_random(MESSAGES);
		if (!then[id]) {
			assert_int_equal(change_random(batch, id), -ENOENT);
			assert_int_equal(add_random(batch, id), 0);
			then[id] = true;
		} else if (next_random(3) > 0) {
			assert_int_equal(change_random(batch, id), 0);
		} else {
			assert_int_equal(remove_one(batch, id), 0);
			then[id] = false;
		}
	}
	if (next_random(5) == 0) {
		store_abort(&batch);
		return;
	}
	assert_int_equal(store_commit(&batch), 0);
	memcpy(present, then, sizeof(then));
}

struct recount {
	struct store_counts counts;
	struct store_upstream_counts upstreams[UPSTREAMS];
};

static void count_in(struct recount *recount, const struct envelope *envelope)
{
	struct schedule_row rows[RECIPIENTS];
	size_t i, count = schedule_rows(envelope, rows);

	recount->counts.messages++;
	recount->counts.bytes += envelope->size_bytes;
	recount->counts.messages_in[schedule_state(envelope)]++;
	for (i = 0; i < envelope->recipient_count; i++) {
		recount->counts.recipients_in[envelope->recipients[i].state]++;
		recount->counts.recipients += !recipient_is_final(&envelope->recipients[i]);
	}
	for (i = 0; i < count; i++) {
		recount->upstreams[rows[i].upstream].messages++;
		recount->upstreams[rows[i].upstream].bytes += envelope->size_bytes;
	}
}

/* Whether the schedule has the row, and where it should be. */
static void assert_row(struct store_view *view, const struct schedule_row *row)
{
	struct store_due before = {row->due_unix_ms, row->id - 1}, found;
	uint64_t next_due;

	assert_int_equal(store_view_due(view, row->upstream, row->lane, row->bucket, before,
				 row->due_unix_ms, &found, 1, &next_due),
		1);
	assert_true(found.due_unix_ms == row->due_unix_ms && found.id == row->id);
}

static size_t count_rows(struct store_view *view)
{
	struct store_due after, found;
	uint64_t first_due, next_due;
	size_t rows = 0;
	uint32_t bucket;
	int upstream, lane;
	int64_t at;

	for (upstream = 0; upstream < UPSTREAMS; upstream++) {
		for (lane = 0; lane < LANE_COUNT; lane++) {
			for (at = -1; store_view_bucket(view, (uint16_t)upstream, (enum lane)lane,
					      at, &bucket, &first_due) == 0;
				at = bucket) {
				after = (struct store_due){0};
				while (store_view_due(view, (uint16_t)upstream, (enum lane)lane,
					       bucket, after, UINT64_MAX, &found, 1,
					       &next_due) == 1) {
					after = found;
					rows++;
				}
			}
		}
	}
	return rows;
}

static void assert_counts_are_exact(struct store_view *view, const bool *present)
{
	struct schedule_row rows[RECIPIENTS];
	struct store_upstream_counts upstream;
	static struct recount recount;
	struct store_counts counts;
	struct envelope *envelope;
	uint64_t id, after = 0;
	size_t i, count, wanted = 0;

	memset(&recount, 0, sizeof(recount));
	while (store_view_list(view, after, &envelope, 1) == 1) {
		after = envelope->id;
		assert_true(present[after]);
		count_in(&recount, envelope);
		count = schedule_rows(envelope, rows);
		for (i = 0; i < count; i++)
			assert_row(view, &rows[i]);
		wanted += count;
		envelope_close(&envelope);
	}
	for (id = 1; id <= MESSAGES; id++)
		recount.counts.messages -= present[id];
	assert_int_equal(recount.counts.messages, 0);
	assert_int_equal(store_view_counts(view, &counts), 0);
	recount.counts.messages = counts.messages;
	assert_memory_equal(&counts, &recount.counts, sizeof(counts));
	for (i = 0; i < UPSTREAMS; i++) {
		assert_int_equal(store_view_upstream_counts(view, (uint16_t)i, &upstream), 0);
		assert_memory_equal(&upstream, &recount.upstreams[i], sizeof(upstream));
	}
	assert_int_equal(count_rows(view), wanted);
}

static void rows_and_counts_equal_a_recount_after_any_changes(void **state)
{
	static bool present[MESSAGES + 1];
	struct fixture fixture;
	struct store_view *view;
	unsigned round;

	(void)state;
	random_state = 0x5eed;
	fixture_open(&fixture, 128 << 20);
	assert_int_equal(store_view_open(fixture.store, &view), 0);
	for (round = 1; round <= ROUNDS; round++) {
		run_batch(fixture.store, present);
		if (round % 40 == 0)
			assert_counts_are_exact(view, present);
		if (round % 100 == 0) { /* also when they were read back */
			store_view_close(&view);
			fixture_reopen(&fixture);
			assert_int_equal(store_view_open(fixture.store, &view), 0);
		}
	}
	store_view_close(&view);
	fixture_close(&fixture);
}

static void emptied_store_counts_nothing_and_has_no_texts(void **state)
{
	static bool present[MESSAGES + 1];
	uint8_t piece[STORE_PIECE_BYTES];
	struct store_view *view;
	struct fixture fixture;
	struct store_counts counts, none = {0};
	unsigned round;
	uint64_t id;

	(void)state;
	random_state = 0xfeed;
	fixture_open(&fixture, 128 << 20);
	assert_int_equal(store_view_open(fixture.store, &view), 0);
	for (round = 1; round <= ROUNDS / 4; round++)
		run_batch(fixture.store, present);
	for (id = 1; id <= MESSAGES; id++) {
		assert_int_equal(remove_message(fixture.store, id), present[id] ? 0 : -ENOENT);
		assert_int_equal(store_view_piece(view, id, 0, piece), -ENOENT);
		assert_int_equal(store_view_piece(view, id, 1, piece), -ENOENT);
	}
	assert_int_equal(store_view_counts(view, &counts), 0);
	assert_memory_equal(&counts, &none, sizeof(none));
	assert_int_equal(count_rows(view), 0);
	store_view_close(&view);
	fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_and_counts_equal_a_recount_after_any_changes),
		cmocka_unit_test(emptied_store_counts_nothing_and_has_no_texts),
	};

	return cmocka_run_group_tests_name("queue/store_counts", tests, NULL, NULL);
}
