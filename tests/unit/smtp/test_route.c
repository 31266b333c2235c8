#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "smtp/route.h"

static struct config_upstream upstreams[] = {
	{.name = "rest"}, {.name = "exact"}, {.name = "below"}, {.name = "deep"}};

/* In no useful order: the most exact wins wherever it stands. */
static struct config_route routes[] = {
	{"*", 0}, {"*.example.edu", 2}, {"*.lab.example.edu", 3}, {"example.edu", 1}};

static const struct config config = {
	.upstreams = upstreams, .upstream_count = 4, .routes = routes, .route_count = 4};

static void check_route(const char *address, const char *name)
{
	const struct config_upstream *found = route_find(&config, address);

	assert_non_null(found);
	assert_string_equal(found->name, name);
}

static void exact_domain_wins(void **state)
{
	(void)state;
	check_route("a@example.edu", "exact");
	check_route("a@EXAMPLE.Edu", "exact");
	check_route("a@example.edu.", "exact");
}

static void longest_wildcard_wins(void **state)
{
	(void)state;
	check_route("a@cs.example.edu", "below");
	check_route("a@x.Lab.example.edu", "deep");
	check_route("a@lab.example.edu", "below");
}

static void wildcard_needs_a_label_and_a_dot(void **state)
{
	(void)state;
	check_route("a@notexample.edu", "rest");
	check_route("a@.example.edu", "rest");
	check_route("a@edu", "rest");
}

static void what_has_no_domain_goes_to_the_star(void **state)
{
	(void)state;
	check_route("postmaster", "rest");
	check_route("a@[192.0.2.1]", "rest");
	check_route("a@", "rest");
	check_route("", "rest");
}

static void utf8_domains_go_by_their_a_labels(void **state)
{
	struct config_route some[] = {
		{"*", 0}, {"xn--mller-kva.example", 1}, {"*.xn--mller-kva.example", 2}};
	struct config international = {
		.upstreams = upstreams, .upstream_count = 4, .routes = some, .route_count = 3};

	(void)state;
	assert_string_equal(
		route_find(&international, "\xc3\xa4@m\xc3\xbcller.example")->name, "exact");
	assert_string_equal(route_find(&international, "a@M\xc3\x9cLLER.example")->name, "exact");
	assert_string_equal(route_find(&international, "a@xn--mller-kva.example")->name, "exact");
	assert_string_equal(route_find(&international, "a@b.m\xc3\xbcller.example")->name, "below");
	assert_string_equal(route_find(&international, "a@\xe2\x98\xba\xff.example")->name, "rest");
}

static void quoted_at_is_not_the_domain(void **state)
{
	(void)state;
	check_route("\"a@other.net\"@example.edu", "exact");
}

static void no_route_is_null(void **state)
{
	struct config_route only[] = {{"example.edu", 1}};
	struct config small = {
		.upstreams = upstreams, .upstream_count = 4, .routes = only, .route_count = 1};

	(void)state;
	assert_null(route_find(&small, "a@other.net"));
	assert_null(route_find(&small, "postmaster"));
	assert_non_null(route_find(&small, "a@example.edu"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_domain_wins),
		cmocka_unit_test(longest_wildcard_wins),
		cmocka_unit_test(wildcard_needs_a_label_and_a_dot),
		cmocka_unit_test(what_has_no_domain_goes_to_the_star),
		cmocka_unit_test(utf8_domains_go_by_their_a_labels),
		cmocka_unit_test(quoted_at_is_not_the_domain),
		cmocka_unit_test(no_route_is_null),
	};

	return cmocka_run_group_tests_name("smtp/route", tests, NULL, NULL);
}
