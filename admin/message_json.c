#include "admin/message_json.h"

#include <stdio.h>
#include <string.h>

#include "queue/id.h"

const char *const message_states[] = {
	"receiving", "scanning", "delivering", "waiting", "deferred", "held", "quarantined"};
const size_t message_state_count = sizeof(message_states) / sizeof(message_states[0]);

static bool is_waiting(const struct recipient *recipient)
{
	return recipient->state == RECIPIENT_WAITING || recipient->state == RECIPIENT_DEFERRED;
}

static bool is_held(const struct recipient *recipient)
{
	return recipient->state == RECIPIENT_HELD || recipient->state == RECIPIENT_QUARANTINED;
}

static const char *recipient_shown_state(
	const struct message_view *view, const struct recipient *recipient, bool claimed)
{
	if (claimed && is_waiting(recipient) && recipient->due_unix_ms <= view->now_unix_ms)
		return "delivering";
	return recipient_state_name(recipient->state);
}

static size_t state_rank(const char *state)
{
	size_t rank = 0;

	while (rank < message_state_count && strcmp(message_states[rank], state) != 0)
		rank++;
	return rank;
}

const char *message_state(const struct message_view *view, const struct envelope *envelope)
{
	bool claimed = snapshot_claims(view->snapshot, envelope->id);
	const char *first = NULL;

	for (size_t i = 0; i < envelope->recipient_count; i++) {
		const char *state = recipient_shown_state(view, &envelope->recipients[i], claimed);

		if (first == NULL || state_rank(state) < state_rank(first))
			first = state;
	}
	return first;
}

static bool host_takes_work(const struct host_report *host)
{
	return !host->paused &&
	       (strcmp(host->state, "open") == 0 || strcmp(host->state, "slow start") == 0);
}

/* The host that an upstream's messages wait for: the next to be tried. NULL: one of its hosts takes work. */
static const struct host_report *find_awaited(const struct snapshot *snapshot, const char *upstream)
{
	const struct host_report *awaited = NULL;

	for (size_t i = 0; i < snapshot->host_count; i++) {
		const struct host_report *host = &snapshot->hosts[i];

		if (strcmp(host->upstream, upstream) != 0)
			continue;
		if (host_takes_work(host))
			return NULL;
		if (awaited == NULL || awaited->paused ||
			(!host->paused &&
				host->next_attempt_unix_ms < awaited->next_attempt_unix_ms))
			awaited = host;
	}
	return awaited;
}

/* Why and until when a recipient waits. */
struct wait {
	const char *reason;
	uint64_t until_unix_ms; /* 0: not known, or not for a time */
	char text[640];
};

static void find_wait(const struct message_view *view, const struct recipient *recipient,
	const char *state, struct wait *wait)
{
	const char *upstream = store_upstream_name(view->store, recipient->upstream);
	const struct host_report *host;

	wait->reason = recipient->reason;
	wait->until_unix_ms = 0;
	if (!is_waiting(recipient) || strcmp(state, "delivering") == 0)
		return;
	wait->until_unix_ms = recipient->due_unix_ms;
	if (upstream == NULL || recipient->due_unix_ms > view->now_unix_ms)
		return;
	host = find_awaited(view->snapshot, upstream);
	if (host == NULL)
		return;
	wait->until_unix_ms = host->paused ? 0 : host->next_attempt_unix_ms;
	if (host->paused)
		snprintf(wait->text, sizeof(wait->text), "upstream host %s is paused", host->host);
	else
		snprintf(wait->text, sizeof(wait->text), "upstream busy: %s", host->last_reply);
	wait->reason = wait->text;
}

static void write_recipient(struct json *json, const struct message_view *view,
	const struct recipient *recipient, bool claimed)
{
	const char *state = recipient_shown_state(view, recipient, claimed);
	struct wait wait;

	find_wait(view, recipient, state, &wait);
	json_open_object(json, NULL);
	json_write_text(json, "address", recipient->address);
	json_write_text(json, "state", state);
	json_write_text(json, "upstream", store_upstream_name(view->store, recipient->upstream));
	json_write_text(json, "host", recipient->host);
	json_write_number(json, "attempts", recipient->attempts);
	json_write_time(json, "next_attempt", wait.until_unix_ms);
	json_write_text(json, "reason", wait.reason);
	json_write_text(json, "last_reply", is_held(recipient) ? NULL : recipient->reason);
	json_write_text(json, "status", recipient->status);
	if (is_held(recipient)) {
		json_write_time(json, "held_since", recipient->held_unix_ms);
		json_write_time(json, "held_until", recipient->due_unix_ms);
	}
	if (recipient->threat != NULL)
		json_write_text(json, "threat", recipient->threat);
	json_close(json);
}

/* "Q-33 Q-61" as a list. */
static void write_quirks(struct json *json, const char *quirks)
{
	json_open_list(json, "quirks");
	while (quirks != NULL && *quirks != '\0') {
		size_t size = strcspn(quirks, " ");

		if (size > 0)
			json_write_text_sized(json, NULL, quirks, size);
		quirks += size + (quirks[size] == ' ');
	}
	json_close(json);
}

static void write_history(struct json *json, const struct envelope *envelope)
{
	json_open_list(json, "history");
	for (size_t i = 0; i < envelope->history_count; i++) {
		const struct attempt *attempt = &envelope->history[i];

		json_open_object(json, NULL);
		json_write_time(json, "first", attempt->first_unix_ms);
		json_write_time(json, "last", attempt->last_unix_ms);
		json_write_number(json, "times", attempt->times);
		json_write_text(json, "host", attempt->host);
		json_write_text(json, "what", attempt->what);
		json_close(json);
	}
	json_close(json);
}

/* The lifetime stands still while a message is held. */
static uint64_t find_expiry(const struct message_view *view, const struct envelope *envelope)
{
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		if (is_held(&envelope->recipients[i]))
			return 0;
	}
	return envelope->received_unix_ms + (uint64_t)view->lifetime_ms + envelope->stopped_ms;
}

static void write_reason(struct json *json, const struct message_view *view,
	const struct envelope *envelope, const char *state, bool claimed)
{
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		const struct recipient *recipient = &envelope->recipients[i];
		struct wait wait;

		if (strcmp(recipient_shown_state(view, recipient, claimed), state) != 0)
			continue;
		find_wait(view, recipient, state, &wait);
		if (wait.reason == NULL)
			continue;
		json_write_text(json, "reason", wait.reason);
		return;
	}
	json_write_null(json, "reason");
}

static void write_whole(
	struct json *json, const struct message_view *view, const struct envelope *envelope)
{
	json_write_text(json, "helo", envelope->helo);
	json_write_bool(json, "bounce", envelope->flags & ENVELOPE_BOUNCE);
	json_write_bool(json, "local", envelope->flags & ENVELOPE_LOCAL);
	json_write_time(json, "expires", find_expiry(view, envelope));
	write_history(json, envelope);
}

void message_write(struct json *json, const char *name, const struct message_view *view,
	const struct envelope *envelope, bool whole)
{
	bool claimed = snapshot_claims(view->snapshot, envelope->id);
	const char *state = message_state(view, envelope);
	char id[ID_TEXT_SIZE];

	json_open_object(json, name);
	json_write_text(json, "id", id_format(envelope->id, id));
	json_write_text(json, "state", state);
	write_reason(json, view, envelope, state ? state : "", claimed);
	json_write_time(json, "received", envelope->received_unix_ms);
	json_write_number(json, "size", envelope->size_bytes);
	json_write_text(json, "client", envelope->client);
	json_write_text(json, "account", envelope->account);
	json_write_text(json, "listener", envelope->listener);
	json_write_text(json, "grant", envelope->grant);
	json_write_text(json, "lane", lane_name(envelope->lane));
	json_write_text(json, "hold",
		state != NULL && strcmp(state, "held") == 0 ? hold_kind_name(envelope->hold_kind)
							    : NULL);
	json_write_text(json, "from", envelope->reverse_path);
	write_quirks(json, envelope->quirks);
	json_open_list(json, "recipients");
	for (size_t i = 0; i < envelope->recipient_count; i++)
		write_recipient(json, view, &envelope->recipients[i], claimed);
	json_close(json);
	if (whole)
		write_whole(json, view, envelope);
	json_close(json);
}
