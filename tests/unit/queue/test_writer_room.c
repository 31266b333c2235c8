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
	};

	return cmocka_run_group_tests_name("queue/writer_room", tests, NULL, NULL);
}
