/* What is offered, by profile, on a session that only has the fields that a greeting looks at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "smtp/greeting.h"

struct fixture {
	struct session_shared shared;
	struct session session;
	struct config config;
	struct config_listener listener;
	char hostname[GREETING_HOST_BYTES + 1];
};

static void open_fixture(struct fixture *fixture, const char *profile)
{
	memset(fixture, 0, sizeof(*fixture));
	memset(fixture->hostname, 'h', GREETING_HOST_BYTES);
	fixture->config.hostname = fixture->hostname;
	fixture->listener = (struct config_listener){.profile = PROFILE_FRAGILE,
		.max_message_bytes = UINT64_C(2) << 30,
		.max_recipients = 10000};
	fixture->shared.clock = &clock_system;
	fixture->shared.permits = permits_build(NULL, 0, NULL, 0);
	assert_non_null(fixture->shared.permits);
	fixture->session.channel.conn.peer.any.sa_family = AF_UNIX;
	fixture->session.shared = &fixture->shared;
	fixture->session.config = &fixture->config;
	fixture->session.listener = &fixture->listener;
	fixture->session.policy = policy_of(PROFILE_FRAGILE);
	fixture->session.device = device_find(profile);
	memset(fixture->session.client, 'c', 46); /* the longest IPv6 address */
}

static void close_fixture(struct fixture *fixture)
{
	bytes_fini(&fixture->shared.desk.output);
	permits_close(&fixture->shared.permits);
}

/* What the session would send, NUL-terminated. */
static const char *said(struct fixture *fixture)
{
	assert_true(bytes_append(&fixture->shared.desk.output, "", 1));
	return (const char *)fixture->shared.desk.output.data;
}

static void check_banner(const char *profile, const char *wanted)
{
	struct fixture fixture;
	const char *line;

	open_fixture(&fixture, profile);
	greeting_banner(&fixture.session);
	line = said(&fixture);
	assert_memory_equal(line, "220 ", 4);
	assert_string_equal(line + 4 + GREETING_HOST_BYTES, wanted);
	close_fixture(&fixture);
}

static void banner_is_one_line(void **state)
{
	(void)state;
	check_banner("default", " ESMTP Sluice\r\n");
	check_banner("smtp-banner", " SMTP Sluice\r\n");
}

static void longest_ehlo_is_under_the_least_segment(void **state)
{
	struct fixture fixture;
	const char *text;

	(void)state;
	open_fixture(&fixture, "default");
	greeting_ehlo(&fixture.session);
	text = said(&fixture);
	assert_in_range(strlen(text), GREETING_HOST_BYTES, GREETING_EHLO_BYTES - 1);
	assert_non_null(strstr(text, "\r\n250-SIZE 2147483648\r\n"));
	assert_non_null(strstr(text, "\r\n250-PIPELINING\r\n"));
	close_fixture(&fixture);
}

static void only_the_last_line_has_no_hyphen_whatever_is_hidden(void **state)
{
	(void)state;
	for (size_t i = 0; device_at(i) != NULL; i++) {
		struct fixture fixture;
		const char *at, *next;

		open_fixture(&fixture, device_at(i)->name);
		greeting_ehlo(&fixture.session);
		for (at = said(&fixture); (next = strstr(at, "\r\n")) != NULL; at = next + 2)
			assert_int_equal(at[3], next[2] == '\0' ? ' ' : '-');
		close_fixture(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(banner_is_one_line),
		cmocka_unit_test(longest_ehlo_is_under_the_least_segment),
		cmocka_unit_test(only_the_last_line_has_no_hyphen_whatever_is_hidden),
	};

	return cmocka_run_group_tests_name("smtp/greeting", tests, NULL, NULL);
}
