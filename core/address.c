#include "core/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define UNIX_PREFIX "unix:"
#define PATH_OFFSET offsetof(struct sockaddr_un, sun_path)

static int set_path(const char *path, size_t size, struct address *out)
{
	if (size == 0 || path[0] != '/' || size >= sizeof(out->path.sun_path))
		return -1;
	out->path.sun_family = AF_UNIX;
	memcpy(out->path.sun_path, path, size);
	out->size = (socklen_t)(PATH_OFFSET + size + 1);
	return 0;
}

static void set_v4(const struct in_addr *host, in_port_t net_port, struct address *out)
{
	memset(out, 0, sizeof(*out));
	out->v4.sin_family = AF_INET;
	out->v4.sin_addr = *host;
	out->v4.sin_port = net_port;
	out->size = sizeof(out->v4);
}

static void set_v6(const struct in6_addr *host, in_port_t net_port, struct address *out)
{
	if (IN6_IS_ADDR_V4MAPPED(host)) {
		struct in_addr v4;

		memcpy(&v4, host->s6_addr + 12, sizeof(v4));
		set_v4(&v4, net_port, out);
		return;
	}
	memset(out, 0, sizeof(*out));
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_addr = *host;
	out->v6.sin6_port = net_port;
	out->size = sizeof(out->v6);
}

/* Digits only, up to the end of the text. */
static int parse_port(const char *text, in_port_t *net_port)
{
	unsigned port = 0;

	if (*text == '\0')
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		port = port * 10 + (unsigned)(*text - '0');
		if (port > UINT16_MAX)
			return -1;
	}
	*net_port = htons((uint16_t)port);
	return 0;
}

/*
 * Finds the host in "[V6]", "[V6]:PORT", "V6", "V4" or "V4:PORT". Two colons without brackets: all of it is an
 * IPv6 host. `after` is what follows the host: "" or ":PORT".
 */
static size_t find_host(const char *text, const char **host, const char **after)
{
	const char *colon = strchr(text, ':');
	size_t size;

	*host = text;
	if (text[0] == '[') {
		*host = text + 1;
		size = strcspn(*host, "]");
		*after = *host + size + ((*host)[size] == ']');
		return (*host)[size] == ']' ? size : 0;
	}
	size = colon != NULL && strchr(colon + 1, ':') == NULL ? (size_t)(colon - text)
							       : strlen(text);
	*after = text + size;
	return size;
}

int address_parse(const char *text, struct address *out)
{
	char numeric[INET6_ADDRSTRLEN];
	const char *host, *after;
	struct in_addr v4;
	struct in6_addr v6;
	in_port_t net_port = 0;
	size_t size;

	memset(out, 0, sizeof(*out));
	if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0) {
		const char *path = text + strlen(UNIX_PREFIX);

		return set_path(path, strlen(path), out);
	}
	size = find_host(text, &host, &after);
	if (size == 0 || size >= sizeof(numeric))
		return -1;
	if (*after != '\0' && (*after != ':' || parse_port(after + 1, &net_port) < 0))
		return -1;
	memcpy(numeric, host, size);
	numeric[size] = '\0';
	if (text[0] != '[' && inet_pton(AF_INET, numeric, &v4) == 1)
		set_v4(&v4, net_port, out);
	else if (inet_pton(AF_INET6, numeric, &v6) == 1)
		set_v6(&v6, net_port, out);
	else
		return -1;
	return 0;
}

int address_from_socket(const struct sockaddr *from, socklen_t size, struct address *out)
{
	memset(out, 0, sizeof(*out));
	if (size < sizeof(from->sa_family))
		return -1;
	if (from->sa_family == AF_INET && size >= sizeof(struct sockaddr_in)) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)from;

		set_v4(&v4->sin_addr, v4->sin_port, out);
		return 0;
	}
	if (from->sa_family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)from;

		set_v6(&v6->sin6_addr, v6->sin6_port, out);
		if (out->any.sa_family == AF_INET6)
			out->v6.sin6_scope_id = v6->sin6_scope_id;
		return 0;
	}
	if (from->sa_family == AF_UNIX && size <= sizeof(struct sockaddr_un)) {
		memcpy(&out->path, from, size);
		out->size = size;
		return 0;
	}
	return -1;
}

char *address_format_host(const struct address *address, char *out)
{
	switch (address->any.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &address->v4.sin_addr, out, ADDRESS_TEXT_SIZE);
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &address->v6.sin6_addr, out, ADDRESS_TEXT_SIZE);
		break;
	case AF_UNIX:
		snprintf(out, ADDRESS_TEXT_SIZE, "unix");
		break;
	default:
		snprintf(out, ADDRESS_TEXT_SIZE, "unknown");
	}
	return out;
}

char *address_format(const struct address *address, char *out)
{
	char host[INET6_ADDRSTRLEN];

	switch (address->any.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof(host));
		snprintf(out, ADDRESS_TEXT_SIZE, "%s:%u", host, address_port(address));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof(host));
		snprintf(out, ADDRESS_TEXT_SIZE, "[%s]:%u", host, address_port(address));
		break;
	case AF_UNIX:
		/* A path that fills sun_path has no NUL behind it. */
		snprintf(out, ADDRESS_TEXT_SIZE, UNIX_PREFIX "%.*s",
			(int)sizeof(address->path.sun_path), address->path.sun_path);
		break;
	default:
		snprintf(out, ADDRESS_TEXT_SIZE, "unknown");
	}
	return out;
}

unsigned address_port(const struct address *address)
{
	switch (address->any.sa_family) {
	case AF_INET:
		return ntohs(address->v4.sin_port);
	case AF_INET6:
		return ntohs(address->v6.sin6_port);
	default:
		return 0;
	}
}

bool address_same_host(const struct address *a, const struct address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	switch (a->any.sa_family) {
	case AF_INET:
		return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	case AF_INET6:
		return IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr) &&
		       a->v6.sin6_scope_id == b->v6.sin6_scope_id;
	case AF_UNIX:
		return true; /* this machine */
	default:
		return false;
	}
}
