#include "queue/settle.h"
#include "tests/unit/queue/rig.h"

/* What the scheduler does beside delivering: scans, acts, ends of holds, lifetimes, and a store that is in trouble. */

static struct rig rig;

static int open_it(void **state)
{
	(void)state;
	rig_open(&rig, RIG_ONE_HOST);
	return 0;
}

static int close_it(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

/* ---- the store in trouble ---- */

static int refuse(struct envelope *envelope, void *argument)
{
	(void)envelope;
	(void)argument;
	return -EIO;
}

static void what_upstream_took_is_never_handed_out_again_because_the_store_refuses(void **state)
{
	uint64_t id = rig_add(&rig, "192.0.2.1");
	struct job *job;

	(void)state;
	rig_turn(&rig);
	job = rig.jobs[0];
	rig_deliver(&rig);
	for (unsigned i = 0; i < 4; i++) {
		rig_step(&rig);
		job->settle.change = refuse;
		assert_int_equal(writer_step(rig.writer), 1);
		rig_step(&rig);
		assert_int_equal(rig.job_count, 0);
		assert_true(scheduler_is_claimed(rig.scheduler, id));
		assert_in_range(rig.wait_ms, 1, 1000); /* the store has room */
		clock_turned_advance(&rig.turned, 1000);
	}
	rig_turn(&rig);
	assert_true(rig_is_gone(&rig, id));
	assert_int_equal(rig.handed_out, 1);
}

/* ---- scans ---- */

static uint64_t add_unscanned(void)
{
	struct envelope *envelope = rig_message(&rig, "192.0.2.1", 1);

	envelope->recipients[0].state = RECIPIENT_SCANNING;
	envelope->recipients[0].verdict = VERDICT_NONE;
	return rig_put(&rig, envelope);
}

static int find_clean(struct envelope *envelope, void *argument)
{
	(void)argument;
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		envelope->recipients[i].state = RECIPIENT_WAITING;
		envelope->recipients[i].verdict = VERDICT_CLEAN;
	}
	return 0;
}

static void give_verdict(struct scan_job *job)
{
	job->verdict.verb = WRITER_CHANGE;
	job->verdict.id = job->id;
	job->verdict.change = find_clean;
	writer_submit(rig.writer, &job->verdict);
}

static void a_message_is_scanned_once_and_then_delivered(void **state)
{
	uint64_t id = add_unscanned();

	(void)state;
	rig_turn(&rig);
	assert_int_equal(rig.scan_count, 1);
	assert_int_equal(rig.scans[0]->id, id);
	assert_int_equal(scheduler_scanning(rig.scheduler), 1);
	assert_true(scheduler_is_claimed(rig.scheduler, id));
	assert_int_equal(rig.job_count, 0);
	give_verdict(rig.scans[0]);
	rig_turn(&rig);
	assert_int_equal(scheduler_scanning(rig.scheduler), 0);
	assert_int_equal(rig.scan_count, 1);
	assert_int_equal(rig.job_count, 1);
	rig_deliver(&rig);
	rig_turn(&rig);
	assert_true(rig_is_gone(&rig, id));
}

static void a_failed_scan_waits_and_others_go_on(void **state)
{
	uint64_t id = add_unscanned();

	(void)state;
	rig_turn(&rig);
	rig.scans[0]->result = -EIO;
	scheduler_scan_failed(rig.scheduler, rig.scans[0]);
	rig.scan_count = 0;
	rig_turn(&rig);
	assert_int_equal(rig.scan_count, 0);
	add_unscanned();
	rig_turn(&rig);
	assert_int_equal(rig.scan_count, 1);
	assert_int_not_equal(rig.scans[0]->id, id);
	rig_advance(&rig, 1000);
	assert_int_equal(rig.scan_count, 2);
	assert_int_equal(rig.scans[1]->id, id);
	give_verdict(rig.scans[0]);
	give_verdict(rig.scans[1]);
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 2);
}

static void scanners_that_are_away_are_not_hammered(void **state)
{
	size_t tried = 0;

	(void)state;
	for (unsigned i = 0; i < 600; i++)
		add_unscanned();
	for (unsigned i = 0; i < 600; i++) {
		rig_advance(&rig, 100);
		while (rig.scan_count > 0) {
			struct scan_job *job = rig.scans[--rig.scan_count];

			job->result = -ECONNREFUSED;
			scheduler_scan_failed(rig.scheduler, job);
			tried++;
		}
	}
	assert_true(tried <= 256 * 12);
}

/* ---- acts ---- */

static int act_result;
static unsigned acts_answered;

static void act_answered(struct letter *letter, void *context)
{
	(void)context;
	act_result = LETTER_OF(letter, struct act, letter)->result;
	acts_answered++;
}

/* The scheduler's own inbox takes the answer, so that the test needs no other. */
static int act_on(uint64_t id, enum act_verb verb, uint64_t until_unix_ms)
{
	struct act act = {
		.letter.read = scheduler_act_read,
		.verb = verb,
		.id = id,
		.hold_until_unix_ms = until_unix_ms,
		.who = "root",
		.answer_to = rig.inbox,
		.answered = act_answered,
	};
	unsigned before = acts_answered;

	assert_true(mailbox_push(rig.inbox, &act.letter));
	rig_turn(&rig);
	assert_int_equal(acts_answered, before + 1);
	return act_result;
}

static void a_retry_makes_a_deferred_message_due_now(void **state)
{
	uint64_t id = rig_add(&rig, "192.0.2.1");

	(void)state;
	rig_turn(&rig);
	rig_reply(&rig, STAGE_MAIL, REPLY_TRANSIENT, "451 4.3.0 not now");
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 0);
	assert_int_equal(act_on(id, ACT_RETRY, 0), 0);
	assert_int_equal(rig.job_count, 1);
	assert_int_equal(act_on(12345, ACT_RETRY, 0), -ENOENT);
}

static void nothing_is_done_to_a_message_that_is_being_delivered(void **state)
{
	uint64_t id = rig_add(&rig, "192.0.2.1");

	(void)state;
	rig_turn(&rig);
	assert_int_equal(act_on(id, ACT_DELETE, 0), -EBUSY);
	assert_int_equal(act_on(id, ACT_HOLD, 0), -EBUSY);
	rig_deliver(&rig);
	rig_turn(&rig);
	assert_int_equal(act_on(id, ACT_DELETE, 0), -ENOENT);
}

static void a_message_that_is_being_deleted_is_not_handed_out(void **state)
{
	struct act act = {
		.letter.read = scheduler_act_read,
		.verb = ACT_DELETE,
		.who = "root",
		.answer_to = rig.inbox,
		.answered = act_answered,
	};

	(void)state;
	scheduler_pause(rig.scheduler, "127.0.0.1:2501", true);
	act.id = rig_add(&rig, "192.0.2.1");
	assert_true(mailbox_push(rig.inbox, &act.letter));
	rig_step(&rig);
	scheduler_pause(rig.scheduler, "127.0.0.1:2501", false);
	rig_step(&rig);
	assert_int_equal(rig.job_count, 0);
	rig_turn(&rig);
	assert_int_equal(act_result, 0);
	assert_true(rig_is_gone(&rig, act.id));
	assert_int_equal(rig.handed_out, 0);
}

static void a_held_message_goes_on_when_it_is_released(void **state)
{
	uint64_t id;
	struct envelope *envelope;

	(void)state;
	scheduler_pause(rig.scheduler, "127.0.0.1:2501", true);
	id = rig_add(&rig, "192.0.2.1");
	assert_int_equal(act_on(id, ACT_RELEASE, 0), -EINVAL);
	assert_int_equal(act_on(id, ACT_HOLD, 0), 0);
	assert_int_equal(act_on(id, ACT_HOLD, 0), -EINVAL);
	assert_int_equal(act_on(id, ACT_RETRY, 0), -EINVAL);
	envelope = rig_look(&rig, id);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_HELD);
	assert_string_equal(envelope->recipients[0].reason, "held by root");
	assert_int_equal(envelope->recipients[0].due_unix_ms, RIG_START + 5 * RIG_DAY);
	envelope_close(&envelope);
	scheduler_pause(rig.scheduler, "127.0.0.1:2501", false);
	rig_advance(&rig, 5000);
	assert_int_equal(rig.job_count, 0);
	assert_int_equal(act_on(id, ACT_RELEASE, 0), 0);
	assert_int_equal(rig.job_count, 1);
	envelope = rig_look(&rig, id);
	assert_int_equal(envelope->stopped_ms, 5000);
	assert_string_equal(envelope->history[1].what, "released by root");
	envelope_close(&envelope);
}

/* ---- ends of holds ---- */

static void a_hold_ends_on_its_day_and_the_message_goes_on(void **state)
{
	uint64_t id;

	(void)state;
	scheduler_pause(rig.scheduler, "127.0.0.1:2501", true);
	id = rig_add(&rig, "192.0.2.1");
	assert_int_equal(act_on(id, ACT_HOLD, RIG_START + 3600000), 0);
	scheduler_pause(rig.scheduler, "127.0.0.1:2501", false);
	rig_live(&rig, 3600000, 60000);
	assert_int_equal(rig_recipient(&rig, id).state, RECIPIENT_HELD);
	rig_live(&rig, 900000, 60000);
	assert_int_equal(rig_recipient(&rig, id).state, RECIPIENT_WAITING);
	assert_int_equal(rig.job_count, 1);
	rig_deliver(&rig);
	rig_turn(&rig);
	assert_true(rig_is_gone(&rig, id));
}

static void a_quarantined_message_is_deleted_at_its_end(void **state)
{
	struct envelope *envelope = rig_message(&rig, "192.0.2.1", 1);
	uint64_t id;

	(void)state;
	envelope->recipients[0].state = RECIPIENT_QUARANTINED;
	envelope->recipients[0].due_unix_ms = RIG_START + 3600000;
	id = rig_put(&rig, envelope);
	rig_live(&rig, 3600000, 60000);
	assert_false(rig_is_gone(&rig, id));
	rig_live(&rig, 900000, 60000);
	assert_true(rig_is_gone(&rig, id));
	assert_int_equal(rig.job_count, 0);
}

/* ---- lifetimes ---- */

static unsigned expired_jobs;

/* An upstream that is always busy, for `ms`; what is expired is bounced. */
static void live_busy(int64_t ms, int64_t step_ms)
{
	for (; ms > 0; ms -= step_ms) {
		while (rig.job_count > 0) {
			if (rig.jobs[0]->expired) {
				assert_null(rig.jobs[0]->host);
				expired_jobs++;
				rig_reply_each(
					&rig, STAGE_CONNECT, REPLY_POSITIVE, "", RECIPIENT_FAIL);
			} else {
				rig_reply(&rig, STAGE_MAIL, REPLY_BUSY, "421 4.7.0 busy");
			}
		}
		rig_advance(&rig, step_ms);
	}
}

static uint64_t put_held(enum hold_kind kind, uint64_t until_unix_ms)
{
	struct envelope *envelope = rig_message(&rig, "192.0.2.1", 1);

	assert_int_equal(
		settle_hold_message(envelope, kind, "so it is", RIG_START, until_unix_ms), 0);
	return rig_put(&rig, envelope);
}

static void paced_messages_go_on_in_time_and_in_order(void **state)
{
	uint64_t ids[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		ids[i] = put_held(HOLD_PACED, RIG_START + (i + 1) * 60000);
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 0);
	for (size_t i = 0; i < 4; i++) {
		rig_advance(&rig, 59999);
		assert_int_equal(rig.job_count, 0);
		rig_advance(&rig, 1);
		assert_int_equal(rig.job_count, 1);
		assert_int_equal(rig.jobs[0]->id, ids[i]);
		rig_deliver(&rig);
		rig_turn(&rig);
		assert_true(rig_is_gone(&rig, ids[i]));
	}
}

static void the_lifetime_stands_still_while_a_message_is_paced(void **state)
{
	uint64_t id = put_held(HOLD_PACED, RIG_START + 6 * RIG_DAY);
	struct envelope *envelope;

	(void)state;
	scheduler_pause(rig.scheduler, "127.0.0.1:2501", true);
	rig_live(&rig, 6 * RIG_DAY, 600000);
	envelope = rig_look(&rig, id);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_WAITING);
	assert_int_equal(envelope->hold_kind, HOLD_ORDINARY);
	assert_true(envelope->stopped_ms >= 6 * RIG_DAY);
	envelope_close(&envelope);
	rig_live(&rig, 4 * RIG_DAY, 600000);
	assert_int_equal(rig_recipient(&rig, id).state, RECIPIENT_WAITING);
}

static void a_paced_message_is_released_like_any_other(void **state)
{
	uint64_t id = put_held(HOLD_PACED, RIG_START + RIG_DAY);

	(void)state;
	assert_int_equal(act_on(id, ACT_RELEASE, 0), 0);
	assert_int_equal(rig.job_count, 1);
	rig_deliver(&rig);
	rig_turn(&rig);
	assert_true(rig_is_gone(&rig, id));
}

static void a_pace_out_of_reach_is_brought_into_it(void **state)
{
	uint64_t id = put_held(HOLD_PACED, RIG_START + 365 * (uint64_t)RIG_DAY);

	(void)state;
	rig_live(&rig, 1200000, 60000);
	assert_true(rig_recipient(&rig, id).due_unix_ms <= RIG_START + 8 * (uint64_t)RIG_DAY);
	assert_int_equal(rig_recipient(&rig, id).state, RECIPIENT_HELD);
}

static void a_lapsed_message_is_sent_back_with_no_host_open(void **state)
{
	uint64_t id = put_held(HOLD_LAPSED, RIG_START + 3600000);
	struct job *job;

	(void)state;
	scheduler_pause(rig.scheduler, "127.0.0.1:2501", true);
	rig_live(&rig, 3600000, 60000);
	assert_int_equal(rig_recipient(&rig, id).state, RECIPIENT_HELD);
	for (int i = 0; i < 15 && rig.job_count == 0; i++)
		rig_advance(&rig, 60000);
	assert_int_equal(rig.job_count, 1);
	job = rig.jobs[0];
	assert_true(job->expired && job->lapsed && job->id == id);
	rig_reply_each(&rig, STAGE_MAIL, REPLY_PERMANENT, "so it is", RECIPIENT_FAIL);
	rig_turn(&rig);
	assert_true(rig_is_gone(&rig, id));
}

static void a_lapsed_message_that_is_released_goes_on(void **state)
{
	uint64_t id = put_held(HOLD_LAPSED, RIG_START + 3600000);

	(void)state;
	assert_int_equal(act_on(id, ACT_RELEASE, 0), 0);
	assert_int_equal(rig.job_count, 1);
	assert_false(rig.jobs[0]->expired);
	rig_deliver(&rig);
	rig_turn(&rig);
	assert_true(rig_is_gone(&rig, id));
}

static void a_suspended_message_is_deleted_and_a_volume_goes_on(void **state)
{
	uint64_t suspended = put_held(HOLD_SUSPENDED, RIG_START + 3600000);
	uint64_t volume = put_held(HOLD_VOLUME, RIG_START + 3600000);

	(void)state;
	scheduler_pause(rig.scheduler, "127.0.0.1:2501", true);
	rig_live(&rig, 4500000, 60000);
	assert_true(rig_is_gone(&rig, suspended));
	assert_int_equal(rig_recipient(&rig, volume).state, RECIPIENT_WAITING);
}

/* ---- errands ---- */

static uint64_t put_held_of(
	enum hold_kind kind, const char *grant, const char *account, const char *client)
{
	struct envelope *envelope = rig_message(&rig, client, 1);

	envelope->grant = grant;
	envelope->account = account;
	envelope->lane = (enum lane)(rig.next_id % LANE_COUNT);
	envelope->bucket = schedule_bucket(account, client);
	assert_int_equal(
		settle_hold_message(envelope, kind, "so it is", RIG_START, RIG_START + RIG_DAY), 0);
	return rig_put(&rig, envelope);
}

static int holds_result;

static void holds_answered(struct letter *letter, void *context)
{
	(void)context;
	holds_result = LETTER_OF(letter, struct holds_errand, letter)->result;
}

/* Whose it is, is filled in. Returns how many it were. */
static uint64_t run_errand(struct holds_errand *errand)
{
	struct mailbox *answers = mailbox_open(2);
	struct letter *letter;

	holds_result = 1;
	errand->letter.read = scheduler_holds_read;
	errand->answer_to = answers;
	errand->answered = holds_answered;
	snprintf(errand->who, sizeof(errand->who), "root");
	assert_true(mailbox_push(rig.inbox, &errand->letter));
	for (int i = 0; i < 50 && mailbox_depth(answers) == 0; i++)
		rig_turn(&rig);
	letter = mailbox_pop(answers);
	assert_non_null(letter);
	letter->read(letter, NULL);
	mailbox_close(&answers);
	assert_int_equal(holds_result, 0);
	return errand->count;
}

static void a_renewal_gives_back_what_was_held_for_the_grant(void **state)
{
	struct holds_errand errand = {.kind = HOLD_LAPSED, .grant = "printers"};
	uint64_t others[3], mine[200];
	struct envelope *envelope;
	char client[32];

	(void)state;
	scheduler_pause(rig.scheduler, "127.0.0.1:2501", true);
	for (size_t i = 0; i < 200; i++) {
		snprintf(client, sizeof(client), "192.0.2.%zu", i % 50);
		mine[i] = put_held_of(HOLD_LAPSED, "printers", NULL, client);
	}
	others[0] = put_held_of(HOLD_LAPSED, "scanners", NULL, "192.0.2.1");
	others[1] = put_held_of(HOLD_PACED, "printers", NULL, "192.0.2.1");
	others[2] = put_held_of(HOLD_LAPSED, NULL, NULL, "192.0.2.1");
	rig_advance(&rig, 5000);
	assert_int_equal(run_errand(&errand), 200);
	for (size_t i = 0; i < 200; i++)
		assert_int_equal(rig_recipient(&rig, mine[i]).state, RECIPIENT_WAITING);
	envelope = rig_look(&rig, mine[0]);
	assert_int_equal(envelope->stopped_ms, 5000);
	assert_int_equal(envelope->hold_kind, HOLD_ORDINARY);
	assert_string_equal(envelope->history[0].what, "released by root");
	envelope_close(&envelope);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(rig_recipient(&rig, others[i]).state, RECIPIENT_HELD);
	assert_int_equal(run_errand(&errand), 0);
}

static void what_clients_or_an_account_left_is_deleted(void **state)
{
	struct holds_errand network = {.kind = HOLD_SUSPENDED, .deletes = true, .by_network = true};
	struct holds_errand account = {.kind = HOLD_SUSPENDED, .deletes = true, .account = "anna"};
	uint64_t near = put_held_of(HOLD_SUSPENDED, NULL, NULL, "192.0.2.130");
	uint64_t far = put_held_of(HOLD_SUSPENDED, NULL, NULL, "192.0.2.5");
	uint64_t anna = put_held_of(HOLD_SUSPENDED, NULL, "anna", "192.0.2.6");
	struct reason reason;

	(void)state;
	assert_int_equal(network_parse("192.0.2.128/25", &network.network, &reason), 0);
	assert_int_equal(run_errand(&network), 1);
	assert_true(rig_is_gone(&rig, near));
	assert_int_equal(run_errand(&account), 1);
	assert_true(rig_is_gone(&rig, anna));
	assert_int_equal(rig_recipient(&rig, far).state, RECIPIENT_HELD);
}

static uint64_t put_partial(void)
{
	struct envelope *envelope = rig_message(&rig, "192.0.2.1", 1);

	envelope->flags |= ENVELOPE_PARTIAL;
	envelope->recipients[0].state = RECIPIENT_HELD;
	envelope->recipients[0].verdict = VERDICT_NONE;
	envelope->recipients[0].held_unix_ms = RIG_START;
	envelope->recipients[0].due_unix_ms = RIG_START + 3600000;
	return rig_put(&rig, envelope);
}

static void a_message_that_never_came_whole_is_deleted_at_its_end(void **state)
{
	uint64_t id = put_partial();

	(void)state;
	rig_live(&rig, 3600000, 60000);
	assert_int_equal(rig_recipient(&rig, id).state, RECIPIENT_HELD);
	rig_live(&rig, 900000, 60000);
	assert_true(rig_is_gone(&rig, id));
	assert_int_equal(rig.job_count, 0);
}

static void a_message_that_never_came_whole_is_scanned_when_it_is_released(void **state)
{
	uint64_t id = put_partial();
	struct envelope *envelope = NULL;

	(void)state;
	assert_int_equal(act_on(id, ACT_RELEASE, 0), 0);
	assert_int_equal(store_view_get(rig.view, id, &envelope), 0);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_SCANNING);
	assert_int_equal(envelope->flags & ENVELOPE_PARTIAL, 0);
	envelope_close(&envelope);
}

static void a_message_past_its_lifetime_is_bounced_while_its_host_rests(void **state)
{
	uint64_t id;

	(void)state;
	expired_jobs = 0;
	id = rig_add(&rig, "192.0.2.1");
	live_busy(5 * RIG_DAY, 60000);
	assert_false(rig_is_gone(&rig, id));
	assert_int_equal(expired_jobs, 0);
	live_busy(1800000, 60000);
	assert_int_equal(expired_jobs, 1);
	assert_true(rig_is_gone(&rig, id));
}

/* Its next retry lay an hour ahead: the bounce is of now, not of then. */
static void an_expired_job_knows_what_time_it_is(void **state)
{
	uint64_t now;

	(void)state;
	rig_add(&rig, "192.0.2.1");
	rig_turn(&rig);
	rig_reply(&rig, STAGE_DOT, REPLY_TRANSIENT, "451 4.3.0 later");
	live_busy(5 * RIG_DAY - 60000, 60000);
	while (rig.job_count == 0 || !rig.jobs[0]->expired) {
		if (rig.job_count > 0)
			rig_reply(&rig, STAGE_DOT, REPLY_TRANSIENT, "451 4.3.0 later");
		rig_advance(&rig, 60000);
	}
	now = clock_unix_ms(&rig.turned.clock);
	assert_true(rig.jobs[0]->due_unix_ms > now);
	assert_true(rig.jobs[0]->now_unix_ms <= now);
	rig_reply_each(&rig, STAGE_CONNECT, REPLY_POSITIVE, "", RECIPIENT_FAIL);
	rig_turn(&rig);
	assert_int_equal(rig_left(&rig), 0);
}

static void thousands_that_expire_together_are_all_bounced(void **state)
{
	(void)state;
	expired_jobs = 0;
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 1000);
	live_busy(5 * RIG_DAY, 600000);
	live_busy(1800000, 60000);
	live_busy(10000, 20);
	assert_int_equal(expired_jobs, 1000);
	assert_int_equal(rig_left(&rig), 0);
}

static void a_clock_that_jumps_a_year_and_is_put_right_bounces_nobody(void **state)
{
	(void)state;
	expired_jobs = 0;
	rig_add_many(&rig, "192.0.2.1", LANE_NORMAL, 100);
	live_busy(3600000, 60000);
	rig.turned.unix_us_now += 365 * RIG_DAY * 1000ULL;
	live_busy(540000, 20000);
	rig.turned.unix_us_now -= 365 * RIG_DAY * 1000ULL;
	live_busy(3600000, 60000);
	assert_int_equal(expired_jobs, 0);
	assert_int_equal(rig_left(&rig), 100);
	while (rig_left(&rig) > 0) {
		rig_deliver_all(&rig);
		rig_advance(&rig, 1000);
	}
}

static void nothing_expires_before_a_host_was_tried(void **state)
{
	uint64_t id;

	(void)state;
	expired_jobs = 0;
	scheduler_pause(rig.scheduler, "127.0.0.1:2501", true);
	id = rig_add(&rig, "192.0.2.1");
	rig_live(&rig, 5 * RIG_DAY + 7200000, 600000);
	assert_int_equal(rig.job_count, 0);
	scheduler_pause(rig.scheduler, "127.0.0.1:2501", false);
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 1);
	assert_false(rig.jobs[0]->expired);
	live_busy(1800000, 60000);
	assert_int_equal(expired_jobs, 1);
	assert_true(rig_is_gone(&rig, id));
}

static void a_lifetime_stands_still_while_a_message_is_held(void **state)
{
	uint64_t id;

	(void)state;
	expired_jobs = 0;
	scheduler_pause(rig.scheduler, "127.0.0.1:2501", true);
	id = rig_add(&rig, "192.0.2.1");
	assert_int_equal(act_on(id, ACT_HOLD, RIG_START + 3 * RIG_DAY), 0);
	rig_live(&rig, 2 * RIG_DAY, 600000);
	assert_int_equal(act_on(id, ACT_RELEASE, 0), 0);
	scheduler_pause(rig.scheduler, "127.0.0.1:2501", false);
	live_busy(4 * RIG_DAY, 60000);
	assert_int_equal(expired_jobs, 0);
	live_busy(RIG_DAY + 1800000, 60000);
	assert_int_equal(expired_jobs, 1);
}

static void what_waits_for_a_former_upstream_ends_with_its_lifetime(void **state)
{
	struct envelope *envelope;
	uint16_t number;
	uint64_t id;

	(void)state;
	expired_jobs = 0;
	assert_int_equal(store_upstream_number(rig.store, "former", &number), 0);
	envelope = rig_message(&rig, "192.0.2.1", 1);
	envelope->recipients[0].upstream = number;
	id = rig_put(&rig, envelope);
	live_busy(5 * RIG_DAY + 1800000, 600000);
	assert_int_equal(expired_jobs, 1);
	assert_true(rig_is_gone(&rig, id));
}

static void a_notice_to_postmaster_that_expires_is_held(void **state)
{
	struct envelope *envelope = rig_message(&rig, "127.0.0.1", 1);
	uint64_t id;

	(void)state;
	expired_jobs = 0;
	envelope->flags = ENVELOPE_LOCAL | ENVELOPE_TO_POSTMASTER;
	id = rig_put(&rig, envelope);
	live_busy(5 * RIG_DAY + 1800000, 600000);
	assert_int_equal(expired_jobs, 1);
	assert_int_equal(rig_recipient(&rig, id).state, RECIPIENT_HELD);
}

static void a_date_out_of_reach_is_brought_back(void **state)
{
	struct envelope *envelope = rig_message(&rig, "192.0.2.1", 1);
	uint64_t id;

	(void)state;
	envelope->recipients[0].state = RECIPIENT_DEFERRED;
	envelope->recipients[0].due_unix_ms = RIG_START + 365 * RIG_DAY;
	id = rig_put(&rig, envelope);
	rig_live(&rig, 600000, 60000);
	assert_true(rig_recipient(&rig, id).due_unix_ms <= RIG_START + 600000 + 4500000);
	rig_live(&rig, 4500000, 60000);
	assert_int_equal(rig.job_count, 1);
	assert_int_equal(rig.jobs[0]->id, id);
}

static void a_clock_set_back_a_year_leaves_nobody_waiting_for_it(void **state)
{
	uint64_t id = rig_add(&rig, "192.0.2.1");

	(void)state;
	rig_turn(&rig);
	rig_reply(&rig, STAGE_MAIL, REPLY_TRANSIENT, "451 4.3.0 not now");
	rig_turn(&rig);
	rig.turned.unix_us_now -= 365 * RIG_DAY * 1000ULL;
	rig_live(&rig, 4600000, 60000);
	assert_int_equal(rig.job_count, 1);
	assert_int_equal(rig.jobs[0]->id, id);
}

#define ONE(test) cmocka_unit_test_setup_teardown(test, open_it, close_it)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(what_upstream_took_is_never_handed_out_again_because_the_store_refuses),
		ONE(a_message_is_scanned_once_and_then_delivered),
		ONE(a_failed_scan_waits_and_others_go_on),
		ONE(scanners_that_are_away_are_not_hammered),
		ONE(a_retry_makes_a_deferred_message_due_now),
		ONE(nothing_is_done_to_a_message_that_is_being_delivered),
		ONE(a_message_that_is_being_deleted_is_not_handed_out),
		ONE(a_held_message_goes_on_when_it_is_released),
		ONE(a_hold_ends_on_its_day_and_the_message_goes_on),
		ONE(paced_messages_go_on_in_time_and_in_order),
		ONE(the_lifetime_stands_still_while_a_message_is_paced),
		ONE(a_paced_message_is_released_like_any_other),
		ONE(a_pace_out_of_reach_is_brought_into_it),
		ONE(a_lapsed_message_is_sent_back_with_no_host_open),
		ONE(a_lapsed_message_that_is_released_goes_on),
		ONE(a_suspended_message_is_deleted_and_a_volume_goes_on),
		ONE(a_renewal_gives_back_what_was_held_for_the_grant),
		ONE(what_clients_or_an_account_left_is_deleted),
		ONE(a_quarantined_message_is_deleted_at_its_end),
		ONE(a_message_that_never_came_whole_is_deleted_at_its_end),
		ONE(a_message_that_never_came_whole_is_scanned_when_it_is_released),
		ONE(a_message_past_its_lifetime_is_bounced_while_its_host_rests),
		ONE(an_expired_job_knows_what_time_it_is),
		ONE(thousands_that_expire_together_are_all_bounced),
		ONE(a_clock_that_jumps_a_year_and_is_put_right_bounces_nobody),
		ONE(nothing_expires_before_a_host_was_tried),
		ONE(a_lifetime_stands_still_while_a_message_is_held),
		ONE(what_waits_for_a_former_upstream_ends_with_its_lifetime),
		ONE(a_notice_to_postmaster_that_expires_is_held),
		ONE(a_date_out_of_reach_is_brought_back),
		ONE(a_clock_set_back_a_year_leaves_nobody_waiting_for_it),
	};

	return cmocka_run_group_tests_name("queue/scheduler_time", tests, NULL, NULL);
}
