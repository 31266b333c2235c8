#include "smtp/grant_summary.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "smtp/grant_mail.h"
#include "smtp/own_mail.h"

#define ROW_SIZE 256

static const struct {
	const char *title, *advice;
} sections[SUMMARY_SECTIONS] = {
	[SUMMARY_REQUESTED] = {"wait for approval", "sluice grant approve NAME"},
	[SUMMARY_LAPSED] = {"have ended; their mail is held, or refused already",
		"sluice grant renew NAME, or sluice grant revoke NAME --reason …"},
	[SUMMARY_EXPIRING] = {"end within 30 days; their owners are told",
		"sluice grant renew NAME"},
	[SUMMARY_SUSPENDED] = {"are suspended", "sluice grant resume NAME"},
	[SUMMARY_OWNERLESS] = {"have no known owner", "sluice grant change NAME --owner ADDRESS"},
	[SUMMARY_UNUSED] = {"are not used any more, and may be removed",
		"sluice grant revoke NAME --reason unused"},
	[SUMMARY_OVER_ESTIMATE] = {"send more than was said when they were asked for",
		"sluice grant show NAME"},
	[SUMMARY_UNMARKED_BULK] = {"sent bulk mail without List-Unsubscribe",
		"sluice grant show NAME"},
};

void grant_summary_fini(struct grant_summary *summary)
{
	for (size_t i = 0; i < SUMMARY_SECTIONS; i++)
		bytes_fini(&summary->sections[i].rows);
	*summary = (struct grant_summary){0};
}

static bool __attribute__((format(printf, 4, 5))) add_row(struct grant_summary *summary,
	enum summary_section section, const struct grant *grant, const char *format, ...)
{
	char row[ROW_SIZE];
	va_list args;

	if (summary->sections[section].count++ >= SUMMARY_ROWS)
		return true;
	va_start(args, format);
	vsnprintf(row, sizeof(row), format, args);
	va_end(args);
	return bytes_printf(&summary->sections[section].rows, "  %-24s %s\n", grant->name, row);
}

static const char *owner_of(const struct grant *grant)
{
	return grant->owner[0] != '\0' ? grant->owner : "owner unknown";
}

static bool add_life(struct grant_summary *summary, const struct grant *grant, enum grant_life life)
{
	char day[GRANT_DAY_SIZE];

	switch (life) {
	case GRANT_LIFE_REQUESTED:
		return add_row(summary, SUMMARY_REQUESTED, grant, "%.16s  %.100s  %.100s",
			grant_mail_day(grant->state_unix_ms, day), owner_of(grant), grant->purpose);
	case GRANT_LIFE_EXPIRING:
		return add_row(summary, SUMMARY_EXPIRING, grant, "%.16s  %.100s",
			grant_mail_day(grant->expires_unix_ms, day), owner_of(grant));
	case GRANT_LIFE_LAPSED:
		return add_row(summary, SUMMARY_LAPSED, grant, "%.16s  %.100s",
			grant_mail_day(grant->expires_unix_ms, day), owner_of(grant));
	case GRANT_LIFE_SUSPENDED:
		return add_row(summary, SUMMARY_SUSPENDED, grant, "%.16s  %.180s",
			grant_mail_day(grant->state_unix_ms, day), grant->reason);
	case GRANT_LIFE_APPROVED:
	case GRANT_LIFE_REVOKED:
		break;
	}
	return true;
}

static bool add_use(struct grant_summary *summary, const struct grant *grant,
	const struct grant_usage *usage, uint64_t now_unix_ms)
{
	char day[GRANT_DAY_SIZE] = "never used";
	bool good = true;

	if (usage->last_unix_ms != 0)
		grant_mail_day(usage->last_unix_ms, day);
	if (grant_is_unused(grant, usage, now_unix_ms))
		good = add_row(
			summary, SUMMARY_UNUSED, grant, "%.16s  %.100s", day, owner_of(grant));
	if (good && grant->messages_per_day != 0 &&
		usage->messages_per_day > grant->messages_per_day)
		good = add_row(summary, SUMMARY_OVER_ESTIMATE, grant,
			"%" PRIu64 " a day, and %" PRIu32 " were said", usage->messages_per_day,
			grant->messages_per_day);
	if (good && usage->unmarked_bulk != 0)
		good = add_row(summary, SUMMARY_UNMARKED_BULK, grant, "%" PRIu64 " messages",
			usage->unmarked_bulk);
	return good;
}

bool grant_summary_add(struct grant_summary *summary, const struct grant *grant,
	const struct grant_usage *usage, uint64_t now_unix_ms)
{
	enum grant_life life = grant_life(grant, now_unix_ms);

	if (life == GRANT_LIFE_REVOKED)
		return true;
	if (!add_life(summary, grant, life) || !add_use(summary, grant, usage, now_unix_ms))
		return false;
	return life == GRANT_LIFE_REQUESTED || grant->owner[0] != '\0' ||
	       add_row(summary, SUMMARY_OWNERLESS, grant, "%.200s", grant->purpose);
}

static bool append_section(
	const struct grant_summary *summary, enum summary_section which, struct bytes *out)
{
	size_t count = summary->sections[which].count;
	const struct bytes *rows = &summary->sections[which].rows;

	if (count == 0)
		return true;
	return bytes_printf(out, "\n%zu %s\n(%s):\n\n", count, sections[which].title,
		       sections[which].advice) &&
	       bytes_append(out, rows->data, rows->size) &&
	       (count <= SUMMARY_ROWS || bytes_printf(out, "  … and %zu more: sluice grant list\n",
						 count - SUMMARY_ROWS));
}

int grant_summary_write(const struct grant_summary *summary, const struct config *config,
	uint64_t now_unix_ms, uint64_t id, struct message **out)
{
	struct bytes text = {0};
	size_t count = 0;
	bool good;
	int rc = -ENOMEM;

	*out = NULL;
	for (size_t i = 0; i < SUMMARY_SECTIONS; i++)
		count += summary->sections[i].count;
	if (count == 0)
		return 0;
	good = bytes_printf(&text,
		"This is the mail relay %s: what its relay grants need. Each line names a\n"
		"grant; sluice grant show NAME tells all of it.\n",
		config->hostname);
	for (size_t i = 0; good && i < SUMMARY_SECTIONS; i++)
		good = append_section(summary, (enum summary_section)i, &text);
	if (good && bytes_append(&text, "", 1))
		rc = own_mail_write(&(struct own_mail){.config = config,
					    .to = "",
					    .subject = "Relay grants this week",
					    .text = (char *)text.data,
					    .now_unix_ms = now_unix_ms},
			id, out);
	bytes_fini(&text);
	return rc;
}
