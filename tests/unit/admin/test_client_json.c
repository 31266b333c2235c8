#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admin/client_json.h"

#define NOW UINT64_C(1795341600000)

static const char *written(const struct ledger_client *client, bool report, struct bytes *out)
{
	struct json json;

	json_begin(&json, out);
	client_write(&json, NULL, client, report);
	assert_true(json_end(&json));
	assert_true(bytes_append(out, "", 1));
	return (const char *)out->data;
}

static void what_a_client_sent_is_escaped(void **state)
{
	struct ledger_client *client = ledger_client_new("10.1.2.3");
	struct bytes out = {0};
	const char *text;

	(void)state;
	assert_non_null(client);
	ledger_count_helo(client, "\x1b[2J\"\xff", NOW);
	assert_true(ledger_count_quirk(client, 33, "MAIL FROM:\x1b", 11, NOW));
	text = written(client, true, &out);
	assert_null(strchr(text, '\x1b'));
	assert_non_null(strstr(text, "\"example\":\"MAIL FROM:\\u001b\""));
	assert_non_null(strstr(text, "[2J\\\"\\ufffd\""));
	bytes_fini(&out);
	ledger_client_close(&client);
}

static void a_listing_is_short_and_a_report_is_not(void **state)
{
	struct ledger_client *client = ledger_client_new("10.1.2.3");
	struct bytes list = {0}, report = {0};

	(void)state;
	assert_non_null(client);
	assert_true(ledger_count_quirk(client, 33, "x", 1, NOW));
	assert_null(strstr(written(client, false, &list), "\"done\""));
	assert_null(strstr((const char *)list.data, "\"hint\""));
	assert_non_null(strstr(written(client, true, &report), quirk_row(33)->done));
	assert_non_null(strstr((const char *)report.data, quirk_row(33)->advice));
	bytes_fini(&list);
	bytes_fini(&report);
	ledger_client_close(&client);
}

static void a_profile_is_named_where_one_may_help(void **state)
{
	struct ledger_client *client = ledger_client_new("10.1.2.3");

	(void)state;
	assert_non_null(client);
	assert_null(client_hint(client));
	ledger_count_helo(client, "ups", NOW);
	client->sessions = client->sessions_without_quit = 5;
	assert_non_null(strstr(client_hint(client), "profile = ups-card"));
	ledger_put_text(client->refusal, sizeof(client->refusal), "550 5.7.1", 9);
	assert_null(client_hint(client)); /* it goes because it is refused */
	ledger_put_text(client->refusal, sizeof(client->refusal), "closed", 6);
	ledger_put_text(client->profile, sizeof(client->profile), "ups-card", 8);
	assert_non_null(strstr(client_hint(client), "another profile"));
	ledger_put_text(client->profile, sizeof(client->profile), "default", 7);
	client->messages = 1;
	assert_null(client_hint(client));
	assert_true(ledger_count_quirk(client, QUIRK_COMMAND_LINE_ENDS, "HELO x", 6, NOW));
	assert_null(client_hint(client)); /* lines that ended in LF: they are taken */
	assert_true(ledger_count_quirk(client, QUIRK_COMMAND_LINE_ENDS, "\r", 1, NOW));
	assert_non_null(strstr(client_hint(client), "profile = netcat-script"));
	ledger_put_text(client->profile, sizeof(client->profile), "gsm-modem", 9);
	assert_null(client_hint(client)); /* it has one */
	ledger_client_close(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_client_sent_is_escaped),
		cmocka_unit_test(a_listing_is_short_and_a_report_is_not),
		cmocka_unit_test(a_profile_is_named_where_one_may_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
