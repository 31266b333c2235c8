/* What is done with grants: request, add, change, and the acts on those that there are. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin/command.h"
#include "admin/printable.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const char *last_word(const struct invocation *invocation)
{
	return strrchr(invocation->command->words, ' ') + 1;
}

/* "printers approved until 2027-11-23" */
static void print_grant(const json_t *grant)
{
	const char *life = member_text(grant, "life"), *expires = member_text(grant, "expires");
	bool is_in_force = strcmp(life, "approved") == 0 || strcmp(life, "expiring") == 0;

	printable_print(stdout, member_text(grant, "name"));
	printf(" %s", life);
	if (is_in_force)
		printf(" until %.10s", expires);
	putchar('\n');
	if (is_in_force && member_text(grant, "owner")[0] == '\0')
		fputs("sluice: its owner is unknown: nobody will be told when it ends.\n", stderr);
}

/* ---- request, add, change ---- */

/* An object of what was typed; NULL: it is misused, which has been said, or there is no memory. */
static json_t *make_body(const struct invocation *invocation, int *code)
{
	json_t *body = json_object();
	struct reason reason;

	*code = EX_OSERR;
	for (size_t i = 0; body != NULL && i < GRANT_FIELD_COUNT; i++) {
		const struct grant_field *field = &grant_fields[i];
		json_t *value;

		if (invocation->fields[i] == NULL)
			continue;
		value = grant_field_parse(field, invocation->fields[i], &reason);
		if (value == NULL)
			*code = command_misused(invocation, "%s", reason.text);
		if (value == NULL || json_object_set_new(body, field->name, value) < 0) {
			json_decref(body);
			body = NULL;
		}
	}
	return body;
}

static int send_body(
	struct invocation *invocation, const char *method, const char *route, const json_t *body)
{
	bool approves = strcmp(last_word(invocation), "add") == 0;
	const struct parameter parameters[] = {
		{"approve", approves ? "1" : NULL},
		{"ownerless", invocation->ownerless ? "1" : NULL},
		{"until", invocation->until},
		{"for", invocation->span},
		{"reason", invocation->reason},
	};
	struct bytes path = {0};
	json_t *answer = NULL;
	int code = EX_OSERR;

	if (command_make_path(&path, route, parameters, COUNT(parameters)))
		code = command_send(invocation, method, (const char *)path.data, body, &answer);
	if (code == 0 && !invocation->json)
		print_grant(answer);
	json_decref(answer);
	bytes_fini(&path);
	return code;
}

/* request and add; the command's last word says which. */
int command_grant_create(struct invocation *invocation)
{
	json_t *body;
	int code;

	if (invocation->argument_count != 1)
		return command_misused(invocation, "say what the grant is to be called");
	body = make_body(invocation, &code);
	if (body == NULL)
		return code;
	if (json_object_set_new(body, "name", json_string(invocation->arguments[0])) < 0)
		code = command_misused(invocation, "the name is no text in UTF-8");
	else
		code = send_body(invocation, "POST", "/v1/grants", body);
	json_decref(body);
	return code;
}

int command_grant_change(struct invocation *invocation)
{
	struct bytes route = {0};
	json_t *body;
	int code;

	if (invocation->argument_count != 1)
		return command_misused(
			invocation, "say which grant, as sluice grant list shows it");
	body = make_body(invocation, &code);
	if (body == NULL)
		return code;
	code = EX_OSERR;
	if (json_object_size(body) == 0)
		code = command_misused(invocation, "say what is to be changed, as --owner ADDRESS");
	else if (bytes_append_text(&route, "/v1/grants/") &&
		 client_append_encoded(&route, invocation->arguments[0]) &&
		 bytes_append(&route, "", 1))
		code = send_body(invocation, "PUT", (const char *)route.data, body);
	bytes_fini(&route);
	json_decref(body);
	return code;
}

/* ---- approve, renew, suspend, resume, revoke ---- */

static int act_on(struct invocation *invocation, const char *name)
{
	const struct parameter parameters[] = {
		{"until", invocation->until},
		{"for", invocation->span},
		{"ownerless", invocation->ownerless ? "1" : NULL},
		{"reason", invocation->reason},
	};
	struct bytes route = {0}, path = {0};
	json_t *answer = NULL;
	int code = EX_OSERR;

	if (bytes_append_text(&route, "/v1/grants/") && client_append_encoded(&route, name) &&
		bytes_printf(&route, "/%s", last_word(invocation)) && bytes_append(&route, "", 1) &&
		command_make_path(&path, (const char *)route.data, parameters, COUNT(parameters)))
		code = command_ask(invocation, "POST", (const char *)path.data, &answer);
	if (code == 0 && !invocation->json)
		print_grant(answer);
	json_decref(answer);
	bytes_fini(&route);
	bytes_fini(&path);
	return code;
}

/* The command's last word is the act. */
int command_grant_act(struct invocation *invocation)
{
	int worst = 0;

	if (invocation->argument_count == 0)
		return command_misused(
			invocation, "say which grant, as sluice grant list shows it");
	for (size_t i = 0; i < invocation->argument_count; i++) {
		int code = act_on(invocation, invocation->arguments[i]);

		if (code > worst)
			worst = code;
	}
	return worst;
}
