/* Who may send: every combination of what counts, beside a plain telling of the rules; and whom a header may name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/address.h"
#include "smtp/ours.h"
#include "smtp/permission.h"

#define NOW    (UINT64_C(1800000000) * 1000)
#define DAY_MS (UINT64_C(86400) * 1000)

/* ---- what there is ---- */

static char *our_domains[] = {"*.sub.example.edu", "example.edu", "xn--mller-kva.example"};

static const struct config config = {.domains = {our_domains, 3},
	.grace_ms = INT64_C(14) * 86400 * 1000,
	.helpdesk = "help@example.edu"};

enum life { NONE, REQUESTED, APPROVED, REWRITING, IN_GRACE, LAPSED, SUSPENDED, REVOKED, LIVES };

static void set(char **text, const char *value)
{
	assert_true(grant_set_text(text, value));
}

static struct grant *make_grant(enum life life)
{
	static const enum grant_state states[] = {[REQUESTED] = GRANT_REQUESTED,
		[APPROVED] = GRANT_APPROVED,
		[REWRITING] = GRANT_APPROVED,
		[IN_GRACE] = GRANT_APPROVED,
		[LAPSED] = GRANT_APPROVED,
		[SUSPENDED] = GRANT_SUSPENDED,
		[REVOKED] = GRANT_REVOKED};
	struct grant *grant = grant_new("lab-printer");

	assert_non_null(grant);
	grant->state = states[life];
	assert_true(grant_add_text(&grant->networks, "10.1.2.3"));
	assert_true(grant_add_text(&grant->senders, "*@lab.sub.example.edu"));
	set(&grant->mailbox, "printer@example.edu");
	set(&grant->reason, "broken");
	grant->spoof = life == REWRITING ? GRANT_REWRITE : GRANT_REFUSE;
	grant->state_unix_ms = NOW - DAY_MS;
	grant->expires_unix_ms = life == IN_GRACE ? NOW - 13 * DAY_MS
				 : life == LAPSED ? NOW - 15 * DAY_MS
						  : NOW + 90 * DAY_MS;
	return grant;
}

static struct permits *make_permits(enum life life, const char *suspended)
{
	struct grant *grant = life != NONE ? make_grant(life) : NULL;
	struct suspension *suspension = suspended != NULL ? suspension_new(suspended) : NULL;
	struct permits *permits;

	if (suspension != NULL)
		snprintf(suspension->reason, sizeof(suspension->reason), "virus");
	permits = permits_build(&grant, grant != NULL, &suspension, suspension != NULL);
	assert_non_null(permits);
	return permits;
}

static const struct address *peer(void)
{
	static struct address address;

	assert_int_equal(address_parse("10.1.2.3:25", &address), 0);
	return &address;
}

/* ---- the rules, told once more ---- */

struct scene {
	unsigned relay;
	bool in_networks, uses_domains;
	enum life life;
	const char *account, *suspended, *sender;
};

static bool counts(enum life life)
{
	return life == APPROVED || life == REWRITING || life == IN_GRACE;
}

static bool is_hers(const struct scene *scene)
{
	return scene->account != NULL && (scene->relay & RELAY_AUTH) != 0 &&
	       strcmp(scene->sender, "anna@example.edu") == 0;
}

static enum permission_answer expect_sender(const struct scene *scene)
{
	bool is_ours = strstr(scene->sender, "example.edu") != NULL;

	if (scene->sender[0] == '\0' || is_hers(scene))
		return PERMISSION_YES;
	if (counts(scene->life))
		return strcmp(scene->sender, "x@lab.sub.example.edu") == 0 ||
				       scene->life == REWRITING
			       ? PERMISSION_YES
			       : PERMISSION_SENDER;
	if (!is_ours)
		return PERMISSION_YES;
	return scene->in_networks && (scene->relay & RELAY_NETWORK) != 0 && scene->uses_domains
		       ? PERMISSION_YES
		       : PERMISSION_SENDER;
}

static enum permission_answer expect(const struct scene *scene)
{
	bool by_network = scene->in_networks && (scene->relay & RELAY_NETWORK) != 0;
	bool by_grant = counts(scene->life) && (scene->relay & RELAY_GRANT) != 0;
	bool by_login = scene->account != NULL && (scene->relay & RELAY_AUTH) != 0;

	if (scene->suspended != NULL &&
		(scene->account != NULL || strncmp(scene->suspended, "account:", 8) != 0))
		return PERMISSION_SUSPENDED;
	if (scene->life == SUSPENDED)
		return PERMISSION_GRANT_SUSPENDED;
	if (scene->life == REVOKED)
		return PERMISSION_GRANT_REVOKED;
	if (scene->life == LAPSED)
		return PERMISSION_GRANT_LAPSED;
	if (!by_network && !by_grant && !by_login)
		return PERMISSION_STRANGER;
	return expect_sender(scene);
}

static struct permission_terms make_terms(
	const struct scene *scene, struct config_listener *listener)
{
	*listener = (struct config_listener){
		.relay = scene->relay, .networks_use_domains = scene->uses_domains};
	return (struct permission_terms){.config = &config,
		.listener = listener,
		.client = {.peer = peer(), .account = scene->account},
		.in_networks = scene->in_networks,
		.now_unix_ms = NOW};
}

static void check_scene(const struct scene *scene, struct permits *permits)
{
	struct config_listener listener;
	struct permission_terms terms = make_terms(scene, &listener);
	struct permission permission = {0};

	permission_decide(&permission, permits, &terms, scene->sender, false);
	if (permission.answer != expect(scene))
		fail_msg("relay %u, networks %d, use %d, life %d, account %s, suspended %s, "
			 "sender <%s>: %d, expected %d",
			scene->relay, scene->in_networks, scene->uses_domains, (int)scene->life,
			scene->account, scene->suspended, scene->sender, (int)permission.answer,
			(int)expect(scene));
	if (permission.answer == PERMISSION_YES) {
		assert_int_equal(permission.is_held, scene->life == IN_GRACE);
		assert_int_equal(permission.grant != NULL, counts(scene->life));
	}
	permission_fini(&permission);
}

static void every_combination_is_as_told(void **state)
{
	static const char *const accounts[] = {NULL, "anna"};
	static const char *const suspended[] = {
		NULL, "10.1.0.0/16", "account:anna", "10.9.9.9", "account:berta"};
	static const char *const senders[] = {"", "someone@example.org", "x@lab.sub.example.edu",
		"anna@example.edu", "boss@example.edu"};
	size_t checked = 0;

	(void)state;
	for (unsigned life = NONE; life < LIVES; life++) {
		for (size_t s = 0; s < 5; s++) {
			struct permits *permits = make_permits((enum life)life, suspended[s]);
			bool is_other = s >= 3; /* somebody else is suspended */

			for (unsigned bits = 0; bits < 7 * 2 * 2 * 2 * 5; bits++) {
				struct scene scene = {.relay = bits % 7 + 1,
					.in_networks = bits / 7 % 2 != 0,
					.uses_domains = bits / 14 % 2 != 0,
					.account = accounts[bits / 28 % 2],
					.sender = senders[bits / 56 % 5],
					.life = (enum life)life,
					.suspended = is_other ? NULL : suspended[s]};

				check_scene(&scene, permits);
				checked++;
			}
			permits_close(&permits);
		}
	}
	assert_int_equal(checked, LIVES * 5 * 280);
}

static void who_has_no_table_is_judged_by_network_and_login(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 7 * 2 * 2 * 2; bits++) {
		struct scene scene = {.relay = bits % 7 + 1,
			.in_networks = bits / 7 % 2 != 0,
			.uses_domains = bits / 14 % 2 != 0,
			.account = bits / 28 % 2 != 0 ? "anna" : NULL,
			.sender = "boss@example.edu"};

		check_scene(&scene, NULL);
	}
}

static void what_is_not_theirs_is_rewritten(void **state)
{
	static const struct scene scene = {
		.relay = RELAY_GRANT, .life = REWRITING, .sender = "boss@example.edu"};
	struct permits *permits = make_permits(REWRITING, NULL);
	struct config_listener listener;
	struct permission_terms terms = make_terms(&scene, &listener);
	struct permission permission = {0};

	(void)state;
	permission_decide(&permission, permits, &terms, scene.sender, false);
	assert_int_equal(permission.answer, PERMISSION_YES);
	assert_string_equal(permission.sender, "printer@example.edu");
	permission_decide(&permission, permits, &terms, "x@lab.sub.example.edu", false);
	assert_null(permission.sender);
	permission_fini(&permission);
	permits_close(&permits);
}

static void sender_at_no_domain_becomes_the_mailbox_for_lenient_listeners(void **state)
{
	static const char *const senders[] = {"root@localhost", "ups@[10.1.2.3]", "ups@10.1.2.3",
		"a@LOCALHOST.localdomain", "a@[IPv6:2001:db8::1]"};
	static const struct scene scene = {.relay = RELAY_GRANT, .life = APPROVED};
	struct permits *permits = make_permits(APPROVED, NULL);
	struct config_listener listener;
	struct permission_terms terms = make_terms(&scene, &listener);
	struct permission permission = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
		permission_decide(&permission, permits, &terms, senders[i], true);
		assert_int_equal(permission.answer, PERMISSION_YES);
		assert_string_equal(permission.sender, "printer@example.edu");
		permission_decide(&permission, permits, &terms, senders[i], false);
		assert_int_equal(permission.answer, PERMISSION_SENDER);
	}
	permission_fini(&permission);
	permits_close(&permits);
}

/* ---- accounts ---- */

static void account_may_be_itself(void **state)
{
	static const struct {
		const char *account, *sender;
		bool may;
	} rows[] = {
		{"anna", "anna@example.edu", true},
		{"anna", "ANNA@Example.EDU", true},
		{"anna", "\"anna\"@example.edu", true},
		{"anna", "anna@example.edu.", true},
		{"anna", "anna@m\303\274ller.example", true},
		{"anna", "berta@example.edu", false},
		{"anna", "anna@x.sub.example.edu", false},
		{"anna", "anna.x@example.edu", false},
		{"anna@example.edu", "anna@example.edu", true},
		{"anna@example.edu", "berta@example.edu", false},
		{"anna@example.edu", "anna@xn--mller-kva.example", false},
		{"anna@x.sub.example.edu", "anna@x.sub.example.edu", true},
		{"anna", "anybody@example.org", true},
	};
	struct config_listener listener;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene scene = {.relay = RELAY_AUTH, .account = rows[i].account};
		struct permission_terms terms = make_terms(&scene, &listener);
		struct permission permission = {0};

		permission_decide(&permission, NULL, &terms, rows[i].sender, false);
		if ((permission.answer == PERMISSION_YES) != rows[i].may)
			fail_msg("%s as <%s>", rows[i].account, rows[i].sender);
		permission_fini(&permission);
	}
}

static void grant_for_an_account_says_all_there_is_to_it(void **state)
{
	struct scene scene = {.relay = 7, .account = "anna"};
	struct grant *grant = make_grant(APPROVED);
	struct config_listener listener;
	struct permission_terms terms = make_terms(&scene, &listener);
	struct permission permission = {0};
	struct permits *permits;

	(void)state;
	assert_true(grant_add_text(&grant->accounts, "anna"));
	permits = permits_build(&grant, 1, NULL, 0);
	permission_decide(&permission, permits, &terms, "anna@example.edu", false);
	assert_int_equal(permission.answer, PERMISSION_SENDER);
	permission_fini(&permission);
	permits_close(&permits);
}

/* ---- recipients ---- */

static void internal_grant_reaches_our_domains(void **state)
{
	static const struct {
		const char *recipient;
		bool reaches;
	} rows[] = {{"a@example.edu", true}, {"a@EXAMPLE.edu.", true},
		{"a@x.sub.example.edu", true}, {"postmaster", true}, {"a@sub.example.edu", false},
		{"a@example.org", false}, {"a@notexample.edu", false},
		{"\"a@example.edu\"@example.org", false}};
	static const struct scene scene = {.relay = 7};
	struct grant grant = {.reach = GRANT_INTERNAL, .mailbox = (char[]){""}};
	struct permission permission = {.grant = &grant};
	struct config_listener listener;
	struct permission_terms terms = make_terms(&scene, &listener);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((permission_reach(&permission, &terms, rows[i].recipient) == PERMISSION_YES) !=
			rows[i].reaches)
			fail_msg("%s", rows[i].recipient);
}

/* ---- whose domains ---- */

static void address_has_one_plain_form(void **state)
{
	static const struct {
		const char *address, *plain;
	} rows[] = {
		{"a@example.edu", "a@example.edu"},
		{"A.b@EXAMPLE.edu", "A.b@example.edu"},
		{"a@example.edu.", "a@example.edu"},
		{"a@example.edu...", "a@example.edu"},
		{"\"a b\"@example.edu", "a b@example.edu"},
		{"\"a\\\"b\"@example.edu", "a\"b@example.edu"},
		{"a@m\303\274ller.example", "a@xn--mller-kva.example"},
		{"a@M\303\234LLER.example", "a@xn--mller-kva.example"},
		{"a@exam\342\200\213ple.edu", "a@example.edu"},
		{"a@exam\342\200\215ple.edu", "a@example.edu"},
		{"a@exam\302\255ple.edu", "a@example.edu"},
		{"a@\357\275\205xample.edu", "a@example.edu"},
		{"a@example\343\200\202edu", "a@example.edu"},
		{"a@xn--example-.edu", "a@example.edu"},
		{"a@[192.0.2.1]", "a@[192.0.2.1]"},
		{"a", NULL},
		{"a@", NULL},
		{"a@.", NULL},
	};
	char plain[OURS_ADDRESS_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_plain = ours_make_plain(rows[i].address, plain);

		if (is_plain != (rows[i].plain != NULL) ||
			(is_plain && strcmp(plain, rows[i].plain) != 0))
			fail_msg("%s: %s", rows[i].address, is_plain ? plain : "none");
	}
}

static void domains_below_one_are_ours_where_it_is_said(void **state)
{
	(void)state;
	assert_true(ours_has_domain(&config, "example.edu"));
	assert_true(ours_has_domain(&config, "a.b.sub.example.edu"));
	assert_false(ours_has_domain(&config, "sub.example.edu"));
	assert_false(ours_has_domain(&config, "a.example.edu"));
	assert_false(ours_has_domain(&config, "edu"));
	assert_false(ours_has_domain(&config, ""));
	assert_false(ours_has_domain(&config, ".example.edu"));
	assert_false(ours_has_domain(&config, "example.edu.evil.example"));
}

/* ---- the header ---- */

#define EVIL "x@evil.example"

static enum permission_authors judge(
	const struct permission_terms *terms, struct permission *permission, const char *value)
{
	struct authors authors = {0};
	enum permission_authors result;

	assert_true(authors_take(&authors, AUTHOR_FROM, value, strlen(value)));
	result = permission_judge(permission, terms, &authors, false);
	authors_fini(&authors);
	return result;
}

/* A client of the networks, without any right to our domains. */
static void claims_of_our_domains_are_found(void **state)
{
	static const char *const hostile[] = {
		"boss@example.edu",
		" Boss <boss@example.edu>",
		"boss@EXAMPLE.EDU.",
		"\"boss\"@example.edu",
		"boss @ example.edu",
		"boss@example . edu",
		"boss@(evil.example)example.edu",
		"(x)boss(y)@(z)example.edu(w)",
		"\"Boss\" <boss\r\n @example.edu>",
		EVIL ", boss@example.edu",
		"boss@example.edu, " EVIL,
		"Staff: " EVIL ", Boss <boss@example.edu>;",
		"Staff: boss@example.edu;, " EVIL,
		"<@relay.example:boss@example.edu>",
		"<@example.edu:" EVIL ">",
		"\"boss@example.edu\" <" EVIL ">",
		"boss@example.edu <" EVIL ">",
		"\"boss\\@example.edu\" <" EVIL ">",
		"\"Boss (boss@example.edu)\" <" EVIL ">",
		"<boss@example.edu> <" EVIL ">",
		"\"<boss@example.edu>\" <" EVIL ">",
		EVIL " (boss@example.edu)",
		"\"boss@example.edu\"@evil.example",
		"\342\200\236boss@example.edu\342\200\234 <" EVIL ">",
		"=?utf-8?q?boss=40example=2Eedu?= <" EVIL ">",
		"=?utf-8?Q?boss@example.edu?= <" EVIL ">",
		"=?utf-8?B?Ym9zc0BleGFtcGxlLmVkdQ==?= <" EVIL ">",
		"=?utf-8?b?Ym9zc0BleGFt?= =?utf-8?b?cGxlLmVkdQ?= <" EVIL ">",
		"=?utf-8?q?boss=40exam?=\r\n =?utf-8?q?ple.edu?= <" EVIL ">",
		"=?utf-8*en?q?boss=40example.edu?= <" EVIL ">",
		"\"=?utf-8?q?boss=40example.edu?=\" <" EVIL ">",
		"=?utf-8?q?the boss=40example.edu?= <" EVIL ">",
		"=?utf-8?q?boss=40example.edu <" EVIL ">",
		"=?iso-8859-1?q?=ABboss=40example.edu=BB?= <" EVIL ">",
		"=?utf-8?q?boss=40example.edu?=",
		"boss@=?utf-8?q?example.edu?=",
		"=?utf-8?q?boss?=@example.edu",
		"boss@m\303\274ller.example",
		"boss@xn--mller-kva.example",
		"boss@XN--MLLER-KVA.example",
		"boss@xn--example-.edu",
		"boss@exam\342\200\213ple.edu",
		"\"boss@exam\342\200\213ple.edu\" <" EVIL ">",
		"\"boss\357\274\240example.edu\" <" EVIL ">",
		"boss\357\274\240example.edu",
		"boss@example\343\200\202edu",
		"\"boss@example.edu",
		"<boss@example.edu",
		"boss@example.edu@evil.example",
		"boss@example.edu>" EVIL,
		"boss example.edu <>",
		"boss at example.edu!!",
		"anyone@x.sub.example.edu",
		"=?utf-7?q?boss+AEA-example.edu?= <" EVIL ">",
		"=?utf-16?b?AGIAQABl?= <" EVIL ">",
	};
	static const struct scene scene = {.relay = RELAY_NETWORK, .in_networks = true};
	struct config_listener listener;
	struct permission_terms terms = make_terms(&scene, &listener);

	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct permission permission = {0};

		if (judge(&terms, &permission, hostile[i]) != AUTHORS_REFUSED)
			fail_msg("%s", hostile[i]);
	}
}

static void what_is_not_ours_is_nobody_s_business(void **state)
{
	static const char *const plain[] = {
		"",
		EVIL,
		"Boss <" EVIL ">",
		"\"The boss of example.edu\" <" EVIL ">",
		"Example, Edu <" EVIL ">",
		"boss@example.edu.evil.example",
		"boss@notexample.edu",
		"boss@sub.example.edu",
		"boss%example.edu@evil.example",
		"\"meet @ example\" <" EVIL ">",
		"=?utf-8?q?J=C3=B6rg?= <" EVIL ">",
		"=?iso-8859-1?q?J=F6rg?= <" EVIL ">",
		"J\366rg <" EVIL ">",
		"Group: a@evil.example, b@evil.example;",
		"boss@ex\320\260mple.edu", /* a Cyrillic letter */
		"printer",
		"@",
		"<>",
	};
	static const struct scene scene = {.relay = RELAY_NETWORK, .in_networks = true};
	struct config_listener listener;
	struct permission_terms terms = make_terms(&scene, &listener);

	(void)state;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		struct permission permission = {0};

		if (judge(&terms, &permission, plain[i]) != AUTHORS_STAY)
			fail_msg("%s", plain[i]);
	}
}

static void grant_may_show_what_it_may(void **state)
{
	static const struct {
		const char *value;
		bool may;
	} rows[] = {
		{"x@lab.sub.example.edu", true},
		{"\"x@lab.sub.example.edu\" <y@LAB.sub.example.edu>", true},
		{"Printer <printer@example.edu>", true},
		{"\"printer\"@example.edu", true},
		{"\"boss@example.edu\" <printer@example.edu>", false},
		{"boss@example.edu", false},
		{"someone@example.org", false},
		{"\"someone@example.org\" <printer@example.edu>", true},
		{"the lab.sub.example.edu! <>", true},
		{"the example.edu! <>", false},
	};
	static const struct scene scene = {.relay = RELAY_GRANT, .life = APPROVED};
	struct permits *permits = make_permits(APPROVED, NULL);
	struct config_listener listener;
	struct permission_terms terms = make_terms(&scene, &listener);
	struct permission permission = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		permission_decide(&permission, permits, &terms, "", false);
		if ((judge(&terms, &permission, rows[i].value) == AUTHORS_STAY) != rows[i].may)
			fail_msg("%s", rows[i].value);
		if (!rows[i].may)
			assert_int_equal(permission.answer, PERMISSION_AUTHOR);
	}
	permission_fini(&permission);
	permits_close(&permits);
}

static void more_than_anybody_reads_is_refused(void **state)
{
	static const struct scene scene = {.relay = RELAY_NETWORK, .in_networks = true};
	struct config_listener listener;
	struct permission_terms terms = make_terms(&scene, &listener);
	struct permission permission = {0};
	struct bytes value = {0};

	(void)state;
	for (unsigned i = 0; i < AUTHORS_MAX + 1; i++)
		assert_true(bytes_printf(&value, "%sa%u@evil.example", i > 0 ? ", " : "", i));
	assert_true(bytes_append(&value, "", 1));
	assert_int_equal(judge(&terms, &permission, (const char *)value.data), AUTHORS_REFUSED);
	assert_int_equal(permission.answer, PERMISSION_UNREADABLE);
	bytes_fini(&value);
}

/* ---- words ---- */

static void refusal_says_what_and_since_when_and_whom_to_ask(void **state)
{
	static const struct {
		enum life life;
		const char *suspended, *text;
	} rows[] = {
		{NONE, NULL, "10.1.2.3 may not send mail here, ask help@example.edu"},
		{LAPSED, NULL,
			"Grant lab-printer lapsed on 2026-12-31, to renew it write to "
			"help@example.edu"},
		{SUSPENDED, NULL,
			"Grant lab-printer was suspended on 2027-01-14: broken, ask "
			"help@example.edu"},
		{REVOKED, NULL,
			"Grant lab-printer was revoked on 2027-01-14: broken, ask "
			"help@example.edu"},
		{APPROVED, NULL,
			"Grant lab-printer may not send as boss@example.edu, ask "
			"help@example.edu"},
		{APPROVED, "10.1.2.3",
			"10.1.2.3 was suspended on 1970-01-01: virus, ask help@example.edu"},
	};
	static const struct scene scene = {.relay = RELAY_GRANT};
	struct config_listener listener;
	struct permission_terms terms = make_terms(&scene, &listener);
	char text[PERMISSION_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct permits *permits = make_permits(rows[i].life, rows[i].suspended);
		struct permission permission = {0};

		permission_decide(&permission, permits, &terms, "boss@example.edu", false);
		assert_string_equal(permission_explain(permission.answer, &permission, &terms,
					    "10.1.2.3", text),
			rows[i].text);
		permission_fini(&permission);
		permits_close(&permits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_is_as_told),
		cmocka_unit_test(who_has_no_table_is_judged_by_network_and_login),
		cmocka_unit_test(what_is_not_theirs_is_rewritten),
		cmocka_unit_test(sender_at_no_domain_becomes_the_mailbox_for_lenient_listeners),
		cmocka_unit_test(account_may_be_itself),
		cmocka_unit_test(grant_for_an_account_says_all_there_is_to_it),
		cmocka_unit_test(internal_grant_reaches_our_domains),
		cmocka_unit_test(address_has_one_plain_form),
		cmocka_unit_test(domains_below_one_are_ours_where_it_is_said),
		cmocka_unit_test(claims_of_our_domains_are_found),
		cmocka_unit_test(what_is_not_ours_is_nobody_s_business),
		cmocka_unit_test(grant_may_show_what_it_may),
		cmocka_unit_test(more_than_anybody_reads_is_refused),
		cmocka_unit_test(refusal_says_what_and_since_when_and_whom_to_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
