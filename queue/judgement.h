/*
 * judgement.h: what a client would be told if it sent mail now, for people who ask. smtp/judge.c answers by the rules of its
 * sessions (permission.h); the admin socket asks, which knows nothing of SMTP.
 *
 * Threads: any. Owner: nothing is kept.
 */
#ifndef SLUICE_QUEUE_JUDGEMENT_H
#define SLUICE_QUEUE_JUDGEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/config.h"
#include "queue/permits.h"

#define JUDGEMENT_TEXT_SIZE 480

struct judgement_case {
	const struct config *config;
	const struct config_listener *listener;
	struct permits *permits;
	struct permit_client client;
	const char *reverse_path; /* "": the null one, or any */
	uint64_t now_unix_ms;
};

enum judgement_kind {
	JUDGEMENT_TAKEN,
	JUDGEMENT_HELD, /* taken and held: its grant has lapsed */
	JUDGEMENT_LOGIN, /* the listener wants a login first */
	JUDGEMENT_REFUSED,
};

struct judgement {
	enum judgement_kind kind;
	unsigned ways; /* by which it may relay there: enum relay_way */
	const char *sender; /* stands for the reverse-path; NULL: it stays. The grant's */
	char text[JUDGEMENT_TEXT_SIZE]; /* what it is told, or why its mail is held; "": nothing */
};

typedef void judgement_fn(const struct judgement_case *asked, struct judgement *out);

#endif
