/*
 * outgoing.h: one mail transaction with an upstream, as a state machine without a connection (RFC 5321 3.3).
 *
 *	ENVELOPE ──354──► TEXT ──all of it, proven──► DOT ──reply──► OVER
 *	   │   └─354, but nobody accepted─► LONE_DOT ──reply──► OVER
 *	   └─refused─► OVER          any ──dropped, timed out, unexpected──► OVER
 *
 *   1. outgoing_write_command gives [RSET] MAIL, RCPT…, DATA, as far as they may be said now: all at once where upstream
 *      offers PIPELINING, else each after the reply to the one before.
 *   2. outgoing_take is given each reply, in order. It notes what became of the recipient or of the message, and says
 *      how it goes on.
 *   3. After 354 outgoing_write_text gives the text piece by piece, dots stuffed. The final dot follows only after
 *      reader_next has said that the text is proven.
 *   4. It ends by a reply, or by outgoing_break. Then `stage`, `class` and `reply` tell what decided for the message,
 *      and each recipient's effect what became of it (job.h).
 *
 * The text is read as it goes on (queue/reader.h); SIZE says what is stored, with what a plan adds to it, which is a guess
 * for quoted-printable. BODY=8BITMIME is said when what is read may be 8-bit.
 * Where upstream takes no recipient but wants a text (354) it gets an empty one, which is no success.
 * Threads: its owner's. Owner: its giver's. Errors: outgoing_write_text's are the reader's.
 */
#ifndef SLUICE_SMTP_OUTGOING_H
#define SLUICE_SMTP_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "queue/envelope.h"
#include "queue/job.h"
#include "queue/reader.h"
#include "queue/reply.h"
#include "queue/store.h"
#include "smtp/response.h"

#define OUTGOING_ADDRESS_MAX 1000
#define OUTGOING_COMMAND_MAX (OUTGOING_ADDRESS_MAX + 96)
/* What a piece can grow to: lines of one dot and CRLF; then the missing CRLF, and the final dot. */
#define OUTGOING_TEXT_MAX (STORE_PIECE_BYTES / 3 * 4 + 8)

enum outgoing_state {
	OUTGOING_NONE,
	OUTGOING_ENVELOPE,
	OUTGOING_TEXT,
	OUTGOING_DOT,
	OUTGOING_LONE_DOT,
	OUTGOING_OVER,
};
#define OUTGOING_STATE_COUNT 6

/* What the connection is like for this one. */
struct outgoing_terms {
	bool pipelining, size_said;
	bool reset; /* the one before was left open: RSET goes first */
	bool on_idle; /* nobody had used it for a while */
	bool behind; /* there were others before */
};

struct outgoing {
	/* asked */
	struct envelope *envelope;
	struct job_recipient *recipients; /* whose `index` tells the address */
	size_t recipient_count; /* at least 1 */
	struct store_view *view;
	const _Atomic bool
		*stopped; /* true: the text is not sent to its end (-ECANCELED); NULL: never */
	enum reader_how how; /* READ_EIGHTBIT, or READ_SEVENBIT for an upstream that needs it */
	bool smtputf8; /* MAIL says SMTPUTF8: addresses or header hold UTF-8 (RFC 6531 3.4) */

	/* what became of it, beside each recipient's effect */
	enum reply_stage stage;
	enum reply_class class;
	char reply[JOB_REPLY_SIZE];
	char status[RESPONSE_STATUS_SIZE];
	int read_error; /* the text could not be read: 0 or -errno */
	bool left_open; /* upstream still thinks that it is under way */

	/* its own */
	enum outgoing_state state;
	struct outgoing_terms terms;
	struct reader reader;
	bool refused; /* MAIL was */
	size_t written, answered; /* commands */
	unsigned accepted;
	bool line_start; /* the text is at the start of a line */
};

void outgoing_begin(struct outgoing *outgoing, const struct outgoing_terms *terms);

/* May it stand in a command: no control byte, not too long, nothing over 127 but UTF-8 with `smtputf8`. */
bool outgoing_address_is_clean(const char *address, bool smtputf8);

bool outgoing_has_command(const struct outgoing *outgoing);
/* One command to `to`, which has OUTGOING_COMMAND_MAX bytes. Returns its size. */
size_t outgoing_write_command(struct outgoing *outgoing, char *to);

/*
 * The next piece of the text to `to`, which has OUTGOING_TEXT_MAX bytes; `scratch` has STORE_PIECE_BYTES. Behind the last
 * one comes the final dot alone, and the state is DOT: *dot tells where in `to` it is. Returns the size, or -errno.
 */
ssize_t outgoing_write_text(struct outgoing *outgoing, uint8_t *scratch, uint8_t *to, size_t *dot);

enum outgoing_verdict {
	OUTGOING_GOES_ON,
	OUTGOING_SAYS_DOT, /* a lone dot must be sent */
	OUTGOING_ENDS, /* it is over, and the connection is in step */
	OUTGOING_BREAKS, /* it is over, and so is the connection */
};

/* `dot_sent`: its first octet has left. */
enum outgoing_verdict outgoing_take(
	struct outgoing *outgoing, const struct response *response, bool dot_sent);

/* The connection ended, timed out, or could not be understood. What upstream decided before stands. */
void outgoing_break(
	struct outgoing *outgoing, enum reply_class class, const char *why, bool dot_sent);

#endif
