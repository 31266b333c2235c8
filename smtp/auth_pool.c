#include "smtp/auth_pool.h"

#include <crypt.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "core/log.h"
#include "core/ring.h"

#define HASHING_NICE 5

struct hasher {
	struct auth_pool *pool;
	struct crypt_data memory;
	pthread_t thread;
	bool running;
};

struct auth_pool {
	struct ring *jobs;
	sem_t waiting; /* counts the ring's items, so that several threads can sleep on it */
	_Atomic bool stopping;
	struct mailbox *answers;
	struct hasher *hashers;
	size_t count;
};

static bool is_right(struct crypt_data *memory, const struct auth_job *job)
{
	const char *hash = crypt_rn(job->password, job->hash, memory, sizeof(*memory));
	size_t size = strlen(job->hash);

	return hash != NULL && strlen(hash) == size && CRYPTO_memcmp(hash, job->hash, size) == 0;
}

static void *run(void *argument)
{
	struct hasher *hasher = argument;
	struct auth_pool *pool = hasher->pool;

	/* where the processors are short, those who are in come first */
	setpriority(PRIO_PROCESS, (id_t)gettid(), HASHING_NICE);
	for (;;) {
		struct auth_job *job;

		while (sem_wait(&pool->waiting) < 0)
			; /* a signal */
		/* acquire: pairs with the release in auth_pool_close */
		if (atomic_load_explicit(&pool->stopping, memory_order_acquire))
			return NULL;
		job = ring_pop(pool->jobs);
		if (job == NULL)
			continue;
		job->right = is_right(&hasher->memory, job);
		explicit_bzero(&hasher->memory, sizeof(hasher->memory));
		if (!mailbox_push(pool->answers, &job->letter))
			log_panic("auth: the desk's inbox has no room for an answer");
	}
}

static int start_hasher(struct hasher *hasher, struct auth_pool *pool, struct reason *reason)
{
	sigset_t all, before;
	int rc;

	hasher->pool = pool;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	rc = pthread_create(&hasher->thread, NULL, run, hasher);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return reason_set(reason, "auth: cannot start a thread: %s", strerror(rc));
	hasher->running = true;
	pthread_setname_np(hasher->thread, "auth-hash");
	return 0;
}

int auth_pool_open(struct auth_pool **out, unsigned threads, size_t capacity,
	struct mailbox *answers, struct reason *reason)
{
	struct auth_pool *pool = calloc(1, sizeof(*pool));

	*out = NULL;
	if (pool == NULL)
		return reason_set(reason, "out of memory");
	pool->answers = answers;
	pool->count = threads;
	pool->jobs = ring_open(capacity);
	pool->hashers = calloc(threads, sizeof(*pool->hashers));
	atomic_init(&pool->stopping, false);
	sem_init(&pool->waiting, 0, 0); /* fails for values over SEM_VALUE_MAX only */
	if (pool->jobs == NULL || pool->hashers == NULL) {
		auth_pool_close(&pool);
		return reason_set(reason, "out of memory");
	}
	for (size_t i = 0; i < threads; i++) {
		if (start_hasher(&pool->hashers[i], pool, reason) < 0) {
			auth_pool_close(&pool);
			return -1;
		}
	}
	*out = pool;
	return 0;
}

void auth_pool_close(struct auth_pool **closed)
{
	struct auth_pool *pool;

	if (closed == NULL || *closed == NULL)
		return;
	pool = *closed;
	/* release: pairs with the acquire in run */
	atomic_store_explicit(&pool->stopping, true, memory_order_release);
	for (size_t i = 0; i < pool->count; i++)
		sem_post(&pool->waiting);
	for (size_t i = 0; pool->hashers != NULL && i < pool->count; i++)
		if (pool->hashers[i].running)
			pthread_join(pool->hashers[i].thread, NULL);
	free(pool->hashers);
	sem_destroy(&pool->waiting);
	ring_close(&pool->jobs);
	free(pool);
	*closed = NULL;
}

void auth_pool_ask(struct auth_pool *pool, struct auth_job *job)
{
	if (!ring_push(pool->jobs, job))
		log_panic("auth: more jobs than were counted");
	sem_post(&pool->waiting);
}
