#include <stdint.h>

#include "admin/command.h"

#define FILTERS_HELP                                                                       \
	"--from and --to take an address, @DOMAIN for everyone there, or <> for the null " \
	"sender.\n"                                                                        \
	"--client takes an address or a network, as 10.0.0.0/8.\n"
#define ACT_HELP                                                                                 \
	"Name messages by their ids, or all that match with --all and filters; --dry-run only\n" \
	"shows which. A message that is being delivered at that moment is left alone (exit "     \
	"75).\n" FILTERS_HELP

#define PASSWORD_HELP                                                                            \
	"The password is asked for twice, unseen; or it is the first line of standard input "    \
	"when\nthat is no terminal. The relay sees the change within two seconds, and need not " \
	"run.\n"
#define GRANTS_HELP                                                                                \
	"--state takes requested, approved, expiring, lapsed, suspended, revoked. --owner takes\n" \
	"an address, @DOMAIN for everyone there, or unknown. --network takes an address or a\n"    \
	"network: grants within it and around it.\n"
#define FIELDS_HELP                                                                              \
	"A grant belongs to a system: it wants --network, --account or --certificate. Several\n" \
	"values have blanks or semicolons between them. Rights are the fewest unless said: no\n" \
	"--sender means any sender outside our own domains.\n"
#define SUSPEND_HELP "WHO is an address, a network, account:NAME or grant:NAME.\n"
#define TERM_HELP                                                                              \
	"Without --until and --for it ends after the usual term, a year. --until takes a day " \
	"too,\n"                                                                               \
	"as 2027-11-23. A grant without an owner is left alone unless --ownerless is given.\n"

const struct command command_table[] = {
	{"status", "", "how the relay is: version, rates, queue, hosts, store", 0, 0,
		command_status, NULL},
	{"queue", "", "how deep the queue is, by state and destination", 0, 0, command_queue, NULL},
	{"queue list", "", "the messages in the queue, oldest first",
		COMMAND_FILTERS | COMMAND_LIMIT, 0, command_queue_list,
		FILTERS_HELP "With --json each page of the answer is a line.\n"},
	{"queue show", "ID...", "envelope, recipients and history of messages", 0, SIZE_MAX,
		command_queue_show, NULL},
	{"queue content", "ID", "a message's text, as it is delivered", COMMAND_CONTENT, 1,
		command_queue_content, NULL},
	{"queue retry", "ID... | --all", "makes messages due now", COMMAND_FILTERS | COMMAND_ALL,
		SIZE_MAX, command_queue_act, ACT_HELP},
	{"queue hold", "ID... | --all", "keeps messages from being delivered",
		COMMAND_FILTERS | COMMAND_ALL | COMMAND_UNTIL, SIZE_MAX, command_queue_act,
		ACT_HELP "Every hold ends: at --until, else after the queue's lifetime.\n"},
	{"queue release", "ID... | --all", "lets held messages go on",
		COMMAND_FILTERS | COMMAND_ALL, SIZE_MAX, command_queue_act, ACT_HELP},
	{"queue delete", "ID... | --all", "removes messages; nobody is told",
		COMMAND_FILTERS | COMMAND_ALL, SIZE_MAX, command_queue_act, ACT_HELP},
	{"host list", "", "upstream hosts, their state and last reply", 0, 0, command_host_list,
		NULL},
	{"host pause", "HOST:PORT...", "sends nothing more to upstream hosts", 0, SIZE_MAX,
		command_host_set,
		"What is in flight is finished. A pause ends with resume, or with a restart.\n"},
	{"host resume", "HOST:PORT...", "ends a pause", 0, SIZE_MAX, command_host_set, NULL},
	{"client list", "", "who hands over, how much, and how well", COMMAND_LIMIT | COMMAND_QUIRK,
		0, command_client_list,
		"In the order of their addresses. With --json each page of the answer is a "
		"line.\n"},
	{"client show", "ADDRESS...", "what a client sends, and what it gets wrong", 0, SIZE_MAX,
		command_client_show, NULL},
	{"client suspend", "WHO...", "takes nothing more from somebody",
		COMMAND_SUSPEND | COMMAND_REASON, SIZE_MAX, command_client_act,
		SUSPEND_HELP
		"Wants --hold or --purge, and --reason, which the client is told. "
		"What upstream\nhas whole is delivered; what it does not take, too, is "
		"held or deleted.\n"},
	{"client resume", "WHO...", "ends a suspension; what was held for it goes on",
		COMMAND_REASON, SIZE_MAX, command_client_act, SUSPEND_HELP},
	{"client suspended", "", "who is suspended, since when and why", COMMAND_LIMIT, 0,
		command_client_suspended, NULL},
	{"user add", "NAME", "makes an account that may log in", COMMAND_USERS, 1, command_user_add,
		PASSWORD_HELP},
	{"user passwd", "NAME", "gives an account another password", COMMAND_USERS, 1,
		command_user_passwd, PASSWORD_HELP "An account that was locked is open again.\n"},
	{"user del", "NAME...", "removes accounts", COMMAND_USERS, SIZE_MAX, command_user_del,
		NULL},
	{"user list", "", "the accounts, and lines of the file that are left out", COMMAND_USERS, 0,
		command_user_list, NULL},
	{"auth lockouts", "", "who is locked out after wrong passwords, and until when", 0, 0,
		command_auth_lockouts, NULL},
	{"auth unlock", "WHO...", "ends the lock-out of accounts and addresses", 0, SIZE_MAX,
		command_auth_unlock,
		"WHO is an account's name or an address; an IPv6 address stands for its /64.\n"},
	{"grant", "", "relay grants: who may send, who answers for it, and until when",
		COMMAND_GRANTS | COMMAND_LIMIT, 0, command_grant_list, GRANTS_HELP},
	{"grant list", "", "the grants, with days left, and expected and real use",
		COMMAND_GRANTS | COMMAND_LIMIT, 0, command_grant_list, GRANTS_HELP},
	{"grant show", "NAME...", "all of a grant", 0, SIZE_MAX, command_grant_show, NULL},
	{"grant explain", "ADDRESS [FROM]", "which grant decides for a client, and why",
		COMMAND_WHO, 2, command_grant_explain,
		"FROM is the reverse-path that the client uses. The most exact system wins:\n"
		"certificate, account, network; then the most exact sender.\n"},
	{"grant log", "[NAME]", "who changed which grant, when and why; newest first",
		COMMAND_LIMIT, 1, command_grant_log, NULL},
	{"grant request", "NAME", "asks for a grant; it does nothing until it is approved",
		COMMAND_GRANT | COMMAND_REASON, 1, command_grant_create, FIELDS_HELP},
	{"grant add", "NAME", "makes a grant that is approved at once",
		COMMAND_GRANT | COMMAND_TERM | COMMAND_REASON, 1, command_grant_create,
		FIELDS_HELP TERM_HELP},
	{"grant change", "NAME", "changes what a grant says", COMMAND_GRANT | COMMAND_REASON, 1,
		command_grant_change,
		"What is not given stays. An empty value takes away: --mailbox "
		"\"\".\n" FIELDS_HELP},
	{"grant approve", "NAME...", "puts requested grants in force",
		COMMAND_TERM | COMMAND_REASON, SIZE_MAX, command_grant_act, TERM_HELP},
	{"grant renew", "NAME...", "gives grants a new end, counted from now",
		COMMAND_TERM | COMMAND_REASON, SIZE_MAX, command_grant_act,
		TERM_HELP "What was held since a grant lapsed goes on.\n"},
	{"grant suspend", "NAME...", "stops grants until they are resumed", COMMAND_REASON,
		SIZE_MAX, command_grant_act, "Wants --reason.\n"},
	{"grant resume", "NAME...", "ends a suspension", COMMAND_REASON, SIZE_MAX,
		command_grant_act, NULL},
	{"grant revoke", "NAME...", "ends grants for good", COMMAND_REASON, SIZE_MAX,
		command_grant_act,
		"Wants --reason. The grant stays in the list, for the record.\n"},
	{"grant import", "FILE...", "takes grants from CSV or JSON, or networks from Postfix",
		COMMAND_IMPORT | COMMAND_REASON, SIZE_MAX, command_grant_import,
		"CSV has a header line with names of fields, as sluice grant export writes it;\n"
		"several values in a cell have blanks or semicolons between them. Without a\n"
		"column \"state\" grants are approved, for the usual term. When a line is wrong\n"
		"nothing is imported, and each wrong line is named (exit 65). - is standard "
		"input.\n"
		"Networks from Postfix keep their mail flowing: they become approved grants for\n"
		"any sender, with an unknown owner; what cannot be taken over is named.\n"},
	{"grant export", "", "all grants as CSV, or with --json as JSON, as import takes them", 0,
		0, command_grant_export,
		"A cell that a spreadsheet would take for a formula (= + - @ in front) gets an\n"
		"apostrophe before it, which import takes away again.\n"},
	{"reload", "", "has the relay read its configuration again", 0, 0, command_reload,
		"A file with a mistake is refused: the error names the file and the line, the\n"
		"exit code is 78, and the old configuration stays.\n"},
	{"top", "", "all of it live; q quits", 0, 0, command_top,
		"Into a pipe or a file it prints one frame. NO_COLOR is respected.\n"},
};
const size_t command_count = sizeof(command_table) / sizeof(command_table[0]);
