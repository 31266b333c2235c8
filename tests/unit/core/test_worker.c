#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/await.h"
#include "tests/unit/core/echo.h"

/* A pool of `count` workers with an echo service; clients come from socket pairs. */
struct fixture {
	struct echo echo;
	struct ring *jobs;
	struct worker_pool *pool;
	int talker; /* a client's end that another thread uses */
};

static void open_fixture(struct fixture *fixture)
{
	*fixture = (struct fixture){.jobs = ring_open(64)};
	assert_non_null(fixture->jobs);
}

static void start(struct fixture *fixture, unsigned count)
{
	struct reason reason = {{0}};

	if (worker_pool_start(&fixture->pool, &echo_service, &fixture->echo, count, 64,
		    fixture->jobs, &clock_system, &reason) < 0)
		fail_msg("%s", reason.text);
}

static void stop(struct fixture *fixture, int64_t deadline_ms)
{
	worker_pool_stop(&fixture->pool, deadline_ms);
	assert_null(fixture->pool);
	ring_close(&fixture->jobs);
}

/* Returns the client's end. */
static int push_client(struct fixture *fixture)
{
	struct accepted *accepted = calloc(1, sizeof(*accepted));
	int ends[2];

	assert_non_null(accepted);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	accepted->fd = ends[1];
	accepted->peer.any.sa_family = AF_UNIX;
	assert_true(ring_push(fixture->jobs, accepted));
	return ends[0];
}

static void expect(int fd, const char *text)
{
	char got[256] = {0};

	AWAIT(recv(fd, got, sizeof(got) - 1, MSG_PEEK) >= (ssize_t)strlen(text));
	assert_int_equal(recv(fd, got, strlen(text), 0), strlen(text));
	got[strlen(text)] = '\0';
	assert_string_equal(got, text);
}

static bool is_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) == 0;
}

static void a_client_is_greeted_and_served(void **state)
{
	struct fixture fixture;
	int client;

	(void)state;
	open_fixture(&fixture);
	start(&fixture, 2);
	client = push_client(&fixture);
	mailbox_nudge(worker_pool_inboxes(fixture.pool)[0]);
	expect(client, ECHO_GREETING);
	assert_int_equal(send(client, "one", 3, 0), 3);
	expect(client, "one");
	assert_int_equal(send(client, "two", 3, 0), 3);
	expect(client, "two");
	stop(&fixture, 1000);
	assert_true(is_closed(client));
	close(client);
	assert_int_equal(fixture.echo.ended, 2);
	assert_int_equal(fixture.echo.cut, 0);
}

static void a_turn_takes_no_more_than_16_clients(void **state)
{
	enum { MANY = 50 };
	struct fixture fixture;
	int clients[MANY];

	(void)state;
	open_fixture(&fixture);
	for (int i = 0; i < MANY; i++)
		clients[i] = push_client(&fixture);
	start(&fixture, 1); /* finds them without a nudge */
	for (int i = 0; i < MANY; i++)
		expect(clients[i], ECHO_GREETING);
	stop(&fixture, 1000);
	assert_int_equal(fixture.echo.opened, MANY);
	assert_int_equal(fixture.echo.most_opened_in_a_turn, 16);
	for (int i = 0; i < MANY; i++)
		close(clients[i]);
}

static void a_nudge_to_a_busy_worker_is_not_lost(void **state)
{
	struct fixture fixture;
	int first, second;

	(void)state;
	open_fixture(&fixture);
	fixture.echo.slow = 1;
	first = push_client(&fixture);
	start(&fixture, 1);
	/* It is in the middle of its turn and has looked at the ring already. */
	AWAIT(ring_depth(fixture.jobs) == 0);
	second = push_client(&fixture);
	mailbox_nudge(worker_pool_inboxes(fixture.pool)[0]);
	fixture.echo.slow = 0;
	expect(first, ECHO_GREETING);
	expect(second, ECHO_GREETING);
	stop(&fixture, 1000);
	close(first);
	close(second);
}

struct counted_letter {
	struct letter letter;
	pthread_t read_by;
};

static void read_counted(struct letter *letter, void *context)
{
	struct echo_worker *worker = context;

	LETTER_OF(letter, struct counted_letter, letter)->read_by = pthread_self();
	worker->echo->letters++;
}

static void letters_are_read_on_the_workers_thread_with_its_context(void **state)
{
	struct fixture fixture;
	struct counted_letter letters[2] = {
		{.letter.read = read_counted}, {.letter.read = read_counted}};

	(void)state;
	open_fixture(&fixture);
	start(&fixture, 2);
	for (int i = 0; i < 2; i++)
		assert_true(mailbox_push(worker_pool_inboxes(fixture.pool)[i], &letters[i].letter));
	AWAIT(fixture.echo.letters == 2);
	stop(&fixture, 1000);
	assert_false(pthread_equal(letters[0].read_by, pthread_self()));
	assert_false(pthread_equal(letters[0].read_by, letters[1].read_by));
}

static void what_is_in_the_ring_at_the_stop_is_opened_and_closed(void **state)
{
	struct fixture fixture;
	int clients[40];

	(void)state;
	open_fixture(&fixture);
	start(&fixture, 1);
	AWAIT(fixture.echo.begun == 1);
	for (int i = 0; i < 40; i++)
		clients[i] = push_client(&fixture);
	stop(&fixture, 1000);
	assert_int_equal(fixture.echo.opened, 40);
	for (int i = 0; i < 40; i++) {
		expect(clients[i], ECHO_GREETING);
		assert_true(is_closed(clients[i]));
		close(clients[i]);
	}
}

/* Talks on during the stop, and goes by itself. */
static void *talk_during_stop(void *argument)
{
	struct fixture *fixture = argument;
	int client = fixture->talker;

	AWAIT(fixture->echo.stopping == 1);
	if (send(client, "late", 4, 0) != 4)
		abort();
	expect(client, "late");
	close(client);
	return NULL;
}

static void the_stop_waits_for_sessions_that_go_on(void **state)
{
	struct fixture fixture;
	pthread_t talker;

	(void)state;
	open_fixture(&fixture);
	fixture.echo.keeps_open = true;
	start(&fixture, 1);
	fixture.talker = push_client(&fixture);
	mailbox_nudge(worker_pool_inboxes(fixture.pool)[0]);
	expect(fixture.talker, ECHO_GREETING);
	assert_int_equal(pthread_create(&talker, NULL, talk_during_stop, &fixture), 0);
	stop(&fixture, AWAIT_MS);
	pthread_join(talker, NULL);
	assert_int_equal(fixture.echo.cut, 0);
	assert_int_equal(fixture.echo.ended, 1);
}

static void over_the_deadline_sessions_are_cut(void **state)
{
	struct fixture fixture;
	int client;

	(void)state;
	open_fixture(&fixture);
	fixture.echo.keeps_open = true;
	start(&fixture, 1);
	client = push_client(&fixture);
	mailbox_nudge(worker_pool_inboxes(fixture.pool)[0]);
	expect(client, ECHO_GREETING);
	stop(&fixture, 30);
	assert_int_equal(fixture.echo.stopping, 1);
	assert_int_equal(fixture.echo.cut, 1);
	assert_int_equal(fixture.echo.ended, 1);
	assert_true(is_closed(client));
	close(client);
}

/* The writer still has a cut session's request: its answer must be read before the worker's memory goes. */
static void read_answer(struct letter *letter, void *context)
{
	struct echo_worker *worker = context;

	(void)letter;
	assert_int_equal(worker->echo->ended, 0);
	worker->echo->under_way--;
	worker->echo->letters++;
}

static struct letter answer = {.read = read_answer};

static void *answer_after_the_cut(void *argument)
{
	struct fixture *fixture = argument;

	AWAIT(fixture->echo.cut == 1);
	if (!mailbox_push(worker_pool_inboxes(fixture->pool)[0], &answer))
		abort();
	return NULL;
}

static void a_cut_session_waits_for_its_request_to_come_back(void **state)
{
	struct fixture fixture;
	pthread_t writer;

	(void)state;
	open_fixture(&fixture);
	fixture.echo.keeps_open = true;
	fixture.echo.under_way = 1;
	start(&fixture, 1);
	assert_int_equal(pthread_create(&writer, NULL, answer_after_the_cut, &fixture), 0);
	stop(&fixture, 10);
	pthread_join(writer, NULL);
	assert_int_equal(fixture.echo.letters, 1);
	assert_int_equal(fixture.echo.ended, 1);
}

static void a_worker_that_cannot_begin_fails_the_start(void **state)
{
	struct fixture fixture;
	struct reason reason = {{0}};

	(void)state;
	open_fixture(&fixture);
	fixture.echo.fails_from = 2;
	assert_int_equal(worker_pool_start(&fixture.pool, &echo_service, &fixture.echo, 3, 8,
				 fixture.jobs, &clock_system, &reason),
		-1);
	assert_null(fixture.pool);
	assert_int_equal(fixture.echo.begun, 1);
	assert_int_equal(fixture.echo.ended, 1);
	assert_non_null(strstr(reason.text, "worker"));
	stop(&fixture, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_is_greeted_and_served),
		cmocka_unit_test(a_turn_takes_no_more_than_16_clients),
		cmocka_unit_test(a_nudge_to_a_busy_worker_is_not_lost),
		cmocka_unit_test(letters_are_read_on_the_workers_thread_with_its_context),
		cmocka_unit_test(what_is_in_the_ring_at_the_stop_is_opened_and_closed),
		cmocka_unit_test(the_stop_waits_for_sessions_that_go_on),
		cmocka_unit_test(over_the_deadline_sessions_are_cut),
		cmocka_unit_test(a_cut_session_waits_for_its_request_to_come_back),
		cmocka_unit_test(a_worker_that_cannot_begin_fails_the_start),
	};

	return cmocka_run_group_tests_name("core/worker", tests, NULL, NULL);
}
