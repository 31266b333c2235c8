#include "queue/registrar.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/metrics.h"

STAILQ_HEAD(request_list, registrar_request);

struct registrar {
	const struct clock *clock;
	struct store_view *view;
	struct mailbox *inbox;
	struct permits *permits; /* the newest */
	struct request_list asked; /* for the table that is under way … */
	struct request_list waiting; /* … and for the next */
	bool wanted; /* a next one */
	int64_t again_mono_ms; /* not before that, as the last try failed */
	size_t out; /* letters that are with workers */

	letter_read_fn *read;
	struct mailbox *const *inboxes;
	pthread_t thread;
	bool started;
	_Atomic bool
		stopping; /* release in registrar_stop, acquire by its readers: the thread, who asks */
	struct mailbox *scheduler;
	letter_read_fn *scheduler_read;
	size_t worker_count;
	struct permits_letter scheduler_letter;
	struct permits_letter letters[];
};

/* ---- answers ---- */

static void answer(struct registrar_request *request, int result)
{
	request->result = result;
	request->letter.read = request->answered;
	if (!mailbox_push(request->answer_to, &request->letter))
		log_panic("registrar: no room for an answer; somebody spends credits that it has "
			  "not");
}

static void answer_all(struct request_list *requests, int result)
{
	struct registrar_request *request;

	while ((request = STAILQ_FIRST(requests)) != NULL) {
		STAILQ_REMOVE_HEAD(requests, entry);
		answer(request, result);
	}
}

/* ---- one table ---- */

static void give(struct registrar *registrar, struct permits_letter *letter, struct mailbox *inbox,
	letter_read_fn *read)
{
	letter->letter.read = read;
	letter->permits = permits_share(registrar->permits);
	letter->registrar = registrar;
	if (!mailbox_push(inbox, &letter->letter))
		log_panic("registrar: no room for a table where it is to be");
	registrar->out++;
}

static void give_out(struct registrar *registrar)
{
	for (size_t i = 0; i < registrar->worker_count; i++)
		give(registrar, &registrar->letters[i], registrar->inboxes[i], registrar->read);
	if (registrar->scheduler != NULL)
		give(registrar, &registrar->scheduler_letter, registrar->scheduler,
			registrar->scheduler_read);
}

/* The newest table: what of it operators watch. */
static void measure(const struct registrar *registrar)
{
	metric_set(METRIC_SUSPENSIONS, permits_suspended_count(registrar->permits));
}

static void load(struct registrar *registrar)
{
	int64_t began = clock_mono_ms(registrar->clock);
	struct permits *permits;
	int rc;

	registrar->wanted = false;
	STAILQ_CONCAT(&registrar->asked, &registrar->waiting);
	rc = permits_load(registrar->view, &permits);
	if (rc < 0) {
		log_event_limited(LOG_ERROR, "registry_not_loaded",
			"error=%s hint=\"it is tried again; until then what was in force stays\"",
			strerrorname_np(-rc));
		registrar->wanted = true;
		registrar->again_mono_ms = clock_mono_ms(registrar->clock) + REGISTRAR_AGAIN_MS;
		answer_all(&registrar->asked, rc);
		return;
	}
	permits_close(&registrar->permits);
	registrar->permits = permits;
	measure(registrar);
	give_out(registrar);
	log_event(LOG_INFO, "registry_loaded", "grants=%zu suspensions=%zu ms=%" PRId64,
		permits_grant_count(permits), permits_suspension_count(permits),
		clock_mono_ms(registrar->clock) - began);
}

/* ---- the thread ---- */

static void read_request(struct letter *letter, void *context)
{
	struct registrar_request *request = LETTER_OF(letter, struct registrar_request, letter);
	struct registrar *registrar = context;

	STAILQ_INSERT_TAIL(&registrar->waiting, request, entry);
	registrar->wanted = true;
	registrar->again_mono_ms = 0;
}

static void read_taken(struct letter *letter, void *context)
{
	struct permits_letter *taken = LETTER_OF(letter, struct permits_letter, letter);
	struct registrar *registrar = context;

	permits_close(&taken->permits);
	registrar->out--;
}

static bool is_stopping(const struct registrar *registrar)
{
	return atomic_load_explicit(&registrar->stopping, memory_order_acquire);
}

static void read_inbox(struct registrar *registrar)
{
	struct letter *letter;

	while ((letter = mailbox_pop(registrar->inbox)) != NULL)
		letter->read(letter, registrar);
}

static void rest(struct registrar *registrar)
{
	struct pollfd inbox = {.fd = mailbox_fd(registrar->inbox), .events = POLLIN};
	int64_t wait_ms = -1;

	if (!mailbox_rest(registrar->inbox))
		return;
	if (registrar->wanted && registrar->out == 0) {
		wait_ms = registrar->again_mono_ms - clock_mono_ms(registrar->clock);
		wait_ms = wait_ms > 0 ? wait_ms : 0;
	}
	poll(&inbox, 1, (int)wait_ms);
	mailbox_wake(registrar->inbox);
}

static void *run(void *argument)
{
	struct registrar *registrar = argument;

	for (;;) {
		bool stopping = is_stopping(registrar);

		read_inbox(registrar);
		if (registrar->out == 0)
			answer_all(&registrar->asked, 0);
		if (registrar->out == 0 && stopping)
			return NULL;
		if (registrar->out == 0 && registrar->wanted &&
			clock_mono_ms(registrar->clock) >= registrar->again_mono_ms)
			load(registrar);
		else
			rest(registrar);
	}
}

/* ---- from outside ---- */

int registrar_open(
	struct registrar **out, const struct registrar_options *options, struct reason *reason)
{
	size_t letters_size = options->worker_count * sizeof(struct permits_letter);
	struct registrar *registrar = calloc(1, sizeof(*registrar) + letters_size);
	int rc = registrar != NULL ? 0 : -ENOMEM;

	*out = registrar;
	if (rc == 0) {
		registrar->clock = options->clock;
		registrar->worker_count = options->worker_count;
		registrar->scheduler = options->scheduler;
		registrar->scheduler_read = options->scheduler_read;
		atomic_init(&registrar->stopping, false);
		STAILQ_INIT(&registrar->asked);
		STAILQ_INIT(&registrar->waiting);
		registrar->inbox = mailbox_open(options->askers + options->worker_count + 1);
		rc = registrar->inbox != NULL ? store_view_open(options->store, &registrar->view)
					      : -ENOMEM;
	}
	if (rc == 0)
		rc = permits_load(registrar->view, &registrar->permits);
	if (rc == 0)
		measure(registrar);
	if (rc < 0) {
		registrar_close(out);
		return reason_set(reason, "the registry cannot be read: %s", strerror(-rc));
	}
	return 0;
}

void registrar_close(struct registrar **registrar)
{
	if (registrar == NULL || *registrar == NULL)
		return;
	registrar_stop(*registrar);
	permits_close(&(*registrar)->permits);
	store_view_close(&(*registrar)->view);
	mailbox_close(&(*registrar)->inbox);
	free(*registrar);
	*registrar = NULL;
}

struct permits *registrar_permits(struct registrar *registrar)
{
	return permits_share(registrar->permits);
}

int registrar_start(struct registrar *registrar, struct mailbox *const *inboxes,
	letter_read_fn *read, struct reason *reason)
{
	int rc;

	registrar->inboxes = inboxes;
	registrar->read = read;
	rc = pthread_create(&registrar->thread, NULL, run, registrar);
	if (rc != 0)
		return reason_set(reason, "registrar: no thread: %s", strerror(rc));
	pthread_setname_np(registrar->thread, "registrar");
	registrar->started = true;
	return 0;
}

void registrar_stop(struct registrar *registrar)
{
	atomic_store_explicit(&registrar->stopping, true, memory_order_release);
	if (registrar->started) {
		mailbox_nudge(registrar->inbox);
		pthread_join(registrar->thread, NULL);
		registrar->started = false;
	}
	if (registrar->inbox != NULL)
		read_inbox(registrar);
	answer_all(&registrar->waiting, -ECANCELED);
}

void registrar_ask(struct registrar *registrar, struct registrar_request *request)
{
	request->letter.read = read_request;
	if (is_stopping(registrar))
		answer(request, -ECANCELED);
	else if (!mailbox_push(registrar->inbox, &request->letter))
		log_panic("registrar: the inbox is full; somebody spends credits that it has not");
}

void registrar_taken(struct permits_letter *letter)
{
	letter->letter.read = read_taken;
	if (!mailbox_push(letter->registrar->inbox, &letter->letter))
		log_panic("registrar: no room for its own letter");
}
