/*
 * conn.h: a client's connection: bytes in, bytes out, plain or TLS behind one interface.
 *
 * Threads: the owner's. Owner: embedded in its session; conn_fini closes the socket.
 * Errors: -EAGAIN when it would block, other -errno when it is broken; 0 from conn_read is the peer's end.
 */
#ifndef SLUICE_CORE_CONN_H
#define SLUICE_CORE_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/address.h"

struct conn;

/* What carries the bytes. One table a transport; TLS for clients is a second one. */
struct conn_transport {
	const char *name; /* "plain", "TLSv1.3" … */
	ssize_t (*read)(struct conn *conn, void *to, size_t size);
	ssize_t (*write)(struct conn *conn, const struct iovec *from, int count);
	void (*close)(struct conn *conn);
	bool is_tls;
	bool short_read_drains; /* a read shorter than asked for has taken all there was (epoll(7)) */
};

struct conn {
	const struct conn_transport *transport;
	int fd; /* -1: closed */
	struct address peer, local;
};

/* Takes the descriptor over: sets TCP_NODELAY, reads the local address. */
void conn_init_plain(struct conn *conn, int fd, const struct address *peer);
void conn_fini(struct conn *conn);

static inline bool conn_is_tls(const struct conn *conn)
{
	return conn->transport->is_tls;
}

static inline ssize_t conn_read(struct conn *conn, void *to, size_t size)
{
	return conn->transport->read(conn, to, size);
}

static inline ssize_t conn_write(struct conn *conn, const struct iovec *from, int count)
{
	return conn->transport->write(conn, from, count);
}

#endif
