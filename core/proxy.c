#include "core/proxy.h"

#include <bsd/sys/queue.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/log.h"
#include "core/metrics.h"

/* ---- the header ---- */

#define HEAD_BYTES      16
#define SIGNATURE_BYTES 12
#define VERSION_2       0x20
#define COMMAND_LOCAL   0x0
#define COMMAND_PROXY   0x1
#define FAMILY_INET     0x1
#define FAMILY_INET6    0x2
#define INET_BYTES      12 /* two addresses and two ports */
#define INET6_BYTES     36

static const uint8_t signature[SIGNATURE_BYTES] = {
	0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

/* The source's address and port; both kinds begin with them. False: another kind of address. */
static bool read_client(
	unsigned family, const uint8_t *at, size_t size, struct address *client, bool *is_wrong)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	*is_wrong = (family == FAMILY_INET && size < INET_BYTES) ||
		    (family == FAMILY_INET6 && size < INET6_BYTES);
	if (*is_wrong)
		return false;
	if (family == FAMILY_INET) {
		memcpy(&v4.sin_addr, at, 4);
		memcpy(&v4.sin_port, at + 8, 2);
		return address_from_socket((struct sockaddr *)&v4, sizeof(v4), client) == 0;
	}
	if (family == FAMILY_INET6) {
		memcpy(&v6.sin6_addr, at, 16);
		memcpy(&v6.sin6_port, at + 32, 2);
		return address_from_socket((struct sockaddr *)&v6, sizeof(v6), client) == 0;
	}
	return false;
}

enum proxy_answer proxy_parse(
	const void *bytes, size_t size, struct address *client, size_t *header_size)
{
	const uint8_t *at = bytes;
	size_t body_size;
	unsigned command;
	bool is_wrong;

	if (memcmp(at, signature, size < SIGNATURE_BYTES ? size : SIGNATURE_BYTES) != 0)
		return PROXY_WRONG;
	if (size < HEAD_BYTES)
		return PROXY_MORE;
	command = at[12] & 0xfu;
	body_size = (size_t)(at[14] << 8 | at[15]);
	if ((at[12] & 0xf0u) != VERSION_2 || command > COMMAND_PROXY ||
		HEAD_BYTES + body_size > PROXY_HEADER_BYTES)
		return PROXY_WRONG;
	if (size < HEAD_BYTES + body_size)
		return PROXY_MORE;
	*header_size = HEAD_BYTES + body_size;
	if (command == COMMAND_LOCAL)
		return PROXY_LOCAL;
	if (read_client(at[13] >> 4, at + HEAD_BYTES, body_size, client, &is_wrong))
		return PROXY_CLIENT;
	return is_wrong ? PROXY_WRONG : PROXY_LOCAL;
}

/* ---- waiting for it ---- */

struct waiting {
	struct proxy *proxy;
	void *giver;
	struct accepted *accepted;
	struct loop_watch watch;
	int64_t until_mono_ms;
	TAILQ_ENTRY(waiting) entry;
};

struct proxy {
	struct loop *loop;
	proxy_give_fn *give;
	TAILQ_HEAD(, waiting) waiting; /* as they came, which is as their time ends */
	unsigned count;
	struct loop_timer timer;
};

static void drop_accepted(struct accepted *accepted, const char *why)
{
	char host[ADDRESS_TEXT_SIZE];

	metric_add(METRIC_CONNECTIONS_REFUSED, 1);
	log_event_limited(LOG_WARNING, "proxy_refused",
		"client=%s listener=%u why=\"%s\" hint=\"the balancer must speak the PROXY "
		"protocol, version 2\"",
		address_format_host(&accepted->peer, host), accepted->listener, why);
	close(accepted->fd);
	free(accepted);
}

/* It waits no more. */
static struct accepted *take_out(struct waiting *waiting)
{
	struct proxy *proxy = waiting->proxy;
	struct accepted *accepted = waiting->accepted;

	loop_watch_remove(proxy->loop, &waiting->watch);
	TAILQ_REMOVE(&proxy->waiting, waiting, entry);
	proxy->count--;
	free(waiting);
	return accepted;
}

/* Reads the header that was looked at, and no byte behind it. */
static bool take_header(int fd, size_t size)
{
	uint8_t header[PROXY_HEADER_BYTES];

	return recv(fd, header, size, MSG_DONTWAIT) == (ssize_t)size;
}

static void look(void *owner, uint32_t events)
{
	struct waiting *waiting = owner;
	struct proxy *proxy = waiting->proxy;
	void *giver = waiting->giver;
	uint8_t seen[PROXY_HEADER_BYTES];
	int fd = waiting->accepted->fd;
	ssize_t got = recv(fd, seen, sizeof(seen), MSG_PEEK | MSG_DONTWAIT);
	struct address client = waiting->accepted->peer;
	size_t header_size = 0;
	enum proxy_answer answer;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0 && (events & EPOLLIN) != 0) {
		drop_accepted(take_out(waiting), "it closed without a header");
		return;
	}
	answer = proxy_parse(seen, (size_t)got, &client, &header_size);
	if (answer == PROXY_MORE) {
		if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
			drop_accepted(take_out(waiting), "it closed within its header");
		return;
	}
	if (answer == PROXY_WRONG || !take_header(fd, header_size)) {
		drop_accepted(take_out(waiting), "no header of the PROXY protocol");
		return;
	}
	waiting->accepted->peer = client;
	proxy->give(giver, take_out(waiting));
}

static void end_waits(void *owner)
{
	struct proxy *proxy = owner;
	struct waiting *waiting, *next;

	TAILQ_FOREACH_SAFE (waiting, &proxy->waiting, entry, next) {
		if (waiting->until_mono_ms > loop_now_ms(proxy->loop)) {
			loop_timer_set(proxy->loop, &proxy->timer, waiting->until_mono_ms);
			return;
		}
		drop_accepted(take_out(waiting), "no header in time");
	}
}

void proxy_add(struct proxy *proxy, void *giver, struct accepted *accepted)
{
	struct waiting *waiting = proxy->count < PROXY_MAX ? calloc(1, sizeof(*waiting)) : NULL;

	if (waiting == NULL) {
		drop_accepted(accepted, "too many wait for their header");
		return;
	}
	waiting->proxy = proxy;
	waiting->giver = giver;
	waiting->accepted = accepted;
	waiting->until_mono_ms = loop_now_ms(proxy->loop) + PROXY_WAIT_MS;
	waiting->watch = (struct loop_watch){.owner = waiting, .ready = look};
	TAILQ_INSERT_TAIL(&proxy->waiting, waiting, entry);
	proxy->count++;
	/* edge: a part of a header wakes once, not until the rest is there */
	if (loop_watch_add(
		    proxy->loop, &waiting->watch, accepted->fd, EPOLLIN | EPOLLRDHUP | EPOLLET) < 0)
		drop_accepted(take_out(waiting), "no memory");
	else if (proxy->count == 1)
		loop_timer_set(proxy->loop, &proxy->timer, waiting->until_mono_ms);
}

struct proxy *proxy_open(struct loop *loop, proxy_give_fn *give)
{
	struct proxy *proxy = calloc(1, sizeof(*proxy));

	if (proxy == NULL)
		return NULL;
	proxy->loop = loop;
	proxy->give = give;
	proxy->timer = (struct loop_timer){.owner = proxy, .fire = end_waits};
	TAILQ_INIT(&proxy->waiting);
	return proxy;
}

void proxy_close(struct proxy **proxy)
{
	struct waiting *waiting, *next;

	if (proxy == NULL || *proxy == NULL)
		return;
	TAILQ_FOREACH_SAFE (waiting, &(*proxy)->waiting, entry, next) {
		struct accepted *accepted = take_out(waiting);

		close(accepted->fd);
		free(accepted);
	}
	loop_timer_clear((*proxy)->loop, &(*proxy)->timer);
	free(*proxy);
	*proxy = NULL;
}
