/*
 * proxy.h: clients behind a load balancer: the PROXY protocol, version 2 (haproxy's proxy-protocol.txt 2.2).
 *
 * A balancer that the listener lists says in the first bytes of each connection who the client is. Only then is the client
 * counted, and its banner sent; from anybody else the same bytes are a bad command.
 *
 * The way of one connection:
 *   1. The acceptor gives it to proxy_add; it waits for its header, PROXY_WAIT_MS at most.
 *   2. The header is looked at without being taken until it is whole; then exactly its bytes are read, and no more.
 *   3. `give` gets it with the client's address in accepted->peer. A balancer's own probe (LOCAL) keeps the balancer's address.
 *   4. What has no header, a wrong or too long one, or none in time, is closed and logged: it is a mistake in the balancer's
 *      configuration, and to go on would take the balancer for the client.
 *
 * Threads: the acceptor's that opened it; proxy_parse any. Owner: a connection is the waiting room's until `give`.
 * Limits: PROXY_MAX wait; a header at most PROXY_HEADER_BYTES.
 */
#ifndef SLUICE_CORE_PROXY_H
#define SLUICE_CORE_PROXY_H

#include <stddef.h>

#include "core/acceptor.h"
#include "core/loop.h"

#define PROXY_HEADER_BYTES \
	1024 /* 16, addresses and what is said besides (TLVs), which is passed over */
#define PROXY_WAIT_MS 5000
#define PROXY_MAX     1024

enum proxy_answer {
	PROXY_MORE, /* as far as it goes it is one */
	PROXY_CLIENT, /* `client` is set */
	PROXY_LOCAL, /* the balancer speaks for itself, or of a client that has no IP address */
	PROXY_WRONG,
};

/* The header that `bytes` begin with; its size is in *header_size unless it is PROXY_MORE or PROXY_WRONG. */
enum proxy_answer proxy_parse(
	const void *bytes, size_t size, struct address *client, size_t *header_size);

struct proxy;

typedef void proxy_give_fn(void *giver, struct accepted *accepted);

struct proxy *proxy_open(struct loop *loop, proxy_give_fn *give);
/* Closes those that still wait. */
void proxy_close(struct proxy **proxy);
/* Takes it over, also when it cannot wait: then it is closed. `giver` is what `give` gets. */
void proxy_add(struct proxy *proxy, void *giver, struct accepted *accepted);

#endif
