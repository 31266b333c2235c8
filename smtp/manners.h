/*
 * manners.h: what a fragile client does between and around its commands, and what is noted of it (queue/quirk.h).
 *
 * Lenient listeners only (policy.h). A line is looked at before it is a command:
 *   1. A text that comes although DATA was refused is swallowed. DATA without a recipient arms it; the first line
 *      that is neither empty nor a command of SMTP begins it. It ends as a text does: at "." between CRLFs, or between lone LFs when the
 *      client has sent nothing else and waits for us. Then 554 is said once more, as the client awaits one reply to its
 *      text. Nothing of it is executed, whatever it holds, but a line that is QUIT, which can only end the session.
 *   2. Empty lines are passed over, up to MANNERS_EMPTY_LINES in a row; more end the session.
 *   3. What is odd about the line itself is noted: blanks, line ends, length, and that it came before its turn.
 *
 * Threads: the worker's. Limits: a swallowed text counts as a message would: max_message.
 */
#ifndef SLUICE_SMTP_MANNERS_H
#define SLUICE_SMTP_MANNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "smtp/command.h"

#define MANNERS_EMPTY_LINES 100 /* in a row */
#define MANNERS_BINARY_LINES \
	20 /* in a row: unknown commands with bytes that no command has (Q-56) */
#define MANNERS_NOOPS \
	10 /* from so many without a message on is a connection kept open by NOOP (Q-09) */

enum manners_swallow { SWALLOW_NOTHING, SWALLOW_ARMED, SWALLOW_TEXT };

struct manners {
	unsigned empty_lines, binary_lines; /* in a row */
	unsigned noops;
	enum manners_swallow swallow;
	uint64_t swallowed_bytes;
	bool behind_dot; /* the next command came with the final dot */
	bool at_cr; /* what has come of a line ends in CR */
};

struct session;

/* Before the banner: notes whether the client has spoken already. */
void manners_open(struct session *session);
/*
 * A TLS greeting behind our banner: too late to begin TLS, so the session ends at once, on every profile, that the
 * device says that TLS failed instead of waiting for us. Its next connection is waited for (handshake.h). True: it was one.
 */
bool manners_refuse_tls(struct session *session, const void *bytes, size_t size);
/* A line is not complete yet. */
void manners_begin_line(struct session *session, const uint8_t *input, size_t size);
/* The session ends: one that ended its line in CR alone was never answered. */
void manners_end(struct session *session);
/* True: the line is dealt with and is no command. `taken` is its size, `rest` how much is behind it already. */
bool manners_meet(
	struct session *session, const struct command *command, size_t taken, size_t rest);
/* A command that is none: notes bytes that no command has; false: there were too many, and the session ends. */
bool manners_unknown(struct session *session, const struct command *command);

#endif
