#include "core/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t error_code(void)
{
	return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

static ssize_t plain_read(struct conn *conn, void *to, size_t size)
{
	ssize_t got;

	do
		got = recv(conn->fd, to, size, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? error_code() : got;
}

static ssize_t plain_write(struct conn *conn, const struct iovec *from, int count)
{
	struct msghdr message = {.msg_iov = (struct iovec *)from, .msg_iovlen = (size_t)count};
	ssize_t sent;

	/* writev would raise SIGPIPE when the peer has gone. */
	do
		sent = sendmsg(conn->fd, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? error_code() : sent;
}

static void plain_end(struct conn *conn)
{
	shutdown(conn->fd, SHUT_WR);
}

static void plain_close(struct conn *conn)
{
	close(conn->fd);
}

const struct conn_transport conn_plain = {
	.name = "plain",
	.read = plain_read,
	.write = plain_write,
	.end = plain_end,
	.close = plain_close,
	.short_read_drains = true,
};

void conn_init_plain(struct conn *conn, int fd, const struct address *peer)
{
	struct sockaddr_storage local;
	socklen_t size = sizeof(local);
	int on = 1;

	memset(conn, 0, sizeof(*conn));
	conn->transport = &conn_plain;
	conn->fd = fd;
	conn->peer = *peer;
	/* Neither can hurt a session when it fails: replies would wait for Nagle, a log line would lack an address. */
	if (peer->any.sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (getsockname(fd, (struct sockaddr *)&local, &size) == 0)
		address_from_socket((struct sockaddr *)&local, size, &conn->local);
}

void conn_end(struct conn *conn)
{
	conn->transport->end(conn);
}

void conn_fini(struct conn *conn)
{
	if (conn->fd < 0)
		return;
	conn->transport->close(conn);
	conn->fd = -1;
}
