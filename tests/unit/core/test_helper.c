/* The helper process for real: this program is the daemon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/helper.h"

#define LONG_MS 60000

/* ---- what runs there ---- */

enum { ECHO_TEXT, CRASH, HANG, HANG_WITH_CHILD, TELL, KIND_COUNT };

static size_t echo_text(const uint8_t *text, size_t size, uint8_t *answer)
{
	memcpy(answer, text, size);
	return size;
}

static size_t crash(const uint8_t *text, size_t size, uint8_t *answer)
{
	(void)text;
	(void)size;
	(void)answer;
	kill(getpid(), SIGKILL);
	return 0;
}

static size_t hang(const uint8_t *text, size_t size, uint8_t *answer)
{
	(void)text;
	(void)size;
	(void)answer;
	while (pause() < 0)
		;
	return 0;
}

/* The text is the path of a pipe, which both hold open. */
static size_t hang_with_child(const uint8_t *text, size_t size, uint8_t *answer)
{
	(void)size;
	if (open((const char *)text, O_WRONLY) < 0)
		return 0;
	fork();
	return hang(text, size, answer);
}

struct told {
	pid_t dispatcher;
	int descriptors;
	bool blocked, ignored; /* any signal, but for those that this program ignores at start */
};

static size_t tell(const uint8_t *text, size_t size, uint8_t *answer)
{
	struct told told = {.dispatcher = getppid()};
	sigset_t mask;

	(void)text;
	(void)size;
	for (int fd = 0; fd < 1024; fd++)
		told.descriptors += fcntl(fd, F_GETFD) >= 0;
	sigprocmask(SIG_BLOCK, NULL, &mask);
	told.blocked = sigismember(&mask, SIGUSR2) == 1 || sigismember(&mask, SIGTERM) == 1;
	told.ignored = signal(SIGTERM, SIG_DFL) != SIG_DFL || signal(SIGPIPE, SIG_DFL) != SIG_DFL;
	memcpy(answer, &told, sizeof(told));
	return sizeof(told);
}

static helper_run_fn *const kinds[KIND_COUNT] = {
	[ECHO_TEXT] = echo_text,
	[CRASH] = crash,
	[HANG] = hang,
	[HANG_WITH_CHILD] = hang_with_child,
	[TELL] = tell,
};

/* ---- the stage ---- */

struct stage {
	struct helper *helper;
	struct loop *loop;
	unsigned ended;
};

struct asked {
	struct helper_task task;
	struct stage *stage;
	unsigned place; /* 1: the first that ended */
	enum helper_end end;
	uint8_t answer[HELPER_TEXT_MAX];
	size_t size;
};

static void open_stage(struct stage *stage)
{
	struct reason reason;

	*stage = (struct stage){.ended = 0};
	if (helper_start(&stage->helper, kinds, KIND_COUNT, &reason) < 0)
		fail_msg("%s", reason.text);
	stage->loop = loop_open(&clock_system);
	assert_non_null(stage->loop);
	assert_int_equal(helper_attach(stage->helper, stage->loop), 0);
}

static void close_stage(struct stage *stage)
{
	helper_detach(stage->helper);
	helper_stop(&stage->helper);
	loop_close(&stage->loop);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
}

static void take_end(
	struct helper_task *task, enum helper_end end, const uint8_t *answer, size_t size)
{
	struct asked *asked = task->owner;

	asked->place = ++asked->stage->ended;
	asked->end = end;
	asked->size = size;
	if (size > 0)
		memcpy(asked->answer, answer, size);
}

static void ask(struct stage *stage, struct asked *asked, unsigned kind, const char *text,
	int64_t timeout_ms)
{
	*asked = (struct asked){.task = {.owner = asked, .ended = take_end}, .stage = stage};
	loop_step(stage->loop, 0); /* its clock */
	helper_ask(stage->helper, &asked->task, kind, text, strlen(text) + 1, timeout_ms);
}

static void wait_for(struct stage *stage, unsigned ended)
{
	int64_t end_ms = clock_mono_ms(&clock_system) + LONG_MS;

	while (stage->ended < ended) {
		assert_true(clock_mono_ms(&clock_system) < end_ms);
		loop_step(stage->loop, 1000);
	}
	assert_int_equal(stage->ended, ended);
}

static struct told told_of(struct stage *stage)
{
	struct asked asked;
	struct told told;

	ask(stage, &asked, TELL, "", LONG_MS);
	wait_for(stage, stage->ended + 1);
	assert_int_equal(asked.end, HELPER_DONE);
	assert_int_equal(asked.size, sizeof(told));
	memcpy(&told, asked.answer, sizeof(told));
	return told;
}

/* ---- tests ---- */

static void answers_come_in_any_order(void **state)
{
	struct stage stage;
	struct asked slow, quick;

	(void)state;
	open_stage(&stage);
	ask(&stage, &slow, HANG, "", 500);
	ask(&stage, &quick, ECHO_TEXT, "hello", LONG_MS);
	wait_for(&stage, 2);
	assert_int_equal(quick.place, 1);
	assert_int_equal(quick.end, HELPER_DONE);
	assert_string_equal((const char *)quick.answer, "hello");
	assert_int_equal(slow.end, HELPER_LATE);
	close_stage(&stage);
}

static void a_crash_costs_its_task_only(void **state)
{
	struct stage stage;
	struct asked before, crashed, after;

	(void)state;
	open_stage(&stage);
	ask(&stage, &before, ECHO_TEXT, "one", LONG_MS);
	ask(&stage, &crashed, CRASH, "", LONG_MS);
	ask(&stage, &after, ECHO_TEXT, "two", LONG_MS);
	wait_for(&stage, 3);
	assert_int_equal(crashed.end, HELPER_DIED);
	assert_int_equal(before.end, HELPER_DONE);
	assert_int_equal(after.end, HELPER_DONE);
	close_stage(&stage);
}

static void what_is_late_is_killed_with_what_it_started(void **state)
{
	char path[] = "/tmp/sluice-helper-XXXXXX", pipe_path[64], byte;
	struct pollfd reader = {.events = POLLIN};
	struct stage stage;
	struct asked asked;

	(void)state;
	assert_non_null(mkdtemp(path));
	snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", path);
	assert_int_equal(mkfifo(pipe_path, 0600), 0);
	reader.fd = open(pipe_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader.fd >= 0);
	open_stage(&stage);
	ask(&stage, &asked, HANG_WITH_CHILD, pipe_path, 1000);
	wait_for(&stage, 1);
	assert_int_equal(asked.end, HELPER_LATE);
	/* the last writer is gone */
	assert_int_equal(poll(&reader, 1, LONG_MS), 1);
	assert_int_equal(read(reader.fd, &byte, 1), 0);
	close_stage(&stage);
	close(reader.fd);
	unlink(pipe_path);
	rmdir(path);
}

static void places_are_bounded_and_come_free_again(void **state)
{
	static struct asked asked[HELPER_AT_ONCE];
	struct stage stage;

	(void)state;
	open_stage(&stage);
	for (unsigned round = 0; round < 2; round++) {
		for (size_t i = 0; i < HELPER_AT_ONCE; i++) {
			assert_true(helper_has_room(stage.helper));
			ask(&stage, &asked[i], HANG, "", 300);
		}
		assert_false(helper_has_room(stage.helper));
		wait_for(&stage, (round + 1) * HELPER_AT_ONCE);
		for (size_t i = 0; i < HELPER_AT_ONCE; i++)
			assert_int_equal(asked[i].end, HELPER_LATE);
	}
	close_stage(&stage);
}

static void longest_text_goes_both_ways(void **state)
{
	char text[HELPER_TEXT_MAX];
	struct stage stage;
	struct asked asked;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	open_stage(&stage);
	ask(&stage, &asked, ECHO_TEXT, text, LONG_MS);
	wait_for(&stage, 1);
	assert_int_equal(asked.size, sizeof(text));
	assert_memory_equal(asked.answer, text, sizeof(text));
	close_stage(&stage);
}

static void nothing_of_the_daemon_is_inherited(void **state)
{
	int extra = open("/dev/null", O_RDONLY); /* not close-on-exec */
	struct stage stage;
	struct told told;
	sigset_t signals;

	(void)state;
	assert_true(extra >= 0);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGUSR2);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	open_stage(&stage);
	told = told_of(&stage);
	assert_int_equal(told.descriptors, 4);
	assert_false(told.blocked);
	assert_false(told.ignored);
	close_stage(&stage);
	sigprocmask(SIG_UNBLOCK, &signals, NULL);
	close(extra);
}

static void a_dispatcher_that_dies_is_started_again(void **state)
{
	struct stage stage;
	struct asked lost, next;
	struct told told;

	(void)state;
	open_stage(&stage);
	told = told_of(&stage);
	ask(&stage, &lost, HANG, "", LONG_MS);
	assert_int_equal(kill(told.dispatcher, SIGKILL), 0);
	wait_for(&stage, 2);
	assert_int_equal(lost.end, HELPER_DIED);
	ask(&stage, &next, ECHO_TEXT, "again", LONG_MS);
	wait_for(&stage, 3);
	assert_int_equal(next.end, HELPER_DONE);
	assert_int_not_equal(told_of(&stage).dispatcher, told.dispatcher);
	close_stage(&stage);
}

static void a_dispatcher_that_is_stuck_costs_no_more_than_time(void **state)
{
	struct stage stage;
	struct asked asked;
	struct told told;

	(void)state;
	open_stage(&stage);
	told = told_of(&stage);
	assert_int_equal(kill(told.dispatcher, SIGSTOP), 0);
	ask(&stage, &asked, ECHO_TEXT, "", 100);
	wait_for(&stage, 2);
	assert_int_equal(asked.end, HELPER_LATE);
	assert_int_equal(kill(told.dispatcher, SIGCONT), 0);
	close_stage(&stage);
}

/* The keeper's pid is this process's only child. */
static pid_t keeper_of(pid_t dispatcher)
{
	char path[64], line[256];
	FILE *file;
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)dispatcher);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	assert_int_equal(sscanf(strrchr(line, ')') + 1, " %*c %d", &parent), 1);
	return parent;
}

static void a_keeper_that_dies_ends_all_at_once(void **state)
{
	struct stage stage;
	struct asked lost, next;
	pid_t keeper;

	(void)state;
	open_stage(&stage);
	keeper = keeper_of(told_of(&stage).dispatcher);
	assert_int_equal(keeper_of(keeper), getpid());
	ask(&stage, &lost, HANG, "", LONG_MS);
	assert_int_equal(kill(keeper, SIGKILL), 0);
	wait_for(&stage, 2);
	assert_int_equal(lost.end, HELPER_GONE);
	assert_true(helper_has_room(stage.helper));
	ask(&stage, &next, ECHO_TEXT, "", LONG_MS);
	assert_int_equal(stage.ended, 3);
	assert_int_equal(next.end, HELPER_GONE);
	close_stage(&stage);
}

static void who_gives_up_waits_for_nothing(void **state)
{
	struct stage stage;
	struct asked asked;

	(void)state;
	open_stage(&stage);
	ask(&stage, &asked, HANG, "", LONG_MS);
	helper_give_up(stage.helper);
	assert_int_equal(stage.ended, 1);
	assert_int_equal(asked.end, HELPER_GONE);
	close_stage(&stage);
}

/* This process becomes the parent of those whose parent died, so that it sees them end. */
static void the_helper_dies_with_the_daemon(void **state)
{
	int pipes[2];
	pid_t daemon, dispatcher;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(pipe(pipes), 0);
	daemon = fork();
	if (daemon == 0) {
		struct stage stage;
		struct asked asked;
		struct told told;

		open_stage(&stage);
		ask(&stage, &asked, HANG, "", LONG_MS);
		told = told_of(&stage);
		if (write(pipes[1], &told.dispatcher, sizeof(told.dispatcher)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(
		read(pipes[0], &dispatcher, sizeof(dispatcher)), (ssize_t)sizeof(dispatcher));
	assert_int_equal(kill(daemon, SIGKILL), 0);
	/* the daemon, keeper, dispatcher and the task, then nobody; a task that told may be one more */
	for (unsigned count = 0;; count++) {
		pid_t pid = waitpid(-1, NULL, 0);

		if (pid < 0 && errno == ECHILD) {
			assert_true(count >= 2);
			break;
		}
		assert_true(pid > 0);
	}
	assert_int_equal(kill(dispatcher, 0), -1);
	close(pipes[0]);
	close(pipes[1]);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_come_in_any_order),
		cmocka_unit_test(a_crash_costs_its_task_only),
		cmocka_unit_test(what_is_late_is_killed_with_what_it_started),
		cmocka_unit_test(places_are_bounded_and_come_free_again),
		cmocka_unit_test(longest_text_goes_both_ways),
		cmocka_unit_test(nothing_of_the_daemon_is_inherited),
		cmocka_unit_test(a_dispatcher_that_dies_is_started_again),
		cmocka_unit_test(a_dispatcher_that_is_stuck_costs_no_more_than_time),
		cmocka_unit_test(a_keeper_that_dies_ends_all_at_once),
		cmocka_unit_test(who_gives_up_waits_for_nothing),
		cmocka_unit_test(the_helper_dies_with_the_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
