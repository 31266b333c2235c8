#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "queue/inspection.h"
#include "queue/mime.h"

#define ALL  (REPAIR_LINES | REPAIR_MISSING | REPAIR_CONTENT)
#define BASE 50
#define WHOLE                                                                          \
	"From: a@example.com\r\nDate: Mon, 21 Sep 2026 10:00:00 +0000\r\nMessage-ID: " \
	"<1@example.com>\r\n"

static void inspect_as(unsigned repairs, bool smtputf8, const char *text, size_t size,
	struct inspection_result *out)
{
	struct inspection_terms terms = {.base = BASE,
		.repairs = repairs,
		.hashes = repairs != 0,
		.smtputf8 = smtputf8,
		.charset = "iso-8859-1"};
	struct inspection_source source = {.reverse_path = "a@example.com",
		.hostname = "relay.example.com",
		.id = 1,
		.now_unix_ms = UINT64_C(1790000000000)};
	struct inspection *inspection = inspection_open(&terms);

	assert_non_null(inspection);
	assert_true(inspection_take(inspection, text, size));
	assert_true(inspection_end(inspection, &source, out));
	inspection_close(&inspection);
}

static void inspect(unsigned repairs, const char *text, struct inspection_result *out)
{
	inspect_as(repairs, false, text, strlen(text), out);
}

static void well_formed_text_needs_nothing(void **state)
{
	struct inspection_result found;

	(void)state;
	inspect(ALL, WHOLE "\r\nhello\r\n", &found);
	assert_int_equal(found.plan.count, 0);
	assert_true(quirk_set_is_empty(&found.quirks));
	assert_true(found.sevenbit_possible);
	assert_int_equal(found.message_id_at, BASE + 60);
	assert_int_equal(found.message_id_size, 29);
	assert_true(found.message_id_hash != 0);
	inspection_result_fini(&found);
}

static void assert_example(
	const struct inspection_result *found, enum quirk quirk, const char *wanted)
{
	size_t size = 0;
	const char *text = inspection_example(found, quirk, &size);

	assert_true(quirk_set_has(&found->quirks, quirk));
	if (wanted == NULL) {
		assert_null(text);
		return;
	}
	assert_non_null(text);
	assert_int_equal(size, strlen(wanted));
	assert_memory_equal(text, wanted, size);
}

static void what_is_wrong_is_shown_by_its_first_bytes(void **state)
{
	static const char text[] =
		"From x\r\nDate: 1\r\nDate: 2\r\nSubject: a\0b\r\n c\r\nBcc: d\r\n"
		"no field\r\nfirst\r\nand \xe4 one\r\n";
	struct inspection_result found;
	char longest[3000] = "X: ";

	(void)state;
	inspect_as(ALL, false, text, sizeof text - 1, &found);
	assert_example(&found, QUIRK_MBOX_FROM, "From x");
	assert_example(&found, QUIRK_DATE, "Date: 1");
	assert_example(&found, QUIRK_NUL, "Subject: a\\0b c");
	assert_example(&found, QUIRK_BCC, "Bcc: d");
	assert_example(&found, QUIRK_NO_HEADER, "no field");
	assert_example(&found, QUIRK_EIGHTBIT_BODY, "and \xe4 one");
	assert_example(&found, QUIRK_FROM, NULL);
	inspection_result_fini(&found);
	memset(longest + 3, 'x', 1500);
	memcpy(longest + 1503, "\r\n\r\n", 5);
	memset(longest + 1507, 'y', 1200);
	inspect(ALL, longest, &found);
	longest[INSPECTION_EXAMPLE_BYTES - 1] = '\0';
	assert_example(&found, QUIRK_LONG_HEADER, longest);
	longest[1507 + INSPECTION_EXAMPLE_BYTES - 1] = '\0';
	assert_example(&found, QUIRK_LONG_LINES, longest + 1507);
	inspection_result_fini(&found);
}

static void content_is_hashed_where_that_is_wanted(void **state)
{
	struct inspection_result one, other;

	(void)state;
	inspect(ALL, WHOLE "\r\nhello\r\n", &one);
	inspect(ALL, WHOLE "\r\nhullo\r\n", &other);
	assert_true(one.content_hash != 0 && one.content_hash != other.content_hash);
	inspection_result_fini(&one);
	inspection_result_fini(&other);
	inspect(0, WHOLE "\r\nhello\r\n", &one);
	assert_int_equal(one.content_hash, 0);
	assert_true(one.message_id_hash != 0);
	inspection_result_fini(&one);
}

static void missing_fields_come_first(void **state)
{
	struct inspection_result found;

	(void)state;
	inspect(ALL, "Date: nonsense\r\n\r\nx\r\n", &found);
	assert_int_equal(found.plan.count, 2);
	assert_int_equal(found.plan.edits[0].at, BASE);
	assert_memory_equal(found.plan.text.data + found.plan.edits[0].text_at, "Date: Mon,", 10);
	assert_int_equal(found.plan.edits[1].at, BASE);
	assert_memory_equal(found.plan.text.data + found.plan.edits[1].text_at, "X-Original-", 11);
	inspection_result_fini(&found);
	inspect(REPAIR_LINES, "Date: nonsense\r\n\r\nx\r\n", &found);
	assert_int_equal(found.plan.count, 0);
	inspection_result_fini(&found);
}

static void signed_text_loses_nothing_but_nuls(void **state)
{
	static const char text[] = "DKIM-Signature: x\r\nBcc: y\r\n\r\n\xe4\0\r\n";
	struct inspection_result found;

	(void)state;
	inspect_as(ALL, false, text, sizeof(text) - 1, &found);
	assert_true(found.is_signed && !found.sevenbit_possible);
	assert_int_equal(found.plan.count, 1);
	assert_int_equal(found.plan.edits[0].act, PLAN_STRIP);
	assert_int_equal(found.plan.edits[0].size, sizeof(text) - 1);
	inspection_result_fini(&found);
	inspect(ALL, "Content-Type: multipart/signed; boundary=b\r\nBcc: y\r\n\r\nx\r\n", &found);
	assert_true(found.is_signed);
	assert_int_equal(found.plan.count, 0);
	inspection_result_fini(&found);
}

static void eightbit_of_a_strict_client_is_touched_only_for_seven_bits(void **state)
{
	struct inspection_result found;

	(void)state;
	inspect(REPAIR_LINES, "Subject: \xe4\r\n\r\n\xe4\r\n", &found);
	assert_true(found.plan.count > 0 && found.header_eightbit && found.sevenbit_possible);
	for (size_t i = 0; i < found.plan.count; i++)
		assert_int_equal(found.plan.edits[i].when, PLAN_SEVENBIT);
	inspection_result_fini(&found);
}

static void address_with_eightbit_is_told_of_smtputf8_only(void **state)
{
	static const char text[] = WHOLE "To: \xc3\xa4@example.org\r\n\r\nx\r\n";
	struct inspection_result found;

	(void)state;
	inspect_as(ALL, true, text, sizeof(text) - 1, &found);
	assert_true(found.header_address_eightbit && found.header_eightbit);
	assert_false(found.sevenbit_possible);
	inspection_result_fini(&found);
	inspect_as(ALL, false, text, sizeof(text) - 1, &found);
	assert_false(found.header_address_eightbit || found.header_eightbit);
	assert_true(found.sevenbit_possible);
	inspection_result_fini(&found);
}

/* Some clients send each line with the NUL that ends it in their memory. */
static void lines_with_nuls_are_what_they_are_without(void **state)
{
	static const char text[] =
		WHOLE "Content-Type: multi\0part/mixed; boundary=b\r\n\0\r\n\0--b\0\r\n"
		      "\0Content-Type: text/plain\r\n\0\r\n\0x\r\n\0--b--\0\r\n";
	struct inspection_result found;
	uint64_t stripped = 0;

	(void)state;
	inspect_as(ALL, false, text, sizeof(text) - 1, &found);
	assert_false(quirk_set_has(&found.quirks, QUIRK_BROKEN_MIME));
	for (size_t i = 0; i < found.plan.count; i++)
		stripped += found.plan.edits[i].act == PLAN_STRIP;
	/* two empty lines, two delimiters, the text */
	assert_int_equal(stripped, 5);
	assert_int_equal(found.plan.count, 7);
	inspection_result_fini(&found);
}

/* The From of a message within, that nobody can use, is not ours to replace. */
static void from_of_a_message_within_is_not_emptied(void **state)
{
	static const char text[] =
		WHOLE "Content-Type: message/rfc822\r\n\r\nFrom: B\xc3\xbcro\r\n\r\nx\r\n";
	struct inspection_result found;

	(void)state;
	inspect(ALL, text, &found);
	assert_int_equal(found.plan.count, 1);
	assert_int_equal(found.plan.text.size, strlen(" =?utf-8?Q?B=C3=BCro?=:;"));
	assert_memory_equal(found.plan.text.data, " =?utf-8?Q?B=C3=BCro?=:;", found.plan.text.size);
	inspection_result_fini(&found);
}

static void automatic_answers_are_told(void **state)
{
	struct inspection_result found;

	(void)state;
	inspect(0, "Auto-Submitted: auto-replied\r\n\r\n", &found);
	assert_true(found.is_auto_submitted);
	inspection_result_fini(&found);
	inspect(0, "Auto-Submitted: No\r\n\r\n", &found);
	assert_false(found.is_auto_submitted);
	inspection_result_fini(&found);
	inspect(0, "", &found);
	assert_true(found.is_empty && !found.is_auto_submitted);
	inspection_result_fini(&found);
}

/* So many parts to mend that they do not fit: the body is mended as one. */
static void body_with_too_many_parts_is_encoded_as_one(void **state)
{
	struct bytes text = {0};
	struct inspection_result found;
	bool opaque = false;

	(void)state;
	assert_true(bytes_append_text(
		&text, WHOLE "Content-Type: multipart/mixed; boundary=b\r\n\r\n"));
	for (unsigned i = 0; i < MIME_PARTS_MAX + 1; i++)
		assert_true(bytes_append_text(&text, "--b\r\n\r\n\xe4\r\n"));
	inspect_as(ALL, false, (char *)text.data, text.size, &found);
	for (size_t i = 0; i < found.plan.count; i++)
		if (found.plan.edits[i].act == PLAN_BASE64) {
			opaque = true;
			assert_int_equal(found.plan.edits[i].when, PLAN_SEVENBIT);
			assert_int_equal(found.plan.edits[i].at + found.plan.edits[i].size,
				BASE + text.size);
		}
	assert_true(opaque && found.sevenbit_possible && found.plan.count < 10);
	inspection_result_fini(&found);
	bytes_fini(&text);
}

static bool has_edit(
	const struct inspection_result *found, enum plan_act act, uint64_t at, const char *text)
{
	for (size_t i = 0; i < found->plan.count; i++) {
		const struct plan_edit *edit = &found->plan.edits[i];

		if (edit->act == act && edit->at == BASE + at && edit->text_size == strlen(text) &&
			(edit->text_size == 0 || memcmp(found->plan.text.data + edit->text_at, text,
							 edit->text_size) == 0))
			return true;
	}
	return false;
}

static void mbox_line_that_stays_has_the_header_behind_it(void **state)
{
	struct inspection_result found;

	(void)state;
	inspect(REPAIR_MISSING, "From \xe4\r\nSubject: x\r\n\r\nx\r\n", &found);
	assert_int_equal(found.plan.count, 2);
	assert_int_equal(found.plan.edits[0].at, BASE);
	assert_int_equal(found.plan.edits[0].size, 8);
	assert_int_equal(found.plan.edits[0].when, PLAN_SEVENBIT);
	assert_int_equal(found.plan.edits[1].at, BASE + 8);
	inspection_result_fini(&found);
}

static void indented_header_that_stays_goes_on_no_added_field(void **state)
{
	struct inspection_result found;

	(void)state;
	inspect(REPAIR_MISSING, " From: a@b.c\r\n Subject: x\r\n\r\nx\r\n", &found);
	assert_int_equal(found.plan.count, 1);
	assert_int_equal(found.plan.edits[0].at, BASE + 27);
	inspection_result_fini(&found);
}

static void body_that_begins_with_blanks_goes_on_no_added_field(void **state)
{
	struct inspection_result found;

	(void)state;
	inspect(REPAIR_MISSING, " \r\nSubject: x\r\n", &found);
	assert_int_equal(found.plan.count, 2);
	assert_int_equal(found.plan.edits[0].at, BASE);
	assert_int_equal(found.plan.edits[1].at, BASE);
	assert_int_equal(found.plan.edits[1].text_size, 2);
	inspection_result_fini(&found);
}

/* What is read downstream counts: here that it is no text, and so has no charset. */
static void type_counts_as_it_is_repaired(void **state)
{
	struct inspection_result found;
	char text[1024];

	(void)state;
	snprintf(text, sizeof text,
		WHOLE "MIME-Version: 1.0\r\nContent-Type: te%cxt/plain\r\n\r\n\xe4\r\n", 0xff);
	inspect(ALL, text, &found);
	assert_false(has_edit(&found, PLAN_REPLACE, strlen(text) - 5,
		"Content-Type: text/plain; charset=iso-8859-1\r\n"));
	inspection_result_fini(&found);
	snprintf(text, sizeof text, WHOLE "Content-Type: text/plain;\v\r\n\r\n\xe4\r\n");
	inspect(ALL, text, &found);
	assert_true(has_edit(&found, PLAN_REPLACE, strlen(text) - 7, ";\r\n\tcharset=iso-8859-1"));
	inspection_result_fini(&found);
}

#define PARTS WHOLE "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

/* In any portions. Without NULs it would be no delimiter any more, and the text another one. */
static void delimiter_with_nuls_is_one(void **state)
{
	static const char text[] = PARTS "\0--b\0\r\n\r\nx\r\n-\0-b--\r\n";
	struct inspection_result found;
	size_t at = sizeof(PARTS) - 1;

	(void)state;
	inspect_as(ALL, false, text, sizeof(text) - 1, &found);
	assert_int_equal(found.plan.count, 2);
	assert_true(has_edit(&found, PLAN_STRIP, at, ""));
	assert_int_equal(found.plan.edits[0].size, 7);
	assert_true(has_edit(&found, PLAN_STRIP, at + 12, ""));
	inspection_result_fini(&found);
	/* not so where NULs stay */
	inspect_as(REPAIR_LINES, false, text, sizeof(text) - 1, &found);
	assert_int_equal(found.plan.count, 0);
	inspection_result_fini(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed_text_needs_nothing),
		cmocka_unit_test(content_is_hashed_where_that_is_wanted),
		cmocka_unit_test(what_is_wrong_is_shown_by_its_first_bytes),
		cmocka_unit_test(missing_fields_come_first),
		cmocka_unit_test(signed_text_loses_nothing_but_nuls),
		cmocka_unit_test(eightbit_of_a_strict_client_is_touched_only_for_seven_bits),
		cmocka_unit_test(address_with_eightbit_is_told_of_smtputf8_only),
		cmocka_unit_test(from_of_a_message_within_is_not_emptied),
		cmocka_unit_test(lines_with_nuls_are_what_they_are_without),
		cmocka_unit_test(automatic_answers_are_told),
		cmocka_unit_test(body_with_too_many_parts_is_encoded_as_one),
		cmocka_unit_test(mbox_line_that_stays_has_the_header_behind_it),
		cmocka_unit_test(indented_header_that_stays_goes_on_no_added_field),
		cmocka_unit_test(body_that_begins_with_blanks_goes_on_no_added_field),
		cmocka_unit_test(type_counts_as_it_is_repaired),
		cmocka_unit_test(delimiter_with_nuls_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
