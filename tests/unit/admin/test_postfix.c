#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/postfix.h"
#include "core/bytes.h"

static bool allow(void *owner, size_t line, const char *network)
{
	return bytes_printf(owner, "%zu+%s\n", line, network);
}

static bool refuse(void *owner, size_t line, const char *what, const char *why)
{
	assert_true(why[0] != '\0');
	return bytes_printf(owner, "%zu-%s\n", line, what);
}

/* What it says, as "line+network" and "line-refused". */
static void expect(const char *text, const char *expected)
{
	struct bytes out = {0};
	const struct postfix_reader reader = {&out, allow, refuse};

	assert_true(postfix_read(text, strlen(text), &reader));
	assert_true(bytes_append(&out, "", 1));
	assert_string_equal((const char *)out.data, expected);
	bytes_fini(&out);
}

static void mynetworks_are_read_with_their_continuations(void **state)
{
	(void)state;
	expect("# main.cf\n"
	       "myhostname = relay.example.edu\n"
	       "mynetworks = 127.0.0.0/8 [::1]/128,\n"
	       "# the library\n"
	       "\t10.1.0.0/16\n"
	       "\n"
	       "    10.2.3.4, [2001:db8::]/32\n"
	       "relayhost = [mail.example.edu]\n",
		"3+127.0.0.0/8\n3+::1\n3+10.1.0.0/16\n3+10.2.3.4\n3+2001:db8::/32\n");
}

static void a_mapped_network_is_its_ipv4_one(void **state)
{
	(void)state;
	expect("mynetworks = [::ffff:127.0.0.0]/104", "1+127.0.0.0/8\n");
}

static void variables_of_the_file_are_put_in(void **state)
{
	(void)state;
	expect("campus = 10.0.0.0/8\nall = $campus, 192.0.2.1\nmynetworks = ${all} $(campus) "
	       "$gone\n",
		"3-$gone\n3+10.0.0.0/8\n3+192.0.2.1\n3+10.0.0.0/8\n");
	expect("mynetworks = $mynetworks", "1-$\n");
	expect("mynetworks = 10.1.2.3 ${x?y}", "1-${x?y}\n1+10.1.2.3\n");
}

static void variables_do_not_multiply_without_end(void **state)
{
	struct bytes text = {0}, out = {0};
	const struct postfix_reader reader = {&out, allow, refuse};

	(void)state;
	for (char name = 'a'; name < 'h'; name++) {
		assert_true(bytes_printf(&text, "%c =", name));
		for (int i = 0; i < 100; i++)
			assert_true(bytes_printf(&text, " $%c", name + 1));
		assert_true(bytes_append_text(&text, "\n"));
	}
	assert_true(bytes_append_text(&text, "mynetworks = $a\n"));
	assert_true(postfix_read((const char *)text.data, text.size, &reader));
	assert_true(out.size < 1000000);
	bytes_fini(&text);
	bytes_fini(&out);
}

static void what_cannot_be_taken_over_is_named(void **state)
{
	(void)state;
	expect("mynetworks = !10.9.9.9 10.0.0.0/8 /etc/postfix/nets hash:/etc/postfix/more "
	       "cidr:/x\n"
	       "  host.example.edu .example.edu 10.1.2.3/8 0.0.0.0/0 999.1.1.1 proxy:mysql:x\n",
		"1-!10.9.9.9\n1+10.0.0.0/8\n1-/etc/postfix/nets\n1-hash:/etc/postfix/more\n1-cidr:/"
		"x\n"
		"1-host.example.edu\n1-.example.edu\n1-10.1.2.3/8\n1-0.0.0.0/0\n1-999.1.1.1\n"
		"1-proxy:mysql:x\n");
	expect("myhostname = x\n", "1-mynetworks\n");
	expect("mynetworks = 10.1.2.3\n"
	       "smtpd_relay_restrictions = permit_mynetworks,\n"
	       "  check_client_access hash:/etc/postfix/access, reject\n",
		"1+10.1.2.3\n2-hash:/etc/postfix/access\n");
}

static void access_maps_are_read_by_their_actions(void **state)
{
	(void)state;
	expect("# access\n"
	       "10.1.2 OK\n"
	       "10.1.2.3\tok\n"
	       "10 permit\n"
	       "192.168.1.0/24 permit\n"
	       "2001:db8 OK\n"
	       "[2001:db8:1::]/48 OK\n"
	       "2001:db8::7 1234\n",
		"2+10.1.2.0/24\n3+10.1.2.3\n4+10.0.0.0/8\n5+192.168.1.0/24\n6+2001:db8::/32\n"
		"7+2001:db8:1::/48\n8+2001:db8::7\n");
	expect("10.1.2.3 REJECT gone\n10.1.2.4 DUNNO\nhost.example.edu OK\nuser@example.edu OK\n"
	       "if 10.0.0.0/8\n10.2.0.0/16 OK\nendif x\n!10.3.0.0/16 OK\n",
		"1-10.1.2.3\n2-10.1.2.4\n3-host.example.edu\n4-user@example.edu\n5-if "
		"10.0.0.0/8\n6+10.2.0.0/"
		"16\n"
		"7-endif x\n8-!10.3.0.0/16\n");
}

static void a_plain_list_of_networks_is_read(void **state)
{
	(void)state;
	expect("10.0.0.0/8\n192.168.0.0/16, 10.1.2.3\n2001:db8::/32 192.0.2.1\n",
		"1+10.0.0.0/8\n2+192.168.0.0/16\n2+10.1.2.3\n3+2001:db8::/32\n3+192.0.2.1\n");
}

static void what_is_no_text_is_refused(void **state)
{
	static const char database[] = "\0\0\1\0abc";
	struct bytes out = {0};
	const struct postfix_reader reader = {&out, allow, refuse};

	(void)state;
	assert_true(postfix_read(database, sizeof(database), &reader));
	assert_true(out.size > 0 && memchr(out.data, '+', out.size) == NULL);
	bytes_fini(&out);
	expect("", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mynetworks_are_read_with_their_continuations),
		cmocka_unit_test(a_mapped_network_is_its_ipv4_one),
		cmocka_unit_test(variables_of_the_file_are_put_in),
		cmocka_unit_test(variables_do_not_multiply_without_end),
		cmocka_unit_test(what_cannot_be_taken_over_is_named),
		cmocka_unit_test(access_maps_are_read_by_their_actions),
		cmocka_unit_test(a_plain_list_of_networks_is_read),
		cmocka_unit_test(what_is_no_text_is_refused),
	};

	return cmocka_run_group_tests_name("admin/postfix", tests, NULL, NULL);
}
