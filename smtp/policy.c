#include "smtp/policy.h"

/* Refusals that are true for ever are alike for all. */
#define LASTING_ANSWERS                                                                \
	[TROUBLE_MESSAGE_SIZE] = {ACT_ANSWER,                                          \
		"552 5.3.4 Message is larger than this relay takes"},                  \
	[TROUBLE_MESSAGE_NUL] = {ACT_ANSWER, "554 5.6.0 Message contains a NUL byte"}, \
	[TROUBLE_MESSAGE_LOOP] = {ACT_ANSWER,                                          \
		"554 5.4.6 Too many Received fields: mail is going in circles"},       \
	[TROUBLE_NOT_PERMITTED] = {ACT_ANSWER, "550 5.7.1 This message may not be sent"}

#define STANDARD_ANSWERS                                                                           \
	[TROUBLE_TIMED_OUT] = {ACT_ANSWER_CLOSE, "421 4.4.2 Timed out, closing connection"},       \
	[TROUBLE_STOPPING] = {ACT_ANSWER_CLOSE, "421 4.3.2 Service is stopping, try again later"}, \
	[TROUBLE_BAD_COMMANDS] = {ACT_ANSWER_CLOSE, "421 4.7.0 Too many errors"},                  \
	[TROUBLE_COMMANDS] = {ACT_ANSWER_CLOSE, "421 4.7.0 Too many commands without a message"},  \
	[TROUBLE_CONNECTIONS] = {ACT_ANSWER_CLOSE, POLICY_CONNECTIONS_REPLY},                      \
	[TROUBLE_LONGEST_IDLE] = {ACT_ANSWER_CLOSE, "421 4.3.2 Closing an idle connection"},       \
	[TROUBLE_MEMORY] = {ACT_ANSWER_CLOSE, "421 4.3.0 Out of memory, try again later"},         \
	[TROUBLE_STORE_FULL] = {ACT_ANSWER, "452 4.3.1 Queue is full, try again later"},           \
	[TROUBLE_STORE_FAILED] = {ACT_ANSWER,                                                      \
		"451 4.3.0 Queue cannot be written, try again later"},                             \
	[TROUBLE_STORE_UNKNOWN] = {ACT_CLOSE, NULL},                                               \
	[TROUBLE_RATE] = {ACT_ANSWER, "450 4.7.1 Over the permitted rate, try again later"},       \
	[TROUBLE_RECIPIENTS] = {ACT_ANSWER, "452 4.5.3 Too many recipients"},                      \
	[TROUBLE_LOGINS] = {ACT_ANSWER_CLOSE, "421 4.7.0 Too many failed logins"},                 \
	[TROUBLE_AUTH_UNAVAILABLE] = {ACT_ANSWER,                                                  \
		"454 4.7.0 Logins cannot be checked now, try again later"},                        \
	LASTING_ANSWERS

/* clang-format off */
static const struct policy policies[] = {
	[PROFILE_STANDARD] = {
		.answers = {STANDARD_ANSWERS},
		.command_line_bytes = 2048,
		.crlf_only = true,
		.repairs = REPAIR_LINES,
	},
	[PROFILE_SUBMISSION] = {
		.answers = {STANDARD_ANSWERS},
		.command_line_bytes = 2048,
		.crlf_only = true,
		.repairs = REPAIR_LINES | REPAIR_MISSING,
	},
	[PROFILE_FRAGILE] = {
		.answers = {
			[TROUBLE_TIMED_OUT] = {ACT_CLOSE, NULL},
			[TROUBLE_STOPPING] = {ACT_CLOSE, NULL},
			[TROUBLE_BAD_COMMANDS] = {ACT_CLOSE, NULL},
			[TROUBLE_COMMANDS] = {ACT_CLOSE, NULL},
			[TROUBLE_CONNECTIONS] = {ACT_CLOSE, NULL},
			[TROUBLE_LONGEST_IDLE] = {ACT_CLOSE, NULL},
			[TROUBLE_MEMORY] = {ACT_CLOSE, NULL},
			[TROUBLE_STORE_FULL] = {ACT_HOLD, "452 4.3.1 Queue is full, try again later"},
			[TROUBLE_STORE_FAILED] = {ACT_CLOSE, NULL},
			[TROUBLE_STORE_UNKNOWN] = {ACT_CLOSE, NULL},
			[TROUBLE_RATE] = {ACT_CLOSE, NULL},
			[TROUBLE_RECIPIENTS] = {ACT_ANSWER, "550 5.5.3 Too many recipients"},
			[TROUBLE_LOGINS] = {ACT_ANSWER, "535 5.7.8 Too many failed logins in this session"},
			[TROUBLE_AUTH_UNAVAILABLE] = {ACT_HOLD, "535 5.7.0 Logins cannot be checked now"},
			LASTING_ANSWERS,
		},
		.command_line_bytes = 4096,
		.crlf_only = false,
		.lenient = true,
		.repairs = REPAIR_LINES | REPAIR_MISSING | REPAIR_CONTENT,
		.recipients_floor = 1000,
	},
};
/* clang-format on */

const struct policy *policy_of(enum profile profile)
{
	return &policies[profile];
}

enum metric policy_refusal_metric(enum trouble trouble)
{
	static const enum metric metrics[TROUBLE_COUNT] = {
		[TROUBLE_NONE] = METRIC_COUNT,
		[TROUBLE_TIMED_OUT] = METRIC_FRAGILE_TIMED_OUT,
		[TROUBLE_STOPPING] = METRIC_FRAGILE_STOPPING,
		[TROUBLE_BAD_COMMANDS] = METRIC_FRAGILE_BAD_COMMANDS,
		[TROUBLE_COMMANDS] = METRIC_FRAGILE_COMMANDS,
		[TROUBLE_CONNECTIONS] = METRIC_FRAGILE_MANY_WAIT,
		[TROUBLE_LONGEST_IDLE] = METRIC_FRAGILE_LONGEST_IDLE,
		[TROUBLE_MEMORY] = METRIC_FRAGILE_MEMORY,
		[TROUBLE_STORE_FULL] = METRIC_FRAGILE_STORE_FULL,
		[TROUBLE_STORE_FAILED] = METRIC_FRAGILE_STORE_FAILED,
		[TROUBLE_STORE_UNKNOWN] = METRIC_FRAGILE_STORE_UNKNOWN,
		[TROUBLE_RECIPIENTS] = METRIC_FRAGILE_RECIPIENTS,
		[TROUBLE_LOGINS] = METRIC_COUNT,
		[TROUBLE_AUTH_UNAVAILABLE] = METRIC_FRAGILE_AUTH,
		[TROUBLE_MESSAGE_SIZE] = METRIC_COUNT,
		[TROUBLE_MESSAGE_NUL] = METRIC_COUNT,
		[TROUBLE_MESSAGE_LOOP] = METRIC_COUNT,
		[TROUBLE_RATE] = METRIC_FRAGILE_OTHER,
		[TROUBLE_NOT_PERMITTED] = METRIC_COUNT,
	};

	return metrics[trouble];
}

const char *policy_trouble_name(enum trouble trouble)
{
	static const char *const names[TROUBLE_COUNT] = {
		[TROUBLE_NONE] = "none",
		[TROUBLE_TIMED_OUT] = "timed out",
		[TROUBLE_STOPPING] = "stopping",
		[TROUBLE_BAD_COMMANDS] = "too many bad commands",
		[TROUBLE_COMMANDS] = "too many commands without a message",
		[TROUBLE_CONNECTIONS] = "too many connections",
		[TROUBLE_LONGEST_IDLE] = "idle longest, and others want its place",
		[TROUBLE_MEMORY] = "out of memory",
		[TROUBLE_STORE_FULL] = "store is full",
		[TROUBLE_STORE_FAILED] = "store refused the message",
		[TROUBLE_STORE_UNKNOWN] = "store is broken, outcome unknown",
		[TROUBLE_RECIPIENTS] = "too many recipients",
		[TROUBLE_LOGINS] = "too many failed logins",
		[TROUBLE_AUTH_UNAVAILABLE] = "logins cannot be checked",
		[TROUBLE_MESSAGE_SIZE] = "message is too large",
		[TROUBLE_MESSAGE_NUL] = "message holds a NUL byte",
		[TROUBLE_MESSAGE_LOOP] = "too many Received fields",
		[TROUBLE_RATE] = "over the rate",
		[TROUBLE_NOT_PERMITTED] = "not permitted",
	};

	return names[trouble];
}

unsigned policy_recipients(const struct config_listener *listener)
{
	unsigned least = policy_of(listener->profile)->recipients_floor;

	return listener->max_recipients > least ? listener->max_recipients : least;
}
