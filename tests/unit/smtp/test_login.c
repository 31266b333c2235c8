/* AUTH in the session, before a desk that answers what the test says. */
#include "tests/unit/smtp/place.h"

#include "smtp/sasl.h"

#define PLAIN_ANNA "AGFubmEAc2VjcmV0" /* NUL anna NUL secret */
#define NAME_ANNA  "YW5uYQ=="
#define SECRET     "c2VjcmV0"
#define RIGHT      "235 2.7.0 Authentication succeeded\r\n"
#define WRONG      "535 5.7.8 User name or password is wrong\r\n"

enum { ASKED_MAX = 2 * AUTH_CREDITS };

static struct auth *const any_desk = (void *)&any_desk;
static struct auth_request *asked[ASKED_MAX];
static size_t asked_count;

/* The desk. */
void auth_submit(struct auth *auth, struct auth_request *request)
{
	assert_ptr_equal(auth, any_desk);
	assert_in_range(asked_count, 0, ASKED_MAX - 1);
	asked[asked_count++] = request;
}

static void answer(struct place *place, size_t number, enum auth_result result, int64_t delay_ms)
{
	struct auth_request *request = asked[number];

	memset(request->password, 0, sizeof(request->password));
	request->result = result;
	request->delay_ms = delay_ms;
	assert_true(mailbox_push(request->answer_to, &request->letter));
	place_turn(place);
}

static void let_in(struct config *config, enum listener_auth auth)
{
	for (size_t i = 0; i < config->listener_count; i++)
		config->listeners[i].auth = auth;
}

static int setup(void **state)
{
	static struct place place;

	asked_count = 0;
	place_open_with(&place, PLACE_MAP, any_desk);
	let_in(place.config, LISTENER_AUTH_OPTIONAL);
	*state = &place;
	return 0;
}

static int teardown(void **state)
{
	place_close(*state);
	return 0;
}

static void open_protected(struct client *client, struct place *place, unsigned listener)
{
	client_open_from(client, place, listener, "192.0.2.1:4711");
	place_protect(place);
	assert_string_equal(client_hear(client), BANNER);
	client_say(client, "EHLO client.example\r\n");
	assert_non_null(strstr(client_hear(client), "\r\n250-AUTH PLAIN LOGIN\r\n"));
}

static void check_asked(size_t number, const char *account, const char *password)
{
	assert_int_equal(asked_count, number + 1);
	assert_string_equal(asked[number]->account, account);
	assert_string_equal(asked[number]->password, password);
}

/* ---- what is said ---- */

static void test_q90_q91_login_has_the_usual_prompts_and_takes_a_name_at_once(void **state)
{
	struct place *place = *state;
	struct client client;

	open_protected(&client, place, PLACE_FRAGILE);
	client_check(&client, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
	client_check(&client, NAME_ANNA "\r\n", "334 UGFzc3dvcmQ6\r\n");
	client_check(&client, SECRET "\r\n", "");
	check_asked(0, "anna", "secret");
	assert_true(asked[0]->fragile);
	answer(place, 0, AUTH_WRONG, 0);
	client_check(&client, "", WRONG);
	client_check(&client, "auth login " NAME_ANNA "\r\n", "334 UGFzc3dvcmQ6\r\n");
	client_check(&client, SECRET "\r\n", "");
	check_asked(1, "anna", "secret");
	answer(place, 1, AUTH_RIGHT, 0);
	client_check(&client, "", RIGHT);
	client_leave(&client);
}

static void test_q92_plain_without_a_response_is_asked_by_334_and_a_space(void **state)
{
	struct place *place = *state;
	struct client client;

	open_protected(&client, place, PLACE_STANDARD);
	client_check(&client, "AUTH PLAIN\r\n", "334 \r\n");
	client_check(&client, PLAIN_ANNA "\r\n", "");
	check_asked(0, "anna", "secret");
	assert_false(asked[0]->fragile);
	answer(place, 0, AUTH_RIGHT, 0);
	client_check(&client, "", RIGHT);
	client_check_code(&client, "AUTH PLAIN " PLAIN_ANNA "\r\n", "503 5.5.1");
	client_leave(&client);
}

static void test_q93_odd_fields_of_plain_are_taken_from_devices_only(void **state)
{
	static const char *const odd[] = {
		"YW5uYQBzZWNyZXQ=", /* anna NUL secret */
		"AGFubmEAc2VjcmV0AA==", /* NUL anna NUL secret NUL */
		"YW5uYQBzZWNyZXQA", /* anna NUL secret NUL */
		"YW5uYQBhbm5hAHNlY3JldA==", /* anna NUL anna NUL secret */
	};
	struct place *place = *state;
	struct client client;
	char line[128];

	for (size_t i = 0; i < 4; i++) {
		snprintf(line, sizeof(line), "AUTH PLAIN %s\r\n", odd[i]);
		open_protected(&client, place, PLACE_FRAGILE);
		client_check(&client, line, "");
		check_asked(i, "anna", "secret");
		answer(place, i, AUTH_RIGHT, 0);
		client_check(&client, "", RIGHT);
		client_leave(&client);
	}
	open_protected(&client, place, PLACE_STANDARD);
	client_check_code(&client, "AUTH PLAIN YW5uYQBzZWNyZXQ=\r\n", "501 5.5.2");
	client_check_code(&client, "AUTH PLAIN AGFubmEAc2VjcmV0AA==\r\n", "501 5.5.2");
	assert_int_equal(asked_count, 4);
	client_check(&client, "AUTH PLAIN YW5uYQBhbm5hAHNlY3JldA==\r\n", "");
	assert_int_equal(asked_count, 5);
	answer(place, 4, AUTH_RIGHT, 0);
	client_check(&client, "", RIGHT);
	client_leave(&client);
}

static void bad_input_is_refused_and_the_session_goes_on(void **state)
{
	static const struct {
		const char *say, *code;
	} rows[] = {
		{"AUTH PLAIN AGFubmEAc2VjcmV0=\r\n", "501 5.5.2"},
		{"AUTH PLAIN AGFu bmEA\r\n", "501 5.5.2"}, {"AUTH PLAIN =\r\n", "501 5.5.2"},
		{"AUTH PLAIN ====\r\n", "501 5.5.2"}, {"AUTH PLAIN *\r\n", "501 5.5.2"},
		{"AUTH LOGIN AGFubmE=\r\n", "501 5.5.2"}, /* NUL anna */
		{"AUTH PLAIN cm9vdABhbm5hAHNlY3JldA==\r\n", "535 5.7.8"}, /* root for anna */
		{"AUTH\r\n", "501 5.5.4"}, {"AUTH CRAM-MD5\r\n", "504 5.5.4"},
		{"AUTH NTLM TlRMTVNTUAABAAAA\r\n", "504 5.5.4"},
		{"AUTH PLAIN AGEKYgBj\r\n", "535 5.7.8"}, /* a line end in the name */
	};
	struct place *place = *state;
	struct client client;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		open_protected(&client, place, PLACE_STANDARD);
		client_check_code(&client, rows[i].say, rows[i].code);
		client_check_code(&client, "MAIL FROM:<a@example.org>\r\n", "250 2.1.0");
		client_leave(&client);
	}
	assert_int_equal(asked_count, 0);
}

static void star_cancels_at_each_prompt(void **state)
{
	static const char *const dialogues[] = {
		"AUTH PLAIN\r\n", "AUTH LOGIN\r\n", "AUTH LOGIN " NAME_ANNA "\r\n"};
	struct client client;

	open_protected(&client, *state, PLACE_STANDARD);
	for (size_t i = 0; i < 3; i++) {
		client_check_code(&client, dialogues[i], "334 ");
		client_check_code(&client, "*\r\n", "501 5.7.0");
	}
	client_check_code(&client, "NOOP\r\n", "250 2.0.0");
	client_leave(&client);
}

static void long_responses_are_read_to_their_end(void **state)
{
	static char line[20000];
	struct place *place = *state;
	struct client client;

	open_protected(&client, place, PLACE_STANDARD);
	/* the longest that may be (RFC 4954 4): too long a password, and the desk is not asked */
	memset(line, 'A', sizeof(line));
	client_check(&client, "AUTH LOGIN " NAME_ANNA "\r\n", "334 UGFzc3dvcmQ6\r\n");
	client_say_sized(&client, line, SASL_LINE_BYTES - 4);
	client_check_code(&client, "\r\n", "501 5.5.2"); /* it is nothing but NULs */
	client_check(&client, "AUTH LOGIN " NAME_ANNA "\r\n", "334 UGFzc3dvcmQ6\r\n");
	memset(line, 'Y', sizeof(line));
	client_say_sized(&client, line, SASL_LINE_BYTES - 4);
	client_check(&client, "\r\n", WRONG);
	client_check(&client, "AUTH PLAIN\r\n", "334 \r\n");
	client_say_sized(&client, line, sizeof(line));
	client_check(&client, "\r\nNOOP\r\n", "500 5.5.6 Response is too long\r\n250 2.0.0 Ok\r\n");
	client_say(&client, "AUTH PLAIN ");
	client_say_sized(&client, line, sizeof(line));
	client_check(&client, "\r\nNOOP\r\n", "500 5.5.6 Response is too long\r\n250 2.0.0 Ok\r\n");
	assert_int_equal(asked_count, 0);
	client_leave(&client);
}

/* ---- when ---- */

static void auth_is_refused_before_ehlo_and_within_a_message(void **state)
{
	struct client client;

	client_open_from(&client, *state, PLACE_STANDARD, "192.0.2.1:4711");
	place_protect(*state);
	client_hear(&client);
	client_check_code(&client, "AUTH PLAIN " PLAIN_ANNA "\r\n", "503 5.5.1");
	client_leave(&client);
	open_protected(&client, *state, PLACE_STANDARD);
	client_check_code(&client, "MAIL FROM:<a@example.org>\r\n", "250 2.1.0");
	client_check_code(&client, "AUTH PLAIN " PLAIN_ANNA "\r\n", "503 5.5.1");
	client_check_code(&client, "RCPT TO:<b@example.edu>\r\n", "250 2.1.5");
	client_leave(&client);
	assert_int_equal(asked_count, 0);
}

static void passwords_are_not_taken_in_clear(void **state)
{
	struct client client;

	client_open_from(&client, *state, PLACE_STANDARD, "192.0.2.1:4711");
	client_say(&client, "EHLO x\r\n");
	assert_null(strstr(client_hear(&client), "AUTH"));
	client_check_code(&client, "AUTH PLAIN " PLAIN_ANNA "\r\n", "538 5.7.11");
	client_check_code(&client, "AUTH LOGIN\r\n", "538 5.7.11");
	client_check_code(&client, "MAIL FROM:<a@example.org>\r\n", "250 2.1.0");
	assert_int_equal(asked_count, 0);
	client_leave(&client);
}

static void test_q96_auth_without_an_offer(void **state)
{
	struct place *place = *state;
	struct client client;

	client_open_from(&client, place, PLACE_FRAGILE, "192.0.2.1:4711");
	place_protect(place);
	client_hear(&client);
	client_check_code(&client, "HELO x\r\n", "250 ");
	client_check(&client, "AUTH PLAIN " PLAIN_ANNA "\r\n", "");
	check_asked(0, "anna", "secret");
	answer(place, 0, AUTH_RIGHT, 0);
	client_check(&client, "", RIGHT);
	client_leave(&client);
	let_in(place->config, LISTENER_AUTH_OFF);
	client_open(&client, place, PLACE_FRAGILE);
	client_check_code(&client, "AUTH PLAIN " PLAIN_ANNA "\r\n", "502 5.5.1");
	client_check(&client, ENVELOPE, GO_AHEAD);
	client_leave(&client);
	assert_int_equal(asked_count, 1);
}

static void mail_needs_auth_where_it_is_required(void **state)
{
	struct place *place = *state;
	struct client client;

	let_in(place->config, LISTENER_AUTH_REQUIRED);
	client_open(&client, place, PLACE_STANDARD);
	client_check(&client, "MAIL FROM:<a@example.org>\r\n",
		"530 5.7.0 Send STARTTLS and AUTH first\r\n");
	client_leave(&client);
	open_protected(&client, place, PLACE_STANDARD);
	client_check(&client, "MAIL FROM:<a@example.org>\r\n",
		"530 5.7.0 Authentication is required\r\n");
	client_check_code(&client, "RCPT TO:<b@example.edu>\r\n", "503 5.5.1");
	client_check(&client, "AUTH PLAIN " PLAIN_ANNA "\r\n", "");
	answer(place, 0, AUTH_RIGHT, 0);
	client_check(&client, "", RIGHT);
	client_check(&client, ENVELOPE, GO_AHEAD);
	client_check_code(&client, "x\r\n.\r\n", "250 2.0.0");
	client_leave(&client);
}

static void what_stands_behind_auth_waits_for_its_answer(void **state)
{
	struct place *place = *state;
	struct client client;

	open_protected(&client, place, PLACE_STANDARD);
	client_check(&client, "AUTH PLAIN " PLAIN_ANNA "\r\nNOOP\r\nQUIT\r\n", "");
	answer(place, 0, AUTH_RIGHT, 0);
	client_check(&client, "", RIGHT "250 2.0.0 Ok\r\n221 2.0.0 relay.example.edu bye\r\n");
	client_leave(&client);
}

/* ---- what comes of it ---- */

static void message_tells_the_account_and_that_it_was_one(void **state)
{
	struct place *place = *state;
	struct envelope *envelope;
	struct client client;
	struct reader reader;
	char text[STORE_PIECE_BYTES + 1];
	ssize_t got;

	client_open_from(&client, place, PLACE_STANDARD, "198.51.100.1:4711");
	place_protect(place);
	client_say(&client, "EHLO client.example\r\nAUTH PLAIN " PLAIN_ANNA "\r\n");
	client_hear(&client);
	answer(place, 0, AUTH_RIGHT, 0);
	client_check(&client, "", RIGHT);
	client_check(&client, "MAIL FROM:<a@example.org> AUTH=e+3Dmc2@example.org\r\n",
		"250 2.1.0 Ok\r\n");
	client_say(&client, "RCPT TO:<b@example.edu>\r\nDATA\r\n");
	client_hear(&client);
	client_check_code(&client, "x\r\n.\r\n", "250 2.0.0");
	envelope = place_first(place);
	assert_non_null(envelope);
	assert_string_equal(envelope->account, "anna");
	reader_init(&reader, place->scene.view, envelope, READ_EIGHTBIT);
	got = reader_next(&reader, text);
	assert_true(got > 0);
	text[got] = '\0';
	reader_fini(&reader);
	assert_non_null(strstr(text, " with ESMTP"));
	assert_non_null(strstr(text, "A id "));
	assert_null(strstr(text, "anna"));
	envelope_close(&envelope);
	client_leave(&client);
}

static void delay_holds_the_reply_and_nothing_else(void **state)
{
	struct place *place = *state;
	struct client client, other;

	open_protected(&client, place, PLACE_STANDARD);
	client_check(&client, "AUTH PLAIN " PLAIN_ANNA "\r\nNOOP\r\n", "");
	answer(place, 0, AUTH_WRONG, 5000);
	client_check(&client, "", "");
	client_open(&other, place, PLACE_STANDARD);
	client_check_code(&other, "NOOP\r\n", "250 ");
	place_advance(place, 4999);
	client_check(&client, "", "");
	place_advance(place, 1);
	client_check(&client, "", WRONG "250 2.0.0 Ok\r\n");
	client_leave(&other);
	client_leave(&client);
}

static void test_q98_three_failures_end_it(void **state)
{
	struct place *place = *state;
	struct client client;

	open_protected(&client, place, PLACE_STANDARD);
	for (size_t i = 0; i < 3; i++) {
		client_check(&client, "AUTH PLAIN " PLAIN_ANNA "\r\n", "");
		answer(place, i, i == 1 ? AUTH_LOCKED : AUTH_WRONG, 0);
		client_check(
			&client, "", i < 2 ? WRONG : WRONG "421 4.7.0 Too many failed logins\r\n");
	}
	assert_true(client_is_closed(&client));
	client_leave(&client);
	open_protected(&client, place, PLACE_FRAGILE);
	for (size_t i = 3; i < 6; i++) {
		client_check(&client, "AUTH PLAIN " PLAIN_ANNA "\r\n", "");
		answer(place, i, AUTH_WRONG, 0);
		client_check(&client, "", WRONG);
	}
	for (size_t i = 0; i < 30; i++)
		client_check_code(&client, "AUTH PLAIN " PLAIN_ANNA "\r\n", "535 5.7.8");
	assert_int_equal(asked_count, 6);
	client_check(&client, ENVELOPE, GO_AHEAD);
	client_check_code(&client, "x\r\n.\r\n", "250 2.0.0");
	client_leave(&client);
}

static void desk_that_cannot_tell_is_454_and_a_device_waits(void **state)
{
	struct place *place = *state;
	struct client client;

	open_protected(&client, place, PLACE_STANDARD);
	client_check(&client, "AUTH PLAIN " PLAIN_ANNA "\r\n", "");
	answer(place, 0, AUTH_UNAVAILABLE, 0);
	client_check_code(&client, "", "454 4.7.0");
	client_leave(&client);
	open_protected(&client, place, PLACE_FRAGILE);
	client_check(&client, "AUTH PLAIN " PLAIN_ANNA "\r\n", "");
	for (size_t i = 1; i < 5; i++) {
		check_asked(i, "anna", "secret");
		answer(place, i, AUTH_UNAVAILABLE, 0);
		client_check(&client, "", "");
		place_advance(place, 1000);
	}
	check_asked(5, "anna", "secret");
	answer(place, 5, AUTH_RIGHT, 0);
	client_check(&client, "", RIGHT);
	client_leave(&client);
	open_protected(&client, place, PLACE_FRAGILE);
	client_check(&client, "AUTH PLAIN " PLAIN_ANNA "\r\n", "");
	answer(place, 6, AUTH_UNAVAILABLE, 0);
	place_advance(place, 240000);
	answer(place, 7, AUTH_UNAVAILABLE, 0);
	client_check_code(&client, "", "535 5.7.0");
	client_check(&client, ENVELOPE, GO_AHEAD);
	client_leave(&client);
}

/* ---- many, and those who go ---- */

static void requests_over_the_credits_wait_and_who_goes_is_not_asked_about(void **state)
{
	static struct client clients[AUTH_CREDITS + 3];
	struct place *place = *state;

	for (size_t i = 0; i < AUTH_CREDITS + 3; i++) {
		open_protected(&clients[i], place, PLACE_STANDARD);
		client_check(&clients[i], "AUTH PLAIN " PLAIN_ANNA "\r\n", "");
	}
	assert_int_equal(asked_count, AUTH_CREDITS);
	client_leave(&clients[AUTH_CREDITS]); /* waits for its turn */
	client_leave(&clients[0]); /* is asked about */
	assert_int_equal(asked_count, AUTH_CREDITS);
	for (size_t i = 0; i < AUTH_CREDITS + 2; i++)
		answer(place, i, AUTH_RIGHT, 0);
	assert_int_equal(asked_count, AUTH_CREDITS + 2);
	for (size_t i = 1; i < AUTH_CREDITS + 3; i++) {
		if (i == AUTH_CREDITS)
			continue;
		client_check(&clients[i], "", RIGHT);
		client_leave(&clients[i]);
	}
	assert_int_equal(place_sessions(place), 0);
}

static void client_that_goes_is_freed_behind_the_answer(void **state)
{
	struct place *place = *state;
	struct client client;
	struct linger reset = {.l_onoff = 1};

	open_protected(&client, place, PLACE_STANDARD);
	client_check(&client, "AUTH PLAIN " PLAIN_ANNA "\r\n", "");
	smtp_service.cut(place->service);
	assert_int_equal(place_sessions(place), 1);
	answer(place, 0, AUTH_RIGHT, 0);
	assert_int_equal(place_sessions(place), 0);
	client_leave(&client);
	open_protected(&client, place, PLACE_STANDARD);
	client_check(&client, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
	setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	client_leave(&client);
	assert_int_equal(place_sessions(place), 0);
}

static void response_that_does_not_come_times_out(void **state)
{
	struct client client;

	open_protected(&client, *state, PLACE_STANDARD);
	client_check_code(&client, "AUTH LOGIN\r\n", "334 ");
	place_advance(*state, 300000);
	client_check_code(&client, "", "421 4.4.2");
	assert_true(client_is_closed(&client));
	client_leave(&client);
}

static void stopping_says_what_is_held(void **state)
{
	struct place *place = *state;
	struct client client;

	open_protected(&client, place, PLACE_STANDARD);
	client_check(&client, "AUTH PLAIN " PLAIN_ANNA "\r\n", "");
	answer(place, 0, AUTH_WRONG, 60000);
	smtp_service.stopping(place->service);
	client_check(&client, "", WRONG "421 4.3.2 Service is stopping, try again later\r\n");
	client_leave(&client);
}

/* Nothing that the session or its worker has still holds the password once it is answered. */
static void password_is_wiped(void **state)
{
	struct place *place = *state;
	struct channel_desk *desk = &place_shared(place)->desk;
	struct client client;

	open_protected(&client, place, PLACE_STANDARD);
	client_check(&client, "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n");
	client_check(&client, NAME_ANNA "\r\n", "334 UGFzc3dvcmQ6\r\n");
	client_say(&client, "c2Vj");
	place_turn(place);
	assert_null(memmem(desk->input, desk->input_capacity, "c2Vj", 4));
	client_say(&client, "cmV0\r\n");
	place_turn(place);
	assert_null(memmem(desk->input, desk->input_capacity, "cmV0", 4));
	client_check(&client, "", "");
	check_asked(0, "anna", "secret");
	answer(place, 0, AUTH_WRONG, 1000);
	place_advance(place, 1000);
	client_check(&client, "", WRONG);
	client_check(&client, "AUTH PLAIN " PLAIN_ANNA "\r\n", "");
	assert_null(memmem(desk->input, desk->input_capacity, PLAIN_ANNA, 16));
	answer(place, 1, AUTH_RIGHT, 0);
	client_leave(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_q90_q91_login_has_the_usual_prompts_and_takes_a_name_at_once),
		TEST(test_q92_plain_without_a_response_is_asked_by_334_and_a_space),
		TEST(test_q93_odd_fields_of_plain_are_taken_from_devices_only),
		TEST(bad_input_is_refused_and_the_session_goes_on),
		TEST(star_cancels_at_each_prompt),
		TEST(long_responses_are_read_to_their_end),
		TEST(auth_is_refused_before_ehlo_and_within_a_message),
		TEST(passwords_are_not_taken_in_clear),
		TEST(test_q96_auth_without_an_offer),
		TEST(mail_needs_auth_where_it_is_required),
		TEST(what_stands_behind_auth_waits_for_its_answer),
		TEST(message_tells_the_account_and_that_it_was_one),
		TEST(delay_holds_the_reply_and_nothing_else),
		TEST(test_q98_three_failures_end_it),
		TEST(desk_that_cannot_tell_is_454_and_a_device_waits),
		TEST(requests_over_the_credits_wait_and_who_goes_is_not_asked_about),
		TEST(client_that_goes_is_freed_behind_the_answer),
		TEST(response_that_does_not_come_times_out),
		TEST(stopping_says_what_is_held),
		TEST(password_is_wiped),
	};

	return cmocka_run_group_tests_name("smtp/login", tests, NULL, NULL);
}
