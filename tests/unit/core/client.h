/*
 * client.h: loopback clients for tests of listeners and acceptors.
 */
#ifndef SLUICE_TESTS_UNIT_CORE_CLIENT_H
#define SLUICE_TESTS_UNIT_CORE_CLIENT_H

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "core/address.h"
#include "core/listen.h"
#include "tests/unit/await.h"

/* A listening socket on a port that the kernel chose; `address` gets it. */
static inline int listen_anywhere(const char *host, struct address *address)
{
	struct reason reason = {{0}};
	struct sockaddr_storage bound;
	socklen_t size = sizeof(bound);
	int fd;

	assert_int_equal(address_parse(host, address), 0);
	fd = listen_open(address, &reason);
	if (fd < 0)
		fail_msg("%s", reason.text);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &size), 0);
	assert_int_equal(address_from_socket((struct sockaddr *)&bound, size, address), 0);
	return fd;
}

/* `from` may be NULL, or another address of 127.0.0.0/8. */
static inline int connect_to(const struct address *address, const char *from)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct address source;

	assert_true(fd >= 0);
	if (from != NULL) {
		assert_int_equal(address_parse(from, &source), 0);
		assert_int_equal(bind(fd, &source.any, source.size), 0);
	}
	assert_int_equal(connect(fd, &address->any, address->size), 0);
	return fd;
}

/* Waits for exactly this text. */
static inline void expect(int fd, const char *text)
{
	char got[512] = {0};
	size_t size = 0;

	while (size < strlen(text)) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		ssize_t more;

		if (poll(&wait, 1, AWAIT_MS) != 1)
			fail_msg("nothing came, but \"%s\" was expected", text);
		more = recv(fd, got + size, strlen(text) - size, 0);
		if (more <= 0)
			fail_msg("the end came after \"%s\"", got);
		size += (size_t)more;
	}
	assert_string_equal(got, text);
}

/* The end of the connection, and no byte before it. */
static inline void expect_end(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char byte;

	assert_int_equal(poll(&wait, 1, AWAIT_MS), 1);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

static inline bool is_silent(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	return poll(&wait, 1, 0) == 0;
}

#endif
