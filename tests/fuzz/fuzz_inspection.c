/*
 * fuzz_inspection.c: any text, looked at and repaired. Looked at in any portions it is the same; its plan can be encoded and
 * read back; with it applied the text is canonical for the reader it goes to, and looked at again there is nothing to do.
 *
 * The first byte of the input chooses: repairs, SMTPUTF8, portions. The rest is the text, its line ends made canonical.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "core/utf8.h"
#include "queue/inspection.h"
#include "queue/mime.h"
#include "queue/repair.h"

#define BASE 7 /* bytes of ours in front */

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void require(bool good)
{
	if (!good)
		abort();
}

static void make_canonical(const uint8_t *input, size_t size, struct bytes *out)
{
	for (size_t i = 0; i < size; i++) {
		bool ends = input[i] == '\r' || input[i] == '\n';

		if (input[i] == '\r' && i + 1 < size && input[i + 1] == '\n')
			i++;
		require(bytes_append(out, ends ? "\r\n" : (const char *)&input[i], ends ? 2 : 1));
	}
	if (out->size > 0 && out->data[out->size - 1] != '\n')
		require(bytes_append_text(out, "\r\n"));
}

static void inspect(
	const struct bytes *text, unsigned how, size_t step, struct inspection_result *out)
{
	struct inspection_terms terms = {.base = BASE,
		.hashes = true,
		.repairs = how & (REPAIR_LINES | REPAIR_MISSING | REPAIR_CONTENT),
		.smtputf8 = (how & 8) != 0,
		.domain = "example.com",
		.charset = "iso-8859-1"};
	struct inspection_source source = {.reverse_path = "a@example.com",
		.hostname = "relay.example.com",
		.domain = "example.com",
		.id = 0x5123456789abc,
		.now_unix_ms = UINT64_C(1790000000000)};
	struct inspection *inspection = inspection_open(&terms);

	require(inspection != NULL);
	for (size_t at = 0; at < text->size; at += step)
		require(inspection_take(inspection, text->data + at,
			text->size - at < step ? text->size - at : step));
	require(inspection_end(inspection, &source, out));
	inspection_close(&inspection);
}

static void repair(
	const struct bytes *text, const struct bytes *encoded, bool sevenbit, struct bytes *out)
{
	struct bytes stored = {0};
	uint8_t room[REPAIR_ROOM_MIN + 100], *to;
	const uint8_t *from;
	struct repair repair;

	require(bytes_append(&stored, "X: y ..", BASE));
	require(bytes_append(&stored, text->data, text->size));
	from = stored.data;
	require(repair_init(&repair, encoded->data, encoded->size, stored.size, sevenbit) == 0);
	do {
		to = room;
		repair_run(&repair, &from, stored.data + stored.size, &to, room + sizeof(room));
		require(bytes_append(out, room, (size_t)(to - room)));
	} while (!repair_is_done(&repair) || to - room > 100);
	repair_fini(&repair);
	bytes_fini(&stored);
	bytes_consume(out, BASE);
}

static void check_canonical(const struct bytes *text, unsigned how, bool is_signed)
{
	size_t line = 0;

	for (size_t i = 0; i < text->size; i++) {
		uint8_t byte = text->data[i];

		require(byte != '\0' || !(how & REPAIR_CONTENT));
		require(byte != '\r' || (i + 1 < text->size && text->data[i + 1] == '\n'));
		require(byte != '\n' || (i > 0 && text->data[i - 1] == '\r'));
		line = byte == '\n' ? 0 : line + 1;
		require(line <= MIME_LINE_BYTES + 1 || !(how & REPAIR_LINES) || is_signed);
	}
	require(text->size == 0 || text->data[text->size - 1] == '\n');
}

static void check_done(const struct inspection_result *again, bool sevenbit)
{
	enum plan_when other = sevenbit ? PLAN_EIGHTBIT : PLAN_SEVENBIT;

	for (size_t i = 0; i < again->plan.count; i++)
		require(again->plan.edits[i].when == other);
}

/* A line too long for a delimiter may become one when its NULs are gone. */
static bool has_long_nul_line(const struct bytes *text)
{
	const uint8_t *at = text->data, *end = at + text->size, *next;

	if (text->size <= MIME_BOUNDARY_MAX || memchr(at, '\0', text->size) == NULL)
		return false;
	for (; at < end; at = next) {
		next = (const uint8_t *)memchr(at, '\n', (size_t)(end - at)) + 1;
		if (next - at > MIME_BOUNDARY_MAX && memchr(at, '\0', (size_t)(next - at)) != NULL)
			return true;
	}
	return false;
}

static void check_repaired(const struct bytes *text, const struct inspection_result *found,
	unsigned how, bool sevenbit)
{
	struct bytes encoded = {0}, repaired = {0};
	struct inspection_result again;

	require(plan_encode(&found->plan, &encoded));
	repair(text, &encoded, sevenbit, &repaired);
	check_canonical(&repaired, how, found->is_signed);
	if (sevenbit && found->sevenbit_possible)
		require(!utf8_has_eightbit(repaired.data, repaired.size));
	inspect(&repaired, how, SIZE_MAX / 2, &again);
	if (!has_long_nul_line(text))
		check_done(&again, sevenbit);
	inspection_result_fini(&again);
	bytes_fini(&encoded);
	bytes_fini(&repaired);
}

static void check_same(const struct inspection_result *a, const struct inspection_result *b)
{
	struct bytes first = {0}, second = {0};

	require(plan_encode(&a->plan, &first) && plan_encode(&b->plan, &second));
	require(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
	require(memcmp(&a->quirks, &b->quirks, sizeof(a->quirks)) == 0);
	require(a->is_signed == b->is_signed && a->header_eightbit == b->header_eightbit &&
		a->header_address_eightbit == b->header_address_eightbit &&
		a->sevenbit_possible == b->sevenbit_possible && a->is_empty == b->is_empty &&
		a->is_auto_submitted == b->is_auto_submitted &&
		a->content_hash == b->content_hash && a->message_id_hash == b->message_id_hash &&
		a->message_id_at == b->message_id_at && a->message_id_size == b->message_id_size);
	bytes_fini(&first);
	bytes_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct bytes text = {0};
	struct inspection_result whole, parted;
	unsigned how;

	if (size == 0)
		return 0;
	how = *input;
	make_canonical(input + 1, size - 1, &text);
	inspect(&text, how, SIZE_MAX / 2, &whole);
	inspect(&text, how, 1 + (how >> 4), &parted);
	check_same(&whole, &parted);
	check_repaired(&text, &whole, how, false);
	check_repaired(&text, &whole, how, true);
	inspection_result_fini(&whole);
	inspection_result_fini(&parted);
	bytes_fini(&text);
	return 0;
}
