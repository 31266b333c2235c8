#include "smtp/dotstream.h"

#include <string.h>

#include "core/ascii.h"
#include "core/utf8.h"

/*
 * One call's way through its input. Bytes from `run` to `at` go to the sink as they are; they are only handed over when
 * something must be changed, so that a chunk of clean lines is one run. `lf` and `cr` are the next ones at or behind `at`
 * (`end`: none), each looked for once, so that no input makes the search quadratic.
 */
struct pass {
	struct dotstream *stream;
	const char *run, *at, *end;
	const char *lf, *cr;
};

void dotstream_init(
	struct dotstream *stream, uint64_t limit_bytes, dotstream_sink_fn *sink, void *owner)
{
	*stream = (struct dotstream){
		.sink = sink, .owner = owner, .limit_bytes = limit_bytes, .state = DOTSTREAM_START};
}

void dotstream_discard(struct dotstream *stream)
{
	stream->discarding = true;
}

void dotstream_count(struct dotstream *stream)
{
	stream->counted = true;
}

/* Nothing of it is wanted by the sink any more. */
static bool is_dropped(const struct dotstream *stream)
{
	return stream->discarding || (stream->has_nul && !stream->keeps_nul) ||
	       stream->over_limit || stream->sink_failed;
}

static void sink(struct dotstream *stream, const char *bytes, size_t size)
{
	if (!is_dropped(stream) && !stream->sink(stream->owner, bytes, size))
		stream->sink_failed = true;
}

static void sink_run(struct pass *pass)
{
	struct dotstream *stream = pass->stream;
	size_t size = (size_t)(pass->at - pass->run);

	if (size == 0)
		return;
	if (!stream->has_eightbit)
		stream->has_eightbit = utf8_has_eightbit(pass->run, size);
	if (!stream->has_nul)
		stream->has_nul = memchr(pass->run, '\0', size) != NULL;
	sink(stream, pass->run, size);
	pass->run = pass->at;
}

/* Bytes of a stored line, seen by the facts; the sink gets them in another way. */
static void grow_line(struct dotstream *stream, const char *bytes, size_t size)
{
	if (size > 0 && stream->line_bytes == 0 && *bytes == '.')
		stream->has_dots = true;
	if (!stream->header_ended && stream->line_bytes < DOTSTREAM_NAME_BYTES) {
		size_t room = DOTSTREAM_NAME_BYTES - (size_t)stream->line_bytes;

		memcpy(stream->name + stream->line_bytes, bytes, size < room ? size : room);
	}
	stream->line_bytes += size;
}

enum line_end { END_CRLF, END_LF, END_CR };

static void end_line(struct dotstream *stream, enum line_end end)
{
	if (!stream->header_ended) {
		if (stream->line_bytes == 0)
			stream->header_ended = true;
		else if (stream->line_bytes >= DOTSTREAM_NAME_BYTES &&
			 ascii_equals(
				 (const char *)stream->name, DOTSTREAM_NAME_BYTES, "received:"))
			stream->received_fields++;
	}
	if (stream->line_bytes > TEXT_LINE_BYTES)
		stream->has_long_lines = true;
	stream->has_lone_lf |= end == END_LF;
	stream->has_lone_cr |= end == END_CR;
	stream->line_bytes = 0;
	stream->state = end == END_CRLF ? DOTSTREAM_START : DOTSTREAM_SOFT_START;
}

/* A line's end that is not in the run as CRLF. */
static void sink_line_end(struct pass *pass, enum line_end end)
{
	sink(pass->stream, "\r\n", 2);
	end_line(pass->stream, end);
	pass->run = pass->at;
}

/* The dot that was kept back is a line's one byte. */
static void sink_dot_line(struct pass *pass)
{
	grow_line(pass->stream, ".", 1);
	sink(pass->stream, ".", 1);
}

/* A byte behind CR: the CR was kept back. */
static void take_after_cr(struct pass *pass)
{
	bool is_crlf = *pass->at == '\n';

	pass->at += is_crlf;
	sink_line_end(pass, is_crlf ? END_CRLF : END_CR);
}

/* LF behind a line's only dot: the end for a client that never ends a line otherwise, when nothing is known to follow. */
static void take_dot_lf(struct pass *pass)
{
	struct dotstream *stream = pass->stream;

	pass->at++;
	if (stream->lf_only && !stream->more_waits && pass->at == pass->end) {
		stream->state = DOTSTREAM_LF_ENDED;
		return;
	}
	sink_dot_line(pass);
	sink_line_end(pass, END_LF);
}

/* CR behind a line's only dot. */
static void take_dot_cr(struct pass *pass)
{
	struct dotstream *stream = pass->stream;

	pass->at++;
	stream->lf_only = false;
	if (stream->state == DOTSTREAM_DOT) {
		stream->state = DOTSTREAM_DOT_CR;
		return;
	}
	sink_dot_line(pass);
	stream->state = DOTSTREAM_CR;
}

/* A byte behind a dot that began a line and was kept back. */
static void take_after_dot(struct pass *pass)
{
	struct dotstream *stream = pass->stream;

	if (*pass->at == '\r') {
		take_dot_cr(pass);
	} else if (*pass->at == '\n') {
		take_dot_lf(pass);
	} else {
		stream->sent_bytes--; /* a stuffed dot */
		stream->state = DOTSTREAM_TEXT;
	}
	pass->run = pass->at;
}

static void take_after_dot_cr(struct pass *pass)
{
	if (*pass->at == '\n') {
		pass->at++;
		pass->stream->state = DOTSTREAM_ENDED;
		return;
	}
	sink_dot_line(pass);
	sink_line_end(pass, END_CR);
}

static const char *find(const char *from, const char *end, char byte)
{
	const char *found = memchr(from, byte, (size_t)(end - from));

	return found != NULL ? found : end;
}

/* Up to the next line end, or all there is. */
static void take_text(struct pass *pass)
{
	struct dotstream *stream = pass->stream;
	const char *stop;

	if (pass->lf < pass->at)
		pass->lf = find(pass->at, pass->end, '\n');
	if (pass->cr < pass->at)
		pass->cr = find(pass->at, pass->end, '\r');
	stop = pass->lf < pass->cr ? pass->lf : pass->cr;
	grow_line(stream, pass->at, (size_t)(stop - pass->at));
	pass->at = stop;
	stream->state = DOTSTREAM_TEXT;
	if (stop == pass->end)
		return;
	if (stop == pass->cr) {
		stream->lf_only = false;
		if (stop + 1 == pass->lf && pass->lf < pass->end) {
			pass->at += 2; /* CRLF stays in the run */
			end_line(stream, END_CRLF);
			return;
		}
	}
	sink_run(pass);
	pass->run = ++pass->at;
	if (stop == pass->cr)
		stream->state = DOTSTREAM_CR;
	else
		sink_line_end(pass, END_LF);
}

static void take_line_start(struct pass *pass)
{
	struct dotstream *stream = pass->stream;

	if (*pass->at != '.' || stream->counted) {
		take_text(pass);
		return;
	}
	sink_run(pass);
	pass->run = ++pass->at;
	stream->state = stream->state == DOTSTREAM_START ? DOTSTREAM_DOT : DOTSTREAM_SOFT_DOT;
}

static void take_some(struct pass *pass)
{
	switch (pass->stream->state) {
	case DOTSTREAM_START:
	case DOTSTREAM_SOFT_START:
		take_line_start(pass);
		break;
	case DOTSTREAM_DOT:
	case DOTSTREAM_SOFT_DOT:
		take_after_dot(pass);
		break;
	case DOTSTREAM_DOT_CR:
		take_after_dot_cr(pass);
		break;
	case DOTSTREAM_CR:
		take_after_cr(pass);
		break;
	case DOTSTREAM_TEXT:
		take_text(pass);
		break;
	case DOTSTREAM_LF_ENDED:
	case DOTSTREAM_ENDED:
		break;
	}
}

/* Bytes taken that may turn out to be the final dot line, or a stuffed dot: not the text's yet. */
static uint64_t undecided_bytes(const struct dotstream *stream)
{
	switch (stream->state) {
	case DOTSTREAM_DOT:
	case DOTSTREAM_SOFT_DOT:
		return 1;
	case DOTSTREAM_DOT_CR:
	case DOTSTREAM_LF_ENDED:
		return 2;
	case DOTSTREAM_ENDED:
		return 3;
	default:
		return 0;
	}
}

enum dotstream_progress dotstream_next(
	struct dotstream *stream, const void *input, size_t size, size_t *taken)
{
	const char *from = input;
	const char *end = from + size;
	struct pass pass = {stream, from, from, end, find(from, end, '\n'), find(from, end, '\r')};

	stream->sent_bytes += undecided_bytes(stream);
	while (pass.at < pass.end && !dotstream_has_ended(stream))
		take_some(&pass);
	if (!dotstream_has_ended(stream))
		sink_run(&pass);
	*taken = (size_t)(pass.at - from);
	stream->sent_bytes += *taken;
	stream->sent_bytes -= undecided_bytes(stream);
	if (stream->sent_bytes > stream->limit_bytes)
		stream->over_limit = true;
	return dotstream_has_ended(stream) ? DOTSTREAM_DONE : DOTSTREAM_MORE;
}

bool dotstream_finish(struct dotstream *stream)
{
	struct pass pass = {.stream = stream, .run = "", .at = ""};
	bool was_whole = stream->state == DOTSTREAM_START || stream->state == DOTSTREAM_SOFT_START;

	stream->sent_bytes += undecided_bytes(stream);
	if (stream->state == DOTSTREAM_DOT || stream->state == DOTSTREAM_SOFT_DOT ||
		stream->state == DOTSTREAM_DOT_CR)
		sink_dot_line(&pass);
	if (stream->state == DOTSTREAM_CR || stream->state == DOTSTREAM_DOT_CR)
		sink_line_end(&pass, END_CR);
	else if (!was_whole)
		sink_line_end(&pass, END_CRLF);
	stream->state = DOTSTREAM_ENDED;
	return was_whole;
}
