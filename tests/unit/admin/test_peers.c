#include "tests/unit/admin/relay.h"

#include <grp.h>
#include <sys/wait.h>

/* What peers of the admin socket do that they should not: the others are served all the same. */

static int setup(void **state)
{
	static struct relay relay;

	relay_start(&relay);
	*state = &relay;
	return 0;
}

static int teardown(void **state)
{
	relay_stop(*state);
	return 0;
}

static void assert_others_are_served(const struct relay *relay)
{
	int64_t began_ms = clock_mono_ms(&clock_system);

	json_decref(relay_json(relay, "GET", "/v1/status", 200));
	assert_true(clock_mono_ms(&clock_system) - began_ms < 3000);
}

/* Asks as another user; the exit code is the status' hundreds. */
static int ask_as(const struct relay *relay, uid_t uid, gid_t gid, gid_t supplementary)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct relay_reply reply;

		if (setgroups(supplementary != (gid_t)-1, &supplementary) < 0 || setgid(gid) < 0 ||
			setuid(uid) < 0)
			_exit(99);
		relay_ask(relay, "GET", "/v1/status", &reply);
		_exit(reply.status / 100 * 10 + reply.status % 10);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_foreign_user_gets_403_and_a_member_of_the_group_is_served(void **state)
{
	struct relay *relay = *state;

	if (geteuid() != 0)
		skip();
	/* what file modes let through, the credentials still refuse */
	assert_int_equal(chmod(relay->folder, 0755), 0);
	assert_int_equal(chmod(relay->socket_path, 0666), 0);
	assert_int_equal(ask_as(relay, 65534, 65534, (gid_t)-1), 43);
	assert_int_equal(ask_as(relay, 65534, getegid(), (gid_t)-1), 20);
	assert_int_equal(ask_as(relay, 65534, 65534, getegid()), 20);
	assert_int_equal(ask_as(relay, 65534, 65534, 12345), 43);
	assert_others_are_served(relay);
}

static void garbage_is_refused(void **state)
{
	static const char *const garbage[] = {"\x16\x03\x01\x02 not http\r\n\r\n", "\r\n\r\n\r\n",
		"GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /v1/status HTTP/1.1\r\n: \r\n\r\n",
		"POST /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"};
	struct relay *relay = *state;

	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		struct relay_reply reply;
		int fd = relay_connect(relay);

		assert_true(relay_send(fd, garbage[i], strlen(garbage[i])));
		shutdown(fd, SHUT_WR);
		relay_receive(fd, &reply);
		if (reply.status != 0 && reply.status < 400)
			fail_msg("\"%s\": %d", garbage[i], reply.status);
		relay_reply_fini(&reply);
		close(fd);
		assert_others_are_served(relay);
	}
}

static void a_line_of_ten_megabytes_is_refused_and_not_kept(void **state)
{
	struct relay *relay = *state;
	size_t size = 10u << 20;
	char *line = malloc(size);
	struct relay_reply reply;
	int fd = relay_connect(relay);

	assert_non_null(line);
	memset(line, 'x', size);
	memcpy(line, "GET /", 5);
	assert_false(relay_send(fd, line, size)); /* it was closed on the way */
	relay_receive(fd, &reply);
	assert_true(reply.status == 0 || reply.status >= 400);
	relay_reply_fini(&reply);
	close(fd);
	free(line);
	assert_others_are_served(relay);
}

static void a_body_over_the_limit_is_refused(void **state)
{
	static const char announced[] = "POST /v1/queue/messages/0A/hold HTTP/1.1\r\nHost: x\r\n"
					"Connection: close\r\nContent-Length: 65537\r\n\r\n";
	static const char chunked[] = "POST /v1/queue/messages/0A/hold HTTP/1.1\r\nHost: x\r\n"
				      "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
	struct relay *relay = *state;
	char chunk[4096 + 8];
	struct relay_reply reply;
	bool open = true;
	int fd = relay_connect(relay);

	assert_true(relay_send(fd, announced, strlen(announced)));
	relay_receive(fd, &reply);
	assert_int_equal(reply.status, 413);
	relay_reply_fini(&reply);
	close(fd);
	fd = relay_connect(relay);
	assert_true(relay_send(fd, chunked, strlen(chunked)));
	memset(chunk, 'x', sizeof(chunk));
	memcpy(chunk, "1000\r\n", 6);
	memcpy(chunk + sizeof(chunk) - 2, "\r\n", 2);
	for (int i = 0; i < 4096 && open; i++)
		open = relay_send(fd, chunk, sizeof(chunk));
	assert_false(open);
	close(fd);
	assert_others_are_served(relay);
}

static void a_small_body_is_read_and_dropped(void **state)
{
	static const char request[] = "POST /v1/hosts/" RELAY_HOST "/pause HTTP/1.1\r\nHost: x\r\n"
				      "Connection: close\r\nContent-Length: 5\r\n\r\n{\"a\":";
	struct relay *relay = *state;
	struct relay_reply reply;
	int fd = relay_connect(relay);

	assert_true(relay_send(fd, request, strlen(request)));
	relay_receive(fd, &reply);
	assert_int_equal(reply.status, 200);
	relay_reply_fini(&reply);
	close(fd);
}

/* A listing and a large text that nobody reads: neither keeps pages of the store from being used again. */
static void a_client_that_does_not_read_holds_no_read_transaction(void **state)
{
	static const char listing[] =
		"GET /v1/queue/messages?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n";
	struct relay *relay = *state;
	uint64_t large = relay_add(relay, &(struct relay_message){.size = 8000000}, 1);
	char content[128], id[ID_TEXT_SIZE];
	json_t *status;
	long long before, after;
	int fds[2];

	relay_add(relay, &(struct relay_message){0}, 3000);
	snprintf(content, sizeof(content),
		"GET /v1/queue/messages/%s/content HTTP/1.1\r\nHost: x\r\n\r\n",
		id_format(large, id));
	fds[0] = relay_connect(relay);
	assert_true(relay_send(fds[0], content, strlen(content)));
	fds[1] = relay_connect(relay);
	for (int i = 0; i < 10; i++)
		assert_true(relay_send(fds[1], listing, strlen(listing)));
	assert_others_are_served(relay);
	/* both are under way: their first bytes are here */
	for (int i = 0; i < 2; i++)
		assert_int_equal(recv(fds[i], id, 1, MSG_PEEK), 1);
	status = relay_json(relay, "GET", "/v1/status", 200);
	before = relay_number(json_object_get(status, "store"), "used_bytes");
	json_decref(status);
	for (int i = 0; i < 100; i++)
		relay_remove(relay, relay_add(relay, &(struct relay_message){.size = 300000}, 1));
	status = relay_json(relay, "GET", "/v1/status", 200);
	after = relay_number(json_object_get(status, "store"), "used_bytes");
	json_decref(status);
	assert_true(after - before < 5000000); /* of the 30 MB that went through */
	close(fds[0]);
	close(fds[1]);
	assert_others_are_served(relay);
}

static void a_client_that_goes_in_the_middle_of_a_listing_is_forgotten(void **state)
{
	static const char listing[] =
		"GET /v1/queue/messages?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n";
	struct relay *relay = *state;

	relay_add(relay, &(struct relay_message){0}, 2000);
	for (int i = 0; i < 50; i++) {
		int fd = relay_connect(relay);
		char first;

		assert_true(relay_send(fd, listing, strlen(listing)));
		if (i % 2 == 0)
			assert_int_equal(recv(fd, &first, 1, 0), 1);
		close(fd);
	}
	assert_others_are_served(relay);
}

static void a_hundred_silent_connections_keep_nobody_out(void **state)
{
	struct relay *relay = *state;
	int fds[100];

	for (size_t i = 0; i < 100; i++) {
		fds[i] = relay_connect(relay);
		if (i % 2 == 0)
			assert_true(relay_send(fds[i], "GET /v1/", 8));
	}
	assert_others_are_served(relay);
	for (size_t i = 0; i < 100; i++)
		close(fds[i]);
	assert_others_are_served(relay);
}

/* ---- a scheduler that does not answer ---- */

/* Answers what was asked so far, on this thread, as the scheduler's would. */
static void answer_all(struct relay *relay, struct mailbox *scheduler)
{
	struct letter *letter;

	while ((letter = mailbox_pop(scheduler)) != NULL)
		letter->read(letter, relay->scheduler);
}

static void a_scheduler_that_does_not_answer_costs_only_what_it_knows(void **state)
{
	struct mailbox *deaf = mailbox_open(1024);
	struct relay relay;
	json_t *answer;

	(void)state;
	assert_non_null(deaf);
	relay_open(&relay);
	relay_start_api(&relay, deaf);
	relay_add(&relay, &(struct relay_message){0}, 3);
	answer = relay_json(&relay, "GET", "/v1/queue/messages", 200);
	assert_int_equal(json_array_size(json_object_get(answer, "messages")), 3);
	assert_true(json_is_false(json_object_get(answer, "scheduler_answers")));
	json_decref(answer);
	json_decref(relay_json(&relay, "GET", "/v1/hosts", 503));
	/* the late answers find nobody, and are freed */
	answer_all(&relay, deaf);
	relay_stop(&relay);
	answer_all(&relay, deaf);
	mailbox_close(&deaf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define PEERS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		PEERS_TEST(a_foreign_user_gets_403_and_a_member_of_the_group_is_served),
		PEERS_TEST(garbage_is_refused),
		PEERS_TEST(a_line_of_ten_megabytes_is_refused_and_not_kept),
		PEERS_TEST(a_body_over_the_limit_is_refused),
		PEERS_TEST(a_small_body_is_read_and_dropped),
		PEERS_TEST(a_client_that_does_not_read_holds_no_read_transaction),
		PEERS_TEST(a_client_that_goes_in_the_middle_of_a_listing_is_forgotten),
		PEERS_TEST(a_hundred_silent_connections_keep_nobody_out),
		cmocka_unit_test(a_scheduler_that_does_not_answer_costs_only_what_it_knows),
	};

	return cmocka_run_group_tests_name("admin/peers", tests, NULL, NULL);
}
