#include <stdio.h>

#include "admin/command.h"
#include "admin/printable.h"

int command_reload(struct invocation *invocation)
{
	json_t *answer = NULL;
	int code = command_ask(invocation, "POST", "/v1/reload", &answer);

	if (code == 0 && !invocation->json) {
		fputs("reloaded ", stdout);
		printable_print(stdout, member_text(answer, "config"));
		fputc('\n', stdout);
	}
	json_decref(answer);
	return code;
}
