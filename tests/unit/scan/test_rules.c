#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scan/rules.h"
#include "tests/unit/scan/virus.h"

static int setup(void **state)
{
	*state = rules_hook.open();
	return *state != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	rules_hook.close(*state);
	return 0;
}

/* Scans the text in pieces of `step` bytes. */
static enum recipient_verdict scan(void *rules, const void *text, size_t size, size_t step)
{
	struct finding finding;

	assert_int_equal(rules_hook.begin(rules), 0);
	for (size_t at = 0; at < size; at += step)
		assert_int_equal(rules_hook.feed(rules, (const uint8_t *)text + at,
					 size - at < step ? size - at : step),
			0);
	assert_int_equal(rules_hook.finish(rules, &finding), 0);
	assert_string_equal(
		finding.threat, finding.verdict == VERDICT_VIRUS ? "EICAR-Test-File" : "");
	return finding.verdict;
}

static void check(void *rules, const struct bytes *text, enum recipient_verdict verdict)
{
	static const size_t steps[] = {1, 2, 3, 7, 64, 65, 77, SIZE_MAX / 2};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		assert_int_equal(scan(rules, text->data, text->size, steps[i]), verdict);
}

static void check_text(void *rules, const char *text, enum recipient_verdict verdict)
{
	struct bytes bytes = {0};

	assert_true(bytes_append_text(&bytes, text));
	check(rules, &bytes, verdict);
	bytes_fini(&bytes);
}

static void ordinary_text_is_clean(void **state)
{
	check_text(*state, "", VERDICT_CLEAN);
	check_text(*state, "Subject: x\r\n\r\nHello\r\nX5O!P\r\n", VERDICT_CLEAN);
	check_text(*state, "EICAR-STANDARD-ANTIVIRUS-TEST-FILE\r\n", VERDICT_CLEAN);
}

static void test_string_is_found_anywhere(void **state)
{
	struct bytes text = {0};

	for (size_t before = 0; before < 70; before++) {
		bytes_clear(&text);
		for (size_t i = 0; i < before; i++)
			assert_true(bytes_append_text(&text, i % 3 == 0 ? "X" : " "));
		assert_true(bytes_append_text(&text, virus_text()));
		assert_int_equal(scan(*state, text.data, text.size, SIZE_MAX / 2), VERDICT_VIRUS);
		assert_int_equal(scan(*state, text.data, text.size, 1), VERDICT_VIRUS);
		assert_true(bytes_append_text(&text, " and more\r\n"));
		assert_int_equal(scan(*state, text.data, text.size, 5), VERDICT_VIRUS);
	}
	bytes_fini(&text);
}

static void every_cut_into_two_pieces_is_bridged(void **state)
{
	struct finding finding;

	for (size_t cut = 0; cut <= VIRUS_SIZE; cut++) {
		assert_int_equal(rules_hook.begin(*state), 0);
		assert_int_equal(rules_hook.feed(*state, (const uint8_t *)virus_text(), cut), 0);
		assert_int_equal(rules_hook.feed(*state, (const uint8_t *)virus_text() + cut,
					 VIRUS_SIZE - cut),
			0);
		assert_int_equal(rules_hook.finish(*state, &finding), 0);
		assert_int_equal(finding.verdict, VERDICT_VIRUS);
	}
}

static void false_starts_do_not_hide_it(void **state)
{
	struct bytes text = {0};

	for (size_t begun = 1; begun < VIRUS_SIZE; begun++) {
		bytes_clear(&text);
		assert_true(bytes_append(&text, virus_text(), begun));
		assert_true(bytes_append_text(&text, virus_text()));
		check(*state, &text, VERDICT_VIRUS);
	}
	bytes_fini(&text);
}

static void one_wrong_byte_is_clean(void **state)
{
	for (size_t wrong = 0; wrong < VIRUS_SIZE; wrong++) {
		struct bytes text = {0};

		assert_true(bytes_append_text(&text, virus_text()));
		text.data[wrong] ^= 1;
		check(*state, &text, VERDICT_CLEAN);
		bytes_fini(&text);
	}
}

static void nothing_is_left_from_the_last_message(void **state)
{
	struct finding finding;

	assert_int_equal(scan(*state, virus_text(), VIRUS_SIZE, 9), VERDICT_VIRUS);
	assert_int_equal(scan(*state, virus_text(), VIRUS_SIZE / 2, 9), VERDICT_CLEAN);
	assert_int_equal(
		scan(*state, virus_text() + VIRUS_SIZE / 2, VIRUS_SIZE / 2, 9), VERDICT_CLEAN);
	assert_int_equal(rules_hook.begin(*state), 0);
	assert_int_equal(rules_hook.finish(*state, &finding), 0);
	assert_int_equal(finding.verdict, VERDICT_CLEAN);
}

static void attachments_in_base64_are_seen_into(void **state)
{
	static const size_t widths[] = {4, 60, 64, 76, 77, 1000};
	struct bytes text = {0};

	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		for (size_t before = 0; before < 60; before++) {
			bytes_clear(&text);
			virus_append_mail(&text, before, widths[i]);
			assert_int_equal(
				scan(*state, text.data, text.size, SIZE_MAX / 2), VERDICT_VIRUS);
			assert_int_equal(scan(*state, text.data, text.size, 1), VERDICT_VIRUS);
			assert_int_equal(scan(*state, text.data, text.size, 67), VERDICT_VIRUS);
		}
	}
	bytes_fini(&text);
}

static void large_attachment_is_decoded_to_its_end(void **state)
{
	struct bytes text = {0};

	virus_append_mail(&text, 300000, 76);
	check(*state, &text, VERDICT_VIRUS);
	bytes_fini(&text);
}

static void base64_without_an_end_is_looked_at(void **state)
{
	struct bytes text = {0};

	virus_append_base64(&text, virus_text(), VIRUS_SIZE, 76);
	while (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r' ||
		text.data[text.size - 1] == '=')
		text.size--;
	check(*state, &text, VERDICT_VIRUS);
	bytes_fini(&text);
}

static void second_part_does_not_lean_on_the_first(void **state)
{
	struct bytes text = {0};

	/* the first half ends one part, the second half begins another */
	virus_append_base64(&text, virus_text(), 33, 76);
	assert_true(bytes_append_text(&text, "--b\r\nContent-Transfer-Encoding: base64\r\n\r\n"));
	virus_append_base64(&text, virus_text() + 33, VIRUS_SIZE - 33, 76);
	check(*state, &text, VERDICT_CLEAN);
	/* a part of an odd length does not shift the next one */
	bytes_clear(&text);
	assert_true(bytes_append_text(&text, "abcde\r\n--b\r\n\r\n"));
	virus_append_base64(&text, virus_text(), VIRUS_SIZE, 76);
	check(*state, &text, VERDICT_VIRUS);
	bytes_fini(&text);
}

static void base64_of_something_else_is_clean(void **state)
{
	struct bytes text = {0};
	char wrong[VIRUS_SIZE];

	memcpy(wrong, virus_text(), VIRUS_SIZE);
	wrong[40] ^= 1;
	virus_append_base64(&text, wrong, VIRUS_SIZE, 76);
	check(*state, &text, VERDICT_CLEAN);
	bytes_fini(&text);
}

static void random_bytes_are_clean(void **state)
{
	uint8_t *noise = malloc(1 << 20);
	uint32_t seed = 7;

	assert_non_null(noise);
	for (size_t i = 0; i < 1 << 20; i++) {
		seed = seed * 1664525 + 1013904223;
		noise[i] = (uint8_t)(seed >> 24);
	}
	assert_int_equal(scan(*state, noise, 1 << 20, 65520), VERDICT_CLEAN);
	assert_int_equal(scan(*state, noise, 1 << 20, 1), VERDICT_CLEAN);
	free(noise);
}

int main(void)
{
#define WITH_RULES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_RULES(ordinary_text_is_clean),
		WITH_RULES(test_string_is_found_anywhere),
		WITH_RULES(every_cut_into_two_pieces_is_bridged),
		WITH_RULES(false_starts_do_not_hide_it),
		WITH_RULES(one_wrong_byte_is_clean),
		WITH_RULES(nothing_is_left_from_the_last_message),
		WITH_RULES(attachments_in_base64_are_seen_into),
		WITH_RULES(large_attachment_is_decoded_to_its_end),
		WITH_RULES(base64_without_an_end_is_looked_at),
		WITH_RULES(second_part_does_not_lean_on_the_first),
		WITH_RULES(base64_of_something_else_is_clean),
		WITH_RULES(random_bytes_are_clean),
	};

	return cmocka_run_group_tests_name("scan/rules", tests, NULL, NULL);
}
