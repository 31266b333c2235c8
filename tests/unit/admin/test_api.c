#include "tests/unit/admin/relay.h"

#define MANY 10000

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

static const char *message_path(uint64_t id, const char *act)
{
	static char path[96];
	char text[ID_TEXT_SIZE];

	snprintf(path, sizeof(path), "/v1/queue/messages/%s%s", id_format(id, text), act);
	return path;
}

/* ---- listings ---- */

/* Walks all pages of a listing; every id is greater than the one before. */
static size_t walk(const struct relay *relay, const char *query, size_t *pages)
{
	char path[512], next[32] = "", last[32] = "";
	size_t seen = 0;

	*pages = 0;
	do {
		json_t *page, *message;
		size_t i;

		snprintf(path, sizeof(path), "/v1/queue/messages?%s&after=%s", query, next);
		page = relay_json(relay, "GET", path, 200);
		json_array_foreach(json_object_get(page, "messages"), i, message)
		{
			assert_true(strcmp(relay_text(message, "id"), last) > 0);
			snprintf(last, sizeof(last), "%s", relay_text(message, "id"));
			seen++;
		}
		snprintf(next, sizeof(next), "%s", relay_text(page, "next"));
		json_decref(page);
		(*pages)++;
	} while (next[0] != '\0');
	return seen;
}

static void ten_thousand_messages_are_listed_page_by_page_oldest_first(void **state)
{
	struct relay *relay = *state;
	size_t pages;

	relay_add(relay, &(struct relay_message){0}, MANY);
	assert_int_equal(walk(relay, "limit=400", &pages), MANY);
	assert_true(pages >= MANY / 400);
	assert_int_equal(walk(relay, "limit=1000&client=192.0.2.0/24", &pages), MANY);
}

static void a_filter_that_matches_nothing_looks_at_a_bounded_number_of_rows(void **state)
{
	struct relay *relay = *state;
	json_t *page;
	size_t pages;

	relay_add(relay, &(struct relay_message){0}, MANY);
	page = relay_json(relay, "GET", "/v1/queue/messages?from=nobody@example.org", 200);
	assert_int_equal(json_array_size(json_object_get(page, "messages")), 0);
	assert_true(relay_text(page, "next")[0] != '\0');
	json_decref(page);
	assert_int_equal(walk(relay, "from=nobody@example.org", &pages), 0);
	assert_true(pages >= 2);
}

static void filters_choose_by_sender_recipient_client_and_state(void **state)
{
	static const struct {
		const char *query;
		size_t count;
	} cases[] = {
		{"limit=100", 5},
		{"from=a@example.org", 1},
		{"from=A@EXAMPLE.ORG", 1},
		{"from=@example.org", 2},
		{"from=%3C%3E", 1},
		{"from=a%2Bb@example.com", 1},
		{"to=x@example.net", 2},
		{"to=@example.net&from=@example.org", 1},
		{"client=10.1.2.3", 1},
		{"client=10.0.0.0/8", 2},
		{"client=2001:db8::/32", 1},
		{"state=held", 1},
		{"state=waiting", 4},
		{"state=quarantined", 0},
		{"state=receiving", 0},
	};
	struct relay *relay = *state;
	size_t pages;

	relay_add(relay, &(struct relay_message){.from = "a@example.org", .client = "10.1.2.3"}, 1);
	relay_add(relay,
		&(struct relay_message){
			.from = "b@example.org", .to = "x@example.net", .client = "10.9.9.9"},
		1);
	relay_add(relay, &(struct relay_message){.from = "", .client = "2001:db8::7"}, 1);
	relay_add(relay, &(struct relay_message){.from = "a+b@example.com"}, 1);
	relay_add(relay,
		&(struct relay_message){.from = "c@example.com",
			.to = "X@Example.NET",
			.state = RECIPIENT_HELD,
			.due_unix_ms = clock_unix_ms(&clock_system) + 3600000},
		1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t count = walk(relay, cases[i].query, &pages);

		if (count != cases[i].count)
			fail_msg("%s: %zu", cases[i].query, count);
	}
}

static void wrong_parameters_are_answered_with_what_was_expected(void **state)
{
	static const struct {
		const char *query, *said;
	} cases[] = {
		{"state=defered", "did you mean 'deferred'"},
		{"limit=0", "from 1 to"},
		{"limit=nonsense", "from 1 to"},
		{"limit=1001", "from 1 to"},
		{"after=xyz", "next"},
		{"client=nowhere", "a network"},
		{"sender=a@b", "sender"},
		{"limit=1&limit=2", "twice"},
		{"from=%00", "malformed"},
	};
	struct relay *relay = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[128];
		json_t *answer;

		snprintf(path, sizeof(path), "/v1/queue/messages?%s", cases[i].query);
		answer = relay_json(relay, "GET", path, 400);
		if (strstr(relay_text(answer, "error"), cases[i].said) == NULL)
			fail_msg("%s: %s", cases[i].query, relay_text(answer, "error"));
		json_decref(answer);
	}
}

static void a_peers_bytes_come_out_as_valid_json(void **state)
{
	struct relay *relay = *state;
	uint64_t id = relay_add(relay,
		&(struct relay_message){.from = "a\x1b[2J\xff\"@example.org", .reason = "busy\x07"},
		1);
	struct relay_reply reply;

	relay_ask(relay, "GET", message_path(id, ""), &reply);
	assert_int_equal(reply.status, 200);
	assert_non_null(reply.json);
	assert_non_null(strstr(reply.body, "a\\u001b[2J\\ufffd\\\"@example.org"));
	relay_reply_fini(&reply);
}

/* ---- one message, and acts ---- */

static void assert_state(const struct relay *relay, uint64_t id, const char *expected)
{
	json_t *message = relay_json(relay, "GET", message_path(id, ""), 200);

	assert_string_equal(relay_text(message, "state"), expected);
	json_decref(message);
}

static void act(const struct relay *relay, const char *method, uint64_t id, const char *what,
	int status, const char *expected)
{
	json_t *answer = relay_json(relay, method, message_path(id, what), status);

	assert_string_equal(relay_text(answer, status == 200 ? "state" : "error"), expected);
	json_decref(answer);
}

static void a_message_is_held_released_and_deleted(void **state)
{
	struct relay *relay = *state;
	uint64_t id = relay_add(relay, &(struct relay_message){0}, 1);
	json_t *message, *recipient;

	act(relay, "POST", id, "/retry", 200, "waiting");
	act(relay, "POST", id, "/hold", 200, "held");
	message = relay_json(relay, "GET", message_path(id, ""), 200);
	recipient = json_array_get(json_object_get(message, "recipients"), 0);
	assert_string_equal(relay_text(recipient, "state"), "held");
	assert_non_null(strstr(relay_text(message, "reason"), "held by"));
	assert_true(
		strcmp(relay_text(recipient, "held_until"), relay_text(message, "received")) > 0);
	assert_true(json_is_null(json_object_get(recipient, "next_attempt")));
	assert_true(json_is_null(json_object_get(message, "expires")));
	assert_true(json_array_size(json_object_get(message, "history")) > 0);
	json_decref(message);
	act(relay, "POST", id, "/release", 200, "waiting");
	act(relay, "DELETE", id, "", 200, "deleted");
	message = relay_json(relay, "GET", message_path(id, ""), 404);
	json_decref(message);
}

static void a_hold_can_be_given_its_end(void **state)
{
	struct relay *relay = *state;
	uint64_t id = relay_add(relay, &(struct relay_message){0}, 1);
	json_t *message;

	message = relay_json(
		relay, "POST", message_path(id, "/hold?until=2020-01-01T00:00:00Z"), 400);
	json_decref(message);
	message = relay_json(
		relay, "POST", message_path(id, "/hold?until=2099-01-01T00:00:00Z"), 200);
	assert_string_equal(
		relay_text(json_array_get(json_object_get(message, "recipients"), 0), "held_until"),
		"2099-01-01T00:00:00.000Z");
	json_decref(message);
}

static void acts_that_the_state_does_not_allow_change_nothing(void **state)
{
	struct relay *relay = *state;
	uint64_t id = relay_add(relay, &(struct relay_message){0}, 1);
	json_t *answer = relay_json(relay, "POST", message_path(id, "/release"), 409);

	assert_non_null(strstr(relay_text(answer, "error"), "not held"));
	json_decref(answer);
	assert_state(relay, id, "waiting");
	json_decref(relay_json(relay, "POST", message_path(0x99, "/hold"), 404));
	json_decref(relay_json(relay, "DELETE", message_path(0x99, ""), 404));
	json_decref(relay_json(relay, "DELETE", "/v1/queue/messages/nonsense", 404));
}

static void wait_for_state(const struct relay *relay, uint64_t id, const char *wanted)
{
	bool reached = false;

	AWAIT(({
		json_t *message = relay_json(relay, "GET", message_path(id, ""), 200);

		reached = strcmp(relay_text(message, "state"), wanted) == 0;
		json_decref(message);
		reached;
	}));
}

static void what_is_being_delivered_says_so_and_is_left_alone(void **state)
{
	struct relay *relay = *state;
	uint64_t id = relay_add(relay, &(struct relay_message){0}, 1);
	size_t pages;
	json_t *answer;

	json_decref(relay_json(relay, "POST", "/v1/hosts/127.0.0.1%3A2599/resume", 200));
	wait_for_state(relay, id, "delivering");
	assert_int_equal(walk(relay, "state=delivering", &pages), 1);
	assert_int_equal(walk(relay, "state=waiting", &pages), 0);
	answer = relay_json(relay, "GET", "/v1/queue", 200);
	assert_int_equal(relay_number(json_object_get(answer, "states"), "delivering"), 1);
	assert_int_equal(relay_number(json_object_get(answer, "states"), "waiting"), 0);
	json_decref(answer);
	answer = relay_json(relay, "DELETE", message_path(id, ""), 409);
	assert_non_null(strstr(relay_text(answer, "error"), "being delivered"));
	json_decref(answer);
	AWAIT(relay_fail_jobs(relay) > 0);
	wait_for_state(relay, id, "waiting");
}

static void who_waits_for_a_busy_host_is_told_why_and_until_when(void **state)
{
	struct relay *relay = *state;
	uint64_t id = relay_add(relay, &(struct relay_message){0}, 1);
	json_t *message, *queue, *recipient, *destination;

	json_decref(relay_json(relay, "POST", "/v1/hosts/" RELAY_HOST "/resume", 200));
	AWAIT(relay_fail_jobs(relay) > 0);
	wait_for_state(relay, id, "waiting");
	message = relay_json(relay, "GET", message_path(id, ""), 200);
	assert_string_equal(relay_text(message, "reason"), "upstream busy: 421 4.7.0 I'm busy");
	recipient = json_array_get(json_object_get(message, "recipients"), 0);
	assert_true(
		strcmp(relay_text(recipient, "next_attempt"), relay_text(message, "received")) > 0);
	assert_int_equal(relay_number(recipient, "attempts"), 0);
	json_decref(message);
	queue = relay_json(relay, "GET", "/v1/queue", 200);
	destination = json_array_get(json_object_get(queue, "destinations"), 0);
	assert_string_equal(relay_text(destination, "upstream"), "campus");
	assert_string_equal(relay_text(destination, "host"), RELAY_HOST);
	assert_string_equal(relay_text(destination, "state"), "resting");
	assert_string_equal(relay_text(destination, "last_reply"), "421 4.7.0 I'm busy");
	assert_int_equal(relay_number(destination, "messages"), 1);
	assert_true(relay_text(destination, "next_attempt")[0] != '\0');
	json_decref(queue);
}

/* ---- content ---- */

/* Takes chunked transfer coding apart. The size of the text, or -1 when its end is missing. */
static ssize_t dechunk(char *body, size_t size)
{
	char *to = body, *at = body, *end = body + size;

	for (;;) {
		char *line = memchr(at, '\n', (size_t)(end - at));
		size_t chunk = line != NULL ? strtoul(at, NULL, 16) : 0;

		if (line == NULL || (size_t)(end - line) < chunk + 3)
			return -1;
		if (chunk == 0)
			return to - body;
		memmove(to, line + 1, chunk);
		to += chunk;
		at = line + 1 + chunk + 2;
	}
}

static void content_is_byte_for_byte_the_stored_text(void **state)
{
	static const size_t sizes[] = {1, 4080, 65520, 65521, 300000};
	struct relay *relay = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t id = relay_add(relay, &(struct relay_message){.size = sizes[i]}, 1);
		struct relay_reply reply;

		relay_ask(relay, "GET", message_path(id, "/content"), &reply);
		assert_int_equal(reply.status, 200);
		assert_non_null(strstr(reply.head, "message/rfc822"));
		assert_int_equal(dechunk(reply.body, reply.body_size), sizes[i]);
		for (size_t at = 0; at < sizes[i]; at++)
			assert_true(reply.body[at] == relay_text_at(at));
		relay_reply_fini(&reply);
	}
	json_decref(relay_json(relay, "GET", message_path(0x99, "/content"), 404));
}

static void content_is_repaired_unless_it_is_asked_as_received(void **state)
{
	static const uint8_t plan[] = {1, 0, 0, 1, 2, 'h', 'i'}; /* "hi" in front (queue/plan.h) */
	struct relay *relay = *state;
	uint64_t id = relay_add(
		relay, &(struct relay_message){.plan = plan, .plan_size = sizeof(plan)}, 1);
	struct relay_reply reply;

	relay_ask(relay, "GET", message_path(id, "/content"), &reply);
	assert_int_equal(dechunk(reply.body, reply.body_size), 102);
	assert_memory_equal(reply.body, "hia", 3);
	relay_reply_fini(&reply);
	relay_ask(relay, "GET", message_path(id, "/content?as=received"), &reply);
	assert_int_equal(dechunk(reply.body, reply.body_size), 100);
	assert_int_equal(reply.body[0], 'a');
	relay_reply_fini(&reply);
	json_decref(relay_json(relay, "GET", message_path(id, "/content?as=sent"), 400));
}

static void content_that_is_deleted_meanwhile_breaks_off(void **state)
{
	struct relay *relay = *state;
	uint64_t id = relay_add(relay, &(struct relay_message){.size = 8000000}, 1);
	const char *path = message_path(id, "/content");
	struct relay_reply reply;
	char request[256], first[16];
	int fd = relay_connect(relay);

	snprintf(request, sizeof(request),
		"GET %s HTTP/1.1\r\nHost: sluice\r\nConnection: close\r\n\r\n", path);
	assert_true(relay_send(fd, request, strlen(request)));
	assert_int_equal(recv(fd, first, sizeof(first), MSG_PEEK | MSG_WAITALL), sizeof(first));
	relay_remove(relay, id);
	relay_receive(fd, &reply);
	close(fd);
	assert_int_equal(reply.status, 200);
	assert_true(reply.body_size < 8000000);
	assert_int_equal(dechunk(reply.body, reply.body_size), -1);
	relay_reply_fini(&reply);
}

/* ---- the rest of the routes ---- */

static void status_tells_how_the_relay_is(void **state)
{
	struct relay *relay = *state;
	json_t *status, *store;

	relay_add(relay, &(struct relay_message){0}, 3);
	status = relay_json(relay, "GET", "/v1/status", 200);
	assert_string_equal(relay_text(status, "version"), SLUICE_VERSION);
	assert_string_equal(relay_text(status, "hostname"), "relay.example.edu");
	assert_int_equal(relay_number(status, "depth"), 3);
	assert_true(json_is_true(json_object_get(status, "scheduler_answers")));
	assert_int_equal(json_array_size(json_object_get(status, "hosts")), 1);
	store = json_object_get(status, "store");
	assert_int_equal(relay_number(store, "max_bytes"), 1 << 30);
	assert_true(relay_number(store, "used_bytes") > 0);
	assert_true(relay_number(store, "disk_free_bytes") > 0);
	assert_true(json_is_false(json_object_get(store, "full")));
	json_decref(status);
}

static void queue_counts_by_state(void **state)
{
	struct relay *relay = *state;
	json_t *queue, *states;

	relay_add(relay, &(struct relay_message){.size = 1000}, 7);
	relay_add(relay,
		&(struct relay_message){.size = 500,
			.state = RECIPIENT_DEFERRED,
			.due_unix_ms = clock_unix_ms(&clock_system) + 3600000},
		2);
	queue = relay_json(relay, "GET", "/v1/queue", 200);
	assert_int_equal(relay_number(queue, "messages"), 9);
	assert_int_equal(relay_number(queue, "recipients"), 9);
	assert_int_equal(relay_number(queue, "bytes"), 8000);
	states = json_object_get(queue, "states");
	assert_int_equal(json_object_size(states), 7);
	assert_int_equal(relay_number(states, "waiting"), 7);
	assert_int_equal(relay_number(states, "deferred"), 2);
	json_decref(queue);
}

static void hosts_are_paused_and_resumed(void **state)
{
	struct relay *relay = *state;
	json_t *answer = relay_json(relay, "POST", "/v1/hosts/" RELAY_HOST "/resume", 200);
	json_t *host = json_array_get(json_object_get(answer, "hosts"), 0);

	assert_false(json_is_true(json_object_get(host, "paused")));
	json_decref(answer);
	json_decref(relay_json(relay, "POST", "/v1/hosts/" RELAY_HOST "/pause", 200));
	answer = relay_json(relay, "GET", "/v1/hosts", 200);
	host = json_array_get(json_object_get(answer, "hosts"), 0);
	assert_true(json_is_true(json_object_get(host, "paused")));
	assert_string_equal(relay_text(host, "state"), "paused");
	json_decref(answer);
	answer = relay_json(relay, "POST", "/v1/hosts/nowhere:25/pause", 404);
	assert_non_null(strstr(relay_text(answer, "error"), "nowhere:25"));
	json_decref(answer);
}

static void metrics_are_lines_of_the_text_format(void **state)
{
	struct relay *relay = *state;
	struct relay_reply reply;
	size_t samples = 0;

	relay_add(relay, &(struct relay_message){0}, 4);
	relay_ask(relay, "GET", "/metrics", &reply);
	assert_int_equal(reply.status, 200);
	assert_non_null(strstr(reply.head, "text/plain; version=0.0.4"));
	assert_non_null(strstr(reply.body, "\nsluice_queue_messages{state=\"waiting\"} 4\n"));
	assert_non_null(
		strstr(reply.body, "\nsluice_build_info{version=\"" SLUICE_VERSION "\"} 1\n"));
	assert_non_null(strstr(reply.body,
		"\nsluice_host_available{upstream=\"campus\",host=\"" RELAY_HOST "\"} 0\n"));
	for (char *line = strtok(reply.body, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		char *value = strrchr(line, ' '), *end;

		assert_non_null(value);
		if (line[0] == '#')
			continue;
		assert_true(strncmp(line, "sluice_", 7) == 0 || strncmp(line, "process_", 8) == 0);
		strtod(value + 1, &end);
		assert_true(end > value + 1 && *end == '\0');
		samples++;
	}
	assert_true(samples > 30);
	relay_reply_fini(&reply);
}

static void what_is_not_there_and_what_is_not_done_is_told(void **state)
{
	struct relay *relay = *state;
	struct relay_reply reply;

	relay_ask(relay, "PUT", "/v1/queue/messages/0A", &reply);
	assert_int_equal(reply.status, 405);
	assert_non_null(strstr(reply.head, "Allow: GET, HEAD, DELETE"));
	relay_reply_fini(&reply);
	relay_ask(relay, "GET", "/v2/queue", &reply);
	assert_int_equal(reply.status, 404);
	relay_reply_fini(&reply);
	relay_ask(relay, "HEAD", "/v1/status", &reply);
	assert_int_equal(reply.status, 200);
	assert_int_equal(reply.body_size, 0);
	relay_reply_fini(&reply);
}

static void a_reload_is_seen_by_the_next_request(void **state)
{
	struct relay *relay = *state;
	struct config *config = NULL;
	struct reason reason;
	FILE *file = fopen(relay->config_path, "a");
	json_t *status;

	assert_non_null(file);
	fprintf(file, "route \"example.edu\" { upstream = campus }\n");
	fclose(file);
	assert_int_equal(config_load(relay->config_path, &config, &reason), 0);
	free(config->hostname);
	config->hostname = strdup("renamed.example.edu");
	api_configure(relay->api, config);
	config_close(&config);
	AWAIT(({
		bool seen;

		status = relay_json(relay, "GET", "/v1/status", 200);
		seen = strcmp(relay_text(status, "hostname"), "renamed.example.edu") == 0;
		json_decref(status);
		seen;
	}));
}

static void a_reload_that_is_refused_says_why(void **state)
{
	struct relay *relay = *state;
	json_t *answer;

	relay_refusal = "sluice.conf:7: option 'x': \"y\"";
	answer = relay_json(relay, "POST", "/v1/reload", 422);
	assert_string_equal(relay_text(answer, "error"),
		"sluice.conf:7: option 'x': \"y\"; the old configuration stays.");
	json_decref(answer);
	relay_refusal = NULL;
	answer = relay_json(relay, "POST", "/v1/reload", 200);
	assert_string_equal(relay_text(answer, "config"), relay->config_path);
	json_decref(answer);
}

/* ---- grants ---- */

static void post_json(const struct relay *relay, const char *path, const char *body, int status)
{
	struct relay_reply reply;
	char request[1024];
	int fd = relay_connect(relay);
	int size = snprintf(request, sizeof(request),
		"POST %s HTTP/1.1\r\nHost: sluice\r\nConnection: close\r\nContent-Length: "
		"%zu\r\n\r\n%s",
		path, strlen(body), body);

	assert_true(relay_send(fd, request, (size_t)size));
	relay_receive(fd, &reply);
	close(fd);
	assert_int_equal(reply.status, status);
	relay_reply_fini(&reply);
}

/* A registrar that is at its end brings nothing into force. */
static int setup_without_force(void **state)
{
	static struct relay relay;
	struct registrar_options options = {.clock = &clock_system, .askers = 16};
	struct reason reason;

	relay_open(&relay);
	options.store = relay.store;
	assert_int_equal(registrar_open(&relay.registrar, &options, &reason), 0);
	registrar_stop(relay.registrar);
	assert_int_equal(scheduler_start(relay.scheduler, &reason), 0);
	relay_start_api(&relay, relay.scheduler_inbox);
	*state = &relay;
	return 0;
}

static int teardown_without_force(void **state)
{
	struct relay *relay = *state;

	api_stop(relay->api);
	registrar_close(&relay->registrar);
	relay_stop(relay);
	return 0;
}

static void a_change_that_is_stored_and_not_in_force_is_202(void **state)
{
	struct relay *relay = *state;
	json_t *grant;

	post_json(relay, "/v1/grants/import",
		"{\"grants\": [{\"name\": \"ups\", \"networks\": [\"10.0.0.1\"]}]}", 202);
	post_json(relay, "/v1/grants/import", "{\"grants\": [{\"name\": \"ups\"}]}", 400);
	grant = relay_json(relay, "GET", "/v1/grants/ups", 200);
	assert_string_equal(relay_text(grant, "life"), "approved");
	json_decref(grant);
	grant = relay_json(relay, "POST", "/v1/grants/ups/suspend?reason=stolen", 202);
	assert_string_equal(relay_text(grant, "life"), "suspended");
	json_decref(grant);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define API_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		API_TEST(ten_thousand_messages_are_listed_page_by_page_oldest_first),
		API_TEST(a_filter_that_matches_nothing_looks_at_a_bounded_number_of_rows),
		API_TEST(filters_choose_by_sender_recipient_client_and_state),
		API_TEST(wrong_parameters_are_answered_with_what_was_expected),
		API_TEST(a_peers_bytes_come_out_as_valid_json),
		API_TEST(a_message_is_held_released_and_deleted),
		API_TEST(a_hold_can_be_given_its_end),
		API_TEST(acts_that_the_state_does_not_allow_change_nothing),
		API_TEST(what_is_being_delivered_says_so_and_is_left_alone),
		API_TEST(who_waits_for_a_busy_host_is_told_why_and_until_when),
		API_TEST(content_is_byte_for_byte_the_stored_text),
		API_TEST(content_is_repaired_unless_it_is_asked_as_received),
		API_TEST(content_that_is_deleted_meanwhile_breaks_off),
		API_TEST(status_tells_how_the_relay_is),
		API_TEST(queue_counts_by_state),
		API_TEST(hosts_are_paused_and_resumed),
		API_TEST(metrics_are_lines_of_the_text_format),
		API_TEST(what_is_not_there_and_what_is_not_done_is_told),
		API_TEST(a_reload_is_seen_by_the_next_request),
		API_TEST(a_reload_that_is_refused_says_why),
		cmocka_unit_test_setup_teardown(a_change_that_is_stored_and_not_in_force_is_202,
			setup_without_force, teardown_without_force),
	};

	return cmocka_run_group_tests_name("admin/api", tests, NULL, NULL);
}
