/*
 * policy.h: what the profiles do differently: one table.
 *
 * A trouble is anything but the client's own order of commands and syntax: what is answered then, and whether the
 * connection goes on, is the profile's affair. Law 5: a fragile client never sees 4xx because of anything behind the
 * relay; the sole exception is 452 4.3.1 on a full store, after the answer was held for the listener's patience.
 *
 * Line ends are alike for all: a text ends only at CRLF.CRLF, lone LFs and CRs become CRLF (dotstream.h); a command ends in
 * CRLF where `crlf_only` says so.
 */
#ifndef SLUICE_SMTP_POLICY_H
#define SLUICE_SMTP_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config.h"
#include "core/metrics.h"
#include "queue/inspection.h"

enum trouble {
	TROUBLE_NONE,
	TROUBLE_TIMED_OUT, /* a deadline of the session is over */
	TROUBLE_STOPPING, /* the daemon stops, the session is between two messages */
	TROUBLE_BAD_COMMANDS, /* more than max_bad_commands */
	TROUBLE_COMMANDS, /* one after the other, and never a message */
	TROUBLE_CONNECTIONS, /* over a limit of connections; the acceptor's */
	TROUBLE_LONGEST_IDLE, /* idle longest where places are few: another gets its place */
	TROUBLE_MEMORY,
	TROUBLE_STORE_FULL,
	TROUBLE_STORE_FAILED, /* it is known that the message is not stored */
	TROUBLE_STORE_UNKNOWN, /* it is not known: no answer would be true */
	TROUBLE_RECIPIENTS, /* more than a transaction may have */
	TROUBLE_LOGINS, /* wrong ones */
	TROUBLE_AUTH_UNAVAILABLE, /* who keeps the accounts does not answer */
	TROUBLE_MESSAGE_SIZE,
	TROUBLE_MESSAGE_NUL,
	TROUBLE_MESSAGE_LOOP, /* too many Received fields */
	TROUBLE_RATE, /* pacing.h has the words; never on a fragile listener */
	TROUBLE_NOT_PERMITTED, /* permission.h has the words */
	TROUBLE_COUNT
};

enum trouble_act {
	ACT_ANSWER, /* and go on */
	ACT_HOLD, /* hold the answer and try again, up to full_store_patience; then as ACT_ANSWER */
	ACT_ANSWER_CLOSE,
	ACT_CLOSE, /* without a word */
};

struct trouble_answer {
	enum trouble_act act;
	const char *reply; /* one line without CRLF; NULL with ACT_CLOSE */
};

struct policy {
	struct trouble_answer answers[TROUBLE_COUNT];
	size_t command_line_bytes; /* RFC 5321 4.5.3.1.4: 512, and what extensions add; generous */
	bool crlf_only; /* a command that ends in a lone LF is refused */
	bool lenient; /* what quirk.h lists is taken, noted and repaired */
	unsigned repairs; /* of the text: enum inspection_repair */
	unsigned
		recipients_floor; /* so many recipients are taken even where the listener says fewer */
};

/* What a client over a limit of connections is told; one line, so that the acceptor needs no session for it. */
#define POLICY_CONNECTIONS_REPLY "421 4.7.0 Too many connections, try again later"

const struct policy *policy_of(enum profile profile);

/*
 * What counts a fragile client that met the trouble: METRIC_FRAGILE_…; METRIC_COUNT: nothing does, as the refusal is true for
 * ever (the message itself is at fault).
 */
enum metric policy_refusal_metric(enum trouble trouble);

/* "timed out" …: for the log. */
const char *policy_trouble_name(enum trouble trouble);

/* How many recipients a transaction on this listener may have. */
unsigned policy_recipients(const struct config_listener *listener);

#endif
