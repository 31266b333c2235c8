#include "queue/backoff.h"

static int64_t double_up(int64_t first_ms, int64_t max_ms, unsigned times)
{
	int64_t ms = first_ms > 0 ? first_ms : 1;

	if (max_ms < ms)
		max_ms = ms;
	for (unsigned i = 1; i < times && ms < max_ms; i++)
		ms = ms > max_ms / 2 ? max_ms : ms * 2;
	return ms;
}

/* 0 to a quarter of `ms`. */
static int64_t jitter_of(int64_t ms, uint64_t random)
{
	return (int64_t)(random % ((uint64_t)ms / 4 + 1));
}

int64_t backoff_host_ms(int64_t first_ms, int64_t max_ms, unsigned times, uint64_t random)
{
	int64_t ms = double_up(first_ms, max_ms, times);

	return ms - jitter_of(ms, random);
}

int64_t backoff_retry_ms(int64_t first_ms, int64_t max_ms, unsigned times, uint64_t random)
{
	return backoff_host_ms(first_ms, max_ms, times, random);
}

int64_t backoff_unknown_ms(int64_t first_ms, int64_t max_ms, unsigned times, uint64_t random)
{
	int64_t ms = double_up(first_ms, max_ms, times);

	return ms + jitter_of(ms, random);
}

uint64_t backoff_random(uint64_t *state)
{
	uint64_t mixed = *state += 0x9e3779b97f4a7c15u;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
	return mixed ^ (mixed >> 31);
}
