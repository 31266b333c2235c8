#include "scan/chain.h"

#include <stdlib.h>

#include "queue/reader.h"

struct chain {
	const struct hook *const *hooks;
	size_t hook_count;
	void **states;
	uint8_t *piece;
};

struct chain *chain_open(const struct hook *const *hooks)
{
	struct chain *chain = calloc(1, sizeof(*chain));
	size_t count = 0;

	if (chain == NULL)
		return NULL;
	while (hooks[count] != NULL)
		count++;
	chain->hooks = hooks;
	chain->piece = malloc(STORE_PIECE_BYTES);
	chain->states = calloc(count + 1, sizeof(*chain->states));
	if (chain->piece == NULL || chain->states == NULL) {
		chain_close(&chain);
		return NULL;
	}
	for (; chain->hook_count < count; chain->hook_count++) {
		void *state = hooks[chain->hook_count]->open();

		if (state == NULL) {
			chain_close(&chain);
			return NULL;
		}
		chain->states[chain->hook_count] = state;
	}
	return chain;
}

void chain_close(struct chain **chain)
{
	if (chain == NULL || *chain == NULL)
		return;
	for (size_t i = 0; i < (*chain)->hook_count; i++)
		(*chain)->hooks[i]->close((*chain)->states[i]);
	free((*chain)->states);
	free((*chain)->piece);
	free(*chain);
	*chain = NULL;
}

static int begin(struct chain *chain)
{
	for (size_t i = 0; i < chain->hook_count; i++) {
		int rc = chain->hooks[i]->begin(chain->states[i]);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int feed(struct chain *chain, size_t size)
{
	for (size_t i = 0; i < chain->hook_count; i++) {
		int rc = chain->hooks[i]->feed(chain->states[i], chain->piece, size);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int finish(struct chain *chain, struct finding *finding)
{
	*finding = (struct finding){.verdict = VERDICT_CLEAN};
	for (size_t i = 0; i < chain->hook_count && finding->verdict != VERDICT_VIRUS; i++) {
		int rc = chain->hooks[i]->finish(chain->states[i], finding);

		if (rc < 0)
			return rc;
		finding->hook = chain->hooks[i]->name;
	}
	return 0;
}

static int read_through(struct chain *chain, struct reader *reader)
{
	for (;;) {
		ssize_t size = reader_next(reader, chain->piece);
		int rc;

		if (size <= 0)
			return (int)size;
		rc = feed(chain, (size_t)size);
		if (rc < 0)
			return rc;
	}
}

int chain_run(struct chain *chain, struct store_view *view, const struct envelope *envelope,
	struct finding *finding)
{
	struct reader reader;
	int rc = begin(chain);

	if (rc < 0)
		return rc;
	reader_init(&reader, view, envelope, READ_EIGHTBIT);
	rc = read_through(chain, &reader);
	reader_fini(&reader);
	return rc < 0 ? rc : finish(chain, finding);
}
