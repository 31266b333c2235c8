#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "queue/mime.h"

/* What the reader tells, as text: "0( From 0=text/plain body:hello 0)" */
static bool note_begin(void *owner, const struct mime_part *part)
{
	return bytes_printf(owner, "%u( ", part->depth);
}

static bool note_field(void *owner, const struct mime_part *part, const struct mime_field *field)
{
	(void)part;
	return bytes_printf(
		owner, "%.*s%s ", (int)field->name_size, field->name, field->is_cut ? "(cut)" : "");
}

static bool note_header(void *owner, const struct mime_part *part)
{
	return bytes_printf(owner, "=%s%s ", part->type, part->has_blank_line ? "" : "!");
}

static bool note_text(
	void *owner, const struct mime_part *part, uint64_t at, const void *bytes, size_t size)
{
	(void)part, (void)at;
	for (size_t i = 0; i < size; i++)
		if (!bytes_printf(owner, "%c",
			    ((const char *)bytes)[i] < ' ' ? '~' : ((const char *)bytes)[i]))
			return false;
	return true;
}

static bool note_text_end(void *owner, const struct mime_part *part, const struct mime_text *text)
{
	static const char *const places[] = {"body", "preamble", "epilogue"};

	(void)part;
	return bytes_printf(owner, ":%s[%d%s%s] ", places[text->place], (int)(text->end - text->at),
		text->has_long_line ? " long" : "", text->has_nul ? " nul" : "");
}

static bool note_end(void *owner, const struct mime_part *part)
{
	return bytes_printf(owner, "%u%s) ", part->depth,
		part->shape == MIME_MULTIPART && !part->is_closed ? "?" : "");
}

static const struct mime_calls calls = {
	note_begin, note_field, note_header, note_text, note_text_end, note_end};

static void read_in(const char *text, size_t size, size_t step, struct bytes *told)
{
	struct mime *mime = mime_open(&calls, told, 100);

	assert_non_null(mime);
	for (size_t at = 0; at < size; at += step)
		assert_true(mime_take(mime, text + at, size - at < step ? size - at : step));
	assert_true(mime_end(mime));
	mime_close(&mime);
	assert_true(bytes_append(told, "", 1));
}

static void check(const char *text, const char *expected)
{
	for (size_t step = 1; step < 40; step += 3) {
		struct bytes told = {0};

		read_in(text, strlen(text), step == 37 ? 1u << 20 : step, &told);
		assert_string_equal((char *)told.data, expected);
		bytes_fini(&told);
	}
}

static void leaf_is_told_in_any_portions(void **state)
{
	(void)state;
	check("From: a\r\nSubject: b\r\n c\r\n\r\n-x\r\n--y\r\n",
		"0( From Subject =text/plain -x~~--y~~:body[9] 0) ");
	check("", "0( =text/plain! 0) ");
	check("Subject: only\r\n", "0( Subject =text/plain! 0) ");
	check("\r\n", "0( =text/plain :body[0] 0) ");
}

static void header_ends_at_the_first_line_that_is_no_field(void **state)
{
	(void)state;
	check("A: b\r\nno field\r\nC: d\r\n", "0( A =text/plain! no field~~C: d~~:body[16] 0) ");
	check("From root Mon\r\n X: y\r\n Z: y\r\n\r\n", "0( X Z =text/plain :body[0] 0) ");
}

static void parts_of_a_multipart_are_told_with_what_is_around_them(void **state)
{
	(void)state;
	check("Content-Type: multipart/mixed; "
	      "boundary=\"b\"\r\n\r\npre\r\n--b\r\n\r\none\r\n--bx\r\n"
	      "\r\n--b \r\nContent-Type: text/html\r\n\r\n--b--\r\nepi\r\n",
		"0( Content-Type =multipart/mixed pre:preamble[3] 1( =text/plain "
		"one~~--bx~~:body[11] 1) "
		"1( Content-Type =text/html :body[0] 1) epi~~:epilogue[5] 0) ");
}

static void outer_delimiter_ends_inner_parts(void **state)
{
	(void)state;
	check("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
	      "Content-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--b\r\n"
	      "Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\ny\r\n--b--\r\n",
		"0( Content-Type =multipart/mixed :preamble[0] 1( Content-Type "
		"=multipart/alternative :preamble[0] 2( =text/plain x:body[1] 2) 1?) "
		"1( Content-Type =message/rfc822 2( A =text/plain y:body[1] 2) 1) :epilogue[0] "
		"0) ");
}

static void encoded_message_is_not_followed(void **state)
{
	(void)state;
	check("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==\r\n",
		"0( Content-Type Content-Transfer-Encoding =message/rfc822 QQ==~~:body[6] 0) ");
}

static void check_length(size_t length, const char *expected)
{
	char text[3000], *at = text;
	struct bytes told = {0};

	at += sprintf(at, "\r\nshort\r\n");
	memset(at, '.', length);
	at += length;
	at += sprintf(at, "\r\nshort\r\n");
	read_in(text, (size_t)(at - text), 1u << 20, &told);
	assert_non_null(strstr((char *)told.data, expected));
	bytes_fini(&told);
}

static void line_over_998_bytes_is_long(void **state)
{
	(void)state;
	check_length(998, ":body[1014] ");
	check_length(999, ":body[1015 long] ");
	check_length(2100, ":body[2116 long] ");
}

static void field_over_its_limit_is_cut_and_told(void **state)
{
	size_t size = 70000;
	char *text = malloc(size);
	struct bytes told = {0};

	(void)state;
	memset(text, 'x', size);
	memcpy(text, "Subject: ", 9);
	memcpy(text + size - 10, "\r\nA: b\r\n\r\n", 10);
	for (size_t step = 999; step <= size; step += size - 999) {
		read_in(text, size, step, &told);
		assert_string_equal(
			(char *)told.data, "0( Subject(cut) A =text/plain :body[0] 0) ");
		bytes_clear(&told);
	}
	bytes_fini(&told);
	free(text);
}

static void levels_and_parts_have_a_limit(void **state)
{
	struct bytes text = {0}, told = {0};
	struct mime *mime = mime_open(&calls, &told, 0);

	(void)state;
	for (unsigned i = 0; i < 3 * MIME_DEPTH_MAX; i++)
		assert_true(bytes_append_text(&text, "Content-Type: message/rfc822\r\n\r\n"));
	read_in((char *)text.data, text.size, 1u << 20, &told);
	assert_non_null(strstr((char *)told.data, "19( "));
	assert_null(strstr((char *)told.data, "20( "));
	bytes_clear(&text);
	assert_true(bytes_append_text(&text, "Content-Type: multipart/mixed; boundary=b\r\n\r\n"));
	for (unsigned i = 0; i < MIME_PARTS_MAX + 5; i++)
		assert_true(bytes_append_text(&text, "--b\r\n\r\n"));
	assert_true(mime_take(mime, text.data, text.size) && mime_end(mime));
	assert_true(mime_has_too_many(mime));
	mime_close(&mime);
	bytes_fini(&text);
	bytes_fini(&told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaf_is_told_in_any_portions),
		cmocka_unit_test(header_ends_at_the_first_line_that_is_no_field),
		cmocka_unit_test(parts_of_a_multipart_are_told_with_what_is_around_them),
		cmocka_unit_test(outer_delimiter_ends_inner_parts),
		cmocka_unit_test(encoded_message_is_not_followed),
		cmocka_unit_test(line_over_998_bytes_is_long),
		cmocka_unit_test(field_over_its_limit_is_cut_and_told),
		cmocka_unit_test(levels_and_parts_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
