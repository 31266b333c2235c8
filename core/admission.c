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

struct listener {
	_Atomic unsigned limit, address_limit;
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

struct admission *admission_open(
	unsigned total, const struct admission_limits *limits, size_t listener_count)
{
	struct admission *admission =
		calloc(1, sizeof(*admission) + listener_count * sizeof(admission->listeners[0]));
	size_t size = SIZE_MIN;

	if (admission == NULL)
		return NULL;
	while (size < (size_t)total * 4)
		size *= 2;
	admission->limit = total;
	admission->mask = size - 1;
	admission->words = calloc(size, sizeof(*admission->words));
	admission->keyed = open_keyed_hash();
	admission->listener_count = listener_count;
	for (size_t i = 0; i < listener_count; i++) {
		admission->listeners[i].reserves = limits[i].reserves;
		admission->reserves = admission->reserves || limits[i].reserves;
	}
	admission_configure(admission, limits);
	if (admission->words == NULL || admission->keyed == NULL)
		admission_close(&admission);
	return admission;
}

void admission_configure(struct admission *admission, const struct admission_limits *limits)
{
	for (size_t i = 0; i < admission->listener_count; i++) {
		struct listener *of = &admission->listeners[i];

		atomic_store_explicit(&of->limit, limits[i].total, memory_order_relaxed);
		atomic_store_explicit(&of->address_limit, limits[i].address, memory_order_relaxed);
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
	free(*admission);
	*admission = NULL;
}

/* The listener is hashed with the host, because the limit by address is the listener's own. */
static bool hash_peer(const struct admission *admission, unsigned listener,
	const struct address *peer, uint64_t *hash)
{
	EVP_MAC_CTX *context = EVP_MAC_CTX_dup(admission->keyed);
	unsigned char text[sizeof(listener) + 16] = {0};
	size_t size = 0;
	bool done;

	if (context == NULL)
		return false;
	memcpy(text, &listener, sizeof(listener));
	if (peer->any.sa_family == AF_INET)
		memcpy(text + sizeof(listener), &peer->v4.sin_addr, 4);
	else if (peer->any.sa_family == AF_INET6)
		memcpy(text + sizeof(listener), &peer->v6.sin6_addr, 16);
	done = EVP_MAC_update(context, text, sizeof(text)) == 1 &&
	       EVP_MAC_final(context, (unsigned char *)hash, &size, sizeof(*hash)) == 1;
	EVP_MAC_CTX_free(context);
	return done && size == sizeof(*hash);
}

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

/* `share`: how many connections of one address may be in the reserve. */
static enum admission_answer enter(struct admission *admission, unsigned listener,
	const struct address *peer, unsigned share, struct admission_ticket *ticket)
{
	struct listener *of = &admission->listeners[listener];
	enum admission_answer answer;
	uint64_t hash;

	if (!enter_count(&admission->count, admission->limit))
		return ADMISSION_FULL;
	if (!enter_count(&of->count, load(&of->limit))) {
		leave_count(&admission->count);
		return ADMISSION_FULL;
	}
	/* Without memory for the hash there is none for a session either. */
	answer =
		hash_peer(admission, listener, peer, &hash)
			? enter_address(admission, hash, load(&of->address_limit),
				  is_in_reserve(admission, of, 0) ? share : UINT_MAX, &ticket->slot)
			: ADMISSION_FULL;
	ticket->listener = listener;
	if (answer == ADMISSION_IN) {
		metric_add(METRIC_CONNECTIONS, 1);
		return answer;
	}
	leave_count(&of->count);
	leave_count(&admission->count);
	return answer;
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
	atomic_fetch_sub_explicit(&admission->words[ticket->slot], 1, memory_order_relaxed);
	leave_count(&admission->listeners[ticket->listener].count);
	leave_count(&admission->count);
	metric_subtract(METRIC_CONNECTIONS, 1);
}

unsigned admission_count(const struct admission *admission)
{
	return load(&admission->count);
}
