#include "queue/suspended.h"

#include "rig.h"

static struct rig rig;
static struct mailbox *asked;

static int setup(void **state)
{
	(void)state;
	rig_open(&rig, RIG_ONE_HOST);
	asked = mailbox_open(4);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	mailbox_close(&asked);
	return 0;
}

/* ---- what becomes of one ---- */

static struct permits *suspend_who(const char *who, bool purges)
{
	struct suspension *suspension = suspension_new(who);

	assert_non_null(suspension);
	strcpy(suspension->reason, "viruses");
	suspension->since_unix_ms = RIG_START;
	suspension->purges = purges;
	return permits_build(NULL, 0, &suspension, 1);
}

static enum suspended_deed deed_of(const char *who, const struct envelope *envelope)
{
	struct permits *permits = suspend_who(who, false);
	enum suspended_deed deed = suspended_deed(permits, envelope);

	permits_close(&permits);
	return deed;
}

static void a_message_is_its_clients_and_its_accounts(void **state)
{
	struct envelope *envelope = rig_message(&rig, "192.0.2.1", 1);

	(void)state;
	envelope->account = "anna";
	assert_int_equal(deed_of("192.0.2.1", envelope), SUSPENDED_HOLD);
	assert_int_equal(deed_of("192.0.2.0/30", envelope), SUSPENDED_HOLD);
	assert_int_equal(deed_of("account:anna", envelope), SUSPENDED_HOLD);
	assert_int_equal(deed_of("192.0.2.2", envelope), SUSPENDED_NOTHING);
	assert_int_equal(deed_of("account:bob", envelope), SUSPENDED_NOTHING);
	envelope->client = "2001:db8::7";
	assert_int_equal(deed_of("2001:DB8:0::/64", envelope), SUSPENDED_HOLD);
	envelope->client = "unix";
	assert_int_equal(deed_of("127.0.0.1", envelope), SUSPENDED_HOLD);
	envelope->flags = ENVELOPE_LOCAL;
	assert_int_equal(deed_of("account:anna", envelope), SUSPENDED_NOTHING);
	envelope_close(&envelope);
}

static void states_that_are_held_and_those_that_stay(void **state)
{
	static const struct {
		enum recipient_state before, held, deleted;
	} rows[] = {
		{RECIPIENT_SCANNING, RECIPIENT_HELD, RECIPIENT_DELETED},
		{RECIPIENT_WAITING, RECIPIENT_HELD, RECIPIENT_DELETED},
		{RECIPIENT_DEFERRED, RECIPIENT_HELD, RECIPIENT_DELETED},
		{RECIPIENT_QUARANTINED, RECIPIENT_QUARANTINED, RECIPIENT_DELETED},
		{RECIPIENT_DELIVERED, RECIPIENT_DELIVERED, RECIPIENT_DELIVERED},
		{RECIPIENT_BOUNCED, RECIPIENT_BOUNCED, RECIPIENT_BOUNCED},
	};
	enum { COUNT = sizeof(rows) / sizeof(rows[0]) };

	(void)state;
	for (int purges = 0; purges < 2; purges++) {
		struct permits *permits = suspend_who("192.0.2.1", purges);
		struct envelope *envelope = rig_message(&rig, "192.0.2.1", COUNT);

		for (size_t i = 0; i < COUNT; i++)
			envelope->recipients[i].state = rows[i].before;
		assert_int_equal(suspended_apply(permits, envelope, RIG_START, RIG_START + 9), 0);
		for (size_t i = 0; i < COUNT; i++)
			assert_int_equal(envelope->recipients[i].state,
				purges ? rows[i].deleted : rows[i].held);
		assert_int_equal(envelope->hold_kind, purges ? HOLD_ORDINARY : HOLD_SUSPENDED);
		assert_int_equal(suspended_apply(permits, envelope, RIG_START, RIG_START + 9), 1);
		if (!purges) {
			assert_string_equal(
				envelope->recipients[1].reason, "192.0.2.1 is suspended: viruses");
			assert_int_equal(envelope->recipients[1].due_unix_ms, RIG_START + 9);
		}
		envelope_close(&envelope);
		permits_close(&permits);
	}
}

static void other_holds_stay_but_for_paced_ones(void **state)
{
	static const enum suspended_deed deeds[HOLD_KIND_COUNT] = {
		[HOLD_ORDINARY] = SUSPENDED_NOTHING,
		[HOLD_PACED] = SUSPENDED_HOLD,
		[HOLD_LAPSED] = SUSPENDED_NOTHING,
		[HOLD_VOLUME] = SUSPENDED_NOTHING,
		[HOLD_SUSPENDED] = SUSPENDED_NOTHING,
	};
	struct envelope *envelope = rig_message(&rig, "192.0.2.1", 1);

	(void)state;
	envelope->recipients[0].state = RECIPIENT_HELD;
	for (int kind = 0; kind < HOLD_KIND_COUNT; kind++) {
		envelope->hold_kind = (enum hold_kind)kind;
		assert_int_equal(deed_of("192.0.2.1", envelope), deeds[kind]);
		assert_int_equal(deed_of("192.0.2.9", envelope),
			kind == HOLD_SUSPENDED ? SUSPENDED_RELEASE : SUSPENDED_NOTHING);
	}
	envelope_close(&envelope);
}

static void what_had_no_verdict_is_scanned_after_its_release(void **state)
{
	struct permits *permits = suspend_who("192.0.2.9", false);
	struct envelope *envelope = rig_message(&rig, "192.0.2.1", 2);

	(void)state;
	envelope->recipients[0].verdict = VERDICT_NONE;
	envelope->hold_kind = HOLD_SUSPENDED;
	for (size_t i = 0; i < 2; i++) {
		envelope->recipients[i].state = RECIPIENT_HELD;
		envelope->recipients[i].held_unix_ms = RIG_START - 5000;
	}
	assert_int_equal(suspended_apply(permits, envelope, RIG_START, RIG_START + 9), 0);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_SCANNING);
	assert_int_equal(envelope->recipients[1].state, RECIPIENT_WAITING);
	assert_int_equal(envelope->hold_kind, HOLD_ORDINARY);
	assert_int_equal(envelope->stopped_ms, 5000);
	envelope_close(&envelope);
	permits_close(&permits);
}

/* ---- the scheduler ---- */

static void reopen_with(struct permits *permits)
{
	struct scheduler_options options = {.store = rig.store,
		.writer = rig.writer,
		.clock = &rig.turned.clock,
		.config = rig.config,
		.inbox = rig.inbox,
		.delivery = rig.delivery,
		.delivery_read = rig_take_job,
		.delivery_credits = RIG_CREDITS,
		.scan = rig_scan,
		.scanner = &rig,
		.scan_credits = RIG_CREDITS,
		.permits = permits};
	struct reason reason;

	scheduler_close(&rig.scheduler);
	assert_int_equal(scheduler_open(&rig.scheduler, &options, &reason), 0);
	permits_close(&permits);
}

/* After a crash in the middle: all of it is suspended, some is held already. */
static void start_goes_on_where_a_crash_ended(void **state)
{
	uint64_t bad[40], good;

	(void)state;
	good = rig_add(&rig, "192.0.2.9");
	for (size_t i = 0; i < 40; i++)
		bad[i] = rig_add(&rig, "192.0.2.1");
	reopen_with(suspend_who("192.0.2.1", true));
	rig_turn(&rig);
	for (size_t i = 0; i < 40; i++)
		assert_true(rig_is_gone(&rig, bad[i]));
	while (rig.job_count > 0 && rig.jobs[0]->id != good)
		rig_reply(&rig, STAGE_REUSE, REPLY_BUSY, "");
	assert_int_equal(rig_recipient(&rig, good).state, RECIPIENT_WAITING);
	rig_deliver_all(&rig);
	rig_turn(&rig);
}

static void start_releases_what_is_held_for_nobody(void **state)
{
	struct envelope *envelope = rig_message(&rig, "192.0.2.1", 1);
	uint64_t id = envelope->id;

	(void)state;
	envelope->hold_kind = HOLD_SUSPENDED;
	envelope->recipients[0].state = RECIPIENT_HELD;
	envelope->recipients[0].held_unix_ms = RIG_START;
	envelope->recipients[0].due_unix_ms = RIG_START + RIG_DAY;
	rig_put(&rig, envelope);
	reopen_with(suspend_who("192.0.2.9", false));
	rig_turn(&rig);
	assert_int_equal(rig_recipient(&rig, id).state, RECIPIENT_WAITING);
	rig_deliver_all(&rig);
	rig_turn(&rig);
}

/* Delivery finds by the job's table that it is of somebody suspended: stored, released or due while it was in force. */
static void what_delivery_gives_back_is_held(void **state)
{
	struct job *job;
	uint64_t id;

	(void)state;
	reopen_with(suspend_who("192.0.2.1", false));
	rig_turn(&rig);
	id = rig_add(&rig, "192.0.2.1");
	rig_turn(&rig);
	assert_int_equal(rig.job_count, 1);
	job = rig_pop(&rig);
	assert_non_null(job->permits);
	job->read_error = -ECANCELED;
	scheduler_job_done(rig.scheduler, job);
	rig_turn(&rig);
	assert_int_equal(rig_recipient(&rig, id).state, RECIPIENT_HELD);
	assert_int_equal(rig.job_count, 0);
}

static void nobody_suspended_costs_jobs_nothing(void **state)
{
	(void)state;
	reopen_with(permits_build(NULL, 0, NULL, 0));
	rig_add(&rig, "192.0.2.1");
	rig_turn(&rig);
	assert_null(rig.jobs[0]->permits);
	rig_deliver_all(&rig);
	rig_turn(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_message_is_its_clients_and_its_accounts, setup, teardown),
		cmocka_unit_test_setup_teardown(
			states_that_are_held_and_those_that_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(
			other_holds_stay_but_for_paced_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_had_no_verdict_is_scanned_after_its_release, setup, teardown),
		cmocka_unit_test_setup_teardown(start_goes_on_where_a_crash_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(
			start_releases_what_is_held_for_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(what_delivery_gives_back_is_held, setup, teardown),
		cmocka_unit_test_setup_teardown(
			nobody_suspended_costs_jobs_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
