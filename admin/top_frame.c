#include "admin/top_frame.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "admin/command.h"
#include "admin/listing.h"
#include "admin/printable.h"
#include "admin/relative.h"
#include "core/clock.h"

#define CLEAR_LINE "\x1b[K"

enum colour { PLAIN, BOLD, DIM, GREEN, YELLOW, RED, BLUE, CYAN };

static const char *const colour_codes[] = {
	[PLAIN] = "",
	[BOLD] = "\x1b[1m",
	[DIM] = "\x1b[2m",
	[GREEN] = "\x1b[32m",
	[YELLOW] = "\x1b[33m",
	[RED] = "\x1b[31m",
	[BLUE] = "\x1b[34m",
	[CYAN] = "\x1b[36m",
};

static const struct look {
	const char *word; /* of a message or a host */
	enum colour colour;
} looks[] = {
	{"receiving", CYAN},
	{"scanning", BLUE},
	{"delivering", GREEN},
	{"waiting", CYAN},
	{"deferred", YELLOW},
	{"held", YELLOW},
	{"quarantined", RED},
	{"open", GREEN},
	{"slow start", GREEN},
	{"resting", YELLOW},
	{"probing", CYAN},
	{"paused", RED},
};

static enum colour find_colour(const char *word)
{
	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		if (strcmp(looks[i].word, word) == 0)
			return looks[i].colour;
	}
	return PLAIN;
}

/* A line that is being written: it never grows over the screen's width. */
struct line {
	const struct top_frame *frame;
	struct bytes *out;
	size_t left; /* columns */
};

static void add_bytes(struct bytes *out, const char *text, size_t size)
{
	if (!bytes_append(out, text, size))
		bytes_clear(out);
}

static void put_coloured(struct line *line, enum colour colour, const char *text)
{
	size_t width = printable_width(text);
	size_t size = strlen(text);

	if (width > line->left) {
		size = printable_cut(text, line->left);
		width = line->left;
	}
	if (size == 0)
		return;
	line->left -= width;
	if (line->frame->colours && colour != PLAIN) {
		add_bytes(line->out, colour_codes[colour], strlen(colour_codes[colour]));
		add_bytes(line->out, text, size);
		add_bytes(line->out, "\x1b[0m", 4);
	} else {
		add_bytes(line->out, text, size);
	}
}

static void put(struct line *line, enum colour colour, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Peers' texts come through here: what would steer the terminal is escaped. */
static void put(struct line *line, enum colour colour, const char *format, ...)
{
	char text[1024];
	struct bytes safe = {0};
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (printable_append(&safe, text) && bytes_append(&safe, "", 1))
		put_coloured(line, colour, (const char *)safe.data);
	bytes_fini(&safe);
}

static struct line begin_line(const struct top_frame *frame, struct bytes *out)
{
	return (struct line){.frame = frame, .out = out, .left = frame->columns};
}

static void end_line(struct line *line)
{
	if (line->frame->live)
		add_bytes(line->out, CLEAR_LINE, strlen(CLEAR_LINE));
	add_bytes(line->out, "\n", 1);
}

static void put_blank(const struct top_frame *frame, struct bytes *out)
{
	struct line line = begin_line(frame, out);

	end_line(&line);
}

/* ---- bars and curves ---- */

/* In eighths of a column where the terminal can. */
static void put_bar(struct line *line, enum colour colour, double part, size_t columns)
{
	static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	char bar[3 * 256 + 1];
	size_t fill, used = 0;

	if (columns > 250)
		columns = 250;
	if (part < 0)
		part = 0;
	if (part > 1)
		part = 1;
	fill = (size_t)(part * (double)columns * 8 + 0.5);
	if (fill == 0 && part > 0)
		fill = 1; /* something is there */
	for (size_t i = 0; i < fill / 8; i++)
		used += (size_t)snprintf(
			bar + used, sizeof(bar) - used, "%s", line->frame->utf8 ? "█" : "#");
	if (line->frame->utf8)
		snprintf(bar + used, sizeof(bar) - used, "%s", eighths[fill % 8]);
	else
		snprintf(bar + used, sizeof(bar) - used, "%s",
			fill % 8 >= 4 || fill < 8 ? (fill ? "#" : "") : "");
	put_coloured(line, colour, bar);
}

static double greatest(const double *values, size_t count)
{
	double most = 0;

	for (size_t i = 0; i < count; i++)
		most = values[i] > most ? values[i] : most;
	return most;
}

static void put_curve(
	struct line *line, enum colour colour, const double *values, size_t count, size_t columns)
{
	static const char *const heights[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	char curve[3 * TOP_HISTORY + 1] = "";
	size_t shown = count < columns ? count : columns, used = 0;
	double most;

	if (!line->frame->utf8 || shown < 2)
		return;
	values += count - shown;
	most = greatest(values, shown);
	for (size_t i = 0; i < shown; i++) {
		size_t height = most > 0 ? (size_t)(values[i] / most * 7 + 0.5) : 0;

		used += (size_t)snprintf(curve + used, sizeof(curve) - used, "%s", heights[height]);
	}
	put_coloured(line, colour, curve);
}

/* ---- parts ---- */

static void draw_title(const struct top_frame *frame, struct bytes *out)
{
	struct line line = begin_line(frame, out);
	char span[RELATIVE_SIZE], clock[CLOCK_RFC3339_SIZE];

	put(&line, BOLD, "sluice %s", member_text(frame->status, "version"));
	put(&line, PLAIN, "  %s", member_text(frame->status, "hostname"));
	put(&line, DIM, "  up %s",
		relative_format_span(member_number(frame->status, "uptime_seconds"), span));
	put(&line, DIM, "  %.8sZ", clock_format_rfc3339(frame->now_unix_ms, clock) + 11);
	end_line(&line);
}

static void draw_rate(const struct top_frame *frame, struct bytes *out, const char *name,
	const char *member, const double *values, enum colour colour)
{
	const json_t *rates = json_object_get(frame->status, "rates");
	const json_t *totals = json_object_get(frame->status, "totals");
	double now = frame->history->count > 0 ? values[frame->history->count - 1] : 0;
	struct line line = begin_line(frame, out);
	char total[PRINTABLE_NUMBER_SIZE];

	put(&line, PLAIN, " %-11s", name);
	if (frame->history->count > 0)
		put(&line, BOLD, "%8.1f/s", now);
	else
		put(&line, DIM, "%8s  ", "");
	put(&line, DIM, "  %8.1f/s over a minute  %12s in all  ",
		json_number_value(json_object_get(rates, member)),
		printable_number(member_number(totals, name), total));
	put_curve(&line, colour, values, frame->history->count, line.left);
	end_line(&line);
}

static void draw_store(const struct top_frame *frame, struct bytes *out)
{
	const json_t *store = json_object_get(frame->status, "store");
	double fill = json_number_value(json_object_get(store, "fill"));
	bool full = json_is_true(json_object_get(store, "full"));
	struct line line = begin_line(frame, out);
	char used[PRINTABLE_NUMBER_SIZE], most[PRINTABLE_NUMBER_SIZE];

	put(&line, PLAIN, " %-11s", "store");
	put(&line, full ? RED : PLAIN, "%7.1f%%   ", fill * 100);
	put(&line, DIM, "%s of %s%s  ", printable_size(member_number(store, "used_bytes"), used),
		printable_size(member_number(store, "max_bytes"), most),
		full ? ", FULL: no new mail is taken" : "");
	put_bar(&line, full || fill > 0.8 ? RED : DIM, fill, line.left < 30 ? line.left : 30);
	end_line(&line);
}

/* Nobody is: a blank line. */
static void draw_lockouts(const struct top_frame *frame, struct bytes *out)
{
	uint64_t count = member_number(frame->status, "locked_out");
	struct line line = begin_line(frame, out);

	if (count > 0)
		put(&line, YELLOW, " %" PRIu64 " locked out after wrong passwords", count);
	end_line(&line);
}

static void draw_depth(const struct top_frame *frame, struct bytes *out)
{
	struct line line = begin_line(frame, out);
	char number[PRINTABLE_NUMBER_SIZE], size[PRINTABLE_NUMBER_SIZE], age[RELATIVE_SIZE];
	uint64_t messages = member_number(frame->queue, "messages");

	put(&line, BOLD, " %s in the queue", printable_number(messages, number));
	if (messages > 0)
		put(&line, PLAIN, ", %s, the oldest %s old",
			printable_size(member_number(frame->queue, "bytes"), size),
			relative_format_span(member_number(frame->queue, "oldest_seconds"), age));
	end_line(&line);
}

static void draw_states(const struct top_frame *frame, struct bytes *out)
{
	json_t *states = json_object_get(frame->queue, "states");
	const char *name;
	json_t *value;
	uint64_t most = 1;

	json_object_foreach(states, name, value) most =
		member_number(states, name) > most ? member_number(states, name) : most;
	json_object_foreach(states, name, value)
	{
		struct line line = begin_line(frame, out);
		uint64_t count = member_number(states, name);
		char number[PRINTABLE_NUMBER_SIZE], held[LISTING_HELD_SIZE];

		put(&line, count ? PLAIN : DIM, " %-11s %12s  ", name,
			printable_number(count, number));
		if (strcmp(name, "held") == 0 && listing_held(frame->queue, held)[0] != '\0')
			put(&line, PLAIN, "%s  ", held);
		put_bar(&line, find_colour(name), (double)count / (double)most, line.left);
		end_line(&line);
	}
}

static void draw_host(const struct top_frame *frame, struct bytes *out, const json_t *host)
{
	bool paused = json_is_true(json_object_get(host, "paused"));
	const char *state = paused ? "paused" : member_text(host, "state");
	uint64_t next_ms = member_time(host, "next_attempt");
	struct line line = begin_line(frame, out);
	char use[48], number[PRINTABLE_NUMBER_SIZE], relative[RELATIVE_SIZE];

	snprintf(use, sizeof(use), "%" PRIu64 "/%" PRIu64, member_number(host, "in_flight"),
		member_number(host, "connections_allowed"));
	put(&line, PLAIN, " %-30.30s %-12.12s ", member_text(host, "host"),
		member_text(host, "upstream"));
	put(&line, find_colour(state), "%-10s", state);
	put(&line, PLAIN, " %9s %12s  ", use,
		printable_number(member_number(host, "delivered"), number));
	put(&line, YELLOW, "%-8s ",
		next_ms ? relative_format(next_ms, frame->now_unix_ms, relative) : "");
	put(&line, DIM, "%s", member_text(host, "last_reply"));
	end_line(&line);
}

static void draw_hosts(const struct top_frame *frame, struct bytes *out, size_t room)
{
	const json_t *hosts = json_object_get(frame->status, "hosts");
	struct line line = begin_line(frame, out);
	const json_t *host;
	size_t i;

	put(&line, DIM, " %-30s %-12s %-10s %9s %12s  %-8s %s", "HOST", "UPSTREAM", "STATE",
		"IN USE", "DELIVERED", "NEXT", "LAST REPLY");
	end_line(&line);
	json_array_foreach(hosts, i, host)
	{
		if (i >= room)
			break;
		draw_host(frame, out, host);
	}
}

static void draw_trouble(const struct top_frame *frame, struct bytes *out)
{
	struct line line = begin_line(frame, out);

	put(&line, RED, "%s", frame->trouble);
	end_line(&line);
}

#define FIXED_ROWS 18 /* all but the hosts */

void top_frame_draw(const struct top_frame *frame, struct bytes *out)
{
	if (frame->status == NULL || frame->queue == NULL) {
		draw_trouble(frame, out);
	} else {
		draw_title(frame, out);
		put_blank(frame, out);
		draw_rate(frame, out, "received", "received_per_second", frame->history->received,
			CYAN);
		draw_rate(frame, out, "delivered", "delivered_per_second",
			frame->history->delivered, GREEN);
		draw_store(frame, out);
		draw_lockouts(frame, out);
		draw_depth(frame, out);
		draw_states(frame, out);
		put_blank(frame, out);
		draw_hosts(frame, out, frame->rows > FIXED_ROWS ? frame->rows - FIXED_ROWS : 1);
	}
	if (frame->live) {
		struct line line = begin_line(frame, out);

		put(&line, DIM, "q quits");
	}
}

void top_history_add(struct top_history *history, double received, double delivered)
{
	if (history->count == TOP_HISTORY) {
		memmove(history->received, history->received + 1,
			(TOP_HISTORY - 1) * sizeof(*history->received));
		memmove(history->delivered, history->delivered + 1,
			(TOP_HISTORY - 1) * sizeof(*history->delivered));
		history->count--;
	}
	history->received[history->count] = received;
	history->delivered[history->count] = delivered;
	history->count++;
}
