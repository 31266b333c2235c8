#include "core/helper.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/helper_process.h"
#include "core/log.h"
#include "core/metrics.h"

#define SLACK_MS   2000 /* for the way there and back, beyond a task's own time */
#define STOP_MS    3000
#define STOP_LOOKS 300

TAILQ_HEAD(task_list, helper_task);

struct helper {
	int fd; /* -1: gone */
	pid_t pid;
	uint64_t last_number;
	struct loop *loop;
	struct loop_watch watch;
	struct task_list tasks;
	size_t task_count;
	struct helper_frame frame;
};

/* ---- the end of tasks ---- */

static void end_task(
	struct helper_task *task, enum helper_end end, const uint8_t *answer, size_t size)
{
	struct helper *helper = task->helper;

	TAILQ_REMOVE(&helper->tasks, task, entry);
	helper->task_count--;
	loop_timer_clear(helper->loop, &task->timer);
	if (end == HELPER_LATE)
		metric_add(METRIC_HELPER_LATE, 1);
	else if (end == HELPER_DIED)
		metric_add(METRIC_HELPER_DIED, 1);
	task->ended(task, end, answer, size);
}

/* Those that are under way; one that is asked anew from there is not among them. */
static void end_all(struct helper *helper, enum helper_end end)
{
	uint64_t last = helper->last_number;
	struct helper_task *task;

	while ((task = TAILQ_FIRST(&helper->tasks)) != NULL && task->number <= last)
		end_task(task, end, NULL, 0);
}

void helper_give_up(struct helper *helper)
{
	end_all(helper, HELPER_GONE);
}

static void lose_helper(struct helper *helper)
{
	if (helper->loop != NULL)
		loop_watch_remove(helper->loop, &helper->watch);
	close(helper->fd);
	helper->fd = -1;
	metric_set(METRIC_HELPER_UP, 0);
	log_event(LOG_ERROR, "helper_gone", "pid=%d hint=\"restart the relay\"", (int)helper->pid);
	end_all(helper, HELPER_GONE);
}

/* The dispatcher said nothing at all for longer than it may take. */
static void end_silence(void *owner)
{
	end_task(owner, HELPER_LATE, NULL, 0);
}

/* ---- answers ---- */

static void take_frame(struct helper *helper, size_t size)
{
	const struct helper_frame *frame = &helper->frame;
	struct helper_task *task;

	if (frame->number == 0) {
		metric_add(METRIC_HELPER_RESTARTS, 1);
		log_event_limited(LOG_WARNING, "helper_restarted", "tasks=%zu", helper->task_count);
		end_all(helper, HELPER_DIED);
		return;
	}
	TAILQ_FOREACH (task, &helper->tasks, entry) {
		if (task->number == frame->number) {
			end_task(task,
				frame->end <= HELPER_GONE ? (enum helper_end)frame->end
							  : HELPER_DIED,
				frame->text, size);
			return;
		}
	}
}

static void read_answers(void *owner, uint32_t events)
{
	struct helper *helper = owner;

	(void)events;
	while (helper->fd >= 0) {
		ssize_t size =
			recv(helper->fd, &helper->frame, sizeof(helper->frame), MSG_DONTWAIT);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0 && errno == EAGAIN)
			return;
		if (size < (ssize_t)HELPER_FRAME_HEAD)
			lose_helper(helper);
		else
			take_frame(helper, (size_t)size - HELPER_FRAME_HEAD);
	}
}

/* ---- tasks ---- */

bool helper_has_room(const struct helper *helper)
{
	return helper->fd < 0 || helper->task_count < HELPER_AT_ONCE;
}

static bool send_task(struct helper *helper, const struct helper_task *task, unsigned kind,
	const void *text, size_t size, int64_t timeout_ms)
{
	struct helper_frame *frame = &helper->frame;
	ssize_t sent;

	frame->number = task->number;
	frame->timeout_ms = timeout_ms;
	frame->kind = kind;
	frame->end = 0;
	memcpy(frame->text, text, size);
	sent = send(helper->fd, frame, HELPER_FRAME_HEAD + size, MSG_NOSIGNAL | MSG_DONTWAIT);
	explicit_bzero(frame->text, size);
	return sent >= 0;
}

void helper_ask(struct helper *helper, struct helper_task *task, unsigned kind, const void *text,
	size_t size, int64_t timeout_ms)
{
	if (size > HELPER_TEXT_MAX)
		log_panic("helper: a task of %zu bytes", size);
	task->helper = helper;
	task->number = ++helper->last_number;
	task->timer = (struct loop_timer){.owner = task, .fire = end_silence};
	TAILQ_INSERT_TAIL(&helper->tasks, task, entry);
	helper->task_count++;
	if (helper->fd < 0)
		end_task(task, HELPER_GONE, NULL, 0);
	else if (!send_task(helper, task, kind, text, size, timeout_ms))
		end_task(task, HELPER_DIED, NULL, 0); /* its end is read next */
	else
		loop_timer_set(helper->loop, &task->timer,
			loop_now_ms(helper->loop) + timeout_ms + SLACK_MS);
}

int helper_attach(struct helper *helper, struct loop *loop)
{
	helper->watch = (struct loop_watch){.owner = helper, .ready = read_answers};
	helper->loop = loop;
	if (helper->fd < 0)
		return 0;
	return loop_watch_add(loop, &helper->watch, helper->fd, EPOLLIN);
}

void helper_detach(struct helper *helper)
{
	if (helper->loop != NULL && helper->fd >= 0)
		loop_watch_remove(helper->loop, &helper->watch);
	helper->loop = NULL;
}

/* ---- start and stop ---- */

int helper_start(
	struct helper **out, helper_run_fn *const *kinds, size_t kind_count, struct reason *reason)
{
	struct helper *helper = calloc(1, sizeof(*helper));
	pid_t daemon = getpid();
	int pair[2];

	*out = NULL;
	if (helper == NULL)
		return reason_set(reason, "out of memory");
	TAILQ_INIT(&helper->tasks);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		free(helper);
		return reason_set(reason, "helper: no socket: %s", strerror(errno));
	}
	helper->pid = fork();
	if (helper->pid == 0) {
		close(pair[0]);
		helper_process_run(pair[1], daemon, kinds, kind_count);
	}
	close(pair[1]);
	helper->fd = pair[0];
	if (helper->pid < 0) {
		reason_set(reason, "helper: cannot fork: %s", strerror(errno));
		close(helper->fd);
		free(helper);
		return -1;
	}
	metric_set(METRIC_HELPER_UP, 1);
	*out = helper;
	return 0;
}

void helper_stop(struct helper **stopped)
{
	struct helper *helper;

	if (stopped == NULL || *stopped == NULL)
		return;
	helper = *stopped;
	if (helper->fd >= 0)
		close(helper->fd);
	/* it may have more rights than the daemon has by now: it cannot be killed from here */
	for (unsigned i = 0; i < STOP_LOOKS && waitpid(helper->pid, NULL, WNOHANG) == 0; i++)
		poll(NULL, 0, STOP_MS / STOP_LOOKS);
	free(helper);
	*stopped = NULL;
}
