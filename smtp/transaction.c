#include "smtp/transaction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/id.h"
#include "queue/repeats.h"
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
	permission_fini(&(*transaction)->permission);
	inspection_close(&(*transaction)->inspection);
	inspection_result_fini(&(*transaction)->findings);
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

const char *transaction_next_recipient(const struct transaction *transaction, const char *after)
{
	const struct bytes *list = &transaction->recipients;
	const char *at = after != NULL ? after + strlen(after) + 1 : (const char *)list->data;

	return list->size > 0 && at < (const char *)list->data + list->size ? at + sizeof(uint16_t)
									    : NULL;
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
	inspection_result_fini(&transaction->findings);
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

/* The plan encoded, kept by the envelope; NULL without memory. */
static const void *keep_plan(struct envelope *envelope, const struct plan *plan, size_t *size)
{
	struct bytes encoded = {0};
	const void *kept = NULL;

	if (plan_encode(plan, &encoded))
		kept = envelope_text_sized(envelope, encoded.data, encoded.size);
	*size = encoded.size;
	bytes_fini(&encoded);
	return kept;
}

/* False without memory. An empty plan is none. */
static bool set_plan(struct envelope *envelope, const struct plan *plan)
{
	if (plan->count == 0)
		return true;
	envelope->plan = keep_plan(envelope, plan, &envelope->plan_size);
	return envelope->plan != NULL;
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
	envelope->bucket = schedule_bucket(client->account, client->address);
	envelope->reverse_path = envelope_text(envelope, transaction->reverse_path);
	envelope->client = envelope_text(envelope, client->address);
	envelope->helo = envelope_text(envelope, client->helo != NULL ? client->helo : "");
	envelope->account = envelope_text(envelope, client->account);
	envelope->listener = envelope_text(envelope, client->listener);
	if (envelope->reverse_path == NULL || envelope->client == NULL || envelope->helo == NULL ||
		(envelope->account == NULL) != (client->account == NULL) ||
		envelope->listener == NULL || !set_recipients(envelope, transaction) ||
		!set_plan(envelope, &transaction->findings.plan) ||
		!set_quirks(envelope, client->quirks))
		envelope_close(&envelope);
	return envelope;
}

/* ---- second copies, and Message-IDs that are another's ---- */

#define MESSAGE_ID "Message-ID"

/* Another edit works on the field already: the two would meet. */
static bool is_edited(const struct inspection_result *found)
{
	uint64_t begin = found->message_id_at, end = begin + found->message_id_size;

	for (size_t i = 0; i < found->plan.count; i++) {
		const struct plan_edit *edit = &found->plan.edits[i];

		if (edit->at < end && edit->at + edit->size > begin)
			return true;
	}
	return false;
}

/* The field's name makes way for a whole field and another name. */
static bool plan_rename(struct inspection_result *found, uint64_t id, const char *hostname)
{
	char text[512], id_text[ID_TEXT_SIZE];
	int size =
		snprintf(text, sizeof(text), MESSAGE_ID ": <%s@%.255s>\r\nX-Original-" MESSAGE_ID,
			id_format(id, id_text), hostname);

	if (!plan_add(&found->plan, PLAN_REPLACE, PLAN_ALWAYS, found->message_id_at,
		    sizeof(MESSAGE_ID) - 1, text, (size_t)size))
		return false;
	plan_sort(&found->plan);
	return true;
}

static bool prepare_name(struct transaction *transaction, const struct transaction_client *client,
	const char *hostname, struct envelope *envelope, struct message_repeat *out)
{
	struct inspection_result *found = &transaction->findings;
	struct quirk_set quirks = *client->quirks;
	char text[QUIRK_TEXT_SIZE];

	if (found->message_id_hash == 0 || found->is_signed ||
		found->message_id_size <= sizeof(MESSAGE_ID) || is_edited(found))
		return true;
	quirk_set_add(&quirks, QUIRK_SAME_MESSAGE_ID);
	if (!plan_rename(found, transaction->handoff.id, hostname))
		return true; /* no room in the plan */
	out->renamed_plan = keep_plan(envelope, &found->plan, &out->renamed_plan_size);
	out->renamed_quirks = envelope_text(envelope, quirk_set_format(&quirks, text));
	out->name = repeats_name(client->address, found->message_id_hash);
	return out->renamed_plan != NULL && out->renamed_quirks != NULL;
}

bool transaction_repeat(struct transaction *transaction, const struct transaction_client *client,
	const char *hostname, struct envelope *envelope, struct message_repeat *out)
{
	uint64_t content = transaction->findings.content_hash;

	*out = (struct message_repeat){.content = content != 0 ? content : 1};
	out->key = repeats_key(client->address, transaction->reverse_path,
		transaction->recipients.data, transaction->recipients.size, content);
	return prepare_name(transaction, client, hostname, envelope, out);
}
