/*
 * store_bench: how a text is best cut into LMDB values, and what the store's verbs cost.
 *
 *	store_bench DIR cut        commits a second and file growth for each way of cutting (docs/decisions/)
 *	store_bench DIR verbs      store_append + store_add, and store_remove, at several batch sizes
 *
 * DIR must be on a real file system; what is made in it is removed at the end. The random numbers are the same in each
 * run.
 */
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "queue/store.h"

#define MAP_BYTES    ((size_t)4 << 30)
#define PAGE         4096u
#define LIVE_BYTES   (64u << 20)
#define CHURN_BYTES  ((uint64_t)3 << 30)
#define SMALL_BYTES  4396u /* 4 KiB and its trace */
#define LARGE_BYTES  (10u << 20)
#define MESSAGES_MAX 65536u

static const char *bench_dir;
static uint8_t text[LARGE_BYTES];

static void must(int rc, const char *what)
{
	if (rc == 0)
		return;
	fprintf(stderr, "store_bench: %s: %s\n", what,
		mdb_strerror(rc < -1000 || rc > 0 ? rc : -rc));
	exit(1);
}

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t random_state = 1;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* ---- ways of cutting ---- */

typedef size_t cut_fn(size_t left);

static size_t cut_none(size_t left)
{
	return left < STORE_PIECE_BYTES ? left : STORE_PIECE_BYTES;
}

static size_t cut_page(size_t left)
{
	return left < PAGE - 16 ? left : PAGE - 16;
}

/* Whole pages in one value, the rest in another. */
static size_t cut_pages(size_t left)
{
	size_t pages = (left + 16) / PAGE;

	if (pages == 0)
		return left;
	return pages > 16 ? STORE_PIECE_BYTES : pages * PAGE - 16;
}

/* Full pieces whole, single pages behind them. */
static size_t cut_tail(size_t left)
{
	return left >= STORE_PIECE_BYTES ? STORE_PIECE_BYTES : cut_page(left);
}

static const struct way {
	const char *name;
	cut_fn *cut;
} ways[] = {
	{"one value a piece", cut_none},
	{"4,080 bytes", cut_page},
	{"whole pages + rest", cut_pages},
	{"full piece, else 4,080", cut_tail},
};

#define WAY_COUNT (sizeof(ways) / sizeof(ways[0]))

struct raw {
	MDB_env *env;
	MDB_dbi texts;
	char dir[512];
};

static void raw_open(struct raw *raw)
{
	MDB_txn *txn;

	snprintf(raw->dir, sizeof(raw->dir), "%s/store_bench.XXXXXX", bench_dir);
	if (mkdtemp(raw->dir) == NULL) {
		perror(raw->dir);
		exit(1);
	}
	must(mdb_env_create(&raw->env), "create");
	must(mdb_env_set_maxdbs(raw->env, 2), "create");
	must(mdb_env_set_mapsize(raw->env, MAP_BYTES), "create");
	must(mdb_env_open(raw->env, raw->dir, MDB_NOTLS, 0600), "open");
	must(mdb_txn_begin(raw->env, NULL, 0, &txn), "begin");
	must(mdb_dbi_open(txn, "texts", MDB_CREATE, &raw->texts), "table");
	must(mdb_txn_commit(txn), "commit");
}

static void remove_dir(const char *dir)
{
	static const char *const names[] = {"data.mdb", "lock.mdb", "lock"};
	char path[600];
	size_t i;

	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

static void raw_close(struct raw *raw)
{
	mdb_env_close(raw->env);
	remove_dir(raw->dir);
}

static double file_megabytes(const struct raw *raw)
{
	struct stat file;
	char path[600];

	snprintf(path, sizeof(path), "%s/data.mdb", raw->dir);
	return stat(path, &file) == 0 ? (double)file.st_size / (1 << 20) : 0;
}

static void put_key(uint8_t *key, uint64_t id, uint32_t part)
{
	size_t i;

	for (i = 0; i < 8; i++)
		key[i] = (uint8_t)(id >> (56 - 8 * i));
	for (i = 0; i < 4; i++)
		key[8 + i] = (uint8_t)(part >> (24 - 8 * i));
}

static uint32_t put_text(struct raw *raw, MDB_txn *txn, cut_fn *cut, uint64_t id, size_t size)
{
	uint8_t bytes[12];
	MDB_val key = {sizeof(bytes), bytes}, value;
	uint32_t part = 0;
	size_t at = 0;

	while (at < size) {
		value = (MDB_val){cut(size - at), text + at};
		put_key(bytes, id, part++);
		must(mdb_put(txn, raw->texts, &key, &value, 0), "put");
		at += value.mv_size;
	}
	return part;
}

static void del_text(struct raw *raw, MDB_txn *txn, uint64_t id, uint32_t parts)
{
	uint8_t bytes[12];
	MDB_val key = {sizeof(bytes), bytes};
	uint32_t part;

	for (part = 0; part < parts; part++) {
		put_key(bytes, id, part);
		must(mdb_del(txn, raw->texts, &key, NULL), "del");
	}
}

/* Adds `count` texts of `size`, `batch` a commit; prints texts a second and CPU. */
static void time_adds(cut_fn *cut, size_t size, unsigned count, unsigned batch)
{
	double wall, cpu;
	struct raw raw;
	unsigned i, j;
	MDB_txn *txn;

	raw_open(&raw);
	wall = seconds(CLOCK_MONOTONIC);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	for (i = 0; i < count; i += batch) {
		must(mdb_txn_begin(raw.env, NULL, 0, &txn), "begin");
		for (j = 0; j < batch; j++)
			put_text(&raw, txn, cut, i + j + 1, size);
		must(mdb_txn_commit(txn), "commit");
	}
	wall = seconds(CLOCK_MONOTONIC) - wall;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("  %9.0f/s %7.1f us", count / wall, cpu / count * 1e6);
	raw_close(&raw);
}

static size_t mixed_size(void)
{
	uint64_t draw = next_random() % 1000, more = next_random();

	if (draw < 700)
		return 1000 + more % 8000;
	if (draw < 900)
		return 8000 + more % 60000;
	if (draw < 990)
		return 60000 + more % 500000;
	return 1000000 + more % 4000000;
}

/* Live mail of 64 MB, replaced many times over: mostly the oldest goes, one in four anywhere. */
static void time_churn(cut_fn *cut)
{
	static struct {
		uint64_t id;
		size_t size;
		uint32_t parts;
	} live[MESSAGES_MAX];
	uint64_t first = 0, next = 0, added = 0, live_bytes = 0, slot;
	struct raw raw;
	MDB_txn *txn;
	double wall;
	unsigned j;

	random_state = 1;
	memset(live, 0, sizeof(live));
	raw_open(&raw);
	wall = seconds(CLOCK_MONOTONIC);
	while (added < CHURN_BYTES) {
		must(mdb_txn_begin(raw.env, NULL, 0, &txn), "begin");
		for (j = 0; j < 8; j++) {
			slot = next % MESSAGES_MAX;
			live[slot].id = ++next;
			live[slot].size = mixed_size();
			slot = (next - 1) % MESSAGES_MAX;
			live[slot].parts = put_text(&raw, txn, cut, next, live[slot].size);
			live_bytes += live[slot].size;
			added += live[slot].size;
		}
		while (live_bytes > LIVE_BYTES) {
			slot = next_random() % 4 == 0 ? first + next_random() % (next - first)
						      : first;
			if (live[slot % MESSAGES_MAX].id != 0) {
				del_text(&raw, txn, live[slot % MESSAGES_MAX].id,
					live[slot % MESSAGES_MAX].parts);
				live_bytes -= live[slot % MESSAGES_MAX].size;
				live[slot % MESSAGES_MAX].id = 0;
			}
			while (first < next && live[first % MESSAGES_MAX].id == 0)
				first++;
		}
		must(mdb_txn_commit(txn), "commit");
	}
	wall = seconds(CLOCK_MONOTONIC) - wall;
	printf("  %5.0f MB/s, file %4.0f MB", (double)added / (1 << 20) / wall,
		file_megabytes(&raw));
	raw_close(&raw);
}

static void run_cut(void)
{
	static const unsigned batches[] = {1, 8, 32, 128};
	size_t way, i;

	for (way = 0; way < WAY_COUNT; way++) {
		printf("%-24s", ways[way].name);
		for (i = 0; i < 4; i++)
			time_adds(ways[way].cut, SMALL_BYTES, batches[i] == 1 ? 2048 : 32768,
				batches[i]);
		printf("\n%-24s", "   10 MiB");
		time_adds(ways[way].cut, LARGE_BYTES, 40, 1);
		printf("\n%-24s", "   churn of 64 MB");
		time_churn(ways[way].cut);
		printf("\n");
		fflush(stdout);
	}
}

/* ---- the store's verbs ---- */

static struct envelope *make_envelope(uint64_t id)
{
	struct envelope *envelope = envelope_new(1);

	if (envelope == NULL)
		must(ENOMEM, "envelope");
	envelope->id = envelope->body_id = id;
	envelope->size_bytes = SMALL_BYTES;
	envelope->chunk_count = 1;
	envelope->received_unix_ms = id;
	envelope->lane = LANE_NORMAL;
	envelope->reverse_path = "alarm@door17.example.edu";
	envelope->client = "10.1.2.3";
	envelope->helo = "door17.example.edu";
	envelope->listener = "handoff";
	envelope->recipients[0] = (struct recipient){.address = "guards@example.edu",
		.state = RECIPIENT_WAITING,
		.upstream = UPSTREAM_FIRST,
		.due_unix_ms = id};
	return envelope;
}

static void add_batch(struct store *store, uint64_t first, unsigned count)
{
	struct envelope *envelope;
	struct store_batch *batch;
	unsigned i;

	must(store_begin(store, &batch), "begin");
	for (i = 0; i < count; i++) {
		envelope = make_envelope(first + i);
		must(store_append(batch, first + i, 0, text, SMALL_BYTES), "append");
		must(store_add(batch, envelope), "add");
		envelope_close(&envelope);
	}
	must(store_commit(&batch), "commit");
}

static void remove_batch(struct store *store, uint64_t first, unsigned count)
{
	struct envelope *envelope;
	struct store_batch *batch;
	unsigned i;

	must(store_begin(store, &batch), "begin");
	for (i = 0; i < count; i++) {
		must(store_get(batch, first + i, &envelope), "get");
		must(store_remove(batch, envelope), "remove");
		envelope_close(&envelope);
	}
	must(store_commit(&batch), "commit");
}

typedef void batch_fn(struct store *store, uint64_t first, unsigned count);

static void time_verb(
	const char *name, struct store *store, batch_fn *run, unsigned count, unsigned batch)
{
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	unsigned i;

	for (i = 0; i < count; i += batch)
		run(store, i + 1, batch);
	wall = seconds(CLOCK_MONOTONIC) - wall;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("%-8s batch %4u  %9.0f/s %7.1f us of CPU\n", name, batch, count / wall,
		cpu / count * 1e6);
}

static void run_verbs(void)
{
	static const unsigned batches[] = {1, 8, 32, 128};
	struct store_options options = {.max_bytes = MAP_BYTES};
	struct reason reason;
	struct store *store;
	char dir[512];
	unsigned count;
	size_t i;

	snprintf(dir, sizeof(dir), "%s/store_bench.XXXXXX", bench_dir);
	if (mkdtemp(dir) == NULL) {
		perror(dir);
		exit(1);
	}
	options.data_dir = dir;
	if (store_open(&options, &store, &reason) < 0) {
		fprintf(stderr, "store_bench: %s\n", reason.text);
		exit(1);
	}
	for (i = 0; i < 4; i++) {
		count = batches[i] == 1 ? 2048 : 32768;
		time_verb("add", store, add_batch, count, batches[i]);
		time_verb("remove", store, remove_batch, count, batches[i]);
	}
	store_close(&store);
	remove_dir(dir);
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc != 3) {
		fprintf(stderr, "usage: store_bench DIR cut|verbs\n");
		return 64;
	}
	bench_dir = argv[1];
	for (i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)next_random();
	if (strcmp(argv[2], "cut") == 0)
		run_cut();
	else
		run_verbs();
	return 0;
}
