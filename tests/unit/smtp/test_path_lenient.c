#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/path_lenient.h"

static const struct path_lenient rules = {.domain = "campus.example"};
static const struct path_lenient utf8_rules = {.domain = "campus.example", .utf8 = true};

/* `wanted` is the address, and the quirks in their order; `rest` what is left for parameters. */
static void check_by(const struct path_lenient *by, enum path_kind kind, const char *text,
	const char *wanted, const char *quirks, const char *rest)
{
	struct quirk_set set = {{0, 0}};
	char noted[QUIRK_TEXT_SIZE];
	struct path path;
	size_t taken;

	if (path_lenient_parse(by, kind, text, strlen(text), &path, &taken, &set) != PATH_SOUND)
		fail_msg("%s was refused", text);
	assert_string_equal(path.address, wanted);
	assert_int_equal(path.size, strlen(wanted));
	assert_string_equal(quirk_set_format(&set, noted), quirks);
	assert_string_equal(text + taken, rest);
}

static void check(const char *text, const char *wanted, const char *quirks)
{
	check_by(&rules, PATH_REVERSE, text, wanted, quirks, "");
}

static void check_fault(const struct path_lenient *by, enum path_kind kind, const char *text,
	enum path_fault fault, const char *quirks)
{
	struct quirk_set set = {{0, 0}};
	char noted[QUIRK_TEXT_SIZE];
	struct path path;
	size_t taken;
	enum path_fault heard =
		path_lenient_parse(by, kind, text, strlen(text), &path, &taken, &set);

	if (heard != fault)
		fail_msg("%s: fault %d, not %d", text, (int)heard, (int)fault);
	assert_string_equal(quirk_set_format(&set, noted), quirks);
}

static void a_sound_path_is_itself_and_no_quirk(void **state)
{
	(void)state;
	check("<a@b.example>", "a@b.example", "");
	check("<>", "", "");
	check("<\"a @> b\"@b.example>", "\"a @> b\"@b.example", "");
	check("<a@[192.0.2.1]>", "a@[192.0.2.1]", "");
	check("<O'Neil@b.example>", "O'Neil@b.example", "");
	check_by(&rules, PATH_REVERSE, "<a@b> SIZE=1", "a@b", "", " SIZE=1");
	check_by(&rules, PATH_REVERSE, "<a@b> AUTH=<> X=<c@d>", "a@b", "", " AUTH=<> X=<c@d>");
	check_by(&rules, PATH_FORWARD, "<Postmaster>", "Postmaster", "", "");
}

static void brackets_may_be_missing(void **state)
{
	(void)state;
	check("a@b.example", "a@b.example", "Q-33");
	check_by(&rules, PATH_REVERSE, "a@b SIZE=1", "a@b", "Q-33", " SIZE=1");
	check("<a@b", "a@b", "Q-33");
	check_by(&rules, PATH_REVERSE, "<a@b SIZE=1", "a@b", "Q-33", " SIZE=1");
	check("", "", "Q-33");
	check("\"a b\"@c", "\"a b\"@c", "Q-33");
}

static void display_names_are_left_out(void **state)
{
	(void)state;
	check("\"Last, First\" <a@b>", "a@b", "Q-36");
	check("Scanner <1> <a@b>", "a@b", "Q-36");
	check("Scanner 3. OG <a@b>", "a@b", "Q-36");
	check("\"M\xfcller <x@y>\" <a@b>", "a@b", "Q-36");
	check("Scanner a@b", "a@b", "Q-33 Q-36");
	check("\"Name <a@b>\"", "a@b", "Q-33 Q-36 Q-37");
	check("\"Name <a@b>", "a@b", "Q-36");
	check_by(&rules, PATH_FORWARD, "Bob <postmaster>", "postmaster", "Q-36", "");
}

static void what_stands_around_is_taken_off(void **state)
{
	(void)state;
	check("<<a@b>>", "a@b", "Q-37");
	check("<<<a@b>>>", "a@b", "Q-37");
	check("< a@b >", "a@b", "Q-37");
	check("<\"a@b\">", "a@b", "Q-37");
	check("<'a@b'>", "a@b", "Q-37");
	check("<mailto:a@b>", "a@b", "Q-37");
	check("<MAILTO:'a@b'>", "a@b", "Q-37");
	check("<\"<a@b>\">", "a@b", "Q-37");
	check("<a@b>>", "a@b", "Q-37");
	check("<<>>", "", "Q-37");
	check("'a@b'", "a@b", "Q-33 Q-37");
	check("a@b>", "a@b", "Q-33 Q-37");
	check_by(&rules, PATH_REVERSE, "a@b>> SIZE=1", "a@b", "Q-33 Q-37", " SIZE=1");
	check_by(&rules, PATH_FORWARD, "bob>", "bob@campus.example", "Q-33 Q-37 Q-39", "");
}

static void odd_dots_are_cut_or_quoted(void **state)
{
	(void)state;
	check("<a@b.example.>", "a@b.example", "Q-38");
	check("<a.@b>", "\"a.\"@b", "Q-38");
	check("<.a@b>", "\".a\"@b", "Q-38");
	check("<a..b@c>", "\"a..b\"@c", "Q-38");
	check("<First Last@c>", "\"First Last\"@c", "Q-38");
	check("<DOMAIN\\user@c>", "\"DOMAIN\\\\user\"@c", "Q-38");
	check("<a(1)@c>", "\"a(1)\"@c", "Q-38");
}

static void unqualified_names_get_the_domain(void **state)
{
	(void)state;
	check("<printer>", "printer@campus.example", "Q-39");
	check("printer", "printer@campus.example", "Q-33 Q-39");
	check("<printer@>", "printer@campus.example", "Q-39");
	check("<postmaster>", "postmaster@campus.example", "Q-39");
	check_by(&rules, PATH_FORWARD, "<bob>", "bob@campus.example", "Q-39", "");
	check("<Scan Room 3>", "\"Scan Room 3\"@campus.example", "Q-38 Q-39");
}

static void source_routes_are_left_out(void **state)
{
	(void)state;
	check("<@hop.example,@b:a@c>", "a@c", "Q-49");
	check_by(&rules, PATH_FORWARD, "@hop:a@c", "a@c", "Q-33 Q-49", "");
	check_fault(&rules, PATH_FORWARD, "<@hop:>", PATH_SYNTAX, "Q-49");
	check_fault(&rules, PATH_FORWARD, "<@hop>", PATH_SYNTAX, "");
}

static void recipients_do_not_route_elsewhere(void **state)
{
	static const char *const wrong[] = {"<a%evil.example@b>", "<evil.example!a@b>",
		"<a%campus.example%evil@b>", "<evil!campus.example!a@campus.example>",
		"<a%evil@campus.example>", "<a%>", "<a%evilcampus.example@b>"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		check_fault(&rules, PATH_FORWARD, wrong[i], PATH_RELAYED, "Q-49");
	check_fault(&rules, PATH_FORWARD, "<@x:a%evil@b>", PATH_RELAYED, "Q-49");
	check_by(&rules, PATH_FORWARD, "<a%host.Campus.example@b>", "a%host.Campus.example@b", "",
		"");
	check_by(&rules, PATH_FORWARD, "<campus.example!a@b>", "campus.example!a@b", "", "");
	check("<a%evil@b>", "a%evil@b", "");
}

static void quoted_marks_are_letters_unless_a_relay_could_follow_them(void **state)
{
	static const char *const letters[] = {"\"50%!\"@b", "\"50%off\"@b", "\"a@b\"@c",
		"\"a%x.campus.example\"@b", "\"1.5% a\"@b", "\"Oh, no!\"@b", "\"Dr. X!\"@b"};
	static const char *const routes[] = {"<\"a%evil.example\"@b>", "<\"evil.example!a\"@b>",
		"<\"a@evil.example\"@b>", "<\"a@evil.example%campus.example\"@b>",
		"<\"a%ev\\il.example\"@b>", "<\"a\\@[192.0.2.1]\"@b>", "<\"x!evil.example!a\"@b>"};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
		snprintf(text, sizeof(text), "<%s>", letters[i]);
		check_by(&rules, PATH_FORWARD, text, letters[i], "", "");
	}
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		check_fault(&rules, PATH_FORWARD, routes[i], PATH_RELAYED, "Q-49");
}

static void eightbit_domains_become_ascii(void **state)
{
	(void)state;
	check("<a@m\xc3\xbcller.example>", "a@xn--mller-kva.example", "Q-50");
	check("\"M\xc3\xbcller\" <a@b>", "a@b", "Q-36");
	check_fault(&rules, PATH_REVERSE, "<m\xc3\xbcller@b>", PATH_EIGHTBIT, "Q-50");
	check_fault(&rules, PATH_REVERSE, "<a@m\xfcller.example>", PATH_EIGHTBIT, "Q-50");
}

static void utf8_stays_behind_smtputf8(void **state)
{
	(void)state;
	check_by(&utf8_rules, PATH_REVERSE, "<m\xc3\xbc@m\xc3\xbcller.example>",
		"m\xc3\xbc@m\xc3\xbcller.example", "", "");
	check_by(&utf8_rules, PATH_REVERSE, "<\xc3\xbc.@b>", "\"\xc3\xbc.\"@b", "Q-38", "");
	check_fault(&utf8_rules, PATH_REVERSE, "<m\xfc@b>", PATH_EIGHTBIT, "");
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const wrong[] = {"<@>", "<@b>", "<a@b..c>", "<a@-b>", "<a@b c>",
		"<a@b@c>", "<a@b,c@d>", "<a\x01@b>", "<a@b\x7f>", "<a@[1.2.3]>", "<a\"b\"c@d>",
		"<\"a\"b@c>"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct quirk_set set = {{0, 0}};
		struct path path;
		size_t taken;

		if (path_lenient_parse(&rules, PATH_FORWARD, wrong[i], strlen(wrong[i]), &path,
			    &taken, &set) != PATH_SYNTAX)
			fail_msg("%s was not refused as no address", wrong[i]);
	}
	check_fault(&rules, PATH_FORWARD, "<>", PATH_SYNTAX, "");
	check_fault(&rules, PATH_FORWARD, "", PATH_SYNTAX, "Q-33");
}

static void limits_hold_for_what_was_mended(void **state)
{
	char text[2000];

	(void)state;
	snprintf(text, sizeof(text), "<.%062d@b>", 0);
	check_fault(&rules, PATH_REVERSE, text, PATH_TOO_LONG, "Q-38");
	snprintf(text, sizeof(text), "<%065d@b>", 0);
	check_fault(&rules, PATH_REVERSE, text, PATH_TOO_LONG, "");
	snprintf(text, sizeof(text), "<%0900d@b>", 0);
	check_fault(&rules, PATH_REVERSE, text, PATH_TOO_LONG, "");
	snprintf(text, sizeof(text), "<a@%0900d>", 0);
	check_fault(&rules, PATH_REVERSE, text, PATH_TOO_LONG, "");
	snprintf(text, sizeof(text), "<a@\xc3\xbc%0400d>", 0);
	check_fault(&rules, PATH_REVERSE, text, PATH_EIGHTBIT, "Q-50");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sound_path_is_itself_and_no_quirk),
		cmocka_unit_test(brackets_may_be_missing),
		cmocka_unit_test(display_names_are_left_out),
		cmocka_unit_test(what_stands_around_is_taken_off),
		cmocka_unit_test(odd_dots_are_cut_or_quoted),
		cmocka_unit_test(unqualified_names_get_the_domain),
		cmocka_unit_test(source_routes_are_left_out),
		cmocka_unit_test(recipients_do_not_route_elsewhere),
		cmocka_unit_test(quoted_marks_are_letters_unless_a_relay_could_follow_them),
		cmocka_unit_test(eightbit_domains_become_ascii),
		cmocka_unit_test(utf8_stays_behind_smtputf8),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(limits_hold_for_what_was_mended),
	};

	return cmocka_run_group_tests_name("smtp/path_lenient", tests, NULL, NULL);
}
