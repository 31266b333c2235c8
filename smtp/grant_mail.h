/*
 * grant_mail.h: what owners of relay grants are told, in words.
 *
 * One mail tells an owner of all of his grants of which the same is to be told at once. Without an owner it goes to postmaster.
 *
 * Errors: -ENOMEM. Threads: any.
 */
#ifndef SLUICE_SMTP_GRANT_MAIL_H
#define SLUICE_SMTP_GRANT_MAIL_H

#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/config.h"
#include "queue/grant.h"
#include "queue/grant_usage.h"
#include "queue/message.h"

struct grant_case {
	struct grant *grant;
	unsigned notice; /* enum grant_notice */
	struct grant_usage usage;
};

#define GRANT_DAY_SIZE 32

/* All of one owner and one notice. 0 or -ENOMEM. */
int grant_mail_write(const struct config *config, const struct grant_case *cases, size_t count,
	uint64_t now_unix_ms, uint64_t id, struct message **out);

/* A message of the grant's system was refused for its size; stored once a day for a grant (message.h). 0 or -ENOMEM. */
int grant_mail_write_oversize(const struct config *config, const struct grant *grant,
	const char *client, uint64_t size_bytes, uint64_t limit_bytes, uint64_t now_unix_ms,
	uint64_t id, struct message **out);

/* "2026-11-30 08:00 UTC"; returns `out`. */
const char *grant_mail_day(uint64_t unix_ms, char out[GRANT_DAY_SIZE]);
/* Its networks, accounts and certificates, a few of many, without an end of line. */
bool grant_mail_append_system(const struct grant *grant, struct bytes *out)
	__attribute__((warn_unused_result));

#endif
