/*
 * fuzz_rewrite.c: any text whose authors are rewritten: its plan holds, and read again it is from the mailbox and nobody else, or it
 * says that it could not be done. The first byte chooses repairs and whether it is signed; the rest is the text, its line ends made
 * canonical.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "queue/inspection.h"
#include "queue/repair.h"

#define MAILBOX "lab@example.edu"

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

		i += input[i] == '\r' && i + 1 < size && input[i + 1] == '\n';
		require(bytes_append(out, ends ? "\r\n" : (const char *)&input[i], ends ? 2 : 1));
	}
	require(bytes_append_text(out, "\r\n"));
}

static struct inspection *inspect(const struct bytes *text, unsigned how)
{
	struct inspection_terms terms = {
		.repairs = how & (REPAIR_LINES | REPAIR_MISSING | REPAIR_CONTENT),
		.base = 1,
		.authors = true,
		.domain = "example.com"};
	struct inspection *inspection = inspection_open(&terms);
	struct inspection_header header;

	require(inspection != NULL && inspection_take(inspection, text->data + 1, text->size - 1) &&
		inspection_whole(inspection, &header));
	return inspection;
}

static void apply(const struct bytes *text, const struct plan *plan, struct bytes *out)
{
	struct bytes encoded = {0};
	uint8_t room[REPAIR_ROOM_MIN + 100], *to;
	const uint8_t *from = text->data;
	struct repair repair;

	require(plan_encode(plan, &encoded) &&
		repair_init(&repair, encoded.data, encoded.size, text->size, false) == 0);
	do {
		to = room;
		repair_run(&repair, &from, text->data + text->size, &to, room + sizeof(room));
		require(bytes_append(out, room, (size_t)(to - room)));
	} while (!repair_is_done(&repair) || to - room > 100);
	repair_fini(&repair);
	bytes_fini(&encoded);
}

static void check_authors(const struct bytes *text, unsigned how)
{
	struct inspection *inspection = inspect(text, how);
	struct inspection_header header;
	const char *author = NULL;
	enum author_kind kind;

	require(inspection_whole(inspection, &header) && !header.authors->is_over);
	require(header.authors->count == 2);
	while ((author = authors_next(header.authors, author, &kind)) != NULL)
		require(kind <= AUTHOR_SENDER && strcmp(author, MAILBOX) == 0);
	inspection_close(&inspection);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct inspection_source source = {.reverse_path = "a@example.com",
		.hostname = "relay.example.com",
		.mailbox = MAILBOX,
		.rewrites = true,
		.replies = true};
	struct bytes text = {0}, rewritten = {0};
	struct inspection_result found;
	struct inspection *inspection;
	unsigned how = size > 0 ? input[0] : 0;

	require(bytes_append(&text, "T", 1)); /* what stands before the client's text */
	if ((how & 8) != 0)
		require(bytes_append_text(&text, "DKIM-Signature: x\r\n"));
	make_canonical(input + (size > 0), size - (size > 0), &text);
	inspection = inspect(&text, how);
	require(inspection_end(inspection, &source, &found));
	apply(&text, &found.plan, &rewritten);
	if (!found.keeps_author)
		check_authors(&rewritten, how);
	inspection_result_fini(&found);
	inspection_close(&inspection);
	bytes_fini(&text);
	bytes_fini(&rewritten);
	return 0;
}
