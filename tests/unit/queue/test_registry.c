/* test_registry.c: records of operators in the store, their revisions, and the journal, through the writer. */
#include <lmdb.h>

#include "tests/unit/queue/scene.h"

#define NOW UINT64_C(1700000000000)

static int setup(void **state)
{
	static struct scene scene;

	scene_open(&scene, 64 << 20);
	*state = &scene;
	return 0;
}

static int teardown(void **state)
{
	scene_close(*state);
	return 0;
}

static struct registry_change change_of(const char *name, uint32_t revision, const char *record)
{
	return (struct registry_change){
		.kind = REGISTRY_GRANT,
		.name = name,
		.revision = revision,
		.record = record,
		.size = record != NULL ? strlen(record) : 0,
		.now_unix_ms = NOW,
		.who = "root",
		.act = record == NULL  ? "remove"
		       : revision == 0 ? "request"
				       : "approve",
		.why = "because",
	};
}

static void submit_changes(
	struct scene *scene, struct asked *asked, const struct registry_change *changes)
{
	asked->request = (struct writer_request){.verb = WRITER_REGISTER, .registry = changes};
	scene_submit(scene, asked);
}

static int change_all(struct scene *scene, const struct registry_change *changes)
{
	struct asked asked;

	submit_changes(scene, &asked, changes);
	scene_run(scene);
	assert_true(asked.answered);
	return asked.request.result;
}

static int change_one(struct scene *scene, const char *name, uint32_t revision, const char *record)
{
	struct registry_change change = change_of(name, revision, record);

	return change_all(scene, &change);
}

/* The revision, 0: it is not there. */
static uint32_t check_item(struct scene *scene, const char *name, const char *record)
{
	struct registry_item item;
	uint32_t revision;
	int rc = store_view_registered(scene->view, REGISTRY_GRANT, name, &item);

	assert_true(rc == 0 || rc == -ENOENT);
	if (rc < 0)
		return 0;
	assert_string_equal(item.name, name);
	assert_int_equal(item.size, strlen(record));
	assert_memory_equal(item.record, record, item.size);
	revision = item.revision;
	registry_item_fini(&item);
	return revision;
}

static size_t journal_size(struct scene *scene)
{
	uint64_t number;

	assert_int_equal(store_view_journal_end(scene->view, &number), 0);
	return number;
}

/* ---- records ---- */

static void record_is_kept_with_its_revision(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(change_one(scene, "printer", 0, "one"), 0);
	assert_int_equal(check_item(scene, "printer", "one"), 1);
	assert_int_equal(change_one(scene, "printer", 1, ""), 0);
	scene_restart(scene);
	assert_int_equal(check_item(scene, "printer", ""), 2);
	assert_int_equal(change_one(scene, "printer", 2, NULL), 0);
	assert_int_equal(check_item(scene, "printer", ""), 0);
	assert_int_equal(change_one(scene, "printer", 0, "again"), 0);
	assert_int_equal(check_item(scene, "printer", "again"), 1);
}

static void change_of_another_revision_is_refused_without_a_trace(void **state)
{
	struct scene *scene = *state;
	uint64_t commits;

	assert_int_equal(change_one(scene, "printer", 0, "one"), 0);
	assert_int_equal(change_one(scene, "printer", 1, "two"), 0);
	assert_int_equal(change_one(scene, "printer", 1, "late"), -ESTALE);
	assert_int_equal(change_one(scene, "printer", 3, "early"), -ESTALE);
	assert_int_equal(change_one(scene, "printer", 1, NULL), -ESTALE);
	assert_int_equal(change_one(scene, "printer", 0, NULL), -ESTALE);
	assert_int_equal(change_one(scene, "printer", 0, "new"), -EEXIST);
	assert_int_equal(change_one(scene, "scanner", 1, "unknown"), -ENOENT);
	assert_int_equal(change_one(scene, "scanner", 1, NULL), -ENOENT);
	assert_int_equal(change_one(scene, "scanner", 0, NULL), -ENOENT);
	assert_int_equal(check_item(scene, "printer", "two"), 2);
	assert_int_equal(check_item(scene, "scanner", ""), 0);
	assert_int_equal(journal_size(scene), 2);
	commits = journal_size(scene);
	assert_int_equal(change_one(scene, "printer", 2, "three"), 0);
	assert_int_equal(journal_size(scene), commits + 1);
}

static void all_of_a_list_are_done_or_none(void **state)
{
	struct scene *scene = *state;
	struct registry_change one = change_of("one", 0, "1"), two = change_of("two", 0, "2");
	struct registry_change three = change_of("three", 7, "3");
	struct asked asked;

	one.next = &two;
	two.next = &three;
	submit_changes(scene, &asked, &one);
	scene_run(scene);
	assert_int_equal(asked.request.result, -ENOENT);
	assert_ptr_equal(asked.request.refused, &three);
	assert_int_equal(check_item(scene, "one", ""), 0);
	assert_int_equal(journal_size(scene), 0);
	three.revision = 0;
	submit_changes(scene, &asked, &one);
	scene_run(scene);
	assert_int_equal(asked.request.result, 0);
	assert_null(asked.request.refused);
	assert_int_equal(check_item(scene, "one", "1"), 1);
	assert_int_equal(check_item(scene, "three", "3"), 1);
}

/* It shows only while it is written: then none of it is done, and who waits beside it gets on. */
static void name_that_is_in_a_list_twice_is_refused(void **state)
{
	struct scene *scene = *state;
	struct registry_change one = change_of("one", 0, "1"), again = change_of("one", 0, "2");
	struct registry_change other = change_of("other", 0, "3");
	struct asked twice, beside;

	one.next = &again;
	submit_changes(scene, &twice, &one);
	submit_changes(scene, &beside, &other);
	scene_run(scene);
	assert_int_equal(twice.request.result, -EEXIST);
	assert_ptr_equal(twice.request.refused, &again);
	assert_int_equal(beside.request.result, 0);
	assert_int_equal(check_item(scene, "one", ""), 0);
	assert_int_equal(check_item(scene, "other", "3"), 1);
	assert_int_equal(journal_size(scene), 1);
}

static void two_changes_of_one_record_in_a_group_come_in_order(void **state)
{
	struct scene *scene = *state;
	struct registry_change first = change_of("one", 0, "1"), second = change_of("one", 1, "2");
	struct asked asked[2];

	submit_changes(scene, &asked[0], &first);
	submit_changes(scene, &asked[1], &second);
	assert_int_equal(writer_step(scene->writer), 2);
	scene_read_answers(scene);
	assert_int_equal(asked[0].request.result, 0);
	assert_int_equal(asked[1].request.result, 0);
	assert_int_equal(check_item(scene, "one", "2"), 2);
}

static void what_does_not_fit_is_refused(void **state)
{
	struct scene *scene = *state;
	char text[REGISTRY_WHY_SIZE + 1];
	struct registry_change change = change_of("one", 0, "1");

	memset(text, 'x', sizeof(text));
	text[REGISTRY_WHY_SIZE] = '\0';
	change.why = text;
	assert_int_equal(change_all(scene, &change), -EINVAL);
	change.why = "";
	change.name = "";
	assert_int_equal(change_all(scene, &change), -EINVAL);
	text[REGISTRY_NAME_SIZE] = '\0';
	change.name = text;
	assert_int_equal(change_all(scene, &change), -EINVAL);
	text[REGISTRY_NAME_SIZE - 1] = '\0';
	assert_int_equal(change_all(scene, &change), 0);
	assert_int_equal(check_item(scene, text, "1"), 1);
	change.name = "two";
	change.kind = 0;
	assert_int_equal(change_all(scene, &change), -EINVAL);
}

static void records_are_listed_by_kind_and_name(void **state)
{
	struct scene *scene = *state;
	struct registry_change other = change_of("10.1.2.3", 0, "x");
	struct registry_item items[4];

	other.kind = REGISTRY_SUSPENSION;
	assert_int_equal(change_all(scene, &other), 0);
	assert_int_equal(change_one(scene, "b", 0, "2"), 0);
	assert_int_equal(change_one(scene, "a", 0, "1"), 0);
	assert_int_equal(change_one(scene, "bb", 0, "3"), 0);
	assert_int_equal(store_view_registry(scene->view, REGISTRY_GRANT, "", items, 2), 2);
	assert_string_equal(items[0].name, "a");
	assert_string_equal(items[1].name, "b");
	registry_item_fini(&items[0]);
	registry_item_fini(&items[1]);
	assert_int_equal(store_view_registry(scene->view, REGISTRY_GRANT, "b", items, 4), 1);
	assert_string_equal(items[0].name, "bb");
	registry_item_fini(&items[0]);
	assert_int_equal(store_view_registry(scene->view, REGISTRY_GRANT, "bb", items, 4), 0);
	assert_int_equal(store_view_registry(scene->view, REGISTRY_SUSPENSION, "", items, 4), 1);
	assert_string_equal(items[0].name, "10.1.2.3");
	registry_item_fini(&items[0]);
}

/* ---- journal ---- */

static void journal_tells_the_newest_first(void **state)
{
	struct scene *scene = *state;
	struct registry_change other = change_of("10.1.2.3", 0, "x");
	struct registry_entry entries[8];

	other.kind = REGISTRY_SUSPENSION;
	other.why = "viruses";
	assert_int_equal(change_one(scene, "a", 0, "1"), 0);
	assert_int_equal(change_one(scene, "b", 0, "1"), 0);
	assert_int_equal(change_all(scene, &other), 0);
	assert_int_equal(change_one(scene, "a", 1, NULL), 0);
	scene_restart(scene);
	assert_int_equal(store_view_journal(scene->view, 0, NULL, UINT64_MAX, entries, 8), 4);
	assert_string_equal(entries[0].name, "a");
	assert_string_equal(entries[0].act, "remove");
	assert_int_equal(entries[0].number, 4);
	assert_int_equal(entries[0].unix_ms, NOW);
	assert_int_equal(entries[1].kind, REGISTRY_SUSPENSION);
	assert_string_equal(entries[1].why, "viruses");
	assert_string_equal(entries[3].act, "request");
	assert_string_equal(entries[3].who, "root");
	assert_int_equal(store_view_journal(scene->view, 0, NULL, 4, entries, 1), 1);
	assert_int_equal(entries[0].number, 3);
	assert_int_equal(store_view_journal(scene->view, 0, NULL, 1, entries, 8), 0);
	assert_int_equal(
		store_view_journal(scene->view, REGISTRY_GRANT, "a", UINT64_MAX, entries, 8), 2);
	assert_int_equal(entries[0].number, 4);
	assert_int_equal(entries[1].number, 1);
	assert_int_equal(
		store_view_journal(scene->view, REGISTRY_SUSPENSION, NULL, UINT64_MAX, entries, 8),
		1);
	assert_int_equal(
		store_view_journal(scene->view, REGISTRY_SUSPENSION, "a", UINT64_MAX, entries, 8),
		0);
}

static uint64_t first_number(struct scene *scene)
{
	struct registry_entry *entries = calloc(JOURNAL_MAX + 10, sizeof(*entries));
	uint64_t first;
	ssize_t count;

	assert_non_null(entries);
	count = store_view_journal(scene->view, 0, NULL, UINT64_MAX, entries, JOURNAL_MAX + 10);
	assert_true(count > 0 && count <= JOURNAL_MAX);
	for (ssize_t i = 1; i < count; i++)
		assert_int_equal(entries[i].number, entries[i - 1].number - 1);
	first = entries[count - 1].number;
	free(entries);
	return first;
}

static void oldest_lines_of_the_journal_go(void **state)
{
	struct scene *scene = *state;
	struct registry_change *changes = calloc(REGISTRY_CHANGES_MAX, sizeof(*changes));
	char(*names)[16] = calloc(REGISTRY_CHANGES_MAX, sizeof(*names));

	assert_true(changes != NULL && names != NULL);
	for (uint32_t i = 0; i < REGISTRY_CHANGES_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "n%u", i * 7919 % REGISTRY_CHANGES_MAX);
		changes[i] = change_of(names[i], 0, "record");
		if (i > 0)
			changes[i - 1].next = &changes[i];
	}
	for (uint32_t round = 0; round < JOURNAL_MAX / REGISTRY_CHANGES_MAX; round++) {
		for (uint32_t i = 0; i < REGISTRY_CHANGES_MAX; i++)
			changes[i].revision = round;
		assert_int_equal(change_all(scene, changes), 0);
	}
	assert_int_equal(first_number(scene), 1);
	assert_int_equal(change_one(scene, "a", 0, "1"), 0);
	assert_int_equal(change_one(scene, "b", 0, "1"), 0);
	assert_int_equal(first_number(scene), 3);
	assert_int_equal(journal_size(scene), JOURNAL_MAX + 2);
	free(changes);
	free(names);
}

static void list_that_is_too_long_is_refused(void **state)
{
	struct scene *scene = *state;
	struct registry_change *changes = calloc(REGISTRY_CHANGES_MAX + 1, sizeof(*changes));

	assert_non_null(changes);
	for (size_t i = 0; i <= REGISTRY_CHANGES_MAX; i++) {
		changes[i] = change_of("a", 0, "1");
		if (i > 0)
			changes[i - 1].next = &changes[i];
	}
	assert_int_equal(change_all(scene, changes), -EINVAL);
	assert_int_equal(journal_size(scene), 0);
	free(changes);
}

/* ---- a full store, an older store ---- */

static void full_store_takes_a_suspension_and_no_import(void **state)
{
	struct registry_change changes[REGISTRY_FEW + 1];
	char names[REGISTRY_FEW + 1][8];
	struct scene *scene = *state;

	scene_close(scene);
	scene_open(scene, 16 << 20);
	for (uint64_t id = 1; scene_add(scene, id, 512 << 10) == 0; id++)
		clock_turned_advance(&scene->turned, 200);
	assert_true(writer_is_full(scene->writer));
	for (size_t i = 0; i <= REGISTRY_FEW; i++) {
		snprintf(names[i], sizeof(names[i]), "n%zu", i);
		changes[i] = change_of(names[i], 0, "1");
		if (i > 0)
			changes[i - 1].next = &changes[i];
	}
	assert_int_equal(change_all(scene, changes), -ENOSPC);
	assert_int_equal(change_all(scene, &changes[1]), 0);
	assert_int_equal(journal_size(scene), REGISTRY_FEW);
}

/* As a version without a registry left it. */
static void drop_tables(const struct scene *scene)
{
	static const char *const names[] = {"registry", "journal"};
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 16), 0);
	assert_int_equal(mdb_env_set_mapsize(env, 64 << 20), 0);
	assert_int_equal(mdb_env_open(env, scene->data_dir, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(mdb_dbi_open(txn, names[i], 0, &dbi), 0);
		assert_int_equal(mdb_drop(txn, dbi, 1), 0);
	}
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void older_store_gets_the_tables(void **state)
{
	struct scene *scene = *state;
	struct store_options options = {
		.data_dir = scene->data_dir, .max_bytes = 64 << 20, .read_only = true};
	struct registry_entry entry;
	struct registry_item item;
	struct reason reason;

	scene_stop(scene);
	drop_tables(scene);
	/* a tool that may not write finds nothing, and no error */
	assert_int_equal(store_open(&options, &scene->store, &reason), 0);
	assert_int_equal(store_view_open(scene->store, &scene->view), 0);
	assert_int_equal(check_item(scene, "a", ""), 0);
	assert_int_equal(store_view_registry(scene->view, REGISTRY_GRANT, "", &item, 1), 0);
	assert_int_equal(store_view_journal(scene->view, 0, NULL, UINT64_MAX, &entry, 1), 0);
	assert_int_equal(journal_size(scene), 0);
	store_view_close(&scene->view);
	store_close(&scene->store);
	scene_start(scene);
	assert_int_equal(change_one(scene, "a", 0, "1"), 0);
	assert_int_equal(check_item(scene, "a", "1"), 1);
}

int main(void)
{
#define WITH_SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_SCENE(record_is_kept_with_its_revision),
		WITH_SCENE(change_of_another_revision_is_refused_without_a_trace),
		WITH_SCENE(all_of_a_list_are_done_or_none),
		WITH_SCENE(name_that_is_in_a_list_twice_is_refused),
		WITH_SCENE(two_changes_of_one_record_in_a_group_come_in_order),
		WITH_SCENE(what_does_not_fit_is_refused),
		WITH_SCENE(records_are_listed_by_kind_and_name),
		WITH_SCENE(journal_tells_the_newest_first),
		WITH_SCENE(oldest_lines_of_the_journal_go),
		WITH_SCENE(list_that_is_too_long_is_refused),
		WITH_SCENE(full_store_takes_a_suspension_and_no_import),
		WITH_SCENE(older_store_gets_the_tables),
	};

	return cmocka_run_group_tests_name("queue/registry", tests, NULL, NULL);
}
