#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "queue/host.h"

#define FIRST 1000
#define MOST  60000

static enum host_change come_back_as(
	struct host *host, uint32_t epoch, uint64_t id, enum host_news news, int64_t now)
{
	const struct host_return back = {
		.epoch = epoch,
		.id = id,
		.news = news,
		.now_mono_ms = now,
		.busy_first_ms = FIRST,
		.busy_max_ms = MOST,
	};

	return host_returned(host, &back);
}

/* One job goes out and comes back. */
static enum host_change try_one(struct host *host, uint64_t id, enum host_news news, int64_t now)
{
	assert_int_not_equal(host_offer(host, now), HOST_TAKES_NOTHING);
	host_take(host);
	return come_back_as(host, host->epoch, id, news, now);
}

static void open_up(struct host *host, unsigned max_connections)
{
	host_init(host, max_connections);
	for (unsigned i = 0; i < max_connections; i++)
		try_one(host, 1 + i, HOST_NEWS_SUCCESS, 0);
	assert_int_equal(host->state, HOST_OPEN);
}

static void a_new_host_starts_with_two_connections_and_grows_by_one(void **state)
{
	struct host host;

	(void)state;
	host_init(&host, 5);
	assert_int_equal(host.state, HOST_SLOW);
	for (unsigned connections = 2; connections < 5; connections++) {
		assert_int_equal(host.connections, connections);
		try_one(&host, connections, HOST_NEWS_SUCCESS, 0);
	}
	assert_int_equal(host.connections, 5);
	assert_int_equal(host.state, HOST_OPEN);
	try_one(&host, 9, HOST_NEWS_SUCCESS, 0);
	assert_int_equal(host.connections, 5);
}

static void a_host_takes_two_jobs_a_connection(void **state)
{
	struct host host;

	(void)state;
	host_init(&host, 5);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(host_offer(&host, 0), HOST_TAKES_JOB);
		host_take(&host);
	}
	assert_int_equal(host_offer(&host, 0), HOST_TAKES_NOTHING);
	come_back_as(&host, host.epoch, 1, HOST_NEWS_ANSWERED, 0);
	assert_int_equal(host_offer(&host, 0), HOST_TAKES_JOB);
}

static void one_connection_is_never_more_than_one(void **state)
{
	struct host host;

	(void)state;
	host_init(&host, 1);
	assert_int_equal(host.state, HOST_OPEN);
	try_one(&host, 1, HOST_NEWS_BUSY, 0);
	assert_int_equal(host.connections, 1);
}

static void a_busy_host_rests_and_then_takes_exactly_one_probe(void **state)
{
	struct host host;

	(void)state;
	open_up(&host, 4);
	assert_int_equal(try_one(&host, 7, HOST_NEWS_BUSY, 5000), HOST_WENT_TO_REST);
	assert_int_equal(host.state, HOST_RESTING);
	assert_int_equal(host_offer(&host, 5000 + FIRST - 1), HOST_TAKES_NOTHING);
	assert_int_equal(host_offer(&host, 5000 + FIRST), HOST_TAKES_PROBE);
	host_take(&host);
	assert_int_equal(host.state, HOST_PROBING);
	assert_int_equal(host_offer(&host, 99999), HOST_TAKES_NOTHING);
}

static void failing_probes_double_the_rest_up_to_its_greatest(void **state)
{
	static const int64_t rests[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
	struct host host;
	int64_t now = 0;

	(void)state;
	open_up(&host, 4);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(try_one(&host, i, HOST_NEWS_BUSY, now), HOST_WENT_TO_REST);
		assert_int_equal(host.rest_until_mono_ms - now, rests[i]);
		assert_int_equal(host.failed_by, i);
		assert_int_equal(host.resting_since_mono_ms, 0);
		now = host.rest_until_mono_ms;
	}
}

static void a_probe_that_gets_through_begins_a_slow_start(void **state)
{
	struct host host;

	(void)state;
	open_up(&host, 20);
	try_one(&host, 1, HOST_NEWS_BUSY, 0);
	assert_int_equal(host.connections, 10);
	try_one(&host, 2, HOST_NEWS_BUSY, 1000);
	assert_int_equal(host.connections, 5);
	assert_int_equal(try_one(&host, 3, HOST_NEWS_SUCCESS, 3000), HOST_CAME_BACK);
	assert_int_equal(host.state, HOST_SLOW);
	assert_int_equal(host.connections, 6);
	assert_int_equal(host.failed_by, 0);
	try_one(&host, 4, HOST_NEWS_BUSY, 4000);
	assert_int_equal(host.rest_until_mono_ms, 4000 + FIRST);
}

static void a_host_that_refuses_only_the_message_is_back_too(void **state)
{
	struct host host;

	(void)state;
	open_up(&host, 4);
	try_one(&host, 1, HOST_NEWS_BUSY, 0);
	assert_int_equal(try_one(&host, 2, HOST_NEWS_ANSWERED, 1000), HOST_CAME_BACK);
	assert_int_equal(host.state, HOST_SLOW);
}

static void many_failures_of_one_moment_are_one_failure(void **state)
{
	struct host host;
	uint32_t epoch;

	(void)state;
	open_up(&host, 20);
	epoch = host.epoch;
	for (unsigned i = 0; i < 20; i++)
		host_take(&host);
	assert_int_equal(come_back_as(&host, epoch, 1, HOST_NEWS_BUSY, 0), HOST_WENT_TO_REST);
	for (unsigned i = 1; i < 20; i++)
		assert_int_equal(
			come_back_as(&host, epoch, 1 + i, HOST_NEWS_BUSY, 500), HOST_STAYS);
	assert_int_equal(host.rests, 1);
	assert_int_equal(host.rest_until_mono_ms, FIRST);
	assert_int_equal(host.jobs, 0);
}

static void a_late_failure_does_not_undo_a_recovery(void **state)
{
	struct host host;
	uint32_t old;

	(void)state;
	open_up(&host, 4);
	old = host.epoch;
	host_take(&host);
	host_take(&host);
	come_back_as(&host, old, 1, HOST_NEWS_BUSY, 0);
	try_one(&host, 2, HOST_NEWS_SUCCESS, 1000);
	assert_int_equal(come_back_as(&host, old, 3, HOST_NEWS_BUSY, 1500), HOST_STAYS);
	assert_int_equal(host.state, HOST_SLOW);
}

static void a_late_success_does_not_end_a_rest(void **state)
{
	struct host host;
	uint32_t old;

	(void)state;
	open_up(&host, 4);
	old = host.epoch;
	host_take(&host);
	host_take(&host);
	come_back_as(&host, old, 1, HOST_NEWS_BUSY, 0);
	come_back_as(&host, old, 2, HOST_NEWS_SUCCESS, 10);
	assert_int_equal(host.state, HOST_RESTING);
	assert_int_equal(host_offer(&host, 10), HOST_TAKES_NOTHING);
}

static void slow_start_and_open_are_one_epoch(void **state)
{
	struct host host;
	uint32_t epoch;

	(void)state;
	host_init(&host, 3);
	host_take(&host);
	epoch = host.epoch;
	try_one(&host, 1, HOST_NEWS_SUCCESS, 0);
	assert_int_equal(host.state, HOST_OPEN);
	assert_int_equal(come_back_as(&host, epoch, 2, HOST_NEWS_BUSY, 0), HOST_WENT_TO_REST);
}

static void three_different_messages_refused_in_a_row_rest_the_host(void **state)
{
	struct host host;

	(void)state;
	open_up(&host, 4);
	assert_int_equal(try_one(&host, 1, HOST_NEWS_REFUSED, 0), HOST_STAYS);
	assert_int_equal(try_one(&host, 1, HOST_NEWS_REFUSED, 0), HOST_STAYS);
	assert_int_equal(try_one(&host, 2, HOST_NEWS_REFUSED, 0), HOST_STAYS);
	assert_int_equal(try_one(&host, 3, HOST_NEWS_REFUSED, 0), HOST_WENT_TO_REST);
}

static void a_success_between_begins_the_row_anew(void **state)
{
	struct host host;

	(void)state;
	open_up(&host, 4);
	try_one(&host, 1, HOST_NEWS_REFUSED, 0);
	try_one(&host, 2, HOST_NEWS_REFUSED, 0);
	try_one(&host, 9, HOST_NEWS_SUCCESS, 0);
	assert_int_equal(try_one(&host, 3, HOST_NEWS_REFUSED, 0), HOST_STAYS);
}

static void a_host_that_rests_for_refusals_rests_again_when_its_probe_is_refused(void **state)
{
	struct host host;

	(void)state;
	open_up(&host, 4);
	for (unsigned i = 1; i <= 3; i++)
		try_one(&host, i, HOST_NEWS_REFUSED, 0);
	assert_int_equal(try_one(&host, 4, HOST_NEWS_REFUSED, 1000), HOST_WENT_TO_REST);
	assert_int_equal(host.rest_until_mono_ms, 1000 + 2 * FIRST);
}

static void one_refused_probe_after_busy_shows_that_the_host_is_back(void **state)
{
	struct host host;

	(void)state;
	open_up(&host, 4);
	try_one(&host, 1, HOST_NEWS_BUSY, 0);
	assert_int_equal(try_one(&host, 2, HOST_NEWS_REFUSED, 1000), HOST_CAME_BACK);
	assert_int_equal(host.state, HOST_SLOW);
}

static void a_probe_that_tried_nothing_makes_room_for_another_at_once(void **state)
{
	struct host host;

	(void)state;
	open_up(&host, 4);
	try_one(&host, 1, HOST_NEWS_BUSY, 0);
	assert_int_equal(try_one(&host, 2, HOST_NEWS_UNTRIED, 1000), HOST_STAYS);
	assert_int_equal(host_offer(&host, 1000), HOST_TAKES_PROBE);
	assert_int_equal(host.rests, 1);
}

static void a_lost_outcome_rests_a_probed_host_and_leaves_an_open_one(void **state)
{
	struct host host;

	(void)state;
	open_up(&host, 4);
	assert_int_equal(try_one(&host, 1, HOST_NEWS_LOST, 0), HOST_STAYS);
	assert_int_equal(host.state, HOST_OPEN);
	try_one(&host, 1, HOST_NEWS_BUSY, 0);
	assert_int_equal(try_one(&host, 2, HOST_NEWS_LOST, 1000), HOST_WENT_TO_REST);
}

static void used_up_connections_do_not_rest_a_host_until_nothing_else_comes(void **state)
{
	struct host host;

	(void)state;
	open_up(&host, 4);
	for (unsigned i = 0; i < HOST_RECONNECTS + 4; i++)
		assert_int_equal(try_one(&host, i, HOST_NEWS_RECONNECT, 0), HOST_STAYS);
	assert_int_equal(try_one(&host, 50, HOST_NEWS_RECONNECT, 0), HOST_WENT_TO_REST);
}

static void a_paused_host_takes_nothing_and_keeps_its_state(void **state)
{
	struct host host;

	(void)state;
	open_up(&host, 4);
	host.paused = true;
	assert_int_equal(host_offer(&host, 0), HOST_TAKES_NOTHING);
	host.paused = false;
	assert_int_equal(host_offer(&host, 0), HOST_TAKES_JOB);
	try_one(&host, 1, HOST_NEWS_BUSY, 0);
	host.paused = true;
	assert_int_equal(host_offer(&host, 99999), HOST_TAKES_NOTHING);
}

static void a_new_limit_takes_effect_at_once(void **state)
{
	struct host host;

	(void)state;
	open_up(&host, 4);
	host_set_limit(&host, 8);
	assert_int_equal(host.state, HOST_SLOW);
	assert_int_equal(host.connections, 4);
	host_set_limit(&host, 3);
	assert_int_equal(host.state, HOST_OPEN);
	assert_int_equal(host.connections, 3);
}

static enum host_change meet_full(struct host *host, unsigned delivering, int64_t now)
{
	struct host_return back = {
		.id = 1,
		.news = HOST_NEWS_FULL,
		.delivering = delivering,
		.now_mono_ms = now,
		.busy_first_ms = FIRST,
		.busy_max_ms = MOST,
	};

	host_take(host);
	back.epoch = host->epoch;
	return host_returned(host, &back);
}

static void a_full_host_does_not_rest_and_grows_no_further_for_a_while(void **state)
{
	struct host host;

	(void)state;
	open_up(&host, 8);
	assert_int_equal(meet_full(&host, 3, 0), HOST_FOUND_CEILING);
	assert_int_equal(host.state, HOST_SLOW);
	assert_int_equal(host.connections, 3);
	assert_int_equal(meet_full(&host, 3, 10), HOST_STAYS);
	try_one(&host, 2, HOST_NEWS_SUCCESS, HOST_CEILING_MS);
	assert_int_equal(host.connections, 3);
	try_one(&host, 3, HOST_NEWS_SUCCESS, HOST_CEILING_MS + 10);
	assert_int_equal(host.connections, 4);
}

static void a_rest_forgets_the_ceiling(void **state)
{
	struct host host;

	(void)state;
	open_up(&host, 8);
	meet_full(&host, 3, 0);
	assert_int_equal(try_one(&host, 2, HOST_NEWS_BUSY, 10), HOST_WENT_TO_REST);
	assert_int_equal(try_one(&host, 3, HOST_NEWS_SUCCESS, MOST), HOST_CAME_BACK);
	assert_int_equal(host.connections, HOST_FIRST_CONNECTIONS + 1);
	for (unsigned i = 0; i < 5; i++)
		try_one(&host, 4 + i, HOST_NEWS_SUCCESS, MOST - 1000);
	assert_int_equal(host.state, HOST_OPEN);
}

static void a_host_that_refuses_its_probe_is_busy_and_not_full(void **state)
{
	struct host host;

	(void)state;
	open_up(&host, 8);
	try_one(&host, 2, HOST_NEWS_BUSY, 0);
	assert_int_equal(host_offer(&host, FIRST), HOST_TAKES_PROBE);
	assert_int_equal(meet_full(&host, 3, FIRST), HOST_WENT_TO_REST);
}

static void the_table_says_what_a_job_tells_of_its_host(void **state)
{
	(void)state;
	assert_int_equal(
		host_news_of(reply_effect(STAGE_CONNECT, REPLY_TIMED_OUT)), HOST_NEWS_BUSY);
	assert_int_equal(host_news_of(reply_effect(STAGE_REUSE, REPLY_BUSY)), HOST_NEWS_RECONNECT);
	assert_int_equal(
		host_news_of(reply_effect(STAGE_RCPT, REPLY_PERMANENT)), HOST_NEWS_ANSWERED);
	assert_int_equal(
		host_news_of(reply_effect(STAGE_DATA, REPLY_TRANSIENT)), HOST_NEWS_REFUSED);
	assert_int_equal(host_news_of(reply_effect(STAGE_DOT, REPLY_DROPPED)), HOST_NEWS_LOST);
	assert_int_equal(host_news_of(reply_effect(STAGE_DOT, REPLY_POSITIVE)), HOST_NEWS_SUCCESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_host_starts_with_two_connections_and_grows_by_one),
		cmocka_unit_test(a_host_takes_two_jobs_a_connection),
		cmocka_unit_test(one_connection_is_never_more_than_one),
		cmocka_unit_test(a_busy_host_rests_and_then_takes_exactly_one_probe),
		cmocka_unit_test(failing_probes_double_the_rest_up_to_its_greatest),
		cmocka_unit_test(a_probe_that_gets_through_begins_a_slow_start),
		cmocka_unit_test(a_host_that_refuses_only_the_message_is_back_too),
		cmocka_unit_test(many_failures_of_one_moment_are_one_failure),
		cmocka_unit_test(a_late_failure_does_not_undo_a_recovery),
		cmocka_unit_test(a_late_success_does_not_end_a_rest),
		cmocka_unit_test(slow_start_and_open_are_one_epoch),
		cmocka_unit_test(three_different_messages_refused_in_a_row_rest_the_host),
		cmocka_unit_test(a_success_between_begins_the_row_anew),
		cmocka_unit_test(
			a_host_that_rests_for_refusals_rests_again_when_its_probe_is_refused),
		cmocka_unit_test(one_refused_probe_after_busy_shows_that_the_host_is_back),
		cmocka_unit_test(a_probe_that_tried_nothing_makes_room_for_another_at_once),
		cmocka_unit_test(a_lost_outcome_rests_a_probed_host_and_leaves_an_open_one),
		cmocka_unit_test(used_up_connections_do_not_rest_a_host_until_nothing_else_comes),
		cmocka_unit_test(a_paused_host_takes_nothing_and_keeps_its_state),
		cmocka_unit_test(a_new_limit_takes_effect_at_once),
		cmocka_unit_test(a_full_host_does_not_rest_and_grows_no_further_for_a_while),
		cmocka_unit_test(a_rest_forgets_the_ceiling),
		cmocka_unit_test(a_host_that_refuses_its_probe_is_busy_and_not_full),
		cmocka_unit_test(the_table_says_what_a_job_tells_of_its_host),
	};

	return cmocka_run_group_tests_name("queue/host", tests, NULL, NULL);
}
