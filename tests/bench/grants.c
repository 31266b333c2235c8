/*
 * grants: what it costs a worker to find out who may send, and main's side to make the table.
 *
 *	grants --dir DIR [--count COUNT]
 *
 * COUNT grants (100,000) go into a store in DIR (made and removed): hosts, networks that lie in each other, IPv6, accounts,
 * certificates; two patterns each. Then the table is loaded, and random clients are looked up in it and their reverse-paths
 * chosen for, each timed by itself: with caches as they are, and with caches that other work has emptied (some megabytes
 * are read between two look-ups).
 *
 * Prints "stored seconds=…", "loaded ms=… bytes_per_grant=…", "built ms=…", "warm n=… mean=… p50=… p99=… max=…" and "cold …" in
 * nanoseconds, the clock's own cost taken off.
 */
#include <getopt.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "queue/permits.h"
#include "queue/store.h"

#define NOW         UINT64_C(1700000000000)
#define WARM_LOOKS  500000
#define COLD_LOOKS  3000
#define EVICT_BYTES ((size_t)64 << 20)

static uint64_t seed = 4711;

static uint32_t random_below(uint32_t limit)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((seed >> 33) % limit);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "grants: %s\n", what);
	exit(1);
}

/* ---- grants, by their number ---- */

enum { HOST_V4 = 6, NETWORK_V4 = 7, HOST_V6 = 8, ACCOUNT = 9 }; /* of ten; else a certificate */

static void name_system(uint32_t number, char *out, size_t size)
{
	uint32_t spread = number * 2654435761u; /* over all of the space */

	if (number % 10 < HOST_V4)
		snprintf(out, size, "10.%u.%u.%u", spread >> 24, spread >> 16 & 255,
			spread >> 8 & 255);
	else if (number % 10 < NETWORK_V4)
		snprintf(out, size, "10.%u.%u.0/%u", spread >> 24, spread >> 16 & 240,
			20 + number / 10 % 5);
	else if (number % 10 < HOST_V6)
		snprintf(out, size, "2001:db8:%x:%x::%x", spread >> 16, number >> 16,
			number & 0xffff);
	else if (number % 10 < ACCOUNT)
		snprintf(out, size, "user%u", number);
	else
		snprintf(out, size, "%064x", number);
}

static struct grant *make(uint32_t number)
{
	char text[128];
	struct grant *grant;
	bool done;

	snprintf(text, sizeof(text), "system-%06u", number);
	grant = grant_new(text);
	if (grant == NULL)
		return NULL;
	grant->state = GRANT_APPROVED;
	grant->created_unix_ms = grant->approved_unix_ms = NOW;
	grant->expires_unix_ms = NOW + GRANT_YEAR_MS;
	name_system(number, text, sizeof(text));
	done = grant_add_text(number % 10 < HOST_V6   ? &grant->networks
			      : number % 10 < ACCOUNT ? &grant->accounts
						      : &grant->certificates,
		text);
	snprintf(text, sizeof(text), "*@unit%u.example.edu", number % 500);
	done = done && grant_add_text(&grant->senders, text);
	snprintf(text, sizeof(text), "system%u@example.edu", number);
	done = done && grant_add_text(&grant->senders, text) &&
	       grant_set_text(&grant->owner, "somebody@example.edu") &&
	       grant_set_text(&grant->contact, "Somebody, second floor") &&
	       grant_set_text(&grant->purpose, "sends what it has scanned") &&
	       grant_set_text(&grant->device, "multi-function printer") &&
	       grant_set_text(&grant->created_by, "root") &&
	       grant_set_text(&grant->approved_by, "root");
	if (!done)
		grant_close(&grant);
	return grant;
}

/* ---- the store ---- */

static int store_some(struct store *store, uint32_t from, uint32_t to)
{
	struct registry_change *changes = calloc(to - from, sizeof(*changes));
	struct grant **grants = calloc(to - from, sizeof(*grants));
	struct bytes *records = calloc(to - from, sizeof(*records));
	const struct registry_change *refused;
	struct store_batch *batch = NULL;
	uint64_t number;
	int rc = changes != NULL && grants != NULL && records != NULL ? 0 : -1;

	for (uint32_t i = 0; i < to - from && rc == 0; i++) {
		grants[i] = make(from + i);
		if (grants[i] == NULL || !grant_encode(grants[i], &records[i]))
			die("out of memory");
		changes[i] = (struct registry_change){.kind = REGISTRY_GRANT,
			.name = grants[i]->name,
			.record = records[i].data,
			.size = records[i].size,
			.now_unix_ms = NOW,
			.who = "root",
			.act = "import",
			.why = "",
			.next = from + i + 1 < to ? &changes[i + 1] : NULL};
	}
	if (rc == 0)
		rc = store_begin(store, &batch);
	if (rc == 0)
		rc = store_register(batch, changes, &number, &refused);
	if (rc == 0)
		rc = store_commit(&batch);
	for (uint32_t i = 0; grants != NULL && records != NULL && i < to - from; i++) {
		grant_close(&grants[i]);
		bytes_fini(&records[i]);
	}
	free(records);
	free(grants);
	free(changes);
	return rc;
}

static void store_all(struct store *store, uint32_t count)
{
	uint64_t began = now_ns(), longest = 0;

	for (uint32_t at = 0; at < count; at += REGISTRY_CHANGES_MAX) {
		uint32_t to = at + REGISTRY_CHANGES_MAX < count ? at + REGISTRY_CHANGES_MAX : count;
		uint64_t step = now_ns();

		if (store_some(store, at, to) < 0)
			die("the store takes no grants");
		step = now_ns() - step;
		longest = step > longest ? step : longest;
	}
	printf("stored ms=%llu longest_ms=%llu\n",
		(unsigned long long)((now_ns() - began) / 1000000),
		(unsigned long long)(longest / 1000000));
}

static size_t heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static struct permits *load(struct store *store, uint32_t count)
{
	struct permits *permits = NULL;
	struct store_view *view = NULL;
	size_t before = heap_bytes();
	uint64_t began = now_ns();

	if (store_view_open(store, &view) < 0 || permits_load(view, &permits) < 0)
		die("the store gives no table");
	printf("loaded ms=%llu", (unsigned long long)((now_ns() - began) / 1000000));
	store_view_close(&view);
	printf(" bytes_per_grant=%zu\n", (heap_bytes() - before) / count);
	if (permits_grant_count(permits) != count)
		die("not all are in the table");
	return permits;
}

static void time_build(uint32_t count)
{
	struct grant **grants = calloc(count, sizeof(*grants));
	struct permits *permits;
	uint64_t began, built;

	for (uint32_t i = 0; i < count; i++)
		if (grants == NULL || (grants[i] = make(i)) == NULL)
			die("out of memory");
	began = now_ns();
	permits = permits_build(grants, count, NULL, 0);
	built = now_ns();
	permits_close(&permits);
	printf("built ms=%llu closed_us=%llu\n", (unsigned long long)((built - began) / 1000000),
		(unsigned long long)((now_ns() - built) / 1000));
	free(grants);
}

/* ---- looking up ---- */

struct probe {
	struct address peer;
	char account[128], certificate[128], path[64];
	struct permit_client client;
};

static void make_probe(struct probe *probe, uint32_t count)
{
	uint32_t number = random_below(count);
	char text[128], with_port[160];

	*probe = (struct probe){0};
	probe->client.peer = &probe->peer;
	name_system(number, text, sizeof(text));
	text[strcspn(text, "/")] = '\0';
	if (number % 10 >= HOST_V6)
		strcpy(with_port, "192.0.2.1:25");
	else
		snprintf(with_port, sizeof(with_port),
			number % 10 < NETWORK_V4 ? "%s:25" : "[%s]:25", text);
	if (address_parse(with_port, &probe->peer) < 0)
		die("no address");
	if (number % 10 >= ACCOUNT) {
		snprintf(probe->certificate, sizeof(probe->certificate), "%s", text);
		probe->client.certificate = probe->certificate;
	} else if (number % 10 >= HOST_V6) {
		snprintf(probe->account, sizeof(probe->account), "%s", text);
		probe->client.account = probe->account;
	}
	snprintf(probe->path, sizeof(probe->path), "x@unit%u.example.edu", number % 500);
}

static bool look(const struct permits *permits, const struct probe *probe)
{
	struct permit_group group = permits_find(permits, &probe->client);
	struct permit_choice choice = permits_choose(&group, probe->path, true, NOW);

	return permits_suspension(permits, &probe->client) == NULL && choice.answer == PERMIT_YES;
}

static int compare_times(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

static uint64_t clock_cost(void)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < 1000; i++) {
		uint64_t began = now_ns(), cost = now_ns() - began;

		least = cost < least ? cost : least;
	}
	return least;
}

static void evict(volatile uint8_t *memory)
{
	for (size_t at = 0; at < EVICT_BYTES; at += 64)
		memory[at]++;
}

static void time_looks(const struct permits *permits, uint32_t count, size_t looks, uint8_t *memory)
{
	uint64_t *times = calloc(looks, sizeof(*times)), sum = 0, cost = clock_cost();
	size_t allowed = 0;

	if (times == NULL)
		die("out of memory");
	for (size_t i = 0; i < looks; i++) {
		struct probe probe;
		uint64_t began, took;

		make_probe(&probe, count);
		if (memory != NULL)
			evict(memory);
		began = now_ns();
		allowed += look(permits, &probe);
		took = now_ns() - began;
		times[i] = took > cost ? took - cost : 0;
		sum += times[i];
	}
	qsort(times, looks, sizeof(*times), compare_times);
	printf("%s n=%zu mean=%llu p50=%llu p99=%llu max=%llu\n", memory != NULL ? "cold" : "warm",
		looks, (unsigned long long)(sum / looks), (unsigned long long)times[looks / 2],
		(unsigned long long)times[looks * 99 / 100], (unsigned long long)times[looks - 1]);
	/* some hosts lie in others' networks, and one number's path is another's */
	if (allowed < looks / 2)
		die("too few were found");
	free(times);
}

/* ---- all of it ---- */

static void run(const char *dir, uint32_t count)
{
	static const char *const files[] = {"data.mdb", "lock.mdb", "lock"};
	struct store_options options = {.max_bytes = 1u << 30};
	char place[200], path[256];
	struct store *store = NULL;
	struct permits *permits;
	struct reason reason;
	uint8_t *memory = calloc(1, EVICT_BYTES);

	snprintf(place, sizeof(place), "%s/grants.XXXXXX", dir);
	if (memory == NULL || mkdtemp(place) == NULL)
		die("no folder");
	options.data_dir = place;
	if (store_open(&options, &store, &reason) < 0)
		die(reason.text);
	store_all(store, count);
	permits = load(store, count);
	time_build(count);
	time_looks(permits, count, WARM_LOOKS, NULL);
	time_looks(permits, count, COLD_LOOKS, memory);
	permits_close(&permits);
	store_close(&store);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", place, files[i]);
		unlink(path);
	}
	rmdir(place);
	free(memory);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"dir", required_argument, NULL, 'd'},
		{"count", required_argument, NULL, 'c'}, {0}};
	const char *dir = NULL;
	uint32_t count = 100000;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'd')
			dir = optarg;
		else if (option == 'c')
			count = (uint32_t)strtoul(optarg, NULL, 10);
		else
			return 64;
	}
	if (dir == NULL || count == 0)
		die("usage: grants --dir DIR [--count COUNT]");
	run(dir, count);
	return 0;
}
