#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/route.h"

static void nothing(struct service *service, const struct request *request, struct answer *answer)
{
	(void)service;
	(void)request;
	(void)answer;
}

static const struct route table[] = {
	{"GET", "/v1/queue", nothing, ""},
	{"GET", "/v1/queue/{id}", nothing, "limit after"},
	{"DELETE", "/v1/queue/{id}", nothing, ""},
	{"POST", "/v1/hosts/{host}/pause", nothing, ""},
};

struct found {
	struct request request;
	const struct route *route;
	char allow[64];
};

static enum route_match find(struct found *found, const char *method, const char *path)
{
	*found = (struct found){0};
	return admin_route_find(table, 4, method, path, &found->request, &found->route,
		found->allow, sizeof(found->allow));
}

static void method_and_path_find_their_route(void **state)
{
	struct found found;

	(void)state;
	assert_int_equal(find(&found, "GET", "/v1/queue"), ROUTE_FOUND);
	assert_ptr_equal(found.route, &table[0]);
	assert_int_equal(find(&found, "DELETE", "/v1/queue/0A"), ROUTE_FOUND);
	assert_ptr_equal(found.route, &table[2]);
	assert_string_equal(found.request.segments[0], "0A");
}

static void head_counts_as_get(void **state)
{
	struct found found;

	(void)state;
	assert_int_equal(find(&found, "HEAD", "/v1/queue"), ROUTE_FOUND);
	assert_int_equal(find(&found, "HEAD", "/v1/hosts/a/pause"), ROUTE_NO_METHOD);
}

static void a_path_that_is_none_is_not_found(void **state)
{
	static const char *const paths[] = {"", "/", "*", "/v1", "/v1/queue/", "/v1/queuex",
		"/v1//queue", "/v1/queue/a/b", "/v1/hosts//pause", "v1/queue", "//v1/queue"};
	struct found found;

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(find(&found, "GET", paths[i]), ROUTE_NO_PATH);
}

static void another_method_is_told_which_there_are(void **state)
{
	struct found found;

	(void)state;
	assert_int_equal(find(&found, "PUT", "/v1/queue/0A"), ROUTE_NO_METHOD);
	assert_string_equal(found.allow, "GET, HEAD, DELETE");
}

static void segments_are_decoded_after_they_are_taken_apart(void **state)
{
	struct found found;

	(void)state;
	assert_int_equal(find(&found, "POST", "/v1/hosts/%5B::1%5D%3a25/pause"), ROUTE_FOUND);
	assert_string_equal(found.request.segments[0], "[::1]:25");
	assert_int_equal(find(&found, "POST", "/v1/hosts/a%2fb/pause"), ROUTE_FOUND);
	assert_string_equal(found.request.segments[0], "a/b");
}

static void malformed_segments_are_refused(void **state)
{
	char path[1000] = "/v1/queue/";
	struct found found;

	(void)state;
	assert_int_equal(find(&found, "GET", "/v1/queue/%"), ROUTE_MALFORMED);
	assert_int_equal(find(&found, "GET", "/v1/queue/%4"), ROUTE_MALFORMED);
	assert_int_equal(find(&found, "GET", "/v1/queue/a%zz"), ROUTE_MALFORMED);
	assert_int_equal(find(&found, "GET", "/v1/queue/a%00b"), ROUTE_MALFORMED);
	memset(path + strlen(path), 'a', REQUEST_SEGMENT_SIZE);
	assert_int_equal(find(&found, "GET", path), ROUTE_MALFORMED);
}

static void parameters_are_decoded_and_found(void **state)
{
	struct request request = {0};

	(void)state;
	assert_int_equal(request_add_parameter(&request, "from", "a%2Bb%40example.org"), 0);
	assert_int_equal(request_add_parameter(&request, "empty", NULL), 0);
	assert_string_equal(request_parameter(&request, "from"), "a+b@example.org");
	assert_string_equal(request_parameter(&request, "empty"), "");
	assert_null(request_parameter(&request, "to"));
}

static void parameters_are_bounded(void **state)
{
	struct request request = {0};
	char value[REQUEST_VALUE_SIZE + 1];
	char name[8];

	(void)state;
	memset(value, 'v', REQUEST_VALUE_SIZE);
	value[REQUEST_VALUE_SIZE] = '\0';
	assert_int_equal(request_add_parameter(&request, "a", value), -1);
	value[REQUEST_VALUE_SIZE - 1] = '\0';
	assert_int_equal(request_add_parameter(&request, "a", value), 0);
	assert_int_equal(request_add_parameter(&request, "a", "twice"), -1);
	assert_int_equal(request_add_parameter(&request, "b", "%0"), -1);
	for (int i = 1; i < REQUEST_QUERY_MAX; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		assert_int_equal(request_add_parameter(&request, name, "x"), 0);
	}
	assert_int_equal(request_add_parameter(&request, "more", "x"), -1);
}

static void a_parameter_that_the_route_does_not_take_is_named(void **state)
{
	struct request request = {0};

	(void)state;
	assert_int_equal(request_add_parameter(&request, "after", "1"), 0);
	assert_null(route_unknown_parameter(&table[1], &request));
	assert_string_equal(route_unknown_parameter(&table[0], &request), "after");
	assert_int_equal(request_add_parameter(&request, "lim", "1"), 0);
	assert_string_equal(route_unknown_parameter(&table[1], &request), "lim");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(method_and_path_find_their_route),
		cmocka_unit_test(head_counts_as_get),
		cmocka_unit_test(a_path_that_is_none_is_not_found),
		cmocka_unit_test(another_method_is_told_which_there_are),
		cmocka_unit_test(segments_are_decoded_after_they_are_taken_apart),
		cmocka_unit_test(malformed_segments_are_refused),
		cmocka_unit_test(parameters_are_decoded_and_found),
		cmocka_unit_test(parameters_are_bounded),
		cmocka_unit_test(a_parameter_that_the_route_does_not_take_is_named),
	};

	return cmocka_run_group_tests_name("admin/route", tests, NULL, NULL);
}
