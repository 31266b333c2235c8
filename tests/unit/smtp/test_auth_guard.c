/* Delays and lock-outs, by a clock that the test turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "smtp/auth_guard.h"

#define SECONDS 1000
#define MINUTES (60 * SECONDS)

static const struct auth_guard_limits limits = {
	.tries = 5,
	.account_tries = 20,
	.lock_out_ms = 15 * MINUTES,
	.delay_ms = 1 * SECONDS,
	.delay_max_ms = 10 * SECONDS,
};

static int64_t now_ms;
static struct auth_guard *guard;

static struct address at(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

static struct address numbered(unsigned number)
{
	char text[32];

	snprintf(text, sizeof(text), "10.%u.%u.%u", number >> 16, number >> 8 & 255, number & 255);
	return at(text);
}

static bool admits(const char *account, const char *peer)
{
	struct address address = at(peer);

	return auth_guard_admits(guard, account, &address, now_ms);
}

static struct auth_guard_wrong wrong(const char *account, const char *peer)
{
	struct address address = at(peer);

	return auth_guard_wrong(guard, account, &address, now_ms);
}

static void right(const char *account, const char *peer)
{
	struct address address = at(peer);

	auth_guard_right(guard, account, &address, now_ms);
}

static int open_guard(void **state)
{
	(void)state;
	now_ms = 100 * MINUTES;
	guard = auth_guard_open(&limits);
	return guard != NULL ? 0 : -1;
}

static int close_guard(void **state)
{
	(void)state;
	auth_guard_close(&guard);
	return guard == NULL ? 0 : -1;
}

static void delay_doubles_up_to_its_limit(void **state)
{
	static const int64_t seconds[] = {1, 2, 4, 8, 10, 10};

	(void)state;
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(wrong("anna", "192.0.2.1").delay_ms, seconds[i] * SECONDS);
}

static void without_a_delay_there_is_none(void **state)
{
	struct auth_guard_limits none = limits;

	(void)state;
	none.delay_ms = 0;
	auth_guard_configure(guard, &none);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(wrong("anna", "192.0.2.1").delay_ms, 0);
}

static void address_is_locked_out_after_its_tries(void **state)
{
	(void)state;
	for (unsigned i = 1; i < limits.tries; i++) {
		assert_false(wrong("anna", "192.0.2.1").locked[LOCKOUT_ADDRESS]);
		assert_true(admits("anna", "192.0.2.1"));
	}
	assert_true(wrong("anna", "192.0.2.1").locked[LOCKOUT_ADDRESS]);
	assert_false(admits("anna", "192.0.2.1"));
	assert_false(admits("bert", "192.0.2.1")); /* whoever it says it is */
	assert_true(admits("anna", "192.0.2.2")); /* the account is not */
	now_ms += limits.lock_out_ms - 1;
	assert_false(admits("anna", "192.0.2.1"));
	now_ms += 1;
	assert_true(admits("anna", "192.0.2.1"));
	assert_false(wrong("anna", "192.0.2.1").locked[LOCKOUT_ADDRESS]); /* counts anew */
}

static void it_is_told_once(void **state)
{
	unsigned told = 0;

	(void)state;
	for (unsigned i = 0; i < 4 * limits.tries; i++)
		told += wrong("anna", "192.0.2.1").locked[LOCKOUT_ADDRESS];
	assert_int_equal(told, 1);
}

static void wrong_ones_are_forgotten(void **state)
{
	(void)state;
	for (unsigned i = 1; i < limits.tries; i++)
		wrong("anna", "192.0.2.1");
	now_ms += limits.lock_out_ms;
	assert_int_equal(wrong("anna", "192.0.2.1").delay_ms, limits.delay_ms);
	assert_true(admits("anna", "192.0.2.1"));
}

static void one_address_locks_no_account(void **state)
{
	(void)state;
	/* it is refused once it is locked out, so that is all that it can do */
	while (admits("anna", "192.0.2.1"))
		wrong("anna", "192.0.2.1");
	assert_true(admits("anna", "192.0.2.2"));
}

static void account_is_locked_after_guesses_from_many_addresses(void **state)
{
	unsigned guesses = 0, addresses = 0;

	(void)state;
	for (; admits("anna", "198.51.100.1"); addresses++) {
		struct address peer = numbered(addresses);

		while (auth_guard_admits(guard, "anna", &peer, now_ms)) {
			auth_guard_wrong(guard, "anna", &peer, now_ms);
			guesses++;
		}
	}
	assert_int_equal(guesses, limits.account_tries);
	assert_int_equal(addresses, limits.account_tries / limits.tries);
	assert_true(admits("bert", "198.51.100.1"));
}

static void account_is_open_where_it_was_used_before(void **state)
{
	(void)state;
	right("anna", "198.51.100.1");
	for (unsigned i = 0; i < limits.account_tries; i++) {
		struct address peer = numbered(i);

		auth_guard_wrong(guard, "anna", &peer, now_ms);
	}
	assert_false(admits("anna", "198.51.100.2"));
	assert_true(admits("anna", "198.51.100.1"));
	/* but not to guess on */
	for (unsigned i = 0; i < limits.tries; i++) {
		assert_true(admits("anna", "198.51.100.1"));
		wrong("anna", "198.51.100.1");
	}
	assert_false(admits("anna", "198.51.100.1"));
}

static void neighbor_who_guesses_locks_out_no_one_who_is_known(void **state)
{
	(void)state;
	right("printer", "192.0.2.1");
	while (admits("anna", "192.0.2.1"))
		wrong("anna", "192.0.2.1");
	assert_true(admits("printer", "192.0.2.1"));
	assert_false(admits("scanner", "192.0.2.1"));
}

static void who_was_right_is_known_for_a_month(void **state)
{
	struct address peer = at("192.0.2.1");

	(void)state;
	right("printer", "192.0.2.1");
	now_ms += INT64_C(29) * 24 * 60 * MINUTES;
	assert_true(auth_guard_knows(guard, "printer", &peer, now_ms));
	now_ms += INT64_C(2) * 24 * 60 * MINUTES;
	assert_false(auth_guard_knows(guard, "printer", &peer, now_ms));
}

static void right_one_takes_back_its_own_wrong_ones_only(void **state)
{
	(void)state;
	for (unsigned i = 1; i < limits.tries; i++)
		wrong("anna", "192.0.2.1");
	right("anna", "192.0.2.1");
	assert_int_equal(wrong("anna", "192.0.2.1").delay_ms, limits.delay_ms);
	right("anna", "192.0.2.1");
	/* an account of one's own is no way to guess at others */
	for (unsigned i = 1; i < limits.tries; i++) {
		assert_false(wrong("bert", "192.0.2.1").locked[LOCKOUT_ADDRESS]);
		right("mine", "192.0.2.1");
	}
	assert_true(wrong("bert", "192.0.2.1").locked[LOCKOUT_ADDRESS]);
}

static void ipv6_addresses_of_a_network_are_one(void **state)
{
	char text[64];

	(void)state;
	for (unsigned i = 0; i < limits.tries; i++) {
		snprintf(text, sizeof(text), "2001:db8:0:1::%x", i + 1);
		wrong("anna", text);
	}
	assert_false(admits("bert", "2001:db8:0:1:ffff::9"));
	assert_true(admits("bert", "2001:db8:0:2::1"));
}

static void list_shows_and_lift_lifts(void **state)
{
	struct lockout list[4];

	(void)state;
	while (admits("anna", "192.0.2.1"))
		wrong("anna", "192.0.2.1");
	now_ms += 1 * SECONDS;
	while (admits("anna", "2001:db8::1"))
		wrong("anna", "2001:db8::1");
	assert_int_equal(auth_guard_list(guard, now_ms, list, 4), 2);
	assert_string_equal(list[0].who, "2001:db8::/64");
	assert_string_equal(list[1].who, "192.0.2.1");
	assert_int_equal(list[1].kind, LOCKOUT_ADDRESS);
	assert_int_equal(list[1].wrong, limits.tries);
	assert_int_equal(list[1].age_ms, 1 * SECONDS);
	assert_int_equal(list[1].left_ms, limits.lock_out_ms - 1 * SECONDS);
	assert_int_equal(auth_guard_list(guard, now_ms, list, 1), 2);

	assert_int_equal(auth_guard_lift(guard, "192.0.2.9", now_ms), 0);
	assert_int_equal(auth_guard_lift(guard, "192.0.2.1", now_ms), 1);
	assert_int_equal(auth_guard_lift(guard, "192.0.2.1", now_ms), 0);
	assert_int_equal(auth_guard_lift(guard, "2001:db8::77", now_ms), 1);
	assert_true(admits("anna", "192.0.2.1"));
	assert_true(admits("anna", "2001:db8::1"));
	assert_false(wrong("anna", "192.0.2.1").locked[LOCKOUT_ADDRESS]);
	assert_int_equal(auth_guard_list(guard, now_ms, list, 4), 0);
}

static void account_is_lifted_by_name(void **state)
{
	struct lockout list[64];

	(void)state;
	for (unsigned i = 0; i < limits.account_tries; i++) {
		struct address peer = numbered(i);

		auth_guard_wrong(guard, "anna", &peer, now_ms);
	}
	assert_int_equal(auth_guard_list(guard, now_ms, list, 64), 1);
	assert_int_equal(list[0].kind, LOCKOUT_ACCOUNT);
	assert_string_equal(list[0].who, "anna");
	assert_int_equal(auth_guard_lift(guard, "anna", now_ms), 1);
	assert_true(admits("anna", "198.51.100.1"));
}

static void list_forgets_what_is_over(void **state)
{
	struct lockout list[4];

	(void)state;
	while (admits("anna", "192.0.2.1"))
		wrong("anna", "192.0.2.1");
	now_ms += limits.lock_out_ms;
	assert_int_equal(auth_guard_list(guard, now_ms, list, 4), 0);
	assert_int_equal(auth_guard_lift(guard, "192.0.2.1", now_ms), 0);
}

/* A flood of names and addresses that nobody has, ten times as many as there are places. */
static void flood_pushes_out_no_lock_out_no_known_pair_and_no_high_count(void **state)
{
	struct address printer = at("192.0.2.2");
	struct lockout list[4];
	unsigned kept = 0;

	(void)state;
	while (admits("anna", "192.0.2.1"))
		wrong("anna", "192.0.2.1");
	right("printer", "192.0.2.2");
	for (unsigned i = 0; i < 64; i++) {
		struct address peer = numbered(i);

		for (unsigned j = 1; j < limits.tries; j++)
			auth_guard_wrong(guard, "bert", &peer, now_ms);
	}
	for (unsigned i = 0; i < 10 * AUTH_GUARD_ENTRIES; i++) {
		struct address peer = numbered(1u << 20 | i);
		char account[32];

		snprintf(account, sizeof(account), "nobody-%u", i);
		auth_guard_wrong(guard, account, &peer, now_ms + i / 1000);
	}
	now_ms += 1 * SECONDS;
	assert_false(admits("anna", "192.0.2.1"));
	assert_int_equal(auth_guard_list(guard, now_ms, list, 4), 2); /* bert too */
	assert_true(auth_guard_knows(guard, "printer", &printer, now_ms));
	for (unsigned i = 0; i < 64; i++) {
		struct address peer = numbered(i);

		kept += auth_guard_wrong(guard, "bert", &peer, now_ms).locked[LOCKOUT_ADDRESS];
	}
	assert_int_equal(kept, 64);
}

/* With more addresses than places, all locked out: what cannot be counted gets the longest delay, and nobody is let go. */
static void full_table_delays_most(void **state)
{
	struct auth_guard_limits strict = limits;
	int64_t longest = 0;

	(void)state;
	strict.tries = 1;
	auth_guard_configure(guard, &strict);
	for (unsigned i = 0; i < 4 * AUTH_GUARD_ENTRIES; i++) {
		struct address peer = numbered(i);
		int64_t delay_ms = auth_guard_wrong(guard, "anna", &peer, now_ms).delay_ms;

		if (delay_ms > longest)
			longest = delay_ms;
	}
	assert_int_equal(longest, limits.delay_max_ms);
	assert_false(admits("bert", "10.0.0.0"));
	assert_false(admits("bert", "10.0.0.1"));
}

int main(void)
{
#define GUARD_TEST(name) cmocka_unit_test_setup_teardown(name, open_guard, close_guard)
	const struct CMUnitTest tests[] = {
		GUARD_TEST(delay_doubles_up_to_its_limit),
		GUARD_TEST(without_a_delay_there_is_none),
		GUARD_TEST(address_is_locked_out_after_its_tries),
		GUARD_TEST(it_is_told_once),
		GUARD_TEST(wrong_ones_are_forgotten),
		GUARD_TEST(one_address_locks_no_account),
		GUARD_TEST(account_is_locked_after_guesses_from_many_addresses),
		GUARD_TEST(account_is_open_where_it_was_used_before),
		GUARD_TEST(neighbor_who_guesses_locks_out_no_one_who_is_known),
		GUARD_TEST(who_was_right_is_known_for_a_month),
		GUARD_TEST(right_one_takes_back_its_own_wrong_ones_only),
		GUARD_TEST(ipv6_addresses_of_a_network_are_one),
		GUARD_TEST(list_shows_and_lift_lifts),
		GUARD_TEST(account_is_lifted_by_name),
		GUARD_TEST(list_forgets_what_is_over),
		GUARD_TEST(flood_pushes_out_no_lock_out_no_known_pair_and_no_high_count),
		GUARD_TEST(full_table_delays_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
