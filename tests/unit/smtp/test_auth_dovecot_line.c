/* Lines of Dovecot's authentication protocol. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/auth_dovecot_line.h"

static struct dovecot_line read_text(const char *text)
{
	struct dovecot_line line;
	char *exact = malloc(strlen(text) + 1);

	memcpy(exact, text, strlen(text));
	dovecot_line_read(exact, strlen(text), &line);
	free(exact);
	return line;
}

static void greeting_is_read(void **state)
{
	(void)state;
	assert_int_equal(read_text("VERSION\t1\t2").verb, DOVECOT_VERSION);
	assert_int_equal(read_text("VERSION\t1\t2").number, 1);
	assert_int_equal(read_text("VERSION\t2").number, 2);
	assert_true(read_text("MECH\tPLAIN\tplaintext").plain);
	assert_true(read_text("MECH\tPLAIN").plain);
	assert_false(read_text("MECH\tPLAIN2").plain);
	assert_false(read_text("MECH\tLOGIN\tPLAIN").plain);
	assert_int_equal(read_text("DONE").verb, DOVECOT_DONE);
	assert_int_equal(read_text("COOKIE\tabc").verb, DOVECOT_OTHER);
	assert_int_equal(read_text("").verb, DOVECOT_OTHER);
	assert_int_equal(read_text("done").verb, DOVECOT_OTHER);
}

static void answers_are_read(void **state)
{
	struct dovecot_line line = read_text("OK\t7\tuser=anna\tnologins=1");

	(void)state;
	assert_int_equal(line.verb, DOVECOT_OK);
	assert_int_equal(line.number, 7);
	assert_false(line.refused);
	assert_true(read_text("OK\t7\tnologin\treason=no").refused);
	assert_true(read_text("OK\t7\tuser=a\tnologin=y").refused);
	assert_false(read_text("OK\t7\tnologin\tproxy=y\thost=a").refused);
	line = read_text(
		"FAIL\t4294967295\tuser=anna\tcode=user_disabled\treason=a\001tb\001nc\001");
	assert_int_equal(line.verb, DOVECOT_FAIL);
	assert_int_equal(line.number, UINT32_MAX);
	assert_false(line.temporary);
	assert_string_equal(line.why, "user_disabled a\tb\nc\001");
	assert_true(read_text("FAIL\t1\ttemp").temporary);
	assert_true(read_text("FAIL\t1\tuser=a\tcode=temp_fail").temporary);
	assert_false(read_text("FAIL\t1\tuser=temp").temporary);
	assert_int_equal(read_text("CONT\t3\t").verb, DOVECOT_CONT);
}

static void what_lacks_its_number_is_bad(void **state)
{
	static const char *const texts[] = {"OK", "OK\t", "OK\tx", "OK\t-1", "OK\t4294967296",
		"OK\t99999999999999999999", "OK\t1 ", "FAIL", "FAIL\ttemp", "CONT\t\t1", "VERSION",
		"VERSION\tone", "MECH"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(read_text(texts[i]).verb, DOVECOT_BAD);
}

static void long_reasons_are_cut(void **state)
{
	char text[1000] = "FAIL\t1\treason=";
	struct dovecot_line line;

	(void)state;
	memset(text + strlen(text), 'x', sizeof(text) - strlen(text) - 1);
	text[sizeof(text) - 1] = '\0';
	line = read_text(text);
	assert_int_equal(strlen(line.why), sizeof(line.why) - 1);
}

static void auth_says_who_from_where_and_the_response_last(void **state)
{
	static const char head[] =
		"AUTH\t12\tPLAIN\tservice=smtp\tnologin\tno-penalty\trip=192.0.2.1\tsecured\tresp=";
	static const char message[] = "\0an\tna\0ap\nple";
	char out[DOVECOT_AUTH_MAX];
	uint8_t decoded[64];
	size_t size = dovecot_line_write_auth(out, 12, "an\tna", "ap\nple", "192.0.2.1");

	(void)state;
	assert_int_equal(size, strlen(out));
	assert_memory_equal(out, head, strlen(head));
	assert_ptr_equal(strpbrk(out + strlen(head), "\t\n"), out + size - 1);
	assert_true(EVP_DecodeBlock(decoded, (const uint8_t *)out + strlen(head),
			    (int)(size - strlen(head) - 1)) >= (int)sizeof(message) - 1);
	assert_memory_equal(decoded, message, sizeof(message) - 1);
}

static void longest_login_fits(void **state)
{
	char out[DOVECOT_AUTH_MAX], account[256], password[512];

	(void)state;
	memset(account, 'a', sizeof(account));
	memset(password, 'p', sizeof(password));
	account[sizeof(account) - 1] = password[sizeof(password) - 1] = '\0';
	assert_true(dovecot_line_write_auth(out, UINT32_MAX, account, password,
			    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff") > 1024);
	assert_int_equal(out[strlen(out) - 1], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(greeting_is_read),
		cmocka_unit_test(answers_are_read),
		cmocka_unit_test(what_lacks_its_number_is_bad),
		cmocka_unit_test(long_reasons_are_cut),
		cmocka_unit_test(auth_says_who_from_where_and_the_response_last),
		cmocka_unit_test(longest_login_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
