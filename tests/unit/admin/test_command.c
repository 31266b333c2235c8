#include "tests/unit/admin/relay.h"

#include <sysexits.h>

#include "admin/command.h"
#include "admin/printable.h"
#include "admin/top_frame.h"

/* The command against a relay's socket, in this process: what it prints, and its exit codes. */

static int setup(void **state)
{
	static struct relay relay;

	relay_start(&relay);
	setenv("SLUICE_SOCKET", relay.socket_path, 1);
	*state = &relay;
	return 0;
}

static int teardown(void **state)
{
	relay_stop(*state);
	return 0;
}

struct printed {
	int code;
	char out[65536], err[4096];
};

static int divert(int fd, char *path)
{
	int kept = dup(fd), to;

	strcpy(path, "/tmp/sluice-out-XXXXXX");
	to = mkstemp(path);
	assert_true(kept >= 0 && to >= 0);
	dup2(to, fd);
	close(to);
	return kept;
}

static void bring_back(int fd, int kept, const char *path, char *text, size_t text_size)
{
	FILE *file = fopen(path, "r");
	size_t size;

	dup2(kept, fd);
	close(kept);
	assert_non_null(file);
	size = fread(text, 1, text_size - 1, file);
	text[size] = '\0';
	fclose(file);
	unlink(path);
}

/* `line` is split at spaces; the first word is the program's name. */
static void run(struct printed *printed, const char *line)
{
	char words[512], out_path[32], err_path[32];
	char *argv[32];
	int argc = 0, out, err;

	snprintf(words, sizeof(words), "%s", line);
	for (char *word = strtok(words, " "); word != NULL && argc < 31; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	fflush(stdout);
	fflush(stderr);
	out = divert(STDOUT_FILENO, out_path);
	err = divert(STDERR_FILENO, err_path);
	printed->code = command_main(argc, argv);
	fflush(stdout);
	fflush(stderr);
	bring_back(STDOUT_FILENO, out, out_path, printed->out, sizeof(printed->out));
	bring_back(STDERR_FILENO, err, err_path, printed->err, sizeof(printed->err));
}

static void assert_printed(const char *where, const char *expected)
{
	if (strstr(where, expected) == NULL)
		fail_msg("\"%s\" is missing in:\n%s", expected, where);
}

static void every_command_has_help(void **state)
{
	struct printed printed;
	char line[128];

	(void)state;
	for (size_t i = 0; i < command_count; i++) {
		snprintf(line, sizeof(line), "sluice %s --help", command_table[i].words);
		run(&printed, line);
		assert_int_equal(printed.code, 0);
		assert_printed(printed.out, command_table[i].summary);
		assert_printed(printed.out, "--socket");
	}
	run(&printed, "sluice --help");
	assert_int_equal(printed.code, 0);
	assert_printed(printed.out, "queue release");
}

static void what_is_misspelt_is_a_usage_error_with_a_hint(void **state)
{
	static const struct {
		const char *line, *said;
	} cases[] = {
		{"sluice", "sluice status"},
		{"sluice stauts", "did you mean 'status'"},
		{"sluice queue lsit", "did you mean 'queue list'"},
		{"sluice host", "host list, host pause, host resume"},
		{"sluice queue list --stat held", "did you mean '--state'"},
		{"sluice status --state held", "takes no --state"},
		{"sluice queue list --limit 0", "--limit"},
		{"sluice queue list --limit", "wants N"},
		{"sluice queue list --all=yes", "takes no value"},
		{"sluice queue delete", "by their ids"},
		{"sluice queue delete --from a@b", "--all"},
		{"sluice queue delete 0A --all", "do not go with"},
		{"sluice queue content 0A 0B", "takes ID"},
		{"sluice queue show 0A --received", "takes no --received"},
		{"sluice host pause", "which host"},
		{"sluice queue list --state nonsense", "no such state"},
	};
	struct printed printed;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		run(&printed, cases[i].line);
		if (printed.code != EX_USAGE)
			fail_msg("%s: %d", cases[i].line, printed.code);
		assert_printed(printed.err, cases[i].said);
		assert_string_equal(printed.out, "");
	}
}

static void a_relay_that_is_not_there_is_69_and_its_socket_is_named(void **state)
{
	struct printed printed;

	(void)state;
	run(&printed, "sluice --socket /nowhere/admin.sock status");
	assert_int_equal(printed.code, EX_UNAVAILABLE);
	assert_printed(printed.err, "/nowhere/admin.sock: No such file or directory");
	run(&printed, "sluice top --socket=/nowhere/admin.sock");
	assert_int_equal(printed.code, EX_UNAVAILABLE);
}

static void nothing_matched_is_1(void **state)
{
	struct printed printed;

	(void)state;
	run(&printed, "sluice queue list");
	assert_int_equal(printed.code, COMMAND_NOTHING_MATCHED);
	assert_printed(printed.err, "The queue is empty.");
	run(&printed, "sluice queue show 0A");
	assert_int_equal(printed.code, COMMAND_NOTHING_MATCHED);
	run(&printed, "sluice queue delete --all --from a@b");
	assert_int_equal(printed.code, COMMAND_NOTHING_MATCHED);
	run(&printed, "sluice host pause nowhere:25");
	assert_int_equal(printed.code, COMMAND_NOTHING_MATCHED);
}

static void a_listing_is_a_table_or_the_answers_pages(void **state)
{
	struct relay *relay = *state;
	struct printed printed;
	json_t *page;

	relay_add(relay, &(struct relay_message){.from = "alarm\x1b[2J@example.org", .size = 5000},
		2);
	run(&printed, "sluice queue list");
	assert_int_equal(printed.code, 0);
	assert_int_equal(strncmp(printed.out, "ID ", 3), 0);
	assert_printed(printed.out, "00000000001000");
	assert_printed(printed.out, "4.9 KB");
	assert_printed(printed.out, "alarm\\x1b[2J@example.org");
	assert_null(strchr(printed.out, '\x1b'));
	run(&printed, "sluice queue list --json --limit 1");
	assert_int_equal(printed.code, 0);
	page = json_loads(printed.out, JSON_REJECT_DUPLICATES, NULL);
	assert_int_equal(json_array_size(json_object_get(page, "messages")), 1);
	json_decref(page);
}

static void a_message_is_shown_with_its_recipients(void **state)
{
	struct relay *relay = *state;
	struct printed printed;

	relay_add(relay, &(struct relay_message){.reason = "450 4.2.1 later"}, 1);
	run(&printed, "sluice queue show 1000");
	assert_int_equal(printed.code, 0);
	assert_printed(printed.out, "message   00000000001000");
	assert_printed(printed.out, "from@example.org");
	assert_printed(printed.out, "to@example.edu");
	assert_printed(printed.out, "expires");
	assert_printed(printed.out, "(in 4d)");
	run(&printed, "sluice queue content 1000");
	assert_int_equal(printed.code, 0);
	assert_int_equal(strlen(printed.out), 100);
	assert_int_equal(printed.out[99], relay_text_at(99));
	run(&printed, "sluice queue content 1000 --received");
	assert_int_equal(printed.code, 0);
	assert_int_equal(strlen(printed.out), 100);
	run(&printed, "sluice queue content 0A");
	assert_int_equal(printed.code, COMMAND_NOTHING_MATCHED);
	assert_string_equal(printed.out, "");
}

static void acts_name_messages_or_take_all_that_match(void **state)
{
	struct relay *relay = *state;
	struct printed printed;

	relay_add(relay, &(struct relay_message){.from = "a@example.org"}, 3);
	relay_add(relay, &(struct relay_message){.from = "b@example.org"}, 2);
	run(&printed, "sluice queue hold 1000 1001");
	assert_int_equal(printed.code, 0);
	assert_string_equal(printed.out, "00000000001000 held\n00000000001001 held\n");
	run(&printed, "sluice queue delete --all --from b@example.org --dry-run");
	assert_int_equal(printed.code, 0);
	assert_printed(printed.out, "2 messages would be deleted.");
	run(&printed, "sluice queue delete --all --from b@example.org");
	assert_int_equal(printed.code, 0);
	assert_string_equal(printed.out, "2 messages deleted.\n");
	run(&printed, "sluice queue release --all --state held");
	assert_int_equal(printed.code, 0);
	assert_string_equal(printed.out, "2 messages released.\n");
	run(&printed, "sluice queue release 1000");
	assert_int_equal(printed.code, EX_TEMPFAIL);
	assert_printed(printed.err, "not held");
	run(&printed, "sluice --json queue delete 1000");
	assert_string_equal(printed.out, "{\"id\":\"00000000001000\",\"state\":\"deleted\"}\n");
	run(&printed, "sluice queue list");
	assert_null(strstr(printed.out, "00000000001003"));
	assert_printed(printed.out, "00000000001002");
}

static void hosts_and_depth_are_tables(void **state)
{
	struct relay *relay = *state;
	struct printed printed;

	relay_add(relay, &(struct relay_message){0}, 2);
	run(&printed, "sluice queue");
	assert_int_equal(printed.code, 0);
	assert_printed(printed.out, "2 messages");
	assert_printed(printed.out, "waiting             2");
	assert_printed(printed.out, "campus");
	run(&printed, "sluice host list");
	assert_printed(printed.out, "paused");
	run(&printed, "sluice host resume " RELAY_HOST);
	assert_int_equal(printed.code, 0);
	run(&printed, "sluice host list");
	assert_null(strstr(printed.out, "paused"));
	run(&printed, "sluice status");
	assert_printed(printed.out, "relay.example.edu");
	run(&printed, "sluice top");
	assert_int_equal(printed.code, 0);
	assert_printed(printed.out, RELAY_HOST);
	assert_null(strchr(printed.out, '\x1b'));
}

/* ---- top's frame ---- */

static json_t *loads(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	assert_non_null(json);
	return json;
}

static void a_frame_fits_any_screen(void **state)
{
	json_t *status = loads(
		"{\"version\":\"1\",\"hostname\":\"relay.example.edu\",\"uptime_seconds\":90061,"
		"\"rates\":{\"received_per_second\":1.5,\"delivered_per_second\":0},"
		"\"totals\":{\"received\":1234567,\"delivered\":3},\"store\":{\"fill\":0.34},"
		"\"hosts\":[{\"host\":\"a:25\",\"upstream\":\"u\",\"state\":\"resting\","
		"\"last_reply\":\"421 \\u001b[2J "
		"busy\",\"next_attempt\":\"2026-11-22T10:00:12.000Z\"}]}");
	json_t *queue = loads("{\"messages\":5012,\"states\":{\"waiting\":5000,\"held\":12}}");
	struct top_history history = {0};
	struct top_frame frame = {.status = status,
		.queue = queue,
		.history = &history,
		.now_unix_ms = 1795341600000,
		.rows = 50,
		.utf8 = true};

	(void)state;
	for (int i = 0; i < 200; i++)
		top_history_add(&history, i, 0);
	for (size_t columns = 1; columns <= 200; columns += 3) {
		struct bytes out = {0};

		frame.columns = columns;
		top_frame_draw(&frame, &out);
		assert_true(bytes_append(&out, "", 1));
		if (columns > 120) {
			assert_printed((char *)out.data, "in 12s");
			assert_printed((char *)out.data, "421 \\x1b[2J busy");
			assert_printed((char *)out.data, "5,012 in the queue");
		}
		for (char *line = strtok((char *)out.data, "\n"); line != NULL;
			line = strtok(NULL, "\n"))
			assert_true(printable_width(line) <= columns);
		bytes_fini(&out);
	}
	json_decref(status);
	json_decref(queue);
}

static void a_relay_that_went_away_is_told_in_the_frame(void **state)
{
	struct top_history history = {0};
	const struct top_frame frame = {.history = &history,
		.trouble = "the relay is not reachable",
		.columns = 80,
		.rows = 24,
		.live = true};
	struct bytes out = {0};

	(void)state;
	top_frame_draw(&frame, &out);
	assert_true(bytes_append(&out, "", 1));
	assert_printed((char *)out.data, "the relay is not reachable");
	bytes_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define COMMAND_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		COMMAND_TEST(every_command_has_help),
		COMMAND_TEST(what_is_misspelt_is_a_usage_error_with_a_hint),
		COMMAND_TEST(a_relay_that_is_not_there_is_69_and_its_socket_is_named),
		COMMAND_TEST(nothing_matched_is_1),
		COMMAND_TEST(a_listing_is_a_table_or_the_answers_pages),
		COMMAND_TEST(a_message_is_shown_with_its_recipients),
		COMMAND_TEST(acts_name_messages_or_take_all_that_match),
		COMMAND_TEST(hosts_and_depth_are_tables),
		cmocka_unit_test(a_frame_fits_any_screen),
		cmocka_unit_test(a_relay_that_went_away_is_told_in_the_frame),
	};

	return cmocka_run_group_tests_name("admin/command", tests, NULL, NULL);
}
