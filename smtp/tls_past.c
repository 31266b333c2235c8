#include "smtp/tls_past.h"

#include <openssl/rand.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define WORDS      8192 /* a power of 2 */
#define COUNT_BITS 4
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

/* A word: the client's tag above, how many handshakes failed in a row below. */
struct tls_past {
	uint64_t seed; /* random: no client can choose whom it meets */
	_Atomic uint64_t words[WORDS];
};

struct tls_past *tls_past_open(void)
{
	struct tls_past *past = calloc(1, sizeof(*past));

	if (past != NULL && RAND_bytes((unsigned char *)&past->seed, sizeof(past->seed)) != 1)
		tls_past_close(&past);
	return past;
}

void tls_past_close(struct tls_past **past)
{
	free(*past);
	*past = NULL;
}

void tls_past_forget(struct tls_past *past)
{
	for (size_t i = 0; i < WORDS; i++)
		atomic_store_explicit(&past->words[i], 0, memory_order_relaxed);
}

static uint64_t hash(const struct tls_past *past, const char *address, const char *name)
{
	uint64_t of_address = XXH3_64bits_withSeed(address, strlen(address), past->seed);

	return XXH3_64bits_withSeed(name, strlen(name), of_address);
}

/* 0: nothing is known. */
static unsigned read_count(const struct tls_past *past, uint64_t key)
{
	uint64_t word = atomic_load_explicit(&past->words[key % WORDS], memory_order_relaxed);

	return (word ^ key) >> COUNT_BITS == 0 ? (unsigned)(word & COUNT_MASK) : 0;
}

/* Two workers that write in the same instant: one of both counts. */
static void write_count(struct tls_past *past, uint64_t key, unsigned count)
{
	atomic_store_explicit(
		&past->words[key % WORDS], (key & ~COUNT_MASK) | count, memory_order_relaxed);
}

bool tls_past_is_bad(const struct tls_past *past, const char *address, const char *name)
{
	return read_count(past, hash(past, address, name != NULL ? name : "")) >= TLS_PAST_FAILURES;
}

bool tls_past_note_failure(struct tls_past *past, const char *address, const char *name)
{
	uint64_t key = hash(past, address, name != NULL ? name : "");
	unsigned count = read_count(past, key);

	if (count >= TLS_PAST_FAILURES)
		return false;
	write_count(past, key, count + 1);
	return count + 1 == TLS_PAST_FAILURES;
}

void tls_past_note_success(struct tls_past *past, const char *address, const char *name)
{
	uint64_t key = hash(past, address, name != NULL ? name : "");

	if (read_count(past, key) > 0)
		write_count(past, key, 0);
}

/* No name of a client holds a line end. */
#define FIRST_MARK "\n"

bool tls_past_is_first(const struct tls_past *past, const char *address)
{
	return read_count(past, hash(past, address, FIRST_MARK)) > 0;
}

void tls_past_note_first(struct tls_past *past, const char *address)
{
	write_count(past, hash(past, address, FIRST_MARK), 1);
}
