#include "admin/grant_filter.h"

#include <string.h>

#include "core/nearest.h"

static const enum grant_life lives[] = {GRANT_LIFE_REQUESTED, GRANT_LIFE_APPROVED,
	GRANT_LIFE_EXPIRING, GRANT_LIFE_LAPSED, GRANT_LIFE_SUSPENDED, GRANT_LIFE_REVOKED};

static int parse_state(const char *text, struct grant_filter *filter, struct reason *reason)
{
	struct nearest nearest;
	struct nearest_hint hint;

	nearest_init(&nearest, text);
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		const char *name = grant_life_name(lives[i]);

		nearest_offer(&nearest, name);
		if (strcmp(name, text) == 0)
			filter->state = name;
	}
	if (filter->state != NULL)
		return 0;
	return reason_set(reason,
		"state=%.100s: no such state%s; there are requested, approved, expiring, lapsed, "
		"suspended and revoked.",
		text, nearest_format(&nearest, &hint));
}

static int parse_network(const char *text, struct grant_filter *filter, struct reason *reason)
{
	struct reason why;

	filter->has_network = true;
	if (network_parse(text, &filter->network, &why) == 0)
		return 0;
	return reason_set(
		reason, "network=%.100s: expected an address or a network: %.300s", text, why.text);
}

int grant_filter_parse(
	const struct request *request, struct grant_filter *out, struct reason *reason)
{
	const char *state = request_parameter(request, "state");
	const char *network = request_parameter(request, "network");
	const char *unused = request_parameter(request, "unused");

	*out = (struct grant_filter){
		.owner = request_parameter(request, "owner"),
		.text = request_parameter(request, "text"),
		.is_unused = unused != NULL && strcmp(unused, "0") != 0,
	};
	if (state != NULL && parse_state(state, out, reason) < 0)
		return -1;
	return network != NULL ? parse_network(network, out, reason) : 0;
}

static bool fits_owner(const char *wanted, const char *owner)
{
	const char *domain = strrchr(owner, '@');

	if (strcmp(wanted, "unknown") == 0)
		return owner[0] == '\0';
	if (wanted[0] != '@')
		return strcasecmp(wanted, owner) == 0;
	return domain != NULL && strcasecmp(wanted, domain) == 0;
}

/* One lies in the other. */
static bool overlap(const struct network *a, const struct network *b)
{
	unsigned bits = a->prefix_bits < b->prefix_bits ? a->prefix_bits : b->prefix_bits;
	unsigned rest = bits % 8;

	if (memcmp(a->bytes, b->bytes, bits / 8) != 0)
		return false;
	return rest == 0 || (a->bytes[bits / 8] ^ b->bytes[bits / 8]) >> (8 - rest) == 0;
}

static bool fits_network(const struct network *wanted, const struct grant *grant)
{
	for (size_t i = 0; i < grant->networks.count; i++) {
		struct network network;

		if (network_parse(grant->networks.items[i], &network, NULL) == 0 &&
			overlap(wanted, &network))
			return true;
	}
	return false;
}

static bool texts_have(const struct grant_texts *texts, const char *wanted)
{
	for (size_t i = 0; i < texts->count; i++) {
		if (strcasestr(texts->items[i], wanted) != NULL)
			return true;
	}
	return false;
}

static bool fits_text(const char *wanted, const struct grant *grant)
{
	return strcasestr(grant->name, wanted) != NULL ||
	       strcasestr(grant->owner, wanted) != NULL ||
	       strcasestr(grant->contact, wanted) != NULL ||
	       strcasestr(grant->purpose, wanted) != NULL ||
	       strcasestr(grant->device, wanted) != NULL || texts_have(&grant->networks, wanted) ||
	       texts_have(&grant->accounts, wanted);
}

bool grant_filter_fits(const struct grant_filter *filter, const struct grant *grant,
	const struct grant_usage *usage, uint64_t now_unix_ms)
{
	if (filter->state != NULL &&
		strcmp(filter->state, grant_life_name(grant_life(grant, now_unix_ms))) != 0)
		return false;
	if (filter->owner != NULL && !fits_owner(filter->owner, grant->owner))
		return false;
	if (filter->has_network && !fits_network(&filter->network, grant))
		return false;
	if (filter->text != NULL && !fits_text(filter->text, grant))
		return false;
	return !filter->is_unused || grant_is_unused(grant, usage, now_unix_ms);
}
