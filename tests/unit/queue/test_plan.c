#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/plan.h"

#define TEXT_BYTES 1000000

static void add(struct plan *plan, enum plan_act act, enum plan_when when, uint64_t at,
	uint64_t size, const char *text)
{
	assert_true(plan_add(plan, act, when, at, size, text, strlen(text)));
}

static void assert_text(const struct plan *plan, size_t number, const char *text)
{
	const struct plan_edit *edit = &plan->edits[number];

	assert_int_equal(edit->text_size, strlen(text));
	if (edit->text_size > 0)
		assert_memory_equal(plan->text.data + edit->text_at, text, edit->text_size);
}

static void fill(struct plan *plan)
{
	add(plan, PLAN_REPLACE, PLAN_ALWAYS, 70, 0, "Date: now\r\n");
	add(plan, PLAN_BASE64, PLAN_SEVENBIT, 500000, 499999, "");
	add(plan, PLAN_STRIP, PLAN_EIGHTBIT, 500000, 100, "");
	add(plan, PLAN_REPLACE, PLAN_ALWAYS, 70, 0, "From: me\r\n");
	add(plan, PLAN_REPLACE, PLAN_ALWAYS, 12, 30, "");
	add(plan, PLAN_FOLD, PLAN_ALWAYS, 42, 28, "");
}

static int decode_again(const struct plan *plan, uint64_t text_bytes, struct plan *again)
{
	struct bytes encoded = {0};
	int rc;

	assert_true(plan_encode(plan, &encoded));
	assert_true(encoded.size <= 1 + plan->encoded_bound);
	rc = plan_decode(encoded.data, encoded.size, text_bytes, again);
	bytes_fini(&encoded);
	return rc;
}

static void edits_come_back_in_order_of_their_place_and_of_their_adding(void **state)
{
	struct plan plan = {0}, again;

	(void)state;
	fill(&plan);
	plan_sort(&plan);
	assert_int_equal(decode_again(&plan, TEXT_BYTES, &again), 0);
	assert_int_equal(again.count, 6);
	assert_int_equal(again.edits[0].at, 12);
	assert_int_equal(again.edits[0].size, 30);
	assert_int_equal(again.edits[1].act, PLAN_FOLD);
	assert_text(&again, 2, "Date: now\r\n");
	assert_text(&again, 3, "From: me\r\n");
	assert_int_equal(again.edits[4].act, PLAN_BASE64);
	assert_int_equal(again.edits[4].when, PLAN_SEVENBIT);
	assert_int_equal(again.edits[4].size, 499999);
	assert_int_equal(again.edits[5].when, PLAN_EIGHTBIT);
	plan_fini(&plan);
	plan_fini(&again);
}

static void empty_plan_is_one_byte(void **state)
{
	struct plan plan = {0}, again;
	struct bytes encoded = {0};

	(void)state;
	assert_true(plan_encode(&plan, &encoded));
	assert_int_equal(encoded.size, 1);
	assert_int_equal(plan_decode(encoded.data, 1, 0, &again), 0);
	assert_int_equal(again.count, 0);
	bytes_fini(&encoded);
	plan_fini(&again);
}

static void insertion_may_stand_on_either_side_of_a_range_of_its_place(void **state)
{
	struct plan plan = {0}, again;

	(void)state;
	add(&plan, PLAN_REPLACE, PLAN_ALWAYS, 5, 0, "before");
	add(&plan, PLAN_STRIP, PLAN_ALWAYS, 5, 5, "");
	add(&plan, PLAN_REPLACE, PLAN_ALWAYS, 5, 0, "behind");
	add(&plan, PLAN_REPLACE, PLAN_ALWAYS, 10, 0, "at its end");
	plan_sort(&plan);
	assert_int_equal(decode_again(&plan, 10, &again), 0);
	assert_text(&again, 0, "before");
	assert_text(&again, 2, "behind");
	plan_fini(&plan);
	plan_fini(&again);
}

static void assert_damage(const struct plan *plan, uint64_t text_bytes)
{
	struct plan again;

	assert_int_equal(decode_again(plan, text_bytes, &again), -EBADMSG);
	assert_int_equal(again.count, 0);
	assert_null(again.edits);
}

static void ranges_that_apply_together_must_not_overlap(void **state)
{
	static const struct {
		enum plan_when first, second;
		uint64_t at, size;
		bool is_damage;
	} cases[] = {
		{PLAN_ALWAYS, PLAN_ALWAYS, 14, 2, true},
		{PLAN_ALWAYS, PLAN_ALWAYS, 15, 2, false},
		{PLAN_ALWAYS, PLAN_ALWAYS, 12, 0, true},
		{PLAN_ALWAYS, PLAN_ALWAYS, 10, 1, true},
		{PLAN_ALWAYS, PLAN_SEVENBIT, 14, 2, true},
		{PLAN_EIGHTBIT, PLAN_ALWAYS, 14, 2, true},
		{PLAN_SEVENBIT, PLAN_SEVENBIT, 14, 2, true},
		{PLAN_EIGHTBIT, PLAN_SEVENBIT, 14, 2, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct plan plan = {0}, again;

		add(&plan, PLAN_STRIP, cases[i].first, 10, 5, "");
		add(&plan, PLAN_REPLACE, cases[i].second, cases[i].at, cases[i].size, "x");
		assert_int_equal(
			decode_again(&plan, 100, &again), cases[i].is_damage ? -EBADMSG : 0);
		plan_fini(&plan);
		plan_fini(&again);
	}
}

static void range_behind_the_text_is_damage(void **state)
{
	struct plan plan = {0};

	(void)state;
	add(&plan, PLAN_STRIP, PLAN_ALWAYS, 10, 5, "");
	assert_damage(&plan, 14);
	assert_damage(&plan, 9);
	assert_damage(&plan, 0);
	plan_fini(&plan);
	add(&plan, PLAN_STRIP, PLAN_ALWAYS, UINT64_MAX - 1, 1, "");
	assert_damage(&plan, TEXT_BYTES);
	plan_fini(&plan);
	add(&plan, PLAN_STRIP, PLAN_ALWAYS, 10, UINT64_MAX - 5, "");
	assert_damage(&plan, TEXT_BYTES);
	plan_fini(&plan);
}

static int decode_bytes(const void *bytes, size_t size)
{
	uint8_t *copy = malloc(size + (size == 0)); /* the sanitizer sees a read behind it */
	struct plan plan;
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	rc = plan_decode(copy, size, 100, &plan);
	free(copy);
	plan_fini(&plan);
	return rc;
}

static void bytes_that_are_no_plan_are_damage(void **state)
{
	(void)state;
	assert_int_equal(decode_bytes("", 0), -EBADMSG);
	assert_int_equal(decode_bytes("\x02", 1), -EBADMSG); /* a later version */
	assert_int_equal(decode_bytes("\x01\x00\x00\x02", 4), 0);
	assert_int_equal(decode_bytes("\x01\x00\x00\x00", 4), -EBADMSG); /* no act */
	assert_int_equal(decode_bytes("\x01\x00\x00\x08", 4), -EBADMSG);
	assert_int_equal(decode_bytes("\x01\x00\x00\x32", 4), -EBADMSG); /* no when */
	assert_int_equal(decode_bytes("\x01\x00\x00", 3), -EBADMSG);
	assert_int_equal(decode_bytes("\x01\x00", 2), -EBADMSG);
	assert_int_equal(decode_bytes("\x01\x80", 2), -EBADMSG);
	assert_int_equal(decode_bytes("\x01\x00\x00\x01", 4), -EBADMSG); /* no text */
	assert_int_equal(decode_bytes("\x01\x00\x00\x01\x02x", 6), -EBADMSG);
	assert_int_equal(decode_bytes("\x01\x00\x00\x01\x01x", 6), 0);
	assert_int_equal(
		decode_bytes("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x02", 13), -EBADMSG);
}

static void plan_takes_no_more_than_its_limit(void **state)
{
	char *text = calloc(1, PLAN_BYTES_MAX);
	struct plan plan = {0}, again;
	uint64_t at = 0;

	(void)state;
	assert_non_null(text);
	assert_false(plan_add(&plan, PLAN_REPLACE, PLAN_ALWAYS, 0, 0, text, PLAN_BYTES_MAX - 6));
	assert_true(plan_add(&plan, PLAN_REPLACE, PLAN_ALWAYS, 0, 0, text, PLAN_BYTES_MAX - 7));
	assert_int_equal(decode_again(&plan, TEXT_BYTES, &again), 0);
	plan_fini(&again);
	plan_keep(&plan, 0);
	assert_int_equal(plan.count, 0);
	while (plan_add(&plan, PLAN_STRIP, PLAN_ALWAYS, at, 1, NULL, 0))
		at += 1000;
	assert_int_equal(decode_again(&plan, at, &again), 0);
	assert_int_equal(again.count, plan.count);
	plan_fini(&again);
	plan_fini(&plan);
	free(text);
}

static void what_was_added_last_can_be_dropped(void **state)
{
	struct plan plan = {0};

	(void)state;
	fill(&plan);
	plan_keep(&plan, 1);
	assert_int_equal(plan.count, 1);
	add(&plan, PLAN_REPLACE, PLAN_ALWAYS, 3, 0, "anew");
	plan_sort(&plan);
	assert_text(&plan, 0, "anew");
	assert_text(&plan, 1, "Date: now\r\n");
	plan_fini(&plan);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(edits_come_back_in_order_of_their_place_and_of_their_adding),
		cmocka_unit_test(empty_plan_is_one_byte),
		cmocka_unit_test(insertion_may_stand_on_either_side_of_a_range_of_its_place),
		cmocka_unit_test(ranges_that_apply_together_must_not_overlap),
		cmocka_unit_test(range_behind_the_text_is_damage),
		cmocka_unit_test(bytes_that_are_no_plan_are_damage),
		cmocka_unit_test(plan_takes_no_more_than_its_limit),
		cmocka_unit_test(what_was_added_last_can_be_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
