#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/config_dump.h"

#define LEAST                                                                         \
	"listen door { address = {\"127.0.0.1:25\"} networks = {\"127.0.0.0/8\"} }\n" \
	"upstream campus { hosts = {\"smtp.example.edu:25\"} }\n"                     \
	"route \"*\" { upstream = campus }\n"

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* What the dump of a configuration with this text says. */
static char *dump(const char *text)
{
	char path[] = "/tmp/sluice-dump-XXXXXX", *out;
	struct config *config;
	struct reason reason;
	size_t size;
	FILE *to = open_memstream(&out, &size);
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_non_null(to);
	write_file(path, text);
	if (config_load(path, &config, &reason) < 0)
		fail_msg("%s\n%s", reason.text, text);
	assert_int_equal(config_dump(config, to), 0);
	config_close(&config);
	fclose(to);
	unlink(path);
	return out;
}

static void assert_reads_back(const char *text)
{
	char *once = dump(text), *twice = dump(once);

	assert_string_equal(once, twice);
	free(once);
	free(twice);
}

static void what_is_dumped_reads_back_as_the_same(void **state)
{
	(void)state;
	assert_reads_back(LEAST);
	assert_reads_back(
		"hostname = \"[192.0.2.1]\" data_dir = \"/tmp/a \\\"b\\\" \\\\ \\$c\" workers = 3\n"
		"queue { max_size = 1025MB lifetime = 90m }\n"
		"listen a { address = {\"127.0.0.1:25\", \"unix:/tmp/s\"} profile = fragile\n"
		"  networks = {\"10.0.0.0/8\", \"2001:db8::/32\", \"::ffc0:0:0/90\", "
		"\"192.0.2.7\", \"fe80::%eth0/10\"} }\n"
		"listen b { address = {\"[::1]:26\"} networks = {\"::1\"} max_message = 1000KB }\n"
		"upstream campus { hosts = {\"a.example:25\", \"[2001:db8::1]:26\"} tls = required "
		"}\n"
		"upstream other { hosts = {\"b.example:25\"} auth_in_clear = yes idle_timeout = 0 "
		"}\n"
		"route \"*\" { upstream = campus }\n"
		"route \"*.example.edu\" { upstream = other }\n"
		"client \"10.1.2.3\" { profile = ups-card charset = iso-8859-2 }\n"
		"client \"10.1.0.0/16\" { domain = lab.example.edu }\n"
		"retry { busy_first = 1500ms max = 2d }\n");
}

static void every_value_in_force_is_shown(void **state)
{
	char *text = dump("workers = 7\n" LEAST "client \"::1\" { profile = xerox }\n");

	(void)state;
	assert_non_null(strstr(text, "workers = 7\n"));
	assert_non_null(strstr(text, "  max_message = 50MB\n"));
	assert_non_null(strstr(text, "  busy_max = 1m\n"));
	assert_non_null(strstr(text, "  networks = {\"127.0.0.0/8\"}\n"));
	assert_non_null(strstr(text, "\nclient \"::1\" {\n  profile = xerox\n}\n"));
	assert_non_null(strstr(text, "\nroute \"*\" {\n  upstream = \"campus\"\n}\n"));
	free(text);
}

static void a_password_is_not_shown(void **state)
{
	char path[] = "/tmp/sluice-pass-XXXXXX", text[512], *shown;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	write_file(path, "sesame\n");
	snprintf(text, sizeof(text),
		"listen door { address = {\"127.0.0.1:25\"} networks = {\"127.0.0.0/8\"} }\n"
		"upstream campus { hosts = {\"smtp.example.edu:25\"} tls = required\n"
		"  user = relay password_file = \"%s\" }\nroute \"*\" { upstream = campus }\n",
		path);
	shown = dump(text);
	assert_null(strstr(shown, "sesame"));
	assert_non_null(strstr(shown, "# password_file: read, and not shown\n"));
	free(shown);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_dumped_reads_back_as_the_same),
		cmocka_unit_test(every_value_in_force_is_shown),
		cmocka_unit_test(a_password_is_not_shown),
	};

	return cmocka_run_group_tests_name("core/config_dump", tests, NULL, NULL);
}
