#include "tests/unit/queue/rig.h"

#include <poll.h>

static struct rig rig;

static int open_one(void **state)
{
	(void)state;
	rig_open(&rig, RIG_ONE_HOST);
	return 0;
}

static int open_two(void **state)
{
	(void)state;
	rig_open(&rig, RIG_TWO_HOSTS);
	return 0;
}

static int close_it(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

/* ---- one message ---- */

static void a_due_message_goes_to_delivery_once_and_then_is_gone(void **state)
{
	uint64_t id = rig_add(&rig, "192.0.2.1");

	(void)state;
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 1);
	assert_int_equal(rig.jobs[0]->id, id);
	assert_string_equal(rig.jobs[0]->host->name, "127.0.0.1:2501");
	assert_ptr_equal(rig.jobs[0]->upstream, &rig.config->upstreams[0]);
	assert_true(scheduler_is_claimed(rig.scheduler, id));
	assert_int_equal(scheduler_delivering(rig.scheduler), 1);
	rig_live(&rig, 1000, 100);
	assert_int_equal(rig.job_count, 1);
	rig_deliver(&rig);
	rig_turn(&rig);
	assert_true(rig_is_gone(&rig, id));
	assert_false(scheduler_is_claimed(rig.scheduler, id));
	assert_int_equal(rig.handed_out, 1);
	assert_int_equal(rig_host(&rig, 0).delivered, 1);
}

static void a_deferred_message_comes_again_when_it_is_due_and_not_before(void **state)
{
	uint64_t id = rig_add(&rig, "192.0.2.1");
	struct recipient recipient;

	(void)state;
	rig_turn(&rig);
	rig_reply(&rig, STAGE_MAIL, REPLY_TRANSIENT, "451 4.3.0 not now");
	rig_turn(&rig);
	recipient = rig_recipient(&rig, id);
	assert_int_equal(recipient.state, RECIPIENT_DEFERRED);
	assert_int_equal(recipient.attempts, 1);
	assert_in_range(recipient.due_unix_ms, RIG_START + 45000, RIG_START + 60000);
	clock_turned_advance(&rig.turned, (int64_t)(recipient.due_unix_ms - RIG_START) - 1);
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 0);
	assert_true(rig.wait_ms <= 1);
	rig_advance(&rig, 1);
	assert_int_equal(rig.job_count, 1);
}

static void split_recipients_are_tried_again_at_once_and_free(void **state)
{
	uint64_t id = rig_put(&rig, rig_message(&rig, "192.0.2.1", 2));
	struct job *job;
	struct envelope *envelope;

	(void)state;
	rig_turn(&rig);
	job = rig_pop(&rig);
	rig_read(&rig, job);
	job->stage = STAGE_DOT;
	job->class = REPLY_POSITIVE;
	job->recipient_count = 2;
	job->recipients[0] = (struct job_recipient){0, RECIPIENT_ACCEPTED, "250 ok", ""};
	job->recipients[1] = (struct job_recipient){1, RECIPIENT_SPLIT, "452 4.5.3", ""};
	scheduler_job_done(rig.scheduler, job);
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 1);
	envelope = rig_look(&rig, id);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_DELIVERED);
	assert_int_equal(envelope->recipients[1].state, RECIPIENT_WAITING);
	assert_int_equal(envelope->recipients[1].attempts, 0);
	envelope_close(&envelope);
	rig_deliver(&rig);
	rig_turn(&rig);
	assert_true(rig_is_gone(&rig, id));
}

static void a_message_that_is_gone_is_only_unclaimed(void **state)
{
	uint64_t id = rig_add(&rig, "192.0.2.1");
	struct job *job;

	(void)state;
	rig_turn(&rig);
	job = rig_pop(&rig);
	job->read_error = -ENOENT;
	scheduler_job_done(rig.scheduler, job);
	rig_step(&rig);
	assert_int_equal(writer_step(rig.writer), 0);
	assert_int_equal(rig_recipient(&rig, id).attempts, 0);
}

static void a_damaged_message_is_held_and_others_flow(void **state)
{
	uint64_t id = rig_add(&rig, "192.0.2.1"), other = rig_add(&rig, "192.0.2.1");
	struct job *job;
	struct recipient recipient;

	(void)state;
	rig_turn(&rig);
	job = rig_pop(&rig);
	assert_int_equal(job->id, id);
	job->read_error = -EBADMSG;
	scheduler_job_done(rig.scheduler, job);
	rig_deliver(&rig);
	rig_turn(&rig);
	recipient = rig_recipient(&rig, id);
	assert_int_equal(recipient.state, RECIPIENT_HELD);
	assert_int_equal(recipient.due_unix_ms, RIG_START + 5 * RIG_DAY);
	assert_true(rig_is_gone(&rig, other));
	assert_int_equal(rig.job_count, 0);
}

static void a_bounce_becomes_durable_with_its_cause(void **state)
{
	uint64_t id = rig_add(&rig, "192.0.2.1");
	struct message *bounce = calloc(1, sizeof(*bounce));
	struct job *job;
	uint64_t bounce_id;

	(void)state;
	rig_turn(&rig);
	job = rig_pop(&rig);
	rig_read(&rig, job);
	job->stage = STAGE_RCPT;
	job->class = REPLY_PERMANENT;
	job->recipient_count = 1;
	job->recipients[0] = (struct job_recipient){0, RECIPIENT_FAIL, "550 5.1.1 no", "5.1.1"};
	bounce->envelope = rig_message(&rig, "127.0.0.1", 1);
	bounce->envelope->flags = ENVELOPE_LOCAL | ENVELOPE_BOUNCE;
	bounce_id = bounce->envelope->id;
	job->bounces = bounce;
	scheduler_job_done(rig.scheduler, job);
	rig_turn(&rig);
	assert_true(rig_is_gone(&rig, id));
	assert_int_equal(rig.job_count, 1);
	assert_int_equal(rig.jobs[0]->id, bounce_id);
}

/* ---- who is next ---- */

static void a_single_message_does_not_wait_behind_fifty_thousand(void **state)
{
	uint64_t single;

	(void)state;
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 50000);
	rig_turn(&rig);
	single = rig_add(&rig, "192.0.2.2");
	for (unsigned i = 0; i < 4; i++) {
		rig_deliver_all(&rig);
		rig_turn(&rig);
	}
	assert_true(rig_is_gone(&rig, single) || scheduler_is_claimed(rig.scheduler, single));
	assert_true(rig.handed_out < 100);
}

static void clients_take_turns(void **state)
{
	unsigned per_client[3] = {0};

	(void)state;
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 1000);
	rig_add_many(&rig, "192.0.2.2", LANE_NORMAL, 1000);
	rig_add_many(&rig, "192.0.2.3", LANE_NORMAL, 1000);
	rig_turn(&rig);
	for (unsigned given = 0; given < 300; given++) {
		while (rig.job_count == 0)
			rig_turn(&rig);
		per_client[(rig.jobs[0]->id - 1) / 1000]++;
		rig_deliver(&rig);
		rig_turn(&rig);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(per_client[i], 90, 110);
}

static void more_clients_than_are_remembered_are_all_served(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 700; i++) {
		char client[32];

		snprintf(client, sizeof(client), "10.0.%u.%u", i / 256, i % 256);
		rig_add(&rig, client);
	}
	rig_turn(&rig);
	for (unsigned i = 0; i < 2000 && rig_left(&rig) > 0; i++) {
		rig_deliver_all(&rig);
		rig_advance(&rig, 5);
	}
	assert_int_equal(rig_left(&rig), 0);
	assert_int_equal(rig.handed_out, 700);
}

static void alert_goes_before_normal_and_bulk_gets_its_eighth(void **state)
{
	unsigned lanes[3] = {0};

	(void)state;
	rig_add_many(&rig, "192.0.2.1", LANE_BULK, 1000);
	rig_add_many(&rig, "192.0.2.2", LANE_NORMAL, 1000);
	rig_add_many(&rig, "192.0.2.3", LANE_ALERT, 1000);
	rig_turn(&rig);
	assert_true(rig.jobs[0]->id > 2000);
	for (unsigned given = 0; given < 400; given++) {
		lanes[(rig.jobs[0]->id - 1) / 1000]++;
		rig_deliver(&rig);
		rig_turn(&rig);
	}
	assert_in_range(lanes[2], 290, 310);
	assert_in_range(lanes[1], 45, 55);
	assert_in_range(lanes[0], 45, 55);
}

static void a_message_that_slips_in_before_the_cursor_is_found(void **state)
{
	struct envelope *early;
	uint64_t id;

	(void)state;
	early = rig_message(&rig, "192.0.2.1", 1);
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 1000);
	rig_turn(&rig);
	id = rig_put(&rig, early);
	rig_advance(&rig, 60);
	for (unsigned i = 0; i < 6; i++) {
		rig_deliver_all(&rig);
		rig_turn(&rig);
	}
	assert_true(rig_is_gone(&rig, id) || scheduler_is_claimed(rig.scheduler, id));
	assert_true(rig.handed_out < 200);
}

static void twenty_thousand_are_each_delivered_once(void **state)
{
	(void)state;
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 20000);
	rig_turn(&rig);
	rig_drain(&rig);
	assert_int_equal(rig_left(&rig), 0);
	assert_int_equal(rig.handed_out, 20000);
}

static void what_is_handed_out_keeps_to_the_slow_start_and_the_credits(void **state)
{
	(void)state;
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 1000);
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 4);
	assert_int_equal(rig.jobs[0]->connections_allowed, 2);
	rig_deliver(&rig);
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 6);
	assert_int_equal(rig.jobs[5]->connections_allowed, 3);
	for (unsigned i = 0; i < 30; i++) {
		rig_deliver(&rig);
		rig_turn(&rig);
	}
	assert_int_equal(rig.job_count, 20);
	assert_string_equal(rig_host(&rig, 0).state, "open");
}

/* ---- hosts ---- */

static void a_resting_host_gets_nothing_until_one_probe(void **state)
{
	(void)state;
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 50);
	rig_turn(&rig);
	while (rig.job_count > 0)
		rig_reply(&rig, STAGE_BANNER, REPLY_BUSY, "421 4.7.0 try again later");
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 0);
	assert_string_equal(rig_host(&rig, 0).state, "resting");
	assert_string_equal(rig_host(&rig, 0).last_reply, "421 4.7.0 try again later");
	assert_in_range(rig_host(&rig, 0).next_attempt_unix_ms, RIG_START + 750, RIG_START + 1000);
	rig_advance(&rig, 100); /* ends of holds were looked for */
	assert_in_range(rig.wait_ms, 600, 900);
	rig_advance(&rig, 600);
	assert_int_equal(rig.job_count, 0);
	rig_advance(&rig, 300);
	assert_int_equal(rig.job_count, 1);
	assert_true(rig.jobs[0]->probe);
	assert_int_equal(rig.jobs[0]->connections_allowed, 1);
	rig_live(&rig, 5000, 500);
	assert_int_equal(rig.job_count, 1);
	rig_deliver(&rig);
	rig_turn(&rig);
	assert_string_equal(rig_host(&rig, 0).state, "slow start");
	rig_drain(&rig);
	assert_int_equal(rig_left(&rig), 0);
}

static void what_was_put_off_does_not_hide_the_hosts_reply(void **state)
{
	(void)state;
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 4);
	rig_turn(&rig);
	assert_in_range(rig.job_count, 2, 4);
	rig_reply(&rig, STAGE_BANNER, REPLY_BUSY, "421 4.7.0 try again later");
	while (rig.job_count > 0) {
		rig.jobs[0]->reply_is_ours = true;
		rig_reply(&rig, STAGE_REUSE, REPLY_BUSY, "the host rests");
	}
	rig_turn(&rig);
	assert_string_equal(rig_host(&rig, 0).last_reply, "421 4.7.0 try again later");
}

static void a_probe_is_another_message_than_the_one_that_failed_the_last(void **state)
{
	uint64_t last = 0;

	(void)state;
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 3);
	rig_turn(&rig);
	while (rig.job_count > 0) {
		if (rig.job_count == 3)
			last = rig.jobs[0]->id;
		rig_reply(&rig, STAGE_DATA, REPLY_BUSY, "421 4.7.0 busy");
	}
	rig_turn(&rig);
	for (unsigned i = 0; i < 5; i++) {
		rig_advance(&rig, 60000);
		assert_int_equal(rig.job_count, 1);
		assert_int_not_equal(rig.jobs[0]->id, last);
		last = rig.jobs[0]->id;
		rig_reply(&rig, STAGE_DATA, REPLY_BUSY, "421 4.7.0 busy");
		rig_turn(&rig);
	}
}

static void a_single_message_probes_again_itself(void **state)
{
	uint64_t id = rig_add(&rig, "192.0.2.1");

	(void)state;
	rig_turn(&rig);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(rig.job_count, 1);
		assert_int_equal(rig.jobs[0]->id, id);
		rig_reply(&rig, STAGE_DATA, REPLY_BUSY, "421 4.7.0 busy");
		rig_turn(&rig);
		assert_int_equal(rig.job_count, 0);
		rig_advance(&rig, 60000);
	}
	assert_int_equal(rig_recipient(&rig, id).attempts, 0);
}

/* 20 s of 421 with 5,000 queued, at one stage. */
static void pass_through_a_window(enum reply_stage stage)
{
	int64_t waited_ms = 0;
	size_t attempts;

	rig_open(&rig, RIG_ONE_HOST "retry { busy_first = 1s busy_max = 2s }\n");
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 5000);
	rig_turn(&rig);
	while (waited_ms < 20000) {
		while (rig.job_count > 0)
			rig_reply(&rig, stage, REPLY_BUSY, "421 4.7.0 try again later");
		rig_turn(&rig);
		rig_advance(&rig, 50);
		waited_ms += 50;
	}
	attempts = rig.handed_out;
	assert_true(attempts < 30);
	for (waited_ms = 0; rig_left(&rig) > 0 && waited_ms < 2000; waited_ms += 10) {
		rig_drain(&rig);
		rig_advance(&rig, 10);
	}
	assert_int_equal(rig_left(&rig), 0);
	rig_close(&rig);
}

static void a_window_of_421_charges_nobody_and_ends_at_once(void **state)
{
	static const enum reply_stage stages[] = {
		STAGE_BANNER, STAGE_EHLO, STAGE_MAIL, STAGE_RCPT, STAGE_DATA, STAGE_DOT};

	(void)state;
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		pass_through_a_window(stages[i]);
}

static void the_next_host_takes_over_at_once(void **state)
{
	(void)state;
	rig_add(&rig, "192.0.2.1");
	rig_turn(&rig);
	assert_string_equal(rig.jobs[0]->host->name, "127.0.0.1:2501");
	rig_reply(&rig, STAGE_CONNECT, REPLY_DROPPED, "connection refused");
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 1);
	assert_string_equal(rig.jobs[0]->host->name, "127.0.0.1:2502");
	rig_reply(&rig, STAGE_CONNECT, REPLY_DROPPED, "connection refused");
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 0);
}

static void two_hosts_share_the_work(void **state)
{
	size_t second = 0;

	(void)state;
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 100);
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 8);
	for (size_t i = 0; i < 8; i++)
		second += strcmp(rig.jobs[i]->host->name, "127.0.0.1:2502") == 0;
	assert_int_equal(second, 4);
}

static void a_message_that_makes_hosts_busy_is_deferred_alone(void **state)
{
	uint64_t culprit = rig_add(&rig, "192.0.2.1");
	unsigned meetings = 0;

	(void)state;
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 300);
	rig_turn(&rig);
	for (unsigned i = 0; i < 200 && rig_recipient(&rig, culprit).attempts == 0; i++) {
		while (rig.job_count > 0) {
			if (rig.jobs[0]->id == culprit) {
				rig_reply(&rig, STAGE_DATA, REPLY_BUSY, "421 4.7.0 busy");
				meetings++;
			} else {
				rig_deliver(&rig);
			}
		}
		rig_advance(&rig, 100);
	}
	assert_int_equal(meetings, 3);
	assert_int_equal(rig_recipient(&rig, culprit).state, RECIPIENT_DEFERRED);
	assert_int_equal(rig_recipient(&rig, culprit).attempts, 1);
}

static void three_messages_refused_in_a_row_rest_the_host(void **state)
{
	(void)state;
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 10);
	rig_turn(&rig);
	while (rig.job_count > 0)
		rig_reply(&rig, STAGE_MAIL, REPLY_TRANSIENT, "452 4.3.1 no room");
	rig_turn(&rig);
	assert_string_equal(rig_host(&rig, 0).state, "resting");
	assert_int_equal(rig_recipient(&rig, 1).attempts, 1);
	assert_int_equal(rig_recipient(&rig, 8).attempts, 0);
}

static void a_paused_host_gets_nothing_and_goes_on_when_resumed(void **state)
{
	(void)state;
	assert_int_equal(scheduler_pause(rig.scheduler, "nowhere:25", true), -ENOENT);
	assert_int_equal(scheduler_pause(rig.scheduler, "127.0.0.1:2501", true), 0);
	rig_add(&rig, "192.0.2.1");
	rig_live(&rig, 2000, 500);
	assert_int_equal(rig.job_count, 0);
	assert_string_equal(rig_host(&rig, 0).state, "paused");
	assert_int_equal(scheduler_pause(rig.scheduler, "127.0.0.1:2501", false), 0);
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 1);
}

static void an_upstream_that_hangs_leaves_the_others_their_share(void **state)
{
	struct envelope *envelope;

	(void)state;
	rig_open(&rig, "upstream campus { hosts = {\"127.0.0.1:2501\"} max_connections = 500 }\n"
		       "upstream other { hosts = {\"127.0.0.1:2502\"} max_connections = 500 }\n");
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 3000);
	rig_turn(&rig);
	for (unsigned i = 0; i < 1000; i++) {
		rig_deliver(&rig);
		rig_turn(&rig);
	}
	assert_int_equal(rig.job_count, RIG_CREDITS - RIG_CREDITS / 4);
	envelope = rig_message(&rig, "192.0.2.1", 1);
	envelope->recipients[0].upstream = rig.config->upstreams[1].number;
	rig_put(&rig, envelope);
	rig_turn(&rig);
	assert_int_equal(rig.job_count, RIG_CREDITS - RIG_CREDITS / 4 + 1);
	rig_close(&rig);
}

/* ---- reload ---- */

static void reload(const char *more)
{
	struct config *config = rig_config(&rig, more);

	scheduler_configure(rig.scheduler, config);
	config_close(&rig.config);
	rig.config = config;
}

static void a_reload_keeps_the_state_of_hosts_that_stay(void **state)
{
	uint32_t key;

	(void)state;
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 2);
	rig_turn(&rig);
	key = rig.jobs[0]->host_key;
	rig_reply(&rig, STAGE_BANNER, REPLY_BUSY, "421 busy");
	rig_turn(&rig);
	reload(RIG_TWO_HOSTS);
	rig_turn(&rig);
	assert_string_equal(rig_host(&rig, 0).state, "resting");
	assert_string_equal(rig_host(&rig, 1).host, "127.0.0.1:2502");
	assert_int_equal(rig.job_count, 2);
	assert_string_equal(rig.jobs[1]->host->name, "127.0.0.1:2502");
	assert_int_not_equal(rig.jobs[1]->host_key, key);
	rig_deliver_all(&rig);
	rig_turn(&rig);
	assert_int_equal(rig_left(&rig), 0);
}

static void a_host_that_a_reload_removes_finishes_its_jobs(void **state)
{
	(void)state;
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 8);
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 8);
	reload(RIG_ONE_HOST);
	rig_deliver_all(&rig);
	rig_turn(&rig);
	assert_int_equal(rig_left(&rig), 0);
	assert_int_equal(scheduler_hosts(rig.scheduler, NULL, 0), 1);
}

static void changed_settings_give_a_host_another_key(void **state)
{
	uint32_t key;

	(void)state;
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 2);
	rig_turn(&rig);
	key = rig.jobs[0]->host_key;
	assert_int_equal(rig.jobs[1]->host_key, key);
	rig_deliver_all(&rig);
	reload("upstream campus { hosts = {\"127.0.0.1:2501\"} tls = required }\n");
	rig_add(&rig, "192.0.2.1");
	rig_turn(&rig);
	assert_int_not_equal(rig.jobs[0]->host_key, key);
}

static void what_waits_for_an_upstream_without_configuration_waits_and_is_shown(void **state)
{
	struct envelope *envelope;
	uint16_t number;

	(void)state;
	assert_int_equal(store_upstream_number(rig.store, "former", &number), 0);
	envelope = rig_message(&rig, "192.0.2.1", 1);
	envelope->recipients[0].upstream = number;
	rig_put(&rig, envelope);
	rig_live(&rig, 5000, 500);
	assert_int_equal(rig.job_count, 0);
	assert_string_equal(rig_host(&rig, 1).state, "not configured");
	assert_string_equal(rig_host(&rig, 1).upstream, "former");
	reload(RIG_ONE_HOST "upstream former { hosts = {\"127.0.0.1:2503\"} }\n");
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 1);
	assert_string_equal(rig.jobs[0]->host->name, "127.0.0.1:2503");
}

static void a_draining_scheduler_hands_out_nothing_and_settles_what_comes_back(void **state)
{
	(void)state;
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 10);
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 4);
	scheduler_drain(rig.scheduler);
	rig_deliver_all(&rig);
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 0);
	assert_int_equal(rig_left(&rig), 6);
}

/* Delivers what arrives in delivery's mailbox until `count` have come, as delivery's thread would; 10 s at most. */
static size_t deliver_by_thread(size_t count)
{
	int64_t until_ms = clock_mono_ms(&clock_system) + 10000;
	size_t delivered = 0;

	while (delivered < count && clock_mono_ms(&clock_system) < until_ms) {
		struct pollfd fd = {.fd = mailbox_fd(rig.delivery), .events = POLLIN};
		struct letter *letter;

		while ((letter = mailbox_pop(rig.delivery)) != NULL)
			letter->read(letter, &rig);
		delivered += rig.job_count;
		rig_deliver_all(&rig);
		if (mailbox_rest(rig.delivery)) {
			poll(&fd, 1, 100);
			mailbox_wake(rig.delivery);
		}
	}
	return delivered;
}

static void its_thread_delivers_all_and_stops_when_all_is_settled(void **state)
{
	struct reason reason;
	int64_t begin_ms;

	(void)state;
	rig_open_on(&rig, RIG_ONE_HOST, &clock_system);
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 500);
	assert_int_equal(writer_start(rig.writer, &reason), 0);
	assert_int_equal(scheduler_start(rig.scheduler, &reason), 0);
	assert_int_equal(deliver_by_thread(500), 500);
	begin_ms = clock_mono_ms(&clock_system);
	scheduler_stop(rig.scheduler, 10000);
	assert_true(clock_mono_ms(&clock_system) - begin_ms < 5000);
	writer_stop(rig.writer);
	assert_int_equal(rig_left(&rig), 0);
	rig_close(&rig);
}

static void its_thread_stops_at_the_deadline_though_a_job_is_still_out(void **state)
{
	struct reason reason;

	(void)state;
	rig_open_on(&rig, RIG_ONE_HOST, &clock_system);
	rig_add(&rig, "192.0.2.1");
	rig_step(&rig);
	assert_int_equal(rig.job_count, 1);
	assert_int_equal(scheduler_start(rig.scheduler, &reason), 0);
	scheduler_stop(rig.scheduler, 50);
	assert_int_equal(rig_left(&rig), 1);
	rig_close(&rig);
}

#define WITH_ONE(test) cmocka_unit_test_setup_teardown(test, open_one, close_it)
#define WITH_TWO(test) cmocka_unit_test_setup_teardown(test, open_two, close_it)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ONE(a_due_message_goes_to_delivery_once_and_then_is_gone),
		WITH_ONE(a_deferred_message_comes_again_when_it_is_due_and_not_before),
		WITH_ONE(split_recipients_are_tried_again_at_once_and_free),
		WITH_ONE(a_message_that_is_gone_is_only_unclaimed),
		WITH_ONE(a_damaged_message_is_held_and_others_flow),
		WITH_ONE(a_bounce_becomes_durable_with_its_cause),
		WITH_ONE(a_single_message_does_not_wait_behind_fifty_thousand),
		WITH_ONE(clients_take_turns),
		WITH_ONE(more_clients_than_are_remembered_are_all_served),
		WITH_ONE(alert_goes_before_normal_and_bulk_gets_its_eighth),
		WITH_ONE(a_message_that_slips_in_before_the_cursor_is_found),
		WITH_ONE(twenty_thousand_are_each_delivered_once),
		WITH_ONE(what_is_handed_out_keeps_to_the_slow_start_and_the_credits),
		WITH_ONE(a_resting_host_gets_nothing_until_one_probe),
		WITH_ONE(what_was_put_off_does_not_hide_the_hosts_reply),
		WITH_ONE(a_probe_is_another_message_than_the_one_that_failed_the_last),
		WITH_ONE(a_single_message_probes_again_itself),
		cmocka_unit_test(a_window_of_421_charges_nobody_and_ends_at_once),
		WITH_TWO(the_next_host_takes_over_at_once),
		WITH_TWO(two_hosts_share_the_work),
		WITH_ONE(a_message_that_makes_hosts_busy_is_deferred_alone),
		WITH_ONE(three_messages_refused_in_a_row_rest_the_host),
		WITH_ONE(a_paused_host_gets_nothing_and_goes_on_when_resumed),
		cmocka_unit_test(an_upstream_that_hangs_leaves_the_others_their_share),
		WITH_ONE(a_reload_keeps_the_state_of_hosts_that_stay),
		WITH_TWO(a_host_that_a_reload_removes_finishes_its_jobs),
		WITH_ONE(changed_settings_give_a_host_another_key),
		WITH_ONE(what_waits_for_an_upstream_without_configuration_waits_and_is_shown),
		cmocka_unit_test(its_thread_delivers_all_and_stops_when_all_is_settled),
		cmocka_unit_test(its_thread_stops_at_the_deadline_though_a_job_is_still_out),
		WITH_ONE(a_draining_scheduler_hands_out_nothing_and_settles_what_comes_back),
	};

	return cmocka_run_group_tests_name("queue/scheduler", tests, NULL, NULL);
}
