/*
 * fuzz_grant_record.c: records of grants from a damaged store, with a checksum that fits: what is decoded can be encoded, comes
 * back the same, and can be looked up.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "queue/permits.h"

#define NAME "printer"
#define NOW  UINT64_C(1700000000000)
#define HEAD 5 /* version and checksum */

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void check_again(const struct grant *grant)
{
	struct bytes record = {0}, again_record = {0};
	struct grant *again = NULL, *copy = grant_copy(grant);

	if (copy == NULL || !grant_encode(copy, &record) ||
		grant_decode(NAME, 1, record.data, record.size, &again) != 0 ||
		!grant_encode(again, &again_record))
		abort();
	if (record.size != again_record.size ||
		memcmp(record.data, again_record.data, record.size) != 0)
		abort();
	grant_close(&again);
	grant_close(&copy);
	bytes_fini(&record);
	bytes_fini(&again_record);
}

/* Each of its accounts finds it, but when it is only requested. */
static void check_table(struct grant *grant)
{
	bool counts = grant->state != GRANT_REQUESTED;
	struct permits *permits = permits_build(&grant, 1, NULL, 0);
	struct address peer = {.size = sizeof(peer.v4), .v4 = {.sin_family = AF_INET}};
	struct permit_client client = {.peer = &peer};
	const struct grant *found;

	if (permits == NULL)
		abort();
	found = permits_grant(permits, NAME);
	if (found == NULL)
		abort();
	for (size_t i = 0; i < found->accounts.count; i++) {
		struct permit_group group;

		client.account = found->accounts.items[i];
		group = permits_find(permits, &client);
		if ((group.count == 1 && group.level == PERMIT_BY_ACCOUNT) != counts)
			abort();
		permits_choose(&group, "a@example.edu", i % 2 == 0, NOW);
	}
	for (size_t i = 0; i < found->senders.count; i++)
		if (grant_pattern_is_valid(found->senders.items[i]) &&
			strchr(found->senders.items[i], '*') == NULL &&
			grant_find_pattern(&found->senders, found->senders.items[i]) == NULL)
			abort();
	permits_close(&permits);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	uint32_t sum = (uint32_t)XXH3_64bits_withSeed(input, size, XXH3_64bits(NAME, strlen(NAME)));
	uint8_t *record = malloc(HEAD + size);
	struct grant *grant = NULL;
	struct reason reason;

	if (record == NULL)
		return 0;
	record[0] = 1;
	for (size_t i = 0; i < 4; i++)
		record[1 + i] = (uint8_t)(sum >> (24 - 8 * i));
	memcpy(record + HEAD, input, size);
	if (grant_decode(NAME, 1, record, HEAD + size, &grant) == 0) {
		grant_check(grant, &reason);
		check_again(grant);
		check_table(grant);
	}
	free(record);
	return 0;
}
