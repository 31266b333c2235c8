#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "admin/command.h"
#include "admin/printable.h"
#include "admin/relative.h"
#include "core/clock.h"

/* What a status of HTTP means to a script. */
static const struct {
	long status;
	int exit_code;
} exit_codes[] = {
	{400, EX_USAGE},
	{403, EX_NOPERM},
	{404, COMMAND_NOTHING_MATCHED},
	{409, EX_TEMPFAIL},
	{422, EX_CONFIG},
	{503, EX_TEMPFAIL},
};

static int find_exit_code(long status)
{
	for (size_t i = 0; i < sizeof(exit_codes) / sizeof(exit_codes[0]); i++) {
		if (exit_codes[i].status == status)
			return exit_codes[i].exit_code;
	}
	return EX_SOFTWARE;
}

bool command_make_path(
	struct bytes *path, const char *route, const struct parameter *parameters, size_t count)
{
	bool made = bytes_append_text(path, route);
	char mark = '?';

	for (size_t i = 0; made && i < count; i++) {
		if (parameters[i].value == NULL)
			continue;
		made = bytes_printf(path, "%c%s=", mark, parameters[i].name) &&
		       client_append_encoded(path, parameters[i].value);
		mark = '&';
	}
	return made && bytes_append(path, "", 1);
}

static json_t *parse(const struct client_reply *reply)
{
	return json_loadb((const char *)reply->body.data, reply->body.size,
		JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
}

int command_explain(const struct invocation *invocation, const struct client_reply *reply)
{
	json_t *answer = parse(reply);
	const char *error = member_text(answer, "error");

	(void)invocation;
	fputs("sluice: ", stderr);
	if (error[0] != '\0')
		printable_print(stderr, error);
	else
		fprintf(stderr, "the relay answered with status %ld", reply->status);
	fputc('\n', stderr);
	json_decref(answer);
	return find_exit_code(reply->status);
}

static int take_answer(
	const struct invocation *invocation, const struct client_reply *reply, json_t **out)
{
	if (invocation->json)
		fwrite(reply->body.data, 1, reply->body.size, stdout);
	if (reply->status < 200 || reply->status > 299)
		return command_explain(invocation, reply);
	if (reply->status == 202)
		fputs("sluice: it is stored, and comes into force a little later; nothing more is "
		      "to be done.\n",
			stderr);
	if (out == NULL)
		return 0;
	*out = parse(reply);
	if (*out != NULL)
		return 0;
	fputs("sluice: the answer is no JSON; is that the socket of a relay?\n", stderr);
	return EX_PROTOCOL;
}

static int send_text(struct invocation *invocation, const char *method, const char *path,
	const char *body, json_t **out)
{
	struct client_reply reply = {0};
	struct reason reason;
	int code = client_send(invocation->relay, method, path, body, &reply, &reason);

	if (code != 0)
		fprintf(stderr, "sluice: %s\n", reason.text);
	else
		code = take_answer(invocation, &reply, out);
	bytes_fini(&reply.body);
	return code;
}

int command_ask(struct invocation *invocation, const char *method, const char *path, json_t **out)
{
	return send_text(invocation, method, path, "", out);
}

int command_send(struct invocation *invocation, const char *method, const char *path,
	const json_t *body, json_t **out)
{
	char *text = json_dumps(body, JSON_COMPACT);
	int code = EX_OSERR;

	if (text != NULL)
		code = send_text(invocation, method, path, text, out);
	free(text);
	return code;
}

const char *member_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

uint64_t member_number(const json_t *object, const char *name)
{
	json_int_t number = json_integer_value(json_object_get(object, name));

	return number > 0 ? (uint64_t)number : 0;
}

uint64_t member_time(const json_t *object, const char *name)
{
	uint64_t unix_ms;

	return relative_parse_time(member_text(object, name), &unix_ms) == 0 ? unix_ms : 0;
}

uint64_t command_now_ms(void)
{
	return clock_unix_ms(&clock_system);
}

const char *command_relative(uint64_t unix_ms, char *out)
{
	return unix_ms == 0 ? "" : relative_format(unix_ms, command_now_ms(), out);
}
