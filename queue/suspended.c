#include "queue/suspended.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "queue/settle.h"

#define LINE_SIZE (REGISTRY_WHY_SIZE + REGISTRY_NAME_SIZE + 64)

/* ---- whose it is ---- */

/* A Unix socket's client is on this host (permits.h). */
static bool parse_client(const char *client, struct address *out)
{
	if (client == NULL)
		return false;
	return address_parse(strcmp(client, "unix") == 0 ? "127.0.0.1" : client, out) == 0;
}

static bool find_suspension(
	const struct permits *permits, const struct envelope *envelope, struct suspended *out)
{
	struct address peer;
	const struct permit_client client = {.peer = &peer, .account = envelope->account};
	const struct suspension *suspension;

	if (permits_suspension_count(permits) == 0)
		return false;
	if (!parse_client(envelope->client, &peer))
		peer = (struct address){.any.sa_family = AF_UNSPEC};
	suspension = permits_suspension(permits, &client);
	if (suspension != NULL)
		*out = (struct suspended){
			"", suspension->who, suspension->reason, suspension->purges};
	return suspension != NULL;
}

static bool find_grant(
	const struct permits *permits, const struct envelope *envelope, struct suspended *out)
{
	const struct grant *grant =
		envelope->grant != NULL ? permits_grant(permits, envelope->grant) : NULL;

	if (grant == NULL || grant->state != GRANT_SUSPENDED)
		return false;
	*out = (struct suspended){"grant ", grant->name, grant->reason, grant->purges};
	return true;
}

bool suspended_find(
	const struct permits *permits, const struct envelope *envelope, struct suspended *out)
{
	return permits_suspended_count(permits) > 0 && (envelope->flags & ENVELOPE_LOCAL) == 0 &&
	       (find_suspension(permits, envelope, out) || find_grant(permits, envelope, out));
}

/* ---- what becomes of it ---- */

static bool is_to_be_held(const struct envelope *envelope, const struct recipient *recipient)
{
	switch (recipient->state) {
	case RECIPIENT_SCANNING:
	case RECIPIENT_WAITING:
	case RECIPIENT_DEFERRED:
		return true;
	case RECIPIENT_HELD:
		return envelope->hold_kind == HOLD_PACED;
	default:
		return false;
	}
}

static bool has_any_to_hold(const struct envelope *envelope)
{
	for (size_t i = 0; i < envelope->recipient_count; i++)
		if (is_to_be_held(envelope, &envelope->recipients[i]))
			return true;
	return false;
}

static enum suspended_deed choose(
	const struct permits *permits, const struct envelope *envelope, struct suspended *suspended)
{
	if (!suspended_find(permits, envelope, suspended))
		return envelope->hold_kind == HOLD_SUSPENDED ? SUSPENDED_RELEASE
							     : SUSPENDED_NOTHING;
	if (suspended->purges)
		return envelope_is_done(envelope) ? SUSPENDED_NOTHING : SUSPENDED_DELETE;
	return has_any_to_hold(envelope) ? SUSPENDED_HOLD : SUSPENDED_NOTHING;
}

enum suspended_deed suspended_deed(const struct permits *permits, const struct envelope *envelope)
{
	struct suspended suspended;

	return choose(permits, envelope, &suspended);
}

static int hold(
	struct envelope *envelope, const char *reason, uint64_t now_unix_ms, uint64_t until_unix_ms)
{
	bool paced = envelope->hold_kind == HOLD_PACED;

	for (size_t i = 0; i < envelope->recipient_count; i++) {
		struct recipient *recipient = &envelope->recipients[i];
		uint64_t since_unix_ms =
			recipient->held_unix_ms != 0 ? recipient->held_unix_ms : now_unix_ms;
		bool is_meant = recipient->state == RECIPIENT_HELD
					? paced
					: is_to_be_held(envelope, recipient);

		if (is_meant &&
			settle_hold(envelope, recipient, reason, since_unix_ms, until_unix_ms) < 0)
			return -ENOMEM;
	}
	envelope->hold_kind = HOLD_SUSPENDED;
	return 0;
}

static void delete_all(struct envelope *envelope)
{
	for (size_t i = 0; i < envelope->recipient_count; i++)
		if (!recipient_is_final(&envelope->recipients[i]))
			envelope->recipients[i].state = RECIPIENT_DELETED;
}

static void release(struct envelope *envelope, uint64_t now_unix_ms)
{
	uint64_t longest_ms = 0;

	for (size_t i = 0; i < envelope->recipient_count; i++) {
		uint64_t held_ms = 0;

		if (envelope->recipients[i].state == RECIPIENT_HELD)
			held_ms = settle_release(&envelope->recipients[i], now_unix_ms);
		longest_ms = held_ms > longest_ms ? held_ms : longest_ms;
	}
	envelope->stopped_ms += longest_ms;
	settle_forget_kind(envelope);
}

int suspended_apply(const struct permits *permits, struct envelope *envelope, uint64_t now_unix_ms,
	uint64_t until_unix_ms)
{
	struct suspended by = {0};
	enum suspended_deed deed = choose(permits, envelope, &by);
	char line[LINE_SIZE] = "released: the suspension is over";

	if (deed == SUSPENDED_NOTHING)
		return 1;
	if (deed != SUSPENDED_RELEASE)
		snprintf(line, sizeof(line), "%s%s is suspended: %s", by.kind, by.who, by.reason);
	if (deed == SUSPENDED_HOLD && hold(envelope, line, now_unix_ms, until_unix_ms) < 0)
		return -ENOMEM;
	if (deed == SUSPENDED_DELETE)
		delete_all(envelope);
	if (deed == SUSPENDED_RELEASE)
		release(envelope, now_unix_ms);
	return envelope_note(envelope, now_unix_ms, NULL, line) ? 0 : -ENOMEM;
}
