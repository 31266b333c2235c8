#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "core/conn.h"
#include "tests/unit/core/client.h"

/* A client and the conn that serves it, over loopback TCP. */
struct pair {
	int client;
	struct conn conn;
	struct address listening, peer;
};

static void open_pair(struct pair *pair)
{
	int listening = listen_anywhere("127.0.0.1:0", &pair->listening);
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	int fd;

	pair->client = connect_to(&pair->listening, NULL);
	AWAIT((fd = accept4(listening, (struct sockaddr *)&from, &size,
		       SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
	assert_int_equal(address_from_socket((struct sockaddr *)&from, size, &pair->peer), 0);
	conn_init_plain(&pair->conn, fd, &pair->peer);
	close(listening);
}

static void close_pair(struct pair *pair)
{
	conn_fini(&pair->conn);
	close(pair->client);
}

static void it_knows_both_ends_and_sends_without_delay(void **state)
{
	struct pair pair;
	char text[ADDRESS_TEXT_SIZE], expected[ADDRESS_TEXT_SIZE];
	int on = 0;
	socklen_t size = sizeof(on);

	(void)state;
	open_pair(&pair);
	assert_string_equal(
		address_format(&pair.conn.local, text), address_format(&pair.listening, expected));
	assert_string_equal(
		address_format(&pair.conn.peer, text), address_format(&pair.peer, expected));
	assert_string_equal(pair.conn.transport->name, "plain");
	assert_int_equal(getsockopt(pair.conn.fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
	assert_int_equal(on, 1);
	close_pair(&pair);
}

static void bytes_go_in_and_out(void **state)
{
	struct pair pair;
	char got[16];
	const struct iovec parts[] = {{"250-", 4}, {"", 0}, {"ok\r\n", 4}};

	(void)state;
	open_pair(&pair);
	assert_int_equal(conn_read(&pair.conn, got, sizeof(got)), -EAGAIN);
	assert_int_equal(send(pair.client, "a\0b", 3, 0), 3);
	AWAIT(conn_read(&pair.conn, got, sizeof(got)) == 3);
	assert_memory_equal(got, "a\0b", 3);
	assert_int_equal(conn_write(&pair.conn, parts, 3), 8);
	expect(pair.client, "250-ok\r\n");
	close_pair(&pair);
}

static void a_full_socket_says_so(void **state)
{
	static char block[65536];
	const struct iovec part = {block, sizeof(block)};
	struct pair pair;
	ssize_t rc = 0;
	size_t sent = 0;

	(void)state;
	open_pair(&pair);
	while ((rc = conn_write(&pair.conn, &part, 1)) > 0)
		sent += (size_t)rc;
	assert_int_equal(rc, -EAGAIN);
	assert_true(sent > 0);
	close_pair(&pair);
}

static void the_peers_end_is_zero(void **state)
{
	struct pair pair;
	char byte;

	(void)state;
	open_pair(&pair);
	shutdown(pair.client, SHUT_WR);
	AWAIT(conn_read(&pair.conn, &byte, 1) == 0);
	close_pair(&pair);
}

static void a_broken_connection_is_an_error_and_no_signal(void **state)
{
	const struct iovec part = {"x", 1};
	const struct linger reset = {.l_onoff = 1};
	struct pair pair;
	ssize_t rc;

	(void)state;
	open_pair(&pair);
	setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(pair.client);
	/* SIGPIPE has its default effect here, and would end this program */
	AWAIT((rc = conn_write(&pair.conn, &part, 1)) < 0 && rc != -EAGAIN);
	assert_true(rc == -ECONNRESET || rc == -EPIPE);
	assert_true(conn_write(&pair.conn, &part, 1) == -EPIPE);
	conn_fini(&pair.conn);
}

static void fini_closes_once(void **state)
{
	struct pair pair;
	int fd;

	(void)state;
	open_pair(&pair);
	fd = pair.conn.fd;
	conn_fini(&pair.conn);
	assert_int_equal(pair.conn.fd, -1);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	fd = fcntl(pair.client, F_DUPFD_CLOEXEC, fd); /* somebody else has the number now */
	conn_fini(&pair.conn);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	close(fd);
	close(pair.client);
}

static void a_unix_peer_is_served_too(void **state)
{
	struct address peer;
	struct sockaddr_un unnamed = {.sun_family = AF_UNIX};
	struct conn conn;
	const struct iovec part = {"x", 1};
	int ends[2];
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	assert_int_equal(
		address_from_socket((struct sockaddr *)&unnamed, sizeof(sa_family_t), &peer), 0);
	conn_init_plain(&conn, ends[0], &peer);
	assert_int_equal(conn_write(&conn, &part, 1), 1);
	expect(ends[1], "x");
	assert_string_equal(address_format_host(&conn.local, text), "unix");
	conn_fini(&conn);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_knows_both_ends_and_sends_without_delay),
		cmocka_unit_test(bytes_go_in_and_out),
		cmocka_unit_test(a_full_socket_says_so),
		cmocka_unit_test(the_peers_end_is_zero),
		cmocka_unit_test(a_broken_connection_is_an_error_and_no_signal),
		cmocka_unit_test(fini_closes_once),
		cmocka_unit_test(a_unix_peer_is_served_too),
	};

	return cmocka_run_group_tests_name("core/conn", tests, NULL, NULL);
}
