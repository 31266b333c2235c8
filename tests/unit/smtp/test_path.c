#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/path.h"

static enum path_fault parse(
	enum path_kind kind, const char *text, struct path *path, size_t *taken)
{
	return path_parse(text, strlen(text), kind, path, taken);
}

static void check_sound(enum path_kind kind, const char *text, const char *address)
{
	struct path path;
	size_t taken;

	if (parse(kind, text, &path, &taken) != PATH_SOUND)
		fail_msg("%s was refused", text);
	assert_string_equal(path.address, address);
	assert_int_equal(path.size, strlen(address));
	assert_int_equal(taken, strlen(text));
}

static void check_fault(enum path_kind kind, const char *text, enum path_fault fault)
{
	struct path path;
	size_t taken;

	if (parse(kind, text, &path, &taken) != fault)
		fail_msg("%s: not fault %d", text, (int)fault);
}

static void plain_addresses_are_taken(void **state)
{
	(void)state;
	check_sound(PATH_REVERSE, "<a@example.edu>", "a@example.edu");
	check_sound(PATH_FORWARD, "<Fred.O'Neil+x=y@mail-1.Example.EDU>",
		"Fred.O'Neil+x=y@mail-1.Example.EDU");
	check_sound(PATH_FORWARD, "<a@under_score.example>", "a@under_score.example");
	check_sound(PATH_FORWARD, "<a@localhost>", "a@localhost");
}

static void null_path_is_for_senders_only(void **state)
{
	(void)state;
	check_sound(PATH_REVERSE, "<>", "");
	check_fault(PATH_FORWARD, "<>", PATH_SYNTAX);
}

static void postmaster_needs_no_domain_as_recipient(void **state)
{
	(void)state;
	check_sound(PATH_FORWARD, "<PostMaster>", "PostMaster");
	check_fault(PATH_REVERSE, "<postmaster>", PATH_SYNTAX);
	check_fault(PATH_FORWARD, "<bob>", PATH_SYNTAX);
}

static void quoted_local_parts_are_kept_as_they_are(void **state)
{
	(void)state;
	check_sound(PATH_FORWARD, "<\"a b\"@example.edu>", "\"a b\"@example.edu");
	check_sound(PATH_FORWARD, "<\"a\\\"b\\\\\"@example.edu>", "\"a\\\"b\\\\\"@example.edu");
	check_sound(PATH_FORWARD, "<\"@>\"@example.edu>", "\"@>\"@example.edu");
	check_sound(PATH_FORWARD, "<\"\"@example.edu>", "\"\"@example.edu");
	check_fault(PATH_FORWARD, "<\"a@example.edu>", PATH_SYNTAX);
	check_fault(PATH_FORWARD, "<\"a\\", PATH_SYNTAX);
	check_fault(PATH_FORWARD, "<\"a\tb\"@example.edu>", PATH_SYNTAX);
	check_fault(PATH_FORWARD, "<\"a\"b@example.edu>", PATH_SYNTAX);
}

static void source_routes_are_left_out(void **state)
{
	(void)state;
	check_sound(PATH_FORWARD, "<@a.example,@b.example:c@d.example>", "c@d.example");
	check_fault(PATH_FORWARD, "<@a.example>", PATH_SYNTAX);
	check_fault(PATH_FORWARD, "<@a.example:>", PATH_SYNTAX);
	check_fault(PATH_REVERSE, "<@a.example:>", PATH_SYNTAX);
	check_fault(PATH_FORWARD, "<@a.example,b.example:c@d.example>", PATH_SYNTAX);
}

static void address_literals_are_checked(void **state)
{
	(void)state;
	check_sound(PATH_FORWARD, "<a@[192.0.2.1]>", "a@[192.0.2.1]");
	check_sound(PATH_FORWARD, "<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]");
	check_sound(PATH_FORWARD, "<a@[ipv6:::1]>", "a@[ipv6:::1]");
	check_fault(PATH_FORWARD, "<a@[192.0.2.256]>", PATH_SYNTAX);
	check_fault(PATH_FORWARD, "<a@[2001:db8::1]>", PATH_SYNTAX);
	check_fault(PATH_FORWARD, "<a@[192.0.2.1>", PATH_SYNTAX);
	check_fault(PATH_FORWARD, "<a@[]>", PATH_SYNTAX);
	check_fault(
		PATH_FORWARD, "<a@[1234567890123456789012345678901234567890123456]>", PATH_SYNTAX);
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const wrong[] = {"", "a@b", "<", "<a", "<a@", "<a@b", "<a@>", "<@b>",
		"<.a@b>", "<a.@b>", "<a..b@c>", "<a@b..c>", "<a@.b>", "<a@b.>", "<a@-b>", "<a@b->",
		"<a b@c>", "<a@b c>", "<a@b@c>", "<<a@b>>", "<a,b@c>", "<a@b,c@d>", "<a@b\x7f>",
		"<a(b)@c>", "<a@(b)>", "< a@b>"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct path path;
		size_t taken;

		if (parse(PATH_FORWARD, wrong[i], &path, &taken) == PATH_SOUND)
			fail_msg("%s was taken", wrong[i]);
	}
}

static void control_bytes_are_refused(void **state)
{
	static const char wrong[] = {'\0', '\r', '\n', '\t', '\x1b', '\x7f'};
	char text[] = "<a?b@example.edu>";
	struct path path;
	size_t taken;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong); i++) {
		text[2] = wrong[i];
		assert_int_equal(path_parse(text, sizeof(text) - 1, PATH_FORWARD, &path, &taken),
			PATH_SYNTAX);
	}
}

static void nul_does_not_cut_an_address_literal(void **state)
{
	static const char text[] = "<a@[192.0.2.1\0x]>";
	struct path path;
	size_t taken;

	(void)state;
	assert_int_equal(
		path_parse(text, sizeof(text) - 1, PATH_FORWARD, &path, &taken), PATH_SYNTAX);
}

static void eightbit_is_refused_as_such(void **state)
{
	(void)state;
	check_fault(PATH_FORWARD, "<m\xc3\xbcller@example.edu>", PATH_EIGHTBIT);
	check_fault(PATH_FORWARD, "<a@m\xc3\xbcller.example>", PATH_EIGHTBIT);
	check_fault(PATH_REVERSE, "<\"\xff\"@example.edu>", PATH_EIGHTBIT);
}

static void check_utf8(const char *text, enum path_fault fault)
{
	struct path path;
	size_t taken;

	assert_int_equal(path_parse_utf8(text, strlen(text), PATH_FORWARD, &path, &taken), fault);
	if (fault == PATH_SOUND)
		assert_int_equal(taken, strlen(text));
}

static void utf8_is_taken_where_it_may_be(void **state)
{
	(void)state;
	check_utf8("<m\xc3\xbcller@m\xc3\xbcller.example>", PATH_SOUND);
	check_utf8("<\"\xf0\x9f\x93\xa0 x\"@b>", PATH_SOUND);
	check_utf8("<a@b>", PATH_SOUND);
	check_utf8("<\xfc@b>", PATH_EIGHTBIT);
	check_utf8("<\xc0\xaf@b>", PATH_EIGHTBIT); /* "/", overlong */
	check_utf8("<\xed\xa0\x80@b>", PATH_EIGHTBIT); /* half a pair */
	check_utf8("<\xc2\x85@b>", PATH_EIGHTBIT); /* NEL, which some take for a line end */
	check_utf8("<\xc3@b>", PATH_EIGHTBIT);
	check_utf8("<\xc3\xbc@>", PATH_SYNTAX);
}

static void check_length(size_t local, size_t label_count, enum path_fault fault)
{
	char text[1024] = "<";
	size_t at = 1;

	memset(text + at, 'a', local);
	at += local;
	text[at++] = '@';
	for (size_t i = 0; i < label_count; i++) {
		memset(text + at, 'b', 20);
		at += 20;
		text[at++] = i + 1 < label_count ? '.' : '>';
	}
	text[at] = '\0';
	check_fault(PATH_FORWARD, text, fault);
}

static void limits_are_those_of_the_rfc(void **state)
{
	(void)state;
	check_length(64, 1, PATH_SOUND);
	check_length(65, 1, PATH_TOO_LONG);
	/* < local @ labels of 21 with their ends: 2 + 64 + 9 * 21 = 255 */
	check_length(64, 9, PATH_SOUND);
	check_length(63 + 1, 10, PATH_TOO_LONG);
	check_length(1, 13, PATH_TOO_LONG);
	check_fault(PATH_FORWARD,
		"<a@bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.example>",
		PATH_SYNTAX);
}

/* "NAME=value;" of each; "!" for a syntax error. */
static void check_parameters(const char *text, const char *wanted)
{
	const char *at = text, *end = text + strlen(text);
	struct path_parameter parameter;
	char heard[256] = "";
	size_t size = 0;
	int rc;

	while ((rc = path_parameter_next(&at, end, &parameter)) > 0)
		size += (size_t)snprintf(heard + size, sizeof(heard) - size, "%.*s=%.*s;",
			(int)parameter.name_size, parameter.name, (int)parameter.value_size,
			parameter.value != NULL ? parameter.value : "");
	if (rc < 0)
		snprintf(heard + size, sizeof(heard) - size, "!");
	assert_string_equal(heard, wanted);
}

static void parameters_come_one_by_one(void **state)
{
	(void)state;
	check_parameters("", "");
	check_parameters(" SIZE=10 BODY=8BITMIME", "SIZE=10;BODY=8BITMIME;");
	check_parameters("  X-Y SMTPUTF8", "X-Y=;SMTPUTF8=;");
	check_parameters("SIZE=10", "!");
	check_parameters(" SIZE=", "!");
	check_parameters(" =1", "!");
	check_parameters(" SIZE=1=2", "!");
	check_parameters(" SIZE=\x01", "!");
	check_parameters(" A=1 -B=2", "A=1;!");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_addresses_are_taken),
		cmocka_unit_test(null_path_is_for_senders_only),
		cmocka_unit_test(postmaster_needs_no_domain_as_recipient),
		cmocka_unit_test(quoted_local_parts_are_kept_as_they_are),
		cmocka_unit_test(source_routes_are_left_out),
		cmocka_unit_test(address_literals_are_checked),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(control_bytes_are_refused),
		cmocka_unit_test(nul_does_not_cut_an_address_literal),
		cmocka_unit_test(eightbit_is_refused_as_such),
		cmocka_unit_test(utf8_is_taken_where_it_may_be),
		cmocka_unit_test(limits_are_those_of_the_rfc),
		cmocka_unit_test(parameters_come_one_by_one),
	};

	return cmocka_run_group_tests_name("smtp/path", tests, NULL, NULL);
}
