/*
 * writer_pace.c: rates, volumes and usage of who hands over mail (pace.h, usage.h), in the batches of the writer.
 *
 *   1. writer_pace_judge, before a message is stored: the usages of its grant, account and address are looked up, what it would
 *      take of their buckets is worked out, and it is held or refused. Nothing of that is noted yet but who its recipients are.
 *   2. writer_pace_count, when it was stored: the figures change in memory.
 *   3. writer_pace_save, before the commit: each usage that changed is written once.
 *   4. writer_pace_saved when the commit is known to be good; else writer_pace_forget: what changed in memory is read from the
 *      store when it is wanted next, so that it is there once if the message is, and not at all if not.
 *
 * Limits: KEPT usages in memory; the one used longest ago goes.
 */
#include <arpa/inet.h>
#include <bsd/sys/tree.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "queue/settle.h"
#include "queue/writer_parts.h"

/* More than a group can change: three for each of its requests. */
#define KEPT ((size_t)4 * WRITER_GROUP_MAX)

struct kept {
	RB_ENTRY(kept) entry;
	TAILQ_ENTRY(kept) turn;
	struct usage *usage;
	bool changed; /* in this batch, and in the list of them */
};

static int compare(const struct kept *a, const struct kept *b)
{
	if (a->usage->kind != b->usage->kind)
		return a->usage->kind < b->usage->kind ? -1 : 1;
	return strcmp(a->usage->name, b->usage->name);
}

RB_HEAD(kept_tree, kept);
RB_GENERATE_INTERNAL(kept_tree, kept, entry, compare, static __attribute__((unused)))

/* What a message will have taken of one bucket. */
struct share {
	struct kept *kept;
	uint64_t messages_full_unix_us, recipients_full_unix_us;
};

struct writer_pace {
	struct kept_tree tree;
	TAILQ_HEAD(kept_line, kept) line; /* used last first */
	size_t count;
	struct kept *changed[KEPT]; /* in this batch */
	size_t changed_count;
	struct share shares[PACE_WHOM_COUNT]; /* of the message at hand */
	size_t share_count;
};

struct writer_pace *writer_pace_open(void)
{
	struct writer_pace *pace = calloc(1, sizeof(*pace));

	if (pace != NULL) {
		RB_INIT(&pace->tree);
		TAILQ_INIT(&pace->line);
	}
	return pace;
}

static void drop(struct writer_pace *pace, struct kept *kept)
{
	RB_REMOVE(kept_tree, &pace->tree, kept);
	TAILQ_REMOVE(&pace->line, kept, turn);
	pace->count--;
	usage_close(&kept->usage);
	free(kept);
}

void writer_pace_close(struct writer_pace **pace)
{
	struct kept *kept;

	if (*pace == NULL)
		return;
	while ((kept = TAILQ_FIRST(&(*pace)->line)) != NULL)
		drop(*pace, kept);
	free(*pace);
	*pace = NULL;
}

/* ---- usages at hand ---- */

static struct kept *find(struct writer_pace *pace, enum usage_kind kind, const char *name)
{
	struct usage wanted = {.kind = kind};
	struct kept key = {.usage = &wanted};

	memcpy(wanted.name, name, strnlen(name, USAGE_NAME_SIZE - 1));
	return RB_FIND(kept_tree, &pace->tree, &key);
}

/* From the store, or a new one. */
static int keep(struct writer_pace *pace, struct store_batch *batch, enum usage_kind kind,
	const char *name, struct kept **out)
{
	struct kept *kept = calloc(1, sizeof(*kept)), *last = TAILQ_LAST(&pace->line, kept_line);
	int rc;

	if (kept == NULL)
		return -ENOMEM;
	rc = store_get_usage(batch, kind, name, &kept->usage);
	if (rc == -ENOENT || rc == -EBADMSG)
		kept->usage = usage_new(kind, name);
	if (kept->usage == NULL) {
		free(kept);
		return store_spoiled(batch) != 0 ? store_spoiled(batch) : -ENOMEM;
	}
	if (pace->count >= KEPT && !last->changed)
		drop(pace, last);
	RB_INSERT(kept_tree, &pace->tree, kept);
	TAILQ_INSERT_HEAD(&pace->line, kept, turn);
	pace->count++;
	*out = kept;
	return 0;
}

static int add_share(
	struct writer *writer, struct store_batch *batch, enum usage_kind kind, const char *name)
{
	struct writer_pace *pace = writer->pace;
	struct kept *kept = find(pace, kind, name);
	int rc = 0;

	if (kept == NULL)
		rc = keep(pace, batch, kind, name, &kept);
	if (rc < 0)
		return rc;
	TAILQ_REMOVE(&pace->line, kept, turn);
	TAILQ_INSERT_HEAD(&pace->line, kept, turn);
	usage_set_back(kept->usage, clock_unix_ms(writer->clock));
	pace->shares[pace->share_count++] = (struct share){
		.kept = kept,
		.messages_full_unix_us = kept->usage->messages_full_unix_us,
		.recipients_full_unix_us = kept->usage->recipients_full_unix_us,
	};
	return 0;
}

static void note_change(struct writer_pace *pace, struct kept *kept)
{
	if (!kept->changed)
		pace->changed[pace->changed_count++] = kept;
	kept->changed = true;
}

/* ---- 1: rates ---- */

static bool has_rate(const struct pace_rate *rate)
{
	return rate->messages_per_hour != 0 || rate->recipients_per_hour != 0;
}

static enum pace_whom whom_of(const struct share *share)
{
	switch (share->kept->usage->kind) {
	case USAGE_GRANT:
		return PACE_GRANT;
	case USAGE_ACCOUNT:
		return PACE_ACCOUNT;
	case USAGE_ADDRESS:
		break;
	}
	return PACE_ADDRESS;
}

static void say_rate(struct pace_outcome *outcome, const struct share *share, uint32_t per_hour,
	const char *what)
{
	snprintf(outcome->said, sizeof(outcome->said), "%s %.100s has %u %s an hour",
		usage_kind_name(share->kept->usage->kind), share->kept->usage->name, per_hour,
		what);
}

/* The latest time that its buckets permit, and which of them it was. */
static uint64_t find_time(struct writer_pace *pace, const struct pace_terms *terms,
	uint32_t recipients, uint64_t now_unix_us, struct pace_outcome *outcome)
{
	uint64_t latest = now_unix_us, permitted;

	for (size_t i = 0; i < pace->share_count; i++) {
		struct share *share = &pace->shares[i];
		const struct pace_rate *rate = &terms->rates[whom_of(share)];

		if (rate->messages_per_hour != 0) {
			permitted = pace_take(&share->messages_full_unix_us,
				rate->messages_per_hour, 1, terms->burst_ms, now_unix_us);
			if (permitted > latest)
				say_rate(outcome, share, rate->messages_per_hour, "messages");
			latest = permitted > latest ? permitted : latest;
		}
		if (rate->recipients_per_hour != 0) {
			permitted = pace_take(&share->recipients_full_unix_us,
				rate->recipients_per_hour, recipients, terms->burst_ms,
				now_unix_us);
			if (permitted > latest)
				say_rate(outcome, share, rate->recipients_per_hour, "recipients");
			latest = permitted > latest ? permitted : latest;
		}
	}
	return latest;
}

/* ---- 1: volumes ---- */

static void say_volume(
	struct pace_outcome *outcome, const struct usage *usage, uint32_t limit, const char *what)
{
	snprintf(outcome->volume, sizeof(outcome->volume), "%s %.100s has more than %u %s today",
		usage_kind_name(usage->kind), usage->name, limit, what);
}

static int see_recipients(struct kept *kept, uint32_t today, const struct envelope *envelope)
{
	for (size_t i = 0; i < envelope->recipient_count; i++)
		if (!usage_see_recipient(kept->usage, today, envelope->recipients[i].address))
			return -ENOMEM;
	return 0;
}

/* 1: above what needs approval; 0: not; -ENOMEM. */
static int is_over_volume(struct kept *kept, const struct pace_terms *terms, uint32_t today,
	const struct envelope *envelope, struct pace_outcome *outcome)
{
	struct usage *usage = kept->usage;

	if (terms->approve_recipients != 0) {
		if (see_recipients(kept, today, envelope) < 0)
			return -ENOMEM;
		if (usage_distinct(usage, today) > terms->approve_recipients) {
			say_volume(outcome, usage, terms->approve_recipients, "recipients");
			return 1;
		}
	}
	if (terms->approve_messages == 0 ||
		usage_on(usage, today).messages < terms->approve_messages)
		return 0;
	say_volume(outcome, usage, terms->approve_messages, "messages");
	return 1;
}

/* ---- 1: the message ---- */

static int hold(struct envelope *envelope, enum hold_kind kind, struct pace_outcome *outcome,
	uint64_t now_unix_ms)
{
	char reason[PACE_SAY_SIZE + 64], when[32];
	time_t until = (time_t)(outcome->until_unix_ms / 1000);
	struct tm tm;

	gmtime_r(&until, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (kind == HOLD_PACED)
		snprintf(reason, sizeof(reason), "paced: %s; goes on at %s", outcome->said, when);
	else
		snprintf(reason, sizeof(reason), "volume: %s; needs approval", outcome->volume);
	if (settle_hold_message(envelope, kind, reason, now_unix_ms, outcome->until_unix_ms) < 0)
		return -ENOMEM;
	outcome->held = kind;
	return 0;
}

/* What an earlier run of the request did to it: a batch that failed is done again. */
static void give_free(struct envelope *envelope, struct pace_outcome *outcome)
{
	if (outcome->held != HOLD_ORDINARY) {
		for (size_t i = 0; i < envelope->recipient_count; i++) {
			settle_release(&envelope->recipients[i], envelope->received_unix_ms);
			envelope->recipients[i].reason = NULL;
		}
		settle_forget_kind(envelope);
	}
	*outcome = (struct pace_outcome){.held = HOLD_ORDINARY};
}

static bool is_held(const struct envelope *envelope)
{
	for (size_t i = 0; i < envelope->recipient_count; i++)
		if (envelope->recipients[i].state == RECIPIENT_HELD)
			return true;
	return false;
}

#define V6_HOST_BYTES 8

/* An address; of IPv6 its /64, all of which are one host's to take. */
static const char *name_address(const char *client, char out[USAGE_NAME_SIZE])
{
	struct in6_addr network;
	char text[INET6_ADDRSTRLEN];

	if (inet_pton(AF_INET6, client, &network) != 1)
		return client;
	memset(network.s6_addr + V6_HOST_BYTES, 0, V6_HOST_BYTES);
	inet_ntop(AF_INET6, &network, text, sizeof(text));
	snprintf(out, USAGE_NAME_SIZE, "%s/64", text);
	return out;
}

static int gather_shares(struct writer *writer, struct store_batch *batch,
	const struct pace_terms *terms, const struct envelope *envelope)
{
	bool is_nobody = envelope->grant == NULL && envelope->account == NULL;
	char name[USAGE_NAME_SIZE];
	int rc = 0;

	if (envelope->grant != NULL)
		rc = add_share(writer, batch, USAGE_GRANT, envelope->grant);
	if (rc == 0 && envelope->account != NULL)
		rc = add_share(writer, batch, USAGE_ACCOUNT, envelope->account);
	if (rc == 0 &&
		(has_rate(&terms->rates[PACE_ADDRESS]) || (is_nobody && terms->counts_address)))
		rc = add_share(writer, batch, USAGE_ADDRESS, name_address(envelope->client, name));
	return rc;
}

/* Who needs approval is its grant, or else its account, or else its address where that is counted. */
static bool needs_approval(const struct pace_terms *terms, const struct share *share)
{
	return (terms->approve_messages != 0 || terms->approve_recipients != 0) &&
	       (share->kept->usage->kind != USAGE_ADDRESS || terms->counts_address);
}

static bool is_told_only(const struct pace_terms *terms, const struct share *share)
{
	return share->kept->usage->kind == USAGE_ADDRESS && terms->tells_of_address;
}

static int judge(struct writer *writer, struct writer_request *request)
{
	struct writer_pace *pace = writer->pace;
	struct envelope *envelope = request->message->envelope;
	const struct pace_terms *terms = &request->message->pace;
	struct pace_outcome *outcome = &request->pace;
	uint64_t now_unix_ms = clock_unix_ms(writer->clock);
	uint32_t today = usage_day_of(now_unix_ms);
	uint64_t permitted = find_time(
		pace, terms, (uint32_t)envelope->recipient_count, now_unix_ms * 1000, outcome);
	int over = 0;

	outcome->until_unix_ms = (permitted + 999) / 1000;
	if (permitted > now_unix_ms * 1000 && terms->refuses)
		return -EAGAIN;
	note_change(pace, pace->shares[0].kept);
	if (needs_approval(terms, &pace->shares[0]))
		over = is_over_volume(pace->shares[0].kept, terms, today, envelope, outcome);
	if (over < 0 || is_held(envelope)) /* a hold that was there goes before these */
		return over < 0 ? over : 0;
	outcome->is_first = over > 0 && pace->shares[0].kept->usage->told_day != today;
	if (over > 0 && !is_told_only(terms, &pace->shares[0])) {
		outcome->until_unix_ms = now_unix_ms + (uint64_t)terms->approve_hold_ms;
		return hold(envelope, HOLD_VOLUME, outcome, now_unix_ms);
	}
	if (permitted > now_unix_ms * 1000)
		return hold(envelope, HOLD_PACED, outcome, now_unix_ms);
	return 0;
}

/* A notice that comes once a day at most. A batch that fails forgets that it came. */
static int judge_daily(
	struct writer *writer, struct store_batch *batch, const struct envelope *envelope)
{
	struct writer_pace *pace = writer->pace;
	uint32_t today = usage_day_of(clock_unix_ms(writer->clock));
	int rc = add_share(writer, batch, USAGE_GRANT, envelope->grant);
	struct kept *kept = rc == 0 ? pace->shares[0].kept : NULL;

	pace->share_count = 0; /* it is no mail of the grant's */
	if (rc < 0)
		return rc;
	if (kept->usage->notice_day == today)
		return -EAGAIN;
	note_change(pace, kept);
	kept->usage->notice_day = today;
	return 0;
}

int writer_pace_judge(
	struct writer *writer, struct store_batch *batch, struct writer_request *request)
{
	const struct pace_terms *terms = &request->message->pace;
	struct envelope *envelope = request->message->envelope;
	int rc;

	writer->pace->share_count = 0;
	if (request->message->is_daily)
		return judge_daily(writer, batch, envelope);
	if (envelope->flags & (ENVELOPE_LOCAL | ENVELOPE_PARTIAL))
		return 0;
	give_free(envelope, &request->pace);
	rc = gather_shares(writer, batch, terms, envelope);
	return rc < 0 || writer->pace->share_count == 0 ? rc : judge(writer, request);
}

/* ---- 2 ---- */

void writer_pace_count(struct writer *writer, const struct writer_request *request)
{
	const struct envelope *envelope = request->message->envelope;
	uint64_t now_unix_ms = clock_unix_ms(writer->clock);

	for (size_t i = 0; i < writer->pace->share_count; i++) {
		const struct share *share = &writer->pace->shares[i];
		struct usage *usage = share->kept->usage;

		note_change(writer->pace, share->kept);
		usage->messages_full_unix_us = share->messages_full_unix_us;
		usage->recipients_full_unix_us = share->recipients_full_unix_us;
		usage_count(usage, now_unix_ms, (uint32_t)envelope->recipient_count,
			envelope->size_bytes);
		usage->unmarked_bulk += request->message->pace.is_unmarked_bulk;
		usage->paced += request->pace.held == HOLD_PACED;
		usage->held += request->pace.held == HOLD_VOLUME;
		if (request->pace.is_first && i == 0)
			usage->told_day = usage_day_of(now_unix_ms);
	}
	writer->pace->share_count = 0;
}

/* ---- 3 and 4 ---- */

int writer_pace_save(struct writer *writer, struct store_batch *batch)
{
	struct writer_pace *pace = writer->pace;
	int rc = 0;

	for (size_t i = 0; i < pace->changed_count && rc == 0; i++)
		rc = store_put_usage(batch, pace->changed[i]->usage);
	return rc;
}

void writer_pace_saved(struct writer *writer)
{
	struct writer_pace *pace = writer->pace;

	while (pace->changed_count > 0)
		pace->changed[--pace->changed_count]->changed = false;
}

void writer_pace_forget(struct writer *writer)
{
	struct writer_pace *pace = writer->pace;

	while (pace->changed_count > 0)
		drop(pace, pace->changed[--pace->changed_count]);
}
