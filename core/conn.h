/*
 * conn.h: a client's connection: bytes in, bytes out, plain or TLS behind one interface.
 *
 * Each begins plain. conn_start_tls puts TLS on it, as the server; then conn_handshake is called whenever the socket is ready
 * until it has ended, and what is read and written from then on is inside of TLS.
 *
 * Threads: the owner's. Owner: embedded in its session; conn_fini closes the socket.
 * Errors: -EAGAIN when it would block, other -errno when it is broken; 0 from conn_read is the peer's end.
 */
#ifndef SLUICE_CORE_CONN_H
#define SLUICE_CORE_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/address.h"

struct conn;
struct ssl_st;
struct ssl_ctx_st;

/* What carries the bytes. One table a transport. */
struct conn_transport {
	const char *name; /* "plain", "TLS" */
	ssize_t (*read)(struct conn *conn, void *to, size_t size);
	ssize_t (*write)(struct conn *conn, const struct iovec *from, int count);
	void (*end)(struct conn *conn); /* nothing more is sent */
	void (*close)(struct conn *conn);
	bool is_tls;
	bool short_read_drains; /* a read shorter than asked for has taken all there was (epoll(7)) */
};

extern const struct conn_transport conn_plain;

struct conn {
	const struct conn_transport *transport;
	int fd; /* -1: closed */
	struct ssl_st *tls; /* NULL: plain */
	bool tls_broken; /* nothing more can be said, not even an end */
	struct address peer, local;
};

/* Takes the descriptor over: sets TCP_NODELAY, reads the local address. */
void conn_init_plain(struct conn *conn, int fd, const struct address *peer);
void conn_fini(struct conn *conn);

/* Tells the peer that nothing more comes; it may still send. */
void conn_end(struct conn *conn);

/* ---- conn_tls.c ---- */

/* `context` may go afterwards. 0, or -ENOMEM: it is still plain. What was read before is no part of it. */
int conn_start_tls(struct conn *conn, struct ssl_ctx_st *context)
	__attribute__((warn_unused_result));

enum conn_handshake {
	CONN_HANDSHAKE_DONE,
	CONN_HANDSHAKE_WAITS, /* until the socket is ready */
	CONN_HANDSHAKE_REFUSED, /* by the peer, with an alert */
	CONN_HANDSHAKE_WRONG, /* what came is no TLS, or has nothing in common with ours */
	CONN_HANDSHAKE_CLOSED, /* by the peer, without a word */
};
/* Goes on with it. `why` tells what failed ("tlsv1 alert unknown ca"); it lasts. */
enum conn_handshake conn_handshake(struct conn *conn, const char **why);

static inline bool conn_is_tls(const struct conn *conn)
{
	return conn->transport->is_tls;
}

/* Of a connection whose handshake is done; the texts last. "TLSv1.3"; "TLS_AES_256_GCM_SHA384". */
const char *conn_tls_version(const struct conn *conn);
const char *conn_tls_cipher(const struct conn *conn, int *bits);
/* Bytes that OpenSSL has read from the socket and not given out. */
bool conn_has_pending(const struct conn *conn);
/* Bytes that went to the socket, those of TLS itself too. */
uint64_t conn_tls_sent(const struct conn *conn);

#define CONN_FINGERPRINT_SIZE 65
/* The SHA-256 of the peer's certificate in lower-case hex. False: it showed none. */
bool conn_fingerprint(const struct conn *conn, char out[CONN_FINGERPRINT_SIZE]);

static inline ssize_t conn_read(struct conn *conn, void *to, size_t size)
{
	return conn->transport->read(conn, to, size);
}

static inline ssize_t conn_write(struct conn *conn, const struct iovec *from, int count)
{
	return conn->transport->write(conn, from, count);
}

#endif
