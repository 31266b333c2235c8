#include "queue/usage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define DAY_MS      UINT64_C(86400000)
#define ADDRESS_MAX 320 /* a longer one is told from others by its beginning */

struct usage *usage_new(enum usage_kind kind, const char *name)
{
	struct usage *usage = calloc(1, sizeof(*usage));
	size_t size = strnlen(name, USAGE_NAME_SIZE - 1);

	if (usage == NULL)
		return NULL;
	usage->kind = kind;
	memcpy(usage->name, name, size);
	return usage;
}

void usage_close(struct usage **usage)
{
	if (usage == NULL || *usage == NULL)
		return;
	free((*usage)->sketch);
	free(*usage);
	*usage = NULL;
}

uint32_t usage_day_of(uint64_t unix_ms)
{
	return (uint32_t)(unix_ms / DAY_MS);
}

/* ---- messages ---- */

static void put_back(uint64_t *full_unix_us, uint64_t by_us)
{
	*full_unix_us = *full_unix_us > by_us ? *full_unix_us - by_us : 0;
}

/* The day's row; one that is new takes the place of the oldest when there is no other. */
static struct usage_day *row_of(struct usage *usage, uint32_t day)
{
	for (size_t i = 0; i < usage->day_count; i++)
		if (usage->days[i].day == day)
			return &usage->days[i];
	if (usage->day_count == USAGE_DAYS) {
		memmove(usage->days, usage->days + 1, (USAGE_DAYS - 1) * sizeof(*usage->days));
		usage->day_count--;
	}
	usage->days[usage->day_count] = (struct usage_day){.day = day};
	return &usage->days[usage->day_count++];
}

/* Days that are USAGE_DAYS old or lie ahead are not shown any more. */
static void forget_days(struct usage *usage, uint32_t today)
{
	size_t kept = 0;

	for (size_t i = 0; i < usage->day_count; i++)
		if (usage->days[i].day <= today && usage->days[i].day + USAGE_DAYS > today)
			usage->days[kept++] = usage->days[i];
	usage->day_count = kept;
}

void usage_count(struct usage *usage, uint64_t now_unix_ms, uint32_t recipients, uint64_t bytes)
{
	uint32_t today = usage_day_of(now_unix_ms);
	struct usage_day *row;

	if (usage->day_count > 0 && usage->days[usage->day_count - 1].day != today)
		forget_days(usage, today);
	row = row_of(usage, today);
	row->messages++;
	row->recipients += recipients;
	row->bytes += bytes;
	usage->messages++;
	usage->recipients += recipients;
	usage->bytes += bytes;
	if (usage->first_unix_ms == 0)
		usage->first_unix_ms = now_unix_ms;
	usage->last_unix_ms = now_unix_ms;
}

void usage_set_back(struct usage *usage, uint64_t now_unix_ms)
{
	uint64_t by_us;

	if (usage->last_unix_ms <= now_unix_ms)
		return;
	by_us = (usage->last_unix_ms - now_unix_ms) * 1000;
	put_back(&usage->messages_full_unix_us, by_us);
	put_back(&usage->recipients_full_unix_us, by_us);
	usage->last_unix_ms = now_unix_ms;
}

struct usage_day usage_on(const struct usage *usage, uint32_t day)
{
	for (size_t i = 0; i < usage->day_count; i++)
		if (usage->days[i].day == day)
			return usage->days[i];
	return (struct usage_day){.day = day};
}

/* ---- distinct recipients ---- */

#define REGISTERS USAGE_SKETCH_BYTES
#define RANK_MAX  54

/* Letter case tells nobody apart here. */
static uint64_t hash_address(const char *address)
{
	char lower[ADDRESS_MAX];
	size_t size = 0;

	for (; size < sizeof(lower) && address[size] != '\0'; size++)
		lower[size] = (char)(address[size] >= 'A' && address[size] <= 'Z'
					     ? address[size] - 'A' + 'a'
					     : address[size]);
	return XXH3_64bits(lower, size);
}

bool usage_see_recipient(struct usage *usage, uint32_t day, const char *address)
{
	uint64_t hash = hash_address(address), rest = hash / REGISTERS;
	uint8_t *registers, rank = 1;

	if (usage->sketch == NULL)
		usage->sketch = calloc(1, REGISTERS);
	else if (usage->sketch_day != day)
		memset(usage->sketch, 0, REGISTERS);
	if (usage->sketch == NULL)
		return false;
	if (usage->sketch_day != day)
		usage->distinct = 0;
	usage->sketch_day = day;
	registers = usage->sketch;
	for (; (rest & 1) == 0 && rank < RANK_MAX; rest >>= 1)
		rank++;
	if (registers[hash % REGISTERS] < rank) {
		registers[hash % REGISTERS] = rank;
		usage->distinct = 0;
	}
	return true;
}

/* Flajolet et al. 2007, with its way of counting the empty registers while they are many. */
static uint32_t estimate(const uint8_t *registers)
{
	unsigned of_rank[RANK_MAX + 1] = {0};
	double sum = 0, number;

	for (size_t i = 0; i < REGISTERS; i++)
		of_rank[registers[i] <= RANK_MAX ? registers[i] : RANK_MAX]++;
	for (int rank = 0; rank <= RANK_MAX; rank++)
		sum += ldexp(of_rank[rank], -rank);
	number = 0.7213 / (1 + 1.079 / REGISTERS) * REGISTERS * REGISTERS / sum;
	if (number <= 2.5 * REGISTERS && of_rank[0] > 0)
		number = REGISTERS * log((double)REGISTERS / of_rank[0]);
	return (uint32_t)lround(number);
}

uint32_t usage_distinct(struct usage *usage, uint32_t day)
{
	if (usage->sketch == NULL || usage->sketch_day != day)
		return 0;
	if (usage->distinct == 0)
		usage->distinct = estimate(usage->sketch);
	return usage->distinct;
}

const char *usage_kind_name(enum usage_kind kind)
{
	static const char *const names[] = {
		[USAGE_ADDRESS] = "address",
		[USAGE_ACCOUNT] = "account",
		[USAGE_GRANT] = "grant",
	};

	return names[kind];
}
