/*
 * network.h: lists of networks, "10.0.0.0/8", "2001:db8::/32", "192.0.2.7", "fe80::%eth0/10", and who is in them.
 *
 * A link-local network may name its zone (RFC 4007 11.7), an interface's name or number: then only hosts behind that interface
 * are in it. The name is looked up when a host comes, as interfaces come and go.
 *
 * Threads: a list is written once and then only read. Owner: network_list_fini frees what network_list_add took.
 * Errors: bits set behind the prefix are refused ("10.0.0.1/8: did you mean 10.0.0.0/8?").
 */
#ifndef SLUICE_CORE_NETWORK_H
#define SLUICE_CORE_NETWORK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/reason.h"

struct network {
	uint8_t bytes[16]; /* IPv4 as its mapped form */
	unsigned prefix_bits; /* of the 128 */
	char zone[IF_NAMESIZE]; /* "": any */
};

#define NETWORK_V4_BITS 96 /* IPv4's bytes begin behind so many bits, ::ffff:0:0/96 */

struct network_list {
	struct network *items;
	size_t count;
};

int network_parse(const char *text, struct network *out, struct reason *reason);
int network_list_add(struct network_list *list, const char *text, struct reason *reason);
/* The host as its 16 bytes, IPv4 in its mapped form; false for what has none (a Unix path). */
bool network_host_bytes(const struct address *address, uint8_t bytes[16]);
/* What is left of a host when its network has so many bits. */
void network_clear_behind(uint8_t bytes[16], unsigned bits);
bool network_has(const struct network *network, const struct address *address);
bool network_list_has(const struct network_list *list, const struct address *address);
void network_list_fini(struct network_list *list);

#endif
