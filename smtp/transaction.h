/*
 * transaction.h: what a client has said of one message: from MAIL on until it is stored or given up.
 *
 * Its text goes run by run to the hand-off and to the inspection (transaction_take, the dot stream's sink); what the inspection
 * found goes into the envelope.
 *
 * Owner: its session; transaction_close frees it, which must not be while the hand-off has a request under way.
 * Limits: recipients as the policy says; an address at most PATH_BYTES.
 */
#ifndef SLUICE_SMTP_TRANSACTION_H
#define SLUICE_SMTP_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "queue/envelope.h"
#include "queue/inspection.h"
#include "smtp/dotstream.h"
#include "smtp/handoff.h"
#include "smtp/path.h"
#include "smtp/permission.h"
#include "smtp/policy.h"

struct transaction {
	char reverse_path[PATH_BYTES];
	bool body_8bitmime;
	bool smtputf8; /* MAIL said SMTPUTF8 */
	uint64_t declared_bytes; /* MAIL's SIZE=; 0: not said */
	struct bytes recipients; /* each: upstream number (2 bytes), address, NUL */
	size_t recipient_count;
	struct permission permission; /* of its client, for it */
	bool is_unmarked_bulk; /* and nothing in it says how to be rid of more (pacing.h) */
	bool is_partial; /* its end never came (partial.h) */
	bool is_chunked; /* its text comes by BDAT */
	bool chunk_is_last;
	uint64_t chunk_left; /* octets of the chunk that have not come */
	struct dotstream dotstream;
	struct handoff handoff;
	struct inspection *inspection; /* NULL: there is no text yet */
	struct inspection_result findings; /* of the whole text, once transaction_inspect has run */
	enum trouble refusal; /* why it will be refused behind its dot; TROUBLE_NONE: it will not */
};

struct transaction *transaction_open(const struct path *reverse_path, bool body_8bitmime);
void transaction_close(struct transaction **transaction);

/* False without memory. */
bool transaction_add(struct transaction *transaction, const struct path *forward_path,
	uint16_t upstream) __attribute__((warn_unused_result));

/* The one recipient there is, or NULL when there are more. */
const char *transaction_only_recipient(const struct transaction *transaction);
const char *transaction_first_recipient(const struct transaction *transaction);
/* The one behind `after`, the first behind NULL; NULL: no more. */
const char *transaction_next_recipient(const struct transaction *transaction, const char *after);

/* One run of canonical text; false without memory. */
bool transaction_take(void *transaction, const void *bytes, size_t size)
	__attribute__((warn_unused_result));
/* Behind the final dot: fills `findings`. False without memory. */
bool transaction_inspect(struct transaction *transaction, const struct inspection_source *source)
	__attribute__((warn_unused_result));

/* Who hands over, for the envelope. */
struct transaction_client {
	const char *address;
	const char *helo; /* NULL: it said none */
	const char *account; /* NULL: it is not logged in */
	const char *listener;
	uint64_t now_unix_ms;
	const struct quirk_set
		*quirks; /* all that were noted, of the connection and of the message */
};

/*
 * By what a second copy of the message is known, and how it is stored when its Message-ID is another message's: "Message-ID"
 * becomes a new one and "X-Original-Message-ID", in front of the old value. False without memory. The text that it points to
 * lives as long as the envelope.
 */
bool transaction_repeat(struct transaction *transaction, const struct transaction_client *client,
	const char *hostname, struct envelope *envelope, struct message_repeat *out)
	__attribute__((warn_unused_result));

/* Of the whole message, after the final dot. NULL without memory. */
struct envelope *transaction_envelope(
	struct transaction *transaction, const struct transaction_client *client);

#endif
