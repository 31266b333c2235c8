#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <string.h>

#include "core/address.h"

static void check_form(const char *from, const char *to, const char *host, unsigned port)
{
	struct address address;
	char text[ADDRESS_TEXT_SIZE];

	assert_int_equal(address_parse(from, &address), 0);
	assert_string_equal(address_format(&address, text), to);
	assert_string_equal(address_format_host(&address, text), host);
	assert_int_equal(address_port(&address), port);
}

static void every_form_is_read_and_written(void **state)
{
	(void)state;
	check_form("192.0.2.1:25", "192.0.2.1:25", "192.0.2.1", 25);
	check_form("192.0.2.1", "192.0.2.1:0", "192.0.2.1", 0);
	check_form("0.0.0.0:65535", "0.0.0.0:65535", "0.0.0.0", 65535);
	check_form("[2001:DB8::1]:25", "[2001:db8::1]:25", "2001:db8::1", 25);
	check_form("[::]:587", "[::]:587", "::", 587);
	check_form("2001:db8::1", "[2001:db8::1]:0", "2001:db8::1", 0);
	check_form("[2001:db8::1]", "[2001:db8::1]:0", "2001:db8::1", 0);
	check_form("unix:/run/a b.sock", "unix:/run/a b.sock", "unix", 0);
}

static void what_is_none_of_these_is_refused(void **state)
{
	static const char *const texts[] = {"", ":", ":25", "192.0.2.1:", "192.0.2.1:x",
		"192.0.2.1:+25", "192.0.2.1: 25", "192.0.2.1:25 ", "192.0.2.1:65536",
		"192.0.2.1:99999999999999999999", "192.0.2:25", "192.0.2.256:25", "192.0.2.1.5:25",
		"example.org:25", "[", "[]", "[]:25", "[::1", "[::1]25", "[::1]:", "[192.0.2.1]:25",
		"[fe80::1%eth0]:25", "1::2::3", "unix:", "unix:relative", "unix",
		"[11111111111111111111111111111111111111111111111111111111]:25"};
	struct address address;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (address_parse(texts[i], &address) == 0)
			fail_msg("taken: \"%s\"", texts[i]);
}

static void a_unix_path_has_the_kernels_limit(void **state)
{
	char text[ADDRESS_TEXT_SIZE], again[ADDRESS_TEXT_SIZE];
	struct address address;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "unix:/", 6);
	text[5 + 107] = '\0';
	assert_int_equal(address_parse(text, &address), 0);
	assert_string_equal(address_format(&address, again), text);
	text[5 + 107] = 'x';
	text[5 + 108] = '\0';
	assert_int_equal(address_parse(text, &address), -1);
}

static void a_mapped_address_becomes_ipv4(void **state)
{
	struct sockaddr_in6 from = {.sin6_family = AF_INET6, .sin6_port = htons(25)};
	struct address mapped, plain;

	(void)state;
	check_form("[::ffff:192.0.2.1]:25", "192.0.2.1:25", "192.0.2.1", 25);
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", &from.sin6_addr), 1);
	assert_int_equal(address_from_socket((struct sockaddr *)&from, sizeof(from), &mapped), 0);
	assert_int_equal(address_parse("192.0.2.1:25", &plain), 0);
	assert_int_equal(mapped.any.sa_family, AF_INET);
	assert_int_equal(mapped.size, plain.size);
	assert_memory_equal(&mapped.v4, &plain.v4, sizeof(plain.v4));
}

static void sockets_addresses_are_taken_over(void **state)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(7)};
	struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6, .sin6_port = htons(8), .sin6_scope_id = 3};
	struct sockaddr_un unnamed = {.sun_family = AF_UNIX};
	struct sockaddr other = {.sa_family = AF_APPLETALK};
	struct address address;
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	assert_int_equal(address_from_socket((struct sockaddr *)&v4, sizeof(v4), &address), 0);
	assert_string_equal(address_format(&address, text), "0.0.0.0:7");
	assert_int_equal(address_from_socket((struct sockaddr *)&v6, sizeof(v6), &address), 0);
	assert_string_equal(address_format(&address, text), "[::]:8");
	assert_int_equal(address.v6.sin6_scope_id, 3);
	assert_int_equal(
		address_from_socket((struct sockaddr *)&unnamed, sizeof(sa_family_t), &address), 0);
	assert_string_equal(address_format(&address, text), "unix:");
	assert_string_equal(address_format_host(&address, text), "unix");
	assert_int_equal(address_from_socket(&other, sizeof(other), &address), -1);
	assert_int_equal(address_from_socket((struct sockaddr *)&v4, 4, &address), -1);
	assert_int_equal(address_from_socket((struct sockaddr *)&v4, 0, &address), -1);
}

static bool same(const char *a, const char *b)
{
	struct address one, other;

	assert_int_equal(address_parse(a, &one), 0);
	assert_int_equal(address_parse(b, &other), 0);
	return address_same_host(&one, &other);
}

static void same_host_looks_past_the_port(void **state)
{
	(void)state;
	assert_true(same("192.0.2.1:25", "192.0.2.1:26"));
	assert_true(same("192.0.2.1:25", "[::ffff:192.0.2.1]:26"));
	assert_true(same("[2001:db8::1]:25", "2001:db8::1"));
	assert_true(same("unix:/a", "unix:/b"));
	assert_false(same("192.0.2.1:25", "192.0.2.2:25"));
	assert_false(same("[2001:db8::1]:25", "[2001:db8::2]:25"));
	assert_false(same("192.0.2.1:25", "unix:/a"));
	assert_false(same("0.0.0.0:25", "[::]:25"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_is_read_and_written),
		cmocka_unit_test(what_is_none_of_these_is_refused),
		cmocka_unit_test(a_unix_path_has_the_kernels_limit),
		cmocka_unit_test(a_mapped_address_becomes_ipv4),
		cmocka_unit_test(sockets_addresses_are_taken_over),
		cmocka_unit_test(same_host_looks_past_the_port),
	};

	return cmocka_run_group_tests_name("core/address", tests, NULL, NULL);
}
