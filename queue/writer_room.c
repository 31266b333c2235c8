#include <inttypes.h>

#include "core/log.h"
#include "core/metrics.h"
#include "queue/writer_parts.h"

/*
 * The marks. A disk counts as full when little is free and that little is also a small part of it, so that a small disk of
 * its own can be used up to the same share, and a large one to within a few groups.
 */
#define MARK_MAP_PERMILLE  900 /* new mail is refused from here on … */
#define ROOM_MAP_PERMILLE  880 /* … and taken again below here */
#define MARK_DISK_PERMILLE 900
#define ROOM_DISK_PERMILLE 880
#define MARK_DISK_BYTES    (64ULL << 20)
#define ROOM_DISK_BYTES    (96ULL << 20)

/* The reserve for outcomes and deletes alone: nothing of ours is added any more. */
#define RESERVE_MAP_PERMILLE  970
#define RESERVE_DISK_PERMILLE 970
#define RESERVE_DISK_BYTES    (16ULL << 20)

/* What never came whole is a courtesy: it must not take the room of what did. */
#define PARTIALS_MAX        1000
#define PARTIALS_PART       20 /* of the map: 5 % */
#define PARTIALS_OF_ONE_MAX 100 /* of one client address */

#define LOOK_EVERY_MS 100 /* store_fill asks the kernel */
#define REFUSE_FOR_MS 1000 /* after a write that found no room */

static bool is_over(const struct store_fill *fill, unsigned map_permille, unsigned disk_permille,
	uint64_t disk_bytes)
{
	return fill->map_permille >= map_permille ||
	       (fill->disk_permille >= disk_permille && fill->disk_free_bytes < disk_bytes);
}

static void measure(struct writer *writer)
{
	struct writer_room *room = &writer->room;
	int64_t now = clock_mono_ms(writer->clock);

	if (room->looked && now - room->looked_mono_ms < LOOK_EVERY_MS)
		return;
	/* a store that is not open or cannot be asked keeps its last figures */
	if (writer->heal.state != WRITER_WORKING || store_fill(writer->store, &room->fill) < 0)
		return;
	room->looked = true;
	room->looked_mono_ms = now;
	if (room->over_mark)
		room->over_mark = is_over(
			&room->fill, ROOM_MAP_PERMILLE, ROOM_DISK_PERMILLE, ROOM_DISK_BYTES);
	else
		room->over_mark = is_over(
			&room->fill, MARK_MAP_PERMILLE, MARK_DISK_PERMILLE, MARK_DISK_BYTES);
	room->over_reserve = is_over(
		&room->fill, RESERVE_MAP_PERMILLE, RESERVE_DISK_PERMILLE, RESERVE_DISK_BYTES);
}

static const char *cause(const struct writer *writer)
{
	if (writer->heal.given_up)
		return "broken";
	if (writer->room.fill.is_gone)
		return "gone";
	return writer->room.over_mark ? "watermark" : "write_failed";
}

static void publish(struct writer *writer, bool shut)
{
	struct writer_room *room = &writer->room;

	if (shut == room->shut)
		return;
	room->shut = shut;
	atomic_store_explicit(&writer->full, shut, memory_order_relaxed);
	metric_set(METRIC_STORE_FULL, shut ? 1 : 0);
	if (shut)
		log_event(LOG_ERROR, "store_full",
			"cause=%s map_permille=%u disk_permille=%u disk_free_bytes=%" PRIu64,
			cause(writer), room->fill.map_permille, room->fill.disk_permille,
			room->fill.disk_free_bytes);
	else
		log_event(LOG_NOTICE, "store_room_again",
			"map_permille=%u disk_permille=%u disk_free_bytes=%" PRIu64,
			room->fill.map_permille, room->fill.disk_permille,
			room->fill.disk_free_bytes);
	writer_nudge(writer);
}

void writer_room_look(struct writer *writer)
{
	struct writer_room *room = &writer->room;

	measure(writer);
	publish(writer, room->over_mark || room->fill.is_gone || writer->heal.given_up ||
				clock_mono_ms(writer->clock) < room->refuse_until_mono_ms);
}

void writer_room_none(struct writer *writer)
{
	writer->room.refuse_until_mono_ms = clock_mono_ms(writer->clock) + REFUSE_FOR_MS;
	writer->room.looked = false;
	writer_room_look(writer);
}

/* Of one client; a bounded look at its rows, and only such messages ask for it. Those of this batch may all be its own. */
static bool has_too_many(struct writer *writer, const struct envelope *envelope)
{
	struct store_due rows[PARTIALS_OF_ONE_MAX];
	uint64_t next;
	ssize_t count =
		store_view_due(writer->view, UPSTREAM_PARTIAL, envelope->lane, envelope->bucket,
			(struct store_due){0}, UINT64_MAX, rows, PARTIALS_OF_ONE_MAX, &next);

	return count < 0 || (uint64_t)count + writer->room.partials >= PARTIALS_OF_ONE_MAX;
}

bool writer_room_partial(struct writer *writer, const struct envelope *envelope)
{
	struct writer_room *room = &writer->room;
	struct store_upstream_counts counts;

	if (room->shut || store_view_upstream_counts(writer->view, UPSTREAM_PARTIAL, &counts) < 0 ||
		counts.messages + room->partials >= PARTIALS_MAX ||
		counts.bytes + room->partial_bytes + envelope->size_bytes >
			room->fill.max_bytes / PARTIALS_PART ||
		has_too_many(writer, envelope))
		return false;
	room->partials++;
	room->partial_bytes += envelope->size_bytes;
	return true;
}
