/*
 * repair_text.c: texts as a judge gives them, looked at and repaired: tests/system/test_repair_judge.py.
 *
 * Each on stdin: a line "repairs smtputf8 size", then the text. Each on stdout: a line "signed sevenbit_possible size size
 * quirks…", then the text as an upstream with 8BITMIME gets it, then as one without does. Both are made whole and byte by
 * byte, and must be the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "queue/inspection.h"
#include "queue/repair.h"

#define BASE "Received: x\r\n"

static void require(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "repair_text: %s\n", what);
	exit(1);
}

static void inspect(const struct bytes *text, unsigned repairs, bool smtputf8, size_t step,
	struct inspection_result *out)
{
	struct inspection_terms terms = {.base = strlen(BASE),
		.repairs = repairs,
		.smtputf8 = smtputf8,
		.domain = "example.edu",
		.charset = "windows-1252"};
	struct inspection_source source = {.reverse_path = "envelope@example.com",
		.hostname = "relay.example.com",
		.domain = "example.edu",
		.id = 0x5123456789abc,
		.now_unix_ms = UINT64_C(1795381697000)};
	struct inspection *inspection = inspection_open(&terms);

	require(inspection != NULL, "no inspection");
	for (size_t at = 0, part; at < text->size; at += part) {
		part = text->size - at < step ? text->size - at : step;
		require(inspection_take(inspection, text->data + at, part), "take");
	}
	require(inspection_end(inspection, &source, out), "end");
	inspection_close(&inspection);
}

static void repair(const struct bytes *stored, const struct bytes *plan, bool sevenbit, size_t step,
	struct bytes *out)
{
	const uint8_t *from = stored->data, *end = stored->data + stored->size, *until;
	uint8_t room[REPAIR_ROOM_MIN + 4096], *to;
	struct repair repair;

	require(repair_init(&repair, plan->data, plan->size, stored->size, sevenbit) == 0, "plan");
	do {
		until = (size_t)(end - from) > step ? from + step : end;
		to = room;
		repair_run(&repair, &from, until, &to, room + sizeof room);
		require(bytes_append(out, room, (size_t)(to - room)), "memory");
	} while (from < end || to > room);
	require(repair_is_done(&repair), "not done");
	repair_fini(&repair);
	require(out->size >= strlen(BASE) && memcmp(out->data, BASE, strlen(BASE)) == 0, "trace");
	bytes_consume(out, strlen(BASE));
}

static void require_same(const struct bytes *a, const struct bytes *b, const char *what)
{
	require(a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0),
		what);
}

static void answer(const struct bytes *text, unsigned repairs, bool smtputf8)
{
	struct bytes stored = {0}, plan = {0}, again = {0}, out[4] = {{0}};
	struct inspection_result whole, parted;
	char quirks[QUIRK_TEXT_SIZE];

	inspect(text, repairs, smtputf8, SIZE_MAX / 2, &whole);
	inspect(text, repairs, smtputf8, 1, &parted);
	require(plan_encode(&whole.plan, &plan) && plan_encode(&parted.plan, &again), "encode");
	require_same(&plan, &again, "plans differ");
	require(bytes_append_text(&stored, BASE) && bytes_append(&stored, text->data, text->size),
		"memory");
	for (size_t i = 0; i < 4; i++)
		repair(&stored, &plan, i % 2 == 1, i < 2 ? SIZE_MAX / 2 : 1, &out[i]);
	require_same(&out[0], &out[2], "repairs differ");
	require_same(&out[1], &out[3], "repairs for 7 bits differ");
	printf("%d %d %zu %zu %s\n", whole.is_signed, whole.sevenbit_possible, out[0].size,
		out[1].size, quirk_set_format(&whole.quirks, quirks));
	fwrite(out[0].data, 1, out[0].size, stdout);
	fwrite(out[1].data, 1, out[1].size, stdout);
	fflush(stdout);
	inspection_result_fini(&whole);
	inspection_result_fini(&parted);
	for (size_t i = 0; i < 4; i++)
		bytes_fini(&out[i]);
	bytes_fini(&stored);
	bytes_fini(&plan);
	bytes_fini(&again);
}

int main(void)
{
	struct bytes text = {0};
	unsigned repairs;
	int smtputf8;
	size_t size;

	while (scanf("%u %d %zu", &repairs, &smtputf8, &size) == 3) {
		require(getchar() == '\n', "a line");
		bytes_clear(&text);
		require(bytes_reserve(&text, size + 1), "memory");
		text.size = fread(text.data, 1, size, stdin);
		require(text.size == size, "a short text");
		answer(&text, repairs, smtputf8 != 0);
	}
	bytes_fini(&text);
	return 0;
}
