#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/offer.h"

static struct offer parse(const char *line)
{
	struct offer offer = {0};

	offer_parse(&offer, line, strlen(line));
	return offer;
}

static void offers_are_read(void **state)
{
	(void)state;
	assert_true(parse("PIPELINING\r\n").pipelining);
	assert_true(parse("pipelining").pipelining);
	assert_false(parse("PIPELININGX").pipelining);
	assert_false(parse("X PIPELINING").pipelining);
	assert_true(parse("8BITMIME\r\n").eightbitmime);
	assert_true(parse("SMTPUTF8\n").smtputf8);
	assert_true(parse("STARTTLS\r\n").starttls);
	assert_true(parse("SIZE 52428800\r\n").size_said);
	assert_int_equal(parse("SIZE 52428800\r\n").size_max_bytes, 52428800);
	assert_true(parse("SIZE\r\n").size_said);
	assert_int_equal(parse("SIZE\r\n").size_max_bytes, 0);
	assert_true(parse("SIZE 99999999999999999999999").size_max_bytes > 1ull << 60);
	assert_int_equal(parse("SIZE -1").size_max_bytes, 0);
}

static void limits_are_read(void **state)
{
	struct offer offer = parse("LIMITS RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=1\r\n");

	(void)state;
	assert_int_equal(offer.recipients_max, 20);
	assert_int_equal(offer.messages_max, 5);
	assert_int_equal(parse("LIMITS MAILMAX=7").messages_max, 7);
	assert_int_equal(parse("LIMITS XRCPTMAX=7").recipients_max, 0);
	assert_int_equal(parse("LIMITS RCPTMAX=").recipients_max, 0);
	assert_int_equal(parse("LIMITS RCPTMAX=99999999999").recipients_max, 1000000);
	assert_int_equal(parse("LIMITS").recipients_max, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offers_are_read),
		cmocka_unit_test(limits_are_read),
	};

	return cmocka_run_group_tests_name("smtp/offer", tests, NULL, NULL);
}
