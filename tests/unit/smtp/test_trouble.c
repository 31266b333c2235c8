/* A session's limits, deadlines and refusals, by profile. */
#include "tests/unit/smtp/place.h"

#include <malloc.h>

enum { PLACE_CROWD = 400 }; /* of the 500 places that place.h gives each listener */

static int setup(void **state)
{
	static struct place place;

	place_open(&place, PLACE_MAP);
	*state = &place;
	return 0;
}

static int setup_small_store(void **state)
{
	static struct place place;

	place_open(&place, 16 << 20);
	*state = &place;
	return 0;
}

static int teardown(void **state)
{
	place_close(*state);
	return 0;
}

/* ---- refusals ---- */

static void strangers_may_not_relay(void **state)
{
	struct client client;

	client_open_from(
		&client, *state, PLACE_STANDARD, "[2001:db8:1111:2222:3333:4444:5555:6666]:1");
	client_say(&client, "HELO x\r\nMAIL FROM:<a@example.org>\r\n");
	client_hear(&client);
	/* the longest address there is: still within 80 */
	client_check(&client, "RCPT TO:<b@example.edu>\r\nDATA\r\n",
		"550-5.7.1 2001:db8:1111:2222:3333:4444:5555:6666 may not send mail here, ask\r\n"
		"550 5.7.1 postmaster@relay.example.edu\r\n"
		"503 5.5.1 No recipient was accepted, send MAIL and RCPT first\r\n");
	client_leave(&client);
}

static void unix_socket_counts_as_loopback(void **state)
{
	struct client client;

	client_open_from(&client, *state, PLACE_STANDARD, "unix:/run/x");
	client_say(&client, "HELO x\r\nMAIL FROM:<a@example.org>\r\n");
	client_hear(&client);
	client_check_code(&client, "RCPT TO:<b@example.edu>\r\n", "250 2.1.5");
	client_leave(&client);
}

static void say_recipients(struct client *client, unsigned count)
{
	char line[64];

	client_say(client, "MAIL FROM:<a@example.org>\r\n");
	client_hear(client);
	for (unsigned i = 0; i < count; i++) {
		snprintf(line, sizeof(line), "RCPT TO:<r%u@example.edu>\r\n", i);
		client_check_code(client, line, "250 2.1.5");
	}
}

static void recipients_over_the_limit_are_refused_and_the_others_served(void **state)
{
	struct place *place = *state;
	struct client client;

	client_open(&client, place, PLACE_STANDARD);
	say_recipients(&client, 100);
	client_check_code(&client, "RCPT TO:<r@example.edu>\r\n", "452 4.5.3");
	client_check_code(&client, "DATA\r\n", "354 ");
	client_check_code(&client, "x\r\n.\r\n", "250 2.0.0");
	client_leave(&client);
	client_open(&client, place, PLACE_FRAGILE);
	say_recipients(&client, 1000);
	client_check_code(&client, "RCPT TO:<r@example.edu>\r\n", "550 5.5.3");
	client_check_code(&client, "DATA\r\n", "354 ");
	client_check_code(&client, "x\r\n.\r\n", "250 2.0.0");
	client_leave(&client);
	assert_int_equal(place_count(place), 2);
}

static void message_over_the_limit_is_refused_and_the_session_in_step(void **state)
{
	static char line[] = "0123456789012345678901234567890123456789012345678901234567890\r\n";
	struct place *place = *state;
	struct client client;

	client_open(&client, place, PLACE_STANDARD);
	client_check(&client, ENVELOPE, GO_AHEAD);
	for (size_t size = 0; size <= 1 << 20; size += sizeof(line) - 1)
		client_say_sized(&client, line, sizeof(line) - 1);
	client_check(&client, ".\r\nNOOP\r\n",
		"552 5.3.4 Message is larger than this relay takes\r\n250 2.0.0 Ok\r\n");
	assert_int_equal(place_count(place), 0);
	client_check(&client, ENVELOPE, GO_AHEAD);
	client_check_code(&client, "x\r\n.\r\n", "250 2.0.0");
	client_leave(&client);
}

static void message_of_exactly_the_limit_is_taken(void **state)
{
	static char text[(1 << 20) + 1];
	struct client client;

	memset(text, 'x', sizeof(text));
	for (size_t i = 64; i < sizeof(text) - 64; i += 64)
		memcpy(text + i, "\r\n", 2);
	memcpy(text + (1 << 20) - 2, "\r\n", 2);
	client_open(&client, *state, PLACE_STANDARD);
	client_check(&client, ENVELOPE, GO_AHEAD);
	client_say_sized(&client, text, 1 << 20);
	client_check_code(&client, ".\r\n", "250 2.0.0");
	client_check(&client, ENVELOPE, GO_AHEAD);
	client_say_sized(&client, "x", 1);
	client_say_sized(&client, text, 1 << 20);
	client_check_code(&client, ".\r\n", "552 5.3.4");
	client_leave(&client);
}

static void nul_and_loops_are_refused_behind_the_dot(void **state)
{
	struct place *place = *state;
	struct client client;

	client_open(&client, place, PLACE_STANDARD);
	client_check(&client, ENVELOPE, GO_AHEAD);
	client_say_sized(&client, "a\r\n\0.\r\n", 7);
	client_check_code(&client, ".\r\n", "554 5.6.0");
	for (int fields = 100; fields <= 101; fields++) {
		client_check(&client, ENVELOPE, GO_AHEAD);
		for (int i = 0; i < fields; i++)
			client_say(&client, "Received: from a by b; today\r\n");
		client_check_code(&client, "\r\n.\r\n", fields == 100 ? "250 2.0.0" : "554 5.4.6");
	}
	assert_int_equal(place_count(place), 1);
	client_leave(&client);
}

static void false_ends_and_what_they_smuggle_stay_text(void **state)
{
	static const char *const ends[] = {
		"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\r\n.\r\r\n"};
	struct place *place = *state;
	struct client client;

	client_open(&client, place, PLACE_STANDARD);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		client_check(&client, ENVELOPE, GO_AHEAD);
		client_say(&client, "one");
		client_say(&client, ends[i]);
		client_check_code(&client,
			"MAIL FROM:<evil@example.org>\r\nRCPT TO:<v@example.edu>\r\nDATA\r\n"
			"two\r\n.\r\n",
			"250 2.0.0");
		assert_int_equal(place_count(place), i + 1);
	}
	client_leave(&client);
}

static void too_many_bad_commands_end_the_session(void **state)
{
	struct client client;

	client_open(&client, *state, PLACE_STANDARD);
	for (int i = 0; i < 5; i++)
		client_check_code(&client, "NONSENSE\r\n", "500 5.5.1");
	client_check(&client, "NONSENSE\r\nNOOP\r\n",
		"500 5.5.1 Unknown command\r\n421 4.7.0 Too many errors\r\n");
	assert_true(client_is_closed(&client));
	client_leave(&client);
	client_open(&client, *state, PLACE_FRAGILE);
	for (int i = 0; i < 5; i++)
		client_check_code(&client, "NONSENSE\r\n", "500 5.5.1");
	client_check(&client, "NONSENSE\r\n", "500 5.5.1 Unknown command\r\n");
	assert_true(client_is_closed(&client));
	client_leave(&client);
}

static void other_protocols_are_dropped_at_once(void **state)
{
	static const char *const lines[] = {"GET / HTTP/1.1\r\n", "post /x HTTP/1.0\n",
		"CONNECT mx:25 HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b>\r\n"};
	struct client client;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		client_open(&client, *state, i == 0 ? PLACE_FRAGILE : PLACE_STANDARD);
		client_check(&client, lines[i], "");
		assert_true(client_is_closed(&client));
		client_leave(&client);
	}
	/* what was asked before is still answered */
	client_open(&client, *state, PLACE_STANDARD);
	client_check(&client, "NOOP\r\nGET / HTTP/1.1\r\nNOOP\r\n", "250 2.0.0 Ok\r\n");
	assert_true(client_is_closed(&client));
	client_leave(&client);
}

static void overlong_command_is_answered_once(void **state)
{
	static char line[100000];
	struct client client;

	memset(line, 'x', sizeof(line));
	memcpy(line, "MAIL FROM:<", 11);
	client_open(&client, *state, PLACE_STANDARD);
	client_say_sized(&client, line, sizeof(line));
	client_check(&client, "\r\nRCPT TO:<b@example.edu>\r\n",
		"500 5.5.2 Line too long\r\n503 5.5.1 Send MAIL first\r\n");
	client_leave(&client);
}

/* ---- deadlines ---- */

static void silent_client_is_timed_out(void **state)
{
	struct place *place = *state;
	uint64_t counted = metric_value(METRIC_FRAGILE_TIMED_OUT);
	struct client plain, device;

	client_open(&plain, place, PLACE_STANDARD);
	client_open(&device, place, PLACE_FRAGILE);
	place_advance(place, 299000);
	assert_int_equal(place_sessions(place), 2);
	place_advance(place, 2000);
	assert_string_equal(client_hear(&plain), "421 4.4.2 Timed out, closing connection\r\n");
	assert_true(client_is_closed(&plain));
	assert_int_equal(place_sessions(place), 1);
	place_advance(place, 298000); /* a device may be idle for ten minutes */
	assert_int_equal(place_sessions(place), 1);
	place_advance(place, 2000);
	assert_string_equal(client_hear(&device), "");
	assert_true(client_is_closed(&device));
	assert_int_equal(place_sessions(place), 0);
	assert_int_equal(metric_value(METRIC_FRAGILE_TIMED_OUT), counted + 1);
	client_leave(&plain);
	client_leave(&device);
}

static void single_bytes_do_not_lengthen_a_commands_deadline(void **state)
{
	struct place *place = *state;
	struct client client;

	client_open(&client, place, PLACE_STANDARD);
	for (int i = 0; i < 29; i++) {
		client_say(&client, "N");
		place_advance(place, 10000);
	}
	assert_int_equal(place_sessions(place), 1);
	client_say(&client, "N");
	place_advance(place, 11000);
	assert_int_equal(place_sessions(place), 0);
	client_leave(&client);
}

static void a_command_begins_a_new_deadline(void **state)
{
	struct place *place = *state;
	struct client client;

	client_open(&client, place, PLACE_STANDARD);
	for (int i = 0; i < 10; i++) {
		place_advance(place, 200000);
		client_check_code(&client, "NOOP\r\n", "250 ");
	}
	client_leave(&client);
}

static void text_has_a_deadline_between_reads_and_one_in_all(void **state)
{
	struct place *place = *state;
	struct client client;

	client_open(&client, place, PLACE_STANDARD);
	client_check(&client, ENVELOPE, GO_AHEAD);
	place_advance(place, 301000);
	client_check_code(&client, "", "421 4.4.2");
	client_leave(&client);
	client_open(&client, place, PLACE_STANDARD);
	client_check(&client, ENVELOPE, GO_AHEAD);
	for (int i = 0; i < 17; i++) {
		client_say(&client, "x\r\n");
		place_advance(place, 200000);
	}
	assert_int_equal(place_sessions(place), 1);
	client_say(&client, "x\r\n");
	place_advance(place, 201000);
	client_check_code(&client, "", "421 4.4.2");
	assert_true(client_is_closed(&client));
	assert_int_equal(place_count(place), 0);
	client_leave(&client);
}

/* Takes places of a listener until four fifths are taken. */
static void crowd(struct place *place, unsigned listener, struct admission_ticket *tickets)
{
	struct address peer;

	assert_int_equal(address_parse("192.0.2.77", &peer), 0);
	for (unsigned i = 0; i < PLACE_CROWD; i++)
		assert_int_equal(admission_enter(place->admission, listener, &peer, &tickets[i]),
			ADMISSION_IN);
	assert_true(admission_is_crowded(place->admission, listener));
}

static void disperse(struct place *place, const struct admission_ticket *tickets)
{
	for (unsigned i = 0; i < PLACE_CROWD; i++)
		admission_leave(place->admission, &tickets[i]);
}

/* F-24 */
static void trickle_of_text_is_cut_in_a_crowd_and_only_there(void **state)
{
	static struct admission_ticket tickets[PLACE_CROWD];
	struct place *place = *state;
	struct client trickle, slow, fragile;

	client_open(&trickle, place, PLACE_STANDARD);
	client_open(&slow, place, PLACE_STANDARD);
	client_open(&fragile, place, PLACE_FRAGILE);
	client_check(&trickle, ENVELOPE, GO_AHEAD);
	client_check(&slow, ENVELOPE, GO_AHEAD);
	client_check(&fragile, ENVELOPE, GO_AHEAD);
	for (int i = 0; i < 60; i++) {
		client_say(&trickle, "x\r\n");
		client_say(&slow, "x\r\n");
		client_say(&fragile, "x\r\n");
		place_advance(place, 10000);
	}
	assert_int_equal(place_sessions(place), 3);
	crowd(place, PLACE_STANDARD, tickets);
	for (int i = 0; i < 12; i++) {
		char text[6000];

		memset(text, 'y', sizeof(text)); /* 600 bytes a second */
		memcpy(text + sizeof(text) - 2, "\r\n", 2);
		client_say_sized(&slow, text, sizeof(text));
		if (i == 0)
			client_say(&trickle, "x\r\n");
		place_advance(place, 10000);
	}
	client_check_code(&trickle, "", "421 4.4.2");
	assert_true(client_is_closed(&trickle));
	client_check_code(&slow, ".\r\n", "250 2.0.0");
	disperse(place, tickets);
	/* its listener was not crowded */
	client_check_code(&fragile, ".\r\n", "250 2.0.0");
	client_leave(&trickle);
	client_leave(&slow);
	client_leave(&fragile);
}

/* A scanner that sent a page may take its time with the next one. */
static void pause_behind_much_text_is_no_trickle(void **state)
{
	static struct admission_ticket tickets[PLACE_CROWD];
	static char page[200000];
	struct place *place = *state;
	struct client client;

	memset(page, 'y', sizeof(page));
	for (size_t i = 0; i + 1 < sizeof(page); i += 80)
		memcpy(page + i, "\r\n", 2);
	crowd(place, PLACE_FRAGILE, tickets);
	client_open(&client, place, PLACE_FRAGILE);
	client_check(&client, ENVELOPE, GO_AHEAD);
	client_say_sized(&client, page, sizeof(page));
	place_advance(place, 290000);
	assert_int_equal(place_sessions(place), 1);
	client_check_code(&client, "\r\n.\r\n", "250 2.0.0");
	/* one that sent nothing is closed after a tenth of that, without a word */
	client_check(&client, ENVELOPE, GO_AHEAD);
	place_advance(place, 61000);
	client_check(&client, "", "");
	assert_true(client_is_closed(&client));
	client_leave(&client);
	disperse(place, tickets);
}

static void endless_commands_end_the_session(void **state)
{
	static const char *const lines[] = {
		"NOOP\r\n", "RSET\r\n", "VRFY x\r\n", "HELO x\r\n", "HELP\r\n"};
	struct place *place = *state;

	for (size_t i = 0; i < 2 * sizeof(lines) / sizeof(lines[0]); i++) {
		bool is_fragile = i % 2 == 1;
		bool is_free =
			is_fragile && i / 2 < 2; /* NOOP and RSET keep a connection open */
		struct client client;
		unsigned said = 0;

		client_open(&client, place, is_fragile ? PLACE_FRAGILE : PLACE_STANDARD);
		for (; said < 20000 && !client_is_closed(&client); said += 100) {
			const char *heard;

			for (int line = 0; line < 100; line++)
				send(client.fd, lines[i / 2], strlen(lines[i / 2]), MSG_NOSIGNAL);
			heard = client_hear(&client);
			assert_true(
				is_fragile || strstr(heard, "421 4.7.0") != NULL || said < 10100);
			assert_true(!is_fragile || strstr(heard, "421") == NULL);
		}
		assert_in_range(said, is_free ? 20000 : 10000, is_free ? 20000 : 12000);
		client_leave(&client);
	}
}

/* What is dropped behind the last reply is dropped in turns, however fast it comes. */
static void flood_behind_the_end_lets_others_have_their_turn(void **state)
{
	static char flood[65536];
	struct place *place = *state;
	struct client client, other;

	client_open(&client, place, PLACE_STANDARD);
	client_open(&other, place, PLACE_STANDARD);
	client_check(&client, "QUIT\r\n", "221 2.0.0 relay.example.edu bye\r\n");
	client_leave(&client);
	client_open(&client, place, PLACE_STANDARD);
	client_say(&client, "QUIT\r\nNOOP\r\n");
	for (int i = 0; i < 200; i++) {
		if (send(client.fd, flood, sizeof(flood), MSG_NOSIGNAL) < 0 && errno == EPIPE)
			break;
		client_check(&other, "NOOP\r\n", "250 2.0.0 Ok\r\n");
	}
	place_advance(place, 6000);
	assert_int_equal(place_sessions(place), 1);
	client_leave(&client);
	client_leave(&other);
}

static void slow_reader_of_replies_stops_itself_and_is_cut(void **state)
{
	enum { LINE = 200, LINES = 600 };
	static char greetings[LINE * LINES]; /* long ones, so that few fill the socket */
	struct place *place = *state;
	struct client client;
	size_t replies = 0, sent = 0;
	ssize_t got;

	for (size_t i = 0; i < sizeof(greetings); i += LINE) {
		memset(greetings + i, 'x', LINE);
		memcpy(greetings + i, "EHLO ", 5);
		memcpy(greetings + i + LINE - 2, "\r\n", 2);
	}
	client_open(&client, place, PLACE_STANDARD);
	do {
		got = send(client.fd, greetings + sent % sizeof(greetings),
			sizeof(greetings) - sent % sizeof(greetings), 0);
		sent += got > 0 ? (size_t)got : 0;
		place_turn(place);
	} while (got > 0 && sent < (size_t)10 << 20);
	assert_true(got < 0); /* it reads no more */
	for (const char *heard = client_hear(&client); (heard = strstr(heard, "LIMITS")) != NULL;
		heard++)
		replies++;
	assert_int_equal(replies, sent / LINE);
	while (send(client.fd, greetings, sizeof(greetings), 0) > 0)
		place_turn(place);
	place_advance(place, 301000);
	assert_int_equal(place_sessions(place), 0);
	client_leave(&client);
}

static void idle_session_is_small(void **state)
{
	struct place *place = *state;
	struct client clients[100];
	size_t before;

	client_open(&clients[0], place, PLACE_STANDARD);
	client_check(&clients[0], ENVELOPE, GO_AHEAD);
	client_check_code(&clients[0], "x\r\n.\r\n", "250 ");
	before = mallinfo2().uordblks;
	for (size_t i = 1; i < 100; i++) {
		client_open(&clients[i], place, PLACE_STANDARD);
		client_check(&clients[i], ENVELOPE, GO_AHEAD);
		client_check_code(&clients[i], "x\r\n.\r\n", "250 ");
		client_check_code(&clients[i], "NOOP\r\n", "250 ");
	}
	assert_true(mallinfo2().uordblks - before < (size_t)99 * 2048);
	for (size_t i = 0; i < 100; i++)
		client_leave(&clients[i]);
}

/* ---- the store ---- */

/* Until no new mail is taken. Returns the first id. */
static void fill_store(struct place *place)
{
	for (uint64_t id = 100; !writer_is_full(place->scene.writer); id++) {
		scene_add(&place->scene, id, 256 << 10);
		clock_turned_advance(&place->scene.turned, 200);
	}
}

static void make_room(struct place *place)
{
	for (uint64_t id = 100; id < 130; id++)
		scene_change(&place->scene, id, scene_deliver_all);
	for (int i = 0; i < 20 && writer_is_full(place->scene.writer); i++) {
		clock_turned_advance(&place->scene.turned, 200);
		scene_change(&place->scene, 1, scene_deliver_all);
	}
	assert_false(writer_is_full(place->scene.writer));
}

static void full_store_refuses_at_mail(void **state)
{
	struct place *place = *state;
	struct client client;

	fill_store(place);
	client_open(&client, place, PLACE_STANDARD);
	client_check_code(&client, "MAIL FROM:<a@example.org>\r\n", "452 4.3.1");
	client_check_code(&client, "NOOP\r\n", "250 ");
	make_room(place);
	client_check_code(&client, "MAIL FROM:<a@example.org>\r\n", "250 2.1.0");
	client_leave(&client);
}

static void full_store_holds_the_reply_to_a_fragile_client_until_there_is_room(void **state)
{
	struct place *place = *state;
	uint64_t refused = metric_value(METRIC_FRAGILE_STORE_FULL);
	struct client client;

	fill_store(place);
	client_open(&client, place, PLACE_FRAGILE);
	client_check(&client, ENVELOPE, "");
	place_advance(place, 120000);
	assert_string_equal(client_hear(&client), "");
	make_room(place);
	place_advance(place, 2000);
	assert_string_equal(client_hear(&client), GO_AHEAD);
	client_check_code(&client, "x\r\n.\r\n", "250 2.0.0");
	assert_int_equal(metric_value(METRIC_FRAGILE_STORE_FULL), refused);
	client_leave(&client);
}

static void patience_ends_with_452_and_is_counted(void **state)
{
	struct place *place = *state;
	uint64_t refused = metric_value(METRIC_FRAGILE_STORE_FULL);
	struct client client;

	fill_store(place);
	client_open(&client, place, PLACE_FRAGILE);
	client_check(&client, "MAIL FROM:<a@example.org>\r\nNOOP\r\n", "");
	for (int i = 0; i < 239; i++)
		place_advance(place, 1000);
	assert_string_equal(client_hear(&client), "");
	place_advance(place, 2000);
	assert_string_equal(client_hear(&client),
		"452 4.3.1 Queue is full, try again later\r\n250 2.0.0 Ok\r\n");
	assert_int_equal(metric_value(METRIC_FRAGILE_STORE_FULL), refused + 1);
	client_leave(&client);
}

static void client_that_goes_while_its_reply_is_held_is_forgotten(void **state)
{
	struct place *place = *state;
	struct client client;

	fill_store(place);
	client_open(&client, place, PLACE_FRAGILE);
	client_check(&client, "MAIL FROM:<a@example.org>\r\n", "");
	client_leave(&client);
	assert_int_equal(place_sessions(place), 0);
}

/* The store fills between MAIL and the dot. */
static void store_that_fills_meanwhile_refuses_at_the_dot(void **state)
{
	struct place *place = *state;
	struct client plain, device, gone;
	uint64_t stored;

	client_open(&plain, place, PLACE_STANDARD);
	client_open(&device, place, PLACE_FRAGILE);
	client_open(&gone, place, PLACE_FRAGILE);
	client_check(&plain, ENVELOPE, GO_AHEAD);
	client_check(&device, ENVELOPE, GO_AHEAD);
	client_check(&gone, ENVELOPE, GO_AHEAD);
	fill_store(place);
	stored = place_count(place);
	client_check_code(&plain, "x\r\n.\r\n", "452 4.3.1");
	client_check(&device, "x\r\n.\r\n", "");
	client_check(&gone, "x\r\n.\r\n", "");
	client_leave(&gone);
	assert_int_equal(place_sessions(place), 2);
	place_advance(place, 60000);
	assert_string_equal(client_hear(&device), "");
	assert_int_equal(place_count(place), stored);
	make_room(place);
	stored = place_count(place);
	place_advance(place, 2000);
	client_check_code(&device, "", "250 2.0.0");
	assert_int_equal(place_count(place), stored + 1);
	client_leave(&plain);
	client_leave(&device);
}

/* The writer has its request when the client goes and the service stops. */
static void stop_passes_over_a_client_that_went_while_its_reply_was_held(void **state)
{
	struct place *place = *state;
	struct client gone;

	client_open(&gone, place, PLACE_FRAGILE);
	client_check(&gone, ENVELOPE, GO_AHEAD);
	fill_store(place);
	client_check(&gone, "x\r\n.\r\n", "");
	place->writer_rests = true;
	place_advance(place, 2000);
	client_leave(&gone);
	assert_int_equal(place_sessions(place), 1);
	smtp_service.stopping(place->service);
	assert_int_equal(place_sessions(place), 1);
	place->writer_rests = false;
	place_turn(place);
	assert_int_equal(place_sessions(place), 0);
}

static void time_of_a_held_reply_is_not_the_clients(void **state)
{
	static char body[300000];
	struct place *place = *state;
	struct mailbox *const inboxes[] = {place->inbox};
	struct config *config = place_config("message_timeout = 60s  session_timeout = 90s  "
					     "command_timeout = 30s  data_timeout = 30s");
	struct client client;

	config->upstreams[0].number = place->scene.upstream;
	assert_int_equal(server_configure(place->server, config, NULL, inboxes, 1), 0);
	config_close(&config);
	place_turn(place);
	memset(body, 'x', sizeof(body));
	client_open(&client, place, PLACE_FRAGILE);
	client_check(&client, ENVELOPE, GO_AHEAD);
	fill_store(place);
	client_say_sized(&client, body, sizeof(body));
	for (int i = 0; i < 200; i++)
		place_advance(place, 1000);
	assert_int_equal(place_sessions(place), 1);
	make_room(place);
	place_advance(place, 2000);
	client_check_code(&client, "\r\n.\r\n", "250 2.0.0");
	client_leave(&client);
}

static void store_that_fills_within_a_text_keeps_the_session_in_step(void **state)
{
	static char body[300000];
	struct place *place = *state;
	struct client client;

	memset(body, 'x', sizeof(body));
	client_open(&client, place, PLACE_STANDARD);
	client_check(&client, ENVELOPE, GO_AHEAD);
	client_say_sized(&client, body, sizeof(body));
	fill_store(place);
	client_say_sized(&client, body, sizeof(body));
	client_check(&client, "\r\n.\r\nNOOP\r\n",
		"452 4.3.1 Queue is full, try again later\r\n250 2.0.0 Ok\r\n");
	client_leave(&client);
}

static void check_result(struct place *place, unsigned listener, int result, const char *wanted)
{
	struct client client;

	client_open(&client, place, listener);
	client_check(&client, ENVELOPE, GO_AHEAD);
	place->forced_result = result;
	client_check(&client, "x\r\n.\r\n", wanted);
	assert_int_equal(client_is_closed(&client), wanted[0] == '\0');
	client_leave(&client);
}

static void what_is_not_known_to_be_stored_is_not_answered(void **state)
{
	check_result(*state, PLACE_STANDARD, -EIO, "");
	check_result(*state, PLACE_FRAGILE, -EIO, "");
}

static void failed_store_is_told_to_standard_clients_only(void **state)
{
	check_result(*state, PLACE_STANDARD, -EBADMSG,
		"451 4.3.0 Queue cannot be written, try again later\r\n");
	check_result(*state, PLACE_FRAGILE, -EBADMSG, "");
}

/* ---- stop and reload ---- */

static void stop_ends_idle_sessions_and_lets_messages_finish(void **state)
{
	struct place *place = *state;
	uint64_t counted = metric_value(METRIC_FRAGILE_STOPPING);
	struct client plain, device, busy, busy_device;

	client_open(&plain, place, PLACE_STANDARD);
	client_open(&device, place, PLACE_FRAGILE);
	client_open(&busy, place, PLACE_STANDARD);
	client_open(&busy_device, place, PLACE_FRAGILE);
	client_check(&busy, ENVELOPE, GO_AHEAD);
	client_check(&busy_device, ENVELOPE, GO_AHEAD);
	smtp_service.stopping(place->service);
	assert_string_equal(
		client_hear(&plain), "421 4.3.2 Service is stopping, try again later\r\n");
	assert_string_equal(client_hear(&device), "");
	assert_true(client_is_closed(&plain) && client_is_closed(&device));
	assert_int_equal(place_sessions(place), 2);
	client_say(&busy, "x\r\n.\r\n");
	assert_non_null(strstr(client_hear(&busy), "\r\n421 4.3.2 "));
	client_check_code(&busy_device, "x\r\n.\r\n", "250 2.0.0");
	assert_true(client_is_closed(&busy) && client_is_closed(&busy_device));
	assert_int_equal(place_sessions(place), 0);
	assert_int_equal(place_count(place), 2);
	assert_int_equal(metric_value(METRIC_FRAGILE_STOPPING), counted + 2);
	client_leave(&plain);
	client_leave(&device);
	client_leave(&busy);
	client_leave(&busy_device);
}

static void longest_idle_device_gives_way_and_no_other(void **state)
{
	static struct admission_ticket tickets[450];
	uint64_t closed = metric_value(METRIC_FRAGILE_LONGEST_IDLE);
	struct place *place = *state;
	struct client busy, first, second, plain;
	struct address peer;
	unsigned count = 0;

	client_open(&busy, place, PLACE_FRAGILE);
	client_open(&first, place, PLACE_FRAGILE);
	client_open(&second, place, PLACE_FRAGILE);
	client_open(&plain, place, PLACE_STANDARD);
	client_check(&busy, ENVELOPE, GO_AHEAD);
	client_check_code(&first, "HELO x\r\n", "250 ");
	client_check_code(&second, "HELO x\r\n", "250 ");
	client_check_code(&plain, "HELO x\r\n", "250 ");
	assert_int_equal(address_parse("192.0.2.77", &peer), 0);
	while (admission_enter(place->admission, PLACE_FRAGILE, &peer, &tickets[count]) ==
		ADMISSION_IN)
		count++;
	assert_int_equal(count, 447); /* and three clients: the rest is reserved */
	assert_true(admission_ask_room(place->admission, PLACE_FRAGILE));
	place_advance(place, 9000);
	assert_int_equal(place_sessions(place), 4);
	client_check_code(&first, "NOOP\r\n", "250 ");
	client_say(&second, "NO");
	place_advance(place, 2000);
	/* the one has a command begun, the other is not idle so long */
	assert_int_equal(place_sessions(place), 4);
	client_check_code(&second, "OP\r\n", "250 ");
	place_advance(place, 9000);
	assert_true(client_is_closed(&first));
	assert_int_equal(place_sessions(place), 3);
	assert_int_equal(metric_value(METRIC_FRAGILE_LONGEST_IDLE), closed + 1);
	place_advance(place, 20000); /* one was asked for */
	assert_int_equal(place_sessions(place), 3);
	client_check_code(&busy, "x\r\n.\r\n", "250 2.0.0");
	while (count > 0)
		admission_leave(place->admission, &tickets[--count]);
	client_leave(&busy);
	client_leave(&first);
	client_leave(&second);
	client_leave(&plain);
}

static void open_sessions_keep_their_configuration(void **state)
{
	struct place *place = *state;
	struct mailbox *const inboxes[] = {place->inbox};
	struct config *config = place_config("max_recipients = 7");
	struct client before, after;

	client_open(&before, place, PLACE_STANDARD);
	assert_int_equal(server_configure(place->server, config, NULL, inboxes, 1), 0);
	config_close(&config);
	place_turn(place);
	client_open(&after, place, PLACE_STANDARD);
	client_say(&before, "EHLO x\r\n");
	assert_non_null(strstr(client_hear(&before), "RCPTMAX=100\r\n"));
	client_say(&after, "EHLO x\r\n");
	assert_non_null(strstr(client_hear(&after), "RCPTMAX=7\r\n"));
	client_leave(&before);
	client_leave(&after);
}

static void refusal_of_a_listener_follows_its_profile(void **state)
{
	struct place *place = *state;

	assert_string_equal(server_refusal(&place->config->listeners[PLACE_STANDARD]),
		"421 4.7.0 Too many connections, try again later\r\n");
	assert_null(server_refusal(&place->config->listeners[PLACE_FRAGILE]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define FULL(name) cmocka_unit_test_setup_teardown(name, setup_small_store, teardown)
		TEST(strangers_may_not_relay),
		TEST(unix_socket_counts_as_loopback),
		TEST(recipients_over_the_limit_are_refused_and_the_others_served),
		TEST(message_over_the_limit_is_refused_and_the_session_in_step),
		TEST(message_of_exactly_the_limit_is_taken),
		TEST(nul_and_loops_are_refused_behind_the_dot),
		TEST(false_ends_and_what_they_smuggle_stay_text),
		TEST(too_many_bad_commands_end_the_session),
		TEST(other_protocols_are_dropped_at_once),
		TEST(overlong_command_is_answered_once),
		TEST(silent_client_is_timed_out),
		TEST(single_bytes_do_not_lengthen_a_commands_deadline),
		TEST(a_command_begins_a_new_deadline),
		TEST(text_has_a_deadline_between_reads_and_one_in_all),
		TEST(trickle_of_text_is_cut_in_a_crowd_and_only_there),
		TEST(pause_behind_much_text_is_no_trickle),
		TEST(endless_commands_end_the_session),
		TEST(flood_behind_the_end_lets_others_have_their_turn),
		TEST(slow_reader_of_replies_stops_itself_and_is_cut),
		TEST(idle_session_is_small),
		FULL(full_store_refuses_at_mail),
		FULL(full_store_holds_the_reply_to_a_fragile_client_until_there_is_room),
		FULL(patience_ends_with_452_and_is_counted),
		FULL(client_that_goes_while_its_reply_is_held_is_forgotten),
		FULL(store_that_fills_meanwhile_refuses_at_the_dot),
		FULL(stop_passes_over_a_client_that_went_while_its_reply_was_held),
		FULL(time_of_a_held_reply_is_not_the_clients),
		FULL(store_that_fills_within_a_text_keeps_the_session_in_step),
		TEST(what_is_not_known_to_be_stored_is_not_answered),
		TEST(failed_store_is_told_to_standard_clients_only),
		TEST(stop_ends_idle_sessions_and_lets_messages_finish),
		TEST(longest_idle_device_gives_way_and_no_other),
		TEST(open_sessions_keep_their_configuration),
		TEST(refusal_of_a_listener_follows_its_profile),
	};

	return cmocka_run_group_tests_name("smtp/trouble", tests, NULL, NULL);
}
