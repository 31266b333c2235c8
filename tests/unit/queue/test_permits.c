/* test_permits.c: which grant decides, and the look-up against a naive model. */
#include "queue/permits.h"
#include "tests/unit/queue/scene.h"

#define NOW UINT64_C(1700000000000)
#define DAY UINT64_C(86400000)

/* ---- making grants ---- */

static struct grant *make(const char *name, const char *network)
{
	struct grant *grant = grant_new(name);

	assert_non_null(grant);
	grant->state = GRANT_APPROVED;
	grant->expires_unix_ms = NOW + 100 * DAY;
	grant->state_unix_ms = NOW - 10 * DAY;
	if (network != NULL)
		assert_true(grant_add_text(&grant->networks, network));
	return grant;
}

static struct grant *allow(struct grant *grant, const char *pattern)
{
	assert_true(grant_add_text(&grant->senders, pattern));
	return grant;
}

static struct grant *be(struct grant *grant, enum grant_state state, uint64_t since_unix_ms)
{
	grant->state = state;
	grant->state_unix_ms = since_unix_ms;
	return grant;
}

static struct grant *end(struct grant *grant, uint64_t expires_unix_ms)
{
	grant->expires_unix_ms = expires_unix_ms;
	return grant;
}

#define BUILD(...)                             \
	build((struct grant *[]){__VA_ARGS__}, \
		sizeof((struct grant *[]){__VA_ARGS__}) / sizeof(struct grant *))

static struct permits *build(struct grant **grants, size_t count)
{
	struct permits *permits = permits_build(grants, count, NULL, 0);

	assert_non_null(permits);
	return permits;
}

/* ---- asking ---- */

static struct address host(const char *text)
{
	struct address address;
	char with_port[128];

	snprintf(with_port, sizeof(with_port), strchr(text, ':') != NULL ? "[%s]:25" : "%s:25",
		text);
	assert_int_equal(address_parse(with_port, &address), 0);
	return address;
}

static struct permit_group find(const struct permits *permits, const char *peer,
	const char *account, const char *certificate)
{
	struct address address = host(peer);
	const struct permit_client client = {&address, account, certificate};

	return permits_find(permits, &client);
}

static void check_found(
	const struct permits *permits, const char *peer, const char *account, const char *name)
{
	struct permit_group group = find(permits, peer, account, NULL);

	assert_int_equal(group.count, name != NULL);
	if (name != NULL)
		assert_string_equal(group.grants[0]->name, name);
}

static void check_choice(const struct permits *permits, const char *path, bool is_ours,
	enum permit_answer answer, const char *name, const char *pattern)
{
	struct permit_group group = find(permits, "10.1.2.3", NULL, NULL);
	struct permit_choice choice = permits_choose(&group, path, is_ours, NOW);

	assert_int_equal(choice.answer, answer);
	if (name == NULL)
		assert_null(choice.grant);
	else
		assert_string_equal(choice.grant->name, name);
	if (pattern == NULL)
		assert_null(choice.pattern);
	else
		assert_string_equal(choice.pattern, pattern);
}

/* ---- systems ---- */

static void longest_network_wins(void **state)
{
	struct permits *permits = BUILD(make("all", "0.0.0.0/0"), make("campus", "10.0.0.0/8"),
		make("lab", "10.1.0.0/16"), make("printer", "10.1.2.3"), make("six", "::/0"),
		make("lib", "2001:db8::/32"), make("lib-host", "2001:db8::1"),
		make("last", "255.255.255.255"));

	(void)state;
	check_found(permits, "10.1.2.3", NULL, "printer");
	check_found(permits, "10.1.2.2", NULL, "lab");
	check_found(permits, "10.1.2.4", NULL, "lab");
	check_found(permits, "10.1.255.255", NULL, "lab");
	check_found(permits, "10.2.0.0", NULL, "campus");
	check_found(permits, "9.255.255.255", NULL, "all");
	check_found(permits, "11.0.0.0", NULL, "all");
	check_found(permits, "255.255.255.255", NULL, "last");
	check_found(permits, "2001:db8::1", NULL, "lib-host");
	check_found(permits, "2001:db8::2", NULL, "lib");
	check_found(permits, "2001:db9::", NULL, "six");
	check_found(permits, "::", NULL, "six");
	check_found(permits, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, "six");
	permits_close(&permits);
	permits = BUILD(make("six", "::/0"), make("mapped", "::ffff:10.0.0.0/104"));
	check_found(permits, "192.0.2.1", NULL, NULL); /* IPv4 is not in ::/0 */
	check_found(permits, "10.9.9.9", NULL, "mapped");
	permits_close(&permits);
}

static void network_of_an_interface_is_for_hosts_behind_it(void **state)
{
	struct permits *permits = BUILD(make("any", "fe80::/10"), make("behind-7", "fe80::%7/10"),
		make("host-behind-7", "fe80::1%7"), make("behind-8", "fe80::%8/10"));
	struct address address = host("fe80::1");
	const struct permit_client client = {.peer = &address};
	static const struct {
		unsigned zone;
		const char *name;
	} rows[] = {{7, "host-behind-7"}, {8, "behind-8"}, {9, "any"}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct permit_group group;

		address.v6.sin6_scope_id = rows[i].zone;
		group = permits_find(permits, &client);
		assert_int_equal(group.count, 1);
		assert_string_equal(group.grants[0]->name, rows[i].name);
	}
	permits_close(&permits);
}

static void certificate_is_more_exact_than_account_than_network(void **state)
{
	static const char fingerprint[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct grant *by_account = make("account", NULL),
		     *by_certificate = make("certificate", NULL);
	struct permits *permits;
	struct permit_group group;

	(void)state;
	assert_true(grant_add_text(&by_account->accounts, "anna"));
	assert_true(grant_add_text(&by_certificate->certificates, fingerprint));
	permits = BUILD(make("network", "10.0.0.0/8"), by_account, by_certificate);
	group = find(permits, "10.1.2.3", "anna", fingerprint);
	assert_int_equal(group.level, PERMIT_BY_CERTIFICATE);
	assert_string_equal(group.grants[0]->name, "certificate");
	group = find(permits, "10.1.2.3", "anna", "ff");
	assert_int_equal(group.level, PERMIT_BY_ACCOUNT);
	assert_string_equal(group.grants[0]->name, "account");
	group = find(permits, "10.1.2.3", "Anna", NULL);
	assert_int_equal(group.level, PERMIT_BY_NETWORK);
	assert_string_equal(group.grants[0]->name, "network");
	group = find(permits, "192.0.2.1", "bert", "");
	assert_int_equal(group.count, 0);
	permits_close(&permits);
}

static void requested_grant_counts_for_nothing(void **state)
{
	struct permits *permits = BUILD(
		be(make("new", "10.1.2.3"), GRANT_REQUESTED, NOW), make("campus", "10.0.0.0/8"));

	(void)state;
	check_found(permits, "10.1.2.3", NULL, "campus");
	assert_non_null(permits_grant(permits, "new"));
	permits_close(&permits);
}

static void wider_grant_does_not_replace_a_suspended_one(void **state)
{
	struct permits *permits = BUILD(be(make("printer", "10.1.2.3"), GRANT_SUSPENDED, NOW),
		make("campus", "10.0.0.0/8"));

	(void)state;
	check_choice(permits, "a@example.org", false, PERMIT_SUSPENDED, "printer", NULL);
	permits_close(&permits);
}

static void grant_that_names_a_network_twice_counts_once(void **state)
{
	struct grant *grant = make("printer", "10.1.2.3");
	struct permits *permits;

	(void)state;
	assert_true(grant_add_text(&grant->networks, "10.1.2.3/32"));
	assert_true(grant_add_text(&grant->accounts, "anna"));
	assert_true(grant_add_text(&grant->accounts, "anna"));
	permits = BUILD(grant);
	assert_int_equal(find(permits, "10.1.2.3", NULL, NULL).count, 1);
	assert_int_equal(find(permits, "192.0.2.1", "anna", NULL).count, 1);
	permits_close(&permits);
}

/* ---- choosing ---- */

static void most_exact_pattern_decides(void **state)
{
	struct permits *permits = BUILD(allow(make("a-any", "10.1.2.3"), "*"),
		allow(make("b-domain", "10.1.2.3"), "*@example.edu"),
		allow(make("c-address", "10.1.2.3"), "x@example.edu"),
		allow(make("d-below", "10.1.2.3"), "*@*.example.edu"),
		make("e-others", "10.1.2.3"));

	(void)state;
	check_choice(permits, "x@example.edu", true, PERMIT_YES, "c-address", "x@example.edu");
	check_choice(permits, "y@example.edu", true, PERMIT_YES, "b-domain", "*@example.edu");
	check_choice(permits, "y@a.example.edu", true, PERMIT_YES, "d-below", "*@*.example.edu");
	check_choice(permits, "y@example.org", false, PERMIT_YES, "a-any", "*");
	check_choice(permits, "", false, PERMIT_YES, "a-any", NULL);
	check_choice(permits, NULL, false, PERMIT_YES, "a-any", NULL);
	permits_close(&permits);
}

static void grant_without_patterns_allows_what_is_not_ours(void **state)
{
	struct permits *permits = BUILD(make("printer", "10.1.2.3"));

	(void)state;
	check_choice(permits, "a@example.org", false, PERMIT_YES, "printer", NULL);
	check_choice(permits, "a@example.edu", true, PERMIT_SENDER, "printer", NULL);
	permits_close(&permits);
}

static void sender_that_nobody_allows_is_rewritten_where_one_says_so(void **state)
{
	struct grant *rewriting = allow(make("b", "10.1.2.3"), "b@example.edu");
	struct permits *permits;

	(void)state;
	rewriting->spoof = GRANT_REWRITE;
	permits = BUILD(allow(make("a", "10.1.2.3"), "a@example.edu"), rewriting);
	check_choice(permits, "x@example.edu", true, PERMIT_SENDER, "b", NULL);
	check_choice(permits, "a@example.edu", true, PERMIT_YES, "a", "a@example.edu");
	permits_close(&permits);
	permits = BUILD(allow(make("b", "10.1.2.3"), "b@example.edu"),
		allow(make("a", "10.1.2.3"), "a@example.edu"));
	check_choice(permits, "x@example.edu", true, PERMIT_SENDER, "a", NULL);
	permits_close(&permits);
}

static void what_ended_is_told_where_it_would_have_allowed(void **state)
{
	struct permits *permits = BUILD(allow(make("a", "10.1.2.3"), "a@example.edu"),
		end(allow(make("b", "10.1.2.3"), "b@example.edu"), NOW),
		be(allow(make("c", "10.1.2.3"), "c@example.edu"), GRANT_SUSPENDED, NOW - DAY),
		be(allow(make("d", "10.1.2.3"), "d@example.edu"), GRANT_REVOKED, NOW - DAY));

	(void)state;
	check_choice(permits, "a@example.edu", true, PERMIT_YES, "a", "a@example.edu");
	check_choice(permits, "b@example.edu", true, PERMIT_LAPSED, "b", "b@example.edu");
	check_choice(permits, "c@example.edu", true, PERMIT_SUSPENDED, "c", "c@example.edu");
	check_choice(permits, "d@example.edu", true, PERMIT_REVOKED, "d", "d@example.edu");
	check_choice(permits, "e@example.edu", true, PERMIT_SENDER, "a", NULL);
	permits_close(&permits);
}

static void without_an_approved_one_the_latest_end_is_told(void **state)
{
	struct permits *permits = BUILD(end(make("a", "10.1.2.3"), NOW - 5 * DAY),
		be(make("b", "10.1.2.3"), GRANT_REVOKED, NOW - 3 * DAY),
		be(make("c", "10.1.2.3"), GRANT_SUSPENDED, NOW - 4 * DAY));

	(void)state;
	check_choice(permits, "x@example.org", false, PERMIT_REVOKED, "b", NULL);
	check_choice(permits, "x@example.edu", true, PERMIT_REVOKED, "b", NULL);
	permits_close(&permits);
	permits = BUILD(end(make("a", "10.1.2.3"), NOW - 1), end(make("b", "10.1.2.3"), NOW));
	check_choice(permits, NULL, false, PERMIT_LAPSED, "b", NULL);
	permits_close(&permits);
}

static void nobody_is_asked_where_there_is_no_grant(void **state)
{
	struct permits *permits = permits_build(NULL, 0, NULL, 0);

	(void)state;
	check_choice(permits, "x@example.org", false, PERMIT_NONE, NULL, NULL);
	assert_null(permits_grant(permits, "x"));
	permits_close(&permits);
}

/* ---- suspensions ---- */

static void suspended_network_or_account_is_found(void **state)
{
	struct suspension *suspensions[] = {suspension_new("10.1.0.0/16"),
		suspension_new("10.1.2.3"), suspension_new("account:anna")};
	struct permits *permits = permits_build(NULL, 0, suspensions, 3);
	struct address address = host("10.1.2.3");
	struct permit_client client = {.peer = &address};

	(void)state;
	assert_null(suspensions[0]);
	assert_int_equal(permits_suspension_count(permits), 3);
	assert_string_equal(permits_suspension(permits, &client)->who, "10.1.2.3");
	address = host("10.1.2.4");
	assert_string_equal(permits_suspension(permits, &client)->who, "10.1.0.0/16");
	address = host("10.2.0.0");
	assert_null(permits_suspension(permits, &client));
	client.account = "anna";
	assert_string_equal(permits_suspension(permits, &client)->who, "account:anna");
	client.account = "bert";
	assert_null(permits_suspension(permits, &client));
	permits_close(&permits);
}

/* ---- against a naive model ---- */

static uint64_t seed;

static uint32_t random_below(uint32_t limit)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % limit;
}

/* Few bits vary, so that networks overlap. */
static void random_address(char *out, size_t size)
{
	if (random_below(3) > 0)
		snprintf(out, size, "10.%u.%u.%u", random_below(3), random_below(4) * 64,
			random_below(256));
	else
		snprintf(out, size, "2001:db8:%x::%x", random_below(2) << 12, random_below(64));
}

static void random_network(char *out, size_t size)
{
	char address[64];
	struct network network;

	do {
		bool is_v6;

		random_address(address, sizeof(address));
		is_v6 = strchr(address, ':') != NULL;
		snprintf(out, size, "%s/%u", address,
			is_v6 ? 28 + random_below(101) : 6 + random_below(27));
	} while (network_parse(out, &network, NULL) < 0);
}

static unsigned length_of(const struct grant *grant, const struct address *address)
{
	unsigned longest = 0;

	for (size_t i = 0; i < grant->networks.count; i++) {
		struct network network;

		assert_int_equal(network_parse(grant->networks.items[i], &network, NULL), 0);
		if (network_has(&network, address) && network.prefix_bits > longest)
			longest = network.prefix_bits;
	}
	return longest;
}

static bool has_account(const struct grant *grant, const char *account)
{
	for (size_t i = 0; i < grant->accounts.count; i++)
		if (strcmp(grant->accounts.items[i], account) == 0)
			return true;
	return false;
}

/* By name, as the grants are. Returns how many. */
static size_t find_naively(struct grant **grants, size_t count, const struct address *address,
	const char *account, const char **names)
{
	unsigned longest = 0;
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		if (grants[i]->state != GRANT_REQUESTED && has_account(grants[i], account))
			names[found++] = grants[i]->name;
	if (found > 0)
		return found;
	for (size_t i = 0; i < count; i++)
		if (grants[i]->state != GRANT_REQUESTED && length_of(grants[i], address) > longest)
			longest = length_of(grants[i], address);
	for (size_t i = 0; i < count && longest > 0; i++)
		if (grants[i]->state != GRANT_REQUESTED && length_of(grants[i], address) == longest)
			names[found++] = grants[i]->name;
	return found;
}

#define RANDOM_GRANTS 60

static void make_random(struct grant **grants)
{
	char text[96];

	for (uint32_t i = 0; i < RANDOM_GRANTS; i++) {
		snprintf(text, sizeof(text), "g%03u", i);
		grants[i] = make(text, NULL);
		for (uint32_t n = random_below(4); n > 0; n--) {
			random_network(text, sizeof(text));
			assert_true(grant_add_text(&grants[i]->networks, text));
		}
		if (random_below(3) == 0) {
			snprintf(text, sizeof(text), "user%u", random_below(8));
			assert_true(grant_add_text(&grants[i]->accounts, text));
		}
		grants[i]->state = (enum grant_state)(GRANT_REQUESTED + random_below(4));
	}
}

static void check_random_table(struct grant **grants, struct grant **given)
{
	struct permits *permits = build(given, RANDOM_GRANTS);

	for (unsigned ask = 0; ask < 300; ask++) {
		const char *names[RANDOM_GRANTS];
		struct permit_group group;
		struct address address;
		char text[64], account[16];
		size_t count;

		random_address(text, sizeof(text));
		address = host(text);
		snprintf(account, sizeof(account), "user%u", random_below(30));
		count = find_naively(grants, RANDOM_GRANTS, &address, account, names);
		group = find(permits, text, account, NULL);
		if (group.count != count)
			fail_msg("%s %s: %zu of %zu", text, account, group.count, count);
		for (size_t i = 0; i < count; i++)
			assert_string_equal(group.grants[i]->name, names[i]);
	}
	for (size_t i = 0; i < RANDOM_GRANTS; i++)
		assert_string_equal(permits_grant(permits, grants[i]->name)->name, grants[i]->name);
	permits_close(&permits);
}

static void table_finds_what_a_naive_search_finds(void **state)
{
	(void)state;
	seed = 4711;
	for (unsigned round = 0; round < 60; round++) {
		struct grant *grants[RANDOM_GRANTS], *given[RANDOM_GRANTS];

		make_random(grants);
		for (size_t i = 0; i < RANDOM_GRANTS; i++)
			given[RANDOM_GRANTS - 1 - i] = grant_copy(grants[i]);
		check_random_table(grants, given);
		for (size_t i = 0; i < RANDOM_GRANTS; i++)
			grant_close(&grants[i]);
	}
}

/* ---- from the store ---- */

static void put(struct scene *scene, enum registry_kind kind, const char *name, const void *record,
	size_t size)
{
	const struct registry_change change = {.kind = kind,
		.name = name,
		.record = record,
		.size = size,
		.now_unix_ms = NOW,
		.who = "root",
		.act = "add",
		.why = ""};
	struct asked asked = {.request = {.verb = WRITER_REGISTER, .registry = &change}};

	scene_submit(scene, &asked);
	scene_run(scene);
	assert_int_equal(asked.request.result, 0);
}

static void all_of_the_store_is_loaded_and_damage_passed_over(void **state)
{
	struct suspension *suspension = suspension_new("10.1.2.0/24");
	struct permits *permits = NULL;
	struct bytes record = {0};
	struct scene scene;
	char name[32];

	(void)state;
	scene_open(&scene, 64 << 20);
	for (unsigned i = 0; i < 600; i++) {
		struct grant *grant;

		snprintf(name, sizeof(name), "10.0.%u.%u", i >> 8, i & 255);
		grant = make("x", name);
		snprintf(grant->name, sizeof(grant->name), "g%u", i);
		bytes_clear(&record);
		assert_true(grant_encode(grant, &record));
		put(&scene, REGISTRY_GRANT, grant->name, record.data, record.size);
		grant_close(&grant);
	}
	put(&scene, REGISTRY_GRANT, "foreign", record.data, record.size);
	put(&scene, REGISTRY_GRANT, "empty", "", 0);
	bytes_clear(&record);
	assert_true(suspension_encode(suspension, &record));
	put(&scene, REGISTRY_SUSPENSION, suspension->who, record.data, record.size);
	assert_int_equal(permits_load(scene.view, &permits), 0);
	assert_int_equal(permits_grant_count(permits), 600);
	assert_int_equal(permits_suspension_count(permits), 1);
	check_found(permits, "10.0.2.87", NULL, "g599");
	assert_int_equal(permits_grant(permits, "g599")->revision, 1);
	assert_null(permits_grant(permits, "foreign"));
	permits_close(&permits);
	bytes_fini(&record);
	suspension_close(&suspension);
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longest_network_wins),
		cmocka_unit_test(network_of_an_interface_is_for_hosts_behind_it),
		cmocka_unit_test(certificate_is_more_exact_than_account_than_network),
		cmocka_unit_test(requested_grant_counts_for_nothing),
		cmocka_unit_test(wider_grant_does_not_replace_a_suspended_one),
		cmocka_unit_test(grant_that_names_a_network_twice_counts_once),
		cmocka_unit_test(most_exact_pattern_decides),
		cmocka_unit_test(grant_without_patterns_allows_what_is_not_ours),
		cmocka_unit_test(sender_that_nobody_allows_is_rewritten_where_one_says_so),
		cmocka_unit_test(what_ended_is_told_where_it_would_have_allowed),
		cmocka_unit_test(without_an_approved_one_the_latest_end_is_told),
		cmocka_unit_test(nobody_is_asked_where_there_is_no_grant),
		cmocka_unit_test(suspended_network_or_account_is_found),
		cmocka_unit_test(table_finds_what_a_naive_search_finds),
		cmocka_unit_test(all_of_the_store_is_loaded_and_damage_passed_over),
	};

	return cmocka_run_group_tests_name("queue/permits", tests, NULL, NULL);
}
