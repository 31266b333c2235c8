#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/proxy.h"

#define V4_HEADER                            \
	"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" \
	"\xc0\0\2\7\x0a\0\0\1\x30\x39\0\x19"
#define V6_HEADER                            \
	"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" \
	"\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x30\x39\0\x19"

static void a_header_says_who_the_client_is(void **state)
{
	static const char v4[] = V4_HEADER "EHLO me\r\n", v6[] = V6_HEADER;
	struct address client;
	char host[ADDRESS_TEXT_SIZE];
	size_t size = 0;

	(void)state;
	assert_int_equal(proxy_parse(v4, sizeof(v4) - 1, &client, &size), PROXY_CLIENT);
	assert_int_equal(size, 28);
	assert_string_equal(address_format(&client, host), "192.0.2.7:12345");
	assert_int_equal(proxy_parse(v6, sizeof(v6) - 1, &client, &size), PROXY_CLIENT);
	assert_int_equal(size, 52);
	assert_string_equal(address_format(&client, host), "[2001:db8::7]:12345");
}

static void every_part_of_one_waits_for_more(void **state)
{
	static const char v6[] = V6_HEADER;
	struct address client;
	size_t size;

	(void)state;
	for (size_t part = 0; part < sizeof(v6) - 1; part++)
		assert_int_equal(proxy_parse(v6, part, &client, &size), PROXY_MORE);
}

static void a_probe_and_other_families_keep_the_balancers_address(void **state)
{
	static const char local[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
			  path[] = "\r\n\r\n\0\r\nQUIT\n\x21\x31\0\4abcd",
			  with_tlv[] = "\r\n\r\n\0\r\nQUIT\n\x20\x11\0\3\x04\0\0";
	struct address client;
	size_t size = 0;

	(void)state;
	assert_int_equal(proxy_parse(local, sizeof(local) - 1, &client, &size), PROXY_LOCAL);
	assert_int_equal(size, 16);
	assert_int_equal(proxy_parse(path, sizeof(path) - 1, &client, &size), PROXY_LOCAL);
	assert_int_equal(size, 20);
	assert_int_equal(proxy_parse(with_tlv, sizeof(with_tlv) - 1, &client, &size), PROXY_LOCAL);
	assert_int_equal(size, 19);
}

static void what_is_none_is_wrong_at_once(void **state)
{
	static const char short_v4[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\4abcd",
			  version_1[] = "\r\n\r\n\0\r\nQUIT\n\x11\x11\0\x0c",
			  command_2[] = "\r\n\r\n\0\r\nQUIT\n\x22\x11\0\x0c",
			  huge[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff";
	struct address client;
	size_t size;

	(void)state;
	assert_int_equal(proxy_parse("EHLO", 4, &client, &size), PROXY_WRONG);
	assert_int_equal(proxy_parse("PROXY TCP4", 10, &client, &size), PROXY_WRONG);
	assert_int_equal(proxy_parse("\r\nE", 3, &client, &size), PROXY_WRONG);
	assert_int_equal(proxy_parse(short_v4, sizeof(short_v4) - 1, &client, &size), PROXY_WRONG);
	assert_int_equal(
		proxy_parse(version_1, sizeof(version_1) - 1, &client, &size), PROXY_WRONG);
	assert_int_equal(
		proxy_parse(command_2, sizeof(command_2) - 1, &client, &size), PROXY_WRONG);
	assert_int_equal(proxy_parse(huge, sizeof(huge) - 1, &client, &size), PROXY_WRONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_says_who_the_client_is),
		cmocka_unit_test(every_part_of_one_waits_for_more),
		cmocka_unit_test(a_probe_and_other_families_keep_the_balancers_address),
		cmocka_unit_test(what_is_none_is_wrong_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
