#include "queue/suspension.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
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
	[5] = RECORD_FLAG(suspension, purges),
};
static const struct record_layout suspension_layout = RECORD_LAYOUT(suspension_fields);

const char *suspension_account(const struct suspension *suspension)
{
	return suspension->who + strlen(SUSPENSION_ACCOUNT);
}

static bool is_printable(const char *who)
{
	for (; *who != '\0'; who++)
		if ((unsigned char)*who < ' ' || *who == 0x7f)
			return false;
	return true;
}

/* One name for what is the same: "10.1.2.3/32" is "10.1.2.3", whatever the case of an IPv6 address. */
static void format_network(const struct network *network, char out[REGISTRY_NAME_SIZE])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool is_v4 = memcmp(network->bytes, mapped, sizeof(mapped)) == 0 &&
		     network->prefix_bits >= sizeof(mapped) * 8;
	const char *mark = network->zone[0] != '\0' ? "%" : "";
	char host[INET6_ADDRSTRLEN];
	int size;

	inet_ntop(is_v4 ? AF_INET : AF_INET6, network->bytes + (is_v4 ? sizeof(mapped) : 0), host,
		sizeof(host));
	size = snprintf(out, REGISTRY_NAME_SIZE, "%s%s%s", host, mark, network->zone);
	if (network->prefix_bits < 128)
		snprintf(out + size, REGISTRY_NAME_SIZE - (size_t)size, "/%u",
			network->prefix_bits - (is_v4 ? (unsigned)sizeof(mapped) * 8 : 0));
}

struct suspension *suspension_new(const char *who)
{
	size_t prefix_size = strlen(SUSPENSION_ACCOUNT), size = strlen(who);
	bool is_account = strncmp(who, SUSPENSION_ACCOUNT, prefix_size) == 0;
	struct network network = {0};
	struct suspension *suspension;

	if (size >= REGISTRY_NAME_SIZE || !is_printable(who))
		return NULL;
	if (is_account ? size == prefix_size : network_parse(who, &network, NULL) < 0)
		return NULL;
	suspension = calloc(1, sizeof(*suspension));
	if (suspension == NULL)
		return NULL;
	memcpy(suspension->who, who, size + 1);
	suspension->kind = is_account ? SUSPENDS_ACCOUNT : SUSPENDS_NETWORK;
	suspension->network = network;
	if (!is_account)
		format_network(&network, suspension->who);
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
	memcpy(suspension->who, who, strlen(who) + 1); /* its name in the registry */
	suspension->revision = revision;
	rc = record_take_members(&suspension_layout, fields, suspension, NULL, NULL);
	if (rc < 0)
		suspension_close(&suspension);
	else
		*out = suspension;
	return rc;
}
