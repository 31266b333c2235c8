/*
 * receipt.h: whether the 250 of a session's last message reached its client.
 *
 *   1. receipt_note: the 250 is about to be sent; the place of its last byte in the stream is noted.
 *      A connection that is reset by then carries nothing: the client did not hear it.
 *   2. A client that had closed its side by then may have closed both, and its kernel answers our 250 with a reset, or only one,
 *      and it is acknowledged. receipt_is_awaited keeps the session for up to RECEIPT_WAIT_MS, until either comes.
 *   3. Of any other client a reset says nothing at first: it may have read the 250, and reset before its kernel acknowledged what
 *      it had read (delayed acknowledgements: RFC 9293 3.8.6.3). Only when TCP had time for that, RECEIPT_DELAY_MS, and had not,
 *      or the connection was silent for RECEIPT_PATIENCE_MS, did it not hear it. What is in doubt counts as heard: an alarm too
 *      many is better than one that is lost. What we close ourselves, at once behind QUIT, is in doubt.
 *   4. receipt_end tells the writer which message its client did not hear of; queue/repeats.h says what follows.
 * All of it for fragile clients only: others know what a lost reply is (RFC 1047).
 *
 * What TCP has acknowledged is asked of the kernel (SIOCOUTQ), so it is for TCP. Inside of TLS the place of the 250 is known when
 * its record has left: channel_wire_bytes counts what goes to the socket.
 *
 * Threads: the worker's.
 */
#ifndef SLUICE_SMTP_RECEIPT_H
#define SLUICE_SMTP_RECEIPT_H

#include <stdbool.h>
#include <stdint.h>

#define RECEIPT_WAIT_MS     1000
#define RECEIPT_DELAY_MS    1000
#define RECEIPT_PATIENCE_MS 30000

struct session;

struct receipt {
	uint64_t id; /* the message; 0: none, or its client has heard */
	uint64_t end_bytes; /* of the connection, with the 250's last */
	uint64_t wire_end_bytes; /* the same as the socket counts them; 0: it has not left yet */
	int64_t noted_mono_ms;
	bool peer_had_closed; /* its side, when the 250 was written */
	bool is_waiting;
};

/* Behind session_reply of the 250. A session whose client is gone is told of at once. */
void receipt_note(struct session *session, uint64_t id);
/* Something was sent. */
void receipt_note_sent(struct session *session);
bool receipt_is_awaited(struct session *session);
/* Before the channel is closed. */
void receipt_end(struct session *session);

#endif
