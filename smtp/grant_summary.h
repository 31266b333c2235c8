/*
 * grant_summary.h: what the operator is told once a week of the relay grants.
 *
 * Grants are shown one by one; what is to be told of each goes into its section, of which the first SUMMARY_ROWS are listed and the
 * others counted. Where no section has one there is no mail.
 *
 * Owner: embedded; grant_summary_fini frees. Zero-initialised is empty. Errors: false or -ENOMEM.
 */
#ifndef SLUICE_SMTP_GRANT_SUMMARY_H
#define SLUICE_SMTP_GRANT_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/config.h"
#include "queue/grant.h"
#include "queue/grant_usage.h"
#include "queue/message.h"

#define SUMMARY_ROWS 50

enum summary_section {
	SUMMARY_REQUESTED,
	SUMMARY_LAPSED,
	SUMMARY_EXPIRING,
	SUMMARY_SUSPENDED,
	SUMMARY_OWNERLESS,
	SUMMARY_UNUSED,
	SUMMARY_OVER_ESTIMATE,
	SUMMARY_UNMARKED_BULK,
	SUMMARY_SECTIONS,
};

struct grant_summary {
	struct {
		struct bytes rows;
		size_t count;
	} sections[SUMMARY_SECTIONS];
};

void grant_summary_fini(struct grant_summary *summary);
bool grant_summary_add(struct grant_summary *summary, const struct grant *grant,
	const struct grant_usage *usage, uint64_t now_unix_ms) __attribute__((warn_unused_result));
/* *out is NULL where there is nothing to tell. 0 or -ENOMEM. */
int grant_summary_write(const struct grant_summary *summary, const struct config *config,
	uint64_t now_unix_ms, uint64_t id, struct message **out);

#endif
