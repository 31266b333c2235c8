#include "admin/filter.h"

#include <string.h>

#include "admin/message_json.h"
#include "core/address.h"
#include "core/nearest.h"
#include "queue/id.h"

static int parse_state(const char *text, struct filter *filter, struct reason *reason)
{
	struct nearest nearest;
	struct nearest_hint hint;

	nearest_init(&nearest, text);
	for (size_t i = 0; i < message_state_count; i++) {
		if (strcmp(message_states[i], text) == 0) {
			filter->state = message_states[i];
			return 0;
		}
		nearest_offer(&nearest, message_states[i]);
	}
	return reason_set(reason,
		"state=%.100s: no such state%s; there are receiving, scanning, delivering, "
		"waiting, "
		"deferred, held and quarantined.",
		text, nearest_format(&nearest, &hint));
}

static int parse_held(const char *text, struct filter *filter, struct reason *reason)
{
	struct nearest nearest;
	struct nearest_hint hint;

	filter->by_kind = true;
	if (hold_kind_from_name(text, &filter->kind))
		return 0;
	nearest_init(&nearest, text);
	for (int kind = 0; kind < HOLD_KIND_COUNT; kind++)
		nearest_offer(&nearest, hold_kind_name((enum hold_kind)kind));
	return reason_set(reason,
		"held=%.100s: no such kind of hold%s; there are ordinary, paced, lapsed, volume "
		"and "
		"suspended.",
		text, nearest_format(&nearest, &hint));
}

static int parse_client(const char *text, struct filter *filter, struct reason *reason)
{
	struct reason why;

	if (network_list_add(&filter->clients, text, &why) < 0)
		return reason_set(reason, "client=%.100s: expected an address or a network: %.300s",
			text, why.text);
	return 0;
}

int filter_parse(const struct request *request, struct filter *out, struct reason *reason)
{
	const char *state = request_parameter(request, "state");
	const char *client = request_parameter(request, "client");
	const char *after = request_parameter(request, "after");
	const char *held = request_parameter(request, "held");

	*out = (struct filter){
		.from = request_parameter(request, "from"),
		.to = request_parameter(request, "to"),
		.grant = request_parameter(request, "grant"),
	};
	if (after != NULL && after[0] != '\0' && id_parse(after, &out->after) < 0)
		return reason_set(
			reason, "after=%.100s: expected the \"next\" of the page before.", after);
	if (state != NULL && parse_state(state, out, reason) < 0)
		return -1;
	if (held != NULL && parse_held(held, out, reason) < 0)
		return -1;
	if (request_limit(request, FILTER_LIMIT, FILTER_LIMIT_MAX, &out->limit, reason) < 0)
		return -1;
	return client == NULL ? 0 : parse_client(client, out, reason);
}

void filter_fini(struct filter *filter)
{
	network_list_fini(&filter->clients);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool same_letters(const char *a, const char *b)
{
	while (*a != '\0' && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return lower(*a) == lower(*b);
}

static bool fits_address(const char *wanted, const char *address)
{
	const char *domain;

	if (wanted == NULL)
		return true;
	if (strcmp(wanted, "<>") == 0)
		return address[0] == '\0';
	if (wanted[0] != '@')
		return same_letters(wanted, address);
	domain = strrchr(address, '@');
	return domain != NULL && same_letters(wanted, domain);
}

static bool fits_recipient(const struct filter *filter, const struct envelope *envelope)
{
	if (filter->to == NULL)
		return true;
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		if (fits_address(filter->to, envelope->recipients[i].address))
			return true;
	}
	return false;
}

static bool fits_client(const struct filter *filter, const struct envelope *envelope)
{
	struct address address;

	if (filter->clients.count == 0)
		return true;
	return envelope->client != NULL && address_parse(envelope->client, &address) == 0 &&
	       network_list_has(&filter->clients, &address);
}

static bool fits_hold(const struct filter *filter, const struct envelope *envelope)
{
	if (!filter->by_kind)
		return true;
	for (size_t i = 0; i < envelope->recipient_count; i++) {
		if (envelope->recipients[i].state == RECIPIENT_HELD)
			return envelope->hold_kind == filter->kind;
	}
	return false;
}

static bool fits_grant(const struct filter *filter, const struct envelope *envelope)
{
	return filter->grant == NULL ||
	       (envelope->grant != NULL && strcmp(filter->grant, envelope->grant) == 0);
}

bool filter_fits(const struct filter *filter, const struct envelope *envelope)
{
	return fits_address(filter->from, envelope->reverse_path) && fits_hold(filter, envelope) &&
	       fits_grant(filter, envelope) && fits_recipient(filter, envelope) &&
	       fits_client(filter, envelope);
}

bool filter_fits_state(const struct filter *filter, const char *state)
{
	return filter->state == NULL || (state != NULL && strcmp(filter->state, state) == 0);
}

bool filter_is_open(const struct filter *filter)
{
	return filter->state == NULL && filter->from == NULL && filter->to == NULL &&
	       filter->grant == NULL && !filter->by_kind && filter->clients.count == 0;
}
