#include "smtp/receipt.h"

#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "core/log.h"
#include "smtp/errand.h"

static void tell(struct session *session)
{
	char id[ID_TEXT_SIZE];

	log_event_limited(LOG_INFO, "reply_lost", "id=%s client=%s listener=%s",
		id_format(session->receipt.id, id), session->client, session->listener->name);
	session_quirk_said(session, QUIRK_GONE_AFTER_DOT, "%s, and was gone", id);
	errand_send(session->shared, WRITER_UNHEARD, session->receipt.id);
	session->receipt.id = 0;
}

/* 0: it is none of TCP's. */
static int tcp_state(const struct session *session)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	if (getsockopt(session->channel.conn.fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return 0;
	return info.tcpi_state;
}

void receipt_note(struct session *session, uint64_t id)
{
	const struct channel *channel = &session->channel;
	int state;

	if (!session->policy->lenient)
		return;
	state = session->state < SESSION_CLOSING ? tcp_state(session) : TCP_CLOSE;
	session->receipt = (struct receipt){.id = id,
		.end_bytes = channel->sent_bytes + channel->unsent.size +
			     session->shared->desk.output.size,
		.noted_mono_ms = session_now_ms(session),
		.peer_had_closed = state == TCP_CLOSE_WAIT};
	if (state == TCP_CLOSE)
		tell(session);
}

/* In clear what was sent behind it in the same turn is told apart from it; within TLS it may share its record. */
void receipt_note_sent(struct session *session)
{
	struct receipt *receipt = &session->receipt;
	const struct channel *channel = &session->channel;

	if (receipt->id == 0 || receipt->wire_end_bytes != 0 ||
		channel->sent_bytes < receipt->end_bytes)
		return;
	receipt->wire_end_bytes =
		channel->conn.tls != NULL ? channel_wire_bytes(channel) : receipt->end_bytes;
}

/* Our own FIN is no byte of the stream, but counts as one that is not acknowledged. */
static bool is_acknowledged(const struct session *session)
{
	const struct channel *channel = &session->channel;
	uint64_t left;
	int unacked = 0;

	if (session->receipt.wire_end_bytes == 0)
		return false;
	if (ioctl(channel->conn.fd, SIOCOUTQ, &unacked) < 0)
		return true;
	left = channel_wire_bytes(channel) - session->receipt.wire_end_bytes + channel->finishing;
	return (uint64_t)unacked <= left;
}

static bool is_broken(const struct session *session)
{
	return tcp_state(session) == TCP_CLOSE;
}

bool receipt_is_awaited(struct session *session)
{
	struct receipt *receipt = &session->receipt;
	int64_t now = session_now_ms(session);

	if (receipt->id == 0 || !receipt->peer_had_closed || is_acknowledged(session) ||
		is_broken(session))
		return false;
	if (!receipt->is_waiting && session->closing_end_mono_ms > now + RECEIPT_WAIT_MS)
		session->closing_end_mono_ms = now + RECEIPT_WAIT_MS;
	receipt->is_waiting = true;
	return true;
}

void receipt_end(struct session *session)
{
	const struct receipt *receipt = &session->receipt;
	int64_t age_ms = session_now_ms(session) - receipt->noted_mono_ms;

	if (receipt->id == 0 || is_acknowledged(session))
		return;
	if (age_ms >= RECEIPT_PATIENCE_MS ||
		(is_broken(session) && (receipt->peer_had_closed || age_ms >= RECEIPT_DELAY_MS)))
		tell(session);
}
