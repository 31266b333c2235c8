#include "tests/unit/smtp/place.h"

static int setup(void **state)
{
	static struct place place;

	place_open(&place, PLACE_MAP);
	*state = &place;
	return 0;
}

static int teardown(void **state)
{
	place_close(*state);
	return 0;
}

/* ---- greeting and order ---- */

static void ehlo_offers_what_is_done_and_nothing_else(void **state)
{
	struct client client;

	client_open_from(&client, *state, PLACE_STANDARD, "192.0.2.1:4711");
	client_check(&client, "EHLO client.example\r\n",
		BANNER "250-relay.example.edu greets 192.0.2.1\r\n"
		       "250-PIPELINING\r\n250-SIZE 1048576\r\n250-8BITMIME\r\n"
		       "250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n"
		       "250-SMTPUTF8\r\n250 LIMITS RCPTMAX=100\r\n");
	client_check(&client, "QUIT\r\n", "221 2.0.0 relay.example.edu bye\r\n");
	assert_true(client_is_closed(&client));
	client_leave(&client);
}

static void early_talker_is_answered_in_order(void **state)
{
	struct client client;

	client_open_from(&client, *state, PLACE_STANDARD, "192.0.2.1:4711");
	client_check(&client, "HELO client.example\r\nNOOP\r\nVRFY x\r\nQUIT\r\n",
		BANNER "250 relay.example.edu\r\n250 2.0.0 Ok\r\n"
		       "252 2.5.2 Not verified, send the mail and it is tried\r\n"
		       "221 2.0.0 relay.example.edu bye\r\n");
	client_leave(&client);
}

static void half_closed_client_hears_all_its_replies(void **state)
{
	struct client client;

	client_open_from(&client, *state, PLACE_STANDARD, "192.0.2.1:4711");
	client_say(&client, "HELO client.example\r\n" ENVELOPE "x\r\n.\r\nNOOP\r\nNOO");
	shutdown(client.fd, SHUT_WR);
	assert_non_null(strstr(client_hear(&client), "354 "));
	assert_true(client_is_closed(&client));
	assert_int_equal(place_count(*state), 1);
	client_leave(&client);
}

static void commands_out_of_order_and_wrong_ones_are_refused(void **state)
{
	static const struct {
		const char *say, *code;
	} lines[] = {
		{"MAIL FROM:<a@example.org>\r\n", "503 5.5.1"},
		{"DATA\r\n", "503 5.5.1"},
		{"EHLO\r\n", "501 5.5.4"},
		{"EHLO a b\r\n", "501 5.5.4"},
		{"HELO a\r\n", "250 "},
		{"RCPT TO:<b@example.edu>\r\n", "503 5.5.1"},
		{"STARTTLS\r\n", "502 5.5.1"},
		{"EXPN x\r\n", "502 5.5.1"},
		{"QUIT now\r\n", "501 5.5.4"},
	};
	struct client client;

	client_open_from(&client, *state, PLACE_STANDARD, "192.0.2.1:4711");
	client_hear(&client);
	for (size_t i = 0; i < 3; i++)
		client_check_code(&client, lines[i].say, lines[i].code);
	for (size_t i = 3; i < 6; i++)
		client_check_code(&client, lines[i].say, lines[i].code);
	client_leave(&client);
	client_open(&client, *state, PLACE_STANDARD);
	for (size_t i = 6; i < sizeof(lines) / sizeof(lines[0]); i++)
		client_check_code(&client, lines[i].say, lines[i].code);
	client_check_code(&client, "MAIL FROM:<a@example.org>\r\n", "250 2.1.0");
	client_check_code(&client, "MAIL FROM:<a@example.org>\r\n", "503 5.5.1");
	client_check_code(&client, "DATA\r\n", "503 5.5.1");
	client_check_code(&client, "RSET\r\n", "250 2.0.0");
	client_check_code(&client, "MAIL FROM:<a@example.org>\r\n", "250 2.1.0");
	client_check_code(&client, "HELO again\r\n", "250 ");
	client_check_code(&client, "DATA\r\n", "503 5.5.1");
	client_leave(&client);
}

static void parameters_of_mail_and_rcpt_are_checked(void **state)
{
	static const struct {
		const char *say, *code;
	} lines[] = {
		{"MAIL FROM:<a@b> SIZE=-1\r\n", "501 5.5.4"},
		{"MAIL FROM:<a@b> SIZE=123456789012345678901\r\n", "501 5.5.4"},
		{"MAIL FROM:<a@b> SIZE=99999999999999999999\r\n", "552 5.3.4"},
		{"MAIL FROM:<a@b> SIZE=1048577\r\n", "552 5.3.4"},
		{"MAIL FROM:<a@b> SIZE=\r\n", "501 5.5.4"},
		{"MAIL FROM:<a@b> BODY=BINARYMIME\r\n", "501 5.5.4"},
		{"MAIL FROM:<a@b> BODY\r\n", "501 5.5.4"},
		{"MAIL FROM:<a@b> RET=HDRS\r\n", "555 5.5.4"},
		{"MAIL FROM:<a@b>x\r\n", "501 5.5.4"},
		{"MAIL FROM: <a@b>\r\n", "501 5.1.7"},
		{"MAIL FROM:a@b\r\n", "501 5.1.7"},
		{"MAIL TO:<a@b>\r\n", "501 5.1.7"},
		{"MAIL FROM:<\xc3\xa4@b>\r\n", "553 5.6.7"},
		{"MAIL FROM:<a@b> BODY=8bitmime SIZE=1048576\r\n", "250 2.1.0"},
	};
	struct client client;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		client_open(&client, *state, PLACE_STANDARD);
		client_check_code(&client, lines[i].say, lines[i].code);
		client_leave(&client);
	}
	client_open(&client, *state, PLACE_STANDARD);
	client_check_code(&client, "MAIL FROM:<>\r\n", "250 2.1.0");
	client_check_code(&client, "RCPT TO:<b@example.edu> NOTIFY=NEVER\r\n", "555 5.5.4");
	client_check_code(&client, "RCPT TO:<b@elsewhere.example>\r\n", "550 5.4.4");
	client_check_code(&client, "RCPT TO:<>\r\n", "501 5.1.3");
	client_check_code(&client, "RCPT TO:<b@example.edu>\r\n", "250 2.1.5");
	client_leave(&client);
}

/* ---- messages ---- */

static void message_is_answered_when_it_is_durable_and_not_before(void **state)
{
	struct place *place = *state;
	struct client client;

	client_open(&client, place, PLACE_STANDARD);
	client_check(&client, ENVELOPE, GO_AHEAD);
	place->writer_rests = true;
	client_check(&client, "Subject: x\r\n\r\n..dot\r\n.\r\n", "");
	assert_int_equal(place_count(place), 0);
	place->writer_rests = false;
	client_check_code(&client, "", "250 2.0.0 Ok: queued as ");
	assert_int_equal(place_count(place), 1);
	client_leave(&client);
}

static void envelope_says_what_is_known(void **state)
{
	struct place *place = *state;
	struct envelope *envelope;
	struct client client;
	size_t size;
	char *text;

	client_open(&client, place, PLACE_STANDARD);
	client_say(&client, "MAIL FROM:<a@example.org> BODY=8BITMIME\r\n"
			    "RCPT TO:<b@example.edu>\r\nRCPT TO:<c@example.edu>\r\nDATA\r\n"
			    "Subject: \xc3\xa4\r\n\r\n..dot\r\n.\r\n");
	client_hear(&client);
	envelope = place_first(place);
	assert_non_null(envelope);
	assert_string_equal(envelope->reverse_path, "a@example.org");
	assert_string_equal(envelope->client, "192.0.2.1");
	assert_string_equal(envelope->helo, "client.example");
	assert_string_equal(envelope->listener, "plain");
	assert_int_equal(envelope->flags & ~(uint32_t)ENVELOPE_SEVENBIT_POSSIBLE,
		ENVELOPE_EIGHTBIT | ENVELOPE_HAS_DOTS | ENVELOPE_BODY_8BITMIME |
			ENVELOPE_HEADER_EIGHTBIT);
	assert_int_equal(envelope->recipient_count, 2);
	assert_string_equal(envelope->recipients[0].address, "b@example.edu");
	assert_string_equal(envelope->recipients[1].address, "c@example.edu");
	assert_int_equal(envelope->recipients[1].state, RECIPIENT_SCANNING);
	assert_int_equal(envelope->recipients[1].upstream, place->scene.upstream);
	assert_int_equal(envelope->lane, LANE_NORMAL);
	assert_int_equal(envelope->received_unix_ms, clock_unix_ms(&place->scene.turned.clock));
	text = place_text(place, envelope, &size);
	assert_string_equal(text, "Subject: \xc3\xa4\r\n\r\n.dot\r\n");
	free(text);
	envelope_close(&envelope);
	client_leave(&client);
}

/* Two messages and QUIT in one packet, and in every cut: the same replies in the same order. */
static void pipelined_messages_are_answered_in_order_however_they_are_cut(void **state)
{
	static const char input[] = ENVELOPE "one\r\n.\r\n" ENVELOPE "two\r\n.\r\nQUIT\r\n";
	struct place *place = *state;
	uint64_t stored = 0;

	for (size_t step = 1; step < sizeof(input); step += 1 + step / 2) {
		struct client client;
		char codes[512] = "";
		size_t length = 0;

		client_open(&client, place, PLACE_STANDARD);
		for (size_t at = 0; at < sizeof(input) - 1; at += step) {
			size_t rest = sizeof(input) - 1 - at;

			client_say_sized(&client, input + at, rest < step ? rest : step);
			for (const char *line = client_hear(&client); *line != '\0';
				line = strstr(line, "\r\n") + 2)
				length += (size_t)snprintf(
					codes + length, sizeof(codes) - length, "%.3s", line);
		}
		assert_string_equal(codes, "250250354250250250354250221");
		assert_true(client_is_closed(&client));
		stored += 2;
		assert_int_equal(place_count(place), stored);
		client_leave(&client);
	}
}

static void fill_lines(char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		text[i] = (char)('a' + i * 7 % 26 + i / 64 % 3);
	for (size_t i = 78; i + 2 <= size; i += 80)
		memcpy(text + i, "\r\n", 2);
	memcpy(text + size - 2, "\r\n", 2);
}

static void large_message_goes_to_the_store_while_it_arrives(void **state)
{
	static char body[1000000];
	struct place *place = *state;
	uint64_t commits = metric_value(METRIC_COMMITS);
	struct envelope *envelope;
	struct client client;
	size_t size;
	char *text;

	fill_lines(body, sizeof(body));
	client_open(&client, place, PLACE_STANDARD);
	client_check(&client, ENVELOPE, GO_AHEAD);
	client_say_sized(&client, body, sizeof(body));
	place_turn(place);
	assert_true(metric_value(METRIC_COMMITS) > commits + 1);
	assert_int_equal(place_count(place), 0);
	client_check_code(&client, ".\r\n", "250 2.0.0");
	envelope = place_first(place);
	assert_non_null(envelope);
	text = place_text(place, envelope, &size);
	assert_int_equal(size, sizeof(body));
	assert_memory_equal(text, body, size);
	free(text);
	envelope_close(&envelope);
	client_leave(&client);
}

static void session_that_waits_for_the_writer_stops_reading(void **state)
{
	static char body[1000000];
	struct place *place = *state;
	struct client client;
	size_t sent = 0;
	ssize_t got;

	fill_lines(body, sizeof(body));
	client_open(&client, place, PLACE_STANDARD);
	client_check(&client, ENVELOPE, GO_AHEAD);
	place->writer_rests = true;
	do {
		got = send(client.fd, body + sent, sizeof(body) - sent, 0);
		sent += got > 0 ? (size_t)got : 0;
		place_turn(place);
	} while (got > 0 && sent < sizeof(body));
	assert_true(got < 0 && sent < sizeof(body));
	place->writer_rests = false;
	client_say_sized(&client, body + sent, sizeof(body) - sent);
	client_check_code(&client, ".\r\n", "250 2.0.0");
	client_leave(&client);
}

static void sessions_without_credit_wait_for_their_turn(void **state)
{
	struct place *place = *state;
	struct client clients[PLACE_CREDITS * 3];

	place->writer_rests = true;
	for (size_t i = 0; i < PLACE_CREDITS * 3; i++) {
		client_open(&clients[i], place, PLACE_STANDARD);
		client_check(&clients[i], ENVELOPE "x\r\n.\r\n", GO_AHEAD);
	}
	place->writer_rests = false;
	for (size_t i = 0; i < PLACE_CREDITS * 3; i++)
		client_check_code(&clients[i], "", "250 2.0.0");
	assert_int_equal(place_count(place), PLACE_CREDITS * 3);
	for (size_t i = 0; i < PLACE_CREDITS * 3; i++)
		client_leave(&clients[i]);
}

static void client_that_goes_in_the_text_leaves_nothing(void **state)
{
	static char body[500000];
	struct place *place = *state;
	struct store_batch *batch;
	uint64_t orphan, seen;

	fill_lines(body, sizeof(body));
	for (size_t size = 10; size <= sizeof(body); size *= 30) {
		struct client client;

		client_open(&client, place, PLACE_STANDARD);
		client_check(&client, ENVELOPE, GO_AHEAD);
		client_say_sized(&client, body, size);
		client_leave(&client);
		assert_int_equal(place_sessions(place), 0);
	}
	assert_int_equal(place_count(place), 0);
	assert_int_equal(store_begin(place->scene.store, &batch), 0);
	assert_int_equal(store_orphans(batch, 0, &orphan, 1, &seen), 0);
	store_abort(&batch);
}

static void client_that_goes_behind_the_dot_has_its_message_kept(void **state)
{
	struct place *place = *state;
	struct client client;

	client_open(&client, place, PLACE_STANDARD);
	client_check(&client, ENVELOPE, GO_AHEAD);
	place->writer_rests = true;
	client_check(&client, "x\r\n.\r\n", "");
	client_leave(&client);
	place->writer_rests = false;
	place_turn(place);
	assert_int_equal(place_count(place), 1);
	assert_int_equal(place_sessions(place), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(ehlo_offers_what_is_done_and_nothing_else),
		TEST(early_talker_is_answered_in_order),
		TEST(half_closed_client_hears_all_its_replies),
		TEST(commands_out_of_order_and_wrong_ones_are_refused),
		TEST(parameters_of_mail_and_rcpt_are_checked),
		TEST(message_is_answered_when_it_is_durable_and_not_before),
		TEST(envelope_says_what_is_known),
		TEST(pipelined_messages_are_answered_in_order_however_they_are_cut),
		TEST(large_message_goes_to_the_store_while_it_arrives),
		TEST(session_that_waits_for_the_writer_stops_reading),
		TEST(sessions_without_credit_wait_for_their_turn),
		TEST(client_that_goes_in_the_text_leaves_nothing),
		TEST(client_that_goes_behind_the_dot_has_its_message_kept),
	};

	return cmocka_run_group_tests_name("smtp/session", tests, NULL, NULL);
}
