#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/config_name.h"

static const char label63[] = "a23456789012345678901234567890123456789012345678901234567890123";

static void domains_are_letters_digits_hyphens(void **state)
{
	char text[300];

	(void)state;
	assert_true(config_is_domain("relay"));
	assert_true(config_is_domain("relay.example.edu"));
	assert_true(config_is_domain("3com.xn--bcher-kva.example"));
	assert_true(config_is_domain(label63));
	assert_false(config_is_domain(""));
	assert_false(config_is_domain("."));
	assert_false(config_is_domain("a..b"));
	assert_false(config_is_domain("a."));
	assert_false(config_is_domain("-a"));
	assert_false(config_is_domain("a-"));
	assert_false(config_is_domain("a-.b"));
	assert_false(config_is_domain("a_b"));
	assert_false(config_is_domain("a b"));
	assert_false(config_is_domain("b\xc3\xbc"));
	strcpy(text, label63);
	strcat(text, "x");
	assert_false(config_is_domain(text));
	text[0] = '\0';
	for (int i = 0; i < 4; i++) {
		strcat(text, label63);
		strcat(text, ".");
	}
	strcat(text, "ab");
	assert_false(config_is_domain(text));
}

static void literals_hold_an_address(void **state)
{
	(void)state;
	assert_true(config_is_literal("[192.0.2.1]"));
	assert_true(config_is_literal("[IPv6:2001:db8::1]"));
	assert_false(config_is_literal("192.0.2.1"));
	assert_false(config_is_literal("[192.0.2]"));
	assert_false(config_is_literal("[2001:db8::1]"));
	assert_false(config_is_literal("[]"));
	assert_false(config_is_literal("["));
	assert_false(config_is_literal(label63));
}

static void mailboxes_have_a_local_part_and_a_domain(void **state)
{
	(void)state;
	assert_true(config_is_mailbox("postmaster@example.edu"));
	assert_true(config_is_mailbox("a.b+c@[192.0.2.1]"));
	assert_false(config_is_mailbox("postmaster"));
	assert_false(config_is_mailbox("@example.edu"));
	assert_false(config_is_mailbox("a@"));
	assert_false(config_is_mailbox("a b@example.edu"));
	assert_false(config_is_mailbox("<a@example.edu>"));
	assert_false(config_is_mailbox("a@b@example.edu"));
	assert_false(config_is_mailbox("a\r\n@example.edu"));
}

static void patterns_are_a_star_a_domain_or_both(void **state)
{
	(void)state;
	assert_true(config_is_pattern("*"));
	assert_true(config_is_pattern("example.edu"));
	assert_true(config_is_pattern("*.example.edu"));
	assert_false(config_is_pattern("*."));
	assert_false(config_is_pattern("*example.edu"));
	assert_false(config_is_pattern("a.*"));
	assert_false(config_is_pattern(""));
}

static void names_are_plain(void **state)
{
	(void)state;
	assert_true(config_is_name("door_2.b-c"));
	assert_true(config_is_name(label63));
	assert_false(config_is_name(""));
	assert_false(config_is_name("a b"));
	assert_false(config_is_name("a\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(domains_are_letters_digits_hyphens),
		cmocka_unit_test(literals_hold_an_address),
		cmocka_unit_test(mailboxes_have_a_local_part_and_a_domain),
		cmocka_unit_test(patterns_are_a_star_a_domain_or_both),
		cmocka_unit_test(names_are_plain),
	};

	return cmocka_run_group_tests_name("core/config_name", tests, NULL, NULL);
}
