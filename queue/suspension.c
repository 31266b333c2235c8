#include "queue/suspension.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "queue/record.h"

#define RECORD_VERSION 1

static const struct record_field suspension_fields[] = {
	[1] = RECORD_ARRAY(suspension, reason),
	[2] = RECORD_ARRAY(suspension, by),
	[3] = RECORD_NUMBER(suspension, since_unix_ms),
	[4] = RECORD_FLAG(suspension, automatic),
};
static const struct record_layout suspension_layout = RECORD_LAYOUT(suspension_fields);

const char *suspension_account(const struct suspension *suspension)
{
	return suspension->who + strlen(SUSPENSION_ACCOUNT);
}

struct suspension *suspension_new(const char *who)
{
	size_t prefix_size = strlen(SUSPENSION_ACCOUNT), size = strlen(who);
	bool is_account = strncmp(who, SUSPENSION_ACCOUNT, prefix_size) == 0;
	struct network network = {0};
	struct suspension *suspension;

	if (size >= REGISTRY_NAME_SIZE)
		return NULL;
	if (is_account ? size == prefix_size : network_parse(who, &network, NULL) < 0)
		return NULL;
	suspension = calloc(1, sizeof(*suspension));
	if (suspension == NULL)
		return NULL;
	memcpy(suspension->who, who, size + 1);
	suspension->kind = is_account ? SUSPENDS_ACCOUNT : SUSPENDS_NETWORK;
	suspension->network = network;
	return suspension;
}

void suspension_close(struct suspension **suspension)
{
	if (suspension == NULL)
		return;
	free(*suspension);
	*suspension = NULL;
}

static uint64_t seed_of(const char *who)
{
	return XXH3_64bits(who, strlen(who));
}

bool suspension_encode(const struct suspension *suspension, struct bytes *out)
{
	size_t start = out->size;

	if (!record_begin(out) || !record_put_members(out, &suspension_layout, suspension)) {
		out->size = start;
		return false;
	}
	record_seal(out->data + start, out->size - start, RECORD_VERSION, seed_of(suspension->who));
	return true;
}

int suspension_decode(const char *who, uint32_t revision, const void *record, size_t size,
	struct suspension **out)
{
	struct suspension *suspension;
	struct record_span fields;
	int rc;

	if (!record_open(record, size, RECORD_VERSION, seed_of(who), &fields))
		return -EBADMSG;
	errno = 0;
	suspension = suspension_new(who);
	if (suspension == NULL)
		return errno == ENOMEM ? -ENOMEM : -EBADMSG;
	suspension->revision = revision;
	rc = record_take_members(&suspension_layout, fields, suspension, NULL, NULL);
	if (rc < 0)
		suspension_close(&suspension);
	else
		*out = suspension;
	return rc;
}
