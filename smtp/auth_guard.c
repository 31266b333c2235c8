#include "smtp/auth_guard.h"

#include <arpa/inet.h>
#include <bsd/sys/queue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define UNCOUNTED    64 /* its delay is the longest */
#define WAYS         8 /* places that one may take */
#define TAG_SIZE     16
#define KEY_SIZE     32
#define KNOWN_MS     (INT64_C(30) * 24 * 3600 * 1000) /* since it was last right */
#define V6_HOST_SIZE 8 /* bytes of an IPv6 address that belong to its host */

/* A lock-out in force: what a person is shown of it. */
struct locked {
	TAILQ_ENTRY(locked) entry;
	uint8_t tag[TAG_SIZE];
	enum lockout_kind kind;
	char who[LOCKOUT_WHO_SIZE];
	unsigned wrong;
	int64_t since_ms, until_ms;
};

TAILQ_HEAD(locked_list, locked);

struct place {
	uint8_t tag[TAG_SIZE];
	unsigned wrong;
	int64_t wrong_ms; /* the last one's time */
	int64_t locked_until_ms; /* 0: it is not */
	int64_t right_ms; /* of pairs; 0: it never was */
};

enum table { BY_ADDRESS = LOCKOUT_ADDRESS, BY_ACCOUNT = LOCKOUT_ACCOUNT, BY_PAIR };
#define TABLE_COUNT 3

struct auth_guard {
	struct auth_guard_limits limits;
	uint8_t key[KEY_SIZE];
	struct place *tables[TABLE_COUNT];
	struct locked_list locked;
};

/* ---- places ---- */

const char *auth_guard_name_address(const struct address *peer, char *out)
{
	static const struct in6_addr none;
	struct in6_addr network = none;
	char text[INET6_ADDRSTRLEN];

	if (peer->any.sa_family == AF_INET6) {
		memcpy(&network, &peer->v6.sin6_addr, V6_HOST_SIZE);
		inet_ntop(AF_INET6, &network, text, sizeof(text));
		snprintf(out, LOCKOUT_WHO_SIZE, "%s/64", text);
	} else {
		char host[ADDRESS_TEXT_SIZE];

		snprintf(out, LOCKOUT_WHO_SIZE, "%s", address_format_host(peer, host));
	}
	return out;
}

struct who {
	const char *account;
	char address[LOCKOUT_WHO_SIZE];
	uint8_t tags[TABLE_COUNT][TAG_SIZE];
};

static void make_tag(
	const struct auth_guard *guard, enum table table, const struct who *who, uint8_t *tag)
{
	uint8_t text[1 + 2 * LOCKOUT_WHO_SIZE], digest[EVP_MAX_MD_SIZE] = {0};
	const char *account = table == BY_ADDRESS ? "" : who->account;
	const char *address = table == BY_ACCOUNT ? "" : who->address;
	int size = snprintf((char *)text, sizeof(text), "%u%s", (unsigned)table, account) + 1;

	size += snprintf((char *)text + size, sizeof(text) - (size_t)size, "%s", address);
	HMAC(EVP_sha256(), guard->key, KEY_SIZE, text, (size_t)size, digest, NULL);
	memcpy(tag, digest, TAG_SIZE);
}

static struct who name_who(
	const struct auth_guard *guard, const char *account, const struct address *peer)
{
	struct who who = {.account = account};

	auth_guard_name_address(peer, who.address);
	for (unsigned table = 0; table < TABLE_COUNT; table++)
		make_tag(guard, (enum table)table, &who, who.tags[table]);
	return who;
}

static struct place *places_of(const struct auth_guard *guard, enum table table, const uint8_t *tag)
{
	uint32_t number;

	memcpy(&number, tag, sizeof(number));
	return guard->tables[table] + (size_t)(number % (AUTH_GUARD_ENTRIES / WAYS)) * WAYS;
}

static struct place *find(const struct auth_guard *guard, enum table table, const struct who *who)
{
	struct place *place = places_of(guard, table, who->tags[table]);

	for (unsigned way = 0; way < WAYS; way++, place++)
		if (memcmp(place->tag, who->tags[table], TAG_SIZE) == 0)
			return place;
	return NULL;
}

static bool is_locked(const struct place *place, int64_t now_ms)
{
	return place->locked_until_ms > now_ms;
}

static bool was_right(const struct place *place, int64_t now_ms)
{
	return place->right_ms != 0 && now_ms - place->right_ms < KNOWN_MS;
}

/* Of wrong ones that still count. */
static unsigned count_of(const struct auth_guard *guard, const struct place *place, int64_t now_ms)
{
	if (place == NULL || now_ms - place->wrong_ms >= guard->limits.lock_out_ms)
		return 0;
	return place->wrong;
}

/* What a place is worth: a newcomer takes none that is worth more than itself. */
enum worth { WORTH_NOTHING, WORTH_COUNT, WORTH_KNOWN, WORTH_LOCKED };

static enum worth worth_of(
	const struct auth_guard *guard, const struct place *place, int64_t now_ms)
{
	if (is_locked(place, now_ms))
		return WORTH_LOCKED;
	if (was_right(place, now_ms))
		return WORTH_KNOWN;
	return count_of(guard, place, now_ms) > 0 ? WORTH_COUNT : WORTH_NOTHING;
}

static bool is_weaker(const struct auth_guard *guard, const struct place *place,
	const struct place *other, int64_t now_ms)
{
	enum worth worth = worth_of(guard, place, now_ms),
		   other_worth = worth_of(guard, other, now_ms);

	if (worth != other_worth)
		return worth < other_worth;
	if (worth == WORTH_KNOWN)
		return place->right_ms < other->right_ms;
	if (place->wrong != other->wrong)
		return place->wrong < other->wrong;
	return place->wrong_ms < other->wrong_ms;
}

/* The place that it has, or a new one; NULL: all are worth more. */
static struct place *claim(struct auth_guard *guard, enum table table, const struct who *who,
	enum worth worth, int64_t now_ms)
{
	struct place *place = find(guard, table, who), *places;

	if (place != NULL)
		return place;
	place = places = places_of(guard, table, who->tags[table]);
	for (unsigned way = 1; way < WAYS; way++)
		if (is_weaker(guard, &places[way], place, now_ms))
			place = &places[way];
	if (worth_of(guard, place, now_ms) > worth || is_locked(place, now_ms))
		return NULL;
	*place = (struct place){.wrong_ms = now_ms};
	memcpy(place->tag, who->tags[table], TAG_SIZE);
	return place;
}

/* ---- lock-outs ---- */

static void forget(struct auth_guard *guard, struct locked *locked)
{
	TAILQ_REMOVE(&guard->locked, locked, entry);
	free(locked);
}

static void forget_ended(struct auth_guard *guard, int64_t now_ms)
{
	struct locked *locked, *next;

	TAILQ_FOREACH_SAFE (locked, &guard->locked, entry, next) {
		if (locked->until_ms <= now_ms)
			forget(guard, locked);
	}
}

/* Without memory it is in force, and not shown. */
static void lock(struct auth_guard *guard, enum table table, struct place *place,
	const struct who *who, int64_t now_ms)
{
	struct locked *locked = calloc(1, sizeof(*locked));

	place->locked_until_ms = now_ms + guard->limits.lock_out_ms;
	forget_ended(guard, now_ms);
	if (locked == NULL)
		return;
	memcpy(locked->tag, place->tag, TAG_SIZE);
	locked->until_ms = place->locked_until_ms;
	locked->since_ms = now_ms;
	locked->wrong = place->wrong;
	locked->kind = (enum lockout_kind)table;
	snprintf(locked->who, sizeof(locked->who), "%s",
		table == BY_ADDRESS ? who->address : who->account);
	TAILQ_INSERT_HEAD(&guard->locked, locked, entry);
}

size_t auth_guard_list(struct auth_guard *guard, int64_t now_ms, struct lockout *out, size_t room)
{
	struct locked *locked;
	size_t count = 0;

	forget_ended(guard, now_ms);
	TAILQ_FOREACH (locked, &guard->locked, entry) {
		if (count < room) {
			out[count] = (struct lockout){.kind = locked->kind,
				.wrong = locked->wrong,
				.age_ms = now_ms - locked->since_ms,
				.left_ms = locked->until_ms - now_ms};
			memcpy(out[count].who, locked->who, sizeof(locked->who));
		}
		count++;
	}
	return count;
}

static void unlock(struct auth_guard *guard, struct locked *locked)
{
	struct place *place = places_of(guard, (enum table)locked->kind, locked->tag);

	for (unsigned way = 0; way < WAYS; way++, place++) {
		if (memcmp(place->tag, locked->tag, TAG_SIZE) != 0)
			continue;
		place->locked_until_ms = 0;
		place->wrong = 0;
	}
	forget(guard, locked);
}

size_t auth_guard_lift(struct auth_guard *guard, const char *who, int64_t now_ms)
{
	char name[LOCKOUT_WHO_SIZE] = "";
	struct locked *locked, *next;
	struct address address;
	size_t count = 0;

	forget_ended(guard, now_ms);
	if (address_parse(who, &address) == 0)
		auth_guard_name_address(&address, name);
	TAILQ_FOREACH_SAFE (locked, &guard->locked, entry, next) {
		if (strcmp(locked->who, who) != 0 &&
			(locked->kind != LOCKOUT_ADDRESS || strcmp(locked->who, name) != 0))
			continue;
		unlock(guard, locked);
		count++;
	}
	return count;
}

/* ---- what is asked ---- */

static bool knows(const struct auth_guard *guard, const struct who *who, int64_t now_ms)
{
	const struct place *pair = find(guard, BY_PAIR, who);

	return pair != NULL && was_right(pair, now_ms) &&
	       count_of(guard, pair, now_ms) < guard->limits.tries;
}

bool auth_guard_knows(
	struct auth_guard *guard, const char *account, const struct address *peer, int64_t now_ms)
{
	struct who who = name_who(guard, account, peer);

	return knows(guard, &who, now_ms);
}

bool auth_guard_admits(
	struct auth_guard *guard, const char *account, const struct address *peer, int64_t now_ms)
{
	struct who who = name_who(guard, account, peer);
	const struct place *address = find(guard, BY_ADDRESS, &who);
	const struct place *name = find(guard, BY_ACCOUNT, &who);

	if ((address == NULL || !is_locked(address, now_ms)) &&
		(name == NULL || !is_locked(name, now_ms)))
		return true;
	return knows(guard, &who, now_ms);
}

static int64_t delay_of(const struct auth_guard *guard, unsigned count)
{
	int64_t delay_ms = guard->limits.delay_ms;

	while (count-- > 1 && delay_ms < guard->limits.delay_max_ms)
		delay_ms *= 2;
	return delay_ms < guard->limits.delay_max_ms ? delay_ms : guard->limits.delay_max_ms;
}

/* The count with this one; many, where there is no place to count in. */
static unsigned count_wrong(const struct auth_guard *guard, struct place *place, int64_t now_ms)
{
	if (place == NULL)
		return UNCOUNTED;
	place->wrong = count_of(guard, place, now_ms) + 1;
	place->wrong_ms = now_ms;
	return place->wrong;
}

struct auth_guard_wrong auth_guard_wrong(
	struct auth_guard *guard, const char *account, const struct address *peer, int64_t now_ms)
{
	const unsigned limits[] = {
		[BY_ADDRESS] = guard->limits.tries, [BY_ACCOUNT] = guard->limits.account_tries};
	struct who who = name_who(guard, account, peer);
	struct auth_guard_wrong wrong = {0};
	unsigned most = 0;

	for (unsigned table = 0; table < TABLE_COUNT; table++) {
		struct place *place = claim(guard, (enum table)table, &who, WORTH_COUNT, now_ms);
		unsigned count = count_wrong(guard, place, now_ms);

		if (table == BY_PAIR)
			break;
		if (count > most)
			most = count;
		wrong.count[table] = count;
		if (place == NULL || count < limits[table] || is_locked(place, now_ms))
			continue;
		lock(guard, (enum table)table, place, &who, now_ms);
		wrong.locked[table] = true;
	}
	wrong.delay_ms = delay_of(guard, most);
	return wrong;
}

static void take_back(
	struct auth_guard *guard, enum table table, const struct who *who, unsigned count)
{
	struct place *place = find(guard, table, who);

	if (place != NULL)
		place->wrong -= count < place->wrong ? count : place->wrong;
}

void auth_guard_right(
	struct auth_guard *guard, const char *account, const struct address *peer, int64_t now_ms)
{
	struct who who = name_who(guard, account, peer);
	struct place *pair = claim(guard, BY_PAIR, &who, WORTH_KNOWN, now_ms);
	unsigned count = count_of(guard, pair, now_ms);

	if (pair == NULL)
		return;
	take_back(guard, BY_ADDRESS, &who, count);
	take_back(guard, BY_ACCOUNT, &who, count);
	pair->wrong = 0;
	pair->right_ms = now_ms;
}

/* ---- open and close ---- */

struct auth_guard *auth_guard_open(const struct auth_guard_limits *limits)
{
	struct auth_guard *guard = calloc(1, sizeof(*guard));

	if (guard == NULL)
		return NULL;
	TAILQ_INIT(&guard->locked);
	guard->limits = *limits;
	for (unsigned table = 0; table < TABLE_COUNT; table++)
		guard->tables[table] = calloc(AUTH_GUARD_ENTRIES, sizeof(struct place));
	if (guard->tables[BY_ADDRESS] == NULL || guard->tables[BY_ACCOUNT] == NULL ||
		guard->tables[BY_PAIR] == NULL || getrandom(guard->key, KEY_SIZE, 0) != KEY_SIZE)
		auth_guard_close(&guard);
	return guard;
}

void auth_guard_close(struct auth_guard **guard)
{
	struct locked *locked, *next;

	if (guard == NULL || *guard == NULL)
		return;
	TAILQ_FOREACH_SAFE (locked, &(*guard)->locked, entry, next) {
		forget(*guard, locked);
	}
	for (unsigned table = 0; table < TABLE_COUNT; table++)
		free((*guard)->tables[table]);
	explicit_bzero((*guard)->key, KEY_SIZE);
	free(*guard);
	*guard = NULL;
}

void auth_guard_configure(struct auth_guard *guard, const struct auth_guard_limits *limits)
{
	guard->limits = *limits;
}
