/*
 * top_frame.h: one frame of `sluice top`: a pure function of the relay's answers, the time, and the screen.
 *
 * Threads: one. Errors: without memory the frame stays incomplete.
 */
#ifndef SLUICE_ADMIN_TOP_FRAME_H
#define SLUICE_ADMIN_TOP_FRAME_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

#define TOP_HISTORY 120

/* How fast it went between the frames before, newest last; for the small curves. */
struct top_history {
	double received[TOP_HISTORY], delivered[TOP_HISTORY];
	size_t count;
};

void top_history_add(struct top_history *history, double received, double delivered);

struct top_frame {
	const json_t *status, *queue; /* NULL: no answer, `trouble` says why */
	const char *trouble;
	const struct top_history *history;
	uint64_t now_unix_ms;
	size_t columns, rows;
	bool utf8, colours, live;
};

void top_frame_draw(const struct top_frame *frame, struct bytes *out);

#endif
