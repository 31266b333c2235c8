/*
 * lmdb_store.h: the LMDB store inside; for lmdb_*.c alone.
 *
 * Tables, keys packed big-endian so that they sort as numbers:
 *
 *	envelopes  id (8)                                                  → record (envelope_record.c)
 *	texts      body id (8) · sequence (4) · part (2)                   → bytes; lmdb_text.c tells how a piece is cut
 *	schedule   upstream (2) · lane (1) · bucket (4) · due (8) · id (8) → nothing
 *	shared     body id (8) · id (8)                                    → nothing; messages whose text is another's
 *	ledger     'c' · address                                           → record (ledger_record.c)
 *	           's' · last seen (8) · address                           → nothing; who was seen longest ago
 *	registry   kind (1) · name                                         → revision (4) · record
 *	journal    number (8)                                              → record (registry.c); numbers have no gaps
 *	usage      kind (1) · name                                         → record (usage_record.c)
 *	state      "schema" → version (4); "totals" → counts; "name" · upstream (2) → its name;
 *	           "rows" · upstream (2) → messages (8) · bytes (8)
 *
 * Files in data_dir: `lock` (ours: who has the store), data.mdb and lock.mdb (LMDB's; the latter is its table of
 * readers, kept so that mdb_copy can take a backup of a running store), and `new` while a store is made.
 *
 * Threads: the environment is used by the writer and by views. It is swapped (store_reopen) only while no view is in a
 * call: a call holds `gate` shared, the swap holds it alone. That is the one lock of the store; it is taken once a call
 * and contended only by a swap, by a view's open and close, and by a new upstream's name.
 *
 * A file that is truncated under a running store kills the process (SIGBUS); at open the size is checked.
 */
#ifndef SLUICE_QUEUE_LMDB_STORE_H
#define SLUICE_QUEUE_LMDB_STORE_H

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "core/bytes.h"
#include "queue/schedule.h"
#include "queue/store.h"

#define LMDB_SCHEMA        1u
#define LMDB_PAGE_BYTES    4096u
#define LMDB_READERS_MAX   254u
#define LMDB_MAP_MIN       (1u << 20)
#define LMDB_GROWTH_BYTES  (1u << 20) /* the file is made longer in these steps */
#define LMDB_RESERVE_BYTES (1u << 20) /* behind its last page; new mail leaves it alone */

enum lmdb_table {
	TABLE_ENVELOPES,
	TABLE_TEXTS,
	TABLE_SCHEDULE,
	TABLE_SHARED,
	TABLE_STATE,
	/* a store made before there were these gets them when it is opened */
	TABLE_LEDGER,
	TABLE_REGISTRY,
	TABLE_JOURNAL,
	TABLE_USAGE,
	TABLE_COUNT,
};

/* What is written once a commit beside the messages themselves. */
struct lmdb_totals {
	uint64_t last_id; /* the greatest ever added, so that an emptied store repeats none */
	struct store_counts counts;
};

struct lmdb_upstream {
	struct store_upstream_counts counts, committed;
	bool changed; /* in this batch */
};

/* How far the search for usages to give up has come. */
struct lmdb_usage_round {
	uint8_t at[1 + USAGE_NAME_SIZE];
	size_t size; /* of the key; 0: it begins */
};

/* Pages freed that a reader still looks at. */
struct lmdb_pinned {
	uint64_t oldest; /* what the reader that is most behind looks at; 0: none is */
	uint64_t seen_to;
	size_t pages;
};

struct store_batch {
	struct store *store;
	MDB_txn *txn; /* NULL: no batch */
	int failed; /* the first error that spoiled it */
	size_t free_pages; /* when it began */
	size_t taken_pages; /* by what was put since, about */
	size_t added_pages; /* of these, by what is new */
	size_t verbs; /* that wrote */
	size_t freed_bytes; /* of texts removed */
	bool changed;
	struct lmdb_totals totals;
	uint16_t changed_upstreams[UPSTREAM_MAX];
	size_t changed_upstream_count;
};

struct store {
	char *data_dir;
	int lock_fd; /* -1: read only */
	dev_t file_dev; /* which data.mdb was opened first; no other is taken for it later */
	ino_t file_ino; /* 0: none yet */
	bool read_only;
	uint64_t max_bytes;

	pthread_rwlock_t gate;
	MDB_env *env; /* NULL after a reopen that failed */
	MDB_dbi tables[TABLE_COUNT];
	bool has[TABLE_COUNT]; /* false, from TABLE_LEDGER on: an older store, read only or too full to get the table */
	LIST_HEAD(, store_view) views;
	char *names[UPSTREAM_MAX]; /* under the gate */

	/* the writer's */
	size_t map_pages, used_pages, page_bytes;
	uint64_t allocated_bytes; /* of the file, since it was opened: so far it has its blocks */
	struct lmdb_pinned pinned;
	struct lmdb_usage_round usage_round;
	bool must_reopen; /* a commit failed */
	bool must_write; /* reopened since: the next commit proves the disk */
	unsigned begun; /* batches */
	struct lmdb_totals totals; /* as committed */
	struct lmdb_upstream *upstreams; /* UPSTREAM_MAX of them */
	struct store_batch batch;
	struct bytes record; /* kept from call to call */
	struct schedule_row *rows; /* room for two envelopes' */
	size_t row_room;
};

struct store_view {
	LIST_ENTRY(store_view) entry;
	struct store *store;
	MDB_txn *txn; /* reset between calls; NULL: begun by the next */
};

/* -errno of store.h for what LMDB returned. */
int lmdb_errno(int rc);

/* ---- lmdb_env.c: the environment ---- */

/*
 * Opens what is in data_dir; checks size and schema. The first time it is made when it is missing; later only the same file
 * is opened again. Leaves store->env NULL on failure.
 */
int lmdb_env_open(struct store *store, struct reason *reason);
void lmdb_env_close(struct store *store);
/* Whether data.mdb is still where it was opened: a deleted one can be read and written as before, and is lost. */
bool lmdb_env_in_place(const struct store *store);
/* Pages that the tables take in this transaction's sight, and those that long readers pin. */
size_t lmdb_used_pages(const struct store *store, MDB_txn *txn);
/*
 * Makes the file long enough for all that a commit may write, and gives it the blocks of what it adds and of the reserve, see
 * lmdb_env.c. 0 or -errno; without the reserve -ENOSPC when something is added.
 */
int lmdb_env_grow(struct store *store, size_t pages, size_t added_pages);

/* ---- lmdb_batch.c: begin and end ---- */

/* Notes LMDB's first error in the batch. Returns it as -errno, or 0. */
int lmdb_spoil(struct store_batch *batch, int rc);
/* Whether new mail may take this many bytes; counts them when it may. */
bool lmdb_take_pages(struct store_batch *batch, size_t bytes);

/* ---- lmdb_readers.c: long readers ---- */

/* Brings store->pinned up to date. Outside a batch. */
void lmdb_count_pinned(struct store *store);

/* ---- lmdb_state.c: schema, counts, upstreams ---- */

int lmdb_state_create(MDB_txn *txn, MDB_dbi state);
int lmdb_state_check(MDB_txn *txn, MDB_dbi state, struct reason *reason);
int lmdb_state_load(struct store *store, struct reason *reason);
int lmdb_state_get_totals(MDB_txn *txn, MDB_dbi state, struct lmdb_totals *out);
/* Of an upstream without rows: zeros. */
int lmdb_state_get_rows(
	MDB_txn *txn, MDB_dbi state, uint16_t upstream, struct store_upstream_counts *out);
/* Counts an envelope in (+1) or out (-1) of the batch. */
void lmdb_state_count(struct store_batch *batch, const struct envelope *envelope,
	const struct schedule_row *rows, size_t row_count, int sign);
int lmdb_state_save(struct store_batch *batch);
void lmdb_state_committed(struct store_batch *batch);
void lmdb_state_aborted(struct store_batch *batch);

/* ---- lmdb_ledger.c: clients ---- */

/* 0 or -errno, for views. */
int lmdb_ledger_get(MDB_txn *txn, MDB_dbi ledger, const char *address, struct ledger_client **out);
int lmdb_ledger_list(MDB_txn *txn, MDB_dbi ledger, const char *after, struct ledger_client **out,
	size_t max, size_t *count);

/* ---- lmdb_registry.c: records of operators, and the journal ---- */

/* 0 or -errno, for views. */
int lmdb_registry_get(MDB_txn *txn, MDB_dbi registry, enum registry_kind kind, const char *name,
	struct registry_item *out);
int lmdb_registry_list(MDB_txn *txn, MDB_dbi registry, enum registry_kind kind, const char *after,
	struct registry_item *out, size_t max, size_t *count);

struct lmdb_journal_query {
	enum registry_kind kind; /* 0: all */
	const char *name; /* NULL: all */
	uint64_t before; /* this number */
};
int lmdb_registry_journal(MDB_txn *txn, MDB_dbi journal, const struct lmdb_journal_query *query,
	struct registry_entry *out, size_t max, size_t *count);
int lmdb_registry_last_number(MDB_txn *txn, MDB_dbi journal, uint64_t *number);
/* ---- lmdb_usage.c: who hands over how much ---- */

/* 0 or -errno, for views. */
int lmdb_usage_get(
	MDB_txn *txn, MDB_dbi usages, enum usage_kind kind, const char *name, struct usage **out);
int lmdb_usage_list(MDB_txn *txn, MDB_dbi usages, enum usage_kind kind, const char *after,
	struct usage **out, size_t max, size_t *count);

/* ---- lmdb_text.c: pieces of text ---- */

int lmdb_text_put(MDB_txn *txn, MDB_dbi texts, uint64_t body_id, uint32_t sequence,
	const uint8_t *piece, size_t size);
ssize_t lmdb_text_get(
	MDB_txn *txn, MDB_dbi texts, uint64_t body_id, uint32_t sequence, uint8_t *to);
/* Deletes in key order, at most `max_pieces`. Returns how many; *bytes is added to. */
ssize_t lmdb_text_del(
	MDB_txn *txn, MDB_dbi texts, uint64_t body_id, uint32_t max_pieces, size_t *bytes);

/* ---- keys ---- */

#define KEY_ID_BYTES       8
#define KEY_TEXT_BYTES     14
#define KEY_SHARED_BYTES   16
#define KEY_SCHEDULE_BYTES 23

static inline void put_be16(uint8_t *to, uint16_t value)
{
	value = htobe16(value);
	memcpy(to, &value, sizeof(value));
}

static inline void put_be32(uint8_t *to, uint32_t value)
{
	value = htobe32(value);
	memcpy(to, &value, sizeof(value));
}

static inline void put_be64(uint8_t *to, uint64_t value)
{
	value = htobe64(value);
	memcpy(to, &value, sizeof(value));
}

static inline uint16_t get_be16(const uint8_t *from)
{
	uint16_t value;

	memcpy(&value, from, sizeof(value));
	return be16toh(value);
}

static inline uint32_t get_be32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return be32toh(value);
}

static inline uint64_t get_be64(const uint8_t *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return be64toh(value);
}

/* The place in the schedule where (upstream, lane, bucket) has its row (due, id). */
static inline void put_schedule_key(uint8_t *to, const struct schedule_row *row)
{
	put_be16(to, row->upstream);
	to[2] = (uint8_t)row->lane;
	put_be32(to + 3, row->bucket);
	put_be64(to + 7, row->due_unix_ms);
	put_be64(to + 15, row->id);
}

#endif
