#include "core/descriptors.h"

#include <sys/resource.h>

#include "core/parking.h"

#define RESERVED_FIXED      128 /* store, log, loops, admin socket's clients, name look-ups */
#define RESERVED_PER_THREAD 4 /* epoll, eventfd, what a thread opens for a moment */
#define PARKED_PART         8

size_t descriptors_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1024; /* it has no reason to fail; the usual soft limit */
	if (limit.rlim_cur < limit.rlim_max) {
		rlim_t old = limit.rlim_cur;

		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			limit.rlim_cur = old;
	}
	return (size_t)limit.rlim_cur;
}

static size_t at_most(size_t a, size_t b)
{
	return a < b ? a : b;
}

static unsigned at_least_1(size_t a)
{
	return a > 0 ? (unsigned)a : 1;
}

/* Connections to all hosts, as many as the configuration allows. */
static size_t count_deliveries(const struct config *config)
{
	size_t count = 0;

	for (size_t i = 0; i < config->upstream_count; i++)
		count += config->upstreams[i].host_count * config->upstreams[i].max_connections;
	return count;
}

struct descriptor_shares descriptors_share(
	size_t limit, const struct config *config, unsigned acceptor_threads)
{
	size_t threads = config->workers + config->scan_workers + acceptor_threads;
	size_t reserved = RESERVED_FIXED + RESERVED_PER_THREAD * threads +
			  at_most(count_deliveries(config), limit / 2);
	size_t left = limit > reserved ? limit - reserved : 0;
	size_t parked = at_most(left / PARKED_PART, (size_t)PARKING_MAX * acceptor_threads);

	return (struct descriptor_shares){
		.clients = at_least_1(at_most(left - parked, config->max_connections)),
		.parked = at_least_1(parked / acceptor_threads),
	};
}
