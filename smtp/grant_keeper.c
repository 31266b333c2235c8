#include "smtp/grant_keeper.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/log.h"
#include "queue/expiry.h"
#include "queue/grant_notice.h"
#include "queue/scheduler.h"
#include "smtp/grant_mail.h"
#include "smtp/grant_summary.h"

#define BUNDLE        64 /* so many grants are told of in one request, and a step's more at most */
#define CASES_MAX     (BUNDLE + KEEPER_STEP)
#define HOLDERS_MAX   64 /* grants whose mail is held, that one pass looks at */
#define ANSWER_MS     20
#define STEP_MS       1
#define AGAIN_MS      60000 /* when the store did not take it */
#define REST_PART     20 /* of the time at most is spent with passes */
#define WHO           "sluice"
#define HOLD_UPSTREAM ((uint16_t)(UPSTREAM_KINDS + HOLD_LAPSED))

/*
 *	REST ──► GRANTS ──► SUMMARY ──► HELD ──► ERRANDS ──► REST
 */
enum phase { PHASE_REST, PHASE_GRANTS, PHASE_SUMMARY, PHASE_HELD, PHASE_ERRANDS };

enum fate { FATE_LEAVE, FATE_RELEASE, FATE_RETURN };

/* A grant of which mail is held. */
struct holder {
	char name[GRANT_NAME_SIZE];
	enum fate fate;
};

struct grant_keeper {
	struct grant_keeper_options options;
	struct config *config;
	struct store_view *view;
	struct expiry expiry;
	bool stopped;

	/* when */
	uint64_t journal_seen; /* its end when the last pass began */
	uint64_t due_unix_ms; /* the next notice */
	int64_t pass_mono_ms; /* the next pass, whatever happens */
	int64_t rest_mono_ms; /* and none before */
	int64_t began_mono_ms;

	/* the pass */
	enum phase phase;
	uint64_t proven_unix_ms, now_unix_ms, next_unix_ms;
	bool sums; /* the summary is due */
	bool failed; /* something was not stored: soon again */
	char after[REGISTRY_NAME_SIZE];
	struct grant_case cases[CASES_MAX];
	size_t case_count;
	struct grant_summary summary;

	/* what is held */
	unsigned lane;
	int64_t bucket;
	struct store_due row;
	struct holder holders[HOLDERS_MAX];
	size_t holder_count, holder_at;

	/* what is out: one of both at most */
	bool out;
	struct writer_request request;
	struct registry_change changes[CASES_MAX];
	struct bytes records[CASES_MAX];
	char whys[CASES_MAX][REGISTRY_WHY_SIZE];
	struct holds_errand errand;
};

/* ---- what is told to the writer ---- */

static void drop_cases(struct grant_keeper *keeper)
{
	for (size_t i = 0; i < keeper->case_count; i++)
		grant_close(&keeper->cases[i].grant);
	keeper->case_count = 0;
}

static void drop_request(struct grant_keeper *keeper)
{
	message_close(&keeper->request.message);
	for (size_t i = 0; i < CASES_MAX; i++)
		bytes_fini(&keeper->records[i]);
	keeper->request = (struct writer_request){0};
}

static const char *notice_name(unsigned notice)
{
	switch (notice) {
	case GRANT_TOLD_30_DAYS:
		return "30 days before the end";
	case GRANT_TOLD_7_DAYS:
		return "7 days before the end";
	case GRANT_TOLD_1_DAY:
		return "a day before the end";
	case GRANT_TOLD_LAPSED:
		return "it has lapsed";
	case GRANT_TOLD_ENDED:
		return "the grace is over";
	default:
		return "it was revoked";
	}
}

static const char *owner_of(const struct grant_keeper *keeper, const struct grant *grant)
{
	return grant->owner[0] != '\0' ? grant->owner : keeper->config->postmaster;
}

static void log_told(const struct grant_keeper *keeper)
{
	struct log_quoted to;

	for (size_t i = 0; i < keeper->case_count; i++)
		log_event(LOG_NOTICE, "grant_owner_told", "grant=%s to=<%s> what=\"%s\"",
			keeper->cases[i].grant->name,
			log_address(&to, owner_of(keeper, keeper->cases[i].grant)),
			notice_name(keeper->cases[i].notice));
}

static void not_stored(struct grant_keeper *keeper, int error)
{
	keeper->failed = true;
	if (error != -ESTALE && error != -ENOENT && error != -EEXIST)
		log_event_limited(LOG_WARNING, "grant_notices_wait",
			"error=%s hint=\"owners are told when the store takes it\"",
			strerrorname_np(-error));
}

static void read_answer(struct letter *letter, void *context)
{
	struct grant_keeper *keeper = LETTER_OF(letter, struct grant_keeper, request.letter);

	(void)context;
	keeper->out = false;
	if (keeper->request.result < 0)
		not_stored(keeper, keeper->request.result);
	else if (keeper->phase == PHASE_GRANTS)
		log_told(keeper);
	else
		log_event(LOG_NOTICE, "grant_summary", "mail=%s",
			keeper->request.message != NULL ? "yes" : "\"nothing to tell\"");
	drop_request(keeper);
	drop_cases(keeper);
}

static void submit(struct grant_keeper *keeper, struct message *message, size_t count)
{
	for (size_t i = 0; i + 1 < count; i++)
		keeper->changes[i].next = &keeper->changes[i + 1];
	keeper->request = (struct writer_request){
		.letter.read = read_answer,
		.answer_to = keeper->options.inbox,
		.verb = WRITER_REGISTER,
		.registry = keeper->changes,
		.message = message,
	};
	keeper->out = true;
	writer_submit(keeper->options.writer, &keeper->request);
}

/* ---- owners ---- */

static int compare_cases(const void *a, const void *b)
{
	const struct grant_case *one = a, *other = b;
	int order = strcasecmp(one->grant->owner, other->grant->owner);

	if (order == 0)
		order = (one->notice > other->notice) - (one->notice < other->notice);
	return order != 0 ? order : strcmp(one->grant->name, other->grant->name);
}

static bool is_told_together(const struct grant_case *one, const struct grant_case *other)
{
	return one->notice == other->notice &&
	       strcasecmp(one->grant->owner, other->grant->owner) == 0;
}

/* The mails of all cases, which are sorted. 0 or -ENOMEM. */
static int write_mails(struct grant_keeper *keeper, struct message **list)
{
	size_t from = 0, to;
	int rc = 0;

	*list = NULL;
	for (; from < keeper->case_count && rc == 0; from = to) {
		struct message *message = NULL;

		for (to = from + 1; to < keeper->case_count; to++)
			if (!is_told_together(&keeper->cases[from], &keeper->cases[to]))
				break;
		rc = grant_mail_write(keeper->config, &keeper->cases[from], to - from,
			keeper->now_unix_ms, id_next(keeper->options.ids), &message);
		if (rc == 0) {
			message->next = *list;
			*list = message;
		}
	}
	if (rc < 0)
		message_close(list);
	return rc;
}

static bool write_change(struct grant_keeper *keeper, size_t which)
{
	struct grant_case *told = &keeper->cases[which];
	struct grant *grant = told->grant;

	grant->told = grant_notice_add(grant->told, told->notice);
	snprintf(keeper->whys[which], REGISTRY_WHY_SIZE, "%s: %.300s", notice_name(told->notice),
		owner_of(keeper, grant));
	if (!grant_encode(grant, &keeper->records[which]))
		return false;
	keeper->changes[which] = (struct registry_change){.kind = REGISTRY_GRANT,
		.name = grant->name,
		.revision = grant->revision,
		.record = keeper->records[which].data,
		.size = keeper->records[which].size,
		.now_unix_ms = keeper->now_unix_ms,
		.who = WHO,
		.act = "told",
		.why = keeper->whys[which]};
	return true;
}

static void tell_owners(struct grant_keeper *keeper)
{
	struct message *mails = NULL;
	bool good;

	qsort(keeper->cases, keeper->case_count, sizeof(keeper->cases[0]), compare_cases);
	good = write_mails(keeper, &mails) == 0;
	for (size_t i = 0; good && i < keeper->case_count; i++)
		good = write_change(keeper, i);
	if (good) {
		submit(keeper, mails, keeper->case_count);
		return;
	}
	not_stored(keeper, -ENOMEM);
	message_close(&mails);
	drop_request(keeper);
	drop_cases(keeper);
}

/* Takes the grant where its owner is to be told. False without memory. */
static bool look_at_grant(struct grant_keeper *keeper, struct grant **grant)
{
	uint64_t next_unix_ms;
	unsigned notice = grant_notice_due(
		*grant, keeper->proven_unix_ms, keeper->config->grace_ms, &next_unix_ms);
	struct grant_usage usage = {0};
	bool good = true;

	if (next_unix_ms < keeper->next_unix_ms)
		keeper->next_unix_ms = next_unix_ms;
	if (notice != GRANT_NOTICE_NONE && keeper->proven_unix_ms == 0)
		keeper->next_unix_ms = 0; /* as soon as the time is proven */
	if (keeper->sums || notice != GRANT_NOTICE_NONE)
		grant_usage_of(keeper->view, (*grant)->name, keeper->now_unix_ms, &usage);
	if (keeper->sums)
		good = grant_summary_add(&keeper->summary, *grant, &usage, keeper->now_unix_ms);
	if (notice != GRANT_NOTICE_NONE && keeper->proven_unix_ms != 0) {
		keeper->cases[keeper->case_count++] =
			(struct grant_case){.grant = *grant, .notice = notice, .usage = usage};
		*grant = NULL;
	}
	return good;
}

static void step_grants(struct grant_keeper *keeper)
{
	struct registry_item items[KEEPER_STEP];
	ssize_t count = store_view_registry(
		keeper->view, REGISTRY_GRANT, keeper->after, items, KEEPER_STEP);

	keeper->failed |= count < 0;
	for (ssize_t i = 0; i < count; i++) {
		struct grant *grant = NULL;
		int rc = grant_decode(
			items[i].name, items[i].revision, items[i].record, items[i].size, &grant);

		if (rc == -ENOMEM || (rc == 0 && !look_at_grant(keeper, &grant)))
			keeper->failed = true;
		grant_close(&grant);
		memcpy(keeper->after, items[i].name, sizeof(keeper->after));
		registry_item_fini(&items[i]);
	}
	if (count == KEEPER_STEP && keeper->case_count < BUNDLE)
		return;
	if (keeper->case_count > 0)
		tell_owners(keeper);
	else
		keeper->phase = PHASE_SUMMARY;
}

/* ---- the summary ---- */

/* The mark; 0: there is none, or it lies ahead of the clock. -ENOENT as well, or the store's error. */
static int read_mark(struct grant_keeper *keeper, uint64_t *unix_ms, uint32_t *revision)
{
	struct registry_item item = {0};
	int rc = store_view_registered(keeper->view, REGISTRY_MARK, KEEPER_MARK, &item);

	*unix_ms = 0;
	*revision = item.revision;
	if (rc == 0 && grant_mark_decode(item.record, item.size, unix_ms) < 0)
		*unix_ms = 0;
	if (*unix_ms > clock_unix_ms(keeper->options.clock))
		*unix_ms = 0;
	registry_item_fini(&item);
	return rc == -ENOENT ? 0 : rc;
}

static bool is_summary_due(struct grant_keeper *keeper)
{
	uint64_t now_unix_ms = clock_unix_ms(keeper->options.clock), mark_unix_ms;
	uint32_t revision;

	if (keeper->config->summary_minute < 0 || read_mark(keeper, &mark_unix_ms, &revision) < 0)
		return false;
	return mark_unix_ms < week_minute_before(keeper->config->summary_minute, now_unix_ms);
}

/* Without a mark there was none before: the week begins now. */
static int write_summary(
	struct grant_keeper *keeper, uint64_t mark_unix_ms, struct message **message)
{
	*message = NULL;
	if (mark_unix_ms == 0)
		return 0;
	return grant_summary_write(&keeper->summary, keeper->config, keeper->now_unix_ms,
		id_next(keeper->options.ids), message);
}

static void send_summary(struct grant_keeper *keeper)
{
	struct message *message = NULL;
	uint64_t mark_unix_ms;
	uint32_t revision;
	int rc = read_mark(keeper, &mark_unix_ms, &revision);

	if (rc == 0)
		rc = write_summary(keeper, mark_unix_ms, &message);
	if (rc == 0 && !grant_mark_encode(keeper->now_unix_ms, &keeper->records[0]))
		rc = -ENOMEM;
	if (rc < 0) {
		not_stored(keeper, rc);
		message_close(&message);
		drop_request(keeper);
		return;
	}
	keeper->changes[0] = (struct registry_change){.kind = REGISTRY_MARK,
		.name = KEEPER_MARK,
		.revision = revision,
		.record = keeper->records[0].data,
		.size = keeper->records[0].size,
		.now_unix_ms = keeper->now_unix_ms,
		.who = WHO,
		.act = "summary",
		.why = ""};
	submit(keeper, message, 1);
}

static void step_summary(struct grant_keeper *keeper)
{
	bool sums = keeper->sums && !keeper->failed;

	keeper->sums = false;
	if (sums)
		send_summary(keeper);
	grant_summary_fini(&keeper->summary);
	if (sums)
		return;
	keeper->phase = PHASE_HELD;
	keeper->lane = 0;
	keeper->bucket = -1;
	keeper->row = (struct store_due){0};
	keeper->holder_count = keeper->holder_at = 0;
}

/* ---- mail that is held ---- */

/* Whether the grant's mail goes on, or back. */
static enum fate judge(struct grant_keeper *keeper, const char *name)
{
	struct registry_item item = {0};
	struct grant *grant = NULL;
	enum fate fate = FATE_LEAVE;
	enum grant_life life;
	int rc = store_view_registered(keeper->view, REGISTRY_GRANT, name, &item);

	if (rc == 0)
		rc = grant_decode(item.name, item.revision, item.record, item.size, &grant);
	if (rc == 0) {
		life = grant_life(grant, clock_unix_ms(keeper->options.clock));
		if (life == GRANT_LIFE_APPROVED || life == GRANT_LIFE_EXPIRING)
			fate = FATE_RELEASE;
		else if (life == GRANT_LIFE_REVOKED)
			fate = FATE_RETURN;
	}
	grant_close(&grant);
	registry_item_fini(&item);
	return fate;
}

/* Beyond HOLDERS_MAX they wait for the next pass. */
static void note_holder(struct grant_keeper *keeper, const char *name)
{
	struct holder *holder = keeper->holders;

	for (; holder < keeper->holders + keeper->holder_count; holder++)
		if (strcmp(holder->name, name) == 0)
			return;
	if (strlen(name) >= GRANT_NAME_SIZE)
		return;
	if (keeper->holder_count == HOLDERS_MAX) {
		keeper->failed |= judge(keeper, name) != FATE_LEAVE;
		return;
	}
	memcpy(holder->name, name, strlen(name) + 1);
	holder->fate = judge(keeper, name);
	keeper->holder_count++;
}

static void look_at_held(struct grant_keeper *keeper, uint64_t id)
{
	struct envelope *envelope = NULL;

	if (store_view_get(keeper->view, id, &envelope) == 0 && envelope->grant != NULL)
		note_holder(keeper, envelope->grant);
	envelope_close(&envelope);
}

/* The next bucket, of this lane or the next. False: there is none. */
static bool next_bucket(struct grant_keeper *keeper)
{
	uint64_t first_due;
	uint32_t bucket;

	keeper->row = (struct store_due){0};
	for (; keeper->lane < LANE_COUNT; keeper->lane++) {
		if (store_view_bucket(keeper->view, HOLD_UPSTREAM, (enum lane)keeper->lane,
			    keeper->bucket, &bucket, &first_due) == 0) {
			keeper->bucket = bucket;
			return true;
		}
		keeper->bucket = -1;
	}
	return false;
}

static void step_held(struct grant_keeper *keeper)
{
	struct store_due rows[KEEPER_STEP];
	uint64_t next;
	ssize_t count = 0;

	if (keeper->bucket >= 0)
		count = store_view_due(keeper->view, HOLD_UPSTREAM, (enum lane)keeper->lane,
			(uint32_t)keeper->bucket, keeper->row, UINT64_MAX, rows, KEEPER_STEP,
			&next);
	for (ssize_t i = 0; i < count; i++) {
		look_at_held(keeper, rows[i].id);
		keeper->row = rows[i];
	}
	if (count < KEEPER_STEP && !next_bucket(keeper))
		keeper->phase = PHASE_ERRANDS;
}

/* The scheduler logs what it did. */
static void read_errand(struct letter *letter, void *context)
{
	struct grant_keeper *keeper = LETTER_OF(letter, struct grant_keeper, errand.letter);

	(void)context;
	keeper->out = false;
}

static void step_errands(struct grant_keeper *keeper)
{
	const struct holder *holder = &keeper->holders[keeper->holder_at];

	while (keeper->holder_at < keeper->holder_count && holder->fate == FATE_LEAVE)
		holder = &keeper->holders[++keeper->holder_at];
	if (keeper->holder_at == keeper->holder_count) {
		keeper->phase = PHASE_REST;
		return;
	}
	keeper->holder_at++;
	keeper->errand = (struct holds_errand){.letter.read = scheduler_holds_read,
		.kind = HOLD_LAPSED,
		.returns = holder->fate == FATE_RETURN,
		.who = WHO,
		.answer_to = keeper->options.inbox,
		.answered = read_errand};
	memcpy(keeper->errand.grant, holder->name, sizeof(holder->name));
	keeper->out = true;
	if (!mailbox_push(keeper->options.scheduler, &keeper->errand.letter))
		log_panic("the scheduler's inbox has no room for the grant keeper's errand");
}

/* ---- passes ---- */

static bool is_pass_due(struct grant_keeper *keeper, int64_t now_mono_ms)
{
	uint64_t journal = keeper->journal_seen;

	if (now_mono_ms < keeper->rest_mono_ms)
		return false;
	(void)store_view_journal_end(keeper->view, &journal);
	return journal != keeper->journal_seen || now_mono_ms >= keeper->pass_mono_ms ||
	       (keeper->proven_unix_ms != 0 && keeper->proven_unix_ms >= keeper->due_unix_ms) ||
	       is_summary_due(keeper);
}

static void begin_pass(struct grant_keeper *keeper, int64_t now_mono_ms)
{
	keeper->phase = PHASE_GRANTS;
	keeper->began_mono_ms = now_mono_ms;
	keeper->now_unix_ms = clock_unix_ms(keeper->options.clock);
	keeper->next_unix_ms = UINT64_MAX;
	keeper->after[0] = '\0';
	keeper->failed = false;
	keeper->sums = is_summary_due(keeper);
	/* before anything is read: what changes meanwhile is seen by the next pass */
	(void)store_view_journal_end(keeper->view, &keeper->journal_seen);
}

static void end_pass(struct grant_keeper *keeper, int64_t now_mono_ms)
{
	int64_t rest_ms = (now_mono_ms - keeper->began_mono_ms) * REST_PART;

	keeper->due_unix_ms = keeper->next_unix_ms;
	keeper->rest_mono_ms = now_mono_ms + (rest_ms > KEEPER_REST_MS ? rest_ms : KEEPER_REST_MS);
	keeper->pass_mono_ms = now_mono_ms + (keeper->failed ? AGAIN_MS : KEEPER_PASS_MS);
}

static void step_pass(struct grant_keeper *keeper)
{
	switch (keeper->phase) {
	case PHASE_GRANTS:
		step_grants(keeper);
		break;
	case PHASE_SUMMARY:
		step_summary(keeper);
		break;
	case PHASE_HELD:
		step_held(keeper);
		break;
	case PHASE_ERRANDS:
		step_errands(keeper);
		break;
	case PHASE_REST:
		break;
	}
}

int64_t grant_keeper_step(struct grant_keeper *keeper)
{
	int64_t now_mono_ms = clock_mono_ms(keeper->options.clock), since_boot_ms;
	int64_t boot_ms = clock_boot_ms(keeper->options.clock), observe_ms;
	uint64_t now_unix_ms = clock_unix_ms(keeper->options.clock);

	observe_ms = expiry_observe(&keeper->expiry, boot_ms, now_unix_ms);
	if (keeper->out)
		return ANSWER_MS;
	if (keeper->phase == PHASE_REST) {
		keeper->proven_unix_ms =
			expiry_proven(&keeper->expiry, boot_ms, now_unix_ms, &since_boot_ms);
		if (keeper->stopped || !is_pass_due(keeper, now_mono_ms))
			return observe_ms < KEEPER_REST_MS ? observe_ms : KEEPER_REST_MS;
		begin_pass(keeper, now_mono_ms);
	}
	if (keeper->stopped)
		return KEEPER_REST_MS;
	step_pass(keeper);
	if (keeper->phase == PHASE_REST)
		end_pass(keeper, clock_mono_ms(keeper->options.clock));
	return STEP_MS;
}

/* ---- open and close ---- */

int grant_keeper_open(struct grant_keeper **out, const struct grant_keeper_options *options,
	struct reason *reason)
{
	struct grant_keeper *keeper = calloc(1, sizeof(*keeper));

	*out = keeper;
	if (keeper == NULL)
		return reason_set(reason, "out of memory");
	keeper->options = *options;
	keeper->config = config_share(options->config);
	expiry_init(&keeper->expiry, keeper->config->queue_lifetime_ms);
	if (store_view_open(options->store, &keeper->view) < 0) {
		grant_keeper_close(out);
		return reason_set(reason, "the grants' keeper has no view of the store");
	}
	return 0;
}

void grant_keeper_configure(struct grant_keeper *keeper, struct config *config)
{
	struct config *old = keeper->config;

	keeper->config = config_share(config);
	config_close(&old);
	expiry_set_lifetime(&keeper->expiry, config->queue_lifetime_ms);
	keeper->pass_mono_ms = 0; /* another grace, another week */
}

void grant_keeper_stop(struct grant_keeper *keeper)
{
	keeper->stopped = true;
}

void grant_keeper_close(struct grant_keeper **keeper)
{
	if (keeper == NULL || *keeper == NULL)
		return;
	drop_request(*keeper);
	drop_cases(*keeper);
	grant_summary_fini(&(*keeper)->summary);
	store_view_close(&(*keeper)->view);
	config_close(&(*keeper)->config);
	free(*keeper);
	*keeper = NULL;
}
