/*
 * The writer on a disk that fails: for each kind of fault, once or for good, at each call by which a group of every verb gets
 * to the disk. What must hold, whatever fails and wherever:
 *   - what was answered 0 is in the store after it was opened anew,
 *   - what was refused with another error than -EIO (unknown) is not,
 *   - a change and its bounce are both there or both not,
 *   - what a grant has handed over and taken of its rate is what of it is in the store,
 *   - when the disk is well again, so is the writer.
 */
#include "tests/faults/faults.h"
#include "tests/unit/queue/scene.h"

#include "core/metrics.h"

#define MAP      (32u << 20)
#define TURN_MS  20
#define TURNS    2000 /* 40 s of the turned clock: three rounds of healing */
#define FOR_EVER 0xFFFFFFFFu

/*
 * What is there before: 10 is deferred with a bounce, 11 is delivered, 12 is to stay as it is. The registry has "kept"; it is
 * changed together with a record that is added and, by the next request, taken away again: of that only the journal tells.
 */
struct group {
	struct message *small, *large, *bounce, *arriving;
	struct asked add_small, add_large, defer, deliver, append, enter, leave;
	struct registry_change added, changed, removed;
};
#define REQUESTS 7

static struct asked *const *all_of(struct group *group)
{
	static struct asked *all[REQUESTS + 1];

	all[0] = &group->add_small;
	all[1] = &group->append;
	all[2] = &group->defer;
	all[3] = &group->deliver;
	all[4] = &group->add_large;
	all[5] = &group->enter;
	all[6] = &group->leave;
	all[7] = NULL;
	return all;
}

static const struct pace_terms one_an_hour = {
	.rates[PACE_GRANT] = {.messages_per_hour = 1, .recipients_per_hour = 1},
	.burst_ms = 10 * PACE_HOUR_MS};

static struct registry_change change_of(const char *name, uint32_t revision, const char *act)
{
	return (struct registry_change){.kind = REGISTRY_GRANT,
		.name = name,
		.revision = revision,
		.record = "record",
		.size = 6,
		.now_unix_ms = 1,
		.who = "root",
		.act = act,
		.why = ""};
}

static void submit_changes(
	struct scene *scene, struct asked *asked, const struct registry_change *changes)
{
	asked->request = (struct writer_request){.verb = WRITER_REGISTER, .registry = changes};
	scene_submit(scene, asked);
}

/* What the group finds. */
static void open_scene(struct scene *scene)
{
	struct registry_change kept = change_of("kept", 0, "before");
	struct asked asked;

	scene_open(scene, MAP);
	for (uint64_t id = 10; id <= 12; id++)
		assert_int_equal(scene_add(scene, id, 5000), 0);
	submit_changes(scene, &asked, &kept);
	scene_run(scene);
	assert_int_equal(asked.request.result, 0);
}

static void submit_group(struct scene *scene, struct group *group)
{
	group->small = scene_message(scene, 100, 4096);
	group->large = scene_message(scene, 101, 3 * STORE_PIECE_BYTES + 5);
	group->arriving = scene_message(scene, 102, 2 * STORE_PIECE_BYTES);
	group->bounce = scene_message(scene, 103, 900);
	group->small->envelope->grant = group->large->envelope->grant = "printers";
	group->small->pace = group->large->pace = one_an_hour;
	scene_submit_add(scene, &group->add_small, group->small);
	group->append.request = (struct writer_request){
		.verb = WRITER_APPEND, .id = 102, .pieces = group->arriving->pieces};
	scene_submit(scene, &group->append);
	group->defer.request = (struct writer_request){
		.verb = WRITER_CHANGE, .id = 10, .change = scene_defer, .message = group->bounce};
	scene_submit(scene, &group->defer);
	scene_submit_change(scene, &group->deliver, 11, scene_deliver_all);
	scene_submit_add(scene, &group->add_large, group->large);
	group->added = change_of("added", 0, "enter");
	group->changed = change_of("kept", 1, "enter");
	group->added.next = &group->changed;
	group->removed = change_of("added", 1, "leave");
	group->removed.record = NULL;
	submit_changes(scene, &group->enter, &group->added);
	submit_changes(scene, &group->leave, &group->removed);
}

static bool all_answered(struct group *group)
{
	for (struct asked *const *asked = all_of(group); *asked != NULL; asked++)
		if (!(*asked)->answered)
			return false;
	return true;
}

static void run_until_answered(struct scene *scene, struct group *group)
{
	for (unsigned turn = 0; turn < TURNS && !all_answered(group); turn++) {
		scene_run(scene);
		clock_turned_advance(&scene->turned, TURN_MS);
	}
	assert_true(all_answered(group));
}

/* -EIO says nothing; 0 and the refusals must be what they say. */
static void check_told(int result, bool is_stored)
{
	if (result == 0)
		assert_true(is_stored);
	else if (result != -EIO)
		assert_false(is_stored);
}

static uint32_t revision_of(struct scene *scene, uint64_t id)
{
	struct envelope *envelope = scene_get(scene, id);
	uint32_t revision;

	assert_non_null(envelope);
	revision = envelope->revision;
	envelope_close(&envelope);
	return revision;
}

static void check_usage(struct scene *scene)
{
	uint64_t stored = (uint64_t)scene_has(scene, 100) + scene_has(scene, 101);
	struct usage *usage = NULL;
	int rc = store_view_usage(scene->view, USAGE_GRANT, "printers", &usage);
	uint64_t debt_ms;

	assert_int_equal(rc, stored > 0 ? 0 : -ENOENT);
	if (stored == 0)
		return;
	debt_ms = usage->messages_full_unix_us / 1000 - usage->first_unix_ms;
	assert_int_equal(usage->messages, stored);
	assert_int_equal(usage->messages_full_unix_us, usage->recipients_full_unix_us);
	assert_int_equal((debt_ms + PACE_HOUR_MS / 2) / PACE_HOUR_MS, stored);
	usage_close(&usage);
}

/* 0: it is not there. */
static uint32_t item_revision(struct scene *scene, const char *name)
{
	struct registry_item item = {.revision = 0};
	uint32_t revision;
	int rc = store_view_registered(scene->view, REGISTRY_GRANT, name, &item);

	assert_true(rc == 0 || rc == -ENOENT);
	revision = item.revision;
	registry_item_fini(&item);
	return revision;
}

static size_t count_acts(struct scene *scene, const char *act)
{
	struct registry_entry entries[8];
	ssize_t count = store_view_journal(scene->view, 0, NULL, UINT64_MAX, entries, 8);
	size_t acts = 0;

	assert_true(count >= 1 && count <= 4);
	for (ssize_t i = 0; i < count; i++)
		acts += strcmp(entries[i].act, act) == 0;
	return acts;
}

/* Each change once, both of a list or none, and the records as the journal says. */
static void check_registry(struct scene *scene, struct group *group)
{
	size_t entered = count_acts(scene, "enter"), left = count_acts(scene, "leave");

	check_told(group->enter.request.result, entered > 0);
	check_told(group->leave.request.result, left > 0);
	assert_true(entered == 0 || entered == 2);
	assert_true(left <= 1);
	assert_int_equal(item_revision(scene, "kept"), entered > 0 ? 2 : 1);
	assert_int_equal(item_revision(scene, "added"), entered > 0 && left == 0);
}

static void check_store(struct scene *scene, struct group *group)
{
	check_registry(scene, group);
	check_usage(scene);
	check_told(group->add_small.request.result, scene_has(scene, 100));
	check_told(group->add_large.request.result, scene_has(scene, 101));
	if (group->append.request.result == 0) {
		assert_true(scene_has_piece(scene, 102, 0));
		assert_true(scene_has_piece(scene, 102, 1));
	}
	check_told(group->defer.request.result, revision_of(scene, 10) > 0);
	assert_int_equal(revision_of(scene, 10) > 0, scene_has(scene, 103));
	assert_true(revision_of(scene, 10) <= 1);
	check_told(group->deliver.request.result, !scene_has(scene, 11));
	scene_check_whole(scene, 10);
	scene_check_whole(scene, 12);
	for (uint64_t id = 100; id <= 103; id++)
		if (scene_has(scene, id))
			scene_check_whole(scene, id);
}

static void disarm(void)
{
	atomic_store_explicit(&faults_control()->first, 0, memory_order_relaxed);
}

static void arm(enum fault_kind kind, uint32_t first, uint32_t count)
{
	struct faults *faults = faults_control();

	atomic_store_explicit(&faults->kind, kind, memory_order_relaxed);
	atomic_store_explicit(&faults->count, count, memory_order_relaxed);
	atomic_store_explicit(&faults->seen, 0, memory_order_relaxed);
	atomic_store_explicit(&faults->hit, 0, memory_order_relaxed);
	atomic_store_explicit(&faults->first, first, memory_order_relaxed);
}

static void free_group(struct group *group)
{
	message_close(&group->small);
	message_close(&group->large);
	message_close(&group->arriving);
	message_close(&group->bounce);
}

/* The disk is well again: within two tries of a broken store, new mail is taken. */
static void check_works_again(struct scene *scene)
{
	for (unsigned turn = 0; turn < 200; turn++) {
		scene_run(scene);
		clock_turned_advance(&scene->turned, TURN_MS);
	}
	assert_false(writer_is_full(scene->writer));
	assert_int_equal(scene_add(scene, 500, 20000), 0);
	assert_int_equal(scene_change(scene, 12, scene_defer), 0);
}

/* One group, whose call number `first` to the disk fails. Returns how many calls did. */
static uint32_t fail_at(enum fault_kind kind, uint32_t first, uint32_t count, unsigned *told_zero)
{
	struct scene scene;
	struct group group;
	uint32_t hit;

	open_scene(&scene);
	submit_group(&scene, &group);
	arm(kind, first, count);
	run_until_answered(&scene, &group);
	disarm();
	hit = atomic_load_explicit(&faults_control()->hit, memory_order_relaxed);
	for (struct asked *const *asked = all_of(&group); *asked != NULL; asked++)
		*told_zero += (*asked)->request.result == 0;
	check_works_again(&scene);
	scene_restart(&scene);
	check_store(&scene, &group);
	scene_check_whole(&scene, 500);
	assert_int_equal(revision_of(&scene, 12), 1);
	scene_close(&scene);
	free_group(&group);
	return hit;
}

/* Call by call until the group gets through before the fault; returns how many calls that were. */
static uint32_t walk(enum fault_kind kind, uint32_t count, unsigned *told_zero)
{
	uint32_t first = 1;

	*told_zero = 0;
	while (fail_at(kind, first, count, told_zero) > 0)
		assert_true(++first < 200);
	return first - 1;
}

static const enum fault_kind kinds[] = {
	FAULT_EIO, FAULT_ENOSPC, FAULT_LATE_EIO, FAULT_SHORT, FAULT_EINTR};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

/* Two faults: LMDB answers a failed write of the meta page with another, which puts the old one back. */
static void a_fault_that_passes_costs_no_request_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * KIND_COUNT; i++) {
		enum fault_kind kind = kinds[i / 2];
		unsigned told_zero;
		uint32_t calls = walk(kind, 1 + i % 2, &told_zero);

		/* writes, a flush and the meta page at the least */
		assert_true(calls >= 3);
		/*
		 * all of each run; a full disk may refuse mail (three) for a moment, and what hits on it alone, with what
		 * needs that
		 */
		if (kind == FAULT_ENOSPC)
			assert_true(told_zero >= (calls + 1) * (i % 2 == 0 ? 4 : 2));
		else
			assert_int_equal(told_zero, REQUESTS * (calls + 1));
	}
}

static void a_disk_that_stays_broken_gives_no_false_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < KIND_COUNT; i++) {
		unsigned told_zero;

		/* LMDB goes on for as long as it is interrupted, and nothing interrupts for ever */
		if (kinds[i] != FAULT_EINTR)
			assert_true(walk(kinds[i], FOR_EVER, &told_zero) >= 3);
	}
}

static void answers_are_kept_back_while_it_is_unknown(void **state)
{
	struct scene scene;
	struct group group;

	(void)state;
	open_scene(&scene);
	submit_group(&scene, &group);
	arm(FAULT_EIO, 1, FOR_EVER);
	while (scene.turned.mono_ms_now < 1000 + WRITER_HEAL_MS) {
		scene_run(&scene);
		assert_false(group.add_small.answered);
		assert_false(group.deliver.answered);
		clock_turned_advance(&scene.turned, TURN_MS);
	}
	disarm();
	clock_turned_advance(&scene.turned, 1000);
	scene_run(&scene);
	assert_true(all_answered(&group));
	assert_int_equal(group.add_small.request.result, 0);
	scene_restart(&scene);
	check_store(&scene, &group);
	scene_close(&scene);
	free_group(&group);
}

static void a_broken_store_takes_no_new_mail_until_a_commit_succeeds(void **state)
{
	uint64_t failed = metric_value(METRIC_COMMITS_FAILED);
	struct scene scene;
	struct group group;

	(void)state;
	open_scene(&scene);
	submit_group(&scene, &group);
	arm(FAULT_EIO, 1, FOR_EVER);
	run_until_answered(&scene, &group);
	assert_true(metric_value(METRIC_COMMITS_FAILED) > failed);
	assert_int_equal(group.deliver.request.result, -EIO);
	assert_true(writer_is_full(scene.writer));
	assert_int_equal(scene_add(&scene, 600, 10), -ENOSPC);
	disarm();
	clock_turned_advance(&scene.turned, 1000);
	scene_run(&scene);
	assert_false(writer_is_full(scene.writer));
	assert_int_equal(scene_add(&scene, 601, 10), 0);
	scene_restart(&scene);
	assert_false(scene_has(&scene, 600));
	scene_check_whole(&scene, 601);
	check_store(&scene, &group);
	scene_close(&scene);
	free_group(&group);
}

static void an_outcome_on_a_broken_store_waits_and_is_then_stored(void **state)
{
	struct scene scene;
	struct group group;
	struct asked late;

	(void)state;
	open_scene(&scene);
	submit_group(&scene, &group);
	arm(FAULT_EIO, 1, FOR_EVER);
	run_until_answered(&scene, &group);
	scene_submit_change(&scene, &late, 12, scene_defer);
	for (unsigned turn = 0; turn < 50; turn++) {
		scene_run(&scene);
		clock_turned_advance(&scene.turned, TURN_MS);
	}
	assert_false(late.answered);
	disarm();
	clock_turned_advance(&scene.turned, 1000);
	scene_run(&scene);
	assert_true(late.answered);
	assert_int_equal(late.request.result, 0);
	scene_restart(&scene);
	assert_int_equal(revision_of(&scene, 12), 1);
	scene_close(&scene);
	free_group(&group);
}

static int64_t hasty_mono_ms(const struct clock *clock)
{
	(void)clock;
	return clock_mono_ms(&clock_system) * 20;
}

/* With its thread, on a clock that makes seconds short: it sleeps between tries, answers all, and ends although the disk never comes back. */
static void the_thread_can_be_stopped_on_a_broken_disk(void **state)
{
	struct message *message;
	struct scene scene;
	struct asked drop = {.request = {.verb = WRITER_DROP, .id = 10}}, change, add;
	struct clock hasty = clock_system;
	struct reason reason;

	(void)state;
	hasty.mono_ms = hasty_mono_ms;
	scene_open(&scene, MAP);
	assert_int_equal(scene_add(&scene, 12, 5000), 0);
	writer_close(&scene.writer);
	scene.writer = writer_open(scene.store, &hasty, 4096, NULL);
	message = scene_message(&scene, 100, 10);
	scene_submit_change(&scene, &change, 12, scene_defer);
	scene_submit(&scene, &drop);
	scene_submit_add(&scene, &add, message);
	arm(FAULT_EIO, 1, FOR_EVER);
	assert_int_equal(writer_start(scene.writer, &reason), 0);
	writer_stop(scene.writer);
	disarm();
	scene_read_answers(&scene);
	assert_true(change.answered && drop.answered && add.answered);
	assert_int_equal(change.request.result, -EIO);
	scene_close(&scene);
	message_close(&message);
}

/* Their pieces are nobody's and swept at the next start; who submitted them must come to an end. */
static void drops_on_a_bad_disk_wait_until_they_are_ended(void **state)
{
	static const enum fault_kind bad[] = {FAULT_ENOSPC, FAULT_EIO};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct asked drop = {.request = {.verb = WRITER_DROP, .id = 102}}, append;
		struct message *message;
		struct scene scene;

		scene_open(&scene, MAP);
		message = scene_message(&scene, 102, 2 * STORE_PIECE_BYTES);
		append.request = (struct writer_request){
			.verb = WRITER_APPEND, .id = 102, .pieces = message->pieces};
		scene_submit(&scene, &append);
		scene_run(&scene);
		arm(bad[i], 1, FOR_EVER);
		if (bad[i] == FAULT_EIO) { /* broken before the drop comes */
			struct asked add;

			scene_submit_add(&scene, &add, message);
			for (unsigned turn = 0; turn < TURNS && !add.answered; turn++) {
				scene_run(&scene);
				clock_turned_advance(&scene.turned, TURN_MS);
			}
		}
		scene_submit(&scene, &drop);
		for (unsigned turn = 0; turn < TURNS; turn++) {
			scene_run(&scene);
			clock_turned_advance(&scene.turned, TURN_MS);
		}
		assert_false(drop.answered);
		writer_end_drops(scene.writer);
		scene_run(&scene);
		assert_true(drop.answered);
		assert_true(drop.request.result < 0);
		disarm();
		scene_close(&scene);
		message_close(&message);
	}
}

#define MB (1ULL << 20)
#define GB (1ULL << 30)

static void check_disk(struct scene *scene, uint64_t disk_bytes, uint64_t free_bytes, bool is_full)
{
	atomic_store_explicit(&faults_control()->free_bytes, free_bytes, memory_order_relaxed);
	atomic_store_explicit(&faults_control()->disk_bytes, disk_bytes, memory_order_relaxed);
	clock_turned_advance(&scene->turned, 200);
	scene_run(scene);
	assert_int_equal(writer_is_full(scene->writer), is_full);
}

static void a_disk_with_little_room_left_takes_no_new_mail(void **state)
{
	struct scene scene;
	struct message *notice;
	struct asked asked;

	(void)state;
	scene_open(&scene, MAP);
	assert_int_equal(scene_add(&scene, 10, 5000), 0);
	assert_int_equal(scene_add(&scene, 12, 5000), 0);
	/* a large disk: by what is free */
	check_disk(&scene, 500 * GB, 65 * MB, false);
	check_disk(&scene, 500 * GB, 63 * MB, true);
	assert_int_equal(scene_add(&scene, 11, 10), -ENOSPC);
	check_disk(&scene, 500 * GB, 95 * MB, true);
	check_disk(&scene, 500 * GB, 97 * MB, false);
	/* a small one: by the share that is free */
	check_disk(&scene, 40 * MB, 10 * MB, false);
	check_disk(&scene, 40 * MB, 3 * MB, true);
	check_disk(&scene, 40 * MB, 6 * MB, false);
	/* nearly nothing left: outcomes alone */
	check_disk(&scene, 500 * GB, 15 * MB, true);
	notice = scene_message(&scene, 20, 100);
	notice->envelope->flags |= ENVELOPE_LOCAL;
	asked.request = (struct writer_request){
		.verb = WRITER_CHANGE, .id = 10, .change = scene_deliver_all, .message = notice};
	scene_submit(&scene, &asked);
	scene_run(&scene);
	assert_int_equal(asked.request.result, -ENOSPC);
	assert_true(scene_has(&scene, 10));
	assert_int_equal(scene_change(&scene, 12, scene_defer), 0);
	assert_int_equal(scene_change(&scene, 10, scene_deliver_all), 0);
	check_disk(&scene, 0, 0, false);
	assert_int_equal(scene_add(&scene, 11, 10), 0);
	scene_close(&scene);
	message_close(&notice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fault_that_passes_costs_no_request_its_place),
		cmocka_unit_test(a_disk_that_stays_broken_gives_no_false_answer),
		cmocka_unit_test(answers_are_kept_back_while_it_is_unknown),
		cmocka_unit_test(a_broken_store_takes_no_new_mail_until_a_commit_succeeds),
		cmocka_unit_test(an_outcome_on_a_broken_store_waits_and_is_then_stored),
		cmocka_unit_test(the_thread_can_be_stopped_on_a_broken_disk),
		cmocka_unit_test(drops_on_a_bad_disk_wait_until_they_are_ended),
		cmocka_unit_test(a_disk_with_little_room_left_takes_no_new_mail),
	};

	return cmocka_run_group_tests_name("faults/writer", tests, NULL, NULL);
}
