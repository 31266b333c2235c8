#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/network.h"

static bool has(const char *network, const char *host)
{
	struct network_list list = {0};
	struct reason reason = {{0}};
	struct address address;
	bool found;

	if (network_list_add(&list, network, &reason) < 0)
		fail_msg("%s", reason.text);
	assert_int_equal(address_parse(host, &address), 0);
	found = network_list_has(&list, &address);
	network_list_fini(&list);
	return found;
}

static void an_address_is_in_its_networks(void **state)
{
	(void)state;
	assert_true(has("10.0.0.0/8", "10.255.0.1:25"));
	assert_false(has("10.0.0.0/8", "11.0.0.0"));
	assert_true(has("192.0.2.7", "192.0.2.7"));
	assert_false(has("192.0.2.7", "192.0.2.6"));
	assert_true(has("192.0.2.128/25", "192.0.2.128"));
	assert_false(has("192.0.2.128/25", "192.0.2.127"));
	assert_true(has("192.0.2.6/31", "192.0.2.7"));
	assert_false(has("192.0.2.6/31", "192.0.2.8"));
	assert_true(has("2001:db8::/32", "2001:db8:ffff::1"));
	assert_false(has("2001:db8::/32", "2001:db9::1"));
	assert_true(has("2001:db8::8000:0/97", "2001:db8::8000:1"));
	assert_false(has("2001:db8::8000:0/97", "2001:db8::1"));
	assert_true(has("::1", "::1"));
}

static void zero_bits_are_all_of_one_family(void **state)
{
	(void)state;
	assert_true(has("0.0.0.0/0", "203.0.113.9"));
	assert_false(has("0.0.0.0/0", "2001:db8::1"));
	assert_true(has("::/0", "2001:db8::1"));
	/* an IPv4 client must not come in by a rule for IPv6 */
	assert_false(has("::/0", "203.0.113.9"));
	assert_false(has("::/64", "203.0.113.9"));
}

static void a_mapped_form_is_its_ipv4_network(void **state)
{
	(void)state;
	assert_true(has("::ffff:10.0.0.0/104", "10.1.2.3"));
	assert_true(has("10.0.0.0/8", "[::ffff:10.1.2.3]:25"));
}

static bool has_from(const char *network, unsigned scope_id)
{
	struct address address;
	struct network parsed;

	assert_int_equal(network_parse(network, &parsed, NULL), 0);
	assert_int_equal(address_parse("fe80::7", &address), 0);
	address.v6.sin6_scope_id = scope_id;
	return network_has(&parsed, &address);
}

static void a_zone_is_one_interface(void **state)
{
	unsigned lo = if_nametoindex("lo");

	(void)state;
	assert_int_not_equal(lo, 0);
	assert_true(has_from("fe80::/10", lo));
	assert_true(has_from("fe80::%lo/10", lo));
	assert_true(has_from("fe80::7%lo", lo));
	assert_false(has_from("fe80::%lo/10", lo + 1));
	assert_false(has_from("fe80::%lo/10", 0));
	assert_true(has_from("fe80::%77/10", 77));
	assert_false(has_from("fe80::%77/10", 78));
	assert_false(has_from("fe80::%nowhere/10", lo));
	assert_false(has_from("fe80::%nowhere/10", 0));
}

static void a_unix_peer_is_in_no_network(void **state)
{
	(void)state;
	assert_false(has("0.0.0.0/0", "unix:/run/x"));
	assert_false(has("::/0", "unix:/run/x"));
}

static void check_refusal(const char *text, const char *expected)
{
	struct network network;
	struct reason reason = {{0}};

	assert_int_equal(network_parse(text, &network, &reason), -1);
	if (strstr(reason.text, expected) == NULL)
		fail_msg("%s: \"%s\" does not say \"%s\"", text, reason.text, expected);
}

static void bits_behind_the_prefix_are_refused_with_a_suggestion(void **state)
{
	(void)state;
	check_refusal("10.0.0.1/8", "10.0.0.1/8: did you mean 10.0.0.0/8?");
	check_refusal("192.0.2.129/25", "did you mean 192.0.2.128/25?");
	check_refusal("192.0.2.1/0", "did you mean 0.0.0.0/0?");
	check_refusal("2001:db8::1/32", "did you mean 2001:db8::/32?");
	check_refusal("2001:db8::1/0", "did you mean ::/0?");
	check_refusal("fe80::1%lo/10", "did you mean fe80::%lo/10?");
}

static void what_is_no_network_is_refused(void **state)
{
	(void)state;
	check_refusal("", "not a network");
	check_refusal("example.org", "not a network");
	check_refusal("10.0.0/8", "not a network");
	check_refusal("10.0.0.0:25", "not a network");
	check_refusal("[::1]", "not a network");
	check_refusal("/8", "not a network");
	check_refusal("fe80::%", "not a network");
	check_refusal("fe80::%/10", "not a network");
	check_refusal("fe80::%a-name-too-long-/10", "not a network");
	check_refusal("fe80::%\"/10", "not a network");
	check_refusal("2001:db8::%lo/32", "only a link-local network has an interface");
	check_refusal("10.0.0.0%lo/8", "only a link-local network has an interface");
	check_refusal("10.0.0.0/33", "0 to 32 bits");
	check_refusal("10.0.0.0/", "0 to 32 bits");
	check_refusal("10.0.0.0/x", "0 to 32 bits");
	check_refusal("10.0.0.0/8/8", "0 to 32 bits");
	check_refusal("10.0.0.0/-1", "0 to 32 bits");
	check_refusal("10.0.0.0/4294967304", "0 to 32 bits");
	check_refusal("::/129", "0 to 128 bits");
	check_refusal("1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/8", "not a network");
}

static void a_list_has_the_hosts_of_all_its_networks(void **state)
{
	struct network_list list = {0};
	struct address address;

	(void)state;
	assert_int_equal(address_parse("192.0.2.1", &address), 0);
	assert_false(network_list_has(&list, &address));
	assert_int_equal(network_list_add(&list, "10.0.0.0/8", NULL), 0);
	assert_int_equal(network_list_add(&list, "nonsense", NULL), -1);
	assert_int_equal(network_list_add(&list, "192.0.2.0/24", NULL), 0);
	assert_int_equal(list.count, 2);
	assert_true(network_list_has(&list, &address));
	network_list_fini(&list);
	assert_int_equal(list.count, 0);
	assert_false(network_list_has(&list, &address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_in_its_networks),
		cmocka_unit_test(zero_bits_are_all_of_one_family),
		cmocka_unit_test(a_mapped_form_is_its_ipv4_network),
		cmocka_unit_test(a_zone_is_one_interface),
		cmocka_unit_test(a_unix_peer_is_in_no_network),
		cmocka_unit_test(bits_behind_the_prefix_are_refused_with_a_suggestion),
		cmocka_unit_test(what_is_no_network_is_refused),
		cmocka_unit_test(a_list_has_the_hosts_of_all_its_networks),
	};

	return cmocka_run_group_tests_name("core/network", tests, NULL, NULL);
}
