/*
 * grant_keeper.h: what has to be done about relay grants because time passes or because an operator decided: owners and the
 * operator are told, and mail that waits for a renewal goes on or goes back.
 *
 * 1. Now and then the keeper looks whether anything may be due: the journal of the registry has grown, a notice's time has come
 *    (the last pass knows the next), the week's summary is due, or KEEPER_PASS_MS are over. Else it costs two look-ups a second.
 * 2. A pass reads all grants, KEEPER_STEP a step. Owners who are to be told (queue/grant_notice) are gathered and told in one
 *    request to the writer: their mails, and the grants' new `told`, in one commit. So after a power cut an owner was told and it
 *    is known, or neither. A grant that was changed meanwhile refuses the request; the next pass sees it as it is.
 * 3. Where the summary is due, the pass fills it (grant_summary), and its mail and mark are one commit too.
 * 4. Then it looks at the mail that is held for a lapsed grant (HOLD_LAPSED): where the grant is in force again it is released,
 *    where it was revoked it goes back to its senders, by errands to the scheduler (holds_errand), grant by grant.
 *    What a crash cut short the next start finds again, as it stands in the queue.
 *
 * Notices to owners go by a time that is proven (queue/expiry.h): a clock that jumps for a moment tells nobody that his grant is over.
 *
 * Threads: one, which calls grant_keeper_step and reads `inbox`. Owner: grant_keeper_close, when the writer and the scheduler have
 * answered all, or never will.
 */
#ifndef SLUICE_SMTP_GRANT_KEEPER_H
#define SLUICE_SMTP_GRANT_KEEPER_H

#include <stdint.h>

#include "core/clock.h"
#include "core/config.h"
#include "core/mailbox.h"
#include "core/reason.h"
#include "queue/id.h"
#include "queue/store.h"
#include "queue/writer.h"

#define KEEPER_STEP    64
#define KEEPER_PASS_MS INT64_C(3600000)
#define KEEPER_REST_MS 1000
#define KEEPER_MARK    "grant-summary" /* the summary's name in the registry */
#define KEEPER_LETTERS \
	2 /* that may be out at once: of the writer's credits, the scheduler's inbox, and `inbox` */

struct grant_keeper;

struct grant_keeper_options {
	struct store *store;
	struct writer *writer;
	struct mailbox *scheduler; /* its inbox */
	struct id_source *ids;
	const struct clock *clock;
	struct mailbox *inbox; /* where answers come */
	struct config *config; /* shared */
};

/* 0, or -1 with a reason. */
int grant_keeper_open(struct grant_keeper **out, const struct grant_keeper_options *options,
	struct reason *reason);
void grant_keeper_close(struct grant_keeper **keeper);

/* One step. Returns in how many milliseconds it wants to be called again at the latest. */
int64_t grant_keeper_step(struct grant_keeper *keeper);
/* A new configuration. */
void grant_keeper_configure(struct grant_keeper *keeper, struct config *config);
/* From now on nothing is begun. */
void grant_keeper_stop(struct grant_keeper *keeper);

#endif
