/*
 * log.h: one event, one line of key=value, to standard error.
 *
 *	log_event(LOG_INFO, "delivered", "id=%s to=<%s> reply=\"%s\"", id, log_address(&quoted, address), …)
 *	→ 2026-11-22T10:00:00.123Z info id=0A… event=delivered to=<…> reply="250 …"
 *
 * The format's `id=…` comes first when the event has a message. Text that a peer sent goes through log_text, which
 * escapes controls, quotes, backslashes and non-ASCII bytes (C style) and cuts. Secrets never appear.
 *
 * Threads: any; a line is one write, never interleaved. Owners of a flow log; parsers and containers do not.
 * Errors: a line that cannot be written is dropped and counted (log_dropped); mail flows on. LOG_REPEAT limits a noisy
 * event to a few lines a second by call site and says how many it swallowed.
 */
#ifndef SLUICE_CORE_LOG_H
#define SLUICE_CORE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING, LOG_ERROR };

/*
 * For a start: from here on a reader that hangs (standard error is a pipe or a socket) costs lines, and no thread waits for
 * it longer than a moment.
 */
void log_never_block(void);

/* Lines below this level are not written; LOG_INFO at start. */
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);

void log_event(enum log_level level, const char *event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Says why and ends the process at once: for a broken promise of our own (a bug), not for what the world does. */
_Noreturn void log_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct log_quoted {
	char text[512];
};

/* A peer's text made safe to stand in a line; NULL gives "". */
const char *log_text(struct log_quoted *quoted, const char *text);
const char *log_text_sized(struct log_quoted *quoted, const void *text, size_t size);
/* The same to stand between < and >: one word, as a quoted local part may hold blanks and brackets. */
const char *log_address(struct log_quoted *quoted, const char *address);

uint64_t log_dropped(void);

struct log_repeat {
	_Atomic int64_t window_mono_s;
	_Atomic unsigned written, swallowed;
};

/* True: write this one. `swallowed` says how many were not since the last that was. */
bool log_repeat_allows(struct log_repeat *repeat, unsigned per_second, unsigned *swallowed);

#define log_event_limited(level, event, format, ...)                                              \
	do {                                                                                      \
		static struct log_repeat repeat_;                                                 \
		unsigned swallowed_;                                                              \
		if (log_repeat_allows(&repeat_, 5, &swallowed_))                                  \
			log_event(level, event, format " swallowed=%u", __VA_ARGS__, swallowed_); \
	} while (0)

#endif
