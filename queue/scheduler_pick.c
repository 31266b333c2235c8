#include "queue/scheduler_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Which unit is next.
 *
 *   1. A wake-up may mean new rows, so each feed goes a round over the store's buckets of its lane (one look a bucket, at
 *      most ROUND_STEP a turn) and takes into its turns those with something due. The round also says when the next row
 *      becomes due, so that nothing is read before then or before the next wake-up. The rows of a source that nobody
 *      asks (its hosts rest) are not looked at.
 *   2. The buckets in its turns are read BUCKET_ROWS at a time behind a cursor and give TURN_UNITS each in turn; who has
 *      nothing more goes out.
 *   3. A row may appear before the cursor (a commit that overtook another, an operator's retry, a job that came back
 *      unchanged): the cursor starts anew at once for what we know of, and every RESTART_MS for what we do not. What it
 *      then reads again is in hand, and as many as there are claims at most.
 *
 * Lanes: alert goes before normal and normal before bulk, but of eight turns of a source one begins with normal and one
 * with bulk, so that each lane gets its eighth however long the others are.
 */
#define TURN_UNITS 4
#define ROUND_STEP 256
#define RESTART_MS 50
#define RETRY_MS   1000 /* after the store could not be read */
/* A look costs a few microseconds; with many buckets or many upstreams a round is not repeated for each wake-up. */
#define VISITS_A_MS    16
#define UPSTREAMS_A_MS 4

static const enum lane first_lanes[8] = {LANE_ALERT, LANE_ALERT, LANE_ALERT, LANE_NORMAL,
	LANE_ALERT, LANE_ALERT, LANE_ALERT, LANE_BULK};

static int compare_buckets(const struct bucket *a, const struct bucket *b)
{
	return a->number < b->number ? -1 : a->number > b->number;
}

RB_GENERATE_INTERNAL(bucket_tree, bucket, entry, compare_buckets, static __attribute__((unused)))

void source_init(struct source *source, uint16_t number)
{
	*source = (struct source){.number = number};
	for (int lane = 0; lane < LANE_COUNT; lane++) {
		struct feed *feed = &source->feeds[lane];

		RB_INIT(&feed->buckets);
		TAILQ_INIT(&feed->turns);
		feed->round_at = -1;
		feed->round_due = feed->next_due = UINT64_MAX;
		feed->look = true;
	}
}

static void drop_bucket(struct feed *feed, struct bucket *bucket)
{
	RB_REMOVE(bucket_tree, &feed->buckets, bucket);
	TAILQ_REMOVE(&feed->turns, bucket, turn);
	feed->bucket_count--;
	free(bucket);
}

void source_fini(struct source *source)
{
	struct bucket *bucket, *next;

	for (int lane = 0; lane < LANE_COUNT; lane++) {
		struct feed *feed = &source->feeds[lane];

		for (bucket = TAILQ_FIRST(&feed->turns); bucket != NULL; bucket = next) {
			next = TAILQ_NEXT(bucket, turn);
			drop_bucket(feed, bucket);
		}
	}
}

static struct bucket *find_bucket(struct feed *feed, uint32_t number)
{
	struct bucket key = {.number = number};

	return RB_FIND(bucket_tree, &feed->buckets, &key);
}

void source_again(struct source *source, const struct unit *unit)
{
	struct feed *feed = &source->feeds[unit->lane];
	struct bucket *bucket = find_bucket(feed, unit->bucket);

	feed->look = true;
	if (bucket != NULL)
		bucket->again = true;
}

/* ---- the round over the buckets ---- */

/* False: no room or no memory; the round stays where it is. */
static bool admit(struct scheduler *scheduler, struct feed *feed, uint32_t number)
{
	struct bucket *bucket;

	if (find_bucket(feed, number) != NULL)
		return true;
	if (feed->bucket_count == BUCKETS_MAX)
		return false;
	bucket = malloc(sizeof(*bucket)); /* its rows need no zeros */
	if (bucket == NULL)
		return false;
	memset(bucket, 0, offsetof(struct bucket, rows));
	bucket->row_count = bucket->row_next = 0;
	bucket->number = number;
	bucket->restarted_mono_ms = scheduler->now_mono_ms;
	RB_INSERT(bucket_tree, &feed->buckets, bucket);
	TAILQ_INSERT_TAIL(&feed->turns, bucket, turn);
	feed->bucket_count++;
	return true;
}

static void end_round(struct scheduler *scheduler, struct feed *feed)
{
	feed->look = false;
	feed->next_due = feed->round_due;
	feed->look_after_mono_ms = scheduler->now_mono_ms + feed->round_visits / VISITS_A_MS +
				   (int64_t)scheduler->upstream_count / UPSTREAMS_A_MS;
	feed->round_at = -1;
	feed->round_visits = 0;
	feed->round_due = UINT64_MAX;
	if (feed->woken != scheduler->wakes) /* during the round, which may have been past it */
		scheduler_want(scheduler, feed->look_after_mono_ms);
}

/* It could not be read. */
static void rest_from_store(struct scheduler *scheduler, struct feed *feed)
{
	feed->look = true;
	feed->look_after_mono_ms = scheduler->now_mono_ms + RETRY_MS;
	scheduler_want(scheduler, feed->look_after_mono_ms);
}

static void go_round(struct scheduler *scheduler, struct source *source, enum lane lane,
	uint64_t horizon_unix_ms)
{
	struct feed *feed = &source->feeds[lane];
	uint32_t number;
	uint64_t due;

	for (unsigned step = 0; step < ROUND_STEP; step++) {
		int rc = store_view_bucket(
			scheduler->view, source->number, lane, feed->round_at, &number, &due);

		feed->round_visits++;
		if (rc == -ENOENT) {
			end_round(scheduler, feed);
			return;
		}
		if (rc < 0) {
			rest_from_store(scheduler, feed);
			return;
		}
		if (due > horizon_unix_ms)
			feed->round_due = due < feed->round_due ? due : feed->round_due;
		else if (!admit(scheduler, feed, number))
			return;
		feed->round_at = number;
	}
	scheduler_want(scheduler, scheduler->now_mono_ms);
}

static void look(struct scheduler *scheduler, struct source *source, enum lane lane,
	uint64_t horizon_unix_ms)
{
	struct feed *feed = &source->feeds[lane];

	if (feed->woken != scheduler->wakes || feed->next_due <= horizon_unix_ms)
		feed->look = true;
	if (!feed->look)
		return;
	if (feed->round_visits == 0)
		feed->woken = scheduler->wakes;
	if (scheduler->now_mono_ms < feed->look_after_mono_ms) {
		scheduler_want(scheduler, feed->look_after_mono_ms);
		return;
	}
	go_round(scheduler, source, lane, horizon_unix_ms);
}

/* ---- one bucket ---- */

static void start_anew(struct scheduler *scheduler, struct bucket *bucket)
{
	bucket->after = (struct store_due){0};
	bucket->row_count = bucket->row_next = 0;
	bucket->again = false;
	bucket->restarted_mono_ms = scheduler->now_mono_ms;
}

/* Reads on. False: nothing more is due here. */
static bool read_on(struct scheduler *scheduler, struct source *source, enum lane lane,
	struct bucket *bucket, uint64_t horizon_unix_ms)
{
	struct feed *feed = &source->feeds[lane];
	uint64_t next_due = UINT64_MAX;
	ssize_t count;

	count = store_view_due(scheduler->view, source->number, lane, bucket->number, bucket->after,
		horizon_unix_ms, bucket->rows, BUCKET_ROWS, &next_due);
	bucket->row_next = 0;
	bucket->row_count = count > 0 ? (unsigned)count : 0;
	if (count < 0)
		rest_from_store(scheduler, feed);
	if (count <= 0) {
		feed->next_due = next_due < feed->next_due ? next_due : feed->next_due;
		return false;
	}
	bucket->after = bucket->rows[count - 1];
	return true;
}

static bool take_row(struct scheduler *scheduler, struct source *source, enum lane lane,
	struct bucket *bucket, uint64_t horizon_unix_ms, struct unit *out)
{
	if (bucket->again || scheduler->now_mono_ms - bucket->restarted_mono_ms >= RESTART_MS)
		start_anew(scheduler, bucket);
	for (;;) {
		while (bucket->row_next < bucket->row_count) {
			const struct store_due *row = &bucket->rows[bucket->row_next++];

			if (claims_block(scheduler, row->id, source->number))
				continue;
			*out = (struct unit){
				row->id, row->due_unix_ms, source->number, lane, bucket->number};
			return true;
		}
		if (!read_on(scheduler, source, lane, bucket, horizon_unix_ms))
			return false;
	}
}

static bool feed_next(struct scheduler *scheduler, struct source *source, enum lane lane,
	uint64_t horizon_unix_ms, struct unit *out)
{
	struct feed *feed = &source->feeds[lane];
	struct bucket *bucket, *next;

	look(scheduler, source, lane, horizon_unix_ms);
	for (bucket = TAILQ_FIRST(&feed->turns); bucket != NULL; bucket = next) {
		next = TAILQ_NEXT(bucket, turn);
		if (!take_row(scheduler, source, lane, bucket, horizon_unix_ms, out)) {
			drop_bucket(feed, bucket);
			continue;
		}
		if (++bucket->given >= TURN_UNITS) {
			bucket->given = 0;
			TAILQ_REMOVE(&feed->turns, bucket, turn);
			TAILQ_INSERT_TAIL(&feed->turns, bucket, turn);
		}
		return true;
	}
	if (feed->look) /* the round had more than there was room for */
		scheduler_want(scheduler, feed->look_after_mono_ms);
	return false;
}

bool source_next(struct scheduler *scheduler, struct source *source, uint64_t horizon_unix_ms,
	struct unit *out)
{
	enum lane first = first_lanes[source->turn % 8];
	bool found = feed_next(scheduler, source, first, horizon_unix_ms, out);

	for (int lane = LANE_ALERT; !found && lane < LANE_COUNT; lane++)
		if (lane != (int)first)
			found = feed_next(scheduler, source, (enum lane)lane, horizon_unix_ms, out);
	if (found)
		source->turn++;
	return found;
}

bool source_is_due(const struct source *source, uint64_t horizon_unix_ms)
{
	for (int lane = 0; lane < LANE_COUNT; lane++)
		if (source->feeds[lane].next_due <= horizon_unix_ms)
			return true;
	return false;
}

void source_want(struct scheduler *scheduler, const struct source *source)
{
	uint64_t due = UINT64_MAX;

	for (int lane = 0; lane < LANE_COUNT; lane++)
		if (source->feeds[lane].next_due < due)
			due = source->feeds[lane].next_due;
	if (due == UINT64_MAX)
		return;
	if (due <= scheduler->now_unix_ms)
		return; /* it is asked again when somebody has room */
	scheduler_want(scheduler,
		scheduler->now_mono_ms + (int64_t)(due - scheduler->now_unix_ms < INT32_MAX
							   ? due - scheduler->now_unix_ms
							   : INT32_MAX));
}
