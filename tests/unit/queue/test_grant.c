/* test_grant.c: grants, their patterns, their life and their record; and suspensions. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/grant.h"
#include "queue/suspension.h"

#define NOW UINT64_C(1700000000000)
#define DAY UINT64_C(86400000)

/* ---- patterns ---- */

static void pattern_matches_what_it_says(void **state)
{
	static const struct {
		const char *pattern, *address;
		bool matches;
	} rows[] = {
		{"a@example.edu", "a@example.edu", true},
		{"a@example.edu", "A@EXAMPLE.Edu", true},
		{"a@example.edu", "aa@example.edu", false},
		{"a@example.edu", "a@sub.example.edu", false},
		{"*@example.edu", "anybody@example.edu", true},
		{"*@Example.EDU", "anybody@example.edu", true},
		{"*@example.edu", "\"an @ body\"@example.edu", true},
		{"*@example.edu", "a@sub.example.edu", false},
		{"*@example.edu", "a@badexample.edu", false},
		{"*@example.edu", "a@example.edu.evil.org", false},
		{"*@*.example.edu", "a@sub.example.edu", true},
		{"*@*.example.edu", "a@deep.SUB.example.edu", true},
		{"*@*.example.edu", "a@example.edu", false},
		{"*@*.example.edu", "a@.example.edu", false},
		{"*@*.example.edu", "a@badexample.edu", false},
		{"*@*.b", "x@b", false},
		{"*@*.b", "x@a.b", true},
		{"*", "a@example.org", true},
		{"*", "postmaster", true},
		{"*@example.edu", "postmaster", false},
		{"*@example.edu", "example.edu", false},
		{"a@example.edu", "", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((grant_pattern_match(rows[i].pattern, rows[i].address) > 0) != rows[i].matches)
			fail_msg("%s against %s", rows[i].pattern, rows[i].address);
}

static void most_exact_pattern_wins(void **state)
{
	static const char *const from_wide_to_exact[] = {"*", "*@*.edu", "*@*.example.edu",
		"*@*.lib.example.edu", "*@a.lib.example.edu", "x@a.lib.example.edu"};
	struct grant_texts texts = {0};
	size_t count = sizeof(from_wide_to_exact) / sizeof(from_wide_to_exact[0]);

	(void)state;
	/* each is added before those that are wider, and behind those that are more exact */
	for (size_t i = 0; i < count; i++) {
		grant_clear_texts(&texts);
		for (size_t at = 0; at <= i; at++)
			assert_true(grant_add_text(&texts, from_wide_to_exact[(at + i) % (i + 1)]));
		assert_string_equal(
			grant_find_pattern(&texts, "x@a.lib.example.edu"), from_wide_to_exact[i]);
	}
	assert_string_equal(
		grant_find_pattern(&texts, "y@a.lib.example.edu"), "*@a.lib.example.edu");
	assert_string_equal(grant_find_pattern(&texts, "y@example.edu"), "*@*.edu");
	assert_string_equal(grant_find_pattern(&texts, "y@example.org"), "*");
	grant_clear_texts(&texts);
	assert_null(grant_find_pattern(&texts, "y@example.org"));
}

static void pattern_is_one_of_four_forms(void **state)
{
	static const char *const good[] = {"*", "*@example.edu", "*@*.example.edu", "*@*.b",
		"a.b+c@example.edu", "grüße@bücher.example", "*@xn--bcher-kva.example"};
	static const char *const bad[] = {"", "@", "a", "a@", "@example.edu", "**",
		"*a@example.edu", "a*@example.edu", "a@*.example.edu", "*@*", "*@*.",
		"*@.example.edu", "*@example..edu", "*@example.edu.", "*@exam ple.edu", "*@*.*.edu",
		"*@ex*ample.edu", "a b@example.edu", "<a@example.edu>", "a@b@example.edu",
		"*@example.edu\r", "*@\xff.edu"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!grant_pattern_is_valid(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (grant_pattern_is_valid(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

/* ---- grants ---- */

/* Every member is set. */
static struct grant *make_full(void)
{
	struct grant *grant = grant_new("lab-printer");
	char **texts[] = {&grant->owner, &grant->contact, &grant->purpose, &grant->device,
		&grant->mailbox, &grant->created_by, &grant->approved_by, &grant->reason};

	assert_non_null(grant);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[32];

		snprintf(text, sizeof(text), "text%zu@example.edu", i);
		assert_true(grant_set_text(texts[i], text));
	}
	assert_true(grant_add_text(&grant->networks, "10.1.2.3"));
	assert_true(grant_add_text(&grant->networks, "2001:db8::/64"));
	assert_true(grant_add_text(&grant->accounts, "anna"));
	assert_true(grant_add_text(&grant->certificates,
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"));
	assert_true(grant_add_text(&grant->senders, "*@lib.example.edu"));
	assert_true(grant_add_text(&grant->senders, "a@example.edu"));
	assert_true(grant_add_text(&grant->header_froms, "*"));
	grant->state = GRANT_APPROVED;
	grant->spoof = GRANT_REWRITE;
	grant->replaces_null = grant->takes_any_auth = grant->auth_in_clear = true;
	grant->reach = GRANT_INTERNAL;
	grant->lane = LANE_BULK;
	grant->messages_per_hour = 11;
	grant->recipients_per_hour = 12;
	grant->messages_per_day = 13;
	grant->created_unix_ms = NOW;
	grant->approved_unix_ms = NOW + 1;
	grant->expires_unix_ms = NOW + GRANT_YEAR_MS;
	grant->state_unix_ms = NOW + 2;
	grant->told = GRANT_TOLD_7_DAYS | GRANT_TOLD_30_DAYS;
	return grant;
}

static void check_same_texts(const struct grant_texts *a, const struct grant_texts *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++)
		assert_string_equal(a->items[i], b->items[i]);
}

static void check_same(const struct grant *a, const struct grant *b)
{
	struct bytes one = {0}, other = {0};

	assert_string_equal(a->name, b->name);
	assert_string_equal(a->owner, b->owner);
	assert_string_equal(a->contact, b->contact);
	assert_string_equal(a->purpose, b->purpose);
	assert_string_equal(a->device, b->device);
	assert_string_equal(a->mailbox, b->mailbox);
	assert_string_equal(a->created_by, b->created_by);
	assert_string_equal(a->approved_by, b->approved_by);
	assert_string_equal(a->reason, b->reason);
	check_same_texts(&a->networks, &b->networks);
	check_same_texts(&a->accounts, &b->accounts);
	check_same_texts(&a->certificates, &b->certificates);
	check_same_texts(&a->senders, &b->senders);
	check_same_texts(&a->header_froms, &b->header_froms);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->spoof, b->spoof);
	assert_int_equal(a->replaces_null, b->replaces_null);
	assert_int_equal(a->takes_any_auth, b->takes_any_auth);
	assert_int_equal(a->auth_in_clear, b->auth_in_clear);
	assert_int_equal(a->reach, b->reach);
	assert_int_equal(a->lane, b->lane);
	assert_int_equal(a->messages_per_hour, b->messages_per_hour);
	assert_int_equal(a->recipients_per_hour, b->recipients_per_hour);
	assert_int_equal(a->messages_per_day, b->messages_per_day);
	assert_int_equal(a->created_unix_ms, b->created_unix_ms);
	assert_int_equal(a->approved_unix_ms, b->approved_unix_ms);
	assert_int_equal(a->expires_unix_ms, b->expires_unix_ms);
	assert_int_equal(a->state_unix_ms, b->state_unix_ms);
	assert_int_equal(a->told, b->told);
	assert_true(grant_encode(a, &one) && grant_encode(b, &other));
	assert_int_equal(one.size, other.size);
	assert_memory_equal(one.data, other.data, one.size);
	bytes_fini(&one);
	bytes_fini(&other);
}

static void record_and_copy_give_back_all_that_was_put_in(void **state)
{
	struct grant *grants[] = {make_full(), grant_new("empty")};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct grant *copy = grant_copy(grants[i]), *again = NULL;
		struct bytes record = {0};

		grants[i]->lane = (enum lane)(i == 0 ? LANE_ALERT : LANE_NORMAL);
		copy->lane = grants[i]->lane;
		check_same(grants[i], copy);
		assert_true(grant_encode(grants[i], &record));
		assert_int_equal(
			grant_decode(grants[i]->name, 7, record.data, record.size, &again), 0);
		assert_int_equal(again->revision, 7);
		check_same(grants[i], again);
		bytes_fini(&record);
		grant_close(&copy);
		grant_close(&again);
		grant_close(&grants[i]);
	}
}

static void damaged_or_foreign_record_is_refused(void **state)
{
	struct grant *grant = make_full(), *again = NULL;
	struct bytes record = {0};

	(void)state;
	assert_true(grant_encode(grant, &record));
	assert_int_equal(grant_decode("other", 1, record.data, record.size, &again), -EBADMSG);
	for (size_t size = 0; size < record.size; size++)
		assert_int_equal(grant_decode(grant->name, 1, record.data, size, &again), -EBADMSG);
	for (size_t at = 0; at < record.size; at++) {
		record.data[at] ^= 0x40;
		assert_int_equal(
			grant_decode(grant->name, 1, record.data, record.size, &again), -EBADMSG);
		record.data[at] ^= 0x40;
	}
	bytes_clear(&record);
	grant->state = 5; /* of no version */
	assert_true(grant_encode(grant, &record));
	assert_int_equal(grant_decode(grant->name, 1, record.data, record.size, &again), -EBADMSG);
	bytes_fini(&record);
	grant_close(&grant);
}

static void life_follows_from_state_and_time(void **state)
{
	struct grant *grant = make_full();
	uint64_t end = grant->expires_unix_ms;

	(void)state;
	assert_int_equal(grant_life(grant, NOW), GRANT_LIFE_APPROVED);
	assert_int_equal(grant_life(grant, end - 30 * DAY - 1), GRANT_LIFE_APPROVED);
	assert_int_equal(grant_life(grant, end - 30 * DAY), GRANT_LIFE_EXPIRING);
	assert_int_equal(grant_life(grant, end - 1), GRANT_LIFE_EXPIRING);
	assert_int_equal(grant_life(grant, end), GRANT_LIFE_LAPSED);
	grant->state = GRANT_SUSPENDED;
	assert_int_equal(grant_life(grant, end + DAY), GRANT_LIFE_SUSPENDED);
	grant->state = GRANT_REVOKED;
	assert_int_equal(grant_life(grant, NOW), GRANT_LIFE_REVOKED);
	grant->state = GRANT_REQUESTED;
	assert_int_equal(grant_life(grant, NOW), GRANT_LIFE_REQUESTED);
	assert_string_equal(grant_life_name(GRANT_LIFE_EXPIRING), "expiring");
	grant_close(&grant);
}

static void name_is_short_and_plain(void **state)
{
	char name[GRANT_NAME_SIZE + 1];

	(void)state;
	memset(name, 'a', sizeof(name));
	name[GRANT_NAME_SIZE] = '\0';
	assert_false(grant_name_is_valid(name));
	name[GRANT_NAME_SIZE - 1] = '\0';
	assert_true(grant_name_is_valid(name));
	assert_true(grant_name_is_valid("lab-printer_2.west"));
	assert_false(grant_name_is_valid(""));
	assert_false(grant_name_is_valid("-x"));
	assert_false(grant_name_is_valid(".x"));
	assert_false(grant_name_is_valid("a b"));
	assert_false(grant_name_is_valid("a/b"));
	assert_false(grant_name_is_valid("grüße"));
}

static void check_wrong(struct grant *grant, const char *what)
{
	struct reason reason = {{0}};

	assert_int_equal(grant_check(grant, &reason), -1);
	if (strstr(reason.text, what) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", what, reason.text);
	grant_close(&grant);
}

static struct grant *with_text(size_t list, const char *text)
{
	struct grant *grant = make_full();
	struct grant_texts *lists[] = {&grant->networks, &grant->accounts, &grant->certificates,
		&grant->senders, &grant->header_froms};

	assert_true(grant_add_text(lists[list], text));
	return grant;
}

static void what_is_wrong_with_a_grant_is_said(void **state)
{
	struct grant *grant = make_full();
	struct reason reason;
	char text[GRANT_TEXT_SIZE + 1];

	(void)state;
	assert_int_equal(grant_check(grant, &reason), 0);
	strcpy(grant->name, "a b");
	check_wrong(grant, "name");
	check_wrong(with_text(0, "10.1.2.3/8"), "did you mean");
	check_wrong(with_text(1, ""), "accounts");
	check_wrong(with_text(1, "a\nb"), "accounts");
	check_wrong(with_text(2, "ABCD"), "64 digits");
	check_wrong(with_text(3, "@example.edu"), "not a pattern");
	check_wrong(with_text(4, "a*@example.edu"), "not a pattern");
	grant = make_full();
	grant_clear_texts(&grant->networks);
	grant_clear_texts(&grant->accounts);
	grant_clear_texts(&grant->certificates);
	check_wrong(grant, "no system");
	grant = make_full();
	assert_true(grant_set_text(&grant->owner, "nobody"));
	check_wrong(grant, "owner");
	grant = make_full();
	assert_true(grant_set_text(&grant->mailbox, ""));
	check_wrong(grant, "mailbox");
	grant = make_full();
	assert_true(grant_set_text(&grant->purpose, "a\x1b[31m"));
	check_wrong(grant, "control characters");
	grant = make_full();
	memset(text, 'x', sizeof(text));
	text[GRANT_TEXT_SIZE] = '\0';
	assert_true(grant_set_text(&grant->purpose, text));
	check_wrong(grant, "longer");
	grant = make_full();
	grant->expires_unix_ms = 0;
	check_wrong(grant, "no end");
	grant = make_full();
	for (size_t i = 0; i < GRANT_TEXTS_MAX; i++)
		assert_true(grant_add_text(&grant->networks, "10.1.2.3"));
	check_wrong(grant, "more than");
}

/* ---- suspensions ---- */

static void suspension_is_of_a_network_or_an_account(void **state)
{
	struct suspension *suspension = suspension_new("10.1.0.0/16"), *again = NULL;
	struct bytes record = {0};

	(void)state;
	assert_non_null(suspension);
	assert_int_equal(suspension->kind, SUSPENDS_NETWORK);
	assert_int_equal(suspension->network.prefix_bits, 112);
	strcpy(suspension->reason, "sends viruses");
	strcpy(suspension->by, "root");
	suspension->since_unix_ms = NOW;
	suspension->automatic = true;
	assert_true(suspension_encode(suspension, &record));
	assert_int_equal(suspension_decode("10.1.0.0/16", 3, record.data, record.size, &again), 0);
	assert_int_equal(again->revision, 3);
	again->revision = 0;
	assert_memory_equal(again, suspension, sizeof(*again));
	suspension_close(&again);
	assert_int_equal(
		suspension_decode("10.1.0.0/17", 3, record.data, record.size, &again), -EBADMSG);
	for (size_t size = 0; size < record.size; size++)
		assert_int_equal(
			suspension_decode("10.1.0.0/16", 3, record.data, size, &again), -EBADMSG);
	bytes_fini(&record);
	suspension_close(&suspension);
	suspension = suspension_new("account:anna");
	assert_non_null(suspension);
	assert_int_equal(suspension->kind, SUSPENDS_ACCOUNT);
	assert_string_equal(suspension_account(suspension), "anna");
	suspension_close(&suspension);
	assert_null(suspension_new("account:"));
	assert_null(suspension_new("anna"));
	assert_null(suspension_new("10.1.2.3/8"));
	assert_null(suspension_new(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pattern_matches_what_it_says),
		cmocka_unit_test(most_exact_pattern_wins),
		cmocka_unit_test(pattern_is_one_of_four_forms),
		cmocka_unit_test(record_and_copy_give_back_all_that_was_put_in),
		cmocka_unit_test(damaged_or_foreign_record_is_refused),
		cmocka_unit_test(life_follows_from_state_and_time),
		cmocka_unit_test(name_is_short_and_plain),
		cmocka_unit_test(what_is_wrong_with_a_grant_is_said),
		cmocka_unit_test(suspension_is_of_a_network_or_an_account),
	};

	return cmocka_run_group_tests_name("queue/grant", tests, NULL, NULL);
}
