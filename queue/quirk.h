/*
 * quirk.h: what clients get wrong, by number: one table, and sets of them.
 *
 * A quirk's number never changes: logs, metrics, the ledger and a message's `quirks=` use it, docs/quirks.md tells what each
 * is. Who notices one (smtp/ on the wire, queue/inspection in the text) puts it into a set; nothing is decided here.
 *
 * Threads: the table is constant; a set is its owner's.
 */
#ifndef SLUICE_QUEUE_QUIRK_H
#define SLUICE_QUEUE_QUIRK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum quirk {
	/* connection and banner */
	QUIRK_EARLY_TALKER = 1,
	QUIRK_TLS_TO_PLAIN_PORT = 2,
	QUIRK_PLAIN_TO_TLS_PORT = 3,
	QUIRK_BANNER_LINES = 4,
	QUIRK_BANNER_WORD = 5,
	QUIRK_REPLY_SEGMENTS = 6,
	QUIRK_SINGLE_LINE_EHLO = 7,
	QUIRK_EHLO_502 = 8,
	QUIRK_IDLE_NOOP = 9,
	QUIRK_MANY_CONNECTIONS = 10,
	QUIRK_RECONNECTS = 11,
	QUIRK_PREFLIGHT = 12,
	QUIRK_VRFY_FIRST = 13,
	QUIRK_OLD_COMMANDS = 14,
	QUIRK_OTHER_PROTOCOL = 15,
	QUIRK_XCLIENT = 16,
	QUIRK_ADDRESS_CHANGES = 17,
	QUIRK_SHARED_ADDRESS = 18,
	QUIRK_MAPPED_ADDRESS = 19,
	QUIRK_FIXED_SERVER_ADDRESS = 20,
	/* HELO, EHLO */
	QUIRK_NO_HELO = 21,
	QUIRK_EMPTY_HELO = 22,
	QUIRK_HELO_UNDERSCORE = 23,
	QUIRK_HELO_BARE_IP = 24,
	QUIRK_HELO_ODD_NAME = 25,
	QUIRK_EHLO_AGAIN = 26,
	QUIRK_NO_EHLO_AFTER_TLS = 27,
	QUIRK_COMMAND_BLANKS = 28,
	QUIRK_LHLO = 30,
	QUIRK_STARTTLS_UNASKED = 31,
	QUIRK_IGNORES_REPLIES = 32,
	/* MAIL, RCPT, order */
	QUIRK_NO_BRACKETS = 33,
	QUIRK_SPACE_AFTER_COLON = 34,
	QUIRK_NO_COLON = 35,
	QUIRK_DISPLAY_NAME = 36,
	QUIRK_EXCESS_BRACKETS = 37,
	QUIRK_ODD_DOTS = 38,
	QUIRK_UNQUALIFIED = 39,
	QUIRK_NUMERIC_SENDER = 40,
	QUIRK_UNASKED_PIPELINING = 41,
	QUIRK_DOT_AND_QUIT = 42,
	QUIRK_EMPTY_LINES = 43,
	QUIRK_UNKNOWN_PARAMETERS = 44,
	QUIRK_RCPT_LIST = 45,
	QUIRK_SAME_RECIPIENT = 46,
	QUIRK_AFTER_REFUSAL = 47,
	QUIRK_MANY_RECIPIENTS = 48,
	QUIRK_SOURCE_ROUTE = 49,
	QUIRK_EIGHTBIT_ADDRESS = 50,
	QUIRK_NULL_SENDER = 51,
	QUIRK_SECOND_MAIL = 52,
	QUIRK_EXTRA_ARGUMENTS = 53,
	QUIRK_LONG_COMMAND = 54,
	QUIRK_COMMAND_LINE_ENDS = 55,
	QUIRK_TELNET = 56,
	QUIRK_SLOW_COMMANDS = 57,
	QUIRK_SHORT_PATIENCE = 58,
	QUIRK_PLAIN_CODES = 59,
	QUIRK_FATAL_4XX = 60,
	/* DATA and content */
	QUIRK_LONE_LF = 61,
	QUIRK_LF_DOT = 62,
	QUIRK_LONE_CR = 63,
	QUIRK_NO_STUFFING = 64,
	QUIRK_NO_FINAL_DOT = 65,
	QUIRK_GONE_AFTER_DOT = 66,
	QUIRK_NO_QUIT = 67,
	QUIRK_WAITS_FOR_221 = 68,
	QUIRK_LONG_LINES = 69,
	QUIRK_EIGHTBIT_BODY = 70,
	QUIRK_NUL = 71,
	QUIRK_NO_MESSAGE_ID = 72,
	QUIRK_DATE = 73,
	QUIRK_FROM = 74,
	QUIRK_EIGHTBIT_HEADER = 75,
	QUIRK_NO_HEADER = 76,
	QUIRK_MBOX_FROM = 77,
	QUIRK_LONG_HEADER = 78,
	QUIRK_BCC = 79,
	QUIRK_BROKEN_MIME = 80,
	QUIRK_BDAT = 81,
	QUIRK_SLOW_TEXT = 82,
	QUIRK_WRONG_SIZE = 83,
	QUIRK_OVERSIZE = 84,
	QUIRK_RESEND = 85,
	QUIRK_LOOP = 86,
	QUIRK_SAME_MESSAGE_ID = 87,
	QUIRK_EMPTY_CHARSET = 88,
	/* AUTH and TLS */
	QUIRK_AUTH_FIRST = 89,
	QUIRK_AUTH_EQUALS = 89,
	QUIRK_LOGIN_PROMPTS = 90,
	QUIRK_LOGIN_NAME_AT_ONCE = 91,
	QUIRK_PLAIN_PROMPT = 92,
	QUIRK_PLAIN_FIELDS = 93,
	QUIRK_CRAM_MD5 = 94,
	QUIRK_NTLM = 95,
	QUIRK_AUTH_UNASKED = 96,
	QUIRK_AUTH_IN_CLEAR = 97,
	QUIRK_AUTH_AGAIN = 98,
	QUIRK_AUTH_MUST = 99,
	QUIRK_SHORT_PASSWORDS = 100,
	QUIRK_AUTH_INSISTED = 101,
	QUIRK_TLS_FAILS = 102,
	QUIRK_OLD_TLS = 103,
	QUIRK_SIMPLE_CERTIFICATE = 104,
	QUIRK_CERTIFICATE_BY_ADDRESS = 105,
	QUIRK_RESUMPTION = 106,
	QUIRK_NO_CLOSE_NOTIFY = 107,
	QUIRK_STARTTLS_INJECTION = 108,
	QUIRK_NO_LOGIN = 109,
	QUIRK_OLD_CLIENT_CERTIFICATE = 110,
	QUIRK_AUTH_LAST = 110,
};
#define QUIRK_COUNT 111 /* 0 and 29 are none */

enum quirk_place {
	QUIRK_AT_CONNECTION,
	QUIRK_AT_GREETING,
	QUIRK_AT_ENVELOPE,
	QUIRK_AT_TEXT,
	QUIRK_AT_LOGIN,
};

/* How far this version goes with it. */
enum quirk_stand {
	QUIRK_HANDLED, /* noticed, counted, and dealt with */
	QUIRK_MET, /* met by what Sluice always does; there is nothing to notice */
	QUIRK_BY_PROFILE, /* by a client profile (smtp/device.h) */
	QUIRK_REFUSED, /* an attack: refused, and counted */
	QUIRK_LATER, /* not in this version */
};

struct quirk_row {
	const char *name; /* "MAIL FROM without angle brackets" */
	enum quirk_place place;
	enum quirk_stand stand;
	const char *done; /* what Sluice does about it, one sentence */
	const char *advice; /* what the owner could change, one sentence; NULL: nothing */
};

/* NULL: no such number. */
const struct quirk_row *quirk_row(unsigned number);

/* ---- sets ---- */

#define QUIRK_WORDS 2

struct quirk_set {
	uint64_t bits[QUIRK_WORDS];
};

static inline void quirk_set_add(struct quirk_set *set, unsigned number)
{
	set->bits[number / 64] |= UINT64_C(1) << number % 64;
}

static inline bool quirk_set_has(const struct quirk_set *set, unsigned number)
{
	return (set->bits[number / 64] >> number % 64 & 1) != 0;
}

static inline bool quirk_set_is_empty(const struct quirk_set *set)
{
	return (set->bits[0] | set->bits[1]) == 0;
}

static inline void quirk_set_merge(struct quirk_set *into, const struct quirk_set *from)
{
	into->bits[0] |= from->bits[0];
	into->bits[1] |= from->bits[1];
}

/* The next number greater than `after`, or 0: none. Begin with 0. */
unsigned quirk_set_next(const struct quirk_set *set, unsigned after);

#define QUIRK_TEXT_SIZE 768 /* "Q-01 Q-02 …" of all 127, and a NUL */
/* Returns `out`; "" for none. */
char *quirk_set_format(const struct quirk_set *set, char *out);
/* Of "Q-33 Q-61"; what it does not know it passes over. */
void quirk_set_parse(const char *text, struct quirk_set *out);

#endif
