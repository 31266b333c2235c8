/* sluice user: the file of accounts. The relay need not run; it sees the new file within two seconds. */
#include <crypt.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "admin/command.h"
#include "admin/printable.h"
#include "admin/prompt.h"
#include "admin/table.h"
#include "admin/users_file.h"
#include "core/config.h"

#define DEFAULT_CONFIG "/etc/sluice/sluice.conf"

static int complain(int code, const struct reason *reason)
{
	fputs("sluice: ", stderr);
	printable_print(stderr, reason->text);
	fputc('\n', stderr);
	return code;
}

/* ---- which file ---- */

struct place {
	char *path;
	gid_t group; /* that a new file gets: the relay's; (gid_t)-1: ours */
};

static gid_t group_of(const char *user)
{
	const struct passwd *entry = user != NULL ? getpwnam(user) : NULL;

	return entry != NULL ? entry->pw_gid : (gid_t)-1;
}

static int find_in_config(const struct invocation *invocation, struct place *place)
{
	const char *path =
		invocation->config_path != NULL ? invocation->config_path : DEFAULT_CONFIG;
	struct config *config;
	struct reason reason;

	if (config_load(path, &config, &reason) < 0) {
		complain(EX_CONFIG, &reason);
		fputs("sluice: --file PATH names the file of accounts without a configuration\n",
			stderr);
		return EX_CONFIG;
	}
	if (config->auth_users != NULL) {
		place->path = strdup(config->auth_users);
		place->group = group_of(config->user);
	} else {
		reason_set(&reason, "%s names no file of accounts: expected auth { users = PATH }",
			path);
		complain(EX_CONFIG, &reason);
	}
	config_close(&config);
	return place->path != NULL ? 0 : EX_CONFIG;
}

static int find_place(const struct invocation *invocation, struct place *place)
{
	*place = (struct place){.group = (gid_t)-1};
	if (invocation->file == NULL)
		return find_in_config(invocation, place);
	place->path = strdup(invocation->file);
	return place->path != NULL ? 0 : EX_OSERR;
}

/* Opens it to be changed. Also after an error users_file_close is right. */
static int open_file(const struct invocation *invocation, struct users_file *file)
{
	struct reason reason;
	struct place place;
	int code;

	*file = (struct users_file){.lock_fd = -1};
	code = find_place(invocation, &place);
	if (code != 0)
		return code;
	code = users_file_open(file, place.path, &reason);
	if (code != 0)
		complain(code, &reason);
	else if (!file->exists)
		file->group = place.group;
	free(place.path);
	return code;
}

/* ---- add and passwd ---- */

/* The hash of a password that is asked for. */
static int ask_hash(const char *name, char hash[ACCOUNT_HASH_SIZE])
{
	struct crypt_data *memory = calloc(1, sizeof(*memory));
	char password[PROMPT_PASSWORD_SIZE], setting[ACCOUNT_HASH_SIZE];
	const char *made = NULL;
	struct reason reason;
	int code = prompt_password(name, password, &reason);

	if (code != 0) {
		free(memory);
		return complain(code, &reason);
	}
	if (memory != NULL && account_new_setting(setting) != NULL)
		made = crypt_rn(password, setting, memory, sizeof(*memory));
	if (made != NULL)
		snprintf(hash, ACCOUNT_HASH_SIZE, "%s", made);
	explicit_bzero(password, sizeof(password));
	if (memory != NULL)
		explicit_bzero(memory, sizeof(*memory));
	free(memory);
	if (made != NULL)
		return 0;
	reason_set(&reason, "the system cannot hash the password (out of memory?)");
	return complain(EX_OSERR, &reason);
}

static int check_name(const struct invocation *invocation, const char **name)
{
	struct reason reason;
	const char *wrong;

	if (invocation->argument_count != 1)
		return command_misused(invocation, "say which account");
	*name = invocation->arguments[0];
	wrong = account_name_wrong(*name, strlen(*name));
	if (wrong == NULL)
		return 0;
	reason_set(&reason, "%.200s: %s", *name, wrong);
	return complain(EX_DATAERR, &reason);
}

/* Whether the account is there as it should be. */
static int check_presence(const struct users_file *file, const char *name, bool wanted)
{
	struct reason reason;

	if (users_file_has(file, name) == wanted)
		return 0;
	if (wanted)
		reason_set(&reason, "%s has no account %s; sluice user add makes one", file->path,
			name);
	else
		reason_set(&reason,
			"%s has an account %s already; sluice user passwd changes its password",
			file->path, name);
	return complain(wanted ? COMMAND_NOTHING_MATCHED : EX_CANTCREAT, &reason);
}

static int save(struct users_file *file)
{
	struct reason reason;
	int code = users_file_save(file, &reason);

	return code != 0 ? complain(code, &reason) : 0;
}

/* Looks before it asks, so that nobody types a password for nothing; nobody else waits for the lock meanwhile. */
static int look_first(const struct invocation *invocation, const char *name, bool wanted)
{
	struct users_file file;
	int code = open_file(invocation, &file);

	if (code == 0)
		code = check_presence(&file, name, wanted);
	users_file_close(&file);
	return code;
}

static void say_done(const char *name, const char *what)
{
	printable_print(stdout, name);
	printf(" %s\n", what);
}

static int set_password(struct invocation *invocation, bool wanted)
{
	char hash[ACCOUNT_HASH_SIZE];
	struct users_file file;
	const char *name = NULL;
	int code = check_name(invocation, &name);

	if (code == 0)
		code = look_first(invocation, name, wanted);
	if (code == 0)
		code = ask_hash(name, hash);
	if (code != 0)
		return code;
	code = open_file(invocation, &file);
	if (code == 0)
		code = check_presence(&file, name, wanted);
	if (code == 0)
		code = users_file_put(&file, name, hash);
	if (code == 0)
		code = save(&file);
	users_file_close(&file);
	if (code == 0 && !invocation->json)
		say_done(name, wanted ? "has another password" : "added");
	return code;
}

int command_user_add(struct invocation *invocation)
{
	return set_password(invocation, false);
}

int command_user_passwd(struct invocation *invocation)
{
	return set_password(invocation, true);
}

/* ---- del ---- */

int command_user_del(struct invocation *invocation)
{
	struct users_file file;
	size_t removed = 0;
	int code, missing = 0;

	if (invocation->argument_count == 0)
		return command_misused(invocation, "say which accounts");
	code = open_file(invocation, &file);
	for (size_t i = 0; code == 0 && i < invocation->argument_count; i++) {
		if (check_presence(&file, invocation->arguments[i], true) != 0)
			missing = COMMAND_NOTHING_MATCHED;
		removed += users_file_remove(&file, invocation->arguments[i]);
	}
	if (code == 0 && removed > 0)
		code = save(&file);
	users_file_close(&file);
	return code != 0 ? code : missing;
}

/* ---- list ---- */

static const struct table_column columns[] = {
	{"NAME", false, 0},
	{"STATE", false, 0},
	{"METHOD", false, 0},
};

/* "$y$…" → "yescrypt" */
static const char *method_of(const struct account_entry *entry)
{
	static const struct {
		const char *prefix, *name;
	} names[] = {
		{"$y$", "yescrypt"},
		{"$gy$", "gost-yescrypt"},
		{"$7$", "scrypt"},
		{"$2", "bcrypt"},
		{"$6$", "sha512crypt"},
		{"$5$", "sha256crypt"},
		{"$1$", "md5crypt"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (entry->hash_size >= strlen(names[i].prefix) &&
			memcmp(entry->hash, names[i].prefix, strlen(names[i].prefix)) == 0)
			return names[i].name;
	return NULL;
}

struct listed {
	struct table table;
	json_t *users, *bad_lines;
};

static void list_entry(struct listed *listed, const struct account_entry *entry)
{
	char name[ACCOUNT_NAME_SIZE];
	const char *method = method_of(entry);

	snprintf(name, sizeof(name), "%.*s", (int)entry->name_size, entry->name);
	table_cell(&listed->table, name);
	table_cell(&listed->table, entry->locked ? "locked" : "active");
	table_cell(&listed->table, method);
	json_array_append_new(listed->users, json_pack("{s:s, s:b, s:s?}", "name", name, "locked",
						     (int)entry->locked, "method", method));
}

static void list_bad_line(struct listed *listed, const char *path, size_t number, const char *wrong)
{
	fputs("sluice: ", stderr);
	printable_print(stderr, path);
	fprintf(stderr, ":%zu: left out: %s\n", number, wrong);
	json_array_append_new(listed->bad_lines,
		json_pack("{s:I, s:s}", "line", (json_int_t)number, "wrong", wrong));
}

static void list_lines(struct listed *listed, const struct users_file *file)
{
	struct users_line line;
	size_t at = 0, number = 0;

	while (users_file_next(file, &at, &line)) {
		struct account_entry entry;
		const char *wrong;
		enum account_line kind = account_parse_line(line.text, line.size, &entry, &wrong);

		number++;
		if (kind == ACCOUNT_ENTRY)
			list_entry(listed, &entry);
		else if (kind == ACCOUNT_BAD)
			list_bad_line(listed, file->path, number, wrong);
	}
}

static int print_list(const struct invocation *invocation, struct listed *listed)
{
	json_t *all;
	int rc;

	if (!invocation->json) {
		table_flush(&listed->table, stdout);
		return 0;
	}
	all = json_pack("{s:O, s:O}", "users", listed->users, "bad_lines", listed->bad_lines);
	rc = json_dumpf(all, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(all);
	return rc == 0 ? 0 : EX_OSERR;
}

static int list_file(const struct invocation *invocation, const struct users_file *file)
{
	struct listed listed = {.users = json_array(), .bad_lines = json_array()};
	int code;

	table_init(&listed.table, columns, sizeof(columns) / sizeof(columns[0]),
		table_screen_width(stdout));
	list_lines(&listed, file);
	code = print_list(invocation, &listed);
	table_fini(&listed.table);
	json_decref(listed.users);
	json_decref(listed.bad_lines);
	return code;
}

int command_user_list(struct invocation *invocation)
{
	struct users_file file;
	struct reason reason;
	struct place place;
	int code = find_place(invocation, &place);

	if (code != 0)
		return code;
	code = users_file_read(&file, place.path, &reason);
	if (code != 0)
		complain(code, &reason);
	else
		code = list_file(invocation, &file);
	users_file_close(&file);
	free(place.path);
	return code;
}
