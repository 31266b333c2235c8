/*
 * Views of other threads while the store is written, and while it is closed and opened again under them.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "queue/lmdb_store.h"
#include "store_fixture.h"

#define READERS  3
#define MESSAGES 50
#define SIZE     70000 /* two pieces */

struct reader {
	pthread_t thread;
	struct store *store;
	atomic_bool *stop; /* relaxed: nothing is handed over with it */
	atomic_uint reads;
	unsigned failed;
};

static bool read_one(struct store_view *view, uint64_t id, uint8_t *piece, const uint8_t *wanted)
{
	struct envelope *envelope;
	struct store_counts counts;
	ssize_t size;
	bool good;

	if (store_view_get(view, id, &envelope) != 0)
		return false;
	good = envelope->size_bytes == SIZE;
	envelope_close(&envelope);
	size = store_view_piece(view, id, 1, piece);
	good = good && size == SIZE - STORE_PIECE_BYTES &&
	       memcmp(piece, wanted + STORE_PIECE_BYTES, (size_t)size) == 0;
	return good && store_view_counts(view, &counts) == 0 && counts.messages >= MESSAGES;
}

static void *read_on(void *argument)
{
	struct reader *reader = argument;
	static _Thread_local uint8_t piece[STORE_PIECE_BYTES], wanted[SIZE];
	struct store_view *view;
	uint64_t id = 1;

	if (store_view_open(reader->store, &view) != 0) {
		reader->failed++;
		return NULL;
	}
	while (!atomic_load_explicit(reader->stop, memory_order_relaxed)) {
		fill_text(wanted, SIZE, id);
		if (!read_one(view, id, piece, wanted))
			reader->failed++;
		atomic_fetch_add_explicit(&reader->reads, 1, memory_order_relaxed);
		id = id % MESSAGES + 1;
	}
	store_view_close(&view);
	return NULL;
}

static void add_messages(struct fixture *fixture)
{
	struct envelope *envelope;
	uint64_t id;

	for (id = 1; id <= MESSAGES; id++) {
		envelope = make_message(id, 1);
		envelope->size_bytes = SIZE;
		assert_int_equal(add_message(fixture->store, envelope), 0);
		envelope_close(&envelope);
	}
}

/* Until every reader has read `more` times since; a reader that stands still fails the test. */
static void wait_for_reads(struct reader *readers, unsigned more)
{
	unsigned start[READERS], i, now;
	time_t deadline = time(NULL) + 60;

	for (i = 0; i < READERS; i++)
		start[i] = atomic_load_explicit(&readers[i].reads, memory_order_relaxed);
	for (i = 0; i < READERS;) {
		now = atomic_load_explicit(&readers[i].reads, memory_order_relaxed);
		if (now - start[i] >= more)
			i++;
		else if (time(NULL) > deadline)
			fail_msg("reader %u stands still", i);
		else
			sched_yield();
	}
}

static void start_readers(struct reader *readers, struct store *store, atomic_bool *stop)
{
	unsigned i;

	for (i = 0; i < READERS; i++) {
		readers[i] = (struct reader){.store = store, .stop = stop};
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
	}
}

static void stop_readers(struct reader *readers, atomic_bool *stop)
{
	unsigned i;

	atomic_store_explicit(stop, true, memory_order_relaxed);
	for (i = 0; i < READERS; i++) {
		assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
		assert_int_equal(readers[i].failed, 0);
	}
}

static void views_stay_valid_while_the_store_is_opened_again(void **state)
{
	struct reader readers[READERS];
	struct fixture fixture;
	struct store_batch *batch;
	atomic_bool stop = false;
	unsigned round;

	(void)state;
	fixture_open(&fixture, 64 << 20);
	add_messages(&fixture);
	start_readers(readers, fixture.store, &stop);
	for (round = 0; round < 30; round++) {
		wait_for_reads(readers, 3);
		assert_int_equal(store_reopen(fixture.store, &fixture.reason), 0);
		assert_int_equal(store_begin(fixture.store, &batch), 0);
		assert_int_equal(store_commit(&batch), 0);
	}
	wait_for_reads(readers, 3);
	stop_readers(readers, &stop);
	fixture_close(&fixture);
}

static void views_read_while_messages_come_and_go(void **state)
{
	struct reader readers[READERS];
	struct fixture fixture;
	struct envelope *envelope;
	atomic_bool stop = false;
	uint16_t number;
	uint64_t id;

	(void)state;
	fixture_open(&fixture, 64 << 20);
	add_messages(&fixture);
	start_readers(readers, fixture.store, &stop);
	for (id = 1000; id < 1100; id++) {
		envelope = make_message(id, 1);
		envelope->size_bytes = 5000;
		assert_int_equal(add_message(fixture.store, envelope), 0);
		envelope_close(&envelope);
		if (id % 2 == 0)
			assert_int_equal(remove_message(fixture.store, id), 0);
		if (id % 20 == 0) {
			char name[16];

			snprintf(name, sizeof(name), "upstream%u", (unsigned)(id % 100));
			assert_int_equal(store_upstream_number(fixture.store, name, &number), 0);
		}
	}
	wait_for_reads(readers, 3);
	stop_readers(readers, &stop);
	fixture_close(&fixture);
}

static uint64_t used_bytes(const struct fixture *fixture)
{
	struct store_fill fill;

	assert_int_equal(store_fill(fixture->store, &fill), 0);
	return fill.used_bytes;
}

/* A view between two calls must not keep pages from being used again. */
static void view_that_rests_does_not_make_the_store_grow(void **state)
{
	struct envelope *envelope;
	struct store_view *view;
	struct fixture fixture;
	uint64_t id, used;

	(void)state;
	fixture_open(&fixture, 4 << 20);
	assert_int_equal(store_view_open(fixture.store, &view), 0);
	assert_int_equal(store_view_get(view, 1, &envelope), -ENOENT);
	used = used_bytes(&fixture);
	for (id = 1; id < 400; id++) { /* twenty times what the store holds */
		envelope = make_message(id, 1);
		envelope->size_bytes = 200000;
		assert_int_equal(add_message(fixture.store, envelope), 0);
		envelope_close(&envelope);
		assert_int_equal(remove_message(fixture.store, id), 0);
	}
	assert_true(used_bytes(&fixture) < used + (1 << 20));
	store_view_close(&view);
	fixture_close(&fixture);
}

/* Adds until the store is full; returns the first id that was refused. */
static uint64_t fill_store(struct store *store, uint64_t id)
{
	struct envelope *envelope;
	int rc;

	do {
		envelope = make_message(id, 1);
		envelope->size_bytes = 20000;
		rc = add_message(store, envelope);
		envelope_close(&envelope);
		id += rc == 0;
	} while (rc == 0);
	assert_int_equal(rc, -ENOSPC);
	return id;
}

/* A backup is a reader that stays. New mail stops before the pages that it pins leave none for deletes. */
static void pages_that_a_backup_pins_count_as_used(void **state)
{
	struct fixture fixture;
	struct store_fill fill;
	MDB_txn *backup;
	uint64_t id, next;

	(void)state;
	fixture_open(&fixture, 8 << 20);
	assert_true(fill_store(fixture.store, 1) > 200);
	for (id = 101; remove_message(fixture.store, id) == 0; id++)
		;
	assert_int_equal(store_fill(fixture.store, &fill), 0);
	assert_int_equal(fill.pinned_bytes, 0);
	assert_int_equal(mdb_txn_begin(fixture.store->env, NULL, MDB_RDONLY, &backup), 0);
	for (id = 1; id <= 30; id++)
		assert_int_equal(remove_message(fixture.store, id), 0);
	next = fill_store(fixture.store, 1000);
	assert_int_equal(store_fill(fixture.store, &fill), 0);
	assert_true(fill.pinned_bytes > 30 * 20000);
	for (id = 31; id < 35; id++)
		assert_int_equal(remove_message(fixture.store, id), 0);

	mdb_txn_abort(backup);
	assert_true(fill_store(fixture.store, next) > next);
	assert_int_equal(store_fill(fixture.store, &fill), 0);
	assert_int_equal(fill.pinned_bytes, 0);
	fixture_close(&fixture);
}

static void first_commit_after_a_reopen_writes_even_when_empty(void **state)
{
	struct fixture fixture;
	struct store_batch *batch;
	uint8_t meta[2][8192];
	char path[512];
	unsigned i;
	FILE *file;

	(void)state;
	fixture_open(&fixture, 4 << 20);
	assert_int_equal(store_reopen(fixture.store, &fixture.reason), 0);
	for (i = 0; i < 2; i++) {
		file = fopen(fixture_path(&fixture, "data.mdb", path), "r");
		assert_non_null(file);
		assert_int_equal(fread(meta[i], sizeof(meta[i]), 1, file), 1);
		fclose(file);
		assert_int_equal(store_begin(fixture.store, &batch), 0);
		assert_int_equal(store_commit(&batch), 0);
	}
	assert_memory_not_equal(meta[0], meta[1], sizeof(meta[0]));
	fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(views_stay_valid_while_the_store_is_opened_again),
		cmocka_unit_test(views_read_while_messages_come_and_go),
		cmocka_unit_test(view_that_rests_does_not_make_the_store_grow),
		cmocka_unit_test(pages_that_a_backup_pins_count_as_used),
		cmocka_unit_test(first_commit_after_a_reopen_writes_even_when_empty),
	};

	return cmocka_run_group_tests_name("queue/store_view", tests, NULL, NULL);
}
