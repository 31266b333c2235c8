#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "queue/field.h"

static char out[256];

static const char *parameter(const char *value, const char *name)
{
	int size = field_parameter(value, strlen(value), name, out, sizeof(out));

	if (size >= 0)
		assert_int_equal(size, strlen(out));
	return size >= 0 ? out : NULL;
}

static const char *type(const char *value)
{
	return field_content_type(value, strlen(value), out, sizeof(out)) ? out : NULL;
}

static void a_type_is_read_in_lower_case(void **state)
{
	(void)state;
	assert_string_equal(type(" Text/PLAIN; charset=x"), "text/plain");
	assert_string_equal(type("multipart/mixed"), "multipart/mixed");
	assert_string_equal(type("\r\n (one) text (two) / (three) html (four)"), "text/html");
	assert_string_equal(
		type("application/vnd.ms-excel ;name=\"a/b\""), "application/vnd.ms-excel");
}

static void what_is_no_type_is_said_to_be_none(void **state)
{
	char small[8];

	(void)state;
	assert_null(type(""));
	assert_null(type("text"));
	assert_null(type("/plain"));
	assert_null(type("text/"));
	assert_null(type("; charset=x"));
	assert_true(field_content_type("text/plain", 10, small, sizeof(small)));
	assert_string_equal(small, "text/pl");
	assert_true(field_content_type("a/bcdef", 7, small, sizeof(small)));
	assert_string_equal(small, "a/bcdef");
}

/* Else a part would be another one once its field is repaired. */
static void a_type_with_8bit_or_nuls_is_what_it_is_when_repaired(void **state)
{
	char read[80];

	(void)state;
	assert_string_equal(type("multipart/d\x89\xffigest; boundary=b"), "multipart/d__igest");
	assert_string_equal(type("t\xe4xt/plain"), "t_xt/plain");
	assert_true(field_content_type("multi\0part/mixed", 16, read, sizeof(read)));
	assert_string_equal(read, "multipart/mixed");
}

static void a_parameter_is_read(void **state)
{
	(void)state;
	assert_string_equal(parameter("a/b; Boundary=xyz", "boundary"), "xyz");
	assert_string_equal(parameter("a/b;boundary=xyz;charset=q", "boundary"), "xyz");
	assert_string_equal(parameter("a/b; boundary=\"x y;z\"; charset=q", "boundary"), "x y;z");
	assert_string_equal(parameter("a/b; boundary=\"x\\\"\\\\z\"", "boundary"), "x\"\\z");
	assert_string_equal(parameter("a/b;\r\n\tboundary = xyz (why; not)", "boundary"), "xyz");
	assert_string_equal(parameter("a/b (;boundary=no); boundary=xyz", "boundary"), "xyz");
	assert_string_equal(parameter("a/b; x=\";boundary=no\"; boundary=xyz", "boundary"), "xyz");
	assert_string_equal(parameter("a/b; boundary=one; boundary=two", "boundary"), "one");
	assert_string_equal(parameter("a/b; charset=", "charset"), "");
	assert_string_equal(parameter("a/b; charset=\"\"", "charset"), "");
	assert_null(parameter("a/b; charset", "charset"));
	assert_null(parameter("a/b; xboundary=1; boundaryx=2", "boundary"));
	assert_null(parameter("a/b", "boundary"));
}

static void a_malformed_parameter_is_read_as_far_as_it_goes(void **state)
{
	(void)state;
	assert_string_equal(parameter("a/b;; ;boundary=xyz", "boundary"), "xyz");
	assert_string_equal(parameter("a/b; boundary=\"xyz", "boundary"), "xyz");
	assert_string_equal(parameter("a/b; boundary=\"xyz; charset=q", "boundary"), "xyz");
	assert_string_equal(parameter("a/b; boundary=xyz zyx", "boundary"), "xyz");
	assert_string_equal(parameter("a/b; boundary=x=y", "boundary"), "x=y");
	assert_string_equal(parameter("a/b; boundary=x(y", "boundary"), "x");
	assert_string_equal(parameter("junk boundary=no; boundary=xyz", "boundary"), "xyz");
}

static void a_parameter_in_sections_is_put_together(void **state)
{
	(void)state;
	assert_string_equal(
		parameter("a/b; name*1=\"lo\"; name*0=hel; name*2*=%2d%zz", "name"), "hello-%zz");
	assert_string_equal(parameter("a/b; name*=utf-8'en'%C3%A4'%27", "name"), "\xc3\xa4''");
	assert_string_equal(
		parameter("a/b; name*0*=utf-8''%41; name*1*=%42'c; name*3=x", "name"), "AB'c");
	assert_null(parameter("a/b; name*1=x", "name"));
}

static void a_parameter_is_cut_at_the_room_there_is(void **state)
{
	char small[4];

	(void)state;
	assert_int_equal(field_parameter("a;b=12345", 9, "b", small, sizeof(small)), 3);
	assert_string_equal(small, "123");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_type_is_read_in_lower_case),
		cmocka_unit_test(what_is_no_type_is_said_to_be_none),
		cmocka_unit_test(a_type_with_8bit_or_nuls_is_what_it_is_when_repaired),
		cmocka_unit_test(a_parameter_is_read),
		cmocka_unit_test(a_malformed_parameter_is_read_as_far_as_it_goes),
		cmocka_unit_test(a_parameter_in_sections_is_put_together),
		cmocka_unit_test(a_parameter_is_cut_at_the_room_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
