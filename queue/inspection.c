#include "queue/inspection.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

struct inspection {
	XXH3_state_t *hash;
	uint64_t size_bytes;
	bool has_eightbit;
};

struct inspection *inspection_open(const struct inspection_terms *terms)
{
	struct inspection *inspection = calloc(1, sizeof(*inspection));

	(void)terms;
	if (inspection == NULL)
		return NULL;
	inspection->hash = XXH3_createState();
	if (inspection->hash == NULL || XXH3_64bits_reset(inspection->hash) != XXH_OK)
		inspection_close(&inspection);
	return inspection;
}

void inspection_close(struct inspection **inspection)
{
	if (*inspection == NULL)
		return;
	XXH3_freeState((*inspection)->hash);
	free(*inspection);
	*inspection = NULL;
}

bool inspection_take(void *owner, const void *bytes, size_t size)
{
	struct inspection *inspection = owner;

	for (size_t i = 0; i < size && !inspection->has_eightbit; i++)
		inspection->has_eightbit = ((const uint8_t *)bytes)[i] > 127;
	inspection->size_bytes += size;
	return XXH3_64bits_update(inspection->hash, bytes, size) == XXH_OK;
}

bool inspection_end(struct inspection *inspection, const struct inspection_source *source,
	struct inspection_result *out)
{
	(void)source;
	*out = (struct inspection_result){.sevenbit_possible = !inspection->has_eightbit,
		.is_empty = inspection->size_bytes == 0,
		.content_hash = XXH3_64bits_digest(inspection->hash)};
	return true;
}
