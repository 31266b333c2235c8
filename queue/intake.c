#include "queue/intake.h"

#include <stdlib.h>

struct line {
	struct writer_request *first, *last;
};

struct intake {
	struct writer *writer;
	struct mailbox *inbox;
	size_t credits; /* left */
	struct line texts, rest; /* waiting for credit: WRITER_APPEND, and all others */
	bool text_is_next; /* where both wait they take turns */
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

static void push(struct line *line, struct writer_request *request)
{
	request->next = NULL;
	if (line->last != NULL)
		line->last->next = request;
	else
		line->first = request;
	line->last = request;
}

static struct writer_request *pop(struct line *line)
{
	struct writer_request *request = line->first;

	if (request == NULL)
		return NULL;
	line->first = request->next;
	if (line->first == NULL)
		line->last = NULL;
	return request;
}

void intake_submit(struct intake *intake, struct writer_request *request)
{
	if (intake->credits > 0)
		give_away(intake, request);
	else
		push(request->verb == WRITER_APPEND ? &intake->texts : &intake->rest, request);
}

void intake_answered(struct intake *intake)
{
	struct writer_request *request;

	intake->credits++;
	if (intake->rest.first == NULL || (intake->text_is_next && intake->texts.first != NULL)) {
		intake->text_is_next = false;
		request = pop(&intake->texts);
	} else {
		intake->text_is_next = true;
		request = pop(&intake->rest);
	}
	if (request != NULL)
		give_away(intake, request);
}
