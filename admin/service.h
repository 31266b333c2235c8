/*
 * service.h: what the routes' handlers work with.
 *
 * Threads: the admin thread alone. Owner: api.c.
 */
#ifndef SLUICE_ADMIN_SERVICE_H
#define SLUICE_ADMIN_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/ask.h"
#include "admin/rates.h"
#include "core/clock.h"
#include "core/config.h"
#include "queue/judgement.h"
#include "queue/store.h"
#include "queue/writer.h"

struct service {
	struct store *store;
	struct store_view *view;
	struct writer *writer; /* for writer_is_full */
	struct ask *ask;
	const struct clock *clock;
	struct config *config; /* a reference; a reload swaps it */
	bool (*is_ours)(const struct config *config, const char *address); /* api.h */
	judgement_fn *judge;
	struct rates rates;
	uint64_t started_unix_ms;
	int64_t started_mono_ms;
};

#endif
