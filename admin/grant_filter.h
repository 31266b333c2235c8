/*
 * grant_filter.h: which grants a listing is about.
 *
 *	state=lapsed            what became of it: requested, approved, expiring, lapsed, suspended, revoked
 *	owner=a@example.edu     who answers for it; @example.edu: everyone there; unknown: nobody
 *	network=10.1.0.0/16     some of its networks lies in this one, or around it; an address too
 *	text=printer            in its name, owner, contact, purpose, device, networks, accounts
 *	unused=1                in force, and not used for long (grant_usage.h)
 *
 * Letters are compared without regard to case. Threads: the admin thread. The request's text has to live as long.
 */
#ifndef SLUICE_ADMIN_GRANT_FILTER_H
#define SLUICE_ADMIN_GRANT_FILTER_H

#include "admin/request.h"
#include "core/network.h"
#include "core/reason.h"
#include "queue/grant_usage.h"

#define GRANT_FILTER_PARAMETERS "state owner network text unused limit after"

struct grant_filter {
	const char *state, *owner, *text; /* NULL: any */
	struct network network;
	bool has_network, is_unused;
};

/* 0, or -1 with a sentence that says what was expected. */
int grant_filter_parse(
	const struct request *request, struct grant_filter *out, struct reason *reason);
bool grant_filter_fits(const struct grant_filter *filter, const struct grant *grant,
	const struct grant_usage *usage, uint64_t now_unix_ms);

#endif
