/* test_record.c: fields of a record, as they are written and read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "queue/record.h"

#define SEED 7

static void write_record(struct bytes *out)
{
	uint8_t narrow = 0x12;
	uint64_t wide = UINT64_C(0x1234567890), none = 0;
	size_t start;

	assert_true(record_begin(out));
	assert_true(record_put_number(out, 1, &narrow, sizeof(narrow)));
	assert_true(record_put_number(out, 2, &none, sizeof(none)));
	assert_true(record_begin_nested(out, 3, &start));
	assert_true(record_put_number(out, 1, &wide, sizeof(wide)));
	assert_true(record_end_nested(out, start));
	assert_true(record_put_bytes(out, 4, "", 0));
	record_seal(out->data, out->size, 1, SEED);
}

static void fields_come_back(void **state)
{
	struct bytes out = {0};
	struct record_span fields, value, nested;
	unsigned number;
	uint64_t wide = 0;
	uint8_t narrow = 0;

	(void)state;
	write_record(&out);
	assert_true(record_open(out.data, out.size, 1, SEED, &fields));
	assert_int_equal(record_next(&fields, &number, &value), 1);
	assert_int_equal(number, 1);
	assert_true(record_get_number(value, &narrow, sizeof(narrow)));
	assert_int_equal(narrow, 0x12);
	assert_int_equal(record_next(&fields, &number, &value), 1);
	assert_int_equal(number, 3); /* 0 was left out */
	assert_int_equal(record_next(&value, &number, &nested), 1);
	assert_true(record_get_number(nested, &wide, sizeof(wide)));
	assert_int_equal(wide, UINT64_C(0x1234567890));
	assert_int_equal(record_next(&value, &number, &nested), 0);
	assert_int_equal(record_next(&fields, &number, &value), 1);
	assert_int_equal(number, 4);
	assert_int_equal(record_span_size(value), 0);
	assert_int_equal(record_next(&fields, &number, &value), 0);
	bytes_fini(&out);
}

static void any_changed_byte_another_seed_and_a_newer_version_are_refused(void **state)
{
	struct bytes out = {0};
	struct record_span fields;

	(void)state;
	write_record(&out);
	assert_false(record_open(out.data, out.size, 1, SEED + 1, &fields));
	assert_false(record_open(out.data, out.size, 0, SEED, &fields));
	for (size_t i = 0; i < out.size; i++) {
		out.data[i] ^= 0x80;
		assert_false(record_open(out.data, out.size, 1, SEED, &fields));
		out.data[i] ^= 0x80;
	}
	for (size_t size = 0; size < out.size; size++)
		assert_false(record_open(out.data, size, 1, SEED, &fields));
	bytes_fini(&out);
}

static void field_that_is_cut_off_is_found(void **state)
{
	static const uint8_t cut[][6] = {
		{1}, {1, 5, 'a'}, {1, 0x80}, {1, 0xff, 0xff, 0xff, 0xff, 0xff}};
	static const size_t sizes[] = {1, 3, 2, 6};
	struct record_span span, value;
	unsigned number;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		span = (struct record_span){cut[i], cut[i] + sizes[i]};
		assert_int_equal(record_next(&span, &number, &value), -1);
	}
}

static void number_too_wide_for_its_member_is_refused(void **state)
{
	static const uint8_t wide[] = {1, 2, 3};
	uint16_t member = 0;

	(void)state;
	assert_false(record_get_number((struct record_span){wide, wide + 3}, &member, 2));
	assert_true(record_get_number((struct record_span){wide, wide + 2}, &member, 2));
	assert_int_equal(member, 0x0102);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_come_back),
		cmocka_unit_test(any_changed_byte_another_seed_and_a_newer_version_are_refused),
		cmocka_unit_test(field_that_is_cut_off_is_found),
		cmocka_unit_test(number_too_wide_for_its_member_is_refused),
	};

	return cmocka_run_group_tests_name("queue/record", tests, NULL, NULL);
}
