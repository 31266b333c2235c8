/*
 * fuzz_envelope.c: records of envelopes from a damaged store, with a checksum that fits: what is decoded can be encoded,
 * and comes back the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "queue/envelope.h"

#define ID   77
#define HEAD 5 /* version and checksum */

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void check(const struct envelope *envelope)
{
	struct bytes record = {0}, again_record = {0};
	struct envelope *again = NULL;

	if (!envelope_encode(envelope, &record) ||
		envelope_decode(ID, record.data, record.size, &again) != 0 ||
		!envelope_encode(again, &again_record))
		abort();
	if (record.size != again_record.size ||
		memcmp(record.data, again_record.data, record.size) != 0)
		abort();
	envelope_close(&again);
	bytes_fini(&record);
	bytes_fini(&again_record);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	uint64_t sum = XXH3_64bits_withSeed(input, size, ID);
	struct envelope *envelope = NULL;
	uint8_t *record = malloc(HEAD + size);

	if (record == NULL)
		return 0;
	record[0] = 1;
	for (size_t i = 0; i < 4; i++)
		record[1 + i] = (uint8_t)(sum >> (24 - 8 * i));
	memcpy(record + HEAD, input, size);
	if (envelope_decode(ID, record, HEAD + size, &envelope) == 0)
		check(envelope);
	envelope_close(&envelope);
	free(record);
	return 0;
}
