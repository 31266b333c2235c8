#include "queue/reply.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* What a cell can say, each by its name in design's words. */
#define NOTHING                                                                      \
	{                                                                            \
		HOST_UNCHANGED, MESSAGE_UNCHANGED, RECIPIENT_UNCHANGED, false, false \
	}
/* The host is busy or away; the message has nothing to do with it and goes elsewhere at once. */
#define REST                                                              \
	{                                                                 \
		HOST_REST, MESSAGE_FREE, RECIPIENT_UNCHANGED, false, true \
	}
/* The same because of our credentials or certificates: somebody must act. */
#define ALARM                                                            \
	{                                                                \
		HOST_REST, MESSAGE_FREE, RECIPIENT_UNCHANGED, true, true \
	}
/* Only this connection is used up. */
#define RECONNECT                                                              \
	{                                                                      \
		HOST_UNCHANGED, MESSAGE_FREE, RECIPIENT_UNCHANGED, false, true \
	}
/* Not this message, not now. */
#define DEFER                                                                \
	{                                                                    \
		HOST_COUNT, MESSAGE_DEFER, RECIPIENT_UNCHANGED, false, false \
	}
#define DEFER_CLOSE                                                         \
	{                                                                   \
		HOST_COUNT, MESSAGE_DEFER, RECIPIENT_UNCHANGED, false, true \
	}
/* Not this message, ever. */
#define FAIL                                                                    \
	{                                                                       \
		HOST_UNCHANGED, MESSAGE_FAIL, RECIPIENT_UNCHANGED, false, false \
	}
#define FAIL_CLOSE                                                             \
	{                                                                      \
		HOST_UNCHANGED, MESSAGE_FAIL, RECIPIENT_UNCHANGED, false, true \
	}
/* Upstream did not understand us: our mistake or its, never the sender's. */
#define HOLD                                                                  \
	{                                                                     \
		HOST_UNCHANGED, MESSAGE_HOLD, RECIPIENT_UNCHANGED, true, true \
	}
#define UNKNOWN                                                                   \
	{                                                                         \
		HOST_UNCHANGED, MESSAGE_UNKNOWN, RECIPIENT_UNCHANGED, false, true \
	}
#define DONE                                                                  \
	{                                                                     \
		HOST_SUCCESS, MESSAGE_DONE, RECIPIENT_UNCHANGED, false, false \
	}
/* One recipient's affair. */
#define TO_ACCEPT                                                                   \
	{                                                                           \
		HOST_UNCHANGED, MESSAGE_UNCHANGED, RECIPIENT_ACCEPTED, false, false \
	}
#define TO_DEFER                                                                 \
	{                                                                        \
		HOST_UNCHANGED, MESSAGE_UNCHANGED, RECIPIENT_DEFER, false, false \
	}
#define TO_SPLIT                                                                 \
	{                                                                        \
		HOST_UNCHANGED, MESSAGE_UNCHANGED, RECIPIENT_SPLIT, false, false \
	}
#define TO_FAIL                                                                 \
	{                                                                       \
		HOST_UNCHANGED, MESSAGE_UNCHANGED, RECIPIENT_FAIL, false, false \
	}

/*
 * Rows by stage, columns by class. Cells that should not occur stand for the safest reading: before MAIL everything but
 * a positive reply rests the host and costs the message nothing; a positive reply while the text is still going out is
 * no reply to the message and counts as a dropped connection, never as success (F-28).
 */
/* clang-format off */
static const struct reply_effect effects[STAGE_COUNT][REPLY_CLASS_COUNT] = {
	/*                  POSITIVE   BUSY       TRANSIENT    TOO_MANY   AUTH_NEEDED SYNTAX   PERMANENT   DROPPED    TIMED_OUT */
	[STAGE_CONNECT] = { NOTHING,   REST,      REST,        REST,      ALARM,      REST,    REST,       REST,      REST },
	[STAGE_BANNER] =  { NOTHING,   REST,      REST,        REST,      ALARM,      REST,    REST,       REST,      REST },
	[STAGE_EHLO] =    { NOTHING,   REST,      REST,        REST,      ALARM,      REST,    REST,       REST,      REST },
	[STAGE_TLS] =     { NOTHING,   REST,      ALARM,       ALARM,     ALARM,      ALARM,   ALARM,      ALARM,     ALARM },
	[STAGE_AUTH] =    { NOTHING,   REST,      ALARM,       ALARM,     ALARM,      ALARM,   ALARM,      ALARM,     ALARM },
	[STAGE_REUSE] =   { NOTHING,   RECONNECT, DEFER,       RECONNECT, ALARM,      HOLD,    FAIL,       RECONNECT, RECONNECT },
	[STAGE_MAIL] =    { NOTHING,   REST,      DEFER,       RECONNECT, ALARM,      HOLD,    FAIL,       REST,      REST },
	[STAGE_RCPT] =    { TO_ACCEPT, REST,      TO_DEFER,    TO_SPLIT,  ALARM,      TO_FAIL, TO_FAIL,    REST,      REST },
	[STAGE_DATA] =    { NOTHING,   REST,      DEFER,       RECONNECT, ALARM,      HOLD,    FAIL,       REST,      REST },
	[STAGE_TEXT] =    { REST,      REST,      DEFER_CLOSE, RECONNECT, ALARM,      HOLD,    FAIL_CLOSE, REST,      REST },
	[STAGE_DOT] =     { DONE,      REST,      DEFER,       RECONNECT, ALARM,      HOLD,    FAIL,       UNKNOWN,   UNKNOWN },
};
/* clang-format on */

const struct reply_effect *reply_effect(enum reply_stage stage, enum reply_class class)
{
	return &effects[stage][class];
}

/* "421 4.7.0 too many messages in this session": this connection is used up, the host is well. */
static bool is_session_used_up(const char *text)
{
	return strcasestr(text, "too many messages") != NULL &&
	       (strcasestr(text, "session") != NULL || strcasestr(text, "connection") != NULL);
}

/* RFC 5321 4.5.3.1.10: 452, and 552 from those that mean the same. */
static bool is_recipients_used_up(int code, const char *text)
{
	return code == 452 || (code == 552 && strncmp(text, "5.5.3", 5) == 0);
}

static enum reply_class classify_code(enum reply_stage stage, int code)
{
	if (stage == STAGE_DATA)
		return code == 354 ? REPLY_POSITIVE : REPLY_DROPPED;
	return code >= 200 && code <= 299 ? REPLY_POSITIVE : REPLY_DROPPED;
}

enum reply_class reply_classify(
	enum reply_stage stage, int code, const char *text, unsigned accepted)
{
	if (text == NULL)
		text = "";
	if (code < 400 || code > 599)
		return classify_code(stage, code);
	if (stage == STAGE_RCPT && accepted > 0 && is_recipients_used_up(code, text))
		return REPLY_TOO_MANY;
	if (stage >= STAGE_REUSE && stage != STAGE_RCPT && code < 500 && is_session_used_up(text))
		return REPLY_TOO_MANY;
	if (code == 421)
		return REPLY_BUSY;
	if (code < 500)
		return REPLY_TRANSIENT;
	if (code == 530 || code == 535 || code == 538)
		return REPLY_AUTH_NEEDED;
	return code <= 504 ? REPLY_SYNTAX : REPLY_PERMANENT;
}

const char *reply_stage_name(enum reply_stage stage)
{
	static const char *const names[STAGE_COUNT] = {
		[STAGE_CONNECT] = "connect",
		[STAGE_BANNER] = "banner",
		[STAGE_EHLO] = "EHLO",
		[STAGE_TLS] = "STARTTLS",
		[STAGE_AUTH] = "AUTH",
		[STAGE_REUSE] = "MAIL on an idle connection",
		[STAGE_MAIL] = "MAIL",
		[STAGE_RCPT] = "RCPT",
		[STAGE_DATA] = "DATA",
		[STAGE_TEXT] = "text",
		[STAGE_DOT] = "final dot",
	};

	return names[stage];
}
