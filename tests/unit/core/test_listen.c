#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/core/client.h"

static char folder[] = "/tmp/sluice-listen-XXXXXX";

static const char *in_folder(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
	static const char *const names[] = {"socket", "link", "file", "inherited"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_folder(names[i]));
	return rmdir(folder);
}

static void a_port_is_bound_and_takes_clients(void **state)
{
	struct address address;
	int listening = listen_anywhere("127.0.0.1:0", &address);
	int client = connect_to(&address, NULL);
	int served;

	(void)state;
	AWAIT((served = accept(listening, NULL, NULL)) >= 0);
	assert_true(fcntl(listening, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(listening, F_GETFL) & O_NONBLOCK);
	assert_int_equal(accept(listening, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	close(served);
	close(client);
	close(listening);
}

static void a_port_in_use_is_refused_by_name_and_hint(void **state)
{
	struct address address;
	int listening = listen_anywhere("127.0.0.1:0", &address);
	struct reason reason = {{0}};
	char name[ADDRESS_TEXT_SIZE];

	(void)state;
	assert_int_equal(listen_open(&address, &reason), -1);
	assert_memory_equal(reason.text, address_format(&address, name), strlen(name));
	assert_non_null(strstr(reason.text, "Address already in use"));
	assert_non_null(strstr(reason.text, "ss -ltnp"));
	close(listening);
	listening = listen_open(&address, &reason);
	assert_true(listening >= 0);
	close(listening);
}

static void an_address_of_another_machine_is_refused_with_a_hint(void **state)
{
	struct reason reason = {{0}};
	struct address address;

	(void)state;
	assert_int_equal(address_parse("192.0.2.1:2525", &address), 0);
	assert_int_equal(listen_open(&address, &reason), -1);
	assert_non_null(strstr(reason.text, "192.0.2.1:2525"));
	assert_non_null(strstr(reason.text, "no interface"));
}

/* IPv4's socket on the port of IPv6's, or -1; another program may have it, so one of many ports must do. */
static int listen_beside(const struct address *six, struct reason *reason)
{
	struct address four;

	assert_int_equal(address_parse("0.0.0.0:0", &four), 0);
	four.v4.sin_port = six->v6.sin6_port;
	return listen_open(&four, reason);
}

static void ipv6_leaves_ipv4s_port_alone(void **state)
{
	int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), beside = -1;
	struct reason reason = {{0}};
	struct address six;

	(void)state;
	assert_int_equal(address_parse("[::]:0", &six), 0);
	if (probe < 0 || bind(probe, &six.any, six.size) < 0)
		skip(); /* a machine without IPv6 */
	close(probe);
	for (int i = 0; i < 50 && beside < 0; i++) {
		int listening = listen_anywhere("[::]:0", &six);

		beside = listen_beside(&six, &reason);
		close(listening);
	}
	if (beside < 0)
		fail_msg("%s", reason.text);
	close(beside);
}

/* ---- Unix paths ---- */

static void parse_path(const char *path, struct address *address)
{
	char text[ADDRESS_TEXT_SIZE] = "unix:";

	strncat(text, path, sizeof(text) - sizeof("unix:"));
	assert_int_equal(address_parse(text, address), 0);
}

static int open_path(const char *path, struct reason *reason)
{
	struct address address;

	parse_path(path, &address);
	return listen_open(&address, reason);
}

static void a_path_gets_its_mode_and_group(void **state)
{
	const char *path = in_folder("socket");
	struct reason reason = {{0}};
	struct stat found;
	mode_t before = umask(022);
	int fd = listen_open_path(path, 0660, (int)getgid(), &reason);

	(void)state;
	if (fd < 0)
		fail_msg("%s", reason.text);
	assert_int_equal(stat(path, &found), 0);
	assert_int_equal(found.st_mode & 07777, 0660);
	assert_int_equal(found.st_gid, getgid());
	assert_int_equal(umask(before), 022);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	unlink(path);
}

static void a_stale_socket_is_replaced(void **state)
{
	const char *path = in_folder("socket");
	struct reason reason = {{0}};
	int fd = open_path(path, &reason);

	(void)state;
	assert_true(fd >= 0);
	close(fd); /* as a killed daemon leaves it */
	fd = open_path(path, &reason);
	if (fd < 0)
		fail_msg("%s", reason.text);
	close(fd);
	unlink(path);
}

static void a_socket_that_is_answered_is_left_alone(void **state)
{
	const char *path = in_folder("socket");
	struct reason reason = {{0}};
	int fd = open_path(path, &reason);
	struct stat before, after;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(open_path(path, &reason), -1);
	assert_non_null(strstr(reason.text, path));
	assert_non_null(strstr(reason.text, "Address already in use"));
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	close(fd);
	unlink(path);
}

static void a_symbolic_link_is_refused_and_kept(void **state)
{
	char target[64];
	const char *path;
	struct reason reason = {{0}};
	struct stat found;

	(void)state;
	snprintf(target, sizeof(target), "%s", in_folder("socket"));
	path = in_folder("link");
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(open_path(path, &reason), -1);
	assert_non_null(strstr(reason.text, "symbolic link"));
	assert_int_equal(lstat(path, &found), 0);
	assert_true(S_ISLNK(found.st_mode));
	assert_int_equal(lstat(target, &found), -1);
	unlink(path);
}

static void a_file_that_is_no_socket_is_refused_and_kept(void **state)
{
	const char *path = in_folder("file");
	struct reason reason = {{0}};
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(open_path(path, &reason), -1);
	assert_non_null(strstr(reason.text, "not a socket"));
	assert_int_equal(unlink(path), 0);
}

static void a_path_too_long_is_refused(void **state)
{
	char path[200];
	struct reason reason = {{0}};

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(listen_open_path(path, 0660, -1, &reason), -1);
	assert_non_null(strstr(reason.text, "longer than 107 bytes"));
}

static void a_missing_folder_is_named(void **state)
{
	struct reason reason = {{0}};

	(void)state;
	assert_int_equal(listen_open_path("/nonexistent/x.sock", 0660, -1, &reason), -1);
	assert_string_equal(reason.text, "/nonexistent/x.sock: No such file or directory");
}

/* ---- inherited ---- */

/* What a child with `fd` as its descriptor 3 does; its exit code is the line that failed, or 0. */
typedef int child_fn(const struct address *address);

static void in_child(child_fn *run, int fd, const struct address *address)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		char pid[16];

		snprintf(pid, sizeof(pid), "%d", (int)getpid());
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", "1", 1);
		if (fd == 3)
			fcntl(3, F_SETFD, 0);
		else
			dup2(fd, 3);
		_exit(run(address));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) != 0)
		fail_msg("child failed in line %d or so", WEXITSTATUS(status));
}

#define CHECK(condition)                       \
	do {                                   \
		if (!(condition))              \
			return __LINE__ & 255; \
	} while (0)

static int takes_descriptor_3_once(const struct address *address)
{
	struct reason reason;

	CHECK(listen_open(address, &reason) == 3);
	CHECK((fcntl(3, F_GETFD) & FD_CLOEXEC) != 0);
	CHECK((fcntl(3, F_GETFL) & O_NONBLOCK) != 0);
	/* taken: a second one must be bound, and cannot */
	CHECK(listen_open(address, &reason) == -1);
	return 0;
}

static int binds_another_address(const struct address *address)
{
	struct address other = *address;
	struct reason reason;

	if (other.any.sa_family == AF_INET)
		other.v4.sin_addr.s_addr = htonl(0x7f000002);
	CHECK(listen_open(&other, &reason) > 3);
	CHECK((fcntl(3, F_GETFD) & FD_CLOEXEC) == 0);
	return 0;
}

static int ignores_what_is_meant_for_another(const struct address *address)
{
	struct reason reason;

	setenv("LISTEN_PID", "1", 1);
	CHECK(listen_open(address, &reason) == -1);
	unsetenv("LISTEN_PID");
	CHECK(listen_open(address, &reason) == -1);
	return 0;
}

static int ignores_nonsense(const struct address *address)
{
	static const char *const counts[] = {"", "x", "1x", "-1", "0", "99999999999999999999"};
	struct reason reason;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		setenv("LISTEN_FDS", counts[i], 1);
		CHECK(listen_open(address, &reason) == -1);
	}
	return 0;
}

static void an_inherited_socket_is_taken_by_its_address(void **state)
{
	struct address address;
	int listening = listen_anywhere("127.0.0.1:0", &address);

	(void)state;
	in_child(takes_descriptor_3_once, listening, &address);
	in_child(binds_another_address, listening, &address);
	in_child(ignores_what_is_meant_for_another, listening, &address);
	in_child(ignores_nonsense, listening, &address);
	close(listening);
}

static void an_inherited_unix_socket_is_taken_too(void **state)
{
	const char *path = in_folder("inherited");
	struct reason reason = {{0}};
	struct address address;
	int listening = open_path(path, &reason);

	(void)state;
	assert_true(listening >= 0);
	parse_path(path, &address);
	in_child(takes_descriptor_3_once, listening, &address);
	close(listening);
	unlink(path);
}

static void an_inherited_descriptor_that_does_not_listen_is_left(void **state)
{
	struct address address;
	int listening = listen_anywhere("127.0.0.1:0", &address);
	int plain = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	close(listening);
	in_child(binds_another_address, plain, &address);
	close(plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_is_bound_and_takes_clients),
		cmocka_unit_test(a_port_in_use_is_refused_by_name_and_hint),
		cmocka_unit_test(an_address_of_another_machine_is_refused_with_a_hint),
		cmocka_unit_test(ipv6_leaves_ipv4s_port_alone),
		cmocka_unit_test(a_path_gets_its_mode_and_group),
		cmocka_unit_test(a_stale_socket_is_replaced),
		cmocka_unit_test(a_socket_that_is_answered_is_left_alone),
		cmocka_unit_test(a_symbolic_link_is_refused_and_kept),
		cmocka_unit_test(a_file_that_is_no_socket_is_refused_and_kept),
		cmocka_unit_test(a_path_too_long_is_refused),
		cmocka_unit_test(a_missing_folder_is_named),
		cmocka_unit_test(an_inherited_socket_is_taken_by_its_address),
		cmocka_unit_test(an_inherited_unix_socket_is_taken_too),
		cmocka_unit_test(an_inherited_descriptor_that_does_not_listen_is_left),
	};

	return cmocka_run_group_tests_name("core/listen", tests, make_folder, remove_folder);
}
