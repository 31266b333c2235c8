#include "queue/settle.h"
#include "tests/unit/queue/scene.h"

#define MAP    (64u << 20)
#define SECOND 1000
#define DAY    (INT64_C(86400) * 1000)

static int setup(void **state)
{
	static struct scene scene;

	scene_open(&scene, MAP);
	*state = &scene;
	return 0;
}

static int teardown(void **state)
{
	scene_close(*state);
	return 0;
}

/* Of the grant "printers", and of whom else the test says. */
static const struct pace_terms sixty_an_hour = {
	.rates[PACE_GRANT] = {.messages_per_hour = 60}, .burst_ms = 120 * SECOND};

struct sent {
	struct asked asked;
	struct message *message;
};

static void submit(struct scene *scene, uint64_t id, const struct pace_terms *terms,
	const char *account, struct sent *sent)
{
	sent->message = scene_message(scene, id, 300);
	sent->message->pace = *terms;
	sent->message->envelope->grant = "printers";
	sent->message->envelope->account = account;
	sent->message->envelope->recipients[0].state = RECIPIENT_SCANNING;
	scene_submit_add(scene, &sent->asked, sent->message);
}

/* The result, with what became of it. */
static int hand_over(struct scene *scene, uint64_t id, const struct pace_terms *terms,
	const char *account, struct pace_outcome *outcome)
{
	struct sent sent;

	submit(scene, id, terms, account, &sent);
	scene_run(scene);
	assert_true(sent.asked.answered);
	message_close(&sent.message);
	if (outcome != NULL)
		*outcome = sent.asked.request.pace;
	return sent.asked.request.result;
}

static struct usage *usage_of(struct scene *scene, enum usage_kind kind, const char *name)
{
	struct usage *usage = NULL;
	int rc = store_view_usage(scene->view, kind, name, &usage);

	assert_true(rc == 0 || rc == -ENOENT);
	return usage;
}

static uint64_t messages_of(struct scene *scene, enum usage_kind kind, const char *name)
{
	struct usage *usage = usage_of(scene, kind, name);
	uint64_t messages = usage != NULL ? usage->messages : 0;

	usage_close(&usage);
	return messages;
}

/* When the message's hold ends; 0: it is not held. */
static uint64_t held_until(struct scene *scene, uint64_t id)
{
	struct envelope *envelope = scene_get(scene, id);
	uint64_t until = 0;

	assert_non_null(envelope);
	if (envelope->recipients[0].state == RECIPIENT_HELD) {
		assert_int_equal(envelope->hold_kind, HOLD_PACED);
		until = envelope->recipients[0].due_unix_ms;
	}
	envelope_close(&envelope);
	return until;
}

static void what_is_over_the_rate_is_held_until_its_turn(void **state)
{
	struct scene *scene = *state;
	uint64_t now = clock_unix_ms(&scene->turned.clock);
	struct envelope *envelope;

	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(hand_over(scene, 100 + i, &sixty_an_hour, NULL, NULL), 0);
	assert_int_equal(held_until(scene, 100), 0);
	assert_int_equal(held_until(scene, 101), 0);
	assert_int_equal(held_until(scene, 102), now + 60 * SECOND);
	assert_int_equal(held_until(scene, 103), now + 120 * SECOND);
	assert_int_equal(held_until(scene, 104), now + 180 * SECOND);
	envelope = scene_get(scene, 102);
	assert_string_equal(envelope->recipients[0].reason,
		"paced: grant printers has 60 messages an hour; goes on at 2023-11-14T22:14:20Z");
	envelope_close(&envelope);
	clock_turned_advance(&scene->turned, 5 * 60 * SECOND);
	assert_int_equal(hand_over(scene, 105, &sixty_an_hour, NULL, NULL), 0);
	assert_int_equal(held_until(scene, 105), 0);
}

static void a_restart_fills_no_bucket(void **state)
{
	struct scene *scene = *state;
	uint64_t now = clock_unix_ms(&scene->turned.clock);

	for (uint64_t i = 0; i < 4; i++) {
		assert_int_equal(hand_over(scene, 100 + i, &sixty_an_hour, NULL, NULL), 0);
		scene_restart(scene);
	}
	assert_int_equal(held_until(scene, 101), 0);
	assert_int_equal(held_until(scene, 102), now + 60 * SECOND);
	assert_int_equal(held_until(scene, 103), now + 120 * SECOND);
	assert_int_equal(messages_of(scene, USAGE_GRANT, "printers"), 4);
}

static void many_in_one_commit_are_paced_in_their_order(void **state)
{
	struct scene *scene = *state;
	uint64_t now = clock_unix_ms(&scene->turned.clock);
	struct sent sent[6];

	for (uint64_t i = 0; i < 6; i++)
		submit(scene, 100 + i, &sixty_an_hour, NULL, &sent[i]);
	scene_run(scene);
	for (uint64_t i = 0; i < 6; i++) {
		assert_int_equal(sent[i].asked.request.result, 0);
		assert_int_equal(
			held_until(scene, 100 + i), i < 2 ? 0 : now + (i - 1) * 60 * SECOND);
		message_close(&sent[i].message);
	}
	assert_int_equal(messages_of(scene, USAGE_GRANT, "printers"), 6);
}

static void who_is_to_be_refused_is_and_takes_nothing(void **state)
{
	struct scene *scene = *state;
	struct pace_terms terms = sixty_an_hour;
	struct pace_outcome outcome;

	terms.refuses = true;
	assert_int_equal(hand_over(scene, 100, &terms, NULL, NULL), 0);
	assert_int_equal(hand_over(scene, 101, &terms, NULL, NULL), 0);
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(hand_over(scene, 102 + i, &terms, NULL, &outcome), -EAGAIN);
	assert_string_equal(outcome.said, "grant printers has 60 messages an hour");
	assert_int_equal(outcome.until_unix_ms, clock_unix_ms(&scene->turned.clock) + 60 * SECOND);
	assert_false(scene_has(scene, 102));
	assert_int_equal(messages_of(scene, USAGE_GRANT, "printers"), 2);
	clock_turned_advance(&scene->turned, 60 * SECOND);
	assert_int_equal(hand_over(scene, 110, &terms, NULL, NULL), 0);
	assert_int_equal(hand_over(scene, 111, &terms, NULL, NULL), -EAGAIN);
}

static void the_tightest_of_all_rates_counts(void **state)
{
	struct scene *scene = *state;
	uint64_t now = clock_unix_ms(&scene->turned.clock);
	struct pace_terms terms = {.burst_ms = SECOND,
		.rates = {[PACE_GRANT] = {.messages_per_hour = 3600},
			[PACE_ACCOUNT] = {.recipients_per_hour = 360},
			[PACE_ADDRESS] = {.messages_per_hour = 36}}};
	struct envelope *envelope;

	assert_int_equal(hand_over(scene, 100, &terms, "anna", NULL), 0);
	assert_int_equal(hand_over(scene, 101, &terms, "anna", NULL), 0);
	assert_int_equal(held_until(scene, 101), now + 100 * SECOND);
	envelope = scene_get(scene, 101);
	assert_non_null(
		strstr(envelope->recipients[0].reason, "address 192.0.2.1 has 36 messages"));
	envelope_close(&envelope);
	terms.rates[PACE_ADDRESS].messages_per_hour = 0;
	assert_int_equal(hand_over(scene, 102, &terms, "anna", NULL), 0);
	assert_int_equal(held_until(scene, 102), now + 20 * SECOND);
	assert_int_equal(messages_of(scene, USAGE_GRANT, "printers"), 3);
	assert_int_equal(messages_of(scene, USAGE_ACCOUNT, "anna"), 3);
	assert_int_equal(messages_of(scene, USAGE_ADDRESS, "192.0.2.1"), 2);
}

/* A host may take any address of its /64. */
static void addresses_of_one_network_of_ipv6_are_one(void **state)
{
	static const char *const clients[] = {
		"2001:db8::1", "2001:db8::2:ff", "2001:db8:0:0:ffff::9", "2001:db8:0:1::1"};
	struct scene *scene = *state;
	const struct pace_terms terms = {
		.burst_ms = SECOND, .rates = {[PACE_ADDRESS] = {.messages_per_hour = 36}}};

	for (uint64_t i = 0; i < 4; i++) {
		struct sent sent;

		sent.message = scene_message(scene, 100 + i, 300);
		sent.message->pace = terms;
		sent.message->envelope->client = clients[i];
		sent.message->envelope->recipients[0].state = RECIPIENT_SCANNING;
		scene_submit_add(scene, &sent.asked, sent.message);
		scene_run(scene);
		assert_true(sent.asked.answered);
		message_close(&sent.message);
	}
	assert_int_equal(messages_of(scene, USAGE_ADDRESS, "2001:db8::/64"), 3);
	assert_int_equal(messages_of(scene, USAGE_ADDRESS, "2001:db8:0:1::/64"), 1);
	assert_int_not_equal(held_until(scene, 101), 0);
	assert_int_equal(held_until(scene, 103), 0);
}

static void without_rate_grant_or_account_nothing_is_kept(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(scene_add(scene, 100, 300), 0);
	assert_int_equal(messages_of(scene, USAGE_ADDRESS, "192.0.2.1"), 0);
}

static void a_clock_that_was_set_back_puts_nobody_off(void **state)
{
	struct scene *scene = *state;
	uint64_t now;

	scene->turned.unix_us_now += UINT64_C(365000) * DAY;
	assert_int_equal(hand_over(scene, 100, &sixty_an_hour, NULL, NULL), 0);
	scene->turned.unix_us_now -= UINT64_C(365000) * DAY;
	now = clock_unix_ms(&scene->turned.clock);
	assert_int_equal(hand_over(scene, 101, &sixty_an_hour, NULL, NULL), 0);
	assert_int_equal(held_until(scene, 101), 0);
	assert_int_equal(hand_over(scene, 102, &sixty_an_hour, NULL, NULL), 0);
	assert_int_equal(held_until(scene, 102), now + 60 * SECOND);
}

static void volumes_are_held_and_told_once_a_day(void **state)
{
	struct scene *scene = *state;
	struct pace_terms terms = {.approve_messages = 3, .approve_hold_ms = DAY};
	struct pace_outcome outcome;
	struct envelope *envelope;

	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(hand_over(scene, 100 + i, &terms, NULL, &outcome), 0);
		assert_int_equal(outcome.held, HOLD_ORDINARY);
	}
	assert_int_equal(hand_over(scene, 103, &terms, NULL, &outcome), 0);
	assert_true(outcome.held == HOLD_VOLUME && outcome.is_first);
	scene_restart(scene);
	assert_int_equal(hand_over(scene, 104, &terms, NULL, &outcome), 0);
	assert_true(outcome.held == HOLD_VOLUME && !outcome.is_first);
	envelope = scene_get(scene, 104);
	assert_int_equal(envelope->hold_kind, HOLD_VOLUME);
	assert_string_equal(envelope->recipients[0].reason,
		"volume: grant printers has more than 3 messages today; needs approval");
	assert_int_equal(envelope->recipients[0].due_unix_ms,
		clock_unix_ms(&scene->turned.clock) + (uint64_t)DAY);
	envelope_close(&envelope);
	clock_turned_advance(&scene->turned, DAY);
	assert_int_equal(hand_over(scene, 105, &terms, NULL, &outcome), 0);
	assert_int_equal(outcome.held, HOLD_ORDINARY);
}

static int send_to(struct scene *scene, uint64_t id, const char *address, bool *held)
{
	struct pace_terms terms = {.approve_recipients = 5, .approve_hold_ms = DAY};
	struct sent sent;

	submit(scene, id, &terms, NULL, &sent);
	sent.message->envelope->recipients[0].address = address;
	scene_run(scene);
	*held = sent.asked.request.pace.held == HOLD_VOLUME;
	message_close(&sent.message);
	return sent.asked.request.result;
}

static void distinct_recipients_of_a_day_are_a_volume_too(void **state)
{
	struct scene *scene = *state;
	char address[32];
	bool held;

	for (uint64_t i = 0; i < 50; i++) {
		snprintf(address, sizeof(address), "to%u@example.edu", (unsigned)(i % 5));
		assert_int_equal(send_to(scene, 100 + i, address, &held), 0);
		assert_false(held);
	}
	scene_restart(scene);
	assert_int_equal(send_to(scene, 200, "another@example.edu", &held), 0);
	assert_true(held);
	clock_turned_advance(&scene->turned, DAY);
	assert_int_equal(send_to(scene, 201, "one.more@example.edu", &held), 0);
	assert_false(held);
}

static void a_hold_that_was_there_stays_and_is_counted(void **state)
{
	struct scene *scene = *state;
	struct envelope *envelope;
	struct sent sent[3];

	for (uint64_t i = 0; i < 3; i++) {
		submit(scene, 100 + i, &sixty_an_hour, NULL, &sent[i]);
		assert_int_equal(settle_hold_message(sent[i].message->envelope, HOLD_LAPSED,
					 "grant printers lapsed", 5, 77),
			0);
	}
	scene_run(scene);
	envelope = scene_get(scene, 102);
	assert_int_equal(envelope->hold_kind, HOLD_LAPSED);
	assert_int_equal(envelope->recipients[0].due_unix_ms, 77);
	envelope_close(&envelope);
	for (uint64_t i = 0; i < 3; i++)
		message_close(&sent[i].message);
	assert_int_equal(messages_of(scene, USAGE_GRANT, "printers"), 3);
}

static void usages_are_bounded_and_addresses_go_first(void **state)
{
	struct scene *scene = *state;
	struct usage *usage = usage_new(USAGE_ADDRESS, "10.0.0.0"), *grant;
	struct store_batch *batch = NULL;
	size_t left = 0;

	grant = usage_new(USAGE_GRANT, "printers");
	assert_int_equal(store_begin(scene->store, &batch), 0);
	assert_int_equal(store_put_usage(batch, grant), 0);
	for (unsigned i = 0; i < USAGE_MAX + 20; i++) {
		snprintf(usage->name, sizeof(usage->name), "10.%u.%u.%u", i >> 16, i >> 8 & 255,
			i & 255);
		usage->last_unix_ms = i;
		assert_int_equal(store_put_usage(batch, usage), 0);
	}
	assert_int_equal(store_commit(&batch), 0);
	usage_close(&usage);
	usage_close(&grant);
	for (unsigned i = 0; i < 400; i++) {
		char name[32];

		snprintf(name, sizeof(name), "10.0.%u.%u", i >> 8, i & 255);
		usage = usage_of(scene, USAGE_ADDRESS, name);
		left += usage != NULL;
		usage_close(&usage);
	}
	assert_true(left < 400);
	grant = usage_of(scene, USAGE_GRANT, "printers");
	assert_non_null(grant);
	usage_close(&grant);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_over_the_rate_is_held_until_its_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(a_restart_fills_no_bucket, setup, teardown),
		cmocka_unit_test_setup_teardown(
			many_in_one_commit_are_paced_in_their_order, setup, teardown),
		cmocka_unit_test_setup_teardown(
			who_is_to_be_refused_is_and_takes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(the_tightest_of_all_rates_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(
			addresses_of_one_network_of_ipv6_are_one, setup, teardown),
		cmocka_unit_test_setup_teardown(
			without_rate_grant_or_account_nothing_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_clock_that_was_set_back_puts_nobody_off, setup, teardown),
		cmocka_unit_test_setup_teardown(
			volumes_are_held_and_told_once_a_day, setup, teardown),
		cmocka_unit_test_setup_teardown(
			distinct_recipients_of_a_day_are_a_volume_too, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_hold_that_was_there_stays_and_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(
			usages_are_bounded_and_addresses_go_first, setup, teardown),
	};

	return cmocka_run_group_tests_name("queue/writer_pace", tests, NULL, NULL);
}
