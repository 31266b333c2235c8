#include "core/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_INHERITED 3 /* SD_LISTEN_FDS_START */
#define BACKLOG         4096 /* the kernel takes no more than net.core.somaxconn */
#define REPLIES_BYTES   65536 /* what the kernel keeps for a client that does not read its replies */

/* What a person can do about it. */
static const struct hint {
	int error;
	const char *text;
} hints[] = {
	{EADDRINUSE, "another program listens there; `ss -ltnp` shows which"},
	{EADDRNOTAVAIL, "no interface of this machine has this address"},
	{EACCES, "ports below 1024 need CAP_NET_BIND_SERVICE or a socket unit"},
	{EAFNOSUPPORT, "this machine has no such address family; is IPv6 off?"},
	{EMFILE, "raise the limit on open files"},
};

static int refuse(struct reason *reason, const char *name, int error)
{
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (hints[i].error == error)
			return reason_set(
				reason, "%s: %s: %s", name, strerror(error), hints[i].text);
	return reason_set(reason, "%s: %s", name, strerror(error));
}

/* ---- inherited ---- */

static long read_number(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long number;

	if (text == NULL || *text == '\0')
		return -1;
	errno = 0;
	number = strtol(text, &end, 10);
	return errno == 0 && *end == '\0' ? number : -1;
}

static int count_inherited(void)
{
	long count = read_number("LISTEN_FDS");

	if (read_number("LISTEN_PID") != (long)getpid() || count <= 0 || count > 1024)
		return 0;
	return (int)count;
}

static bool is_bound_to(int fd, const struct address *address)
{
	struct sockaddr_storage bound;
	struct address found;
	socklen_t size = sizeof(bound);
	int listening = 0;
	socklen_t listening_size = sizeof(listening);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &listening_size) < 0 ||
		!listening || getsockname(fd, (struct sockaddr *)&bound, &size) < 0 ||
		address_from_socket((struct sockaddr *)&bound, size, &found) < 0 ||
		found.any.sa_family != address->any.sa_family)
		return false;
	if (found.any.sa_family == AF_UNIX)
		return strcmp(found.path.sun_path, address->path.sun_path) == 0;
	return address_same_host(&found, address) && address_port(&found) == address_port(address);
}

/* A descriptor that came over exec has no close-on-exec flag: setting it also marks it as taken. -1: none fits. */
static int take_inherited(const struct address *address)
{
	int count = count_inherited();

	for (int fd = FIRST_INHERITED; fd < FIRST_INHERITED + count; fd++) {
		int flags = fcntl(fd, F_GETFD);
		int status;

		if (flags < 0 || (flags & FD_CLOEXEC) != 0 || !is_bound_to(fd, address))
			continue;
		status = fcntl(fd, F_GETFL);
		if (status >= 0 && fcntl(fd, F_SETFL, status | O_NONBLOCK) == 0 &&
			fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
			return fd;
	}
	return -1;
}

/* ---- bound here ---- */

static int close_with_error(int fd)
{
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return -1;
}

/* -1 with errno. */
static int bind_socket(const struct address *address)
{
	int family = address->any.sa_family, on = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (family != AF_UNIX && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return close_with_error(fd);
	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return close_with_error(fd);
	if (bind(fd, &address->any, address->size) < 0 || listen(fd, BACKLOG) < 0)
		return close_with_error(fd);
	return fd;
}

/* Accepted sockets inherit it. Without it the kernel would keep megabytes for each client that never reads. */
static void bound_replies(int fd)
{
	int size = REPLIES_BYTES;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size,
		sizeof(size)); /* a limit of the kernel's own is there anyway */
}

int listen_open(const struct address *address, struct reason *reason)
{
	char name[ADDRESS_TEXT_SIZE];
	int fd;

	/* Like a loopback port: whoever is on this machine may connect, and what he may do is the listener's policy. */
	if (address->any.sa_family == AF_UNIX)
		return listen_open_path(address->path.sun_path, 0666, -1, reason);
	fd = take_inherited(address);
	if (fd < 0)
		fd = bind_socket(address);
	if (fd < 0)
		return refuse(reason, address_format(address, name), errno);
	bound_replies(fd);
	return fd;
}

/* ---- Unix paths ---- */

/* ECONNREFUSED: nobody answers there. EADDRINUSE: somebody does. */
static int probe(const struct address *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return errno;
	error = connect(fd, &address->any, address->size) < 0 ? errno : 0;
	close(fd);
	/* EAGAIN: its backlog is full, so it is alive. */
	return error == 0 || error == EAGAIN ? EADDRINUSE : error;
}

/* Makes room for the socket file. */
static int clear_path(const struct address *address, struct reason *reason)
{
	const char *path = address->path.sun_path;
	struct stat found;
	int error;

	if (lstat(path, &found) < 0)
		return errno == ENOENT ? 0 : reason_set(reason, "%s: %s", path, strerror(errno));
	if (S_ISLNK(found.st_mode))
		return reason_set(reason,
			"%s: is a symbolic link, which is not followed: name the socket itself",
			path);
	if (!S_ISSOCK(found.st_mode))
		return reason_set(reason, "%s: is not a socket, and is left alone", path);
	error = probe(address);
	if (error == ECONNREFUSED)
		error = unlink(path) < 0 ? errno : 0;
	if (error == EADDRINUSE)
		return reason_set(
			reason, "%s: %s: another process answers there", path, strerror(error));
	if (error != 0)
		return reason_set(
			reason, "%s: cannot replace the old socket: %s", path, strerror(error));
	return 0;
}

static int give_to_group(const char *path, int gid, struct reason *reason)
{
	if (gid < 0 || lchown(path, (uid_t)-1, (gid_t)gid) == 0)
		return 0;
	return reason_set(reason, "%s: cannot give it to group %d: %s", path, gid, strerror(errno));
}

int listen_open_path(const char *path, unsigned mode, int gid, struct reason *reason)
{
	struct address address = {.path = {.sun_family = AF_UNIX}};
	mode_t umask_before;
	int fd, error;

	if (strlen(path) >= sizeof(address.path.sun_path))
		return reason_set(reason, "%s: longer than %zu bytes, the limit of a socket's path",
			path, sizeof(address.path.sun_path) - 1);
	memcpy(address.path.sun_path, path, strlen(path));
	address.size = (socklen_t)sizeof(address.path);
	fd = take_inherited(&address);
	if (fd >= 0)
		return fd;
	if (clear_path(&address, reason) < 0)
		return -1;
	/* By the umask, so that the file is at no moment open to more than `mode` says. */
	umask_before = umask((mode_t)(0777 & ~mode));
	fd = bind_socket(&address);
	error = errno;
	umask(umask_before);
	if (fd < 0)
		return reason_set(reason, "%s: %s", path, strerror(error));
	if (give_to_group(path, gid, reason) < 0) {
		close(fd);
		unlink(path);
		return -1;
	}
	return fd;
}
