#include <lmdb.h>

#include "core/loop.h"
#include "queue/tally.h"
#include "tests/unit/queue/scene.h"

#define NOW UINT64_C(1700000000000)

static struct ledger_client *make_client(const char *address, uint64_t now_unix_ms)
{
	struct ledger_client *client = ledger_client_new(address);

	assert_non_null(client);
	client->first_unix_ms = client->last_unix_ms = now_unix_ms;
	client->sessions = 1;
	return client;
}

static void count_quirk(struct ledger_client *client, unsigned number, const char *example)
{
	assert_true(ledger_count_quirk(
		client, number, example, example != NULL ? strlen(example) : 0, NOW));
}

/* Every member is set, each to something else. */
static struct ledger_client *make_full(void)
{
	struct ledger_client *client = make_client("10.1.2.3", NOW);
	uint64_t *numbers[] = {&client->last_unix_ms, &client->sessions,
		&client->sessions_without_quit, &client->messages, &client->recipients,
		&client->bytes, &client->refusals, &client->refused_unix_ms, &client->preflights,
		&client->partials, &client->resends, &client->message_id, &client->message_unix_ms};
	char *texts[] = {client->account, client->refusal, client->tls_version, client->tls_cipher,
		client->auth, client->profile, client->message_from, client->message_listener};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		*numbers[i] = NOW + 1 + i;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		snprintf(texts[i], 64, "text %zu \xff", i);
	ledger_count_helo(client, "printer", NOW);
	ledger_count_helo(client, "", NOW + 1);
	for (unsigned number = 1; number < QUIRK_COUNT; number++)
		count_quirk(client, number, number % 2 == 0 ? "MAIL FROM:a@b" : NULL);
	return client;
}

static struct ledger_client *read_again(const struct ledger_client *client)
{
	struct bytes record = {0};
	struct ledger_client *again = NULL;

	assert_true(ledger_encode(client, &record));
	assert_int_equal(ledger_decode(client->address, record.data, record.size, &again), 0);
	bytes_fini(&record);
	return again;
}

static void record_gives_back_all_that_was_put_in(void **state)
{
	struct ledger_client *client = make_full(), *again = read_again(client);

	(void)state;
	assert_int_equal(again->quirk_count, QUIRK_COUNT - 2);
	assert_memory_equal(
		again->quirks, client->quirks, client->quirk_count * sizeof(*client->quirks));
	free(client->quirks);
	free(again->quirks);
	client->quirks = again->quirks = NULL;
	client->quirk_room = again->quirk_room = 0;
	assert_memory_equal(client, again, sizeof(*client));
	ledger_client_close(&client);
	ledger_client_close(&again);
}

static void damaged_or_foreign_record_is_refused(void **state)
{
	struct ledger_client *client = make_full(), *again = NULL;
	struct bytes record = {0};

	(void)state;
	assert_true(ledger_encode(client, &record));
	assert_int_equal(ledger_decode("10.1.2.4", record.data, record.size, &again), -EBADMSG);
	for (size_t size = 0; size < record.size; size++)
		assert_int_equal(ledger_decode("10.1.2.3", record.data, size, &again), -EBADMSG);
	for (size_t at = 0; at < record.size; at += 7) {
		record.data[at] ^= 0x40;
		assert_int_equal(
			ledger_decode("10.1.2.3", record.data, record.size, &again), -EBADMSG);
		record.data[at] ^= 0x40;
	}
	bytes_fini(&record);
	ledger_client_close(&client);
}

static void changes_add_up_and_the_last_one_stays(void **state)
{
	struct ledger_client *client = make_client("10.1.2.3", NOW), *change;

	(void)state;
	count_quirk(client, 33, "first");
	change = make_client("10.1.2.3", NOW + 5000);
	change->messages = 2;
	change->message_id = 7;
	change->message_unix_ms = NOW + 5000;
	change->refusals = 1;
	strcpy(change->refusal, "501 5.5.4");
	assert_true(ledger_count_quirk(change, 33, "second", 6, NOW + 5000));
	assert_true(ledger_count_quirk(change, 61, NULL, 0, NOW + 5000));
	assert_true(ledger_merge(client, change));
	change->first_unix_ms = change->last_unix_ms = change->message_unix_ms = NOW - 9000;
	change->message_id = 3; /* another worker's, and older */
	assert_true(ledger_merge(client, change));
	assert_int_equal(client->first_unix_ms, NOW - 9000);
	assert_int_equal(client->last_unix_ms, NOW + 5000);
	assert_int_equal(client->sessions, 3);
	assert_int_equal(client->messages, 4);
	assert_int_equal(client->message_id, 7);
	assert_int_equal(client->refusals, 2);
	assert_string_equal(client->refusal, "501 5.5.4");
	assert_int_equal(ledger_find_quirk(client, 33)->count, 3);
	assert_string_equal(ledger_find_quirk(client, 33)->example, "second");
	assert_int_equal(ledger_find_quirk(client, 61)->count, 2);
	assert_null(ledger_find_quirk(client, 62));
	ledger_client_close(&client);
	ledger_client_close(&change);
}

static void names_and_examples_are_bounded(void **state)
{
	struct ledger_client *client = make_client("10.1.2.3", NOW);
	char long_text[400], name[16];

	(void)state;
	memset(long_text, 'x', sizeof(long_text));
	for (unsigned i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "host%u", i);
		ledger_count_helo(client, name, NOW + i);
	}
	ledger_count_helo(client, "host11", NOW + 20);
	assert_int_equal(client->helo_count, LEDGER_HELOS_MAX);
	for (size_t i = 0; i < client->helo_count; i++)
		assert_true(client->helos[i].last_unix_ms >= NOW + 4);
	assert_true(ledger_count_quirk(client, 33, long_text, sizeof(long_text), NOW));
	assert_int_equal(strlen(ledger_find_quirk(client, 33)->example), 120);
	assert_true(ledger_count_quirk(client, 33, "a\0b", 3, NOW));
	assert_string_equal(ledger_find_quirk(client, 33)->example, "a");
	assert_true(ledger_count_quirk(client, 29, "no such number", 14, NOW));
	assert_null(ledger_find_quirk(client, 29));
	ledger_client_close(&client);
}

/* ---- in the store ---- */

static void merge(struct scene *scene, const struct ledger_client *change)
{
	struct store_batch *batch;

	assert_int_equal(store_begin(scene->store, &batch), 0);
	assert_true(store_merge_client(batch, change) > 0);
	assert_int_equal(store_commit(&batch), 0);
}

static uint64_t sessions_of(struct scene *scene, const char *address)
{
	struct ledger_client *client = NULL;
	int rc = store_view_client(scene->view, address, &client);
	uint64_t sessions = rc == 0 ? client->sessions : 0;

	assert_true(rc == 0 || rc == -ENOENT);
	ledger_client_close(&client);
	return sessions;
}

static void clients_outlive_a_restart_and_are_listed_in_order(void **state)
{
	struct ledger_client *one = make_client("10.1.2.3", NOW), *rows[4];
	struct ledger_client *other = make_client("2001:db8::1", NOW);
	struct scene scene;

	(void)state;
	scene_open(&scene, 16 << 20);
	merge(&scene, other);
	merge(&scene, one);
	one->last_unix_ms += 5;
	merge(&scene, one);
	scene_restart(&scene);
	assert_int_equal(sessions_of(&scene, "10.1.2.3"), 2);
	assert_int_equal(sessions_of(&scene, "10.1.2.4"), 0);
	assert_int_equal(store_view_clients(scene.view, "", rows, 4), 2);
	assert_string_equal(rows[0]->address, "10.1.2.3");
	assert_string_equal(rows[1]->address, "2001:db8::1");
	ledger_client_close(&rows[0]);
	ledger_client_close(&rows[1]);
	assert_int_equal(store_view_clients(scene.view, "10.1.2.3", rows, 4), 1);
	ledger_client_close(&rows[0]);
	assert_int_equal(store_view_clients(scene.view, "10.1.2.3", rows, 0), 0);
	assert_int_equal(store_view_clients(scene.view, "zzz", rows, 4), 0);
	ledger_client_close(&one);
	ledger_client_close(&other);
	scene_close(&scene);
}

static void add_many(struct scene *scene, unsigned from, unsigned to)
{
	struct store_batch *batch;
	char address[32];

	assert_int_equal(store_begin(scene->store, &batch), 0);
	for (unsigned i = from; i < to; i++) {
		struct ledger_client *client;

		snprintf(address, sizeof(address), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		client = make_client(address, NOW + i);
		assert_true(store_merge_client(batch, client) > 0);
		ledger_client_close(&client);
	}
	assert_int_equal(store_commit(&batch), 0);
}

static size_t count_clients(struct scene *scene)
{
	struct ledger_client *rows[500];
	char after[LEDGER_ADDRESS_SIZE] = "";
	size_t total = 0;
	ssize_t count;

	while ((count = store_view_clients(scene->view, after, rows, 500)) > 0) {
		strcpy(after, rows[count - 1]->address);
		total += (size_t)count;
		while (count > 0)
			ledger_client_close(&rows[--count]);
	}
	assert_int_equal(count, 0);
	return total;
}

static void those_seen_longest_ago_go_first(void **state)
{
	struct scene scene;

	(void)state;
	scene_open(&scene, 256 << 20);
	for (unsigned at = 0; at < LEDGER_CLIENTS_MAX; at += 1000)
		add_many(&scene, at, at + 1000);
	assert_int_equal(count_clients(&scene), LEDGER_CLIENTS_MAX);
	add_many(&scene, 0, 1); /* known: nobody goes */
	assert_int_equal(count_clients(&scene), LEDGER_CLIENTS_MAX);
	add_many(&scene, LEDGER_CLIENTS_MAX, LEDGER_CLIENTS_MAX + 3);
	assert_int_equal(count_clients(&scene), LEDGER_CLIENTS_MAX);
	assert_int_equal(sessions_of(&scene, "10.0.0.0"), 0);
	assert_int_equal(sessions_of(&scene, "10.0.0.2"), 0);
	assert_int_equal(sessions_of(&scene, "10.0.0.3"), 1);
	scene_close(&scene);
}

/* As a version without a ledger left it. */
static void drop_table(const struct scene *scene)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
	assert_int_equal(mdb_env_set_mapsize(env, 16 << 20), 0);
	assert_int_equal(mdb_env_open(env, scene->data_dir, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "ledger", 0, &dbi), 0);
	assert_int_equal(mdb_drop(txn, dbi, 1), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void older_store_gets_the_table(void **state)
{
	struct ledger_client *client = make_client("10.1.2.3", NOW);
	struct scene scene;

	(void)state;
	scene_open(&scene, 16 << 20);
	scene_stop(&scene);
	drop_table(&scene);
	scene_start(&scene);
	merge(&scene, client);
	assert_int_equal(sessions_of(&scene, "10.1.2.3"), 1);
	ledger_client_close(&client);
	scene_close(&scene);
}

/* ---- by the tally and the writer ---- */

struct gathered {
	struct scene scene;
	struct loop *loop;
	struct tally *tally;
};

static void gather_open(struct gathered *gathered, uint64_t max_bytes)
{
	scene_open(&gathered->scene, max_bytes);
	gathered->loop = loop_open(&gathered->scene.turned.clock);
	gathered->tally =
		tally_open(gathered->scene.writer, gathered->loop, gathered->scene.answers);
	assert_true(gathered->loop != NULL && gathered->tally != NULL);
}

static void turn(struct gathered *gathered, int64_t ms)
{
	struct letter *letter;

	clock_turned_advance(&gathered->scene.turned, ms);
	assert_int_equal(loop_step(gathered->loop, 0), 0);
	while (writer_step(gathered->scene.writer) > 0)
		;
	while ((letter = mailbox_pop(gathered->scene.answers)) != NULL)
		letter->read(letter, NULL);
}

static void gather_close(struct gathered *gathered)
{
	tally_close(&gathered->tally);
	loop_close(&gathered->loop);
	scene_close(&gathered->scene);
}

static void note_session(struct gathered *gathered, const char *address)
{
	struct ledger_client *client = tally_client(gathered->tally, address, NOW);

	if (client != NULL)
		client->sessions++;
}

static void what_is_gathered_is_written_after_a_second(void **state)
{
	struct gathered gathered;

	(void)state;
	gather_open(&gathered, 16 << 20);
	assert_false(tally_is_busy(gathered.tally));
	note_session(&gathered, "10.1.2.3");
	note_session(&gathered, "10.1.2.3");
	note_session(&gathered, "10.1.2.4");
	turn(&gathered, TALLY_MS / 2);
	assert_int_equal(sessions_of(&gathered.scene, "10.1.2.3"), 0);
	assert_true(tally_is_busy(gathered.tally));
	turn(&gathered, TALLY_MS);
	assert_int_equal(sessions_of(&gathered.scene, "10.1.2.3"), 2);
	assert_int_equal(sessions_of(&gathered.scene, "10.1.2.4"), 1);
	assert_false(tally_is_busy(gathered.tally));
	gather_close(&gathered);
}

static void full_tally_goes_at_once_and_then_drops(void **state)
{
	struct gathered gathered;
	char address[32];

	(void)state;
	gather_open(&gathered, 64 << 20);
	for (unsigned i = 0; i < 2 * TALLY_CLIENTS_MAX + 10; i++) {
		snprintf(address, sizeof(address), "10.0.%u.%u", i >> 8, i & 255);
		note_session(&gathered, address);
	}
	assert_int_equal(mailbox_depth(gathered.scene.answers), 0);
	turn(&gathered, 0); /* the first half; the other goes with its answer or timer */
	turn(&gathered, TALLY_MS);
	turn(&gathered, TALLY_MS);
	assert_int_equal(count_clients(&gathered.scene), 2 * TALLY_CLIENTS_MAX);
	gather_close(&gathered);
}

static void full_store_takes_no_facts(void **state)
{
	struct gathered gathered;

	(void)state;
	gather_open(&gathered, 16 << 20);
	for (uint64_t id = 1; scene_add(&gathered.scene, id, 512 << 10) == 0; id++)
		clock_turned_advance(&gathered.scene.turned, 200);
	assert_true(writer_is_full(gathered.scene.writer));
	note_session(&gathered, "10.1.2.3");
	turn(&gathered, TALLY_MS);
	assert_false(tally_is_busy(gathered.tally));
	assert_int_equal(sessions_of(&gathered.scene, "10.1.2.3"), 0);
	gather_close(&gathered);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_gives_back_all_that_was_put_in),
		cmocka_unit_test(damaged_or_foreign_record_is_refused),
		cmocka_unit_test(changes_add_up_and_the_last_one_stays),
		cmocka_unit_test(names_and_examples_are_bounded),
		cmocka_unit_test(clients_outlive_a_restart_and_are_listed_in_order),
		cmocka_unit_test(those_seen_longest_ago_go_first),
		cmocka_unit_test(older_store_gets_the_table),
		cmocka_unit_test(what_is_gathered_is_written_after_a_second),
		cmocka_unit_test(full_tally_goes_at_once_and_then_drops),
		cmocka_unit_test(full_store_takes_no_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
