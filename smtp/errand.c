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
	message_close(&errand->request.message);
	free(errand);
}

static void submit(struct session_shared *shared, const struct writer_request *request)
{
	struct errand *errand = calloc(1, sizeof(*errand));
	struct message *message = request->message;

	if (errand == NULL) {
		message_close(&message);
		return;
	}
	errand->shared = shared;
	errand->request = *request;
	errand->request.letter.read = end_errand;
	shared->session_count++;
	intake_submit(shared->intake, &errand->request);
}

void errand_send(struct session_shared *shared, enum writer_verb verb, uint64_t id)
{
	submit(shared, &(struct writer_request){.verb = verb, .id = id});
}

void errand_send_message(struct session_shared *shared, struct message *message)
{
	if (message != NULL)
		submit(shared, &(struct writer_request){.verb = WRITER_ADD, .message = message});
}
