#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/config.h"
#include "core/config_options.h"

#define DOOR     "listen door { address = {\"127.0.0.1:25\"} networks = {\"127.0.0.0/8\"} }\n"
#define UPSTREAM "upstream campus { hosts = {\"127.0.0.1:26\"} }\n"
#define ROUTE    "route \"*\" { upstream = campus }\n"
#define REST     DOOR UPSTREAM ROUTE

static char folder[] = "/tmp/sluice-config-XXXXXX";
static char path[sizeof(folder) + 32];
static char password_path[sizeof(folder) + 32];

static int make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	chmod(folder, 0755);
	snprintf(path, sizeof(path), "%s/sluice.conf", folder);
	snprintf(password_path, sizeof(password_path), "%s/password", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	unlink(password_path);
	return rmdir(folder);
}

static void write_file(const char *to, const void *text, size_t size)
{
	FILE *file = fopen(to, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static struct config *load(const char *text)
{
	struct reason reason = {.text = ""};
	struct config *config;

	write_file(path, text, strlen(text));
	if (config_load(path, &config, &reason) < 0)
		fail_msg("%s", reason.text);
	return config;
}

/* `wanted` is what follows the file's name. */
static void check_refused_bytes(const void *text, size_t size, const char *wanted)
{
	struct reason reason = {.text = ""};
	struct config *config;

	write_file(path, text, size);
	assert_int_equal(config_load(path, &config, &reason), -1);
	assert_null(config);
	assert_memory_equal(reason.text, path, strlen(path));
	assert_string_equal(reason.text + strlen(path), wanted);
}

static void check_refused(const char *text, const char *wanted)
{
	check_refused_bytes(text, strlen(text), wanted);
}

static void check_refused_start(const char *text, const char *wanted)
{
	struct reason reason = {.text = ""};
	struct config *config;

	write_file(path, text, strlen(text));
	assert_int_equal(config_load(path, &config, &reason), -1);
	if (strncmp(reason.text + strlen(path), wanted, strlen(wanted)) != 0)
		fail_msg("%s", reason.text);
}

/* ---- what is taken ---- */

static void least_file_gets_the_defaults(void **state)
{
	struct config *config = load("hostname = relay.example\n" REST);
	const struct config_listener *door = config->listeners;
	const struct config_upstream *campus = config->upstreams;

	(void)state;
	assert_string_equal(config->path, path);
	assert_string_equal(config->data_dir, "/var/lib/sluice");
	assert_string_equal(config->admin_socket, "/run/sluice/admin.sock");
	assert_null(config->user);
	assert_true(config->workers >= 1);
	assert_string_equal(config->postmaster, "postmaster@relay.example");
	assert_true(config->queue_max_bytes == UINT64_C(20) << 30);
	assert_int_equal(config->queue_lifetime_ms, 5 * 86400000);
	assert_int_equal(config->max_connections, 10000);
	assert_int_equal(config->busy_first_ms, 1000);
	assert_int_equal(config->busy_max_ms, 60000);
	assert_int_equal(config->retry_first_ms, 60000);
	assert_int_equal(config->retry_max_ms, 3600000);
	assert_int_equal(config->scan_workers, 2);
	assert_int_equal(config->on_virus, VIRUS_DISCARD);
	assert_int_equal(door->profile, PROFILE_STANDARD);
	assert_int_equal(door->max_message_bytes, 52428800);
	assert_int_equal(door->max_recipients, 100);
	assert_int_equal(door->max_received_fields, 100);
	assert_int_equal(door->command_timeout_ms, 300000);
	assert_int_equal(door->full_store_patience_ms, 240000);
	assert_int_equal(campus->tls, UPSTREAM_TLS_OPPORTUNISTIC);
	assert_null(campus->user);
	assert_null(campus->password);
	assert_false(campus->auth_in_clear);
	assert_int_equal(campus->max_connections, 20);
	assert_int_equal(campus->dot_timeout_ms, 600000);
	config_close(&config);
	assert_null(config);
}

/* The interface's sample without what this version does not have. */
static void sample_of_the_interface_is_taken(void **state)
{
	struct config *config;
	const struct config_listener *listener;
	const struct config_upstream *upstream;
	struct address client;
	char text[2048];

	(void)state;
	write_file(password_path, "s3cret\n", 7);
	snprintf(text, sizeof(text), "%s%s%s",
		"hostname      = relay.example.edu\n"
		"data_dir      = /var/lib/sluice\n"
		"admin_socket  = /run/sluice/admin.sock\n"
		"user          = sluice                   # dropped to after the ports are open\n"
		"workers       = 3                        # 0: one per core\n"
		"postmaster    = postmaster@example.edu   # who is told when no sender can be\n"
		"\n"
		"queue {\n"
		"  max_size  = 20GB\n"
		"  lifetime  = 5d                         # then bounce\n"
		"}\n"
		"\n"
		"listen handoff {                         # devices and applications\n"
		"  address        = {\"0.0.0.0:25\", \"[::]:25\"}\n"
		"  profile        = fragile               # fragile | standard | submission\n"
		"  networks       = {\"10.0.0.0/8\"}        # who may hand over without AUTH\n"
		"  max_message    = 50MB                  # 52428800\n"
		"  max_recipients = 100\n"
		"}\n"
		"upstream campus {\n"
		"  hosts           = {\"smtp-relay1.example.edu:25\", "
		"\"smtp-relay2.example.edu:25\"}\n"
		"  tls             = required             # off | opportunistic | required | "
		"implicit\n"
		"  user            = relay                # optional\n"
		"  password_file   = ",
		password_path,
		"\n"
		"  max_connections = 20                   # per host\n"
		"  max_recipients  = 100                  # more are split\n"
		"  connect_timeout = 30s\n"
		"}\n"
		"route \"*\" { upstream = campus }\n"
		"retry {\n"
		"  busy_first = 1s   busy_max = 60s       # a host that says 421\n"
		"  first      = 1m   max      = 1h        # a message that is deferred\n"
		"}\n"
		"scan { order = {} workers = 4 on_virus = discard }\n");
	config = load(text);
	listener = config->listeners;
	upstream = config->upstreams;
	assert_string_equal(config->hostname, "relay.example.edu");
	assert_string_equal(config->user, "sluice");
	assert_int_equal(config->workers, 3);
	assert_int_equal(config->listener_count, 1);
	assert_string_equal(listener->name, "handoff");
	assert_int_equal(listener->address_count, 2);
	assert_string_equal(listener->addresses[1], "[::]:25");
	assert_int_equal(listener->profile, PROFILE_FRAGILE);
	assert_int_equal(address_parse("10.1.2.3:1", &client), 0);
	assert_true(network_list_has(&listener->networks, &client));
	assert_int_equal(listener->max_message_bytes, 52428800);
	assert_int_equal(upstream->host_count, 2);
	assert_string_equal(upstream->hosts[1].name, "smtp-relay2.example.edu:25");
	assert_string_equal(upstream->hosts[1].host, "smtp-relay2.example.edu");
	assert_int_equal(upstream->hosts[1].port, 25);
	assert_int_equal(upstream->tls, UPSTREAM_TLS_REQUIRED);
	assert_string_equal(upstream->user, "relay");
	assert_string_equal(upstream->password, "s3cret");
	assert_string_equal(config->routes[0].pattern, "*");
	assert_int_equal(config->scan_workers, 4);
	config_close(&config);
}

static void words_need_no_quotes(void **state)
{
	struct config *config =
		load("listen door { profile=fragile address=0.0.0.0:25 networks={10.0.0.0/8,\n"
		     "192.0.2.7} max_message=1KB }\n"
		     "listen path { address = unix:/run/x.sock networks += ::1/128 networks += "
		     "10.0.0.0/8 }\n"
		     "upstream campus{hosts={[::1]:26, a.example:27}}route example.edu "
		     "{upstream=campus}");

	(void)state;
	assert_string_equal(config->listeners[0].addresses[0], "0.0.0.0:25");
	assert_int_equal(config->listeners[0].networks.count, 2);
	assert_int_equal(config->listeners[0].max_message_bytes, 1024);
	assert_string_equal(config->listeners[1].addresses[0], "unix:/run/x.sock");
	assert_int_equal(config->listeners[1].networks.count, 2);
	assert_string_equal(config->upstreams[0].hosts[0].host, "::1");
	assert_string_equal(config->upstreams[0].hosts[1].host, "a.example");
	assert_int_equal(config->upstreams[0].hosts[1].port, 27);
	config_close(&config);
}

static void comments_may_stand_anywhere(void **state)
{
	struct config *config = load("#\n// one \"\n/* { two\n */ hostname = # why\n a.example\n"
				     "listen door { address = { \"127.0.0.1:25\", # first }\n"
				     " /* } */ \"127.0.0.1:26\" } networks = \"127.0.0.0/8\" }\n"
				     "queue { # } \n }" UPSTREAM ROUTE "# the end");

	(void)state;
	assert_string_equal(config->hostname, "a.example");
	assert_int_equal(config->listeners[0].address_count, 2);
	config_close(&config);
}

static void lines_may_end_in_crlf(void **state)
{
	struct config *config = load("hostname = a.example\r\n# x\r\n" REST);

	(void)state;
	assert_string_equal(config->hostname, "a.example");
	config_close(&config);
	check_refused("hostname = a.example\r\n\r\nnope = 1\r\n", ":3: option 'nope': unknown");
}

static void routes_come_most_exact_first(void **state)
{
	static const char *const wanted[] = {
		"mail.example.edu", "example.edu", "*.long.example.edu", "*.example.edu", "*"};
	struct config *config =
		load(DOOR UPSTREAM ROUTE "route \"*.example.edu\" { upstream = campus }\n"
					 "route Example.EDU { upstream = campus }\n"
					 "route \"*.long.example.edu\" { upstream = campus }\n"
					 "route mail.example.edu { upstream = campus }\n");

	(void)state;
	assert_int_equal(config->route_count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(config->routes[i].pattern, wanted[i]);
	config_close(&config);
}

static struct address address_of(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

static void client_section_of_an_interface_comes_before_that_of_all(void **state)
{
	struct config *config = load(REST "client \"fe80::/10\" { }\nclient \"fe80::%7/10\" { }\n");
	struct address address = address_of("[fe80::1]:9");

	(void)state;
	address.v6.sin6_scope_id = 7;
	assert_string_equal(config_client_of(config, &address)->title, "fe80::%7/10");
	address.v6.sin6_scope_id = 8;
	assert_string_equal(config_client_of(config, &address)->title, "fe80::/10");
	config_close(&config);
}

static void most_exact_client_section_counts(void **state)
{
	struct config *config =
		load(REST "client \"10.0.0.0/8\" { profile = xerox charset = iso-8859-2 }\n"
			  "client 10.1.2.3 { domain = lab.example.edu profile = ups-card }\n"
			  "client \"2001:db8::/32\" { }\nclient \"10.1.0.0/16\" { }\n");
	const struct address exact = address_of("10.1.2.3:9"), near = address_of("10.1.2.4:9"),
			     far = address_of("10.9.9.9:9"), other = address_of("192.0.2.1:9");
	const struct config_client *client = config_client_of(config, &exact);

	(void)state;
	assert_string_equal(client->title, "10.1.2.3");
	assert_string_equal(config_device_choices[client->device].name, "ups-card");
	assert_string_equal(client->domain, "lab.example.edu");
	assert_null(client->charset);
	assert_string_equal(config_client_of(config, &near)->title, "10.1.0.0/16");
	client = config_client_of(config, &far);
	assert_string_equal(client->title, "10.0.0.0/8");
	assert_string_equal(client->charset, "iso-8859-2");
	assert_null(config_client_of(config, &other));
	config_close(&config);
}

static void defaults_follow_the_profile_of_a_listener(void **state)
{
	struct config *config = load(
		"hostname = relay.example.edu listen a { address = {\"127.0.0.1:27\"} networks = "
		"{\"::1\"} profile = fragile data_timeout = 5m }\n"
		"listen b { profile = fragile address = {\"127.0.0.1:28\"} networks = {\"::1\"}\n"
		"domain = lab.example.edu charset = koi8-r }\n" DOOR UPSTREAM ROUTE);

	(void)state;
	assert_int_equal(config->listeners[0].command_timeout_ms, 600000);
	assert_int_equal(config->listeners[0].data_timeout_ms, 300000);
	assert_string_equal(config->listeners[0].domain, "relay.example.edu");
	assert_string_equal(config->listeners[0].charset, "windows-1252");
	assert_int_equal(config->listeners[1].data_timeout_ms, 600000);
	assert_string_equal(config->listeners[1].domain, "lab.example.edu");
	assert_string_equal(config->listeners[1].charset, "koi8-r");
	assert_int_equal(config->listeners[2].command_timeout_ms, 300000);
	assert_int_equal(config->listeners[2].data_timeout_ms, 300000);
	config_close(&config);
}

static void star_route_may_be_missing(void **state)
{
	struct config *config = load(DOOR UPSTREAM "route example.edu { upstream = campus }\n");

	(void)state;
	config_close(&config);
}

static void password_in_clear_must_be_allowed(void **state)
{
	char text[512];
	struct config *config;

	(void)state;
	write_file(password_path, "pass word\r\n", 11);
	snprintf(text, sizeof(text),
		DOOR ROUTE
		"upstream campus { hosts = {\"a.example:25\"} user = u\npassword_file = %s\n"
		"auth_in_clear = yes }\n",
		password_path);
	config = load(text);
	assert_string_equal(config->upstreams[0].password, "pass word");
	config_close(&config);
}

static void shared_config_lives_until_the_last_close(void **state)
{
	struct config *first = load(REST), *second = config_share(first);

	(void)state;
	assert_ptr_equal(first, second);
	config_close(&first);
	assert_null(first);
	assert_string_equal(second->listeners[0].name, "door");
	config_close(&second);
	config_close(&second);
}

/* ---- what is refused, and in which words ---- */

struct refusal {
	const char *text;
	const char *wanted; /* behind the file's name */
};

static void check_all(const struct refusal *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_refused(rows[i].text, rows[i].wanted);
}

#define CHECK_ALL(rows) check_all(rows, sizeof(rows) / sizeof((rows)[0]))

static void misspelt_names_get_the_nearest(void **state)
{
	static const struct refusal rows[] = {
		{"\nhostnam = a\n", ":2: option 'hostnam': unknown (did you mean 'hostname'?)"},
		{"lisen door { }\n", ":1: option 'lisen': unknown (did you mean 'listen'?)"},
		{DOOR "listen b {\n\n max_mesage = 3MB }\n",
			":4: section listen 'b', option 'max_mesage': unknown (did you mean "
			"'max_message'?)"},
		{"queue { lifetmie = 3d }\n",
			":1: section queue, option 'lifetmie': unknown (did you mean 'lifetime'?)"},
		{"xyzzy = 1\n", ":1: option 'xyzzy': unknown"},
		{"\nupstream a { networks = {} }\n",
			":2: section upstream 'a', option 'networks': unknown here: it belongs in "
			"a section listen"},
		{"queue { hostname = a }\n", ":1: section queue, option 'hostname': unknown here: "
					     "it stands outside of sections"},
		{"queue { route x { } }\n", ":1: section queue, option 'route': unknown here: it "
					    "stands outside of sections"},
		{"queue {}\n\"queue|lifetime\" = 3d\n",
			":2: option 'lifetime': unknown here: it belongs in a section queue"},
		{DOOR UPSTREAM "route \"*\" {\n upstream = campsu }\n",
			":4: section route '*', option 'upstream': no upstream is named 'campsu' "
			"(did you mean 'campus'?)"},
		{"listen a { profile = fragil }",
			":1: section listen 'a', option 'profile': expected one of fragile, "
			"standard, submission, got 'fragil' (did you mean 'fragile'?)"},
	};

	(void)state;
	CHECK_ALL(rows);
}

static void what_is_wrong_with_a_client_section_is_said(void **state)
{
	static const struct refusal rows[] = {
		{"client 10.1.2.3 { profile = ups-cart }"
		 "\n" REST,
			":1: section client '10.1.2.3', option 'profile': expected one of default, "
			"hp-mfp, xerox, ups-card, gsm-modem, netcat-script, oracle-utl, "
			"old-firmware, single-line-ehlo, ehlo-502, plain-codes, smtp-banner, "
			"no-extensions, no-auth, auth-equals, got 'ups-cart' (did you mean "
			"'ups-card'?)"},
		{"client printer { }"
		 "\n" REST,
			":1: section client 'printer': expected an address or network, as "
			"\"10.1.2.3\" "
			"or \"10.1.0.0/16\" (printer: not a network; expected \"10.0.0.0/8\", "
			"\"2001:db8::/32\" or an address)"},
		{"client 10.1.2.3 { }client \"10.1.2.3/32\" { }\n" REST,
			":1: section client '10.1.2.3/32': the same network as section client "
			"'10.1.2.3'"},
		{"client 10.1.2.3 { charset = \"a b\" }"
		 "\n" REST,
			":1: section client '10.1.2.3', option 'charset': expected a charset's "
			"name, as "
			"windows-1252 or iso-8859-2, got 'a b'"},
	};

	(void)state;
	CHECK_ALL(rows);
}

static void values_must_fit(void **state)
{
	static const struct refusal rows[] = {
		{"workers = many\n",
			":1: option 'workers': expected a number from 0 to 256, got 'many'"},
		{"workers = 257\n",
			":1: option 'workers': expected a number from 0 to 256, got '257'"},
		{"workers = -1\n",
			":1: option 'workers': expected a number from 0 to 256, got '-1'"},
		{"workers = 99999999999999999999999\n",
			":1: option 'workers': expected a number from 0 to 256, got "
			"'99999999999999999999999'"},
		{"workers = 1 2\n", ":1: option '2': unknown"},
		{"queue {\n max_size = 20 GB\n}",
			":2: section queue, option 'max_size': expected a size from 8MB to 65536GB "
			"(B KB MB GB), got '20'"},
		{"queue { max_size = 20TB }", ":1: section queue, option 'max_size': expected a "
					      "size from 8MB to 65536GB (B KB MB GB), got '20TB'"},
		{"queue { lifetime = 5 }", ":1: section queue, option 'lifetime': expected a "
					   "duration from 1s to 100d (ms s m h d), got '5'"},
		{"upstream x { auth_in_clear = maybe }",
			":1: section upstream 'x', option 'auth_in_clear': expected yes or no, got "
			"'maybe'"},
		{"hostname = -a.example",
			":1: option 'hostname': expected a domain, as relay.example.edu, or an "
			"address as \"[192.0.2.1]\", got '-a.example'"},
		{"postmaster = postmaster", ":1: option 'postmaster': expected a mail address, as "
					    "postmaster@example.edu, got 'postmaster'"},
		{"data_dir = \"\"",
			":1: option 'data_dir': expected a text that is not empty, got ''"},
		{"user = \"a\\nb\"",
			":1: option 'user': expected a text without control characters, got 'a?b'"},
		{"listen a {\n address = {\"127.0.0.1:25\",\n\"127.0.0.1\"} }",
			":3: section listen 'a', option 'address': expected an address with its "
			"port, as \"192.0.2.1:25\", \"[::]:25\" or \"unix:/path\", got "
			"'127.0.0.1'"},
		{"listen a { address = {\"localhost:25\"} }",
			":1: section listen 'a', option 'address': expected an address with its "
			"port, as \"192.0.2.1:25\", \"[::]:25\" or \"unix:/path\", got "
			"'localhost:25'"},
		{"upstream a { hosts = {\"x.example\"} }",
			":1: section upstream 'a', option 'hosts': expected a host with its port, "
			"as \"smtp.example.edu:25\" or \"[2001:db8::1]:25\", got 'x.example'"},
		{"upstream a { hosts = {\"x.example:70000\"} }",
			":1: section upstream 'a', option 'hosts': expected a host with its port, "
			"as \"smtp.example.edu:25\" or \"[2001:db8::1]:25\", got "
			"'x.example:70000'"},
		{"upstream a { hosts = {\"x.example:25\", \"x.example:25\"} }",
			":1: section upstream 'a', option 'hosts': 'x.example:25' is given twice"},
		{"listen \"a b\" { address = \"127.0.0.1:25\" }" UPSTREAM ROUTE,
			":1: section listen 'a b': expected a name of letters, digits, '-', '_' "
			"and '.', 63 at most"},
		{DOOR UPSTREAM "\nroute \"*x\" { upstream = campus }",
			":4: section route '*x': expected \"*\", a domain as \"example.edu\", or "
			"\"*.example.edu\""},
	};

	(void)state;
	CHECK_ALL(rows);
	check_refused_start("listen a {\n networks = {\"10.0.0.1/8\"} }",
		":2: section listen 'a', option 'networks': expected a network, as \"10.0.0.0/8\" "
		"(");
}

static void what_is_given_twice_is_refused(void **state)
{
	static const struct refusal rows[] = {
		{"hostname = a\n\nhostname = b\n",
			":3: option 'hostname': given twice, first in line 1"},
		{"listen a { networks = {\"10.0.0.0/8\"}\nnetworks = {\"127.0.0.0/8\"} }",
			":2: section listen 'a', option 'networks': given twice, first in line 1"},
		{"queue { }\nqueue { }\n", ":2: section queue: given twice, first in line 1"},
		{UPSTREAM "\n" UPSTREAM,
			":3: section upstream 'campus': given twice, first in line 1"},
		{ROUTE ROUTE, ":2: section route '*': given twice, first in line 1"},
		{"route a.example { upstream = x }\nroute A.Example { upstream = y }\n",
			":2: section route 'A.Example': given twice, first in line 1"},
		{DOOR "listen b {\n address = {\"127.0.0.1:24\",\n\"127.0.0.1:25\"} }",
			":4: section listen 'b', option 'address': '127.0.0.1:25' is the address "
			"of listener 'door' already"},
		{"listen a { address = {\"[::1]:25\", \"[0:0::1]:25\"} }",
			":1: section listen 'a', option 'address': '[0:0::1]:25' is the address of "
			"listener 'a' already"},
	};

	(void)state;
	CHECK_ALL(rows);
}

static void options_must_fit_each_other(void **state)
{
	static const struct refusal rows[] = {
		{"", ":1: expected at least one section listen NAME, a door for clients"},
		{DOOR, ":1: expected at least one section upstream NAME, a group of smart hosts"},
		{DOOR UPSTREAM, ":1: expected at least one section route PATTERN, which upstream a "
				"domain goes to"},
		{"\nlisten a {\n\n}\n" UPSTREAM ROUTE,
			":2: section listen 'a', option 'address': expected at least one address, "
			"as {\"0.0.0.0:25\", \"[::]:25\"}"},
		{"\n\nlisten a { address =\n\"127.0.0.1:25\"\nrelay = network }\n" UPSTREAM ROUTE,
			":3: section listen 'a', option 'networks': expected at least one network, "
			"as {\"10.0.0.0/8\"}: with relay = network nobody else could hand over "
			"mail"},
		{REST "listen a { address = \"127.0.0.1:26\" relay = {grant, netwrok} }",
			":4: section listen 'a', option 'relay': expected one of network, grant, "
			"auth, "
			"got 'netwrok' (did you mean 'network'?)"},
		{REST "auth { }",
			":4: section auth: expected who keeps the accounts: one of users, pam, "
			"saslauthd, dovecot"},
		{REST "auth { pam = a\nsaslauthd = /b\ndovecot = /c }",
			":5: section auth, option 'saslauthd': expected one keeper of the "
			"accounts, got "
			"pam too"},
		{REST "auth { users = /nowhere/users\npam = sluice }",
			":5: section auth, option 'pam': expected one keeper of the accounts, got "
			"users too"},
		{REST "auth { pam = \"../passwd\" }",
			":4: section auth, option 'pam': expected the name of a service, which is "
			"a file in /etc/pam.d, in at most 64 bytes"},
		{REST "domains = \"*\"", ":4: option 'domains': expected a domain, as "
					 "\"example.edu\" or \"*.example.edu\", got '*'"},
		{"listen a { address = \"127.0.0.1:25\" networks = \"192.0.2.1\"\nauth = optional "
		 "}" UPSTREAM ROUTE,
			":2: section listen 'a', option 'auth': expected a section auth with it, "
			"which says who keeps the accounts"},
		{"listen a { address = \"127.0.0.1:25\"\nprofile = submission }" UPSTREAM ROUTE,
			":2: section listen 'a', option 'profile': expected a section auth with "
			"it, which says who keeps the accounts"},
		{"listen a { address = \"127.0.0.1:25\" profile = submission\nauth = "
		 "optional }" UPSTREAM ROUTE,
			":2: section listen 'a', option 'auth': expected required: who submits "
			"logs in (profile = standard for others)"},
		{DOOR "\nupstream a { hosts = {} }\n" ROUTE,
			":3: section upstream 'a', option 'hosts': expected at least one host, as "
			"{\"smtp.example.edu:25\"}"},
		{DOOR UPSTREAM "route \"*\" {}", ":3: section route '*', option 'upstream': "
						 "expected the name of an upstream"},
		{REST "retry { busy_first = 2s\n busy_max = 1s }",
			":4: section retry, option 'busy_first': expected no more than busy_max, "
			"the longest rest"},
		{REST "retry {\n max = 10s }", ":4: section retry, option 'first': expected no "
					       "more than max, the longest wait"},
		{DOOR ROUTE "upstream campus { hosts = {\"a:25\"} tls = required\nuser = x }",
			":4: section upstream 'campus', option 'user': expected a password_file "
			"with it"},
		{DOOR ROUTE "upstream campus { hosts = {\"a:25\"}\npassword_file = x }",
			":4: section upstream 'campus', option 'password_file': expected a user "
			"with it"},
		{DOOR ROUTE "upstream campus { hosts = {\"a:25\"}\nuser = x password_file = x }",
			":4: section upstream 'campus', option 'user': expected tls = required or "
			"implicit, so that the password is safe on its way (or auth_in_clear = "
			"yes)"},
		{DOOR ROUTE "upstream campus { hosts = {\"a:25\"} user = x tls = "
			    "implicit\npassword_file = /nonexistent }",
			":4: section upstream 'campus', option 'password_file': '/nonexistent' "
			"cannot be read: No such file or directory"},
		{DOOR ROUTE "upstream campus { hosts = {\"a:25\"}\nca_file = /nonexistent }",
			":4: section upstream 'campus', option 'ca_file': '/nonexistent' cannot be "
			"read: No such file or directory"},
		{"admin_socket = "
		 "/23456789012345678901234567890123456789012345678901234567890123456789012345678901"
		 "234567890123456789012345678\n" REST,
			":1: option 'admin_socket': expected a path of at most 107 bytes"},
	};

	(void)state;
	CHECK_ALL(rows);
}

static void password_file_holds_one_line(void **state)
{
	static const struct {
		const char *text;
		size_t size;
	} rows[] = {{"", 0}, {"\n", 1}, {"a\nb\n", 4}, {"a\rb\n", 4}, {"a\0b\n", 4}};
	char text[512], too_long[600];

	(void)state;
	snprintf(text, sizeof(text),
		DOOR ROUTE "upstream campus { hosts = {\"a:25\"} tls = implicit user = "
			   "x\npassword_file = %s }",
		password_path);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		write_file(password_path, rows[i].text, rows[i].size);
		check_refused(text,
			":4: section upstream 'campus', option 'password_file': expected a "
			"file of one line, the password, of at most 512 bytes");
	}
	memset(too_long, 'x', sizeof(too_long));
	write_file(password_path, too_long, 513);
	check_refused_start(
		text, ":4: section upstream 'campus', option 'password_file': expected");
	write_file(password_path, too_long, 512);
	{
		struct config *config = load(text);

		assert_int_equal(strlen(config->upstreams[0].password), 512);
		config_close(&config);
	}
}

static void parts_that_do_not_exist_yet_are_named(void **state)
{
	static const struct refusal rows[] = {
		{"hook clamav { type = clamd }", ":1: section hook 'clamav': not in this version"},
		{"hook clamav { nonsense = clamd }",
			":1: section hook 'clamav': not in this version"},
		{"quarantine { keep = 14d }", ":1: section quarantine: not in this version"},
		{"digest {\n times = {\"09:00\", \"15:00\"} }",
			":1: section digest: not in this version"},
		{"web { address = 127.0.0.1:8025 }", ":1: section web: not in this version"},
		{"include(\"other.conf\")",
			":1: option 'include': not in this version: one file holds all"},
		{"scan { order = {clamav, rspamd} }",
			":1: section scan, option 'order': not in this version"},
		{"scan { on_virus = quarantine }",
			":1: section scan, option 'on_virus': 'quarantine': not in this version"},
		{"scan { when_unavailable = wait }",
			":1: section scan, option 'when_unavailable': not in this version"},
		{"scan { quarantine_score = 50 }",
			":1: section scan, option 'quarantine_score': not in this version"},
	};

	(void)state;
	CHECK_ALL(rows);
}

static void what_the_library_lets_pass_is_refused(void **state)
{
	static const struct refusal rows[] = {
		{"\nlisten door {\n address = {\"127.0.0.1:25\"}\n",
			":2: the brace that opens here is never closed (is the file cut off?)"},
		{"\nlisten door {\n address = {\"127.0.0.1:25\",\n",
			":3: the brace that opens here is never closed (is the file cut off?)"},
		{"queue {\n}\n}\n", ":3: a closing brace without an opening one"},
		{"\nhostname = \"a.exam", ":2: a quote is never closed"},
		{"\nhostname = \"a.exam\n\n\"", ":2: a quote is not closed in its line"},
		{"hostname = 'a\\'", ":1: a quote is never closed"},
		{"\n/* hostname = a", ":2: a comment is never closed"},
		{"listen a { networks = * }", ":1: a '*' must stand in quotes: \"*\""},
		{"user = a+b", ":1: a '+' must stand in quotes"},
		{"user = \"${HOME}\"", ":1: '${' would name a variable, which is not put in here: "
				       "write the value itself"},
		{"user = ${HOME}", ":1: '${' would name a variable, which is not put in here: "
				   "write the value itself"},
		{"{{{{{{{{{", ":1: braces stand in braces too deep"},
		{"workers =", ":1: premature end of file"},
		{"workers 3\n", ":1: missing equal sign after option 'workers'"},
		{"queue = 3\n", ":1: missing opening brace for section 'queue'"},
		{"listen { }\n", ":1: missing title for section 'listen'"},
		{"queue { lifetime == 3d }", ":1: section queue: unexpected token '='"},
		{"user = \"\\999\"", ":1: bad escape sequence '\\999'"},
		{"workers = {1}", ":1: unexpected token '{'"},
		{"listen a { address = \"[::1]:25\", \"[::1]:465\" }",
			":1: section listen 'a': unexpected token ','; a list stands in braces: "
			"{a, b}"},
		{"listen a { min_tls = 1.4 }",
			":1: section listen 'a', option 'min_tls': expected one of 1.0, 1.1, 1.2, "
			"1.3, got '1.4'"},
	};

	(void)state;
	CHECK_ALL(rows);
}

static void every_cut_of_a_file_is_refused(void **state)
{
	static const char whole[] = "queue { lifetime = 5d }\n" REST;
	struct reason reason;
	struct config *config;

	(void)state;
	for (size_t size = 0; size < sizeof(whole) - 2;
		size++) { /* less the last line's end it is whole */
		write_file(path, whole, size);
		assert_int_equal(config_load(path, &config, &reason), -1);
		assert_memory_equal(reason.text, path, strlen(path));
		assert_in_range(reason.text[strlen(path) + 1], '1', '9');
	}
}

static void binary_garbage_is_refused(void **state)
{
	uint8_t garbage[4096];
	struct reason reason;
	struct config *config;
	uint32_t seed = 1;

	(void)state;
	check_refused_bytes("\nhostname = a\0b\n", 16,
		":2: a control character: this is no configuration file");
	check_refused_bytes("\177ELF", 4, ":1: a control character: this is no configuration file");
	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < sizeof(garbage); i++) {
			seed = seed * 1664525 + 1013904223;
			garbage[i] = (uint8_t)(seed >> 24);
			if (round % 2 ==
				1) /* letters and marks only, so that it comes as far as the parser */
				garbage[i] = (uint8_t) "ab \n={}\"'#/,()\\-1.$|"[garbage[i] % 20];
		}
		write_file(path, garbage, sizeof(garbage));
		assert_int_equal(config_load(path, &config, &reason), -1);
		assert_memory_equal(reason.text, path, strlen(path));
	}
}

static void long_lines_and_files_are_bounded(void **state)
{
	static const char head[] = "hostname = ";
	size_t size = 1u << 20;
	char *text = malloc(size + 1);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', size);
	memcpy(text, head, sizeof(head) - 1);
	check_refused_bytes(text, size, ":1: option 'hostname': longer than 4095 bytes");
	check_refused_bytes(text + sizeof(head), size - sizeof(head),
		":1: option "
		"'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...': "
		"unknown");
	text[size] = 'a';
	check_refused_bytes(text, size + 1, ": longer than 1MB: this is no configuration file");
	memset(text, '#', size);
	check_refused_bytes(
		text, size, ":1: expected at least one section listen NAME, a door for clients");
	memset(text, '\n', size);
	check_refused_bytes(
		text, size, ":1: expected at least one section listen NAME, a door for clients");
	free(text);
}

static void files_that_cannot_be_read_say_so(void **state)
{
	struct reason reason;
	struct config *config;
	uid_t user = geteuid();

	(void)state;
	assert_int_equal(config_load("/nonexistent/x.conf", &config, &reason), -1);
	assert_string_equal(
		reason.text, "/nonexistent/x.conf: cannot be read: No such file or directory");
	assert_int_equal(config_load("/tmp", &config, &reason), -1);
	assert_string_equal(reason.text, "/tmp: cannot be read: not a regular file");
	assert_int_equal(config_load("/dev/zero", &config, &reason), -1);
	assert_string_equal(reason.text, "/dev/zero: cannot be read: not a regular file");
	write_file(path, REST, strlen(REST));
	assert_int_equal(chmod(path, 0), 0);
	if (user == 0)
		assert_int_equal(seteuid(65534), 0);
	assert_int_equal(config_load(path, &config, &reason), -1);
	if (user == 0)
		assert_int_equal(seteuid(0), 0);
	assert_string_equal(reason.text + strlen(path), ": cannot be read: Permission denied");
	assert_int_equal(chmod(path, 0600), 0);
}

static void failed_load_leaves_nothing_for_the_next(void **state)
{
	struct config *config;

	(void)state;
	for (int i = 0; i < 100; i++) {
		check_refused("listen a { networks = {\"10.0.0.0/8\"} profile = x }",
			":1: section listen 'a', option 'profile': expected one of fragile, "
			"standard, submission, got 'x'");
		config = load(REST);
		assert_int_equal(config->listener_count, 1);
		config_close(&config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(least_file_gets_the_defaults),
		cmocka_unit_test(sample_of_the_interface_is_taken),
		cmocka_unit_test(words_need_no_quotes),
		cmocka_unit_test(comments_may_stand_anywhere),
		cmocka_unit_test(lines_may_end_in_crlf),
		cmocka_unit_test(routes_come_most_exact_first),
		cmocka_unit_test(star_route_may_be_missing),
		cmocka_unit_test(client_section_of_an_interface_comes_before_that_of_all),
		cmocka_unit_test(most_exact_client_section_counts),
		cmocka_unit_test(defaults_follow_the_profile_of_a_listener),
		cmocka_unit_test(what_is_wrong_with_a_client_section_is_said),
		cmocka_unit_test(password_in_clear_must_be_allowed),
		cmocka_unit_test(shared_config_lives_until_the_last_close),
		cmocka_unit_test(misspelt_names_get_the_nearest),
		cmocka_unit_test(values_must_fit),
		cmocka_unit_test(what_is_given_twice_is_refused),
		cmocka_unit_test(options_must_fit_each_other),
		cmocka_unit_test(password_file_holds_one_line),
		cmocka_unit_test(parts_that_do_not_exist_yet_are_named),
		cmocka_unit_test(what_the_library_lets_pass_is_refused),
		cmocka_unit_test(every_cut_of_a_file_is_refused),
		cmocka_unit_test(binary_garbage_is_refused),
		cmocka_unit_test(long_lines_and_files_are_bounded),
		cmocka_unit_test(files_that_cannot_be_read_say_so),
		cmocka_unit_test(failed_load_leaves_nothing_for_the_next),
	};

	return cmocka_run_group_tests_name("core/config", tests, make_folder, remove_folder);
}
