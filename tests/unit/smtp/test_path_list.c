#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/path_list.h"

static void check_list(const char *text, const char *wanted)
{
	const char *at = text, *end = text + strlen(text);
	struct path_item item;
	char heard[512] = "";
	size_t size = 0;

	while (path_list_next(&at, end, &item) > 0)
		size += (size_t)snprintf(
			heard + size, sizeof(heard) - size, "%.*s|", (int)item.size, item.text);
	assert_string_equal(heard, wanted);
}

static void lists_are_split(void **state)
{
	(void)state;
	check_list("<a@b>", "<a@b>|");
	check_list("<a@b>,<c@d>", "<a@b>|<c@d>|");
	check_list(" a@b ; c@d;", "a@b|c@d|");
	check_list("<a@b,c@d> NOTIFY=NEVER", "<a@b|c@d> NOTIFY=NEVER|");
	check_list("<a@b; c@d>", "<a@b|c@d>|");
	check_list("<a@b;>", "<a@b|");
	check_list("<bob,alice>", "<bob|alice>|");
	check_list("bob,alice", "bob|alice|");
	check_list("a@b,bob", "a@b|bob|");
	check_list(",;, ", "");
}

static void what_only_looks_like_a_list_is_none(void **state)
{
	(void)state;
	check_list("<a@b> NOTIFY=SUCCESS,FAILURE", "<a@b> NOTIFY=SUCCESS,FAILURE|");
	check_list("a@b ORCPT=rfc822;c@d X=1,2", "a@b ORCPT=rfc822;c@d X=1,2|");
	check_list("bob NOTIFY=A,B", "bob NOTIFY=A,B|");
	check_list("b=c@d,e@f", "b=c@d|e@f|");
	check_list("<@a,@b:c@d>", "<@a,@b:c@d>|");
	check_list("<@a,@b:c@d>,<e@f>", "<@a,@b:c@d>|<e@f>|");
	check_list("\"Doe, John\" <a@b>,c@d", "\"Doe, John\" <a@b>|c@d|");
	check_list("Doe, John <a@b>; Roe, Jane <c@d>", "Doe, John <a@b>|Roe, Jane <c@d>|");
	check_list("<\"a,b\"@c>", "<\"a,b\"@c>|");
	check_list("@a,@b:c@d", "@a,@b:c@d|");
}

static void blanks_between_two_addresses_separate_them(void **state)
{
	(void)state;
	check_list("<a@b> <c@d>", "<a@b>|<c@d>|");
	check_list("<a@b>  <c@d> NOTIFY=A,B", "<a@b>|<c@d> NOTIFY=A,B|");
	check_list("a@b c@d e@f", "a@b|c@d|e@f|");
	check_list("a@b <a@b>", "a@b <a@b>|");
	check_list("\"a@b\" <c@d>", "\"a@b\" <c@d>|");
	check_list("<Bob> <a@b>", "<Bob> <a@b>|");
	check_list("<a@b> (c@d)", "<a@b> (c@d)|");
	check_list("<a@b> ORCPT=rfc822;c@d", "<a@b> ORCPT=rfc822;c@d|");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_split),
		cmocka_unit_test(blanks_between_two_addresses_separate_them),
		cmocka_unit_test(what_only_looks_like_a_list_is_none),
	};

	return cmocka_run_group_tests_name("smtp/path_list", tests, NULL, NULL);
}
