/*
 * verb_bdat.c: BDAT: text in counted chunks. RFC 3030.
 *
 *   1. BDAT size [LAST]: the first of a message begins its text, as DATA does. Its octets follow the line at once, and go through
 *      the same dot stream, which looks for no dot.
 *   2. Behind a chunk's last octet: what must be refused is refused, and the message with it; else 250 says that the chunk is
 *      taken, and no more than that. The reply waits for a request that the writer has, so that between chunks none is under way.
 *   3. Behind the LAST chunk it is a message as behind a final dot; its 250 is the durable one. A last line without its end
 *      gets one.
 *   4. A BDAT that is refused by its place in the dialogue has octets all the same: they are read and dropped, then comes
 *      the reply, so that the session stays in step.
 *   5. A size that cannot be read, or a line that must not be executed (over-long, or on strict listeners with a lone LF), leaves
 *      nobody knowing where the next command begins, on any profile: 501 or 500, and the session ends. To guess would be to
 *      execute a message's text.
 */
#include <string.h>

#include "core/ascii.h"
#include "smtp/deadline.h"
#include "smtp/verb.h"

#define DIGITS_MAX 18 /* fits 64 bits */

struct chunk {
	uint64_t octets;
	bool is_last;
};

static bool parse_chunk(const struct command *command, struct chunk *out)
{
	const char *at = command->argument, *end = at + command->argument_size;
	size_t digits = 0;

	*out = (struct chunk){0};
	for (; at < end && ascii_is_digit(*at) && digits <= DIGITS_MAX; at++, digits++)
		out->octets = out->octets * 10 + (uint64_t)(*at - '0');
	if (digits == 0 || digits > DIGITS_MAX)
		return false;
	if (at == end)
		return true;
	if (*at != ' ' && *at != '\t')
		return false;
	while (*at == ' ' || *at == '\t')
		at++;
	out->is_last = ascii_equals(at, (size_t)(end - at), "LAST");
	return out->is_last;
}

/* ---- 5 ---- */

void bdat_end(struct session *session, const char *reply)
{
	session_reject(session, "%s", reply);
	session->ended_by_us = true;
	if (session->state < SESSION_CLOSING)
		session_move(session, SESSION_CLOSING);
}

/* ---- 4 ---- */

static void answer_refused(struct session *session)
{
	const char *reply = session->skip_reply;

	session->skip_reply = NULL;
	session_reject(session, "%s", reply);
}

static void refuse_chunk(struct session *session, const struct chunk *chunk, const char *reply)
{
	session->skip_octets = chunk->octets;
	session->skip_reply = reply;
	if (session->skip_octets == 0)
		answer_refused(session);
}

size_t bdat_skip(struct session *session, size_t size)
{
	size_t part = size < session->skip_octets ? size : (size_t)session->skip_octets;

	session->skip_octets -= part;
	deadline_restart(session);
	if (session->skip_octets == 0)
		answer_refused(session);
	return part;
}

/* ---- 2, 3 ---- */

static void end_chunk(struct session *session)
{
	struct transaction *transaction = session->transaction;

	if (transaction->chunk_is_last) {
		if (!dotstream_finish(&transaction->dotstream))
			session_quirk_said(session, QUIRK_BDAT, "no line end behind the last line");
		if (!session->esmtp)
			session_quirk_said(session, QUIRK_BDAT, "BDAT without EHLO");
	}
	session_move(session, SESSION_STORING);
	if (!transaction->handoff.under_way)
		data_end(session);
}

size_t bdat_take(struct session *session, const uint8_t *bytes, size_t size)
{
	struct transaction *transaction = session->transaction;
	size_t part = size < transaction->chunk_left ? size : (size_t)transaction->chunk_left;
	size_t taken;

	dotstream_next(&transaction->dotstream, bytes, part, &taken);
	deadline_note_text(session, taken);
	transaction->chunk_left -= taken;
	data_advance(session);
	if (transaction->chunk_left == 0)
		end_chunk(session);
	return taken;
}

/* ---- 1 ---- */

static void begin_chunk(struct session *session, const struct chunk *chunk)
{
	struct transaction *transaction = session->transaction;

	if (transaction->inspection == NULL) {
		if (!data_begin(session)) {
			session_trouble(session, TROUBLE_MEMORY);
			return;
		}
		dotstream_count(&transaction->dotstream);
		transaction->is_chunked = true;
	}
	transaction->chunk_left = chunk->octets;
	transaction->chunk_is_last = chunk->is_last;
	session_move(session, SESSION_TEXT);
	if (chunk->octets == 0)
		end_chunk(session);
}

void verb_bdat(struct session *session, const struct command *command)
{
	struct chunk chunk;

	if (!parse_chunk(command, &chunk)) {
		bdat_end(session, "501 5.5.4 Syntax: BDAT size [LAST]");
	} else if (session->state == SESSION_RCPT) {
		begin_chunk(session, &chunk);
	} else {
		refuse_chunk(session, &chunk,
			session->state == SESSION_NEW
				? "503 5.5.1 Send EHLO first"
				: "503 5.5.1 No recipient was accepted, send MAIL and RCPT first");
	}
}
