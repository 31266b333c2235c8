#include "smtp/auth_line.h"

void auth_line_init(struct auth_line *line, struct auth *auth, struct mailbox *inbox)
{
	*line = (struct auth_line){.auth = auth, .inbox = inbox, .credits = AUTH_CREDITS};
	TAILQ_INIT(&line->waiting);
}

static void give_away(struct auth_line *line, struct auth_errand *errand)
{
	line->credits--;
	errand->place = AUTH_ERRAND_UNDER_WAY;
	errand->request.answer_to = line->inbox;
	auth_submit(line->auth, &errand->request);
}

void auth_line_submit(struct auth_line *line, struct auth_errand *errand)
{
	if (line->credits > 0) {
		give_away(line, errand);
		return;
	}
	errand->place = AUTH_ERRAND_WAITS;
	TAILQ_INSERT_TAIL(&line->waiting, errand, entry);
}

void auth_line_answered(struct auth_line *line, struct auth_errand *errand)
{
	struct auth_errand *next = TAILQ_FIRST(&line->waiting);

	errand->place = AUTH_ERRAND_HOME;
	line->credits++;
	if (next == NULL)
		return;
	TAILQ_REMOVE(&line->waiting, next, entry);
	give_away(line, next);
}

bool auth_line_cancel(struct auth_line *line, struct auth_errand *errand)
{
	if (errand->place == AUTH_ERRAND_WAITS) {
		TAILQ_REMOVE(&line->waiting, errand, entry);
		errand->place = AUTH_ERRAND_HOME;
	}
	return errand->place == AUTH_ERRAND_HOME;
}
