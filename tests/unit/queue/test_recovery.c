#include "queue/recovery.h"

#include "tests/unit/queue/scene.h"

static int setup(void **state)
{
	static struct scene scene;

	scene_open(&scene, 64u << 20);
	*state = &scene;
	return 0;
}

static int teardown(void **state)
{
	scene_close(*state);
	return 0;
}

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

static void sweep(struct scene *scene, uint64_t last_id)
{
	struct recovery *recovery;

	assert_int_equal(recovery_start(&recovery, scene->writer, last_id), 0);
	scene_run(scene);
	recovery_close(&recovery);
}

static void texts_without_an_envelope_are_swept(void **state)
{
	struct scene *scene = *state;

	append_orphan(scene, 100, 10);
	append_orphan(scene, 101, 70 * STORE_PIECE_BYTES);
	assert_int_equal(scene_add(scene, 102, 3 * STORE_PIECE_BYTES), 0);
	append_orphan(scene, 103, 5000);
	scene_restart(scene);
	sweep(scene, store_last_id(scene->store));
	scene_restart(scene);
	assert_false(scene_has_piece(scene, 100, 0));
	for (uint32_t i = 0; i < 70; i++)
		assert_false(scene_has_piece(scene, 101, i));
	assert_false(scene_has_piece(scene, 103, 0));
	scene_check_whole(scene, 102);
}

/* More orphans and more living messages than one look takes. */
static void many_are_swept_look_by_look(void **state)
{
	struct scene *scene = *state;

	for (uint64_t id = 100; id < 700; id += 2) {
		append_orphan(scene, id, 10);
		assert_int_equal(scene_add(scene, id + 1, 10), 0);
	}
	for (uint64_t id = 700; id < 2000; id++)
		assert_int_equal(scene_add(scene, id, 10), 0);
	append_orphan(scene, 2000, 10);
	sweep(scene, store_last_id(scene->store));
	for (uint64_t id = 100; id < 700; id += 2) {
		assert_false(scene_has_piece(scene, id, 0));
		scene_check_whole(scene, id + 1);
	}
	assert_false(scene_has_piece(scene, 2000, 0));
	scene_check_whole(scene, 1999);
}

static void a_text_that_still_arrives_is_no_orphan(void **state)
{
	struct scene *scene = *state;
	struct recovery *recovery;

	append_orphan(scene, 100, 10);
	assert_int_equal(recovery_start(&recovery, scene->writer, 100), 0);
	append_orphan(scene, 101, 10);
	append_orphan(scene, 102, 2 * STORE_PIECE_BYTES);
	scene_run(scene);
	recovery_close(&recovery);
	assert_false(scene_has_piece(scene, 100, 0));
	assert_true(scene_has_piece(scene, 101, 0));
	assert_true(scene_has_piece(scene, 102, 1));
}

/* Stopped after any number of steps, and begun again after a restart: in the end the same is left. */
static void stopped_anywhere_the_next_start_goes_on(void **state)
{
	struct scene *scene = *state;

	for (size_t steps = 0; steps < 12; steps++) {
		struct recovery *recovery;

		append_orphan(scene, 100, 40 * STORE_PIECE_BYTES);
		append_orphan(scene, 101, 10);
		assert_int_equal(scene_add(scene, 1000 + steps, STORE_PIECE_BYTES + 1), 0);
		assert_int_equal(recovery_start(&recovery, scene->writer, 200), 0);
		for (size_t i = 0; i < steps; i++)
			writer_step(scene->writer);
		scene_restart(scene);
		recovery_close(&recovery);
		sweep(scene, 200);
		assert_false(scene_has_piece(scene, 100, 0));
		assert_false(scene_has_piece(scene, 100, 39));
		assert_false(scene_has_piece(scene, 101, 0));
		scene_check_whole(scene, 1000 + steps);
	}
}

static void new_mail_does_not_wait_for_the_sweep(void **state)
{
	struct scene *scene = *state;
	struct message *message = scene_message(scene, 500, 10);
	struct recovery *recovery;
	struct asked add;

	append_orphan(scene, 100, 300 * STORE_PIECE_BYTES);
	assert_int_equal(recovery_start(&recovery, scene->writer, 100), 0);
	writer_step(scene->writer);
	writer_step(scene->writer);
	scene_submit_add(scene, &add, message);
	writer_step(scene->writer);
	scene_read_answers(scene);
	assert_true(add.answered);
	assert_true(scene_has_piece(scene, 100, 299));
	scene_run(scene);
	assert_false(scene_has_piece(scene, 100, 299));
	recovery_close(&recovery);
	message_close(&message);
}

static void a_writer_that_stops_does_not_wait_for_the_whole_sweep(void **state)
{
	struct scene *scene = *state;
	struct recovery *recovery;
	struct reason reason;

	for (uint64_t id = 100; id < 400; id++)
		append_orphan(scene, id, 10);
	assert_int_equal(writer_start(scene->writer, &reason), 0);
	writer_stop(scene->writer);
	assert_int_equal(recovery_start(&recovery, scene->writer, 399), 0);
	scene_run(scene);
	recovery_close(&recovery);
	assert_true(scene_has_piece(scene, 399, 0));
}

int main(void)
{
#define WITH_SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_SCENE(texts_without_an_envelope_are_swept),
		WITH_SCENE(many_are_swept_look_by_look),
		WITH_SCENE(a_text_that_still_arrives_is_no_orphan),
		WITH_SCENE(stopped_anywhere_the_next_start_goes_on),
		WITH_SCENE(new_mail_does_not_wait_for_the_sweep),
		WITH_SCENE(a_writer_that_stops_does_not_wait_for_the_whole_sweep),
	};

	return cmocka_run_group_tests_name("queue/recovery", tests, NULL, NULL);
}
