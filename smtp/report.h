/*
 * report.h: a mail of ours to postmaster, in plain ASCII text.
 *
 * Owner: the message is the caller's. Errors: NULL without memory.
 */
#ifndef SLUICE_SMTP_REPORT_H
#define SLUICE_SMTP_REPORT_H

#include "core/config.h"
#include "queue/message.h"

struct report {
	const struct config *config;
	uint64_t id;
	uint64_t now_unix_ms;
	const char *subject; /* one line; what is not printable ASCII is shown as "?" */
	const char *body; /* lines that end in CRLF, at most 998 bytes; the same */
};

struct message *report_write(const struct report *report);

#endif
