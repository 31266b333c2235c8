/*
 * fuzz_ledger.c: records of clients from a damaged store, with a checksum that fits: what is decoded can be encoded, comes back
 * the same, and takes a change.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "queue/ledger.h"

#define ADDRESS "10.1.2.3"
#define HEAD    5 /* version and checksum */

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void check_again(const struct ledger_client *client)
{
	struct bytes record = {0}, again_record = {0};
	struct ledger_client *again = NULL;

	if (!ledger_encode(client, &record) ||
		ledger_decode(ADDRESS, record.data, record.size, &again) != 0 ||
		!ledger_encode(again, &again_record))
		abort();
	if (record.size != again_record.size ||
		memcmp(record.data, again_record.data, record.size) != 0)
		abort();
	ledger_client_close(&again);
	bytes_fini(&record);
	bytes_fini(&again_record);
}

/* Of each name and each quirk there is one, and each is found. */
static void check_lists(const struct ledger_client *client)
{
	if (client->helo_count > LEDGER_HELOS_MAX || client->quirk_count >= QUIRK_COUNT)
		abort();
	for (size_t i = 0; i < client->quirk_count; i++)
		if (ledger_find_quirk(client, client->quirks[i].number) != &client->quirks[i])
			abort();
}

static void check_merge(struct ledger_client *client)
{
	struct ledger_client *change = ledger_client_new(ADDRESS);

	if (change == NULL)
		return;
	ledger_count_helo(change, "printer", 1700000000000);
	if (!ledger_count_quirk(change, 33, "MAIL FROM:a", 11, 1700000000000) ||
		!ledger_merge(change, client) || !ledger_merge(client, change))
		abort();
	check_lists(client);
	check_again(client);
	ledger_client_close(&change);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	uint32_t sum =
		(uint32_t)XXH3_64bits_withSeed(input, size, XXH3_64bits(ADDRESS, strlen(ADDRESS)));
	struct ledger_client *client = NULL;
	uint8_t *record = malloc(HEAD + size);

	if (record == NULL)
		return 0;
	record[0] = 1;
	for (size_t i = 0; i < 4; i++)
		record[1 + i] = (uint8_t)(sum >> (24 - 8 * i));
	memcpy(record + HEAD, input, size);
	if (ledger_decode(ADDRESS, record, HEAD + size, &client) == 0) {
		check_lists(client);
		check_again(client);
		check_merge(client);
	}
	ledger_client_close(&client);
	free(record);
	return 0;
}
