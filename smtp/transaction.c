#include "smtp/transaction.h"

#include <stdlib.h>
#include <string.h>

#include "queue/schedule.h"

struct transaction *transaction_open(const struct path *reverse_path, bool body_8bitmime)
{
	struct transaction *transaction = calloc(1, sizeof(*transaction));

	if (transaction == NULL)
		return NULL;
	memcpy(transaction->reverse_path, reverse_path->address, reverse_path->size + 1);
	transaction->body_8bitmime = body_8bitmime;
	return transaction;
}

void transaction_close(struct transaction **transaction)
{
	if (transaction == NULL || *transaction == NULL)
		return;
	bytes_fini(&(*transaction)->recipients);
	inspection_close(&(*transaction)->inspection);
	plan_fini(&(*transaction)->findings.plan);
	handoff_fini(&(*transaction)->handoff);
	free(*transaction);
	*transaction = NULL;
}

bool transaction_add(
	struct transaction *transaction, const struct path *forward_path, uint16_t upstream)
{
	struct bytes *list = &transaction->recipients;

	if (!bytes_reserve(list, sizeof(upstream) + forward_path->size + 1))
		return false;
	memcpy(list->data + list->size, &upstream, sizeof(upstream));
	list->size += sizeof(upstream);
	memcpy(list->data + list->size, forward_path->address, forward_path->size + 1);
	list->size += forward_path->size + 1;
	transaction->recipient_count++;
	return true;
}

const char *transaction_first_recipient(const struct transaction *transaction)
{
	return (const char *)transaction->recipients.data + sizeof(uint16_t);
}

const char *transaction_only_recipient(const struct transaction *transaction)
{
	return transaction->recipient_count == 1 ? transaction_first_recipient(transaction) : NULL;
}

/* Sets them in the order in which they came; false without memory. */
static bool set_recipients(struct envelope *envelope, const struct transaction *transaction)
{
	const char *at = (const char *)transaction->recipients.data;

	for (size_t i = 0; i < envelope->recipient_count; i++) {
		struct recipient *recipient = &envelope->recipients[i];

		memcpy(&recipient->upstream, at, sizeof(recipient->upstream));
		at += sizeof(recipient->upstream);
		recipient->address = envelope_text(envelope, at);
		if (recipient->address == NULL)
			return false;
		recipient->state = RECIPIENT_SCANNING;
		at += strlen(at) + 1;
	}
	return true;
}

bool transaction_take(void *owner, const void *bytes, size_t size)
{
	struct transaction *transaction = owner;

	return handoff_take(&transaction->handoff, bytes, size) &&
	       inspection_take(transaction->inspection, bytes, size);
}

bool transaction_inspect(struct transaction *transaction, const struct inspection_source *source)
{
	plan_fini(&transaction->findings.plan);
	return inspection_end(transaction->inspection, source, &transaction->findings);
}

static uint32_t find_flags(const struct transaction *transaction)
{
	const struct dotstream *text = &transaction->dotstream;
	const struct inspection_result *found = &transaction->findings;
	uint32_t flags = 0;

	if (text->has_eightbit)
		flags |= ENVELOPE_EIGHTBIT;
	if (text->has_dots)
		flags |= ENVELOPE_HAS_DOTS;
	if (text->has_long_lines)
		flags |= ENVELOPE_LONG_LINES;
	if (transaction->body_8bitmime)
		flags |= ENVELOPE_BODY_8BITMIME;
	if (transaction->smtputf8)
		flags |= ENVELOPE_SMTPUTF8;
	if (found->is_signed)
		flags |= ENVELOPE_SIGNED;
	if (found->sevenbit_possible)
		flags |= ENVELOPE_SEVENBIT_POSSIBLE;
	if (found->header_eightbit)
		flags |= ENVELOPE_HEADER_EIGHTBIT;
	if (found->header_address_eightbit)
		flags |= ENVELOPE_ADDRESS_EIGHTBIT;
	return flags;
}

/* False without memory. An empty plan is none. */
static bool set_plan(struct envelope *envelope, const struct plan *plan)
{
	struct bytes encoded = {0};
	bool done = true;

	if (plan->count == 0)
		return true;
	if (plan_encode(plan, &encoded))
		envelope->plan = envelope_text_sized(envelope, encoded.data, encoded.size);
	done = envelope->plan != NULL;
	envelope->plan_size = encoded.size;
	bytes_fini(&encoded);
	return done;
}

static bool set_quirks(struct envelope *envelope, const struct quirk_set *quirks)
{
	char text[QUIRK_TEXT_SIZE];

	if (quirk_set_is_empty(quirks))
		return true;
	envelope->quirks = envelope_text(envelope, quirk_set_format(quirks, text));
	return envelope->quirks != NULL;
}

struct envelope *transaction_envelope(
	struct transaction *transaction, const struct transaction_client *client)
{
	struct envelope *envelope = envelope_new(transaction->recipient_count);
	struct handoff *handoff = &transaction->handoff;

	if (envelope == NULL)
		return NULL;
	envelope->id = handoff->id;
	envelope->body_id = handoff->id;
	envelope->flags = find_flags(transaction);
	envelope->size_bytes = handoff->text.size_bytes;
	envelope->checksum = text_checksum(&handoff->text);
	envelope->chunk_count = handoff->text.piece_count;
	envelope->received_unix_ms = client->now_unix_ms;
	envelope->lane = LANE_NORMAL;
	envelope->bucket = schedule_bucket(NULL, client->address);
	envelope->reverse_path = envelope_text(envelope, transaction->reverse_path);
	envelope->client = envelope_text(envelope, client->address);
	envelope->helo = envelope_text(envelope, client->helo != NULL ? client->helo : "");
	envelope->listener = envelope_text(envelope, client->listener);
	if (envelope->reverse_path == NULL || envelope->client == NULL || envelope->helo == NULL ||
		envelope->listener == NULL || !set_recipients(envelope, transaction) ||
		!set_plan(envelope, &transaction->findings.plan) ||
		!set_quirks(envelope, client->quirks))
		envelope_close(&envelope);
	return envelope;
}
