#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "admin/command.h"
#include "admin/printable.h"
#include "core/nearest.h"

#define WORDS_SIZE 64
#define EVERYWHERE 0u

#define FIELD(id) offsetof(struct invocation, fields[FIELD_##id])

/* Each option sets one member: a text, or a flag. */
static const struct option {
	const char *name;
	const char *value; /* how usage names it; NULL: it takes none */
	unsigned bit; /* of the commands that take it */
	size_t member;
	const char *help;
} options[] = {
	{"--socket", "PATH", EVERYWHERE, offsetof(struct invocation, socket_path),
		"the relay's admin socket (SLUICE_SOCKET, /run/sluice/admin.sock)"},
	{"--json", NULL, EVERYWHERE, offsetof(struct invocation, json),
		"the relay's answer as it is"},
	{"--help", NULL, EVERYWHERE, offsetof(struct invocation, help), "this text"},
	{"--state", "STATE", COMMAND_FILTERS | COMMAND_GRANTS, offsetof(struct invocation, state),
		"what is in this state, as the listing shows it"},
	{"--from", "SENDER", COMMAND_FILTERS, offsetof(struct invocation, from),
		"messages from this address"},
	{"--to", "RECIPIENT", COMMAND_FILTERS, offsetof(struct invocation, to),
		"messages to this address"},
	{"--client", "ADDRESS", COMMAND_FILTERS, offsetof(struct invocation, client),
		"messages that this host handed over"},
	{"--held", "KIND", COMMAND_FILTERS, offsetof(struct invocation, held),
		"messages held so: ordinary, paced, lapsed, volume, suspended"},
	{"--grant", "NAME", COMMAND_FILTERS, offsetof(struct invocation, grant),
		"messages that came under this grant"},
	{"--limit", "N", COMMAND_LIMIT, offsetof(struct invocation, limit), "at most so many"},
	{"--all", NULL, COMMAND_ALL, offsetof(struct invocation, all),
		"every message that the filters match"},
	{"--dry-run", NULL, COMMAND_ALL | COMMAND_IMPORT, offsetof(struct invocation, dry_run),
		"shows what would be done, and does nothing"},
	{"--until", "TIME", COMMAND_UNTIL | COMMAND_TERM, offsetof(struct invocation, until),
		"when it ends, as 2026-11-22T10:00:00Z"},
	{"--received", NULL, COMMAND_CONTENT, offsetof(struct invocation, received),
		"as the client sent it, before it was repaired"},
	{"--quirk", "Q-NN", COMMAND_QUIRK, offsetof(struct invocation, quirk),
		"clients that have this quirk"},
	{"--file", "PATH", COMMAND_USERS, offsetof(struct invocation, file),
		"the file of accounts"},
	{"-c", "FILE", COMMAND_USERS, offsetof(struct invocation, config_path),
		"the configuration that names it (/etc/sluice/sluice.conf)"},
	{"--network", "NETWORKS", COMMAND_GRANT | COMMAND_GRANTS, FIELD(NETWORKS),
		"addresses and networks, as \"10.1.2.3 10.4.0.0/16\""},
	{"--account", "ACCOUNTS", COMMAND_GRANT | COMMAND_WHO, FIELD(ACCOUNTS), "who logs in"},
	{"--certificate", "SHA256", COMMAND_GRANT | COMMAND_WHO, FIELD(CERTIFICATES),
		"the client's certificate, its SHA-256 in hex"},
	{"--owner", "ADDRESS", COMMAND_GRANT | COMMAND_GRANTS, FIELD(OWNER),
		"the mail address of who answers for it"},
	{"--contact", "TEXT", COMMAND_GRANT, FIELD(CONTACT), "a person or a desk"},
	{"--purpose", "TEXT", COMMAND_GRANT, FIELD(PURPOSE), "what its mail is for"},
	{"--device", "TEXT", COMMAND_GRANT, FIELD(DEVICE), "what it is: printer, UPS, application"},
	{"--sender", "PATTERNS", COMMAND_GRANT, FIELD(SENDERS),
		"reverse-paths that it may use: a@example.edu, *@example.edu, *"},
	{"--header-from", "PATTERNS", COMMAND_GRANT, FIELD(HEADER_FROMS),
		"the same for header From; without it the senders"},
	{"--spoof", "HOW", COMMAND_GRANT, FIELD(SPOOF),
		"what is done about other senders: refuse, rewrite (to the mailbox)"},
	{"--mailbox", "ADDRESS", COMMAND_GRANT, FIELD(MAILBOX), "its approved functional mailbox"},
	{"--replaces-null", "YES", COMMAND_GRANT, FIELD(REPLACES_NULL),
		"MAIL FROM:<> of ordinary mail becomes the mailbox"},
	{"--takes-any-auth", "YES", COMMAND_GRANT, FIELD(TAKES_ANY_AUTH),
		"from its networks any login is answered yes, and means nothing"},
	{"--auth-in-clear", "YES", COMMAND_GRANT, FIELD(AUTH_IN_CLEAR),
		"its accounts may log in without TLS where a listener lets them"},
	{"--reach", "WHERE", COMMAND_GRANT, FIELD(REACH), "anywhere, internal"},
	{"--lane", "LANE", COMMAND_GRANT, FIELD(LANE),
		"alert overtakes normal, which overtakes bulk"},
	{"--messages-per-hour", "N", COMMAND_GRANT, FIELD(MESSAGES_PER_HOUR),
		"more is held back; 0: any number"},
	{"--recipients-per-hour", "N", COMMAND_GRANT, FIELD(RECIPIENTS_PER_HOUR), "the same"},
	{"--messages-per-day", "N", COMMAND_GRANT, FIELD(MESSAGES_PER_DAY),
		"what the owner expects; the listing compares"},
	{"--text", "TEXT", COMMAND_GRANTS, offsetof(struct invocation, text),
		"grants with this text in name, owner, contact, purpose, device, system"},
	{"--expiring", NULL, COMMAND_GRANTS, offsetof(struct invocation, expiring),
		"grants that end within 30 days"},
	{"--unused", NULL, COMMAND_GRANTS, offsetof(struct invocation, unused),
		"grants that nobody has used for 90 days"},
	{"--for", "SPAN", COMMAND_TERM, offsetof(struct invocation, span),
		"for how long, as 90d or 1y"},
	{"--ownerless", NULL, COMMAND_TERM, offsetof(struct invocation, ownerless),
		"approve it although nobody is known to answer for it"},
	{"--reason", "TEXT", COMMAND_REASON, offsetof(struct invocation, reason),
		"why; kept in the log"},
	{"--hold", NULL, COMMAND_SUSPEND, offsetof(struct invocation, hold),
		"what is queued is held; resume gives it back"},
	{"--purge", NULL, COMMAND_SUSPEND, offsetof(struct invocation, purge),
		"what is queued is deleted; nobody is told"},
	{"--replace", NULL, COMMAND_IMPORT, offsetof(struct invocation, replace),
		"grants that are there already are replaced"},
	{"--postfix", NULL, COMMAND_IMPORT, offsetof(struct invocation, postfix),
		"the files are Postfix's: main.cf, maps of clients, lists of networks"},
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

static bool takes_option(const struct command *command, const struct option *option)
{
	return option->bit == EVERYWHERE || (command->options & option->bit) != 0;
}

int command_misused(const struct invocation *invocation, const char *format, ...)
{
	const char *words = invocation->command ? invocation->command->words : "";
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fputs("sluice: ", stderr);
	printable_print(stderr, text);
	fprintf(stderr, "\nsluice%s%s --help says more.\n", *words ? " " : "", words);
	return EX_USAGE;
}

/* ---- help ---- */

static int format_option(const struct option *option, char *out, size_t size)
{
	return snprintf(out, size, "%s%s%s", option->name, option->value ? " " : "",
		option->value ? option->value : "");
}

static void print_options(const struct command *command)
{
	char left[32];
	int width = 0;

	for (size_t i = 0; i < OPTION_COUNT; i++) {
		int size = format_option(&options[i], left, sizeof(left));

		if (takes_option(command, &options[i]) && size > width)
			width = size;
	}
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (!takes_option(command, &options[i]))
			continue;
		format_option(&options[i], left, sizeof(left));
		printf("  %-*s  %s\n", width, left, options[i].help);
	}
}

static void print_command_help(const struct command *command)
{
	printf("sluice %s: %s\n\nusage: sluice %s%s%s%s\n\n", command->words, command->summary,
		command->words, command->arguments[0] ? " " : "", command->arguments,
		command->options ? " [OPTIONS]" : "");
	print_options(command);
	if (command->more != NULL)
		printf("\n%s", command->more);
}

static void print_overview(void)
{
	puts("sluice: looks into the relay, and steers it\n");
	for (size_t i = 0; i < command_count; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s %s", command_table[i].words,
			command_table[i].arguments);
		printf("  sluice %-29s %s\n", left, command_table[i].summary);
	}
	puts("\n  --socket PATH  --json  --version  --help, also of each command");
	puts("\nexit codes: 0; 1 nothing matched; 64 usage; 65 a file with wrong lines; 66 no such "
	     "file;\n69 the relay is not reachable; 70 it failed; 73 it is there already; 75 try "
	     "again;\n76 what answered is no relay; 77 no permission; 78 the configuration was "
	     "refused");
}

/* A command that begins others ("queue") is shown with them. */
static void print_family(const struct command *command)
{
	size_t size = strlen(command->words);
	bool titled = false;

	for (size_t i = 0; i < command_count; i++) {
		const struct command *other = &command_table[i];

		if (strncmp(other->words, command->words, size) != 0 || other->words[size] != ' ')
			continue;
		if (!titled)
			puts("");
		titled = true;
		printf("  sluice %-16s %s\n", other->words, other->summary);
	}
}

void command_print_help(const struct invocation *invocation)
{
	if (invocation->command == NULL) {
		print_overview();
		return;
	}
	print_command_help(invocation->command);
	print_family(invocation->command);
}

/* ---- options ---- */

static const struct option *find_option(const char *name, size_t size)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0)
			return &options[i];
	}
	return NULL;
}

static int refuse_option(const struct invocation *invocation, const char *typed)
{
	struct nearest nearest;
	struct nearest_hint hint;

	nearest_init(&nearest, typed);
	for (size_t i = 0; i < OPTION_COUNT; i++)
		nearest_offer(&nearest, options[i].name);
	return command_misused(
		invocation, "there is no option %s%s", typed, nearest_format(&nearest, &hint));
}

/* Returns how many arguments it took (1 or 2), or 0 after saying what is wrong. */
static int take_option(struct invocation *invocation, char **argv)
{
	size_t size = strcspn(argv[0], "=");
	const char *value = argv[0][size] == '=' ? argv[0] + size + 1 : NULL;
	const struct option *option = find_option(argv[0], size);
	const char **text;
	int taken = 1;

	if (option == NULL) {
		refuse_option(invocation, argv[0]);
		return 0;
	}
	if (option->value == NULL) {
		if (value != NULL) {
			command_misused(invocation, "%s takes no value", option->name);
			return 0;
		}
		*(bool *)((char *)invocation + option->member) = true;
		return taken;
	}
	if (value == NULL) {
		value = argv[1];
		taken = 2;
	}
	if (value == NULL) {
		command_misused(invocation, "%s wants %s", option->name, option->value);
		return 0;
	}
	text = (const char **)(void *)((char *)invocation + option->member);
	if (*text != NULL && (option->bit & COMMAND_GRANT) != 0) {
		command_misused(invocation,
			"%s is given twice; several go into one, with blanks between them",
			option->name);
		return 0;
	}
	*text = value;
	return taken;
}

/* Whether the option was given. */
static bool is_set(const struct invocation *invocation, const struct option *option)
{
	const char *member = (const char *)invocation + option->member;

	if (option->value == NULL)
		return *(const bool *)member;
	return *(const char *const *)(const void *)member != NULL;
}

static int check_options(const struct invocation *invocation)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (is_set(invocation, &options[i]) &&
			!takes_option(invocation->command, &options[i]))
			return command_misused(invocation, "sluice %s takes no %s",
				invocation->command->words, options[i].name);
	}
	return 0;
}

/* ---- words ---- */

static const struct command *find_command(const char *words)
{
	for (size_t i = 0; i < command_count; i++) {
		if (strcmp(command_table[i].words, words) == 0)
			return &command_table[i];
	}
	return NULL;
}

/* "host" alone: the commands that begin with it. False: there are none. */
static bool name_family(const char *typed, char *out, size_t out_size)
{
	size_t size = strlen(typed), used = 0;

	for (size_t i = 0; i < command_count && used < out_size; i++) {
		const char *words = command_table[i].words;

		if (strncmp(words, typed, size) == 0 && words[size] == ' ')
			used += (size_t)snprintf(
				out + used, out_size - used, "%s%s", used ? ", " : "", words);
	}
	return used > 0;
}

static int refuse_words(const struct invocation *invocation, const char *typed)
{
	struct nearest nearest;
	struct nearest_hint hint;
	char family[256];

	if (name_family(typed, family, sizeof(family)))
		return command_misused(invocation, "say which: %s", family);

	nearest_init(&nearest, typed);
	for (size_t i = 0; i < command_count; i++)
		nearest_offer(&nearest, command_table[i].words);
	return command_misused(
		invocation, "there is no command \"%s\"%s", typed, nearest_format(&nearest, &hint));
}

/* Words that make no command, or more of them than it takes: "queue lst" may have meant "queue list". */
static int refuse_arguments(const struct invocation *invocation)
{
	const struct command *command = invocation->command;
	const char *first = command ? command->words : invocation->arguments[0];
	size_t more = command ? 0 : 1;
	char words[WORDS_SIZE];

	if (command != NULL && strchr(command->words, ' ') != NULL)
		return command_misused(invocation, "sluice %s takes no argument: %s",
			command->words, invocation->arguments[0]);
	snprintf(words, sizeof(words), "%s%s%s", first,
		invocation->argument_count > more ? " " : "",
		invocation->argument_count > more ? invocation->arguments[more] : "");
	return refuse_words(invocation, words);
}

/* The longest command that the words begin with; they are taken off the arguments. */
static int choose_command(struct invocation *invocation)
{
	char words[WORDS_SIZE];

	for (size_t count = 2; count > 0; count--) {
		if (invocation->argument_count < count)
			continue;
		snprintf(words, sizeof(words), "%s%s%s", invocation->arguments[0],
			count > 1 ? " " : "", count > 1 ? invocation->arguments[1] : "");
		invocation->command = find_command(words);
		if (invocation->command == NULL)
			continue;
		invocation->arguments += count;
		invocation->argument_count -= count;
		break;
	}
	if (invocation->command == NULL ||
		(invocation->argument_count > 0 && invocation->command->arguments_max == 0))
		return refuse_arguments(invocation);
	if (invocation->argument_count > invocation->command->arguments_max)
		return command_misused(invocation, "sluice %s takes %s", invocation->command->words,
			invocation->command->arguments);
	return 0;
}

int command_parse(int argc, char **argv, struct invocation *out)
{
	bool only_words = false;
	int words = 0; /* moved to the front of argv, behind the program's name */

	*out = (struct invocation){.arguments = argv + 1};
	for (int i = 1; i < argc;) {
		int taken = 1;

		if (!only_words && strcmp(argv[i], "--") == 0)
			only_words = true;
		else if (!only_words && strcmp(argv[i], "-h") == 0)
			out->help = true;
		else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0')
			taken = take_option(out, argv + i);
		else
			argv[++words] = argv[i];
		if (taken == 0)
			return EX_USAGE;
		i += taken;
	}
	out->argument_count = (size_t)words;
	if (words == 0)
		return out->help ? 0 : command_misused(out, "say what to do, as: sluice status");
	if (choose_command(out) != 0)
		return EX_USAGE;
	return out->help ? 0 : check_options(out);
}
