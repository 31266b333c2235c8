/*
 * command.h: the commands of `sluice`: a table of them, their options, and what they share.
 *
 * Exit codes: 0; 1 nothing matched; 64 usage; 69 the relay is not reachable; 70 it answered with an error of its own;
 * 75 try again (a message is being delivered, the relay is overloaded); 76 an answer that is none; 77 no permission;
 * 78 the configuration was refused. `sluice user` also: 65 a name or password that cannot be taken, 66 no such file, 73 the
 * account is there already, 74 the file cannot be written.
 */
#ifndef SLUICE_ADMIN_COMMAND_H
#define SLUICE_ADMIN_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin/client.h"
#include "admin/grant_field.h"

#define COMMAND_NOTHING_MATCHED 1

/* What was typed, taken apart. */
struct invocation {
	const struct command *command;
	const char *socket_path;
	const char *state, *from, *to, *client, *limit, *until, *quirk, *held,
		*grant; /* NULL: not given */
	const char *file, *config_path; /* of accounts; that names them. NULL: not given */
	const char *text, *span, *reason; /* of grants; span: --for */
	const char *fields[GRANT_FIELD_COUNT]; /* of a grant, as typed */
	bool json, all, dry_run, help, received;
	bool hold, purge;
	bool unused, expiring, ownerless, replace, postfix;
	char **arguments; /* behind the command's words */
	size_t argument_count;
	struct client *relay;
};

/* Bits of struct command's `options`; --socket, --json and --help go everywhere. */
#define COMMAND_FILTERS (1u << 0)
#define COMMAND_LIMIT   (1u << 1)
#define COMMAND_ALL     (1u << 2)
#define COMMAND_UNTIL   (1u << 3)
#define COMMAND_CONTENT (1u << 4)
#define COMMAND_QUIRK   (1u << 5)
#define COMMAND_USERS   (1u << 6)
#define COMMAND_GRANT   (1u << 7) /* all fields of a grant */
#define COMMAND_GRANTS  (1u << 8) /* what chooses among grants */
#define COMMAND_TERM    (1u << 9)
#define COMMAND_REASON  (1u << 10)
#define COMMAND_WHO     (1u << 11) /* a client's login */
#define COMMAND_IMPORT  (1u << 12)
#define COMMAND_SUSPEND (1u << 13) /* what becomes of the queue */

struct command {
	const char *words; /* "queue list" */
	const char *arguments; /* "ID...", as usage shows it */
	const char *summary;
	unsigned options;
	size_t arguments_max;
	int (*run)(struct invocation *invocation);
	const char *more; /* paragraphs for its --help; or NULL */
};

extern const struct command command_table[];
extern const size_t command_count;

/* Parses and runs; returns the exit code. */
int command_main(int argc, char **argv);

/* ---- command_usage.c ---- */

int command_parse(int argc, char **argv, struct invocation *out);
void command_print_help(const struct invocation *invocation);
/* Says what is wrong and where help is. Returns EX_USAGE. */
int command_misused(const struct invocation *invocation, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- command_ask.c ---- */

struct parameter {
	const char *name, *value; /* a value of NULL is not sent */
};

/* "ROUTE?name=value&…" with its NUL. False without memory. */
bool command_make_path(struct bytes *path, const char *route, const struct parameter *parameters,
	size_t count) __attribute__((warn_unused_result));

/*
 * Asks the relay. 0, or the exit code, after saying why on standard error. With --json the answer, errors too, is also
 * printed as it is. *out, when asked for, is the caller's to json_decref.
 */
int command_ask(struct invocation *invocation, const char *method, const char *path, json_t **out);
/* The same with a body: POST or PUT. */
int command_send(struct invocation *invocation, const char *method, const char *path,
	const json_t *body, json_t **out);
/* The exit code of a reply that is no success, said on standard error. */
int command_explain(const struct invocation *invocation, const struct client_reply *reply);

/* Members that may be missing: "", 0. */
const char *member_text(const json_t *object, const char *name);
uint64_t member_number(const json_t *object, const char *name);
/* Of a time; 0: none. */
uint64_t member_time(const json_t *object, const char *name);

uint64_t command_now_ms(void);
/* "in 12s", or "" for 0. `out` holds RELATIVE_SIZE. */
const char *command_relative(uint64_t unix_ms, char *out);

/* ---- command_*.c ---- */

int command_status(struct invocation *invocation);
int command_queue(struct invocation *invocation);
int command_queue_list(struct invocation *invocation);
int command_queue_show(struct invocation *invocation);
int command_queue_content(struct invocation *invocation);
int command_queue_act(struct invocation *invocation);
int command_host_list(struct invocation *invocation);
int command_host_set(struct invocation *invocation);
int command_client_list(struct invocation *invocation);
int command_client_show(struct invocation *invocation);
int command_client_act(struct invocation *invocation);
int command_client_suspended(struct invocation *invocation);
int command_auth_lockouts(struct invocation *invocation);
int command_auth_unlock(struct invocation *invocation);
int command_user_add(struct invocation *invocation);
int command_user_passwd(struct invocation *invocation);
int command_user_del(struct invocation *invocation);
int command_user_list(struct invocation *invocation);
int command_grant_list(struct invocation *invocation);
int command_grant_show(struct invocation *invocation);
int command_grant_log(struct invocation *invocation);
int command_grant_explain(struct invocation *invocation);
int command_grant_create(struct invocation *invocation);
int command_grant_change(struct invocation *invocation);
int command_grant_act(struct invocation *invocation);
int command_grant_import(struct invocation *invocation);
int command_grant_export(struct invocation *invocation);
int command_reload(struct invocation *invocation);
int command_top(struct invocation *invocation);

#endif
