#include "smtp/auth_cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define WAYS     4 /* places that one may take */
#define TAG_SIZE 32
#define KEY_SIZE 32

struct entry {
	uint8_t tag[TAG_SIZE];
	int64_t until_ms; /* 0: empty */
};

struct auth_cache {
	uint8_t key[KEY_SIZE];
	int64_t keep_ms;
	struct entry *entries;
};

struct auth_cache *auth_cache_open(int64_t keep_ms)
{
	struct auth_cache *cache = calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	cache->keep_ms = keep_ms;
	cache->entries = calloc(AUTH_CACHE_ENTRIES, sizeof(*cache->entries));
	if (cache->entries == NULL || getrandom(cache->key, KEY_SIZE, 0) != KEY_SIZE)
		auth_cache_close(&cache);
	return cache;
}

void auth_cache_close(struct auth_cache **cache)
{
	if (cache == NULL || *cache == NULL)
		return;
	explicit_bzero((*cache)->key, KEY_SIZE);
	free((*cache)->entries);
	free(*cache);
	*cache = NULL;
}

void auth_cache_configure(struct auth_cache *cache, int64_t keep_ms)
{
	cache->keep_ms = keep_ms;
	auth_cache_clear(cache);
}

void auth_cache_clear(struct auth_cache *cache)
{
	memset(cache->entries, 0, AUTH_CACHE_ENTRIES * sizeof(*cache->entries));
}

/* Of the name with its NUL, so that no two pairs are one text. False: OpenSSL has no memory. */
static bool make_tag(
	const struct auth_cache *cache, const char *account, const char *password, uint8_t *tag)
{
	uint8_t text[1024];
	size_t account_size = strlen(account) + 1, password_size = strlen(password) + 1;
	bool made;

	if (account_size + password_size > sizeof(text))
		return false;
	memcpy(text, account, account_size);
	memcpy(text + account_size, password, password_size);
	made = HMAC(EVP_sha256(), cache->key, KEY_SIZE, text, account_size + password_size, tag,
		       NULL) != NULL;
	explicit_bzero(text, sizeof(text));
	return made;
}

static struct entry *places_of(const struct auth_cache *cache, const uint8_t *tag)
{
	uint32_t number;

	memcpy(&number, tag, sizeof(number));
	return cache->entries + (size_t)(number % (AUTH_CACHE_ENTRIES / WAYS)) * WAYS;
}

void auth_cache_put(
	struct auth_cache *cache, const char *account, const char *password, int64_t now_ms)
{
	struct entry *places, *entry;
	uint8_t tag[TAG_SIZE];

	if (cache->keep_ms == 0 || !make_tag(cache, account, password, tag))
		return;
	entry = places = places_of(cache, tag);
	for (unsigned way = 0; way < WAYS; way++) {
		if (CRYPTO_memcmp(places[way].tag, tag, TAG_SIZE) == 0) {
			entry = &places[way];
			break;
		}
		if (places[way].until_ms < entry->until_ms)
			entry = &places[way];
	}
	memcpy(entry->tag, tag, TAG_SIZE);
	entry->until_ms = now_ms + cache->keep_ms;
}

bool auth_cache_has(
	const struct auth_cache *cache, const char *account, const char *password, int64_t now_ms)
{
	const struct entry *places;
	uint8_t tag[TAG_SIZE];

	if (cache->keep_ms == 0 || !make_tag(cache, account, password, tag))
		return false;
	places = places_of(cache, tag);
	for (unsigned way = 0; way < WAYS; way++)
		if (places[way].until_ms > now_ms &&
			CRYPTO_memcmp(places[way].tag, tag, TAG_SIZE) == 0)
			return true;
	return false;
}
