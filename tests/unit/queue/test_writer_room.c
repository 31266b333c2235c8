#include "tests/unit/queue/scene.h"

#include "core/metrics.h"

#define MAP   (16u << 20)
#define LARGE (512u << 10)

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

static unsigned map_permille(struct scene *scene)
{
	struct store_fill fill;

	assert_int_equal(store_fill(scene->store, &fill), 0);
	return fill.map_permille;
}

/* Adds messages until one is refused; returns how many are in. The clock goes on, so that the marks are looked at. */
static uint64_t fill_up(struct scene *scene, size_t size)
{
	uint64_t count = 0;
	int rc;

	while ((rc = scene_add(scene, 1000 + count, size)) == 0) {
		scene_check_whole(scene, 1000 + count);
		count++;
		assert_true(count < 10000);
		clock_turned_advance(&scene->turned, 200);
	}
	assert_int_equal(rc, -ENOSPC);
	return count;
}

static void over_the_mark_new_mail_is_refused_and_is_not_in_the_store(void **state)
{
	struct scene *scene = *state;
	uint64_t count = fill_up(scene, LARGE);
	struct asked append;
	struct message *message;

	assert_true(count > 10);
	assert_in_range(map_permille(scene), 900, 1000);
	assert_true(writer_is_full(scene->writer));
	assert_int_equal(metric_value(METRIC_STORE_FULL), 1);
	assert_int_equal(scene_add(scene, 5000, 10), -ENOSPC);
	message = scene_message(scene, 5001, 10);
	append.request = (struct writer_request){
		.verb = WRITER_APPEND, .id = 5001, .pieces = message->pieces};
	scene_submit(scene, &append);
	scene_run(scene);
	assert_int_equal(append.request.result, -ENOSPC);
	message_close(&message);
	scene_restart(scene);
	assert_false(scene_has(scene, 1000 + count));
	assert_false(scene_has_piece(scene, 1000 + count, 0));
	assert_false(scene_has(scene, 5000));
	assert_false(scene_has_piece(scene, 5000, 0));
	assert_false(scene_has_piece(scene, 5001, 0));
}

static void outcomes_bounces_and_deletes_go_on_while_it_is_full(void **state)
{
	struct scene *scene = *state;
	struct message *notice;
	struct asked asked;

	fill_up(scene, LARGE);
	assert_int_equal(scene_change(scene, 1000, scene_defer), 0);
	notice = scene_message(scene, 7000, 2000);
	notice->envelope->flags |= ENVELOPE_LOCAL;
	scene_submit_add(scene, &asked, notice);
	scene_run(scene);
	assert_int_equal(asked.request.result, 0);
	message_close(&notice);
	notice = scene_message(scene, 7001, 2000);
	notice->envelope->flags |= ENVELOPE_LOCAL;
	asked.request = (struct writer_request){
		.verb = WRITER_CHANGE, .id = 1001, .change = scene_deliver_all, .message = notice};
	scene_submit(scene, &asked);
	scene_run(scene);
	assert_int_equal(asked.request.result, 0);
	assert_false(scene_has(scene, 1001));
	scene_check_whole(scene, 7001);
	message_close(&notice);
	assert_true(writer_is_full(scene->writer));
}

static void there_is_room_again_only_well_below_the_mark(void **state)
{
	struct scene *scene = *state;
	uint64_t count = fill_up(scene, LARGE), removed = 0;

	while (map_permille(scene) >= 880) {
		clock_turned_advance(&scene->turned, 200);
		writer_step(scene->writer);
		assert_true(writer_is_full(scene->writer));
		assert_int_equal(scene_change(scene, 1000 + removed++, scene_deliver_all), 0);
		assert_true(removed < count);
	}
	/* nobody asks the writer for anything, and still it is seen */
	clock_turned_advance(&scene->turned, 200);
	assert_int_equal(writer_step(scene->writer), 0);
	assert_false(writer_is_full(scene->writer));
	assert_int_equal(metric_value(METRIC_STORE_FULL), 0);
	assert_int_equal(scene_add(scene, 5000, 10), 0);
}

static void a_store_that_starts_full_is_full_and_can_be_emptied(void **state)
{
	struct scene *scene = *state;
	uint64_t count = fill_up(scene, LARGE);

	scene_restart(scene);
	assert_int_equal(scene_add(scene, 5000, 10), -ENOSPC);
	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(scene_change(scene, 1000 + i, scene_deliver_all), 0);
	clock_turned_advance(&scene->turned, 200);
	assert_int_equal(scene_add(scene, 5000, 10), 0);
}

static struct asked *submit_large(struct scene *scene, size_t count, size_t size)
{
	struct asked *asked = calloc(count, sizeof(*asked));

	assert_non_null(asked);
	for (size_t i = 0; i < count; i++)
		scene_submit_add(scene, &asked[i], scene_message(scene, 2000 + i, size));
	return asked;
}

/*
 * The marks are looked at every 100 ms: what comes in between meets the end of the map in the middle of a batch. What was
 * refused is not there, what was not is, and the outcomes that shared the batch are stored.
 */
static void the_end_of_the_map_is_met_in_the_middle_of_a_batch(void **state)
{
	struct scene *scene = *state;
	struct asked *asked, outcome, removal;
	const size_t count = 80;
	size_t refused = 0;

	assert_int_equal(scene_add(scene, 100, 10), 0);
	assert_int_equal(scene_add(scene, 101, 10), 0);
	asked = submit_large(scene, count, LARGE);
	scene_submit_change(scene, &outcome, 100, scene_defer);
	scene_submit_change(scene, &removal, 101, scene_deliver_all);
	scene_run(scene);
	assert_true(writer_is_full(scene->writer));
	assert_int_equal(outcome.request.result, 0);
	assert_int_equal(removal.request.result, 0);
	assert_int_equal(scene_change(scene, 2000, scene_deliver_all), 0);
	assert_int_equal(asked[0].request.result, 0);
	scene_restart(scene);
	assert_false(scene_has(scene, 101));
	for (size_t i = 1; i < count; i++) {
		assert_true(asked[i].answered);
		if (asked[i].request.result == 0) {
			scene_check_whole(scene, 2000 + i);
			continue;
		}
		assert_int_equal(asked[i].request.result, -ENOSPC);
		assert_false(scene_has(scene, 2000 + i));
		assert_false(scene_has_piece(scene, 2000 + i, 0));
		refused++;
	}
	assert_in_range(refused, 1, count - 10);
	for (size_t i = 0; i < count; i++)
		message_close(&asked[i].request.message);
	free(asked);
}

static void a_refused_message_can_be_submitted_again_as_it_is(void **state)
{
	struct scene *scene = *state;
	struct message *message = scene_message(scene, 5000, 20000);
	uint64_t count = fill_up(scene, LARGE);
	struct asked asked;

	scene_submit_add(scene, &asked, message);
	scene_run(scene);
	assert_int_equal(asked.request.result, -ENOSPC);
	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(scene_change(scene, 1000 + i, scene_deliver_all), 0);
	clock_turned_advance(&scene->turned, 200);
	scene_submit(scene, &asked);
	scene_run(scene);
	assert_int_equal(asked.request.result, 0);
	scene_check_whole(scene, 5000);
	message_close(&message);
}

/* One that never came whole, of the client whose bucket it is. */
static int add_partial(struct scene *scene, uint64_t id, uint32_t bucket, size_t size)
{
	struct message *message = scene_message(scene, id, size);
	struct asked asked;

	message->envelope->flags |= ENVELOPE_PARTIAL;
	message->envelope->bucket = bucket;
	message->envelope->recipients[0].state = RECIPIENT_HELD;
	message->envelope->recipients[0].due_unix_ms = 1;
	scene_submit_add(scene, &asked, message);
	scene_run(scene);
	message_close(&message);
	return asked.request.result;
}

static void of_one_client_a_hundred_partial_messages_are_kept(void **state)
{
	struct scene *scene = *state;

	for (uint64_t id = 1000; id < 1100; id++)
		assert_int_equal(add_partial(scene, id, 7, 10), 0);
	assert_int_equal(add_partial(scene, 1100, 7, 10), -EDQUOT);
	assert_false(scene_has(scene, 1100));
	assert_int_equal(add_partial(scene, 1101, 8, 10), 0);
	assert_int_equal(scene_add(scene, 1102, 10), 0);
}

static void of_all_clients_a_thousand_partial_messages_are_kept(void **state)
{
	struct scene *scene = *state;

	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(add_partial(scene, 1000 + i, i / 50, 10), 0);
	assert_int_equal(add_partial(scene, 2000, 99, 10), -EDQUOT);
	assert_int_equal(scene_add(scene, 2001, 10), 0);
}

static void partial_messages_take_a_twentieth_of_the_store_at_most(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(add_partial(scene, 1000, 1, MAP / 20 + 1), -EDQUOT);
	assert_int_equal(add_partial(scene, 1001, 1, MAP / 40), 0);
	assert_int_equal(add_partial(scene, 1002, 2, MAP / 40), 0);
	assert_int_equal(add_partial(scene, 1003, 3, 10), -EDQUOT);
	assert_int_equal(scene_add(scene, 1004, 10), 0);
}

/* What a batch has added already counts, though nobody can see it yet. */
static void partial_messages_of_one_batch_are_counted(void **state)
{
	struct scene *scene = *state;
	struct message *messages[3];
	struct asked asked[3];

	for (size_t i = 0; i < 3; i++) {
		messages[i] = scene_message(scene, 1000 + i, MAP / 45);
		messages[i]->envelope->flags |= ENVELOPE_PARTIAL;
		messages[i]->envelope->recipients[0].state = RECIPIENT_HELD;
		scene_submit_add(scene, &asked[i], messages[i]);
	}
	scene_run(scene);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(asked[i].request.result, i < 2 ? 0 : -EDQUOT);
		message_close(&messages[i]);
	}
}

int main(void)
{
#define WITH_SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_SCENE(over_the_mark_new_mail_is_refused_and_is_not_in_the_store),
		WITH_SCENE(outcomes_bounces_and_deletes_go_on_while_it_is_full),
		WITH_SCENE(there_is_room_again_only_well_below_the_mark),
		WITH_SCENE(a_store_that_starts_full_is_full_and_can_be_emptied),
		WITH_SCENE(the_end_of_the_map_is_met_in_the_middle_of_a_batch),
		WITH_SCENE(a_refused_message_can_be_submitted_again_as_it_is),
		WITH_SCENE(of_one_client_a_hundred_partial_messages_are_kept),
		WITH_SCENE(of_all_clients_a_thousand_partial_messages_are_kept),
		WITH_SCENE(partial_messages_take_a_twentieth_of_the_store_at_most),
		WITH_SCENE(partial_messages_of_one_batch_are_counted),
	};

	return cmocka_run_group_tests_name("queue/writer_room", tests, NULL, NULL);
}
