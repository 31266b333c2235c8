#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "smtp/dotstream.h"

struct outcome {
	struct dotstream stream;
	struct bytes stored;
	bool done;
	size_t taken;
};

static bool store(void *owner, const void *bytes, size_t size)
{
	return bytes_append(owner, bytes, size);
}

/* Runs `input` through a stream in steps of `step` bytes. */
static void run(
	struct outcome *outcome, const char *input, size_t size, size_t step, uint64_t limit)
{
	memset(outcome, 0, sizeof(*outcome));
	dotstream_init(&outcome->stream, limit, store, &outcome->stored);
	while (outcome->taken < size && !outcome->done) {
		size_t rest = size - outcome->taken, taken;

		rest = rest < step ? rest : step;
		outcome->done = dotstream_next(&outcome->stream, input + outcome->taken, rest,
					&taken) == DOTSTREAM_DONE;
		if (!outcome->done)
			assert_int_equal(taken, rest);
		outcome->taken += taken;
	}
}

#define NO_LIMIT UINT64_MAX

/* Whole, byte by byte and in odd parts: stored text, end and taken are the same. `wanted` NULL: it must not end. */
static void check_sized(const char *input, size_t size, const char *wanted, size_t wanted_size)
{
	struct outcome outcome;

	for (size_t step = 1; step <= size; step++) {
		run(&outcome, input, size, step, NO_LIMIT);
		if (wanted == NULL) {
			assert_false(outcome.done);
		} else {
			assert_true(outcome.done);
			assert_int_equal(outcome.taken, size);
			assert_int_equal(outcome.stored.size, wanted_size);
			assert_memory_equal(outcome.stored.data, wanted, wanted_size);
		}
		bytes_fini(&outcome.stored);
	}
}

#define check(input, wanted) check_sized(input, sizeof(input) - 1, wanted, sizeof(wanted) - 1)
#define check_goes_on(input) check_sized(input, sizeof(input) - 1, NULL, 0)

static void clean_text_is_stored_as_it_is(void **state)
{
	(void)state;
	check("Subject: x\r\n\r\nbody\r\n.\r\n", "Subject: x\r\n\r\nbody\r\n");
}

static void empty_text_ends_at_its_first_line(void **state)
{
	struct outcome outcome;

	(void)state;
	run(&outcome, ".\r\n", 3, 3, NO_LIMIT);
	assert_true(outcome.done);
	assert_int_equal(outcome.stored.size, 0);
	assert_int_equal(outcome.stream.sent_bytes, 0);
}

static void what_follows_the_end_is_not_taken(void **state)
{
	static const char input[] = "a\r\n.\r\nQUIT\r\n";
	struct outcome outcome;

	(void)state;
	for (size_t step = 1; step < sizeof(input); step++) {
		run(&outcome, input, sizeof(input) - 1, step, NO_LIMIT);
		assert_true(outcome.done);
		assert_int_equal(outcome.taken, 6);
		bytes_fini(&outcome.stored);
	}
}

static void stuffed_dots_are_taken_off(void **state)
{
	(void)state;
	check("..\r\n...\r\n.x\r\n..x.\r\na.\r\n.\r\n", ".\r\n..\r\nx\r\n.x.\r\na.\r\n");
}

static void lone_line_ends_become_crlf(void **state)
{
	(void)state;
	check("a\nb\rc\r\n.\r\n", "a\r\nb\r\nc\r\n");
	check("a\n\nb\r\rc\r\r\nd\n\r\n.\r\n", "a\r\n\r\nb\r\n\r\nc\r\n\r\nd\r\n\r\n");
	check("\n\r\n.\r\n", "\r\n\r\n");
	check("a\n..b\r..c\r\n.\r\n", "a\r\n.b\r\n.c\r\n");
}

/* Every published false end, with a second message behind it, inside one that ends rightly. */
static void no_false_end_ends_a_text(void **state)
{
	(void)state;
	check_goes_on("a\n.\n");
	check_goes_on("a\n.\r\n");
	check_goes_on("a\r\n.\n");
	check_goes_on("a\r.\r");
	check_goes_on("a\r.\n");
	check_goes_on("a\r.\r\n");
	check_goes_on("a\r\n.\r");
	check_goes_on("a\n.\r");
	check_goes_on("a\r\n.\rb");
	check_goes_on("a\r\n\0.\r\n");
	check_goes_on("a\r\n.\0\r\n");
	check_goes_on("a\r\n.\r\0\n");
	check_goes_on("a\r\0\n.\r\n");
	check_goes_on("a\r\r\n.\r\r\n");
	check_goes_on("a\r\n.\r\r\n");
	check_goes_on("a\n\r.\n\r");
	check_goes_on("a\r\n. \r\n");
	check_goes_on("a\r\n .\r\n");
	check_goes_on("a\r\n..\r\n");
	check_goes_on(".\n");
	check_goes_on(".\r");
	check_goes_on("..\r\n");
	check_goes_on("\n.\r\n");
}

static void false_ends_are_stored_as_lines(void **state)
{
	(void)state;
	check("a\n.\nMAIL\r\n.\r\n", "a\r\n.\r\nMAIL\r\n");
	check("a\n.\r\nMAIL\r\n.\r\n", "a\r\n.\r\nMAIL\r\n");
	check("a\r\n.\nMAIL\r\n.\r\n", "a\r\n.\r\nMAIL\r\n");
	check("a\r.\rMAIL\r\n.\r\n", "a\r\n.\r\nMAIL\r\n");
	check("a\r\n.\rMAIL\r\n.\r\n", "a\r\n.\r\nMAIL\r\n");
	check("a\r.\r\nMAIL\r\n.\r\n", "a\r\n.\r\nMAIL\r\n");
	check("a\r\n.\r\r\n.\r\n", "a\r\n.\r\n\r\n");
	check("a\n.\r\n.\r\n", "a\r\n.\r\n");
}

/* Every text of `length` bytes of the dangerous alphabet ends exactly where CRLF.CRLF first stands. */
static void check_all(char *text, size_t at, size_t length)
{
	static const char alphabet[] = {'\r', '\n', '.', 'a', '\0'};
	struct outcome whole, parts;
	size_t end = 0;

	if (at < length) {
		for (size_t i = 0; i < sizeof(alphabet); i++) {
			text[at] = alphabet[i];
			check_all(text, at + 1, length);
		}
		return;
	}
	/* the DATA command's CRLF stands in front: text[0..1] */
	for (size_t i = 0; i + 5 <= length && end == 0; i++)
		if (memcmp(text + i, "\r\n.\r\n", 5) == 0)
			end = i + 5;
	run(&whole, text + 2, length - 2, length, NO_LIMIT);
	run(&parts, text + 2, length - 2, 1, NO_LIMIT);
	assert_int_equal(whole.done, end != 0);
	assert_int_equal(parts.done, end != 0);
	if (end != 0)
		assert_int_equal(whole.taken, end - 2);
	assert_int_equal(whole.taken, parts.taken);
	assert_int_equal(whole.stream.has_nul, parts.stream.has_nul);
	if (!whole.stream.has_nul) { /* else it is dropped, by runs */
		assert_int_equal(whole.stored.size, parts.stored.size);
		if (whole.stored.size > 0)
			assert_memory_equal(
				whole.stored.data, parts.stored.data, whole.stored.size);
	}
	bytes_fini(&whole.stored);
	bytes_fini(&parts.stored);
}

static void only_crlf_dot_crlf_ends_whatever_the_bytes(void **state)
{
	char text[16] = "\r\n";

	(void)state;
	for (size_t length = 3; length <= 9; length++)
		check_all(text, 2, length);
}

static void nul_is_noted_and_nothing_behind_it_is_stored(void **state)
{
	static const char input[] = "a\r\nb\0c\r\nd\r\n.\r\n";
	struct outcome outcome;

	(void)state;
	for (size_t step = 1; step < sizeof(input); step++) {
		run(&outcome, input, sizeof(input) - 1, step, NO_LIMIT);
		assert_true(outcome.done);
		assert_true(outcome.stream.has_nul);
		assert_null(
			memchr(outcome.stored.data != NULL ? outcome.stored.data : (uint8_t *)"",
				'\0', outcome.stored.size));
		bytes_fini(&outcome.stored);
	}
}

/* What is to be known of a text, the same however it is cut. */
static void check_facts(
	const char *input, bool eightbit, bool dots, bool lone_ends, unsigned received)
{
	struct outcome outcome;

	for (size_t step = 1; step <= strlen(input); step++) {
		run(&outcome, input, strlen(input), step, NO_LIMIT);
		assert_true(outcome.done);
		assert_int_equal(outcome.stream.has_eightbit, eightbit);
		assert_int_equal(outcome.stream.has_dots, dots);
		assert_int_equal(
			outcome.stream.has_lone_lf || outcome.stream.has_lone_cr, lone_ends);
		assert_int_equal(outcome.stream.received_fields, received);
		assert_false(outcome.stream.has_nul);
		bytes_fini(&outcome.stored);
	}
}

static void facts_are_found(void **state)
{
	(void)state;
	check_facts("a\r\n\r\nb\r\n.\r\n", false, false, false, 0);
	check_facts("a\r\n\r\nb\xe4\r\n.\r\n", true, false, false, 0);
	check_facts("a\r\n\r\nlong enough for a word \xc3\xa4 in the middle of it\r\n.\r\n", true,
		false, false, 0);
	check_facts("a\r\n\r\n..b\r\n.\r\n", false, true, false, 0);
	check_facts("a\r\n\r\n.b\r\n.\r\n", false, false, false, 0);
	check_facts("a\r\n.\nb\r\n.\r\n", false, true, true, 0);
	check_facts("a\rb\r\n.\r\n", false, false, true, 0);
}

static void received_fields_are_counted_in_the_header_only(void **state)
{
	(void)state;
	check_facts("Received: a\r\nreceived:b\r\n Received: folded\r\nReceivedX: c\r\n"
		    "X-Received: d\r\nRECEIVED:\r\nReceived\r\n\r\nReceived: body\r\n.\r\n",
		false, false, false, 3);
	check_facts("Received: a\nReceived: b\n\nReceived: body\r\n.\r\n", false, false, true, 2);
}

static void check_line(size_t length, bool is_long)
{
	char *input = malloc(length + 16);
	struct outcome outcome;

	assert_non_null(input);
	memset(input, 'x', length);
	memcpy(input + length, "\r\n.\r\n", 6);
	for (size_t step = 1; step <= length + 5; step += 333) {
		run(&outcome, input, length + 5, step, NO_LIMIT);
		assert_true(outcome.done);
		assert_int_equal(outcome.stream.has_long_lines, is_long);
		assert_int_equal(outcome.stored.size, length + 2);
		bytes_fini(&outcome.stored);
	}
	free(input);
}

static void long_lines_are_noted_and_not_cut(void **state)
{
	(void)state;
	check_line(998, false);
	check_line(999, true);
	check_line(100000, true);
}

/* Stuffed dots and the final line are not counted (RFC 1870); what is sent is, not what is stored. */
static void size_is_what_the_client_sent(void **state)
{
	static const char input[] = "..a\r\nb\nc\r\n.\r\n";
	const uint64_t size = sizeof(input) - 1 - 1 - 3;
	struct outcome outcome;

	(void)state;
	for (size_t step = 1; step < sizeof(input); step++) {
		run(&outcome, input, sizeof(input) - 1, step, size);
		assert_true(outcome.done);
		assert_int_equal(outcome.stream.sent_bytes, size);
		assert_false(outcome.stream.over_limit);
		bytes_fini(&outcome.stored);
		run(&outcome, input, sizeof(input) - 1, step, size - 1);
		assert_true(outcome.done);
		assert_true(outcome.stream.over_limit);
		bytes_fini(&outcome.stored);
	}
}

static void text_over_the_limit_is_read_to_its_end_and_dropped(void **state)
{
	static char input[200000];
	struct outcome outcome;

	(void)state;
	for (size_t i = 0; i + 2 <= sizeof(input) - 5; i += 2)
		memcpy(input + i, i % 80 == 78 ? "\r\n" : "xx", 2);
	memcpy(input + sizeof(input) - 5, "\r\n.\r\n", 5);
	run(&outcome, input, sizeof(input), 1000, 5000);
	assert_true(outcome.done);
	assert_true(outcome.stream.over_limit);
	assert_int_equal(outcome.taken, sizeof(input));
	assert_true(outcome.stored.size <= 6000);
	bytes_fini(&outcome.stored);
}

static bool refuse(void *owner, const void *bytes, size_t size)
{
	(void)bytes;
	(void)size;
	++*(int *)owner;
	return false;
}

static void sink_that_refuses_is_asked_once_and_the_end_is_still_found(void **state)
{
	struct dotstream stream;
	int asked = 0;
	size_t taken;

	(void)state;
	dotstream_init(&stream, NO_LIMIT, refuse, &asked);
	assert_int_equal(dotstream_next(&stream, "a\nb\nc\r\n.\r\nx", 11, &taken), DOTSTREAM_DONE);
	assert_int_equal(taken, 10);
	assert_true(stream.sink_failed);
	assert_int_equal(asked, 1);
}

/* One call a part, of a client whose lines all end in a bare LF. */
static bool run_lf_only(const char *const *parts, struct outcome *outcome)
{
	memset(outcome, 0, sizeof(*outcome));
	dotstream_init(&outcome->stream, NO_LIMIT, store, &outcome->stored);
	outcome->stream.lf_only = true;
	for (; *parts != NULL && !outcome->done; parts++) {
		size_t taken;

		outcome->done = dotstream_next(&outcome->stream, *parts, strlen(*parts), &taken) ==
				DOTSTREAM_DONE;
		outcome->taken += taken;
	}
	return outcome->done;
}

static void lf_dot_lf_ends_a_text_whose_lines_all_end_so(void **state)
{
	static const char *const texts[][5] = {
		{"a\nb\n.\n"},
		{"a\nb\n", ".\n"},
		{"a\nb\n.", "\n"},
		{"a\nb", "\n", ".", "\n"},
	};
	struct outcome outcome;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_true(run_lf_only(texts[i], &outcome));
		assert_int_equal(outcome.stream.state, DOTSTREAM_LF_ENDED);
		assert_int_equal(outcome.stream.sent_bytes, 4);
		assert_int_equal(outcome.stored.size, 6);
		assert_memory_equal(outcome.stored.data, "a\r\nb\r\n", 6);
		bytes_fini(&outcome.stored);
	}
}

static void lf_dot_lf_is_text_when_something_is_behind_it_or_a_cr_before_it(void **state)
{
	static const char *const texts[][5] = {
		{"a\n.\nQUIT\n"},
		{"a\r\nb\n.\n"},
		{"a\r\n", "b\n", ".\n"},
		{"a\rb\n.\n"},
		{"a\n.\r", "\n.\n"},
		{"a\n.\r\n"},
	};
	struct outcome outcome;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_false(run_lf_only(texts[i], &outcome));
		bytes_fini(&outcome.stored);
	}
	dotstream_init(&outcome.stream, NO_LIMIT, store, &outcome.stored);
	outcome.stream.lf_only = outcome.stream.more_waits = true;
	assert_int_equal(
		dotstream_next(&outcome.stream, "a\n.\n", 4, &outcome.taken), DOTSTREAM_MORE);
	bytes_fini(&outcome.stored);
}

static void an_lf_only_text_may_still_end_in_crlf_dot_crlf(void **state)
{
	static const char *const text[] = {"a\nb\r\n.\r\n", NULL};
	struct outcome outcome;

	(void)state;
	assert_true(run_lf_only(text, &outcome));
	assert_int_equal(outcome.stream.state, DOTSTREAM_ENDED);
	bytes_fini(&outcome.stored);
}

static void nuls_may_be_kept(void **state)
{
	struct outcome outcome = {0};

	(void)state;
	dotstream_init(&outcome.stream, NO_LIMIT, store, &outcome.stored);
	outcome.stream.keeps_nul = true;
	assert_int_equal(dotstream_next(&outcome.stream, "a\0b\r\n.\r\n", 8, &outcome.taken),
		DOTSTREAM_DONE);
	assert_true(outcome.stream.has_nul);
	assert_int_equal(outcome.stored.size, 5);
	bytes_fini(&outcome.stored);
}

/* What is stored of counted text, however it is cut; `whole`: nothing had to be added at its end. */
static void check_counted(const char *input, const char *wanted, bool whole)
{
	for (size_t step = 1; step <= strlen(input) + 1; step++) {
		struct outcome outcome = {0};

		dotstream_init(&outcome.stream, NO_LIMIT, store, &outcome.stored);
		dotstream_count(&outcome.stream);
		for (size_t at = 0, size = strlen(input); at < size; at += outcome.taken)
			assert_int_equal(
				dotstream_next(&outcome.stream, input + at,
					size - at < step ? size - at : step, &outcome.taken),
				DOTSTREAM_MORE);
		assert_int_equal(dotstream_finish(&outcome.stream), whole);
		assert_int_equal(outcome.stream.sent_bytes, strlen(input));
		assert_int_equal(outcome.stored.size, strlen(wanted));
		if (wanted[0] != '\0')
			assert_memory_equal(outcome.stored.data, wanted, strlen(wanted));
		bytes_fini(&outcome.stored);
	}
}

static void counted_text_knows_no_dots_and_its_last_line_gets_an_end(void **state)
{
	(void)state;
	check_counted("", "", true);
	check_counted("a\r\n", "a\r\n", true);
	check_counted("a\r\n.\r\nb\n..c\n", "a\r\n.\r\nb\r\n..c\r\n", true);
	check_counted("a", "a\r\n", false);
	check_counted("a\r\n.", "a\r\n.\r\n", false);
	check_counted("a\r", "a\r\n", false);
	check_counted(".\r\n.\r", ".\r\n.\r\n", false);
}

/* A text whose client went: what was kept back of it is text after all. */
static void finish_gives_what_was_kept_back(void **state)
{
	static const struct {
		const char *input, *wanted;
	} rows[] = {{"a\r\n.", "a\r\n.\r\n"}, {"a\r\n.\r", "a\r\n.\r\n"}, {"a\n.", "a\r\n.\r\n"},
		{"a\r", "a\r\n"}, {"a", "a\r\n"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome outcome;

		run(&outcome, rows[i].input, strlen(rows[i].input), 100, NO_LIMIT);
		assert_false(outcome.done);
		dotstream_finish(&outcome.stream);
		assert_int_equal(outcome.stream.sent_bytes, strlen(rows[i].input));
		assert_int_equal(outcome.stored.size, strlen(rows[i].wanted));
		assert_memory_equal(outcome.stored.data, rows[i].wanted, strlen(rows[i].wanted));
		bytes_fini(&outcome.stored);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_text_is_stored_as_it_is),
		cmocka_unit_test(empty_text_ends_at_its_first_line),
		cmocka_unit_test(what_follows_the_end_is_not_taken),
		cmocka_unit_test(stuffed_dots_are_taken_off),
		cmocka_unit_test(lone_line_ends_become_crlf),
		cmocka_unit_test(no_false_end_ends_a_text),
		cmocka_unit_test(false_ends_are_stored_as_lines),
		cmocka_unit_test(only_crlf_dot_crlf_ends_whatever_the_bytes),
		cmocka_unit_test(nul_is_noted_and_nothing_behind_it_is_stored),
		cmocka_unit_test(facts_are_found),
		cmocka_unit_test(received_fields_are_counted_in_the_header_only),
		cmocka_unit_test(long_lines_are_noted_and_not_cut),
		cmocka_unit_test(size_is_what_the_client_sent),
		cmocka_unit_test(text_over_the_limit_is_read_to_its_end_and_dropped),
		cmocka_unit_test(sink_that_refuses_is_asked_once_and_the_end_is_still_found),
		cmocka_unit_test(lf_dot_lf_ends_a_text_whose_lines_all_end_so),
		cmocka_unit_test(lf_dot_lf_is_text_when_something_is_behind_it_or_a_cr_before_it),
		cmocka_unit_test(an_lf_only_text_may_still_end_in_crlf_dot_crlf),
		cmocka_unit_test(nuls_may_be_kept),
		cmocka_unit_test(counted_text_knows_no_dots_and_its_last_line_gets_an_end),
		cmocka_unit_test(finish_gives_what_was_kept_back),
	};

	return cmocka_run_group_tests_name("smtp/dotstream", tests, NULL, NULL);
}
