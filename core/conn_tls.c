/* conn_tls.c: the transport that speaks TLS with a client, by OpenSSL. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/conn.h"

/*
 * What a call of OpenSSL that gave `result` means: -EAGAIN, 0 (the peer's end), or another -errno. A missing close_notify
 * is an end like any other: SMTP says itself where its messages end.
 */
static ssize_t tell_error(struct conn *conn, int result)
{
	int saved = errno;

	switch (SSL_get_error(conn->tls, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		conn->tls_broken = true;
		return saved != 0 ? -saved : -ECONNRESET;
	default:
		conn->tls_broken = true;
		return -EPROTO;
	}
}

static ssize_t tls_read(struct conn *conn, void *to, size_t size)
{
	size_t got = 0;
	int result;

	if (conn->tls_broken)
		return -EPIPE;
	ERR_clear_error();
	errno = 0;
	result = SSL_read_ex(conn->tls, to, size, &got);
	return result == 1 ? (ssize_t)got : tell_error(conn, result);
}

/* One record at a time, until the socket takes no more: a part that it did not take is sent again with the same bytes. */
static ssize_t tls_write(struct conn *conn, const struct iovec *from, int count)
{
	ssize_t sent = 0;

	if (conn->tls_broken)
		return -EPIPE;
	for (int i = 0; i < count; i++) {
		size_t taken = 0;
		ssize_t error;
		int result;

		if (from[i].iov_len == 0)
			continue;
		ERR_clear_error();
		errno = 0;
		result = SSL_write_ex(conn->tls, from[i].iov_base, from[i].iov_len, &taken);
		if (result != 1) {
			error = tell_error(conn, result);
			if (sent > 0)
				return sent;
			return error != 0 ? error : -EPIPE;
		}
		sent += (ssize_t)taken;
		if (taken < from[i].iov_len)
			break;
	}
	return sent;
}

/* Says close_notify once; the peer's is not waited for. */
static void say_end(struct conn *conn)
{
	if (conn->tls_broken || SSL_in_init(conn->tls) ||
		(SSL_get_shutdown(conn->tls) & SSL_SENT_SHUTDOWN) != 0)
		return;
	ERR_clear_error();
	if (SSL_shutdown(conn->tls) < 0)
		conn->tls_broken = true;
}

static void tls_end(struct conn *conn)
{
	say_end(conn);
	shutdown(conn->fd, SHUT_WR);
}

static void tls_close(struct conn *conn)
{
	say_end(conn);
	SSL_free(conn->tls);
	conn->tls = NULL;
	ERR_clear_error();
	close(conn->fd);
}

static const struct conn_transport tls = {
	.name = "TLS",
	.read = tls_read,
	.write = tls_write,
	.end = tls_end,
	.close = tls_close,
	.is_tls = true,
	.short_read_drains = false, /* a read gives one record; the next may wait within OpenSSL */
};

int conn_start_tls(struct conn *conn, struct ssl_ctx_st *context)
{
	conn->tls = SSL_new(context);
	if (conn->tls == NULL || SSL_set_fd(conn->tls, conn->fd) != 1) {
		SSL_free(conn->tls);
		conn->tls = NULL;
		ERR_clear_error();
		return -ENOMEM;
	}
	SSL_set_accept_state(conn->tls);
	conn->transport = &tls;
	return 0;
}

/* ---- the handshake ---- */

/* An alert of the peer's has a number of its own above this. */
static bool is_alert(unsigned long code)
{
	return ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET;
}

enum conn_handshake conn_handshake(struct conn *conn, const char **why)
{
	unsigned long code;
	int result, error;

	ERR_clear_error();
	result = SSL_accept(conn->tls);
	if (result == 1)
		return CONN_HANDSHAKE_DONE;
	error = SSL_get_error(conn->tls, result);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return CONN_HANDSHAKE_WAITS;
	conn->tls_broken = true;
	code = ERR_peek_error();
	*why = code != 0 ? ERR_reason_error_string(code) : NULL;
	if (error == SSL_ERROR_SYSCALL || error == SSL_ERROR_ZERO_RETURN ||
		ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		*why = "the client closed the connection";
		return CONN_HANDSHAKE_CLOSED;
	}
	if (*why == NULL)
		*why = "no reason given";
	return is_alert(code) ? CONN_HANDSHAKE_REFUSED : CONN_HANDSHAKE_WRONG;
}

/* ---- what came of it ---- */

const char *conn_tls_version(const struct conn *conn)
{
	return SSL_get_version(conn->tls);
}

const char *conn_tls_cipher(const struct conn *conn, int *bits)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(conn->tls);

	*bits = SSL_CIPHER_get_bits(cipher, NULL);
	return SSL_CIPHER_get_name(cipher);
}

bool conn_has_pending(const struct conn *conn)
{
	return conn->tls != NULL && SSL_has_pending(conn->tls) == 1;
}

uint64_t conn_tls_sent(const struct conn *conn)
{
	return BIO_number_written(SSL_get_wbio(conn->tls));
}

bool conn_fingerprint(const struct conn *conn, char out[CONN_FINGERPRINT_SIZE])
{
	const X509 *certificate = SSL_get0_peer_certificate(conn->tls);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (certificate == NULL || X509_digest(certificate, EVP_sha256(), digest, &size) != 1)
		return false;
	for (unsigned i = 0; i < size; i++)
		snprintf(out + (size_t)2 * i, 3, "%02x", digest[i]);
	return true;
}
