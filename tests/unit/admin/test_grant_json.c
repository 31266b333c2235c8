#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/grant_json.h"

#define NOW_MS UINT64_C(1800000000000)
#define DAY_MS UINT64_C(86400000)

static struct grant *make_grant(void)
{
	struct grant *grant = grant_new("printers");

	assert_non_null(grant);
	assert_true(grant_add_text(&grant->networks, "10.1.2.0/24"));
	assert_true(grant_set_text(&grant->owner, "anna@example.edu"));
	grant->state = GRANT_APPROVED;
	grant->approved_unix_ms = NOW_MS - 200 * DAY_MS;
	grant->expires_unix_ms = NOW_MS + 40 * DAY_MS;
	grant->lane = LANE_BULK;
	return grant;
}

static json_t *write_record(const struct grant *grant)
{
	struct bytes out = {0};
	struct json json;
	json_t *object;

	json_begin(&json, &out);
	grant_write_record(&json, NULL, grant);
	assert_true(json_end(&json));
	object = json_loadb((const char *)out.data, out.size, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(object);
	bytes_fini(&out);
	return object;
}

static void what_is_written_is_read_as_it_was(void **state)
{
	struct grant *grant = make_grant(), *again = grant_new("printers");
	struct bytes before = {0}, after = {0};
	json_t *object = write_record(grant);
	struct reason reason;

	(void)state;
	assert_int_equal(grant_read(object, again, &reason), 0);
	assert_true(grant_encode(grant, &before) && grant_encode(again, &after));
	assert_int_equal(before.size, after.size);
	assert_memory_equal(before.data, after.data, before.size);
	assert_null(grant_changed_history(grant, again));
	bytes_fini(&before);
	bytes_fini(&after);
	json_decref(object);
	grant_close(&grant);
	grant_close(&again);
}

/* Hostile and mistaken members: each is refused by its name, and nothing is lost or leaked. */
static void what_is_no_grant_is_refused_by_its_member(void **state)
{
	static const struct {
		const char *json, *named;
	} wrong[] = {
		{"[]", "object"},
		{"7", "object"},
		{"{\"networks\": \"10.0.0.1\"}", "networks"},
		{"{\"networks\": [1]}", "networks"},
		{"{\"networks\": [[]]}", "networks"},
		{"{\"owner\": 7}", "owner"},
		{"{\"owner\": []}", "owner"},
		{"{\"lane\": \"fast\"}", "alert, normal, bulk"},
		{"{\"state\": \"\"}", "state"},
		{"{\"state\": 2}", "state"},
		{"{\"messages_per_day\": -1}", "messages_per_day"},
		{"{\"messages_per_day\": 4294967296}", "messages_per_day"},
		{"{\"messages_per_day\": 1.5}", "messages_per_day"},
		{"{\"replaces_null\": 1}", "replaces_null"},
		{"{\"expires\": \"never\"}", "expires"},
		{"{\"expires\": 7}", "expires"},
		{"{\"netwroks\": []}", "did you mean 'networks'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct grant *grant = make_grant();
		json_t *object = json_loads(wrong[i].json, JSON_DECODE_ANY, NULL);
		struct reason reason = {""};

		assert_non_null(object);
		assert_int_equal(grant_read(object, grant, &reason), -EINVAL);
		assert_non_null(strstr(reason.text, wrong[i].named));
		json_decref(object);
		grant_close(&grant);
	}
}

static void too_many_networks_are_refused(void **state)
{
	struct grant *grant = make_grant();
	json_t *list = json_array(), *object;
	struct reason reason = {""};

	(void)state;
	for (int i = 0; i <= GRANT_TEXTS_MAX; i++)
		json_array_append_new(list, json_string("10.0.0.1"));
	object = json_pack("{s:o}", "networks", list);
	assert_int_equal(grant_read(object, grant, &reason), -EINVAL);
	assert_non_null(strstr(reason.text, "over 1000"));
	json_decref(object);
	grant_close(&grant);
}

static void a_change_of_history_is_found(void **state)
{
	struct grant *before = make_grant(), *after = make_grant();

	(void)state;
	assert_null(grant_changed_history(before, after));
	after->lane = LANE_ALERT;
	assert_null(grant_changed_history(before, after));
	after->expires_unix_ms++;
	assert_string_equal(grant_changed_history(before, after)->name, "expires");
	assert_true(grant_set_text(&after->approved_by, "eve"));
	assert_string_equal(grant_changed_history(before, after)->name, "approved_by");
	grant_close(&before);
	grant_close(&after);
}

static void a_grant_is_unused_when_nobody_used_it_for_long(void **state)
{
	struct grant *grant = make_grant();
	struct grant_usage usage = {.is_known = true};

	(void)state;
	assert_true(grant_is_unused(grant, &usage, NOW_MS));
	usage.last_unix_ms = NOW_MS - 89 * DAY_MS;
	assert_false(grant_is_unused(grant, &usage, NOW_MS));
	usage.last_unix_ms = NOW_MS - 90 * DAY_MS;
	assert_true(grant_is_unused(grant, &usage, NOW_MS));
	usage.last_unix_ms = 0;
	grant->approved_unix_ms = NOW_MS - 89 * DAY_MS;
	assert_false(grant_is_unused(grant, &usage, NOW_MS));
	grant->approved_unix_ms = 1;
	usage.is_known = false;
	assert_false(grant_is_unused(grant, &usage, NOW_MS));
	usage.is_known = true;
	grant->state = GRANT_REVOKED;
	assert_false(grant_is_unused(grant, &usage, NOW_MS));
	grant_close(&grant);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_as_it_was),
		cmocka_unit_test(what_is_no_grant_is_refused_by_its_member),
		cmocka_unit_test(too_many_networks_are_refused),
		cmocka_unit_test(a_change_of_history_is_found),
		cmocka_unit_test(a_grant_is_unused_when_nobody_used_it_for_long),
	};

	return cmocka_run_group_tests_name("admin/grant_json", tests, NULL, NULL);
}
