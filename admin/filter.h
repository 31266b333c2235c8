/*
 * filter.h: which messages a listing is about.
 *
 *	state=deferred          one of message_states
 *	from=a@example.edu      the reverse-path; @example.edu: everyone there; <>: the null reverse-path
 *	to=b@example.org        a recipient, in the same forms
 *	client=10.0.0.0/8       who handed it over: an address or a network
 *	held=paced              held, for this kind of hold (queue/envelope.h)
 *	grant=printers          what came under this grant
 *	limit=100 after=ID      at most so many, after this one
 *
 * Addresses are compared without regard to the case of ASCII letters.
 * Threads: the admin thread. Owner: filter_fini frees.
 */
#ifndef SLUICE_ADMIN_FILTER_H
#define SLUICE_ADMIN_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin/request.h"
#include "core/network.h"
#include "core/reason.h"
#include "queue/envelope.h"

#define FILTER_LIMIT      100
#define FILTER_LIMIT_MAX  1000
#define FILTER_PARAMETERS "state from to client held grant limit after"

struct filter {
	const char *state, *from, *to; /* of message_states, of the request; or NULL */
	const char *grant;
	bool by_kind; /* only what is held, for `kind` */
	enum hold_kind kind;
	struct network_list clients;
	size_t limit;
	uint64_t after;
};

/* 0, or -1 with a sentence that says what was expected. */
int filter_parse(const struct request *request, struct filter *out, struct reason *reason);
void filter_fini(struct filter *filter);

/* Everything but the state, which needs the scheduler's knowledge too. */
bool filter_fits(const struct filter *filter, const struct envelope *envelope);
bool filter_fits_state(const struct filter *filter, const char *state);
/* Nothing is left out. */
bool filter_is_open(const struct filter *filter);

#endif
