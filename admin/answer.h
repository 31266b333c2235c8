/*
 * answer.h: what a client of the admin socket gets: a status and a body, or a message's text piece by piece.
 *
 * Every error is JSON, {"error": "…"}, with a sentence that says what to do.
 * Threads: the admin thread. Owner: whoever has the answer; answer_fini frees what it holds.
 */
#ifndef SLUICE_ADMIN_ANSWER_H
#define SLUICE_ADMIN_ANSWER_H

#include <stddef.h>

#include "admin/json.h"
#include "core/bytes.h"
#include "queue/envelope.h"

struct answer {
	unsigned status; /* of HTTP */
	const char *content_type;
	char allow[64]; /* of a 405 */
	struct bytes body;
	struct envelope *content; /* not NULL: its text is the body */
	bool content_as_received; /* without its repairs */
};

/* A JSON body: write to `json`, then answer_end_json; without memory it becomes a 503. */
void answer_begin_json(struct answer *answer, unsigned status, struct json *json);
void answer_end_json(struct answer *answer, struct json *json);

/* Replaces what was there. */
void answer_error(struct answer *answer, unsigned status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* What a failed look into the store is answered with. */
void answer_store_error(struct answer *answer, int error);

void answer_fini(struct answer *answer);

#endif
