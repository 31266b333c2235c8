#include "queue/reader.h"

#include "core/metrics.h"
#include "tests/unit/queue/scene.h"

#define PIECE STORE_PIECE_BYTES

static int setup(void **state)
{
	static struct scene scene;

	scene_open(&scene, 16u << 20);
	*state = &scene;
	return 0;
}

static int teardown(void **state)
{
	scene_close(*state);
	return 0;
}

static void what_was_stored_is_read_back(void **state)
{
	static const size_t sizes[] = {
		0, 1, 4096, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 99};
	struct scene *scene = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(scene_add(scene, 100 + i, sizes[i]), 0);
		scene_check_whole(scene, 100 + i);
	}
}

/* Reads with an envelope that says something else than the text is; returns what the reader ends with. */
static ssize_t read_as(struct scene *scene, const struct envelope *envelope, size_t *handed_out)
{
	uint8_t *bytes = malloc(PIECE);
	struct reader reader;
	ssize_t size;

	assert_non_null(bytes);
	*handed_out = 0;
	reader_init(&reader, scene->view, envelope);
	while ((size = reader_next(&reader, bytes)) > 0)
		*handed_out += (size_t)size;
	reader_fini(&reader);
	free(bytes);
	return size;
}

static void a_small_text_with_a_wrong_checksum_is_not_handed_out(void **state)
{
	struct scene *scene = *state;
	uint64_t failed = metric_value(METRIC_CHECKSUM_FAILED);
	struct envelope *envelope;
	size_t handed_out;

	assert_int_equal(scene_add(scene, 100, 4096), 0);
	envelope = scene_get(scene, 100);
	envelope->checksum ^= 1;
	assert_int_equal(read_as(scene, envelope, &handed_out), -EBADMSG);
	assert_int_equal(handed_out, 0);
	assert_int_equal(metric_value(METRIC_CHECKSUM_FAILED), failed + 1);
	envelope_close(&envelope);
}

static void a_small_text_of_another_size_is_not_handed_out(void **state)
{
	struct scene *scene = *state;
	struct envelope *envelope;
	size_t handed_out;

	assert_int_equal(scene_add(scene, 100, 4096), 0);
	envelope = scene_get(scene, 100);
	envelope->size_bytes++;
	assert_int_equal(read_as(scene, envelope, &handed_out), -EBADMSG);
	assert_int_equal(handed_out, 0);
	envelope_close(&envelope);
}

static void a_large_text_with_a_wrong_checksum_ends_with_an_error(void **state)
{
	struct scene *scene = *state;
	struct envelope *envelope;
	size_t handed_out;

	assert_int_equal(scene_add(scene, 100, 2 * PIECE + 5), 0);
	envelope = scene_get(scene, 100);
	envelope->checksum ^= 1;
	assert_int_equal(read_as(scene, envelope, &handed_out), -EBADMSG);
	envelope_close(&envelope);
}

static void a_large_text_of_another_size_ends_with_an_error(void **state)
{
	struct scene *scene = *state;
	struct envelope *envelope;
	size_t handed_out;

	assert_int_equal(scene_add(scene, 100, 2 * PIECE + 5), 0);
	envelope = scene_get(scene, 100);
	envelope->size_bytes++;
	assert_int_equal(read_as(scene, envelope, &handed_out), -EBADMSG);
	envelope->size_bytes -= 2;
	assert_int_equal(read_as(scene, envelope, &handed_out), -EBADMSG);
	assert_int_equal(handed_out, 2 * PIECE);
	envelope_close(&envelope);
}

static void a_missing_piece_is_an_error(void **state)
{
	static const uint32_t counts[] = {1, 3};
	struct scene *scene = *state;
	struct envelope *envelope;
	size_t handed_out;

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(scene_add(scene, 100 + i, counts[i] * PIECE), 0);
		envelope = scene_get(scene, 100 + i);
		envelope->body_id = 4711;
		assert_int_equal(read_as(scene, envelope, &handed_out), -EBADMSG);
		assert_int_equal(handed_out, 0);
		envelope->body_id = 100 + i;
		envelope->chunk_count++;
		assert_int_equal(read_as(scene, envelope, &handed_out), -EBADMSG);
		envelope_close(&envelope);
	}
}

static void a_text_said_to_be_empty_must_be_so(void **state)
{
	struct scene *scene = *state;
	struct envelope *envelope;
	size_t handed_out;

	assert_int_equal(scene_add(scene, 100, 0), 0);
	envelope = scene_get(scene, 100);
	envelope->size_bytes = 1;
	assert_int_equal(read_as(scene, envelope, &handed_out), -EBADMSG);
	envelope_close(&envelope);
}

int main(void)
{
#define WITH_SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_SCENE(what_was_stored_is_read_back),
		WITH_SCENE(a_small_text_with_a_wrong_checksum_is_not_handed_out),
		WITH_SCENE(a_small_text_of_another_size_is_not_handed_out),
		WITH_SCENE(a_large_text_with_a_wrong_checksum_ends_with_an_error),
		WITH_SCENE(a_large_text_of_another_size_ends_with_an_error),
		WITH_SCENE(a_missing_piece_is_an_error),
		WITH_SCENE(a_text_said_to_be_empty_must_be_so),
	};

	return cmocka_run_group_tests_name("queue/reader", tests, NULL, NULL);
}
