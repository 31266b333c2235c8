#include "queue/grant_usage.h"

#include <errno.h>

#include "queue/usage.h"

#define UNUSED_MS (UINT64_C(86400000) * GRANT_UNUSED_DAYS)

/* Days without a message count, from the first message on. */
static uint64_t mean_of_days(const struct usage *usage, uint64_t now_unix_ms)
{
	uint32_t today = usage_day_of(now_unix_ms), first = usage_day_of(usage->first_unix_ms);
	uint64_t days = today >= first ? today - first + 1 : 1, messages = 0;

	if (days > USAGE_DAYS)
		days = USAGE_DAYS;
	for (size_t i = 0; i < usage->day_count; i++) {
		if (usage->days[i].day + USAGE_DAYS > today)
			messages += usage->days[i].messages;
	}
	return (messages + days - 1) / days;
}

void grant_usage_of(
	struct store_view *view, const char *name, uint64_t now_unix_ms, struct grant_usage *out)
{
	struct usage *usage = NULL;
	int rc = store_view_usage(view, USAGE_GRANT, name, &usage);

	*out = (struct grant_usage){.is_known = rc == 0 || rc == -ENOENT};
	if (rc == 0) {
		out->messages = usage->messages;
		out->recipients = usage->recipients;
		out->bytes = usage->bytes;
		out->unmarked_bulk = usage->unmarked_bulk;
		out->last_unix_ms = usage->last_unix_ms;
		out->messages_per_day = mean_of_days(usage, now_unix_ms);
	}
	usage_close(&usage);
}

bool grant_is_unused(
	const struct grant *grant, const struct grant_usage *usage, uint64_t now_unix_ms)
{
	enum grant_life life = grant_life(grant, now_unix_ms);
	uint64_t since_ms = usage->last_unix_ms;

	if (!usage->is_known || (life != GRANT_LIFE_APPROVED && life != GRANT_LIFE_EXPIRING))
		return false;
	if (since_ms < grant->approved_unix_ms)
		since_ms = grant->approved_unix_ms;
	return since_ms + UNUSED_MS <= now_unix_ms;
}
