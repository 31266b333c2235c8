/*
 * main.c: sluiced: its arguments. daemon.c puts the threads together.
 */
#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/config_dump.h"
#include "core/daemon.h"
#include "core/tls.h"

static void print_usage(FILE *to)
{
	fputs("usage: sluiced -c FILE [-t | -T]\n"
	      "  -c FILE  the configuration (docs/configuration.md)\n"
	      "  -t       checks it, says what is wrong, and exits with 0 or 78\n"
	      "  -T       prints it as it is in force, defaults too, without secrets\n"
	      "  -V       says the version\n",
		to);
}

/* What -t finds worth saying and a start would take. */
static void warn_of_certificates(const struct config *config)
{
	struct tls_set *tls;
	struct reason reason;

	if (tls_set_open(config, &tls, &reason) == 0)
		tls_set_warn(tls, clock_unix_ms(&clock_system));
	tls_set_close(&tls);
}

int main(int argc, char **argv)
{
	const char *path = NULL;
	struct config *config;
	struct reason reason;
	bool check_only = false, dump = false;
	int option;

	while ((option = getopt(argc, argv, "c:tTVh")) != -1) {
		switch (option) {
		case 'c':
			path = optarg;
			break;
		case 't':
			check_only = true;
			break;
		case 'T':
			dump = true;
			break;
		case 'V':
			puts("sluiced " SLUICE_VERSION);
			return 0;
		case 'h':
			print_usage(stdout);
			return 0;
		default:
			print_usage(stderr);
			return EX_USAGE;
		}
	}
	if (path == NULL || optind != argc) {
		print_usage(stderr);
		return EX_USAGE;
	}
	if (config_load(path, &config, &reason) < 0) {
		fprintf(stderr, "sluiced: %s\n", reason.text);
		return EX_CONFIG;
	}
	if (dump) {
		int rc = config_dump(config, stdout);

		config_close(&config);
		return rc < 0 ? EX_IOERR : 0;
	}
	if (check_only) {
		warn_of_certificates(config);
		config_close(&config);
		puts("configuration ok");
		return 0;
	}
	return daemon_run(path, config);
}
