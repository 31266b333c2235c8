/* test_registrar.c: a change of the registry comes into force at all workers before who asked is told. Runs under TSan. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "queue/registrar.h"
#include "tests/unit/await.h"
#include "tests/unit/queue/scene.h"

#define NOW     UINT64_C(1700000000000)
#define WORKERS 3

/* A worker: its current table, read all the time as sessions would. */
struct hand {
	struct mailbox *inbox;
	struct permits *permits; /* its thread's */
	pthread_t thread;
	_Atomic bool stopping;
	_Atomic unsigned taken;
};

struct office {
	struct scene scene;
	struct reason reason;
	struct registrar *registrar;
	struct hand hands[WORKERS];
	struct mailbox *inboxes[WORKERS];
	bool started;
};

static void take_permits(struct letter *letter, void *context)
{
	struct permits_letter *given = LETTER_OF(letter, struct permits_letter, letter);
	struct hand *hand = context;
	struct permits *last = hand->permits;

	hand->permits = given->permits;
	given->permits = last;
	atomic_fetch_add_explicit(&hand->taken, 1, memory_order_relaxed);
	registrar_taken(given);
}

static void *work(void *argument)
{
	struct hand *hand = argument;

	while (!atomic_load_explicit(&hand->stopping, memory_order_acquire)) {
		struct pollfd inbox = {.fd = mailbox_fd(hand->inbox), .events = POLLIN};
		struct permits *kept = permits_share(hand->permits);
		struct letter *letter;

		while ((letter = mailbox_pop(hand->inbox)) != NULL)
			letter->read(letter, hand);
		/* a session that keeps a grant over the exchange */
		permits_grant(kept, "printer");
		permits_close(&kept);
		if (mailbox_rest(hand->inbox)) {
			poll(&inbox, 1, 1000);
			mailbox_wake(hand->inbox);
		}
	}
	return NULL;
}

static void start_hands(struct office *office)
{
	for (size_t i = 0; i < WORKERS; i++) {
		struct hand *hand = &office->hands[i];

		hand->permits = registrar_permits(office->registrar);
		assert_int_equal(pthread_create(&hand->thread, NULL, work, hand), 0);
	}
	assert_int_equal(
		registrar_start(office->registrar, office->inboxes, take_permits, &office->reason),
		0);
	office->started = true;
}

static void office_open(struct office *office)
{
	struct registrar_options options = {
		.clock = &clock_system, .askers = 64, .worker_count = WORKERS};

	*office = (struct office){0};
	scene_open(&office->scene, 16 << 20);
	options.store = office->scene.store;
	assert_int_equal(registrar_open(&office->registrar, &options, &office->reason), 0);
	for (size_t i = 0; i < WORKERS; i++)
		office->inboxes[i] = office->hands[i].inbox = mailbox_open(1);
}

static void office_close(struct office *office)
{
	registrar_stop(office->registrar);
	for (size_t i = 0; i < WORKERS; i++) {
		struct hand *hand = &office->hands[i];

		if (office->started) {
			atomic_store_explicit(&hand->stopping, true, memory_order_release);
			mailbox_nudge(hand->inbox);
			pthread_join(hand->thread, NULL);
		}
		permits_close(&hand->permits);
		mailbox_close(&hand->inbox);
	}
	registrar_close(&office->registrar);
	scene_close(&office->scene);
}

/* A new grant in the store. */
static void put_grant(struct office *office, const char *name)
{
	struct grant *grant = grant_new(name);
	struct bytes record = {0};
	struct registry_change change = {.kind = REGISTRY_GRANT,
		.name = name,
		.now_unix_ms = NOW,
		.who = "root",
		.act = "add",
		.why = ""};
	struct asked asked = {.request = {.verb = WRITER_REGISTER, .registry = &change}};

	assert_true(grant_encode(grant, &record));
	change.record = record.data;
	change.size = record.size;
	scene_submit(&office->scene, &asked);
	scene_run(&office->scene);
	assert_int_equal(asked.request.result, 0);
	bytes_fini(&record);
	grant_close(&grant);
}

/* ---- asking ---- */

struct ask {
	struct registrar_request request;
	bool answered;
};

static void note_answer(struct letter *letter, void *context)
{
	(void)context;
	LETTER_OF(letter, struct ask, request.letter)->answered = true;
}

static void ask(struct office *office, struct ask *asking)
{
	*asking = (struct ask){
		.request = {.answer_to = office->scene.answers, .answered = note_answer}};
	registrar_ask(office->registrar, &asking->request);
}

static void wait_for(struct office *office, const struct ask *asking)
{
	struct pollfd answers = {.fd = mailbox_fd(office->scene.answers), .events = POLLIN};

	for (;;) {
		scene_read_answers(&office->scene);
		if (asking->answered)
			return;
		if (mailbox_rest(office->scene.answers)) {
			assert_int_equal(poll(&answers, 1, 30000), 1);
			mailbox_wake(office->scene.answers);
		}
	}
}

/* ---- tests ---- */

static void answer_comes_when_all_workers_have_the_table(void **state)
{
	struct office office;
	struct ask asking;
	char name[16];

	(void)state;
	office_open(&office);
	start_hands(&office);
	for (unsigned round = 0; round < 50; round++) {
		snprintf(name, sizeof(name), "grant%u", round);
		put_grant(&office, name);
		ask(&office, &asking);
		wait_for(&office, &asking);
		assert_int_equal(asking.request.result, 0);
		for (size_t i = 0; i < WORKERS; i++)
			assert_int_equal(
				atomic_load_explicit(&office.hands[i].taken, memory_order_relaxed),
				round + 1);
	}
	registrar_stop(office.registrar);
	office_close(&office);
}

static void workers_see_what_was_stored_before_it_was_asked_for(void **state)
{
	struct office office;
	struct ask asking;

	(void)state;
	office_open(&office);
	start_hands(&office);
	put_grant(&office, "printer");
	for (size_t i = 0; i < WORKERS; i++)
		assert_null(permits_grant(office.hands[i].permits, "printer"));
	ask(&office, &asking);
	wait_for(&office, &asking);
	for (size_t i = 0; i < WORKERS; i++)
		assert_non_null(permits_grant(office.hands[i].permits, "printer"));
	office_close(&office);
}

/* The workers' turn, on this thread. */
static void take_turns(struct office *office)
{
	struct letter *letter;

	for (size_t i = 0; i < WORKERS; i++) {
		AWAIT((letter = mailbox_pop(office->inboxes[i])) != NULL);
		letter->read(letter, &office->hands[i]);
		assert_null(mailbox_pop(office->inboxes[i]));
	}
}

static void those_who_ask_meanwhile_share_the_next_table(void **state)
{
	struct office office;
	struct ask asking[21];

	(void)state;
	office_open(&office);
	for (size_t i = 0; i < WORKERS; i++)
		office.hands[i].permits = registrar_permits(office.registrar);
	assert_int_equal(
		registrar_start(office.registrar, office.inboxes, take_permits, &office.reason), 0);
	ask(&office, &asking[0]);
	AWAIT(mailbox_depth(office.inboxes[WORKERS - 1]) == 1);
	for (size_t i = 1; i < 21; i++)
		ask(&office, &asking[i]);
	scene_read_answers(&office.scene);
	assert_false(asking[0].answered);
	take_turns(&office);
	wait_for(&office, &asking[0]);
	take_turns(&office);
	for (size_t i = 1; i < 21; i++) {
		wait_for(&office, &asking[i]);
		assert_int_equal(asking[i].request.result, 0);
	}
	assert_int_equal(office.hands[0].taken, 2);
	office_close(&office);
}

static void who_asks_after_the_stop_is_told(void **state)
{
	struct office office;
	struct ask asking;

	(void)state;
	office_open(&office);
	start_hands(&office);
	registrar_stop(office.registrar);
	ask(&office, &asking);
	wait_for(&office, &asking);
	assert_int_equal(asking.request.result, -ECANCELED);
	registrar_stop(office.registrar);
	office_close(&office);
}

static void what_waits_at_the_stop_is_answered(void **state)
{
	struct office office;
	struct ask asking[8];

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		office_open(&office);
		start_hands(&office);
		for (size_t i = 0; i < 8; i++)
			ask(&office, &asking[i]);
		registrar_stop(office.registrar);
		scene_read_answers(&office.scene);
		for (size_t i = 0; i < 8; i++) {
			assert_true(asking[i].answered);
			assert_true(asking[i].request.result == 0 ||
				    asking[i].request.result == -ECANCELED);
		}
		office_close(&office);
	}
}

static bool move_store(struct office *office, bool away)
{
	char here[128], there[128];

	snprintf(here, sizeof(here), "%s/data.mdb", office->scene.data_dir);
	snprintf(there, sizeof(there), "%s/data.away", office->scene.data_dir);
	return rename(away ? here : there, away ? there : here) == 0;
}

/* The store is closed by a reopen that fails, and comes back. */
static void store_that_cannot_be_read_is_tried_again(void **state)
{
	struct office office;
	struct ask asking;

	(void)state;
	office_open(&office);
	put_grant(&office, "printer");
	start_hands(&office);
	assert_true(move_store(&office, true));
	assert_int_equal(store_reopen(office.scene.store, &office.reason), -1);
	ask(&office, &asking);
	wait_for(&office, &asking);
	assert_int_equal(asking.request.result, -EIO);
	assert_true(move_store(&office, false));
	assert_int_equal(store_reopen(office.scene.store, &office.reason), 0);
	AWAIT(atomic_load_explicit(&office.hands[0].taken, memory_order_relaxed) > 0);
	office_close(&office);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_comes_when_all_workers_have_the_table),
		cmocka_unit_test(workers_see_what_was_stored_before_it_was_asked_for),
		cmocka_unit_test(those_who_ask_meanwhile_share_the_next_table),
		cmocka_unit_test(who_asks_after_the_stop_is_told),
		cmocka_unit_test(what_waits_at_the_stop_is_answered),
		cmocka_unit_test(store_that_cannot_be_read_is_tried_again),
	};

	return cmocka_run_group_tests_name("queue/registrar", tests, NULL, NULL);
}
