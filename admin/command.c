#include "admin/command.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sysexits.h>

#define DEFAULT_SOCKET "/run/sluice/admin.sock"

static int choose_socket(struct invocation *invocation)
{
	const char *from_environment = getenv("SLUICE_SOCKET");

	if (invocation->socket_path == NULL && from_environment != NULL && *from_environment)
		invocation->socket_path = from_environment;
	if (invocation->socket_path == NULL)
		invocation->socket_path = DEFAULT_SOCKET;
	if (strlen(invocation->socket_path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return command_misused(
			invocation, "%s is too long for a socket's path", invocation->socket_path);
	return 0;
}

static int run(struct invocation *invocation)
{
	int code;

	if (curl_global_init(CURL_GLOBAL_NOTHING) != 0)
		return EX_OSERR;
	invocation->relay = client_open(invocation->socket_path);
	if (invocation->relay == NULL) {
		fputs("sluice: out of memory\n", stderr);
		return EX_OSERR;
	}
	code = invocation->command->run(invocation);
	client_close(&invocation->relay);
	curl_global_cleanup();
	return code;
}

/* A result that did not reach its reader (a full disk) is no success. */
static int finish_output(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	if (errno != EPIPE)
		fprintf(stderr, "sluice: cannot write: %s\n", strerror(errno));
	return code == 0 && errno != EPIPE ? EX_IOERR : code;
}

int command_main(int argc, char **argv)
{
	struct invocation invocation;
	int code;

	if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
		puts("sluice " SLUICE_VERSION);
		return finish_output(0);
	}
	code = command_parse(argc, argv, &invocation);
	if (code != 0)
		return code;
	if (invocation.help) {
		command_print_help(&invocation);
		return finish_output(0);
	}
	code = choose_socket(&invocation);
	return code != 0 ? code : finish_output(run(&invocation));
}
