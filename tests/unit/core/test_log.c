#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/log.h"

/* Standard error goes to memory while a test looks at it. */
static int kept_stderr, captured;
static char text[1 << 20];

static void begin_capture(void)
{
	kept_stderr = dup(STDERR_FILENO);
	captured = memfd_create("log", MFD_CLOEXEC);
	assert_true(kept_stderr >= 0 && captured >= 0);
	/* as `2>>file`: the kernel places each write whole */
	assert_int_equal(fcntl(captured, F_SETFL, O_APPEND), 0);
	assert_true(dup2(captured, STDERR_FILENO) >= 0);
}

static const char *end_capture(void)
{
	ssize_t size;

	assert_true(dup2(kept_stderr, STDERR_FILENO) >= 0);
	close(kept_stderr);
	size = pread(captured, text, sizeof(text) - 1, 0);
	close(captured);
	assert_true(size >= 0);
	text[size] = '\0';
	return text;
}

/* A line without its time: "2026-11-22T10:00:00.123Z " is checked and skipped. */
static const char *skip_time(const char *line)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";

	for (size_t i = 0; form[i] != '\0'; i++) {
		if (form[i] == 'd')
			assert_in_range(line[i], '0', '9');
		else
			assert_int_equal(line[i], form[i]);
	}
	return line + sizeof(form) - 1;
}

static void a_line_has_time_level_event_and_its_pairs(void **state)
{
	(void)state;
	begin_capture();
	log_event(LOG_WARNING, "started", "version=%s pid=%d", "0.1", 7);
	assert_string_equal(skip_time(end_capture()), "warning event=started version=0.1 pid=7\n");
}

static void the_id_comes_before_the_event(void **state)
{
	(void)state;
	begin_capture();
	log_event(LOG_INFO, "delivered", "id=%s to=<%s>", "0A1B", "x@example.org");
	assert_string_equal(
		skip_time(end_capture()), "info id=0A1B event=delivered to=<x@example.org>\n");
	begin_capture();
	log_event(LOG_INFO, "queued", "id=%s", "0A1B");
	assert_string_equal(skip_time(end_capture()), "info id=0A1B event=queued\n");
	begin_capture();
	log_event(LOG_INFO, "ideal", "identity=%d", 1);
	assert_string_equal(skip_time(end_capture()), "info event=ideal identity=1\n");
}

static void an_event_may_have_no_pairs(void **state)
{
	(void)state;
	begin_capture();
	log_event(LOG_NOTICE, "stopped", "%s", "");
	assert_string_equal(skip_time(end_capture()), "notice event=stopped\n");
}

static void lines_below_the_level_are_not_written(void **state)
{
	(void)state;
	assert_false(log_wants(LOG_DEBUG));
	assert_true(log_wants(LOG_INFO));
	log_set_level(LOG_ERROR);
	begin_capture();
	log_event(LOG_WARNING, "no", "a=%d", 1);
	log_event(LOG_ERROR, "yes", "a=%d", 1);
	log_set_level(LOG_INFO);
	assert_string_equal(skip_time(end_capture()), "error event=yes a=1\n");
}

static void a_peers_text_is_escaped(void **state)
{
	struct log_quoted quoted;

	(void)state;
	assert_string_equal(log_text(&quoted, "plain <text> 1'"), "plain <text> 1'");
	assert_string_equal(log_text(&quoted, "a\r\nb\tc"), "a\\r\\nb\\tc");
	assert_string_equal(log_text(&quoted, "say \"hi\" \\"), "say \\\"hi\\\" \\\\");
	assert_string_equal(log_text(&quoted, "\x1b[31m\x7f\xc3\xa9"), "\\033[31m\\177\\303\\251");
	assert_string_equal(log_text_sized(&quoted, "a\0b", 3), "a\\000b");
	assert_string_equal(log_text(&quoted, NULL), "");
	assert_string_equal(log_text_sized(&quoted, NULL, 0), "");
}

static void an_address_is_one_word_and_keeps_its_brackets(void **state)
{
	struct log_quoted quoted;

	(void)state;
	assert_string_equal(log_address(&quoted, "a.b+c=d@example.org"), "a.b+c=d@example.org");
	assert_string_equal(
		log_address(&quoted, "\"a> event=x\"@b"), "\\\"a\\076\\040event=x\\\"@b");
	assert_string_equal(log_address(&quoted, NULL), "");
}

static void a_long_text_is_cut_and_says_so(void **state)
{
	struct log_quoted quoted;
	char longer[2000];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	log_text(&quoted, longer);
	assert_in_range(strlen(quoted.text), 500, sizeof(quoted.text) - 1);
	assert_string_equal(quoted.text + strlen(quoted.text) - 4, "x...");
	/* never in the middle of an escape */
	for (size_t size = 120; size < 135; size++) {
		memset(longer, '\x01', size);
		log_text_sized(&quoted, longer, size);
		assert_int_equal(
			strlen(quoted.text) % 4, strstr(quoted.text, "...") != NULL ? 3 : 0);
	}
}

static void a_line_that_nobody_escaped_stays_one_line(void **state)
{
	const char *line;

	(void)state;
	begin_capture();
	log_event(LOG_INFO, "odd", "a=%s", "x\r\ny\x1bz");
	line = skip_time(end_capture());
	assert_string_equal(line, "info event=odd a=x??y?z\n");
}

static void a_line_too_long_is_cut_and_says_so(void **state)
{
	static char longer[10000];
	const char *line;

	(void)state;
	memset(longer, 'y', sizeof(longer) - 1);
	begin_capture();
	log_event(LOG_INFO, "long", "id=1 a=%s", longer);
	line = end_capture();
	assert_int_equal(strlen(line), 4095);
	assert_string_equal(line + strlen(line) - 9, "yy [cut]\n");
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	assert_memory_equal(skip_time(line), "info id=1 event=long a=yyy", 26);
}

static void errno_is_left_as_it_was(void **state)
{
	(void)state;
	begin_capture();
	close(STDERR_FILENO);
	errno = ENOENT;
	log_event(LOG_INFO, "x", "a=%d", 1);
	assert_int_equal(errno, ENOENT);
	end_capture();
}

static void what_cannot_be_written_is_dropped_and_counted(void **state)
{
	uint64_t before = log_dropped();
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(full >= 0);
	begin_capture();
	log_event(LOG_INFO, "x", "a=%d", 1);
	assert_int_equal(log_dropped(), before);
	assert_true(dup2(full, STDERR_FILENO) >= 0);
	log_event(LOG_INFO, "x", "a=%d", 2);
	assert_int_equal(log_dropped(), before + 1);
	close(STDERR_FILENO);
	log_event(LOG_INFO, "x", "a=%d", 3);
	assert_int_equal(log_dropped(), before + 2);
	assert_true(dup2(captured, STDERR_FILENO) >= 0);
	log_event(LOG_INFO, "x", "a=%d", 4);
	assert_int_equal(log_dropped(), before + 2);
	assert_non_null(strstr(end_capture(), "a=4\n"));
	close(full);
}

static void a_pipe_without_a_reader_drops_too(void **state)
{
	uint64_t before = log_dropped();
	int ends[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	begin_capture();
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	log_event(LOG_INFO, "x", "a=%d", 1);
	end_capture();
	close(ends[1]);
	assert_int_equal(log_dropped(), before + 1);
}

static void a_noisy_event_is_limited_and_says_how_many_it_swallowed(void **state)
{
	struct log_repeat repeat = {0};
	unsigned swallowed = 99, written = 0, said = 0;

	(void)state;
	/* A second may end while we look: at most 5 a second, and nothing is lost from the count. */
	for (int i = 0; i < 1000; i++) {
		if (log_repeat_allows(&repeat, 5, &swallowed)) {
			written++;
			said += swallowed;
		}
	}
	assert_in_range(written, 5, 10);
	assert_int_equal(written + said + repeat.swallowed, 1000);
	/* the next window tells */
	repeat.window_mono_s = -1;
	assert_true(log_repeat_allows(&repeat, 5, &swallowed));
	assert_int_equal(written + said + swallowed, 1000);
	assert_true(log_repeat_allows(&repeat, 5, &swallowed));
	assert_int_equal(swallowed, 0);
}

static void the_limited_macro_limits_by_place(void **state)
{
	unsigned lines = 0;

	(void)state;
	begin_capture();
	for (int i = 0; i < 500; i++)
		log_event_limited(LOG_WARNING, "noise", "i=%d", i);
	log_event_limited(LOG_WARNING, "other", "i=%d", 1);
	for (const char *at = end_capture(); *at != '\0'; at++)
		lines += *at == '\n';
	assert_in_range(lines, 6, 11);
	assert_non_null(strstr(text, "event=other i=1 swallowed=0\n"));
}

enum { WRITERS = 4, LINES = 500 };

static void *write_lines(void *argument)
{
	for (int i = 0; i < LINES; i++)
		log_event(LOG_INFO, "crowd", "thread=%s line=%d filler=%0200d", (char *)argument, i,
			0);
	return NULL;
}

static void lines_of_many_threads_are_never_interleaved(void **state)
{
	static char names[WRITERS][2] = {"a", "b", "c", "d"};
	pthread_t threads[WRITERS];
	unsigned lines = 0;
	char *rest = text, *line;

	(void)state;
	begin_capture();
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	end_capture();
	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		const char *found = skip_time(line);

		assert_memory_equal(found, "info event=crowd thread=", 24);
		assert_string_equal(found + strlen(found) - 4, "0000");
		assert_int_equal(strspn(strstr(found, "filler=") + 7, "0"), 200);
		lines++;
	}
	assert_int_equal(lines, WRITERS * LINES);
}

static void a_panic_says_why_and_ends_the_process(void **state)
{
	int status;
	pid_t child;

	(void)state;
	begin_capture();
	child = fork();
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		log_panic("the inbox is full: %d", 7);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_string_equal(skip_time(end_capture()), "panic the inbox is full: 7\n");
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_time_level_event_and_its_pairs),
		cmocka_unit_test(the_id_comes_before_the_event),
		cmocka_unit_test(an_event_may_have_no_pairs),
		cmocka_unit_test(lines_below_the_level_are_not_written),
		cmocka_unit_test(a_peers_text_is_escaped),
		cmocka_unit_test(an_address_is_one_word_and_keeps_its_brackets),
		cmocka_unit_test(a_long_text_is_cut_and_says_so),
		cmocka_unit_test(a_line_that_nobody_escaped_stays_one_line),
		cmocka_unit_test(a_line_too_long_is_cut_and_says_so),
		cmocka_unit_test(errno_is_left_as_it_was),
		cmocka_unit_test(what_cannot_be_written_is_dropped_and_counted),
		cmocka_unit_test(a_pipe_without_a_reader_drops_too),
		cmocka_unit_test(a_noisy_event_is_limited_and_says_how_many_it_swallowed),
		cmocka_unit_test(the_limited_macro_limits_by_place),
		cmocka_unit_test(lines_of_many_threads_are_never_interleaved),
		cmocka_unit_test(a_panic_says_why_and_ends_the_process),
	};

	return cmocka_run_group_tests_name("core/log", tests, NULL, NULL);
}
