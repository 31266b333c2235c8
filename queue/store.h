/*
 * store.h: what survives a power cut: messages, their texts, and the index by which they are worked off.
 *
 * The verbs are a queue's. LMDB is the embedded backend (lmdb_*.c); no type of it shows here, so that another backend
 * can stand behind the same header.
 *
 * These are kept:
 *   envelopes  id → record (envelope.h)
 *   texts      body id, sequence → chunk
 *   schedule   (upstream, lane, bucket, due, id): one row for each upstream that a message's recipients wait for.
 *   ledger     client → record (ledger.h)
 *   registry   kind, name → record; and the journal of its changes (registry.h)
 *   usage      grant, account or address → record (usage.h)
 * The schedule and the counts follow from the envelopes alone: every change of an envelope goes through store_add,
 * store_change or store_remove, and they derive the rows' and counts' changes (schedule.h) in the same transaction.
 *
 * Upstream numbers: UPSTREAM_SCAN, UPSTREAM_HOLD, UPSTREAM_PARTIAL and those of UPSTREAM_KINDS are ours; configured upstreams get numbers from UPSTREAM_FIRST on,
 * kept by name in the store's directory, so that a queue outlives changes of the configuration.
 *
 * Threads: one writer thread makes batches (store_begin … store_commit), any thread has views. A view's read
 * transaction lasts for one call; nothing it returns points into the store.
 * Errors: negative errno. -ENOENT: no such row. -EEXIST: it is there. -EBADMSG: damaged. -EINVAL: a bug of the caller's.
 * -EBUSY, -EROFS: no batch now. -ENOSPC, -ENOMEM: known to be not stored. store_commit -EIO: *unknown*: stored or not, and
 * no batch begins until store_reopen; see writer.h for what is done then. From a view -EIO: closed by a reopen that failed.
 * New mail (store_append, store_add) gets -ENOSPC while some pages are still free, so that changes and deletes go on; and
 * when data_dir was taken away under the store.
 * Limits: keys and chunk sizes are the backend's affair; a chunk given to store_append is at most STORE_PIECE_BYTES.
 */
#ifndef SLUICE_QUEUE_STORE_H
#define SLUICE_QUEUE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/reason.h"
#include "queue/envelope.h"
#include "queue/ledger.h"
#include "queue/registry.h"
#include "queue/usage.h"

#define UPSTREAM_SCAN    1
#define UPSTREAM_HOLD    2
#define UPSTREAM_PARTIAL 3
#define UPSTREAM_KINDS   3 /* and the kind of a hold that is not ordinary: 4 to 7 */
#define UPSTREAM_FIRST   16
#define UPSTREAM_MAX     4096

#define STORE_PIECE_BYTES 65520 /* 64 KiB less LMDB's 16 bytes of page header */

struct store;
struct store_batch;
struct store_view;

struct store_options {
	const char *data_dir; /* made (0700) when missing */
	uint64_t max_bytes; /* the map size */
	bool read_only; /* for tools: no lock on data_dir, nothing is changed */
};

/* -1 with a reason: locked by another (its pid is named), a newer schema, damaged, no room, no permission. */
int store_open(const struct store_options *options, struct store **out, struct reason *reason);
void store_close(struct store **store);
/*
 * -1 with a reason when another Sluice has the store: a start asks before it takes anything else, so that its first words
 * are the cause and not a port in use. Only store_open decides.
 */
int store_check_free(const char *data_dir, struct reason *reason);

/* The number of a configured upstream, given and kept (one small durable commit when it is new). Start and reload only. */
int store_upstream_number(struct store *store, const char *name, uint16_t *number);
/* Its name, or NULL; lives as long as the store. */
const char *store_upstream_name(const struct store *store, uint16_t number);

/* The greatest id in use, of envelopes and texts, or 0. */
uint64_t store_last_id(struct store *store);

/* ---- the writer's thread ---- */

int store_begin(struct store *store, struct store_batch **out);
/* A text's next piece. Pieces of one text have the sequence 0, 1, 2 …; all but the last are STORE_PIECE_BYTES long. */
int store_append(struct store_batch *batch, uint64_t body_id, uint32_t sequence, const void *piece,
	size_t size);
/* A new message: -EEXIST when the id is taken. */
int store_add(struct store_batch *batch, const struct envelope *envelope);
int store_get(struct store_batch *batch, uint64_t id, struct envelope **out);
/* Replaces the record; `before` is what store_get gave of it (its rows go). The body id stays. */
int store_change(
	struct store_batch *batch, const struct envelope *before, const struct envelope *after);
/* The record, its rows, and its text when no other record shares it (envelope.body_id). */
int store_remove(struct store_batch *batch, const struct envelope *envelope);
/* A text without an envelope (else -EEXIST): at most `max_pieces` of it a call. Returns how many were deleted. */
ssize_t store_drop_text(struct store_batch *batch, uint64_t body_id, uint32_t max_pieces);
/*
 * Texts without an envelope, for the sweep at start: up to `max` body ids greater than `after`. A call looks at a bounded
 * number of texts and may find none; *seen_to is the next call's `after`, UINT64_MAX when all were looked at.
 */
ssize_t store_orphans(struct store_batch *batch, uint64_t after, uint64_t *body_ids, size_t max,
	uint64_t *seen_to);

/*
 * Merges what happened into the client's record (ledger.h), and takes away a few of those seen longest ago when there are
 * more than LEDGER_CLIENTS_MAX. -ENOSPC as for new mail. Returns the record's size. A damaged record begins anew.
 */
ssize_t store_merge_client(struct store_batch *batch, const struct ledger_client *change);

/* -ENOENT, -EBADMSG: there is none. Else the batch is spoiled. */
int store_get_usage(
	struct store_batch *batch, enum usage_kind kind, const char *name, struct usage **out);
/* One that is new beyond USAGE_MAX has another taken away. It may use what is kept free of new mail. */
int store_put_usage(struct store_batch *batch, const struct usage *usage);

/*
 * All changes of the list or none, with their lines in the journal; *number is the last line's. -ESTALE, -EEXIST, -ENOENT,
 * -EINVAL (registry.h), -ENOSPC: nothing was done, and *refused is the change that was in the way, where it was one.
 */
int store_register(struct store_batch *batch, const struct registry_change *changes,
	uint64_t *number, const struct registry_change **refused);

/*
 * 0, or the error that spoiled the batch: one that is not the request's own (the map full in the middle, memory, the
 * disk). Nothing can then be undone alone: abort it and do its requests again, in smaller batches.
 */
int store_spoiled(const struct store_batch *batch);

/* Makes it durable. After 0 the batch is gone; after an error too, and nothing or (-EIO) perhaps all of it is stored. */
int store_commit(struct store_batch **batch);
void store_abort(struct store_batch **batch);
/*
 * After a failed commit: closes and opens the environment again. Views of other threads stay valid. The next commit writes to
 * the disk even when its batch changes nothing, so that it proves the disk.
 */
int store_reopen(struct store *store, struct reason *reason);

/*
 * How full the map and the disk are, 0 to 1000 each; cheap enough for every group. As of the last begin or commit. Pages
 * that a long reader (a backup) keeps from being used again count as used; how many, says pinned_bytes. What the data file
 * has of the disk and does not use now counts as free: the file never shrinks, it is written again. A store that was deleted
 * or cannot be reached in its place any more is gone: it takes no new mail, while what it holds can still be worked off.
 */
struct store_fill {
	unsigned map_permille;
	unsigned disk_permille;
	uint64_t used_bytes, pinned_bytes, max_bytes, disk_free_bytes;
	bool is_gone;
};
int store_fill(struct store *store, struct store_fill *out);

/* ---- views: one a thread ---- */

int store_view_open(struct store *store, struct store_view **out);
void store_view_close(struct store_view **view);

int store_view_get(struct store_view *view, uint64_t id, struct envelope **out);
/* Copies a piece of a text to `to` (STORE_PIECE_BYTES long). Returns its size or -errno. */
ssize_t store_view_piece(struct store_view *view, uint64_t body_id, uint32_t sequence, void *to);
/* Up to `max` messages with ids greater than `after`, in order; damaged ones are passed over. Returns how many. */
ssize_t store_view_list(struct store_view *view, uint64_t after, struct envelope **out, size_t max);

/* The client of this address. */
int store_view_client(struct store_view *view, const char *address, struct ledger_client **out);
/* Up to `max` clients whose addresses sort behind `after` ("": from the first), in order; damaged ones are passed over. */
ssize_t store_view_clients(
	struct store_view *view, const char *after, struct ledger_client **out, size_t max);

/* 0 or -ENOENT; the item is the caller's. */
int store_view_registered(struct store_view *view, enum registry_kind kind, const char *name,
	struct registry_item *out);
/* Up to `max` of a kind whose names sort behind `after` ("": from the first), in order; items as above. Returns how many. */
ssize_t store_view_registry(struct store_view *view, enum registry_kind kind, const char *after,
	struct registry_item *out, size_t max);
/*
 * Up to `max` lines of the journal with numbers below `before` (UINT64_MAX: from the newest), newest first: of this kind
 * (0: of all) and name (NULL: all). Damaged ones are passed over. Returns how many.
 */
ssize_t store_view_journal(struct store_view *view, enum registry_kind kind, const char *name,
	uint64_t before, struct registry_entry *out, size_t max);
/* The journal's last number; 0: it is empty. */
int store_view_journal_end(struct store_view *view, uint64_t *number);
/* 0 or -ENOENT, -EBADMSG. What the writer has not stored yet is not in it: it is as of the last commit. */
int store_view_usage(
	struct store_view *view, enum usage_kind kind, const char *name, struct usage **out);
/* Up to `max` of a kind whose names sort behind `after` ("": from the first), in order; damaged ones are passed over. */
ssize_t store_view_usages(struct store_view *view, enum usage_kind kind, const char *after,
	struct usage **out, size_t max);

struct store_due {
	uint64_t due_unix_ms;
	uint64_t id;
};

/*
 * Rows of one (upstream, lane, bucket) after the row `after` (all zero: from the first), due at `now` or before. Returns
 * how many were put in `out`; *next_due is the due time of the row behind the last (UINT64_MAX: none).
 */
ssize_t store_view_due(struct store_view *view, uint16_t upstream, enum lane lane, uint32_t bucket,
	struct store_due after, uint64_t now_unix_ms, struct store_due *out, size_t max,
	uint64_t *next_due);
/* The first bucket greater than `after` (-1: the first of all) that has rows. Returns 0 or -ENOENT; *first_due is its earliest. */
int store_view_bucket(struct store_view *view, uint16_t upstream, enum lane lane, int64_t after,
	uint32_t *bucket, uint64_t *first_due);

struct store_upstream_counts {
	uint64_t messages; /* rows in the schedule */
	uint64_t bytes;
};

struct store_counts {
	uint64_t messages, bytes;
	uint64_t recipients; /* not final ones */
	uint64_t recipients_in[RECIPIENT_STATE_COUNT];
	uint64_t messages_in
		[RECIPIENT_STATE_COUNT]; /* under the first that applies: scanning, waiting, deferred, held, quarantined */
};
int store_view_counts(struct store_view *view, struct store_counts *out);
int store_view_upstream_counts(
	struct store_view *view, uint16_t upstream, struct store_upstream_counts *out);
/* When the oldest message was received, or 0. */
uint64_t store_view_oldest(struct store_view *view);

#endif
