/* permission_words.c: what people are told of a permission. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "smtp/permission.h"

#define DAY_SIZE   16
#define CLEAN_SIZE 96

/* "2026-11-23", in UTC. */
static const char *format_day(uint64_t unix_ms, char out[DAY_SIZE])
{
	time_t at = (time_t)(unix_ms / 1000);
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(out, DAY_SIZE, "%Y-%m-%d", &tm);
	return out;
}

/* As a reply and the log may have it: printable ASCII without double quotes, and cut. */
static const char *clean(const char *text, char out[CLEAN_SIZE])
{
	size_t i;

	for (i = 0; i + 1 < CLEAN_SIZE && text[i] != '\0'; i++)
		out[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i] == '"' ? '\'' : text[i];
	out[i] = '\0';
	return out;
}

/* Who it is that may not: "Grant lab", "Account anna", "10.1.2.3". */
static const char *name_asker(const struct permission *permission,
	const struct permission_terms *terms, const char *client, char out[CLEAN_SIZE + 16])
{
	char name[CLEAN_SIZE];

	if (permission->grant != NULL)
		snprintf(out, CLEAN_SIZE + 16, "Grant %s", permission->grant->name);
	else if (terms->client.account != NULL)
		snprintf(out, CLEAN_SIZE + 16, "Account %s", clean(terms->client.account, name));
	else
		snprintf(out, CLEAN_SIZE + 16, "%s", client);
	return out;
}

static void explain_state(const struct grant *grant, const char *became, char *out)
{
	char day[DAY_SIZE], reason[CLEAN_SIZE];

	snprintf(out, PERMISSION_TEXT_SIZE, "Grant %s %s on %s%s%s", grant->name, became,
		format_day(grant->state_unix_ms, day), grant->reason[0] != '\0' ? ": " : "",
		clean(grant->reason, reason));
}

static void explain_suspension(const struct suspension *suspension, char *out)
{
	char day[DAY_SIZE], who[CLEAN_SIZE], reason[CLEAN_SIZE];

	snprintf(out, PERMISSION_TEXT_SIZE, "%s was suspended on %s: %s",
		clean(suspension->who, who), format_day(suspension->since_unix_ms, day),
		clean(suspension->reason, reason));
}

static void explain(enum permission_answer answer, const struct permission *permission,
	const struct permission_terms *terms, const char *client, char *out)
{
	char asker[CLEAN_SIZE + 16], about[CLEAN_SIZE], day[DAY_SIZE];

	name_asker(permission, terms, client, asker);
	clean(permission->about, about);
	switch (answer) {
	case PERMISSION_YES:
		out[0] = '\0';
		break;
	case PERMISSION_STRANGER:
		snprintf(out, PERMISSION_TEXT_SIZE, "%s may not send mail here", client);
		break;
	case PERMISSION_SUSPENDED:
		explain_suspension(permission->suspension, out);
		break;
	case PERMISSION_GRANT_SUSPENDED:
		explain_state(permission->grant, "was suspended", out);
		break;
	case PERMISSION_GRANT_REVOKED:
		explain_state(permission->grant, "was revoked", out);
		break;
	case PERMISSION_GRANT_LAPSED:
		snprintf(out, PERMISSION_TEXT_SIZE, "Grant %s lapsed on %s",
			permission->grant->name,
			format_day(permission->grant->expires_unix_ms, day));
		break;
	case PERMISSION_SENDER:
		snprintf(out, PERMISSION_TEXT_SIZE, "%s may not send as %s", asker, about);
		break;
	case PERMISSION_REACH:
		snprintf(out, PERMISSION_TEXT_SIZE, "%s may send to our own domains only", asker);
		break;
	case PERMISSION_AUTHOR:
		snprintf(out, PERMISSION_TEXT_SIZE, "%s may not send with %s in From or Sender",
			asker, about);
		break;
	case PERMISSION_UNREADABLE:
		snprintf(out, PERMISSION_TEXT_SIZE, "From or Sender cannot be read");
		break;
	}
}

const char *permission_explain(enum permission_answer answer, const struct permission *permission,
	const struct permission_terms *terms, const char *client, char out[PERMISSION_TEXT_SIZE])
{
	size_t size;

	explain(answer, permission, terms, client, out);
	size = strlen(out);
	if (answer == PERMISSION_YES)
		return out;
	snprintf(out + size, PERMISSION_TEXT_SIZE - size,
		answer == PERMISSION_GRANT_LAPSED ? ", to renew it write to %s" : ", ask %s",
		terms->config->helpdesk);
	return out;
}

const char *permission_hold_reason(
	const struct permission *permission, char out[PERMISSION_TEXT_SIZE])
{
	char day[DAY_SIZE];

	snprintf(out, PERMISSION_TEXT_SIZE,
		"grant %s lapsed on %s: its mail waits for it to be renewed",
		permission->grant->name, format_day(permission->grant->expires_unix_ms, day));
	return out;
}
