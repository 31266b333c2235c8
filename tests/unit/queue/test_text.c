#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "queue/store.h"
#include "queue/text.h"

#define PIECE STORE_PIECE_BYTES

static uint8_t *make_bytes(size_t size)
{
	uint8_t *bytes = malloc(size + 1);

	assert_non_null(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i * 31 + i / 251);
	return bytes;
}

/* The pieces are `bytes` cut at every PIECE, in sequence from `first` on. */
static void check_pieces(
	const struct text_piece *piece, uint32_t first, const uint8_t *bytes, size_t size)
{
	size_t at = 0;

	for (; piece != NULL; piece = piece->next) {
		size_t expected = size - at < PIECE ? size - at : PIECE;

		assert_int_equal(piece->sequence, first++);
		assert_int_equal(piece->size, expected);
		assert_true(piece->capacity >= piece->size && piece->capacity <= PIECE);
		assert_memory_equal(piece->data, bytes + at, expected);
		at += expected;
	}
	assert_int_equal(at, size);
}

static void append_in_portions(struct text *text, const uint8_t *bytes, size_t size, size_t portion)
{
	for (size_t at = 0; at < size; at += portion)
		assert_true(
			text_append(text, bytes + at, size - at < portion ? size - at : portion));
}

static void check_cut(size_t size, size_t portion)
{
	uint8_t *bytes = make_bytes(size);
	struct text text = {0};
	struct text_piece *pieces;

	append_in_portions(&text, bytes, size, portion);
	assert_int_equal(text.size_bytes, size);
	assert_int_equal(text.held_bytes, size);
	assert_int_equal(text.piece_count, (size + PIECE - 1) / PIECE);
	assert_true(text_checksum(&text) == XXH3_64bits(bytes, size));
	pieces = text_take(&text, true);
	check_pieces(pieces, 0, bytes, size);
	assert_int_equal(text.held_bytes, 0);
	text_pieces_free(&pieces);
	text_fini(&text);
	free(bytes);
}

static void any_cut_of_the_appends_gives_the_same_pieces(void **state)
{
	static const size_t sizes[] = {
		1, 4095, 4096, 4097, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 77};
	static const size_t portions[] = {7, 1000, 4096, PIECE - 1, PIECE, PIECE + 1, 400000};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t j = 0; j < sizeof(portions) / sizeof(portions[0]); j++)
			check_cut(sizes[i], portions[j]);
}

static void byte_by_byte_gives_the_same_pieces(void **state)
{
	(void)state;
	check_cut(2 * PIECE + 3, 1);
}

static void an_empty_text_has_no_piece_and_the_checksum_of_nothing(void **state)
{
	struct text text = {0};

	(void)state;
	assert_true(text_append(&text, "", 0));
	assert_null(text_take(&text, false));
	assert_true(text_checksum(&text) == XXH3_64bits("", 0));
	assert_null(text_take(&text, true));
	assert_int_equal(text.piece_count, 0);
	text_fini(&text);
}

static void full_pieces_are_taken_off_while_the_text_arrives(void **state)
{
	size_t size = 5 * PIECE + 1234, at = 0;
	uint8_t *bytes = make_bytes(size);
	struct text text = {0};
	struct text_piece *taken;
	uint32_t sequence = 0;

	(void)state;
	for (size_t portion = 50000; at < size; at += portion) {
		if (portion > size - at)
			portion = size - at;
		assert_true(text_append(&text, bytes + at, portion));
		taken = text_take(&text, false);
		if (taken != NULL) {
			check_pieces(taken, sequence, bytes + (size_t)sequence * PIECE, PIECE);
			sequence++;
		}
		assert_true(text.held_bytes < PIECE);
		text_pieces_free(&taken);
	}
	assert_int_equal(sequence, 5);
	assert_true(text_checksum(&text) == XXH3_64bits(bytes, size));
	taken = text_take(&text, true);
	check_pieces(taken, 5, bytes + 5 * PIECE, 1234);
	text_pieces_free(&taken);
	text_fini(&text);
	free(bytes);
}

static void the_checksum_may_be_asked_for_at_any_time(void **state)
{
	uint8_t *bytes = make_bytes(PIECE + 500);
	struct text text = {0};

	(void)state;
	append_in_portions(&text, bytes, 100, 100);
	assert_true(text_checksum(&text) == XXH3_64bits(bytes, 100));
	append_in_portions(&text, bytes + 100, PIECE, 9000);
	assert_true(text_checksum(&text) == XXH3_64bits(bytes, PIECE + 100));
	assert_true(text_checksum(&text) == XXH3_64bits(bytes, PIECE + 100));
	append_in_portions(&text, bytes + PIECE + 100, 400, 1);
	assert_true(text_checksum(&text) == XXH3_64bits(bytes, PIECE + 500));
	text_fini(&text);
	free(bytes);
}

static void a_small_text_takes_little_memory(void **state)
{
	uint8_t *bytes = make_bytes(3000);
	struct text text = {0};

	(void)state;
	append_in_portions(&text, bytes, 3000, 100);
	assert_int_equal(text.first->capacity, 4096);
	text_fini(&text);
	assert_null(text.first);
	assert_int_equal(text.size_bytes, 0);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_cut_of_the_appends_gives_the_same_pieces),
		cmocka_unit_test(byte_by_byte_gives_the_same_pieces),
		cmocka_unit_test(an_empty_text_has_no_piece_and_the_checksum_of_nothing),
		cmocka_unit_test(full_pieces_are_taken_off_while_the_text_arrives),
		cmocka_unit_test(the_checksum_may_be_asked_for_at_any_time),
		cmocka_unit_test(a_small_text_takes_little_memory),
	};

	return cmocka_run_group_tests_name("queue/text", tests, NULL, NULL);
}
