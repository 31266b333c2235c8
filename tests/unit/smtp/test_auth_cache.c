#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "smtp/auth_cache.h"

#define KEEP_MS 60000

static struct auth_cache *cache;

static int open_cache(void **state)
{
	(void)state;
	cache = auth_cache_open(KEEP_MS);
	return cache != NULL ? 0 : -1;
}

static int close_cache(void **state)
{
	(void)state;
	auth_cache_close(&cache);
	return 0;
}

static void it_knows_the_pair_and_nothing_like_it(void **state)
{
	(void)state;
	assert_false(auth_cache_has(cache, "anna", "apple", 1));
	auth_cache_put(cache, "anna", "apple", 1);
	assert_true(auth_cache_has(cache, "anna", "apple", 2));
	assert_false(auth_cache_has(cache, "anna", "apples", 2));
	assert_false(auth_cache_has(cache, "anna", "", 2));
	assert_false(auth_cache_has(cache, "annaa", "pple", 2));
	assert_false(auth_cache_has(cache, "bert", "apple", 2));
	assert_false(auth_cache_has(cache, "", "", 2));
}

static void it_ends(void **state)
{
	(void)state;
	auth_cache_put(cache, "anna", "apple", 1);
	assert_true(auth_cache_has(cache, "anna", "apple", KEEP_MS));
	assert_false(auth_cache_has(cache, "anna", "apple", KEEP_MS + 1));
}

static void clear_and_configure_drop_all(void **state)
{
	(void)state;
	auth_cache_put(cache, "anna", "apple", 1);
	auth_cache_clear(cache);
	assert_false(auth_cache_has(cache, "anna", "apple", 2));
	auth_cache_put(cache, "anna", "apple", 1);
	auth_cache_configure(cache, 2 * KEEP_MS);
	assert_false(auth_cache_has(cache, "anna", "apple", 2));
	auth_cache_put(cache, "anna", "apple", 1);
	assert_true(auth_cache_has(cache, "anna", "apple", KEEP_MS + 1));
}

static void zero_keeps_nothing(void **state)
{
	(void)state;
	auth_cache_configure(cache, 0);
	auth_cache_put(cache, "anna", "apple", 1);
	assert_false(auth_cache_has(cache, "anna", "apple", 1));
}

static void latest_stay_when_it_is_full(void **state)
{
	unsigned known = 0;
	char account[32];

	(void)state;
	for (unsigned i = 0; i < 4 * AUTH_CACHE_ENTRIES; i++) {
		snprintf(account, sizeof(account), "a%u", i);
		auth_cache_put(cache, account, "x", 1 + i / 1000);
	}
	for (unsigned i = 0; i < 4 * AUTH_CACHE_ENTRIES; i++) {
		snprintf(account, sizeof(account), "a%u", i);
		known += auth_cache_has(cache, account, "x", 2);
		if (i + 1 == 4 * AUTH_CACHE_ENTRIES)
			assert_true(auth_cache_has(cache, account, "x", 2));
	}
	assert_true(known <= AUTH_CACHE_ENTRIES);
	assert_true(known > AUTH_CACHE_ENTRIES / 2);
}

int main(void)
{
#define CACHE_TEST(name) cmocka_unit_test_setup_teardown(name, open_cache, close_cache)
	const struct CMUnitTest tests[] = {
		CACHE_TEST(it_knows_the_pair_and_nothing_like_it),
		CACHE_TEST(it_ends),
		CACHE_TEST(clear_and_configure_drop_all),
		CACHE_TEST(zero_keeps_nothing),
		CACHE_TEST(latest_stay_when_it_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
