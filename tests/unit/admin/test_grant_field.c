#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/grant_field.h"
#include "core/nearest.h"

static void check_value(enum grant_field_id id, const char *text, const char *json)
{
	struct reason reason;
	json_t *value = grant_field_parse(&grant_fields[id], text, &reason);
	char *got = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

	assert_non_null(got);
	assert_string_equal(got, json);
	json_decref(value);
	free(got);
}

static void check_refused(enum grant_field_id id, const char *text)
{
	struct reason reason = {""};

	assert_null(grant_field_parse(&grant_fields[id], text, &reason));
	assert_non_null(strstr(reason.text, grant_fields[id].name));
}

static void a_text_becomes_the_value_of_its_field(void **state)
{
	(void)state;
	check_value(FIELD_OWNER, "a@example.edu", "\"a@example.edu\"");
	check_value(FIELD_OWNER, "", "null");
	check_value(FIELD_NETWORKS, " 10.0.0.0/8;2001:db8::/32  10.1.2.3; ",
		"[\"10.0.0.0/8\",\"2001:db8::/32\",\"10.1.2.3\"]");
	check_value(FIELD_MESSAGES_PER_DAY, "1200", "1200");
	check_value(FIELD_REPLACES_NULL, "YES", "true");
	check_value(FIELD_REPLACES_NULL, "no", "false");
}

static void what_is_no_value_is_refused_by_name(void **state)
{
	(void)state;
	check_refused(FIELD_MESSAGES_PER_DAY, "many");
	check_refused(FIELD_MESSAGES_PER_DAY, "-1");
	check_refused(FIELD_MESSAGES_PER_DAY, "4294967296");
	check_refused(FIELD_REPLACES_NULL, "perhaps");
	check_refused(FIELD_OWNER, "\xff");
	check_refused(FIELD_ACCOUNTS, "ok \xff");
}

/* Values that have separators and backslashes in them. */
static void lists_come_back_as_they_were(void **state)
{
	static const char *const values[] = {"plain", "CAMPUS\\anna", "two words", "a;b", "ends\\",
		"\\ \\;\\\\", "\\\\x", "tab\there"};
	json_t *list = json_array(), *again;
	struct bytes text = {0};
	struct reason reason;

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		json_array_append_new(list, json_string(values[i]));
	assert_true(grant_field_format(&grant_fields[FIELD_ACCOUNTS], list, &text));
	assert_true(bytes_append(&text, "", 1));
	again = grant_field_parse(&grant_fields[FIELD_ACCOUNTS], (const char *)text.data, &reason);
	assert_true(json_equal(list, again));
	json_decref(list);
	json_decref(again);
	bytes_fini(&text);
}

static void fields_are_found_by_name_and_near_names_are_offered(void **state)
{
	struct nearest_hint hint;

	(void)state;
	for (size_t i = 0; i < GRANT_FIELD_COUNT; i++)
		assert_ptr_equal(grant_field_find(grant_fields[i].name), &grant_fields[i]);
	assert_null(grant_field_find("network"));
	assert_non_null(strstr(grant_field_near("network", &hint), "networks"));
	assert_string_equal(grant_field_near("colour of paint", &hint), "");
}

static void times_may_be_days_and_spans_years(void **state)
{
	uint64_t unix_ms;
	int64_t ms;

	(void)state;
	assert_int_equal(grant_time_parse("1970-01-01", &unix_ms), 0);
	assert_int_equal(unix_ms, 86399000);
	assert_int_equal(grant_time_parse("1970-01-01T00:00:01.500Z", &unix_ms), 0);
	assert_int_equal(unix_ms, 1500);
	assert_int_equal(grant_time_parse("tomorrow!!", &unix_ms), -1);
	assert_int_equal(grant_time_parse("", &unix_ms), -1);
	assert_int_equal(grant_duration_parse("1y", &ms), 0);
	assert_int_equal(ms, INT64_C(365) * 86400000);
	assert_int_equal(grant_duration_parse("2w", &ms), 0);
	assert_int_equal(ms, INT64_C(14) * 86400000);
	assert_int_equal(grant_duration_parse("90d", &ms), 0);
	assert_int_equal(ms, INT64_C(90) * 86400000);
	assert_int_equal(grant_duration_parse("y", &ms), -1);
	assert_int_equal(grant_duration_parse("-1y", &ms), -1);
	assert_int_equal(grant_duration_parse("1000000y", &ms), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_becomes_the_value_of_its_field),
		cmocka_unit_test(what_is_no_value_is_refused_by_name),
		cmocka_unit_test(lists_come_back_as_they_were),
		cmocka_unit_test(fields_are_found_by_name_and_near_names_are_offered),
		cmocka_unit_test(times_may_be_days_and_spans_years),
	};

	return cmocka_run_group_tests_name("admin/grant_field", tests, NULL, NULL);
}
