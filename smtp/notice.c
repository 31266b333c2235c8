/* notice.c: what a session notes of its client: quirks. */
#include "core/metrics.h"
#include "smtp/session.h"

static bool is_of_connection(enum quirk quirk)
{
	const struct quirk_row *row = quirk_row(quirk);

	return row != NULL &&
	       (row->place == QUIRK_AT_CONNECTION || row->place == QUIRK_AT_GREETING ||
		       row->stand == QUIRK_BY_PROFILE);
}

void session_quirk(
	struct session *session, enum quirk quirk, const void *example, size_t example_size)
{
	struct quirk_set *set =
		is_of_connection(quirk) ? &session->quirks : &session->message_quirks;

	(void)example;
	(void)example_size;
	if (quirk_set_has(set, quirk))
		return;
	quirk_set_add(set, quirk);
	metric_add_quirk(quirk, 1);
}

/* What was found in a message's text, all at once. */
void session_quirks(struct session *session, const struct quirk_set *found)
{
	for (unsigned quirk = 0; (quirk = quirk_set_next(found, quirk)) != 0;)
		session_quirk(session, quirk, NULL, 0);
}
