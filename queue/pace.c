#include "queue/pace.h"

#define HOUR_US UINT64_C(3600000000)

const char *pace_whom_name(enum pace_whom whom)
{
	static const char *const names[PACE_WHOM_COUNT] = {
		[PACE_GRANT] = "grant",
		[PACE_ACCOUNT] = "account",
		[PACE_ADDRESS] = "address",
	};

	return names[whom];
}

uint64_t pace_take(uint64_t *full_unix_us, uint32_t per_hour, uint32_t count, int64_t burst_ms,
	uint64_t now_unix_us)
{
	uint64_t one = HOUR_US / per_hour, cost = HOUR_US * count / per_hour;
	uint64_t bucket = (uint64_t)burst_ms * 1000, latest;

	if (bucket < one)
		bucket = one;
	latest = now_unix_us + bucket + (uint64_t)PACE_MAX_MS * 1000;
	if (*full_unix_us < now_unix_us)
		*full_unix_us = now_unix_us;
	*full_unix_us += cost;
	if (*full_unix_us > latest)
		*full_unix_us = latest;
	return *full_unix_us > now_unix_us + bucket ? *full_unix_us - bucket : now_unix_us;
}
