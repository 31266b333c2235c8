#include "core/admission.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/metrics.h"
#include "core/network.h"

/*
 * A word of the table is an address's tag above and its count below. A word whose count is 0 is free, whatever tag it
 * still shows. An address lies within PROBE words behind its home (two cache lines), or further on when these are all
 * taken, which at a quarter's load hardly happens. A search that looks at all of them and takes the first free one
 * only when the tag is in none therefore finds an address again although others came and went before it.
 *
 * All atomics are relaxed: they count, and nothing else is published by them.
 */
#define COUNT_BITS 24
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
#define PROBE      16
#define SIZE_MIN   64
#define NO_SLOT    UINT32_MAX

/* A word of the rates: a tag of 24 bits above, and below the time at which it is free again. */
#define TIME_BITS    40
#define TIME_MASK    ((UINT64_C(1) << TIME_BITS) - 1)
#define RATES_SIZE   65536
#define RATES_PROBE  64
#define RATE_SPAN_MS 60000

struct listener {
	_Atomic unsigned limit, address_limit, network_limit, address_rate, network_rate;
	bool reserves; /* set once: a reload does not change a profile */
	_Atomic unsigned count;
};

struct admission {
	unsigned limit;
	_Atomic unsigned count;
	bool reserves; /* a listener does */
	_Atomic bool room_is_asked;
	EVP_MAC_CTX
	*keyed; /* SipHash with this start's key; only ever copied, so threads share it */
	size_t mask;
	_Atomic uint64_t *words;
	_Atomic uint64_t *rates;
	const struct clock *clock;
	size_t listener_count;
	struct listener listeners[];
};

/* The key is random, so that no client can choose addresses that meet in the table. */
static EVP_MAC_CTX *open_keyed_hash(void)
{
	unsigned char key[16];
	size_t size_bytes = sizeof(uint64_t);
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size_bytes),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *siphash = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *keyed = siphash != NULL ? EVP_MAC_CTX_new(siphash) : NULL;

	EVP_MAC_free(siphash);
	if (keyed != NULL && (RAND_bytes(key, sizeof(key)) != 1 ||
				     EVP_MAC_init(keyed, key, sizeof(key), params) != 1)) {
		EVP_MAC_CTX_free(keyed);
		keyed = NULL;
	}
	return keyed;
}

struct admission *admission_open(unsigned total, const struct admission_limits *limits,
	size_t listener_count, const struct clock *clock)
{
	struct admission *admission =
		calloc(1, sizeof(*admission) + listener_count * sizeof(admission->listeners[0]));
	size_t size = SIZE_MIN;

	if (admission == NULL)
		return NULL;
	while (size <
		(size_t)total * 8) /* each has a word for its address and one for its network */
		size *= 2;
	admission->limit = total;
	admission->mask = size - 1;
	admission->words = calloc(size, sizeof(*admission->words));
	admission->rates = calloc(RATES_SIZE, sizeof(*admission->rates));
	admission->clock = clock;
	admission->keyed = open_keyed_hash();
	admission->listener_count = listener_count;
	for (size_t i = 0; i < listener_count; i++) {
		admission->listeners[i].reserves = limits[i].reserves;
		admission->reserves = admission->reserves || limits[i].reserves;
	}
	admission_configure(admission, limits);
	if (admission->words == NULL || admission->rates == NULL || admission->keyed == NULL)
		admission_close(&admission);
	return admission;
}

void admission_configure(struct admission *admission, const struct admission_limits *limits)
{
	for (size_t i = 0; i < admission->listener_count; i++) {
		struct listener *of = &admission->listeners[i];

		atomic_store_explicit(&of->limit, limits[i].total, memory_order_relaxed);
		atomic_store_explicit(&of->address_limit, limits[i].address, memory_order_relaxed);
		atomic_store_explicit(&of->network_limit, limits[i].network, memory_order_relaxed);
		atomic_store_explicit(
			&of->address_rate, limits[i].address_rate, memory_order_relaxed);
		atomic_store_explicit(
			&of->network_rate, limits[i].network_rate, memory_order_relaxed);
	}
}

static unsigned load(const _Atomic unsigned *number)
{
	return atomic_load_explicit(number, memory_order_relaxed);
}

void admission_close(struct admission **admission)
{
	if (admission == NULL || *admission == NULL)
		return;
	EVP_MAC_CTX_free((*admission)->keyed);
	free((*admission)->words);
	free((*admission)->rates);
	free(*admission);
	*admission = NULL;
}

/* Of the address, or of its network; the listener is in it, as limits are its own. */
static bool hash_peer(const struct admission *admission, unsigned listener,
	const struct address *peer, bool of_network, uint64_t *hash)
{
	EVP_MAC_CTX *context = EVP_MAC_CTX_dup(admission->keyed);
	unsigned char text[sizeof(listener) + 1 + 16] = {0};
	uint8_t *host = text + sizeof(listener) + 1;
	size_t size = 0;
	bool done;

	if (context == NULL)
		return false;
	memcpy(text, &listener, sizeof(listener));
	text[sizeof(listener)] = of_network;
	if (network_host_bytes(peer, host) && of_network)
		network_clear_behind(host, peer->any.sa_family == AF_INET
						   ? NETWORK_V4_BITS + ADMISSION_V4_BITS
						   : ADMISSION_V6_BITS);
	done = EVP_MAC_update(context, text, sizeof(text)) == 1 &&
	       EVP_MAC_final(context, (unsigned char *)hash, &size, sizeof(*hash)) == 1;
	EVP_MAC_CTX_free(context);
	return done && size == sizeof(*hash);
}

/* ---- how many ---- */

#define NO_WORD SIZE_MAX

/* The word that holds the tag, else the first free one on its way. */
static size_t find_word(const struct admission *admission, uint64_t hash)
{
	size_t free_word = NO_WORD;

	for (size_t i = 0; i <= admission->mask; i++) {
		size_t at = (hash + i) & admission->mask;
		uint64_t word = atomic_load_explicit(&admission->words[at], memory_order_relaxed);

		if ((word & COUNT_MASK) != 0 && (word ^ hash) >> COUNT_BITS == 0)
			return at;
		if ((word & COUNT_MASK) == 0 && free_word == NO_WORD)
			free_word = at;
		if (i + 1 >= PROBE && free_word != NO_WORD)
			break;
	}
	return free_word;
}

/* `most`: in the reserve, so many of its connections stand in the way. */
static enum admission_answer enter_address(
	struct admission *admission, uint64_t hash, unsigned limit, unsigned most, uint32_t *slot)
{
	const uint64_t tag = hash & ~COUNT_MASK;

	for (;;) {
		size_t at = find_word(admission, hash);
		uint64_t word, count;

		if (at == NO_WORD)
			return ADMISSION_FULL;
		word = atomic_load_explicit(&admission->words[at], memory_order_relaxed);
		count = word & COUNT_MASK;
		if (count != 0 && (word & ~COUNT_MASK) != tag)
			continue; /* somebody else's since it was found */
		if (count >= limit || count == COUNT_MASK)
			return ADMISSION_ADDRESS_FULL;
		if (count >= most)
			return ADMISSION_RESERVED;
		if (atomic_compare_exchange_strong_explicit(&admission->words[at], &word,
			    tag | (count + 1), memory_order_relaxed, memory_order_relaxed)) {
			*slot = (uint32_t)at;
			return ADMISSION_IN;
		}
	}
}

static bool enter_count(_Atomic unsigned *count, unsigned limit)
{
	if (atomic_fetch_add_explicit(count, 1, memory_order_relaxed) < limit)
		return true;
	atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
	return false;
}

static void leave_count(_Atomic unsigned *count)
{
	atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
}

bool admission_has_room(const struct admission *admission, unsigned listener)
{
	const struct listener *of = &admission->listeners[listener];

	return load(&admission->count) < admission->limit && load(&of->count) < load(&of->limit);
}

static bool is_crowded(const _Atomic unsigned *count, unsigned limit)
{
	return load(count) >= limit - limit / 5;
}

bool admission_is_crowded(const struct admission *admission, unsigned listener)
{
	const struct listener *of = &admission->listeners[listener];

	return is_crowded(&admission->count, admission->limit) ||
	       is_crowded(&of->count, load(&of->limit));
}

/* How many places come before the reserve. */
static unsigned before_reserve(unsigned limit)
{
	return limit - limit / 10;
}

/* Whether `more` than there are would be in the reserve. */
static bool is_in_reserve(
	const struct admission *admission, const struct listener *of, unsigned more)
{
	return (admission->reserves &&
		       load(&admission->count) + more > before_reserve(admission->limit)) ||
	       (of->reserves && load(&of->count) + more > before_reserve(load(&of->limit)));
}

bool admission_is_tight(const struct admission *admission, unsigned listener)
{
	const struct listener *of = &admission->listeners[listener];

	return of->reserves && is_in_reserve(admission, of, 1);
}

bool admission_ask_room(struct admission *admission, unsigned listener)
{
	return admission_is_tight(admission, listener) &&
	       !atomic_exchange_explicit(&admission->room_is_asked, true, memory_order_relaxed);
}

bool admission_room_is_asked(const struct admission *admission)
{
	return atomic_load_explicit(&admission->room_is_asked, memory_order_relaxed);
}

bool admission_take_ask(struct admission *admission)
{
	return atomic_exchange_explicit(&admission->room_is_asked, false, memory_order_relaxed);
}

/* ---- how often ---- */

/* The word that holds the tag, else a free one on its way; NO_WORD: those who came lately are too many. */
static size_t find_rate(const struct admission *admission, uint64_t hash, uint64_t now_ms)
{
	size_t free_word = NO_WORD;

	for (size_t i = 0; i < RATES_PROBE; i++) {
		size_t at = (hash + i) & (RATES_SIZE - 1);
		uint64_t word = atomic_load_explicit(&admission->rates[at], memory_order_relaxed);
		bool is_free = (word & TIME_MASK) <= now_ms;

		if (!is_free && (word ^ hash) >> TIME_BITS == 0)
			return at;
		if (is_free && free_word == NO_WORD)
			free_word = at;
	}
	return free_word;
}

enum rate_act { RATE_LOOK, RATE_TAKE };

/* Whether there is one of the rate left; takes it. `rate` 0: there is no limit. */
static bool ask_rate(struct admission *admission, uint64_t hash, unsigned rate, enum rate_act act)
{
	const uint64_t tag = hash & ~TIME_MASK;
	uint64_t now_ms = (uint64_t)clock_mono_ms(admission->clock) & TIME_MASK;
	uint64_t step_ms = rate == 0 ? 0 : (RATE_SPAN_MS + rate - 1) / rate;

	while (rate != 0) {
		size_t at = find_rate(admission, hash, now_ms);
		uint64_t word, free_at_ms;

		if (at == NO_WORD)
			return true;
		word = atomic_load_explicit(&admission->rates[at], memory_order_relaxed);
		free_at_ms = word & TIME_MASK;
		if (free_at_ms > now_ms && (word & ~TIME_MASK) != tag)
			continue; /* somebody else's since it was found */
		if (free_at_ms < now_ms)
			free_at_ms = now_ms;
		if (free_at_ms + step_ms > now_ms + step_ms * rate)
			return false;
		if (act == RATE_LOOK ||
			atomic_compare_exchange_strong_explicit(&admission->rates[at], &word,
				tag | (free_at_ms + step_ms), memory_order_relaxed,
				memory_order_relaxed))
			break;
	}
	return true;
}

/* ---- in and out ---- */

static void leave_word(struct admission *admission, uint32_t slot)
{
	if (slot != NO_SLOT)
		atomic_fetch_sub_explicit(&admission->words[slot], 1, memory_order_relaxed);
}

/* The hashes of who comes. */
struct newcomer {
	uint64_t host, network;
};

/* Nothing is spent of one rate for a client that the other one keeps out: it tries again and again. */
static enum admission_answer take_rates(
	struct admission *admission, const struct listener *of, const struct newcomer *newcomer)
{
	unsigned host_rate = load(&of->address_rate), network_rate = load(&of->network_rate);

	if (!ask_rate(admission, newcomer->network, network_rate, RATE_LOOK))
		return ADMISSION_NETWORK_RATE;
	if (!ask_rate(admission, newcomer->host, host_rate, RATE_TAKE))
		return ADMISSION_ADDRESS_RATE;
	return ask_rate(admission, newcomer->network, network_rate, RATE_TAKE)
		       ? ADMISSION_IN
		       : ADMISSION_NETWORK_RATE;
}

static enum admission_answer take_words(struct admission *admission, const struct listener *of,
	const struct newcomer *newcomer, unsigned share, struct admission_ticket *ticket)
{
	unsigned limit = load(&of->network_limit);
	enum admission_answer answer =
		enter_address(admission, newcomer->host, load(&of->address_limit),
			is_in_reserve(admission, of, 0) ? share : UINT_MAX, &ticket->slot);

	ticket->network_slot = NO_SLOT;
	if (answer == ADMISSION_IN && limit != 0) {
		answer = enter_address(
			admission, newcomer->network, limit, UINT_MAX, &ticket->network_slot);
		if (answer != ADMISSION_IN)
			leave_word(admission, ticket->slot);
		if (answer == ADMISSION_ADDRESS_FULL)
			answer = ADMISSION_NETWORK_FULL;
	}
	return answer;
}

/* `share`: how many connections of one address may be in the reserve. */
static enum admission_answer enter_host(struct admission *admission, const struct listener *of,
	const struct address *peer, unsigned share, struct admission_ticket *ticket)
{
	enum admission_answer answer;
	struct newcomer newcomer = {0};

	/* without memory for the hash there is none for a session either */
	if (!hash_peer(admission, ticket->listener, peer, false, &newcomer.host) ||
		((load(&of->network_limit) != 0 || load(&of->network_rate) != 0) &&
			!hash_peer(admission, ticket->listener, peer, true, &newcomer.network)))
		return ADMISSION_FULL;
	answer = take_words(admission, of, &newcomer, share, ticket);
	if (answer != ADMISSION_IN)
		return answer;
	answer = take_rates(admission, of, &newcomer);
	if (answer != ADMISSION_IN) {
		leave_word(admission, ticket->slot);
		leave_word(admission, ticket->network_slot);
	}
	return answer;
}

static enum admission_answer enter(struct admission *admission, unsigned listener,
	const struct address *peer, unsigned share, struct admission_ticket *ticket)
{
	struct listener *of = &admission->listeners[listener];
	enum admission_answer answer;

	if (!enter_count(&admission->count, admission->limit))
		return ADMISSION_FULL;
	if (!enter_count(&of->count, load(&of->limit))) {
		leave_count(&admission->count);
		return ADMISSION_FULL;
	}
	ticket->listener = listener;
	answer = enter_host(admission, of, peer, share, ticket);
	if (answer == ADMISSION_IN) {
		metric_add(METRIC_CONNECTIONS, 1);
		return answer;
	}
	leave_count(&of->count);
	leave_count(&admission->count);
	return answer;
}

const char *admission_answer_name(enum admission_answer answer)
{
	static const char *const names[] = {
		[ADMISSION_IN] = "in",
		[ADMISSION_FULL] = "too many connections",
		[ADMISSION_ADDRESS_FULL] = "too many connections from this address",
		[ADMISSION_NETWORK_FULL] = "too many connections from this network",
		[ADMISSION_ADDRESS_RATE] = "this address comes too often",
		[ADMISSION_NETWORK_RATE] = "this network comes too often",
		[ADMISSION_RESERVED] = "too many connections",
	};

	return names[answer];
}

bool admission_is_own_limit(enum admission_answer answer)
{
	return answer != ADMISSION_IN && answer != ADMISSION_FULL && answer != ADMISSION_RESERVED;
}

enum admission_answer admission_enter(struct admission *admission, unsigned listener,
	const struct address *peer, struct admission_ticket *ticket)
{
	return enter(admission, listener, peer, 1, ticket);
}

enum admission_answer admission_enter_reserve(struct admission *admission, unsigned listener,
	const struct address *peer, struct admission_ticket *ticket)
{
	unsigned limit = load(&admission->listeners[listener].limit);

	if (limit > admission->limit)
		limit = admission->limit;
	return enter(admission, listener, peer, limit / 10, ticket);
}

void admission_leave(struct admission *admission, const struct admission_ticket *ticket)
{
	leave_word(admission, ticket->slot);
	leave_word(admission, ticket->network_slot);
	leave_count(&admission->listeners[ticket->listener].count);
	leave_count(&admission->count);
	metric_subtract(METRIC_CONNECTIONS, 1);
}

unsigned admission_count(const struct admission *admission)
{
	return load(&admission->count);
}
