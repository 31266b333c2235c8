/* What is said to saslauthd and what it says, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "smtp/auth_saslauthd.h"

#define ANSWER(text) "\0" text, 1 + sizeof(text) - 1

static void request_is_four_counted_texts(void **state)
{
	uint8_t out[SASLAUTHD_REQUEST_MAX];

	(void)state;
	assert_int_equal(auth_saslauthd_write("anna", "apple", out), 21);
	assert_memory_equal(out, "\0\4anna\0\5apple\0\4smtp\0\0", 21);
}

static void what_follows_the_last_at_sign_is_the_realm(void **state)
{
	static const char wanted[] = "\0\3a@b\0\1x\0\4smtp\0\2cd";
	uint8_t out[SASLAUTHD_REQUEST_MAX];

	(void)state;
	assert_int_equal(auth_saslauthd_write("a@b@cd", "x", out), sizeof(wanted) - 1);
	assert_memory_equal(out, wanted, sizeof(wanted) - 1);
}

static void texts_over_its_limit_are_not_sent(void **state)
{
	char text[SASLAUTHD_TEXT_MAX + 3];
	uint8_t out[SASLAUTHD_REQUEST_MAX];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[SASLAUTHD_TEXT_MAX] = '\0';
	assert_true(auth_saslauthd_write(text, text, out) > 0);
	text[SASLAUTHD_TEXT_MAX] = 'x';
	text[SASLAUTHD_TEXT_MAX + 1] = '\0';
	assert_int_equal(auth_saslauthd_write("a", text, out), -1);
	assert_int_equal(auth_saslauthd_write(text, "a", out), -1);
	text[0] = '@';
	text[SASLAUTHD_TEXT_MAX + 1] = 'x';
	text[SASLAUTHD_TEXT_MAX + 2] = '\0';
	assert_int_equal(auth_saslauthd_write(text, "a", out), -1);
}

static void answers_are_read_whole_and_cut_anywhere(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		enum saslauthd_answer state;
		enum auth_verdict verdict;
	} rows[] = {
		{ANSWER("\2OK"), SASLAUTHD_COMPLETE, AUTH_VERDICT_RIGHT},
		{ANSWER("\7OK fine"), SASLAUTHD_COMPLETE, AUTH_VERDICT_RIGHT},
		{ANSWER("\2OK and more"), SASLAUTHD_COMPLETE, AUTH_VERDICT_RIGHT},
		{ANSWER("\2NO"), SASLAUTHD_COMPLETE, AUTH_VERDICT_WRONG},
		{ANSWER("\10NO wrong"), SASLAUTHD_COMPLETE, AUTH_VERDICT_WRONG},
		{ANSWER("\15NO [ALERT] no"), SASLAUTHD_COMPLETE, AUTH_VERDICT_UNAVAILABLE},
		{ANSWER("\4OKAY"), SASLAUTHD_BAD, AUTH_VERDICT_WRONG},
		{ANSWER("\2ok"), SASLAUTHD_BAD, AUTH_VERDICT_WRONG},
		{ANSWER("\1O"), SASLAUTHD_BAD, AUTH_VERDICT_WRONG},
		{ANSWER("\0"), SASLAUTHD_BAD, AUTH_VERDICT_WRONG},
		{"\377\377OK", 4, SASLAUTHD_BAD, AUTH_VERDICT_WRONG},
		{"\4\0OK", 4, SASLAUTHD_BAD, AUTH_VERDICT_WRONG},
		{"HTTP/1.0 400", 12, SASLAUTHD_BAD, AUTH_VERDICT_WRONG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum auth_verdict verdict = AUTH_VERDICT_WRONG;
		size_t needed =
			2 + ((size_t)(uint8_t)rows[i].bytes[0] << 8 | (uint8_t)rows[i].bytes[1]);

		for (size_t size = 0; size <= rows[i].size; size++) {
			uint8_t *exact = malloc(size + 1); /* so that a byte too many is found */
			enum saslauthd_answer got;

			memcpy(exact, rows[i].bytes, size);
			got = auth_saslauthd_read(exact, size, &verdict);
			free(exact);
			if (size < 2 || (size < needed && got != SASLAUTHD_BAD))
				assert_int_equal(got, SASLAUTHD_MORE);
			else
				assert_int_equal(got, rows[i].state);
		}
		if (rows[i].state == SASLAUTHD_COMPLETE)
			assert_int_equal(verdict, rows[i].verdict);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_is_four_counted_texts),
		cmocka_unit_test(what_follows_the_last_at_sign_is_the_realm),
		cmocka_unit_test(texts_over_its_limit_are_not_sent),
		cmocka_unit_test(answers_are_read_whole_and_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
