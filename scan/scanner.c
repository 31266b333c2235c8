#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/log.h"
#include "core/metrics.h"
#include "core/ring.h"
#include "queue/id.h"
#include "scan/chain.h"
#include "scan/rules.h"
#include "scan/scan.h"
#include "scan/verdict.h"

#define SCANNER_NICE   5
#define REASON_DAMAGED "its text is damaged in the store"

/* In the order in which they are asked. */
static const struct hook *const hooks[] = {&rules_hook, NULL};

struct scanner_thread {
	struct scanner *scanner;
	struct store_view *view;
	struct chain *chain;
	pthread_t thread;
	bool running;
};

struct scanner {
	struct store *store;
	struct writer *writer;
	const struct clock *clock;
	struct config *config;
	struct scheduler *scheduler;
	struct ring *jobs;
	sem_t waiting; /* counts the ring's items, so that several threads can sleep on it */
	_Atomic bool stopping;
	struct scanner_thread *threads;
	size_t thread_count;
};

_Static_assert(
	sizeof(((struct scan_job *)0)->threat) >= FINDING_THREAT_SIZE, "a threat's name fits");

/* ---- the answer: what was found is durable. On the scheduler's thread. ---- */

static void tell_discarded(const struct scan_job *job)
{
	struct log_quoted threat;
	char id[ID_TEXT_SIZE];

	metric_add(METRIC_DISCARDED, job->changed);
	log_event(LOG_NOTICE, "discarded", "id=%s threat=%s recipients=%zu", id_format(job->id, id),
		log_text(&threat, job->threat), job->changed);
}

static void tell_held(const struct scan_job *job)
{
	char id[ID_TEXT_SIZE];

	metric_add(METRIC_HELD, job->changed);
	log_event(LOG_ERROR, "held",
		"id=%s reason=\"%s\" recipients=%zu hint=\"compare it with a backup, then release "
		"or delete it\"",
		id_format(job->id, id), job->hold_reason, job->changed);
}

static void verdict_read(struct letter *letter, void *scheduler)
{
	struct scan_job *job = LETTER_OF(letter, struct scan_job, verdict.letter);

	if (job->verdict.result == 0 && job->changed > 0) {
		if (job->hold_reason != NULL)
			tell_held(job);
		else if (job->found == VERDICT_VIRUS)
			tell_discarded(job);
	}
	letter->read = job->answered;
	letter->read(letter, scheduler);
}

/* ---- a scan ---- */

static void send_verdict(struct scanner *scanner, struct scan_job *job)
{
	job->answered = job->verdict.letter.read;
	job->verdict.letter.read = verdict_read;
	job->verdict.verb = WRITER_CHANGE;
	job->verdict.id = job->id;
	job->verdict.change = verdict_apply;
	job->verdict.argument = job;
	job->now_unix_ms = clock_unix_ms(scanner->clock);
	job->hold_until_unix_ms = job->now_unix_ms + (uint64_t)scanner->config->queue_lifetime_ms;
	writer_submit(scanner->writer, &job->verdict);
}

/* The scheduler tells of it, and waits before it tries again. */
static void give_back(struct scanner *scanner, struct scan_job *job, int error)
{
	if (error != -ENOENT) /* -ENOENT: deleted meanwhile */
		metric_add(METRIC_SCAN_FAILED, 1);
	job->result = error;
	scheduler_scan_failed(scanner->scheduler, job);
}

static void tell_scanned(const struct scan_job *job, const struct finding *finding, int64_t ms)
{
	struct log_quoted threat;
	char id[ID_TEXT_SIZE];

	if (finding->verdict == VERDICT_VIRUS)
		log_event(LOG_INFO, "scanned", "id=%s verdict=virus threat=%s hook=%s ms=%" PRId64,
			id_format(job->id, id), log_text(&threat, finding->threat), finding->hook,
			ms);
	else
		log_event(LOG_INFO, "scanned", "id=%s verdict=clean ms=%" PRId64,
			id_format(job->id, id), ms);
	metric_add(
		finding->verdict == VERDICT_VIRUS ? METRIC_SCANNED_VIRUS : METRIC_SCANNED_CLEAN, 1);
}

/* Reads the message. 0: there is something to be stored. */
static int look(struct scanner_thread *thread, struct scan_job *job, struct finding *finding)
{
	struct envelope *envelope;
	int rc = store_view_get(thread->view, job->id, &envelope);

	if (rc < 0)
		return rc;
	rc = chain_run(thread->chain, thread->view, envelope, finding);
	envelope_close(&envelope);
	job->hold_reason = rc == -EBADMSG ? REASON_DAMAGED : NULL;
	return job->hold_reason != NULL ? 0 : rc;
}

static void scan(struct scanner_thread *thread, struct scan_job *job)
{
	struct scanner *scanner = thread->scanner;
	int64_t begin_ms = clock_mono_ms(scanner->clock);
	struct finding finding;
	int rc = look(thread, job, &finding);

	if (rc < 0) {
		give_back(scanner, job, rc);
		return;
	}
	if (job->hold_reason == NULL) {
		job->found = finding.verdict;
		snprintf(job->threat, sizeof(job->threat), "%s", finding.threat);
		tell_scanned(job, &finding, clock_mono_ms(scanner->clock) - begin_ms);
	}
	send_verdict(scanner, job);
}

static void *run(void *argument)
{
	struct scanner_thread *thread = argument;
	struct scanner *scanner = thread->scanner;

	/* where the processors are short, intake comes first: a client waits for its 250, nobody waits for a scan */
	setpriority(PRIO_PROCESS, (id_t)gettid(), SCANNER_NICE);
	for (;;) {
		struct scan_job *job;

		while (sem_wait(&scanner->waiting) < 0)
			; /* a signal */
		/* acquire: pairs with the release in scanner_stop */
		if (atomic_load_explicit(&scanner->stopping, memory_order_acquire))
			return NULL;
		job = ring_pop(scanner->jobs);
		if (job != NULL)
			scan(thread, job);
	}
}

/* ---- outside ---- */

int scanner_open(struct scanner **out, const struct scanner_options *options, struct reason *reason)
{
	struct scanner *scanner = calloc(1, sizeof(*scanner));

	*out = NULL;
	if (scanner == NULL)
		return reason_set(reason, "out of memory");
	scanner->store = options->store;
	scanner->writer = options->writer;
	scanner->clock = options->clock;
	scanner->config = config_share(options->config);
	scanner->thread_count = scanner->config->scan_workers;
	scanner->jobs = ring_open(options->capacity);
	scanner->threads = calloc(scanner->thread_count, sizeof(*scanner->threads));
	atomic_init(&scanner->stopping, false);
	sem_init(&scanner->waiting, 0, 0); /* fails for values over SEM_VALUE_MAX only */
	if (scanner->jobs == NULL || scanner->threads == NULL) {
		scanner_close(&scanner);
		return reason_set(reason, "out of memory");
	}
	*out = scanner;
	return 0;
}

static int start_thread(
	struct scanner *scanner, struct scanner_thread *thread, struct reason *reason)
{
	int rc;

	thread->scanner = scanner;
	rc = store_view_open(scanner->store, &thread->view);
	if (rc < 0)
		return reason_set(reason, "scanner: cannot read the store: %s", strerror(-rc));
	thread->chain = chain_open(hooks);
	if (thread->chain == NULL)
		return reason_set(reason, "out of memory");
	rc = pthread_create(&thread->thread, NULL, run, thread);
	if (rc != 0)
		return reason_set(reason, "scanner: cannot start a thread: %s", strerror(rc));
	thread->running = true;
	pthread_setname_np(thread->thread, "scanner");
	return 0;
}

int scanner_start(struct scanner *scanner, struct scheduler *scheduler, struct reason *reason)
{
	scanner->scheduler = scheduler;
	for (size_t i = 0; i < scanner->thread_count; i++) {
		if (start_thread(scanner, &scanner->threads[i], reason) < 0) {
			scanner_stop(scanner);
			return -1;
		}
	}
	return 0;
}

void scanner_stop(struct scanner *scanner)
{
	/* release: pairs with the acquire in run */
	atomic_store_explicit(&scanner->stopping, true, memory_order_release);
	for (size_t i = 0; i < scanner->thread_count; i++)
		sem_post(&scanner->waiting);
	for (size_t i = 0; i < scanner->thread_count; i++) {
		if (scanner->threads[i].running)
			pthread_join(scanner->threads[i].thread, NULL);
		scanner->threads[i].running = false;
	}
}

void scanner_close(struct scanner **scanner)
{
	if (scanner == NULL || *scanner == NULL)
		return;
	for (size_t i = 0; (*scanner)->threads != NULL && i < (*scanner)->thread_count; i++) {
		chain_close(&(*scanner)->threads[i].chain);
		store_view_close(&(*scanner)->threads[i].view);
	}
	free((*scanner)->threads);
	sem_destroy(&(*scanner)->waiting);
	ring_close(&(*scanner)->jobs);
	config_close(&(*scanner)->config);
	free(*scanner);
	*scanner = NULL;
}

void scanner_submit(void *argument, struct scan_job *job)
{
	struct scanner *scanner = argument;

	if (!ring_push(scanner->jobs, job))
		log_panic("scanner: more jobs than credits");
	sem_post(&scanner->waiting);
}
