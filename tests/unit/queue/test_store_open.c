#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store_fixture.h"

static struct fixture fixture;

static int make_dir(void **state)
{
	(void)state;
	fixture_dir(&fixture);
	return 0;
}

static int close_fixture(void **state)
{
	(void)state;
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

static void assert_refused(const char *because)
{
	assert_int_equal(store_open(&fixture.options, &fixture.store, &fixture.reason), -1);
	assert_null(fixture.store);
	if (strstr(fixture.reason.text, because) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", fixture.reason.text, because);
}

/* The bytes of data.mdb; the caller frees them. */
static uint8_t *read_data(size_t *size)
{
	char path[512];
	uint8_t *bytes;
	struct stat file;
	int fd = open(fixture_path(&fixture, "data.mdb", path), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &file), 0);
	*size = (size_t)file.st_size;
	bytes = malloc(*size + 1);
	assert_non_null(bytes);
	assert_int_equal(read(fd, bytes, *size), *size);
	close(fd);
	return bytes;
}

static void assert_data_is(const uint8_t *bytes, size_t size)
{
	size_t now_size;
	uint8_t *now = read_data(&now_size);

	assert_int_equal(now_size, size);
	assert_memory_equal(now, bytes, size);
	free(now);
}

static void missing_directory_is_made_for_its_owner_alone(void **state)
{
	char path[512];
	struct stat dir;

	(void)state;
	assert_int_equal(rmdir(fixture.dir), 0);
	fixture_reopen(&fixture);
	assert_int_equal(stat(fixture.dir, &dir), 0);
	assert_int_equal(dir.st_mode & 07777, 0700);
	assert_int_equal(stat(fixture_path(&fixture, "data.mdb", path), &dir), 0);
	assert_int_equal(dir.st_mode & 07777, 0600);
	assert_int_equal(stat(fixture_path(&fixture, "new", path), &dir), -1);
}

static void first_start_that_was_cut_short_is_done_anew(void **state)
{
	char path[512];
	int fd;

	(void)state;
	assert_int_equal(mkdir(fixture_path(&fixture, "new", path), 0700), 0);
	fd = open(
		fixture_path(&fixture, "new/data.mdb", path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 8192), 0);
	close(fd);
	fixture_reopen(&fixture);
	add(1, 10);
	fixture_reopen(&fixture);
	assert_int_equal(store_last_id(fixture.store), 1);
}

static void second_daemon_is_refused_with_the_first_ones_pid(void **state)
{
	char pid[64];
	uint8_t *before;
	size_t size;
	pid_t child;
	int status;

	(void)state;
	fixture_reopen(&fixture);
	add(1, 10);
	before = read_data(&size);
	snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct store *second = NULL;
		struct reason reason = {{0}};
		int rc = store_open(&fixture.options, &second, &reason);

		_exit(rc == -1 && second == NULL && strstr(reason.text, pid) != NULL ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_data_is(before, size);
	free(before);
	add(2, 10);
}

static void second_store_in_the_same_process_is_refused_too(void **state)
{
	struct store *second = NULL;

	(void)state;
	fixture_reopen(&fixture);
	assert_int_equal(store_open(&fixture.options, &second, &fixture.reason), -1);
	assert_null(second);
	add(1, 10);
}

static void lock_ends_with_the_store(void **state)
{
	(void)state;
	fixture_reopen(&fixture);
	fixture_reopen(&fixture);
	add(1, 10);
}

static void children_inherit_no_descriptor_of_the_store(void **state)
{
	char path[300], target[512];
	struct dirent *entry;
	unsigned found = 0;
	ssize_t size;
	DIR *fds;

	(void)state;
	fixture_reopen(&fixture);
	fds = opendir("/proc/self/fd");
	assert_non_null(fds);
	while ((entry = readdir(fds)) != NULL) {
		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		size = readlink(path, target, sizeof(target) - 1);
		if (size < 0)
			continue;
		target[size] = '\0';
		if (strstr(target, "store_test.") == NULL)
			continue;
		found++;
		assert_true(fcntl(atoi(entry->d_name), F_GETFD) & FD_CLOEXEC);
	}
	closedir(fds);
	assert_true(found >= 3); /* data.mdb, lock.mdb, lock */
}

/* Writes another schema version into a store that is closed. */
static void set_schema(uint32_t version)
{
	uint8_t bytes[4] = {(uint8_t)(version >> 24), (uint8_t)(version >> 16),
		(uint8_t)(version >> 8), (uint8_t)version};
	MDB_val key = {6, "schema"}, value = {4, bytes};
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
	assert_int_equal(mdb_env_open(env, fixture.dir, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "state", 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void newer_schema_is_refused_and_untouched(void **state)
{
	uint8_t *before;
	size_t size;

	(void)state;
	fixture_reopen(&fixture);
	add(1, 10);
	store_close(&fixture.store);
	set_schema(2);
	before = read_data(&size);
	assert_refused("schema 2");
	assert_data_is(before, size);
	free(before);
	set_schema(1);
	fixture_reopen(&fixture);
	assert_int_equal(store_last_id(fixture.store), 1);
}

static void cut_file_is_refused_and_untouched(void **state)
{
	static const off_t cuts[] = {4096, 5000, 8192, 20000, 1 << 20};
	char path[512];
	uint8_t *before;
	size_t size, i;

	(void)state;
	fixture_reopen(&fixture);
	for (i = 1; i <= 20; i++)
		add(i, 100000);
	store_close(&fixture.store);
	for (i = sizeof(cuts) / sizeof(cuts[0]); i-- > 0;) {
		assert_int_equal(truncate(fixture_path(&fixture, "data.mdb", path), cuts[i]), 0);
		before = read_data(&size);
		assert_refused("damaged");
		assert_data_is(before, size);
		free(before);
	}
}

static void empty_file_is_refused_and_not_filled(void **state)
{
	char path[512];
	struct stat file;

	(void)state;
	fixture_reopen(&fixture);
	store_close(&fixture.store);
	assert_int_equal(truncate(fixture_path(&fixture, "data.mdb", path), 0), 0);
	assert_refused("damaged");
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_size, 0);
}

static void file_of_something_else_is_refused_and_untouched(void **state)
{
	uint8_t junk[65536];
	char path[512];
	int fd;

	(void)state;
	memset(junk, 'x', sizeof(junk));
	fd = open(fixture_path(&fixture, "data.mdb", path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
	close(fd);
	assert_refused("damaged");
	assert_data_is(junk, sizeof(junk));
}

/*
 * LMDB's last page may lie behind the end of a sound file: pages that one batch takes and gives back are not written.
 * Such a store must open.
 */
static void pages_taken_and_given_back_in_one_batch_are_no_damage(void **state)
{
	static uint8_t piece[STORE_PIECE_BYTES];
	struct store_batch *batch;
	uint32_t sequence, pieces;

	(void)state;
	fixture_reopen(&fixture);
	for (pieces = 20; pieces <= 80; pieces += 20) {
		assert_int_equal(store_begin(fixture.store, &batch), 0);
		for (sequence = 0; sequence < pieces; sequence++)
			assert_int_equal(store_append(batch, 2, sequence, piece, sizeof(piece)), 0);
		assert_int_equal(store_drop_text(batch, 2, pieces), pieces);
		assert_int_equal(store_append(batch, pieces, 0, piece, 10), 0);
		assert_int_equal(store_commit(&batch), 0);
		fixture_reopen(&fixture);
		assert_int_equal(store_last_id(fixture.store), pieces);
	}
}

static uint64_t last_page(void)
{
	MDB_envinfo info;
	MDB_env *env;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, fixture.dir, MDB_RDONLY, 0600), 0);
	assert_int_equal(mdb_env_info(env, &info), 0);
	mdb_env_close(env);
	return info.me_last_pgno;
}

/* Others may fill the disk up at any time: what a delete writes has its blocks behind the last page already. */
static void file_has_blocks_for_deletes_in_advance(void **state)
{
	static const uint64_t sizes[] = {10, 3000, 100000, 2000000};
	uint64_t id = 0;

	(void)state;
	for (size_t at = 0; at < sizeof(sizes) / sizeof(sizes[0]); at++) {
		char path[512];
		struct stat file;

		fixture_reopen(&fixture);
		for (unsigned i = 0; i < 5; i++)
			add(++id, sizes[at]);
		store_close(&fixture.store);
		assert_int_equal(stat(fixture_path(&fixture, "data.mdb", path), &file), 0);
		assert_true((uint64_t)file.st_blocks * 512 >=
			    (last_page() + 1) * (uint64_t)sysconf(_SC_PAGESIZE) + (1u << 20));
	}
}

static void smaller_limit_than_the_file_still_opens(void **state)
{
	(void)state;
	fixture_reopen(&fixture);
	add(1, 3 << 20);
	fixture.options.max_bytes = 1 << 20;
	fixture_reopen(&fixture);
	assert_int_equal(remove_message(fixture.store, 1), 0);
	add(2, 10);
}

static void upstreams_keep_their_numbers(void **state)
{
	uint16_t campus, elsewhere, again;

	(void)state;
	fixture_reopen(&fixture);
	assert_int_equal(store_upstream_number(fixture.store, "campus", &campus), 0);
	assert_int_equal(store_upstream_number(fixture.store, "elsewhere", &elsewhere), 0);
	assert_true(campus >= UPSTREAM_FIRST && elsewhere >= UPSTREAM_FIRST && campus != elsewhere);
	fixture_reopen(&fixture);
	assert_string_equal(store_upstream_name(fixture.store, campus), "campus");
	assert_string_equal(store_upstream_name(fixture.store, elsewhere), "elsewhere");
	assert_null(store_upstream_name(fixture.store, UPSTREAM_SCAN));
	assert_null(store_upstream_name(fixture.store, UPSTREAM_MAX));
	assert_int_equal(store_upstream_number(fixture.store, "elsewhere", &again), 0);
	assert_int_equal(again, elsewhere);
	assert_int_equal(store_upstream_number(fixture.store, "third", &again), 0);
	assert_true(again != campus && again != elsewhere);
}

static void tool_reads_beside_the_daemon_and_needs_no_lock(void **state)
{
	struct store_options options;
	struct envelope *envelope;
	struct store_view *view;
	struct store_batch *batch;
	struct store *reader;
	pid_t child;
	int status;

	(void)state;
	fixture_reopen(&fixture);
	add(1, 10);
	options = fixture.options;
	options.read_only = true;
	/* In a process of its own: LMDB allows one environment of a file in a process. */
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct reason reason;
		int good = store_open(&options, &reader, &reason) == 0 &&
			   store_view_open(reader, &view) == 0 &&
			   store_view_get(view, 1, &envelope) == 0 &&
			   store_begin(reader, &batch) == -EROFS;

		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	add(2, 10);
}

static void tool_makes_no_store_where_there_is_none(void **state)
{
	char path[512];

	(void)state;
	fixture.options.read_only = true;
	assert_refused("data.mdb");
	assert_int_equal(access(fixture_path(&fixture, "data.mdb", path), F_OK), -1);
	assert_int_equal(access(fixture_path(&fixture, "lock", path), F_OK), -1);
}

/* As an operator's `rm` or `mv` under a running daemon. */
static void take_file_away(void)
{
	char from[512], to[512];

	assert_int_equal(rename(fixture_path(&fixture, "data.mdb", from),
				 fixture_path(&fixture, "elsewhere", to)),
		0);
}

static void store_taken_away_takes_no_new_mail_and_gives_up_what_it_has(void **state)
{
	struct envelope *envelope = make_message(2, 1);
	struct store_batch *batch = NULL;
	struct store_fill fill;

	(void)state;
	fixture_reopen(&fixture);
	add(1, 10);
	assert_int_equal(store_fill(fixture.store, &fill), 0);
	assert_false(fill.is_gone);
	take_file_away();
	assert_int_equal(store_fill(fixture.store, &fill), 0);
	assert_true(fill.is_gone);
	assert_int_equal(add_message(fixture.store, envelope), -ENOSPC);
	envelope_close(&envelope);
	assert_int_equal(store_begin(fixture.store, &batch), 0);
	assert_int_equal(store_get(batch, 1, &envelope), 0);
	assert_int_equal(store_remove(batch, envelope), 0);
	assert_int_equal(store_commit(&batch), 0);
	envelope_close(&envelope);
}

static void store_taken_away_is_not_made_anew_by_a_reopen(void **state)
{
	char path[512], other[512];

	(void)state;
	fixture_reopen(&fixture);
	add(1, 10);
	take_file_away();
	assert_int_equal(store_reopen(fixture.store, &fixture.reason), -1);
	assert_int_equal(access(fixture_path(&fixture, "data.mdb", path), F_OK), -1);
	/* nor is another one taken for it; the same one is */
	assert_int_equal(close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
	assert_int_equal(store_reopen(fixture.store, &fixture.reason), -1);
	assert_non_null(strstr(fixture.reason.text, "another file"));
	assert_int_equal(rename(fixture_path(&fixture, "elsewhere", other), path), 0);
	assert_int_equal(store_reopen(fixture.store, &fixture.reason), 0);
	add(2, 10);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, make_dir, close_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(missing_directory_is_made_for_its_owner_alone),
		FRESH(first_start_that_was_cut_short_is_done_anew),
		FRESH(second_daemon_is_refused_with_the_first_ones_pid),
		FRESH(second_store_in_the_same_process_is_refused_too),
		FRESH(lock_ends_with_the_store),
		FRESH(children_inherit_no_descriptor_of_the_store),
		FRESH(newer_schema_is_refused_and_untouched),
		FRESH(cut_file_is_refused_and_untouched),
		FRESH(empty_file_is_refused_and_not_filled),
		FRESH(file_of_something_else_is_refused_and_untouched),
		FRESH(pages_taken_and_given_back_in_one_batch_are_no_damage),
		FRESH(file_has_blocks_for_deletes_in_advance),
		FRESH(smaller_limit_than_the_file_still_opens),
		FRESH(upstreams_keep_their_numbers),
		FRESH(tool_reads_beside_the_daemon_and_needs_no_lock),
		FRESH(tool_makes_no_store_where_there_is_none),
		FRESH(store_taken_away_takes_no_new_mail_and_gives_up_what_it_has),
		FRESH(store_taken_away_is_not_made_anew_by_a_reopen),
	};

	return cmocka_run_group_tests_name("queue/store_open", tests, NULL, NULL);
}
