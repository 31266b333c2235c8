#include "core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"

/* A line is at most PIPE_BUF long, so that the kernel keeps it whole on a pipe too. */
#define LINE_SIZE 4096
#define CUT_MARK  " [cut]"

#define SLOW_READER_MS 50
#define HUNG_READER_MS 2000

static const char *const level_names[] = {
	[LOG_DEBUG] = "debug",
	[LOG_INFO] = "info",
	[LOG_NOTICE] = "notice",
	[LOG_WARNING] = "warning",
	[LOG_ERROR] = "error",
};

static _Atomic int lowest_level = LOG_INFO;
static _Atomic uint64_t dropped_lines;
static _Atomic int64_t hangs_until_mono_ms;

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&lowest_level, (int)level, memory_order_relaxed);
}

bool log_wants(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&lowest_level, memory_order_relaxed);
}

/* Without a NUL: what stands behind it stays. */
static size_t put_text(char *line, size_t at, const char *text)
{
	return (size_t)((char *)mempcpy(line + at, text, strlen(text)) - line);
}

/* The date is formatted once a second and thread; a line in between only patches its milliseconds. */
static size_t put_time(char *line)
{
	static _Thread_local struct {
		uint64_t second;
		char text[CLOCK_RFC3339_SIZE];
	} last;
	uint64_t now_ms = clock_unix_ms(&clock_system);
	unsigned ms = (unsigned)(now_ms % 1000);

	if (now_ms / 1000 != last.second) {
		clock_format_rfc3339(now_ms, last.text);
		last.second = now_ms / 1000;
	}
	memcpy(line, last.text, 24);
	line[20] = (char)('0' + ms / 100);
	line[21] = (char)('0' + ms / 10 % 10);
	line[22] = (char)('0' + ms % 10);
	return 24;
}

static size_t put_head(char *line, const char *level)
{
	size_t at = put_time(line);

	line[at++] = ' ';
	at = put_text(line, at, level);
	line[at++] = ' ';
	return at;
}

/* Formats behind `at`, and leaves room for the end of the line. */
__attribute__((format(printf, 3, 0))) static size_t put_format(
	char *line, size_t at, const char *format, va_list args)
{
	size_t room = LINE_SIZE - 1 - at;
	int size = vsnprintf(line + at, room, format, args);

	if (size < 0)
		return at;
	if ((size_t)size < room)
		return at + (size_t)size;
	at = LINE_SIZE - 1 - sizeof(CUT_MARK);
	return put_text(line, at, CUT_MARK);
}

/* `event=NAME id=X more` becomes `id=X event=NAME more`, in place. */
static void move_id_first(char *line, size_t event_at, const char *event, size_t body, size_t end)
{
	const char *space;
	size_t id_size;

	if (end - body < 3 || memcmp(line + body, "id=", 3) != 0)
		return;
	space = memchr(line + body, ' ', end - body);
	id_size = space != NULL ? (size_t)(space - (line + body)) : end - body;
	memmove(line + event_at, line + body, id_size);
	event_at += id_size;
	line[event_at++] = ' ';
	event_at = put_text(line, event_at, "event=");
	put_text(line, event_at, event);
}

/* Whatever its parts were, a line is one line: a control that nobody escaped does not pass. */
static void end_line(char *line, size_t *size)
{
	for (size_t i = 0; i < *size; i++) {
		unsigned char byte = (unsigned char)line[i];

		line[i] = byte < 0x20 || byte == 0x7f ? '?' : line[i];
	}
	line[(*size)++] = '\n';
}

void log_never_block(void)
{
	struct stat file;
	int flags = fcntl(STDERR_FILENO, F_GETFL);

	/* A file never blocks; a terminal is shared with people's shells and left as it is. */
	if (flags >= 0 && fstat(STDERR_FILENO, &file) == 0 &&
		(S_ISFIFO(file.st_mode) || S_ISSOCK(file.st_mode)))
		fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK);
}

/* A reader that is only slow gets a moment, one that hangs none for a while. Relaxed: a wait too many does no harm. */
static bool wait_for_reader(void)
{
	struct pollfd reader = {.fd = STDERR_FILENO, .events = POLLOUT};
	int64_t now_ms = clock_mono_ms(&clock_system);

	if (now_ms < atomic_load_explicit(&hangs_until_mono_ms, memory_order_relaxed))
		return false;
	if (poll(&reader, 1, SLOW_READER_MS) > 0)
		return true;
	atomic_store_explicit(&hangs_until_mono_ms, now_ms + HUNG_READER_MS, memory_order_relaxed);
	return false;
}

static void write_line(const char *line, size_t size)
{
	ssize_t written;

	do
		written = write(STDERR_FILENO, line, size);
	while (written < 0 && (errno == EINTR || (errno == EAGAIN && wait_for_reader())));
	if (written != (ssize_t)size)
		atomic_fetch_add_explicit(&dropped_lines, 1, memory_order_relaxed);
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
	int saved_errno = errno;
	char line[LINE_SIZE];
	size_t event_at, body, end;
	va_list args;

	if (!log_wants(level))
		return;
	event_at = put_head(line, level_names[level]);
	body = put_text(line, event_at, "event=");
	body = put_text(line, body, event);
	line[body++] = ' ';
	va_start(args, format);
	end = put_format(line, body, format, args);
	va_end(args);
	if (end == body)
		end--;
	else
		move_id_first(line, event_at, event, body, end);
	end_line(line, &end);
	write_line(line, end);
	errno = saved_errno;
}

void log_panic(const char *format, ...)
{
	char line[LINE_SIZE];
	size_t end = put_head(line, "panic");
	va_list args;

	va_start(args, format);
	end = put_format(line, end, format, args);
	va_end(args);
	end_line(line, &end);
	write_line(line, end);
	abort();
}

/* Returns how long the byte is when escaped, 1 to 4. `marks` are escaped besides what always is. */
static size_t escape(unsigned char byte, const char *marks, char out[4])
{
	static const char named[] = "\nn\rr\tt\"\"\\\\";

	out[0] = (char)byte;
	if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\' &&
		strchr(marks, byte) == NULL)
		return 1;
	out[0] = '\\';
	for (size_t i = 0; i + 1 < sizeof(named); i += 2) {
		if ((unsigned char)named[i] == byte) {
			out[1] = named[i + 1];
			return 2;
		}
	}
	out[1] = (char)('0' + (byte >> 6));
	out[2] = (char)('0' + (byte >> 3 & 7));
	out[3] = (char)('0' + (byte & 7));
	return 4;
}

static const char *quote(
	struct log_quoted *quoted, const void *text, size_t size, const char *marks)
{
	const unsigned char *from = text;
	const size_t room = sizeof(quoted->text) - sizeof("...");
	size_t at = 0;

	for (size_t i = 0; i < size; i++) {
		char escaped[4];
		size_t length = escape(from[i], marks, escaped);

		if (at + length > room) {
			at = put_text(quoted->text, at, "...");
			break;
		}
		memcpy(quoted->text + at, escaped, length);
		at += length;
	}
	quoted->text[at] = '\0';
	return quoted->text;
}

/* What is behind the cut is not even looked at. */
static size_t measure(const struct log_quoted *quoted, const char *text)
{
	return text != NULL ? strnlen(text, sizeof(quoted->text)) : 0;
}

const char *log_text_sized(struct log_quoted *quoted, const void *text, size_t size)
{
	return quote(quoted, text, size, "");
}

const char *log_text(struct log_quoted *quoted, const char *text)
{
	return quote(quoted, text, measure(quoted, text), "");
}

const char *log_address(struct log_quoted *quoted, const char *address)
{
	return quote(quoted, address, measure(quoted, address), " <>");
}

uint64_t log_dropped(void)
{
	return atomic_load_explicit(&dropped_lines, memory_order_relaxed);
}

/* Relaxed throughout: two threads that open a window in the same instant may write a line more, and that is all. */
bool log_repeat_allows(struct log_repeat *repeat, unsigned per_second, unsigned *swallowed)
{
	int64_t now_s = clock_mono_ms(&clock_system) / 1000;
	int64_t window = atomic_load_explicit(&repeat->window_mono_s, memory_order_relaxed);

	if (window != now_s && atomic_compare_exchange_strong_explicit(&repeat->window_mono_s,
				       &window, now_s, memory_order_relaxed, memory_order_relaxed))
		atomic_store_explicit(&repeat->written, 0, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&repeat->written, 1, memory_order_relaxed) < per_second) {
		*swallowed = atomic_exchange_explicit(&repeat->swallowed, 0, memory_order_relaxed);
		return true;
	}
	atomic_fetch_add_explicit(&repeat->swallowed, 1, memory_order_relaxed);
	return false;
}
