#include "tests/unit/queue/scene.h"

#include "core/metrics.h"

#define MAP   (64u << 20)
#define LARGE (STORE_PIECE_BYTES + 1) /* keeps its place; what is smaller passes it */

static int setup(void **state)
{
	static struct scene scene;

	scene_open(&scene, MAP);
	*state = &scene;
	return 0;
}

static int teardown(void **state)
{
	scene_close(*state);
	return 0;
}

/* ---- the group ---- */

/* Submits `count` small messages with ids from `first` on; all are freed by free_adds. */
static struct asked *submit_adds(struct scene *scene, uint64_t first, size_t count, size_t size)
{
	struct asked *asked = calloc(count, sizeof(*asked));

	assert_non_null(asked);
	for (size_t i = 0; i < count; i++)
		scene_submit_add(scene, &asked[i], scene_message(scene, first + i, size));
	return asked;
}

static void free_adds(struct asked **asked, size_t count)
{
	for (size_t i = 0; i < count; i++)
		message_close(&(*asked)[i].request.message);
	free(*asked);
	*asked = NULL;
}

static void a_hundred_requests_that_wait_share_one_commit(void **state)
{
	struct scene *scene = *state;
	struct asked *asked = submit_adds(scene, 100, 100, 4096);
	uint64_t commits = metric_value(METRIC_COMMITS), items = metric_value(METRIC_COMMIT_ITEMS);

	assert_int_equal(writer_step(scene->writer), 100);
	assert_int_equal(metric_value(METRIC_COMMITS) - commits, 1);
	assert_int_equal(metric_value(METRIC_COMMIT_ITEMS) - items, 100);
	scene_read_answers(scene);
	scene_restart(scene);
	for (uint64_t i = 0; i < 100; i++) {
		assert_true(asked[i].answered);
		assert_int_equal(asked[i].request.result, 0);
		scene_check_whole(scene, 100 + i);
	}
	free_adds(&asked, 100);
}

static void nothing_that_waits_makes_no_commit(void **state)
{
	struct scene *scene = *state;
	uint64_t commits = metric_value(METRIC_COMMITS);

	assert_int_equal(writer_step(scene->writer), 0);
	assert_int_equal(metric_value(METRIC_COMMITS), commits);
}

static void a_group_is_bounded_by_count(void **state)
{
	struct scene *scene = *state;
	struct asked *asked = submit_adds(scene, 100, WRITER_GROUP_MAX + 88, 100);

	assert_int_equal(writer_step(scene->writer), WRITER_GROUP_MAX);
	assert_int_equal(writer_step(scene->writer), 88);
	assert_int_equal(writer_step(scene->writer), 0);
	scene_read_answers(scene);
	free_adds(&asked, WRITER_GROUP_MAX + 88);
}

static void a_group_is_bounded_by_the_text_it_writes(void **state)
{
	struct scene *scene = *state;
	struct asked *asked = submit_adds(scene, 100, 6, 1 << 20);

	assert_int_equal(writer_step(scene->writer), 4);
	assert_int_equal(writer_step(scene->writer), 2);
	scene_read_answers(scene);
	free_adds(&asked, 6);
}

static void a_group_is_bounded_by_the_text_it_deletes(void **state)
{
	struct scene *scene = *state;
	struct asked asked[6];

	for (uint64_t i = 0; i < 6; i++)
		assert_int_equal(scene_add(scene, 100 + i, 1 << 20), 0);
	for (uint64_t i = 0; i < 6; i++)
		scene_submit_change(scene, &asked[i], 100 + i, scene_deliver_all);
	assert_int_equal(writer_step(scene->writer), 4);
	assert_int_equal(writer_step(scene->writer), 2);
	scene_read_answers(scene);
	for (uint64_t i = 0; i < 6; i++)
		assert_false(scene_has(scene, 100 + i));
}

static void a_small_message_passes_large_texts(void **state)
{
	struct scene *scene = *state;
	struct asked *large = submit_adds(scene, 100, 12, 1 << 20);
	struct asked *small = submit_adds(scene, 200, 1, STORE_PIECE_BYTES);

	assert_int_equal(writer_step(scene->writer), 5);
	scene_read_answers(scene);
	assert_true(small->answered && large[3].answered && !large[4].answered);
	scene_run(scene);
	for (uint64_t i = 0; i < 12; i++)
		scene_check_whole(scene, 100 + i);
	free_adds(&large, 12);
	free_adds(&small, 1);
}

static void large_texts_get_on_beside_small_messages(void **state)
{
	struct scene *scene = *state;
	struct asked *small = submit_adds(scene, 200, WRITER_GROUP_MAX, 100);
	struct asked *large = submit_adds(scene, 100, 6, 1 << 20);

	writer_step(scene->writer);
	scene_read_answers(scene);
	assert_true(large[3].answered);
	assert_true(small[WRITER_GROUP_MAX / 2 - 1].answered);
	assert_false(small[WRITER_GROUP_MAX / 2].answered);
	scene_run(scene);
	assert_true(large[5].answered && small[WRITER_GROUP_MAX - 1].answered);
	free_adds(&small, WRITER_GROUP_MAX);
	free_adds(&large, 6);
}

static void a_small_message_passes_what_removes_large_ones(void **state)
{
	struct scene *scene = *state;
	struct asked changes[4], *small;

	for (uint64_t i = 0; i < 4; i++)
		assert_int_equal(scene_add(scene, 100 + i, 5 << 20), 0);
	for (uint64_t i = 0; i < 4; i++)
		scene_submit_change(scene, &changes[i], 100 + i, scene_deliver_all);
	assert_int_equal(writer_step(scene->writer), 1);
	small = submit_adds(scene, 200, 1, 100);
	assert_int_equal(writer_step(scene->writer), 2);
	scene_read_answers(scene);
	assert_true(small->answered && changes[1].answered && !changes[2].answered);
	scene_run(scene);
	assert_true(changes[3].answered);
	free_adds(&small, 1);
}

struct seen {
	struct scene *scene;
	bool message_was_there;
};

static int look_from_call(struct store *store, void *argument)
{
	struct seen *seen = argument;

	assert_ptr_equal(store, seen->scene->store);
	seen->message_was_there = scene_has(seen->scene, 100);
	return -ERANGE;
}

static void small_messages_do_not_keep_a_call_waiting(void **state)
{
	struct scene *scene = *state;
	struct message *large = scene_message(scene, 100, 3 << 20);
	struct seen seen = {.scene = scene};
	struct asked add, *small;
	struct asked call = {
		.request = {.verb = WRITER_CALL, .call = look_from_call, .argument = &seen}};

	scene_submit_add(scene, &add, large);
	scene_submit(scene, &call);
	assert_int_equal(writer_step(scene->writer), 1);
	small = submit_adds(scene, 200, 3, 100);
	assert_int_equal(writer_step(scene->writer), 1);
	scene_read_answers(scene);
	assert_true(call.answered && !small[0].answered);
	scene_run(scene);
	assert_true(small[2].answered);
	free_adds(&small, 3);
	message_close(&large);
}

static void the_scheduler_is_nudged_when_there_is_work(void **state)
{
	struct scene *scene = *state;

	assert_true(mailbox_rest(scene->work));
	assert_int_equal(scene_add(scene, 100, 10), 0);
	assert_false(mailbox_rest(scene->work));
	assert_true(mailbox_rest(scene->work));
	assert_int_equal(scene_change(scene, 100, scene_defer), 0);
	assert_false(mailbox_rest(scene->work));
}

static void read_on_writer(struct letter *letter, void *context)
{
	struct asked *asked = LETTER_OF(letter, struct asked, request.letter);

	assert_null(context);
	asked->answered = true;
}

static void an_answer_to_nobody_is_read_on_the_spot(void **state)
{
	struct scene *scene = *state;
	struct message *message = scene_message(scene, 100, 10);
	struct asked asked = {.request = {.verb = WRITER_ADD, .message = message}};

	asked.request.letter.read = read_on_writer;
	writer_submit(scene->writer, &asked.request);
	assert_int_equal(writer_step(scene->writer), 1);
	assert_true(asked.answered);
	message_close(&message);
}

/* ---- verbs ---- */

static void a_large_message_comes_in_parts_and_is_seen_with_its_envelope(void **state)
{
	struct scene *scene = *state;
	struct message *message = scene_message(scene, 100, 5 * STORE_PIECE_BYTES + 17);
	struct text_piece *rest = message->pieces->next->next, *first = message->pieces;
	struct asked append = {.request = {.verb = WRITER_APPEND, .id = 100, .pieces = first}};
	struct asked add;

	first->next->next = NULL;
	message->pieces = rest;
	scene_submit(scene, &append);
	scene_run(scene);
	assert_int_equal(append.request.result, 0);
	assert_false(scene_has(scene, 100));
	assert_true(scene_has_piece(scene, 100, 1));
	scene_submit_add(scene, &add, message);
	scene_run(scene);
	assert_int_equal(add.request.result, 0);
	scene_restart(scene);
	scene_check_whole(scene, 100);
	text_pieces_free(&first);
	message_close(&message);
}

static void a_taken_id_is_refused_and_the_others_go_on(void **state)
{
	struct scene *scene = *state;
	struct message *one = scene_message(scene, 99, 50),
		       *again = scene_message(scene, 100, 9000),
		       *other = scene_message(scene, 101, 60);
	struct asked asked[3];

	assert_int_equal(scene_add(scene, 100, 5000), 0);
	scene_submit_add(scene, &asked[0], one);
	scene_submit_add(scene, &asked[1], again);
	scene_submit_add(scene, &asked[2], other);
	assert_int_equal(writer_step(scene->writer), 3);
	scene_read_answers(scene);
	assert_int_equal(asked[0].request.result, 0);
	assert_int_equal(asked[1].request.result, -EEXIST);
	assert_int_equal(asked[2].request.result, 0);
	scene_check_whole(scene, 99);
	scene_check_whole(scene, 100);
	scene_check_whole(scene, 101);
	message_close(&one);
	message_close(&again);
	message_close(&other);
}

static void a_change_is_stored_and_counted_in_the_revision(void **state)
{
	struct scene *scene = *state;
	struct envelope *envelope;
	uint32_t revision;

	assert_int_equal(scene_add(scene, 100, 10), 0);
	envelope = scene_get(scene, 100);
	revision = envelope->revision;
	envelope_close(&envelope);
	assert_int_equal(scene_change(scene, 100, scene_defer), 0);
	assert_int_equal(scene_change(scene, 100, scene_defer), 0);
	scene_restart(scene);
	envelope = scene_get(scene, 100);
	assert_int_equal(envelope->revision, revision + 2);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_DEFERRED);
	assert_int_equal(envelope->recipients[0].attempts, 2);
	envelope_close(&envelope);
	scene_check_whole(scene, 100);
}

static int refuse(struct envelope *envelope, void *argument)
{
	(void)argument;
	envelope->recipients[0].state = RECIPIENT_HELD;
	return -EINVAL;
}

static int nothing_to_do(struct envelope *envelope, void *argument)
{
	(void)argument;
	envelope->recipients[0].state = RECIPIENT_HELD;
	return 1;
}

static void check_untouched(struct scene *scene, uint64_t id)
{
	struct envelope *envelope = scene_get(scene, id);

	assert_non_null(envelope);
	assert_int_equal(envelope->revision, 0);
	assert_int_equal(envelope->recipients[0].state, RECIPIENT_WAITING);
	envelope_close(&envelope);
}

static void a_refused_change_leaves_no_trace_and_the_others_go_on(void **state)
{
	struct scene *scene = *state;
	struct asked asked[4];

	assert_int_equal(scene_add(scene, 100, 10), 0);
	assert_int_equal(scene_add(scene, 101, 10), 0);
	scene_submit_change(scene, &asked[0], 100, refuse);
	scene_submit_change(scene, &asked[1], 4711, scene_defer);
	scene_submit_change(scene, &asked[2], 100, nothing_to_do);
	scene_submit_change(scene, &asked[3], 101, scene_defer);
	assert_int_equal(writer_step(scene->writer), 4);
	scene_read_answers(scene);
	assert_int_equal(asked[0].request.result, -EINVAL);
	assert_int_equal(asked[1].request.result, -ENOENT);
	assert_int_equal(asked[2].request.result, 0);
	assert_int_equal(asked[3].request.result, 0);
	check_untouched(scene, 100);
}

static void a_batch_of_refusals_is_not_committed(void **state)
{
	struct scene *scene = *state;
	uint64_t commits;

	assert_int_equal(scene_add(scene, 100, 10), 0);
	commits = metric_value(METRIC_COMMITS);
	assert_int_equal(scene_change(scene, 100, refuse), -EINVAL);
	assert_int_equal(metric_value(METRIC_COMMITS), commits);
}

static void a_change_that_leaves_nobody_removes_the_message(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(scene_add(scene, 100, 2 * STORE_PIECE_BYTES), 0);
	assert_int_equal(scene_change(scene, 100, scene_deliver_all), 0);
	scene_restart(scene);
	assert_false(scene_has(scene, 100));
	assert_false(scene_has_piece(scene, 100, 0));
	assert_false(scene_has_piece(scene, 100, 1));
	assert_int_equal(scene_change(scene, 100, scene_deliver_all), -ENOENT);
}

static void two_changes_of_one_message_in_a_group_come_in_order(void **state)
{
	struct scene *scene = *state;
	struct asked asked[3];

	assert_int_equal(scene_add(scene, 100, 10), 0);
	scene_submit_change(scene, &asked[0], 100, scene_defer);
	scene_submit_change(scene, &asked[1], 100, scene_deliver_all);
	scene_submit_change(scene, &asked[2], 100, scene_defer);
	assert_int_equal(writer_step(scene->writer), 3);
	scene_read_answers(scene);
	assert_int_equal(asked[0].request.result, 0);
	assert_int_equal(asked[1].request.result, 0);
	assert_int_equal(asked[2].request.result, -ENOENT);
	assert_false(scene_has(scene, 100));
}

static void a_bounce_comes_with_the_change_that_caused_it(void **state)
{
	struct scene *scene = *state;
	struct message *bounce = scene_message(scene, 200, 700);
	struct asked asked;

	assert_int_equal(scene_add(scene, 100, 10), 0);
	bounce->next = scene_message(scene, 201, 800);
	asked.request = (struct writer_request){
		.verb = WRITER_CHANGE, .id = 100, .change = scene_deliver_all, .message = bounce};
	scene_submit(scene, &asked);
	scene_run(scene);
	assert_int_equal(asked.request.result, 0);
	assert_false(scene_has(scene, 100));
	scene_check_whole(scene, 200);
	scene_check_whole(scene, 201);
	message_close(&bounce);
}

/* The second of the two bounces cannot be added: then neither is, nor the change, and the rest of the group is. */
static void a_change_and_its_bounces_are_stored_together_or_not_at_all(void **state)
{
	struct scene *scene = *state;
	struct message *bounce = scene_message(scene, 200, 700);
	struct asked asked, before, behind;

	assert_int_equal(scene_add(scene, 100, 10), 0);
	assert_int_equal(scene_add(scene, 102, 10), 0);
	assert_int_equal(scene_add(scene, 103, 10), 0);
	assert_int_equal(scene_add(scene, 201, 10), 0);
	bounce->next = scene_message(scene, 201, 800);
	scene_submit_change(scene, &before, 102, scene_deliver_all);
	asked.request = (struct writer_request){
		.verb = WRITER_CHANGE, .id = 100, .change = scene_deliver_all, .message = bounce};
	scene_submit(scene, &asked);
	scene_submit_change(scene, &behind, 103, scene_deliver_all);
	scene_run(scene);
	assert_int_equal(before.request.result, 0);
	assert_int_equal(asked.request.result, -EEXIST);
	assert_int_equal(behind.request.result, 0);
	scene_restart(scene);
	check_untouched(scene, 100);
	assert_false(scene_has(scene, 200));
	assert_false(scene_has_piece(scene, 200, 0));
	scene_check_whole(scene, 201);
	assert_false(scene_has(scene, 102));
	assert_false(scene_has(scene, 103));
	message_close(&bounce);
}

static void a_call_runs_alone_after_what_came_before_it(void **state)
{
	struct scene *scene = *state;
	struct message *one = scene_message(scene, 100, LARGE),
		       *other = scene_message(scene, 101, LARGE);
	struct seen seen = {.scene = scene};
	struct asked before, behind;
	struct asked call = {
		.request = {.verb = WRITER_CALL, .call = look_from_call, .argument = &seen}};

	scene_submit_add(scene, &before, one);
	scene_submit(scene, &call);
	scene_submit_add(scene, &behind, other);
	assert_int_equal(writer_step(scene->writer), 1);
	assert_int_equal(writer_step(scene->writer), 1);
	assert_int_equal(writer_step(scene->writer), 1);
	scene_read_answers(scene);
	assert_true(seen.message_was_there);
	assert_int_equal(call.request.result, -ERANGE);
	assert_true(behind.answered);
	message_close(&one);
	message_close(&other);
}

/* ---- drops ---- */

static void append_orphan(struct scene *scene, uint64_t id, size_t size)
{
	struct message *message = scene_message(scene, id, size);
	struct asked append = {
		.request = {.verb = WRITER_APPEND, .id = id, .pieces = message->pieces}};

	scene_submit(scene, &append);
	scene_run(scene);
	assert_int_equal(append.request.result, 0);
	message_close(&message);
}

static void a_big_drop_goes_in_steps_and_delays_nobody(void **state)
{
	struct scene *scene = *state;
	struct asked drop = {.request = {.verb = WRITER_DROP, .id = 100}}, add;
	struct message *message = scene_message(scene, 101, 10);

	append_orphan(scene, 100, 100 * STORE_PIECE_BYTES);
	scene_submit(scene, &drop);
	assert_true(writer_step(scene->writer) > 0);
	scene_read_answers(scene);
	assert_false(drop.answered);
	assert_true(scene_has_piece(scene, 100, 99));
	scene_submit_add(scene, &add, message);
	writer_step(scene->writer);
	scene_read_answers(scene);
	assert_true(add.answered);
	assert_false(drop.answered);
	scene_run(scene);
	assert_true(drop.answered);
	assert_int_equal(drop.request.result, 0);
	for (uint32_t i = 0; i < 100; i++)
		assert_false(scene_has_piece(scene, 100, i));
	message_close(&message);
}

static void a_small_drop_does_not_wait_for_a_big_one(void **state)
{
	struct scene *scene = *state;
	struct asked big = {.request = {.verb = WRITER_DROP, .id = 100}};
	struct asked small = {.request = {.verb = WRITER_DROP, .id = 101}};

	append_orphan(scene, 100, 100 * STORE_PIECE_BYTES);
	append_orphan(scene, 101, 10);
	scene_submit(scene, &big);
	scene_submit(scene, &small);
	writer_step(scene->writer);
	writer_step(scene->writer);
	scene_read_answers(scene);
	assert_true(small.answered);
	assert_false(big.answered);
	scene_run(scene);
	assert_true(big.answered);
}

static void a_drop_leaves_the_text_of_a_message_that_came_alone(void **state)
{
	struct scene *scene = *state;
	struct asked drop = {.request = {.verb = WRITER_DROP, .id = 100}};

	assert_int_equal(scene_add(scene, 100, 5000), 0);
	scene_submit(scene, &drop);
	scene_run(scene);
	assert_true(drop.answered);
	assert_int_equal(drop.request.result, -EEXIST);
	scene_check_whole(scene, 100);
}

static void a_drop_of_nothing_is_done(void **state)
{
	struct scene *scene = *state;
	struct asked drop = {.request = {.verb = WRITER_DROP, .id = 100}};

	scene_submit(scene, &drop);
	scene_run(scene);
	assert_true(drop.answered);
	assert_int_equal(drop.request.result, 0);
}

/* ---- the thread ---- */

static void the_thread_answers_all_before_it_stops(void **state)
{
	struct scene *scene = *state;
	struct asked *asked = submit_adds(scene, 100, 1000, 300);
	struct asked drop = {.request = {.verb = WRITER_DROP, .id = 4711}};
	struct reason reason;

	assert_int_equal(writer_start(scene->writer, &reason), 0);
	scene_submit(scene, &drop);
	writer_stop(scene->writer);
	scene_read_answers(scene);
	for (uint64_t i = 0; i < 1000; i++) {
		assert_true(asked[i].answered);
		assert_int_equal(asked[i].request.result, 0);
		scene_check_whole(scene, 100 + i);
	}
	assert_true(drop.answered);
	free_adds(&asked, 1000);
}

static void a_call_that_comes_while_it_stops_is_cancelled(void **state)
{
	struct scene *scene = *state;
	struct seen seen = {.scene = scene};
	struct asked call = {
		.request = {.verb = WRITER_CALL, .call = look_from_call, .argument = &seen}};
	struct reason reason;

	assert_int_equal(writer_start(scene->writer, &reason), 0);
	writer_stop(scene->writer);
	scene_submit(scene, &call);
	scene_run(scene);
	assert_int_equal(call.request.result, -ECANCELED);
}

/* ---- second copies ---- */

/* A client's message with what it is known by; `plan` is of the renamed one. */
static struct message *known(
	struct scene *scene, uint64_t id, uint64_t key, uint64_t name, uint64_t content)
{
	struct message *message = scene_message(scene, id, 10);

	message->repeat = (struct message_repeat){.key = key,
		.name = name,
		.content = content,
		.renamed_plan = "plan",
		.renamed_plan_size = 4,
		.renamed_quirks = "Q-87"};
	return message;
}

static uint64_t add_known(struct scene *scene, uint64_t id, uint64_t key)
{
	struct message *message = known(scene, id, key, 0, 1);
	struct asked asked;

	scene_submit_add(scene, &asked, message);
	scene_run(scene);
	assert_int_equal(asked.request.result, 0);
	message_close(&message);
	return asked.request.first_id;
}

static void is_unheard(struct scene *scene, uint64_t id)
{
	struct asked asked = {.request = {.verb = WRITER_UNHEARD, .id = id}};

	scene_submit(scene, &asked);
	scene_run(scene);
	assert_true(asked.answered);
}

static int delete_all(struct envelope *envelope, void *argument)
{
	(void)argument;
	envelope->recipients[0].state = RECIPIENT_DELETED;
	return 0;
}

static void change(struct scene *scene, uint64_t id, writer_change_fn *how)
{
	struct asked asked;

	scene_submit_change(scene, &asked, id, how);
	scene_run(scene);
	assert_int_equal(asked.request.result, 0);
}

static void a_second_copy_of_an_unheard_message_is_not_stored(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(add_known(scene, 1, 77), 0);
	assert_int_equal(add_known(scene, 2, 77), 0);
	is_unheard(scene, 1);
	assert_int_equal(add_known(scene, 3, 77), 1);
	assert_false(scene_has(scene, 3));
	assert_int_equal(add_known(scene, 4, 77), 0);
	assert_true(scene_has(scene, 4));
}

static void a_second_copy_of_a_delivered_message_is_not_stored(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(add_known(scene, 1, 77), 0);
	change(scene, 1, scene_deliver_all);
	is_unheard(scene, 1);
	assert_int_equal(add_known(scene, 2, 77), 1);
	assert_false(scene_has(scene, 2));
}

static void a_second_copy_of_a_message_that_was_not_delivered_is_a_message(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(add_known(scene, 1, 77), 0);
	is_unheard(scene, 1);
	change(scene, 1, delete_all);
	assert_int_equal(add_known(scene, 2, 77), 0);
	assert_int_equal(add_known(scene, 3, 78), 0);
	change(scene, 3, delete_all);
	is_unheard(scene, 3);
	assert_int_equal(add_known(scene, 4, 78), 0);
}

static void of_one_name_and_two_contents_the_second_is_stored_renamed(void **state)
{
	struct scene *scene = *state;
	struct asked asked[4];
	struct message *messages[] = {known(scene, 1, 0, 5, 100), known(scene, 2, 0, 5, 100),
		known(scene, 3, 0, 5, 200), known(scene, 4, 0, 6, 200)};

	for (size_t i = 0; i < 4; i++)
		scene_submit_add(scene, &asked[i], messages[i]);
	scene_run(scene);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(asked[i].request.result, 0);
		assert_int_equal(asked[i].request.renamed, i == 2);
		assert_int_equal(messages[i]->envelope->plan_size, i == 2 ? 4 : 0);
		message_close(&messages[i]);
	}
}

int main(void)
{
#define WITH_SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_SCENE(a_hundred_requests_that_wait_share_one_commit),
		WITH_SCENE(a_second_copy_of_an_unheard_message_is_not_stored),
		WITH_SCENE(a_second_copy_of_a_delivered_message_is_not_stored),
		WITH_SCENE(a_second_copy_of_a_message_that_was_not_delivered_is_a_message),
		WITH_SCENE(of_one_name_and_two_contents_the_second_is_stored_renamed),
		WITH_SCENE(nothing_that_waits_makes_no_commit),
		WITH_SCENE(a_group_is_bounded_by_count),
		WITH_SCENE(a_group_is_bounded_by_the_text_it_writes),
		WITH_SCENE(a_group_is_bounded_by_the_text_it_deletes),
		WITH_SCENE(a_small_message_passes_large_texts),
		WITH_SCENE(large_texts_get_on_beside_small_messages),
		WITH_SCENE(a_small_message_passes_what_removes_large_ones),
		WITH_SCENE(small_messages_do_not_keep_a_call_waiting),
		WITH_SCENE(the_scheduler_is_nudged_when_there_is_work),
		WITH_SCENE(an_answer_to_nobody_is_read_on_the_spot),
		WITH_SCENE(a_large_message_comes_in_parts_and_is_seen_with_its_envelope),
		WITH_SCENE(a_taken_id_is_refused_and_the_others_go_on),
		WITH_SCENE(a_change_is_stored_and_counted_in_the_revision),
		WITH_SCENE(a_refused_change_leaves_no_trace_and_the_others_go_on),
		WITH_SCENE(a_batch_of_refusals_is_not_committed),
		WITH_SCENE(a_change_that_leaves_nobody_removes_the_message),
		WITH_SCENE(two_changes_of_one_message_in_a_group_come_in_order),
		WITH_SCENE(a_bounce_comes_with_the_change_that_caused_it),
		WITH_SCENE(a_change_and_its_bounces_are_stored_together_or_not_at_all),
		WITH_SCENE(a_call_runs_alone_after_what_came_before_it),
		WITH_SCENE(a_big_drop_goes_in_steps_and_delays_nobody),
		WITH_SCENE(a_small_drop_does_not_wait_for_a_big_one),
		WITH_SCENE(a_drop_leaves_the_text_of_a_message_that_came_alone),
		WITH_SCENE(a_drop_of_nothing_is_done),
		WITH_SCENE(the_thread_answers_all_before_it_stops),
		WITH_SCENE(a_call_that_comes_while_it_stops_is_cancelled),
	};

	return cmocka_run_group_tests_name("queue/writer", tests, NULL, NULL);
}
