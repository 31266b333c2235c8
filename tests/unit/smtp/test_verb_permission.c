/* Sessions and the table of grants: what each command says by it, and what a new table changes while a message is under way. */
#include "tests/unit/smtp/place.h"

#define OUTSIDE "198.51.100.7:4711" /* in no listener's networks */
#define DAY_MS  (UINT64_C(86400) * 1000)

static void own_domain(struct config *config, const char *name)
{
	config->domains.items = malloc(sizeof(*config->domains.items));
	assert_non_null(config->domains.items);
	config->domains.items[0] = strdup(name);
	assert_non_null(config->domains.items[0]);
	config->domains.count = 1;
}

static int setup(void **state)
{
	static struct place place;

	place_open(&place, PLACE_MAP);
	own_domain(place.config, "example.edu");
	*state = &place;
	return 0;
}

static int teardown(void **state)
{
	place_close(*state);
	return 0;
}

/* ---- tables ---- */

static struct grant *make_grant(struct place *place)
{
	uint64_t now_unix_ms = clock_unix_ms(&place->scene.turned.clock);
	struct grant *grant = grant_new("printer");

	assert_non_null(grant);
	assert_true(grant_add_text(&grant->networks, "198.51.100.7"));
	grant->state = GRANT_APPROVED;
	grant->lane = LANE_BULK;
	grant->approved_unix_ms = now_unix_ms - DAY_MS;
	grant->state_unix_ms = now_unix_ms - DAY_MS;
	grant->expires_unix_ms = now_unix_ms + DAY_MS;
	return grant;
}

/* What main sends to a worker: from now on it has this table. `grant` NULL: an empty one. */
static void exchange(struct place *place, struct grant *grant, const char *suspended)
{
	struct suspension *suspension = suspended != NULL ? suspension_new(suspended) : NULL;
	struct permits *permits =
		permits_build(&grant, grant != NULL, &suspension, suspension != NULL);

	assert_non_null(permits);
	permits_close(&place_shared(place)->permits);
	place_shared(place)->permits = permits;
}

static void suspend(struct grant *grant)
{
	grant->state = GRANT_SUSPENDED;
	assert_true(grant_set_text(&grant->reason, "stolen"));
}

static void open_outside(struct client *client, struct place *place, unsigned listener)
{
	client_open_from(client, place, listener, OUTSIDE);
	assert_string_equal(client_hear(client), BANNER);
	client_check(client, "HELO client.example\r\n", "250 relay.example.edu\r\n");
}

/* A refusal of one line or more, that begins so. */
static void check_refusal(
	struct client *client, const char *say, const char *code, const char *words)
{
	const char *heard;

	client_say(client, say);
	heard = client_hear(client);
	if (strncmp(heard, code, 3) != 0 || strncmp(heard + 4, "5.7.1 ", 6) != 0 ||
		strncmp(heard + 10, words, strlen(words)) != 0)
		fail_msg("to \"%s\" it said \"%s\", not %s 5.7.1 %s", say, heard, code, words);
}

/* ---- what is said ---- */

static void stranger_hears_it_behind_rcpt_and_data(void **state)
{
	struct client client;

	for (unsigned listener = PLACE_STANDARD; listener <= PLACE_FRAGILE; listener++) {
		open_outside(&client, *state, listener);
		client_check_code(&client, "MAIL FROM:<a@example.org>\r\n", "250 2.1.0");
		check_refusal(&client, "RCPT TO:<b@example.edu>\r\n", "550",
			"198.51.100.7 may not send mail here");
		if (listener == PLACE_FRAGILE) /* it shows the last reply alone */
			check_refusal(&client, "DATA\r\n", "554", "198.51.100.7 may not send");
		else
			client_check_code(&client, "DATA\r\n", "503 5.5.1");
		client_leave(&client);
	}
	assert_int_equal(place_count(*state), 0);
}

static void grant_is_in_the_envelope_with_its_lane(void **state)
{
	struct place *place = *state;
	struct envelope *envelope;
	struct client client;

	exchange(place, make_grant(place), NULL);
	open_outside(&client, place, PLACE_STANDARD);
	client_check(&client, ENVELOPE, GO_AHEAD);
	client_check_code(&client, "From: a@example.org\r\n\r\nx\r\n.\r\n", "250 2.0.0");
	envelope = place_first(place);
	assert_string_equal(envelope->grant, "printer");
	assert_int_equal(envelope->lane, LANE_BULK);
	assert_int_equal(envelope->hold_kind, HOLD_ORDINARY);
	envelope_close(&envelope);
	client_leave(&client);
}

static void recipients_beyond_its_reach_are_refused_one_by_one(void **state)
{
	struct place *place = *state;
	struct grant *grant = make_grant(place);
	struct envelope *envelope;
	struct client client;

	grant->reach = GRANT_INTERNAL;
	exchange(place, grant, NULL);
	open_outside(&client, place, PLACE_STANDARD);
	client_check_code(&client, "MAIL FROM:<a@example.org>\r\n", "250 2.1.0");
	client_check_code(&client, "RCPT TO:<b@example.edu>\r\n", "250 2.1.5");
	check_refusal(&client, "RCPT TO:<b@example.com>\r\n", "550", "Grant printer may");
	client_check_code(&client, "DATA\r\n", "354 ");
	client_check_code(&client, "x\r\n.\r\n", "250 2.0.0");
	envelope = place_first(place);
	assert_int_equal(envelope->recipient_count, 1);
	assert_string_equal(envelope->recipients[0].address, "b@example.edu");
	envelope_close(&envelope);
	client_leave(&client);
}

static void lapsed_grant_s_message_is_held_to_the_end_of_the_grace(void **state)
{
	struct place *place = *state;
	struct grant *grant = make_grant(place);
	uint64_t end_unix_ms;
	struct envelope *envelope;
	struct client client;

	grant->expires_unix_ms -= 2 * DAY_MS;
	end_unix_ms = grant->expires_unix_ms + (uint64_t)place->config->grace_ms;
	exchange(place, grant, NULL);
	open_outside(&client, place, PLACE_STANDARD);
	client_check(&client, ENVELOPE, GO_AHEAD);
	client_check_code(&client, "x\r\n.\r\n", "250 2.0.0");
	envelope = place_first(place);
	assert_int_equal(envelope->hold_kind, HOLD_LAPSED);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_HELD);
	assert_true(envelope->recipients[0].due_unix_ms == end_unix_ms);
	envelope_close(&envelope);
	clock_turned_advance(&place->scene.turned,
		(int64_t)(end_unix_ms - clock_unix_ms(&place->scene.turned.clock)));
	client_leave(&client);
	open_outside(&client, place, PLACE_STANDARD);
	client_check_code(&client, "MAIL FROM:<a@example.org>\r\n", "250 2.1.0");
	check_refusal(&client, "RCPT TO:<b@example.edu>\r\n", "550", "Grant printer lapsed on");
	client_leave(&client);
}

static void rewritten_sender_is_the_envelope_s(void **state)
{
	struct place *place = *state;
	struct grant *grant = make_grant(place);
	struct envelope *envelope;
	struct client client;

	grant->spoof = GRANT_REWRITE;
	assert_true(grant_add_text(&grant->senders, "printer@example.edu"));
	assert_true(grant_set_text(&grant->mailbox, "printer@example.edu"));
	exchange(place, grant, NULL);
	open_outside(&client, place, PLACE_STANDARD);
	client_check(&client, ENVELOPE, GO_AHEAD);
	client_check_code(&client, "From: a@example.org\r\n\r\nx\r\n.\r\n", "250 2.0.0");
	envelope = place_first(place);
	assert_string_equal(envelope->reverse_path, "printer@example.edu");
	envelope_close(&envelope);
	client_leave(&client);
}

/* ---- a new table ---- */

static void suspension_counts_from_the_next_decision(void **state)
{
	static const char *const suspended[] = {NULL, "198.51.100.7", "198.51.100.0/24"};
	struct place *place = *state;

	for (size_t i = 0; i < sizeof(suspended) / sizeof(suspended[0]); i++) {
		struct grant *grant = make_grant(place);
		struct client client;

		exchange(place, make_grant(place), NULL);
		open_outside(&client, place, PLACE_STANDARD);
		client_check(&client, ENVELOPE, GO_AHEAD);
		client_say(&client, "Subject: x\r\n\r\nx\r\n");
		place_turn(place);
		if (suspended[i] == NULL)
			suspend(grant);
		exchange(place, grant, suspended[i]);
		check_refusal(&client, ".\r\n", "550",
			suspended[i] == NULL ? "Grant printer was suspended on" : suspended[i]);
		client_check_code(&client, "MAIL FROM:<a@example.org>\r\n", "250 2.1.0");
		check_refusal(&client, "RCPT TO:<b@example.edu>\r\n", "550", "");
		client_leave(&client);
	}
	assert_int_equal(place_count(place), 0);
}

/* The session's last table is gone for everybody else by then. */
static void grant_of_an_old_table_lives_as_long_as_its_transaction(void **state)
{
	struct place *place = *state;
	struct grant *grant = make_grant(place);
	struct client client, other;

	suspend(grant);
	exchange(place, grant, NULL);
	open_outside(&client, place, PLACE_STANDARD);
	client_check_code(&client, "MAIL FROM:<a@example.org>\r\n", "250 2.1.0");
	exchange(place, make_grant(place), NULL);
	check_refusal(&client, "RCPT TO:<b@example.edu>\r\n", "550", "Grant printer was suspended");
	open_outside(&other, place, PLACE_STANDARD);
	client_check(&other, ENVELOPE, GO_AHEAD);
	exchange(place, NULL, NULL);
	client_check_code(&client, "RSET\r\n", "250 ");
	client_check_code(&client, "MAIL FROM:<a@example.org>\r\n", "250 2.1.0");
	check_refusal(&client, "RCPT TO:<b@example.edu>\r\n", "550", "198.51.100.7 may not");
	check_refusal(&other, "x\r\n.\r\n", "550", "198.51.100.7 may not");
	client_leave(&client);
	client_leave(&other);
}

static void new_table_that_says_the_same_changes_nothing(void **state)
{
	struct place *place = *state;
	struct envelope *envelope;
	struct client client;

	exchange(place, make_grant(place), NULL);
	open_outside(&client, place, PLACE_FRAGILE);
	client_check_code(&client, "MAIL FROM:<a@example.org>\r\n", "250 2.1.0");
	exchange(place, make_grant(place), NULL);
	client_check_code(&client, "RCPT TO:<b@example.edu>\r\n", "250 2.1.5");
	exchange(place, make_grant(place), "198.51.100.8");
	client_check_code(&client, "DATA\r\n", "354 ");
	exchange(place, make_grant(place), NULL);
	client_check_code(&client, "x\r\n.\r\n", "250 2.0.0");
	envelope = place_first(place);
	assert_string_equal(envelope->grant, "printer");
	envelope_close(&envelope);
	client_leave(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(stranger_hears_it_behind_rcpt_and_data),
		TEST(grant_is_in_the_envelope_with_its_lane),
		TEST(recipients_beyond_its_reach_are_refused_one_by_one),
		TEST(lapsed_grant_s_message_is_held_to_the_end_of_the_grace),
		TEST(rewritten_sender_is_the_envelope_s),
		TEST(suspension_counts_from_the_next_decision),
		TEST(grant_of_an_old_table_lives_as_long_as_its_transaction),
		TEST(new_table_that_says_the_same_changes_nothing),
	};

	return cmocka_run_group_tests_name("smtp/verb_permission", tests, NULL, NULL);
}
