/*
 * address.h: where a socket is or leads to: IPv4, IPv6 or a Unix path.
 *
 * Text forms as in the configuration: "192.0.2.1:25", "[2001:db8::1]:25", "unix:/path", and bare "192.0.2.1".
 * An IPv4-mapped IPv6 address is normalised to IPv4 at once, so that networks and ledgers see one form.
 * Threads: any, values only.
 */
#ifndef SLUICE_CORE_ADDRESS_H
#define SLUICE_CORE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct address {
	socklen_t size;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un path;
	};
};

#define ADDRESS_TEXT_SIZE 128

/* "HOST:PORT" with a numeric host, or "unix:/path". Returns 0, or -1 when it is none of these. */
int address_parse(const char *text, struct address *out);
int address_from_socket(const struct sockaddr *from, socklen_t size, struct address *out);

/* Without the port: "192.0.2.1", "2001:db8::1", "unix". Returns `out` (ADDRESS_TEXT_SIZE bytes). */
char *address_format_host(const struct address *address, char *out);
/* With the port, as address_parse reads it. */
char *address_format(const struct address *address, char *out);
unsigned address_port(const struct address *address);

/* The same host, whatever the port. */
bool address_same_host(const struct address *a, const struct address *b);

#endif
