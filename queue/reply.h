/*
 * reply.h: what an upstream's reply does to the host, the message and the recipient: one table.
 *
 * smtp/ reports facts: at which stage what came. This table says what follows, queue/host and queue/settle do it, and a
 * test walks every cell. RFC 5321 4.2, 4.5.4.1; RFC 3463.
 */
#ifndef SLUICE_QUEUE_REPLY_H
#define SLUICE_QUEUE_REPLY_H

#include <stdbool.h>

enum reply_stage {
	STAGE_CONNECT, /* TCP: refused, reset, timed out, name not found */
	STAGE_BANNER,
	STAGE_EHLO,
	STAGE_TLS, /* STARTTLS or the handshake */
	STAGE_AUTH,
	STAGE_REUSE, /* MAIL on a connection that idled, answered 421 or found closed */
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_DATA, /* the reply to DATA */
	STAGE_TEXT, /* while the text is sent, before the first octet of the final dot */
	STAGE_DOT, /* from the first octet of the final dot on */
};
#define STAGE_COUNT 11

enum reply_class {
	REPLY_POSITIVE, /* any 2xx where 2xx is due, 354 to DATA */
	REPLY_BUSY, /* 421 */
	REPLY_TRANSIENT, /* 4xx but 421 */
	REPLY_TOO_MANY, /* 452 to RCPT after one was accepted; "too many messages in this session" */
	REPLY_AUTH_NEEDED, /* 530, 535, 538 */
	REPLY_SYNTAX, /* 500 to 504 */
	REPLY_PERMANENT, /* other 5xx */
	REPLY_DROPPED, /* the connection ended, or what came was no SMTP reply */
	REPLY_TIMED_OUT,
};
#define REPLY_CLASS_COUNT 9

enum host_effect {
	HOST_UNCHANGED,
	HOST_REST, /* backs off */
	HOST_COUNT, /* three different messages in a row: rests */
	HOST_SUCCESS, /* open, one connection more */
};

enum message_effect {
	MESSAGE_UNCHANGED,
	MESSAGE_FREE, /* next host at once, no attempt counted */
	MESSAGE_DEFER, /* charged */
	MESSAGE_FAIL, /* final for all recipients not yet final */
	MESSAGE_HOLD, /* held, and an alarm */
	MESSAGE_UNKNOWN, /* charged, waits at least retry.first, doubling; after five held, and an alarm */
	MESSAGE_DONE,
};

enum recipient_effect {
	RECIPIENT_UNCHANGED,
	RECIPIENT_ACCEPTED, /* goes with the text */
	RECIPIENT_DEFER, /* charged */
	RECIPIENT_SPLIT, /* another transaction, free */
	RECIPIENT_FAIL, /* final */
};

struct reply_effect {
	enum host_effect host;
	enum message_effect message;
	enum recipient_effect recipient;
	bool alarm;
	bool close; /* the connection is not used again */
};

const struct reply_effect *reply_effect(enum reply_stage stage, enum reply_class class);

/*
 * A reply that came; DROPPED and TIMED_OUT are said by who saw that none came. One that does not fit its stage (3xx, 250
 * to DATA) is DROPPED. `accepted`: how many recipients of this transaction were accepted before; `text`: the reply's,
 * after the code, or NULL.
 */
enum reply_class reply_classify(
	enum reply_stage stage, int code, const char *text, unsigned accepted);

const char *reply_stage_name(enum reply_stage stage); /* "connect", "banner" … "final dot" */

#endif
