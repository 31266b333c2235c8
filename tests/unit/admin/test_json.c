#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "admin/json.h"

struct fixture {
	struct bytes out;
	struct json json;
};

static void begin(struct fixture *fixture)
{
	*fixture = (struct fixture){0};
	json_begin(&fixture->json, &fixture->out);
}

static void assert_written(struct fixture *fixture, const char *expected)
{
	assert_true(json_end(&fixture->json));
	assert_true(bytes_append(&fixture->out, "", 1));
	assert_string_equal(fixture->out.data, expected);
	bytes_fini(&fixture->out);
}

static void assert_text(const char *text, size_t size, const char *expected)
{
	struct fixture fixture;

	begin(&fixture);
	json_write_text_sized(&fixture.json, NULL, text, size);
	assert_written(&fixture, expected);
}

static void members_and_items_are_separated_by_commas(void **state)
{
	struct fixture fixture;
	struct json *json = &fixture.json;

	(void)state;
	begin(&fixture);
	json_open_object(json, NULL);
	json_open_list(json, "empty");
	json_close(json);
	json_open_list(json, "list");
	json_write_number(json, NULL, 1);
	json_open_object(json, NULL);
	json_close(json);
	json_write_bool(json, NULL, true);
	json_close(json);
	json_write_null(json, "none");
	json_close(json);
	assert_written(&fixture, "{\"empty\":[],\"list\":[1,{},true],\"none\":null}\n");
}

static void numbers_keep_all_their_digits(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	json_open_list(&fixture.json, NULL);
	json_write_number(&fixture.json, NULL, UINT64_MAX);
	json_write_number(&fixture.json, NULL, 0);
	json_write_real(&fixture.json, NULL, 0.5);
	json_write_real(&fixture.json, NULL, -1234567.25);
	json_close(&fixture.json);
	assert_written(&fixture, "[18446744073709551615,0,0.500,-1234567.250]\n");
}

static void a_number_that_is_none_is_null(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	json_open_list(&fixture.json, NULL);
	json_write_real(&fixture.json, NULL, NAN);
	json_write_real(&fixture.json, NULL, INFINITY);
	json_close(&fixture.json);
	assert_written(&fixture, "[null,null]\n");
}

static void times_are_utc_and_zero_is_null(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	json_open_list(&fixture.json, NULL);
	json_write_time(&fixture.json, NULL, 1795341600123);
	json_write_time(&fixture.json, NULL, 0);
	json_close(&fixture.json);
	assert_written(&fixture, "[\"2026-11-22T10:00:00.123Z\",null]\n");
}

static void controls_quotes_and_backslashes_are_escaped(void **state)
{
	(void)state;
	assert_text(
		"a\"b\\c\n\r\t\x01\x1b\x7f", 11, "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001b\\u007f\"\n");
	assert_text("\0z", 2, "\"\\u0000z\"\n");
	assert_text("", 0, "\"\"\n");
}

static void utf8_stands_as_it_is(void **state)
{
	(void)state;
	assert_text("gr\xc3\xbc\xc3\x9f \xf0\x9f\x93\xac", 11,
		"\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x93\xac\"\n");
}

static void what_steers_a_terminal_is_escaped(void **state)
{
	(void)state;
	assert_text("\xc2\x9b"
		    "2J",
		4, "\"\\u009b2J\"\n"); /* C1: control sequence introducer */
	assert_text("\xe2\x80\xae", 3, "\"\\u202e\"\n"); /* right-to-left override */
	assert_text("\xf3\xa0\x80\x81", 4, "\"\\udb40\\udc01\"\n"); /* a tag, two units */
}

static void bytes_that_are_not_utf8_become_replacement_characters(void **state)
{
	(void)state;
	assert_text("a\xff"
		    "b",
		3, "\"a\\ufffdb\"\n");
	assert_text("\xc3", 1, "\"\\ufffd\"\n"); /* cut off */
	assert_text("\xc0\xaf", 2, "\"\\ufffd\\ufffd\"\n"); /* overlong */
	assert_text("\xed\xa0\x80", 3, "\"\\ufffd\\ufffd\\ufffd\"\n"); /* a surrogate */
	assert_text(
		"\xf4\x90\x80\x80", 4, "\"\\ufffd\\ufffd\\ufffd\\ufffd\"\n"); /* over U+10FFFF */
}

static void any_bytes_make_json_that_another_reader_takes(void **state)
{
	uint32_t random = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct fixture fixture;
		uint8_t text[64];
		json_t *read;

		for (size_t i = 0; i < sizeof(text); i++) {
			random = random * 1664525 + 1013904223;
			text[i] = (uint8_t)(random >> 24);
		}
		begin(&fixture);
		json_open_object(&fixture.json, NULL);
		json_write_text_sized(&fixture.json, "text", text, sizeof(text));
		json_close(&fixture.json);
		assert_true(json_end(&fixture.json));
		read = json_loadb((const char *)fixture.out.data, fixture.out.size,
			JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		assert_non_null(read);
		json_decref(read);
		bytes_fini(&fixture.out);
	}
}

static void what_is_left_open_or_closed_twice_is_an_error(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	json_open_object(&fixture.json, NULL);
	assert_false(json_end(&fixture.json));
	bytes_fini(&fixture.out);
	begin(&fixture);
	json_close(&fixture.json);
	assert_false(json_end(&fixture.json));
	bytes_fini(&fixture.out);
}

static void too_deep_is_an_error(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	for (int i = 0; i <= JSON_DEPTH_MAX; i++)
		json_open_list(&fixture.json, NULL);
	for (int i = 0; i < JSON_DEPTH_MAX; i++)
		json_close(&fixture.json);
	assert_false(json_end(&fixture.json));
	bytes_fini(&fixture.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_and_items_are_separated_by_commas),
		cmocka_unit_test(numbers_keep_all_their_digits),
		cmocka_unit_test(a_number_that_is_none_is_null),
		cmocka_unit_test(times_are_utc_and_zero_is_null),
		cmocka_unit_test(controls_quotes_and_backslashes_are_escaped),
		cmocka_unit_test(utf8_stands_as_it_is),
		cmocka_unit_test(what_steers_a_terminal_is_escaped),
		cmocka_unit_test(bytes_that_are_not_utf8_become_replacement_characters),
		cmocka_unit_test(any_bytes_make_json_that_another_reader_takes),
		cmocka_unit_test(what_is_left_open_or_closed_twice_is_an_error),
		cmocka_unit_test(too_deep_is_an_error),
	};

	return cmocka_run_group_tests_name("admin/json", tests, NULL, NULL);
}
