/*
 * dotstream.h: the message text as it comes behind 354: finds its end, un-stuffs dots, makes line ends canonical, and
 * notes what must be known of it. RFC 5321 4.1.1.4, 4.5.2.
 *
 * The text ends at CRLF "." CRLF and nowhere else (the CRLF of the DATA command counts as the first one). A lone LF or a
 * lone CR ends a line of the stored text, as CRLF, but never makes the dot line behind it, or before it, an end. So none of
 * the ends of data that other servers took by mistake (LF . LF, LF . CRLF, CRLF . LF, CR . CR, CRLF . CR, CR . CRLF, with
 * NULs among them) ends a text, and since all line ends that leave are CRLF and dots are stuffed anew, none leaves either:
 *
 *	           CRLF                    "."                 CR                LF
 *	TEXT ──────────────► START ──────────────► DOT ──────────────► DOT_CR ──────────► ENDED
 *	 │ ▲                                        │ else: dot is        │ else: "." was a line,
 *	 │ │ lone CR or LF                          ▼ taken off, TEXT     ▼ its end a lone CR
 *	 │ └──────────────► SOFT_START ──"."──► SOFT_DOT                SOFT_START
 *	 └─CR─► CR (its LF may follow)              CR or LF: "." was a line; else: dot is taken off
 *
 * One client is excepted: with `lf_only`, set when its session so far held no CR at all, LF "." LF is
 * the end too (LF_ENDED), as long as the text itself holds no CR, and only when nothing is behind it: neither in what was read
 * nor, by `more_waits`, in the socket. Else it is text. This is no hole for smuggling: that needs a relay in front of us
 * which hands on LF "." LF as text, and a relay ends its commands with CRLF (RFC 5321 2.3.8), so that its sessions are
 * not LF-only; and what a smuggler has in mind is always behind the false end.
 *
 * With dotstream_count the text is counted outside (BDAT, RFC 3030): no dot means anything, and only dotstream_finish ends it.
 *
 * A dot is taken off every line that has more than it (RFC 5321 4.5.2), whatever ended the line before.
 * A NUL is an ordinary byte to the machine and is noted: such a text is to be refused whole, behind its dot, with 554 5.6.0.
 * Postfix hands NULs on and Exim stores them; taking them out silently, as for a device that cannot do better
 * (`keeps_nul`: it is stored, and the plan takes them out), would change what a `standard` client said.
 *
 * Size: what the client sent as RFC 1870 counts it: line ends as they came, no stuffed dots, not the final dot line. Over
 * `limit_bytes`, or once dotstream_discard was called, the text is read to its end and dropped.
 *
 * Threads: the owner's. Errors: what the sink refuses is noted (`sink_failed`) and the rest is dropped. Cost: each byte
 * is looked at by memchr for LF and CR, once for NUL and the eighth bit, and copied by the sink, in runs.
 */
#ifndef SLUICE_SMTP_DOTSTREAM_H
#define SLUICE_SMTP_DOTSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_LINE_BYTES 998 /* RFC 5321 4.5.3.1.6, without CRLF */

enum dotstream_state {
	DOTSTREAM_START,
	DOTSTREAM_SOFT_START,
	DOTSTREAM_DOT,
	DOTSTREAM_SOFT_DOT,
	DOTSTREAM_DOT_CR,
	DOTSTREAM_TEXT,
	DOTSTREAM_CR,
	DOTSTREAM_LF_ENDED,
	DOTSTREAM_ENDED,
};

enum dotstream_progress { DOTSTREAM_MORE, DOTSTREAM_DONE };

/* Takes a run of canonical text. False: it cannot; nothing more comes. */
typedef bool dotstream_sink_fn(void *owner, const void *bytes, size_t size);

#define DOTSTREAM_NAME_BYTES 9 /* "received:" */

struct dotstream {
	dotstream_sink_fn *sink;
	void *owner;
	uint64_t limit_bytes;
	enum dotstream_state state;
	bool keeps_nul; /* a NUL is no reason to drop the text */
	bool lf_only; /* every line end of the session so far was a bare LF; cleared by the first CR */
	bool more_waits; /* behind the next call's input something waits in the socket */
	bool counted;

	/* facts of the text so far */
	uint64_t sent_bytes; /* see Size above */
	unsigned received_fields; /* "Received:" in the header section */
	bool has_eightbit;
	bool has_nul;
	bool has_dots; /* a stored line begins with a dot */
	bool has_long_lines; /* a stored line over TEXT_LINE_BYTES */
	bool has_lone_lf, has_lone_cr; /* a line ended in one */
	bool header_ended; /* an empty line was seen */
	bool over_limit;
	bool sink_failed;

	bool discarding;
	uint64_t line_bytes; /* of the stored line so far */
	uint8_t name[DOTSTREAM_NAME_BYTES]; /* its first bytes, while in the header section */
};

void dotstream_init(
	struct dotstream *stream, uint64_t limit_bytes, dotstream_sink_fn *sink, void *owner);

/* *taken is all of it, but at DONE what lies behind the final dot line is not. */
enum dotstream_progress dotstream_next(
	struct dotstream *stream, const void *input, size_t size, size_t *taken);

static inline bool dotstream_has_ended(const struct dotstream *stream)
{
	return stream->state == DOTSTREAM_ENDED || stream->state == DOTSTREAM_LF_ENDED;
}

/* Before the first byte: what comes is text and nothing else. */
void dotstream_count(struct dotstream *stream);
/* Nothing more comes: a last line without its end gets one. False if it did. */
bool dotstream_finish(struct dotstream *stream);

/* The text will not be wanted: reads on to its end without the sink. */
void dotstream_discard(struct dotstream *stream);

#endif
