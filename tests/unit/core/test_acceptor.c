#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include "core/metrics.h"
#include "tests/unit/core/client.h"
#include "tests/unit/core/echo.h"

#define REFUSAL "421 4.7.0 too many connections, try again later\r\n"

/* Acceptors, workers with the echo service, and one listener of each kind on loopback. */
enum { FRAGILE, STANDARD, LISTENERS };

struct fixture {
	struct echo echo;
	struct address addresses[LISTENERS];
	struct acceptor_socket sockets[LISTENERS];
	struct admission *admission;
	struct ring *jobs;
	struct worker_pool *pool;
	struct acceptor *acceptor;
};

struct setting {
	unsigned total, listener_total, by_address, ring, workers, threads;
	bool parks_nobody;
};

static const struct setting roomy = {1000, 1000, 1000, 64, 2, 2};

static void open_fixture(struct fixture *fixture, const struct setting *setting)
{
	const struct admission_limits limits[LISTENERS] = {
		{.total = setting->listener_total, .address = setting->by_address},
		{.total = setting->listener_total, .address = setting->by_address}};
	struct reason reason = {{0}};

	*fixture = (struct fixture){{0}};
	for (unsigned i = 0; i < LISTENERS; i++) {
		fixture->sockets[i] = (struct acceptor_socket){
			.fd = listen_anywhere("127.0.0.1:0", &fixture->addresses[i]),
			.listener = i,
			.leaves_in_backlog = i == FRAGILE,
			.refusal = i == FRAGILE ? NULL : REFUSAL,
		};
	}
	fixture->admission = admission_open(setting->total, limits, LISTENERS, &clock_system);
	fixture->jobs = ring_open(setting->ring);
	assert_true(fixture->admission != NULL && fixture->jobs != NULL);
	fixture->echo.admission = fixture->admission;
	if (worker_pool_start(&fixture->pool, &echo_service, &fixture->echo, setting->workers, 64,
		    fixture->jobs, &clock_system, &reason) < 0)
		fail_msg("%s", reason.text);
}

static void start(struct fixture *fixture, const struct setting *setting)
{
	const struct acceptor_options options = {
		.sockets = fixture->sockets,
		.socket_count = LISTENERS,
		.thread_count = setting->threads,
		.parked_max = setting->parks_nobody ? 0 : 100,
		.admission = fixture->admission,
		.jobs = fixture->jobs,
		.worker_inboxes = worker_pool_inboxes(fixture->pool),
		.worker_count = setting->workers,
	};
	struct reason reason = {{0}};

	if (acceptor_start(&fixture->acceptor, &options, &reason) < 0)
		fail_msg("%s", reason.text);
}

static void open_started(struct fixture *fixture, const struct setting *setting)
{
	open_fixture(fixture, setting);
	start(fixture, setting);
}

static void stop(struct fixture *fixture)
{
	acceptor_stop(&fixture->acceptor);
	assert_null(fixture->acceptor);
	acceptor_stop(&fixture->acceptor);
	worker_pool_stop(&fixture->pool, 1000);
	/* whoever came in went out again, whatever way */
	assert_int_equal(admission_count(fixture->admission), 0);
	assert_null(ring_pop(fixture->jobs));
	admission_close(&fixture->admission);
	ring_close(&fixture->jobs);
	for (unsigned i = 0; i < LISTENERS; i++)
		close(fixture->sockets[i].fd);
}

static int join(struct fixture *fixture, unsigned listener, const char *from)
{
	return connect_to(&fixture->addresses[listener], from);
}

static void clients_of_every_listener_are_served(void **state)
{
	struct fixture fixture;
	int clients[LISTENERS];

	(void)state;
	open_started(&fixture, &roomy);
	for (unsigned i = 0; i < LISTENERS; i++)
		clients[i] = join(&fixture, i, NULL);
	for (unsigned i = 0; i < LISTENERS; i++) {
		expect(clients[i], ECHO_GREETING);
		assert_int_equal(send(clients[i], "hello", 5, 0), 5);
		expect(clients[i], "hello");
	}
	assert_int_equal(admission_count(fixture.admission), LISTENERS);
	stop(&fixture);
	for (unsigned i = 0; i < LISTENERS; i++) {
		expect_end(clients[i]);
		close(clients[i]);
	}
}

static void one_client_after_another_finds_a_worker(void **state)
{
	struct fixture fixture;

	(void)state;
	open_started(&fixture, &roomy);
	/* each meets the workers asleep, or just about to be */
	for (unsigned i = 0; i < 500; i++) {
		int client = join(&fixture, i % LISTENERS, NULL);

		expect(client, ECHO_GREETING);
		close(client);
	}
	AWAIT(admission_count(fixture.admission) == 0);
	assert_int_equal(fixture.echo.opened, 500);
	assert_true(fixture.echo.opened_by[0] > 0 && fixture.echo.opened_by[1] > 0);
	stop(&fixture);
}

static void a_full_ring_leaves_clients_in_the_backlog_until_there_is_room(void **state)
{
	enum { MANY = 60 };
	const struct setting tight = {1000, 1000, 1000, 4, 1, 1};
	struct fixture fixture;
	uint64_t refused = metric_value(METRIC_CONNECTIONS_REFUSED);
	int clients[MANY];

	(void)state;
	open_fixture(&fixture, &tight);
	fixture.echo.slow = 1;
	start(&fixture, &tight);
	for (unsigned i = 0; i < MANY; i++)
		clients[i] = join(&fixture, i % LISTENERS, NULL);
	/* one is with the worker, the ring is full, the rest were not accepted */
	AWAIT(ring_depth(fixture.jobs) == ring_capacity(fixture.jobs) &&
		admission_count(fixture.admission) == 1 + ring_capacity(fixture.jobs));
	for (unsigned i = 0; i < MANY; i++)
		assert_true(is_silent(clients[i]));
	fixture.echo.slow = 0;
	for (unsigned i = 0; i < MANY; i++) {
		expect(clients[i], ECHO_GREETING);
		close(clients[i]);
	}
	assert_int_equal(metric_value(METRIC_CONNECTIONS_REFUSED), refused);
	stop(&fixture);
}

static void a_standard_client_over_its_addresses_limit_is_told(void **state)
{
	const struct setting two_each = {1000, 1000, 2, 64, 1, 1};
	struct fixture fixture;
	uint64_t refused = metric_value(METRIC_CONNECTIONS_REFUSED);
	int in[2], over, other;

	(void)state;
	open_started(&fixture, &two_each);
	for (int i = 0; i < 2; i++) {
		in[i] = join(&fixture, STANDARD, "127.0.0.2");
		expect(in[i], ECHO_GREETING);
	}
	over = join(&fixture, STANDARD, "127.0.0.2");
	expect(over, REFUSAL);
	expect_end(over);
	other = join(&fixture, STANDARD, "127.0.0.3");
	expect(other, ECHO_GREETING);
	assert_int_equal(metric_value(METRIC_CONNECTIONS_REFUSED), refused + 1);
	close(over);
	close(in[0]);
	AWAIT(admission_count(fixture.admission) == 2);
	over = join(&fixture, STANDARD, "127.0.0.2");
	expect(over, ECHO_GREETING);
	stop(&fixture);
	close(in[1]);
	close(other);
	close(over);
}

static void a_standard_client_over_the_listeners_limit_is_told(void **state)
{
	const struct setting one_in_all = {1, 1, 1, 64, 1, 1};
	struct fixture fixture;
	int in, over;

	(void)state;
	open_started(&fixture, &one_in_all);
	in = join(&fixture, STANDARD, NULL);
	expect(in, ECHO_GREETING);
	over = join(&fixture, STANDARD, NULL);
	expect(over, REFUSAL);
	expect_end(over);
	stop(&fixture);
	close(in);
	close(over);
}

/* What it said before it was asked lies unread when it is refused; a reset would take the refusal away. */
static void a_client_that_talked_early_still_reads_its_refusal(void **state)
{
	const struct setting none = {0, 0, 0, 64, 1, 1};
	static const char early[] = "EHLO me\r\nMAIL FROM:<a@example.org>\r\n";
	struct fixture fixture;

	(void)state;
	open_fixture(&fixture, &none);
	/* the clients talk while nobody has accepted them yet */
	for (int round = 0; round < 20; round++) {
		int client = join(&fixture, STANDARD, NULL);

		assert_int_equal(send(client, early, sizeof(early) - 1, 0), sizeof(early) - 1);
		if (round == 0)
			start(&fixture, &none);
		expect(client, REFUSAL);
		expect_end(client);
		close(client);
	}
	stop(&fixture);
}

static void a_fragile_client_over_its_addresses_limit_waits_and_is_served(void **state)
{
	const struct setting one_each = {1000, 1000, 1, 64, 1, 1};
	struct fixture fixture;
	uint64_t refused = metric_value(METRIC_CONNECTIONS_REFUSED);
	int in, waits, other;

	(void)state;
	open_started(&fixture, &one_each);
	in = join(&fixture, FRAGILE, "127.0.0.2");
	expect(in, ECHO_GREETING);
	waits = join(&fixture, FRAGILE, "127.0.0.2");
	/* it costs others nothing: they come behind it and are served */
	for (int i = 0; i < 20; i++) {
		other = join(&fixture, FRAGILE, "127.0.0.3");
		expect(other, ECHO_GREETING);
		close(other);
		AWAIT(admission_count(fixture.admission) == 1);
	}
	assert_true(is_silent(waits));
	close(in);
	expect(waits, ECHO_GREETING);
	assert_int_equal(metric_value(METRIC_CONNECTIONS_REFUSED), refused);
	stop(&fixture);
	close(waits);
}

/* The place of one that was spoken to, or -1. Two threads may let clients in in another order than they came. */
static int find_served(const int *clients, int count)
{
	for (int i = 0; i < count; i++)
		if (clients[i] >= 0 && !is_silent(clients[i]))
			return i;
	return -1;
}

static void fragile_clients_over_the_total_wait_and_are_all_served(void **state)
{
	enum { MANY = 10 };
	const struct setting one_in_all = {1, 1, 1, 64, 1, 2};
	struct fixture fixture;
	uint64_t refused = metric_value(METRIC_CONNECTIONS_REFUSED);
	int in, waits[MANY];

	(void)state;
	open_started(&fixture, &one_in_all);
	in = join(&fixture, FRAGILE, NULL);
	expect(in, ECHO_GREETING);
	for (int i = 0; i < MANY; i++)
		waits[i] = join(&fixture, FRAGILE, NULL);
	for (int i = 0; i < MANY; i++) {
		int served;

		assert_int_equal(find_served(waits, MANY), -1);
		close(in);
		AWAIT((served = find_served(waits, MANY)) >= 0);
		in = waits[served];
		waits[served] = -1;
		expect(in, ECHO_GREETING);
	}
	assert_int_equal(metric_value(METRIC_CONNECTIONS_REFUSED), refused);
	stop(&fixture);
	close(in);
}

/* Whoever takes the last place, or the ring's, is quicker than another that saw it free: that one waits for the next. */
static void a_place_that_another_thread_took_closes_nobody(void **state)
{
	enum { MANY = 600 };
	static const struct setting settings[] = {
		{1, 1, 1, 64, 1, 4, .parks_nobody = true},
		{1000, 1000, 1000, 1, 1, 4, .parks_nobody = true},
	};

	(void)state;
	for (size_t at = 0; at < sizeof(settings) / sizeof(settings[0]); at++) {
		struct fixture fixture;
		uint64_t refused = metric_value(METRIC_CONNECTIONS_REFUSED);
		int clients[MANY];

		open_fixture(&fixture, &settings[at]);
		for (int i = 0; i < MANY; i++) {
			clients[i] = join(&fixture, FRAGILE, NULL);
			assert_int_equal(shutdown(clients[i], SHUT_WR), 0); /* greeted, it ends */
		}
		start(&fixture, &settings[at]);
		for (int i = 0; i < MANY; i++) {
			expect(clients[i], ECHO_GREETING);
			close(clients[i]);
		}
		assert_int_equal(metric_value(METRIC_CONNECTIONS_REFUSED), refused);
		stop(&fixture);
	}
}

static void a_parked_client_that_goes_is_forgotten(void **state)
{
	const struct setting one_each = {1000, 1000, 1, 64, 1, 1};
	struct fixture fixture;
	uint64_t refused = metric_value(METRIC_CONNECTIONS_REFUSED);
	int in, goes;

	(void)state;
	open_started(&fixture, &one_each);
	in = join(&fixture, FRAGILE, NULL);
	expect(in, ECHO_GREETING);
	goes = join(&fixture, FRAGILE, NULL);
	close(goes);
	AWAIT(metric_value(METRIC_CONNECTIONS_REFUSED) == refused + 1);
	assert_int_equal(fixture.echo.opened, 1);
	stop(&fixture);
	close(in);
}

static void parked_clients_are_closed_at_the_stop_without_a_word(void **state)
{
	const struct setting one_each = {1000, 1000, 1, 64, 1, 1};
	struct fixture fixture;
	int in, waits, last;

	(void)state;
	open_started(&fixture, &one_each);
	in = join(&fixture, FRAGILE, "127.0.0.2");
	expect(in, ECHO_GREETING);
	waits = join(&fixture, FRAGILE, "127.0.0.2");
	last = join(&fixture, FRAGILE, "127.0.0.3");
	expect(last, ECHO_GREETING); /* so the one before it was accepted too */
	stop(&fixture);
	expect_end(waits);
	close(in);
	close(waits);
	close(last);
}

static void a_start_that_fails_says_why(void **state)
{
	struct fixture fixture;
	struct reason reason = {{0}};
	struct acceptor_options options;

	(void)state;
	open_fixture(&fixture, &roomy);
	options = (struct acceptor_options){
		.sockets = (const struct acceptor_socket[]){{.fd = -1}},
		.socket_count = 1,
		.thread_count = 2,
		.admission = fixture.admission,
		.jobs = fixture.jobs,
		.worker_inboxes = worker_pool_inboxes(fixture.pool),
		.worker_count = roomy.workers,
	};
	assert_int_equal(acceptor_start(&fixture.acceptor, &options, &reason), -1);
	assert_non_null(strstr(reason.text, "acceptor"));
	stop(&fixture);
}

/* ---- descriptors used up (F-21) ---- */

enum { DESCRIPTORS = 128 };

/* Lowers the limit and takes what is left under it; returns how many were taken. */
static size_t use_up_descriptors(int *taken)
{
	struct rlimit limit;
	size_t count = 0;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = DESCRIPTORS;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (count < DESCRIPTORS && (taken[count] = dup(STDIN_FILENO)) >= 0)
		count++;
	assert_int_equal(errno, EMFILE);
	return count;
}

static int64_t spent_cpu_ms(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
	       (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
}

static void without_descriptors_one_client_is_refused_and_fragile_ones_wait(void **state)
{
	const struct setting single = {1000, 1000, 1000, 64, 1, 1};
	struct fixture fixture;
	struct rlimit old;
	int standard[2], fragile[2], taken[DESCRIPTORS];
	size_t taken_count;
	int64_t cpu_ms;

	(void)state;
	open_started(&fixture, &single);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (int i = 0; i < 2; i++) {
		standard[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		fragile[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	}
	taken_count = use_up_descriptors(taken);
	cpu_ms = spent_cpu_ms();
	for (int i = 0; i < 2; i++)
		assert_int_equal(connect(standard[i], &fixture.addresses[STANDARD].any,
					 fixture.addresses[STANDARD].size),
			0);
	for (int i = 0; i < 2; i++) {
		expect(standard[i], REFUSAL);
		expect_end(standard[i]);
		assert_int_equal(connect(fragile[i], &fixture.addresses[FRAGILE].any,
					 fixture.addresses[FRAGILE].size),
			0);
	}
	/* two rests of 100 ms went by, not a spin */
	assert_in_range(spent_cpu_ms() - cpu_ms, 0, 100);
	while (taken_count > 0)
		close(taken[--taken_count]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	for (int i = 0; i < 2; i++) {
		expect(fragile[i], ECHO_GREETING); /* it waited in the backlog */
		close(standard[i]);
		close(fragile[i]);
	}
	standard[0] = join(&fixture, STANDARD, NULL);
	expect(standard[0], ECHO_GREETING);
	stop(&fixture);
	close(standard[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_of_every_listener_are_served),
		cmocka_unit_test(one_client_after_another_finds_a_worker),
		cmocka_unit_test(a_full_ring_leaves_clients_in_the_backlog_until_there_is_room),
		cmocka_unit_test(a_standard_client_over_its_addresses_limit_is_told),
		cmocka_unit_test(a_standard_client_over_the_listeners_limit_is_told),
		cmocka_unit_test(a_client_that_talked_early_still_reads_its_refusal),
		cmocka_unit_test(a_fragile_client_over_its_addresses_limit_waits_and_is_served),
		cmocka_unit_test(fragile_clients_over_the_total_wait_and_are_all_served),
		cmocka_unit_test(a_place_that_another_thread_took_closes_nobody),
		cmocka_unit_test(a_parked_client_that_goes_is_forgotten),
		cmocka_unit_test(parked_clients_are_closed_at_the_stop_without_a_word),
		cmocka_unit_test(a_start_that_fails_says_why),
		cmocka_unit_test(without_descriptors_one_client_is_refused_and_fragile_ones_wait),
	};

	return cmocka_run_group_tests_name("core/acceptor", tests, NULL, NULL);
}
