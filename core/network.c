#include "core/network.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED_BITS NETWORK_V4_BITS

static const uint8_t mapped[MAPPED_BITS / 8] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_mapped(const uint8_t bytes[16])
{
	return memcmp(bytes, mapped, sizeof(mapped)) == 0;
}

bool network_host_bytes(const struct address *address, uint8_t bytes[16])
{
	if (address->any.sa_family == AF_INET6) {
		memcpy(bytes, &address->v6.sin6_addr, 16);
		return true;
	}
	if (address->any.sa_family != AF_INET)
		return false;
	memcpy(bytes, mapped, sizeof(mapped));
	memcpy(bytes + sizeof(mapped), &address->v4.sin_addr, 4);
	return true;
}

static bool same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned rest = bits % 8;

	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0;
}

void network_clear_behind(uint8_t bytes[16], unsigned bits)
{
	for (unsigned bit = bits; bit < 128; bit++)
		bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

static int parse_prefix(const char *text, unsigned most, unsigned *bits)
{
	unsigned value = 0;

	if (*text == '\0')
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		value = value * 10 + (unsigned)(*text - '0');
		if (value > most)
			return -1;
	}
	*bits = value;
	return 0;
}

static int refuse_host_bits(const char *text, const struct network *network, struct reason *reason)
{
	char host[INET6_ADDRSTRLEN];
	const char *mark = network->zone[0] != '\0' ? "%" : "";
	bool v4 = is_mapped(network->bytes) && network->prefix_bits >= MAPPED_BITS;

	if (v4)
		inet_ntop(AF_INET, network->bytes + sizeof(mapped), host, sizeof(host));
	else
		inet_ntop(AF_INET6, network->bytes, host, sizeof(host));
	return reason_set(reason, "%s: did you mean %s%s%s/%u?", text, host, mark, network->zone,
		network->prefix_bits - (v4 ? MAPPED_BITS : 0));
}

static bool parse_host(const char *text, size_t size, uint8_t bytes[16], unsigned *skipped_bits)
{
	char host[INET6_ADDRSTRLEN];

	if (size >= sizeof(host))
		return false;
	memcpy(host, text, size);
	host[size] = '\0';
	if (inet_pton(AF_INET6, host, bytes) == 1) {
		*skipped_bits = 0;
		return true;
	}
	memcpy(bytes, mapped, sizeof(mapped));
	*skipped_bits = MAPPED_BITS;
	return inet_pton(AF_INET, host, bytes + sizeof(mapped)) == 1;
}

/* "%eth0" behind the host, which keeps what is left of `size`; false: it is none. */
static bool parse_zone(const char *text, size_t *size, char zone[IF_NAMESIZE])
{
	const char *mark = memchr(text, '%', *size);
	size_t zone_size = mark != NULL ? (size_t)(text + *size - mark) - 1 : 0;

	if (mark == NULL)
		return true;
	if (zone_size == 0 || zone_size >= IF_NAMESIZE || memchr(mark + 1, '"', zone_size) != NULL)
		return false;
	memcpy(zone, mark + 1, zone_size);
	*size = (size_t)(mark - text);
	return true;
}

static bool is_link_local(const uint8_t bytes[16])
{
	return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

int network_parse(const char *text, struct network *out, struct reason *reason)
{
	const char *slash = text + strcspn(text, "/");
	size_t size = (size_t)(slash - text);
	uint8_t bytes[16];
	unsigned skipped_bits, bits;

	*out = (struct network){.prefix_bits = 0};
	if (!parse_zone(text, &size, out->zone) || !parse_host(text, size, bytes, &skipped_bits))
		return reason_set(reason,
			"%s: not a network; expected \"10.0.0.0/8\", \"2001:db8::/32\" or an "
			"address",
			text);
	if (out->zone[0] != '\0' && !is_link_local(bytes))
		return reason_set(reason, "%s: only a link-local network has an interface", text);
	bits = 128 - skipped_bits;
	if (*slash == '/' && parse_prefix(slash + 1, bits, &bits) < 0)
		return reason_set(reason, "%s: expected a prefix of 0 to %u bits behind the slash",
			text, 128 - skipped_bits);
	memcpy(out->bytes, bytes, sizeof(bytes));
	out->prefix_bits = skipped_bits + bits;
	network_clear_behind(out->bytes, out->prefix_bits);
	if (memcmp(out->bytes, bytes, sizeof(bytes)) != 0)
		return refuse_host_bits(text, out, reason);
	return 0;
}

int network_list_add(struct network_list *list, const char *text, struct reason *reason)
{
	struct network network;
	struct network *grown;

	if (network_parse(text, &network, reason) < 0)
		return -1;
	grown = realloc(list->items, (list->count + 1) * sizeof(*grown));
	if (grown == NULL)
		return reason_set(reason, "%s: out of memory", text);
	grown[list->count++] = network;
	list->items = grown;
	return 0;
}

static bool is_in_zone(const struct network *network, const struct address *address)
{
	char *end;
	unsigned long number;

	if (network->zone[0] == '\0')
		return true;
	number = strtoul(network->zone, &end, 10);
	if (*end != '\0')
		number = if_nametoindex(network->zone);
	return number != 0 && number == address->v6.sin6_scope_id;
}

bool network_has(const struct network *network, const struct address *address)
{
	const struct network_list list = {.items = (struct network *)network, .count = 1};

	return network_list_has(&list, address);
}

bool network_list_has(const struct network_list *list, const struct address *address)
{
	uint8_t bytes[16];
	unsigned least_bits;

	if (!network_host_bytes(address, bytes))
		return false;
	/* "::/0" says every IPv6 host; that IPv4's mapped form lies in it is our affair and lets nobody in. */
	least_bits = is_mapped(bytes) ? MAPPED_BITS : 0;
	for (size_t i = 0; i < list->count; i++) {
		const struct network *network = &list->items[i];

		if (network->prefix_bits >= least_bits &&
			same_prefix(bytes, network->bytes, network->prefix_bits) &&
			is_in_zone(network, address))
			return true;
	}
	return false;
}

void network_list_fini(struct network_list *list)
{
	free(list->items);
	*list = (struct network_list){0};
}
