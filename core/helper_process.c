#include "core/helper_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"

#define CHANNEL    3 /* each process's one descriptor beside the standard ones */
#define PAUSE_MS   200 /* before a dispatcher that died is started again */
#define REAPING_MS 100 /* how often it is looked whether a killed process is gone */

/* One task's process. */
struct place {
	pid_t pid; /* 0: the place is free */
	int fd; /* its answer comes here; -1: it has ended, and is to be reaped */
	uint64_t number;
	int64_t due_mono_ms;
};

struct dispatcher {
	helper_run_fn *const *kinds;
	size_t kind_count;
	pid_t pid;
	struct place places[HELPER_AT_ONCE];
	struct helper_frame frame;
};

/* ---- any of them ---- */

static void die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
}

static void keep_only(int fd)
{
	if (fd != CHANNEL && dup2(fd, CHANNEL) < 0)
		_exit(1);
	fcntl(CHANNEL, F_SETFD, FD_CLOEXEC);
	closefrom(CHANNEL + 1);
}

static void reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		if (number != SIGKILL && number != SIGSTOP)
			signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The daemon is told to end, and finishes what is under way; the helper ends when the daemon has. */
static void outlast_signals(void)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE};

	reset_signals();
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		signal(numbers[i], SIG_IGN);
}

/* Never waits: the daemon has fewer tasks under way than the socket has room for, and a deadline of its own. */
static void send_frame(int fd, const struct helper_frame *frame, size_t size)
{
	ssize_t rc = send(fd, frame, HELPER_FRAME_HEAD + size, MSG_NOSIGNAL | MSG_DONTWAIT);

	(void)rc;
}

/* ---- a task's process ---- */

static _Noreturn void run_task(struct dispatcher *dispatcher, int fd, size_t size)
{
	static struct helper_frame answer;
	struct helper_frame *task = &dispatcher->frame;

	die_with(dispatcher->pid);
	setpgid(0, 0);
	reset_signals();
	keep_only(fd);
	answer.number = task->number;
	answer.end = HELPER_DONE;
	size = dispatcher->kinds[task->kind](task->text, size, answer.text);
	explicit_bzero(task, sizeof(*task));
	send_frame(CHANNEL, &answer, size);
	_exit(0);
}

/* ---- the dispatcher ---- */

/* Its answer is on its way: it ends, and what it started too. */
static void end_place(struct place *place)
{
	kill(-place->pid, SIGKILL);
	kill(place->pid, SIGKILL); /* where it did not come to be a group of its own */
	close(place->fd);
	place->fd = -1;
}

static void tell_end(uint64_t number, enum helper_end end)
{
	const struct helper_frame answer = {.number = number, .end = end};

	send_frame(CHANNEL, &answer, 0);
}

static void start_task(struct dispatcher *dispatcher, struct place *place, size_t size)
{
	const struct helper_frame *task = &dispatcher->frame;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		tell_end(task->number, HELPER_DIED);
		return;
	}
	pid = fork();
	if (pid == 0)
		run_task(dispatcher, pair[1], size);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		tell_end(task->number, HELPER_DIED);
		return;
	}
	setpgid(pid, pid);
	*place = (struct place){
		.pid = pid,
		.fd = pair[0],
		.number = task->number,
		.due_mono_ms = clock_mono_ms(&clock_system) + task->timeout_ms,
	};
}

static struct place *find_free(struct dispatcher *dispatcher)
{
	for (size_t i = 0; i < HELPER_AT_ONCE; i++)
		if (dispatcher->places[i].pid == 0)
			return &dispatcher->places[i];
	return NULL;
}

/* False: the daemon is gone. */
static bool take_task(struct dispatcher *dispatcher)
{
	struct place *place = find_free(dispatcher);
	ssize_t size;

	if (place == NULL)
		return true;
	size = recv(CHANNEL, &dispatcher->frame, sizeof(dispatcher->frame), MSG_DONTWAIT);
	if (size < 0)
		return errno == EAGAIN || errno == EINTR;
	if (size == 0)
		return false;
	if ((size_t)size >= HELPER_FRAME_HEAD && dispatcher->frame.kind < dispatcher->kind_count)
		start_task(dispatcher, place, (size_t)size - HELPER_FRAME_HEAD);
	explicit_bzero(&dispatcher->frame, sizeof(dispatcher->frame));
	return true;
}

static void take_answer(struct dispatcher *dispatcher, struct place *place)
{
	struct helper_frame *answer = &dispatcher->frame;
	ssize_t size = recv(place->fd, answer, sizeof(*answer), MSG_DONTWAIT);

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* what runs a module does not say whose answer it is */
	if (size >= (ssize_t)HELPER_FRAME_HEAD) {
		answer->number = place->number;
		answer->end = HELPER_DONE;
		send_frame(CHANNEL, answer, (size_t)size - HELPER_FRAME_HEAD);
	} else {
		tell_end(place->number, HELPER_DIED);
	}
	end_place(place);
}

/* Returns how long the next wait may be; < 0: for ever. */
static int look_at_times(struct dispatcher *dispatcher)
{
	int64_t now_ms = clock_mono_ms(&clock_system), wait_ms = INT64_MAX;

	for (size_t i = 0; i < HELPER_AT_ONCE; i++) {
		struct place *place = &dispatcher->places[i];
		int64_t left_ms = REAPING_MS;

		if (place->pid == 0)
			continue;
		if (place->fd >= 0 && place->due_mono_ms <= now_ms) {
			tell_end(place->number, HELPER_LATE);
			end_place(place);
		}
		if (place->fd >= 0)
			left_ms = place->due_mono_ms - now_ms;
		else if (waitpid(place->pid, NULL, WNOHANG) != 0)
			place->pid = 0;
		if (place->pid != 0 && left_ms < wait_ms)
			wait_ms = left_ms;
	}
	return wait_ms == INT64_MAX ? -1 : (int)(wait_ms < INT32_MAX ? wait_ms : INT32_MAX);
}

static _Noreturn void dispatch(helper_run_fn *const *kinds, size_t kind_count)
{
	static struct dispatcher dispatcher;

	dispatcher.kinds = kinds;
	dispatcher.kind_count = kind_count;
	dispatcher.pid = getpid();
	for (;;) {
		struct pollfd polled[HELPER_AT_ONCE + 1];
		int wait_ms = look_at_times(&dispatcher);

		for (size_t i = 0; i < HELPER_AT_ONCE; i++) {
			const struct place *place = &dispatcher.places[i];

			polled[i] = (struct pollfd){
				.fd = place->pid != 0 ? place->fd : -1, .events = POLLIN};
		}
		polled[HELPER_AT_ONCE] = (struct pollfd){
			.fd = CHANNEL, .events = find_free(&dispatcher) != NULL ? POLLIN : 0};
		if (poll(polled, HELPER_AT_ONCE + 1, wait_ms) < 0)
			continue;
		for (size_t i = 0; i < HELPER_AT_ONCE; i++)
			if (polled[i].revents != 0)
				take_answer(&dispatcher, &dispatcher.places[i]);
		if ((polled[HELPER_AT_ONCE].revents & (POLLIN | POLLHUP | POLLERR)) == 0)
			continue;
		if ((polled[HELPER_AT_ONCE].revents & POLLIN) == 0 || !take_task(&dispatcher))
			_exit(0);
	}
}

/* ---- the keeper ---- */

/* A core file would hold passwords; root gains nothing by a set-user-id program, and what is not root may need one. */
static void give_up_what_can_be(void)
{
	const struct rlimit none = {0};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	if (geteuid() == 0)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

_Noreturn void helper_process_run(
	int channel, pid_t daemon, helper_run_fn *const *kinds, size_t kind_count)
{
	pid_t self = getpid();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	die_with(daemon);
	setsid();
	outlast_signals();
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	keep_only(channel);
	give_up_what_can_be();
	umask(S_IRWXG | S_IRWXO);
	if (chdir("/") < 0)
		_exit(1);
	for (;;) {
		const struct helper_frame died = {.end = HELPER_DIED};
		pid_t dispatcher = fork();
		int status = 0;

		if (dispatcher == 0) {
			die_with(self);
			dispatch(kinds, kind_count);
		}
		if (dispatcher > 0) {
			while (waitpid(dispatcher, &status, 0) < 0)
				;
			if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
				_exit(0);
			send_frame(CHANNEL, &died, 0);
		}
		poll(NULL, 0, PAUSE_MS);
	}
}
