#include "smtp/errand.h"

#include <stdlib.h>

struct errand {
	struct writer_request request;
	struct session_shared *shared;
};

static void end_errand(struct letter *letter, void *context)
{
	struct errand *errand = LETTER_OF(letter, struct errand, request.letter);

	(void)context;
	intake_answered(errand->shared->intake);
	errand->shared->session_count--;
	free(errand);
}

void errand_send(struct session_shared *shared, enum writer_verb verb, uint64_t id)
{
	struct errand *errand = calloc(1, sizeof(*errand));

	if (errand == NULL)
		return;
	errand->shared = shared;
	errand->request.letter.read = end_errand;
	errand->request.verb = verb;
	errand->request.id = id;
	shared->session_count++;
	intake_submit(shared->intake, &errand->request);
}
