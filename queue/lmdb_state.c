#include "queue/lmdb_store.h"

#include <stdlib.h>

#define NAME_PREFIX      "name"
#define ROWS_PREFIX      "rows"
#define PREFIX_SIZE      4
#define NUMBER_KEY_BYTES (PREFIX_SIZE + 2)

/* Counts are an array of 64-bit numbers to the disk; one that is added goes to the end. */
#define TOTALS_WORDS (sizeof(struct lmdb_totals) / sizeof(uint64_t))

static MDB_val key_of(const char *text)
{
	return (MDB_val){strlen(text), (void *)text};
}

static void put_number_key(uint8_t *to, const char *prefix, uint16_t upstream)
{
	memcpy(to, prefix, PREFIX_SIZE);
	put_be16(to + PREFIX_SIZE, upstream);
}

int lmdb_state_create(MDB_txn *txn, MDB_dbi state)
{
	uint8_t version[4];
	MDB_val key = key_of("schema"), value = {sizeof(version), version};

	put_be32(version, LMDB_SCHEMA);
	return mdb_put(txn, state, &key, &value, MDB_NOOVERWRITE);
}

int lmdb_state_check(MDB_txn *txn, MDB_dbi state, struct reason *reason)
{
	MDB_val key = key_of("schema"), value;
	int rc = mdb_get(txn, state, &key, &value);

	if (rc != 0 || value.mv_size != 4)
		return reason_set(reason, "store damaged: it has no schema version");
	if (get_be32(value.mv_data) != LMDB_SCHEMA)
		return reason_set(reason,
			"the store has schema %u, and this version of Sluice reads schema %u; "
			"nothing was changed",
			get_be32(value.mv_data), LMDB_SCHEMA);
	return 0;
}

int lmdb_state_get_totals(MDB_txn *txn, MDB_dbi state, struct lmdb_totals *out)
{
	MDB_val key = key_of("totals"), value;
	uint64_t words[TOTALS_WORDS] = {0};
	size_t i;
	int rc;

	rc = mdb_get(txn, state, &key, &value);
	if (rc == 0)
		for (i = 0; i < TOTALS_WORDS && (i + 1) * 8 <= value.mv_size; i++)
			words[i] = get_be64((const uint8_t *)value.mv_data + i * 8);
	memcpy(out, words, sizeof(words));
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int put_totals(MDB_txn *txn, MDB_dbi state, const struct lmdb_totals *totals)
{
	uint8_t bytes[TOTALS_WORDS * 8];
	MDB_val key = key_of("totals"), value = {sizeof(bytes), bytes};
	uint64_t words[TOTALS_WORDS];
	size_t i;

	memcpy(words, totals, sizeof(words));
	for (i = 0; i < TOTALS_WORDS; i++)
		put_be64(bytes + i * 8, words[i]);
	return mdb_put(txn, state, &key, &value, 0);
}

int lmdb_state_get_rows(
	MDB_txn *txn, MDB_dbi state, uint16_t upstream, struct store_upstream_counts *out)
{
	uint8_t key_bytes[NUMBER_KEY_BYTES];
	MDB_val key = {sizeof(key_bytes), key_bytes}, value;
	int rc;

	*out = (struct store_upstream_counts){0};
	put_number_key(key_bytes, ROWS_PREFIX, upstream);
	rc = mdb_get(txn, state, &key, &value);
	if (rc == 0 && value.mv_size >= 16) {
		out->messages = get_be64(value.mv_data);
		out->bytes = get_be64((const uint8_t *)value.mv_data + 8);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int put_rows(
	MDB_txn *txn, MDB_dbi state, uint16_t upstream, const struct store_upstream_counts *counts)
{
	uint8_t key_bytes[NUMBER_KEY_BYTES], bytes[16];
	MDB_val key = {sizeof(key_bytes), key_bytes}, value = {sizeof(bytes), bytes};

	put_number_key(key_bytes, ROWS_PREFIX, upstream);
	put_be64(bytes, counts->messages);
	put_be64(bytes + 8, counts->bytes);
	return mdb_put(txn, state, &key, &value, 0);
}

/* ---- counting ---- */

static void count_upstream(
	struct store_batch *batch, uint16_t number, uint64_t messages, uint64_t bytes)
{
	struct lmdb_upstream *upstream = &batch->store->upstreams[number];

	if (!upstream->changed) {
		upstream->changed = true;
		batch->changed_upstreams[batch->changed_upstream_count++] = number;
	}
	upstream->counts.messages += messages;
	upstream->counts.bytes += bytes;
}

void lmdb_state_count(struct store_batch *batch, const struct envelope *envelope,
	const struct schedule_row *rows, size_t row_count, int sign)
{
	struct store_counts *counts = &batch->totals.counts;
	uint64_t one = sign < 0 ? UINT64_MAX : 1; /* adding it takes one away */
	uint64_t bytes = sign < 0 ? -envelope->size_bytes : envelope->size_bytes;
	const struct recipient *recipient;
	size_t i;

	counts->messages += one;
	counts->bytes += bytes;
	counts->messages_in[schedule_state(envelope)] += one;
	for (i = 0; i < envelope->recipient_count; i++) {
		recipient = &envelope->recipients[i];
		counts->recipients_in[recipient->state] += one;
		if (!recipient_is_final(recipient))
			counts->recipients += one;
	}
	for (i = 0; i < row_count; i++)
		count_upstream(batch, rows[i].upstream, one, bytes);
	batch->changed = true;
}

int lmdb_state_save(struct store_batch *batch)
{
	struct store *store = batch->store;
	MDB_dbi state = store->tables[TABLE_STATE];
	uint16_t number;
	size_t i;
	int rc;

	if (!batch->changed && !store->must_write)
		return 0;
	rc = put_totals(batch->txn, state, &batch->totals);
	for (i = 0; i < batch->changed_upstream_count && rc == 0; i++) {
		number = batch->changed_upstreams[i];
		rc = put_rows(batch->txn, state, number, &store->upstreams[number].counts);
	}
	return rc;
}

void lmdb_state_committed(struct store_batch *batch)
{
	struct lmdb_upstream *upstream;
	size_t i;

	batch->store->totals = batch->totals;
	for (i = 0; i < batch->changed_upstream_count; i++) {
		upstream = &batch->store->upstreams[batch->changed_upstreams[i]];
		upstream->committed = upstream->counts;
		upstream->changed = false;
	}
	batch->changed_upstream_count = 0;
}

void lmdb_state_aborted(struct store_batch *batch)
{
	struct lmdb_upstream *upstream;
	size_t i;

	for (i = 0; i < batch->changed_upstream_count; i++) {
		upstream = &batch->store->upstreams[batch->changed_upstreams[i]];
		upstream->counts = upstream->committed;
		upstream->changed = false;
	}
	batch->changed_upstream_count = 0;
}

/* ---- what is read at open ---- */

static int load_name(struct store *store, uint16_t number, const MDB_val *value)
{
	if (store->names[number] == NULL)
		store->names[number] = strndup(value->mv_data, value->mv_size);
	return store->names[number] == NULL ? ENOMEM : 0;
}

static int load_rows(struct store *store, uint16_t number, const MDB_val *value)
{
	struct lmdb_upstream *upstream = &store->upstreams[number];

	if (value->mv_size < 16)
		return MDB_CORRUPTED;
	upstream->counts.messages = get_be64(value->mv_data);
	upstream->counts.bytes = get_be64((const uint8_t *)value->mv_data + 8);
	upstream->committed = upstream->counts;
	return 0;
}

typedef int load_fn(struct store *store, uint16_t number, const MDB_val *value);

static int load_each(struct store *store, MDB_txn *txn, const char *prefix, load_fn *load)
{
	uint8_t first[NUMBER_KEY_BYTES];
	MDB_val key = {sizeof(first), first}, value;
	MDB_cursor *cursor;
	uint16_t number;
	int rc;

	rc = mdb_cursor_open(txn, store->tables[TABLE_STATE], &cursor);
	if (rc != 0)
		return rc;
	put_number_key(first, prefix, 0);
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (rc == 0 && key.mv_size == NUMBER_KEY_BYTES &&
		memcmp(key.mv_data, prefix, PREFIX_SIZE) == 0) {
		number = get_be16((const uint8_t *)key.mv_data + PREFIX_SIZE);
		rc = number < UPSTREAM_MAX ? load(store, number, &value) : MDB_CORRUPTED;
		if (rc == 0)
			rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int lmdb_state_load(struct store *store, struct reason *reason)
{
	MDB_txn *txn;
	int rc;

	rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return reason_set(reason, "%s: %s", store->data_dir, mdb_strerror(rc));
	memset(store->upstreams, 0, UPSTREAM_MAX * sizeof(*store->upstreams));
	rc = lmdb_state_get_totals(txn, store->tables[TABLE_STATE], &store->totals);
	if (rc == 0)
		rc = load_each(store, txn, NAME_PREFIX, load_name);
	if (rc == 0)
		rc = load_each(store, txn, ROWS_PREFIX, load_rows);
	store->used_pages = lmdb_used_pages(store, txn);
	mdb_txn_abort(txn);
	return rc == 0 ? 0
		       : reason_set(reason, "%s: reading counts and upstreams: %s", store->data_dir,
				 mdb_strerror(rc));
}

/* ---- upstreams ---- */

static int add_upstream(struct store *store, const char *name, uint16_t number)
{
	uint8_t key_bytes[NUMBER_KEY_BYTES];
	MDB_val key = {sizeof(key_bytes), key_bytes}, value = key_of(name);
	struct store_batch *batch;
	char *copy = strdup(name);
	int rc;

	if (copy == NULL)
		return -ENOMEM;
	put_number_key(key_bytes, NAME_PREFIX, number);
	rc = store_begin(store, &batch);
	if (rc == 0) {
		rc = lmdb_errno(mdb_put(
			batch->txn, store->tables[TABLE_STATE], &key, &value, MDB_NOOVERWRITE));
		if (rc == 0)
			rc = store_commit(&batch);
		else
			store_abort(&batch);
	}
	if (rc != 0) {
		free(copy);
		return rc;
	}
	pthread_rwlock_wrlock(&store->gate);
	store->names[number] = copy;
	pthread_rwlock_unlock(&store->gate);
	return 0;
}

int store_upstream_number(struct store *store, const char *name, uint16_t *number)
{
	unsigned free_number = 0, at;
	int rc;

	/* The writer's thread alone writes names, so it reads them without the gate. */
	for (at = UPSTREAM_FIRST; at < UPSTREAM_MAX; at++) {
		if (store->names[at] == NULL) {
			free_number = free_number == 0 ? at : free_number;
		} else if (strcmp(store->names[at], name) == 0) {
			*number = (uint16_t)at;
			return 0;
		}
	}
	if (free_number == 0)
		return -ENOSPC;
	rc = add_upstream(store, name, (uint16_t)free_number);
	if (rc == 0)
		*number = (uint16_t)free_number;
	return rc;
}

const char *store_upstream_name(const struct store *store, uint16_t number)
{
	pthread_rwlock_t *gate = (pthread_rwlock_t *)&store->gate; /* a name once given stays */
	const char *name;

	if (number >= UPSTREAM_MAX)
		return NULL;
	pthread_rwlock_rdlock(gate);
	name = store->names[number];
	pthread_rwlock_unlock(gate);
	return name;
}
