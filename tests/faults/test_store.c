/*
 * A commit on a disk that fails: every call by which it writes, failing in every way. What the store says of it must
 * hold: 0 is stored; an error but -EIO is not stored, and the store goes on; after -EIO, a reopen and a further commit
 * tell, and the counts agree with what is there.
 */
#include <errno.h>
#include <lmdb.h>

#include "tests/faults/faults.h"
#include "tests/unit/queue/store_fixture.h"

#define SIZE  100000
#define CALLS 40 /* more than a commit has */

static void fail_from(uint32_t first, uint32_t count, enum fault_kind kind)
{
	struct faults *faults = faults_control();

	atomic_store_explicit(&faults->first, 0, memory_order_relaxed);
	atomic_store_explicit(&faults->seen, 0, memory_order_relaxed);
	atomic_store_explicit(&faults->hit, 0, memory_order_relaxed);
	atomic_store_explicit(&faults->kind, kind, memory_order_relaxed);
	atomic_store_explicit(&faults->count, count, memory_order_relaxed);
	atomic_store_explicit(&faults->first, first, memory_order_relaxed);
}

static uint32_t stop_failing(void)
{
	struct faults *faults = faults_control();

	atomic_store_explicit(&faults->first, 0, memory_order_relaxed);
	return atomic_load_explicit(&faults->hit, memory_order_relaxed);
}

/* A batch that can be tried is opened again where it must be, and proven by a commit. */
static void heal(struct fixture *fixture, int rc)
{
	struct store_batch *batch;

	if (rc == -EIO) {
		assert_int_equal(store_begin(fixture->store, &batch), -EIO);
		if (store_reopen(fixture->store, &fixture->reason) < 0)
			fail_msg("%s", fixture->reason.text);
	}
	assert_int_equal(store_begin(fixture->store, &batch), 0);
	assert_int_equal(store_commit(&batch), 0);
}

/* Whether the message is there, wholly; and the counts agree. */
static bool is_stored(struct store_view *view, uint64_t id)
{
	static uint8_t piece[STORE_PIECE_BYTES], text[SIZE];
	struct envelope *envelope;
	struct store_counts counts;
	ssize_t listed;
	int rc;

	rc = store_view_get(view, id, &envelope);
	assert_int_equal(store_view_counts(view, &counts), 0);
	assert_int_equal(counts.messages, rc == 0);
	assert_int_equal(counts.bytes, rc == 0 ? SIZE : 0);
	if (rc == -ENOENT) {
		assert_int_equal(store_view_piece(view, id, 0, piece), -ENOENT);
		return false;
	}
	assert_int_equal(rc, 0);
	envelope_close(&envelope);
	fill_text(text, SIZE, id);
	listed = store_view_piece(view, id, 1, piece);
	assert_int_equal(listed, SIZE - STORE_PIECE_BYTES);
	assert_memory_equal(piece, text + STORE_PIECE_BYTES, (size_t)listed);
	return true;
}

/* One add whose calls from `first` on fail. Returns whether any was left to fail. */
static bool add_with_fault(struct fixture *fixture, struct store_view *view, uint64_t id,
	uint32_t first, uint32_t count, enum fault_kind kind)
{
	struct envelope *envelope = make_message(id, 1);
	bool stored;
	uint32_t hit;
	int rc;

	envelope->size_bytes = SIZE;
	fail_from(first, count, kind);
	rc = add_message(fixture->store, envelope);
	hit = stop_failing();
	heal(fixture, rc);
	stored = is_stored(view, id);
	if (rc == 0)
		assert_true(stored);
	else if (rc != -EIO)
		assert_false(stored);
	if (hit == 0)
		assert_int_equal(rc, 0);
	/* What was not stored can be added again, and the store is empty for the next. */
	if (!stored)
		assert_int_equal(add_message(fixture->store, envelope), 0);
	assert_int_equal(remove_message(fixture->store, id), 0);
	envelope_close(&envelope);
	return hit > 0;
}

static void walk(enum fault_kind kind, uint32_t count)
{
	struct store_view *view;
	struct fixture fixture;
	uint32_t first;

	fixture_open(&fixture, 64 << 20);
	assert_int_equal(store_view_open(fixture.store, &view), 0);
	for (first = 1; first < CALLS; first++)
		if (!add_with_fault(&fixture, view, first, first, count, kind))
			break;
	assert_true(first > 3 && first < CALLS); /* data, their sync, the meta page */
	store_view_close(&view);
	fixture_close(&fixture);
}

static void error_of_the_disk_once(void **state)
{
	(void)state;
	walk(FAULT_EIO, 1);
}

static void error_of_the_disk_from_then_on(void **state)
{
	(void)state;
	walk(FAULT_EIO, UINT32_MAX);
}

static void full_disk_once(void **state)
{
	(void)state;
	walk(FAULT_ENOSPC, 1);
}

static void full_disk_from_then_on(void **state)
{
	(void)state;
	walk(FAULT_ENOSPC, UINT32_MAX);
}

static void error_told_after_all_was_written(void **state)
{
	(void)state;
	walk(FAULT_LATE_EIO, 1);
}

static void half_written(void **state)
{
	(void)state;
	walk(FAULT_SHORT, 1);
}

static void interrupted(void **state)
{
	(void)state;
	walk(FAULT_EINTR, 1);
}

/* Data pages that do not fit are known to be not stored: no reopen is needed, and what is there can be deleted. */
static void full_disk_is_known_to_store_nothing(void **state)
{
	struct envelope *envelope = make_message(2, 1);
	struct fixture fixture;
	int rc;

	(void)state;
	fixture_open(&fixture, 64 << 20);
	envelope->size_bytes = SIZE;
	fail_from(1, UINT32_MAX, FAULT_ENOSPC);
	rc = add_message(fixture.store, envelope);
	assert_true(stop_failing() > 0);
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(add_message(fixture.store, envelope), 0);
	envelope_close(&envelope);
	fixture_close(&fixture);
}

/* ---- a store that was made before there was a ledger ---- */

static void drop_ledger(const struct fixture *fixture)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
	assert_int_equal(mdb_env_set_mapsize(env, 64 << 20), 0);
	assert_int_equal(mdb_env_open(env, fixture->dir, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "ledger", 0, &dbi), 0);
	assert_int_equal(mdb_drop(txn, dbi, 1), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

/* Returns whether any call was left to fail. */
static bool open_older_with_fault(uint32_t first, uint32_t count, enum fault_kind kind)
{
	struct envelope *envelope = make_message(1, 1);
	struct store_view *view;
	struct fixture fixture;
	uint32_t hit;

	envelope->size_bytes = SIZE;
	fixture_open(&fixture, 64 << 20);
	assert_int_equal(add_message(fixture.store, envelope), 0);
	store_close(&fixture.store);
	drop_ledger(&fixture);
	fail_from(first, count, kind);
	fixture_reopen(&fixture);
	hit = stop_failing();
	assert_int_equal(store_view_open(fixture.store, &view), 0);
	assert_true(is_stored(view, 1));
	store_view_close(&view);
	assert_int_equal(remove_message(fixture.store, 1), 0);
	envelope_close(&envelope);
	fixture_close(&fixture);
	return hit > 0;
}

/* Its mail is to flow; the table can wait. */
static void older_store_opens_on_a_disk_that_takes_no_table(void **state)
{
	static const enum fault_kind kinds[] = {
		FAULT_EIO, FAULT_ENOSPC, FAULT_LATE_EIO, FAULT_SHORT, FAULT_EINTR};

	(void)state;
	/* but the last, once each and from then on: LMDB goes on for as long as it is interrupted */
	for (size_t i = 0; i < 2 * sizeof(kinds) / sizeof(kinds[0]) - 1; i++) {
		uint32_t first = 1;

		while (open_older_with_fault(first, i % 2 == 0 ? 1 : UINT32_MAX, kinds[i / 2]))
			assert_true(++first < CALLS);
		assert_true(first > 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_of_the_disk_once),
		cmocka_unit_test(error_of_the_disk_from_then_on),
		cmocka_unit_test(full_disk_once),
		cmocka_unit_test(full_disk_from_then_on),
		cmocka_unit_test(error_told_after_all_was_written),
		cmocka_unit_test(half_written),
		cmocka_unit_test(interrupted),
		cmocka_unit_test(full_disk_is_known_to_store_nothing),
		cmocka_unit_test(older_store_opens_on_a_disk_that_takes_no_table),
	};

	return cmocka_run_group_tests_name("faults/store", tests, NULL, NULL);
}
