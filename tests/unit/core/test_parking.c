#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/parking.h"

/* A parking on a turned clock, with room for two clients of an address; what it hands on is kept in order. */
struct fixture {
	struct clock_turned clock;
	struct loop *loop;
	struct admission *admission;
	struct parking *parking;
	struct admission_ticket in[2];
	bool full; /* the workers have no room */
	struct accepted *given[200];
	size_t given_count;
	unsigned asked;
};

static bool give(void *giver, struct accepted *accepted)
{
	struct fixture *fixture = giver;

	if (fixture->full)
		return false;
	fixture->given[fixture->given_count++] = accepted;
	return true;
}

static void ask(void *giver, unsigned listener)
{
	struct fixture *fixture = giver;

	(void)listener;
	fixture->asked++;
}

static void open_fixture(struct fixture *fixture)
{
	const struct admission_limits limits = {.total = 2000, .address = 2};
	struct address peer;

	*fixture = (struct fixture){.full = false};
	clock_turned_init(&fixture->clock, 0);
	fixture->loop = loop_open(&fixture->clock.clock);
	fixture->admission = admission_open(2000, &limits, 1, &clock_system);
	assert_true(fixture->loop != NULL && fixture->admission != NULL);
	fixture->parking =
		parking_open(fixture->loop, fixture->admission, PARKING_MAX, give, ask, fixture);
	assert_non_null(fixture->parking);
	assert_int_equal(address_parse("192.0.2.1", &peer), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(admission_enter(fixture->admission, 0, &peer, &fixture->in[i]),
			ADMISSION_IN);
}

static void close_fixture(struct fixture *fixture)
{
	parking_close(&fixture->parking);
	assert_null(fixture->parking);
	for (size_t i = 0; i < fixture->given_count; i++) {
		close(fixture->given[i]->fd);
		free(fixture->given[i]);
	}
	admission_close(&fixture->admission);
	loop_close(&fixture->loop);
}

static struct accepted *make_client(const char *peer, int *client)
{
	struct accepted *accepted = calloc(1, sizeof(*accepted));
	int ends[2];

	assert_non_null(accepted);
	assert_int_equal(address_parse(peer, &accepted->peer), 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	accepted->fd = ends[0];
	*client = ends[1];
	return accepted;
}

static int park(struct fixture *fixture, const char *peer)
{
	int client;

	assert_true(parking_add(fixture->parking, make_client(peer, &client)));
	return client;
}

static void turn(struct fixture *fixture, int64_t ms)
{
	clock_turned_advance(&fixture->clock, ms);
	assert_int_equal(loop_step(fixture->loop, 0), 0);
}

static bool is_closed(int client)
{
	char byte;

	return recv(client, &byte, 1, 0) == 0;
}

static void a_client_is_handed_on_when_its_address_has_room(void **state)
{
	struct fixture fixture;
	int waits[2];

	(void)state;
	open_fixture(&fixture);
	waits[0] = park(&fixture, "192.0.2.1");
	waits[1] = park(&fixture, "192.0.2.1");
	turn(&fixture, 100);
	assert_int_equal(fixture.given_count, 0);
	assert_int_equal(fixture.asked, 0); /* others' places are no use to it */
	admission_leave(fixture.admission, &fixture.in[0]);
	turn(&fixture, 100);
	assert_int_equal(fixture.given_count, 1);
	assert_int_equal(admission_count(fixture.admission), 2);
	admission_leave(fixture.admission, &fixture.in[1]);
	turn(&fixture, 100);
	assert_int_equal(fixture.given_count, 2);
	close_fixture(&fixture);
	close(waits[0]);
	close(waits[1]);
}

static void many_of_one_address_do_not_hold_up_another(void **state)
{
	enum { MANY = 150 };
	struct fixture fixture;
	int waits[MANY], other;

	(void)state;
	open_fixture(&fixture);
	for (int i = 0; i < MANY; i++)
		waits[i] = park(&fixture, "192.0.2.1");
	other = park(&fixture, "192.0.2.2");
	for (int i = 0; i < 3; i++)
		turn(&fixture, 20);
	assert_int_equal(fixture.given_count, 1);
	close_fixture(&fixture);
	for (int i = 0; i < MANY; i++) {
		assert_true(is_closed(waits[i]));
		close(waits[i]);
	}
	close(other);
}

static void one_that_is_in_waits_for_the_workers_room_only(void **state)
{
	struct fixture fixture;
	int client;

	(void)state;
	open_fixture(&fixture);
	fixture.full = true;
	client = park(&fixture, "192.0.2.2");
	turn(&fixture, 100);
	assert_int_equal(fixture.given_count, 0);
	assert_int_equal(admission_count(fixture.admission), 3);
	fixture.full = false;
	turn(&fixture, 100);
	assert_int_equal(fixture.given_count, 1);
	assert_int_equal(admission_count(fixture.admission), 3);
	close_fixture(&fixture);
	close(client);
}

static void patience_ends_without_a_word(void **state)
{
	struct fixture fixture;
	int waits, full;

	(void)state;
	open_fixture(&fixture);
	waits = park(&fixture, "192.0.2.1");
	fixture.full = true;
	full = park(&fixture, "192.0.2.2");
	turn(&fixture, PARKING_PATIENCE_MS - 1);
	assert_false(is_closed(waits));
	assert_int_equal(admission_count(fixture.admission), 3);
	turn(&fixture, 100);
	assert_true(is_closed(waits));
	assert_true(is_closed(full));
	/* the place that one of them had is given back */
	assert_int_equal(admission_count(fixture.admission), 2);
	turn(&fixture, 100);
	close_fixture(&fixture);
	close(waits);
	close(full);
}

static void one_that_goes_is_forgotten(void **state)
{
	struct fixture fixture;
	int goes, waits;

	(void)state;
	open_fixture(&fixture);
	goes = park(&fixture, "192.0.2.1");
	waits = park(&fixture, "192.0.2.1");
	close(goes);
	turn(&fixture, 1);
	admission_leave(fixture.admission, &fixture.in[0]);
	turn(&fixture, 100);
	assert_int_equal(fixture.given_count, 1);
	assert_int_equal(send(waits, "x", 1, 0), 1);
	assert_int_equal(recv(fixture.given[0]->fd, &(char){0}, 1, 0), 1);
	close_fixture(&fixture);
	close(waits);
}

static void it_has_a_limit(void **state)
{
	struct fixture fixture;
	struct accepted *accepted;
	struct rlimit limit;
	int client;

	(void)state;
	open_fixture(&fixture);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	/* the clients' ends are closed at once, which is only seen in a turn of the loop */
	for (int i = 0; i < PARKING_MAX; i++)
		close(park(&fixture, "192.0.2.1"));
	accepted = make_client("192.0.2.1", &client);
	assert_false(parking_add(fixture.parking, accepted));
	close(accepted->fd); /* still ours */
	free(accepted);
	close(client);
	close_fixture(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_is_handed_on_when_its_address_has_room),
		cmocka_unit_test(many_of_one_address_do_not_hold_up_another),
		cmocka_unit_test(one_that_is_in_waits_for_the_workers_room_only),
		cmocka_unit_test(patience_ends_without_a_word),
		cmocka_unit_test(one_that_goes_is_forgotten),
		cmocka_unit_test(it_has_a_limit),
	};

	return cmocka_run_group_tests_name("core/parking", tests, NULL, NULL);
}
