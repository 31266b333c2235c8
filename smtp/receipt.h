/*
 * receipt.h: whether the 250 of a session's last message reached its client.
 *
 *   1. receipt_note: the 250 is about to be sent; the place of its last byte in the stream is noted.
 *   2. The session ends. The client did certainly not hear the 250 when TCP has not acknowledged its last byte and the connection
 *      is broken (reset, or given up by the kernel), or was silent for RECEIPT_PATIENCE_MS since. What we close ourselves, at
 *      once behind QUIT, is not judged: its bytes are still on their way.
 *   3. A client that closed its side may have closed both: then its kernel answers our 250 with a reset, which is not here yet.
 *      receipt_is_awaited keeps the session for up to RECEIPT_WAIT_MS, until the acknowledgement or the reset comes.
 *   4. receipt_end tells the writer which message its client did not hear of; queue/repeats.h says what follows.
 * All of it for fragile clients only: others know what a lost reply is (RFC 1047).
 *
 * What TCP has acknowledged is asked of the kernel (SIOCOUTQ), so it is for TCP and connections whose bytes are sent as they are.
 *
 * Threads: the worker's.
 */
#ifndef SLUICE_SMTP_RECEIPT_H
#define SLUICE_SMTP_RECEIPT_H

#include <stdbool.h>
#include <stdint.h>

#define RECEIPT_WAIT_MS     1000
#define RECEIPT_PATIENCE_MS 30000

struct session;

struct receipt {
	uint64_t id; /* the message; 0: none, or its client has heard */
	uint64_t end_bytes; /* of the connection, with the 250's last */
	int64_t noted_mono_ms;
	bool is_waiting;
};

/* Behind session_reply of the 250. A session whose client is gone is told of at once. */
void receipt_note(struct session *session, uint64_t id);
bool receipt_is_awaited(struct session *session);
/* Before the channel is closed. */
void receipt_end(struct session *session);

#endif
