#include "smtp/channel.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define FINISH_ROUNDS 4 /* reads of what is dropped, then the others come first */

bool channel_desk_init(struct channel_desk *desk, size_t kept_max)
{
	*desk = (struct channel_desk){.input_capacity = kept_max + CHANNEL_READ_BYTES};
	desk->input = malloc(desk->input_capacity);
	return desk->input != NULL;
}

void channel_desk_fini(struct channel_desk *desk)
{
	free(desk->input);
	bytes_fini(&desk->output);
}

void channel_init(struct channel *channel, int fd, const struct address *peer)
{
	*channel = (struct channel){0};
	conn_init_plain(&channel->conn, fd, peer);
}

/* What a client has sent may be a part of a password. */
static void wipe_kept(struct channel *channel)
{
	if (channel->kept.data != NULL)
		OPENSSL_cleanse(channel->kept.data, channel->kept.size);
}

void channel_fini(struct channel *channel)
{
	conn_fini(&channel->conn);
	wipe_kept(channel);
	bytes_fini(&channel->kept);
	bytes_fini(&channel->unsent);
}

void channel_note(struct channel *channel, uint32_t events)
{
	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		channel->peer_ended = true;
	/* inside of TLS a read may have waited for room to write */
	if ((events & EPOLLIN) != 0 || channel->peer_ended || conn_is_tls(&channel->conn))
		channel->readable = true;
}

uint64_t channel_wire_bytes(const struct channel *channel)
{
	return channel->conn.tls != NULL ? conn_tls_sent(&channel->conn) : channel->sent_bytes;
}

bool channel_has_unread(const struct channel *channel)
{
	int unread = 0;

	if (conn_has_pending(&channel->conn))
		return true;
	return ioctl(channel->conn.fd, FIONREAD, &unread) == 0 && unread > 0;
}

static ssize_t read_some(struct channel *channel, void *to, size_t size)
{
	ssize_t got;

	if (!channel->readable)
		return -EAGAIN;
	got = conn_read(&channel->conn, to, size);
	if (got == -EAGAIN)
		channel->readable = false;
	/* The end comes as one more edge, or has come and is in `peer_ended`. */
	if (got > 0 && (size_t)got < size && channel->conn.transport->short_read_drains &&
		!channel->peer_ended)
		channel->readable = false;
	return got;
}

ssize_t channel_fill(struct channel *channel, struct channel_desk *desk, bool wants_more)
{
	size_t kept = channel->kept.size;
	ssize_t got;

	if (kept > 0 && !wants_more) {
		memcpy(desk->input, channel->kept.data, kept);
		wipe_kept(channel);
		bytes_fini(&channel->kept);
		return (ssize_t)kept;
	}
	got = read_some(channel, desk->input + kept, CHANNEL_READ_BYTES);
	if (got <= 0)
		return got;
	if (kept > 0)
		memcpy(desk->input, channel->kept.data, kept);
	wipe_kept(channel);
	bytes_clear(&channel->kept);
	return (ssize_t)kept + got;
}

bool channel_keep(
	struct channel *channel, const struct channel_desk *desk, size_t from, size_t size)
{
	if (from < size)
		return bytes_append(&channel->kept, desk->input + from, size - from);
	if (channel->kept.data != NULL)
		bytes_fini(&channel->kept);
	return true;
}

static ssize_t send_some(struct channel *channel, const void *from, size_t size)
{
	struct iovec part = {.iov_base = (void *)from, .iov_len = size};
	ssize_t sent = conn_write(&channel->conn, &part, 1);

	if (sent > 0)
		channel->sent_bytes += (uint64_t)sent;
	return sent;
}

static int send_unsent(struct channel *channel)
{
	ssize_t sent;

	while (channel->unsent.size > 0) {
		sent = send_some(channel, channel->unsent.data, channel->unsent.size);
		if (sent < 0)
			return sent == -EAGAIN ? 0 : (int)sent;
		bytes_consume(&channel->unsent, (size_t)sent);
	}
	if (channel->unsent.data != NULL)
		bytes_fini(&channel->unsent);
	return 0;
}

int channel_flush(struct channel *channel, struct channel_desk *desk)
{
	struct bytes *output = &desk->output;
	size_t from = 0;
	ssize_t sent;
	int rc = send_unsent(channel);

	while (rc == 0 && channel->unsent.size == 0 && from < output->size) {
		sent = send_some(channel, output->data + from, output->size - from);
		if (sent == -EAGAIN)
			break;
		if (sent < 0)
			rc = (int)sent;
		else
			from += (size_t)sent;
	}
	if (rc == 0 && from < output->size &&
		!bytes_append(&channel->unsent, output->data + from, output->size - from))
		rc = -ENOMEM;
	bytes_clear(output);
	return rc;
}

enum channel_end channel_finish(struct channel *channel, struct channel_desk *desk)
{
	ssize_t got = -EAGAIN;

	if (!channel->finishing) {
		if (!channel->readable)
			return CHANNEL_ENDED;
		conn_end(&channel->conn);
		channel->finishing = true;
	}
	for (unsigned round = 0; round < FINISH_ROUNDS; round++) {
		got = read_some(channel, desk->input, CHANNEL_READ_BYTES);
		if (got <= 0)
			return got == -EAGAIN ? CHANNEL_WAITS : CHANNEL_ENDED;
	}
	return CHANNEL_HAS_MORE;
}
