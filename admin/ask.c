#include "admin/ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/reload.h"

#define CLOSE_WAIT_MS      3000
#define HOSTS_FIRST        32 /* hosts that a first question has room for */
#define HOST_NAME_MAX_SIZE 300

struct ask {
	struct mailbox *scheduler;
	struct writer *writer;
	struct registrar *registrar;
	struct mailbox *main;
	letter_read_fn *reload;
	struct mailbox *accounts;
	letter_read_fn *lockouts;
	struct mailbox *inbox;
	const struct clock *clock;
	void *reader;
	bool hurry;
	size_t out; /* questions that have not come back */
	size_t host_room;
};

struct question;
typedef void question_free_fn(struct question *question);

/* First in each question. Flags are the admin thread's; what is asked is the scheduler's thread's until it comes back. */
struct question {
	struct ask *ask;
	question_free_fn *free;
	bool answered;
	bool left; /* nobody waits for it any more */
};

struct ask *ask_open(
	struct mailbox *scheduler, struct writer *writer, const struct clock *clock, size_t more)
{
	struct ask *ask = calloc(1, sizeof(*ask));

	if (ask == NULL)
		return NULL;
	ask->scheduler = scheduler;
	ask->writer = writer;
	ask->clock = clock;
	ask->host_room = HOSTS_FIRST;
	ask->inbox = mailbox_open(ASK_CREDITS + more);
	if (ask->inbox == NULL) {
		free(ask);
		return NULL;
	}
	return ask;
}

struct mailbox *ask_inbox(struct ask *ask)
{
	return ask->inbox;
}

void ask_set_reader(struct ask *ask, void *reader)
{
	ask->reader = reader;
}

void ask_set_main(struct ask *ask, struct mailbox *main, letter_read_fn *read)
{
	ask->main = main;
	ask->reload = read;
}

void ask_set_accounts(struct ask *ask, struct mailbox *accounts, letter_read_fn *read)
{
	ask->accounts = accounts;
	ask->lockouts = read;
}

void ask_set_registrar(struct ask *ask, struct registrar *registrar)
{
	ask->registrar = registrar;
}

void ask_hurry(struct ask *ask)
{
	ask->hurry = true;
}

bool ask_read_inbox(struct ask *ask)
{
	struct letter *letter;

	while ((letter = mailbox_pop(ask->inbox)) != NULL)
		letter->read(letter, ask->reader);
	return mailbox_rest(ask->inbox);
}

/* Reads the inbox until `*done`, or until `wait_ms` are over. */
static bool read_until(struct ask *ask, const bool *done, int64_t wait_ms)
{
	struct pollfd poll_fd = {.fd = mailbox_fd(ask->inbox), .events = POLLIN};
	int64_t deadline_ms = clock_mono_ms(ask->clock) + wait_ms;

	for (;;) {
		bool empty = ask_read_inbox(ask);
		int64_t left_ms = deadline_ms - clock_mono_ms(ask->clock);

		if (*done)
			return true;
		if (left_ms <= 0 || ask->hurry)
			return false;
		if (empty) {
			poll(&poll_fd, 1, (int)left_ms);
			mailbox_wake(ask->inbox);
		}
	}
}

void ask_close(struct ask **ask)
{
	bool never = false;

	if (ask == NULL || *ask == NULL)
		return;
	(*ask)->hurry = false;
	for (int64_t waited_ms = 0; (*ask)->out > 0 && waited_ms < CLOSE_WAIT_MS; waited_ms += 50)
		read_until(*ask, &never, 50);
	ask_read_inbox(*ask);
	if ((*ask)->out > 0) {
		/* They may still come: what they come back to has to stay. */
		log_event(LOG_WARNING, "admin_questions_lost", "count=%zu", (*ask)->out);
		*ask = NULL;
		return;
	}
	mailbox_close(&(*ask)->inbox);
	free(*ask);
	*ask = NULL;
}

/* On the heap, with a credit; NULL: *error says why. The struct's first member is its struct question. */
static void *new_question(struct ask *ask, size_t size, question_free_fn *free_question, int *error)
{
	struct question *question;

	*error = -EAGAIN;
	if (ask->out >= ASK_CREDITS)
		return NULL;
	*error = -ENOMEM;
	question = calloc(1, size);
	if (question == NULL)
		return NULL;
	question->ask = ask;
	question->free = free_question;
	ask->out++;
	return question;
}

/* Runs on the admin thread when a question came back. */
static void take_back(struct question *question)
{
	question->ask->out--;
	question->answered = true;
	if (question->left)
		question->free(question);
}

static void send_to_scheduler(struct ask *ask, struct letter *letter)
{
	if (!mailbox_push(ask->scheduler, letter))
		log_panic("the scheduler's inbox has no room for a question of the admin socket");
}

/* True: answered, and the caller's again. False: it is left to itself. */
static bool wait_for(struct question *question, int64_t wait_ms)
{
	if (read_until(question->ask, &question->answered, wait_ms))
		return true;
	question->left = true;
	return false;
}

static void send_back(struct ask *ask, struct letter *letter, letter_read_fn *read)
{
	letter->read = read;
	if (!mailbox_push(ask->inbox, letter))
		log_panic("the admin thread's inbox has no room for an answer");
}

/* ---- what the scheduler has in memory ---- */

struct snapshot_question {
	struct question question;
	struct letter letter;
	struct snapshot snapshot;
	size_t host_room;
};

void snapshot_fini(struct snapshot *snapshot)
{
	free(snapshot->hosts);
	free(snapshot->ids);
	free(snapshot->claimed);
	*snapshot = (struct snapshot){0};
}

static void free_snapshot_question(struct question *question)
{
	struct snapshot_question *whole = (struct snapshot_question *)question;

	snapshot_fini(&whole->snapshot);
	free(whole);
}

static void snapshot_answered(struct letter *letter, void *reader)
{
	(void)reader;
	take_back(&LETTER_OF(letter, struct snapshot_question, letter)->question);
}

static void fill_snapshot(struct letter *letter, void *context)
{
	struct snapshot_question *whole = LETTER_OF(letter, struct snapshot_question, letter);
	struct snapshot *snapshot = &whole->snapshot;
	struct scheduler *scheduler = context;

	snapshot->host_count = scheduler_hosts(scheduler, snapshot->hosts, whole->host_room);
	snapshot->delivering = scheduler_delivering(scheduler);
	snapshot->scanning = scheduler_scanning(scheduler);
	for (size_t i = 0; i < snapshot->id_count; i++)
		snapshot->claimed[i] = scheduler_is_claimed(scheduler, snapshot->ids[i]);
	snapshot->known = true;
	send_back(whole->question.ask, letter, snapshot_answered);
}

static struct snapshot_question *new_snapshot_question(
	struct ask *ask, const uint64_t *ids, size_t id_count, int *error)
{
	struct snapshot_question *whole =
		new_question(ask, sizeof(*whole), free_snapshot_question, error);
	struct snapshot *snapshot;

	if (whole == NULL)
		return NULL;
	snapshot = &whole->snapshot;
	whole->letter.read = fill_snapshot;
	whole->host_room = ask->host_room;
	snapshot->hosts = calloc(whole->host_room, sizeof(*snapshot->hosts));
	snapshot->ids = calloc(id_count + 1, sizeof(*snapshot->ids));
	snapshot->claimed = calloc(id_count + 1, sizeof(*snapshot->claimed));
	if (snapshot->hosts == NULL || snapshot->ids == NULL || snapshot->claimed == NULL) {
		free_snapshot_question(&whole->question);
		ask->out--;
		*error = -ENOMEM;
		return NULL;
	}
	if (id_count > 0)
		memcpy(snapshot->ids, ids, id_count * sizeof(*ids));
	snapshot->id_count = id_count;
	return whole;
}

static int ask_snapshot_once(
	struct ask *ask, const uint64_t *ids, size_t id_count, struct snapshot *out)
{
	struct snapshot_question *whole;
	int error;

	whole = new_snapshot_question(ask, ids, id_count, &error);
	if (whole == NULL)
		return error;
	send_to_scheduler(ask, &whole->letter);
	if (!wait_for(&whole->question, ASK_ANSWER_MS))
		return -ETIMEDOUT;
	*out = whole->snapshot;
	whole->snapshot = (struct snapshot){0};
	free_snapshot_question(&whole->question);
	return 0;
}

int ask_snapshot(struct ask *ask, const uint64_t *ids, size_t id_count, struct snapshot *out)
{
	int rc;

	*out = (struct snapshot){0};
	rc = ask_snapshot_once(ask, ids, id_count, out);
	if (rc < 0 || out->host_count <= ask->host_room)
		return rc;
	/* More hosts than there was room for: a reload may have brought them. */
	ask->host_room = out->host_count + HOSTS_FIRST;
	snapshot_fini(out);
	rc = ask_snapshot_once(ask, ids, id_count, out);
	if (rc == 0 && out->host_count > ask->host_room)
		out->host_count = ask->host_room;
	return rc;
}

bool snapshot_claims(const struct snapshot *snapshot, uint64_t id)
{
	for (size_t i = 0; i < snapshot->id_count; i++) {
		if (snapshot->ids[i] == id)
			return snapshot->claimed[i];
	}
	return false;
}

static void free_plain_question(struct question *question)
{
	free(question);
}

/* ---- how full the store is ---- */

struct fill_question {
	struct question question;
	struct writer_request request;
	struct store_fill fill;
};

static void fill_answered(struct letter *letter, void *reader)
{
	(void)reader;
	take_back(&LETTER_OF(letter, struct fill_question, request.letter)->question);
}

static int read_fill(struct store *store, void *argument)
{
	return store_fill(store, argument);
}

int ask_fill(struct ask *ask, struct store_fill *out)
{
	struct fill_question *whole;
	int result;

	whole = new_question(ask, sizeof(*whole), free_plain_question, &result);
	if (whole == NULL)
		return result;
	whole->request = (struct writer_request){
		.letter.read = fill_answered,
		.answer_to = ask->inbox,
		.verb = WRITER_CALL,
		.call = read_fill,
		.argument = &whole->fill,
	};
	writer_submit(ask->writer, &whole->request);
	if (!wait_for(&whole->question, ASK_ANSWER_MS))
		return -ETIMEDOUT;
	result = whole->request.result;
	*out = whole->fill;
	free(whole);
	return result;
}

/* ---- pause and resume ---- */

struct pause_question {
	struct question question;
	struct letter letter;
	char host[HOST_NAME_MAX_SIZE];
	bool paused;
	int result;
};

static void pause_answered(struct letter *letter, void *reader)
{
	(void)reader;
	take_back(&LETTER_OF(letter, struct pause_question, letter)->question);
}

static void pause_host(struct letter *letter, void *context)
{
	struct pause_question *whole = LETTER_OF(letter, struct pause_question, letter);

	whole->result = scheduler_pause(context, whole->host, whole->paused);
	send_back(whole->question.ask, letter, pause_answered);
}

int ask_pause(struct ask *ask, const char *host, bool paused)
{
	struct pause_question *whole;
	int result;

	if (strlen(host) >= HOST_NAME_MAX_SIZE)
		return -ENOENT;
	whole = new_question(ask, sizeof(*whole), free_plain_question, &result);
	if (whole == NULL)
		return result;
	whole->letter.read = pause_host;
	whole->paused = paused;
	memcpy(whole->host, host, strlen(host) + 1);
	send_to_scheduler(ask, &whole->letter);
	if (!wait_for(&whole->question, ASK_ANSWER_MS))
		return -ETIMEDOUT;
	result = whole->result;
	free(whole);
	return result;
}

/* ---- acts on messages ---- */

struct act_question {
	struct question question;
	struct act act;
};

static void act_answered(struct letter *letter, void *reader)
{
	(void)reader;
	take_back(&LETTER_OF(letter, struct act_question, act.letter)->question);
}

int ask_act(struct ask *ask, enum act_verb verb, uint64_t id, uint64_t hold_until_unix_ms,
	const char *who)
{
	struct act_question *whole;
	int result;

	whole = new_question(ask, sizeof(*whole), free_plain_question, &result);
	if (whole == NULL)
		return result;
	whole->act = (struct act){
		.letter.read = scheduler_act_read,
		.verb = verb,
		.id = id,
		.hold_until_unix_ms = hold_until_unix_ms,
		.answer_to = ask->inbox,
		.answered = act_answered,
	};
	snprintf(whole->act.who, sizeof(whole->act.who), "%s", who);
	send_to_scheduler(ask, &whole->act.letter);
	if (!wait_for(&whole->question, ASK_ACT_MS))
		return -ETIMEDOUT;
	result = whole->act.result;
	free(whole);
	return result;
}

/* ---- changes of the registry ---- */

struct register_question {
	struct question question;
	struct writer_request request;
	struct registrar_request in_force;
	bool is_stored;
	char refused[REGISTRY_NAME_SIZE];
	struct registry_change *changes; /* a copy, with all that it points to, in one block */
};

static void free_register_question(struct question *question)
{
	struct register_question *whole = (struct register_question *)question;

	free(whole->changes);
	free(whole);
}

static size_t change_bytes(const struct registry_change *change)
{
	return change->size + strlen(change->name) + strlen(change->who) + strlen(change->act) +
	       strlen(change->why) + 4;
}

static const void *copy_to(char **end, const void *from, size_t size)
{
	char *copy = *end;

	memcpy(copy, from, size);
	*end += size;
	return copy;
}

static void copy_change(
	struct registry_change *to, const struct registry_change *change, char **end)
{
	*to = *change;
	to->name = copy_to(end, change->name, strlen(change->name) + 1);
	to->who = copy_to(end, change->who, strlen(change->who) + 1);
	to->act = copy_to(end, change->act, strlen(change->act) + 1);
	to->why = copy_to(end, change->why, strlen(change->why) + 1);
	if (change->record != NULL)
		to->record = copy_to(end, change->record, change->size);
	to->next = change->next != NULL ? to + 1 : NULL;
}

static struct registry_change *copy_changes(const struct registry_change *changes)
{
	size_t size = 1, count = 0;
	struct registry_change *copy;
	char *end;

	for (const struct registry_change *at = changes; at != NULL; at = at->next, count++)
		size += sizeof(*at) + change_bytes(at);
	copy = malloc(size);
	if (copy == NULL)
		return NULL;
	end = (char *)(copy + count);
	count = 0;
	for (const struct registry_change *at = changes; at != NULL; at = at->next)
		copy_change(&copy[count++], at, &end);
	return copy;
}

static void change_in_force(struct letter *letter, void *reader)
{
	(void)reader;
	take_back(&LETTER_OF(letter, struct register_question, in_force.letter)->question);
}

/* Where it is not known whether it is stored, it is looked at what is. */
static void change_stored(struct letter *letter, void *reader)
{
	struct register_question *whole =
		LETTER_OF(letter, struct register_question, request.letter);
	int result = whole->request.result;

	(void)reader;
	whole->is_stored = result == 0;
	if (whole->request.refused != NULL)
		snprintf(
			whole->refused, sizeof(whole->refused), "%s", whole->request.refused->name);
	if ((result != 0 && result != -EIO) || whole->question.ask->registrar == NULL) {
		take_back(&whole->question);
		return;
	}
	whole->in_force.answer_to = whole->question.ask->inbox;
	whole->in_force.answered = change_in_force;
	registrar_ask(whole->question.ask->registrar, &whole->in_force);
}

int ask_register(struct ask *ask, const struct registry_change *changes, char *refused)
{
	struct register_question *whole;
	int result;

	if (refused != NULL)
		refused[0] = '\0';
	whole = new_question(ask, sizeof(*whole), free_register_question, &result);
	if (whole == NULL)
		return result;
	whole->changes = copy_changes(changes);
	if (whole->changes == NULL) {
		free_register_question(&whole->question);
		ask->out--;
		return -ENOMEM;
	}
	whole->request = (struct writer_request){
		.letter.read = change_stored,
		.answer_to = ask->inbox,
		.verb = WRITER_REGISTER,
		.registry = whole->changes,
	};
	writer_submit(ask->writer, &whole->request);
	if (!wait_for(&whole->question, ASK_ACT_MS))
		return whole->is_stored ? -EINPROGRESS : -ETIMEDOUT;
	result = whole->request.result;
	if (result == 0 && whole->in_force.result < 0)
		result = -EINPROGRESS;
	if (refused != NULL)
		memcpy(refused, whole->refused, sizeof(whole->refused));
	free_register_question(&whole->question);
	return result;
}

/* ---- all that is held of a kind ---- */

struct holds_question {
	struct question question;
	struct holds_errand errand;
};

static void holds_answered(struct letter *letter, void *reader)
{
	(void)reader;
	take_back(&LETTER_OF(letter, struct holds_question, errand.letter)->question);
}

int ask_holds(struct ask *ask, const struct holds_errand *errand, uint64_t *count)
{
	struct holds_question *whole;
	int result;

	*count = 0;
	whole = new_question(ask, sizeof(*whole), free_plain_question, &result);
	if (whole == NULL)
		return result;
	whole->errand = *errand;
	whole->errand.letter.read = scheduler_holds_read;
	whole->errand.answer_to = ask->inbox;
	whole->errand.answered = holds_answered;
	send_to_scheduler(ask, &whole->errand.letter);
	if (!wait_for(&whole->question, ASK_ACT_MS))
		return -ETIMEDOUT;
	result = whole->errand.result;
	*count = whole->errand.count;
	free(whole);
	return result;
}

/* ---- the queue of who is suspended ---- */

struct suspend_question {
	struct question question;
	struct suspend_errand errand;
};

static void suspend_answered(struct letter *letter, void *reader)
{
	(void)reader;
	take_back(&LETTER_OF(letter, struct suspend_question, errand.letter)->question);
}

int ask_suspended(struct ask *ask, struct suspend_counts *out)
{
	struct suspend_question *whole;
	int result;

	*out = (struct suspend_counts){0};
	whole = new_question(ask, sizeof(*whole), free_plain_question, &result);
	if (whole == NULL)
		return result;
	whole->errand.letter.read = scheduler_suspend_read;
	whole->errand.answer_to = ask->inbox;
	whole->errand.answered = suspend_answered;
	send_to_scheduler(ask, &whole->errand.letter);
	if (!wait_for(&whole->question, ASK_ACT_MS))
		return -ETIMEDOUT;
	result = whole->errand.result;
	*out = whole->errand.counts;
	free(whole);
	return result;
}

/* ---- reload ---- */

struct reload_question {
	struct question question;
	struct reload_request request;
};

static void reload_answered(struct letter *letter, void *reader)
{
	(void)reader;
	take_back(&LETTER_OF(letter, struct reload_question, request.letter)->question);
}

int ask_reload(struct ask *ask, struct reason *reason)
{
	struct reload_question *whole;
	int result;

	whole = new_question(ask, sizeof(*whole), free_plain_question, &result);
	if (whole == NULL)
		return result;
	whole->request.letter.read = ask->reload;
	whole->request.answer_to = ask->inbox;
	whole->request.answered = reload_answered;
	if (!mailbox_push(ask->main, &whole->request.letter))
		log_panic("main's inbox has no room for a reload");
	if (!wait_for(&whole->question, ASK_ACT_MS))
		return -ETIMEDOUT;
	result = whole->request.result;
	*reason = whole->request.reason;
	free(whole);
	return result;
}

/* ---- lock-outs ---- */

#define LOCKOUTS_SHOWN 1000

struct lockout_question {
	struct question question;
	struct lockout_request request;
};

static void free_lockout_question(struct question *question)
{
	struct lockout_question *whole = (struct lockout_question *)question;

	free(whole->request.list);
	free(whole);
}

static void lockouts_answered(struct letter *letter, void *reader)
{
	(void)reader;
	take_back(&LETTER_OF(letter, struct lockout_question, request.letter)->question);
}

static struct lockout_question *new_lockout_question(struct ask *ask, int *error)
{
	struct lockout_question *whole =
		new_question(ask, sizeof(*whole), free_lockout_question, error);

	if (whole == NULL)
		return NULL;
	whole->request.letter.read = ask->lockouts;
	whole->request.answer_to = ask->inbox;
	whole->request.answered = lockouts_answered;
	return whole;
}

/* False: the answer did not come in time. */
static bool ask_accounts(struct lockout_question *whole)
{
	if (!mailbox_push(whole->question.ask->accounts, &whole->request.letter))
		log_panic("the accounts' inbox has no room for a question of the admin socket");
	return wait_for(&whole->question, ASK_ANSWER_MS);
}

void lockout_list_fini(struct lockout_list *list)
{
	free(list->items);
	*list = (struct lockout_list){0};
}

int ask_lockouts(struct ask *ask, struct lockout_list *out)
{
	struct lockout_question *whole;
	struct lockout_request *request;
	int error;

	*out = (struct lockout_list){0};
	if (ask->accounts == NULL)
		return 0;
	whole = new_lockout_question(ask, &error);
	if (whole == NULL)
		return error;
	request = &whole->request;
	request->list = calloc(LOCKOUTS_SHOWN, sizeof(*request->list));
	if (request->list == NULL) {
		free_lockout_question(&whole->question);
		ask->out--;
		return -ENOMEM;
	}
	request->room = LOCKOUTS_SHOWN;
	if (!ask_accounts(whole))
		return -ETIMEDOUT;
	out->items = request->list;
	out->total = request->total;
	out->count = request->total < request->room ? request->total : request->room;
	request->list = NULL;
	free_lockout_question(&whole->question);
	return 0;
}

int ask_unlock(struct ask *ask, const char *who, const char *by)
{
	struct lockout_question *whole;
	int result;

	if (ask->accounts == NULL || who[0] == '\0' || strlen(who) >= LOCKOUT_WHO_SIZE)
		return -ENOENT;
	whole = new_lockout_question(ask, &result);
	if (whole == NULL)
		return result;
	snprintf(whole->request.who, sizeof(whole->request.who), "%s", who);
	snprintf(whole->request.by, sizeof(whole->request.by), "%s", by);
	if (!ask_accounts(whole))
		return -ETIMEDOUT;
	result = whole->request.lifted > 0 ? 0 : -ENOENT;
	free_lockout_question(&whole->question);
	return result;
}
