#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin/command.h"
#include "admin/screen.h"
#include "admin/top_frame.h"
#include "core/clock.h"

#define REFRESH_MS 1000

/* What the last frame showed, for the curves. */
struct top {
	struct top_history history;
	uint64_t received, delivered;
	int64_t mono_ms; /* 0: none yet */
};

static json_t *ask(
	struct invocation *invocation, const char *path, struct reason *reason, int *code)
{
	struct client_reply reply = {0};
	json_t *answer = NULL;

	*code = client_call(invocation->relay, "GET", path, &reply, reason);
	if (*code == 0) {
		answer = json_loadb((const char *)reply.body.data, reply.body.size,
			JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		if (reply.status != 200 || answer == NULL) {
			reason_set(reason, "the relay answered with status %ld: %.300s",
				reply.status, member_text(answer, "error"));
			*code = reply.status == 403 ? EX_NOPERM : EX_SOFTWARE;
			json_decref(answer);
			answer = NULL;
		}
	}
	bytes_fini(&reply.body);
	return answer;
}

static void note_rates(struct top *top, const json_t *status)
{
	const json_t *totals = json_object_get(status, "totals");
	uint64_t received = member_number(totals, "received");
	uint64_t delivered = member_number(totals, "delivered");
	int64_t now_ms = clock_mono_ms(&clock_system);

	/* counters that went back are another process's: the relay was restarted */
	if (top->mono_ms != 0 && now_ms > top->mono_ms && received >= top->received &&
		delivered >= top->delivered) {
		double seconds = (double)(now_ms - top->mono_ms) / 1000;

		top_history_add(&top->history, (double)(received - top->received) / seconds,
			(double)(delivered - top->delivered) / seconds);
	}
	top->received = received;
	top->delivered = delivered;
	top->mono_ms = now_ms;
}

/* Returns the exit code that the relay's answers mean. */
static int draw(struct invocation *invocation, struct top *top, bool live, struct bytes *out)
{
	struct screen_size size = screen_size();
	struct reason reason = {{0}};
	int code;
	json_t *queue = NULL;
	json_t *status = ask(invocation, "/v1/status", &reason, &code);
	struct top_frame frame = {
		.history = &top->history,
		.now_unix_ms = command_now_ms(),
		.columns = live ? size.columns : 120,
		.rows = live ? size.rows : 60,
		.utf8 = screen_has_utf8(),
		.colours = live && screen_has_colours(),
		.live = live,
	};

	if (status != NULL) {
		note_rates(top, status);
		queue = ask(invocation, "/v1/queue", &reason, &code);
	}
	frame.status = status;
	frame.queue = queue;
	frame.trouble = reason.text;
	bytes_clear(out);
	top_frame_draw(&frame, out);
	json_decref(status);
	json_decref(queue);
	return code;
}

/* One frame, for a pipe or a file. */
static int print_once(struct invocation *invocation, struct top *top, struct bytes *frame)
{
	int code = draw(invocation, top, false, frame);

	fwrite(frame->data, 1, frame->size, code == 0 ? stdout : stderr);
	return code;
}

static int run_live(
	struct invocation *invocation, struct top *top, struct bytes *frame, struct screen *screen)
{
	int64_t next_ms = 0;

	for (;;) {
		int64_t now_ms = clock_mono_ms(&clock_system);

		if (now_ms >= next_ms) {
			draw(invocation, top, true, frame);
			screen_show(frame->data, frame->size);
			next_ms = now_ms + REFRESH_MS;
		}
		switch (screen_wait(screen, (int)(next_ms - now_ms))) {
		case SCREEN_QUIT:
			return 0;
		case SCREEN_RESIZED:
			next_ms = 0;
			break;
		case SCREEN_TIME:
			break;
		}
	}
}

int command_top(struct invocation *invocation)
{
	struct top top = {0};
	struct bytes frame = {0};
	struct reason reason;
	struct screen *screen;
	json_t *status;
	int code;

	if (invocation->json)
		return command_misused(invocation, "sluice top has no --json; sluice status has");
	/* Who cannot ask at all is told so, and not shown an empty screen. */
	status = ask(invocation, "/v1/status", &reason, &code);
	json_decref(status);
	if (code != 0) {
		fprintf(stderr, "sluice: %s\n", reason.text);
		return code;
	}
	screen = screen_open();
	code = screen == NULL ? print_once(invocation, &top, &frame)
			      : run_live(invocation, &top, &frame, screen);
	screen_close(&screen);
	bytes_fini(&frame);
	return code;
}
