#include "queue/intake.h"

#include <stdlib.h>

struct intake {
	struct writer *writer;
	struct mailbox *inbox;
	size_t credits; /* left */
	struct writer_request *first, *last; /* waiting for credit, in order */
};

struct intake *intake_open(struct writer *writer, struct mailbox *inbox, size_t credits)
{
	struct intake *intake = calloc(1, sizeof(*intake));

	if (intake == NULL)
		return NULL;
	intake->writer = writer;
	intake->inbox = inbox;
	intake->credits = credits;
	return intake;
}

void intake_close(struct intake **intake)
{
	if (intake == NULL)
		return;
	free(*intake);
	*intake = NULL;
}

static void give_away(struct intake *intake, struct writer_request *request)
{
	intake->credits--;
	request->answer_to = intake->inbox;
	writer_submit(intake->writer, request);
}

void intake_submit(struct intake *intake, struct writer_request *request)
{
	if (intake->credits > 0) {
		give_away(intake, request);
		return;
	}
	request->next = NULL;
	if (intake->last != NULL)
		intake->last->next = request;
	else
		intake->first = request;
	intake->last = request;
}

void intake_answered(struct intake *intake)
{
	struct writer_request *request = intake->first;

	intake->credits++;
	if (request == NULL)
		return;
	intake->first = request->next;
	if (intake->first == NULL)
		intake->last = NULL;
	give_away(intake, request);
}
