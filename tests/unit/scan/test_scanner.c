#include "tests/unit/queue/scene.h"

#include <poll.h>

#include "core/log.h"
#include "core/metrics.h"
#include "scan/rules.h"
#include "scan/scan.h"
#include "tests/unit/scan/mail.h"

#define CAPACITY    64
#define DEADLINE_MS 20000
#define LIFETIME_MS 60000

/* A job as the scheduler makes it, and what came back. */
struct asked_scan {
	struct scan_job job;
	bool answered, failed;
};

static struct scene scene;
static struct scanner *scanner;
static struct mailbox *inbox; /* the scheduler's */

/* Stands in for the scheduler's: the job comes back as a letter to the test. */
static void failed_read(struct letter *letter, void *context)
{
	struct asked_scan *asked = LETTER_OF(letter, struct asked_scan, job.letter);

	(void)context;
	asked->failed = true;
}

void scheduler_scan_failed(struct scheduler *scheduler, struct scan_job *job)
{
	assert_null(scheduler);
	job->letter.read = failed_read;
	assert_true(mailbox_push(inbox, &job->letter));
}

static void answered_read(struct letter *letter, void *context)
{
	struct asked_scan *asked = LETTER_OF(letter, struct asked_scan, job.verdict.letter);

	assert_ptr_equal(context, &scene);
	assert_false(asked->answered);
	asked->answered = true;
}

static struct config *load_config(unsigned workers)
{
	char path[] = "/tmp/sluice-scanner-XXXXXX";
	int fd = mkstemp(path);
	struct config *config;
	struct reason reason;

	assert_true(fd >= 0);
	assert_true(
		dprintf(fd,
			"listen door { address = \"127.0.0.1:25\" networks = \"127.0.0.0/8\" }\n"
			"upstream campus { hosts = \"127.0.0.1:26\" }\n"
			"route \"*\" { upstream = campus }\n"
			"queue { lifetime = %dms } scan { workers = %u }\n",
			LIFETIME_MS, workers) > 0);
	close(fd);
	if (config_load(path, &config, &reason) < 0)
		fail_msg("%s", reason.text);
	unlink(path);
	return config;
}

static void open_scanner(unsigned workers)
{
	struct config *config = load_config(workers);
	struct scanner_options options = {.store = scene.store,
		.writer = scene.writer,
		.clock = &scene.turned.clock,
		.config = config,
		.capacity = CAPACITY};
	struct reason reason;

	assert_int_equal(scanner_open(&scanner, &options, &reason), 0);
	config_close(&config); /* it has its own reference */
	assert_int_equal(scanner_start(scanner, NULL, &reason), 0);
}

static int setup(void **state)
{
	(void)state;
	scene_open(&scene, 32u << 20);
	inbox = mailbox_open(CAPACITY);
	assert_non_null(inbox);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (scanner != NULL)
		scanner_stop(scanner);
	scanner_close(&scanner);
	mailbox_close(&inbox);
	scene_close(&scene);
	return 0;
}

static void submit(struct asked_scan *asked, uint64_t id)
{
	*asked = (struct asked_scan){.job.id = id};
	asked->job.verdict.letter.read = answered_read;
	asked->job.verdict.answer_to = inbox;
	scanner_submit(scanner, &asked->job);
}

/* Works as writer and scheduler until all have come back. */
static void wait_for(struct asked_scan *asked, size_t count)
{
	int64_t deadline_ms = clock_mono_ms(&clock_system) + DEADLINE_MS;
	size_t back = 0;

	while (back < count) {
		struct letter *letter;

		assert_true(clock_mono_ms(&clock_system) < deadline_ms);
		if (writer_step(scene.writer) == 0)
			poll(NULL, 0, 1);
		while ((letter = mailbox_pop(inbox)) != NULL)
			letter->read(letter, &scene);
		back = 0;
		for (size_t i = 0; i < count; i++)
			back += asked[i].answered || asked[i].failed;
	}
}

static void clean_mail_waits_for_its_upstream(void **state)
{
	uint64_t scanned = metric_value(METRIC_SCANNED_CLEAN);
	struct asked_scan asked;
	struct envelope *envelope;

	(void)state;
	mail_add(&scene, 100, "Subject: x\r\n\r\nHello\r\n", 21);
	clock_turned_advance(&scene.turned, 500);
	open_scanner(1);
	submit(&asked, 100);
	wait_for(&asked, 1);
	assert_true(asked.answered);
	assert_int_equal(asked.job.verdict.result, 0);
	assert_int_equal(metric_value(METRIC_SCANNED_CLEAN), scanned + 1);
	scanner_stop(scanner);
	scanner_close(&scanner);
	scene_restart(&scene); /* the verdict is on the disk */
	envelope = scene_get(&scene, 100);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_WAITING);
	assert_int_equal(envelope->recipients[0].verdict, VERDICT_CLEAN);
	assert_int_equal(envelope->recipients[0].due_unix_ms, clock_unix_ms(&scene.turned.clock));
	envelope_close(&envelope);
}

static void virus_is_discarded_and_gone(void **state)
{
	uint64_t discarded = metric_value(METRIC_DISCARDED);
	struct asked_scan asked;

	(void)state;
	mail_add(&scene, 100, virus_text(), VIRUS_SIZE);
	open_scanner(1);
	submit(&asked, 100);
	wait_for(&asked, 1);
	assert_true(asked.answered);
	assert_int_equal(asked.job.verdict.result, 0);
	assert_string_equal(asked.job.threat, RULES_EICAR);
	assert_int_equal(metric_value(METRIC_DISCARDED), discarded + 1);
	assert_false(scene_has(&scene, 100));
	assert_false(scene_has_piece(&scene, 100, 0));
}

static void damaged_mail_is_held(void **state)
{
	struct asked_scan asked;
	struct envelope *envelope;

	(void)state;
	mail_add_damaged(&scene, 100, 5000);
	open_scanner(1);
	submit(&asked, 100);
	wait_for(&asked, 1);
	assert_true(asked.answered);
	envelope = scene_get(&scene, 100);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_HELD);
	assert_string_equal(envelope->recipients[0].reason, "its text is damaged in the store");
	assert_int_equal(envelope->recipients[0].due_unix_ms,
		clock_unix_ms(&scene.turned.clock) + LIFETIME_MS);
	envelope_close(&envelope);
}

static void message_that_is_gone_comes_back(void **state)
{
	uint64_t failed = metric_value(METRIC_SCAN_FAILED);
	struct asked_scan asked;

	(void)state;
	open_scanner(1);
	submit(&asked, 100);
	wait_for(&asked, 1);
	assert_true(asked.failed);
	assert_int_equal(asked.job.result, -ENOENT);
	assert_int_equal(metric_value(METRIC_SCAN_FAILED), failed);
}

static void second_verdict_changes_nothing(void **state)
{
	struct asked_scan asked;
	struct envelope *first, *second;

	(void)state;
	mail_add(&scene, 100, "x\r\n", 3);
	open_scanner(1);
	submit(&asked, 100);
	wait_for(&asked, 1);
	first = scene_get(&scene, 100);
	clock_turned_advance(&scene.turned, 5000);
	submit(&asked, 100);
	wait_for(&asked, 1);
	assert_true(asked.answered);
	assert_int_equal(asked.job.changed, 0);
	second = scene_get(&scene, 100);
	assert_int_equal(first->revision, second->revision);
	assert_int_equal(first->recipients[0].due_unix_ms, second->recipients[0].due_unix_ms);
	envelope_close(&first);
	envelope_close(&second);
}

static void many_threads_share_the_jobs(void **state)
{
	static struct asked_scan asked[CAPACITY];

	(void)state;
	for (size_t i = 0; i < CAPACITY; i++) {
		if (i % 4 == 0)
			mail_add(&scene, 100 + i, virus_text(), VIRUS_SIZE);
		else
			mail_add(&scene, 100 + i, "x\r\n", 3);
	}
	open_scanner(8);
	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < CAPACITY; i++)
			submit(&asked[i], 100 + i);
		wait_for(asked, CAPACITY);
	}
	for (size_t i = 0; i < CAPACITY; i++) {
		struct envelope *envelope = scene_get(&scene, 100 + i);

		if (i % 4 == 0) {
			assert_null(envelope);
			assert_true(asked[i].failed); /* in the rounds behind the first */
			continue;
		}
		assert_int_equal(envelope->recipients[0].state, RECIPIENT_WAITING);
		envelope_close(&envelope);
	}
}

static void stop_ends_threads_that_sleep(void **state)
{
	(void)state;
	open_scanner(4);
	scanner_stop(scanner);
	scanner_stop(scanner); /* once more is no harm */
}

static void jobs_not_begun_are_left_at_a_stop(void **state)
{
	struct asked_scan asked;
	struct envelope *envelope;

	(void)state;
	mail_add(&scene, 100, "x\r\n", 3);
	open_scanner(1);
	scanner_stop(scanner);
	submit(&asked, 100);
	assert_int_equal(writer_step(scene.writer), 0);
	assert_false(asked.answered || asked.failed);
	envelope = scene_get(&scene, 100);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_SCANNING);
	envelope_close(&envelope);
}

int main(void)
{
#define WITH_SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_SCENE(clean_mail_waits_for_its_upstream),
		WITH_SCENE(virus_is_discarded_and_gone),
		WITH_SCENE(damaged_mail_is_held),
		WITH_SCENE(message_that_is_gone_comes_back),
		WITH_SCENE(second_verdict_changes_nothing),
		WITH_SCENE(many_threads_share_the_jobs),
		WITH_SCENE(stop_ends_threads_that_sleep),
		WITH_SCENE(jobs_not_begun_are_left_at_a_stop),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests_name("scan/scanner", tests, NULL, NULL);
}
