#include "queue/reader.h"

#include "core/metrics.h"
#include "queue/plan.h"
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
	reader_init(&reader, scene->view, envelope, READ_EIGHTBIT);
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

/* ---- with a plan ---- */

#define FRONT "Date: now\r\n"

/* A message whose text gets FRONT in front, loses `cut` bytes in the middle, and gets its last 10 as base64 when 7-bit. */
static struct envelope *planned(struct scene *scene, uint64_t id, size_t size, size_t cut)
{
	struct envelope *envelope;
	struct bytes encoded = {0};
	struct plan plan = {0};

	assert_int_equal(scene_add(scene, id, size), 0);
	envelope = scene_get(scene, id);
	assert_true(plan_add(&plan, PLAN_REPLACE, PLAN_ALWAYS, 0, 0, FRONT, strlen(FRONT)) &&
		    plan_add(&plan, PLAN_REPLACE, PLAN_ALWAYS, size / 2, cut, NULL, 0) &&
		    plan_add(&plan, PLAN_BASE64, PLAN_SEVENBIT, size - 10, 10, NULL, 0) &&
		    plan_encode(&plan, &encoded));
	envelope->plan = envelope_text_sized(envelope, encoded.data, encoded.size);
	envelope->plan_size = encoded.size;
	plan_fini(&plan);
	bytes_fini(&encoded);
	return envelope;
}

static void read_all(struct scene *scene, const struct envelope *envelope, enum reader_how how,
	struct bytes *out)
{
	uint8_t *piece = malloc(PIECE);
	struct reader reader;
	ssize_t size;

	assert_non_null(piece);
	out->size = 0;
	reader_init(&reader, scene->view, envelope, how);
	while ((size = reader_next(&reader, piece)) > 0) {
		assert_in_range(size, 1, PIECE);
		assert_true(bytes_append(out, piece, (size_t)size));
	}
	assert_int_equal(size, 0);
	assert_int_equal(reader_next(&reader, piece), 0);
	reader_fini(&reader);
	free(piece);
}

static void assert_scene_bytes(const uint8_t *bytes, uint64_t id, size_t at, size_t end)
{
	for (; at < end; at++)
		assert_int_equal(*bytes++, scene_byte(id, at));
}

static void a_text_with_a_plan_is_read_repaired(void **state)
{
	static const size_t sizes[] = {100, PIECE, PIECE + 1, 3 * PIECE + 99};
	const size_t front = strlen(FRONT), cut = 13;
	struct scene *scene = *state;
	struct bytes out = {0};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t size = sizes[i], half = size / 2, id = 100 + i;
		struct envelope *envelope = planned(scene, id, size, cut);

		read_all(scene, envelope, READ_EIGHTBIT, &out);
		assert_int_equal(out.size, front + size - cut);
		assert_memory_equal(out.data, FRONT, front);
		assert_scene_bytes(out.data + front, id, 0, half);
		assert_scene_bytes(out.data + front + half, id, half + cut, size);
		read_all(scene, envelope, READ_SEVENBIT, &out);
		assert_int_equal(out.size, front + size - cut - 10 + 18);
		assert_memory_equal(out.data + out.size - 4, "==\r\n", 4);
		read_all(scene, envelope, READ_AS_RECEIVED, &out);
		assert_int_equal(out.size, size);
		assert_scene_bytes(out.data, id, 0, size);
		envelope_close(&envelope);
	}
	bytes_fini(&out);
}

static void a_plan_does_not_hide_a_damaged_text(void **state)
{
	static const size_t sizes[] = {4096, 2 * PIECE + 5};
	struct scene *scene = *state;
	size_t handed_out;

	for (size_t i = 0; i < 2; i++) {
		struct envelope *envelope = planned(scene, 100 + i, sizes[i], 1);

		envelope->checksum ^= 1;
		assert_int_equal(read_as(scene, envelope, &handed_out), -EBADMSG);
		if (i == 0)
			assert_int_equal(handed_out, 0);
		envelope->checksum ^= 1;
		envelope->size_bytes++;
		assert_int_equal(read_as(scene, envelope, &handed_out), -EBADMSG);
		envelope_close(&envelope);
	}
}

static void a_damaged_plan_is_a_damaged_text(void **state)
{
	static const uint8_t newer[] = {2}, outside[] = {1, 0xff, 0x7f, 1, 2};
	struct scene *scene = *state;
	uint64_t failed = metric_value(METRIC_CHECKSUM_FAILED);
	struct envelope *envelope = planned(scene, 100, 100, 1);
	size_t handed_out;

	envelope->plan = newer;
	envelope->plan_size = sizeof(newer);
	assert_int_equal(read_as(scene, envelope, &handed_out), -EBADMSG);
	envelope->plan = outside;
	envelope->plan_size = sizeof(outside);
	assert_int_equal(read_as(scene, envelope, &handed_out), -EBADMSG);
	assert_int_equal(handed_out, 0);
	assert_int_equal(metric_value(METRIC_CHECKSUM_FAILED), failed + 2);
	envelope_close(&envelope);
}

static void an_empty_text_gets_what_a_plan_puts_in(void **state)
{
	static const uint8_t plan[] = {1, 0, 0, PLAN_REPLACE, 2, 'h', 'i'};
	struct scene *scene = *state;
	struct bytes out = {0};
	struct envelope *envelope;

	assert_int_equal(scene_add(scene, 100, 0), 0);
	envelope = scene_get(scene, 100);
	envelope->plan = plan;
	envelope->plan_size = sizeof(plan);
	read_all(scene, envelope, READ_EIGHTBIT, &out);
	assert_int_equal(out.size, 2);
	assert_memory_equal(out.data, "hi", 2);
	bytes_fini(&out);
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
		WITH_SCENE(a_text_with_a_plan_is_read_repaired),
		WITH_SCENE(a_plan_does_not_hide_a_damaged_text),
		WITH_SCENE(a_damaged_plan_is_a_damaged_text),
		WITH_SCENE(an_empty_text_gets_what_a_plan_puts_in),
	};

	return cmocka_run_group_tests_name("queue/reader", tests, NULL, NULL);
}
