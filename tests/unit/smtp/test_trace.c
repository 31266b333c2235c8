#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/trace.h"

#define DATE "Tue, 14 Nov 2023 22:13:20 +0000 (UTC)"

static struct trace example(const struct address *peer)
{
	return (struct trace){.helo = "printer.example",
		.esmtp = true,
		.peer = peer,
		.hostname = "relay.example.edu",
		.id = 0xABCDEF,
		.recipient = "bob@example.edu",
		.unix_ms = 1700000000000};
}

static void check(const struct trace *trace, const char *wanted)
{
	char field[TRACE_SIZE];

	assert_int_equal(trace_format(trace, field), strlen(wanted));
	assert_string_equal(field, wanted);
}

static struct address peer_of(const char *text)
{
	struct address peer;

	assert_int_equal(address_parse(text, &peer), 0);
	return peer;
}

static void one_recipient_is_named(void **state)
{
	struct address peer = peer_of("192.0.2.1:4711");
	struct trace trace = example(&peer);

	(void)state;
	check(&trace, "Received: from printer.example ([192.0.2.1])\r\n"
		      "\tby relay.example.edu with ESMTP id 00000000ABCDEF\r\n"
		      "\tfor <bob@example.edu>; " DATE "\r\n");
}

static void tls_and_a_login_are_told(void **state)
{
	struct address peer = peer_of("192.0.2.1:4711");
	struct trace trace = example(&peer);

	(void)state;
	trace.authenticated = true;
	check(&trace, "Received: from printer.example ([192.0.2.1])\r\n"
		      "\tby relay.example.edu with ESMTPA id 00000000ABCDEF\r\n"
		      "\tfor <bob@example.edu>; " DATE "\r\n");
	trace.tls_version = "TLSv1.2";
	trace.tls_cipher = "ECDHE-RSA-AES128-GCM-SHA256";
	trace.tls_bits = 128;
	check(&trace, "Received: from printer.example ([192.0.2.1])\r\n"
		      "\t(using TLSv1.2 with cipher ECDHE-RSA-AES128-GCM-SHA256 (128 bits))\r\n"
		      "\tby relay.example.edu with ESMTPSA id 00000000ABCDEF\r\n"
		      "\tfor <bob@example.edu>; " DATE "\r\n");
	trace.authenticated = false;
	trace.recipient = NULL;
	check(&trace, "Received: from printer.example ([192.0.2.1])\r\n"
		      "\t(using TLSv1.2 with cipher ECDHE-RSA-AES128-GCM-SHA256 (128 bits))\r\n"
		      "\tby relay.example.edu with ESMTPS id 00000000ABCDEF;\r\n\t" DATE "\r\n");
}

static void several_recipients_are_not(void **state)
{
	struct address peer = peer_of("[2001:db8::1]:4711");
	struct trace trace = example(&peer);

	(void)state;
	trace.recipient = NULL;
	trace.esmtp = false;
	check(&trace, "Received: from printer.example ([IPv6:2001:db8::1])\r\n"
		      "\tby relay.example.edu with SMTP id 00000000ABCDEF;\r\n"
		      "\t" DATE "\r\n");
}

static void helo_is_cleaned(void **state)
{
	struct address peer = peer_of("192.0.2.1:1");
	struct trace trace = example(&peer);
	char field[TRACE_SIZE];

	(void)state;
	trace.helo = "x) by evil;\r\n\tX: \"\\(\xff";
	trace_format(&trace, field);
	assert_memory_equal(field, "Received: from x--by-evil----X:----- ([192.0.2.1])\r\n", 52);
	trace.helo = "[192.0.2.9]";
	trace_format(&trace, field);
	assert_memory_equal(field, "Received: from [192.0.2.9] (", 28);
	trace.helo = "";
	trace_format(&trace, field);
	assert_memory_equal(field, "Received: from [192.0.2.1] (", 28);
}

static void longest_parts_fit_in_lines_of_998(void **state)
{
	struct address peer = peer_of("[2001:db8:1111:2222:3333:4444:5555:6666]:1");
	struct trace trace = example(&peer);
	char name[300], field[TRACE_SIZE];
	size_t size;

	(void)state;
	memset(name, 'a', sizeof(name));
	name[299] = '\0';
	trace.helo = name;
	trace.hostname = name;
	trace.recipient = name;
	trace.id = UINT64_MAX;
	size = trace_format(&trace, field);
	assert_true(size < TRACE_SIZE);
	assert_memory_equal(field + size - 2, "\r\n", 3);
	for (char *line = field; *line != '\0'; line = strstr(line, "\r\n") + 2)
		assert_true(strstr(line, "\r\n") - line <= 998);
}

static void unix_socket_is_localhost(void **state)
{
	struct address peer = peer_of("unix:/run/x");
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	assert_string_equal(trace_format_peer(&peer, text), "localhost");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_recipient_is_named),
		cmocka_unit_test(tls_and_a_login_are_told),
		cmocka_unit_test(several_recipients_are_not),
		cmocka_unit_test(helo_is_cleaned),
		cmocka_unit_test(longest_parts_fit_in_lines_of_998),
		cmocka_unit_test(unix_socket_is_localhost),
	};

	return cmocka_run_group_tests_name("smtp/trace", tests, NULL, NULL);
}
